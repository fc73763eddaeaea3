//! Properties of the histogram and the engine that hold for any input.

use std::collections::{HashMap, HashSet};

use ghostsched_core::histogram::{Bounds, BoundsError, Histogram, LARGEST_BOUND_NS, MAX_BOUNDS};
use ghostsched_core::latency::engine::{Cpu, Memory, Thread};
use ghostsched_core::latency::{Blame, Engine, Event, FIRST_GROUP, GROUP_REST, GroupStats, Kind, Leaving};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

/// Numbers of all sizes, and those at the edges.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (any::<u64>(), 0..64u32).prop_map(|(number, shift)| number >> shift),
        1 => prop::sample::select(vec![0, 1, 2, LARGEST_BOUND_NS - 1, LARGEST_BOUND_NS, LARGEST_BOUND_NS + 1, u64::MAX]),
    ]
}

fn bounds() -> impl Strategy<Value = Bounds> {
    btree_set(
        number().prop_map(|bound| bound.clamp(1, LARGEST_BOUND_NS)),
        1..=MAX_BOUNDS,
    )
    .prop_map(|set| Bounds::new(&set.into_iter().collect::<Vec<_>>()).expect("sorted, each once"))
}

fn linear(bounds: &Bounds, value: u64) -> usize {
    bounds
        .as_slice()
        .iter()
        .position(|&bound| value <= bound)
        .unwrap_or(bounds.as_slice().len())
}

fn histogram(bounds: &Bounds, values: &[u64]) -> Histogram {
    let mut histogram = Histogram::new();
    values.iter().for_each(|&value| histogram.record(bounds, value));
    histogram
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_list_is_accepted_if_and_only_if_it_is_one_to_64_ascending_bounds(
        mut list in vec(number(), 0..70), sort in any::<bool>(),
    ) {
        if sort {
            list.sort_unstable();
        }
        let valid = (1..=64).contains(&list.len())
            && list.iter().all(|&bound| bound > 0 && bound <= LARGEST_BOUND_NS)
            && list.windows(2).all(|pair| pair[0] < pair[1]);
        match Bounds::new(&list) {
            Ok(bounds) => {
                prop_assert!(valid);
                prop_assert_eq!(bounds.as_slice(), &list[..]);
                prop_assert_eq!(bounds.bucket_count(), list.len() + 1);
            }
            Err(why) => {
                prop_assert!(!valid, "{}", why);
                prop_assert!(!why.to_string().is_empty());
            }
        }
    }

    #[test]
    fn a_value_is_in_the_first_bucket_whose_bound_it_does_not_exceed(bounds in bounds(), values in vec(number(), 1..50)) {
        let near = bounds.as_slice().iter().flat_map(|&bound| [bound - 1, bound, bound + 1]);
        for value in near.chain(values).chain([0, LARGEST_BOUND_NS, u64::MAX]) {
            let bucket = bounds.bucket_of(value);
            prop_assert_eq!(bucket, linear(&bounds, value), "{}", value);
            let (above, up_to) = bounds.range_of(bucket).expect("a bucket");
            prop_assert!((value > above || bucket == 0) && value <= up_to);
        }
        prop_assert_eq!(bounds.range_of(bounds.bucket_count()), None);
    }

    #[test]
    fn the_difference_of_a_merge_is_what_was_merged(
        bounds in bounds(), earlier in vec(0..u64::MAX >> 8, 0..60), later in vec(0..u64::MAX >> 8, 0..60),
    ) {
        let (before, added) = (histogram(&bounds, &earlier), histogram(&bounds, &later));
        let mut merged = before;
        merged.merge(&added);
        let all: Vec<u64> = earlier.iter().chain(&later).copied().collect();
        prop_assert_eq!(merged, histogram(&bounds, &all));
        let difference = merged.difference(&before);
        prop_assert_eq!(difference.with_max(added.max_ns()), added);
        prop_assert!(difference.max_ns() >= added.max_ns());
        prop_assert_eq!(merged.difference(&merged), Histogram::new());
        prop_assert_eq!(Histogram::from_parts(merged.counts(), merged.sum_ns(), merged.max_ns()), merged);
    }

    #[test]
    fn a_quantile_lies_in_the_range_it_states(
        bounds in bounds(), mut values in vec(number(), 0..80), per_million in 0..1_100_000u32,
    ) {
        let histogram = histogram(&bounds, &values);
        values.sort_unstable();
        let Some(quantile) = histogram.quantile(&bounds, per_million) else {
            prop_assert!(values.is_empty());
            return Ok(());
        };
        let rank = (values.len() as u64 * u64::from(per_million.min(1_000_000))).div_ceil(1_000_000).max(1);
        let exact = values[rank as usize - 1];
        prop_assert!(exact <= quantile.up_to_ns, "{} above {:?}", exact, quantile);
        let inside = exact > quantile.above_ns || (quantile.above_ns == quantile.up_to_ns) || exact == 0;
        prop_assert!(inside, "{} below {:?}", exact, quantile);
        if rank as usize == values.len() {
            prop_assert_eq!(quantile.up_to_ns, exact, "the maximum is exact");
        }
    }

    #[test]
    fn log_linear_bounds_cut_each_octave_in_equal_parts(first in number(), octaves in 0..70usize, steps in 0..70usize) {
        let count = octaves * steps;
        match Bounds::log_linear(first, octaves, steps) {
            Ok(bounds) => {
                prop_assert_eq!(bounds.as_slice().len(), count);
                for (i, &bound) in bounds.as_slice().iter().enumerate() {
                    let (octave, part) = (i / steps, (i % steps) as u128);
                    let base = u128::from(first) << octave;
                    prop_assert_eq!(u128::from(bound), base + base * part / steps as u128);
                }
            }
            Err(BoundsError::TooMany { given }) => prop_assert!(given > MAX_BOUNDS && given == count),
            Err(BoundsError::Empty) => prop_assert_eq!(count, 0),
            Err(BoundsError::Zero) => prop_assert_eq!(first, 0),
            Err(BoundsError::TooLarge { .. }) => {
                prop_assert!(u128::from(first) << octaves > u128::from(LARGEST_BOUND_NS));
            }
            // Steps finer than a nanosecond fall together.
            Err(BoundsError::Unsorted { .. }) => prop_assert!(first < steps as u64),
        }
    }

    #[test]
    fn log2_bounds_double(first in 1..u64::MAX, count in 1..=MAX_BOUNDS) {
        match Bounds::log2(first, count) {
            Ok(bounds) => {
                prop_assert_eq!(bounds.as_slice()[0], first);
                prop_assert!(bounds.as_slice().windows(2).all(|pair| pair[1] == 2 * pair[0]));
            }
            Err(_) => prop_assert!(u128::from(first) << (count - 1) > u128::from(LARGEST_BOUND_NS)),
        }
    }
}

#[test]
fn every_bound_count_and_both_extremes_find_their_bucket() {
    for count in 1..=MAX_BOUNDS {
        let mut list: Vec<u64> = (1..=count as u64).map(|n| n * 10).collect();
        *list.last_mut().expect("one") = LARGEST_BOUND_NS;
        let bounds = Bounds::new(&list).expect("sorted");
        for value in (0..count as u64 * 10 + 10).chain([LARGEST_BOUND_NS, LARGEST_BOUND_NS + 1, u64::MAX]) {
            assert_eq!(bounds.bucket_of(value), linear(&bounds, value), "{value} of {count}");
        }
    }
}

#[test]
fn counts_from_elsewhere_cannot_make_a_histogram_panic() {
    let bounds = Bounds::default();
    let mut histogram = Histogram::from_parts(&[u64::MAX; 70], u64::MAX, u64::MAX);
    histogram.record(&bounds, u64::MAX);
    histogram.record_zeros(u64::MAX);
    histogram.record_in(usize::MAX, 5);
    histogram.merge(&histogram.clone());
    for per_million in [0, 500_000, 1_000_000, u32::MAX] {
        histogram.quantile(&bounds, per_million);
    }
    histogram.difference(&Histogram::from_parts(&[u64::MAX; 65], 3, 3));
}

/// The memory of an engine, owned.
struct Lent {
    cpus: Vec<Cpu>,
    threads: Vec<Thread>,
    groups: Vec<GroupStats>,
    matrix: Vec<Blame>,
}

impl Lent {
    fn new(cpus: usize, threads: usize, groups: usize, cells: usize) -> Self {
        Self {
            cpus: vec![Cpu::default(); cpus],
            threads: vec![Thread::default(); threads],
            groups: vec![GroupStats::default(); groups],
            matrix: vec![Blame::default(); cells],
        }
    }

    fn engine(&mut self) -> Engine<'_> {
        let memory = Memory {
            cpus: &mut self.cpus,
            threads: &mut self.threads,
            groups: &mut self.groups,
            matrix: &mut self.matrix,
        };
        Engine::new(Bounds::default(), memory)
    }
}

fn any_event() -> impl Strategy<Value = Event> {
    let small = |most: u32| prop_oneof![8 => 0..most, 1 => any::<u32>()];
    let cpu = move || small(4);
    let tid = move || small(9);
    let group = move || small(7);
    let time = || prop_oneof![4 => 0..10_000u64, 1 => number()];
    let maybe = move || prop::option::of(time());
    let leaving = prop::sample::select(vec![Leaving::Runnable, Leaving::Sleep, Leaving::Block]);
    let switch = (cpu(), tid(), leaving, maybe(), time(), tid(), group(), maybe(), time()).prop_map(
        |(cpu, prev, leaving, prev_arrived_ns, prev_clock_ns, next, next_group, next_queued_ns, next_clock_ns)| {
            Event::Switch {
                cpu,
                prev,
                leaving,
                prev_arrived_ns,
                prev_clock_ns,
                next,
                next_group,
                next_queued_ns,
                next_clock_ns,
            }
        },
    );
    let migrate = (cpu(), tid(), group(), maybe(), time(), time(), any::<bool>()).prop_map(
        |(from, tid, group, queued_ns, from_clock_ns, to_clock_ns, limbo_waits)| Event::Migrate {
            from,
            tid,
            group,
            queued_ns,
            from_clock_ns,
            to_clock_ns,
            limbo_waits,
        },
    );
    prop_oneof![
        6 => switch,
        2 => (cpu(), tid(), time()).prop_map(|(cpu, tid, clock_ns)| Event::Wakeup { cpu, tid, clock_ns }),
        2 => migrate,
        1 => tid().prop_map(|tid| Event::Exit { tid }),
    ]
}

/// CPU 0 turns from idle to a thread nobody saw queued.
fn switch_to(next: u32, next_group: u32) -> Event {
    Event::Switch {
        cpu: 0,
        prev: 0,
        leaving: Leaving::Runnable,
        prev_arrived_ns: None,
        prev_clock_ns: 0,
        next,
        next_group,
        next_queued_ns: None,
        next_clock_ns: 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_event_stream_makes_the_engine_panic(
        events in vec((prop_oneof![4 => 0..20_000u64, 1 => number()], any_event()), 0..200),
        cpus in 0..4usize, threads in 0..17usize, cells in 0..20usize, groups in 3..8usize,
    ) {
        let mut lent = Lent::new(cpus, threads, groups, cells);
        let mut engine = lent.engine();
        for (now_ns, event) in &events {
            engine.feed(*now_ns, event, |wait| assert_ne!(wait.tid, 0));
            engine.running_on(3);
        }
        for now_ns in [0, 5_000, u64::MAX] {
            engine.in_progress(now_ns, |wait| assert_ne!(wait.tid, 0));
            engine.running_at(now_ns, |_, _| {});
        }
        let mut all = GroupStats::default();
        engine.groups().iter().for_each(|stats| all.merge(stats));
        all.difference(&engine.groups()[1]);
        engine.matrix().pairs().count();
    }

    #[test]
    fn the_table_of_threads_is_a_map(
        // Few slots, so that chains of threads are long, and removed from anywhere.
        actions in vec((0..3u8, 1..40u32), 1..400), slots in prop::sample::select(vec![2usize, 8, 16, 32, 33]),
        spread in prop::sample::select(vec![1u32, 16, 256, 0x1000_0001]),
    ) {
        let mut lent = Lent::new(1, slots, 4, 8);
        let mut engine = lent.engine();
        let mut model: HashMap<u32, u64> = HashMap::new(); // since when it is queued
        let mut refused = 0;
        for (turn, &(action, number)) in actions.iter().enumerate() {
            let (now_ns, tid) = (1_000 + turn as u64, number.wrapping_mul(spread));
            if action == 0 {
                engine.feed(now_ns, &Event::Exit { tid }, |_| {});
                model.remove(&tid);
            } else {
                engine.feed(now_ns, &Event::Wakeup { cpu: 0, tid, clock_ns: 0 }, |_| {});
                // One slot stays free.
                if model.len() + 1 < slots || model.contains_key(&tid) {
                    model.entry(tid).or_insert(now_ns);
                } else {
                    refused += 1;
                }
            }
            prop_assert_eq!(engine.tally().threads_over_capacity, refused);
            let mut waiting = HashMap::new();
            engine.in_progress(now_ns, |wait| assert!(waiting.insert(wait.tid, wait.queued_ns).is_none(), "twice"));
            prop_assert_eq!(&waiting, &model);
        }
        // Each is found, not only listed: it ends its wait with the stamp it was given.
        let tids: HashSet<u32> = model.keys().copied().collect();
        for tid in tids {
            let event = switch_to(tid, FIRST_GROUP);
            let mut queued_ns = None;
            engine.feed(1_000_000, &event, |wait| queued_ns = Some(wait.queued_ns));
            prop_assert_eq!(queued_ns, model.get(&tid).copied());
        }
    }
}

#[test]
fn what_finds_no_room_is_counted_and_nothing_breaks() {
    let mut lent = Lent::new(1, 4, 4, 8);
    let mut engine = lent.engine();
    for tid in 1..=10 {
        engine.feed(
            u64::from(tid),
            &Event::Wakeup {
                cpu: 0,
                tid,
                clock_ns: 0,
            },
            |_| {},
        );
    }
    assert_eq!(engine.tally().threads_over_capacity, 7, "of four slots one stays free");
    let switch = |cpu, next| Event::Switch {
        cpu,
        prev: 0,
        leaving: Leaving::Runnable,
        prev_arrived_ns: None,
        prev_clock_ns: 0,
        next,
        next_group: 77,
        next_queued_ns: Some(50),
        next_clock_ns: 0,
    };
    engine.feed(100, &switch(1, 1), |_| {});
    assert_eq!(engine.tally().cpus_over_capacity, 1);
    engine.feed(100, &switch(0, 9), |_| panic!("thread 9 found no room"));
    engine.feed(120, &switch(0, 2), |wait| {
        assert_eq!(wait.group, 1, "a group beyond the capacity is in the remainder")
    });
    assert_eq!(engine.groups()[1].kind(Kind::Wait).sum_ns(), 70);
    for tid in 1..=10 {
        engine.feed(200, &Event::Exit { tid }, |_| {});
    }
    engine.feed(
        300,
        &Event::Wakeup {
            cpu: 0,
            tid: 9,
            clock_ns: 0,
        },
        |_| {},
    );
    assert_eq!(engine.tally().threads_over_capacity, 8, "room again");
}

#[test]
fn the_idle_thread_has_no_wait() {
    let mut lent = Lent::new(1, 8, 4, 8);
    let mut engine = lent.engine();
    engine.feed(
        10,
        &Event::Wakeup {
            cpu: 0,
            tid: 0,
            clock_ns: 0,
        },
        |_| {},
    );
    engine.feed(20, &Event::Exit { tid: 0 }, |_| {});
    let migrate = Event::Migrate {
        from: 0,
        tid: 0,
        group: FIRST_GROUP,
        queued_ns: Some(5),
        from_clock_ns: 0,
        to_clock_ns: 0,
        limbo_waits: false,
    };
    engine.feed(25, &switch_to(1, GROUP_REST), |_| {});
    engine.feed(28, &migrate, |_| {});
    engine.in_progress(30, |wait| panic!("{wait:?}"));
    assert_eq!(engine.matrix().pairs().count(), 0, "nor a culprit");
    assert_eq!(engine.tally().threads_over_capacity, 0);
}
