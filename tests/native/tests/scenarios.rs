//! Small stories with numbers worked out by hand, through the engine and through the C.

mod support;

use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::engine::{Event, Wait};
use ghostsched_core::latency::{GROUP_REST, GROUP_UNKNOWN, GroupStats, Kind, Leaving, Parts};
use ghostsched_native::{Counters, Method, Migrate, Native, Options, Remembered, Switch};

use Leaving::{Block, Runnable, Sleep};
use support::drive::Lent;

const A: u32 = 3;
const B: u32 = 4;
const C: u32 = 5;

/// Two CPUs, three groups; both accountings side by side, with own queue stamps unless told otherwise.
struct Story {
    method: Method,
    native: Native,
    quick: Native,
    events: Vec<(u64, Event)>,
    waits: Vec<Wait>,
}

/// What came of it.
struct End {
    waits: Vec<Wait>,
    groups: Vec<GroupStats>,
    matrix: Vec<((u32, u32), u64)>,
    breaks: u64,
    unknown_ns: u64,
    counters: Counters,
}

/// A thread at a switch: its number, its group, its throttle clock.
type Who = (u32, u32, u64);
const IDLE: Who = (0, 0, 0);

impl Story {
    fn new(method: Method) -> Self {
        let options = Options {
            bounds: Bounds::default(),
            cpus: 2,
            groups: 6,
            threads: 16,
            method,
            watching: true,
            recording: true,
        };
        let quick = Native::new(Options {
            recording: false,
            ..options
        });
        Self {
            method,
            native: Native::new(options),
            quick,
            events: Vec::new(),
            waits: Vec::new(),
        }
    }

    fn told(&mut self, now_ns: u64, cpu: u32, prev: Who, leaving: Leaving, next: Who, kernel: (u64, u64)) {
        let (arrived_ns, queued_ns) = kernel;
        let switch = Switch {
            now_ns,
            cpu,
            prev: prev.0,
            leaving,
            prev_stamped: true,
            prev_arrived_ns: arrived_ns,
            prev_clock_ns: prev.2,
            next: next.0,
            next_group: next.1,
            next_queued_ns: queued_ns,
            next_delay_ns: 0,
            next_arrivals: 0,
            next_clock_ns: next.2,
        };
        self.waits.extend(self.native.switch(&switch));
        self.quick.switch(&switch);
        self.events.push((
            now_ns,
            Event::Switch {
                cpu,
                prev: prev.0,
                leaving,
                prev_arrived_ns: (arrived_ns != 0).then_some(arrived_ns),
                prev_clock_ns: prev.2,
                next: next.0,
                next_group: next.1,
                next_queued_ns: (queued_ns != 0).then_some(queued_ns),
                next_clock_ns: next.2,
            },
        ));
    }

    fn switch(&mut self, now_ns: u64, cpu: u32, prev: Who, leaving: Leaving, next: Who) {
        self.told(now_ns, cpu, prev, leaving, next, (0, 0));
    }

    fn wake(&mut self, now_ns: u64, cpu: u32, who: Who) {
        self.native.wakeup(now_ns, cpu, who.0, who.1, who.2);
        self.quick.wakeup(now_ns, cpu, who.0, who.1, who.2);
        self.events.push((
            now_ns,
            Event::Wakeup {
                cpu,
                tid: who.0,
                clock_ns: who.2,
            },
        ));
    }

    fn migrate(&mut self, now_ns: u64, from: u32, to: u32, who: Who, to_clock_ns: u64) {
        let (tid, group, from_clock_ns) = who;
        let migrate = Migrate {
            now_ns,
            tid,
            group,
            from,
            to,
            delay_ns: 0,
            arrivals: 0,
            from_clock_ns,
            to_clock_ns,
        };
        self.native.migrate(&migrate);
        self.quick.migrate(&migrate);
        let event = Event::Migrate {
            from,
            tid,
            group,
            queued_ns: None,
            from_clock_ns,
            to_clock_ns,
            limbo_waits: true,
        };
        self.events.push((now_ns, event));
    }

    /// Both agree; `alike` unless the C knows more.
    fn end(self, alike: bool) -> End {
        let mut lent = Lent::new(2, 64, 6, 64);
        let mut engine = lent.engine(Bounds::default());
        let mut waits = Vec::new();
        for (now_ns, event) in &self.events {
            engine.feed(*now_ns, event, |wait| waits.push(*wait));
        }
        let mut matrix: Vec<_> = engine
            .matrix()
            .pairs()
            .map(|pair| ((pair.victim, pair.by), pair.ns))
            .collect();
        matrix.sort_unstable();
        if alike {
            assert_eq!(self.waits, waits, "{:?}", self.method);
            assert_eq!(self.native.groups(), engine.groups());
        }
        assert_eq!(self.native.groups(), self.quick.groups());
        assert_eq!(self.native.matrix().into_iter().collect::<Vec<_>>(), matrix);
        assert_eq!(self.quick.matrix(), self.native.matrix());
        let counters = self.native.counters();
        assert_eq!(counters, self.quick.counters());
        let (breaks, unknown_ns) = (engine.tally().chain_breaks, engine.tally().unknown_ns);
        assert_eq!((counters.chain_breaks, counters.unknown_ns), (breaks, unknown_ns));
        let (waits, groups) = if alike {
            (waits, engine.groups().to_vec())
        } else {
            (self.waits, self.native.groups())
        };
        End {
            waits,
            groups,
            matrix,
            breaks,
            unknown_ns,
            counters,
        }
    }
}

impl End {
    /// The parts of the `n`th wait of a thread: same, other, idle, throttled, unattributed.
    fn wait(&self, tid: u32, n: usize) -> [u64; 5] {
        let wait = self
            .waits
            .iter()
            .filter(|wait| wait.tid == tid)
            .nth(n)
            .expect("it waited so often");
        let Parts {
            same_ns,
            other_ns,
            idle_ns,
            throttled_ns,
            unattributed_ns,
        } = wait.parts;
        [same_ns, other_ns, idle_ns, throttled_ns, unattributed_ns]
    }

    fn sum(&self, group: u32, kind: Kind) -> u64 {
        self.groups[group as usize].kind(kind).sum_ns()
    }

    fn count(&self, group: u32, kind: Kind) -> u64 {
        self.groups[group as usize].kind(kind).count()
    }
}

#[test]
fn a_preempted_hog_waits_behind_the_group_that_preempted_it() {
    let mut story = Story::new(Method::Clock);
    story.wake(1_000, 0, (1, A, 0));
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.wake(5_000, 0, (2, B, 0));
    story.switch(5_100, 0, (1, A, 0), Runnable, (2, B, 0));
    story.switch(7_600, 0, (2, B, 0), Sleep, (1, A, 0));
    let end = story.end(true);
    assert_eq!(end.wait(1, 1), [0, 2_500, 0, 0, 0]);
    assert_eq!(end.wait(2, 0), [0, 100, 0, 0, 0]);
    assert_eq!(end.matrix, [((A, B), 2_500), ((B, A), 100)]);
    assert_eq!((end.sum(A, Kind::On), end.sum(B, Kind::On)), (4_100, 2_500));
}

#[test]
fn a_thread_woken_behind_its_own_group_waits_as_same() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.wake(2_000, 0, (2, A, 0));
    story.switch(2_700, 0, (1, A, 0), Sleep, (2, A, 0));
    let end = story.end(true);
    assert_eq!(end.wait(2, 0), [700, 0, 0, 0, 0]);
    assert!(end.matrix.is_empty(), "nobody else is to blame");
}

#[test]
fn ping_pong_inside_a_group_is_one_stretch_of_it() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.wake(1_500, 0, (9, B, 0));
    for turn in 0..4 {
        let (prev, next) = if turn % 2 == 0 { (1, 2) } else { (2, 1) };
        story.wake(1_600 + turn * 100, 0, (next, A, 0));
        story.switch(1_650 + turn * 100, 0, (prev, A, 0), Sleep, (next, A, 0));
    }
    story.switch(2_500, 0, (1, A, 0), Sleep, (9, B, 0));
    let end = story.end(true);
    assert_eq!(end.wait(9, 0), [0, 1_000, 0, 0, 0]);
    assert_eq!(end.sum(A, Kind::Same), 4 * 50);
    assert_eq!(end.count(A, Kind::On), 5);
}

#[test]
fn ping_pong_across_groups_blames_each_by_its_time() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.wake(1_100, 0, (3, C, 0));
    story.wake(1_200, 0, (2, B, 0));
    story.switch(1_300, 0, (1, A, 0), Sleep, (2, B, 0));
    story.wake(1_350, 0, (1, A, 0));
    story.switch(1_700, 0, (2, B, 0), Sleep, (1, A, 0));
    story.switch(2_000, 0, (1, A, 0), Sleep, (3, C, 0));
    let end = story.end(true);
    // Behind A from 1100 to 1300 and 1700 to 2000, behind B from 1300 to 1700.
    assert_eq!(end.wait(3, 0), [0, 900, 0, 0, 0]);
    assert_eq!(end.matrix, [((A, B), 350), ((B, A), 100), ((C, A), 500), ((C, B), 400)]);
    assert_eq!(end.sum(A, Kind::Sleep), 50);
}

#[test]
fn a_wakeup_on_an_idle_cpu_waits_for_the_cpu_to_come_out_of_idle() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, (1, A, 0), Sleep, IDLE);
    story.wake(9_000, 0, (1, A, 0));
    story.switch(9_040, 0, IDLE, Runnable, (1, A, 0));
    let end = story.end(true);
    assert_eq!(end.wait(1, 0), [0, 0, 40, 0, 0]);
    assert_eq!(end.sum(A, Kind::Sleep), 8_000);
}

#[test]
fn uninterruptible_sleep_is_counted_apart() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.switch(1_500, 0, (1, A, 0), Block, IDLE);
    story.wake(3_500, 0, (1, A, 0));
    story.switch(3_510, 0, IDLE, Runnable, (1, A, 0));
    story.switch(4_000, 0, (1, A, 0), Sleep, IDLE);
    story.wake(7_000, 0, (1, A, 0));
    story.switch(7_020, 0, IDLE, Runnable, (1, A, 0));
    let end = story.end(true);
    assert_eq!((end.sum(A, Kind::Block), end.sum(A, Kind::Sleep)), (2_000, 3_000));
    assert_eq!((end.sum(A, Kind::On), end.sum(A, Kind::Wait)), (500 + 490, 10 + 20));
}

/// Thread 1 runs until the quota is used up at 4000, thread 2 from the refill at 10000 until it is again at 13000,
/// and thread 1 once more from 20000.
#[test]
fn two_hogs_with_a_quota_wait_throttled_same_throttled() {
    let mut story = Story::new(Method::Clock);
    story.wake(1_000, 0, (1, A, 0));
    story.wake(1_000, 0, (2, A, 0));
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.switch(4_000, 0, (1, A, 0), Runnable, IDLE);
    story.switch(10_000, 0, IDLE, Runnable, (2, A, 6_000));
    story.switch(13_000, 0, (2, A, 6_000), Runnable, IDLE);
    story.switch(20_000, 0, IDLE, Runnable, (1, A, 13_000));
    let end = story.end(true);
    assert_eq!(end.wait(2, 0), [3_000, 0, 0, 6_000, 0], "[same][throttled]");
    assert_eq!(
        end.wait(1, 1),
        [3_000, 0, 0, 6_000 + 7_000, 0],
        "[throttled][same][throttled]"
    );
    assert_eq!(
        end.sum(A, Kind::Idle),
        0,
        "an idle CPU is no cause while the quota is used up"
    );
}

#[test]
fn time_after_the_refill_belongs_to_whoever_ran() {
    let mut story = Story::new(Method::Clock);
    story.wake(1_000, 0, (1, A, 0));
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.switch(4_000, 0, (1, A, 100), Runnable, (2, B, 0));
    story.switch(11_000, 0, (2, B, 0), Sleep, (1, A, 6_100));
    let end = story.end(true);
    // Throttled from 3900: 100 ns of it on the CPU, then 6000 of the wait; from 10000 on B was in the way.
    assert_eq!(end.wait(1, 1), [0, 1_000, 0, 6_000, 0]);
    assert_eq!(end.groups[A as usize].throttled_on_ns, 100);
    assert_eq!(end.matrix, [((A, B), 1_000)]);
}

#[test]
fn a_thread_woken_mid_throttle_is_throttled_from_its_wakeup_only() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.switch(4_000, 0, (1, A, 0), Runnable, IDLE);
    story.wake(8_000, 0, (2, A, 4_000));
    story.switch(10_000, 0, IDLE, Runnable, (1, A, 6_000));
    story.switch(10_300, 0, (1, A, 6_000), Sleep, (2, A, 6_000));
    let end = story.end(true);
    assert_eq!(end.wait(2, 0), [300, 0, 0, 2_000, 0]);
}

#[test]
fn several_throttle_periods_in_one_wait_add_up() {
    let mut story = Story::new(Method::Clock);
    story.wake(1_000, 0, (1, A, 0));
    story.wake(1_000, 0, (2, A, 0));
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    for period in 0..3 {
        let start = 2_000 + period * 1_000;
        let clock = period * 600;
        story.switch(start, 0, (1, A, clock), Runnable, (9, B, 0));
        story.switch(start + 700, 0, (9, B, 0), Sleep, (1, A, clock + 600));
        story.wake(start + 800, 0, (9, B, 0));
    }
    story.switch(5_000, 0, (1, A, 1_800), Sleep, (2, A, 1_800));
    let end = story.end(true);
    // 1000 + 3 * 300 behind thread 1; each gap of 700 has 600 of it throttled and 100 behind B.
    assert_eq!(end.wait(2, 0), [1_900, 300, 0, 1_800, 0]);
}

#[test]
fn a_migrated_wait_is_split_over_the_logs_of_both_cpus() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.switch(1_000, 1, IDLE, Runnable, (2, B, 0));
    story.wake(2_000, 0, (3, C, 0));
    story.migrate(2_500, 0, 1, (3, C, 0), 0);
    story.switch(2_800, 1, (2, B, 0), Sleep, IDLE);
    story.switch(2_810, 1, IDLE, Runnable, (3, C, 0));
    let end = story.end(true);
    assert_eq!(end.wait(3, 0), [0, 500 + 300, 10, 0, 0]);
    assert_eq!(end.matrix, [((C, A), 500), ((C, B), 300)]);
    assert_eq!((end.counters.migrated_waits, end.counters.moving_ns), (1, 0));
}

#[test]
fn a_wait_that_moves_twice_keeps_each_cpus_throttle_clock_apart() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, B, 0));
    story.switch(1_000, 1, IDLE, Runnable, (2, B, 0));
    story.wake(2_000, 0, (3, A, 50));
    story.migrate(3_000, 0, 1, (3, A, 450), 7_000);
    story.migrate(4_000, 1, 0, (3, A, 7_100), 450);
    story.switch(5_000, 0, (1, B, 0), Sleep, (3, A, 450));
    let end = story.end(true);
    // 400 throttled of the first 1000, 100 of the second, none of the third.
    assert_eq!(end.wait(3, 0), [0, 600 + 900 + 1_000, 0, 500, 0]);
    assert_eq!(end.waits[0].began_ns, 2_000);
}

#[test]
fn a_move_into_nowhere_still_ends_as_a_wait() {
    let mut lent = Lent::new(2, 16, 6, 64);
    let mut engine = lent.engine(Bounds::default());
    let mut waits = Vec::new();
    let switch = |prev, next, next_group| Event::Switch {
        cpu: 0,
        prev,
        leaving: Runnable,
        prev_arrived_ns: None,
        prev_clock_ns: 0,
        next,
        next_group,
        next_queued_ns: None,
        next_clock_ns: 0,
    };
    let migrate = Event::Migrate {
        from: 0,
        tid: 2,
        group: B,
        queued_ns: Some(2_000),
        from_clock_ns: 0,
        to_clock_ns: 0,
        limbo_waits: false,
    };
    engine.feed(1_000, &switch(0, 1, A), |_| {});
    engine.feed(3_000, &migrate, |_| {});
    engine.feed(3_500, &switch(1, 2, B), |wait| waits.push(*wait));
    assert_eq!(waits.len(), 1);
    assert_eq!(
        (waits[0].parts.other_ns, waits[0].began_ns, waits[0].moved),
        (1_000, 2_000, true)
    );
    assert_eq!(engine.groups()[B as usize].kind(Kind::Other).sum_ns(), 1_000);
    assert_eq!(engine.tally().moving_ns, 500);
}

#[test]
fn across_a_missed_switch_nobody_is_blamed() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.switch(2_000, 0, (1, A, 0), Sleep, (2, B, 0));
    story.wake(2_500, 0, (3, C, 0));
    // At some time B gave way to A, unseen.
    story.switch(4_000, 0, (1, A, 0), Sleep, (3, C, 0));
    let end = story.end(true);
    assert_eq!(end.wait(3, 0), [0, 0, 0, 0, 1_500]);
    assert_eq!((end.breaks, end.unknown_ns), (1, 2_000));
    assert_eq!(end.sum(A, Kind::On), 1_000, "the second spell's start is not known");
}

#[test]
fn after_a_missed_switch_the_kernels_word_on_prev_is_taken() {
    let mut story = Story::new(Method::Log);
    story.told(1_000, 0, IDLE, Runnable, (1, A, 0), (0, 900));
    story.told(2_000, 0, (1, A, 0), Sleep, (2, B, 0), (1_000, 1_900));
    // At 3200 B gave way to A, unseen, but the kernel says so.
    story.told(4_000, 0, (1, A, 0), Sleep, (3, C, 0), (3_200, 2_500));
    let end = story.end(true);
    assert_eq!(end.wait(3, 0), [0, 800, 0, 0, 700]);
    assert_eq!((end.breaks, end.unknown_ns), (1, 1_200));
    assert_eq!(end.sum(A, Kind::On), 1_000 + 800);
    assert_eq!(end.matrix, [((B, A), 100), ((C, A), 800)]);
}

#[test]
fn a_missed_switch_to_a_thread_never_seen_leaves_its_time_open() {
    let mut story = Story::new(Method::Log);
    story.told(1_000, 0, IDLE, Runnable, (1, A, 0), (0, 900));
    story.told(4_000, 0, (7, C, 0), Sleep, (2, B, 0), (3_000, 2_500));
    let end = story.end(true);
    // Nobody has looked up the group of thread 7: neither idle time nor anybody's.
    assert_eq!(end.wait(2, 0), [0, 0, 0, 0, 1_500]);
    assert_eq!(end.unknown_ns, 3_000);
    assert_eq!(end.sum(GROUP_REST, Kind::On), 0);
    assert!(end.matrix.is_empty(), "{GROUP_UNKNOWN} is never a culprit");
}

/// 2000 turns of B and C, 1000 ns each, while a thread of A waits for all of them.
fn starved(method: Method, throttled_ns: u64) -> Story {
    let mut story = Story::new(method);
    let stamp = |ns: u64| if method == Method::Log { ns } else { 0 };
    story.told(10_000, 0, IDLE, Runnable, (1, A, 0), (0, stamp(9_000)));
    story.told(11_000, 0, (1, A, 0), Runnable, (2, B, 0), (0, stamp(11_000)));
    for turn in 1..2_000 {
        let (prev, next) = if turn % 2 == 1 {
            ((2, B, 0), (3, C, 0))
        } else {
            ((3, C, 0), (2, B, 0))
        };
        let now_ns = 11_000 + turn * 1_000;
        story.told(now_ns, 0, prev, Runnable, next, (0, stamp(now_ns)));
    }
    story.told(2_011_000, 0, (3, C, 0), Sleep, (1, A, throttled_ns), (0, stamp(11_000)));
    story
}

#[test]
fn a_wait_longer_than_the_log_is_known_as_far_as_the_log_reaches() {
    let end = starved(Method::Log, 0).end(true);
    assert_eq!(end.wait(1, 1), [0, 1_024_000, 0, 0, 976_000]);
    assert_eq!(
        end.groups[A as usize].unattributed_ns,
        976_000 + 1_000,
        "and the first wait, from before the log"
    );
    let behind_a: u64 = end
        .matrix
        .iter()
        .filter(|((victim, _), _)| *victim == A)
        .map(|(_, ns)| ns)
        .sum();
    assert_eq!(behind_a, 1_024_000);
}

#[test]
fn with_run_clocks_a_wait_longer_than_the_log_is_known_but_for_who() {
    let end = starved(Method::Clock, 0).end(false);
    assert_eq!(end.wait(1, 0), [0, 2_000_000, 0, 0, 0]);
    let behind_a: u64 = end
        .matrix
        .iter()
        .filter(|((victim, _), _)| *victim == A)
        .map(|(_, ns)| ns)
        .sum();
    assert_eq!(behind_a, 1_024_000, "who is known as far as the log reaches");
}

#[test]
fn in_a_wait_longer_than_the_log_throttled_time_is_its_beginning() {
    for method in [Method::Log, Method::Clock] {
        let end = starved(method, 500_000).end(true);
        let n = usize::from(method == Method::Log);
        assert_eq!(end.wait(1, n), [0, 1_024_000, 0, 500_000, 476_000]);
    }
}

/// Own spells and throttled gaps in turns fill the whole log: the longest walk there can be.
#[test]
fn the_longest_walk_comes_to_its_end() {
    let mut story = Story::new(Method::Clock);
    story.switch(1_000, 0, IDLE, Runnable, (1, A, 0));
    story.wake(1_500, 0, (2, A, 0));
    for turn in 0..700 {
        let (now_ns, clock) = (2_000 + turn * 1_000, turn * 200);
        story.switch(now_ns, 0, (1, A, clock), Runnable, (9, B, 0));
        story.switch(now_ns + 400, 0, (9, B, 0), Runnable, (1, A, clock + 200));
    }
    story.switch(702_000, 0, (1, A, 140_000), Sleep, (2, A, 140_000));
    let end = story.end(true);
    // The log holds the last 512 gaps and spells, from 190000 on. The oldest gap began with the wait: of it the first
    // 189 * 200 are throttled, up to 190000 nobody knows, then B had the CPU.
    assert_eq!(
        end.wait(2, 0),
        [512 * 600, 511 * 200 + 400, 0, (189 + 511) * 200, 188_500 - 189 * 200]
    );
}

#[test]
fn before_the_first_switch_of_a_cpu_run_clocks_know_nothing() {
    let mut story = Story::new(Method::Clock);
    story.wake(1_000, 0, (1, A, 0));
    story.switch(3_000, 0, (5, B, 0), Sleep, (1, A, 0));
    story.wake(4_000, 1, (2, A, 0));
    story.migrate(5_000, 1, 0, (2, A, 0), 0);
    story.switch(5_500, 0, (1, A, 0), Sleep, (2, A, 0));
    let end = story.end(true);
    assert_eq!(end.wait(1, 0), [0, 0, 0, 0, 2_000]);
    assert_eq!(end.wait(2, 0), [500, 0, 0, 0, 1_000], "CPU 1 has not switched yet");
}

/// With the kernel's stamps: a switch-in, `run_delay` and `pcount` as the kernel has them before it.
fn arrival(now_ns: u64, prev: u32, next: u32, queued_ns: u64, delay_ns: u64, arrivals: u64) -> Switch {
    Switch {
        now_ns,
        cpu: 0,
        prev,
        leaving: Sleep,
        prev_stamped: false,
        prev_arrived_ns: 0,
        prev_clock_ns: 0,
        next,
        next_group: A,
        next_queued_ns: queued_ns,
        next_delay_ns: delay_ns,
        next_arrivals: arrivals,
        next_clock_ns: 0,
    }
}

#[test]
fn a_wait_no_event_told_of_shows_in_the_kernels_count() {
    let mut native = Story::new(Method::Log).native;
    native.switch(&arrival(1_000, 0, 1, 900, 0, 0));
    native.switch(&arrival(2_000, 1, 0, 0, 0, 0));
    // Unseen it waited twice more, 300 and 400 ns.
    native.switch(&arrival(9_000, 0, 1, 8_950, 100 + 700, 3));
    let stats = native.groups()[A as usize];
    assert_eq!((stats.missed_waits, stats.missed_ns), (2, 700));
    assert_eq!(stats.kind(Kind::Wait).sum_ns(), 100 + 50);
    let expected = Remembered {
        delay_ns: 850,
        arrivals: 4,
        counted_ns: 150,
        missed_ns: 700,
    };
    assert_eq!(native.remembered(1), Some(expected));
}

#[test]
fn a_wait_stamped_in_its_sleep_is_left_out_and_counted() {
    let mut native = Story::new(Method::Log).native;
    native.switch(&arrival(1_000, 0, 1, 900, 0, 0));
    native.switch(&arrival(2_000, 1, 0, 0, 0, 0));
    native.suspect(1);
    native.switch(&arrival(9_000, 0, 1, 3_000, 100, 1));
    let counters = native.counters();
    assert_eq!(
        (counters.suspect_waits, counters.suspect_ns, counters.missed_waits),
        (1, 6_000, 0)
    );
    assert_eq!(native.groups()[A as usize].kind(Kind::Wait).count(), 1);
}

#[test]
fn a_suspect_stamp_taken_to_another_cpu_does_not_become_a_wait() {
    let mut native = Story::new(Method::Log).native;
    native.switch(&arrival(1_000, 0, 1, 900, 0, 0));
    native.switch(&arrival(2_000, 1, 0, 0, 0, 0));
    native.suspect(1);
    // Stamped at 3000 in its sleep, queued for real at some time, moved at 5000: the kernel counts 2000.
    native.migrate(&Migrate {
        now_ns: 5_000,
        tid: 1,
        group: A,
        from: 1,
        to: 0,
        delay_ns: 2_100,
        arrivals: 1,
        from_clock_ns: 0,
        to_clock_ns: 0,
    });
    let wait = native.switch(&arrival(6_000, 0, 1, 5_100, 2_100, 1)).expect("a wait");
    assert_eq!((wait.began_ns, wait.moved, wait.parts.idle_ns), (5_100, false, 900));
    let expected = Remembered {
        delay_ns: 3_000,
        arrivals: 2,
        counted_ns: 1_000,
        missed_ns: 2_000,
    };
    assert_eq!(native.remembered(1), Some(expected));
    assert_eq!(native.counters().suspect_ns, 2_000);
}

#[test]
fn a_suspect_wait_takes_an_older_unfinished_one_with_it() {
    let mut native = Story::new(Method::Log).native;
    native.switch(&arrival(1_000, 0, 1, 900, 0, 0));
    native.switch(&arrival(2_000, 1, 0, 0, 0, 0));
    let migrate = Migrate {
        now_ns: 5_000,
        tid: 1,
        group: A,
        from: 1,
        to: 0,
        delay_ns: 1_100,
        arrivals: 1,
        from_clock_ns: 0,
        to_clock_ns: 0,
    };
    native.migrate(&migrate);
    // It got a CPU and left it, unseen, and was stamped in its sleep.
    native.suspect(1);
    assert_eq!(native.switch(&arrival(9_000, 0, 1, 8_000, 1_150, 2)), None);
    native.switch(&arrival(9_500, 1, 0, 0, 0, 0));
    let wait = native.switch(&arrival(9_900, 0, 1, 9_800, 2_150, 3)).expect("a wait");
    assert_eq!((wait.began_ns, wait.moved, wait.parts.total_ns()), (9_800, false, 100));
}

#[test]
fn a_wakeup_of_a_thread_preempted_on_its_way_to_sleep_does_not_hide_throttled_time() {
    for method in [Method::Log, Method::Clock] {
        let mut native = Story::new(method).native;
        native.switch(&arrival(1_000, 0, 1, 0, 0, 0));
        // Preempted with its state set already: queued, but not stamped by the kernel. The quota is used up.
        native.switch(&Switch {
            leaving: Runnable,
            ..arrival(2_000, 1, 0, 0, 0, 0)
        });
        native.wakeup(2_500, 0, 1, A, 500);
        let wait = native
            .switch(&Switch {
                next_clock_ns: 800,
                ..arrival(3_000, 0, 1, 0, 0, 0)
            })
            .expect("a wait");
        assert_eq!(
            (wait.queued_ns, wait.parts.throttled_ns, wait.parts.idle_ns),
            (2_000, 800, 200),
            "{method:?}"
        );
    }
}

#[test]
fn each_window_has_its_own_maxima() {
    let mut native = Story::new(Method::Log).native;
    native.switch(&arrival(1_000, 0, 1, 100, 0, 0));
    native.switch(&arrival(2_000, 1, 2, 1_950, 0, 0));
    assert_eq!(native.groups()[A as usize].kind(Kind::Wait).max_ns(), 900);
    native.open_window(1);
    native.switch(&arrival(3_000, 2, 3, 2_800, 0, 0));
    assert_eq!(native.groups()[A as usize].kind(Kind::Wait).max_ns(), 200);
    assert_eq!(native.last_maxima(A)[Kind::Wait as usize], 900);
    native.open_window(3);
    native.switch(&arrival(4_000, 3, 4, 3_970, 0, 0));
    assert_eq!(native.groups()[A as usize].kind(Kind::Wait).max_ns(), 30);
    assert_eq!(
        native.last_maxima(A)[Kind::Wait as usize],
        0,
        "nothing happened in window 2"
    );
    assert_eq!(
        native.groups()[A as usize].kind(Kind::Wait).sum_ns(),
        900 + 50 + 200 + 30
    );
}
