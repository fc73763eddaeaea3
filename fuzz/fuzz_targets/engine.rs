//! Any events at any times: the engine does not panic, and what it adds up agrees with the waits it tells of.
#![no_main]

use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::engine::{Cpu, Memory, Thread};
use ghostsched_core::latency::{Blame, Engine, Event, GroupStats, Kind, Leaving};
use libfuzzer_sys::fuzz_target;

const CPUS: usize = 2;
const GROUPS: usize = 6;

/// What, how long after the last (or at what time at all), three small numbers, four times.
type Input = (u8, u64, [u8; 3], [u64; 4]);

fn event(&(what, _, [a, b, c], [t, u, v, w]): &Input) -> Event {
    let number = |byte: u8| if byte == u8::MAX { u32::MAX } else { u32::from(byte % 8) };
    let maybe = |ns: u64| (ns % 4 != 0).then_some(ns);
    match what % 8 {
        0..=3 => Event::Switch {
            cpu: number(what >> 3),
            prev: number(a),
            leaving: [Leaving::Runnable, Leaving::Sleep, Leaving::Block][usize::from(what) % 3],
            prev_arrived_ns: maybe(t),
            prev_clock_ns: u,
            next: number(b),
            next_group: number(c),
            next_queued_ns: maybe(v),
            next_clock_ns: w,
        },
        4 | 5 => Event::Wakeup {
            cpu: number(a),
            tid: number(b),
            clock_ns: t,
        },
        6 => Event::Migrate {
            from: number(a),
            tid: number(b),
            group: number(c),
            queued_ns: maybe(t),
            from_clock_ns: u,
            to_clock_ns: v,
            limbo_waits: w % 2 == 0,
        },
        _ => Event::Exit { tid: number(a) },
    }
}

fuzz_target!(|input: Vec<Input>| {
    let mut cpus = vec![Cpu::default(); CPUS];
    let mut threads = vec![Thread::default(); 8];
    let mut groups = vec![GroupStats::default(); GROUPS];
    let mut matrix = vec![Blame::default(); 16];
    let memory = Memory {
        cpus: &mut cpus,
        threads: &mut threads,
        groups: &mut groups,
        matrix: &mut matrix,
    };
    let mut engine = Engine::new(Bounds::default(), memory);
    let mut waits = [(0u64, 0u64); GROUPS];
    let mut now_ns = 1u64;
    for one in &input {
        // Mostly onward.
        now_ns = if one.1 % 16 == 0 {
            one.1
        } else {
            now_ns.wrapping_add(one.1 % 5_000)
        };
        engine.feed(now_ns, &event(one), |wait| {
            let (count, sum_ns) = &mut waits[wait.group as usize];
            *count += 1;
            *sum_ns = sum_ns.wrapping_add(wait.parts.total_ns());
        });
    }
    for (stats, (count, sum_ns)) in engine.groups().iter().zip(waits) {
        for kind in [Kind::Wait, Kind::Same, Kind::Other, Kind::Idle, Kind::Throttled] {
            assert_eq!(stats.kind(kind).count(), count);
        }
        assert_eq!(stats.kind(Kind::Wait).sum_ns(), sum_ns);
        assert_eq!(stats.parts().total_ns(), sum_ns);
    }
    engine.in_progress(now_ns, |wait| assert_ne!(wait.tid, 0));
    engine.running_at(now_ns, |_, _| {});
});
