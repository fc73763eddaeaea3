//! Generates the code that is checked in. `cargo run -p xtask -- bindings [--check]`
//!
//! `bindings` writes `bpf/src/bindings.rs` from `include/ghostsched_bpf.h`; with `--check` it writes nothing and compares.
//! Exit status: 0 done or equal, 1 different or failed, 2 wrong arguments, 3 no libclang on this machine.

use std::path::Path;
use std::process::ExitCode;

const HEADER: &str = "include/ghostsched_bpf.h";
const OUTPUT: &str = "bpf/src/bindings.rs";

/// What the generated file starts with; an inner attribute applies to the whole module.
const PREAMBLE: &str = "\
//! The types and constants of `include/ghostsched_bpf.h`, which documents them.
//!
//! Generated: change the header and run `make bindings`.
#![allow(missing_docs, non_camel_case_types)]

pub type __u8 = u8;
pub type __u16 = u16;
pub type __u32 = u32;
pub type __u64 = u64;
pub type __s32 = i32;
pub type __s64 = i64;";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let check = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bindings"] => false,
        ["bindings", "--check"] => true,
        _ => {
            eprintln!("usage: cargo run -p xtask -- bindings [--check]");
            return ExitCode::from(2);
        }
    };
    // Asked when it runs, not when it is compiled: a target folder may be shared by several copies of the repository.
    let Some(folder) = std::env::var_os("CARGO_MANIFEST_DIR") else {
        eprintln!("xtask: run it by cargo");
        return ExitCode::from(2);
    };
    let root = &Path::new(&folder).join("..");
    if let Err(reason) = clang_sys::load() {
        eprintln!("xtask: no libclang: {}", reason.lines().next().unwrap_or("not found"));
        return ExitCode::from(3);
    }
    match bindings(root).and_then(|text| {
        if check {
            compare(root, &text)
        } else {
            write(root, &text)
        }
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// The kernel's integer types are defined by [`PREAMBLE`]: tells bindgen that they are as plain as Rust's.
#[derive(Debug)]
struct PlainIntegers;

impl bindgen::callbacks::ParseCallbacks for PlainIntegers {
    fn blocklisted_type_implements_trait(
        &self,
        _name: &str,
        _derive: bindgen::callbacks::DeriveTrait,
    ) -> Option<bindgen::callbacks::ImplementsTrait> {
        Some(bindgen::callbacks::ImplementsTrait::Yes)
    }
}

/// The bindings of the shared header, formatted as the rest of the tree is.
fn bindings(root: &Path) -> Result<String, String> {
    let generated = bindgen::Builder::default()
        .header(root.join(HEADER).to_string_lossy())
        .raw_line(PREAMBLE)
        .disable_header_comment() // it names bindgen's version, and would change with it
        .allowlist_type("gs_.*")
        .allowlist_var("GS_.*")
        .blocklist_type("__[us](8|16|32|64)")
        .parse_callbacks(Box::new(PlainIntegers))
        .use_core()
        .default_enum_style(bindgen::EnumVariation::Consts)
        .prepend_enum_name(false)
        .explicit_padding(true)
        .rust_target(bindgen::RustTarget::stable(88, 0).map_err(|error| error.to_string())?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .rustfmt_configuration_file(Some(root.join("rustfmt.toml")))
        .generate()
        .map_err(|error| format!("{HEADER}: {error}"))?;
    Ok(generated.to_string())
}

fn write(root: &Path, text: &str) -> Result<(), String> {
    std::fs::write(root.join(OUTPUT), text).map_err(|error| format!("{OUTPUT}: {error}"))
}

fn compare(root: &Path, text: &str) -> Result<(), String> {
    let committed = std::fs::read_to_string(root.join(OUTPUT)).map_err(|error| format!("{OUTPUT}: {error}"))?;
    let Some(line) = first_difference(&committed, text) else {
        return Ok(());
    };
    Err(format!(
        "{OUTPUT} differs from {HEADER} from line {line} on: run `make bindings`"
    ))
}

/// The number, from 1, of the first line that is not the same in both; `None` when the texts are equal.
fn first_difference(a: &str, b: &str) -> Option<usize> {
    if a == b {
        return None;
    }
    let common = a.lines().zip(b.lines()).take_while(|(a, b)| a == b).count();
    Some(common + 1)
}

#[cfg(test)]
mod tests {
    use super::first_difference;

    #[test]
    fn the_first_different_line_is_found_also_when_one_text_ends_earlier() {
        assert_eq!(first_difference("a\nb\n", "a\nb\n"), None);
        assert_eq!(first_difference("a\nb\n", "a\nc\n"), Some(2));
        assert_eq!(first_difference("a\n", "a\nb\n"), Some(2));
        assert_eq!(first_difference("a\n", "a"), Some(2));
    }
}
