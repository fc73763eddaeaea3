//! One history through the specification and twice through the C: told of every wait, and on its short way.

use std::collections::BTreeMap;

use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::engine::{Cpu, Engine, Event, Memory, Tally, Thread, Wait};
use ghostsched_core::latency::{Blame, GroupStats, Parts};
use ghostsched_native::{Method, Migrate, Native, Options, Switch};

use super::history::{History, Step, Stretch, TrueWait};

/// What a history is driven with.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub method: Method,
    /// Wakeups tell the throttle clock with [`Method::Log`].
    pub watching: bool,
    pub bounds: Bounds,
    pub cpus: u32,
    /// Group indices; beyond them is the remainder.
    pub groups: u32,
    pub threads: u32,
}

/// What the specification makes of events.
#[derive(Debug)]
pub struct Specified {
    pub waits: Vec<Wait>,
    pub groups: Vec<GroupStats>,
    pub matrix: BTreeMap<(u32, u32), u64>,
    pub tally: Tally,
}

/// The memory of an engine, owned.
pub struct Lent {
    cpus: Vec<Cpu>,
    threads: Vec<Thread>,
    groups: Vec<GroupStats>,
    matrix: Vec<Blame>,
}

impl Lent {
    pub fn new(cpus: u32, threads: usize, groups: u32, cells: usize) -> Self {
        Self {
            cpus: vec![Cpu::default(); cpus as usize],
            threads: vec![Thread::default(); threads],
            groups: vec![GroupStats::default(); groups as usize],
            matrix: vec![Blame::default(); cells],
        }
    }

    pub fn engine(&mut self, bounds: Bounds) -> Engine<'_> {
        let memory = Memory {
            cpus: &mut self.cpus,
            threads: &mut self.threads,
            groups: &mut self.groups,
            matrix: &mut self.matrix,
        };
        Engine::new(bounds, memory)
    }
}

/// Both sides of one history.
#[derive(Debug)]
pub struct Both {
    /// What the engine was fed.
    pub events: Vec<(u64, Event)>,
    pub engine: Specified,
    /// The waits of the C, and its state when told of every wait.
    pub waits: Vec<Wait>,
    pub native: Native,
    /// The same without telling.
    pub quick: Native,
}

fn said(ns: u64) -> Option<u64> {
    (ns != 0).then_some(ns)
}

/// Drives everything over a history.
pub fn drive(history: &History, how: How) -> Both {
    let options = Options {
        bounds: how.bounds,
        cpus: how.cpus,
        groups: how.groups,
        threads: how.threads + 1,
        method: how.method,
        watching: how.watching,
        recording: true,
    };
    let mut native = Native::new(options);
    let mut quick = Native::new(Options {
        recording: false,
        ..options
    });
    let mut lent = Lent::new(how.cpus, 4 * (how.threads as usize + 1), how.groups, 512);
    let mut engine = lent.engine(how.bounds);
    let (mut events, mut expected, mut waits) = (Vec::new(), Vec::new(), Vec::new());
    let stamps = how.method == Method::Log;
    for step in &history.steps {
        let mut feed = |now_ns: u64, event: Event| {
            events.push((now_ns, event));
            engine.feed(now_ns, &event, |wait| expected.push(*wait));
        };
        match *step {
            Step::Switch {
                now_ns,
                cpu,
                prev,
                leaving,
                stamped,
                dead,
                next,
                ..
            } => {
                let Step::Switch {
                    arrived_ns,
                    prev_clock_ns,
                    next_group,
                    queued_ns,
                    ..
                } = *step
                else {
                    continue;
                };
                let Step::Switch {
                    delay_ns,
                    arrivals,
                    next_clock_ns,
                    ..
                } = *step
                else {
                    continue;
                };
                let stamp = |ns: u64| if stamps { ns } else { 0 };
                let switch = Switch {
                    now_ns,
                    cpu,
                    prev,
                    leaving,
                    prev_stamped: stamped,
                    prev_arrived_ns: stamp(arrived_ns),
                    prev_clock_ns,
                    next,
                    next_group: native.fold(next_group),
                    next_queued_ns: stamp(queued_ns),
                    next_delay_ns: stamp(delay_ns),
                    next_arrivals: stamp(arrivals),
                    next_clock_ns,
                };
                waits.extend(native.switch(&switch));
                quick.switch(&switch);
                feed(
                    now_ns,
                    Event::Switch {
                        cpu,
                        prev,
                        leaving,
                        prev_arrived_ns: said(stamp(arrived_ns)),
                        prev_clock_ns,
                        next,
                        next_group,
                        next_queued_ns: said(stamp(queued_ns)),
                        next_clock_ns,
                    },
                );
                if dead {
                    native.exit(prev);
                    quick.exit(prev);
                    feed(now_ns, Event::Exit { tid: prev });
                }
            }
            Step::Wakeup {
                now_ns,
                cpu,
                tid,
                group,
                clock_ns,
            } => {
                if stamps && !how.watching {
                    continue;
                }
                let folded = native.fold(group);
                native.wakeup(now_ns, cpu, tid, folded, clock_ns);
                quick.wakeup(now_ns, cpu, tid, folded, clock_ns);
                feed(now_ns, Event::Wakeup { cpu, tid, clock_ns });
            }
            Step::Migrate {
                now_ns,
                from,
                to,
                tid,
                group,
                queued_ns,
                ..
            } => {
                let Step::Migrate {
                    delay_ns,
                    arrivals,
                    from_clock_ns,
                    to_clock_ns,
                    ..
                } = *step
                else {
                    continue;
                };
                // The kernel's count has waits in it that no event told of: how much is this one cannot be known.
                let open = stamps && native.remembered(tid).is_some_and(|known| known.arrivals != arrivals);
                let group_index = native.fold(group);
                let (delay_ns, arrivals) = if stamps { (delay_ns, arrivals) } else { (0, 0) };
                let group_of = group_index;
                let migrate = Migrate {
                    now_ns,
                    tid,
                    group: group_of,
                    from,
                    to,
                    delay_ns,
                    arrivals,
                    from_clock_ns,
                    to_clock_ns,
                };
                native.migrate(&migrate);
                quick.migrate(&migrate);
                if open {
                    continue;
                }
                let queued_ns = if stamps { said(queued_ns) } else { None };
                let limbo_waits = queued_ns.is_none();
                feed(
                    now_ns,
                    Event::Migrate {
                        from,
                        tid,
                        group,
                        queued_ns,
                        from_clock_ns,
                        to_clock_ns,
                        limbo_waits,
                    },
                );
            }
        }
    }
    let groups = engine.groups().to_vec();
    let matrix = engine
        .matrix()
        .pairs()
        .map(|pair| ((pair.victim, pair.by), pair.ns))
        .collect();
    assert_eq!(engine.matrix().overflow_ns(), 0);
    let engine = Specified {
        waits: expected,
        groups,
        matrix,
        tally: *engine.tally(),
    };
    Both {
        events,
        engine,
        waits,
        native,
        quick,
    }
}

/// The parts of a wait as they really were, from who really had the CPUs and when the throttle clock really went.
pub fn truth(history: &History, wait: &TrueWait, method: Method) -> Parts {
    let mut parts = Parts::default();
    let own = |stretch: &Stretch| match method {
        Method::Log => (stretch.queued_ns, stretch.end_ns),
        Method::Clock => (stretch.sent_ns, stretch.end_ns),
    };
    for stretch in &wait.stretches {
        let (start, end) = own(stretch);
        let cpu = stretch.cpu as usize;
        let runners = &history.runners[cpu];
        for (index, &(from, _, group)) in runners.iter().enumerate() {
            let until = runners.get(index + 1).map_or(u64::MAX, |next| next.0);
            let (from, until) = (from.max(start), until.min(end));
            if from >= until {
                continue;
            }
            let throttled_ns: u64 = history.throttled[cpu][wait.group as usize]
                .iter()
                .map(|&(a, b)| b.min(until).saturating_sub(a.max(from)))
                .sum();
            if group == wait.group {
                parts.same_ns += until - from;
            } else {
                parts.throttled_ns += throttled_ns;
                *if group == 0 {
                    &mut parts.idle_ns
                } else {
                    &mut parts.other_ns
                } += until - from - throttled_ns;
            }
        }
    }
    parts
}
