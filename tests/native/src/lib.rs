//! The BPF program's accounting (`bpf/c/latency_logic.h`), compiled for this machine, as a safe value: tests drive it
//! against [`ghostsched_core::latency::Engine`], its specification.

use std::collections::BTreeMap;
use std::ptr::NonNull;

use ghostsched_core::histogram::{Bounds, Histogram, LARGEST_BOUND_NS, MAX_BOUNDS, MAX_BUCKETS};
use ghostsched_core::latency::engine::Wait;
use ghostsched_core::latency::{FIRST_GROUP, GROUP_IDLE, GROUP_REST, GROUP_UNKNOWN, GroupStats, Kind, Leaving, Parts};

/// Where queue stamps come from; the numbers are `GS_METHOD_*`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The kernel's.
    Log = 0,
    /// Own ones, with a clock a group.
    Clock = 1,
}

/// What is set before the program is loaded.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Upper bounds of the histograms.
    pub bounds: Bounds,
    /// CPU numbers.
    pub cpus: u32,
    /// Group indices; at least 3.
    pub groups: u32,
    /// Thread numbers; others have no storage.
    pub threads: u32,
    /// Where queue stamps come from.
    pub method: Method,
    /// Whether wakeups are hooked for the throttle clock with [`Method::Log`].
    pub watching: bool,
    /// Whether every wait is told; without it simple waits take the short way.
    pub recording: bool,
}

/// One context switch, with the kernel's own count of `next`'s waits before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switch {
    /// When, ns.
    pub now_ns: u64,
    /// Which CPU.
    pub cpu: u32,
    /// The thread that leaves; 0 = idle.
    pub prev: u32,
    /// How it leaves.
    pub leaving: Leaving,
    /// Whether the kernel stamps it as queued.
    pub prev_stamped: bool,
    /// When it got the CPU by the kernel's account; 0 = it does not say.
    pub prev_arrived_ns: u64,
    /// Throttle clock of `prev`.
    pub prev_clock_ns: u64,
    /// The thread that gets the CPU; 0 = idle.
    pub next: u32,
    /// Its group.
    pub next_group: u32,
    /// When it was queued by the kernel's account; 0 = it does not say.
    pub next_queued_ns: u64,
    /// `run_delay` of `next`.
    pub next_delay_ns: u64,
    /// `pcount` of `next`.
    pub next_arrivals: u64,
    /// Throttle clock of `next`.
    pub next_clock_ns: u64,
}

/// A queued thread leaves a CPU's queue for another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Migrate {
    /// When, ns.
    pub now_ns: u64,
    /// The thread.
    pub tid: u32,
    /// Its group.
    pub group: u32,
    /// The CPU it leaves.
    pub from: u32,
    /// The CPU it goes to.
    pub to: u32,
    /// Its `run_delay`, the wait that ends here included.
    pub delay_ns: u64,
    /// Its `pcount`.
    pub arrivals: u64,
    /// Throttle clock of its group on `from`.
    pub from_clock_ns: u64,
    /// And on `to`.
    pub to_clock_ns: u64,
}

/// Losses and curiosities, of one CPU or their sum. Fields as in `struct gs_cpu`.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Counters {
    pub switches: u64,
    pub chain_breaks: u64,
    pub unknown_ns: u64,
    pub missed_waits: u64,
    pub missed_ns: u64,
    pub extra_waits: u64,
    pub extra_ns: u64,
    pub suspect_waits: u64,
    pub suspect_ns: u64,
    pub migrated_waits: u64,
    pub moving_ns: u64,
    pub storage_failures: u64,
    pub throttle_clipped: u64,
    pub matrix_overflow_ns: u64,
}

/// What is remembered of the kernel's count of one thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Remembered {
    /// `run_delay` expected at its next switch-in, ns.
    pub delay_ns: u64,
    /// `pcount`, likewise.
    pub arrivals: u64,
    /// Waits accounted, ns.
    pub counted_ns: u64,
    /// Waits no event told of, ns.
    pub missed_ns: u64,
}

#[repr(C)]
struct RawSwitch {
    now: u64,
    prev_clock: u64,
    next_clock: u64,
    prev_arrived: u64,
    next_queued: u64,
    next_delay: u64,
    next_arrivals: u64,
    cpu: u32,
    prev: u32,
    next: u32,
    next_group: u32,
    prev_queued: u32,
    prev_stamped: u32,
    prev_left_kind: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawWait {
    now_ns: u64,
    queued_ns: u64,
    began_ns: u64,
    tid: u32,
    cpu: u32,
    group: u32,
    moved: u32,
    clock_ns: u64,
    now_clock_ns: u64,
    parts: [u64; 5],
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct RawCell {
    victim: u32,
    by: u32,
    ns: u64,
}

const _: () = assert!(size_of::<RawSwitch>() == 88);
const _: () = assert!(size_of::<Counters>() == 112);
const _: () = assert!(size_of::<RawWait>() == 96);
const _: () = assert!(size_of::<RawCell>() == 16);

/// Words of a block before its counts.
const BLOCK_HEAD: usize = 28;
const MATRIX_CELLS: usize = 2048;

#[repr(C)]
struct Raw {
    private: [u8; 0],
}

unsafe extern "C" {
    fn gs_native_new(bounds: *const u64, buckets: u32, cpus: u32, groups: u32, threads: u32) -> *mut Raw;
    fn gs_native_free(native: *mut Raw);
    fn gs_native_configure(native: *mut Raw, method: u32, watching: u32, recording: u32);
    fn gs_native_open_window(native: *mut Raw, window: u64);
    fn gs_native_bucket(native: *mut Raw, value: u64) -> u32;
    fn gs_native_on_switch(native: *mut Raw, from: *const RawSwitch, wait: *mut RawWait) -> i32;
    fn gs_native_on_wakeup(native: *mut Raw, tid: u32, group: u32, cpu: u32, now: u64, clock: u64);
    fn gs_native_on_migrate(
        native: *mut Raw,
        tid: u32,
        group: u32,
        from: u32,
        to: u32,
        now: u64,
        delay: u64,
        arrivals: u64,
        from_clock: u64,
        to_clock: u64,
    );
    fn gs_native_suspect(native: *mut Raw, tid: u32);
    fn gs_native_exit(native: *mut Raw, tid: u32);
    fn gs_native_block(native: *const Raw, cpu: u32, group: u32, words: *mut u64, len: usize) -> usize;
    fn gs_native_matrix(native: *const Raw, cpu: u32, cells: *mut RawCell, len: usize) -> usize;
    fn gs_native_counters(native: *const Raw, cpu: u32, counters: *mut Counters) -> i32;
    fn gs_native_thread(
        native: *const Raw,
        tid: u32,
        delay: *mut u64,
        arrivals: *mut u64,
        counted: *mut u64,
        missed: *mut u64,
    ) -> i32;
}

/// The accounting, with all its memory.
#[derive(Debug)]
pub struct Native {
    raw: NonNull<Raw>,
    options: Options,
}

// No `Send`: which instance the C works on is set per thread by each call, so it would be right, but nobody needs it.

impl Native {
    /// An accounting in which nothing has happened yet.
    ///
    /// # Panics
    /// When memory is short.
    pub fn new(options: Options) -> Self {
        let mut bounds = [LARGEST_BOUND_NS; MAX_BOUNDS];
        bounds[..options.bounds.as_slice().len()].copy_from_slice(options.bounds.as_slice());
        let buckets = options.bounds.bucket_count() as u32;
        // SAFETY: `bounds` holds the GS_MAX_BOUNDS words that are copied; the numbers only size allocations.
        let raw = unsafe { gs_native_new(bounds.as_ptr(), buckets, options.cpus, options.groups, options.threads) };
        let native = Self {
            raw: NonNull::new(raw).expect("memory"),
            options,
        };
        let (watching, recording) = (u32::from(options.watching), u32::from(options.recording));
        // SAFETY: `raw` came from gs_native_new just now and is only freed by drop.
        unsafe { gs_native_configure(native.raw.as_ptr(), options.method as u32, watching, recording) };
        native
    }

    /// The bucket the C finds; values below 2^63.
    pub fn bucket_of(&mut self, value: u64) -> usize {
        // SAFETY: `raw` is alive until drop, and `&mut` keeps others from it.
        unsafe { gs_native_bucket(self.raw.as_ptr(), value) as usize }
    }

    /// Opens a window of maxima.
    pub fn open_window(&mut self, window: u64) {
        // SAFETY: `raw` is alive until drop, and `&mut` keeps others from it.
        unsafe { gs_native_open_window(self.raw.as_ptr(), window) }
    }

    /// Accounts a context switch; tells of the wait it ends when recording.
    pub fn switch(&mut self, switch: &Switch) -> Option<Wait> {
        let raw = RawSwitch {
            now: switch.now_ns,
            prev_clock: switch.prev_clock_ns,
            next_clock: switch.next_clock_ns,
            prev_arrived: switch.prev_arrived_ns,
            next_queued: switch.next_queued_ns,
            next_delay: switch.next_delay_ns,
            next_arrivals: switch.next_arrivals,
            cpu: switch.cpu,
            prev: switch.prev,
            next: switch.next,
            next_group: switch.next_group,
            prev_queued: u32::from(switch.leaving == Leaving::Runnable),
            prev_stamped: u32::from(switch.prev_stamped),
            prev_left_kind: if switch.leaving == Leaving::Block {
                Kind::Block as u32
            } else {
                Kind::Sleep as u32
            },
            reserved: 0,
        };
        let mut wait = RawWait::default();
        // SAFETY: `raw` is alive until drop and `&mut` keeps others from it; both structures are laid out as in native.c,
        // live over the call, and not kept.
        let told = unsafe { gs_native_on_switch(self.raw.as_ptr(), &raw, &mut wait) };
        let [same_ns, other_ns, idle_ns, throttled_ns, unattributed_ns] = wait.parts;
        (told != 0).then_some(Wait {
            tid: wait.tid,
            cpu: wait.cpu,
            group: wait.group,
            now_ns: wait.now_ns,
            queued_ns: wait.queued_ns,
            began_ns: wait.began_ns,
            moved: wait.moved != 0,
            parts: Parts {
                same_ns,
                other_ns,
                idle_ns,
                throttled_ns,
                unattributed_ns,
            },
        })
    }

    /// A thread becomes runnable.
    pub fn wakeup(&mut self, now_ns: u64, cpu: u32, tid: u32, group: u32, clock_ns: u64) {
        // SAFETY: `raw` is alive until drop, and `&mut` keeps others from it.
        unsafe { gs_native_on_wakeup(self.raw.as_ptr(), tid, group, cpu, now_ns, clock_ns) }
    }

    /// A queued thread changes CPU.
    pub fn migrate(&mut self, to: &Migrate) {
        // SAFETY: `raw` is alive until drop, and `&mut` keeps others from it.
        unsafe {
            gs_native_on_migrate(
                self.raw.as_ptr(),
                to.tid,
                to.group,
                to.from,
                to.to,
                to.now_ns,
                to.delay_ns,
                to.arrivals,
                to.from_clock_ns,
                to.to_clock_ns,
            );
        }
    }

    /// The kernel stamps a thread that sleeps.
    pub fn suspect(&mut self, tid: u32) {
        // SAFETY: `raw` is alive until drop, and `&mut` keeps others from it.
        unsafe { gs_native_suspect(self.raw.as_ptr(), tid) }
    }

    /// A thread is gone, and with it its storage.
    pub fn exit(&mut self, tid: u32) {
        // SAFETY: `raw` is alive until drop, and `&mut` keeps others from it.
        unsafe { gs_native_exit(self.raw.as_ptr(), tid) }
    }

    /// The statistics of the groups, CPUs together, in the form of the core: the other parts of each wait are zeros, and the
    /// maxima are those of the present window.
    pub fn groups(&self) -> Vec<GroupStats> {
        (0..self.options.groups).map(|group| self.group(group, false)).collect()
    }

    /// The largest value of each kind in the window before the present one, for groups that had an event in this one.
    pub fn last_maxima(&self, group: u32) -> [u64; Kind::COUNT] {
        self.group(group, true).kinds.map(|histogram| histogram.max_ns())
    }

    fn group(&self, group: u32, last: bool) -> GroupStats {
        let buckets = self.options.bounds.bucket_count();
        let mut stats = GroupStats::default();
        for cpu in 0..self.options.cpus {
            let mut words = [0u64; BLOCK_HEAD + Kind::COUNT * MAX_BUCKETS];
            // SAFETY: `raw` is alive until drop and nothing writes through `&self`; at most `words.len()` words are copied.
            let len = unsafe { gs_native_block(self.raw.as_ptr(), cpu, group, words.as_mut_ptr(), words.len()) };
            if len == 0 {
                continue;
            }
            assert_eq!(len, BLOCK_HEAD + Kind::COUNT * buckets);
            let (head, rows) = words[..len].split_at(BLOCK_HEAD);
            let (sums, maxima) = head.split_at(Kind::COUNT);
            let maxima = if last { &maxima[Kind::COUNT..] } else { maxima };
            let histogram =
                |kind: usize| Histogram::from_parts(&rows[kind * buckets..][..buckets], sums[kind], maxima[kind]);
            let mut one = GroupStats {
                kinds: std::array::from_fn(histogram),
                unattributed_ns: sums[Kind::Wait as usize],
                throttled_on_ns: head[25],
                missed_waits: head[26],
                missed_ns: head[27],
            };
            let waits = one.kind(Kind::Wait).count();
            for kind in Kind::ALL.into_iter().filter(|kind| kind.is_part_of_wait()) {
                let part = &mut one.kinds[kind as usize];
                part.record_zeros(waits - part.count());
            }
            let total_ns = one.parts().total_ns();
            let wait = &mut one.kinds[Kind::Wait as usize];
            *wait = Histogram::from_parts(wait.counts(), total_ns, wait.max_ns());
            stats.merge(&one);
        }
        stats
    }

    /// Who made whom wait, CPUs together: ns by (victim, culprit).
    pub fn matrix(&self) -> BTreeMap<(u32, u32), u64> {
        let mut pairs = BTreeMap::new();
        for cpu in 0..self.options.cpus {
            let mut cells = vec![RawCell::default(); MATRIX_CELLS];
            // SAFETY: `raw` is alive until drop and nothing writes through `&self`; at most `cells.len()` cells, laid out as
            // in the header, are copied.
            let len = unsafe { gs_native_matrix(self.raw.as_ptr(), cpu, cells.as_mut_ptr(), cells.len()) };
            // A wait of 0 ns behind another group may have left an empty pair.
            for cell in cells[..len].iter().filter(|cell| cell.ns > 0) {
                let ns = pairs.entry((cell.victim, cell.by)).or_insert(0u64);
                *ns = ns.wrapping_add(cell.ns);
            }
        }
        pairs
    }

    /// Losses and curiosities, CPUs together.
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for cpu in 0..self.options.cpus {
            let mut one = Counters::default();
            // SAFETY: `raw` is alive until drop and nothing writes through `&self`; `one` is laid out as in native.c.
            unsafe { gs_native_counters(self.raw.as_ptr(), cpu, &mut one) };
            sum.switches += one.switches;
            sum.chain_breaks += one.chain_breaks;
            sum.unknown_ns = sum.unknown_ns.wrapping_add(one.unknown_ns);
            sum.missed_waits = sum.missed_waits.wrapping_add(one.missed_waits);
            sum.missed_ns = sum.missed_ns.wrapping_add(one.missed_ns);
            sum.extra_waits += one.extra_waits;
            sum.extra_ns = sum.extra_ns.wrapping_add(one.extra_ns);
            sum.suspect_waits += one.suspect_waits;
            sum.suspect_ns = sum.suspect_ns.wrapping_add(one.suspect_ns);
            sum.migrated_waits += one.migrated_waits;
            sum.moving_ns = sum.moving_ns.wrapping_add(one.moving_ns);
            sum.storage_failures += one.storage_failures;
            sum.throttle_clipped += one.throttle_clipped;
            sum.matrix_overflow_ns = sum.matrix_overflow_ns.wrapping_add(one.matrix_overflow_ns);
        }
        sum
    }

    /// What is remembered of a thread; `None` without storage.
    pub fn remembered(&self, tid: u32) -> Option<Remembered> {
        let mut one = Remembered::default();
        // SAFETY: `raw` is alive until drop and nothing writes through `&self`; the four words live over the call.
        let known = unsafe {
            gs_native_thread(
                self.raw.as_ptr(),
                tid,
                &mut one.delay_ns,
                &mut one.arrivals,
                &mut one.counted_ns,
                &mut one.missed_ns,
            )
        };
        (known != 0).then_some(one)
    }

    /// A group's index as the BPF program would give it: those beyond the capacity are one.
    pub fn fold(&self, group: u32) -> u32 {
        if group < self.options.groups { group } else { GROUP_REST }
    }
}

impl Drop for Native {
    fn drop(&mut self) {
        // SAFETY: `raw` came from gs_native_new, is freed here only, and cannot be used after.
        unsafe { gs_native_free(self.raw.as_ptr()) }
    }
}

const _: () = assert!(GROUP_IDLE == 0 && GROUP_REST == 1 && GROUP_UNKNOWN == 2 && FIRST_GROUP == 3);
