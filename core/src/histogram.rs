//! Histograms of durations with fixed storage and the user's own bounds.
//!
//! A [`Bounds`] is a sorted list of 1 to 64 upper bounds in nanoseconds; value `v` falls in the first bucket whose bound
//! is `>= v` (the `le` of Prometheus), values above the last bound fall in the overflow bucket. A [`Histogram`] is the
//! counts, the exact sum and the exact maximum; it does not hold its bounds, so that a thousand groups share one.

use core::fmt;

/// The most upper bounds a [`Bounds`] can hold.
pub const MAX_BOUNDS: usize = 64;
/// The most buckets: one for each bound, and the overflow bucket.
pub const MAX_BUCKETS: usize = MAX_BOUNDS + 1;
/// The largest bound: one hour short of 292 years, so that differences of bounds and values stay in 63 bits.
pub const LARGEST_BOUND_NS: u64 = i64::MAX as u64;

/// Sorted upper bounds of a histogram's buckets, in nanoseconds, inclusive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    len: u8, // in 1..=64
    upper: [u64; MAX_BOUNDS],
}

/// Why a list of bounds was refused; says what to write instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoundsError {
    /// No bound at all.
    Empty,
    /// More than [`MAX_BOUNDS`].
    TooMany {
        /// How many were given.
        given: usize,
    },
    /// A bound of zero: nothing could fall under it but waits of 0 ns.
    Zero,
    /// A bound is not above the one before it.
    Unsorted {
        /// The position of the offending bound, from 0.
        index: usize,
        /// The bound before it, in ns.
        before_ns: u64,
        /// The offending bound, in ns.
        bound_ns: u64,
    },
    /// A bound above [`LARGEST_BOUND_NS`].
    TooLarge {
        /// The offending bound, in ns.
        bound_ns: u64,
    },
}

impl fmt::Display for BoundsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Empty => write!(f, "no bounds: give 1 to {MAX_BOUNDS}, such as 50us,1ms,20ms"),
            Self::TooMany { given } => write!(f, "{given} bounds: give at most {MAX_BOUNDS}"),
            Self::Zero => write!(f, "a bound of 0: bounds start at 1ns"),
            Self::Unsorted {
                index,
                before_ns,
                bound_ns,
            } => {
                write!(
                    f,
                    "bound {} ({bound_ns}ns) is not above the one before it ({before_ns}ns): sort them, each once",
                    index + 1
                )
            }
            Self::TooLarge { bound_ns } => write!(
                f,
                "bound {bound_ns}ns is too large: at most {LARGEST_BOUND_NS}ns (292 years)"
            ),
        }
    }
}

impl core::error::Error for BoundsError {}

impl Bounds {
    /// Bounds from a list in nanoseconds: 1 to 64, ascending, each above the one before.
    pub const fn new(upper_ns: &[u64]) -> Result<Self, BoundsError> {
        if upper_ns.is_empty() {
            return Err(BoundsError::Empty);
        }
        if upper_ns.len() > MAX_BOUNDS {
            return Err(BoundsError::TooMany { given: upper_ns.len() });
        }
        let mut upper = [LARGEST_BOUND_NS; MAX_BOUNDS];
        let mut i = 0;
        while i < upper_ns.len() {
            let bound_ns = upper_ns[i];
            if bound_ns == 0 {
                return Err(BoundsError::Zero);
            }
            if bound_ns > LARGEST_BOUND_NS {
                return Err(BoundsError::TooLarge { bound_ns });
            }
            if i > 0 && bound_ns <= upper_ns[i - 1] {
                return Err(BoundsError::Unsorted {
                    index: i,
                    before_ns: upper_ns[i - 1],
                    bound_ns,
                });
            }
            upper[i] = bound_ns;
            i += 1;
        }
        Ok(Self {
            len: upper_ns.len() as u8,
            upper,
        })
    }

    /// Powers of two: `first_ns`, `2 * first_ns`, ... `count` bounds.
    pub const fn log2(first_ns: u64, count: usize) -> Result<Self, BoundsError> {
        Self::log_linear(first_ns, count, 1)
    }

    /// `octaves` doublings from `first_ns`, each cut in `steps` equal parts: `octaves * steps` bounds,
    /// so that a bucket above `first_ns` is at most `1 / steps` of its lower bound wide.
    pub const fn log_linear(first_ns: u64, octaves: usize, steps: usize) -> Result<Self, BoundsError> {
        let count = octaves.saturating_mul(steps);
        if count > MAX_BOUNDS {
            return Err(BoundsError::TooMany { given: count });
        }
        let mut list = [0u64; MAX_BOUNDS];
        let mut i = 0;
        while i < count {
            // base * (steps + part) / steps, in 128 bits: `first_ns << 63` must be refused below, not wrapped.
            let base = (first_ns as u128) << (i / steps);
            let bound = base * (steps + i % steps) as u128 / steps as u128;
            if bound > LARGEST_BOUND_NS as u128 {
                return Err(BoundsError::TooLarge { bound_ns: u64::MAX });
            }
            list[i] = bound as u64;
            i += 1;
        }
        let (list, _) = list.split_at(count);
        Self::new(list)
    }

    /// The bounds in nanoseconds, ascending: 1 to 64 of them.
    pub fn as_slice(&self) -> &[u64] {
        &self.upper[..self.len as usize]
    }

    /// How many buckets: one more than bounds, for the values above the last.
    pub const fn bucket_count(&self) -> usize {
        self.len as usize + 1
    }

    /// The bucket of a value: the index of the first bound `>= value_ns`, or the overflow bucket.
    #[inline]
    pub fn bucket_of(&self, value_ns: u64) -> usize {
        // Six halvings over an array padded with the largest bound; no branch depends on the value.
        let value = if value_ns > LARGEST_BOUND_NS {
            LARGEST_BOUND_NS
        } else {
            value_ns
        };
        let mut i = 0usize;
        let mut step = MAX_BOUNDS / 2;
        while step > 0 {
            i += step * usize::from(self.upper[i + step - 1] < value);
            step /= 2;
        }
        i += usize::from(self.upper[i] < value);
        // The padding equals LARGEST_BOUND_NS, which no value exceeds: only real bounds were passed, but for a last one
        // that is itself the largest, so clamp.
        if value_ns > self.upper[self.len as usize - 1] {
            self.len as usize
        } else {
            i
        }
    }

    /// The values of a bucket as `(above, up_to)` in ns; the overflow bucket ends at `u64::MAX`. `None` beyond the last.
    pub fn range_of(&self, bucket: usize) -> Option<(u64, u64)> {
        let len = self.len as usize;
        if bucket > len {
            return None;
        }
        let above = if bucket == 0 { 0 } else { self.upper[bucket - 1] };
        Some((above, if bucket == len { u64::MAX } else { self.upper[bucket] }))
    }
}

impl Default for Bounds {
    /// 1 us to 8.6 s in doublings: 24 bounds.
    fn default() -> Self {
        const DEFAULT: Bounds = match Bounds::log2(1_024, 24) {
            Ok(bounds) => bounds,
            Err(_) => panic!("the default bounds are valid"),
        };
        DEFAULT
    }
}

impl fmt::Debug for Bounds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.as_slice()).finish()
    }
}

/// Counts per bucket, with the exact sum and maximum of what was recorded. 536 bytes, no bounds inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Histogram {
    counts: [u64; MAX_BUCKETS],
    sum_ns: u64,
    max_ns: u64,
}

/// Where a quantile lies: the true value is above `above_ns` (or equal, when both are equal) and at most `up_to_ns`.
///
/// The error is the width of one bucket, less where the maximum cuts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quantile {
    /// Lower end in ns, exclusive.
    pub above_ns: u64,
    /// Upper end in ns, inclusive: what reports print.
    pub up_to_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self::new()
    }
}

impl Histogram {
    /// An empty histogram.
    pub const fn new() -> Self {
        Self {
            counts: [0; MAX_BUCKETS],
            sum_ns: 0,
            max_ns: 0,
        }
    }

    /// A histogram from counts kept elsewhere (a BPF map): missing buckets are 0, buckets beyond the 65th are ignored.
    pub fn from_parts(counts: &[u64], sum_ns: u64, max_ns: u64) -> Self {
        let mut histogram = Self {
            sum_ns,
            max_ns,
            ..Self::new()
        };
        for (to, from) in histogram.counts.iter_mut().zip(counts) {
            *to = *from;
        }
        histogram
    }

    /// Records one value.
    #[inline]
    pub fn record(&mut self, bounds: &Bounds, value_ns: u64) {
        self.record_in(bounds.bucket_of(value_ns), value_ns);
    }

    /// Records one value whose bucket is known; a bucket beyond the 65th counts as the last.
    #[inline]
    pub fn record_in(&mut self, bucket: usize, value_ns: u64) {
        let count = &mut self.counts[bucket.min(MAX_BUCKETS - 1)];
        *count = count.wrapping_add(1);
        self.sum_ns = self.sum_ns.wrapping_add(value_ns);
        self.max_ns = self.max_ns.max(value_ns);
    }

    /// Adds `count` values of 0 ns: waits that had no part of this kind.
    pub fn record_zeros(&mut self, count: u64) {
        self.counts[0] = self.counts[0].wrapping_add(count);
    }

    /// The counts, one a bucket; those beyond the bounds' buckets are 0.
    pub fn counts(&self) -> &[u64; MAX_BUCKETS] {
        &self.counts
    }

    /// How many values.
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.wrapping_add(*count))
    }

    /// The exact sum of the values, in ns.
    pub fn sum_ns(&self) -> u64 {
        self.sum_ns
    }

    /// The largest value, in ns; 0 when empty.
    pub fn max_ns(&self) -> u64 {
        self.max_ns
    }

    /// Adds another histogram of the same bounds.
    pub fn merge(&mut self, other: &Self) {
        for (to, from) in self.counts.iter_mut().zip(&other.counts) {
            *to = to.wrapping_add(*from);
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// What was recorded between two snapshots of one growing histogram: counts and sum are exact.
    ///
    /// A maximum cannot be subtracted, so `max_ns` stays the later snapshot's unless nothing was recorded; a caller who
    /// tracks the maximum of the interval sets it with [`Self::with_max`].
    pub fn difference(&self, earlier: &Self) -> Self {
        let mut difference = *self;
        for (to, from) in difference.counts.iter_mut().zip(&earlier.counts) {
            *to = to.saturating_sub(*from);
        }
        difference.sum_ns = self.sum_ns.saturating_sub(earlier.sum_ns);
        if difference.count() == 0 {
            difference.max_ns = 0;
        }
        difference
    }

    /// The same histogram with a maximum known from elsewhere.
    pub fn with_max(mut self, max_ns: u64) -> Self {
        self.max_ns = max_ns;
        self
    }

    /// The quantile of `per_million` (990_000 is p99) by nearest rank, or `None` when empty; above 1,000,000 is the maximum.
    pub fn quantile(&self, bounds: &Bounds, per_million: u32) -> Option<Quantile> {
        let count = self.count();
        if count == 0 {
            return None;
        }
        let per_million = u128::from(per_million.min(1_000_000));
        let rank = (u128::from(count) * per_million).div_ceil(1_000_000).max(1) as u64;
        let mut seen = 0u64;
        let mut bucket = 0;
        for (index, n) in self.counts.iter().enumerate() {
            seen = seen.wrapping_add(*n);
            if seen >= rank {
                bucket = index;
                break;
            }
        }
        let (above, up_to) = bounds.range_of(bucket).unwrap_or((0, u64::MAX));
        // The maximum is exact, so it bounds the last bucket that holds anything.
        let up_to = up_to.min(self.max_ns);
        Some(Quantile {
            above_ns: above.min(up_to),
            up_to_ns: up_to,
        })
    }
}
