//! Pointers of C. Null and misaligned ones become errors, the others references. The only file with `unsafe` blocks.
//!
//! # Safety
//!
//! A raw pointer gets into this crate only as an argument of an `extern "C"` function, whose caller promises what the head of
//! `ghostsched.h` says, that it
//!
//! 1. points to as many values of its type as the function says, readable, and writable where it is not `const`;
//! 2. is used by nobody else during the call, where it is not `const`;
//! 3. is, where the function says that a view keeps it, mapped for as long as the view is used, and used by others, in this
//!    program, through atomics only.
//!
//! All functions here are private to the crate and are given nothing but such arguments.
#![allow(unsafe_code)]

use std::mem::{MaybeUninit, align_of, size_of};
use std::slice;

use ghostsched_core::shared::{Mapping, ReadOnlyMapping};

use crate::error::{Failure, gs_status};

fn check<T>(pointer: *const T) -> Result<(), Failure> {
    if pointer.is_null() {
        return Err(Failure::new(gs_status::GS_ERR_NULL));
    }
    if !pointer.addr().is_multiple_of(align_of::<T>()) {
        return Err(Failure::new(gs_status::GS_ERR_MISALIGNED));
    }
    Ok(())
}

/// What a pointer to a value points to.
pub(crate) fn get<'a, T: Copy>(pointer: *const T) -> Result<&'a T, Failure> {
    check(pointer)?;
    // SAFETY: not null and aligned, and promise 1.
    Ok(unsafe { &*pointer })
}

/// Where a result goes. Every function asks for it before it does anything.
pub(crate) fn out<'a, T>(pointer: *mut T) -> Result<&'a mut MaybeUninit<T>, Failure> {
    check(pointer)?;
    // SAFETY: not null and aligned, and promises 1 and 2; it need not be initialised.
    Ok(unsafe { &mut *pointer.cast() })
}

/// Puts a result where the caller wants it, if it does: a null pointer says no. Changes no error text.
pub(crate) fn out_or_not<T>(pointer: *mut T, value: T) {
    if !pointer.is_null() && pointer.addr().is_multiple_of(align_of::<T>()) {
        // SAFETY: not null and aligned, and promises 1 and 2.
        unsafe { pointer.write(value) };
    }
}

/// `count` values, none of which may be behind a null pointer.
pub(crate) fn values<'a, T: Copy>(first: *const T, count: usize) -> Result<&'a [T], Failure> {
    if count == 0 {
        return Ok(&[]);
    }
    check(first)?;
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::new(gs_status::GS_ERR_TOO_LONG));
    }
    // SAFETY: not null, aligned, no longer than a slice can be, and promise 1.
    Ok(unsafe { slice::from_raw_parts(first, count) })
}

/// Room for `count` values.
pub(crate) fn room<'a, T>(first: *mut T, count: usize) -> Result<&'a mut [MaybeUninit<T>], Failure> {
    if count == 0 {
        return Ok(&mut []);
    }
    check(first)?;
    if count > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Failure::new(gs_status::GS_ERR_TOO_LONG));
    }
    // SAFETY: not null, aligned, no longer than a slice can be, and promises 1 and 2; it need not be initialised.
    Ok(unsafe { slice::from_raw_parts_mut(first.cast(), count) })
}

/// Room for `count` bytes, zeroed, so that a function that reports how many it wrote need not care for the rest.
pub(crate) fn bytes<'a>(first: *mut u8, count: usize) -> Result<&'a mut [u8], Failure> {
    let room = room(first, count)?;
    room.fill(MaybeUninit::new(0));
    // SAFETY: all of it was just written.
    Ok(unsafe { &mut *(&raw mut *room as *mut [u8]) })
}

/// Memory that a view keeps.
pub(crate) fn mapping(base: *mut u8, len: usize) -> Result<Mapping<'static>, Failure> {
    // SAFETY: promise 3; `'static` is as long as the view is used.
    unsafe { Mapping::new(base, len) }.ok_or_else(|| Failure::new(gs_status::GS_ERR_NULL))
}

/// Memory that a view keeps and never writes.
pub(crate) fn read_only_mapping(base: *const u8, len: usize) -> Result<ReadOnlyMapping<'static>, Failure> {
    // SAFETY: promise 3; `'static` is as long as the view is used.
    unsafe { ReadOnlyMapping::new(base, len) }.ok_or_else(|| Failure::new(gs_status::GS_ERR_NULL))
}

/// Values of the caller's that a view keeps for itself, each set to `value` first.
pub(crate) fn kept<T: Copy>(first: *mut T, count: usize, value: T) -> Result<&'static mut [T], Failure> {
    let room = room(first, count)?;
    room.fill(MaybeUninit::new(value));
    // SAFETY: all of it was just written; promise 3, and 2 for as long as the view is used.
    Ok(unsafe { &mut *(&raw mut *room as *mut [T]) })
}

/// A view of C whose memory holds a value of Rust.
///
/// # Safety
///
/// The type is `repr(C)`, of at least the size and alignment of [`State`](Self::State) behind a first field of 8 bytes, and
/// any bytes are valid for it.
pub(crate) unsafe trait View: Sized {
    /// What it holds.
    type State;
    /// What the first 8 bytes are when it holds one; no view has that of another.
    const MAGIC: u64;
}

const FIRST: usize = size_of::<u64>();

/// Makes a view hold a state. What it held before needs no dropping.
pub(crate) fn initialise<V: View>(view: *mut V, state: V::State) -> Result<(), Failure> {
    const {
        assert!(size_of::<V>() >= FIRST + size_of::<V::State>());
        assert!(align_of::<V>() >= align_of::<V::State>() && align_of::<V::State>() <= FIRST);
        assert!(!std::mem::needs_drop::<V::State>());
    }
    check(view)?;
    // SAFETY: not null, aligned, promises 1 and 2; the state fits behind the first field, aligned, as asserted above.
    unsafe {
        view.cast::<u64>().write(V::MAGIC);
        view.byte_add(FIRST).cast::<V::State>().write(state);
    }
    Ok(())
}

/// The state of a view that was initialised.
pub(crate) fn state<'a, V: View>(view: *const V) -> Result<&'a V::State, Failure> {
    check(view)?;
    // SAFETY: not null, aligned, promise 1; any bytes are a number.
    if unsafe { view.cast::<u64>().read() } != V::MAGIC {
        return Err(Failure::new(gs_status::GS_ERR_NOT_INITIALISED));
    }
    // SAFETY: `initialise` wrote the number together with the state, which lies there as asserted.
    Ok(unsafe { &*view.byte_add(FIRST).cast() })
}

/// The state of a view that was initialised, to change it.
pub(crate) fn state_mut<'a, V: View>(view: *mut V) -> Result<&'a mut V::State, Failure> {
    state(view.cast_const())?;
    // SAFETY: as in `state`, and promise 2.
    Ok(unsafe { &mut *view.byte_add(FIRST).cast() })
}

macro_rules! view {
    ($view:ty, $state:ty, $magic:literal) => {
        // SAFETY: `repr(C)`, begins with a number of 8 bytes, consists of numbers; `initialise` asserts the size.
        unsafe impl View for $view {
            type State = $state;
            const MAGIC: u64 = u64::from_le_bytes(*$magic);
        }
    };
}

view!(crate::queue::gs_queue, crate::queue::State, b"gsqueue0");
view!(
    crate::status_word::gs_status_words,
    crate::status_word::State,
    b"gswords0"
);
view!(
    crate::transaction::gs_transactions,
    crate::transaction::State,
    b"gstxns_0"
);
view!(crate::tasks::gs_tasks, crate::tasks::State, b"gstasks0");

#[cfg(test)]
pub(crate) mod tests {
    use std::ffi::{CStr, c_char};

    /// The text at a pointer that one of the entries returned.
    pub(crate) fn text(of: *const c_char) -> &'static str {
        assert!(!of.is_null());
        // SAFETY: entries return texts that end with a zero and live on, at least until the thread's next error.
        unsafe { CStr::from_ptr(of) }.to_str().unwrap()
    }
}
