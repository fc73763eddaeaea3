//! The test data in `tests/data`: what a C compiler makes of the kernel's own headers.

use std::fs;
use std::path::{Path, PathBuf};

use ghostsched_core::abi::Abi;

/// A message or a structure: its fields by the kernel's names, in order, and its bytes.
pub struct Golden {
    pub name: String,
    pub fields: Vec<(String, i128)>,
    pub bytes: Vec<u8>,
}

pub fn folder(abi: Abi) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../tests/data/{abi}"))
}

/// The lines of a file without comments, split into words.
pub fn lines(path: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(' ').map(str::to_owned).collect())
        .collect()
}

/// All files of an ABI with this extension.
pub fn golden(abi: Abi, extension: &str) -> Vec<Golden> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder(abi)).expect("the data folder") {
        let path = entry.expect("an entry").path();
        if path.extension().is_none_or(|found| found != extension) {
            continue;
        }
        let mut golden = Golden {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            fields: Vec::new(),
            bytes: Vec::new(),
        };
        for line in lines(&path) {
            match line[0].as_str() {
                "bytes" => {
                    golden.bytes = line[1..]
                        .iter()
                        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
                        .collect()
                }
                name => golden.fields.push((name.to_owned(), line[1].parse().unwrap())),
            }
        }
        assert!(!golden.bytes.is_empty(), "{} has no bytes", path.display());
        all.push(golden);
    }
    all.sort_by(|a, b| a.name.cmp(&b.name));
    all
}
