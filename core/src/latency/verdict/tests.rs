//! Each verdict from numbers that call for it.

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
            used_mcpu: 310,
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
