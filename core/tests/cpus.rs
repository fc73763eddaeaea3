//! Sets of CPUs are as a `BTreeSet` is, and their text forms as the kernel's, for any input.
#![cfg(not(loom))]

use std::collections::BTreeSet;
use std::ops::Range;

use ghostsched_core::cpus::{AtomicCpuSet, CpuSet, ListError, MAX_CPUS, MaskError};
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;

/// Sets of all densities: single CPUs, ranges, whole words.
fn model() -> impl Strategy<Value = BTreeSet<u32>> {
    let cpu = prop_oneof![
        4 => 0..MAX_CPUS,
        1 => prop::sample::select(vec![0, 31, 32, 63, 64, 127, 128, MAX_CPUS - 2, MAX_CPUS - 1]),
    ];
    let ranges = vec((0..MAX_CPUS, prop_oneof![0..4u32, 0..200u32]), 0..8).prop_map(|ranges| {
        let cpus = ranges
            .iter()
            .flat_map(|&(first, more)| first..=(first + more).min(MAX_CPUS - 1));
        cpus.collect()
    });
    prop_oneof![btree_set(cpu, 0..100), ranges]
}

fn set(model: &BTreeSet<u32>) -> CpuSet {
    model.iter().copied().collect()
}

fn list(set: &CpuSet) -> Vec<u32> {
    set.iter().collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_set_answers_as_its_model(model in model(), cpu in 0..MAX_CPUS + 100, n in 0..MAX_CPUS + 1) {
        let set = set(&model);
        let cpus: Vec<u32> = model.iter().copied().collect();
        prop_assert_eq!(set.len() as usize, model.len());
        prop_assert_eq!(set.is_empty(), model.is_empty());
        prop_assert_eq!(set.first(), model.first().copied());
        prop_assert_eq!(set.last(), model.last().copied());
        prop_assert_eq!(set.contains(cpu), model.contains(&cpu));
        prop_assert_eq!(set.next_after(cpu), model.range(cpu + 1..).next().copied());
        let wrapped = model.range(cpu + 1..).next().or(model.first()).copied();
        prop_assert_eq!(set.next_after_wrapping(cpu), wrapped);
        prop_assert_eq!(set.next_after_wrapping(u32::MAX), model.first().copied());
        prop_assert_eq!(set.nth(n), cpus.get(n as usize).copied());
        prop_assert_eq!(CpuSet::from_words(*set.words()), set);
        let bytes = set.to_le_bytes();
        prop_assert!((0..MAX_CPUS).all(|cpu| (bytes[cpu as usize / 8] >> (cpu % 8) & 1 != 0) == model.contains(&cpu)));
    }

    #[test]
    fn insert_and_remove_tell_whether_they_changed_the_set(
        model in model(), changes in vec((any::<bool>(), 0..MAX_CPUS), 0..50),
    ) {
        let (mut set, mut model) = (set(&model), model);
        let shared = AtomicCpuSet::new(&set);
        for (insert, cpu) in changes {
            if insert {
                let new = model.insert(cpu);
                prop_assert_eq!((set.insert(cpu), shared.insert(cpu)), (new, new));
            } else {
                let old = model.remove(&cpu);
                prop_assert_eq!((set.remove(cpu), shared.remove(cpu)), (old, old));
            }
            prop_assert_eq!(shared.contains(cpu), insert);
        }
        prop_assert_eq!(list(&set), Vec::from_iter(model));
        prop_assert_eq!(shared.load(), set);
    }

    #[test]
    fn operators_are_those_of_the_model(a in model(), b in model()) {
        let (x, y) = (set(&a), set(&b));
        prop_assert_eq!(x | y, set(&(&a | &b)));
        prop_assert_eq!(x & y, set(&(&a & &b)));
        prop_assert_eq!(x - y, set(&(&a - &b)));
        prop_assert_eq!(x ^ y, set(&(&a ^ &b)));
        let mut assigned = x;
        assigned |= y;
        assigned -= y;
        assigned ^= x;
        assigned &= y;
        prop_assert_eq!(assigned, x & y);
        prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
        prop_assert!((x & y).is_subset(&x));
        prop_assert_eq!(x.is_disjoint(&y), a.is_disjoint(&b));
        prop_assert!((x - y).is_disjoint(&y));
    }

    #[test]
    fn iteration_from_both_ends_meets_in_the_middle(model in model(), ends in vec(any::<bool>(), 0..200)) {
        let set = set(&model);
        let (mut ours, mut theirs) = (set.iter(), model.iter().copied());
        for front in ends {
            if front {
                prop_assert_eq!(ours.next(), theirs.next());
            } else {
                prop_assert_eq!(ours.next_back(), theirs.next_back());
            }
        }
        let folded = ours.clone().fold(vec![], |mut list, cpu| { list.push(cpu); list });
        let mut stepped = vec![];
        for cpu in ours {
            stepped.push(cpu);
        }
        prop_assert_eq!(&folded, &stepped);
        prop_assert_eq!(folded, Vec::from_iter(theirs));
    }

    #[test]
    fn runs_are_the_fewest_ranges(model in model()) {
        let set = set(&model);
        let runs: Vec<_> = set.runs().collect();
        prop_assert_eq!(runs.iter().cloned().flatten().collect::<Vec<_>>(), list(&set));
        prop_assert!(runs.windows(2).all(|pair| pair[0].end < pair[1].start));
        let mut backwards: Vec<_> = set.runs().rev().collect();
        backwards.reverse();
        prop_assert_eq!(runs, backwards);
    }

    #[test]
    fn both_text_forms_read_back_as_they_were_written(model in model()) {
        let set = set(&model);
        prop_assert_eq!(CpuSet::parse_list(&set.to_string()), Ok(set));
        prop_assert_eq!(set.to_string().parse(), Ok(set));
        prop_assert_eq!(CpuSet::parse_mask(&set.mask().to_string()), Ok(set));
    }

    #[test]
    fn any_text_is_read_or_refused_with_a_position_in_it(
        text in prop_oneof![
            "[0-9N,:/ \n-]{0,12}",
            "(all|[0-9]{1,4}(-[0-9]{1,4}(:[0-9]/[0-9])?)?,?){0,4}",
            "[0-9a-f, ]{0,40}",
            any::<String>(),
        ]
    ) {
        let list = CpuSet::parse_list(&text).err().map(|why| (position(why), why.to_string()));
        let mask = CpuSet::parse_mask(&text).err().map(|why| (mask_position(why), why.to_string()));
        for (position, message) in list.into_iter().chain(mask) {
            prop_assert!(position <= text.len());
            let place = format!("character {}: ", position + 1);
            prop_assert!(message.contains(&place), "{}", message);
        }
    }

    #[test]
    fn a_strided_range_holds_the_first_of_each_group(
        first in 0..MAX_CPUS, more in 0..MAX_CPUS, used in 0..70u32, rest in 0..70u32,
    ) {
        let (last, group) = ((first + more).min(MAX_CPUS - 1), (used + rest).max(1));
        let expected = (first..=last).filter(|cpu| (cpu - first) % group < used).collect();
        prop_assert_eq!(CpuSet::parse_list(&format!("{first}-{last}:{used}/{group}")), Ok(expected));
    }
}

fn position(why: ListError) -> usize {
    match why {
        ListError::NoNumber { position }
        | ListError::NoGroup { position }
        | ListError::NoComma { position }
        | ListError::TooLarge { position, .. }
        | ListError::Reversed { position, .. }
        | ListError::BadGroup { position, .. } => position,
    }
}

fn mask_position(why: MaskError) -> usize {
    match why {
        MaskError::NoDigit { position } | MaskError::NoComma { position } | MaskError::TooLarge { position, .. } => {
            position
        }
    }
}

#[test]
fn lists_are_read_as_the_kernel_reads_them() {
    let cases: [(&str, &[u32]); 12] = [
        ("", &[]),
        ("\n", &[]),
        (" , ,", &[]),
        ("0-1\n", &[0, 1]),
        ("3, 1 ,,2", &[1, 2, 3]),
        ("1,1-1,1-2", &[1, 2]),
        ("0-10:2/5", &[0, 1, 5, 6, 10]),
        ("0-3:0/2", &[]),
        ("5:1/4", &[5]),
        ("0007", &[7]),
        ("1022-N", &[1022, 1023]),
        ("ALL:1/1000", &[0, 1000]),
    ];
    for (text, cpus) in cases {
        let read = CpuSet::parse_list(text).unwrap_or_else(|why| panic!("{text:?}: {why}"));
        assert_eq!(list(&read), cpus, "{text:?}");
    }
    assert_eq!(CpuSet::parse_list("all"), Ok(CpuSet::full(MAX_CPUS)));
}

#[test]
fn a_refused_list_says_where_and_what_to_write() {
    let cases = [
        ("0-3;5", "CPU list, character 4: write a comma here, as in 0-3,8"),
        ("x", "CPU list, character 1: write a CPU number here, as in 0-3,8"),
        ("0-", "CPU list, character 3: write a CPU number here, as in 0-3,8"),
        ("0,-1", "CPU list, character 3: write a CPU number here, as in 0-3,8"),
        ("0,1024", "CPU list, character 3: 1024 is too large: CPUs are 0 to 1023"),
        (
            "99999999999",
            "CPU list, character 1: 4294967295 is too large: CPUs are 0 to 1023",
        ),
        ("0,7-3", "CPU list, character 3: 7-3 runs backwards: write 3-7"),
        (
            "0-3:1",
            "CPU list, character 6: write / and the size of a group here, as in 0-15:1/2",
        ),
        (
            "0-3:1/0",
            "CPU list, character 5: 1 of each 0 CPUs: write at least 1 after the /, and no more before it",
        ),
    ];
    for (text, message) in cases {
        let why = CpuSet::parse_list(text).expect_err(text);
        assert_eq!(why.to_string(), message);
    }
}

#[test]
fn masks_are_read_as_the_kernel_reads_them() {
    let cases: [(&str, &[u32]); 8] = [
        ("", &[]),
        ("0\n", &[]),
        ("f", &[0, 1, 2, 3]),
        ("1,00000001", &[0, 32]),
        ("1,1", &[0, 32]),
        ("1,,1 ", &[0, 32]),
        ("A0000000", &[29, 31]),
        (
            "0,80000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000,00000000",
            &[319],
        ),
    ];
    for (text, cpus) in cases {
        let read = CpuSet::parse_mask(text).unwrap_or_else(|why| panic!("{text:?}: {why}"));
        assert_eq!(list(&read), cpus, "{text:?}");
    }
    let above = |digit: &str| format!("{digit}{}", ",00000000".repeat(32));
    assert_eq!(CpuSet::parse_mask(&above("0")), Ok(CpuSet::empty()));
    assert_eq!(
        CpuSet::parse_mask(&above("2")),
        Err(MaskError::TooLarge { position: 0, cpu: 1025 })
    );
    assert_eq!(CpuSet::parse_mask("ff,xf"), Err(MaskError::NoDigit { position: 3 }));
    assert_eq!(CpuSet::parse_mask("0x3"), Err(MaskError::NoDigit { position: 1 }));
    assert_eq!(CpuSet::parse_mask("123456789"), Err(MaskError::NoComma { position: 0 }));
}

#[test]
fn masks_are_written_as_the_kernel_writes_them() {
    let mask = |text: &str| CpuSet::parse_list(text).expect(text).mask().to_string();
    assert_eq!(mask(""), "0");
    assert_eq!(mask("0-3"), "f");
    assert_eq!(mask("0-32"), "1,ffffffff");
    assert_eq!(mask("64"), "1,00000000,00000000");
}

#[test]
fn a_cpu_beyond_the_last_is_in_no_set() {
    let mut set = CpuSet::full(u32::MAX);
    assert_eq!(set.len(), MAX_CPUS);
    assert!(!set.insert(MAX_CPUS) && !set.remove(MAX_CPUS) && !set.contains(MAX_CPUS));
    assert_eq!((set.next_after(MAX_CPUS - 1), set.next_after(u32::MAX)), (None, None));
    set.insert_range(u32::MAX - 1..u32::MAX);
    set.insert_range(Range { start: 9, end: 3 });
    assert_eq!(set, CpuSet::full(MAX_CPUS));
    let shared = AtomicCpuSet::new(&set);
    assert!(!shared.insert(MAX_CPUS) && !shared.remove(u32::MAX) && !shared.contains(MAX_CPUS));
}

#[test]
fn of_threads_that_take_a_cpu_out_one_gets_it() {
    let shared = AtomicCpuSet::new(&CpuSet::full(512));
    let taken: u32 = std::thread::scope(|scope| {
        let take = || (0..512).filter(|&cpu| shared.remove(cpu)).count() as u32;
        let threads = [scope.spawn(take), scope.spawn(take), scope.spawn(take)];
        threads.into_iter().map(|thread| thread.join().expect("no panic")).sum()
    });
    assert_eq!((taken, shared.load()), (512, CpuSet::empty()));
}
