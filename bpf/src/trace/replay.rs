//! Replaying a trace through the accounting engine.

use std::collections::HashMap;
use std::path::Path;

use ghostsched_core::histogram::{Bounds, Histogram};
use ghostsched_core::latency::engine::{Cpu, Memory, Thread};
use ghostsched_core::latency::{Blame as Pair, Engine, Event, FIRST_GROUP, GroupStats, Kind};
use ghostsched_core::trace::{Record, Trace};

use crate::Error;
use crate::snapshot::{Blame, Group, Method, Quality, Snapshot, Waiting};

/// Replays a trace file: the same report as a live measurement over the recorded time. `level` folds cgroups to that depth
/// below the root; 0 keeps leaf cgroups apart.
pub fn replay(path: &Path, bounds: Bounds, level: u32) -> Result<Snapshot, Error> {
    let name = path.display();
    // A pipe or a device may never end.
    if std::fs::metadata(path).is_ok_and(|meta| !meta.is_file()) {
        return Err(Error::Input(format!(
            "{name}: not a regular file: give one that `ghostsched record` wrote"
        )));
    }
    let bytes = std::fs::read(path).map_err(|error| Error::Input(format!("read {name}: {error}")))?;
    let trace = Trace::parse(&bytes).map_err(|error| Error::Input(format!("{name}: {error}")))?;
    Ok(account(&trace, bounds, level))
}

/// The groups of a trace: cgroups of one folded path are one.
struct Groups {
    by_id: HashMap<u64, u32>,
    rows: Vec<(u64, String)>,
}

impl Groups {
    fn new(trace: &Trace<'_>, level: u32) -> Self {
        let paths: HashMap<u64, String> = trace
            .cgroups()
            .map(|(id, path)| (id, String::from_utf8_lossy(path).into_owned()))
            .collect();
        let mut groups = Self {
            by_id: HashMap::new(),
            rows: Vec::new(),
        };
        let mut by_path: HashMap<String, u32> = HashMap::new();
        for record in trace.records() {
            let id = record.cgroup_id;
            if id == 0 || groups.by_id.contains_key(&id) {
                continue;
            }
            let path = paths
                .get(&id)
                .map_or_else(|| format!("(cgroup {id}) (gone)"), |path| fold(path, level));
            let rows = &mut groups.rows;
            let index = *by_path.entry(path).or_insert_with_key(|path| {
                rows.push((id, path.clone()));
                rows.len() as u32 - 1 + FIRST_GROUP
            });
            groups.by_id.insert(id, index);
        }
        groups
    }

    fn of(&self, record: &Record) -> u32 {
        self.by_id
            .get(&record.cgroup_id)
            .copied()
            .unwrap_or(ghostsched_core::latency::GROUP_REST)
    }
}

/// One more than the largest CPU number with an event, whatever the header claims.
fn cpus_used(trace: &Trace<'_>) -> u32 {
    let used = trace.records().map(|record| record.cpu.saturating_add(1)).max();
    used.unwrap_or(0).min(trace.header.cpus)
}

/// `/a/b/c` at level 2 is `/a/b`.
fn fold(path: &str, level: u32) -> String {
    match path.match_indices('/').nth(level as usize) {
        Some((end, _)) if level > 0 => path[..end].to_string(),
        _ => path.to_string(),
    }
}

fn account(trace: &Trace<'_>, bounds: Bounds, level: u32) -> Snapshot {
    let groups = Groups::new(trace, level);
    let names: HashMap<u32, String> = trace
        .threads()
        .map(|(tid, name)| (tid, String::from_utf8_lossy(name).into_owned()))
        .collect();
    let group_count = groups.rows.len() + FIRST_GROUP as usize;
    let mut cpus = vec![Cpu::default(); cpus_used(trace) as usize];
    let mut threads = vec![Thread::default(); (trace.header.threads as usize * 2 + 16384).next_power_of_two()];
    let mut stats = vec![GroupStats::default(); group_count];
    let mut matrix = vec![Pair::default(); (group_count * 16).clamp(1024, 1 << 20).next_power_of_two()];
    let memory = Memory {
        cpus: &mut cpus,
        threads: &mut threads,
        groups: &mut stats,
        matrix: &mut matrix,
    };
    let mut engine = Engine::new(bounds, memory);
    let (mut first_ns, mut last_ns) = (u64::MAX, 0);
    for record in trace.records() {
        let Some(event) = record.event(groups.of(&record)) else {
            continue;
        };
        first_ns = first_ns.min(record.now_ns);
        last_ns = last_ns.max(record.now_ns);
        engine.feed(record.now_ns, &event, |_| {});
        if record.kind == Record::SWITCH && record.flags & Record::DEAD != 0 {
            engine.feed(record.now_ns, &Event::Exit { tid: record.prev_tid }, |_| {});
        }
    }
    report(
        trace,
        &engine,
        &groups,
        &names,
        bounds,
        level,
        (first_ns.min(last_ns), last_ns),
    )
}

fn report(
    trace: &Trace<'_>,
    engine: &Engine<'_>,
    groups: &Groups,
    names: &HashMap<u32, String>,
    bounds: Bounds,
    level: u32,
    (first_ns, last_ns): (u64, u64),
) -> Snapshot {
    let mut stats = engine.groups().to_vec();
    engine.running_at(last_ns, |group, ns| {
        if let Some(stats) = stats.get_mut(group as usize) {
            let on = &mut stats.kinds[Kind::On as usize];
            *on = Histogram::from_parts(on.counts(), on.sum_ns().saturating_add(ns), on.max_ns());
        }
    });
    // The remainder comes last, and only if it holds anything.
    let rest = (0, "(rest)".to_string());
    let mut rows = Vec::new();
    let mut row_of: HashMap<u32, usize> = HashMap::new();
    let indices = (FIRST_GROUP..)
        .zip(&groups.rows)
        .chain([(ghostsched_core::latency::GROUP_REST, &rest)]);
    for (index, (id, path)) in indices {
        let Some(stats) = stats.get(index as usize) else {
            continue;
        };
        if index < FIRST_GROUP && stats.is_empty() {
            continue;
        }
        row_of.insert(index, rows.len());
        rows.push(Group {
            id: *id,
            path: path.clone(),
            stats: *stats,
            entitlement: None,
        });
    }
    let row = |group: u32| row_of.get(&group).copied();
    let mut matrix: Vec<Blame> = engine
        .matrix()
        .pairs()
        .filter_map(|pair| {
            Some(Blame {
                victim: row(pair.victim)?,
                by: row(pair.by)?,
                ns: pair.ns,
            })
        })
        .collect();
    matrix.sort_by_key(|blame| (blame.victim, std::cmp::Reverse(blame.ns), blame.by));
    let mut in_progress = Vec::new();
    engine.in_progress(last_ns, |wait| {
        let Some(group) = row(wait.group) else { return };
        in_progress.push(Waiting {
            tid: wait.tid,
            pid: wait.tid,
            comm: names.get(&wait.tid).cloned().unwrap_or_default(),
            group,
            cpu: wait.cpu,
            waited_ns: last_ns.saturating_sub(wait.began_ns),
            same_ns: wait.parts.same_ns,
            other_ns: wait.parts.other_ns,
            idle_ns: wait.parts.idle_ns,
            throttled_ns: wait.parts.throttled_ns,
            behind: engine.running_on(wait.cpu).and_then(row),
        });
    });
    in_progress.sort_by_key(|one| (std::cmp::Reverse(one.waited_ns), one.tid));
    let tally = engine.tally();
    let kernel = trace.header.kernel.split(|&byte| byte == 0).next().unwrap_or_default();
    Snapshot {
        method: Method::Replay,
        kernel: String::from_utf8_lossy(kernel).into_owned(),
        cpus: cpus_used(trace),
        start_unix_ns: trace.header.start_unix_ns,
        end_unix_ns: trace.header.start_unix_ns.saturating_add(last_ns - first_ns),
        interval_ns: last_ns - first_ns,
        epoch: 0,
        bounds,
        level,
        groups: rows,
        matrix,
        in_progress,
        quality: Quality {
            switches: tally.switches,
            chain_breaks: tally.chain_breaks,
            unknown_ns: tally.unknown_ns,
            migrated_waits: tally.migrated_waits,
            moving_ns: tally.moving_ns,
            storage_failures: tally.threads_over_capacity + tally.cpus_over_capacity + trace.header.lost,
            matrix_overflow_ns: engine.matrix().overflow_ns(),
            throttle_visible: true,
            ..Quality::default()
        },
    }
}
