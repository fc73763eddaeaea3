//! The metrics a node agent scrapes: which there are, and how a snapshot and the ledger become their samples.
//!
//! `docs/metrics.md` says the same for the people who read them; a test holds the two together.

pub mod families;
pub mod text;

use std::collections::BTreeMap;

use ghostsched_bpf::snapshot::{Entitlement, Quality, Snapshot};
use ghostsched_core::latency::Kind;

use self::text::{Format, Value, Writer};
use super::board::REST;
use super::ledger::Open;
use families as f;

/// The whole exposition.
pub fn render(snapshot: &Snapshot, open: &Open, format: Format) -> String {
    let mut writer = Writer::new(format);
    about(&mut writer, snapshot, open);
    delays(&mut writer, snapshot, open);
    spells(&mut writer, open);
    caused(&mut writer, open);
    now(&mut writer, snapshot, open);
    folding(&mut writer, snapshot, open);
    losses(&mut writer, &open.quality, open);
    cost(&mut writer, &open.quality, open.start_unix_ns);
    writer.finish()
}

/// What measures, since when.
fn about(writer: &mut Writer, snapshot: &Snapshot, open: &Open) {
    let version = env!("CARGO_PKG_VERSION");
    let labels = [
        ("version", version),
        ("method", snapshot.method.name()),
        ("kernel", &snapshot.kernel),
    ];
    writer.family(&f::INFO).info(&labels);
    writer
        .family(&f::CPUS)
        .gauge(&[], Value::Count(u64::from(snapshot.cpus)));
    writer
        .family(&f::EPOCH)
        .gauge(&[], Value::Count(u64::from(snapshot.epoch)));
    writer.family(&f::START_TIME).gauge(&[], Value::Ns(open.start_unix_ns));
}

/// How long threads queued, and why.
fn delays(writer: &mut Writer, snapshot: &Snapshot, open: &Open) {
    let layout = open.layout;
    let bounds_ns = snapshot.bounds.as_slice();
    let mut samples = writer.family(&f::QUEUE_DELAY);
    for (cgroup, row) in open.groups.rows() {
        for kind in [Kind::Wait, Kind::Same, Kind::Other, Kind::Idle, Kind::Throttled] {
            let Some(counts) = layout.histogram(&row.cells, kind) else {
                continue;
            };
            let cause = if kind == Kind::Wait { "all" } else { kind.name() };
            let sum_ns = layout.sum_ns(&row.cells, kind);
            samples.histogram(
                &[("cgroup", cgroup), ("cause", cause)],
                bounds_ns,
                counts,
                sum_ns,
                row.created_unix_ns,
            );
        }
    }
    let mut samples = writer.family(&f::CAUSE);
    for (cgroup, row) in open.groups.rows() {
        let parts = [Kind::Same, Kind::Other, Kind::Idle, Kind::Throttled];
        let parts = parts.map(|kind| (kind.name(), layout.sum_ns(&row.cells, kind)));
        for (cause, ns) in parts
            .into_iter()
            .chain([("unattributed", layout.unattributed_ns(&row.cells))])
        {
            samples.counter(
                &[("cgroup", cgroup), ("cause", cause)],
                Value::Ns(ns),
                row.created_unix_ns,
            );
        }
    }
}

/// What threads did when they did not queue.
fn spells(writer: &mut Writer, open: &Open) {
    let layout = open.layout;
    let mut samples = writer.family(&f::ONCPU);
    for (cgroup, row) in open.groups.rows() {
        let (count, sum_ns) = (layout.count(&row.cells, Kind::On), layout.sum_ns(&row.cells, Kind::On));
        samples.summary(&[("cgroup", cgroup)], count, sum_ns, row.created_unix_ns);
    }
    let mut samples = writer.family(&f::OFFCPU);
    for (cgroup, row) in open.groups.rows() {
        for kind in [Kind::Sleep, Kind::Block] {
            let (count, sum_ns) = (layout.count(&row.cells, kind), layout.sum_ns(&row.cells, kind));
            samples.summary(
                &[("cgroup", cgroup), ("state", kind.name())],
                count,
                sum_ns,
                row.created_unix_ns,
            );
        }
    }
    let mut samples = writer.family(&f::THROTTLED_ONCPU);
    for (cgroup, row) in open.groups.rows() {
        let ns = layout.throttled_on_ns(&row.cells);
        samples.counter(&[("cgroup", cgroup)], Value::Ns(ns), row.created_unix_ns);
    }
}

/// Who made whom wait.
fn caused(writer: &mut Writer, open: &Open) {
    let mut samples = writer.family(&f::CAUSED);
    for (victim, board) in &open.caused {
        for (by, row) in board.rows() {
            let ns = row.cells.first().copied().unwrap_or(0);
            samples.counter(&[("victim", victim), ("by", by)], Value::Ns(ns), row.created_unix_ns);
        }
    }
}

/// What holds at this moment: waits in progress and entitlements.
fn now(writer: &mut Writer, snapshot: &Snapshot, open: &Open) {
    let mut waiting: BTreeMap<&str, (u64, u64)> = open.groups.rows().map(|(cgroup, _)| (cgroup, (0, 0))).collect();
    for wait in &snapshot.in_progress {
        let cgroup = snapshot
            .groups
            .get(wait.group)
            .map_or(REST, |group| open.shown_as(group));
        if let Some((threads, longest_ns)) = waiting.get_mut(cgroup) {
            *threads += 1;
            *longest_ns = (*longest_ns).max(wait.waited_ns);
        }
    }
    let mut samples = writer.family(&f::WAITING_NOW);
    for (cgroup, (_, longest_ns)) in &waiting {
        samples.gauge(&[("cgroup", cgroup)], Value::Ns(*longest_ns));
    }
    let mut samples = writer.family(&f::WAITING_THREADS);
    for (cgroup, (threads, _)) in &waiting {
        samples.gauge(&[("cgroup", cgroup)], Value::Count(*threads));
    }
    // Two cgroups of one path are the old and the new life of a service: the higher id is the new one.
    let mut entitled: BTreeMap<&str, (u64, Entitlement)> = BTreeMap::new();
    for group in &snapshot.groups {
        let (cgroup, Some(entitlement)) = (open.shown_as(group), group.entitlement) else {
            continue;
        };
        let newest = entitled.get(cgroup).is_none_or(|(id, _)| *id <= group.id);
        if cgroup != REST && newest {
            entitled.insert(cgroup, (group.id, entitlement));
        }
    }
    let mut samples = writer.family(&f::ENTITLEMENT);
    for (cgroup, (_, entitlement)) in &entitled {
        samples.gauge(
            &[("cgroup", cgroup), ("limit", "weight")],
            Value::Milli(entitlement.weight_mcpu),
        );
        if let Some(quota_mcpu) = entitlement.quota_mcpu {
            samples.gauge(&[("cgroup", cgroup), ("limit", "quota")], Value::Milli(quota_mcpu));
        }
    }
}

/// What the cap on series did.
fn folding(writer: &mut Writer, snapshot: &Snapshot, open: &Open) {
    let named = open.groups.named() as u64;
    let folded = snapshot
        .groups
        .iter()
        .filter(|group| group.id != 0 && open.shown_as(group) == REST)
        .count() as u64;
    let start = open.start_unix_ns;
    writer.family(&f::CGROUPS_NAMED).gauge(&[], Value::Count(named));
    writer.family(&f::CGROUPS_FOLDED).gauge(&[], Value::Count(folded));
    writer
        .family(&f::CGROUPS_OVER_CAPACITY)
        .gauge(&[], Value::Count(snapshot.quality.groups_over_capacity));
    writer
        .family(&f::CGROUPS_RETIRED)
        .counter(&[], Value::Count(open.groups.retirements()), start);
    let retired_ns = open.layout.sum_ns(open.groups.retired(), Kind::Wait);
    writer
        .family(&f::RETIRED_WAIT)
        .counter(&[], Value::Ns(retired_ns), start);
}

/// What the measurement could not see.
fn losses(writer: &mut Writer, quality: &Quality, open: &Open) {
    let rows = open
        .groups
        .rows()
        .map(|(_, row)| row.cells.as_slice())
        .chain([open.groups.retired()]);
    let unattributed_ns = rows.fold(0u64, |sum, cells| {
        sum.saturating_add(open.layout.unattributed_ns(cells))
    });
    for (family, value) in [
        (&f::SWITCHES, Value::Count(quality.switches)),
        (&f::MISSED_SWITCHES, Value::Count(quality.chain_breaks)),
        (&f::UNKNOWN_RUNNER, Value::Ns(quality.unknown_ns)),
        (&f::UNATTRIBUTED, Value::Ns(unattributed_ns)),
        (&f::MISSED_WAITS, Value::Count(quality.missed_waits)),
        (&f::MISSED_WAIT, Value::Ns(quality.missed_ns)),
        (&f::EXTRA_WAITS, Value::Count(quality.extra_waits)),
        (&f::EXTRA_WAIT, Value::Ns(quality.extra_ns)),
        (&f::SUSPECT_WAITS, Value::Count(quality.suspect_waits)),
        (&f::SUSPECT_WAIT, Value::Ns(quality.suspect_ns)),
        (&f::MIGRATED_WAITS, Value::Count(quality.migrated_waits)),
        (&f::MOVING, Value::Ns(quality.moving_ns)),
        (&f::STORAGE_FAILURES, Value::Count(quality.storage_failures)),
        (&f::THROTTLE_CLIPPED, Value::Count(quality.throttle_clipped)),
        (&f::MATRIX_OVERFLOW, Value::Ns(quality.matrix_overflow_ns)),
    ] {
        writer.family(family).counter(&[], value, open.start_unix_ns);
    }
    writer
        .family(&f::THROTTLE_VISIBLE)
        .gauge(&[], Value::Count(u64::from(quality.throttle_visible)));
    // Absent where there is nothing to compare with: a 0 would read as "nothing agrees".
    if let Some(check) = quality.self_check {
        for (family, value) in [
            (&f::CHECK_THREADS, Value::Count(check.threads)),
            (&f::CHECK_EXACT, Value::Count(check.exact)),
            (&f::CHECK_KERNEL, Value::Ns(check.kernel_ns)),
            (&f::CHECK_DIFFERENCE, Value::Ns(check.difference_ns)),
        ] {
            writer.family(family).gauge(&[], value);
        }
    }
}

/// What the measurement cost; nothing where the kernel's BPF statistics are off.
fn cost(writer: &mut Writer, quality: &Quality, start_unix_ns: u64) {
    let Some(bpf_ns) = quality.bpf_ns else { return };
    for (family, value) in [
        (&f::BPF_RUN, Value::Ns(bpf_ns)),
        (&f::BPF_RUNS, Value::Count(quality.bpf_runs)),
        (&f::BPF_SKIPPED, Value::Count(quality.bpf_skipped)),
    ] {
        writer.family(family).counter(&[], value, start_unix_ns);
    }
}

#[cfg(test)]
mod tests;
