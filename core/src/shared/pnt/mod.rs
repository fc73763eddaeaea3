//! PNT rings: runnable threads that an agent leaves for idle CPUs, so that its BPF half in `pick_next_task` (BPF-PNT) finds one
//! without a round trip to userspace, which would cost tens of microseconds.
//!
//! ```text
//!            agent (userspace), BPF-MSG                       BPF-PNT, on the CPU that goes idle
//!   push ->  | slot | slot | READY | READY | cpu 3 | ... |  -> pop -> run_gtid -> complete or fail
//!            tail ^            ^ head         revoke, move, take failures <- agent
//! ```
//!
//! This is the Rust half; `include/ghostsched_pnt.h` is the C half, for BPF and for C++ agents. Both work on the same memory
//! and are tested against each other on it. It is no kernel ABI: the two halves of one agent agree on it.
//!
//! A ring has 64 slots of 64 bytes. The word of a slot, `lap << 32 | state`, is the only arbiter of who may touch it. The
//! lap counts how often the slot has been freed, so that a [`Ticket`] (lap and slot) names one push: a late revoke
//! cannot hit another thread's slot, and a success needs no reaping. One slot's walk, and who writes each step:
//!
//! | step | word | who |
//! |---|---|---|
//! | 1 | `EMPTY`, lap | free; of lap 0 by [`Ring::format`] |
//! | 2 | `FILLING`, lap | a producer, by compare-exchange; only where there are several |
//! | 3 | | the producer writes the fields |
//! | 4 | `READY`, lap | the producer, release. The thread may be taken |
//! | 5 | CPU number, lap | a popper, by compare-exchange. Exclusive |
//! | 6 | `EMPTY`, lap + 1 | the popper, release: latched ([`Claim::complete`]) |
//! | or 6a | failure, lap | the popper, release: refused ([`Claim::fail`]); then the slot's bit in `failed` |
//! | 7a | `EMPTY`, lap + 1 | the agent, release: it has taken the failure ([`Ring::failures`]) |
//! | or 6b | `READY`, lap | the popper, release: put back ([`Claim::put_back`]); the slot's bit in `listed` before |
//! | or 5c | `HELD`, lap | the agent, by compare-exchange: it revokes or moves the thread ([`Ring::hold`]). Exclusive |
//! | 6c | `EMPTY`, lap + 1 | the agent, release: revoked, or `READY` in another ring by now; else 6b |
//!
//! `head` and `tail` are hints, checked against the words. A stale one costs steps; nonsense from outside can hide threads for up
//! to a lap, but neither lets one run twice nor leads out of the ring. `listed` has a
//! bit for each READY slot that a pop must find whatever `head` says: those put back, and in a ring of kind
//! [`Earliest`](Kind::Earliest) all. A pop that answers "none" has seen each slot without a READY thread, or lost it to
//! another, while it looked: a CPU does not idle beside a thread it could have run.
//!
//! | module | what it is |
//! |---|---|
//! | [`ring`] | one ring: push, pop, revoke, move, watch |
//! | [`hierarchy`] | rings for each CPU, LLC, NUMA node and the machine, and the order in which a CPU looks through them |

pub mod hierarchy;
pub mod ring;

pub use hierarchy::{Hierarchy, Moved, Path, PathError};
pub use ring::{Claim, Failure, Kind, MoveError, NoPush, NotHeld, Ring, Seen, Slot, SlotState, Task, Ticket};

/// Slots of a ring; under loom fewer, so that they wrap around.
pub const SLOTS: usize = if cfg!(loom) { 2 } else { 64 };
/// The most rings a CPU looks through: its own, its LLC's, its NUMA node's, the global one.
pub const LEVELS: usize = 4;
