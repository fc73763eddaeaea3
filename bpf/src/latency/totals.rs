//! Everything counted in an epoch so far, read from the maps.

use std::collections::HashMap;
use std::mem::offset_of;

use ghostsched_core::histogram::{Histogram, MAX_BUCKETS};
use ghostsched_core::latency::{FIRST_GROUP, GROUP_REST, GroupStats, Kind};

use super::epoch::Epoch;
use crate::bindings::*;
use crate::snapshot::Quality;

/// Maxima a kind.
pub(super) type Maxima = [u64; Kind::COUNT];

/// Counts since the epoch began; only ever grow. Maxima are of the present window and the one before.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    /// By group index; maxima inside the histograms are not set.
    pub(super) groups: HashMap<u32, GroupStats>,
    pub(super) maxima: HashMap<u32, Maxima>,
    pub(super) last_maxima: HashMap<u32, Maxima>,
    pub(super) matrix: HashMap<(u32, u32), u64>,
    pub(super) quality: Quality,
}

impl Totals {
    /// Reads all CPUs. `window` is the window that is open now.
    pub(super) fn read(epoch: &Epoch, window: u64) -> Self {
        let mut totals = Self::default();
        for cpu in 0..epoch.cpus.elements() {
            if epoch.cpus.u64(cpu, offset_of!(gs_cpu, switches)) == 0 {
                continue;
            }
            totals.read_cpu(epoch, cpu);
            totals.read_block(epoch, window, GROUP_REST, cpu);
            for group in FIRST_GROUP..group_end(epoch) {
                let block = epoch.slots.u32(cpu, group as usize * 4) as usize;
                // Without room of its own on this CPU the group shares the CPU's remainder (block = CPU number).
                if block >= epoch.cpus.elements() {
                    totals.read_block(epoch, window, group, block);
                }
            }
            totals.read_matrix(epoch, cpu);
        }
        totals.quality.groups_over_capacity = epoch.state.u64(0, offset_of!(gs_state, groups_over_capacity))
            + epoch.state.u64(0, offset_of!(gs_state, blocks_over_capacity));
        totals.quality.storage_failures += epoch.state.u64(0, offset_of!(gs_state, fork_failures));
        totals
    }

    fn read_cpu(&mut self, epoch: &Epoch, cpu: usize) {
        let word = |offset| epoch.cpus.u64(cpu, offset);
        let quality = &mut self.quality;
        quality.switches += word(offset_of!(gs_cpu, switches));
        quality.chain_breaks += word(offset_of!(gs_cpu, chain_breaks));
        quality.unknown_ns += word(offset_of!(gs_cpu, unknown_ns));
        quality.missed_waits += word(offset_of!(gs_cpu, missed_waits));
        quality.missed_ns += word(offset_of!(gs_cpu, missed_ns));
        quality.extra_waits += word(offset_of!(gs_cpu, extra_waits));
        quality.extra_ns += word(offset_of!(gs_cpu, extra_ns));
        quality.suspect_waits += word(offset_of!(gs_cpu, suspect_waits));
        quality.suspect_ns += word(offset_of!(gs_cpu, suspect_ns));
        quality.migrated_waits += word(offset_of!(gs_cpu, migrated_waits));
        quality.moving_ns += word(offset_of!(gs_cpu, moving_ns));
        quality.storage_failures += word(offset_of!(gs_cpu, storage_failures));
        quality.throttle_clipped += word(offset_of!(gs_cpu, throttle_clipped));
        quality.matrix_overflow_ns += word(offset_of!(gs_cpu, matrix_overflow_ns));
    }

    fn read_block(&mut self, epoch: &Epoch, window: u64, group: u32, block: usize) {
        let word = |offset| epoch.blocks.u64(block, offset);
        let row = |base: usize, kind: usize| word(base + kind * 8);
        let buckets = epoch.bounds.bucket_count();
        let mut stats = GroupStats::default();
        for (kind, histogram) in stats.kinds.iter_mut().enumerate() {
            let mut counts = [0u64; MAX_BUCKETS];
            for (bucket, count) in counts.iter_mut().enumerate().take(buckets) {
                *count = word(offset_of!(gs_block, counts) + (kind * buckets + bucket) * 8);
            }
            *histogram = Histogram::from_parts(&counts, row(offset_of!(gs_block, sum_ns), kind), 0);
        }
        // The kernel side counts only the parts a wait has, and keeps the unattributed sum in the whole's place.
        let waits = stats.kind(Kind::Wait).count();
        stats.unattributed_ns = stats.kind(Kind::Wait).sum_ns();
        for kind in Kind::ALL.into_iter().filter(|kind| kind.is_part_of_wait()) {
            let histogram = &mut stats.kinds[kind as usize];
            histogram.record_zeros(waits.saturating_sub(histogram.count()));
        }
        let whole = stats.parts().total_ns();
        let wait = &mut stats.kinds[Kind::Wait as usize];
        *wait = Histogram::from_parts(wait.counts(), whole, 0);
        stats.throttled_on_ns = word(offset_of!(gs_block, throttled_on_ns));
        stats.missed_waits = word(offset_of!(gs_block, missed_waits));
        stats.missed_ns = word(offset_of!(gs_block, missed_ns));
        if stats.is_empty() {
            return;
        }
        let seen = word(offset_of!(gs_block, window));
        let now = if seen == window {
            offset_of!(gs_block, max_ns)
        } else {
            usize::MAX
        };
        let last = match seen {
            _ if seen == window => offset_of!(gs_block, last_max_ns),
            _ if seen + 1 == window => offset_of!(gs_block, max_ns),
            _ => usize::MAX,
        };
        raise(self.maxima.entry(group).or_default(), |kind| {
            if now == usize::MAX { 0 } else { row(now, kind) }
        });
        raise(self.last_maxima.entry(group).or_default(), |kind| {
            if last == usize::MAX { 0 } else { row(last, kind) }
        });
        self.groups.entry(group).or_default().merge(&stats);
    }

    fn read_matrix(&mut self, epoch: &Epoch, cpu: usize) {
        for cell in 0..GS_MATRIX_CELLS as usize {
            let at = cell * size_of::<gs_cell>();
            let victim = epoch.matrix.u32(cpu, at + offset_of!(gs_cell, victim));
            if victim != 0 {
                let by = epoch.matrix.u32(cpu, at + offset_of!(gs_cell, by));
                *self.matrix.entry((victim, by)).or_default() += epoch.matrix.u64(cpu, at + offset_of!(gs_cell, ns));
            }
        }
    }
}

/// One beyond the last group index given out.
pub(super) fn group_end(epoch: &Epoch) -> u32 {
    let given = epoch.state.u32(0, offset_of!(gs_state, groups));
    given.saturating_add(FIRST_GROUP).min(epoch.max_groups)
}

/// Raises each maximum to what `of` says.
pub(super) fn raise(maxima: &mut Maxima, of: impl Fn(usize) -> u64) {
    for (kind, max) in maxima.iter_mut().enumerate() {
        *max = (*max).max(of(kind));
    }
}

/// What happened between two readings of the same counters.
pub(super) fn quality_between(now: &Quality, before: &Quality) -> Quality {
    Quality {
        switches: now.switches.saturating_sub(before.switches),
        chain_breaks: now.chain_breaks.saturating_sub(before.chain_breaks),
        unknown_ns: now.unknown_ns.saturating_sub(before.unknown_ns),
        missed_waits: now.missed_waits.saturating_sub(before.missed_waits),
        missed_ns: now.missed_ns.saturating_sub(before.missed_ns),
        extra_waits: now.extra_waits.saturating_sub(before.extra_waits),
        extra_ns: now.extra_ns.saturating_sub(before.extra_ns),
        suspect_waits: now.suspect_waits.saturating_sub(before.suspect_waits),
        suspect_ns: now.suspect_ns.saturating_sub(before.suspect_ns),
        migrated_waits: now.migrated_waits.saturating_sub(before.migrated_waits),
        moving_ns: now.moving_ns.saturating_sub(before.moving_ns),
        storage_failures: now.storage_failures.saturating_sub(before.storage_failures),
        throttle_clipped: now.throttle_clipped.saturating_sub(before.throttle_clipped),
        matrix_overflow_ns: now.matrix_overflow_ns.saturating_sub(before.matrix_overflow_ns),
        groups_over_capacity: now.groups_over_capacity.saturating_sub(before.groups_over_capacity),
        bpf_runs: now.bpf_runs.saturating_sub(before.bpf_runs),
        bpf_skipped: now.bpf_skipped.saturating_sub(before.bpf_skipped),
        ..*now
    }
}
