//! Sets of CPUs: of an enclave, of idle CPUs, of what a task may run on; in and out of the kernel's two text forms.
//!
//! [`CpuSet`] is a plain value, [`AtomicCpuSet`] one that threads share.
//!
//! ```
//! use ghostsched_core::cpus::CpuSet;
//!
//! let enclave = CpuSet::parse_list("0-7,16-23")?;
//! let even = CpuSet::parse_list("0-1023:1/2")?;
//! let mut idle = enclave & even;
//! idle.remove(0);
//! assert_eq!(idle.to_string(), "2,4,6,16,18,20,22");
//! assert_eq!(idle.mask().to_string(), "550054");
//! assert_eq!((&idle).into_iter().sum::<u32>(), 88);
//! assert_eq!(idle.next_after_wrapping(22), Some(2));
//! # Ok::<(), ghostsched_core::cpus::ListError>(())
//! ```

mod atomic;
mod iter;
mod text;

pub use atomic::AtomicCpuSet;
pub use iter::{Iter, Runs};
pub use text::{ListError, Mask, MaskError};

use core::array;
use core::ops::{BitAnd, BitAndAssign, BitOr, BitOrAssign, BitXor, BitXorAssign, Range, Sub, SubAssign};

/// A CPU's number is below this.
pub const MAX_CPUS: u32 = 1024;
const WORDS: usize = (MAX_CPUS / 64) as usize;

/// A set of CPUs with numbers below [`MAX_CPUS`]: 128 bytes, as large as `cpu_set_t` of glibc and laid out alike.
///
/// A CPU number beyond is in no set: inserting it changes nothing.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
#[repr(transparent)]
pub struct CpuSet {
    words: [u64; WORDS],
}

impl CpuSet {
    /// What [`to_le_bytes`](Self::to_le_bytes) gives, in bytes: the `mask_len` of `GHOST_IOC_COMMIT_TXN`.
    pub const MASK_LEN: usize = WORDS * 8;

    /// No CPU.
    pub const fn empty() -> Self {
        Self { words: [0; WORDS] }
    }

    /// The CPUs `0..count`.
    pub const fn full(count: u32) -> Self {
        let mut set = Self::empty();
        set.insert_range(0..count);
        set
    }

    /// Adds a CPU. Whether that changed the set.
    #[inline]
    pub const fn insert(&mut self, cpu: u32) -> bool {
        if cpu >= MAX_CPUS {
            return false;
        }
        let word = &mut self.words[cpu as usize / 64];
        let before = *word;
        *word |= 1 << (cpu % 64);
        *word != before
    }

    /// Adds all CPUs of a range.
    pub const fn insert_range(&mut self, cpus: Range<u32>) {
        let end = if cpus.end < MAX_CPUS { cpus.end } else { MAX_CPUS };
        let mut next = cpus.start;
        while next < end {
            let index = next as usize / 64;
            let word_end = (index as u32 + 1) * 64;
            let up_to = if end < word_end { end } else { word_end };
            self.words[index] |= (u64::MAX >> (64 - (up_to - next))) << (next % 64);
            next = up_to;
        }
    }

    /// Takes a CPU out. Whether that changed the set.
    #[inline]
    pub const fn remove(&mut self, cpu: u32) -> bool {
        if cpu >= MAX_CPUS {
            return false;
        }
        let word = &mut self.words[cpu as usize / 64];
        let before = *word;
        *word &= !(1 << (cpu % 64));
        *word != before
    }

    /// Whether a CPU is in the set.
    #[inline]
    pub const fn contains(&self, cpu: u32) -> bool {
        cpu < MAX_CPUS && self.words[cpu as usize / 64] >> (cpu % 64) & 1 != 0
    }

    /// How many CPUs.
    pub fn len(&self) -> u32 {
        self.words.iter().map(|word| word.count_ones()).sum()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.words.iter().fold(0, |any, word| any | word) == 0
    }

    /// The lowest CPU.
    #[inline]
    pub fn first(&self) -> Option<u32> {
        self.first_from(0)
    }

    /// The highest CPU.
    #[inline]
    pub fn last(&self) -> Option<u32> {
        let (index, word) = self.words.iter().enumerate().rfind(|(_, word)| **word != 0)?;
        Some(index as u32 * 64 + word.ilog2())
    }

    /// The lowest CPU above `cpu`.
    #[inline]
    pub fn next_after(&self, cpu: u32) -> Option<u32> {
        self.first_from(cpu.checked_add(1)?)
    }

    /// The lowest CPU above `cpu`, else the lowest of all: round robin. `None` only of an empty set.
    #[inline]
    pub fn next_after_wrapping(&self, cpu: u32) -> Option<u32> {
        self.next_after(cpu).or_else(|| self.first())
    }

    /// The CPU with `n` lower ones in the set: `nth(0)` is the first.
    pub fn nth(&self, n: u32) -> Option<u32> {
        let mut left = n;
        for (index, word) in self.words.iter().enumerate() {
            let ones = word.count_ones();
            if left < ones {
                let above = (0..left).fold(*word, |word, _| word & (word - 1)); // without its lowest ones
                return Some(index as u32 * 64 + above.trailing_zeros());
            }
            left -= ones;
        }
        None
    }

    /// Whether every CPU of this set is in the other.
    pub fn is_subset(&self, other: &Self) -> bool {
        (*self - *other).is_empty()
    }

    /// Whether no CPU is in both sets.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        (*self & *other).is_empty()
    }

    /// The CPUs in ascending order, from both ends.
    #[inline]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(&self.words)
    }

    /// The CPUs as ranges, as long as can be, in ascending order, from both ends.
    #[inline]
    pub fn runs(&self) -> Runs<'_> {
        Runs::new(&self.words)
    }

    /// The set as words: CPU `c` is bit `c % 64` of word `c / 64`.
    #[inline]
    pub const fn words(&self) -> &[u64; WORDS] {
        &self.words
    }

    /// A set from words as [`words`](Self::words) gives them.
    #[inline]
    pub const fn from_words(words: [u64; WORDS]) -> Self {
        Self { words }
    }

    /// The set as bytes: CPU `c` is bit `c % 8` of byte `c / 8`. On a little-endian machine this is a `cpu_set_t`.
    pub fn to_le_bytes(&self) -> [u8; Self::MASK_LEN] {
        let mut bytes = [0; Self::MASK_LEN];
        for (to, word) in bytes.chunks_exact_mut(8).zip(&self.words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    #[inline]
    fn first_from(&self, cpu: u32) -> Option<u32> {
        iter::next_one(&self.words, cpu)
    }

    #[inline]
    fn zip(self, other: Self, combine: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            words: array::from_fn(|index| combine(self.words[index], other.words[index])),
        }
    }
}

/// An operator of sets, and its assigning form, from the operation on words.
macro_rules! operator {
    ($operator:ident, $method:ident, $assign:ident, $assign_method:ident, $words:expr) => {
        impl $operator for CpuSet {
            type Output = Self;
            #[inline]
            fn $method(self, other: Self) -> Self {
                self.zip(other, $words)
            }
        }

        impl $assign for CpuSet {
            #[inline]
            fn $assign_method(&mut self, other: Self) {
                *self = self.zip(other, $words);
            }
        }
    };
}

operator!(BitOr, bitor, BitOrAssign, bitor_assign, |a, b| a | b);
operator!(BitAnd, bitand, BitAndAssign, bitand_assign, |a, b| a & b);
operator!(BitXor, bitxor, BitXorAssign, bitxor_assign, |a, b| a ^ b);
operator!(Sub, sub, SubAssign, sub_assign, |a, b| a & !b);

impl Extend<u32> for CpuSet {
    fn extend<I: IntoIterator<Item = u32>>(&mut self, cpus: I) {
        for cpu in cpus {
            self.insert(cpu);
        }
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        let mut set = Self::empty();
        set.extend(cpus);
        set
    }
}

impl<'s> IntoIterator for &'s CpuSet {
    type Item = u32;
    type IntoIter = Iter<'s>;
    #[inline]
    fn into_iter(self) -> Iter<'s> {
        self.iter()
    }
}
