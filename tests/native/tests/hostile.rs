//! Events no scheduler makes: arbitrary numbers, clocks that go back, CPUs and threads that do not exist. The C is compiled
//! so that undefined behaviour traps; with the feature `sanitize` a stray access ends the test as well.

mod support;

use ghostsched_core::histogram::{Bounds, LARGEST_BOUND_NS};
use ghostsched_core::latency::Leaving;
use ghostsched_native::{Method, Migrate, Native, Options, Switch};
use proptest::prelude::*;

use support::Random;
use support::drive::Lent;

/// Any bounds list of this many.
fn some_bounds(random: &mut Random, count: usize) -> Bounds {
    loop {
        let shift = random.below(63);
        let mut list: Vec<u64> = (0..count)
            .map(|_| (random.next() >> shift).clamp(1, LARGEST_BOUND_NS))
            .collect();
        list.sort_unstable();
        list.dedup();
        if list.len() == count {
            return Bounds::new(&list).expect("sorted, each once");
        }
    }
}

fn options(bounds: Bounds) -> Options {
    Options {
        bounds,
        cpus: 3,
        groups: 7,
        threads: 12,
        method: Method::Log,
        watching: true,
        recording: false,
    }
}

#[test]
fn the_c_finds_the_bucket_the_core_finds_for_every_number_of_bounds() {
    let mut random = Random(1);
    for count in 1..=64 {
        for _ in 0..12 {
            let bounds = some_bounds(&mut random, count);
            let mut native = Native::new(options(bounds));
            let near = bounds
                .as_slice()
                .iter()
                .flat_map(|&bound| [bound - 1, bound, bound + 1]);
            let random: Vec<u64> = (0..64).map(|_| random.next() >> (1 + random.below(63))).collect();
            for value in near
                .chain(random)
                .chain([0, 1, LARGEST_BOUND_NS])
                .map(|value| value.min(LARGEST_BOUND_NS))
            {
                assert_eq!(
                    native.bucket_of(value),
                    bounds.bucket_of(value),
                    "{value} in {bounds:?}"
                );
            }
        }
    }
}

/// Mostly small, sometimes anything.
fn number(random: &mut Random, small: u64) -> u64 {
    match random.below(12) {
        0 => random.next(),
        1 => u64::MAX - random.next() % 3,
        2 => (1 << 63) - 1 + random.next() % 3,
        3 => 0,
        _ => random.next() % small,
    }
}

fn leaving(random: &mut Random) -> Leaving {
    [Leaving::Runnable, Leaving::Sleep, Leaving::Block][random.below(3)]
}

fn assault(seed: u64, steps: usize, base: Options) {
    let mut random = Random(seed);
    let mut native = Native::new(base);
    for _ in 0..steps {
        let now_ns = number(&mut random, 5_000);
        let small = |random: &mut Random| number(random, 5) as u32;
        let thread = |random: &mut Random| number(random, 14) as u32;
        let clock = |random: &mut Random| number(random, 3_000);
        match random.below(20) {
            0..=11 => {
                let switch = Switch {
                    now_ns,
                    cpu: small(&mut random),
                    prev: thread(&mut random),
                    leaving: leaving(&mut random),
                    prev_stamped: random.chance(50),
                    prev_arrived_ns: clock(&mut random),
                    prev_clock_ns: clock(&mut random),
                    next: thread(&mut random),
                    next_group: number(&mut random, 9) as u32,
                    next_queued_ns: clock(&mut random),
                    next_delay_ns: clock(&mut random),
                    next_arrivals: clock(&mut random),
                    next_clock_ns: clock(&mut random),
                };
                native.switch(&switch);
            }
            12..=14 => {
                let (cpu, tid, group) = (small(&mut random), thread(&mut random), number(&mut random, 9) as u32);
                native.wakeup(now_ns, cpu, tid, group, clock(&mut random));
            }
            15..=17 => native.migrate(&Migrate {
                now_ns,
                tid: thread(&mut random),
                group: number(&mut random, 9) as u32,
                from: small(&mut random),
                to: small(&mut random),
                delay_ns: clock(&mut random),
                arrivals: number(&mut random, 3),
                from_clock_ns: clock(&mut random),
                to_clock_ns: clock(&mut random),
            }),
            18 if random.chance(50) => native.suspect(thread(&mut random)),
            18 => native.open_window(number(&mut random, 4)),
            _ => native.exit(thread(&mut random)),
        }
    }
    native.counters();
    native.matrix();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_c_survives_anything(
        seed in any::<u64>(), steps in 1..600usize, count in 1..=64usize, log in any::<bool>(), watching in any::<bool>(), recording in any::<bool>(),
    ) {
        let bounds = some_bounds(&mut Random(seed), count);
        let method = if log { Method::Log } else { Method::Clock };
        assault(seed, steps, Options { method, watching, recording, ..options(bounds) });
    }
}

#[test]
fn a_full_matrix_counts_what_finds_no_room_on_both_sides() {
    use ghostsched_core::latency::Event;
    // One CPU, 3000 pairs of victim and culprit: more than the 2048 cells.
    let bounds = Bounds::default();
    let base = Options {
        cpus: 1,
        groups: 4_000,
        threads: 8,
        method: Method::Log,
        ..options(bounds)
    };
    let mut native = Native::new(base);
    let mut lent = Lent::new(1, 16, 4_000, 2048);
    let mut engine = lent.engine(bounds);
    for turn in 0..3_000u32 {
        let now_ns = 10_000 + u64::from(turn) * 10;
        let (prev, next) = if turn == 0 {
            (0, 1)
        } else {
            (1 + (turn + 1) % 2, 1 + turn % 2)
        };
        let switch = Switch {
            now_ns,
            cpu: 0,
            prev,
            leaving: Leaving::Sleep,
            prev_stamped: false,
            prev_arrived_ns: 0,
            prev_clock_ns: 0,
            next,
            next_group: 3 + turn,
            next_queued_ns: now_ns - 7,
            next_delay_ns: 0,
            next_arrivals: 0,
            next_clock_ns: 0,
        };
        native.switch(&switch);
        let event = Event::Switch {
            cpu: 0,
            prev,
            leaving: Leaving::Sleep,
            prev_arrived_ns: None,
            prev_clock_ns: 0,
            next,
            next_group: 3 + turn,
            next_queued_ns: Some(now_ns - 7),
            next_clock_ns: 0,
        };
        engine.feed(now_ns, &event, |_| {});
    }
    let overflow_ns = engine.matrix().overflow_ns();
    assert!(overflow_ns > 900 * 7, "{overflow_ns}");
    assert_eq!(native.counters().matrix_overflow_ns, overflow_ns);
    let pairs = engine
        .matrix()
        .pairs()
        .map(|pair| ((pair.victim, pair.by), pair.ns))
        .collect();
    assert_eq!(native.matrix(), pairs);
    let kept_ns: u64 = native.matrix().values().sum();
    assert_eq!(kept_ns + overflow_ns, 2_999 * 7, "kept or counted, nothing dropped");
}
