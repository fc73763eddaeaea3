//! Messages and queues, whatever the bytes: no panic, nothing outside is read, and what goes in comes out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ghostsched_core::abi::Abi;
use ghostsched_core::shared::{Queue, QueueError};
use ghostsched_core::sync::AtomicU32;
use ghostsched_core::wire::{
    Message, Payload, QueueImage, Raw, StatusWordRegionHeader, StatusWordSnapshot, TransactionSnapshot, queue_bytes,
};
use proptest::collection::vec;
use proptest::prelude::*;

fn abi() -> impl Strategy<Value = Abi> {
    prop::sample::select(&Abi::ALL)
}

/// Bytes that are a message more often than not: a type that exists, a length that is about right.
fn message_bytes() -> impl Strategy<Value = Vec<u8>> {
    let number = prop_oneof![4 => 60..80_u16, 2 => 126..138_u16, 1 => any::<u16>(), 1 => Just(0)];
    let length = prop_oneof![4 => 8..64_u16, 1 => any::<u16>()];
    (number, length, vec(any::<u8>(), 0..80)).prop_map(|(number, length, mut bytes)| {
        for (place, byte) in bytes
            .iter_mut()
            .zip([number.to_le_bytes(), length.to_le_bytes()].concat())
        {
            *place = byte;
        }
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_a_message_or_an_error(bytes in message_bytes(), abi in abi()) {
        let Ok(message) = Message::decode(&bytes, abi) else { return Ok(()) };
        prop_assert!(!message.to_string().is_empty());
        let mut back = [0; 70_000];
        let length = message.encode(abi, &mut back).unwrap();
        let again = Message::decode(&back[..length], abi).unwrap();
        prop_assert_eq!(again, message);
        // A message of the length this ABI has comes back as it was, but for padding and claims, of which any is one.
        if let Payload::Unknown { number, payload } = message.payload {
            prop_assert_eq!(abi.kind(number), None);
            prop_assert_eq!(Raw::new(&bytes[8..8 + payload.len()]), payload);
            prop_assert_eq!(&back[..length], &bytes[..length]);
        }
        for cut in 0..length {
            prop_assert!(Message::decode(&back[..cut], abi).is_err());
            prop_assert!(message.encode(abi, &mut [0; 70_000][..cut]).is_err());
        }
    }

    #[test]
    fn any_bytes_are_a_picture_or_an_error(bytes in vec(any::<u8>(), 0..100)) {
        prop_assert_eq!(StatusWordSnapshot::decode(&bytes).is_ok(), bytes.len() >= 32);
        prop_assert_eq!(StatusWordRegionHeader::decode(&bytes).is_ok(), bytes.len() >= 64);
        prop_assert_eq!(TransactionSnapshot::decode(&bytes).is_ok(), bytes.len() >= 64);
    }

    #[test]
    fn a_queue_is_a_queue(
        order in 0..6_u32,
        start in prop_oneof![Just(0), Just(u32::MAX - 5), any::<u32>()],
        operations in vec((0..6_u8, 0..60_usize), 1..200),
    ) {
        let slots = 1 << order;
        let words: Vec<AtomicU32> = (0..queue_bytes(slots) / 4).map(|_| AtomicU32::new(0)).collect();
        let queue = Queue::format(&words, slots).unwrap();
        for index in [16, 17] {
            words[index].store(start, Ordering::Relaxed);
        }
        let (mut producer, mut consumer) = (queue.producer(), queue.consumer());
        let mut model: VecDeque<(u32, Vec<u8>)> = VecDeque::new();
        let (mut seqnum, mut lost) = (0_u32, 0_u32);
        for (operation, size) in operations {
            match operation {
                0..=2 => {
                    seqnum += 1;
                    let payload: Vec<u8> = (0..size).map(|index| (index as u8) ^ (seqnum as u8)).collect();
                    let fits = size + 8 <= (slots as usize) * 8;
                    match producer.produce(99, seqnum, &payload) {
                        Ok(()) => {
                            prop_assert!(fits);
                            model.push_back((seqnum, payload));
                        }
                        Err(overflow) => {
                            lost += 1;
                            prop_assert_eq!(overflow.total, queue.overflow());
                            // Empty, it has half of itself in one piece, before the ring's end or after its start.
                            let needed = (size as u32 + 8).div_ceil(8);
                            prop_assert!(queue.used() > 0 || needed * 2 > slots, "an empty queue took nothing");
                        }
                    }
                }
                3 => match consumer.peek() {
                    Ok(Some(lent)) => {
                        let (seqnum, payload) = model.pop_front().expect("a message that was never produced");
                        prop_assert_eq!(lent.seqnum(), seqnum);
                        let read = lent.read(Abi::V91).unwrap();
                        prop_assert_eq!(read.payload, Payload::Unknown { number: 99, payload: Raw::new(&payload) });
                        lent.consume();
                    }
                    Ok(None) => prop_assert!(model.is_empty()),
                    Err(error) => {
                        prop_assert_eq!(error, QueueError::Overflow { lost });
                        lost = 0;
                    }
                },
                4 => {
                    let mut batch = consumer.batch();
                    let mut count = 0;
                    while let Ok(Some(view)) = batch.next() {
                        prop_assert_eq!(view.seqnum(), model[count].0);
                        count += 1;
                        if count > size {
                            break;
                        }
                    }
                    if size % 2 == 0 {
                        batch.consume();
                        model.drain(..count);
                    } else {
                        drop(batch);
                    }
                    if count <= size {
                        lost = 0; // the batch came to the end, where it is told of an overflow
                    }
                    prop_assert!(queue.used() <= slots);
                }
                _ => {
                    let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
                    let image = QueueImage::new(&bytes).unwrap();
                    let seen: Vec<u32> = image.messages(Abi::V91).map(|message| message.unwrap().seqnum).collect();
                    let expected: Vec<u32> = model.iter().map(|(seqnum, _)| *seqnum).collect();
                    prop_assert_eq!(seen, expected);
                }
            }
        }
    }

    #[test]
    fn a_queue_with_any_memory_ends(
        words in vec(prop_oneof![3 => any::<u32>(), 2 => 0..0x40_0088_u32, 1 => Just(0)], 19..200),
        order in 0..6_u32,
        abi in abi(),
    ) {
        let words: Vec<AtomicU32> = words.into_iter().map(AtomicU32::new).collect();
        words[0].store(0, Ordering::Relaxed);
        words[1].store(64, Ordering::Relaxed);
        words[2].store(1 << order, Ordering::Relaxed);
        let Ok(queue) = Queue::new(&words) else { return Ok(()) };
        let mut consumer = queue.consumer();
        let mut steps = 0;
        loop {
            steps += 1;
            prop_assert!(steps < 1000, "it goes on for ever");
            match consumer.peek() {
                Ok(Some(lent)) => {
                    let _ = lent.read(abi).map(|message| message.to_string());
                    let _ = lent.gtid();
                    lent.consume();
                }
                Ok(None) => break,
                Err(QueueError::Overflow { .. }) => {}
                Err(QueueError::Fault(_)) => {
                    prop_assert!(consumer.peek().is_err());
                    consumer.resync();
                }
            }
        }
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.load(Ordering::Relaxed).to_le_bytes()).collect();
        prop_assert!(QueueImage::new(&bytes).unwrap().messages(abi).count() < 1000);
    }
}

/// The other side writes anything anywhere, all the time, while the queue is read.
#[test]
fn memory_that_changes_under_the_reader_does_no_harm() {
    let words: Vec<AtomicU32> = (0..queue_bytes(64) / 4).map(|_| AtomicU32::new(0)).collect();
    let queue = Queue::format(&words, 64).unwrap();
    let done = AtomicBool::new(false);
    let (mut messages, mut faults) = (0_u32, 0_u32);
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut random = 0x9e37_79b9_7f4a_7c15_u64;
            while !done.load(Ordering::Relaxed) {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let (index, value) = ((random >> 33) as usize, (random >> 7) as u32);
                match index % 8 {
                    0 => words[16].store(
                        words[17].load(Ordering::Relaxed).wrapping_add(value % 80),
                        Ordering::Release,
                    ),
                    1 => words[17].store(value, Ordering::Relaxed),
                    // Headers that are about right, so that the reader gets beyond them.
                    2..=5 => words[19 + (index / 8 % 64) * 2]
                        .store((8 + value % 64) << 16 | (60 + value % 80), Ordering::Relaxed),
                    _ => words[19 + index / 8 % 128].store(value, Ordering::Relaxed),
                }
            }
        });
        let mut consumer = queue.consumer();
        let start = Instant::now();
        for round in 0.. {
            if messages.min(faults) > 1_000 || start.elapsed() > Duration::from_secs(30) {
                break;
            }
            let outcome = match round % 3 {
                0 => match consumer.peek() {
                    Ok(Some(lent)) => {
                        let _ = lent.read(Abi::V91);
                        lent.consume();
                        Ok(1)
                    }
                    Ok(None) => Ok(0),
                    Err(error) => Err(error),
                },
                _ => consumer.drain(|view| _ = view.read(Abi::V69)),
            };
            match outcome {
                Ok(count) => messages += count as u32,
                Err(_) => {
                    faults += 1;
                    consumer.resync();
                }
            }
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(
        messages > 0 && faults > 0,
        "{messages} messages, {faults} faults: the test tests nothing"
    );
}
