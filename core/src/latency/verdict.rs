//! One sentence a person can act on: what dominates a group's waiting, and whether it matters.
//!
//! The order of the questions is the algorithm:
//! 1. Is there anything to judge? Few, short waits: [`Verdict::Quiet`].
//! 2. Does the waiting matter? Short waits that cost little of the time the group could run: [`Verdict::Fine`].
//! 3. What is the largest part of the waiting? Behind others is judged by what the group is entitled to: less than its
//!    due is [`Verdict::Starved`]; its due but late is [`Verdict::Delayed`]; more than its due is [`Verdict::OverShare`].
//!
//! Plain integers, so that the report, the metrics and a scheduler in simulation judge alike.

use super::run_log::Parts;
use crate::histogram::LARGEST_BOUND_NS;

/// Fewer waits than this say nothing, unless one was long.
pub const FEW_WAITS: u64 = 20;
/// A wait as long as this is worth a verdict on its own, even the only one: a request would have noticed.
pub const LONG_WAIT_NS: u64 = 100_000_000;
/// A p99 up to this is the noise of waking up, however large its share of a group that hardly runs.
pub const NOISE_P99_NS: u64 = 100_000;
/// A p99 up to this is fine where waiting costs little: less than one slice (about 3 ms) of a busy neighbour.
pub const FINE_P99_NS: u64 = 2_000_000;
/// "Costs little": waiting takes at most this share of the time the group was runnable, in per mille.
pub const FINE_SHARE_PERMILLE: u64 = 100;
/// The largest part of the waiting must reach this share to be called the cause, in per mille.
pub const CAUSE_PERMILLE: u64 = 400;
/// A group that gets at most this share of its due is starved, in per mille; above, the loss is within what a
/// scheduler evens out later.
pub const STARVED_PERMILLE: u64 = 850;
/// A group that uses this share of its quota gets what the quota allows, in per mille.
pub const AT_QUOTA_PERMILLE: u64 = 900;

/// What is known of one group over an interval.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The length of the interval, ns.
    pub interval_ns: u64,
    /// Waits, those in progress included.
    pub waits: u64,
    /// Their parts, those in progress included.
    pub parts: Parts,
    /// The 99th percentile of a wait, ns.
    pub p99_ns: u64,
    /// The longest wait, those in progress included, ns.
    pub max_ns: u64,
    /// Time on CPUs, ns.
    pub on_ns: u64,
    /// What its weight guarantees, in milli-CPUs; `None` where not known.
    pub weight_mcpu: Option<u64>,
    /// What its quota allows, in milli-CPUs; `None` where there is none or it is not known.
    pub quota_mcpu: Option<u64>,
    /// Whether throttled time is told apart (Linux 6.6); if not, it hides in the other parts.
    pub throttle_visible: bool,
}

/// What a group's waits say should be done. Shares are per mille of the group's waiting time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Other groups keep it below what it is entitled to: raise its weight, or move somebody.
    Starved {
        /// What it used, milli-CPUs.
        used_mcpu: u64,
        /// What it is entitled to and could have used, milli-CPUs.
        due_mcpu: u64,
        /// What it is entitled to, milli-CPUs.
        entitled_mcpu: u64,
        /// The share of waiting behind others.
        other_permille: u64,
    },
    /// It gets its due, or nobody knows what that is, but late: others run first.
    Delayed {
        /// What it used, milli-CPUs.
        used_mcpu: u64,
        /// What it is entitled to, milli-CPUs, where known.
        entitled_mcpu: Option<u64>,
        /// The share of waiting behind others.
        other_permille: u64,
    },
    /// It uses more than its weight guarantees; others are right to make it wait.
    OverShare {
        /// What it used, milli-CPUs.
        used_mcpu: u64,
        /// What it is entitled to, milli-CPUs.
        entitled_mcpu: u64,
        /// The share of waiting behind others.
        other_permille: u64,
    },
    /// Its own threads queue behind each other: more threads than CPUs.
    SelfInflicted {
        /// Threads runnable on average, in thousandths.
        runnable_milli: u64,
        /// What it used, milli-CPUs.
        used_mcpu: u64,
        /// The share of waiting behind itself.
        same_permille: u64,
    },
    /// Its own quota holds it back.
    Limit {
        /// The share of waiting with the quota used up.
        throttled_permille: u64,
        /// What it used, milli-CPUs.
        used_mcpu: u64,
        /// The quota, milli-CPUs, where known.
        quota_mcpu: Option<u64>,
    },
    /// Very likely its own quota: it uses all of it, and this kernel does not show throttling.
    LimitLikely {
        /// What it used, milli-CPUs.
        used_mcpu: u64,
        /// The quota, milli-CPUs.
        quota_mcpu: u64,
    },
    /// It waits with its CPU idle: wake-up latency, a slow virtual CPU, or forced idle.
    Idle {
        /// The share of waiting with the CPU idle.
        idle_permille: u64,
    },
    /// No cause stands out.
    Mixed {
        /// The share of waiting behind others.
        other_permille: u64,
        /// The share of waiting behind itself.
        same_permille: u64,
    },
    /// Most of the waiting could not be attributed.
    Unknown {
        /// The share not attributed.
        unattributed_permille: u64,
    },
    /// Waiting is short and costs little.
    Fine,
    /// Too few waits to say anything.
    Quiet {
        /// How many.
        waits: u64,
    },
}

impl Verdict {
    /// The word for machines: JSON, metrics.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starved { .. } => "starved",
            Self::Delayed { .. } => "delayed",
            Self::OverShare { .. } => "over_share",
            Self::SelfInflicted { .. } => "self",
            Self::Limit { .. } => "limit",
            Self::LimitLikely { .. } => "limit_likely",
            Self::Idle { .. } => "idle",
            Self::Mixed { .. } => "mixed",
            Self::Unknown { .. } => "unknown",
            Self::Fine => "fine",
            Self::Quiet { .. } => "quiet",
        }
    }

    /// Judges one group.
    pub fn of(facts: &Facts) -> Self {
        let parts = &facts.parts;
        let total_ns = total_ns(parts);
        let long = facts.max_ns >= LONG_WAIT_NS;
        let runnable_ns = total_ns.saturating_add(facts.on_ns);
        let lost_permille = permille(total_ns, runnable_ns);
        if !long && facts.waits < FEW_WAITS {
            return Self::Quiet { waits: facts.waits };
        }
        let used_mcpu = milli_cpus(facts.on_ns, facts.interval_ns);
        let short =
            facts.p99_ns <= NOISE_P99_NS || (facts.p99_ns <= FINE_P99_NS && lost_permille <= FINE_SHARE_PERMILLE);
        if !long && short {
            return Self::Fine;
        }
        let share = |ns| permille(ns, total_ns);
        let limit = Self::Limit {
            throttled_permille: share(parts.throttled_ns),
            used_mcpu,
            quota_mcpu: facts.quota_mcpu,
        };
        // Whatever it waited for, it got all its quota allows: without the waiting it would only have been throttled more.
        if let Some(quota_mcpu) = facts
            .quota_mcpu
            .filter(|&quota| permille(used_mcpu, quota) >= AT_QUOTA_PERMILLE)
        {
            match facts.throttle_visible {
                true if parts.throttled_ns > 0 => return limit,
                true => {}
                // Before Linux 6.6, throttled time looks like waiting behind whoever ran, or idle.
                false => return Self::LimitLikely { used_mcpu, quota_mcpu },
            }
        }
        // Ties go to what the operator can change about the group itself first, then to the neighbours.
        let causes = [
            parts.throttled_ns,
            parts.other_ns,
            parts.same_ns,
            parts.idle_ns,
            parts.unattributed_ns,
        ];
        let mut largest = 0;
        for (index, &ns) in causes.iter().enumerate() {
            if ns > causes[largest] {
                largest = index;
            }
        }
        if share(causes[largest]) < CAUSE_PERMILLE {
            return Self::Mixed {
                other_permille: share(parts.other_ns),
                same_permille: share(parts.same_ns),
            };
        }
        match largest {
            0 => limit,
            1 => behind_others(facts, used_mcpu, share(parts.other_ns)),
            2 => Self::SelfInflicted {
                runnable_milli: milli_cpus(runnable_ns, facts.interval_ns),
                used_mcpu,
                same_permille: share(parts.same_ns),
            },
            3 => Self::Idle {
                idle_permille: share(parts.idle_ns),
            },
            _ => Self::Unknown {
                unattributed_permille: share(parts.unattributed_ns),
            },
        }
    }
}

/// Mostly behind others: starved, delayed, or asking for more than its share.
fn behind_others(facts: &Facts, used_mcpu: u64, other_permille: u64) -> Verdict {
    let Some(weight_mcpu) = facts.weight_mcpu else {
        return Verdict::Delayed {
            used_mcpu,
            entitled_mcpu: None,
            other_permille,
        };
    };
    let entitled_mcpu = weight_mcpu.min(facts.quota_mcpu.unwrap_or(weight_mcpu));
    // Without the others it would have used what it used and what it waited behind them: nothing is owed beyond that.
    // Waiting behind itself is left out, or a hundred threads would make any group look starved.
    let could_mcpu = milli_cpus(facts.on_ns.saturating_add(facts.parts.other_ns), facts.interval_ns);
    let due_mcpu = entitled_mcpu.min(could_mcpu);
    if permille(used_mcpu, due_mcpu) <= STARVED_PERMILLE && due_mcpu > 0 {
        Verdict::Starved {
            used_mcpu,
            due_mcpu,
            entitled_mcpu,
            other_permille,
        }
    } else if used_mcpu > entitled_mcpu {
        Verdict::OverShare {
            used_mcpu,
            entitled_mcpu,
            other_permille,
        }
    } else {
        Verdict::Delayed {
            used_mcpu,
            entitled_mcpu: Some(entitled_mcpu),
            other_permille,
        }
    }
}

/// The sum of the parts, held to 63 bits: [`Parts::total_ns`] may not overflow on numbers from a damaged trace.
fn total_ns(parts: &Parts) -> u64 {
    [
        parts.same_ns,
        parts.other_ns,
        parts.idle_ns,
        parts.throttled_ns,
        parts.unattributed_ns,
    ]
    .into_iter()
    .fold(0, u64::saturating_add)
    .min(LARGEST_BOUND_NS)
}

fn permille(part: u64, whole: u64) -> u64 {
    match u128::from(part) * 1000 {
        _ if whole == 0 => 0,
        thousand => u64::try_from(thousand / u128::from(whole)).unwrap_or(u64::MAX),
    }
}

fn milli_cpus(ns: u64, interval_ns: u64) -> u64 {
    permille(ns, interval_ns.max(1))
}

#[cfg(test)]
mod tests;
