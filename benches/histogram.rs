//! Histograms: record, quantile, merge; beside hdrhistogram. Wall time, for people: `cargo bench --bench histogram`.
//!
//! Not the same promise: ours has fixed memory and the user's own bounds, hdrhistogram a fixed relative error.

use divan::Bencher;
use divan::counter::ItemsCount;
use ghostsched_core::histogram::{Bounds, Histogram};

fn main() {
    divan::main();
}

/// Waits as they come: mostly microseconds, with a tail up to 100 ms. Always the same.
fn waits() -> Vec<u64> {
    let mut x = 0x2545_f491_4f6c_dd1d_u64;
    (0..4096)
        .map(|_| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            1_000 + x % (1 << (10 + x % 17))
        })
        .collect()
}

/// The default bounds, and as many as there may be.
fn bounds(count: usize) -> Bounds {
    match count {
        24 => Bounds::default(),
        _ => Bounds::log_linear(1_000, count / 4, 4).expect("valid bounds"),
    }
}

fn ours(count: usize) -> (Bounds, Histogram) {
    let bounds = bounds(count);
    let mut histogram = Histogram::new();
    waits().iter().for_each(|&ns| histogram.record(&bounds, ns));
    (bounds, histogram)
}

fn theirs(digits: u8) -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, 3_600_000_000_000, digits).expect("valid bounds")
}

fn theirs_filled(digits: u8) -> hdrhistogram::Histogram<u64> {
    let mut histogram = theirs(digits);
    waits().iter().for_each(|&ns| histogram.record(ns).expect("in range"));
    histogram
}

#[divan::bench_group]
mod record {
    use super::*;

    #[divan::bench(args = [24, 64])]
    fn ghostsched(bencher: Bencher<'_, '_>, count: usize) {
        let (bounds, waits) = (bounds(count), waits());
        let mut histogram = Histogram::new();
        bencher.counter(ItemsCount::new(waits.len())).bench_local(|| {
            waits
                .iter()
                .for_each(|&ns| histogram.record(&bounds, divan::black_box(ns)))
        });
    }

    #[divan::bench(args = [1, 3])]
    fn hdrhistogram(bencher: Bencher<'_, '_>, digits: u8) {
        let waits = waits();
        let mut histogram = theirs(digits);
        bencher.counter(ItemsCount::new(waits.len())).bench_local(|| {
            waits
                .iter()
                .for_each(|&ns| histogram.record(divan::black_box(ns)).expect("in range"));
        });
    }
}

#[divan::bench_group]
mod quantile_p99 {
    use super::*;

    #[divan::bench(args = [24, 64])]
    fn ghostsched(bencher: Bencher<'_, '_>, count: usize) {
        let (bounds, histogram) = ours(count);
        bencher.bench(|| divan::black_box(&histogram).quantile(&bounds, 990_000));
    }

    #[divan::bench(args = [1, 3])]
    fn hdrhistogram(bencher: Bencher<'_, '_>, digits: u8) {
        let histogram = theirs_filled(digits);
        bencher.bench(|| divan::black_box(&histogram).value_at_quantile(0.99));
    }
}

#[divan::bench_group]
mod merge {
    use super::*;

    #[divan::bench]
    fn ghostsched(bencher: Bencher<'_, '_>) {
        let (_, one) = ours(24);
        let mut sum = Histogram::new();
        bencher.bench_local(|| sum.merge(divan::black_box(&one)));
    }

    #[divan::bench(args = [1, 3])]
    fn hdrhistogram(bencher: Bencher<'_, '_>, digits: u8) {
        let one = theirs_filled(digits);
        let mut sum = theirs(digits);
        bencher.bench_local(|| sum.add(divan::black_box(&one)).expect("same bounds"));
    }
}
