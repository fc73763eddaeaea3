//! What a function answers: a number with a text. And the guard that keeps panics inside.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use std::cell::Cell;
use std::ffi::{CStr, c_char};
use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::handle;

/// What a function answers. 0 is success, positive numbers are answers that are no failures, negative ones are errors.
///
/// Numbers are only ever added; one that is retired is not given out again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(i32)]
#[must_use]
pub enum gs_status {
    /// Done.
    GS_OK = 0,
    /// There is nothing: no message, no further task or status word.
    GS_NONE = 1,
    /// The transaction is not in the state that this needs; the state that was found is given.
    GS_LOST = 2,
    /// The transaction has another owner; the owner that was found is given.
    GS_OWNED = 3,
    /// The message is not after the last one applied to its task: skip it.
    GS_STALE = 4,
    /// A pointer is NULL that must not be.
    GS_ERR_NULL = -1,
    /// A pointer is not aligned to its type.
    GS_ERR_MISALIGNED = -2,
    /// The view was not initialised.
    GS_ERR_NOT_INITIALISED = -3,
    /// A fault of this library: please report it. Nothing can be said of what was done.
    GS_ERR_PANIC = -4,
    /// No such ABI: 69, 84, 90 and 91 are known.
    GS_ERR_ABI = -5,
    /// The text is not what it should be.
    GS_ERR_TEXT = -6,
    /// The buffer is too small; how much is needed is given.
    GS_ERR_NO_ROOM = -7,
    /// More than can be.
    GS_ERR_TOO_LONG = -8,
    /// An argument is out of its range.
    GS_ERR_ARGUMENT = -9,
    /// The ABI does not have that.
    GS_ERR_NOT_IN_ABI = -10,
    /// There are fewer bytes than the message's header says, or than a header has.
    GS_ERR_TRUNCATED = -11,
    /// The message is shorter than its type is in this ABI: is it the enclave's?
    GS_ERR_TOO_SHORT = -12,
    /// The queue was full and messages were lost; said once each time. Go on reading, and discover the tasks anew.
    GS_ERR_OVERFLOW = -13,
    /// The queue's memory is not what a kernel writes: gs_queue_resync, and discover the tasks anew.
    GS_ERR_QUEUE = -14,
    /// No message was lent by gs_queue_peek.
    GS_ERR_NOT_PEEKED = -15,
    /// The memory is smaller than what should be in it.
    GS_ERR_TOO_SMALL = -16,
    /// The memory does not begin with what should be in it: another version or kind of file.
    GS_ERR_LAYOUT = -17,
    /// There is no CPU, status word or task of this number.
    GS_ERR_RANGE = -18,
    /// The task is in the table already.
    GS_ERR_EXISTS = -19,
    /// The table has as many tasks as it takes.
    GS_ERR_FULL = -20,
    /// The task is not in the table.
    GS_ERR_UNKNOWN_TASK = -21,
    /// The gtid is no task's.
    GS_ERR_NO_TASK = -22,
    /// A system call failed, and errno says why. Of ghostsched.hpp only.
    GS_ERR_SYSTEM = -23,
    /// The PNT ring has no free slot. Of ghostsched.hpp only.
    GS_ERR_RING_FULL = -24,
    /// The PNT ring is of a kind that takes nothing this way, or was not initialised. Of ghostsched.hpp only.
    GS_ERR_RING_KIND = -25,
}

impl gs_status {
    const ALL: [Self; 30] = {
        use gs_status::*;
        [
            GS_OK,
            GS_NONE,
            GS_LOST,
            GS_OWNED,
            GS_STALE,
            GS_ERR_NULL,
            GS_ERR_MISALIGNED,
            GS_ERR_NOT_INITIALISED,
            GS_ERR_PANIC,
            GS_ERR_ABI,
            GS_ERR_TEXT,
            GS_ERR_NO_ROOM,
            GS_ERR_TOO_LONG,
            GS_ERR_ARGUMENT,
            GS_ERR_NOT_IN_ABI,
            GS_ERR_TRUNCATED,
            GS_ERR_TOO_SHORT,
            GS_ERR_OVERFLOW,
            GS_ERR_QUEUE,
            GS_ERR_NOT_PEEKED,
            GS_ERR_TOO_SMALL,
            GS_ERR_LAYOUT,
            GS_ERR_RANGE,
            GS_ERR_EXISTS,
            GS_ERR_FULL,
            GS_ERR_UNKNOWN_TASK,
            GS_ERR_NO_TASK,
            GS_ERR_SYSTEM,
            GS_ERR_RING_FULL,
            GS_ERR_RING_KIND,
        ]
    };

    const fn text(self) -> &'static CStr {
        match self {
            Self::GS_OK => c"done",
            Self::GS_NONE => c"there is nothing",
            Self::GS_LOST => c"the transaction is in another state",
            Self::GS_OWNED => c"the transaction has another owner",
            Self::GS_STALE => c"the message is not after the last one: skip it",
            Self::GS_ERR_NULL => c"a pointer is null",
            Self::GS_ERR_MISALIGNED => c"a pointer is not aligned to its type",
            Self::GS_ERR_NOT_INITIALISED => c"the view was not initialised",
            Self::GS_ERR_PANIC => c"a fault of the ghostsched library: please report it",
            Self::GS_ERR_ABI => c"no such ghOSt ABI: use 69, 84, 90 or 91",
            Self::GS_ERR_TEXT => c"the text is not what it should be",
            Self::GS_ERR_NO_ROOM => c"the buffer is too small",
            Self::GS_ERR_TOO_LONG => c"more than can be",
            Self::GS_ERR_ARGUMENT => c"an argument is out of its range",
            Self::GS_ERR_NOT_IN_ABI => c"the ghOSt ABI does not have that",
            Self::GS_ERR_TRUNCATED => c"the message is cut off",
            Self::GS_ERR_TOO_SHORT => c"the message is too short for its type: is this the enclave's ABI?",
            Self::GS_ERR_OVERFLOW => c"the queue was full and messages were lost: discover the tasks anew",
            Self::GS_ERR_QUEUE => c"the queue's memory makes no sense: resync, and discover the tasks anew",
            Self::GS_ERR_NOT_PEEKED => c"no message was lent: peek before consuming",
            Self::GS_ERR_TOO_SMALL => c"the memory is too small for what should be in it",
            Self::GS_ERR_LAYOUT => c"the memory does not begin with what should be in it",
            Self::GS_ERR_RANGE => c"no cpu, status word or task of this number",
            Self::GS_ERR_EXISTS => c"the task is in the table already",
            Self::GS_ERR_FULL => c"the table is full: lend it more slots",
            Self::GS_ERR_UNKNOWN_TASK => c"the task is not in the table",
            Self::GS_ERR_NO_TASK => c"the gtid is no task's",
            Self::GS_ERR_SYSTEM => c"a system call failed: see errno",
            Self::GS_ERR_RING_FULL => c"the ring is full",
            Self::GS_ERR_RING_KIND => c"the ring is of another kind, or was not initialised",
        }
    }
}

/// What a status means, in a few words. Never NULL; lives for ever.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_text(status: i32) -> *const c_char {
    let known = gs_status::ALL.iter().find(|known| **known as i32 == status);
    known.map_or(c"unknown status", |known| known.text()).as_ptr()
}

/// What went wrong in the last call of this thread that returned an error, with its numbers: "message of type 67 says it
/// has 40 bytes and needs 48: is this the enclave's ABI?". Never NULL, empty before the first error; changed by the next.
#[unsafe(no_mangle)]
pub extern "C" fn gs_last_error() -> *const c_char {
    LAST.with(|last| last.as_ptr().cast())
}

/// The version of this library, such as "0.1.0". The macros GS_VERSION_* are that of the header.
#[unsafe(no_mangle)]
pub extern "C" fn gs_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Why a call failed: the number, and the text with its numbers that the thread keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Failure(gs_status);

impl Failure {
    /// A failure whose text is that of the status.
    pub(crate) fn new(status: gs_status) -> Self {
        Self::with(status, &status.text().to_str().unwrap_or_default())
    }

    /// A failure that says more.
    pub(crate) fn with(status: gs_status, text: &dyn fmt::Display) -> Self {
        keep(text);
        Self(status)
    }
}

const LAST_BYTES: usize = 256;

thread_local! {
    /// The text of the thread's last error, with a zero behind it.
    static LAST: [Cell<u8>; LAST_BYTES] = const { [const { Cell::new(0) }; LAST_BYTES] };
}

/// Writes text to bytes and keeps the last of them zero.
struct Bytes<'a> {
    to: &'a [Cell<u8>],
    length: usize,
}

impl Write for Bytes<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = self
            .to
            .get(self.length..self.to.len().saturating_sub(1))
            .unwrap_or_default();
        for (to, byte) in room.iter().zip(text.bytes()) {
            to.set(byte);
            self.length += 1;
        }
        Ok(())
    }
}

fn keep(text: &dyn fmt::Display) {
    LAST.with(|last| {
        let mut bytes = Bytes { to: last, length: 0 };
        // Neither these bytes nor the texts of the core fail; what does not fit is cut off.
        let _ = write!(bytes, "{text}");
        if let Some(end) = last.get(bytes.length) {
            end.set(0);
        }
    });
}

/// Runs the body of an entry: a failure becomes its number, a panic GS_ERR_PANIC.
pub(crate) fn entry(body: impl FnOnce() -> Result<gs_status, Failure>) -> gs_status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status,
        Ok(Err(Failure(status))) => status,
        Err(_) => Failure::new(gs_status::GS_ERR_PANIC).0,
    }
}

/// Runs the body of an entry that returns a value: a failure or a panic becomes `otherwise`.
pub(crate) fn value<T>(otherwise: T, body: impl FnOnce() -> Result<T, Failure>) -> T {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(value)) => value,
        Ok(Err(_)) => otherwise,
        Err(_) => {
            keep(&gs_status::GS_ERR_PANIC.text().to_str().unwrap_or_default());
            otherwise
        }
    }
}

/// Writes a text and a zero behind it; `need`, where it is wanted, gets the bytes without the zero. What does not fit is cut
/// off, and said.
pub(crate) fn put_text(
    text: &dyn fmt::Display,
    to: *mut c_char,
    len: usize,
    need: *mut usize,
) -> Result<gs_status, Failure> {
    let room = Cell::from_mut(handle::bytes(to.cast(), len)?).as_slice_of_cells();
    let mut bytes = Bytes { to: room, length: 0 };
    let mut count = Count(0);
    let _ = write!(bytes, "{text}");
    let _ = write!(count, "{text}");
    handle::out_or_not(need, count.0);
    if count.0 >= len {
        return Err(Failure::new(gs_status::GS_ERR_NO_ROOM));
    }
    Ok(gs_status::GS_OK)
}

/// Counts the bytes of a text.
struct Count(usize);

impl Write for Count {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 += text.len();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(of: *const c_char) -> &'static str {
        // A test may: the texts live for ever, and nothing else runs on this thread.
        crate::handle::tests::text(of)
    }

    #[test]
    fn each_status_has_its_own_number_and_text() {
        for (index, status) in gs_status::ALL.iter().enumerate() {
            assert!(!status.text().is_empty());
            for other in &gs_status::ALL[index + 1..] {
                assert_ne!(status, other);
                assert_ne!(status.text(), other.text());
            }
        }
        assert_eq!(text(gs_status_text(-1)), "a pointer is null");
        assert_eq!(text(gs_status_text(-1000)), "unknown status");
    }

    #[test]
    fn a_panic_stays_inside() {
        let hook = std::panic::take_hook();
        std::panic::set_hook(Box::new(|_| {}));
        assert_eq!(entry(|| panic!("on purpose")), gs_status::GS_ERR_PANIC);
        assert_eq!(value(7, || panic!("on purpose")), 7);
        std::panic::set_hook(hook);
        assert!(text(gs_last_error()).contains("please report"));
    }

    #[test]
    fn a_text_that_does_not_fit_is_cut_off_and_said() {
        let (mut buffer, mut need) = ([1; 4], 0);
        let mut put = |len| put_text(&"four", buffer.as_mut_ptr(), len, &mut need);
        assert_eq!(put(4), Err(Failure(gs_status::GS_ERR_NO_ROOM)));
        assert_eq!(put(0), Err(Failure(gs_status::GS_ERR_NO_ROOM)));
        assert_eq!(need, 4);
        assert_eq!(buffer, [b'f' as c_char, b'o' as c_char, b'u' as c_char, 0]);
        assert!(put_text(&"four", std::ptr::null_mut(), 9, std::ptr::null_mut()).is_err());
        keep(&"x".repeat(1000));
        assert_eq!(text(gs_last_error()).len(), LAST_BYTES - 1);
    }
}
