//! Who ran on a CPU, and the split of one wait over it.
//!
//! The log of a CPU is a ring of [`Segment`]s: from `start_ns` on, `group` had the CPU; a segment ends where the next one
//! starts. Consecutive spells of one group are one segment, so the log is short.
//!
//! # The split
//!
//! A wait of group *g* on this CPU covers `[start, now)`. Where a segment of *g* overlaps it, the wait is **same**. The
//! time between two segments of *g* (and before the first, after the last) is a *gap*. A group that is throttled does not
//! run, so throttled time lies in gaps, and the group's *throttle clock* (time so far in which it had queued threads and
//! no quota left) tells how much of each gap: the difference of the clock between the gap's ends. A group runs out of
//! quota by running, or is found without when a thread is queued: **throttled** is the beginning of the gap. The rest of
//! the gap belongs to whoever ran: **other**, **idle**, or **unattributed** for [`GROUP_UNKNOWN`] and for what lies
//! before the log begins.
//!
//! A clock does not go back, so where it is not above what it was when the wait began, nothing was throttled since. A clock
//! that is not known (after a missed switch) tells of nothing throttled in the gap it bounds.
//!
//! Nothing is estimated: each part is a difference of time stamps, and together they are the wait. Sums wrap rather than
//! panic: times that go backwards make nonsense of the parts, nothing worse.

use super::{GROUP_IDLE, GROUP_UNKNOWN};

/// Segments a log holds; the same as in the BPF program.
pub const LOG_LEN: usize = 1024;

/// The parts of a wait, in ns; together they are the wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// A thread of the same group ran.
    pub same_ns: u64,
    /// A thread of another group ran.
    pub other_ns: u64,
    /// The CPU was idle.
    pub idle_ns: u64,
    /// The group's own quota was used up.
    pub throttled_ns: u64,
    /// Not known.
    pub unattributed_ns: u64,
}

impl Parts {
    /// The whole wait, in ns.
    pub const fn total_ns(&self) -> u64 {
        self.same_ns
            .wrapping_add(self.other_ns)
            .wrapping_add(self.idle_ns)
            .wrapping_add(self.throttled_ns)
            .wrapping_add(self.unattributed_ns)
    }

    /// Adds another segment's parts.
    pub fn add(&mut self, other: &Self) {
        self.same_ns = self.same_ns.wrapping_add(other.same_ns);
        self.other_ns = self.other_ns.wrapping_add(other.other_ns);
        self.idle_ns = self.idle_ns.wrapping_add(other.idle_ns);
        self.throttled_ns = self.throttled_ns.wrapping_add(other.throttled_ns);
        self.unattributed_ns = self.unattributed_ns.wrapping_add(other.unattributed_ns);
    }
}

/// A stretch of time in which one group had the CPU.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// When it got the CPU, ns.
    pub start_ns: u64,
    /// Its group.
    pub group: u32,
    /// The group's throttle clock at the start, if known.
    pub clock_start_ns: Option<u64>,
    /// The group's throttle clock at the end, if known and over.
    pub clock_end_ns: Option<u64>,
}

/// One wait, or the part of it spent on one CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The group that waits.
    pub group: u32,
    /// When it was queued here, ns.
    pub start_ns: u64,
    /// The end, ns: it got the CPU, or left the queue.
    pub now_ns: u64,
    /// Its throttle clock at the start.
    pub start_clock_ns: u64,
    /// Its throttle clock at the end.
    pub now_clock_ns: u64,
}

/// The last [`LOG_LEN`] segments of one CPU.
#[derive(Clone, Debug)]
pub struct RunLog {
    segments: [Segment; LOG_LEN],
    head: usize,   // the open segment
    filled: usize, // in 0..=LOG_LEN
}

impl Default for RunLog {
    fn default() -> Self {
        Self::new()
    }
}

impl RunLog {
    /// An empty log.
    pub const fn new() -> Self {
        const NONE: Segment = Segment {
            start_ns: 0,
            group: 0,
            clock_start_ns: None,
            clock_end_ns: None,
        };
        Self {
            segments: [NONE; LOG_LEN],
            head: 0,
            filled: 0,
        }
    }

    /// Opens a segment at `start_ns`; the throttle clock of the segment that ends is `clock_end_ns`, if known.
    pub fn push(&mut self, group: u32, start_ns: u64, clock_end_ns: Option<u64>, clock_start_ns: Option<u64>) {
        self.segments[self.head].clock_end_ns = clock_end_ns;
        self.head = (self.head + 1) % LOG_LEN;
        self.segments[self.head] = Segment {
            start_ns,
            group,
            clock_start_ns,
            clock_end_ns: None,
        };
        self.filled = (self.filled + 1).min(LOG_LEN);
    }

    /// The group that has the CPU, if anything is known.
    pub fn running(&self) -> Option<u32> {
        (self.filled > 0).then(|| self.segments[self.head].group)
    }

    /// The `n`th segment from the oldest.
    fn nth(&self, n: usize) -> &Segment {
        &self.segments[(self.head + LOG_LEN + 1 + n - self.filled) % LOG_LEN]
    }

    /// Where segment `n` ends: the next one's start, or `now_ns` for the open one.
    fn end_of(&self, n: usize, now_ns: u64) -> u64 {
        if n + 1 < self.filled {
            self.nth(n + 1).start_ns
        } else {
            now_ns
        }
    }

    /// Splits a span over the log and tells `blame(group, ns)` of each stretch behind another group.
    ///
    /// Returns the parts, whose sum is `now_ns - start_ns`, and whether the log reaches back to the start.
    pub fn split(&self, span: &Span, mut blame: impl FnMut(u32, u64)) -> (Parts, bool) {
        let mut parts = Parts::default();
        if span.now_ns <= span.start_ns {
            return (parts, true);
        }
        // The first segment that reaches into the span: scanned from the newest, as waits are mostly recent.
        let mut first = self.filled;
        while first > 0 && self.end_of(first - 1, span.now_ns) > span.start_ns {
            first -= 1;
        }
        let reached = first < self.filled && self.nth(first).start_ns <= span.start_ns;
        let mut n = first;
        let mut at = span.start_ns; // everything before is split
        let mut clock = Some(span.start_clock_ns); // of the waiting group, at `at`
        while at < span.now_ns {
            // A gap: up to the group's next own segment, or the end.
            let next = (n..self.filled).find(|&i| self.nth(i).group == span.group);
            let gap_end = match next {
                Some(i) => self.nth(i).start_ns.clamp(at, span.now_ns),
                None => span.now_ns,
            };
            let gap_clock = match next {
                Some(i) => self.nth(i).clock_start_ns,
                None => Some(span.now_clock_ns),
            };
            let throttled_ns = match (clock, gap_clock) {
                // Not above the start's: nothing since (or another group's, where the thread changed its group meanwhile).
                (Some(from), Some(to)) if to > span.start_clock_ns => to.saturating_sub(from).min(gap_end - at),
                _ => 0,
            };
            parts.throttled_ns += throttled_ns;
            let cut = at + throttled_ns;
            let known_from = if n < self.filled {
                self.nth(n).start_ns.clamp(at, gap_end)
            } else {
                gap_end
            };
            parts.unattributed_ns = parts
                .unattributed_ns
                .wrapping_add(known_from.saturating_sub(cut.max(at)));
            for i in n..next.unwrap_or(self.filled) {
                let segment = self.nth(i);
                let from = segment.start_ns.max(cut).max(at);
                let ns = self.end_of(i, span.now_ns).min(gap_end).saturating_sub(from);
                match segment.group {
                    _ if ns == 0 => {}
                    GROUP_IDLE => parts.idle_ns = parts.idle_ns.wrapping_add(ns),
                    GROUP_UNKNOWN => parts.unattributed_ns = parts.unattributed_ns.wrapping_add(ns),
                    group => {
                        parts.other_ns = parts.other_ns.wrapping_add(ns);
                        blame(group, ns);
                    }
                }
            }
            at = gap_end;
            if let Some(i) = next {
                let end = self.end_of(i, span.now_ns).clamp(at, span.now_ns);
                parts.same_ns += end - at;
                at = end;
                clock = self.nth(i).clock_end_ns;
                n = i + 1;
            }
        }
        (parts, reached)
    }
}
