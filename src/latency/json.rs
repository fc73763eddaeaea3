//! `--json`: the report for machines. Stable, integers only, times in ns; described in `docs/latency-json.md`.

use ghostsched_bpf::snapshot::{Entitlement, Quality, Snapshot, Waiting};
use ghostsched_core::histogram::{Bounds, Histogram};
use ghostsched_core::latency::Kind;
use serde_json::{Map, Value, json};

use super::table::sentence_of;
use super::view::{Row, View, parts_of};

/// Goes up when a field changes its meaning or goes away; new fields do not change it.
pub const SCHEMA: u32 = 1;

/// The report as one line, without the newline. `top` as in the table, 0 for all.
pub fn render(view: &View<'_>, top: usize) -> String {
    let snapshot = view.snapshot;
    let rows = if top == 0 {
        &view.rows[..]
    } else {
        &view.rows[..top.min(view.rows.len())]
    };
    let shown: std::collections::HashSet<usize> = rows.iter().map(|row| row.index).collect();
    let groups: Vec<Value> = rows.iter().map(|row| group(view, row)).collect();
    let matrix: Vec<Value> = snapshot
        .matrix
        .iter()
        .filter(|blame| shown.contains(&blame.victim))
        .map(|blame| {
            json!({
                "victim": id(snapshot, blame.victim), "by": id(snapshot, blame.by),
                "victim_path": view.path(blame.victim), "by_path": view.path(blame.by), "ns": blame.ns,
            })
        })
        .collect();
    let waiting = snapshot
        .in_progress
        .iter()
        .filter(|waiting| shown.contains(&waiting.group));
    let in_progress: Vec<Value> = waiting.map(|waiting| in_progress(view, waiting)).collect();
    json!({
        "schema": SCHEMA,
        "method": snapshot.method.name(),
        "kernel": snapshot.kernel,
        "cpus": snapshot.cpus,
        "start_unix_ns": snapshot.start_unix_ns,
        "end_unix_ns": snapshot.end_unix_ns,
        "interval_ns": snapshot.interval_ns,
        "epoch": snapshot.epoch,
        "level": snapshot.level,
        "bounds_ns": snapshot.bounds.as_slice(),
        "groups_total": snapshot.groups.len(),
        "groups": groups,
        "matrix": matrix,
        "in_progress": in_progress,
        "quality": quality(&snapshot.quality),
    })
    .to_string()
}

fn id(snapshot: &Snapshot, index: usize) -> Option<u64> {
    snapshot.groups.get(index).map(|group| group.id)
}

fn group(view: &View<'_>, row: &Row<'_>) -> Value {
    let bounds = &view.snapshot.bounds;
    let stats = &row.group.stats;
    let mut wait = Map::new();
    let whole = stats.kind(Kind::Wait);
    wait.insert("count".into(), whole.count().into());
    wait.insert("sum_ns".into(), whole.sum_ns().into());
    wait.insert("same_ns".into(), row.parts.same_ns.into());
    wait.insert("other_ns".into(), row.parts.other_ns.into());
    wait.insert("idle_ns".into(), row.parts.idle_ns.into());
    wait.insert("throttled_ns".into(), row.parts.throttled_ns.into());
    wait.insert("unattributed_ns".into(), row.parts.unattributed_ns.into());
    wait.insert("max_ns".into(), whole.max_ns().into());
    for (name, per_million) in [("p50_ns", 500_000), ("p90_ns", 900_000), ("p99_ns", 990_000)] {
        wait.insert(
            name.into(),
            whole.quantile(bounds, per_million).map(|q| q.up_to_ns).into(),
        );
    }
    wait.insert("buckets".into(), buckets(bounds, whole));
    let parts = Kind::ALL.into_iter().filter(|kind| kind.is_part_of_wait());
    let parts: Map<String, Value> = parts
        .map(|kind| (kind.name().into(), spells(bounds, stats.kind(kind))))
        .collect();
    wait.insert("parts".into(), parts.into());
    json!({
        "id": row.group.id,
        "path": row.group.path,
        "wait": wait,
        "on": spells(bounds, stats.kind(Kind::On)),
        "off": {
            "sleep": spells(bounds, stats.kind(Kind::Sleep)),
            "block": spells(bounds, stats.kind(Kind::Block)),
        },
        "used_mcpu": row.used_mcpu,
        "entitlement": row.group.entitlement.map(entitlement),
        "throttled_on_ns": stats.throttled_on_ns,
        "missed": {"count": stats.missed_waits, "sum_ns": stats.missed_ns},
        "verdict": row.verdict.name(),
        "verdict_text": sentence_of(view, row),
    })
}

fn entitlement(entitlement: Entitlement) -> Value {
    json!({"weight_mcpu": entitlement.weight_mcpu, "quota_mcpu": entitlement.quota_mcpu})
}

fn spells(bounds: &Bounds, histogram: &Histogram) -> Value {
    json!({
        "count": histogram.count(),
        "sum_ns": histogram.sum_ns(),
        "max_ns": histogram.max_ns(),
        "buckets": buckets(bounds, histogram),
    })
}

/// One count a bucket, not cumulative; one more than bounds.
fn buckets(bounds: &Bounds, histogram: &Histogram) -> Value {
    histogram.counts()[..bounds.bucket_count()].into()
}

fn in_progress(view: &View<'_>, waiting: &Waiting) -> Value {
    let parts = parts_of(waiting);
    json!({
        "tid": waiting.tid,
        "pid": waiting.pid,
        "comm": waiting.comm,
        "id": id(view.snapshot, waiting.group),
        "path": view.path(waiting.group),
        "cpu": waiting.cpu,
        "waited_ns": waiting.waited_ns,
        "same_ns": parts.same_ns,
        "other_ns": parts.other_ns,
        "idle_ns": parts.idle_ns,
        "throttled_ns": parts.throttled_ns,
        "unattributed_ns": parts.unattributed_ns,
        "behind": waiting.behind.and_then(|by| id(view.snapshot, by)),
        "behind_path": waiting.behind.map(|by| view.path(by)),
    })
}

/// Every field of [`Quality`]. Taken apart by name, so that a new field cannot be forgotten here.
fn quality(quality: &Quality) -> Value {
    let Quality {
        switches,
        chain_breaks,
        unknown_ns,
        missed_waits,
        missed_ns,
        extra_waits,
        extra_ns,
        suspect_waits,
        suspect_ns,
        migrated_waits,
        moving_ns,
        storage_failures,
        throttle_clipped,
        matrix_overflow_ns,
        groups_over_capacity,
        throttle_visible,
        bpf_ns,
        bpf_runs,
        bpf_skipped,
        self_check,
    } = *quality;
    json!({
        "switches": switches,
        "chain_breaks": chain_breaks,
        "unknown_ns": unknown_ns,
        "missed_waits": missed_waits,
        "missed_ns": missed_ns,
        "extra_waits": extra_waits,
        "extra_ns": extra_ns,
        "suspect_waits": suspect_waits,
        "suspect_ns": suspect_ns,
        "migrated_waits": migrated_waits,
        "moving_ns": moving_ns,
        "storage_failures": storage_failures,
        "throttle_clipped": throttle_clipped,
        "matrix_overflow_ns": matrix_overflow_ns,
        "groups_over_capacity": groups_over_capacity,
        "throttle_visible": throttle_visible,
        "bpf_ns": bpf_ns,
        "bpf_runs": bpf_runs,
        "bpf_skipped": bpf_skipped,
        "self_check": self_check.map(|check| json!({
            "threads": check.threads,
            "exact": check.exact,
            "kernel_ns": check.kernel_ns,
            "ours_ns": check.ours_ns,
            "difference_ns": check.difference_ns,
        })),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::glob::Glob;
    use crate::latency::source::fake;
    use crate::latency::view::Sort;

    fn report(filter: Option<&str>) -> Value {
        let snapshot = fake::snapshot();
        let filter = filter.map(|text| Glob::parse(text).expect("a glob"));
        let text = render(&View::new(&snapshot, filter.as_ref(), Sort::Hurts), 0);
        assert!(!text.contains('\n'));
        serde_json::from_str(&text).expect("JSON")
    }

    fn sum(list: &Value) -> u64 {
        list.as_array().expect("a list").iter().filter_map(Value::as_u64).sum()
    }

    #[test]
    fn the_parts_of_a_group_add_up_and_the_buckets_count_every_wait() {
        let report = report(None);
        let buckets = report["bounds_ns"].as_array().expect("bounds").len() + 1;
        for group in report["groups"].as_array().expect("groups") {
            let wait = &group["wait"];
            let names = ["same_ns", "other_ns", "idle_ns", "throttled_ns", "unattributed_ns"];
            let parts: u64 = names.iter().filter_map(|name| wait[name].as_u64()).sum();
            assert_eq!(Some(parts), wait["sum_ns"].as_u64());
            assert_eq!(Some(sum(&wait["buckets"])), wait["count"].as_u64());
            assert_eq!(wait["buckets"].as_array().map(Vec::len), Some(buckets));
            for part in ["same", "other", "idle", "throttled"] {
                assert_eq!(wait["parts"][part]["count"], wait["count"], "{part}");
            }
        }
    }

    #[test]
    fn the_matrix_can_be_read_without_a_join() {
        let first = &report(None)["matrix"][0];
        assert_eq!(
            *first,
            json!({"victim": 11, "by": 12, "victim_path": "/shop/api", "by_path": "/batch/etl", "ns": 3_367_000_000u64})
        );
    }

    #[test]
    fn every_number_is_an_integer() {
        fn check(value: &Value) {
            match value {
                Value::Number(number) => assert!(number.is_u64(), "{number}"),
                Value::Array(list) => list.iter().for_each(check),
                Value::Object(map) => map.values().for_each(check),
                _ => {}
            }
        }
        check(&report(None));
    }

    #[test]
    fn a_filter_keeps_its_groups_their_culprits_and_their_waits() {
        let report = report(Some("/shop/*"));
        let paths: Vec<_> = report["groups"]
            .as_array()
            .expect("groups")
            .iter()
            .map(|g| g["path"].clone())
            .collect();
        assert_eq!(paths, ["/shop/api", "/shop/cron"]);
        assert_eq!(report["matrix"].as_array().map(Vec::len), Some(2));
        assert_eq!(report["in_progress"][0]["behind_path"], "/batch/etl");
        assert_eq!(report["groups_total"], 4);
    }

    #[test]
    fn the_first_field_is_the_schema() {
        let snapshot = fake::snapshot();
        let text = render(&View::new(&snapshot, None, Sort::Hurts), 0);
        assert!(text.starts_with("{\"schema\":1,\"method\":\"log\","), "{}", &text[..60]);
    }
}
