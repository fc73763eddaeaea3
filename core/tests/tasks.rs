//! The task table is as a `HashMap` is, and its searches are short whatever the gtids.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use ghostsched_core::gtid::Gtid;
use ghostsched_core::tasks::{ApplyError, BadSlotCount, InsertError, Task, TaskTable};
use proptest::collection::vec;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Step {
    Insert(Gtid, u32),
    Remove(Gtid),
    Apply(Gtid, u32),
    Clear,
}

/// Few enough gtids that they meet again, with close sequence numbers and far ones.
fn step() -> impl Strategy<Value = Step> {
    let gtid = prop_oneof![
        0..20u64,
        (0..20u64).prop_map(|n| n << 41 | n),
        (1..20u64).prop_map(|n| n * 16)
    ];
    let gtid = prop_oneof![50 => gtid.prop_map(Gtid::from_bits), 1 => Just(Gtid::AGENT)];
    let seqnum = prop_oneof![0..20u32, u32::MAX - 20..=u32::MAX, any::<u32>()];
    prop_oneof![
        40 => (gtid.clone(), seqnum.clone()).prop_map(|(gtid, seqnum)| Step::Insert(gtid, seqnum)),
        30 => gtid.clone().prop_map(Step::Remove),
        40 => (gtid, seqnum).prop_map(|(gtid, seqnum)| Step::Apply(gtid, seqnum)),
        1 => Just(Step::Clear),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_table_is_as_a_hash_map(bits in 2..6u32, steps in vec(step(), 0..300)) {
        let mut slots = vec![Task::<String>::default(); 1 << bits];
        let mut table = TaskTable::new(&mut slots[..]).expect("a power of two");
        let capacity = table.capacity();
        let mut model = HashMap::<Gtid, (u32, String)>::new();
        for step in steps {
            match step {
                Step::Insert(gtid, seqnum) => {
                    let full = model.len() == capacity;
                    let inserted = table.insert(gtid, seqnum, format!("task {gtid}")).map(|task| task.gtid());
                    match model.entry(gtid) {
                        _ if !gtid.is_task() => prop_assert_eq!(inserted, Err(InsertError::NoTask { gtid })),
                        Entry::Occupied(_) => prop_assert_eq!(inserted, Err(InsertError::Exists { gtid })),
                        Entry::Vacant(_) if full => prop_assert_eq!(inserted, Err(InsertError::Full { capacity })),
                        Entry::Vacant(entry) => {
                            entry.insert((seqnum, format!("task {gtid}")));
                            prop_assert_eq!(inserted, Ok(gtid));
                        }
                    }
                }
                Step::Remove(gtid) => {
                    prop_assert_eq!(table.remove(gtid), model.remove(&gtid).map(|(_, state)| state));
                }
                Step::Apply(gtid, seqnum) => {
                    let applied = table.apply(gtid, seqnum).map(|task| { task.state.push('!'); task.seqnum() });
                    match model.get_mut(&gtid) {
                        None => prop_assert_eq!(applied, Err(ApplyError::Unknown { gtid })),
                        Some((last, _)) if seqnum.wrapping_sub(*last) as i32 <= 0 => {
                            prop_assert_eq!(applied, Err(ApplyError::Stale { last: *last, seqnum }));
                        }
                        Some((last, state)) => {
                            *last = seqnum;
                            state.push('!');
                            prop_assert_eq!(applied, Ok(seqnum));
                        }
                    }
                }
                Step::Clear => {
                    table.clear();
                    model.clear();
                }
            }
            prop_assert_eq!((table.len(), table.is_empty()), (model.len(), model.is_empty()));
            for (gtid, (seqnum, state)) in &model {
                let task = table.get(*gtid).expect("in the model");
                prop_assert_eq!((task.gtid(), task.seqnum(), &task.state), (*gtid, *seqnum, state));
            }
            prop_assert_eq!(table.iter().count(), model.len());
        }
        table.iter_mut().for_each(|task| task.state.clear());
        prop_assert!(model.keys().all(|gtid| table.get_mut(*gtid).expect("in the model").state.is_empty()));
    }
}

#[test]
fn slots_come_in_powers_of_two() {
    for given in [0, 1, 2, 3, 12] {
        let refused = TaskTable::<(), _>::new(vec![Task::default(); given]).map(|_| ());
        assert_eq!(refused, Err(BadSlotCount { given }));
    }
    assert_eq!(
        BadSlotCount { given: 12 }.to_string(),
        "12 task slots: give a power of two, such as 16"
    );
    assert_eq!(
        BadSlotCount { given: 0 }.to_string(),
        "0 task slots: give a power of two, such as 4"
    );
    let owned = TaskTable::new([Task::<u64>::default(); 8]).expect("a power of two");
    assert_eq!(owned.capacity(), 6);
}

#[test]
fn what_the_slots_held_before_is_gone() {
    let mut slots = [Task::<u8>::default(); 4];
    let mut table = TaskTable::new(&mut slots).expect("a power of two");
    table.insert(Gtid::from_bits(5), 0, 1).expect("room");
    let table = TaskTable::new(&mut slots).expect("a power of two");
    assert_eq!((table.len(), table.get(Gtid::from_bits(5))), (0, None));
}

/// In a table that is half full.
#[test]
fn no_pattern_of_gtids_makes_long_searches() {
    const TASKS: u64 = 2_048;
    const PID: u64 = 1 << 41;
    let patterns = [
        1,
        2,
        3,
        16,
        4_096,
        65_536,
        1 << 32,
        PID,
        PID + 1,
        PID + 3,
        2 * PID + 2,
        832_040,
        701_408_733,
    ];
    for step in patterns {
        let gtids = (1..=TASKS).map(|n| (1_000 + n * step) & (u64::MAX >> 1));
        let mut table = TaskTable::<(), _>::new(vec![Task::default(); 2 * TASKS as usize]).expect("a power of two");
        for gtid in gtids {
            table.insert(Gtid::from_bits(gtid), 0, ()).expect("room");
        }
        let slots = table.into_slots();
        // A search is as long as the run of full groups that it starts in, and one, at most.
        let groups: Vec<_> = slots.chunks(4).map(|group| group[3].gtid() != Gtid::NULL).collect();
        let longest = groups.split(|full| !full).map(<[_]>::len).max().expect("a run");
        let full = groups.iter().filter(|full| **full).count();
        assert!(longest < 16, "step {step}: {longest} full groups in a row");
        assert!(full < groups.len() / 4, "step {step}: {full} full groups");
    }
}
