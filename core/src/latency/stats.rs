//! What is kept per group.

use crate::histogram::{Bounds, Histogram};

use super::run_log::Parts;

/// What a duration measures; one histogram each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A whole wait.
    Wait = 0,
    /// The part of a wait behind a thread of the same group.
    Same = 1,
    /// The part of a wait behind threads of other groups.
    Other = 2,
    /// The part of a wait with the CPU idle.
    Idle = 3,
    /// The part of a wait with the group's own quota used up.
    Throttled = 4,
    /// A spell on a CPU.
    On = 5,
    /// A spell off CPU and not queued: asleep, interruptible (S) or otherwise.
    Sleep = 6,
    /// A spell off CPU and not queued: uninterruptible (D), mostly I/O and locks.
    Block = 7,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Wait,
        Self::Same,
        Self::Other,
        Self::Idle,
        Self::Throttled,
        Self::On,
        Self::Sleep,
        Self::Block,
    ];
    /// How many kinds.
    pub const COUNT: usize = Self::ALL.len();

    /// The name used in JSON, metrics and `--fail-if`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Wait => "wait",
            Self::Same => "same",
            Self::Other => "other",
            Self::Idle => "idle",
            Self::Throttled => "throttled",
            Self::On => "on",
            Self::Sleep => "sleep",
            Self::Block => "block",
        }
    }

    /// The kind of a name, if it is one.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether each wait has exactly one value of this kind, so that its histogram counts every wait.
    pub const fn is_part_of_wait(self) -> bool {
        matches!(self, Self::Same | Self::Other | Self::Idle | Self::Throttled)
    }
}

/// Everything accounted to one group. Durations in ns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupStats {
    /// One histogram a [`Kind`], by its number. The four parts count every wait, so a wait without such a part is a 0 there.
    pub kinds: [Histogram; Kind::COUNT],
    /// Waiting time whose cause is not known: the run log does not reach back that far, or an event was missed.
    pub unattributed_ns: u64,
    /// Time on a CPU with the quota already used up (the tail until the thread leaves).
    /// With [`Kind::Throttled`] it adds up to the kernel's `cpu.stat` for a group of one thread.
    pub throttled_on_ns: u64,
    /// Waits the kernel counted and no event told of.
    pub missed_waits: u64,
    /// Their length by the kernel's own count.
    pub missed_ns: u64,
}

impl GroupStats {
    /// The histogram of a kind.
    pub fn kind(&self, kind: Kind) -> &Histogram {
        &self.kinds[kind as usize]
    }

    /// The five parts of all waits; they add up to the sum of [`Kind::Wait`].
    pub fn parts(&self) -> Parts {
        Parts {
            same_ns: self.kind(Kind::Same).sum_ns(),
            other_ns: self.kind(Kind::Other).sum_ns(),
            idle_ns: self.kind(Kind::Idle).sum_ns(),
            throttled_ns: self.kind(Kind::Throttled).sum_ns(),
            unattributed_ns: self.unattributed_ns,
        }
    }

    /// Records one finished wait: the whole and each part.
    #[inline]
    pub fn record_wait(&mut self, bounds: &Bounds, parts: &Parts) {
        let total_ns = parts.total_ns();
        let bucket = bounds.bucket_of(total_ns);
        self.kinds[Kind::Wait as usize].record_in(bucket, total_ns);
        let each = [
            (Kind::Same, parts.same_ns),
            (Kind::Other, parts.other_ns),
            (Kind::Idle, parts.idle_ns),
            (Kind::Throttled, parts.throttled_ns),
        ];
        for (kind, ns) in each {
            // Most waits have one cause, whose bucket is the whole's; the others are 0 and fall in the first.
            let bucket = match ns {
                0 => 0,
                _ if ns == total_ns => bucket,
                _ => bounds.bucket_of(ns),
            };
            self.kinds[kind as usize].record_in(bucket, ns);
        }
        self.unattributed_ns = self.unattributed_ns.wrapping_add(parts.unattributed_ns);
    }

    /// Records one spell on CPU, asleep or blocked.
    #[inline]
    pub fn record_spell(&mut self, bounds: &Bounds, kind: Kind, ns: u64) {
        self.kinds[kind as usize].record(bounds, ns);
    }

    /// Adds another group's statistics (folding cgroups, joining CPUs). Bounds must be the same.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.kinds.iter_mut().zip(&other.kinds) {
            to.merge(from);
        }
        self.unattributed_ns = self.unattributed_ns.wrapping_add(other.unattributed_ns);
        self.throttled_on_ns = self.throttled_on_ns.wrapping_add(other.throttled_on_ns);
        self.missed_waits = self.missed_waits.wrapping_add(other.missed_waits);
        self.missed_ns = self.missed_ns.wrapping_add(other.missed_ns);
    }

    /// What happened between two snapshots of the same group; see [`Histogram::difference`] for the maxima.
    pub fn difference(&self, earlier: &Self) -> Self {
        let mut kinds = self.kinds;
        for (to, from) in kinds.iter_mut().zip(&earlier.kinds) {
            *to = to.difference(from);
        }
        Self {
            kinds,
            unattributed_ns: self.unattributed_ns.saturating_sub(earlier.unattributed_ns),
            throttled_on_ns: self.throttled_on_ns.saturating_sub(earlier.throttled_on_ns),
            missed_waits: self.missed_waits.saturating_sub(earlier.missed_waits),
            missed_ns: self.missed_ns.saturating_sub(earlier.missed_ns),
        }
    }

    /// Whether nothing was recorded at all.
    pub fn is_empty(&self) -> bool {
        self.missed_waits == 0 && self.kinds.iter().all(|histogram| histogram.count() == 0)
    }
}
