//! From a mapping to the words in it. The only file of the core with `unsafe`, none of which reads or writes memory.
//!
//! # Safety
//!
//! The caller of [`Mapping::new`] or [`ReadOnlyMapping::new`] promises, once, that the memory is mapped for as long as the
//! views live and that nothing writes to it but through atomics or from outside of Rust (the kernel, another process, C).
//! Nor are the same bytes used at the same time as atomics of different sizes: a mapping is a queue, or a region of status words,
//! or pages of CPUs, or rings. The kernel takes away the mappings of `cpu_data` and `sw_N` when the enclave is destroyed, after
//! which touching them is SIGBUS: the caller sees to it that they are not.
//!
//! What the memory says is not part of the promise: every view is made of atomics, for which any bytes are valid, and
//! every number in it is checked where it is used. A view of a read-only mapping is of a type that has no stores and only
//! Relaxed loads, all that Rust promises for memory that must not be written.
#![allow(unsafe_code)]

use core::fmt;
use core::marker::PhantomData;
use core::mem::{align_of, size_of, size_of_val};
use core::ptr::NonNull;
use core::slice;

use super::pnt;
use super::queue::Queue;
use super::status_word::{KernelStatusWord, RegionHeader, StatusWord, StatusWords};
use super::transaction::{CpuPage, Transaction};
use crate::sync::{AtomicU32, AtomicU64};
use crate::wire::{ImageError, StatusWordRegionHeader};

/// What can be viewed in a mapping that is also written to.
///
/// # Safety
///
/// The type consists of atomics (and padding) only, so that any bytes are a valid value and others may write meanwhile.
pub unsafe trait Shared: Sync {}

/// What can be viewed in a read-only mapping.
///
/// # Safety
///
/// As [`Shared`], and nothing that can be done with a reference stores to it, or loads from it with another ordering than
/// Relaxed.
pub unsafe trait SharedReadOnly: Shared {}

// SAFETY: an atomic integer, for which any bytes are valid.
unsafe impl Shared for AtomicU32 {}
// SAFETY: an atomic integer, for which any bytes are valid.
unsafe impl Shared for AtomicU64 {}
// SAFETY: consists of atomic integers.
unsafe impl Shared for StatusWord {}
// SAFETY: its methods load Relaxed and nothing else.
unsafe impl SharedReadOnly for StatusWord {}
// SAFETY: a status word.
unsafe impl Shared for KernelStatusWord {}
// SAFETY: consists of atomic integers.
unsafe impl Shared for RegionHeader {}
// SAFETY: its methods load Relaxed and nothing else.
unsafe impl SharedReadOnly for RegionHeader {}
// SAFETY: consists of atomic integers.
unsafe impl Shared for Transaction {}
// SAFETY: consists of atomic integers.
unsafe impl Shared for CpuPage {}
// SAFETY: consists of atomic integers.
unsafe impl Shared for pnt::Ring {}
// SAFETY: consists of atomic integers.
unsafe impl Shared for pnt::Path {}

/// Why a view of a mapping was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionError {
    /// The mapping ends before it.
    TooSmall {
        /// Bytes needed, from the start of the mapping.
        need: usize,
        /// Bytes mapped.
        have: usize,
    },
    /// It does not begin at a multiple of its alignment.
    Misaligned {
        /// The alignment, in bytes.
        align: usize,
    },
    /// A region of status words says it has a layout that is not known.
    Version {
        /// The header's version; 0 is known.
        version: u32,
    },
    /// The status words do not start where they can.
    Start {
        /// The header's `start`, in bytes.
        start: u32,
    },
    /// The mapping is no queue.
    Queue(ImageError),
}

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooSmall { need, have } => write!(f, "mapping of {have} bytes is too small: {need} are needed"),
            Self::Misaligned { align } => {
                write!(f, "memory is not aligned to {align} bytes: map the file from its start")
            }
            Self::Version { version } => write!(f, "status word region has layout {version}: 0 is known"),
            Self::Start { start } => {
                write!(
                    f,
                    "status words at byte {start}: they start at 64 or later, at a multiple of 32"
                )
            }
            Self::Queue(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for RegionError {}

impl From<ImageError> for RegionError {
    fn from(error: ImageError) -> Self {
        Self::Queue(error)
    }
}

/// Memory that is mapped for reading and writing.
#[derive(Clone, Copy, Debug)]
pub struct Mapping<'m> {
    base: NonNull<u8>,
    len: usize,
    lifetime: PhantomData<&'m [AtomicU64]>,
}

// SAFETY: a `Mapping` is a shared reference to atomics, which all threads may use.
unsafe impl Send for Mapping<'_> {}
// SAFETY: as above.
unsafe impl Sync for Mapping<'_> {}

impl<'m> Mapping<'m> {
    /// The `len` bytes at `base`; `None` if `base` is null.
    ///
    /// # Safety
    ///
    /// For all of `'m` the bytes are mapped for reading and writing, and whoever else in this program uses them does so by
    /// atomics.
    pub const unsafe fn new(base: *mut u8, len: usize) -> Option<Self> {
        match NonNull::new(base) {
            Some(base) => Some(Self {
                base,
                len,
                lifetime: PhantomData,
            }),
            None => None,
        }
    }

    /// Memory of this program's own, for simulated kernels and tests.
    pub fn over(words: &'m [AtomicU64]) -> Self {
        Self {
            base: NonNull::from(words).cast(),
            len: size_of_val(words),
            lifetime: PhantomData,
        }
    }

    /// How many bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `count` values of `T` from byte `offset` on.
    pub fn view<T: Shared>(&self, offset: usize, count: usize) -> Result<&'m [T], RegionError> {
        let first = place::<T>(self.base, self.len, offset, count)?;
        // SAFETY: `place` checked alignment and bounds, and that the size fits in isize; `new` was promised that the bytes
        // are mapped for 'm; `Shared` says that any bytes are valid and that others may change them.
        Ok(unsafe { slice::from_raw_parts(first, count) })
    }

    /// The mapping as words of 4 bytes; a rest of less is left out.
    pub fn words(&self) -> Result<&'m [AtomicU32], RegionError> {
        self.view(0, self.len / size_of::<AtomicU32>())
    }

    /// The queue whose mapping this is.
    pub fn queue(&self) -> Result<Queue<'m>, RegionError> {
        Ok(Queue::new(self.words()?)?)
    }

    /// The pages of the file `cpu_data`, one a possible CPU.
    pub fn cpu_pages(&self) -> Result<&'m [CpuPage], RegionError> {
        self.view(0, self.len / size_of::<CpuPage>())
    }

    /// The status words of a region, as the kernel has them: to write.
    pub fn kernel_status_words(&self) -> Result<&'m [KernelStatusWord], RegionError> {
        let header = self.view::<RegionHeader>(0, 1)?;
        let (start, count) = status_words_at(&header[0].snapshot(), self.len)?;
        self.view(start, count)
    }

    /// The same memory, only to read.
    pub const fn read_only(&self) -> ReadOnlyMapping<'m> {
        ReadOnlyMapping {
            base: self.base,
            len: self.len,
            lifetime: PhantomData,
        }
    }
}

/// Memory that is mapped for reading only, such as a region of status words.
#[derive(Clone, Copy, Debug)]
pub struct ReadOnlyMapping<'m> {
    base: NonNull<u8>,
    len: usize,
    lifetime: PhantomData<&'m [AtomicU64]>,
}

// SAFETY: a `ReadOnlyMapping` is a shared reference to atomics, which all threads may use.
unsafe impl Send for ReadOnlyMapping<'_> {}
// SAFETY: as above.
unsafe impl Sync for ReadOnlyMapping<'_> {}

impl<'m> ReadOnlyMapping<'m> {
    /// The `len` bytes at `base`; `None` if `base` is null.
    ///
    /// # Safety
    ///
    /// For all of `'m` the bytes are mapped for reading, and whoever else in this program uses them does so by atomics.
    pub const unsafe fn new(base: *const u8, len: usize) -> Option<Self> {
        match NonNull::new(base.cast_mut()) {
            Some(base) => Some(Self {
                base,
                len,
                lifetime: PhantomData,
            }),
            None => None,
        }
    }

    /// How many bytes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// `count` values of `T` from byte `offset` on.
    pub fn view<T: SharedReadOnly>(&self, offset: usize, count: usize) -> Result<&'m [T], RegionError> {
        let first = place::<T>(self.base, self.len, offset, count)?;
        // SAFETY: `place` checked alignment and bounds, and that the size fits in isize; `new` was promised that the bytes
        // are mapped for 'm; `SharedReadOnly` says that any bytes are valid, that others may change them, and that the
        // reference is never stored through.
        Ok(unsafe { slice::from_raw_parts(first, count) })
    }

    /// The region of status words whose mapping this is.
    pub fn status_words(&self) -> Result<StatusWords<'m>, RegionError> {
        let header = self.view::<RegionHeader>(0, 1)?;
        let (start, count) = status_words_at(&header[0].snapshot(), self.len)?;
        Ok(StatusWords::new(&header[0], self.view(start, count)?))
    }
}

/// Where `count` values of `T` from byte `offset` on are, if they are aligned and lie within `len` bytes.
fn place<T>(base: NonNull<u8>, len: usize, offset: usize, count: usize) -> Result<*const T, RegionError> {
    let need = count
        .checked_mul(size_of::<T>())
        .and_then(|bytes| bytes.checked_add(offset))
        .unwrap_or(usize::MAX);
    if need > len || need > isize::MAX as usize {
        return Err(RegionError::TooSmall { need, have: len });
    }
    // SAFETY: `offset` is at most `len`, checked above, so this stays within the mapping or at its end.
    let first = unsafe { base.as_ptr().add(offset) };
    if !first.addr().is_multiple_of(align_of::<T>()) {
        return Err(RegionError::Misaligned { align: align_of::<T>() });
    }
    Ok(first.cast())
}

/// Where the words of a region of `len` bytes start and how many there are: at most what its header says.
pub fn status_words_at(header: &StatusWordRegionHeader, len: usize) -> Result<(usize, usize), RegionError> {
    if header.version != 0 {
        return Err(RegionError::Version {
            version: header.version,
        });
    }
    let start = header.start as usize;
    if start < size_of::<RegionHeader>() || !start.is_multiple_of(size_of::<StatusWord>()) {
        return Err(RegionError::Start { start: header.start });
    }
    let Some(room) = len.checked_sub(start) else {
        return Err(RegionError::TooSmall { need: start, have: len });
    };
    Ok((start, (room / size_of::<StatusWord>()).min(header.capacity as usize)))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::boxed::Box;

    #[repr(C, align(4096))]
    struct Memory([u8; 8192]);

    fn mapping(memory: &mut Memory) -> Mapping<'_> {
        // SAFETY: the bytes are borrowed for the mapping's lifetime, and nothing else uses them meanwhile.
        unsafe { Mapping::new(memory.0.as_mut_ptr(), memory.0.len()) }.unwrap()
    }

    #[test]
    fn words_of_ones_own_are_a_mapping() {
        let words = [const { AtomicU64::new(0) }; 4];
        let mapping = Mapping::over(&words);
        assert_eq!(mapping.len(), 32);
        mapping.words().unwrap()[2].store(7, crate::sync::Ordering::Relaxed);
        assert_eq!(words[1].load(crate::sync::Ordering::Relaxed), 7);
    }

    #[test]
    fn nothing_outside_the_mapping_is_viewed() {
        let mut memory = Box::new(Memory([0; 8192]));
        let mapping = mapping(&mut memory);
        assert_eq!(mapping.cpu_pages().unwrap().len(), 2);
        assert!(mapping.view::<CpuPage>(0, 2).is_ok());
        assert_eq!(
            mapping.view::<CpuPage>(0, 3).unwrap_err(),
            RegionError::TooSmall {
                need: 12288,
                have: 8192
            }
        );
        assert!(matches!(
            mapping.view::<CpuPage>(0, usize::MAX),
            Err(RegionError::TooSmall { .. })
        ));
        assert_eq!(
            mapping.view::<AtomicU32>(2, 1).unwrap_err(),
            RegionError::Misaligned { align: 4 }
        );
        assert!(mapping.view::<AtomicU32>(8192, 0).is_ok());
        assert!(mapping.view::<AtomicU32>(8193, 0).is_err());
    }

    #[test]
    fn a_region_has_no_more_words_than_are_mapped() {
        let mut memory = Box::new(Memory([0; 8192]));
        memory.0[12] = 64; // start
        memory.0[16..20].copy_from_slice(&65_534_u32.to_le_bytes());
        let words = mapping(&mut memory).read_only().status_words().unwrap();
        assert_eq!(words.len(), (8192 - 64) / 32);
        for (start, version) in [(63, 0), (96, 1)] {
            memory.0[12] = start;
            memory.0[0] = version;
            assert!(mapping(&mut memory).read_only().status_words().is_err());
        }
    }
}
