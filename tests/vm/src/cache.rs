//! Where things that are expensive to get are kept between runs.

use crate::Error;
use std::env::var_os;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The folder of kernels: `$GHOSTSCHED_KERNELS`, else `~/.cache/ghostsched/kernels`. It need not exist.
pub fn kernels() -> Result<PathBuf, Error> {
    match var_os("GHOSTSCHED_KERNELS").filter(|path| !path.is_empty()) {
        Some(path) => Ok(path.into()),
        None => Ok(home()?.join("kernels")),
    }
}

/// Our folder in the user's cache, `~/.cache/ghostsched` unless `$XDG_CACHE_HOME` says otherwise.
pub fn home() -> Result<PathBuf, Error> {
    let cache = var_os("XDG_CACHE_HOME")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from);
    let home = || {
        var_os("HOME")
            .filter(|path| !path.is_empty())
            .map(|home| Path::new(&home).join(".cache"))
    };
    cache.or_else(home).map(|path| path.join("ghostsched")).ok_or_else(|| {
        Error::Usage("neither HOME nor XDG_CACHE_HOME is set: set GHOSTSCHED_KERNELS to a folder for kernels".into())
    })
}

/// Makes a folder and those above it.
pub fn make(folder: &Path) -> Result<(), Error> {
    fs::create_dir_all(folder).map_err(Error::io("create", folder))
}

/// Puts `source` at `target` under a temporary name first, so that an interrupted copy is never taken for a kernel.
pub fn copy(source: &Path, target: &Path) -> Result<(), Error> {
    let name = target.file_name().unwrap_or_default().to_string_lossy();
    let part = target.with_file_name(format!(".{name}.part{}", std::process::id()));
    fs::copy(source, &part).map_err(Error::io("copy", source))?;
    fs::rename(&part, target).map_err(Error::io("create", target))
}

/// A lock between processes, held until it is dropped. The file stays; the kernel lets go of the lock when we die.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code)] File);

/// Waits for the lock called `name` and takes it.
pub fn lock(name: &str) -> Result<Lock, Error> {
    let folder = home()?;
    make(&folder)?;
    let path = folder.join(format!("{name}.lock"));
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(Error::io("open", &path))?;
    loop {
        // SAFETY: flock reads no memory; the descriptor is open as long as `file` lives.
        if unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX) } == 0 {
            return Ok(Lock(file));
        }
        let error = std::io::Error::last_os_error();
        if error.kind() != std::io::ErrorKind::Interrupted {
            return Err(Error::Io {
                what: format!("lock {}", path.display()),
                source: error,
            });
        }
    }
}
