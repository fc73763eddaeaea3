//! The atomics of everything in [`shared`](crate::shared): those of `core`, or loom's when built with `--cfg loom`, which
//! then runs the code in every interleaving. Loom's have another layout, so layouts are asserted, and mappings cast, only
//! without loom; its tests build the structures directly.

#[cfg(not(loom))]
pub use core::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering, fence};

/// Tells the CPU that the caller spins until another CPU writes. Under loom it lets another thread run.
#[inline]
pub(crate) fn spin_hint() {
    #[cfg(not(loom))]
    core::hint::spin_loop();
    #[cfg(loom)]
    loom::thread::yield_now();
}
