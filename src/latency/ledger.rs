//! Snapshots in, counters out: what the metrics show, kept so that no counter ever goes backwards.
//!
//! A snapshot holds what each cgroup counted since the baseline. The ledger turns it into gains since the snapshot before
//! and posts them to the rows of a [`Board`], keyed by path: so a service that restarts (same path, new id) continues its
//! series, and the remainder stays right whoever is in it. A reset or new bounds begin a new ledger, with new start times.

use std::collections::{BTreeMap, HashMap};

use ghostsched_bpf::snapshot::{Group, Quality, Snapshot};
use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::{GroupStats, Kind};

use super::board::{Board, Gain, REST, add};
use super::glob::Glob;

/// Which series there may be.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most cgroups with rows of their own.
    pub groups: usize,
    /// The most culprits named a victim.
    pub culprits: usize,
    /// Whether each cause has its own histogram, not only its own sum.
    pub per_cause: bool,
    /// Which cgroups may have rows of their own; all, if not said. Culprits are named whether or not they are among them.
    pub filter: Option<Glob>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            groups: 200,
            culprits: 5,
            per_cause: false,
            filter: None,
        }
    }
}

/// Scores halve in this time: a cgroup that stopped waiting gives its row to a busier one after a few of these.
const HALF_LIFE_NS: u64 = 600 * 1_000_000_000;

/// Where each counter of a cgroup stands in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    buckets: usize,
    histograms: usize,
}

impl Layout {
    const SUMS: usize = 0;
    const COUNTS: usize = Kind::COUNT;
    const UNATTRIBUTED: usize = 2 * Kind::COUNT;
    const THROTTLED_ON: usize = Self::UNATTRIBUTED + 1;
    const HISTOGRAMS: usize = Self::THROTTLED_ON + 1;

    fn new(bounds: &Bounds, per_cause: bool) -> Self {
        // Wait is kind 0 and its four parts are 1 to 4.
        Self {
            buckets: bounds.bucket_count(),
            histograms: if per_cause { 5 } else { 1 },
        }
    }

    fn width(self) -> usize {
        Self::HISTOGRAMS + self.histograms * self.buckets
    }

    fn cells(self, stats: &GroupStats) -> Vec<u64> {
        let mut cells = Vec::with_capacity(self.width());
        cells.extend(Kind::ALL.map(|kind| stats.kind(kind).sum_ns()));
        cells.extend(Kind::ALL.map(|kind| stats.kind(kind).count()));
        cells.extend([stats.unattributed_ns, stats.throttled_on_ns]);
        for kind in Kind::ALL.into_iter().take(self.histograms) {
            cells.extend_from_slice(&stats.kind(kind).counts()[..self.buckets]);
        }
        cells
    }

    /// The sum of all durations of a kind, ns.
    pub fn sum_ns(self, cells: &[u64], kind: Kind) -> u64 {
        cell(cells, Self::SUMS + kind as usize)
    }

    /// How many durations of a kind.
    pub fn count(self, cells: &[u64], kind: Kind) -> u64 {
        cell(cells, Self::COUNTS + kind as usize)
    }

    /// Waiting time without a known cause, ns.
    pub fn unattributed_ns(self, cells: &[u64]) -> u64 {
        cell(cells, Self::UNATTRIBUTED)
    }

    /// Time on a CPU with the quota used up, ns.
    pub fn throttled_on_ns(self, cells: &[u64]) -> u64 {
        cell(cells, Self::THROTTLED_ON)
    }

    /// The counts a bucket of a kind, where they are kept.
    pub fn histogram(self, cells: &[u64], kind: Kind) -> Option<&[u64]> {
        let index = kind as usize;
        let start = Self::HISTOGRAMS + index * self.buckets;
        if index < self.histograms {
            cells.get(start..start + self.buckets)
        } else {
            None
        }
    }
}

fn cell(cells: &[u64], index: usize) -> u64 {
    cells.get(index).copied().unwrap_or(0)
}

/// The counters since the last reset or change of bounds.
#[derive(Clone, Debug)]
pub struct Ledger {
    limits: Limits,
    open: Option<Open>,
}

/// The counters of one epoch.
#[derive(Clone, Debug)]
pub struct Open {
    epoch: u32,
    bounds: Bounds,
    /// Where the counters stand in a row of [`Self::groups`].
    pub layout: Layout,
    /// Since when it counts: nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// One row a cgroup.
    pub groups: Board,
    /// A board a row of [`Self::groups`]: one counter a culprit, ns.
    pub caused: BTreeMap<String, Board>,
    /// The counters of the whole measurement, each the largest seen: some are estimates, and those may sink.
    pub quality: Quality,
    /// What the last snapshot said, by path.
    seen: HashMap<String, Seen>,
    /// What the last snapshot said, by the paths of victim and culprit.
    seen_caused: HashMap<(String, String), u64>,
    seen_unix_ns: u64,
    seen_interval_ns: u64,
}

/// What a snapshot said of a cgroup.
#[derive(Clone, Debug)]
struct Seen {
    id: u64,
    cells: Vec<u64>,
}

impl Ledger {
    /// A ledger that has seen nothing.
    pub fn new(limits: Limits) -> Self {
        Self { limits, open: None }
    }

    /// Begins anew: the source was reset, or its bounds changed.
    pub fn restart(&mut self) {
        self.open = None;
    }

    /// Takes a snapshot in, and hands out the counters up to it.
    pub fn update(&mut self, snapshot: &Snapshot) -> &Open {
        let same = |open: &Open| open.epoch == snapshot.epoch && open.bounds == snapshot.bounds;
        let open = self.open.take().filter(same);
        let mut open = open.unwrap_or_else(|| Open::new(&self.limits, snapshot));
        open.post(&self.limits, snapshot);
        self.open.insert(open)
    }
}

impl Open {
    fn new(limits: &Limits, snapshot: &Snapshot) -> Self {
        let layout = Layout::new(&snapshot.bounds, limits.per_cause);
        let start_unix_ns = snapshot.start_unix_ns;
        Self {
            epoch: snapshot.epoch,
            bounds: snapshot.bounds,
            layout,
            start_unix_ns,
            groups: Board::new(limits.groups, layout.width(), start_unix_ns),
            caused: BTreeMap::new(),
            quality: Quality::default(),
            seen: HashMap::new(),
            seen_caused: HashMap::new(),
            seen_unix_ns: start_unix_ns,
            seen_interval_ns: 0,
        }
    }

    fn post(&mut self, limits: &Limits, snapshot: &Snapshot) {
        let passed_ns = snapshot.interval_ns.saturating_sub(self.seen_interval_ns);
        let lives = |ns: u64| ns / HALF_LIFE_NS;
        let halvings = lives(snapshot.interval_ns).saturating_sub(lives(self.seen_interval_ns));
        let halvings = u32::try_from(halvings).unwrap_or(u32::MAX);
        self.post_groups(limits, snapshot, passed_ns, halvings);
        self.post_caused(limits, snapshot, halvings);
        raise(&mut self.quality, &snapshot.quality);
        self.seen_unix_ns = snapshot.end_unix_ns;
        self.seen_interval_ns = snapshot.interval_ns;
    }

    fn post_groups(&mut self, limits: &Limits, snapshot: &Snapshot, passed_ns: u64, halvings: u32) {
        // A path should come once; if it does not, its rows belong together.
        let mut now: BTreeMap<&str, Seen> = BTreeMap::new();
        for group in &snapshot.groups {
            let cells = self.layout.cells(&group.stats);
            let seen = now.entry(label(group)).or_insert_with(|| Seen {
                id: 0,
                cells: vec![0; cells.len()],
            });
            add(&mut seen.cells, &cells);
            seen.id = seen.id.max(group.id);
        }
        // A cgroup may get another path: one found in the tree only later, or one renamed (cgroup v1).
        let moved: HashMap<u64, &Seen> = self
            .seen
            .iter()
            .filter(|(path, seen)| seen.id != 0 && !now.contains_key(path.as_str()))
            .map(|(_, seen)| (seen.id, seen))
            .collect();
        let row = |path: &str| {
            if limits.filter.as_ref().is_none_or(|glob| glob.matches(path)) {
                path.to_owned()
            } else {
                REST.to_owned()
            }
        };
        let mut gains: BTreeMap<String, Gain> = BTreeMap::new();
        let mut seen = HashMap::with_capacity(now.len());
        for (path, Seen { id, cells }) in now {
            let before = self.seen.get(path).or_else(|| moved.get(&id).copied());
            let (gained, cells) = self.gain(before, cells);
            let weight = self.layout.sum_ns(&gained, Kind::Wait);
            let gain = gains.entry(row(path)).or_insert_with(|| Gain {
                cells: vec![0; gained.len()],
                weight: 0,
            });
            add(&mut gain.cells, &gained);
            gain.weight = gain.weight.saturating_add(weight);
            seen.insert(path.to_owned(), Seen { id, cells });
        }
        // A thread that starves has no finished wait to show: what it waits now speaks for its cgroup all the same.
        for wait in &snapshot.in_progress {
            let group = snapshot.groups.get(wait.group);
            if let Some(gain) = group.and_then(|group| gains.get_mut(&row(label(group)))) {
                gain.weight = gain.weight.saturating_add(wait.waited_ns.min(passed_ns));
            }
        }
        self.seen = seen;
        self.groups.age(halvings);
        self.groups.keep_only(|label| gains.contains_key(label));
        self.groups.post(gains, self.seen_unix_ns);
    }

    /// What was gained since the last snapshot, and what to remember as seen.
    fn gain(&self, seen: Option<&Seen>, cells: Vec<u64>) -> (Vec<u64>, Vec<u64>) {
        let fell = |seen: &[u64], kind| self.layout.count(&cells, kind) < self.layout.count(seen, kind);
        match seen.map(|seen| seen.cells.as_slice()) {
            // Spells and waits are only ever added, so fewer of them is another life under the same path.
            Some(seen) if !fell(seen, Kind::On) && !fell(seen, Kind::Wait) => {
                // A counter that is a difference of two read at different instants may dip: the dip is not a gain, and
                // the way back up from it is none either.
                let gained = cells
                    .iter()
                    .zip(seen)
                    .map(|(now, seen)| now.saturating_sub(*seen))
                    .collect();
                let seen = cells.iter().zip(seen).map(|(now, seen)| *now.max(seen)).collect();
                (gained, seen)
            }
            _ => (cells.clone(), cells),
        }
    }

    fn post_caused(&mut self, limits: &Limits, snapshot: &Snapshot, halvings: u32) {
        let mut now: HashMap<(String, String), u64> = HashMap::with_capacity(snapshot.matrix.len());
        for blame in &snapshot.matrix {
            if let (Some(victim), Some(by)) = (snapshot.groups.get(blame.victim), snapshot.groups.get(blame.by)) {
                let ns = now.entry((label(victim).to_owned(), label(by).to_owned())).or_default();
                *ns = ns.saturating_add(blame.ns);
            }
        }
        let mut gains: BTreeMap<&str, BTreeMap<String, Gain>> = BTreeMap::new();
        for (pair, ns) in &mut now {
            let before_ns = self.seen_caused.get(pair).copied().unwrap_or(0);
            let gained_ns = ns.saturating_sub(before_ns);
            *ns = before_ns.max(*ns);
            let (victim, by) = pair;
            let victim = if self.groups.is_named(victim) { victim } else { REST };
            let gain = gains.entry(victim).or_default().entry(by.clone());
            let gain = gain.or_insert(Gain {
                cells: vec![0],
                weight: 0,
            });
            add(&mut gain.cells, &[gained_ns]);
            gain.weight = gain.weight.saturating_add(gained_ns);
        }
        let groups = &self.groups;
        self.caused
            .retain(|victim, _| victim == REST || groups.is_named(victim));
        for board in self.caused.values_mut() {
            board.age(halvings);
        }
        let since_unix_ns = self.seen_unix_ns;
        for (victim, gains) in gains {
            let board = self.caused.entry(victim.to_owned());
            board
                .or_insert_with(|| Board::new(limits.culprits, 1, since_unix_ns))
                .post(gains, since_unix_ns);
        }
        self.seen_caused = now;
    }

    /// The label under which a group of this snapshot is shown now.
    pub fn shown_as<'a>(&self, group: &'a Group) -> &'a str {
        Some(label(group))
            .filter(|label| self.groups.is_named(label))
            .unwrap_or(REST)
    }
}

/// The label of a group that has a row of its own.
fn label(group: &Group) -> &str {
    if group.id == 0 { REST } else { &group.path }
}

/// Raises each counter to the largest seen; what is no counter is the present.
fn raise(highest: &mut Quality, now: &Quality) {
    let before = std::mem::replace(highest, *now);
    macro_rules! raise {
        ($($counter:ident)*) => { $(highest.$counter = now.$counter.max(before.$counter);)* };
    }
    raise!(switches chain_breaks unknown_ns missed_waits missed_ns extra_waits extra_ns suspect_waits suspect_ns);
    raise!(migrated_waits moving_ns storage_failures throttle_clipped matrix_overflow_ns bpf_ns bpf_runs bpf_skipped);
}

#[cfg(test)]
mod tests;
