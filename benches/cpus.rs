//! Sets of CPUs: both text forms, iteration, set algebra. `cargo bench --bench cpus`; beside the peer:
//! `benches/peer/run.sh`.

use std::collections::BTreeSet;
use std::fmt::{Display, Write};

use divan::{Bencher, black_box};
use ghostsched_core::cpus::CpuSet;

fn main() {
    divan::main();
}

/// One range, as of a small machine; one hyperthread of each core of a large one; 256 CPUs with every other missing.
const LISTS: [&str; 3] = ["0-1", "0-27,56-83", "0-255:1/2"];

fn set(list: &str) -> CpuSet {
    CpuSet::parse_list(list).expect("valid")
}

#[divan::bench(args = LISTS)]
fn parse_list(bencher: Bencher<'_, '_>, list: &str) {
    bencher.bench(|| CpuSet::parse_list(black_box(list)));
}

#[divan::bench(args = ["3", "ff,ffff00ff,ffffffff,fff00000"])]
fn parse_mask(bencher: Bencher<'_, '_>, mask: &str) {
    bencher.bench(|| CpuSet::parse_mask(black_box(mask)));
}

/// Writes into a buffer that has the room already.
fn written(bencher: Bencher<'_, '_>, value: impl Display) {
    let mut text = String::with_capacity(8192);
    bencher.bench_local(|| {
        text.clear();
        write!(text, "{}", black_box(&value)).expect("no end to a string");
    });
}

#[divan::bench(args = LISTS)]
fn display_list(bencher: Bencher<'_, '_>, list: &str) {
    written(bencher, set(list));
}

#[divan::bench(args = LISTS)]
fn display_mask(bencher: Bencher<'_, '_>, list: &str) {
    written(bencher, set(list).mask());
}

#[divan::bench_group]
mod iterate_sum {
    use super::*;

    /// As the peer's benchmark: all CPUs of a machine with 112; and with gaps.
    const SETS: [&str; 3] = ["0-111", "0-27,56-83", "0-111:1/2"];

    #[divan::bench(args = SETS)]
    fn for_loop(bencher: Bencher<'_, '_>, list: &str) {
        let set = set(list);
        bencher.bench(|| {
            let mut sum = 0;
            for cpu in black_box(&set) {
                sum += cpu;
            }
            sum
        });
    }

    /// As `for_loop`, where the compiler cannot see the sum of a range in the loop.
    #[divan::bench(args = SETS)]
    fn for_loop_opaque(bencher: Bencher<'_, '_>, list: &str) {
        let set = set(list);
        bencher.bench(|| {
            for cpu in black_box(&set) {
                black_box(cpu);
            }
        });
    }

    #[divan::bench(args = SETS)]
    fn fold(bencher: Bencher<'_, '_>, list: &str) {
        let set = set(list);
        bencher.bench(|| black_box(&set).iter().sum::<u32>());
    }

    #[divan::bench(args = SETS)]
    fn btree_set(bencher: Bencher<'_, '_>, list: &str) {
        let set: BTreeSet<u32> = set(list).iter().collect();
        bencher.bench(|| black_box(&set).iter().sum::<u32>());
    }
}

#[divan::bench]
fn next_after_wrapping(bencher: Bencher<'_, '_>) {
    let set = set("0-27,56-83");
    let mut cpu = 0;
    bencher.bench_local(|| cpu = black_box(&set).next_after_wrapping(cpu).expect("not empty"));
}

#[divan::bench]
fn len(bencher: Bencher<'_, '_>) {
    let set = set("0-27,56-83");
    bencher.bench(|| black_box(&set).len());
}

#[divan::bench]
fn union(bencher: Bencher<'_, '_>) {
    let (a, b) = (set("0-27,56-83"), set("0-111:1/2"));
    bencher.bench(|| *black_box(&a) | *black_box(&b));
}

#[divan::bench]
fn is_subset(bencher: Bencher<'_, '_>) {
    let (a, b) = (set("0-27,56-83"), set("0-111"));
    bencher.bench(|| black_box(&a).is_subset(black_box(&b)));
}
