//! Threads that wait at this moment, and the check of our counts against the kernel's.

use std::mem::offset_of;
use std::time::{Duration, Instant};

use ghostsched_core::latency::run_log::{LOG_LEN, Span};
use ghostsched_core::latency::{Parts, RunLog};

use super::epoch::Epoch;
use crate::bindings::*;
use crate::snapshot::SelfCheck;

/// One thread as the scan saw it.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) tid: u32,
    pub(super) pid: u32,
    pub(super) cpu: u32,
    pub(super) group: u32,
    pub(super) waiting: bool,
    pub(super) comm: String,
    queued_ns: u64,
    began_ns: u64,
    clock_ns: u64,
    now_clock_ns: u64,
    kernel_ns: u64,
    accounted_ns: u64,
    known: bool,
    parts: Parts,
}

/// Decodes what the scan wrote.
pub(super) fn decode(bytes: &[u8]) -> Vec<Seen> {
    bytes.chunks_exact(size_of::<gs_seen>()).map(one).collect()
}

fn one(bytes: &[u8]) -> Seen {
    let u64_at = |at: usize| {
        bytes
            .get(at..at + 8)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u64::from_ne_bytes)
    };
    let u32_at = |at: usize| {
        bytes
            .get(at..at + 4)
            .and_then(|b| b.try_into().ok())
            .map_or(0, u32::from_ne_bytes)
    };
    let parts = offset_of!(gs_seen, parts);
    let comm = bytes.get(offset_of!(gs_seen, comm)..).unwrap_or_default();
    let comm = comm.split(|&byte| byte == 0).next().unwrap_or_default();
    Seen {
        tid: u32_at(offset_of!(gs_seen, tid)),
        pid: u32_at(offset_of!(gs_seen, pid)),
        cpu: u32_at(offset_of!(gs_seen, cpu)),
        group: u32_at(offset_of!(gs_seen, group)),
        waiting: u32_at(offset_of!(gs_seen, waiting)) != 0,
        comm: String::from_utf8_lossy(&comm[..comm.len().min(16)]).into_owned(),
        queued_ns: u64_at(offset_of!(gs_seen, queued_ns)),
        began_ns: u64_at(offset_of!(gs_seen, began_ns)),
        clock_ns: u64_at(offset_of!(gs_seen, clock_ns)),
        now_clock_ns: u64_at(offset_of!(gs_seen, now_clock_ns)),
        kernel_ns: u64_at(offset_of!(gs_seen, kernel_ns)),
        accounted_ns: u64_at(offset_of!(gs_seen, counted_ns)) + u64_at(offset_of!(gs_seen, missed_ns)),
        known: u32_at(offset_of!(gs_seen, known)) != 0,
        parts: Parts {
            same_ns: u64_at(parts + offset_of!(gs_parts, same_ns)),
            other_ns: u64_at(parts + offset_of!(gs_parts, other_ns)),
            idle_ns: u64_at(parts + offset_of!(gs_parts, idle_ns)),
            throttled_ns: u64_at(parts + offset_of!(gs_parts, throttled_ns)),
            unattributed_ns: u64_at(parts + offset_of!(gs_parts, unattributed_ns)),
        },
    }
}

impl Seen {
    /// The parts of the wait in progress, as if it ended at `now_ns`.
    pub(super) fn parts_at(&self, epoch: &Epoch, now_ns: u64) -> Parts {
        let log = copy_log(epoch, self.cpu as usize);
        let span = Span {
            group: self.group,
            start_ns: self.queued_ns,
            now_ns: now_ns.max(self.queued_ns),
            start_clock_ns: self.clock_ns.min(self.now_clock_ns),
            now_clock_ns: self.now_clock_ns,
        };
        let mut parts = log.split(&span, |_, _| {}).0;
        parts.add(&self.parts);
        parts
    }

    /// Since when it waits, ns of the run queue's clock.
    pub(super) fn began_ns(&self) -> u64 {
        if self.began_ns != 0 {
            self.began_ns
        } else {
            self.queued_ns
        }
    }
}

/// Our counts against the kernel's, thread by thread.
pub(super) fn self_check(threads: &[Seen]) -> SelfCheck {
    let mut check = SelfCheck::default();
    for thread in threads.iter().filter(|thread| thread.known) {
        check.threads += 1;
        check.exact += u64::from(thread.kernel_ns == thread.accounted_ns);
        check.kernel_ns += thread.kernel_ns;
        check.ours_ns += thread.accounted_ns;
        check.difference_ns += thread.kernel_ns.abs_diff(thread.accounted_ns);
    }
    check
}

/// A copy of a CPU's run log, less what the CPU may have written over meanwhile.
fn copy_log(epoch: &Epoch, cpu: usize) -> RunLog {
    let mut log = RunLog::new();
    let read_head = || epoch.cpus.u32(cpu, offset_of!(gs_cpu, head));
    let head = read_head();
    let filled = (epoch.cpus.u32(cpu, offset_of!(gs_cpu, filled)) as usize).min(LOG_LEN);
    let known = |ns: u64| (ns != 0 && ns != u64::MAX).then_some(ns);
    let segments: Vec<(u64, u32, u64, u64)> = (0..filled as u32)
        .map(|back| {
            let slot = head.wrapping_sub(back) as usize % LOG_LEN;
            let at = offset_of!(gs_cpu, log) + slot * size_of::<gs_segment>();
            let word = |offset| epoch.cpus.u64(cpu, at + offset);
            let group = epoch.cpus.u32(cpu, at + offset_of!(gs_segment, group));
            let clocks = (
                word(offset_of!(gs_segment, clock_start_ns)),
                word(offset_of!(gs_segment, clock_end_ns)),
            );
            (word(offset_of!(gs_segment, start_ns)), group, clocks.0, clocks.1)
        })
        .collect();
    // The slot after the head is written before the head moves: it, and as many as the head has moved, are of now.
    let overwritten = read_head().wrapping_sub(head) as usize + 1;
    let sound = filled.min(LOG_LEN.saturating_sub(overwritten));
    let mut clock_end_ns = None;
    for &(start_ns, group, clock_start, clock_end) in segments[..sound].iter().rev() {
        log.push(group, start_ns, clock_end_ns, known(clock_start));
        clock_end_ns = known(clock_end);
    }
    log
}

/// The run queue's clock cannot be read from userspace. What can: just after this thread was switched in, the time of the
/// last switch on its CPU is that clock's reading of a moment ago. The least difference to the monotonic clock over a few
/// naps is the offset, within some microseconds.
pub(super) fn clock_offset_ns(epoch: &Epoch, since: Instant) -> Option<i64> {
    let mut best: Option<i64> = None;
    for _ in 0..5 {
        std::thread::sleep(Duration::from_micros(200));
        let Some(cpu) = current_cpu() else { continue };
        let switched = epoch.cpus.u64(cpu, offset_of!(gs_cpu, switched_ns));
        let now = since.elapsed().as_nanos() as i64;
        if switched == 0 || current_cpu() != Some(cpu) {
            continue;
        }
        let offset = now - switched as i64;
        best = Some(best.map_or(offset, |least: i64| least.min(offset)));
    }
    best
}

/// The CPU this thread runs on: field 39 of its `stat` file, as the state after the parenthesised name is field 3.
fn current_cpu() -> Option<usize> {
    let stat = std::fs::read_to_string("/proc/thread-self/stat").ok()?;
    stat.rsplit_once(')')?.1.split_whitespace().nth(36)?.parse().ok()
}
