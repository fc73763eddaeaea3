use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;

use super::*;

/// A new directory, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("ghostsched-socket-{}-{number}", process::id()));
        fs::create_dir(&path).expect("a directory");
        Self(path)
    }

    fn socket(&self) -> PathBuf {
        self.0.join("control.sock")
    }

    fn entries(&self) -> usize {
        fs::read_dir(&self.0).expect("a directory").count()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn the_socket_is_private_and_its_removal_leaves_nothing() {
    let dir = Dir::new();
    let (listening, claim) = claim(&dir.socket()).expect("a free place");
    let mode = fs::symlink_metadata(dir.socket()).expect("a socket").mode();
    assert_eq!(mode & 0o7777, 0o600);
    assert_eq!(dir.entries(), 1, "only the socket");
    UnixStream::connect(dir.socket()).expect("someone listens");
    drop((listening, claim));
    assert_eq!(dir.entries(), 0);
}

#[test]
fn nobody_ever_sees_a_socket_with_another_mode() {
    let dir = Dir::new();
    let path = dir.socket();
    thread::scope(|scope| {
        let watcher = scope.spawn(|| {
            let mut seen = 0;
            while seen < 200 {
                if let Ok(found) = fs::symlink_metadata(&path) {
                    assert_eq!(found.mode() & 0o7777, 0o600);
                    seen += 1;
                }
            }
        });
        while !watcher.is_finished() {
            let _ = claim(&path);
        }
    });
}

#[test]
fn a_dead_socket_is_replaced_and_a_live_one_refused_in_one_line() {
    let dir = Dir::new();
    drop(UnixListener::bind(dir.socket()).expect("a free place"));
    assert_eq!(dir.entries(), 1, "what a SIGKILL leaves");
    let (_listening, _claim) = claim(&dir.socket()).expect("the dead one is replaced");
    let line = claim(&dir.socket()).expect_err("the live one stays").to_string();
    assert!(
        line.contains("in use") && line.contains("--control") && !line.contains('\n'),
        "{line}"
    );
    UnixStream::connect(dir.socket()).expect("the live one was not harmed");
}

#[test]
fn of_many_that_find_a_dead_socket_one_gets_the_place() {
    let dir = Dir::new();
    let path = dir.socket();
    drop(UnixListener::bind(&path).expect("a free place"));
    let claims: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| claim(&path))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().expect("no panic"))
            .collect()
    });
    assert_eq!(claims.iter().filter(|claim| claim.is_ok()).count(), 1);
    UnixStream::connect(&path).expect("the one that got it is there");
}

#[test]
fn what_is_not_a_socket_stays_and_what_cannot_be_says_so() {
    let dir = Dir::new();
    fs::write(dir.socket(), "precious").expect("a file");
    for (path, says) in [
        (dir.socket(), "is not a socket"),
        (dir.0.join("no/such/place"), "no such directory"),
        (dir.0.join("x".repeat(120)), "at most 107 bytes"),
        (PathBuf::from("/"), "is not a socket"),
    ] {
        let line = claim(&path).err().map(|error| error.to_string()).unwrap_or_default();
        assert!(
            line.contains(says) && line.contains("--control") && !line.contains('\n'),
            "{line}"
        );
    }
    assert_eq!(fs::read_to_string(dir.socket()).ok().as_deref(), Some("precious"));
    assert_eq!(dir.entries(), 1);
}

#[test]
fn a_place_that_someone_else_took_over_is_left_to_them() {
    let dir = Dir::new();
    let (_listening, claim) = claim(&dir.socket()).expect("a free place");
    fs::remove_file(dir.socket()).expect("removed by hand");
    let _other = UnixListener::bind(dir.socket()).expect("a free place");
    drop(claim);
    assert_eq!(dir.entries(), 1);
}
