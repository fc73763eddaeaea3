//! The latency profiler on the live kernel.
//!
//! [`Profiler::attach`] loads the programs of `bpf/c/latency.bpf.c`; from then on everything is counted in the kernel.
//! A snapshot reads the counters through mappings and subtracts a baseline, so neither a snapshot nor a reset disturbs or
//! loses anything. Changing the bounds starts an *epoch*: fresh programs and maps.

mod cost;
mod epoch;
mod features;
mod rows;
mod totals;
mod waiting;

use std::collections::{BTreeSet, HashMap};
use std::mem::offset_of;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::{FIRST_GROUP, GROUP_REST, Kind};

pub use epoch::memory_bytes;

use crate::Error;
use crate::bindings::{gs_cpu, gs_group};
use crate::cgroups::{Names, Tree};
use crate::object::{RingBuffer, RunStats};
use crate::snapshot::{Blame, Group, Method, Snapshot, Waiting};
use epoch::Epoch;
use features::Features;
use rows::Rows;
use totals::{Maxima, Totals, group_end, quality_between, raise};
use waiting::Seen;

/// What to measure and within which memory.
#[derive(Clone, Debug)]
pub struct Options {
    /// The method to force; `None` takes [`Method::Log`] where the kernel has `CONFIG_SCHED_INFO`.
    pub method: Option<Method>,
    /// Bounds of all histograms.
    pub bounds: Bounds,
    /// Fold cgroups to this depth below the cgroup root; 0 keeps leaf cgroups apart.
    pub level: u32,
    /// The most groups told apart; `None` sizes it from the cgroups that exist.
    pub max_groups: Option<u32>,
    /// The most memory for histograms, in bytes.
    pub max_memory: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            method: None,
            bounds: Bounds::default(),
            level: 0,
            max_groups: None,
            max_memory: 64 << 20,
        }
    }
}

/// The profiler: attached from [`Profiler::attach`] until dropped.
#[derive(Debug)]
pub struct Profiler {
    options: Options,
    features: Features,
    epoch: Epoch,
    epoch_number: u32,
    window: u64,
    since_reset: Baseline,
    since_interval: Baseline,
    tree: Tree,
    names: Names,
    names_read: Instant,
    paths: HashMap<u64, String>, // every path ever seen, for cgroups that go
    records: Option<RingBuffer>,
    started: Instant,
    clock_offset_ns: Option<i64>,
    _cost: cost::Sampler,
}

/// What to subtract, and the maxima of the windows closed since.
#[derive(Clone, Debug)]
struct Baseline {
    totals: Totals,
    maxima: HashMap<u32, Maxima>,
    running: HashMap<u32, u64>, // time on CPU of the spells that went on then
    at: Instant,
    at_unix_ns: u64,
    run_stats: (RunStats, RunStats),
}

impl Baseline {
    fn new(totals: Totals, running: HashMap<u32, u64>, run_stats: (RunStats, RunStats)) -> Self {
        Self {
            totals,
            maxima: HashMap::new(),
            running,
            at: Instant::now(),
            at_unix_ns: unix_ns(),
            run_stats,
        }
    }
}

/// How long a list of cgroups is good for: names and quotas change.
const NAMES_FOR_SECONDS: u64 = 5;
/// Room for cgroups that come later.
const SPARE_GROUPS: usize = 1024;
const MOST_GROUPS: u32 = 1 << 20;

impl Profiler {
    /// Loads and attaches the BPF programs.
    pub fn attach(options: Options) -> Result<Self, Error> {
        Self::attach_with(options, false)
    }

    /// As [`Profiler::attach`], and every finished wait is handed out by [`Profiler::take_records`]: for tests.
    pub fn attach_recording(options: Options) -> Result<Self, Error> {
        Self::attach_with(options, true)
    }

    fn attach_with(options: Options, record: bool) -> Result<Self, Error> {
        let features = Features::probe()?;
        let tree = Tree::find()?;
        let names = tree.names();
        let method = match options.method {
            None if features.queue_stamp => Method::Log,
            None | Some(Method::Clock) => Method::Clock,
            Some(Method::Log) if features.queue_stamp => Method::Log,
            Some(Method::Log) => {
                return Err(Error::Unsupported(
                    "--method log needs CONFIG_SCHED_INFO; use --method clock".into(),
                ));
            }
            Some(Method::Replay) => return Err(Error::Input("a live measurement cannot replay a trace".into())),
        };
        let groups = options.max_groups.map_or_else(
            || (names.len() * 2 + SPARE_GROUPS).min(MOST_GROUPS as usize) as u32,
            |groups| groups.saturating_add(FIRST_GROUP),
        );
        if groups > MOST_GROUPS {
            return Err(Error::Input(format!(
                "--max-groups is at most {}",
                MOST_GROUPS - FIRST_GROUP
            )));
        }
        let mut epoch = Epoch::start(&options, &features, method, groups, record)?;
        if names.any_quota() && features.throttle_clock {
            epoch.watch_wakeups()?;
        }
        let records = if record {
            Some(RingBuffer::new(&epoch.map("records")?)?)
        } else {
            None
        };
        let baseline = Baseline::new(Totals::default(), HashMap::new(), Default::default());
        let mut profiler = Self {
            options,
            features,
            epoch,
            epoch_number: 0,
            window: 1,
            since_reset: baseline.clone(),
            since_interval: baseline,
            tree,
            names,
            names_read: Instant::now(),
            paths: HashMap::new(),
            records,
            started: Instant::now(),
            clock_offset_ns: None,
            _cost: cost::Sampler::start(),
        };
        profiler.remember_paths();
        Ok(profiler)
    }

    /// Everything since the last [`Self::reset`] (or since attach).
    pub fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let totals = Totals::read(&self.epoch, self.window);
        let mut baseline = self.since_reset.clone();
        close_window(&mut baseline.maxima, &totals.maxima);
        let running = self.running();
        self.report(totals, running, &baseline)
    }

    /// Everything since the last call of this function (or since attach); independent of [`Self::reset`].
    pub fn interval(&mut self) -> Result<Snapshot, Error> {
        let totals = self.next_window();
        let run_stats = self.epoch.run_stats()?;
        let running = self.running();
        let next = Baseline::new(totals.clone(), running.clone(), run_stats);
        let baseline = std::mem::replace(&mut self.since_interval, next);
        self.report(totals, running, &baseline)
    }

    /// Takes the present as the baseline of [`Self::snapshot`]; clears nothing in the kernel, loses nothing.
    pub fn reset(&mut self) -> Result<(), Error> {
        let totals = self.next_window();
        self.since_reset = Baseline::new(totals, self.running(), self.epoch.run_stats()?);
        Ok(())
    }

    /// Starts a new epoch with other bounds: all counts begin anew.
    ///
    /// The old programs count until the new ones do. On an error the old epoch goes on.
    pub fn set_bounds(&mut self, bounds: Bounds) -> Result<(), Error> {
        let options = Options {
            bounds,
            ..self.options.clone()
        };
        let mut epoch = Epoch::start(
            &options,
            &self.features,
            self.epoch.method,
            self.epoch.max_groups,
            self.records.is_some(),
        )?;
        if self.names.any_quota() && self.features.throttle_clock {
            epoch.watch_wakeups()?;
        }
        if self.records.is_some() {
            self.records = Some(RingBuffer::new(&epoch.map("records")?)?);
        }
        self.epoch = epoch;
        self.epoch_number += 1;
        self.options = options;
        self.window = 1;
        self.clock_offset_ns = None;
        self.since_reset = Baseline::new(Totals::default(), HashMap::new(), Default::default());
        self.since_interval = self.since_reset.clone();
        Ok(())
    }

    /// The options in force.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// The method in force.
    pub fn method(&self) -> Method {
        self.epoch.method
    }

    /// Finished waits since the last call, as `struct gs_wait_record`s one after the other; none unless recording.
    pub fn take_records(&mut self) -> Result<Vec<u8>, Error> {
        self.records.as_mut().map_or(Ok(Vec::new()), |ring| ring.drain(1 << 20))
    }

    /// The path of a group index, as reports show it.
    pub fn path_of(&mut self, group: u32) -> String {
        self.describe(group).1
    }

    /// Opens the next window of maxima and reads everything; the closed window's maxima go to both baselines.
    fn next_window(&mut self) -> Totals {
        self.window += 1;
        self.epoch
            .state
            .set_u64(0, offset_of!(crate::bindings::gs_state, window), self.window);
        let totals = Totals::read(&self.epoch, self.window);
        for baseline in [&mut self.since_reset, &mut self.since_interval] {
            close_window(&mut baseline.maxima, &totals.last_maxima);
        }
        totals
    }

    fn report(&mut self, totals: Totals, running: HashMap<u32, u64>, baseline: &Baseline) -> Result<Snapshot, Error> {
        let interval_ns = baseline.at.elapsed().as_nanos() as u64;
        self.refresh_names(&totals)?;
        let threads = self
            .epoch
            .scan()?
            .map(|bytes| waiting::decode(&bytes))
            .unwrap_or_default();

        // Cgroups of one path are one row: one that was removed and made again keeps its history.
        let mut rows = Rows::default();
        for (&group, stats) in &totals.groups {
            let mut stats = match baseline.totals.groups.get(&group) {
                Some(before) => stats.difference(before),
                None => *stats,
            };
            if let Some(maxima) = baseline.maxima.get(&group) {
                for (histogram, &max) in stats.kinds.iter_mut().zip(maxima) {
                    *histogram = histogram.with_max(if histogram.count() > 0 { max } else { 0 });
                }
            }
            if !stats.is_empty() {
                rows.add(self.describe(group), &stats);
            }
        }
        for &group in running.keys().chain(baseline.running.keys()).collect::<BTreeSet<_>>() {
            let spell = |of: &HashMap<u32, u64>| of.get(&group).copied().unwrap_or(0);
            rows.add_running(self.describe(group), spell(&running), spell(&baseline.running));
        }
        let mut pairs: HashMap<(usize, usize), u64> = HashMap::new();
        for (&(victim, by), &ns) in &totals.matrix {
            let ns = ns.saturating_sub(baseline.totals.matrix.get(&(victim, by)).copied().unwrap_or(0));
            if ns > 0 {
                let victim = rows.index(self.describe(victim));
                let by = rows.index(self.describe(by));
                // Two cgroups of one path, the one removed and the other made anew, are no neighbours.
                if victim != by {
                    *pairs.entry((victim, by)).or_default() += ns;
                }
            }
        }
        let mut in_progress = self.in_progress(&threads, &mut rows);
        in_progress.sort_by_key(|one| (std::cmp::Reverse(one.waited_ns), one.tid));

        let mut quality = quality_between(&totals.quality, &baseline.totals.quality);
        quality.throttle_visible = self.epoch.throttle_visible;
        let (hot, all) = self.epoch.run_stats()?;
        quality.bpf_ns = cost::total_ns(hot, all, quality.switches);
        quality.bpf_runs = all.runs.saturating_sub(baseline.run_stats.1.runs);
        quality.bpf_skipped = all.skipped.saturating_sub(baseline.run_stats.1.skipped);
        quality.self_check =
            (self.epoch.method == Method::Log && !threads.is_empty()).then(|| waiting::self_check(&threads));

        let mut snapshot = Snapshot {
            method: self.epoch.method,
            kernel: kernel_release(),
            cpus: online_cpus(),
            start_unix_ns: baseline.at_unix_ns,
            end_unix_ns: unix_ns(),
            interval_ns,
            epoch: self.epoch_number,
            bounds: self.epoch.bounds,
            level: self.options.level,
            groups: rows.groups,
            matrix: Vec::new(),
            in_progress,
            quality,
        };
        let mut matrix: Vec<_> = pairs
            .into_iter()
            .map(|((victim, by), ns)| Blame { victim, by, ns })
            .collect();
        matrix.sort_by_key(|blame| (blame.victim, std::cmp::Reverse(blame.ns), blame.by));
        snapshot.matrix = matrix;
        self.entitle(&mut snapshot);
        Ok(snapshot)
    }

    /// The waits that go on, split up to now.
    fn in_progress(&mut self, threads: &[Seen], rows: &mut Rows) -> Vec<Waiting> {
        let Some(now_ns) = self.now_ns() else { return Vec::new() };
        let mut list = Vec::new();
        for thread in threads.iter().filter(|thread| thread.waiting) {
            let parts = thread.parts_at(&self.epoch, now_ns);
            let group = rows.index(self.describe(thread.group));
            let ahead = self.epoch.cpus.u32(thread.cpu as usize, offset_of!(gs_cpu, group));
            let behind = (ahead == GROUP_REST || ahead >= FIRST_GROUP).then(|| rows.index(self.describe(ahead)));
            list.push(Waiting {
                tid: thread.tid,
                pid: thread.pid,
                comm: thread.comm.clone(),
                group,
                cpu: thread.cpu,
                waited_ns: now_ns.saturating_sub(thread.began_ns()),
                same_ns: parts.same_ns,
                other_ns: parts.other_ns,
                idle_ns: parts.idle_ns,
                throttled_ns: parts.throttled_ns,
                behind,
            });
        }
        list
    }

    /// The time on CPU of the spells that go on now, by group: a hog that is never switched out is on CPU all the same.
    fn running(&mut self) -> HashMap<u32, u64> {
        let mut running = HashMap::new();
        let Some(now_ns) = self.now_ns() else { return running };
        for cpu in 0..self.epoch.cpus.elements() {
            let switched_ns = self.epoch.cpus.u64(cpu, offset_of!(gs_cpu, switched_ns));
            let group = self.epoch.cpus.u32(cpu, offset_of!(gs_cpu, group));
            if switched_ns != 0 && (group == GROUP_REST || group >= FIRST_GROUP) {
                *running.entry(group).or_default() += now_ns.saturating_sub(switched_ns);
            }
        }
        running
    }

    /// Now, by the run queue's clock.
    fn now_ns(&mut self) -> Option<u64> {
        if self.clock_offset_ns.is_none() || self.names_read.elapsed().as_secs() >= NAMES_FOR_SECONDS {
            self.clock_offset_ns = waiting::clock_offset_ns(&self.epoch, self.started).or(self.clock_offset_ns);
        }
        let now = self.started.elapsed().as_nanos() as i64;
        self.clock_offset_ns
            .map(|offset| now.saturating_sub(offset).max(0) as u64)
    }

    /// Reads the cgroup tree again when an unknown cgroup turned up or the last reading is old.
    fn refresh_names(&mut self, totals: &Totals) -> Result<(), Error> {
        let unknown = totals.groups.keys().any(|&group| {
            let id = self.cgroup_id(group);
            id != 0 && !self.paths.contains_key(&id)
        });
        if unknown || self.names_read.elapsed().as_secs() >= NAMES_FOR_SECONDS {
            self.names = self.tree.names();
            self.names_read = Instant::now();
            self.remember_paths();
            if self.names.any_quota() && self.epoch.throttle_visible {
                self.epoch.watch_wakeups()?;
            }
        }
        Ok(())
    }

    fn remember_paths(&mut self) {
        for group in FIRST_GROUP..group_end(&self.epoch) {
            let id = self.cgroup_id(group);
            if let Some(cgroup) = self.names.get(id) {
                self.paths.insert(id, cgroup.path.clone());
            }
        }
    }

    /// The cgroup id of a group index; 0 for none.
    pub fn cgroup_id(&self, group: u32) -> u64 {
        self.epoch.groups.u64(group as usize, offset_of!(gs_group, cgroup_id))
    }

    /// A group's cgroup id and path.
    fn describe(&self, group: u32) -> (u64, String) {
        let id = self.cgroup_id(group);
        if group < FIRST_GROUP {
            return (0, "(rest)".into());
        }
        if let Some(path) = self
            .paths
            .get(&id)
            .cloned()
            .or_else(|| self.names.get(id).map(|c| c.path.clone()))
        {
            return (id, path);
        }
        let text = |offset| {
            self.epoch
                .groups
                .text(group as usize, offset, crate::bindings::GS_NAME_LEN as usize)
        };
        let (name, parent) = (text(offset_of!(gs_group, name)), text(offset_of!(gs_group, parent)));
        let above = if parent.is_empty() {
            String::new()
        } else {
            format!("…/{parent}")
        };
        (id, format!("{above}/{name} (gone)"))
    }

    fn entitle(&self, snapshot: &mut Snapshot) {
        let wanted = |group: &Group| {
            let stats = &group.stats;
            let ns = stats.kind(Kind::On).sum_ns() + stats.kind(Kind::Wait).sum_ns();
            let ns = u128::from(ns.saturating_sub(stats.parts().throttled_ns));
            (ns * 1000 / u128::from(snapshot.interval_ns.max(1))) as u64
        };
        let active: Vec<(&str, u64)> = snapshot
            .groups
            .iter()
            .map(|group| (group.path.as_str(), wanted(group)))
            .collect();
        let found = self.names.entitlements(&active, snapshot.cpus);
        for group in &mut snapshot.groups {
            group.entitlement = found.get(&group.path).copied();
        }
    }
}

/// Fails with one line naming what the kernel or the caller lacks for tracing the scheduler.
pub(crate) fn require_tracing() -> Result<(), Error> {
    Features::probe().map(drop)
}

fn close_window(into: &mut HashMap<u32, Maxima>, window: &HashMap<u32, Maxima>) {
    for (&group, maxima) in window {
        raise(into.entry(group).or_default(), |kind| maxima[kind]);
    }
}

fn unix_ns() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_nanos() as u64)
}

fn kernel_release() -> String {
    std::fs::read_to_string("/proc/sys/kernel/osrelease").map_or_else(|_| "unknown".into(), |text| text.trim().into())
}

/// CPUs online, whatever this process may use: `0-3,6` is five.
fn online_cpus() -> u32 {
    let list = std::fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let count = |range: &str| {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let (first, last) = (first.parse::<u32>().ok()?, last.parse::<u32>().ok()?);
        Some(last.saturating_sub(first) + 1)
    };
    list.trim().split(',').filter_map(count).sum::<u32>().max(1)
}
