//! Status words: what the kernel says of each thread and agent, changed while the agent reads.
//!
//! ```text
//! region (2 MiB, read-only for the agent)         word (32 bytes)
//! 0        64                                      0          4        8      16            24
//! | header | word 0 | word 1 | ... word 65533 |    | barrier  | flags  | gtid | switch_time | runtime |
//! ```
//!
//! The life of a word: free (all zero) -> `ALLOCATED` -> `IN_USE`, with `RUNNABLE` and `ON_CPU` coming and going ->
//! `CAN_FREE` (dead; with `MESSAGES_GATED`: departed) -> the agent frees it -> all zero. The kernel writes all of it.
//! Indices are not given out again at once. When the enclave is destroyed the mapping goes with it, and touching it is SIGBUS:
//! watch the file `agent_online` of the enclave, or unmap first. A forked child does not inherit the mapping.
//!
//! **Orderings.** The kernel moves the barrier with a release store before it builds the message with that number, clears
//! `ON_CPU` after the message that says why is visible, and sets `IN_USE` after barrier, gtid and runtime. The mapping is
//! read-only, and of such memory Rust promises only Relaxed loads: each question here is one Relaxed load and, where
//! something is read after it, an Acquire fence, which together order like a load-acquire.

#[cfg(not(loom))]
use core::mem::offset_of;
use core::mem::size_of;

#[cfg(not(loom))]
use crate::abi::FieldType;
#[cfg(not(loom))]
use crate::abi::layout::{STATUS_WORD, STATUS_WORD_REGION_HEADER};
use crate::gtid::Gtid;
use crate::sync::{AtomicI64, AtomicU32, AtomicU64, Ordering, fence};
use crate::wire::{StatusFlags, StatusWordRegionHeader, StatusWordSnapshot};

/// One thread's or agent's status word: the kernel writes it, the agent reads it.
///
/// 32 bytes, 32-aligned, the same in every ABI (`struct ghost_status_word`). Has no stores: see [`KernelStatusWord`].
#[derive(Debug)]
#[repr(C, align(32))]
pub struct StatusWord {
    barrier: AtomicU32,
    flags: AtomicU32,
    gtid: AtomicU64,
    switch_time: AtomicI64,
    runtime: AtomicU64,
}

/// The start of a region of status words. 64 bytes (`struct ghost_sw_region_header`).
#[derive(Debug)]
#[repr(C, align(64))]
pub struct RegionHeader {
    version: AtomicU32,
    id: AtomicU32,
    numa_node: AtomicU32,
    start: AtomicU32,
    capacity: AtomicU32,
    available: AtomicU32,
    _reserved: [AtomicU32; 10],
}

#[cfg(not(loom))]
const _: () = {
    use FieldType::{I64, U32, U64};
    assert!(size_of::<StatusWord>() == STATUS_WORD.size && align_of::<StatusWord>() == STATUS_WORD.align);
    assert!(offset_of!(StatusWord, barrier) == STATUS_WORD.at("barrier", U32));
    assert!(offset_of!(StatusWord, flags) == STATUS_WORD.at("flags", U32));
    assert!(offset_of!(StatusWord, gtid) == STATUS_WORD.at("gtid", U64));
    assert!(offset_of!(StatusWord, switch_time) == STATUS_WORD.at("switch_time", I64));
    assert!(offset_of!(StatusWord, runtime) == STATUS_WORD.at("runtime", U64));
    assert!(size_of::<RegionHeader>() == STATUS_WORD_REGION_HEADER.size);
    assert!(align_of::<RegionHeader>() == STATUS_WORD_REGION_HEADER.align);
    assert!(offset_of!(RegionHeader, version) == STATUS_WORD_REGION_HEADER.at("version", U32));
    assert!(offset_of!(RegionHeader, id) == STATUS_WORD_REGION_HEADER.at("id", U32));
    assert!(offset_of!(RegionHeader, numa_node) == STATUS_WORD_REGION_HEADER.at("numa_node", U32));
    assert!(offset_of!(RegionHeader, start) == STATUS_WORD_REGION_HEADER.at("start", U32));
    assert!(offset_of!(RegionHeader, capacity) == STATUS_WORD_REGION_HEADER.at("capacity", U32));
    assert!(offset_of!(RegionHeader, available) == STATUS_WORD_REGION_HEADER.at("available", U32));
};

/// A load-acquire in two steps, for read-only memory: what is read afterwards is at least as new.
#[inline(always)]
fn load_acquire(word: &AtomicU32) -> u32 {
    let value = word.load(Ordering::Relaxed);
    // Acquire: pairs with the kernel's smp_store_release of the same word.
    fence(Ordering::Acquire);
    value
}

impl StatusWord {
    /// The barrier. An agent reads its own **before** it drains its queues and hands the value to RUN or its commit: then
    /// no message that comes meanwhile is slept through. A thread's goes into ASSOC_QUEUE.
    #[inline]
    pub fn barrier(&self) -> u32 {
        load_acquire(&self.barrier)
    }

    /// The state of the word and of its thread or agent.
    #[inline]
    pub fn flags(&self) -> StatusFlags {
        StatusFlags::from_bits_retain(load_acquire(&self.flags))
    }

    /// Whether the thread is on a CPU. Goes off after the message that says why is visible; until then a commit of the
    /// thread ends with TARGET_ONCPU.
    #[inline]
    pub fn is_on_cpu(&self) -> bool {
        self.flags().contains(StatusFlags::ON_CPU)
    }

    /// Whether the thread is runnable.
    #[inline]
    pub fn is_runnable(&self) -> bool {
        self.flags().contains(StatusFlags::RUNNABLE)
    }

    /// In an agent's word: whether its CPU is available to ghOSt threads.
    #[inline]
    pub fn cpu_is_available(&self) -> bool {
        self.flags().contains(StatusFlags::CPU_AVAILABLE)
    }

    /// In an agent's word: whether a higher class wants its CPU, so that it should finish and yield.
    #[inline]
    pub fn is_boosted(&self) -> bool {
        self.flags().contains(StatusFlags::BOOST_PRIORITY)
    }

    /// Whether the agent may free the word.
    #[inline]
    pub fn can_be_freed(&self) -> bool {
        self.flags().contains(StatusFlags::CAN_FREE)
    }

    /// Whose word it is.
    #[inline]
    pub fn gtid(&self) -> Gtid {
        Gtid::from_bits(self.gtid.load(Ordering::Relaxed))
    }

    /// CLOCK_MONOTONIC of the last time it got on a CPU, in ns. Written before `ON_CPU` is set.
    #[inline]
    pub fn switch_time_ns(&self) -> i64 {
        self.switch_time.load(Ordering::Relaxed)
    }

    /// What it has run so far, in ns; as of when it last left a CPU. `GET_CPU_TIME` tells it up to now.
    #[inline]
    pub fn runtime_ns(&self) -> u64 {
        self.runtime.load(Ordering::Relaxed)
    }

    /// All of it, the barrier first: if ASSOC_QUEUE accepts that barrier, the rest was not older. The word may change
    /// between its fields.
    pub fn snapshot(&self) -> StatusWordSnapshot {
        StatusWordSnapshot {
            barrier: self.barrier(),
            flags: self.flags(),
            gtid: self.gtid(),
            switch_time_ns: self.switch_time_ns(),
            runtime_ns: self.runtime_ns(),
        }
    }
}

impl RegionHeader {
    /// What it says.
    pub fn snapshot(&self) -> StatusWordRegionHeader {
        let word = |word: &AtomicU32| word.load(Ordering::Relaxed);
        StatusWordRegionHeader {
            version: word(&self.version),
            id: word(&self.id),
            numa_node: word(&self.numa_node),
            start: word(&self.start),
            capacity: word(&self.capacity),
            available: word(&self.available),
        }
    }
}

/// A region of status words, from [`ReadOnlyMapping::status_words`](super::region::ReadOnlyMapping::status_words).
#[derive(Clone, Copy, Debug)]
pub struct StatusWords<'m> {
    header: &'m RegionHeader,
    words: &'m [StatusWord],
}

impl<'m> StatusWords<'m> {
    /// The region of this header and these words, which need not be a mapping.
    pub const fn new(header: &'m RegionHeader, words: &'m [StatusWord]) -> Self {
        Self { header, words }
    }

    /// What the region's header says.
    pub fn header(&self) -> StatusWordRegionHeader {
        self.header.snapshot()
    }

    /// How many words are mapped.
    pub const fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether none is.
    pub const fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The word of this index; `None` if it is not mapped.
    #[inline]
    pub fn get(&self, index: u32) -> Option<&'m StatusWord> {
        self.words.get(index as usize)
    }

    /// The words in use and their indices: what an agent that takes over an enclave looks through.
    pub fn in_use(&self) -> impl Iterator<Item = (u32, &'m StatusWord)> + use<'m> {
        (0..)
            .zip(self.words)
            .filter(|(_, word)| word.flags().contains(StatusFlags::IN_USE))
    }
}

/// A status word on the kernel's side: what simulated kernels and tests write. An agent's mapping has none.
#[derive(Debug)]
#[repr(transparent)]
pub struct KernelStatusWord(StatusWord);

impl KernelStatusWord {
    /// A free word.
    pub fn new() -> Self {
        Self(StatusWord {
            barrier: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            gtid: AtomicU64::new(0),
            switch_time: AtomicI64::new(0),
            runtime: AtomicU64::new(0),
        })
    }

    /// The word as its agent sees it.
    #[inline]
    pub fn as_agent_sees(&self) -> &StatusWord {
        &self.0
    }

    /// free -> `ALLOCATED`; `false` if it was taken.
    pub fn allocate(&self) -> bool {
        let allocated = StatusFlags::ALLOCATED.bits();
        // Acquire: pairs with the Release in `free`; its zeros come before what is written now.
        let edge = self
            .0
            .flags
            .compare_exchange(0, allocated, Ordering::Acquire, Ordering::Relaxed);
        edge.is_ok()
    }

    /// `ALLOCATED` -> `IN_USE` and whatever `flags` say besides: the contents first, the flag last.
    pub fn initialise(&self, gtid: Gtid, barrier: u32, runtime_ns: u64, flags: StatusFlags) {
        self.0.gtid.store(gtid.bits(), Ordering::Relaxed);
        self.0.barrier.store(barrier, Ordering::Relaxed);
        self.0.runtime.store(runtime_ns, Ordering::Relaxed);
        let flags = flags | StatusFlags::IN_USE | StatusFlags::ALLOCATED;
        // Release: pairs with the fence in `flags()`; who sees IN_USE sees the contents.
        self.0.flags.store(flags.bits(), Ordering::Release);
    }

    /// Moves the barrier by one and returns it: the sequence number of the message that is built now.
    pub fn advance_barrier(&self) -> u32 {
        // Release: pairs with the fence in `barrier()`.
        self.0.barrier.fetch_add(1, Ordering::Release).wrapping_add(1)
    }

    /// Sets flags, what was written before being visible to who sees them.
    pub fn set(&self, flags: StatusFlags) {
        // Release: pairs with the fence in `flags()`.
        self.0.flags.fetch_or(flags.bits(), Ordering::Release);
    }

    /// Clears flags; for `ON_CPU` after the message that says why was produced.
    pub fn clear(&self, flags: StatusFlags) {
        // Release: pairs with the fence in `flags()`; who sees ON_CPU gone can read the message.
        self.0.flags.fetch_and(!flags.bits(), Ordering::Release);
    }

    /// The thread got on a CPU at this time: the time first, then `ON_CPU`.
    pub fn switch_in(&self, now_ns: i64) {
        self.0.switch_time.store(now_ns, Ordering::Relaxed);
        self.set(StatusFlags::ON_CPU);
    }

    /// What the thread has run so far.
    pub fn set_runtime(&self, runtime_ns: u64) {
        self.0.runtime.store(runtime_ns, Ordering::Relaxed);
    }

    /// `CAN_FREE` -> free: all zero. `false`, and nothing done, if the word does not say `CAN_FREE`, or another was faster.
    pub fn free(&self) -> bool {
        let flags = self.0.flags.load(Ordering::Relaxed);
        let allocated = StatusFlags::ALLOCATED.bits();
        // Acquire: what is zeroed now was written before CAN_FREE. Only one takes the flag away.
        if flags & StatusFlags::CAN_FREE.bits() == 0
            || self
                .0
                .flags
                .compare_exchange(flags, allocated, Ordering::Acquire, Ordering::Relaxed)
                .is_err()
        {
            return false;
        }
        self.0.barrier.store(0, Ordering::Relaxed);
        self.0.gtid.store(0, Ordering::Relaxed);
        self.0.switch_time.store(0, Ordering::Relaxed);
        self.0.runtime.store(0, Ordering::Relaxed);
        // Release: pairs with the fence in `flags()` and with `allocate`; a word that reads as free reads as zero.
        self.0.flags.store(0, Ordering::Release);
        true
    }
}

impl Default for KernelStatusWord {
    fn default() -> Self {
        Self::new()
    }
}

/// Writes the header of a region of `capacity` words, all free, at the start of `words`: the kernel's side. The status words
/// follow it at once. `false`, and nothing written, if there are fewer than its 64 bytes.
pub fn format_region(words: &[AtomicU32], id: u32, numa_node: u32, capacity: u32) -> bool {
    let Some(header) = words.first_chunk::<16>() else {
        return false;
    };
    let start = size_of::<[u32; 16]>() as u32;
    for (word, value) in header.iter().zip([0, id, numa_node, start, capacity, capacity]) {
        word.store(value, Ordering::Relaxed);
    }
    true
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_word_lives_from_free_to_free() {
        let word = KernelStatusWord::new();
        let seen = word.as_agent_sees();
        assert!(word.allocate() && !word.allocate());
        assert!(!seen.flags().contains(StatusFlags::IN_USE));
        word.initialise(Gtid::from_raw(7), 0, 100, StatusFlags::RUNNABLE);
        assert_eq!(word.advance_barrier(), 1);
        word.switch_in(55);
        let snapshot = seen.snapshot();
        assert_eq!(
            (snapshot.barrier, snapshot.gtid, snapshot.runtime_ns),
            (1, Gtid::from_raw(7), 100)
        );
        assert!(seen.is_on_cpu() && seen.is_runnable() && !seen.can_be_freed());
        assert_eq!(seen.switch_time_ns(), 55);
        assert!(!word.free());
        word.clear(StatusFlags::ON_CPU | StatusFlags::RUNNABLE);
        word.set(StatusFlags::CAN_FREE);
        assert!(word.free());
        assert_eq!(seen.snapshot().flags, StatusFlags::empty());
        assert_eq!(seen.gtid(), Gtid::NULL);
    }
}
