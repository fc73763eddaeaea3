//! Queues, transactions and status words in every interleaving of two or three threads, under the C11 memory model.
//!
//! `RUSTFLAGS="--cfg loom" cargo test --release --package ghostsched-core --test loom_shared`
//!
//! Who only reads is the spawned thread: loom runs the first thread first, and takes another order where a load comes after a
//! store, not the reverse.
#![cfg(loom)]

use ghostsched_core::abi::{Abi, Outcome};
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::transaction::{Lost, Owned};
use ghostsched_core::shared::{Consumer, KernelStatusWord, Queue, QueueError, Request, Transaction};
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

/// Takes a message if there is one; how many were lost if the queue says so.
fn take(consumer: &mut Consumer, seen: &mut Vec<u32>) -> u32 {
    match consumer.peek() {
        Ok(Some(lent)) => {
            let seqnum = lent.seqnum();
            assert_eq!(lent.read(Abi::V84), Ok(message(seqnum)), "torn");
            lent.consume();
            seen.push(seqnum);
            0
        }
        Ok(None) => 0,
        Err(QueueError::Overflow { lost }) => lost,
        Err(QueueError::Fault(fault)) => panic!("{fault}"),
    }
}

#[test]
fn what_is_consumed_is_what_was_produced_in_order() {
    loom::model(|| {
        let words = memory();
        let queue = Queue::format(&words, 4).unwrap();
        let agent = thread::spawn({
            let words = words.clone();
            move || {
                let mut consumer = Queue::new(&words).unwrap().consumer();
                let mut seen = Vec::new();
                let lost: u32 = (0..2).map(|_| take(&mut consumer, &mut seen)).sum();
                (seen, lost)
            }
        });
        let mut producer = queue.producer();
        let produced: Vec<u32> = (1..=3)
            .filter(|&seqnum| producer.produce_message(&message(seqnum), Abi::V84).is_ok())
            .collect();
        let (mut seen, lost) = agent.join().unwrap();
        let mut rest = queue.consumer();
        (0..3).for_each(|_| _ = take(&mut rest, &mut seen));
        assert_eq!(seen, produced, "each message once, in order");
        assert_eq!(
            queue.overflow() as usize,
            3 - produced.len(),
            "each dropped message is counted"
        );
        assert!(lost <= queue.overflow());
    });
}

#[test]
fn a_batch_is_whole_while_the_kernel_goes_on() {
    loom::model(|| {
        let words = memory();
        let queue = Queue::format(&words, 4).unwrap();
        let mut producer = queue.producer();
        producer.produce_message(&message(1), Abi::V84).unwrap();
        let agent = thread::spawn({
            let words = words.clone();
            move || {
                let mut expected = 1;
                let result = Queue::new(&words).unwrap().consumer().drain(|view| {
                    assert!(view.seqnum() >= expected);
                    assert_eq!(view.read(Abi::V84), Ok(message(view.seqnum())), "torn");
                    expected = view.seqnum() + 1;
                });
                assert!(expected > 1 || result == Err(QueueError::Overflow { lost: 1 }));
                expected
            }
        });
        for seqnum in 2..=3 {
            let _ = producer.produce_message(&message(seqnum), Abi::V84);
        }
        let next = agent.join().unwrap();
        queue.consumer().drain(|view| assert!(view.seqnum() >= next)).unwrap();
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
                if found.is_committed() {
                    assert_eq!(txn.commit_time_ns(), 5, "who loses against the end sees the end");
                }
                false
            }
        };
        let claimed = kernel.join().unwrap();
        assert!(aborted != claimed, "exactly one wins");
        assert_eq!(txn.state().is_committed(), claimed);
    });
}

#[test]
fn of_two_who_submit_one_wins_and_what_is_claimed_stays_claimed() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        let agent = |number| {
            let txn = txn.clone();
            thread::spawn(move || txn.submit(&Request::run(Gtid::from_raw(number), 1)).is_ok())
        };
        let (one, other) = (agent(1), agent(2));
        if let Ok(claimed) = txn.claim(3) {
            assert_eq!(
                txn.state(),
                TxnState::Claimed(3),
                "an agent has taken it from the kernel"
            );
            claimed.finish(Outcome::Complete, 1, 1);
        }
        let submitted = u32::from(one.join().unwrap()) + u32::from(other.join().unwrap());
        assert!(submitted >= 1, "somebody wins");
    });
}

#[test]
fn a_status_word_is_freed_once_and_taken_again_clean() {
    loom::model(|| {
        let word = Arc::new(KernelStatusWord::new());
        assert!(word.allocate());
        word.initialise(Gtid::from_raw(7), 9, 100, StatusFlags::CAN_FREE);
        let free = || {
            let word = word.clone();
            thread::spawn(move || {
                let freed = word.free();
                if word.allocate() {
                    word.initialise(Gtid::from_raw(8), 1, 5, StatusFlags::empty());
                    let seen = word.as_agent_sees();
                    assert_eq!(
                        (seen.gtid(), seen.runtime_ns(), seen.barrier()),
                        (Gtid::from_raw(8), 5, 1)
                    );
                }
                freed
            })
        };
        let (one, other) = (free(), free());
        assert!(one.join().unwrap() != other.join().unwrap(), "freed once");
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
                        assert!(seen == 1 || seen == 2, "the request of nobody");
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
fn who_sees_the_end_sees_when_it_was() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        let submitted_barrier = 7;
        let _ = txn.submit(&Request::run(Gtid::from_raw(7), submitted_barrier)).unwrap();
        let agent = thread::spawn({
            let txn = txn.clone();
            move || {
                if txn.state().is_committed() {
                    assert_eq!((txn.commit_time_ns(), txn.cpu_seqnum()), (5, 1));
                }
            }
        });
        txn.claim(0).unwrap().finish(Outcome::Complete, 5, 1);
        agent.join().unwrap();
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
        let queue = Queue::format(&words, 4).unwrap();
        let word = Arc::new(KernelStatusWord::new());
        word.initialise(Gtid::from_raw(7), 0, 0, StatusFlags::ON_CPU | StatusFlags::RUNNABLE);
        let agent = thread::spawn({
            let (words, word) = (words.clone(), word.clone());
            move || {
                let seen = word.as_agent_sees();
                if !seen.is_on_cpu() {
                    let mut consumer = Queue::new(&words).unwrap().consumer();
                    let lent = consumer.peek().unwrap().expect("the message that says why");
                    assert_eq!(lent.seqnum(), seen.barrier());
                }
            }
        });
        let seqnum = word.advance_barrier();
        queue.producer().produce_message(&message(seqnum), Abi::V84).unwrap();
        word.clear(StatusFlags::ON_CPU);
        agent.join().unwrap();
    });
}

#[test]
fn a_word_that_is_in_use_has_its_contents() {
    loom::model(|| {
        let word = Arc::new(KernelStatusWord::new());
        let agent = thread::spawn({
            let word = word.clone();
            move || {
                let seen = word.as_agent_sees();
                if seen.flags().contains(StatusFlags::IN_USE) {
                    assert_eq!((seen.gtid(), seen.runtime_ns()), (Gtid::from_raw(7), 100));
                }
            }
        });
        assert!(word.allocate());
        word.initialise(Gtid::from_raw(7), 3, 100, StatusFlags::RUNNABLE);
        agent.join().unwrap();
    });
}

#[test]
fn an_agent_that_sleeps_on_the_barrier_it_read_before_draining_misses_nothing() {
    loom::model(|| {
        let words = memory();
        let queue = Queue::format(&words, 4).unwrap();
        let word = Arc::new(KernelStatusWord::new());
        word.initialise(Gtid::from_raw(9), 0, 0, StatusFlags::IS_AGENT);
        let agent = thread::spawn({
            let (words, word) = (words.clone(), word.clone());
            move || {
                let before = word.as_agent_sees().barrier();
                let mut newest = 0;
                let mut consumer = Queue::new(&words).unwrap().consumer();
                consumer.drain(|view| newest = view.seqnum()).unwrap();
                assert!(newest >= before, "a message whose wake-up was seen could not be read");
                (before, newest)
            }
        });
        let mut producer = queue.producer();
        for seqnum in 1..=2 {
            producer.produce_message(&message(seqnum), Abi::V84).unwrap();
            word.advance_barrier(); // the wake-up that goes with the message
        }
        let (before, newest) = agent.join().unwrap();
        // RUN compares the barriers: equal, and the agent sleeps.
        let sleeps = word.as_agent_sees().barrier() == before;
        assert!(!sleeps || newest == 2, "it sleeps, and message 2 is in the queue");
    });
}

#[test]
fn who_sees_a_thread_on_its_cpu_sees_since_when() {
    loom::model(|| {
        let word = Arc::new(KernelStatusWord::new());
        word.initialise(Gtid::from_raw(7), 0, 0, StatusFlags::RUNNABLE);
        let agent = thread::spawn({
            let word = word.clone();
            move || {
                let seen = word.as_agent_sees();
                if seen.is_on_cpu() {
                    assert_eq!(seen.switch_time_ns(), 55);
                }
            }
        });
        word.switch_in(55);
        agent.join().unwrap();
    });
}

#[test]
fn who_sees_a_group_given_back_sees_its_end() {
    loom::model(|| {
        let txn = Arc::new(Transaction::new(1));
        txn.own(4).unwrap();
        let _ = txn.submit(&Request::run(Gtid::from_raw(7), 1)).unwrap();
        let agent = thread::spawn({
            let txn = txn.clone();
            move || {
                if txn.owner().is_none() {
                    assert!(txn.state().is_committed());
                }
            }
        });
        txn.claim(0).unwrap().finish(Outcome::Complete, 9, 1);
        txn.release_owner();
        agent.join().unwrap();
    });
}

#[test]
fn an_onlooker_sees_whole_messages_while_both_sides_go_on() {
    loom::model(|| {
        let words = memory();
        let queue = Queue::format(&words, 4).unwrap();
        let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
        producer.produce_message(&message(1), Abi::V84).unwrap();
        producer.produce_message(&message(2), Abi::V84).unwrap();
        let onlooker = thread::spawn({
            let words = words.clone();
            move || {
                let mut bytes = [0; 32];
                let image = Queue::new(&words).unwrap().image(&mut bytes).unwrap();
                for message_of_image in image.messages(Abi::V84) {
                    let seen = message_of_image.expect("a whole message");
                    assert_eq!(seen, message(seen.seqnum), "torn");
                }
            }
        });
        // One is consumed and its place written again.
        consumer.peek().unwrap().unwrap().consume();
        producer.produce_message(&message(3), Abi::V84).unwrap();
        onlooker.join().unwrap();
    });
}
