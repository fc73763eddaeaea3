//! The algorithms of ghostsched, on plain values: no std, no allocation, no clock, no file, no kernel.
//!
//! | module | what it is |
//! |---|---|
//! | [`histogram`] | fixed-size histograms with the user's own bounds |
//! | [`latency`] | why a thread waits for a CPU: the accounting of queueing delay, per group |
//! | [`trace`] | recorded traces of scheduling events |
//!
//! `trace` uses `latency`, `latency` uses `histogram`; nothing here uses anything else of the project.
#![no_std]
#![forbid(unsafe_code)]

pub mod histogram;
pub mod latency;
pub mod trace;
