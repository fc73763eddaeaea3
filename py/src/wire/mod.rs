//! `ghostsched.wire`: what the core reads in a ghOSt kernel's memory, as Python objects and numpy arrays.

pub mod abi;
pub mod flags;
pub mod gtid;
pub mod message;
pub mod queue;
pub mod record;
pub mod region;
