//! A set of CPUs that threads share without a lock.

use core::array;

use super::{CpuSet, MAX_CPUS, WORDS};
use crate::sync::{AtomicU64, Ordering};

/// A [`CpuSet`] that any thread may read and change: the idle CPUs that agents hand to each other.
///
/// Who takes a CPU out sees all that its giver wrote before. Each word changes at once, the set as a whole does not.
#[derive(Debug)]
pub struct AtomicCpuSet {
    words: [AtomicU64; WORDS],
}

impl AtomicCpuSet {
    /// A set with these CPUs.
    pub fn new(set: &CpuSet) -> Self {
        Self {
            words: array::from_fn(|index| AtomicU64::new(set.words()[index])),
        }
    }

    /// Adds a CPU. Whether it was not there.
    pub fn insert(&self, cpu: u32) -> bool {
        let Some((word, bit)) = self.bit(cpu) else { return false };
        // Release: pairs with the Acquire in remove(), contains() and load(). Acquire: who finds the CPU there already
        // is ordered after its giver, and who adds it after the one that took it.
        word.fetch_or(bit, Ordering::AcqRel) & bit == 0
    }

    /// Takes a CPU out. Whether it was there: of many threads that try, one is told so.
    pub fn remove(&self, cpu: u32) -> bool {
        let Some((word, bit)) = self.bit(cpu) else { return false };
        // Acquire: pairs with the Release in insert(). Release: with the Acquire of the insert() that gives it back.
        word.fetch_and(!bit, Ordering::AcqRel) & bit != 0
    }

    /// Whether a CPU is in the set.
    pub fn contains(&self, cpu: u32) -> bool {
        // Acquire: pairs with the Release in insert().
        self.bit(cpu)
            .is_some_and(|(word, bit)| word.load(Ordering::Acquire) & bit != 0)
    }

    /// The set as it is now, each word by itself.
    pub fn load(&self) -> CpuSet {
        // Acquire: pairs with the Release in insert().
        CpuSet::from_words(array::from_fn(|index| self.words[index].load(Ordering::Acquire)))
    }

    fn bit(&self, cpu: u32) -> Option<(&AtomicU64, u64)> {
        (cpu < MAX_CPUS).then(|| (&self.words[cpu as usize / 64], 1 << (cpu % 64)))
    }
}
