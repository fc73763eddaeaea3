//! What is measured: the same work as in `benches/peer/ghost_userspace.cc`.

use std::hint::black_box;
use std::time::Instant;

use ghostsched_core::abi::{Abi, MessageKind, Outcome};
use ghostsched_core::cpus::CpuSet;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::pnt;
use ghostsched_core::shared::{Consumer, Mapping, Queue, Request, Transaction};
use ghostsched_core::sync::{AtomicU32, AtomicU64, Ordering};
use ghostsched_core::tasks::{Task, TaskTable};
use ghostsched_core::wire::{CommitFlags, queue_bytes};

/// One figure.
pub struct Figure {
    /// Its name on the command line.
    pub name: &'static str,
    /// Its name for people.
    pub title: &'static str,
    /// The peer's figure of the same work.
    pub peer: &'static str,
    /// What its ratio to the peer's may be at most.
    pub bar: &'static str,
    /// How many operations `once(1)` does.
    pub operations: u64,
    /// ns an operation, the median of many repetitions.
    pub measure: fn() -> f64,
    /// The work so many times, untimed.
    pub once: fn(u64),
}

/// Slots of the queue: the most there can be.
const SLOTS: u32 = 65_536;
/// Messages of 5 slots from end to end.
const SWEEP: u32 = SLOTS / 5;
/// Messages that stay in the cache.
const HOT: u32 = 64;
/// Messages of a dispatch run.
const DISPATCH: u32 = 8_192;
/// Operations of a run where one is short.
const MANY: u64 = 100_000;

/// All figures.
pub const FIGURES: &[Figure] = &[
    Figure::new(
        "one_sweep",
        "queue, one by one, 512 KiB",
        "channel_sweep",
        "0.8",
        SWEEP as u64,
        || drain(SWEEP, 31, one_by_one),
        |n| drain_once(SWEEP, n, one_by_one),
    ),
    Figure::new(
        "one_hot",
        "queue, one by one, 64 messages",
        "channel_hot",
        "0.8",
        HOT as u64,
        || drain(HOT, 2001, one_by_one),
        |n| drain_once(HOT, n, one_by_one),
    ),
    Figure::new(
        "batch_sweep",
        "queue, in batches, 512 KiB",
        "channel_sweep",
        "0.5",
        SWEEP as u64,
        || drain(SWEEP, 31, batch),
        |n| drain_once(SWEEP, n, batch),
    ),
    Figure::new(
        "batch_hot",
        "queue, in batches, 64 messages",
        "channel_hot",
        "0.5",
        HOT as u64,
        || drain(HOT, 2001, batch),
        |n| drain_once(HOT, n, batch),
    ),
    Figure::new(
        "dispatch_16",
        "dispatch, 16 tasks",
        "dispatch_16",
        "0.5",
        DISPATCH as u64,
        dispatch::<32>,
        dispatch_once::<32>,
    ),
    Figure::new(
        "dispatch_1024",
        "dispatch, 1,024 tasks",
        "dispatch_1024",
        "0.5",
        DISPATCH as u64,
        dispatch::<2048>,
        dispatch_once::<2048>,
    ),
    Figure::new(
        "dispatch_16384",
        "dispatch, 16,384 tasks",
        "dispatch_16384",
        "0.5",
        DISPATCH as u64,
        dispatch::<32768>,
        dispatch_once::<32768>,
    ),
    Figure::new(
        "transaction",
        "transaction, submit and complete",
        "run_request",
        "0.8",
        MANY,
        || timed(MANY, 31, &mut || transaction(MANY)),
        |n| transaction(n * MANY),
    ),
    Figure::new(
        "pnt_ring",
        "PNT ring, push, pop, complete",
        "pnt_ring",
        "0.6",
        MANY,
        || timed(MANY, 31, &mut || pnt(MANY)),
        |n| pnt(n * MANY),
    ),
    Figure::new(
        "pnt_burst",
        "PNT ring, 32 pushed, then 32 popped",
        "pnt_burst",
        "0.6",
        MANY,
        || timed(MANY, 31, &mut || pnt_burst(MANY)),
        |n| pnt_burst(n * MANY),
    ),
    Figure::new(
        "parse_cpus",
        "CPU list, parse \"0-1\"",
        "parse_cpus",
        "0.1",
        MANY,
        || timed(MANY, 31, &mut || parse(MANY)),
        |n| parse(n * MANY),
    ),
    Figure::new(
        "iterate_112",
        "CPU set, iterate 112 CPUs",
        "iterate_112",
        "0.1",
        MANY,
        || timed(MANY, 31, &mut || iterate(MANY)),
        |n| iterate(n * MANY),
    ),
];

/// The median over `repetitions` of the time of `work`, in ns an operation.
fn timed(operations: u64, repetitions: usize, work: &mut dyn FnMut()) -> f64 {
    let mut ns: Vec<f64> = (0..repetitions)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64 / operations as f64
        })
        .collect();
    ns.sort_by(f64::total_cmp);
    ns[ns.len() / 2]
}

fn memory() -> Box<[AtomicU32]> {
    (0..queue_bytes(SLOTS) / 4).map(|_| AtomicU32::new(0)).collect()
}

/// A queue with `count` messages of TASK_WAKEUP, 40 bytes each, written from its start.
fn fill(words: &[AtomicU32], count: u32) {
    let queue = Queue::format(words, SLOTS).expect("a queue");
    let mut producer = queue.producer();
    let mut payload = [0; 32];
    for seqnum in 0..count {
        payload[..8].copy_from_slice(&(0x1000 + u64::from(seqnum)).to_le_bytes());
        producer
            .produce(MessageKind::TaskWakeup.number(), seqnum, &payload)
            .expect("room");
    }
}

fn one_by_one(consumer: &mut Consumer) -> u64 {
    let mut sum = 0;
    while let Ok(Some(lent)) = consumer.peek() {
        let gtid = lent.gtid().map_or(0, Gtid::bits);
        sum += u64::from(lent.number()) + u64::from(lent.seqnum()) + gtid;
        lent.consume();
    }
    sum
}

fn batch(consumer: &mut Consumer) -> u64 {
    let mut sum = 0;
    let _ = consumer.drain(|view| {
        let gtid = view.gtid().map_or(0, Gtid::bits);
        sum += u64::from(view.number()) + u64::from(view.seqnum()) + gtid;
    });
    sum
}

fn drain(count: u32, repetitions: usize, work: fn(&mut Consumer) -> u64) -> f64 {
    let words = memory();
    let mut ns: Vec<f64> = (0..repetitions)
        .map(|_| {
            fill(&words, count);
            let mut consumer = Queue::new(&words).expect("a queue").consumer();
            let start = Instant::now();
            black_box(work(black_box(&mut consumer)));
            start.elapsed().as_nanos() as f64 / f64::from(count)
        })
        .collect();
    ns.sort_by(f64::total_cmp);
    ns[ns.len() / 2]
}

fn drain_once(count: u32, times: u64, work: fn(&mut Consumer) -> u64) {
    let words = memory();
    fill(&words, count);
    for _ in 0..times {
        // The same messages again: only the tail goes back.
        words[17].store(0, Ordering::Relaxed);
        let mut consumer = Queue::new(&words).expect("a queue").consumer();
        black_box(work(black_box(&mut consumer)));
    }
}

/// What the least possible handler keeps of a task: its state, an `int` as the peer's. It counts beside.
type State = i32;
const RUNNABLE: State = 1;
const BLOCKED: State = 2;

/// Tasks in a table twice their number, about as full as the peer's, and the numbers of their messages.
struct Dispatch<const SLOTS: usize> {
    words: Box<[AtomicU32]>,
    tasks: TaskTable<State, Box<[Task<State>]>>,
    seqnums: Vec<u32>,
    handled: u64,
    random: u64,
}

impl<const SLOTS: usize> Dispatch<SLOTS> {
    const TASKS: u64 = SLOTS as u64 / 2;

    fn gtid(index: u64) -> u64 {
        (1000 + index) << 22 | (index + 1)
    }

    fn new() -> Self {
        let slots: Box<[Task<State>]> = vec![Task::default(); SLOTS].into_boxed_slice();
        let mut tasks = TaskTable::new(slots).expect("a power of two");
        for index in 0..Self::TASKS {
            tasks.insert(Gtid::from_bits(Self::gtid(index)), 1, 0).expect("room");
        }
        Self {
            words: memory(),
            tasks,
            seqnums: vec![1; Self::TASKS as usize],
            handled: 0,
            random: 88_172_645_463_325_252,
        }
    }

    fn fill(&mut self) {
        let mut producer = Queue::format(&self.words, self::SLOTS).expect("a queue").producer();
        let mut payload = [0; 32];
        for message in 0..DISPATCH {
            self.random ^= self.random << 13;
            self.random ^= self.random >> 7;
            self.random ^= self.random << 17;
            let index = self.random % Self::TASKS;
            self.seqnums[index as usize] += 1;
            payload[..8].copy_from_slice(&Self::gtid(index).to_le_bytes());
            let kind = if message % 2 == 1 {
                MessageKind::TaskBlocked
            } else {
                MessageKind::TaskWakeup
            };
            producer
                .produce(kind.number(), self.seqnums[index as usize], &payload)
                .expect("room");
        }
    }

    fn run(&mut self) {
        let mut consumer = Queue::new(&self.words).expect("a queue").consumer();
        let (tasks, handled) = (&mut self.tasks, &mut self.handled);
        let drained = consumer.drain(|view| {
            let Some(task) = view.gtid().and_then(|gtid| tasks.apply(gtid, view.seqnum()).ok()) else {
                return;
            };
            match Abi::V69.kind(view.number()) {
                Some(MessageKind::TaskWakeup | MessageKind::TaskPreempt | MessageKind::TaskYield) => {
                    task.state = RUNNABLE
                }
                Some(MessageKind::TaskBlocked) => task.state = BLOCKED,
                _ => {}
            }
            *handled += 1;
        });
        assert_eq!(drained, Ok(DISPATCH as usize));
    }
}

fn dispatch<const SLOTS: usize>() -> f64 {
    let mut dispatch = Dispatch::<SLOTS>::new();
    let mut ns: Vec<f64> = (0..41)
        .map(|_| {
            dispatch.fill();
            let start = Instant::now();
            dispatch.run();
            start.elapsed().as_nanos() as f64 / f64::from(DISPATCH)
        })
        .collect();
    ns.sort_by(f64::total_cmp);
    assert_eq!(
        dispatch.handled,
        41 * u64::from(DISPATCH),
        "each message reached its task"
    );
    ns[ns.len() / 2]
}

fn dispatch_once<const SLOTS: usize>(times: u64) {
    let mut dispatch = Dispatch::<SLOTS>::new();
    dispatch.fill();
    for _ in 0..times {
        // The same messages again: not fresh any more, which costs no less to find out.
        dispatch.words[17].store(0, Ordering::Relaxed);
        dispatch.run();
    }
}

/// A CPU's page, aligned as one.
#[repr(align(4096))]
struct Page([AtomicU64; 512]);

fn transaction(times: u64) {
    let page = Page(std::array::from_fn(|_| AtomicU64::new(0)));
    let memory = Mapping::over(&page.0);
    let (txn, words) = (
        memory.view::<Transaction>(0, 1).expect("aligned"),
        memory.words().expect("aligned"),
    );
    txn[0].format(0);
    // The kernel's answer is one store, as in the peer's measurement.
    let (txn, state) = (black_box(&txn[0]), black_box(&words[2]));
    let mut committed = 0_u64;
    for index in 0..times {
        let request = Request::run(Gtid::from_raw(100 + index as i64), index as u32)
            .with_agent_barrier(index as u32)
            .with_commit_flags(CommitFlags::AT_TXN_COMMIT);
        let Ok(submitted) = txn.submit(&request) else {
            continue;
        };
        state.store(Outcome::Complete.number() as u32, Ordering::Release);
        committed += u64::from(submitted.reap().is_some_and(|state| state.is_committed()));
    }
    assert_eq!(black_box(committed), times);
}

fn parse(times: u64) {
    for _ in 0..times {
        black_box(CpuSet::parse_list(black_box("0-1")).expect("a list"));
    }
}

fn iterate(times: u64) {
    let set = CpuSet::full(112);
    for _ in 0..times {
        let mut sum = 0;
        for cpu in black_box(&set) {
            sum += u64::from(cpu);
        }
        assert_eq!(black_box(sum), 6216);
    }
}

fn pnt(times: u64) {
    let ring = pnt::Ring::new(pnt::Kind::Single);
    let ring = black_box(&ring);
    let mut sum = 0;
    for index in 0..times {
        pushed(ring, index);
        sum += popped(ring);
    }
    assert_eq!(black_box(sum), times * (times + 1) / 2);
}

fn pnt_burst(times: u64) {
    let ring = pnt::Ring::new(pnt::Kind::Single);
    let ring = black_box(&ring);
    let mut sum = 0;
    for start in (0..times).step_by(BURST) {
        (0..BURST as u64).for_each(|index| pushed(ring, start + index));
        (0..BURST).for_each(|_| sum += popped(ring));
    }
    assert_eq!(black_box(sum), times * (times + 1) / 2);
}

/// Tasks of a burst; half of a ring.
const BURST: usize = 32;

#[inline(always)]
fn pushed(ring: &pnt::Ring, index: u64) {
    let task = pnt::Task {
        gtid: Gtid::from_bits(index + 1),
        data: 0,
        time_ns: 0,
        barrier: 0,
        run_flags: 0,
    };
    let _ = ring.push(&task);
}

/// What a popper reads: the gtid and the barrier.
#[inline(always)]
fn popped(ring: &pnt::Ring) -> u64 {
    let Some(claim) = ring.pop(1) else { return 0 };
    let read = claim.gtid().bits() + u64::from(claim.task().barrier);
    claim.complete();
    read
}
