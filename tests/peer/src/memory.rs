//! Pages that both sides see: allocated here, or lent. One of the two files with `unsafe`.
#![allow(unsafe_code)]

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use ghostsched_core::shared::Mapping;

const PAGE: usize = 4096;

/// Zeroed pages, or pages that somebody else owns.
#[derive(Debug)]
pub struct Memory {
    base: NonNull<u8>,
    len: usize,
    is_owned: bool,
}

// SAFETY: the bytes are used by atomics only, which all threads may.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

impl Memory {
    /// At least `len` bytes in whole pages, all zero.
    pub fn new(len: usize) -> Self {
        let len = len.max(1).next_multiple_of(PAGE);
        let layout = Self::layout(len);
        // SAFETY: the size is not 0.
        let Some(base) = NonNull::new(unsafe { alloc_zeroed(layout) }) else {
            handle_alloc_error(layout)
        };
        Self {
            base,
            len,
            is_owned: true,
        }
    }

    /// Pages of the caller's; `None` if `base` is null.
    ///
    /// # Safety
    ///
    /// The bytes stay mapped for reading and writing until this is dropped, and whoever else in this program uses them does
    /// so by atomics.
    pub unsafe fn lent(base: *mut u8, len: usize) -> Option<Self> {
        Some(Self {
            base: NonNull::new(base)?,
            len,
            is_owned: false,
        })
    }

    /// The bytes, as the core views them.
    pub fn mapping(&self) -> Mapping<'_> {
        // SAFETY: the bytes are mapped until `self` is dropped, and all use of them is by atomics: here because nothing else
        // is offered, outside because `lent` was promised it.
        let mapping = unsafe { Mapping::new(self.base.as_ptr(), self.len) };
        mapping.unwrap_or_else(|| unreachable!("the base is not null"))
    }

    /// Where they are.
    pub fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn layout(len: usize) -> Layout {
        Layout::from_size_align(len, PAGE)
            .unwrap_or_else(|_| unreachable!("a size that was allocated or is about to be"))
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        if self.is_owned {
            // SAFETY: allocated in `new` with this layout.
            unsafe { dealloc(self.base.as_ptr(), Self::layout(self.len)) };
        }
    }
}
