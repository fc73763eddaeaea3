//! A queue of messages: the kernel produces, one agent consumes.
//!
//! ```text
//! 0                64     68     72         76
//! | header ...     | head | tail | overflow | slots of 8 bytes: 1 to 65,536 of them, a power of two
//!   kernel, once     kernel agent  kernel     kernel
//! ```
//!
//! `head` and `tail` count slots and run freely, modulo 2^32; the slot is the count modulo the number of slots. The queue is
//! empty where they are equal and holds `head - tail` slots.
//!
//! 1. The kernel writes a message into free slots, in one piece; where it does not fit before the end of the ring, a filler
//!    (`NOP`) takes what is left and the message follows at the start.
//! 2. The kernel moves `head` behind it, filler and message at once.
//! 3. The agent reads `head`, then the message, as often as it likes: a queue *lends* it ([`Consumer::peek`]).
//! 4. The agent moves `tail` behind it ([`Lent::consume`]). One that is not consumed stays: an error on the way loses nothing.
//!
//! A full queue drops the message and counts it in `overflow`; barriers have moved all the same, so an agent that sees
//! [`QueueError::Overflow`] discovers its tasks anew. One consumer a queue, or a lock.
//!
//! Source: `_produce`, `ring_avail_slots` in the kernel's `kernel/sched/ghost*.c`; the same in every ABI.

use core::fmt;

use crate::abi::Abi;
use crate::abi::message::{HEADER_BYTES, LONGEST_MESSAGE_BYTES, SLOT_BYTES};
use crate::gtid::Gtid;
use crate::sync::{AtomicU32, Ordering, fence};
use crate::wire::{DecodeError, EncodeError, Geometry, Header, ImageError, Message, QueueFault, QueueImage, Raw};

/// A queue's memory.
#[derive(Clone, Copy, Debug)]
pub struct Queue<'m> {
    head: &'m AtomicU32,
    tail: &'m AtomicU32,
    overflow: &'m AtomicU32,
    slots: &'m [AtomicU32], // two words a slot; mask + 1 slots
    mask: u32,              // in 0..=65535, all lower bits set
}

/// Words of the header.
const HEADER_WORDS: usize = 16;
/// Words of the ring's indices.
const RING_WORDS: usize = 3;
/// How often an onlooker reads the indices anew before it believes that they make no sense.
const INDEX_TRIES: u32 = 16;
/// Words of a slot.
const SLOT_WORDS: usize = SLOT_BYTES / 4;

impl<'m> Queue<'m> {
    /// The queue whose mapping these words are.
    pub fn new(words: &'m [AtomicU32]) -> Result<Self, ImageError> {
        let have = words.len() * 4;
        let Some(header) = words.first_chunk::<HEADER_WORDS>() else {
            return Err(ImageError::Truncated {
                need: HEADER_WORDS * 4,
                have,
            });
        };
        // Relaxed: written once before the mapping was handed out.
        let word = |index: usize| header[index].load(Ordering::Relaxed);
        let geometry = Geometry::new(word(0), word(1), word(2), have)?;
        // `Geometry` has checked that ring and slots lie within `words`.
        let (ring, slots) = words[geometry.ring / 4..].split_at(RING_WORDS);
        Ok(Self {
            head: &ring[0],
            tail: &ring[1],
            overflow: &ring[2],
            slots: &slots[..geometry.count as usize * SLOT_WORDS],
            mask: geometry.count - 1,
        })
    }

    /// Writes the header of an empty queue of `slots` slots and returns the queue: what a kernel does once.
    pub fn format(words: &'m [AtomicU32], slots: u32) -> Result<Self, ImageError> {
        let have = words.len() * 4;
        Geometry::new(0, HEADER_WORDS as u32 * 4, slots, have)?;
        for (word, value) in words.iter().zip([0, HEADER_WORDS as u32 * 4, slots]) {
            word.store(value, Ordering::Relaxed);
        }
        for word in &words[HEADER_WORDS..HEADER_WORDS + RING_WORDS] {
            word.store(0, Ordering::Relaxed);
        }
        Self::new(words)
    }

    /// How many slots it has; not messages.
    pub const fn slots(&self) -> u32 {
        self.mask + 1
    }

    /// How many slots hold messages that are not consumed; more than [`slots`](Self::slots) is nonsense from the other side.
    pub fn used(&self) -> u32 {
        let tail = self.tail.load(Ordering::Relaxed);
        self.head.load(Ordering::Relaxed).wrapping_sub(tail)
    }

    /// How many messages were lost because it was full.
    pub fn overflow(&self) -> u32 {
        self.overflow.load(Ordering::Relaxed)
    }

    /// What the kernel has written, in slots.
    pub fn head(&self) -> u32 {
        self.head.load(Ordering::Relaxed)
    }

    /// What the agent has taken, in slots.
    pub fn tail(&self) -> u32 {
        self.tail.load(Ordering::Relaxed)
    }

    /// Copies what is not consumed to `to`, 8 bytes a slot: for an onlooker, who disturbs neither side. `None` if `to` is
    /// shorter than the ring.
    ///
    /// Only Relaxed loads, so the mapping may be read-only. While the agent consumes, what it has passed by the end of the
    /// copy is left out: the kernel may have written there again. So every message of the image is whole.
    pub fn image<'a>(&self, to: &'a mut [u8]) -> Option<QueueImage<'a>> {
        let to = to.get_mut(..self.slots.len() * 4)?;
        let mut tail = self.tail.load(Ordering::Relaxed);
        let mut head = self.head.load(Ordering::Relaxed);
        for _ in 0..INDEX_TRIES {
            // Acquire: pairs with smp_wmb() in _produce() before head moves; what is before head can be read, and the tail
            // that made room for it.
            fence(Ordering::Acquire);
            let again = self.tail.load(Ordering::Relaxed);
            if head.wrapping_sub(tail) <= self.slots() || again == tail {
                break;
            }
            // Both sides moved between the two loads.
            (tail, head) = (again, self.head.load(Ordering::Relaxed));
        }
        let overflow = self.overflow();
        let used = head.wrapping_sub(tail);
        if used <= self.slots() {
            let first = (tail & self.mask) as usize;
            let to_end = (used as usize).min(self.slots() as usize - first);
            self.copy(first, to_end, to);
            self.copy(0, used as usize - to_end, to);
        }
        // Acquire: pairs with the kernel's writes after it saw tail move; if we read one of them, we see that tail too.
        fence(Ordering::Acquire);
        let passed = self.tail.load(Ordering::Relaxed).wrapping_sub(tail);
        // Nonsense from the other side is kept as it is, for the image to say so.
        let tail = match used <= self.slots() {
            true => tail.wrapping_add(passed.min(used)),
            false => tail,
        };
        Some(QueueImage::from_parts(to, head, tail, overflow))
    }

    /// Copies `count` slots from slot `first` on to their places in `to`.
    fn copy(&self, first: usize, count: usize, to: &mut [u8]) {
        let words = &self.slots[first * SLOT_WORDS..(first + count) * SLOT_WORDS];
        let (places, _) = to[first * SLOT_BYTES..].as_chunks_mut::<4>();
        for (place, word) in places.iter_mut().zip(words) {
            *place = word.load(Ordering::Relaxed).to_le_bytes();
        }
    }

    /// The agent's side, going on where the last one stopped. One at a time. Overflows before it are not told again: an agent
    /// that takes over a queue compares [`overflow`](Self::overflow) with what the last one knew, or with 0.
    pub fn consumer(&self) -> Consumer<'m> {
        let tail = self.tail.load(Ordering::Relaxed);
        Consumer {
            queue: *self,
            tail,
            head: tail,
            lost: self.overflow(),
            length: 0,
            span: IMPOSSIBLE,
        }
    }

    /// The kernel's side, going on where the last one stopped. One at a time.
    pub fn producer(&self) -> Producer<'m> {
        Producer {
            queue: *self,
            head: self.head.load(Ordering::Relaxed),
        }
    }

    /// The first word of the slot at `position`.
    #[inline(always)]
    const fn index(&self, position: u32) -> usize {
        (position & self.mask) as usize * SLOT_WORDS
    }
}

/// What stops an agent from simply taking the next message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QueueError {
    /// The queue was full and messages were lost; said once each time. Those that are there can still be read, but the
    /// agent's picture of its tasks has holes: discover them anew.
    Overflow {
        /// How many more since last time.
        lost: u32,
    },
    /// The memory makes no sense; said until [`Consumer::resync`].
    Fault(QueueFault),
}

impl fmt::Display for QueueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow { lost } => write!(
                f,
                "{lost} messages were lost because the queue was full: discover the tasks anew, and use a larger queue"
            ),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl core::error::Error for QueueError {}

/// The agent's side of a queue.
#[derive(Debug)]
#[repr(C)] // in this order: see `tail`
pub struct Consumer<'m> {
    queue: Queue<'m>,
    head: u32,   // as last read
    lost: u32,   // the overflow that was reported
    span: u32,   // slots of a message of `length`, in 1..=8192; more than any queue has if it can be none
    length: u32, // of the message before, in bytes
    // The next message; the shared tail is this or, while a batch lasts, behind. Apart from head: a load of both at once
    // after a store of one costs 10 ns, as the CPU cannot forward the store to it.
    tail: u32,
}

/// More slots than any queue has.
const IMPOSSIBLE: u32 = u32::MAX;

/// How it goes on where there is no message to see.
enum Next {
    /// There may be one now.
    There,
    /// There is none.
    Nothing,
    /// [`Consumer::error`] knows.
    Error,
}

impl<'m> Consumer<'m> {
    /// Lends the next message; `None` if there is none.
    #[inline]
    pub fn peek(&mut self) -> Result<Option<Lent<'_, 'm>>, QueueError> {
        loop {
            if let Some((view, span)) = self.here() {
                let next = self.tail.wrapping_add(span);
                return Ok(Some(Lent {
                    consumer: self,
                    view,
                    next,
                }));
            }
            match self.go_on() {
                Next::There => {}
                Next::Nothing => return Ok(None),
                Next::Error => return Err(self.error()),
            }
        }
    }

    /// Begins to read several messages that are given back together, which costs less than one by one.
    #[inline]
    pub fn batch(&mut self) -> Batch<'_, 'm> {
        Batch {
            start: self.tail,
            consumer: self,
        }
    }

    /// Gives each message that was there when this is called to `each` and consumes it; returns how many. What comes
    /// meanwhile is for the next call, so that a fast kernel cannot hold an agent here.
    ///
    /// At an error those before it are consumed. This is the fast way to read a queue: where [`Lent::consume`] moves the
    /// shared tail once a message, this moves it once for all.
    #[inline]
    pub fn drain(&mut self, mut each: impl FnMut(View<'_>)) -> Result<usize, QueueError> {
        if let Next::Error = self.refill() {
            return Err(self.error());
        }
        let mut count = 0;
        let mut position = self.tail;
        while position != self.head
            && let Some((view, span)) = self.at(position)
        {
            position = position.wrapping_add(span);
            if view.number != 0 {
                each(view);
                count += 1;
            }
        }
        if position != self.tail {
            self.tail = position;
            self.publish();
        }
        if position != self.head {
            return Err(self.error());
        }
        Ok(count)
    }

    /// Gives up what is there, after a fault: goes on with what comes next. Returns how many slots were given up.
    pub fn resync(&mut self) -> u32 {
        // Acquire: pairs with the kernel's store of head.
        let head = self.queue.head.load(Ordering::Acquire);
        let given_up = head.wrapping_sub(self.tail);
        (self.tail, self.head) = (head, head);
        self.publish();
        given_up
    }

    /// The queue.
    pub const fn queue(&self) -> Queue<'m> {
        self.queue
    }

    /// The message at the tail, if it is there to see: no filler, and before the head as last read.
    #[inline(always)]
    fn here(&mut self) -> Option<(View<'m>, u32)> {
        if self.tail == self.head {
            return None;
        }
        self.at(self.tail).filter(|(view, _)| view.number != 0)
    }

    /// What lies at `position`, which is before head, and how many slots it takes: at least 1, none behind head or the end.
    /// `None` if it makes no sense.
    #[inline(always)]
    fn at(&mut self, position: u32) -> Option<(View<'m>, u32)> {
        // Relaxed: `refill` read head with Acquire, and the kernel writes no slot again before tail has passed it.
        let [first, second, rest @ ..] = self.queue.slots.get(self.queue.index(position)..)? else {
            return None;
        };
        let (first, seqnum) = (first.load(Ordering::Relaxed), second.load(Ordering::Relaxed));
        // Most messages are as long as the one before. That is a branch and not arithmetic, so that the CPU goes on to the
        // next message without waiting for this one's length to arrive.
        if first >> 16 != self.length {
            self.learn(first >> 16);
        }
        let span = self.span;
        if span > self.head.wrapping_sub(position) {
            return None;
        }
        let payload = rest.get(..(span as usize - 1) * SLOT_WORDS)?;
        if first & 0xffff == 0 && !self.is_filler(position, rest.len() - payload.len()) {
            return None;
        }
        let view = View {
            payload,
            number: first & 0xffff,
            length: first >> 16,
            seqnum,
        };
        Some((view, span))
    }

    /// Whether a filler at `position`, behind which `behind` words of the ring are left, is where the kernel puts one: up to the
    /// ring's end and not from its start. So no two follow each other, and stepping over them ends.
    #[cold]
    #[inline(never)]
    fn is_filler(&self, position: u32, behind: usize) -> bool {
        behind == 0 && position & self.queue.mask != 0
    }

    /// Goes on where [`here`](Self::here) saw nothing: steps over a filler, reads head anew, or finds what is wrong.
    #[cold]
    #[inline(never)]
    fn go_on(&mut self) -> Next {
        if self.tail == self.head {
            return self.refill();
        }
        match self.at(self.tail) {
            Some((view, span)) if view.number == 0 => {
                self.tail = self.tail.wrapping_add(span);
                Next::There
            }
            Some(_) => Next::There,
            None => Next::Error,
        }
    }

    /// Remembers how many slots a message of this length takes.
    #[cold]
    #[inline(never)]
    fn learn(&mut self, length: u32) {
        self.length = length;
        self.span = if (length as usize) < HEADER_BYTES {
            IMPOSSIBLE
        } else {
            length.div_ceil(SLOT_BYTES as u32)
        };
    }

    /// Reads head anew. Not inlined: it is called once a drain, and the loop there keeps the registers.
    #[inline(never)]
    fn refill(&mut self) -> Next {
        // Acquire: pairs with smp_wmb() in _produce() before head moves; what is before head can be read.
        let head = self.queue.head.load(Ordering::Acquire);
        if self.queue.overflow() != self.lost || head.wrapping_sub(self.tail) > self.queue.slots() {
            return Next::Error;
        }
        self.head = head;
        if head == self.tail { Next::Nothing } else { Next::There }
    }

    /// What is wrong. An overflow is said once, the rest until it is mended.
    #[cold]
    #[inline(never)]
    fn error(&mut self) -> QueueError {
        let overflow = self.queue.overflow();
        if overflow != self.lost {
            let lost = overflow.wrapping_sub(self.lost);
            self.lost = overflow;
            return QueueError::Overflow { lost };
        }
        let slots = self.queue.slots();
        let tail = self.tail;
        if tail == self.head {
            let head = self.queue.head();
            return QueueError::Fault(QueueFault::Indices { head, tail, slots });
        }
        let to_end = slots - (tail & self.queue.mask);
        QueueError::Fault(QueueFault::Length {
            position: tail,
            length: self.length as u16,
            room: self.head.wrapping_sub(tail).min(to_end) * SLOT_BYTES as u32,
        })
    }

    #[inline]
    fn publish(&self) {
        // Release: pairs with the kernel's read of tail; our reads of the slots come before it writes them again.
        self.queue.tail.store(self.tail, Ordering::Release);
    }
}

/// A message where it lies in the queue. Fields are read when they are asked for.
#[derive(Clone, Copy)]
pub struct View<'q> {
    payload: &'q [AtomicU32],
    // The header. Numbers of 16 bits each in 32, so that the compiler keeps them in registers.
    number: u32,
    length: u32,
    seqnum: u32,
}

impl<'q> View<'q> {
    /// The header, of which the length is checked.
    #[inline]
    pub const fn header(&self) -> Header {
        Header {
            number: self.number(),
            length: self.length as u16,
            seqnum: self.seqnum,
        }
    }

    /// The message's type.
    #[inline]
    pub const fn number(&self) -> u16 {
        self.number as u16
    }

    /// The barrier of the thread or agent, after this message.
    #[inline]
    pub const fn seqnum(&self) -> u32 {
        self.seqnum
    }

    /// The thread it is about; `None` if it is not about one. Of a type that is not known it is what all task messages
    /// start with.
    #[inline]
    pub fn gtid(&self) -> Option<Gtid> {
        match self.payload {
            [low, high, ..] if crate::abi::message::is_task(self.number()) => {
                let (low, high) = (low.load(Ordering::Relaxed), high.load(Ordering::Relaxed));
                Some(Gtid::from_bits(u64::from(low) | u64::from(high) << 32))
            }
            _ => None,
        }
    }

    /// The message as a value, independent of the queue but for a payload that is not known.
    #[inline]
    pub fn read(&self, abi: Abi) -> Result<Message<'q>, DecodeError> {
        let raw = Raw::words(self.payload, (self.length as usize).saturating_sub(HEADER_BYTES));
        Message::read(self.header(), abi, raw, |word| {
            // `read` has checked the length, so that no word that is asked for is missing.
            self.payload.get(word).map_or(0, |word| word.load(Ordering::Relaxed))
        })
    }
}

impl fmt::Debug for View<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("View")
            .field("header", &self.header())
            .finish_non_exhaustive()
    }
}

/// A message that the queue has lent. Dropped without [`consume`](Self::consume) it stays the next one.
#[derive(Debug)]
#[must_use = "the message stays in the queue until it is consumed"]
pub struct Lent<'q, 'm> {
    consumer: &'q mut Consumer<'m>,
    view: View<'m>,
    next: u32,
}

impl<'m> Lent<'_, 'm> {
    /// Gives the message back: the kernel may write over it.
    #[inline]
    pub fn consume(self) {
        self.consumer.tail = self.next;
        self.consumer.publish();
    }

    /// The message where it lies.
    #[inline]
    pub const fn view(&self) -> View<'_> {
        self.view
    }

    /// The message as a value.
    #[inline]
    pub fn read(&self, abi: Abi) -> Result<Message<'_>, DecodeError> {
        self.view.read(abi)
    }

    /// The message's type.
    #[inline]
    pub const fn number(&self) -> u16 {
        self.view.number()
    }

    /// The barrier of the thread or agent, after this message.
    #[inline]
    pub const fn seqnum(&self) -> u32 {
        self.view.seqnum()
    }

    /// The thread it is about.
    #[inline]
    pub fn gtid(&self) -> Option<Gtid> {
        self.view.gtid()
    }
}

/// Messages that are read together. Dropped without [`consume`](Self::consume) all of them stay.
#[derive(Debug)]
#[must_use = "the messages stay in the queue until they are consumed"]
pub struct Batch<'q, 'm> {
    consumer: &'q mut Consumer<'m>,
    start: u32,
}

impl<'m> Batch<'_, 'm> {
    /// The next message; `None` if there is none for now.
    #[expect(clippy::should_implement_trait, reason = "it lends, and it can fail without ending")]
    #[inline]
    pub fn next(&mut self) -> Result<Option<View<'_>>, QueueError> {
        loop {
            if let Some((view, span)) = self.consumer.here() {
                self.consumer.tail = self.consumer.tail.wrapping_add(span);
                return Ok(Some(view));
            }
            match self.consumer.go_on() {
                Next::There => {}
                Next::Nothing => return Ok(None),
                Next::Error => return Err(self.consumer.error()),
            }
        }
    }

    /// Gives back every message that was read.
    #[inline]
    pub fn consume(mut self) {
        self.start = self.consumer.tail;
        self.consumer.publish();
    }
}

impl Drop for Batch<'_, '_> {
    fn drop(&mut self) {
        self.consumer.tail = self.start;
    }
}

/// The kernel's side of a queue: for simulated kernels and tests.
#[derive(Debug)]
pub struct Producer<'m> {
    queue: Queue<'m>,
    head: u32,
}

/// A message did not fit and was dropped, as the kernel does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overflow {
    /// How many were dropped in all, modulo 2^32.
    pub total: u32,
}

impl fmt::Display for Overflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the queue is full, {} messages were dropped in all", self.total)
    }
}

impl core::error::Error for Overflow {}

/// Why a message was not produced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProduceError {
    /// It did not fit.
    Overflow(Overflow),
    /// The ABI has no such message.
    Encode(EncodeError),
}

impl fmt::Display for ProduceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Overflow(overflow) => overflow.fmt(f),
            Self::Encode(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for ProduceError {}

impl Producer<'_> {
    /// Puts a message into the queue, or drops it and counts that. `payload` is written as it is; the rest of its last slot
    /// keeps what was there.
    pub fn produce(&mut self, number: u16, seqnum: u32, payload: &[u8]) -> Result<(), Overflow> {
        let length = HEADER_BYTES + payload.len();
        let (Ok(length), needed) = (u16::try_from(length), length.div_ceil(SLOT_BYTES) as u32) else {
            return Err(self.overflow());
        };
        let slots = self.queue.slots();
        // Acquire: pairs with the consumer's store of tail; it has read what we write over now.
        let used = self.head.wrapping_sub(self.queue.tail.load(Ordering::Acquire));
        if used >= slots {
            return Err(self.overflow()); // full, or nonsense
        }
        // Release: pairs with the second fence in `image`; an onlooker who reads what we write now sees that tail too. (In the
        // kernel that is the order of a store after the load it depends on.)
        fence(Ordering::Release);
        let to_end = slots - (self.head & self.queue.mask);
        let free = slots - used;
        let (ahead, behind) = (free.min(to_end), free.saturating_sub(to_end));
        let mut at = self.head;
        if ahead < needed {
            if behind < needed {
                return Err(self.overflow());
            }
            let filler = u16::try_from(to_end as usize * SLOT_BYTES).unwrap_or(u16::MAX);
            self.store(self.queue.index(at), u32::from(filler) << 16);
            at = at.wrapping_add(to_end);
        }
        let index = self.queue.index(at);
        self.store(index, u32::from(number) | u32::from(length) << 16);
        self.store(index + 1, seqnum);
        for (word, bytes) in (index + SLOT_WORDS..).zip(payload.chunks(4)) {
            let mut value = [0; 4];
            value[..bytes.len()].copy_from_slice(bytes);
            self.store(word, u32::from_le_bytes(value));
        }
        self.head = at.wrapping_add(needed);
        // Release: pairs with the consumer's read of head; filler and message become visible together.
        self.queue.head.store(self.head, Ordering::Release);
        Ok(())
    }

    /// [`produce`](Self::produce) with a message of this ABI.
    pub fn produce_message(&mut self, message: &Message, abi: Abi) -> Result<(), ProduceError> {
        let mut bytes = [0; LONGEST_MESSAGE_BYTES];
        let length = message.encode(abi, &mut bytes).map_err(ProduceError::Encode)?;
        self.produce(message.number(), message.seqnum, &bytes[HEADER_BYTES..length])
            .map_err(ProduceError::Overflow)
    }

    fn store(&self, index: usize, value: u32) {
        if let Some(word) = self.queue.slots.get(index) {
            // Relaxed: the store of head publishes it.
            word.store(value, Ordering::Relaxed);
        }
    }

    #[cold]
    fn overflow(&mut self) -> Overflow {
        let total = self.queue.overflow().wrapping_add(1);
        self.queue.overflow.store(total, Ordering::Relaxed);
        Overflow { total }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
