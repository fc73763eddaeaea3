//! Bytes the kernel has finished with, as values: messages, and pictures of status words, transactions and queues.
//!
//! ```text
//! 0         2         4                   8                    length     rounded up to 8
//! | type    | length  | seqnum            | payload ...        | stale bytes |
//! ```
//!
//! A message is 8 bytes of header and a payload of up to 48, in a queue aligned to 4 bytes only: its 64-bit fields lie
//! across alignment, so nothing here is read through a pointer to a structure. `length` counts header and payload, not
//! rounded; padding is whatever was there before. Decoding checks the length once and then cannot fail; a type this library
//! does not know is a value ([`Payload::Unknown`]), never an error: newer kernels exist. All integers are little-endian.
//!
//! ```
//! use ghostsched_core::abi::Abi;
//! use ghostsched_core::wire::{Message, Payload};
//!
//! // MSG_TASK_AFFINITY_CHANGED, 16 bytes, sequence number 3, gtid 7.
//! let bytes = [72, 0, 16, 0, 3, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0];
//! let message = Message::decode(&bytes, Abi::V91)?;
//! assert_eq!(message.seqnum, 3);
//! assert!(matches!(message.payload, Payload::TaskAffinityChanged(changed) if changed.gtid.raw() == 7));
//! # Ok::<(), ghostsched_core::wire::DecodeError>(())
//! ```

pub mod cpu;
mod fields;
pub mod flags;
mod image;
pub mod ioctl;
mod message;
mod snapshot;
pub mod task;

pub use flags::{CommitFlags, RunFlags, StatusFlags};
pub(crate) use image::Geometry;
pub use image::{ImageError, Located, LocatedMessages, MessageError, Messages, QueueFault, QueueImage, queue_bytes};
pub use message::{DecodeError, EncodeError, Header, Message, Payload, Raw};
pub use snapshot::{StatusWordInfo, StatusWordRegionHeader, StatusWordSnapshot, TransactionSnapshot, TxnState};
