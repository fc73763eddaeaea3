//! How the command ends: one line on stderr that says what to do, and a status a script can use.
//!
//! | status | meaning |
//! |---|---|
//! | 0 | done |
//! | 1 | an error: no privilege, a kernel that lacks something, a full disk, a `--fail-if` that matches no cgroup |
//! | 2 | usage: an option or an argument is wrong; nothing was measured |
//! | 3 | a `--fail-if` holds |
//! | 141 | the reader of our output went away (`... \| head -1`): quiet, the status a shell gives a death by SIGPIPE |
//! | other | the status of `-- COMMAND` where it failed and no `--fail-if` holds: its own, or 128 and the signal's number |

use std::io;

use ghostsched_bpf::Error;

/// Why the command does not end with status 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// An option or an argument is wrong; the line says what to write instead.
    Usage(String),
    /// Anything else that went wrong, in one line.
    Error(String),
    /// A `--fail-if` holds; its lines are printed already.
    FailIf,
    /// A `--fail-if` means no cgroup; its line is printed already.
    Unjudged,
    /// The reader of stdout went away.
    Pipe,
    /// `-- COMMAND` ended with this status; it said why itself.
    Command(u8),
}

impl Failure {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Error(_) | Self::Unjudged => 1,
            Self::Usage(_) => 2,
            Self::FailIf => 3,
            Self::Pipe => 141,
            Self::Command(status) => *status,
        }
    }

    /// The line for stderr, if there is one to say.
    pub fn line(&self) -> Option<&str> {
        match self {
            Self::Usage(line) | Self::Error(line) => Some(line),
            Self::FailIf | Self::Unjudged | Self::Pipe | Self::Command(_) => None,
        }
    }

    /// A failed write to stdout: quiet when the reader left, else a line with the reason in words.
    pub fn write(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Pipe,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Error(
                "cannot write the report: no space left where stdout goes; free some or write elsewhere".into(),
            ),
            io::ErrorKind::FileTooLarge => {
                Self::Error("cannot write the report: the file is as large as it may get; raise ulimit -f".into())
            }
            _ => Self::Error(format!("cannot write the report: {}", in_words(error))),
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match error {
            Error::Input(line) => Self::Usage(without_number(&line)),
            Error::Unsupported(line) | Error::Privilege(line) | Error::System(line) => {
                Self::Error(without_number(&line))
            }
        }
    }
}

/// An I/O error without its number: `permission denied`, not `Permission denied (os error 13)`.
pub fn in_words(error: &io::Error) -> String {
    let words = without_number(&error.to_string());
    let mut letters = words.chars();
    letters
        .next()
        .map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

/// A line without the numbers that the standard library adds to the system's reasons.
fn without_number(line: &str) -> String {
    let mut pieces = line.split(" (os error ");
    let mut out = pieces.next().unwrap_or_default().to_owned();
    for piece in pieces {
        out.push_str(piece.split_once(')').map_or("", |(_, after)| after));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_an_error_in_words_and_a_closed_pipe_is_quiet() {
        let full = Failure::write(&io::Error::from_raw_os_error(28));
        assert_eq!(full.status(), 1);
        assert!(
            full.line()
                .is_some_and(|line| line.contains("no space left") && !line.contains("os error"))
        );
        let pipe = Failure::write(&io::Error::from_raw_os_error(32));
        assert_eq!((pipe.status(), pipe.line()), (141, None));
    }

    #[test]
    fn no_system_error_shows_its_number() {
        assert_eq!(in_words(&io::Error::from_raw_os_error(13)), "permission denied");
        let error = Error::System("read x: No such file (os error 2): give another, or (os error".into());
        assert_eq!(
            Failure::from(error).line(),
            Some("read x: No such file: give another, or (os error")
        );
    }
}
