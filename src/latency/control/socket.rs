//! A socket in the file system that is private from its first instant, replaces a dead one, and never a live one.
//!
//! * Private: it is bound and made 0600 inside a new directory of mode 0700, then linked to its place. A `umask` would do
//!   as well, but belongs to the whole process.
//! * Never a live one: a link, unlike a rename, fails where something is already. What is there is then *moved* into the
//!   private directory before it is removed, and asked once more there whether it is dead: between the first question and
//!   the move, another instance may have put its own in that place.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process;
use std::time::Duration;

use ghostsched_bpf::Error;

use super::client;

/// A listener and where it listens.
pub type Listening = (UnixListener, PathBuf);

/// How long a live owner may take to say its pid.
const TIME: Duration = Duration::from_secs(2);

/// The socket's place in the file system; dropping it removes the socket, if it is still ours.
#[derive(Debug)]
pub struct Claim {
    path: PathBuf,
    inode: (u64, u64),
}

impl Drop for Claim {
    fn drop(&mut self) {
        if fs::symlink_metadata(&self.path).is_ok_and(|found| inode(&found) == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn inode(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// Takes a place for the control socket.
pub fn claim(path: &Path) -> Result<(Listening, Claim), Error> {
    let failed = |error: io::Error| explain(path, &error);
    // Only connecting would fail where the path is too long for an address: the place is taken by a link.
    SocketAddr::from_pathname(path).map_err(failed)?;
    let private = Private::beside(path).map_err(failed)?;
    let listener = UnixListener::bind(private.socket()).map_err(failed)?;
    fs::set_permissions(private.socket(), Permissions::from_mode(0o600)).map_err(failed)?;
    let inode = inode(&fs::symlink_metadata(private.socket()).map_err(failed)?);
    // Each turn either takes the place or clears it of something dead; another instance may be doing the same.
    for _ in 0..8 {
        match fs::hard_link(private.socket(), path) {
            Ok(()) => {
                return Ok((
                    (listener, path.to_owned()),
                    Claim {
                        path: path.to_owned(),
                        inode,
                    },
                ));
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => clear(path, &private)?,
            Err(error) => return Err(failed(error)),
        }
    }
    Err(Error::System(format!(
        "others keep taking {}: give another with --control",
        path.display()
    )))
}

/// Removes a dead socket; refuses anything else.
fn clear(path: &Path, private: &Private) -> Result<(), Error> {
    let failed = |error: io::Error| explain(path, &error);
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(found) if !found.file_type().is_socket() => {
            return Err(Error::Input(format!(
                "{} is not a socket: give another path with --control",
                path.display()
            )));
        }
        Ok(_) => {}
    }
    if !is_dead(path) {
        return Err(taken(path));
    }
    match fs::rename(path, private.grave()) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed(error)),
        Ok(()) => {}
    }
    if is_dead(&private.grave()) {
        return fs::remove_file(private.grave()).map_err(failed);
    }
    // A live one came in between: back with it, unless yet another has the place by now.
    let _ = fs::hard_link(private.grave(), path);
    Err(taken(path))
}

/// Whether nobody listens there: the kernel refuses connections to a socket whose process has ended.
fn is_dead(path: &Path) -> bool {
    matches!(UnixStream::connect(path), Err(error) if matches!(error.kind(), ErrorKind::ConnectionRefused | ErrorKind::NotFound))
}

fn taken(path: &Path) -> Error {
    let shown = path.display();
    let owner = client::ask(path, "status", TIME)
        .ok()
        .and_then(|reply| reply["pid"].as_u64());
    Error::Input(match owner {
        Some(pid) => format!("{shown} is in use by pid {pid}: stop that one, or give another path with --control"),
        None => format!("{shown} is in use by a process that does not answer: give another path with --control"),
    })
}

fn explain(path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Error::Privilege(format!(
            "cannot make the control socket {shown}: run this as root, or give --control a path you may write to"
        )),
        ErrorKind::NotFound | ErrorKind::NotADirectory => Error::Input(format!(
            "cannot make the control socket {shown}: there is no such directory; give another --control"
        )),
        ErrorKind::InvalidInput => Error::Input(format!(
            "{shown:.60} cannot be the control socket's path: give --control one of at most 107 bytes"
        )),
        _ => Error::System(format!("cannot make the control socket {shown}: {error}")),
    }
}

/// A directory beside the socket's place that nobody else can look into; removed with all that is in it.
struct Private(PathBuf);

impl Private {
    fn beside(path: &Path) -> io::Result<Self> {
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        // The same file system, so that links and renames work. Names of a process that was killed here may be left.
        for turn in 0..100 {
            let private = parent.join(format!(".gs{}-{turn}", process::id()));
            match DirBuilder::new().mode(0o700).create(&private) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                result => return result.map(|()| Self(private)),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }

    fn socket(&self) -> PathBuf {
        self.0.join("s")
    }

    fn grave(&self) -> PathBuf {
        self.0.join("d")
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        for file in [self.socket(), self.grave()] {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir(&self.0);
    }
}

#[cfg(test)]
mod tests;
