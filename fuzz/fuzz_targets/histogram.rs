//! Any bounds and any values: the buckets, quantiles and differences are those of a sorted list.
#![no_main]

use ghostsched_core::histogram::{Bounds, Histogram, LARGEST_BOUND_NS};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Vec<u64>, Vec<u64>, u32)| {
    let (upper_ns, mut values, per_million) = input;
    let valid = (1..=64).contains(&upper_ns.len())
        && upper_ns[0] > 0
        && upper_ns.windows(2).all(|pair| pair[0] < pair[1])
        && upper_ns.iter().all(|&bound| bound <= LARGEST_BOUND_NS);
    let Ok(bounds) = Bounds::new(&upper_ns) else {
        assert!(!valid, "refused {upper_ns:?}");
        return;
    };
    assert!(valid, "accepted {upper_ns:?}");

    let mut histogram = Histogram::new();
    let half = values.len() / 2;
    let mut earlier = histogram;
    for (index, &value) in values.iter().enumerate() {
        if index == half {
            earlier = histogram;
        }
        let bucket = bounds.bucket_of(value);
        assert_eq!(
            bucket,
            upper_ns.iter().filter(|&&bound| bound < value).count(),
            "bucket of {value}"
        );
        histogram.record(&bounds, value);
    }
    assert_eq!(histogram.count(), values.len() as u64);
    assert_eq!(
        histogram.sum_ns(),
        values.iter().fold(0, |sum: u64, value| sum.wrapping_add(*value))
    );
    assert_eq!(histogram.max_ns(), values.iter().copied().max().unwrap_or(0));
    if values.len() > 1 {
        assert_eq!(histogram.difference(&earlier).count(), (values.len() - half) as u64);
    }

    values.sort_unstable();
    match histogram.quantile(&bounds, per_million) {
        None => assert!(values.is_empty()),
        Some(quantile) => {
            let part = u128::from(per_million.min(1_000_000)) * values.len() as u128;
            let rank = part.div_ceil(1_000_000).max(1) as usize;
            let exact = values[rank - 1];
            assert!(exact <= quantile.up_to_ns, "{exact} above {quantile:?}");
            assert!(
                exact > quantile.above_ns || quantile.above_ns == quantile.up_to_ns || exact == 0,
                "{exact} below {quantile:?}"
            );
        }
    }
});
