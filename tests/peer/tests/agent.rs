//! A global FIFO agent over the core runs the peer's workload to its end, in every ABI; and the peer refuses as kernels do.

use std::collections::VecDeque;

use ghostsched_core::abi::{Abi, Outcome};
use ghostsched_core::cpus::CpuSet;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::transaction::{CpuPage, Request};
use ghostsched_core::shared::{Consumer, StatusWords};
use ghostsched_core::tasks::{Task, TaskTable};
use ghostsched_core::wire::{CommitFlags, Payload, RunFlags, StatusFlags, StatusWordInfo, TxnState};
use ghostsched_peer::{Caller, Errno, Peer, State};

const CPUS: u32 = 4;

/// What the agent keeps of a task.
#[derive(Clone, Copy, Default)]
struct Known {
    word: u32,
    is_queued: bool,
    on: Option<u32>, // the CPU it was committed to
}

type Tasks<'a> = TaskTable<Known, &'a mut [Task<Known>]>;

struct Fifo<'m, 't> {
    abi: Abi,
    queue: Consumer<'m>,
    words: StatusWords<'m>,
    pages: &'m [CpuPage],
    tasks: Tasks<'t>,
    waiting: VecDeque<Gtid>,
    finished: u64,
}

impl Fifo<'_, '_> {
    /// Applies all messages; returns the status words that can be freed.
    fn drain(&mut self) -> Vec<u32> {
        let mut free = Vec::new();
        while let Some(lent) = self.queue.peek().expect("a queue large enough") {
            let message = lent.read(self.abi).expect("a message of this ABI");
            let seqnum = message.seqnum;
            if let Payload::TaskNew(new) = message.payload {
                let known = Known {
                    word: new.status_word.index,
                    ..Known::default()
                };
                self.tasks
                    .insert(new.gtid, seqnum, known)
                    .expect("a table large enough");
                if new.is_runnable {
                    enqueue(&mut self.tasks, &mut self.waiting, new.gtid);
                }
            } else if let Some(gtid) = message.gtid() {
                let task = self.tasks.apply(gtid, seqnum).expect("messages in order");
                match message.payload {
                    Payload::TaskWakeup(_) => enqueue(&mut self.tasks, &mut self.waiting, gtid),
                    Payload::TaskYield(_) | Payload::TaskPreempt(_) => {
                        task.state.on = None;
                        enqueue(&mut self.tasks, &mut self.waiting, gtid);
                    }
                    Payload::TaskBlocked(_) => task.state.on = None,
                    Payload::TaskDead(_) | Payload::TaskDeparted(_) => {
                        free.push(task.state.word);
                        self.tasks.remove(gtid);
                        self.waiting.retain(|waiting| *waiting != gtid);
                        self.finished += 1;
                    }
                    _ => {}
                }
            }
            lent.consume();
        }
        free
    }

    /// Opens and submits the next task on each CPU that is free; the CPUs to commit.
    fn pick(&mut self) -> CpuSet {
        let busy: CpuSet = self.tasks.iter().filter_map(|task| task.state.on).collect();
        let mut cpus = CpuSet::empty();
        for cpu in 1..CPUS {
            if busy.contains(cpu) {
                continue;
            }
            let Some(gtid) = self.waiting.pop_front() else {
                break;
            };
            let task = self.tasks.get_mut(gtid).expect("who waits is known");
            task.state.is_queued = false;
            let word = self.words.get(task.state.word).expect("a word that is mapped");
            assert!(!word.is_on_cpu() && word.is_runnable());
            let request = Request::run(gtid, task.seqnum()).with_commit_flags(CommitFlags::AT_TXN_COMMIT);
            self.pages[cpu as usize]
                .transaction()
                .submit(&request)
                .expect("it ended");
            cpus.insert(cpu);
        }
        cpus
    }

    /// Looks at how each ended.
    fn reap(&mut self, cpus: &CpuSet) {
        for cpu in cpus {
            let txn = self.pages[cpu as usize].transaction();
            let gtid = txn.snapshot().gtid;
            match txn.state() {
                TxnState::Ended(Outcome::Complete) => {
                    self.tasks.get_mut(gtid).expect("known").state.on = Some(cpu);
                }
                TxnState::Ended(_) => enqueue(&mut self.tasks, &mut self.waiting, gtid),
                state => panic!("{state}"),
            }
        }
    }
}

fn enqueue(tasks: &mut Tasks, waiting: &mut VecDeque<Gtid>, gtid: Gtid) {
    let task = tasks.get_mut(gtid).expect("known");
    if !std::mem::replace(&mut task.state.is_queued, true) {
        waiting.push_back(gtid);
    }
}

fn fifo_runs_everything(abi: Abi, seed: u64) {
    let mut peer = Peer::new(abi, CPUS, 4096, seed).unwrap();
    for cpu in 0..CPUS {
        peer.add_agent(cpu, 0).unwrap();
        if cpu > 0 {
            peer.run(Gtid::NULL, cpu, 0).unwrap();
        }
    }
    let (queue, words, cpu_data) = (
        peer.queue_memory(0).unwrap(),
        peer.status_word_memory(),
        peer.cpu_data_memory(),
    );
    let mut slots = vec![Task::default(); 256];
    let mut agent = Fifo {
        abi,
        queue: queue.mapping().queue().unwrap().consumer(),
        words: words.mapping().read_only().status_words().unwrap(),
        pages: cpu_data.mapping().cpu_pages().unwrap(),
        tasks: TaskTable::new(&mut slots[..]).unwrap(),
        waiting: VecDeque::new(),
        finished: 0,
    };
    peer.spawn_workload(100, 20).unwrap();
    for _ in 0..20_000 {
        for word in agent.drain() {
            peer.sw_free(StatusWordInfo { region: 0, index: word }).unwrap();
        }
        let cpus = agent.pick();
        peer.commit(&cpus, Caller::Agent(0));
        agent.reap(&cpus);
        peer.audit().unwrap();
        if peer.step() == 0 {
            break;
        }
        peer.audit().unwrap();
    }
    agent.drain();
    let counts = peer.counts();
    assert_eq!(
        (counts.spawned, counts.dead, counts.lost, peer.alive()),
        (100, 100, 0, 0),
        "{abi}"
    );
    assert_eq!(agent.finished, 100);
    assert_eq!(
        counts.failed, 0,
        "an agent that drains before it decides has no stale commit"
    );
    assert!(counts.complete >= 100 && agent.tasks.is_empty());
    assert_eq!(queue.mapping().queue().unwrap().overflow(), 0);
}

#[test]
fn a_global_fifo_runs_every_task_to_its_end_in_every_abi() {
    for abi in Abi::ALL {
        for seed in 1..6 {
            fifo_runs_everything(abi, seed);
        }
    }
}

/// A peer with an agent on each of two CPUs, that of CPU 1 asleep, and a runnable thread.
fn two_cpus(abi: Abi) -> (Peer, Gtid) {
    let mut peer = Peer::new(abi, 2, 64, 1).unwrap();
    peer.add_agent(0, 0).unwrap();
    peer.add_agent(1, 0).unwrap();
    peer.run(Gtid::NULL, 1, 0).unwrap();
    let gtid = peer.spawn(Gtid::NULL, true, None).unwrap();
    (peer, gtid)
}

/// Commits one transaction of CPU 1 from CPU 0; how it ended.
fn commit(peer: &mut Peer, request: Request) -> Outcome {
    let memory = peer.cpu_data_memory();
    let txn = memory.mapping().cpu_pages().unwrap()[1].transaction();
    let request = request.with_commit_flags(request.commit_flags | CommitFlags::AT_TXN_COMMIT);
    txn.submit(&request).unwrap();
    peer.commit(&CpuSet::full(2), Caller::Agent(0));
    peer.audit().unwrap();
    let TxnState::Ended(outcome) = txn.wait(0).unwrap() else {
        panic!("an end that is not known");
    };
    outcome
}

#[test]
fn each_mistake_ends_as_the_abi_says() {
    for abi in Abi::ALL {
        let (mut peer, gtid) = two_cpus(abi);
        let run = Request::run(gtid, 1);
        let mut end = |request| commit(&mut peer, request);
        assert_eq!(end(Request::run(gtid, 9)), Outcome::TargetStale);
        assert_eq!(end(Request::run(Gtid::from_raw(77), 1)), Outcome::TargetNotFound);
        assert_eq!(end(Request::run(Gtid::from_raw(-9), 1)), Outcome::InvalidTarget);
        assert_eq!(
            end(run.with_run_flags(RunFlags::from_bits_retain(0x8))),
            Outcome::InvalidFlags
        );
        assert_eq!(
            end(run.with_commit_flags(CommitFlags::AT_SCHEDULE)),
            Outcome::InvalidFlags
        );
        assert_eq!(end(run), Outcome::Complete);
        assert_eq!(end(run), Outcome::TargetOnCpu);
        assert_eq!(
            end(run.with_commit_flags(CommitFlags::ALLOW_TASK_ON_CPU)),
            Outcome::Complete
        );
        peer.set_higher_class(1, true).unwrap();
        assert_eq!(commit(&mut peer, Request::run(gtid, 2)), Outcome::CpuUnavailable);
        peer.set_higher_class(1, false).unwrap();
        peer.set_online(1, false).unwrap();
        assert_eq!(commit(&mut peer, Request::run(gtid, 2)), Outcome::CpuOffline);
        peer.set_online(1, true).unwrap();
        peer.remove_agent(1).unwrap();
        assert_eq!(commit(&mut peer, Request::run(gtid, 2)), Outcome::NoAgent);
    }
}

#[test]
fn a_departed_thread_is_stale_until_its_word_is_freed_and_then_ends_as_the_abi_says() {
    for abi in Abi::ALL {
        let (mut peer, gtid) = two_cpus(abi);
        assert_eq!(commit(&mut peer, Request::run(gtid, 1)), Outcome::Complete);
        peer.depart(gtid).unwrap();
        assert_eq!(commit(&mut peer, Request::run(gtid, 2)), Outcome::TargetStale);
        let words = peer.status_word_memory();
        let words = words.mapping().read_only().status_words().unwrap();
        let (index, word) = words.in_use().find(|(_, word)| word.gtid() == gtid).unwrap();
        assert!(
            word.flags()
                .contains(StatusFlags::CAN_FREE | StatusFlags::MESSAGES_GATED)
                && !word.is_on_cpu()
        );
        peer.sw_free(StatusWordInfo { region: 0, index }).unwrap();
        let gone = if abi == Abi::V69 {
            Outcome::InvalidTarget
        } else {
            Outcome::TargetStale
        };
        assert_eq!(commit(&mut peer, Request::run(gtid, 2)), gone);
        assert_eq!(peer.state(gtid), Some(State::Departed));
    }
}

#[test]
fn a_sync_group_is_committed_whole_or_not_at_all() {
    for abi in Abi::ALL {
        let (mut peer, first) = two_cpus(abi);
        let second = peer.spawn(Gtid::NULL, true, None).unwrap();
        peer.run(Gtid::NULL, 0, 0).unwrap();
        let memory = peer.cpu_data_memory();
        let pages = memory.mapping().cpu_pages().unwrap();
        let submit = |cpu: usize, gtid, barrier| {
            let txn = pages[cpu].transaction();
            txn.own(0).unwrap();
            let request = Request::run(gtid, barrier).with_commit_flags(CommitFlags::ELIDE_AGENT_BARRIER_INC);
            txn.submit(&request).unwrap();
        };
        submit(0, first, 1);
        submit(1, second, 7);
        assert!(!peer.sync_group(&CpuSet::full(2), Caller::Agent(1)));
        peer.audit().unwrap();
        assert_eq!((peer.running(0), peer.running(1)), (None, None));
        let taken_back = if abi == Abi::V69 {
            Outcome::Poisoned
        } else {
            Outcome::Complete
        };
        assert_eq!(pages[0].transaction().wait(0), Ok(TxnState::Ended(taken_back)));
        assert_eq!(
            pages[1].transaction().wait(0),
            Ok(TxnState::Ended(Outcome::TargetStale))
        );
        for page in pages {
            page.transaction().disown(0).unwrap();
        }
        submit(0, first, 1);
        submit(1, second, 1);
        assert!(peer.sync_group(&CpuSet::full(2), Caller::Agent(1)));
        peer.audit().unwrap();
        assert_eq!((peer.running(0), peer.running(1)), (Some(first), Some(second)));
        assert!(pages.iter().all(|page| page.transaction().owner().is_none()));
    }
}

#[test]
fn a_full_queue_loses_messages_and_moves_barriers_all_the_same() {
    let mut peer = Peer::new(Abi::V91, 1, 8, 1).unwrap();
    let first = peer.spawn(Gtid::NULL, true, None).unwrap();
    let second = peer.spawn(Gtid::NULL, true, None).unwrap();
    assert_eq!((peer.counts().messages, peer.counts().lost), (1, 1));
    let words = peer.status_word_memory();
    let words = words.mapping().read_only().status_words().unwrap();
    assert!(words.in_use().all(|(_, word)| word.barrier() == 1));
    peer.exit(first).unwrap();
    assert_eq!(
        words.in_use().count(),
        1,
        "the kernel freed the word of a death nobody was told"
    );
    assert_eq!(peer.state(second), Some(State::Runnable));
    peer.audit().unwrap();
}

#[test]
fn ioctls_refuse_as_kernels_do() {
    let (mut peer, gtid) = two_cpus(Abi::V91);
    assert_eq!(peer.run(Gtid::NULL, 0, 77), Err(Errno(116)));
    assert_eq!(peer.run(gtid, 0, 0), Err(Errno(22)));
    assert_eq!(peer.add_agent(0, 0).unwrap_err(), Errno(16));
    assert_eq!(peer.add_agent(9, 0).unwrap_err(), Errno(19));
    assert_eq!(peer.assoc_queue(0, gtid, 5), Err(Errno(116)));
    assert_eq!(peer.assoc_queue(0, gtid, 1), Ok(1));
    assert_eq!(peer.sw_free(StatusWordInfo { region: 0, index: 0 }), Err(Errno(22)));
    assert_eq!(peer.sw_free(StatusWordInfo { region: 1, index: 0 }), Err(Errno(2)));
    assert_eq!(peer.block(gtid), Err(Errno(22)));
}

#[test]
fn a_local_commit_puts_the_agent_to_sleep_and_a_message_wakes_it() {
    let (mut peer, gtid) = two_cpus(Abi::V91);
    peer.config_wakeup(0, &[0]).unwrap();
    let barrier = |peer: &Peer| {
        let words = peer.status_word_memory();
        let words = words.mapping().read_only().status_words().unwrap();
        words.get(peer.agent_word(0).unwrap().index).unwrap().barrier()
    };
    let memory = peer.cpu_data_memory();
    let txn = memory.mapping().cpu_pages().unwrap()[0].transaction();
    let request = Request::run(gtid, 1).with_commit_flags(CommitFlags::AT_TXN_COMMIT);
    txn.submit(&request.with_agent_barrier(barrier(&peer) + 1)).unwrap();
    peer.commit(&CpuSet::full(1), Caller::Agent(0));
    assert_eq!(txn.wait(0), Ok(TxnState::Ended(Outcome::AgentStale)));
    txn.submit(&request.with_agent_barrier(barrier(&peer))).unwrap();
    peer.commit(&CpuSet::full(1), Caller::Agent(0));
    assert_eq!(
        (txn.wait(0), peer.running(0)),
        (Ok(TxnState::Ended(Outcome::Complete)), Some(gtid))
    );
    let before = barrier(&peer);
    peer.block(gtid).unwrap();
    assert!(barrier(&peer) != before, "the message woke the agent");
    peer.audit().unwrap();
}

/// The barrier of a CPU's agent.
fn barrier(peer: &Peer, cpu: u32) -> u32 {
    let words = peer.status_word_memory();
    let words = words.mapping().read_only().status_words().unwrap();
    words.get(peer.agent_word(cpu).unwrap().index).unwrap().barrier()
}

#[test]
fn what_happens_to_a_cpu_wakes_the_target_of_its_agents_queue() {
    let mut peer = Peer::new(Abi::V91, 3, 64, 1).unwrap();
    for cpu in 0..3 {
        peer.add_agent(cpu, 0).unwrap();
    }
    peer.config_wakeup(0, &[2]).unwrap();
    peer.deliver_ticks(true);
    let mut woken = |happen: &mut dyn FnMut(&mut Peer)| {
        let before = barrier(&peer, 2);
        happen(&mut peer);
        peer.audit().unwrap();
        barrier(&peer, 2) != before
    };
    assert!(woken(&mut |peer| peer.tick(1).unwrap()));
    assert!(woken(&mut |peer| peer.expire_timer(1, 7, 9).unwrap()));
    assert!(!woken(&mut |peer| peer.set_higher_class(1, true).unwrap()));
    assert!(!woken(&mut |peer| peer.set_higher_class(1, false).unwrap()));
    let idle = Request::run(Gtid::IDLE, 0).with_run_flags(RunFlags::NEED_CPU_NOT_IDLE);
    assert!(!woken(&mut |peer| {
        peer.run(Gtid::NULL, 1, barrier(peer, 1)).unwrap();
        assert_eq!(commit(peer, idle), Outcome::Complete);
    }));
    assert!(woken(&mut |peer| peer.leave_idle(1, Gtid::from_raw(5)).unwrap()));
    assert!(
        !woken(&mut |peer| peer.leave_idle(1, Gtid::from_raw(5)).unwrap()),
        "it did not idle any more"
    );
    let memory = peer.queue_memory(0).unwrap();
    let mut queue = memory.mapping().queue().unwrap().consumer();
    let mut kinds = Vec::new();
    queue
        .drain(|view| kinds.push(view.read(Abi::V91).unwrap().kind().unwrap().name()))
        .unwrap();
    let expected = [
        "CPU_TICK",
        "CPU_TIMER_EXPIRED",
        "CPU_BUSY",
        "CPU_AVAILABLE",
        "CPU_NOT_IDLE",
    ];
    assert_eq!(kinds, expected);
}

#[test]
fn a_tick_wakes_an_agent_that_sleeps_on_its_cpu() {
    let (mut peer, gtid) = two_cpus(Abi::V91);
    peer.config_wakeup(0, &[0, 1]).unwrap();
    peer.deliver_ticks(true);
    assert_eq!(commit(&mut peer, Request::run(gtid, 1)), Outcome::Complete);
    assert_eq!(peer.running(1), Some(gtid));
    let before = (barrier(&peer, 0), barrier(&peer, 1));
    peer.tick(1).unwrap();
    assert_eq!(barrier(&peer, 0), before.0);
    assert_eq!(
        barrier(&peer, 1),
        before.1 + 2,
        "one for the message, one for the wake-up"
    );
}

#[test]
fn a_poisoned_member_of_a_sync_group_moves_its_agents_barrier_if_it_asked() {
    for abi in Abi::ALL {
        for asks in [false, true] {
            let (mut peer, first) = two_cpus(abi);
            let second = peer.spawn(Gtid::NULL, true, None).unwrap();
            let memory = peer.cpu_data_memory();
            let pages = memory.mapping().cpu_pages().unwrap();
            let flags = if asks {
                CommitFlags::INC_AGENT_BARRIER_ON_FAILURE
            } else {
                CommitFlags::empty()
            };
            let submit = |cpu: usize, gtid, barrier| {
                let request = Request::run(gtid, barrier).with_commit_flags(flags);
                pages[cpu].transaction().submit(&request).unwrap();
            };
            // The caller's own CPU comes last: that of CPU 1 fails, that of CPU 0 is poisoned.
            submit(1, second, 7);
            submit(0, first, 1);
            let before = (barrier(&peer, 0), barrier(&peer, 1));
            assert!(!peer.sync_group(&CpuSet::full(2), Caller::Agent(0)));
            peer.audit().unwrap();
            assert_eq!(pages[0].transaction().wait(0), Ok(TxnState::Ended(Outcome::Poisoned)));
            let moved = u32::from(asks);
            assert_eq!(
                (barrier(&peer, 0), barrier(&peer, 1)),
                (before.0 + moved, before.1 + moved),
                "{abi}"
            );
        }
    }
}

#[test]
fn a_failure_that_moves_the_barrier_of_no_agent_is_a_kernel_oops() {
    let flags = CommitFlags::INC_AGENT_BARRIER_ON_FAILURE;
    for abi in Abi::ALL {
        let (mut peer, gtid) = two_cpus(abi);
        peer.remove_agent(1).unwrap();
        let memory = peer.cpu_data_memory();
        let txn = memory.mapping().cpu_pages().unwrap()[1].transaction();
        let request = Request::run(gtid, 1).with_commit_flags(CommitFlags::AT_TXN_COMMIT);
        txn.submit(&request).unwrap();
        peer.commit(&CpuSet::full(2), Caller::Agent(0));
        peer.audit().expect("a failure that asks for nothing harms nobody");
        txn.submit(&request.with_commit_flags(flags | CommitFlags::AT_TXN_COMMIT))
            .unwrap();
        peer.commit(&CpuSet::full(2), Caller::Agent(0));
        assert!(peer.audit().unwrap_err().contains("oops"), "{abi}");

        // The same for a member that is poisoned because another failed before it.
        let (mut peer, gtid) = two_cpus(abi);
        peer.remove_agent(1).unwrap();
        let memory = peer.cpu_data_memory();
        let pages = memory.mapping().cpu_pages().unwrap();
        pages[0].transaction().submit(&Request::run(gtid, 9)).unwrap();
        pages[1]
            .transaction()
            .submit(&Request::run(gtid, 1).with_commit_flags(flags))
            .unwrap();
        assert!(!peer.sync_group(&CpuSet::full(2), Caller::Thread));
        assert!(peer.audit().unwrap_err().contains("oops"), "{abi}");
    }
}
