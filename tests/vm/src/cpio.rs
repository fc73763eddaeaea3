//! Writes an initramfs: a CPIO archive in the "newc" format, the one Linux unpacks at boot.
//!
//! Source of the format: the kernel's Documentation/driver-api/early-userspace/buffer-format.rst.

/// An archive in memory. Folders above a file are made by themselves.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    folders: std::collections::BTreeSet<String>,
    entries: u32,
}

const FOLDER: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const LINK: u32 = 0o120_000;
const DEVICE: u32 = 0o020_000;

impl Archive {
    /// Adds a regular file. `path` is absolute in the guest; `mode` holds permission bits only.
    pub fn file(&mut self, path: &str, mode: u32, data: &[u8]) {
        let name = self.inside(path);
        self.entry(&name, REGULAR | mode, (0, 0), data);
    }

    /// Adds a symbolic link at `path` that points to `target`.
    pub fn link(&mut self, path: &str, target: &str) {
        let name = self.inside(path);
        self.entry(&name, LINK | 0o777, (0, 0), target.as_bytes());
    }

    /// Adds an empty folder.
    pub fn folder(&mut self, path: &str) {
        self.inside(&format!("{path}/x"));
    }

    /// Adds a character device with its major and minor number; needs no privilege, as it is only a record.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        let name = self.inside(path);
        self.entry(&name, DEVICE | mode, (major, minor), &[]);
    }

    /// The archive, closed.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    /// The archive's name of `path`, after making the folders above it.
    fn inside(&mut self, path: &str) -> String {
        let name = path.trim_start_matches('/').to_owned();
        let ends: Vec<usize> = name.match_indices('/').map(|(at, _)| at).collect();
        for end in ends {
            let folder = &name[..end];
            if self.folders.insert(folder.to_owned()) {
                let folder = folder.to_owned();
                self.entry(&folder, FOLDER | 0o755, (0, 0), &[]);
            }
        }
        name
    }

    fn entry(&mut self, name: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.entries += 1;
        let links = if mode & FOLDER != 0 && mode & REGULAR == 0 {
            2
        } else {
            1
        };
        let fields = [
            self.entries, // inode
            mode,
            0, // uid
            0, // gid
            links,
            0, // mtime: the same input gives the same archive
            data.len() as u32,
            0, // device of the file, major and minor
            0,
            device.0,
            device.1,
            name.len() as u32 + 1,
            0, // checksum, unused by this format
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(name.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_data_begin_at_multiples_of_four_and_folders_come_first() {
        let mut archive = Archive::default();
        archive.file("/bin/x", 0o755, b"hello");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let magics: Vec<usize> = bytes
            .windows(6)
            .enumerate()
            .filter(|(_, w)| *w == b"070701")
            .map(|(i, _)| i)
            .collect();
        assert!(magics.iter().all(|at| at % 4 == 0));
        let names: Vec<&[u8]> = magics
            .iter()
            .map(|at| bytes[at + 110..].split(|b| *b == 0).next().unwrap_or(&[]))
            .collect();
        assert_eq!(names, [b"bin".as_slice(), b"bin/x", b"TRAILER!!!"]);
    }

    #[test]
    fn a_folder_is_made_once() {
        let mut archive = Archive::default();
        archive.file("/bin/x", 0o755, b"");
        archive.file("/bin/y", 0o755, b"");
        archive.folder("/bin");
        assert_eq!(archive.entries, 3);
    }
}
