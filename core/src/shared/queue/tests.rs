extern crate std;

use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::abi::MessageKind;
use crate::wire::{Payload, QueueImage, queue_bytes, task};

fn memory(slots: u32) -> Box<[AtomicU32]> {
    (0..queue_bytes(slots) / 4).map(|_| AtomicU32::new(0)).collect()
}

fn affinity(seqnum: u32) -> Message<'static> {
    Message {
        seqnum,
        payload: Payload::TaskAffinityChanged(task::AffinityChanged {
            gtid: Gtid::from_raw(i64::from(seqnum) + 1),
        }),
    }
}

#[test]
fn messages_come_out_as_they_went_in() {
    let memory = memory(16);
    let queue = Queue::format(&memory, 16).unwrap();
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    for round in 0..100 {
        for seqnum in 0..7 {
            producer
                .produce_message(&affinity(round * 7 + seqnum), Abi::V84)
                .unwrap();
        }
        for seqnum in 0..7 {
            let lent = consumer.peek().unwrap().unwrap();
            let expected = affinity(round * 7 + seqnum);
            assert_eq!(lent.read(Abi::V84), Ok(expected));
            assert_eq!((lent.gtid(), lent.seqnum()), (expected.gtid(), expected.seqnum));
            lent.consume();
        }
        assert!(consumer.peek().unwrap().is_none());
    }
}

#[test]
fn a_filler_takes_the_rest_of_the_ring() {
    let memory = memory(8);
    let queue = Queue::format(&memory, 8).unwrap();
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    for round in 0..50_u32 {
        producer.produce(99, round, &[round as u8; 12]).unwrap(); // 3 slots
        producer.produce(72, round, &[1; 8]).unwrap(); // 2 slots
        let count = consumer.drain(|view| {
            assert_eq!(view.seqnum(), round);
            let message = view.read(Abi::V84).unwrap();
            match message.payload {
                Payload::Unknown { number: 99, payload } => assert!(payload.bytes().eq([round as u8; 12])),
                _ => assert_eq!(message.kind(), Some(MessageKind::TaskAffinityChanged)),
            }
        });
        assert_eq!(count, Ok(2));
        assert_eq!(queue.used(), 0);
    }
}

#[test]
fn what_is_not_consumed_stays() {
    let memory = memory(8);
    let queue = Queue::format(&memory, 8).unwrap();
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    producer.produce_message(&affinity(1), Abi::V69).unwrap();
    producer.produce_message(&affinity(2), Abi::V69).unwrap();
    for _ in 0..2 {
        assert_eq!(consumer.peek().unwrap().unwrap().seqnum(), 1);
        let mut batch = consumer.batch();
        assert_eq!(batch.next().unwrap().unwrap().seqnum(), 1);
        assert_eq!(batch.next().unwrap().unwrap().seqnum(), 2);
        assert!(batch.next().unwrap().is_none());
    }
    assert_eq!(queue.used(), 4);
    assert_eq!(consumer.drain(|_| ()), Ok(2));
    assert_eq!(queue.used(), 0);
}

#[test]
fn a_full_queue_drops_and_counts_and_says_so_once() {
    let memory = memory(4);
    let queue = Queue::format(&memory, 4).unwrap();
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    producer.produce_message(&affinity(1), Abi::V69).unwrap();
    producer.produce_message(&affinity(2), Abi::V69).unwrap();
    for total in 1..=3 {
        assert_eq!(
            producer.produce_message(&affinity(9), Abi::V69),
            Err(ProduceError::Overflow(Overflow { total }))
        );
    }
    assert_eq!(consumer.peek().unwrap_err(), QueueError::Overflow { lost: 3 });
    assert_eq!(consumer.drain(|_| ()), Ok(2));
    producer.produce_message(&affinity(3), Abi::V69).unwrap();
    assert_eq!(consumer.peek().unwrap().unwrap().seqnum(), 3);
}

#[test]
fn a_message_larger_than_the_ring_never_fits() {
    let memory = memory(4);
    let queue = Queue::format(&memory, 4).unwrap();
    let mut producer = queue.producer();
    assert!(producer.produce(99, 0, &[0; 32]).is_err());
    assert!(producer.produce(99, 0, &[0; 24]).is_ok());
    assert!(producer.produce(99, 0, &std::vec![0; 65_536]).is_err());
    assert_eq!(queue.overflow(), 2);
}

#[test]
fn a_largest_queue_wraps() {
    let slots = 65_536;
    let memory = memory(slots);
    let queue = Queue::format(&memory, slots).unwrap();
    queue.head.store(u32::MAX - 3, Ordering::Relaxed);
    queue.tail.store(u32::MAX - 3, Ordering::Relaxed);
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    for seqnum in 0..5 {
        producer.produce_message(&affinity(seqnum), Abi::V69).unwrap();
    }
    let mut seen = Vec::new();
    consumer.drain(|view| seen.push(view.seqnum())).unwrap();
    assert_eq!(seen, [0, 1, 2, 3, 4]);
    // A filler of more bytes than 16 bits count would be needed: the message's slots are then at the end of the ring.
    assert_eq!(slots as usize * SLOT_BYTES, 524_288);
}

#[test]
fn nonsense_is_a_fault_until_resync() {
    let memory = memory(8);
    let queue = Queue::format(&memory, 8).unwrap();
    let mut consumer = queue.consumer();
    queue.head.store(9, Ordering::Relaxed);
    let fault = QueueError::Fault(QueueFault::Indices {
        head: 9,
        tail: 0,
        slots: 8,
    });
    assert_eq!(consumer.peek().unwrap_err(), fault);
    assert_eq!(consumer.drain(|_| ()), Err(fault));
    assert_eq!(consumer.resync(), 9);
    assert!(consumer.peek().unwrap().is_none());

    queue.slots[2].store(7 << 16 | 64, Ordering::Relaxed); // position 9: a length of 7
    queue.head.store(12, Ordering::Relaxed);
    assert_eq!(
        consumer.peek().unwrap_err(),
        QueueError::Fault(QueueFault::Length {
            position: 9,
            length: 7,
            room: 24
        })
    );
    queue.slots[2].store(25 << 16 | 64, Ordering::Relaxed);
    assert!(matches!(
        consumer.peek().unwrap_err(),
        QueueError::Fault(QueueFault::Length { length: 25, .. })
    ));
    queue.slots[2].store(24 << 16 | 64, Ordering::Relaxed);
    assert!(consumer.peek().unwrap().is_some());
}

#[test]
fn both_readers_follow_a_ring_alike() {
    let memory = memory(32);
    let queue = Queue::format(&memory, 32).unwrap();
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    for seqnum in 0..200_u32 {
        while producer
            .produce(
                72 + (seqnum % 3) as u16,
                seqnum,
                &[7; 20][..8 + (seqnum as usize % 4) * 4],
            )
            .is_err()
        {
            let bytes: Vec<u8> = memory
                .iter()
                .flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes())
                .collect();
            let image = QueueImage::new(&bytes).unwrap();
            let mut expected = image.messages(Abi::V69);
            assert!(matches!(consumer.peek(), Err(QueueError::Overflow { lost: 1 })));
            consumer
                .drain(|view| {
                    assert_eq!(
                        Some(view.read(Abi::V69).map_err(crate::wire::MessageError::Message)),
                        expected.next()
                    )
                })
                .unwrap();
            assert_eq!(expected.next(), None);
        }
    }
}

#[test]
fn an_onlooker_sees_what_is_not_consumed_and_disturbs_nobody() {
    let memory = memory(8);
    let queue = Queue::format(&memory, 8).unwrap();
    let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
    let mut bytes = [0; 64];
    for seqnum in 0..50 {
        producer.produce(99, seqnum, &[seqnum as u8; 12]).unwrap(); // 3 slots
        producer.produce_message(&affinity(seqnum), Abi::V84).unwrap(); // 2 slots
        let image = queue.image(&mut bytes).unwrap();
        assert_eq!((image.head(), image.tail()), (queue.head(), queue.tail()));
        let seen: Vec<_> = image.messages(Abi::V84).map(Result::unwrap).collect();
        assert_eq!((seen.len(), seen[0].number(), seen[1]), (2, 99, affinity(seqnum)));
        assert_eq!(consumer.drain(|_| ()), Ok(2));
    }
    assert!(queue.image(&mut [0; 63]).is_none());
    memory[16].store(1000, Ordering::Relaxed);
    let faults: Vec<_> = queue.image(&mut bytes).unwrap().located().collect();
    assert!(matches!(faults[..], [Err(QueueFault::Indices { head: 1000, .. })]));
}

#[test]
fn an_onlooker_beside_a_busy_queue_sees_whole_messages_only() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let memory = memory(64);
    let queue = Queue::format(&memory, 64).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
            for seqnum in 0..40_000 {
                while producer.produce_message(&affinity(seqnum), Abi::V84).is_err() {
                    // Overflows are said once each, then what is there can be read.
                    let _ = consumer.drain(|_| ());
                }
                if seqnum % 3 == 0 {
                    let _ = consumer.drain(|_| ());
                }
            }
            done.store(true, Ordering::Relaxed);
        });
        let mut bytes = [0; 512];
        while !done.load(Ordering::Relaxed) {
            let mut before = None;
            for message in queue.image(&mut bytes).unwrap().messages(Abi::V84) {
                let message = message.unwrap();
                assert_eq!(message, affinity(message.seqnum));
                assert!(
                    before
                        .replace(message.seqnum)
                        .is_none_or(|before| before + 1 == message.seqnum)
                );
            }
        }
    });
}
