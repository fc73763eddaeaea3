//! What can go wrong, each in one line that says what to do.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why a machine, a kernel or a static program could not be had, or why a run failed.
#[derive(Debug)]
pub enum Error {
    /// A program this needs is not installed.
    Missing {
        /// The program's name.
        program: String,
        /// The Debian package that brings it.
        package: &'static str,
    },
    /// No image of this kernel could be found or fetched.
    NoKernel {
        /// The release asked for, as `Release` prints it.
        release: String,
        /// What was tried.
        why: String,
    },
    /// A file or a process could not be used.
    Io {
        /// What was being done, with its object.
        what: String,
        /// The system's reason.
        source: io::Error,
    },
    /// A program to pack is linked dynamically: nothing in the guest could load it.
    NotStatic(PathBuf),
    /// Building or fetching something with an outside program failed.
    Tool {
        /// What was being done.
        what: String,
        /// The program's last words.
        why: String,
    },
    /// QEMU itself refused or died.
    Qemu(String),
    /// The guest was still running at the deadline and was killed.
    Timeout {
        /// The limit.
        after: Duration,
        /// The end of the console and of the program's output, to see where it hung.
        tail: String,
    },
    /// The guest's kernel panicked or oopsed.
    KernelFault {
        /// The console from the first line of the fault.
        lines: Vec<String>,
    },
    /// The machine went off without init's last word.
    Cut {
        /// The end of the console.
        tail: String,
    },
    /// init could not start the program.
    Start(String),
    /// The program ended badly.
    Command {
        /// How.
        exit: crate::Exit,
        /// The end of the console, which holds its stderr.
        tail: String,
    },
    /// The program's output is not JSON.
    Json {
        /// The parser's reason.
        why: String,
        /// The beginning of the output.
        head: String,
    },
    /// An argument that means nothing.
    Usage(String),
}

impl Error {
    /// An I/O failure while doing `what` to `path`.
    pub fn io(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let what = format!("{what} {}", path.display());
        move |source| Error::Io { what, source }
    }

    /// Whether this machine lacks what the run needs (no QEMU, no kernel and no network), so that a test may be skipped.
    /// A run that began and failed is never absence.
    pub fn is_absence(&self) -> bool {
        matches!(self, Error::Missing { .. } | Error::NoKernel { .. })
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::Missing { program, package } => {
                write!(f, "{program} is not installed: apt-get install {package}")
            }
            Error::NoKernel { release, why } => write!(
                f,
                "no kernel {release}: {why}; put a bzImage or vmlinuz of it into {}",
                crate::cache::kernels().map_or_else(|_| "$GHOSTSCHED_KERNELS".into(), |p| p.display().to_string())
            ),
            Error::Io { what, source } => write!(f, "cannot {what}: {source}"),
            Error::NotStatic(path) => write!(
                f,
                "{} is linked dynamically and the guest has no libraries: build it with static_binary()",
                path.display()
            ),
            Error::Tool { what, why } => write!(f, "{what} failed: {why}"),
            Error::Qemu(why) => write!(f, "QEMU stopped before the guest did: {why}"),
            Error::Timeout { after, tail } => write!(
                f,
                "the guest was still running after {} s and was killed (raise Vm::timeout if it needs longer); last lines:{}",
                after.as_secs_f64(),
                indented(tail.lines())
            ),
            Error::KernelFault { lines } => {
                write!(
                    f,
                    "the guest's kernel failed:{}",
                    indented(lines.iter().map(String::as_str))
                )
            }
            Error::Cut { tail } => write!(
                f,
                "the guest went off before the program ended (too little memory?); last lines:{}",
                indented(tail.lines())
            ),
            Error::Start(why) => write!(f, "the guest could not start the program: {why}"),
            Error::Command { exit, tail } => {
                write!(
                    f,
                    "the program in the guest {exit}; last lines of its console:{}",
                    indented(tail.lines())
                )
            }
            Error::Json { why, head } => write!(f, "the program's output is not JSON ({why}): {head}"),
            Error::Usage(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Error::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

fn indented<'a>(lines: impl Iterator<Item = &'a str>) -> String {
    let text: String = lines.map(|line| format!("\n  | {}", line.trim_end())).collect();
    if text.is_empty() { " (none)".into() } else { text }
}
