//! A BPF array map as memory: read while the kernel writes it.
//!
//! # Safety
//!
//! Nothing here makes a reference to the mapped memory as plain data: every read and write is one atomic access of an
//! aligned word inside the mapping, Relaxed, since the writer is BPF code that orders nothing for us; what is read is
//! trusted for nothing (no lengths, no indices unchecked by the caller). [`Mapping::shared`] lends the memory to the core,
//! whose views are made of atomics too.
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use ghostsched_core::shared;

use crate::Error;

/// All elements of an mmapable array map.
#[derive(Debug)]
pub struct Mapping {
    base: NonNull<u8>,
    bytes: usize, // what was mapped: elements * stride, rounded up to pages
    stride: usize,
    elements: usize,
    writable: bool,
}

// SAFETY: all access is by atomics (see the head), so it may come from any thread.
unsafe impl Send for Mapping {}
// SAFETY: likewise.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// Maps `elements` of `stride` bytes each.
    pub fn new(fd: BorrowedFd<'_>, stride: usize, elements: usize, writable: bool) -> Result<Self, Error> {
        let page = 4096usize;
        let bytes = stride
            .checked_mul(elements)
            .and_then(|bytes| bytes.checked_next_multiple_of(page))
            .filter(|&bytes| bytes > 0)
            .ok_or_else(|| Error::Input(format!("a map of {elements} x {stride} bytes: lower --max-groups")))?;
        let protection = libc::PROT_READ | if writable { libc::PROT_WRITE } else { 0 };
        // SAFETY: a fresh mapping at an address of the kernel's choice; the descriptor is open.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                bytes,
                protection,
                libc::MAP_SHARED,
                fd.as_raw_fd(),
                0,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(Error::System(format!(
                "map a BPF array: {}",
                std::io::Error::last_os_error()
            )));
        }
        let base = NonNull::new(base.cast()).ok_or_else(|| Error::System("map a BPF array at address 0".into()))?;
        Ok(Self {
            base,
            bytes,
            stride,
            elements,
            writable,
        })
    }

    /// How many elements.
    pub fn elements(&self) -> usize {
        self.elements
    }

    /// The elements, one after the other, for the core's views; `None` of a read-only mapping.
    pub fn shared(&self) -> Option<shared::Mapping<'_>> {
        if !self.writable {
            return None;
        }
        // SAFETY: `elements * stride <= bytes` are mapped for reading and writing until `self` is dropped, which the view
        // borrows; all other use in this program is by atomics (see the head).
        unsafe { shared::Mapping::new(self.base.as_ptr(), self.elements * self.stride) }
    }

    /// The address of an aligned word of `size` bytes, if it lies inside an element.
    fn word(&self, element: usize, offset: usize, size: usize) -> Option<NonNull<u8>> {
        let at = element.checked_mul(self.stride)?.checked_add(offset)?;
        let inside = element < self.elements && offset.checked_add(size)? <= self.stride && at % size == 0;
        // SAFETY: `at + size` is within `elements * stride <= bytes` of the mapping that starts at `base`.
        inside.then(|| unsafe { self.base.add(at) })
    }

    /// The 64-bit word at a byte offset of an element; 0 outside.
    pub fn u64(&self, element: usize, offset: usize) -> u64 {
        let Some(word) = self.word(element, offset, 8) else {
            return 0;
        };
        // SAFETY: inside the live mapping, aligned to 8 (`base` is page-aligned), only ever accessed as atomics.
        let word = unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) };
        word.load(Ordering::Relaxed)
    }

    /// The 32-bit word at a byte offset of an element; 0 outside.
    pub fn u32(&self, element: usize, offset: usize) -> u32 {
        let Some(word) = self.word(element, offset, 4) else {
            return 0;
        };
        // SAFETY: as for `u64`, aligned to 4.
        let word = unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) };
        word.load(Ordering::Relaxed)
    }

    /// Bytes of an element, for text; empty outside.
    pub fn text(&self, element: usize, offset: usize, len: usize) -> String {
        let words = (0..len / 4).map(|i| self.u32(element, offset + 4 * i));
        let bytes: Vec<u8> = words.flat_map(u32::to_ne_bytes).take_while(|&byte| byte != 0).collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Writes a 64-bit word; nothing outside, or in a read-only mapping.
    pub fn set_u64(&self, element: usize, offset: usize, value: u64) {
        if let (true, Some(word)) = (self.writable, self.word(element, offset, 8)) {
            // SAFETY: as for `u64`, and the mapping is writable.
            unsafe { AtomicU64::from_ptr(word.as_ptr().cast()) }.store(value, Ordering::Relaxed);
        }
    }

    /// Writes a 32-bit word; nothing outside, or in a read-only mapping.
    pub fn set_u32(&self, element: usize, offset: usize, value: u32) {
        if let (true, Some(word)) = (self.writable, self.word(element, offset, 4)) {
            // SAFETY: as for `u32`, and the mapping is writable.
            unsafe { AtomicU32::from_ptr(word.as_ptr().cast()) }.store(value, Ordering::Relaxed);
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: exactly what `new` mapped; no reference to it is left.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}
