//! A queue whose two sides do anything in any order, while anything is written to its memory: what was produced comes out once
//! and in order as long as the memory is left alone, and after that everything still ends, within the memory.
#![no_main]

use std::collections::VecDeque;

use ghostsched_core::abi::Abi;
use ghostsched_core::shared::{Queue, QueueError};
use ghostsched_core::sync::{AtomicU32, Ordering};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
enum Operation {
    Produce { number: u16, payload: Vec<u8> },
    Consume,
    Peek,
    Batch { read: u8, consume: bool },
    Drain,
    Write { word: u16, value: u32 },
    MoveHead(u32),
    Resync,
}

fuzz_target!(|input: (u8, u8, u32, Vec<Operation>)| {
    let (abi, order, start, operations) = input;
    let abi = Abi::ALL[usize::from(abi) % Abi::ALL.len()];
    let slots = 1_u32 << (order % 8);
    let words: Vec<AtomicU32> = (0..19 + 2 * slots).map(|_| AtomicU32::new(0)).collect();
    let queue = Queue::format(&words, slots).expect("a queue");
    words[16].store(start, Ordering::Relaxed);
    words[17].store(start, Ordering::Relaxed);
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    let mut model = VecDeque::new();
    let (mut intact, mut seqnum) = (true, 0_u32);

    for operation in operations {
        match operation {
            Operation::Produce { number, payload } => {
                seqnum += 1;
                // A type of 0 is filler, which the consumer steps over.
                if producer.produce(number.max(1), seqnum, &payload).is_ok() {
                    model.push_back(seqnum);
                }
            }
            Operation::Consume | Operation::Peek => match consumer.peek() {
                Ok(Some(lent)) => {
                    let _ = lent.read(abi).map(|message| message.to_string());
                    assert!(!intact || model.front() == Some(&lent.seqnum()));
                    if matches!(operation, Operation::Consume) {
                        lent.consume();
                        model.pop_front();
                    }
                }
                Ok(None) => assert!(!intact || model.is_empty()),
                Err(QueueError::Overflow { .. }) => {}
                Err(QueueError::Fault(fault)) => assert!(!intact, "{fault}"),
            },
            Operation::Batch { read, consume } => {
                let mut batch = consumer.batch();
                let mut count = 0;
                while count < usize::from(read) {
                    match batch.next() {
                        Ok(Some(view)) => {
                            assert!(!intact || model.get(count) == Some(&view.seqnum()));
                            let _ = view.read(abi);
                            count += 1;
                        }
                        Ok(None) | Err(_) => break,
                    }
                }
                if consume {
                    batch.consume();
                    model.drain(..count.min(model.len()));
                }
            }
            Operation::Drain => {
                // The first may be told of an overflow; a queue that was left alone is empty after the second.
                let mut taken = 0;
                for _ in 0..2 {
                    let _ = consumer.drain(|view| {
                        assert!(!intact || model.get(taken) == Some(&view.seqnum()));
                        taken += 1;
                    });
                }
                assert!(!intact || taken == model.len());
                model.clear();
            }
            Operation::Write { word, value } => {
                words[16 + usize::from(word) % (words.len() - 16)].store(value, Ordering::Relaxed);
                intact = false;
            }
            Operation::MoveHead(by) => {
                words[16].fetch_add(by, Ordering::Relaxed);
                intact = false;
            }
            Operation::Resync => {
                consumer.resync();
                model.clear();
                assert!(!intact || queue.used() == 0);
            }
        }
    }
});
