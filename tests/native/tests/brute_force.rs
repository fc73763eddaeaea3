//! The engine equals a brute force over interval lists, what the simulated scheduler really did, and its invariants.

mod support;

use ghostsched_core::histogram::{Bounds, Histogram};
use ghostsched_core::latency::{FIRST_GROUP, Kind};
use ghostsched_native::Method;
use proptest::prelude::*;

use support::drive::{How, drive, truth};
use support::history::{History, Profile};
use support::oracle::{Found, Oracle};

fn profiles() -> impl Strategy<Value = Profile> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (1..4u32, 1..5u32, 2..9u32, 10..300usize, flags).prop_map(|(cpus, groups, threads, steps, flags)| {
        let (throttling, migrations, moves, misses, exits, unstamped, late) = flags;
        let floods = false;
        Profile {
            cpus,
            groups,
            threads,
            steps,
            throttling,
            migrations,
            moves,
            misses,
            exits,
            unstamped,
            floods,
            late,
        }
    })
}

fn how(profile: &Profile, method: Method, watching: bool) -> How {
    let groups = FIRST_GROUP + profile.groups;
    let bounds = Bounds::log_linear(64, 10, 4).expect("40 bounds");
    How {
        method,
        watching,
        bounds,
        cpus: profile.cpus,
        groups,
        threads: profile.threads,
    }
}

fn methods() -> impl Strategy<Value = (Method, bool)> {
    prop_oneof![
        Just((Method::Log, false)),
        Just((Method::Log, true)),
        Just((Method::Clock, true))
    ]
}

/// Waits, spells, statistics and matrix, to the ns.
fn check_against_oracle(history: &History, how: &How) {
    let both = drive(history, *how);
    let oracle = Oracle::new(&both.events, how.groups);
    let found: Vec<Found> = both
        .engine
        .waits
        .iter()
        .map(|wait| Found {
            tid: wait.tid,
            now_ns: wait.now_ns,
            group: wait.group,
            parts: wait.parts,
        })
        .collect();
    for (found, expected) in found.iter().zip(&oracle.waits) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.len(), oracle.waits.len());
    assert_eq!(both.engine.matrix, oracle.matrix);
    for (group, stats) in both.engine.groups.iter().enumerate() {
        let group = group as u32;
        let waits: Vec<&Found> = oracle.waits.iter().filter(|wait| wait.group == group).collect();
        let histogram = |values: &mut dyn Iterator<Item = u64>| {
            let mut histogram = Histogram::new();
            values.for_each(|value| histogram.record(&how.bounds, value));
            histogram
        };
        let of_spells = |kind: Kind| oracle.spells.get(&(group, kind as usize)).cloned().unwrap_or_default();
        for kind in Kind::ALL {
            let expected = match kind {
                Kind::Wait => histogram(&mut waits.iter().map(|wait| wait.parts.total_ns())),
                Kind::Same => histogram(&mut waits.iter().map(|wait| wait.parts.same_ns)),
                Kind::Other => histogram(&mut waits.iter().map(|wait| wait.parts.other_ns)),
                Kind::Idle => histogram(&mut waits.iter().map(|wait| wait.parts.idle_ns)),
                Kind::Throttled => histogram(&mut waits.iter().map(|wait| wait.parts.throttled_ns)),
                Kind::On | Kind::Sleep | Kind::Block => histogram(&mut of_spells(kind).into_iter()),
            };
            assert_eq!(stats.kind(kind), &expected, "{kind:?} of group {group}");
        }
        assert_eq!(
            stats.unattributed_ns,
            waits.iter().map(|wait| wait.parts.unattributed_ns).sum::<u64>()
        );
        assert_eq!(
            stats.throttled_on_ns,
            oracle.throttled_on.get(&group).copied().unwrap_or(0)
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_engine_equals_the_brute_force_to_the_ns(
        seed in any::<u64>(), profile in profiles(), (method, watching) in methods(),
    ) {
        check_against_oracle(&History::new(seed, profile), &how(&profile, method, watching));
    }

    #[test]
    fn the_engine_equals_what_the_scheduler_really_did(
        seed in any::<u64>(), profile in profiles(), log in any::<bool>(),
    ) {
        let profile = Profile { moves: false, misses: false, ..profile };
        // The throttle clock of where a thread is sent is read before it is queued there: with the kernel's stamps, what is
        // throttled on the way counts, so not both.
        let throttling = profile.throttling && !(log && profile.migrations);
        // What ran before the first event is not known, so neither is where in a wait from before its throttled time lies.
        let profile = Profile { throttling, late: profile.late && !throttling, ..profile };
        let method = if log { Method::Log } else { Method::Clock };
        let history = History::new(seed, profile);
        let both = drive(&history, how(&profile, method, true));
        for wait in both.engine.waits.iter().filter(|wait| wait.parts.unattributed_ns == 0) {
            let Some(real) = history.wait(wait.tid, wait.now_ns) else { continue };
            let expected = truth(&history, real, method);
            prop_assert_eq!(wait.parts.same_ns, expected.same_ns);
            prop_assert_eq!(wait.parts.throttled_ns, expected.throttled_ns);
            // Within a gap what is throttled is taken to be its beginning; here quotas come and go at any time.
            prop_assert_eq!(wait.parts.other_ns + wait.parts.idle_ns, expected.other_ns + expected.idle_ns);
            if !profile.throttling {
                prop_assert_eq!(wait.parts, expected);
            }
        }
    }

    #[test]
    fn the_invariants_hold(
        seed in any::<u64>(), profile in profiles(), (method, watching) in methods(),
    ) {
        let profile = Profile { moves: false, misses: false, exits: false, late: false, ..profile };
        let history = History::new(seed, profile);
        let both = drive(&history, how(&profile, method, watching));
        for wait in &both.engine.waits {
            let limbo_ns = if wait.moved && method == Method::Log { wait.now_ns - wait.began_ns - wait.parts.total_ns() } else { 0 };
            prop_assert_eq!(wait.parts.total_ns() + limbo_ns, wait.now_ns - wait.began_ns);
            prop_assert!(wait.parts.throttled_ns <= wait.parts.total_ns());
        }
        let mut lived_ns = both.engine.tally.moving_ns;
        for (group, stats) in both.engine.groups.iter().enumerate() {
            let waits = both.engine.waits.iter().filter(|wait| wait.group as usize == group).count() as u64;
            for kind in [Kind::Wait, Kind::Same, Kind::Other, Kind::Idle, Kind::Throttled] {
                prop_assert_eq!(stats.kind(kind).count(), waits);
            }
            prop_assert_eq!(stats.parts().total_ns(), stats.kind(Kind::Wait).sum_ns());
            let row_ns: u64 = both.engine.matrix.iter().filter(|((victim, _), _)| *victim as usize == group).map(|(_, ns)| ns).sum();
            if profile.migrations {
                // Segments of waits that go on are in the matrix already.
                prop_assert!(row_ns >= stats.kind(Kind::Other).sum_ns());
            } else {
                let parts = stats.parts();
                let sum_ns = row_ns + parts.same_ns + parts.idle_ns + parts.throttled_ns + parts.unattributed_ns;
                prop_assert_eq!(sum_ns, stats.kind(Kind::Wait).sum_ns());
            }
            lived_ns += [Kind::On, Kind::Wait, Kind::Sleep, Kind::Block].iter().map(|&kind| stats.kind(kind).sum_ns()).sum::<u64>();
        }
        // On, waiting and off a CPU: the whole of each life, from the first wakeup to the last switch told.
        let walls_ns: u64 = history.lives.iter().flatten().map(|(first, last)| last - first).sum();
        prop_assert_eq!(lived_ns, walls_ns);
    }
}

#[test]
fn the_brute_force_forgets_what_the_log_forgets() {
    let profile = Profile {
        cpus: 1,
        groups: 3,
        threads: 7,
        steps: 300,
        throttling: true,
        migrations: false,
        moves: false,
        misses: false,
        exits: false,
        unstamped: false,
        floods: true,
        late: false,
    };
    for seed in 0..6 {
        let history = History::new(seed, profile);
        check_against_oracle(&history, &how(&profile, Method::Clock, true));
    }
}
