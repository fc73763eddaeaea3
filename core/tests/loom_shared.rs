//! Queues, transactions and status words in every interleaving of two or three threads, under the C11 memory model.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --package ghostsched-core --test loom_shared`
#![cfg(loom)]

use ghostsched_core::abi::{Abi, Outcome};
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::transaction::{Lost, Owned};
use ghostsched_core::shared::{KernelStatusWord, Queue, QueueError, Request, Transaction, View};
use ghostsched_core::sync::AtomicU32;
use ghostsched_core::wire::{Message, Payload, RunFlags, StatusFlags, TxnState, task};
use loom::sync::Arc;
use loom::thread;

/// The memory of a queue of 4 slots: room for two of the shortest messages, so that it fills up and wraps.
fn memory() -> Arc<Vec<AtomicU32>> {
    Arc::new((0..19 + 2 * 4).map(|_| AtomicU32::new(0)).collect())
}

fn message(seqnum: u32) -> Message<'static> {
    Message {
        seqnum,
        payload: Payload::TaskAffinityChanged(task::AffinityChanged {
            // Both halves depend on the number, so that a torn read shows.
            gtid: Gtid::from_bits(u64::from(seqnum) << 32 | u64::from(seqnum) + 1),
        }),
    }
}

#[test]
fn what_is_consumed_is_what_was_produced_in_order() {
    loom::model(|| {
        let words = memory();
        Queue::format(&words, 4).unwrap();
        let kernel = thread::spawn({
            let words = words.clone();
            move || {
                let mut producer = Queue::new(&words).unwrap().producer();
                (1..=3)
                    .map(|seqnum| producer.produce_message(&message(seqnum), Abi::V84).is_ok())
                    .collect::<Vec<_>>()
            }
        });
        let mut consumer = Queue::new(&words).unwrap().consumer();
        let (mut seen, mut lost) = (Vec::new(), 0);
        let mut take = |seen: &mut Vec<u32>| match consumer.peek() {
            Ok(Some(lent)) => {
                let seqnum = lent.seqnum();
                assert_eq!(lent.read(Abi::V84), Ok(message(seqnum)), "torn");
                lent.consume();
                seen.push(seqnum);
            }
            Ok(None) => {}
            Err(QueueError::Overflow { lost: more }) => lost += more,
            Err(QueueError::Fault(fault)) => panic!("{fault}"),
        };
        take(&mut seen);
        take(&mut seen);
        let produced = kernel.join().unwrap();
        (0..5).for_each(|_| take(&mut seen));
        let expected: Vec<u32> = (1..=3).filter(|&seqnum| produced[seqnum as usize - 1]).collect();
        assert_eq!(seen, expected, "each message once, in order");
        assert_eq!(lost as usize, 3 - expected.len(), "each dropped message is counted");
    });
}

#[test]
fn a_batch_is_whole_while_the_kernel_goes_on() {
    loom::model(|| {
        let words = memory();
        let queue = Queue::format(&words, 4).unwrap();
        queue.producer().produce_message(&message(1), Abi::V84).unwrap();
        let kernel = thread::spawn({
            let words = words.clone();
            move || {
                let mut producer = Queue::new(&words).unwrap().producer();
                (2..=3)
                    .filter(|&seqnum| producer.produce_message(&message(seqnum), Abi::V84).is_ok())
                    .count()
            }
        });
        let mut consumer = Queue::new(&words).unwrap().consumer();
        let mut expected = 1;
        let mut each = |view: View<'_>| {
            assert!(view.seqnum() >= expected);
            assert_eq!(view.read(Abi::V84), Ok(message(view.seqnum())), "torn");
            expected = view.seqnum() + 1;
        };
        let mut count = consumer.drain(&mut each).unwrap_or(0);
        let produced = kernel.join().unwrap();
        for _ in 0..2 {
            count += consumer.drain(&mut each).unwrap_or(0);
        }
        assert!(count == produced + 1 || queue.overflow() > 0);
        assert_eq!(queue.used(), 0);
    });
}

#[test]
fn abort_and_claim_exclude_each_other() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        let request = Request::run(Gtid::from_raw(7), 11).with_run_flags(RunFlags::SEND_TASK_ON_CPU);
        let _ = txn.submit(&request).unwrap();
        let kernel = thread::spawn({
            let txn = txn.clone();
            move || match txn.claim(0) {
                Ok(claimed) => {
                    assert_eq!(claimed.request(), request);
                    claimed.finish(Outcome::Complete, 5, 1);
                    true
                }
                Err(Lost { found }) => {
                    assert_eq!(found, TxnState::Ended(Outcome::Aborted));
                    false
                }
            }
        });
        let aborted = match txn.abort() {
            Ok(()) => true,
            Err(Lost { found }) => {
                assert!(found == TxnState::Claimed(0) || found == TxnState::Ended(Outcome::Complete));
                false
            }
        };
        let claimed = kernel.join().unwrap();
        assert!(aborted != claimed, "exactly one wins");
        assert_eq!(txn.state().is_committed(), claimed);
    });
}

#[test]
fn two_cpus_cannot_claim_one_transaction() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        let _ = txn.submit(&Request::run(Gtid::from_raw(7), 11)).unwrap();
        let claim = |cpu| {
            let txn = txn.clone();
            thread::spawn(move || {
                txn.claim(cpu)
                    .map(|claimed| claimed.finish(Outcome::Complete, 5, 1))
                    .is_ok()
            })
        };
        let (one, other) = (claim(0), claim(2));
        assert!(one.join().unwrap() != other.join().unwrap());
    });
}

#[test]
fn who_reaps_sees_the_end_and_who_claims_sees_the_request() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        let kernel = thread::spawn({
            let txn = txn.clone();
            move || {
                for _ in 0..2 {
                    if let Ok(claimed) = txn.claim(3) {
                        let seen = claimed.request().task_barrier;
                        assert!(seen == 1 || seen == 2);
                        claimed.finish(Outcome::Complete, i64::from(seen), u64::from(seen));
                    }
                }
            }
        });
        for barrier in 1..=2 {
            let Ok(submitted) = txn.submit(&Request::run(Gtid::from_raw(7), barrier)) else {
                break; // still the kernel's
            };
            if let Some(state) = submitted.reap() {
                assert!(state.is_committed());
                assert_eq!(
                    txn.commit_time_ns(),
                    i64::from(barrier),
                    "the end of another submission"
                );
                assert_eq!(txn.cpu_seqnum(), u64::from(barrier));
            }
        }
        kernel.join().unwrap();
    });
}

#[test]
fn a_sync_group_has_one_owner_at_a_time() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        let agent = |cpu: u32| {
            let txn = txn.clone();
            thread::spawn(move || match txn.own(cpu) {
                Ok(()) => {
                    let _ = txn.open(&Request::run(Gtid::from_raw(i64::from(cpu)), cpu)).unwrap();
                    // Nobody else has edited it meanwhile.
                    let seen = txn.snapshot();
                    assert_eq!((seen.gtid, seen.task_barrier), (Gtid::from_raw(i64::from(cpu)), cpu));
                    assert_eq!(txn.owner(), Some(cpu));
                    txn.disown(cpu).unwrap();
                    true
                }
                Err(Owned { owner }) => {
                    assert_eq!(owner, if cpu == 4 { 5 } else { 4 });
                    false
                }
            })
        };
        let (one, other) = (agent(4), agent(5));
        let (one, other) = (one.join().unwrap(), other.join().unwrap());
        assert!(one || other);
        assert_eq!(txn.owner(), None);
    });
}

#[test]
fn a_group_that_is_taken_over_is_seen_as_its_last_owner_left_it() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        txn.own(4).unwrap();
        let kernel = thread::spawn({
            let txn = txn.clone();
            move || {
                // The kernel's side of a successful group: commit, then give the transaction back.
                if let Ok(claimed) = txn.claim(0) {
                    claimed.finish(Outcome::Complete, 9, 1);
                    txn.release_owner();
                    return true;
                }
                false
            }
        });
        let _ = txn.submit(&Request::run(Gtid::from_raw(7), 1)).unwrap();
        if txn.own(5).is_ok() {
            assert!(txn.state().is_committed(), "the new owner sees the old group's end");
            assert_eq!(txn.commit_time_ns(), 9);
            let _ = txn.open(&Request::unschedule()).expect("it is his to edit");
        }
        if !kernel.join().unwrap() {
            assert_eq!(txn.owner(), Some(4));
            txn.abort().unwrap();
            txn.disown(4).unwrap();
        }
    });
}

#[test]
fn a_thread_that_is_seen_off_its_cpu_has_told_why() {
    loom::model(|| {
        let words = memory();
        Queue::format(&words, 4).unwrap();
        let word = Arc::new(KernelStatusWord::new());
        word.initialise(Gtid::from_raw(7), 0, 0, StatusFlags::ON_CPU | StatusFlags::RUNNABLE);
        let kernel = thread::spawn({
            let (words, word) = (words.clone(), word.clone());
            move || {
                let seqnum = word.advance_barrier();
                Queue::new(&words)
                    .unwrap()
                    .producer()
                    .produce_message(&message(seqnum), Abi::V84)
                    .unwrap();
                word.clear(StatusFlags::ON_CPU);
            }
        });
        let seen = word.as_agent_sees();
        if !seen.is_on_cpu() {
            let mut consumer = Queue::new(&words).unwrap().consumer();
            let lent = consumer.peek().unwrap().expect("the message that says why");
            assert_eq!(lent.seqnum(), seen.barrier());
        }
        kernel.join().unwrap();
    });
}

#[test]
fn an_agent_that_sleeps_on_the_barrier_it_read_before_draining_misses_nothing() {
    loom::model(|| {
        let words = memory();
        Queue::format(&words, 4).unwrap();
        let agent = Arc::new(KernelStatusWord::new());
        agent.initialise(Gtid::from_raw(9), 0, 0, StatusFlags::IS_AGENT);
        let kernel = thread::spawn({
            let (words, agent) = (words.clone(), agent.clone());
            move || {
                let mut producer = Queue::new(&words).unwrap().producer();
                for seqnum in 1..=2 {
                    producer.produce_message(&message(seqnum), Abi::V84).unwrap();
                    agent.advance_barrier(); // the wake-up that goes with the message
                }
            }
        });
        let before = agent.as_agent_sees().barrier();
        let mut newest = 0;
        let mut consumer = Queue::new(&words).unwrap().consumer();
        consumer.drain(|view| newest = view.seqnum()).unwrap();
        assert!(newest >= before, "a message whose wake-up was seen could be read");
        kernel.join().unwrap();
        // RUN compares the barriers: equal, and the agent sleeps.
        let sleeps = agent.as_agent_sees().barrier() == before;
        assert!(!sleeps || newest == 2, "it sleeps, and message 2 is in the queue");
    });
}
