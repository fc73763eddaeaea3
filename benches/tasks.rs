//! The task table: a message of a random task finds its state, as in a dispatch loop. `cargo bench --bench tasks`;
//! the peer's whole loop: `benches/peer/run.sh`.

use std::collections::HashMap;

use divan::Bencher;
use divan::counter::ItemsCount;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::tasks::{Task, TaskTable};

fn main() {
    divan::main();
}

/// As many as in the peer's benchmark.
const MESSAGES: usize = 8192;
const TASKS: [usize; 3] = [16, 1_024, 16_384];

/// What an agent may keep of a task.
#[derive(Clone, Copy, Default)]
struct State {
    runnable: bool,
    cpu: u32,
    runtime_ns: u64,
}

/// Gtids as the kernel makes them: a growing number below a pid that grows too.
fn gtids(count: usize) -> Vec<Gtid> {
    (1..=count as u64)
        .map(|task| Gtid::from_bits((task + 500) << 41 | (1_000 + task)))
        .collect()
}

/// Messages of random tasks, other ones each time: a CPU learns to predict the branches of an order that comes again,
/// which makes a search look twice as fast as it is in a dispatch loop.
fn messages(gtids: &[Gtid]) -> impl FnMut() -> Vec<Gtid> {
    let mut x = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = move || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        gtids[(x % gtids.len() as u64) as usize]
    };
    move || (0..MESSAGES).map(|_| next()).collect()
}

fn table(gtids: &[Gtid]) -> TaskTable<State, Vec<Task<State>>> {
    let slots = vec![Task::default(); 2 * gtids.len()];
    let mut table = TaskTable::new(slots).expect("a power of two");
    for gtid in gtids {
        table.insert(*gtid, 0, State::default()).expect("room");
    }
    table
}

/// Lookup, sequence number check and a change of the state.
#[divan::bench(args = TASKS)]
fn apply(bencher: Bencher<'_, '_>, tasks: usize) {
    let gtids = gtids(tasks);
    let mut table = table(&gtids);
    let mut seqnum = 0;
    let bencher = bencher.counter(ItemsCount::new(MESSAGES)).with_inputs(messages(&gtids));
    bencher.bench_local_refs(|messages| {
        for gtid in messages {
            seqnum += 1;
            if let Ok(task) = table.apply(*gtid, seqnum) {
                task.state.runnable = seqnum % 2 == 0;
                task.state.cpu = seqnum;
                task.state.runtime_ns += 1;
            }
        }
    });
}

#[divan::bench(args = TASKS)]
fn get(bencher: Bencher<'_, '_>, tasks: usize) {
    let gtids = gtids(tasks);
    let table = table(&gtids);
    let bencher = bencher.counter(ItemsCount::new(MESSAGES)).with_inputs(messages(&gtids));
    bencher.bench_local_refs(|messages| {
        let found = messages.iter().filter_map(|gtid| table.get(*gtid));
        found.fold(0, |sum, task| sum ^ task.state.cpu)
    });
}

#[divan::bench(args = TASKS)]
fn get_std_hash_map(bencher: Bencher<'_, '_>, tasks: usize) {
    let gtids = gtids(tasks);
    let table: HashMap<Gtid, State> = gtids.iter().map(|gtid| (*gtid, State::default())).collect();
    let bencher = bencher.counter(ItemsCount::new(MESSAGES)).with_inputs(messages(&gtids));
    bencher.bench_local_refs(|messages| {
        let found = messages.iter().filter_map(|gtid| table.get(gtid));
        found.fold(0, |sum, state| sum ^ state.cpu)
    });
}

/// A task ends and a new one comes.
#[divan::bench(args = TASKS)]
fn remove_insert(bencher: Bencher<'_, '_>, tasks: usize) {
    let gtids = gtids(tasks);
    let mut table = table(&gtids);
    let bencher = bencher.counter(ItemsCount::new(MESSAGES)).with_inputs(messages(&gtids));
    bencher.bench_local_refs(|messages| {
        for gtid in messages {
            if let Some(state) = table.remove(*gtid) {
                _ = divan::black_box(table.insert(*gtid, 0, state));
            }
        }
    });
}
