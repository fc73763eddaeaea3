//! The ghOSt ABI as data: what differs between the versions 69, 84, 90 and 91, chosen when the program runs.
//!
//! A ghOSt kernel lists the ABIs it speaks in `/sys/fs/ghost/version`; an enclave is created with one of them and keeps it
//! ([`Abi::negotiate`]). ioctl numbers and mappings are equal in all four and give no hint, so whoever reads a message has
//! to know the enclave's ABI (file `abi_version`).
//!
//! | | 69 | 84 | 90 | 91 |
//! |---|---|---|---|---|
//! | kernel | Linux 5.11 | | | |
//! | message 73 | `TASK_LATCHED` | `TASK_ON_CPU` | `TASK_ON_CPU` | `TASK_ON_CPU` |
//! | messages 74, 75, 131 to 134 | no | yes | yes | yes |
//! | payload of `TASK_NEW`, bytes | 32 | 40 | 48 | 48 |
//! | payload of `TASK_DEAD`, bytes | 8 | 8 | 16 | 16 |
//! | payload of `CPU_TICK`, bytes | 4 | 4 | 8 | 8 |
//! | agent pins itself | yes | the kernel does | the kernel does | the kernel does |
//! | thread of another policy in a transaction | `INVALID_TARGET` | `TARGET_STALE` | `TARGET_STALE` | `TARGET_STALE` |
//! | BPF hooks | PNT, MSG | and SELECT_RQ, HALT_POLL | the same | the same |
//!
//! | module | what it holds |
//! |---|---|
//! | [`layout`] | every structure and the offset of each field |
//! | [`message`] | which messages exist, their numbers and sizes |
//! | [`outcome`] | how a transaction can end, and which check of which kernel ends it so |
//! | [`bpf`] | program types, attach types, context sizes, helpers |
//! | [`text`] | what is written to and read from the files of ghostfs |
//!
//! Source of all numbers: the public headers `kernel/ghost_uapi.h` (69) and `abi/{84,90,latest}/kernel/ghost.h` of
//! google/ghost-userspace, compiled; of behaviour: the kernels of that project and its forks, read. No public kernel has
//! exactly ABI 84 or 90: what is said of them is what the neighbours 83 and 91 have in common.

use core::fmt;

pub mod bpf;
pub mod layout;
pub mod message;
pub mod outcome;
pub mod text;

pub use layout::{Field, FieldType, Layout, Structure};
pub use message::MessageKind;
pub use outcome::Outcome;

/// The scheduling policy of ghOSt threads (`SCHED_GHOST`).
pub const SCHED_GHOST: i32 = 18;
/// The most slots a queue can have (`GHOST_MAX_QUEUE_ELEMS`).
pub const MAX_QUEUE_SLOTS: u32 = 65_536;
/// The most CPUs whose agent a queue wakes (`GHOST_MAX_WINFO`).
pub const MAX_WAKEUP_CPUS: usize = 2;
/// Bytes of a status word region's file, in every ABI.
pub const STATUS_WORD_REGION_BYTES: usize = 2 << 20;
/// Status words in a region: what is left of 2 MiB after the 64 bytes of the header.
pub const STATUS_WORD_REGION_CAPACITY: u32 = 65_534;
/// Bytes of a CPU's page in the file `cpu_data`; the transaction is its start.
pub const CPU_DATA_BYTES: usize = 4096;
/// The magic number of ghostfs, as `statfs` gives it.
pub const GHOSTFS_MAGIC: u32 = 0xbad1_dea2;

/// A version of the ABI between a ghOSt kernel and its agents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Abi {
    /// ABI 69, of Google's kernel on Linux 5.11.
    V69 = 69,
    /// ABI 84.
    V84 = 84,
    /// ABI 90.
    V90 = 90,
    /// ABI 91, the newest public one. Layouts and constants equal 90; two BPF helpers more.
    V91 = 91,
}

/// No ABI that this library speaks is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NegotiateError {
    /// The kernel's list is empty.
    Empty,
    /// The kernel offers others.
    NoCommon {
        /// The lowest version it offers.
        lowest: u32,
        /// The highest version it offers.
        highest: u32,
    },
    /// The text is not a list of numbers.
    NotANumber {
        /// The line, from 1.
        line: usize,
    },
}

impl fmt::Display for NegotiateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("the kernel offers no ghOSt ABI: its list of versions is empty"),
            Self::NoCommon { lowest, highest } => write!(
                f,
                "the kernel offers ghOSt ABIs {lowest} to {highest}, this library speaks 69, 84, 90 and 91: \
                 use a kernel with one of them"
            ),
            Self::NotANumber { line } => {
                write!(f, "line {line} of the kernel's list of ghOSt ABIs is not a number")
            }
        }
    }
}

impl core::error::Error for NegotiateError {}

/// A version that is not one of [`Abi::ALL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownAbi {
    /// What was asked for.
    pub version: u32,
}

impl fmt::Display for UnknownAbi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ghOSt ABI {} is not known: use 69, 84, 90 or 91", self.version)
    }
}

impl core::error::Error for UnknownAbi {}

impl Abi {
    /// All versions, oldest first.
    pub const ALL: [Self; 4] = [Self::V69, Self::V84, Self::V90, Self::V91];
    /// The newest version.
    pub const LATEST: Self = Self::V91;

    /// Its number (`GHOST_VERSION`).
    pub const fn version(self) -> u32 {
        self as u32
    }

    /// The version of this number.
    pub const fn from_version(version: u32) -> Result<Self, UnknownAbi> {
        match version {
            69 => Ok(Self::V69),
            84 => Ok(Self::V84),
            90 => Ok(Self::V90),
            91 => Ok(Self::V91),
            _ => Err(UnknownAbi { version }),
        }
    }

    /// The newest version that is in the kernel's list, which may name others and be in any order.
    pub fn negotiate(kernel: impl IntoIterator<Item = u32>) -> Result<Self, NegotiateError> {
        let (mut best, mut range) = (None, None);
        for version in kernel {
            let (lowest, highest) = range.unwrap_or((version, version));
            range = Some((version.min(lowest), version.max(highest)));
            best = best.max(Self::from_version(version).ok());
        }
        match (best, range) {
            (Some(abi), _) => Ok(abi),
            (None, None) => Err(NegotiateError::Empty),
            (None, Some((lowest, highest))) => Err(NegotiateError::NoCommon { lowest, highest }),
        }
    }

    /// [`negotiate`](Self::negotiate) with the text of `/sys/fs/ghost/version`: a number a line.
    pub fn negotiate_text(kernel: &str) -> Result<Self, NegotiateError> {
        for (index, line) in kernel.lines().enumerate() {
            if !line.trim().is_empty() && line.trim().parse::<u32>().is_err() {
                return Err(NegotiateError::NotANumber { line: index + 1 });
            }
        }
        Self::negotiate(kernel.lines().filter_map(|line| line.trim().parse().ok()))
    }

    /// Whether an agent has to pin itself to its CPU before it becomes the CPU's agent (before ABI 74).
    pub const fn agent_pins_itself(self) -> bool {
        matches!(self, Self::V69)
    }

    /// Whether an agent may open files of its enclave. Since ABI 83 the kernel refuses with `EDEADLK` (unless the tunable
    /// `live_dangerously` is 1); before, it only warns. Open all files before becoming an agent.
    pub const fn agent_may_open_files(self) -> bool {
        matches!(self, Self::V69)
    }

    /// Whether the file `tasks` takes gtids as well as pids (since ABI 70).
    pub const fn tasks_file_takes_gtids(self) -> bool {
        !matches!(self, Self::V69)
    }

    /// Whether writing a thread to `tasks` that is already in this enclave succeeds; in ABI 69 it fails with `EPERM`.
    pub const fn joining_twice_succeeds(self) -> bool {
        !matches!(self, Self::V69)
    }

    /// Whether the latched thread of a CPU runs only while the CPU's agent is on the run queue: an agent of ABI 69 that
    /// sleeps in another system call than RUN stops its CPU's ghOSt threads.
    pub const fn agent_must_stay_runnable(self) -> bool {
        matches!(self, Self::V69)
    }

    /// Whether RUN with [`Gtid::NULL`](crate::gtid::Gtid::NULL), "yield this CPU", is refused to threads that are no agents.
    pub const fn only_agents_yield(self) -> bool {
        !matches!(self, Self::V69)
    }

    /// Whether the first `TASK_NEW` of a thread always has sequence number 1. In ABI 91 a thread that left and came back
    /// goes on from its earlier number; of 90, which no public kernel has, nothing is promised.
    pub const fn first_seqnum_is_one(self) -> bool {
        matches!(self, Self::V69 | Self::V84)
    }

    /// Whether each state of a failed sync group says what became of that transaction. It never does: before ABI 73
    /// transactions that were committed and taken back read `POISONED`, since then they may read `COMPLETE`. Use the return
    /// value of `SYNC_GROUP_TXN`. This tells which of the two: `true` if a member may read `COMPLETE` though its group failed.
    pub const fn failed_sync_group_may_read_complete(self) -> bool {
        !matches!(self, Self::V69)
    }
}

impl fmt::Display for Abi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.version())
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn the_newest_common_version_wins() {
        assert_eq!(Abi::negotiate([91, 69, 84]), Ok(Abi::V91));
        assert_eq!(Abi::negotiate([69, 70, 92]), Ok(Abi::V69));
        assert_eq!(Abi::negotiate_text("84\n90\n"), Ok(Abi::V90));
        assert_eq!(Abi::negotiate_text(" 69 \n\n"), Ok(Abi::V69));
    }

    #[test]
    fn no_common_version_names_what_is_there() {
        assert_eq!(Abi::negotiate([]), Err(NegotiateError::Empty));
        let error = Abi::negotiate([77, 70, 75]).unwrap_err();
        assert_eq!(
            error,
            NegotiateError::NoCommon {
                lowest: 70,
                highest: 77
            }
        );
        assert!(error.to_string().contains("70 to 77"));
        assert_eq!(
            Abi::negotiate_text("91\nsoon\n"),
            Err(NegotiateError::NotANumber { line: 2 })
        );
    }

    #[test]
    fn versions_and_numbers_are_the_same() {
        for abi in Abi::ALL {
            assert_eq!(Abi::from_version(abi.version()), Ok(abi));
        }
        assert_eq!(Abi::from_version(70), Err(UnknownAbi { version: 70 }));
    }
}
