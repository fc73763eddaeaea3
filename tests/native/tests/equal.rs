//! The BPF program's logic equals its specification: random plausible histories through both.

mod support;

use ghostsched_core::histogram::{Bounds, LARGEST_BOUND_NS};
use ghostsched_core::latency::{FIRST_GROUP, GroupStats, Kind};
use ghostsched_native::Method;
use proptest::prelude::*;

use support::drive::{Both, How, drive, truth};
use support::history::{History, Profile};

fn bounds() -> impl Strategy<Value = Bounds> {
    let random = prop::collection::btree_set(1..40_000_000u64, 1..=64);
    let lists = prop_oneof![
        3 => random.prop_map(|set| set.into_iter().collect::<Vec<u64>>()),
        1 => Just(Bounds::default().as_slice().to_vec()),
        1 => Just(vec![LARGEST_BOUND_NS]),
    ];
    lists.prop_map(|list| Bounds::new(&list).expect("sorted, each once"))
}

/// Thread moves between groups and missed switches exclude each other here: the C looks a thread's group up at its wakeup,
/// the engine's events do not tell it, so after a missed switch they may hold it for one of different groups.
fn profiles() -> impl Strategy<Value = Profile> {
    let flags = (
        any::<bool>(),
        any::<bool>(),
        0..3,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
    );
    (1..5u32, 1..5u32, 2..10u32, 10..350usize, flags).prop_map(|(cpus, groups, threads, steps, flags)| {
        let (throttling, migrations, odd, exits, unstamped, late) = flags;
        let (moves, misses) = (odd == 1, odd == 2);
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
            floods: false,
            late,
        }
    })
}

fn how(profile: &Profile, method: Method, watching: bool, bounds: Bounds, short: bool) -> How {
    How {
        method,
        // After a missed switch the engine ignores the wakeup of a thread it takes to run, the C takes its clock.
        watching: watching && !(profile.misses && profile.throttling),
        bounds,
        cpus: profile.cpus,
        groups: FIRST_GROUP + profile.groups - u32::from(short),
        threads: profile.threads,
    }
}

/// Statistics as [`GroupStats::record_wait`] adds up the C's own waits, with the spells of the specification.
fn added_up(both: &Both, bounds: &Bounds) -> Vec<GroupStats> {
    let mut groups: Vec<GroupStats> = both.engine.groups.clone();
    for stats in &mut groups {
        let spells = *stats;
        *stats = GroupStats::default();
        for kind in [Kind::On, Kind::Sleep, Kind::Block] {
            stats.kinds[kind as usize] = *spells.kind(kind);
        }
        stats.throttled_on_ns = spells.throttled_on_ns;
    }
    for wait in &both.waits {
        groups[wait.group as usize].record_wait(bounds, &wait.parts);
    }
    groups
}

/// Missed waits are known to the C only.
fn without_missed(groups: Vec<GroupStats>) -> Vec<GroupStats> {
    groups
        .into_iter()
        .map(|stats| GroupStats {
            missed_waits: 0,
            missed_ns: 0,
            ..stats
        })
        .collect()
}

/// Holds one against the other; returns how many waits the C's run clocks explained beyond the log.
fn check(history: &History, profile: &Profile, how: &How, both: &Both) -> usize {
    let mut beyond = 0;
    assert_eq!(both.waits.len(), both.engine.waits.len());
    for (found, expected) in both.waits.iter().zip(&both.engine.waits) {
        if found == expected {
            continue;
        }
        // Documented: run clocks still know what the log no longer does, but for who the others were.
        assert_eq!(how.method, Method::Clock, "C {found:?}\nengine {expected:?}");
        assert_eq!(found.parts.total_ns(), expected.parts.total_ns());
        assert!(expected.parts.unattributed_ns > 0, "C {found:?}\nengine {expected:?}");
        assert!(
            found.parts.unattributed_ns < expected.parts.unattributed_ns,
            "C {found:?}\nengine {expected:?}"
        );
        if !profile.misses && !profile.moves && found.parts.unattributed_ns == 0 {
            let real = history
                .wait(found.tid, found.now_ns)
                .map(|real| truth(history, real, how.method));
            assert_eq!(found.parts, real.unwrap_or(found.parts));
        }
        beyond += 1;
    }
    let groups = both.native.groups();
    assert_eq!(without_missed(groups.clone()), added_up(both, &how.bounds));
    if beyond == 0 {
        assert_eq!(without_missed(groups.clone()), both.engine.groups);
    }
    assert_eq!(both.quick.groups(), groups, "the short way differs");
    assert_eq!(both.native.matrix(), both.engine.matrix);
    assert_eq!(both.quick.matrix(), both.engine.matrix, "the short way differs");

    let (counters, tally) = (both.native.counters(), &both.engine.tally);
    assert_eq!(both.quick.counters(), counters, "the short way differs");
    assert_eq!(counters.switches, tally.switches);
    assert_eq!(counters.chain_breaks, tally.chain_breaks);
    assert_eq!(counters.unknown_ns, tally.unknown_ns);
    assert_eq!(counters.migrated_waits, tally.migrated_waits);
    assert_eq!(counters.moving_ns, tally.moving_ns);
    assert_eq!(
        (
            counters.suspect_waits,
            counters.storage_failures,
            counters.matrix_overflow_ns
        ),
        (0, 0, 0)
    );
    check_missed(history, profile, how, both);
    beyond
}

/// Each ns the kernel counted is accounted or missed, and none is missed where every switch was told.
fn check_missed(history: &History, profile: &Profile, how: &How, both: &Both) {
    let counters = both.native.counters();
    let missed: (u64, u64) = both.native.groups().iter().fold((0, 0), |sum, stats| {
        (sum.0 + stats.missed_waits, sum.1 + stats.missed_ns)
    });
    assert!(missed.0 <= counters.missed_waits && missed.1 <= counters.missed_ns);
    assert!(counters.missed_waits <= history.missed);
    if history.missed == 0 || how.method == Method::Clock {
        assert_eq!((counters.missed_waits, counters.missed_ns), (0, 0));
    }
    let mut sum_ns = 0;
    for tid in 1..=profile.threads {
        let known = both.native.remembered(tid).expect("it has storage");
        sum_ns += known.missed_ns;
        if how.method == Method::Log {
            assert_eq!(known.counted_ns + known.missed_ns, known.delay_ns, "thread {tid}");
        }
    }
    if !profile.exits {
        assert_eq!(sum_ns, counters.missed_ns);
    }
}

fn methods() -> impl Strategy<Value = (Method, bool)> {
    prop_oneof![
        Just((Method::Log, false)),
        Just((Method::Log, true)),
        Just((Method::Clock, true))
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_wait_and_all_statistics_of_the_c_equal_the_engines(
        seed in any::<u64>(), profile in profiles(), (method, watching) in methods(), bounds in bounds(), short in any::<bool>(),
    ) {
        let history = History::new(seed, profile);
        let how = how(&profile, method, watching, bounds, short);
        let both = drive(&history, how);
        // Before the first switch of a CPU and after it, no run clock knows more than the log.
        prop_assert_eq!(check(&history, &profile, &how, &both), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn waits_longer_than_the_log_are_equal_or_explained_by_the_run_clocks(
        seed in any::<u64>(), profile in profiles(), (method, watching) in methods(),
    ) {
        let profile = Profile { floods: true, steps: 250, threads: profile.threads.max(5), groups: profile.groups.max(2), cpus: 1 + profile.cpus % 2, ..profile };
        let history = History::new(seed, profile);
        let how = how(&profile, method, watching, Bounds::default(), false);
        let both = drive(&history, how);
        check(&history, &profile, &how, &both);
    }
}

#[test]
fn the_histories_hold_what_they_promise() {
    let (mut waits, mut moved, mut throttled, mut breaks, mut missed, mut beyond, mut unattributed) =
        (0, 0, 0, 0, 0, 0, 0);
    let (mut several, mut extra) = (0, 0);
    for seed in 0..40u64 {
        let profile = Profile {
            cpus: 1 + (seed % 3) as u32,
            groups: 3,
            threads: 8,
            steps: 400,
            throttling: seed % 4 != 3,
            migrations: true,
            moves: seed % 3 == 0,
            misses: seed % 3 == 1,
            exits: true,
            unstamped: true,
            floods: seed % 4 == 3,
            late: true,
        };
        let history = History::new(seed, profile);
        for method in [Method::Log, Method::Clock] {
            let how = how(&profile, method, true, Bounds::default(), false);
            let both = drive(&history, how);
            beyond += check(&history, &profile, &how, &both);
            waits += both.waits.len();
            moved += both.engine.tally.migrated_waits;
            throttled += both.waits.iter().filter(|wait| wait.parts.throttled_ns > 0).count();
            unattributed += both.waits.iter().filter(|wait| wait.parts.unattributed_ns > 0).count();
            breaks += both.engine.tally.chain_breaks;
            missed += both.native.counters().missed_waits;
            extra += both.native.counters().extra_waits;
        }
        several += history.waits.iter().filter(|wait| wait.stretches.len() > 2).count();
    }
    println!(
        "{waits} waits, {moved} moved ({several} several times), {throttled} throttled, {breaks} chain breaks, {missed} missed, \
         {extra} not stamped, {beyond} beyond the log, {unattributed} unattributed"
    );
    assert!(
        waits > 5_000 && moved > 200 && several > 20 && throttled > 500 && breaks > 100,
        "too tame"
    );
    assert!(
        missed > 20 && extra > 100 && beyond > 3 && unattributed > 20,
        "too tame"
    );
}
