//! The names of all metrics. Base units, suffixes and help lines as Prometheus' linter wants them.

use super::text::{Family, Type};

macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal, $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $constant: Family = Family { name: concat!("ghostsched", $name), kind: Type::$kind, help: $help };
        )*
        /// All of them, in the order of the exposition.
        #[cfg(test)]
        pub static ALL: &[&Family] = &[$(&$constant),*];
    };
}

families! {
    INFO: Info "", "What measures: the version, how queueing delay is measured, and the kernel release.";
    CPUS: Gauge "_online_cpus", "CPUs online.";
    EPOCH: Gauge "_epoch", "Number of the epoch; a change of the bounds begins the next.";
    START_TIME: Gauge "_start_time_seconds", "When counting began (start, last reset or last change of bounds), since 1970.";

    QUEUE_DELAY: Histogram "_cgroup_queue_delay_seconds",
        "How long threads waited for a CPU, one observation a wait; cause all is the whole wait, another is that part of it.";
    CAUSE: Counter "_cgroup_queue_delay_cause_seconds",
        "Waiting time by cause: behind the same cgroup, behind another, CPU idle, throttled by the own quota, not known.";
    ONCPU: Summary "_cgroup_oncpu_seconds", "Spells on a CPU.";
    OFFCPU: Summary "_cgroup_offcpu_seconds", "Spells off CPU and not waiting for one: asleep, or blocked uninterruptibly.";
    THROTTLED_ONCPU: Counter "_cgroup_throttled_oncpu_seconds", "Time on a CPU with the quota already used up.";
    CAUSED: Counter "_cgroup_wait_caused_seconds", "How long threads of the victim waited while the other cgroup ran.";
    WAITING_NOW: Gauge "_cgroup_waiting_now_seconds", "The longest wait in progress at the scrape; 0 when nobody waits.";
    WAITING_THREADS: Gauge "_cgroup_waiting_threads", "Threads waiting for a CPU at the scrape.";
    ENTITLEMENT: Gauge "_cgroup_entitlement_cpus", "CPUs the cgroup may use: by weight when all are busy, at most by quota.";

    CGROUPS_NAMED: Gauge "_cgroups_named", "Cgroups with series of their own.";
    CGROUPS_FOLDED: Gauge "_cgroups_folded", "Cgroups counted together under the label (rest).";
    CGROUPS_OVER_CAPACITY: Gauge "_cgroups_over_capacity", "Cgroups the profiler itself had no room to tell apart.";
    CGROUPS_RETIRED: Counter "_cgroups_retired", "Cgroups whose series ended: removed, or displaced by one that waits more.";
    RETIRED_WAIT: Counter "_retired_wait_seconds", "Waiting time in the series that ended.";

    SWITCHES: Counter "_switches", "Context switches seen.";
    MISSED_SWITCHES: Counter "_missed_switches", "Switches that do not follow on the one before: at least one was missed.";
    UNKNOWN_RUNNER: Counter "_unknown_runner_seconds", "CPU time of which a missed switch leaves open who ran.";
    UNATTRIBUTED: Counter "_unattributed_seconds", "Waiting time whose cause is not known.";
    MISSED_WAITS: Counter "_missed_waits", "Waits the kernel counted and no event told of.";
    MISSED_WAIT: Counter "_missed_wait_seconds", "Length of the waits the kernel counted and no event told of.";
    EXTRA_WAITS: Counter "_extra_waits", "Waits counted here that the kernel does not count.";
    EXTRA_WAIT: Counter "_extra_wait_seconds", "Length of the waits counted here that the kernel does not count.";
    SUSPECT_WAITS: Counter "_suspect_waits", "Waits left out because the kernel stamped them while the thread slept.";
    SUSPECT_WAIT: Counter "_suspect_wait_seconds", "Length of the waits left out as suspect.";
    MIGRATED_WAITS: Counter "_migrated_waits", "Waits that moved between CPUs.";
    MOVING: Counter "_moving_seconds", "Time between leaving one queue and entering the next, in no wait.";
    STORAGE_FAILURES: Counter "_storage_failures", "Events of threads for which there was no storage.";
    THROTTLE_CLIPPED: Counter "_throttle_clipped_waits", "Waits whose throttled part may be too long.";
    MATRIX_OVERFLOW: Counter "_matrix_overflow_seconds", "Waiting time behind other cgroups without room for naming them.";
    THROTTLE_VISIBLE: Gauge "_throttle_visible", "1 if the kernel shows throttling; if 0, it is inside the other causes.";
    CHECK_THREADS: Gauge "_selfcheck_threads", "Threads whose waits were compared with the count of the kernel.";
    CHECK_EXACT: Gauge "_selfcheck_exact_threads", "Compared threads whose waits agree to the nanosecond.";
    CHECK_KERNEL: Gauge "_selfcheck_kernel_wait_seconds", "Waiting time of the compared threads as the kernel counts it.";
    CHECK_DIFFERENCE: Gauge "_selfcheck_difference_seconds", "Sum of the differences, thread by thread.";

    BPF_RUN: Counter "_bpf_run_seconds", "Time spent in the BPF programs: what this measurement costs.";
    BPF_RUNS: Counter "_bpf_runs", "Runs of the BPF programs.";
    BPF_SKIPPED: Counter "_bpf_skipped_runs", "Runs the kernel skipped because a program interrupted itself.";
}
