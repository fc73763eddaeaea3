//! The brute force: every wait split from the raw events by looking at every interval of its CPU. Written from the
//! definition, sharing no code with the engine or the BPF program.

use std::collections::HashMap;

use ghostsched_core::latency::Parts;
use ghostsched_core::trace::Record;

/// Who had a CPU in `[start, end)`; `None` where a missed switch leaves it open.
#[derive(Clone, Copy, Debug)]
struct Interval {
    start: u64,
    end: u64,
    /// Cgroup of the runner, 0 for idle.
    runner: Option<u64>,
    /// Throttle clocks of the runner's group at both ends.
    clock_start: u64,
    clock_end: u64,
}

/// A finished wait by the oracle.
#[derive(Clone, Debug)]
pub struct Wait {
    pub parts: Parts,
    /// No missed switch overlaps it and the events reach back to its start.
    pub known: bool,
    pub culprits: HashMap<u64, u64>,
}

/// All waits of a recording, by thread and the time the thread got its CPU.
pub struct Oracle {
    pub waits: HashMap<(u32, u64), Wait>,
    pub breaks: u64,
}

#[derive(Clone, Default)]
struct Thread {
    /// Own stamp: since when it is queued, on which CPU, and its throttle clock then.
    queued: Option<u64>,
    cpu: u32,
    clock: u64,
    running: bool,
    /// It moved, and when it was queued before is not known.
    unknown: bool,
    /// Segments of the wait so far: CPU, start, end, clocks at both.
    segments: Vec<(u32, u64, u64, u64, u64)>,
}

impl Oracle {
    /// `kernel_stamps`: a wait begins when the kernel says; else when the events say.
    pub fn new(records: &[Record], kernel_stamps: bool) -> Self {
        let (intervals, breaks) = intervals(records);
        let mut threads: HashMap<u32, Thread> = HashMap::new();
        let mut waits = HashMap::new();
        for record in records {
            match record.kind {
                Record::WAKEUP => {
                    let thread = threads.entry(record.tid).or_default();
                    if kernel_stamps {
                        thread.clock = record.clock_ns;
                    } else if thread.queued.is_none() && !thread.running {
                        thread.queued = Some(record.now_ns);
                        thread.cpu = record.cpu;
                        thread.clock = record.clock_ns;
                    }
                }
                Record::MIGRATE => {
                    let thread = threads.entry(record.tid).or_default();
                    let start = match (kernel_stamps, record.queued_ns) {
                        (true, at) if at != 0 => Some(at),
                        _ => thread.queued,
                    };
                    thread.unknown |= start.is_none();
                    if let Some(start) = start {
                        thread
                            .segments
                            .push((record.cpu, start, record.now_ns, thread.clock, record.clock_ns));
                        thread.queued = (!kernel_stamps).then_some(record.now_ns);
                        thread.cpu = record.prev_tid;
                        thread.clock = record.prev_clock_ns;
                    }
                }
                Record::SWITCH => {
                    if record.tid != 0 {
                        let thread = threads.entry(record.tid).or_default();
                        let start = match (kernel_stamps, record.queued_ns) {
                            (true, at) if at != 0 => Some(at),
                            _ => thread.queued,
                        };
                        if let Some(start) = start {
                            let last = (record.cpu, start, record.now_ns, thread.clock, record.clock_ns);
                            thread.segments.push(last);
                            let mut wait = split(&intervals, &thread.segments, record.cgroup_id);
                            wait.known &= !thread.unknown;
                            waits.insert((record.tid, record.now_ns), wait);
                        }
                        *thread = Thread {
                            running: true,
                            clock: record.clock_ns,
                            ..Thread::default()
                        };
                    }
                    if record.prev_tid != 0 {
                        let thread = threads.entry(record.prev_tid).or_default();
                        // Nobody saw it get the CPU: some of what the kernel counted of its waits is of before.
                        thread.unknown = !thread.running;
                        thread.running = false;
                        thread.clock = record.prev_clock_ns;
                        thread.cpu = record.cpu;
                        let stamped = record.flags & Record::STAMPED != 0;
                        let queued = record.flags & Record::QUEUED != 0 && !(kernel_stamps && stamped);
                        thread.queued = queued.then_some(record.now_ns);
                    }
                }
                _ => {}
            }
        }
        Self { waits, breaks }
    }
}

fn intervals(records: &[Record]) -> (HashMap<u32, Vec<Interval>>, u64) {
    let mut all: HashMap<u32, Vec<Interval>> = HashMap::new();
    let mut open: HashMap<u32, (u64, u32, u64, u64)> = HashMap::new();
    let mut breaks = 0;
    for record in records.iter().filter(|record| record.kind == Record::SWITCH) {
        if let Some((start, tid, runner, clock_start)) = open.get(&record.cpu).copied() {
            let seen = tid == record.prev_tid;
            breaks += u64::from(!seen);
            all.entry(record.cpu).or_default().push(Interval {
                start,
                end: record.now_ns,
                runner: seen.then_some(runner),
                clock_start,
                clock_end: record.prev_clock_ns,
            });
        }
        let runner = if record.tid == 0 { 0 } else { record.cgroup_id };
        open.insert(record.cpu, (record.now_ns, record.tid, runner, record.clock_ns));
    }
    (all, breaks)
}

fn split(intervals: &HashMap<u32, Vec<Interval>>, segments: &[(u32, u64, u64, u64, u64)], group: u64) -> Wait {
    let mut wait = Wait {
        parts: Parts::default(),
        known: true,
        culprits: HashMap::new(),
    };
    for &(cpu, start, end, clock_start, clock_end) in segments {
        let none = Vec::new();
        let all = intervals.get(&cpu).unwrap_or(&none);
        // Intervals are in order and adjacent: only those that end after the start matter.
        let first = all.partition_point(|interval| interval.end <= start);
        let mut overlaps: Vec<Interval> = Vec::new();
        for interval in &all[first..] {
            if interval.start >= end {
                break;
            }
            overlaps.push(Interval {
                start: interval.start.max(start),
                end: interval.end.min(end),
                ..*interval
            });
        }
        let covered: u64 = overlaps.iter().map(|one| one.end - one.start).sum();
        if covered != end.saturating_sub(start) || overlaps.iter().any(|one| one.runner.is_none()) {
            wait.known = false;
        }
        // Gaps between the group's own intervals: the first so many ns of each, by its throttle clock, are throttled.
        let own: Vec<&Interval> = overlaps.iter().filter(|one| one.runner == Some(group)).collect();
        let mut edges = vec![(start, clock_start)];
        edges.extend(
            own.iter()
                .flat_map(|one| [(one.start, one.clock_start), (one.end, one.clock_end)]),
        );
        edges.push((end, clock_end));
        let mut throttled: Vec<(u64, u64)> = Vec::new();
        for gap in edges.chunks(2) {
            let &[(from, clock_from), (to, clock_to)] = gap else {
                continue;
            };
            let ns = clock_to.saturating_sub(clock_from).min(to.saturating_sub(from));
            if ns > 0 {
                throttled.push((from, from + ns));
            }
        }
        wait.parts.throttled_ns += throttled.iter().map(|(from, to)| to - from).sum::<u64>();
        for one in &overlaps {
            let hidden: u64 = throttled
                .iter()
                .map(|&(from, to)| to.min(one.end).saturating_sub(from.max(one.start)))
                .sum();
            let ns = one.end - one.start;
            match one.runner {
                Some(runner) if runner == group => wait.parts.same_ns += ns,
                Some(0) => wait.parts.idle_ns += ns - hidden,
                Some(runner) => {
                    wait.parts.other_ns += ns - hidden;
                    *wait.culprits.entry(runner).or_default() += ns - hidden;
                }
                None => wait.parts.unattributed_ns += ns - hidden,
            }
        }
    }
    wait
}
