//! The rows of a report: cgroups by path, so that one that was removed and made again keeps its history.

use std::collections::HashMap;

use ghostsched_core::histogram::Histogram;
use ghostsched_core::latency::{GroupStats, Kind};

use crate::snapshot::Group;

/// The rows of a report, one a path.
#[derive(Default)]
pub(super) struct Rows {
    pub(super) groups: Vec<Group>,
    by_path: HashMap<String, usize>,
}

impl Rows {
    /// The row of a path, made if need be.
    pub(super) fn index(&mut self, (id, path): (u64, String)) -> usize {
        if let Some(&index) = self.by_path.get(&path) {
            let group = &mut self.groups[index];
            group.id = group.id.max(id);
            return index;
        }
        self.by_path.insert(path.clone(), self.groups.len());
        self.groups.push(Group {
            id,
            path,
            stats: GroupStats::default(),
            entitlement: None,
        });
        self.groups.len() - 1
    }

    pub(super) fn add(&mut self, described: (u64, String), stats: &GroupStats) {
        let index = self.index(described);
        self.groups[index].stats.merge(stats);
    }

    /// Adds the spells on CPU that go on now to the sum (they count when they end), less what had gone by at the baseline.
    pub(super) fn add_running(&mut self, described: (u64, String), now_ns: u64, before_ns: u64) {
        let index = self.index(described);
        let on = &mut self.groups[index].stats.kinds[Kind::On as usize];
        *on = Histogram::from_parts(
            on.counts(),
            (on.sum_ns() + now_ns).saturating_sub(before_ns),
            on.max_ns(),
        );
    }
}
