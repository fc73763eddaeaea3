//! The one error of this crate: a line that says what failed and what to do.

use std::fmt;

/// What went wrong, in one line for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The kernel or its configuration lacks something: `needs CONFIG_BPF_SYSCALL`.
    Unsupported(String),
    /// The caller may not do this: `needs root or CAP_BPF, CAP_PERFMON`.
    Privilege(String),
    /// An option, a file or an argument is wrong; says what to write instead.
    Input(String),
    /// Anything else the system refused, with its reason.
    System(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Unsupported(text) | Self::Privilege(text) | Self::Input(text) | Self::System(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}
