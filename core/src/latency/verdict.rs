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
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// 10 s, 500 waits, p99 12 ms, parts in ms.
    fn facts(same: u64, other: u64, idle: u64, throttled: u64) -> Facts {
        Facts {
            interval_ns: 10_000 * MS,
            waits: 500,
            parts: Parts {
                same_ns: same * MS,
                other_ns: other * MS,
                idle_ns: idle * MS,
                throttled_ns: throttled * MS,
                unattributed_ns: 0,
            },
            p99_ns: 12 * MS,
            max_ns: 34 * MS,
            on_ns: 3_100 * MS,
            weight_mcpu: Some(800),
            quota_mcpu: None,
            throttle_visible: true,
        }
    }

    #[test]
    fn below_its_entitlement_and_behind_others_is_starved() {
        let verdict = Verdict::of(&facts(300, 4_550, 150, 0));
        let Verdict::Starved {
            used_mcpu,
            due_mcpu,
            entitled_mcpu,
            other_permille,
        } = verdict
        else {
            panic!("{verdict:?}")
        };
        assert_eq!(
            (used_mcpu, due_mcpu, entitled_mcpu, other_permille),
            (310, 765, 800, 910)
        );
    }

    #[test]
    fn a_group_that_gets_nearly_its_due_is_delayed_not_starved() {
        let got = Verdict::of(&facts(10, 300, 10, 0));
        assert_eq!(
            got,
            Verdict::Delayed {
                used_mcpu: 310,
                entitled_mcpu: Some(800),
                other_permille: 937
            }
        );
    }

    #[test]
    fn without_a_known_entitlement_nobody_is_called_starved() {
        let got = Verdict::of(&Facts {
            weight_mcpu: None,
            ..facts(300, 4_550, 150, 0)
        });
        assert!(
            matches!(
                got,
                Verdict::Delayed {
                    entitled_mcpu: None,
                    ..
                }
            ),
            "{got:?}"
        );
    }

    #[test]
    fn above_its_weight_others_are_right_to_make_it_wait() {
        let got = Verdict::of(&Facts {
            weight_mcpu: Some(200),
            ..facts(300, 4_550, 150, 0)
        });
        assert_eq!(
            got,
            Verdict::OverShare {
                used_mcpu: 310,
                entitled_mcpu: 200,
                other_permille: 910
            }
        );
    }

    #[test]
    fn a_quota_below_the_weight_is_the_entitlement() {
        let got = Verdict::of(&Facts {
            quota_mcpu: Some(320),
            ..facts(300, 4_550, 150, 0)
        });
        assert!(
            matches!(
                got,
                Verdict::Delayed {
                    entitled_mcpu: Some(320),
                    ..
                }
            ),
            "{got:?}"
        );
    }

    #[test]
    fn its_own_threads_its_quota_and_an_idle_cpu_are_told_apart() {
        let own = Verdict::of(&facts(5_000, 100, 0, 0));
        assert_eq!(
            own,
            Verdict::SelfInflicted {
                runnable_milli: 820,
                used_mcpu: 310,
                same_permille: 980
            }
        );
        let limit = Verdict::of(&Facts {
            quota_mcpu: Some(100),
            ..facts(10, 0, 20, 970)
        });
        assert_eq!(
            limit,
            Verdict::Limit {
                throttled_permille: 970,
                quota_mcpu: Some(100)
            }
        );
        let idle = Verdict::of(&facts(0, 40, 60, 0));
        assert_eq!(idle, Verdict::Idle { idle_permille: 600 });
        let mixed = Verdict::of(&facts(350, 350, 300, 0));
        assert_eq!(
            mixed,
            Verdict::Mixed {
                other_permille: 350,
                same_permille: 350
            }
        );
    }

    #[test]
    fn a_quota_used_up_is_suspected_where_the_kernel_shows_no_throttling() {
        let hidden = Facts {
            quota_mcpu: Some(320),
            throttle_visible: false,
            ..facts(0, 4_000, 900, 0)
        };
        assert_eq!(
            Verdict::of(&hidden),
            Verdict::LimitLikely {
                used_mcpu: 310,
                quota_mcpu: 320
            }
        );
    }

    #[test]
    fn a_group_that_gets_all_its_quota_allows_is_limited_by_that_whoever_runs_meanwhile() {
        let mostly_others = Facts {
            quota_mcpu: Some(320),
            ..facts(0, 4_000, 0, 900)
        };
        assert!(matches!(
            Verdict::of(&mostly_others),
            Verdict::Limit {
                quota_mcpu: Some(320),
                ..
            }
        ));
        let never_throttled = Facts {
            quota_mcpu: Some(320),
            ..facts(0, 4_000, 0, 0)
        };
        assert!(!matches!(Verdict::of(&never_throttled), Verdict::Limit { .. }));
    }

    #[test]
    fn unattributed_waiting_is_not_blamed_on_anybody() {
        let mut unknown = facts(100, 100, 0, 0);
        unknown.parts.unattributed_ns = 800 * MS;
        assert_eq!(
            Verdict::of(&unknown),
            Verdict::Unknown {
                unattributed_permille: 800
            }
        );
    }

    #[test]
    fn short_waits_are_fine_even_where_they_are_a_large_share() {
        let noise = Facts {
            p99_ns: 60_000,
            max_ns: MS,
            on_ns: 5 * MS,
            ..facts(0, 10, 5, 0)
        };
        assert_eq!(Verdict::of(&noise), Verdict::Fine);
        let cheap = Facts {
            p99_ns: 2 * MS,
            max_ns: 9 * MS,
            ..facts(50, 50, 0, 0)
        };
        assert_eq!(Verdict::of(&cheap), Verdict::Fine);
        // Ping-pong at 0.5 ms a turn halves the throughput though no wait is long.
        let costly = Facts {
            p99_ns: MS,
            max_ns: 2 * MS,
            weight_mcpu: None,
            ..facts(0, 3_000, 0, 0)
        };
        assert!(matches!(Verdict::of(&costly), Verdict::Delayed { .. }));
    }

    #[test]
    fn few_waits_are_quiet_unless_one_is_long() {
        let few = Facts {
            waits: 3,
            ..facts(0, 60, 0, 0)
        };
        assert_eq!(Verdict::of(&few), Verdict::Quiet { waits: 3 });
        let starving = Facts {
            waits: 1,
            max_ns: 9_000 * MS,
            p99_ns: 0,
            on_ns: 0,
            ..facts(0, 9_000, 0, 0)
        };
        assert!(matches!(Verdict::of(&starving), Verdict::Starved { used_mcpu: 0, .. }));
    }

    #[test]
    fn extreme_numbers_do_not_overflow() {
        let parts = Parts {
            same_ns: u64::MAX,
            other_ns: u64::MAX,
            idle_ns: u64::MAX,
            throttled_ns: u64::MAX,
            unattributed_ns: u64::MAX,
        };
        for interval_ns in [0, 1, u64::MAX] {
            let _ = Verdict::of(&Facts {
                interval_ns,
                waits: u64::MAX,
                parts,
                p99_ns: u64::MAX,
                max_ns: u64::MAX,
                on_ns: u64::MAX,
                weight_mcpu: Some(u64::MAX),
                quota_mcpu: Some(u64::MAX),
                throttle_visible: false,
            });
        }
        let _ = Verdict::of(&Facts::default());
    }
}
