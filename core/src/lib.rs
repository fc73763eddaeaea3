//! The algorithms of ghostsched, on plain values: no std, no allocation, no clock, no file, no kernel.
//!
//! | module | what it is |
//! |---|---|
//! | [`cpus`] | sets of CPUs, and the kernel's text forms of them |
//! | [`histogram`] | fixed-size histograms with the user's own bounds |
//! | [`latency`] | why a thread waits for a CPU: the accounting of queueing delay, per group |
//! | [`tasks`] | what an agent knows of each task: a table by gtid |
//! | [`trace`] | recorded traces of scheduling events |
//!
//! `trace` uses `latency`, `latency` uses `histogram`; nothing here uses anything else of the project.
#![no_std]
#![deny(unsafe_code)]

#[cfg(loom)]
extern crate std;

pub mod abi;
pub mod cpus;
pub mod gtid;
pub mod histogram;
pub mod latency;
pub mod shared;
pub mod sync;
pub mod tasks;
pub mod trace;
pub mod wire;
