//! Words the other side changes while we look: status words, queues, transactions, PNT rings.
//!
//! Everything here is a view of atomics, and all but [`region`], which makes views of mappings, is safe code. Nothing that
//! is read is trusted as a length, an index or an enum: whatever the other side writes, the answer is a typed error or a
//! value, never a panic, an endless loop or a read elsewhere. Each memory ordering names its partner.
//!
//! | module | who writes | who reads |
//! |---|---|---|
//! | [`status_word`] | the kernel | the agent, from a read-only mapping |
//! | [`queue`] | the kernel: messages, head; the agent: tail | both |
//! | [`transaction`] | the agent until it is submitted, the kernel from then to its end | both |
//! | [`pnt`] | the agent's userspace half and its BPF half | both |

pub mod pnt;
pub mod queue;
#[cfg(not(loom))]
pub mod region;
pub mod status_word;
pub mod transaction;

pub use queue::{Batch, Consumer, Lent, Overflow, Producer, Queue, QueueError, View};
#[cfg(not(loom))]
pub use region::{Mapping, ReadOnlyMapping, RegionError};
pub use status_word::{KernelStatusWord, StatusWord, StatusWords};
pub use transaction::{Claimed, CpuPage, Open, Request, Submitted, Transaction};
