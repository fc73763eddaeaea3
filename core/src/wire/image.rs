//! The rule by which messages lie in a ring, and a queue whose bytes do not change: a file, or a copy of a mapping.
//!
//! ```text
//! 0                64     68     72         76
//! | header ...     | head | tail | overflow | slots of 8 bytes: 1 to 65,536 of them, a power of two
//! ```
//!
//! `head` (the kernel's) and `tail` (the agent's) count slots and run freely, modulo 2^32; the slot is the count modulo the
//! size. A message is contiguous: where it would not fit before the end of the ring, a filler (`NOP`) takes what is left.

use core::fmt;

use super::message::{DecodeError, Header, Message};
use crate::abi::layout::{FieldType, QUEUE_HEADER, RING};
use crate::abi::message::{HEADER_BYTES, SLOT_BYTES};
use crate::abi::{Abi, MAX_QUEUE_SLOTS};

/// What is wrong with a ring: its memory was written by somebody else than the kernel and one consumer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueFault {
    /// More slots are in use than the queue has.
    Indices {
        /// What the kernel has written.
        head: u32,
        /// What the agent has taken.
        tail: u32,
        /// How many slots there are.
        slots: u32,
    },
    /// A message that ends behind the last one or the end of the ring, or is shorter than a header; or filler elsewhere than
    /// at the end of the ring.
    Length {
        /// The message's position, as `head` and `tail` count.
        position: u32,
        /// Its `length` in bytes.
        length: u16,
        /// Bytes up to the end of what is written, or of the ring.
        room: u32,
    },
}

impl fmt::Display for QueueFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Indices { head, tail, slots } => write!(
                f,
                "queue of {slots} slots has head {head} and tail {tail}: somebody else wrote to it; discover the tasks anew"
            ),
            Self::Length { position, length, room } => write!(
                f,
                "message at {position} has length {length} where 8 to {room} bytes can be: \
                 somebody else wrote to the queue; discover the tasks anew"
            ),
        }
    }
}

impl core::error::Error for QueueFault {}

/// How many slots the message at `position` takes, at least 1, if it lies within what is written and within the ring. A filler
/// lies up to the ring's end, and not from its start: so no two follow each other. `used` is not 0 and at most `mask + 1`.
#[inline(always)]
fn step(position: u32, used: u32, mask: u32, header: Header) -> Result<u32, QueueFault> {
    let slots = header.slots();
    let to_end = mask + 1 - (position & mask);
    let room = used.min(to_end);
    let stray = header.number == 0 && (slots != to_end || position & mask == 0);
    if slots > room || usize::from(header.length) < HEADER_BYTES || stray {
        return Err(bad_length(position, header.length, room));
    }
    Ok(slots)
}

#[cold]
fn bad_length(position: u32, length: u16, room: u32) -> QueueFault {
    QueueFault::Length {
        position,
        length,
        room: room * SLOT_BYTES as u32,
    }
}

/// The bytes of a queue's mapping that nobody writes to any more.
#[derive(Clone, Copy, Debug)]
pub struct QueueImage<'a> {
    slots: &'a [u8], // a power of two of 8 bytes
    head: u32,
    tail: u32,
    overflow: u32,
}

/// Bytes that are no queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImageError {
    /// Fewer bytes than the header says, or than a header has.
    Truncated {
        /// Bytes the queue needs.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// A layout this library does not know.
    Version {
        /// The header's `version`; 0 is known.
        version: u32,
    },
    /// The ring does not start where one can.
    Start {
        /// The header's `start`, in bytes.
        start: u32,
    },
    /// The number of slots is not a power of two from 1 to 65,536.
    Slots {
        /// The header's `nelems`.
        slots: u32,
    },
}

impl fmt::Display for ImageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { need, have } => write!(f, "queue of {need} bytes cut off after {have}"),
            Self::Version { version } => write!(f, "queue layout {version} is not known: 0 is"),
            Self::Start { start } => write!(f, "ring at byte {start}: it starts at 64 or later, at a multiple of 4"),
            Self::Slots { slots } => write!(f, "queue of {slots} slots: it must be a power of two from 1 to 65536"),
        }
    }
}

impl core::error::Error for ImageError {}

/// Where the ring and its slots are in a mapping.
pub(crate) struct Geometry {
    /// Bytes from the start of the mapping to the ring.
    pub ring: usize,
    /// Bytes from the start of the mapping to the first slot.
    pub slots: usize,
    /// How many slots; a power of two.
    pub count: u32,
}

/// Bytes of the header, which the ring follows.
const QUEUE_HEADER_BYTES: u32 = QUEUE_HEADER.size as u32;

impl Geometry {
    /// What the header says, if it fits in a mapping of `have` bytes.
    pub fn new(version: u32, start: u32, count: u32, have: usize) -> Result<Self, ImageError> {
        if version != 0 {
            return Err(ImageError::Version { version });
        }
        if start < QUEUE_HEADER_BYTES || !start.is_multiple_of(4) {
            return Err(ImageError::Start { start });
        }
        if !count.is_power_of_two() || count > MAX_QUEUE_SLOTS {
            return Err(ImageError::Slots { slots: count });
        }
        let ring = start as usize;
        let slots = ring.saturating_add(RING.size);
        let need = slots.saturating_add(count as usize * SLOT_BYTES);
        if need > have {
            return Err(ImageError::Truncated { need, have });
        }
        Ok(Self { ring, slots, count })
    }
}

/// Bytes of the mapping of a queue with this many slots, as `CREATE_QUEUE` gives them (`mapsize`): in whole pages.
pub const fn queue_bytes(slots: u32) -> usize {
    (QUEUE_HEADER.size + RING.size + slots as usize * SLOT_BYTES).next_multiple_of(4096)
}

impl<'a> QueueImage<'a> {
    /// The queue in `bytes`, which start with the mapping's header.
    pub fn new(bytes: &'a [u8]) -> Result<Self, ImageError> {
        let have = bytes.len();
        let word = |at: usize| match bytes.get(at..at + 4) {
            Some(&[a, b, c, d]) => Ok(u32::from_le_bytes([a, b, c, d])),
            _ => Err(ImageError::Truncated { need: at + 4, have }),
        };
        let header = |name| QUEUE_HEADER.at(name, FieldType::U32);
        let geometry = Geometry::new(
            word(header("version"))?,
            word(header("start"))?,
            word(header("nelems"))?,
            have,
        )?;
        let ring = |name| word(geometry.ring + RING.at(name, FieldType::U32));
        Ok(Self {
            slots: &bytes[geometry.slots..geometry.slots + geometry.count as usize * SLOT_BYTES],
            head: ring("head")?,
            tail: ring("tail")?,
            overflow: ring("overflow")?,
        })
    }

    /// How many slots it has.
    pub const fn slots(&self) -> u32 {
        (self.slots.len() / SLOT_BYTES) as u32
    }

    /// What the kernel has written, in slots.
    pub const fn head(&self) -> u32 {
        self.head
    }

    /// What the agent has taken, in slots.
    pub const fn tail(&self) -> u32 {
        self.tail
    }

    /// How many messages were lost because the queue was full.
    pub const fn overflow(&self) -> u32 {
        self.overflow
    }

    /// The messages from tail to head, fillers left out. After a fault there are no more.
    pub const fn messages(&self, abi: Abi) -> Messages<'a> {
        Messages {
            found: self.located(),
            abi,
        }
    }

    /// Where the messages from tail to head are, fillers left out. After a fault there are no more.
    pub const fn located(&self) -> LocatedMessages<'a> {
        LocatedMessages {
            image: *self,
            position: self.tail,
            ended: false,
        }
    }

    /// The queue of these slots, whose number is a power of two.
    pub(crate) const fn from_parts(slots: &'a [u8], head: u32, tail: u32, overflow: u32) -> Self {
        Self {
            slots,
            head,
            tail,
            overflow,
        }
    }
}

/// A message in a [`QueueImage`], not decoded yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Located<'a> {
    /// Where it starts, as `head` and `tail` count.
    pub position: u32,
    /// Its header, of which the length is checked.
    pub header: Header,
    bytes: &'a [u8],
}

impl<'a> Located<'a> {
    /// Header and payload, as long as the header says.
    pub const fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// What it says.
    #[inline]
    pub fn decode(&self, abi: Abi) -> Result<Message<'a>, DecodeError> {
        Message::decode(self.bytes, abi)
    }
}

/// The messages of a [`QueueImage`], not decoded yet.
#[derive(Clone, Debug)]
pub struct LocatedMessages<'a> {
    image: QueueImage<'a>,
    position: u32,
    ended: bool,
}

impl<'a> LocatedMessages<'a> {
    fn locate(&mut self) -> Result<Option<Located<'a>>, QueueFault> {
        let QueueImage {
            slots: memory, head, ..
        } = self.image;
        let (slots, mask) = (self.image.slots(), self.image.slots() - 1);
        while self.position != head {
            let used = head.wrapping_sub(self.position);
            if used > slots {
                return Err(QueueFault::Indices {
                    head,
                    tail: self.position,
                    slots,
                });
            }
            let position = self.position;
            let start = (position & mask) as usize * SLOT_BYTES;
            let Ok(header) = Header::decode(&memory[start..]) else {
                return Err(bad_length(position, 0, 0)); // cannot be: a slot is as long as a header
            };
            self.position = position.wrapping_add(step(position, used, mask, header)?);
            if header.number != 0 {
                return Ok(Some(Located {
                    position,
                    header,
                    bytes: &memory[start..start + usize::from(header.length)],
                }));
            }
        }
        Ok(None)
    }
}

impl<'a> Iterator for LocatedMessages<'a> {
    type Item = Result<Located<'a>, QueueFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let found = self.locate();
        self.ended = !matches!(found, Ok(Some(_)));
        found.transpose()
    }
}

impl core::iter::FusedIterator for LocatedMessages<'_> {}

/// The messages of a [`QueueImage`].
#[derive(Clone, Debug)]
pub struct Messages<'a> {
    found: LocatedMessages<'a>,
    abi: Abi,
}

/// Why a [`QueueImage`] goes on no further, or what one of its messages is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageError {
    /// The ring cannot be followed further.
    Queue(QueueFault),
    /// This message is not understood; the next ones are.
    Message(DecodeError),
}

impl fmt::Display for MessageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Queue(fault) => fault.fmt(f),
            Self::Message(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MessageError {}

impl Messages<'_> {
    /// The position of the next message, as `head` and `tail` count.
    pub const fn position(&self) -> u32 {
        self.found.position
    }
}

impl<'a> Iterator for Messages<'a> {
    type Item = Result<Message<'a>, MessageError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        Some(match self.found.next()? {
            Ok(located) => located.decode(self.abi).map_err(MessageError::Message),
            Err(fault) => Err(MessageError::Queue(fault)),
        })
    }
}

impl core::iter::FusedIterator for Messages<'_> {}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::vec;
    use std::vec::Vec;

    fn image(slots: u32, head: u32, tail: u32) -> Vec<u8> {
        let mut bytes = vec![0; 76 + slots as usize * 8];
        for (at, value) in [(4, 64), (8, slots), (64, head), (68, tail), (72, 5)] {
            bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    }

    #[test]
    fn the_sizes_of_mappings_are_the_kernels() {
        let expected = [
            (1, 4096),
            (256, 4096),
            (512, 8192),
            (1024, 12288),
            (65536, 528_384),
            (8192, 69632),
        ];
        for (slots, bytes) in expected {
            assert_eq!(queue_bytes(slots), bytes);
        }
    }

    #[test]
    fn a_filler_is_stepped_over() {
        // Two slots of filler up to the end, then an AFFINITY_CHANGED of two slots at the start.
        let mut bytes = image(8, 10, 6);
        bytes[76 + 6 * 8..][..4].copy_from_slice(&[0, 0, 16, 0]);
        bytes[76..][..9].copy_from_slice(&[72, 0, 16, 0, 1, 0, 0, 0, 7]);
        let image = QueueImage::new(&bytes).unwrap();
        assert_eq!(
            (image.slots(), image.head(), image.tail(), image.overflow()),
            (8, 10, 6, 5)
        );
        let messages: Vec<_> = image.messages(Abi::V84).map(Result::unwrap).collect();
        assert_eq!(messages.len(), 1);
        assert_eq!(messages[0].gtid().unwrap().raw(), 7);
        let located: Vec<_> = image.located().map(Result::unwrap).collect();
        assert_eq!(
            (located.len(), located[0].position, located[0].bytes().len()),
            (1, 8, 16)
        );
    }

    #[test]
    fn nonsense_ends_with_a_fault() {
        let bytes = image(8, 100, 6);
        let faults: Vec<_> = QueueImage::new(&bytes).unwrap().messages(Abi::V84).collect();
        assert_eq!(
            faults,
            [Err(MessageError::Queue(QueueFault::Indices {
                head: 100,
                tail: 6,
                slots: 8
            }))]
        );
        let zero_length = image(8, 2, 0);
        let faults: Vec<_> = QueueImage::new(&zero_length).unwrap().messages(Abi::V84).collect();
        assert_eq!(
            faults,
            [Err(MessageError::Queue(QueueFault::Length {
                position: 0,
                length: 0,
                room: 16
            }))]
        );
    }

    #[test]
    fn what_is_no_queue_is_refused() {
        assert_eq!(
            QueueImage::new(&[0; 10]).unwrap_err(),
            ImageError::Truncated { need: 12, have: 10 }
        );
        assert_eq!(
            QueueImage::new(&image(3, 0, 0)).unwrap_err(),
            ImageError::Slots { slots: 3 }
        );
        let mut bytes = image(8, 0, 0);
        bytes[4] = 60;
        assert_eq!(QueueImage::new(&bytes).unwrap_err(), ImageError::Start { start: 60 });
        bytes[0] = 1;
        assert_eq!(QueueImage::new(&bytes).unwrap_err(), ImageError::Version { version: 1 });
        let bytes = image(8, 0, 0);
        assert_eq!(
            QueueImage::new(&bytes[..100]).unwrap_err(),
            ImageError::Truncated { need: 140, have: 100 }
        );
    }
}
