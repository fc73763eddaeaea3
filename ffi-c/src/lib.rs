//! The C ABI of ghostsched: converts, names and reports; nothing else. `include/ghostsched.h` is made from these files.
//!
//! | file | what it is for C |
//! |---|---|
//! | `handle` | pointers of C: null and misaligned ones are errors; the only file with `unsafe` blocks |
//! | `error` | `gs_status`, its texts, and the guard that keeps panics inside |
//! | `abi` | versions, and what is written to the files of ghostfs |
//! | `gtid` | identities of threads |
//! | `message` | messages as values, and back to bytes |
//! | `queue` | a queue of messages: lend, consume, drain |
//! | `status_word` | the status words of a region |
//! | `transaction` | the transactions of an enclave's CPUs |
//! | `cpus` | sets of CPUs |
//! | `tasks` | a table of tasks in memory of the caller's |
//!
//! The caller owns all memory; nothing here allocates. A view (`gs_queue`, `gs_status_words`, `gs_transactions`, `gs_tasks`)
//! is a value of the caller's that points to memory of the caller's.
#![allow(non_camel_case_types, reason = "the names are those of C")]

pub mod abi;
pub mod cpus;
pub mod error;
pub mod gtid;
mod handle;
pub mod message;
pub mod queue;
pub mod status_word;
pub mod tasks;
pub mod transaction;
