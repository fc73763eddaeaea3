//! A snapshot as reports look at it: the groups asked for, what hurts first, each with its verdict.

use std::cmp::Reverse;

use ghostsched_core::latency::verdict::Facts;
use ghostsched_core::latency::{Kind, Parts, Verdict};

use super::glob::Glob;
use crate::snapshot::{Group, Snapshot, Waiting};

/// One group with what follows from its numbers.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Its index in [`Snapshot::groups`].
    pub index: usize,
    /// The group.
    pub group: &'a Group,
    /// The parts of its finished waits.
    pub parts: Parts,
    /// Waiting behind other groups, waits in progress included, ns: what the default order goes by.
    pub hurt_ns: u64,
    /// CPU time used, in milli-CPUs.
    pub used_mcpu: u64,
    /// 99th percentile of its finished waits, ns; 0 where there are none.
    pub p99_ns: u64,
    /// Who made it wait longest: `(index, ns)`.
    pub culprit: Option<(usize, u64)>,
    /// What to do.
    pub verdict: Verdict,
}

/// The order of rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Longest wait behind other groups first, waits in progress included; then longest wait.
    #[default]
    Hurts,
    /// Longest total wait first.
    Wait,
    /// Highest 99th percentile first.
    P99,
    /// Longest single wait first.
    Max,
    /// Most CPU time first.
    Cpu,
    /// By path.
    Name,
}

/// The groups asked for, in order.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Where it comes from.
    pub snapshot: &'a Snapshot,
    /// The groups that match and that ran or waited.
    pub rows: Vec<Row<'a>>,
    /// For each group of the snapshot, whether it is among the rows.
    shown: Vec<bool>,
}

impl<'a> View<'a> {
    /// The groups of a snapshot that a glob means (all without one).
    pub fn new(snapshot: &'a Snapshot, filter: Option<&Glob>, sort: Sort) -> Self {
        let worst = worst_culprits(snapshot);
        let now = waiting_now(snapshot);
        let wanted = |group: &Group| filter.is_none_or(|glob| glob.matches(&group.path));
        let mut rows: Vec<Row<'_>> = snapshot
            .groups
            .iter()
            .enumerate()
            .filter(|(_, group)| wanted(group))
            .map(|(index, group)| row(snapshot, index, group, &now[index], worst[index]))
            .collect();
        let wait_ns = |row: &Row<'_>| row.group.stats.kind(Kind::Wait).sum_ns();
        // Every order ends with the path, so that equal rows do not dance between reports.
        match sort {
            Sort::Hurts => rows.sort_by_cached_key(|r| (Reverse((r.hurt_ns, wait_ns(r))), r.group.path.clone())),
            Sort::Wait => rows.sort_by_cached_key(|r| (Reverse(wait_ns(r)), r.group.path.clone())),
            Sort::P99 => rows.sort_by_cached_key(|r| (Reverse(r.p99_ns), r.group.path.clone())),
            Sort::Max => {
                rows.sort_by_cached_key(|r| (Reverse(r.group.stats.kind(Kind::Wait).max_ns()), r.group.path.clone()));
            }
            Sort::Cpu => rows.sort_by_cached_key(|r| (Reverse(r.used_mcpu), r.group.path.clone())),
            Sort::Name => rows.sort_by(|a, b| a.group.path.cmp(&b.group.path)),
        }
        let shown = snapshot.groups.iter().map(wanted).collect();
        Self { snapshot, rows, shown }
    }

    /// Whether a group, by its index in the snapshot, is among the rows' groups.
    pub fn shows(&self, index: usize) -> bool {
        self.shown.get(index).copied().unwrap_or(false)
    }

    /// The path of a group by its index; `?` for an index that is not one.
    pub fn path(&self, index: usize) -> &'a str {
        self.snapshot.groups.get(index).map_or("?", |group| &group.path)
    }
}

/// Threads of one group that wait now.
#[derive(Clone, Copy, Debug, Default)]
struct Now {
    threads: u64,
    parts: Parts,
    max_ns: u64,
}

fn waiting_now(snapshot: &Snapshot) -> Vec<Now> {
    let mut now = vec![Now::default(); snapshot.groups.len()];
    for waiting in &snapshot.in_progress {
        if let Some(now) = now.get_mut(waiting.group) {
            let known = parts_of(waiting);
            now.threads += 1;
            now.max_ns = now.max_ns.max(waiting.waited_ns);
            now.parts.same_ns = now.parts.same_ns.saturating_add(known.same_ns);
            now.parts.other_ns = now.parts.other_ns.saturating_add(known.other_ns);
            now.parts.idle_ns = now.parts.idle_ns.saturating_add(known.idle_ns);
            now.parts.throttled_ns = now.parts.throttled_ns.saturating_add(known.throttled_ns);
            now.parts.unattributed_ns = now.parts.unattributed_ns.saturating_add(known.unattributed_ns);
        }
    }
    now
}

/// The parts of a wait in progress; what the four named parts leave is unattributed.
pub fn parts_of(waiting: &Waiting) -> Parts {
    let named = [waiting.same_ns, waiting.other_ns, waiting.idle_ns, waiting.throttled_ns];
    Parts {
        same_ns: waiting.same_ns,
        other_ns: waiting.other_ns,
        idle_ns: waiting.idle_ns,
        throttled_ns: waiting.throttled_ns,
        unattributed_ns: named.into_iter().fold(waiting.waited_ns, u64::saturating_sub),
    }
}

/// For each group, who made it wait longest. One pass: thousands of groups have thousands of pairs.
fn worst_culprits(snapshot: &Snapshot) -> Vec<Option<(usize, u64)>> {
    let mut worst: Vec<Option<(usize, u64)>> = vec![None; snapshot.groups.len()];
    for blame in &snapshot.matrix {
        if let Some(worst) = worst.get_mut(blame.victim)
            && worst.is_none_or(|(by, ns)| (Reverse(blame.ns), blame.by) < (Reverse(ns), by))
        {
            *worst = Some((blame.by, blame.ns));
        }
    }
    worst
}

fn row<'a>(snapshot: &Snapshot, index: usize, group: &'a Group, now: &Now, culprit: Option<(usize, u64)>) -> Row<'a> {
    let parts = group.stats.parts();
    let wait = group.stats.kind(Kind::Wait);
    let p99_ns = wait
        .quantile(&snapshot.bounds, 990_000)
        .map_or(0, |quantile| quantile.up_to_ns);
    let hurt_ns = parts.other_ns.saturating_add(now.parts.other_ns);
    let facts = Facts {
        interval_ns: snapshot.interval_ns,
        waits: wait.count().saturating_add(now.threads),
        parts: Parts {
            same_ns: parts.same_ns.saturating_add(now.parts.same_ns),
            other_ns: hurt_ns,
            idle_ns: parts.idle_ns.saturating_add(now.parts.idle_ns),
            throttled_ns: parts.throttled_ns.saturating_add(now.parts.throttled_ns),
            unattributed_ns: parts.unattributed_ns.saturating_add(now.parts.unattributed_ns),
        },
        p99_ns,
        max_ns: wait.max_ns().max(now.max_ns),
        on_ns: group.stats.kind(Kind::On).sum_ns(),
        weight_mcpu: group.entitlement.map(|entitlement| entitlement.weight_mcpu),
        quota_mcpu: group.entitlement.and_then(|entitlement| entitlement.quota_mcpu),
        throttle_visible: snapshot.quality.throttle_visible,
    };
    let verdict = Verdict::of(&facts);
    Row {
        index,
        group,
        parts,
        hurt_ns,
        used_mcpu: snapshot.used_mcpu(group),
        p99_ns,
        culprit,
        verdict,
    }
}
