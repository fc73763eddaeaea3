//! Why a thread waits for a CPU.
//!
//! A *wait* is the time a runnable thread is queued and not running. It is split, to the nanosecond, by what its CPU did
//! meanwhile: a thread of the **same** group ran, a thread of an**other** group ran (which one goes into the culprit
//! matrix), the CPU was **idle**, the group was **throttled** by its own quota; what cannot be known is
//! **unattributed**, never guessed.
//!
//! | module | what it is |
//! |---|---|
//! | [`stats`] | what is kept per group: a histogram a [`Kind`], sums, losses |
//! | [`run_log`] | who ran on a CPU, and the split of one wait over it |
//! | [`matrix`] | who made whom wait |
//! | [`engine`] | the accounting over plain events; the specification of `bpf/c/latency.bpf.c` |
//! | `threads` | the engine's threads, in lent memory |
//! | [`verdict`] | one sentence a person can act on |
//!
//! The rules, and why they are exact, are in [`run_log`] and [`engine`].

pub mod engine;
pub mod matrix;
pub mod run_log;
pub mod stats;
mod threads;
pub mod verdict;

pub use engine::{Engine, Event, Leaving};
pub use matrix::{Blame, Matrix};
pub use run_log::{Parts, RunLog};
pub use stats::{GroupStats, Kind};
pub use verdict::Verdict;

/// The group of the idle thread.
pub const GROUP_IDLE: u32 = 0;
/// The group of everything beyond the capacity for groups: the explicit remainder.
pub const GROUP_REST: u32 = 1;
/// Nobody knows who ran: an event was missed.
pub const GROUP_UNKNOWN: u32 = 2;
/// The first index of a real group.
pub const FIRST_GROUP: u32 = 3;
