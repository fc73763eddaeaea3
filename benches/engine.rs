//! The accounting engine replays events: at least 10 million a second on one core. `cargo bench --bench engine`.

use divan::Bencher;
use divan::counter::ItemsCount;
use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::engine::{Cpu, Engine, Event, Leaving, Memory, Thread};
use ghostsched_core::latency::matrix::Blame;
use ghostsched_core::latency::{FIRST_GROUP, GROUP_IDLE, GroupStats};

fn main() {
    divan::main();
}

const CPUS: usize = 4;
const EVENTS: usize = 100_000;
/// The most threads queued on a CPU: a wait costs the more the more groups ran during it.
const QUEUED: usize = 6;

/// A machine that never existed: `threads` threads of `groups` groups that run, sleep, wake and queue on four CPUs.
struct Trace {
    threads: usize,
    groups: usize,
    events: Vec<(u64, Event)>,
}

impl Trace {
    fn new(threads: usize, groups: usize) -> Self {
        let mut machine = Machine::new(threads, groups);
        let events = (0..EVENTS).map(|_| machine.step()).collect();
        Self {
            threads,
            groups,
            events,
        }
    }
}

/// What may happen next.
struct Machine {
    random: u64,
    now_ns: u64,
    groups: usize,
    running: [u32; CPUS],
    queued: [Vec<u32>; CPUS],
    asleep: Vec<u32>,
}

impl Machine {
    fn new(threads: usize, groups: usize) -> Self {
        Self {
            random: 0x2545_f491_4f6c_dd1d,
            now_ns: 1_000_000,
            groups,
            running: [0; CPUS],
            queued: Default::default(),
            asleep: (1..=threads as u32).collect(),
        }
    }

    fn below(&mut self, end: usize) -> usize {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random % end as u64) as usize
    }

    fn group_of(&self, tid: u32) -> u32 {
        if tid == 0 {
            GROUP_IDLE
        } else {
            FIRST_GROUP + tid % self.groups as u32
        }
    }

    /// One event: a wakeup, or a switch on some CPU. Two of five events are wakeups, as in a recorded trace.
    fn step(&mut self) -> (u64, Event) {
        self.now_ns += 200 + self.below(20_000) as u64;
        let cpu = self.below(CPUS);
        let nothing_to_switch_to = self.queued[cpu].is_empty() && self.running[cpu] == 0;
        let crowded = self.queued[cpu].len() >= QUEUED;
        if !self.asleep.is_empty() && !crowded && (nothing_to_switch_to || self.below(5) < 2) {
            let index = self.below(self.asleep.len());
            let tid = self.asleep.swap_remove(index);
            self.queued[cpu].push(tid);
            return (
                self.now_ns,
                Event::Wakeup {
                    cpu: cpu as u32,
                    tid,
                    clock_ns: 0,
                },
            );
        }
        let prev = self.running[cpu];
        let next = match self.queued[cpu].len() {
            0 => 0,
            _ => self.queued[cpu].remove(0),
        };
        let leaving = if prev == 0 || self.below(3) == 0 {
            Leaving::Runnable
        } else {
            Leaving::Sleep
        };
        if prev != 0 {
            match leaving {
                Leaving::Runnable => self.queued[cpu].push(prev),
                _ => self.asleep.push(prev),
            }
        }
        self.running[cpu] = next;
        let event = Event::Switch {
            cpu: cpu as u32,
            prev,
            leaving,
            prev_arrived_ns: None,
            prev_clock_ns: 0,
            next,
            next_group: self.group_of(next),
            next_queued_ns: None,
            next_clock_ns: 0,
        };
        (self.now_ns, event)
    }
}

/// `(threads, groups)`: a small machine, a machine full of containers.
#[divan::bench(args = [(32, 4), (2_000, 500)])]
fn replay(bencher: Bencher<'_, '_>, (threads, groups): (usize, usize)) {
    let trace = Trace::new(threads, groups);
    let mut cpus = vec![Cpu::default(); CPUS];
    let mut table = vec![Thread::default(); (2 * trace.threads).next_power_of_two()];
    let mut stats = vec![GroupStats::default(); FIRST_GROUP as usize + trace.groups];
    let mut pairs = vec![Blame::default(); (4 * trace.threads * trace.groups).next_power_of_two().min(1 << 18)];
    let memory = Memory {
        cpus: &mut cpus,
        threads: &mut table,
        groups: &mut stats,
        matrix: &mut pairs,
    };
    let mut engine = Engine::new(Bounds::default(), memory);
    let length_ns = trace.events.last().map_or(0, |last| last.0);
    let mut base_ns = 0;
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        for (now_ns, event) in &trace.events {
            engine.feed(base_ns + *now_ns, event, |wait| _ = divan::black_box(wait));
        }
        base_ns += length_ns; // again and again; who runs at the seam is four missed switches
        engine.tally().switches
    });
}
