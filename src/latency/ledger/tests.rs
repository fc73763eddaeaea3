use ghostsched_bpf::snapshot::{Blame, Waiting};
use ghostsched_core::latency::Parts;
use proptest::prelude::*;

use super::super::source::fake;
use super::*;

const MS: u64 = 1_000_000;

fn group(id: u64, path: &str, waits: u64) -> Group {
    let parts = Parts {
        other_ns: MS,
        ..Parts::default()
    };
    fake::group(id, path, waits, parts, waits * MS)
}

fn snapshot(groups: Vec<Group>, at_s: u64) -> Snapshot {
    let mut snapshot = fake::snapshot();
    snapshot.start_unix_ns = 1_000;
    snapshot.interval_ns = at_s * 1_000_000_000;
    snapshot.end_unix_ns = snapshot.start_unix_ns + snapshot.interval_ns;
    snapshot.matrix.clear();
    snapshot.in_progress.clear();
    snapshot.groups = groups;
    snapshot
}

/// Waits by label, the remainder last.
fn waits(open: &Open) -> Vec<(String, u64)> {
    open.groups
        .rows()
        .map(|(label, row)| (label.to_owned(), open.layout.count(&row.cells, Kind::Wait)))
        .collect()
}

fn expect(list: &[(&str, u64)]) -> Vec<(String, u64)> {
    list.iter().map(|(label, n)| ((*label).to_owned(), *n)).collect()
}

fn limits(groups: usize) -> Limits {
    Limits {
        groups,
        culprits: 1,
        ..Limits::default()
    }
}

#[test]
fn a_row_holds_every_counter_of_its_group() {
    for per_cause in [false, true] {
        let mut ledger = Ledger::new(Limits {
            per_cause,
            ..Limits::default()
        });
        let snapshot = fake::snapshot();
        let open = ledger.update(&snapshot);
        for (label, row) in open.groups.rows().filter(|(label, _)| *label != REST) {
            let stats = &snapshot
                .groups
                .iter()
                .find(|group| group.path == label)
                .expect(label)
                .stats;
            for kind in Kind::ALL {
                assert_eq!(open.layout.sum_ns(&row.cells, kind), stats.kind(kind).sum_ns());
                assert_eq!(open.layout.count(&row.cells, kind), stats.kind(kind).count());
                let kept = kind == Kind::Wait || (per_cause && kind.is_part_of_wait());
                let counts = &stats.kind(kind).counts()[..snapshot.bounds.bucket_count()];
                assert_eq!(open.layout.histogram(&row.cells, kind), Some(counts).filter(|_| kept));
            }
        }
    }
}

#[test]
fn a_service_that_restarts_continues_its_series() {
    let mut ledger = Ledger::new(limits(9));
    ledger.update(&snapshot(vec![group(1, "/a", 5)], 1));
    // Both lives under the one path: as one row with the newer id, as two rows, and the newer life alone.
    let open = ledger.update(&snapshot(vec![group(2, "/a", 7)], 2));
    assert_eq!(waits(open), expect(&[("/a", 7), (REST, 0)]));
    let open = ledger.update(&snapshot(vec![group(1, "/a", 5), group(2, "/a", 3)], 2));
    assert_eq!(waits(open), expect(&[("/a", 8), (REST, 0)]));
    let open = ledger.update(&snapshot(vec![group(2, "/a", 3)], 3));
    assert_eq!(
        waits(open),
        expect(&[("/a", 11), (REST, 0)]),
        "fewer than before: counted anew"
    );
}

#[test]
fn a_cgroup_that_gets_another_path_is_not_counted_twice() {
    let mut ledger = Ledger::new(limits(9));
    ledger.update(&snapshot(vec![group(7, "\u{2026}/x (gone)", 5)], 1));
    let open = ledger.update(&snapshot(vec![group(7, "/x", 6)], 2));
    assert_eq!(waits(open), expect(&[("/x", 1), (REST, 0)]));
    assert_eq!(open.layout.count(open.groups.retired(), Kind::Wait), 5);
}

#[test]
fn only_cgroups_asked_for_have_rows_but_every_culprit_a_name() {
    let filter = Glob::parse("/shop/*").ok();
    let mut ledger = Ledger::new(Limits {
        filter,
        ..Limits::default()
    });
    let open = ledger.update(&fake::snapshot());
    let rows: Vec<String> = waits(open).into_iter().map(|(label, _)| label).collect();
    assert_eq!(rows, ["/shop/api", "/shop/cron", REST]);
    let culprits: Vec<_> = open.caused["/shop/api"].rows().map(|(by, _)| by).collect();
    assert_eq!(culprits, ["/batch/etl", "/shop/cron", REST]);
}

#[test]
fn an_estimate_that_sinks_does_not_sink_its_counter() {
    let mut ledger = Ledger::new(limits(9));
    let mut now = fake::snapshot();
    for (bpf_ns, shown) in [
        (None, None),
        (Some(9), Some(9)),
        (Some(7), Some(9)),
        (None, Some(9)),
        (Some(11), Some(11)),
    ] {
        now.quality.bpf_ns = bpf_ns;
        assert_eq!(ledger.update(&now).quality.bpf_ns, shown);
    }
}

#[test]
fn a_dip_of_one_counter_is_not_a_gain_and_neither_is_the_way_back() {
    let mut ledger = Ledger::new(limits(9));
    for unattributed_ns in [500, 300, 500, 600] {
        let mut a = group(1, "/a", 5);
        a.stats.unattributed_ns = unattributed_ns;
        ledger.update(&snapshot(vec![a], 1));
    }
    let open = ledger.update(&snapshot(vec![group(1, "/a", 5)], 1));
    let shown: Vec<u64> = open
        .groups
        .rows()
        .map(|(_, row)| open.layout.unattributed_ns(&row.cells))
        .collect();
    assert_eq!(shown, [600, 0]);
}

#[test]
fn a_group_that_moves_from_the_rest_to_its_own_row_takes_nothing_away() {
    let mut ledger = Ledger::new(limits(1));
    let open = ledger.update(&snapshot(vec![group(1, "/a", 10), group(2, "/b", 9)], 1));
    assert_eq!(waits(open), expect(&[("/a", 10), (REST, 9)]));
    let open = ledger.update(&snapshot(vec![group(1, "/a", 10), group(2, "/b", 30)], 2));
    assert_eq!(waits(open), expect(&[("/b", 21), (REST, 9)]));
    assert_eq!(open.layout.count(open.groups.retired(), Kind::Wait), 10);
    let row = open.groups.rows().next().map(|(_, row)| row.created_unix_ns);
    assert_eq!(
        row,
        Some(1_000_001_000),
        "its start is the last snapshot before it had a row"
    );
}

#[test]
fn a_group_that_starves_gets_a_row_before_its_wait_ends() {
    let mut ledger = Ledger::new(limits(1));
    ledger.update(&snapshot(vec![group(1, "/a", 10), group(2, "/b", 0)], 1));
    let mut now = snapshot(vec![group(1, "/a", 10), group(2, "/b", 0)], 2);
    now.in_progress.push(Waiting {
        group: 1,
        waited_ns: 900 * MS,
        ..fake::snapshot().in_progress.remove(0)
    });
    let open = ledger.update(&now);
    assert_eq!(waits(open), expect(&[("/b", 0), (REST, 0)]));
}

#[test]
fn the_profilers_own_remainder_joins_the_rest() {
    let mut ledger = Ledger::new(limits(1));
    let open = ledger.update(&snapshot(
        vec![group(1, "/a", 9), group(2, "/b", 1), group(0, "(rest)", 5)],
        1,
    ));
    assert_eq!(waits(open), expect(&[("/a", 9), (REST, 6)]));
}

#[test]
fn only_the_worst_culprits_of_a_victim_are_named() {
    let mut ledger = Ledger::new(limits(1));
    let mut now = snapshot(vec![group(1, "/a", 9), group(2, "/b", 1), group(3, "/c", 1)], 1);
    now.matrix = vec![
        Blame {
            victim: 0,
            by: 1,
            ns: 5,
        },
        Blame {
            victim: 0,
            by: 2,
            ns: 8,
        },
        Blame {
            victim: 1,
            by: 0,
            ns: 3,
        },
        Blame {
            victim: 2,
            by: 0,
            ns: 4,
        },
        Blame {
            victim: 7,
            by: 0,
            ns: 4,
        },
    ];
    let shown = |open: &Open| -> Vec<(String, String, u64)> {
        let pairs = open.caused.iter().flat_map(|(victim, board)| {
            board
                .rows()
                .map(|(by, row)| (victim.clone(), by.to_owned(), row.cells[0]))
        });
        pairs.collect()
    };
    let row = |victim: &str, by: &str, ns| (victim.to_owned(), by.to_owned(), ns);
    let expected = vec![
        row(REST, "/a", 7),
        row(REST, REST, 0),
        row("/a", "/c", 8),
        row("/a", REST, 5),
    ];
    assert_eq!(shown(ledger.update(&now)), expected);
    assert_eq!(
        shown(ledger.update(&now)),
        expected,
        "the same snapshot again gains nothing"
    );
    now.matrix[0].ns = 9;
    let expected = vec![
        row(REST, "/a", 7),
        row(REST, REST, 0),
        row("/a", "/c", 8),
        row("/a", REST, 9),
    ];
    assert_eq!(shown(ledger.update(&now)), expected);
}

#[test]
fn a_change_of_bounds_begins_a_new_ledger() {
    let mut ledger = Ledger::new(limits(9));
    ledger.update(&snapshot(vec![group(1, "/a", 5)], 1));
    let mut now = snapshot(vec![group(1, "/a", 1)], 2);
    now.epoch += 1;
    now.start_unix_ns += 77;
    let open = ledger.update(&now);
    assert_eq!(waits(open), expect(&[("/a", 1), (REST, 0)]));
    assert_eq!(open.start_unix_ns, 1_077);
}

#[test]
fn a_clock_that_is_set_back_does_no_harm() {
    let mut ledger = Ledger::new(limits(1));
    for at_s in [5_000, 10, 0, 1_000_000, u64::MAX / 1_000_000_000] {
        let mut now = snapshot(vec![group(1, "/a", 1)], 0);
        now.interval_ns = at_s * 1_000_000_000;
        ledger.update(&now);
    }
}

proptest! {
    #[test]
    fn rows_rest_and_retired_are_all_waits_there_ever_were(
        capacity in 0..4usize,
        steps in prop::collection::vec(prop::collection::vec(0..30u64, 6), 1..12),
    ) {
        let mut ledger = Ledger::new(limits(capacity));
        let mut counts = [0u64; 6];
        for (step, gains) in steps.iter().enumerate() {
            for (count, gain) in counts.iter_mut().zip(gains) {
                *count += gain;
            }
            let groups = counts.iter().enumerate().map(|(id, n)| group(id as u64, &format!("/{id}"), *n)).collect();
            let open = ledger.update(&snapshot(groups, 400 * step as u64));
            let shown: u64 = waits(open).iter().map(|(_, n)| n).sum();
            let retired = open.layout.count(open.groups.retired(), Kind::Wait);
            prop_assert_eq!(shown + retired, counts.iter().sum::<u64>());
        }
    }
}
