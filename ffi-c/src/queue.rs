//! A queue for C: the agent's side, in memory of the caller's.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use ghostsched_core::abi::Abi;
use ghostsched_core::shared::{Consumer, Queue, QueueError, RegionError};
use ghostsched_core::wire::{ImageError, queue_bytes};

use crate::abi::abi;
use crate::error::{Failure, entry, gs_status, value};
use crate::handle;
use crate::message::gs_message;

/// The agent's side of a queue. Filled by gs_queue_init; not to be copied. One thread at a time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct gs_queue {
    /// The library's.
    pub opaque: [u64; 16],
}

/// What a gs_queue holds.
pub(crate) struct State {
    consumer: Consumer<'static>,
    abi: Abi,
    is_peeked: bool,
    read: usize,      // messages that gs_queue_read showed and that are not consumed
    reads_more: bool, // behind them is a message that cannot be read, to be skipped
}

impl State {
    /// Forgets what was lent and shown.
    fn lend_nothing(&mut self) {
        (self.is_peeked, self.read, self.reads_more) = (false, 0, false);
    }
}

impl From<QueueError> for Failure {
    fn from(error: QueueError) -> Self {
        let status = match error {
            QueueError::Overflow { .. } => gs_status::GS_ERR_OVERFLOW,
            QueueError::Fault(_) => gs_status::GS_ERR_QUEUE,
        };
        Self::with(status, &error)
    }
}

impl From<RegionError> for Failure {
    fn from(error: RegionError) -> Self {
        let status = match error {
            RegionError::TooSmall { .. } | RegionError::Queue(ImageError::Truncated { .. }) => {
                gs_status::GS_ERR_TOO_SMALL
            }
            RegionError::Misaligned { .. } => gs_status::GS_ERR_MISALIGNED,
            _ => gs_status::GS_ERR_LAYOUT,
        };
        Self::with(status, &error)
    }
}

/// Bytes of the mapping of a queue of so many slots: what CREATE_QUEUE answers as `mapsize`.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_bytes(slots: u32) -> usize {
    queue_bytes(slots)
}

/// Writes the header of an empty queue: what a kernel does once. For simulated kernels. GS_ERR_LAYOUT if `slots` is no power
/// of two up to 65,536.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_format(base: *mut u8, len: usize, slots: u32) -> gs_status {
    entry(|| {
        let words = handle::mapping(base, len)?.words()?;
        Queue::format(words, slots).map_err(RegionError::Queue)?;
        Ok(gs_status::GS_OK)
    })
}

/// Makes `queue` the agent's side of the queue whose mapping of `len` bytes is at `base`. It goes on where the last consumer
/// stopped. The view keeps the mapping.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_init(queue: *mut gs_queue, base: *mut u8, len: usize, version: u32) -> gs_status {
    entry(|| {
        let abi = abi(version)?;
        let state = State {
            consumer: handle::mapping(base, len)?.queue()?.consumer(),
            abi,
            is_peeked: false,
            read: 0,
            reads_more: false,
        };
        handle::initialise(queue, state)?;
        Ok(gs_status::GS_OK)
    })
}

/// Lends the next message, which stays in the queue until gs_queue_consume. GS_NONE if there is none. After GS_ERR_TOO_SHORT
/// gs_queue_consume skips the message; GS_ERR_OVERFLOW is said once, so ask again; GS_ERR_QUEUE stays until gs_queue_resync.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_peek(queue: *mut gs_queue, message: *mut gs_message) -> gs_status {
    entry(|| {
        let to = handle::out(message)?;
        let state = handle::state_mut(queue)?;
        state.is_peeked = false;
        let Some(lent) = state.consumer.peek()? else {
            return Ok(gs_status::GS_NONE);
        };
        state.is_peeked = true;
        let view = lent.view();
        gs_message::write(to, &view.read(state.abi)?, state.abi, view.header().length);
        Ok(gs_status::GS_OK)
    })
}

/// Gives back the message that gs_queue_peek lent: the kernel may write over it. GS_ERR_NOT_PEEKED if none is lent.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_consume(queue: *mut gs_queue) -> gs_status {
    entry(|| {
        let state = handle::state_mut(queue)?;
        let is_peeked = state.is_peeked;
        state.lend_nothing();
        if !is_peeked {
            return Err(Failure::new(gs_status::GS_ERR_NOT_PEEKED));
        }
        if let Some(lent) = state.consumer.peek()? {
            lent.consume();
        }
        Ok(gs_status::GS_OK)
    })
}

/// Moves up to `max` messages from the queue to `messages`; `count` says how many, also after an error, which concerns the
/// message behind them: see gs_queue_peek. GS_NONE if there was none.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_drain(
    queue: *mut gs_queue,
    messages: *mut gs_message,
    max: usize,
    count: *mut usize,
) -> gs_status {
    entry(|| {
        let count = handle::out(count)?;
        count.write(0);
        let room = handle::room(messages, max)?;
        let state = handle::state_mut(queue)?;
        state.lend_nothing();
        let mut moved = 0;
        let mut batch = state.consumer.batch();
        let mut error = None;
        for to in room {
            let view = match batch.next() {
                Ok(Some(view)) => view,
                Ok(None) => break,
                Err(reason) => {
                    error = Some(Failure::from(reason));
                    break;
                }
            };
            match view.read(state.abi) {
                Ok(message) => gs_message::write(to, &message, state.abi, view.header().length),
                Err(reason) => {
                    // It stays in the queue: what was read before it is read again, and given back without it.
                    drop(batch);
                    batch = state.consumer.batch();
                    for _ in 0..moved {
                        batch.next()?;
                    }
                    state.is_peeked = true;
                    error = Some(Failure::from(reason));
                    break;
                }
            };
            moved += 1;
        }
        batch.consume();
        count.write(moved);
        match error {
            Some(failure) => Err(failure),
            None if moved == 0 => Ok(gs_status::GS_NONE),
            None => Ok(gs_status::GS_OK),
        }
    })
}

/// Shows up to `max` messages, which all stay in the queue until gs_queue_consume_read; the next call shows the same again.
/// `count` says how many, also after an error, which concerns the message behind them: see gs_queue_peek. GS_NONE if there
/// was none. GS_ERR_OVERFLOW is said once, also if not all of them are consumed.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_read(
    queue: *mut gs_queue,
    messages: *mut gs_message,
    max: usize,
    count: *mut usize,
) -> gs_status {
    entry(|| {
        let count = handle::out(count)?;
        count.write(0);
        let room = handle::room(messages, max)?;
        let state = handle::state_mut(queue)?;
        state.lend_nothing();
        let mut failure = None;
        // Dropped without consuming: all of it stays.
        let mut batch = state.consumer.batch();
        for to in room {
            let view = match batch.next() {
                Ok(Some(view)) => view,
                Ok(None) => break,
                Err(reason) => {
                    failure = Some(Failure::from(reason));
                    break;
                }
            };
            match view.read(state.abi) {
                Ok(message) => gs_message::write(to, &message, state.abi, view.header().length),
                Err(reason) => {
                    state.reads_more = true;
                    failure = Some(Failure::from(reason));
                    break;
                }
            };
            state.read += 1;
        }
        drop(batch);
        state.is_peeked = state.reads_more && state.read == 0;
        count.write(state.read);
        match failure {
            Some(failure) => Err(failure),
            None if state.read == 0 => Ok(gs_status::GS_NONE),
            None => Ok(gs_status::GS_OK),
        }
    })
}

/// Consumes the first `n` of the messages that gs_queue_read showed and that are not consumed. GS_ERR_NOT_PEEKED, and nothing
/// is, if it did not show so many, or gs_queue_consume, gs_queue_drain or gs_queue_resync was called since. After
/// GS_ERR_TOO_SHORT and all of them gs_queue_consume skips the message behind them.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_consume_read(queue: *mut gs_queue, n: usize) -> gs_status {
    entry(|| {
        let state = handle::state_mut(queue)?;
        if n > state.read {
            return Err(Failure::new(gs_status::GS_ERR_NOT_PEEKED));
        }
        if n == 0 {
            return Ok(gs_status::GS_OK);
        }
        let (left, reads_more) = (state.read - n, state.reads_more);
        state.lend_nothing();
        let mut batch = state.consumer.batch();
        for _ in 0..n {
            if batch.next()?.is_none() {
                // They were there: somebody wrote over them.
                return Err(Failure::new(gs_status::GS_ERR_QUEUE));
            }
        }
        batch.consume();
        (state.read, state.reads_more) = (left, reads_more);
        state.is_peeked = reads_more && left == 0;
        Ok(gs_status::GS_OK)
    })
}

/// Gives up what is in the queue, after a fault, and goes on with what comes next. `given_up`, which may be NULL, is how many
/// slots that were.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_resync(queue: *mut gs_queue, given_up: *mut u32) -> gs_status {
    entry(|| {
        let state = handle::state_mut(queue)?;
        state.lend_nothing();
        handle::out_or_not(given_up, state.consumer.resync());
        Ok(gs_status::GS_OK)
    })
}

/// How many messages the kernel dropped in all because the queue was full, modulo 2^32. 0 of what is no queue.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_overflow(queue: *const gs_queue) -> u32 {
    value(0, || Ok(handle::state(queue)?.consumer.queue().overflow()))
}

/// How many slots of 8 bytes hold messages that are not consumed.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_used(queue: *const gs_queue) -> u32 {
    value(0, || Ok(handle::state(queue)?.consumer.queue().used()))
}

/// How many slots of 8 bytes it has; not messages.
#[unsafe(no_mangle)]
pub extern "C" fn gs_queue_slots(queue: *const gs_queue) -> u32 {
    value(0, || Ok(handle::state(queue)?.consumer.queue().slots()))
}
