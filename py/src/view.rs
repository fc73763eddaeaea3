//! Memory of Python's as words, and records as numpy's. The only file with `unsafe`.
//!
//! # Safety
//!
//! A [`Buffer`] holds the numpy array it was made from, which holds the object the bytes belong to. As long as that object
//! has lent its memory it neither moves nor frees it: `mmap.close`, `bytearray.append` and `ndarray.resize` fail. The one way
//! around that is numpy's `resize(refcheck=False)`, which breaks every view of that array, numpy's own too, and whose caller
//! vouches that there is none; and a mapping whose file shrinks, or whose enclave is destroyed, is SIGBUS. What the bytes say may change at any time, by the kernel or by Python code in another thread, so they are seen only as atomics,
//! for which any bytes are valid, and only loaded, Relaxed, which Rust promises for memory that must not be written too.
#![allow(unsafe_code)]

use std::ops::Range;
use std::slice;
use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};

use numpy::{Element, PyArray1, PyArrayDescr, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::wire::record::{self, Record};

/// The bytes of a one-dimensional, contiguous numpy array of `uint8`, kept alive.
#[derive(Debug)]
pub struct Buffer {
    base: *const u8,
    len: usize,
    _owner: Py<PyArray1<u8>>,
}

// SAFETY: `base` and `len` never change, the memory stays where it is while `_owner` is held (see the head of the file), and
// it is only ever seen as atomics, which all threads may use; `Py` is Send and Sync itself.
unsafe impl Send for Buffer {}
// SAFETY: as above.
unsafe impl Sync for Buffer {}

impl Buffer {
    /// The bytes of an array. Fails if it is not contiguous.
    pub fn new(array: &Bound<'_, PyArray1<u8>>) -> PyResult<Self> {
        if !array.is_contiguous() {
            return Err(crate::error::input(
                array.py(),
                "the buffer is not contiguous: give one piece of memory",
            ));
        }
        Ok(Self {
            base: array.data(),
            len: array.len(),
            _owner: array.clone().unbind(),
        })
    }

    /// How many bytes.
    pub fn len(&self) -> usize {
        self.len
    }

    /// The bytes in words of 4, without a rest; `None` if they do not start at a multiple of 4.
    pub fn words(&self) -> Option<&[AtomicU32]> {
        if !self.base.addr().is_multiple_of(align_of::<AtomicU32>()) {
            return None;
        }
        if self.len < 4 {
            return Some(&[]);
        }
        // SAFETY: `base` is valid for reads of `len` bytes and not null, for as long as `self` holds the owner; it is aligned,
        // just checked; any bytes are a valid `AtomicU32`; nobody writes to them but as the head of the file says; and numpy
        // keeps the length below isize::MAX.
        Some(unsafe { slice::from_raw_parts(self.base.cast(), self.len / 4) })
    }

    /// A copy of some of the bytes, which need not be of one moment; `None` if there are fewer.
    pub fn copy(&self, range: Range<usize>) -> Option<Vec<u8>> {
        if range.start > range.end || range.end > self.len {
            return None;
        }
        if range.is_empty() {
            return Some(Vec::new());
        }
        // SAFETY: as in `words`: the range lies within the `len` bytes, just checked, and is not empty, so that `base` is not
        // null; alignment 1.
        let bytes: &[AtomicU8] = unsafe { slice::from_raw_parts(self.base.add(range.start).cast(), range.len()) };
        Some(bytes.iter().map(|byte| byte.load(Ordering::Relaxed)).collect())
    }
}

// SAFETY: plain integers without padding and without Python objects, and `get_dtype` describes exactly them: names, formats
// and offsets come from the same table as the struct, and the size is the struct's.
unsafe impl Element for Record {
    const IS_COPY: bool = true;

    fn get_dtype(py: Python<'_>) -> Bound<'_, PyArrayDescr> {
        static DTYPE: PyOnceLock<Py<PyArrayDescr>> = PyOnceLock::new();
        DTYPE
            .get_or_init(py, || {
                record::dtype(py).expect("numpy knows the types of the table").unbind()
            })
            .clone_ref(py)
            .into_bound(py)
    }

    fn clone_ref(&self, _: Python<'_>) -> Self {
        *self
    }
}
