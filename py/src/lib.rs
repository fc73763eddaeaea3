//! The native half of the Python package `ghostsched`: conversions between Python and the Rust crates, and nothing else.
//!
//! | module | what it converts |
//! |---|---|
//! | [`latency`] | the profiler and its snapshots |
//! | [`wire`] | ABIs, messages, queues, regions of status words |
//! | [`view`] | memory of Python's as words, and records as numpy's; the only unsafe code |
//! | [`error`] | errors of the crates as exceptions with the numbers in them |
//!
//! The public face is Python: `python/ghostsched/`.
#![deny(unsafe_code)]

use pyo3::prelude::*;

mod error;
mod latency;
mod view;
mod wire;

#[pymodule]
mod _native {
    #[pymodule_export]
    use crate::latency::{NativeProfiler, default_bounds, replay};
    #[pymodule_export]
    use crate::wire::abi::{Abi, Field, Layout};
    #[pymodule_export]
    use crate::wire::flags::flags;
    #[pymodule_export]
    use crate::wire::gtid::GtidSplit;
    #[pymodule_export]
    use crate::wire::message::{Message, decode, encode};
    #[pymodule_export]
    use crate::wire::queue::{Queue, queue_bytes};
    #[pymodule_export]
    use crate::wire::record::record_columns;
    #[pymodule_export]
    use crate::wire::region::status_words_at;
}
