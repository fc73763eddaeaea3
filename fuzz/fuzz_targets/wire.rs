//! Any bytes in any ABI: decoding ends with a value or an error, a value is written back to bytes that decode to it again, and
//! pictures of structures never fail on enough bytes.
#![no_main]

use ghostsched_core::abi::text::Status;
use ghostsched_core::abi::{Abi, MessageKind};
use ghostsched_core::wire::{Message, Payload, QueueImage, StatusWordSnapshot, TransactionSnapshot};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    let Some((&first, bytes)) = input.split_first() else {
        return;
    };
    let abi = Abi::ALL[usize::from(first) % Abi::ALL.len()];

    if let Ok(message) = Message::decode(bytes, abi) {
        let mut back = vec![0x55; usize::from(u16::MAX)];
        let length = message.encode(abi, &mut back).expect("what was decoded can be encoded");
        assert_eq!(Message::decode(&back[..length], abi), Ok(message));
        assert!(message.kind().is_none_or(|kind| abi.has(kind)));
        if !matches!(message.payload, Payload::Unknown { .. } | Payload::Nop) {
            assert_eq!(message.kind().and_then(|kind| abi.message_bytes(kind)), Some(length));
            assert!(length <= bytes.len());
        }
        assert_eq!(
            message.gtid().is_some(),
            message.kind().is_some_and(MessageKind::is_task)
        );
        assert!(!message.to_string().is_empty());
    }
    assert_eq!(StatusWordSnapshot::decode(bytes).is_ok(), bytes.len() >= 32);
    if let Ok(txn) = TransactionSnapshot::decode(bytes) {
        assert_eq!(txn.state.word().to_le_bytes(), bytes[8..12]);
    }
    if let Ok(image) = QueueImage::new(bytes) {
        let most = image.slots() as usize + 1;
        assert!(
            image.messages(abi).take(most + 1).count() <= most,
            "more messages than slots"
        );
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = Abi::negotiate_text(text).map_err(|error| error.to_string());
        let _ = Status::parse(text);
        let _ = ghostsched_core::abi::text::tasks(text).filter(Result::is_ok).count();
    }
});
