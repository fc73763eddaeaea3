//! What a measurement hands out: one shape for the live kernel and for a replayed trace.

use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::{GroupStats, Kind};

/// How queueing delay was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The kernel's own queue stamp and a log of who ran (needs `CONFIG_SCHED_INFO`): one hot hook.
    Log,
    /// Own queue stamps from the wakeup hooks and per-CPU group clocks.
    Clock,
    /// A recorded trace, replayed through the engine.
    Replay,
}

impl Method {
    /// The name used in JSON and `--method`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Clock => "clock",
            Self::Replay => "replay",
        }
    }
}

/// One row of the report.
#[derive(Clone, Debug)]
pub struct Group {
    /// The cgroup id (`kn->id`), the same as the inode number of its directory; of the folded ancestor under `--level`.
    /// 0 for the remainder of all groups beyond the capacity.
    pub id: u64,
    /// The path below the cgroup mount, `/` for the root; `(rest)` for the remainder; for a cgroup that vanished before
    /// it could be looked up, its last name and `(gone)`.
    pub path: String,
    /// Everything accounted to it.
    pub stats: GroupStats,
    /// Its share of the machine, when the cgroup tree says so.
    pub entitlement: Option<Entitlement>,
}

/// What a cgroup may use, from its weight and quota and those of its ancestors. Units: milli-CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entitlement {
    /// What it wanted (ran or waited, but for its own quota), up to what its weight is due beside what its rivals wanted.
    pub weight_mcpu: u64,
    /// The tightest quota on the way to the root; `None` where there is none.
    pub quota_mcpu: Option<u64>,
}

/// How long one group waited behind another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blame {
    /// Index in [`Snapshot::groups`] of the group that waited.
    pub victim: usize,
    /// Index in [`Snapshot::groups`] of the group that ran meanwhile.
    pub by: usize,
    /// For how long.
    pub ns: u64,
}

/// A thread that waits at this moment.
#[derive(Clone, Debug)]
pub struct Waiting {
    /// Thread id in the initial pid namespace.
    pub tid: u32,
    /// Its process.
    pub pid: u32,
    /// Its name, at most 15 bytes.
    pub comm: String,
    /// Index in [`Snapshot::groups`].
    pub group: usize,
    /// The CPU it is queued on.
    pub cpu: u32,
    /// For how long it has waited, all CPUs together.
    pub waited_ns: u64,
    /// Of that: behind its own group.
    pub same_ns: u64,
    /// Of that: behind others.
    pub other_ns: u64,
    /// Of that: with the CPU idle.
    pub idle_ns: u64,
    /// Of that: with its quota used up.
    pub throttled_ns: u64,
    /// Who runs on its CPU now (index in [`Snapshot::groups`]); `None` when idle or not known.
    pub behind: Option<usize>,
}

/// What the measurement cost and what it could not see. Counts and ns over the snapshot's interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Quality {
    /// Context switches seen.
    pub switches: u64,
    /// Switches whose `prev` is not the thread last seen on that CPU: at least one switch before was missed.
    pub chain_breaks: u64,
    /// Time on all CPUs during which a missed switch leaves open who ran.
    pub unknown_ns: u64,
    /// Waits the kernel counted and no event told of, and their length.
    pub missed_waits: u64,
    /// See `missed_waits`.
    pub missed_ns: u64,
    /// Waits the kernel does not count (preempted on the way to sleep) that are counted here, and their length.
    pub extra_waits: u64,
    /// See `extra_waits`.
    pub extra_ns: u64,
    /// Waits left out because the kernel's queue stamp was set while the thread slept (delayed dequeue and migration).
    pub suspect_waits: u64,
    /// See `suspect_waits`.
    pub suspect_ns: u64,
    /// Waits that moved between CPUs while queued.
    pub migrated_waits: u64,
    /// Time between leaving one queue and entering the next, which neither the kernel nor the log method counts as wait.
    pub moving_ns: u64,
    /// Events of threads without task storage (allocation failed, or seen before the first scan).
    pub storage_failures: u64,
    /// Waits split under "throttled" with the quota's clock read at the last switch-out instead of at the wakeup.
    pub throttle_clipped: u64,
    /// Waiting time behind another group that found no room in the matrix; it is in `other_ns` all the same.
    pub matrix_overflow_ns: u64,
    /// Groups that found no room and went to the remainder.
    pub groups_over_capacity: u64,
    /// Whether the kernel exposes quota throttling per group (Linux 6.6); if not, throttled time is inside the other parts.
    pub throttle_visible: bool,
    /// Time spent in BPF programs, from the kernel's own statistics; `None` when they are off.
    pub bpf_ns: Option<u64>,
    /// BPF program runs that were timed for it: statistics are on for one part in ten of the time.
    pub bpf_runs: u64,
    /// Runs the kernel skipped (a program interrupted itself).
    pub bpf_skipped: u64,
    /// Comparison with the kernel's own count, `None` where there is none (clock method, replay).
    pub self_check: Option<SelfCheck>,
}

/// Our waits against the kernel's `run_delay` (what `/proc/PID/schedstat` shows), thread by thread, since they were first seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SelfCheck {
    /// Threads compared (alive now).
    pub threads: u64,
    /// Threads whose counts agree to the nanosecond.
    pub exact: u64,
    /// The kernel's total, ns.
    pub kernel_ns: u64,
    /// Ours, ns: counted, missed and suspect waits.
    pub ours_ns: u64,
    /// The sum of absolute differences, ns.
    pub difference_ns: u64,
}

/// A measurement over an interval.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// How it was measured.
    pub method: Method,
    /// Kernel release, `6.18.44`.
    pub kernel: String,
    /// CPUs online.
    pub cpus: u32,
    /// Start of the interval: nanoseconds since 1970 (UTC).
    pub start_unix_ns: u64,
    /// End of the interval: nanoseconds since 1970 (UTC).
    pub end_unix_ns: u64,
    /// Its length by the monotonic clock.
    pub interval_ns: u64,
    /// The number of the epoch: goes up when bounds change (counts start anew).
    pub epoch: u32,
    /// The bounds of all histograms.
    pub bounds: Bounds,
    /// Fold level of paths, 0 = leaf cgroups.
    pub level: u32,
    /// One entry a group that ran or waited. Idle is not among them.
    pub groups: Vec<Group>,
    /// Who made whom wait: victim != by, at most one entry a pair, no zeros. The diagonal is each group's `same`.
    pub matrix: Vec<Blame>,
    /// Threads waiting at the end of the interval, longest first.
    pub in_progress: Vec<Waiting>,
    /// Cost and losses.
    pub quality: Quality,
}

impl Snapshot {
    /// The culprits of a victim: `(index, ns)`, worst first.
    pub fn culprits(&self, victim: usize) -> Vec<(usize, u64)> {
        let mut list: Vec<_> = self
            .matrix
            .iter()
            .filter(|b| b.victim == victim)
            .map(|b| (b.by, b.ns))
            .collect();
        list.sort_by_key(|&(by, ns)| (std::cmp::Reverse(ns), by));
        list
    }

    /// CPU time a group used, as milli-CPUs over the interval.
    pub fn used_mcpu(&self, group: &Group) -> u64 {
        let on_ns = u128::from(group.stats.kind(Kind::On).sum_ns());
        (on_ns * 1000 / u128::from(self.interval_ns.max(1))) as u64
    }
}
