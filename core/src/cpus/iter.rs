//! Iteration by runs: most sets of CPUs are a few ranges, so most steps are an addition and a comparison.

use core::ops::Range;

use super::{MAX_CPUS, WORDS};

/// The lowest bit set at or after `from`.
#[inline]
pub(super) fn next_one(words: &[u64; WORDS], from: u32) -> Option<u32> {
    next_where(words, from, |word| word)
}

/// The lowest bit set at or after `from`, in words as `view` shows them.
#[inline]
fn next_where(words: &[u64; WORDS], from: u32, view: impl Fn(u64) -> u64) -> Option<u32> {
    let first = from as usize / 64;
    let mut word = view(*words.get(first)?) & u64::MAX << (from % 64);
    let mut index = first;
    while word == 0 {
        index += 1;
        word = view(*words.get(index)?);
    }
    Some(index as u32 * 64 + word.trailing_zeros())
}

/// The highest bit set below `below`, in words as `view` shows them.
#[inline]
fn last_where(words: &[u64; WORDS], below: u32, view: impl Fn(u64) -> u64) -> Option<u32> {
    let highest = below.checked_sub(1)?;
    let mut index = highest as usize / 64;
    let mut word = view(*words.get(index)?) & u64::MAX >> (63 - highest % 64);
    while word == 0 {
        index = index.checked_sub(1)?;
        word = view(words[index]);
    }
    Some(index as u32 * 64 + word.ilog2())
}

/// The runs of a [`CpuSet`](super::CpuSet): ranges that do not touch, ascending. From [`runs`](super::CpuSet::runs).
#[derive(Clone, Debug)]
pub struct Runs<'s> {
    words: &'s [u64; WORDS],
    /// What is left to look at, at both ends outside of a run or at its edge.
    left: Range<u32>,
}

impl<'s> Runs<'s> {
    #[inline]
    pub(super) fn new(words: &'s [u64; WORDS]) -> Self {
        Self {
            words,
            left: 0..MAX_CPUS,
        }
    }
}

impl Iterator for Runs<'_> {
    type Item = Range<u32>;

    #[inline]
    fn next(&mut self) -> Option<Range<u32>> {
        let start = next_one(self.words, self.left.start).filter(|start| *start < self.left.end);
        let Some(start) = start else {
            self.left.start = self.left.end;
            return None;
        };
        let end = next_where(self.words, start, |word| !word).unwrap_or(MAX_CPUS);
        self.left.start = end;
        Some(start..end)
    }
}

impl DoubleEndedIterator for Runs<'_> {
    fn next_back(&mut self) -> Option<Range<u32>> {
        let last = last_where(self.words, self.left.end, |word| word).filter(|last| *last >= self.left.start);
        let Some(last) = last else {
            self.left.end = self.left.start;
            return None;
        };
        let start = last_where(self.words, last, |word| !word).map_or(0, |clear| clear + 1);
        self.left.end = start;
        Some(start..last + 1)
    }
}

impl core::iter::FusedIterator for Runs<'_> {}

/// The CPUs of a [`CpuSet`](super::CpuSet), ascending. From [`iter`](super::CpuSet::iter).
#[derive(Clone, Debug)]
pub struct Iter<'s> {
    words: &'s [u64; WORDS],
    /// What is left of the run begun at the front, within one word.
    run: Range<u32>,
    /// What is left of the word after that run, and the number of its lowest bit.
    word: u64,
    base: u32,
    /// CPUs from here on were given from the back.
    end: u32,
}

impl<'s> Iter<'s> {
    #[inline]
    pub(super) fn new(words: &'s [u64; WORDS]) -> Self {
        Self {
            words,
            run: 0..0,
            word: words[0],
            base: 0,
            end: MAX_CPUS,
        }
    }

    /// Begins the next run; the one before is used up.
    #[inline]
    fn next_run(&mut self) -> Option<Range<u32>> {
        if self.word == 0 {
            while self.word == 0 {
                let base = self.base + 64;
                if base >= self.end {
                    return None;
                }
                self.word = self.words[base as usize / 64];
                self.base = base;
            }
            let left = self.end - self.base;
            if left < 64 {
                self.word &= !(u64::MAX << left);
                if self.word == 0 {
                    return None;
                }
            }
        }
        let start = self.word.trailing_zeros();
        let ones = (self.word >> start).trailing_ones();
        // Carries through the run, and out of the word if the run ends it.
        self.word &= self.word.wrapping_add(1 << start);
        Some(self.base + start..self.base + start + ones)
    }
}

impl Iterator for Iter<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        if self.run.is_empty() {
            self.run = self.next_run()?;
        }
        self.run.next()
    }

    #[inline]
    fn fold<B, F: FnMut(B, u32) -> B>(mut self, init: B, mut f: F) -> B {
        let mut sum = self.run.clone().fold(init, &mut f);
        while let Some(run) = self.next_run() {
            // The first by itself: a run of one then costs no loop, which the compiler makes ready for many.
            sum = f(sum, run.start);
            sum = (run.start + 1..run.end).fold(sum, &mut f);
        }
        sum
    }
}

impl DoubleEndedIterator for Iter<'_> {
    fn next_back(&mut self) -> Option<u32> {
        let above = self.base + 64;
        if self.end > above {
            let last = last_where(self.words, self.end, |word| word).filter(|last| *last >= above);
            self.end = last.unwrap_or(above);
            if last.is_some() {
                return last;
            }
        }
        if self.word == 0 {
            return self.run.next_back();
        }
        let last = self.word.ilog2();
        self.word ^= 1 << last;
        Some(self.base + last)
    }
}

impl core::iter::FusedIterator for Iter<'_> {}
