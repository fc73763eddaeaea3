//! One life of the BPF programs: loaded, attached, counting from zero until dropped.

use std::mem::offset_of;

use ghostsched_core::histogram::{Bounds, LARGEST_BOUND_NS, MAX_BOUNDS};

use super::Options;
use super::features::Features;
use crate::Error;
use crate::bindings::*;
use crate::mapping::Mapping;
use crate::object::{Link, Map, Object, RunStats, possible_cpus};
use crate::snapshot::Method;

/// The compiled programs; `make bpf` rebuilds them from `bpf/c/`.
static LATENCY_OBJECT: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/latency.bpf.o"));

const HOT: &str = "latency_switch";
const WAKEUPS: [&str; 2] = ["latency_wakeup", "latency_wakeup_new"];
const MIGRATE: &str = "latency_migrate";
const STORAGE: [&str; 2] = ["latency_fork", "latency_cgroup_release"];
const SCAN: &str = "latency_scan";

/// Loaded and attached programs, and their maps as memory.
#[derive(Debug)]
pub(super) struct Epoch {
    // Fields drop in order: programs are detached before their maps go.
    links: Vec<Link>,
    wakeup_links: Vec<Link>,
    scan: Option<Link>,
    pub(super) cpus: Mapping,
    pub(super) matrix: Mapping,
    pub(super) blocks: Mapping,
    pub(super) slots: Mapping,
    pub(super) groups: Mapping,
    pub(super) state: Mapping,
    pub(super) method: Method,
    pub(super) bounds: Bounds,
    pub(super) max_groups: u32,
    pub(super) throttle_visible: bool,
    object: Object,
}

/// How much memory the maps of a measurement take, in bytes; see the command's `--help`.
pub fn memory_bytes(cpus: u64, groups: u64, blocks: u64, bounds: u64) -> u64 {
    let per_cpu = size_of::<gs_cpu>() + size_of::<gs_matrix>();
    let header = offset_of!(gs_block, counts) as u64;
    let block = header + u64::from(GS_KINDS) * (bounds + 1) * 8;
    cpus * (per_cpu as u64 + groups * 12) + blocks * block + groups * (size_of::<gs_group>() as u64 + 64)
}

impl Epoch {
    /// Loads and attaches, with memory for `groups` groups.
    pub(super) fn start(
        options: &Options,
        features: &Features,
        method: Method,
        groups: u32,
        record: bool,
    ) -> Result<Self, Error> {
        let cpus = possible_cpus()?;
        let bounds = options.bounds;
        let block_bytes = offset_of!(gs_block, counts) + GS_KINDS as usize * bounds.bucket_count() * 8;
        let wanted = u64::from(cpus) * (u64::from(groups) + 1);
        let blocks = wanted
            .min(options.max_memory / block_bytes as u64)
            .max(u64::from(cpus) * 2);
        let blocks = u32::try_from(blocks).map_err(|_| Error::Input("too much memory: lower --max-memory".into()))?;

        let mut object = Object::open("ghostsched", LATENCY_OBJECT)?;
        object.map(".rodata.config")?.set_initial_value(&config_bytes(
            &bounds,
            method,
            options.level,
            groups,
            blocks,
            cpus,
            record,
        ))?;
        let size = |name: &str, entries: u32, value: Option<usize>| -> Result<(), Error> {
            let map: Map<'_> = object.map(name)?;
            map.set_max_entries(entries)?;
            match value {
                Some(bytes) => map.set_value_size(bytes as u32),
                None => Ok(()),
            }
        };
        size("cpus", cpus, None)?;
        size("matrix", cpus, None)?;
        size("blocks", blocks, Some(block_bytes))?;
        size("slots", cpus, Some(groups as usize * 4))?;
        let clocks = if method == Method::Clock {
            groups as usize * 8
        } else {
            32
        };
        size("run_clocks", cpus, Some(clocks))?;
        size("group_ids", groups.max(2), None)?;
        size("groups", groups, None)?;
        size("records", if record { 64 << 20 } else { 4096 }, None)?;
        object.program(SCAN)?.set_autoload(features.scan)?;
        object.load()?;

        let mapping = |name: &str, writable| object.map(name).and_then(|map| map.mapping(writable));
        let mut epoch = Self {
            cpus: mapping("cpus", false)?,
            matrix: mapping("matrix", false)?,
            blocks: mapping("blocks", false)?,
            slots: mapping("slots", false)?,
            groups: mapping("groups", false)?,
            state: mapping(".bss.state", true)?,
            links: Vec::new(),
            wakeup_links: Vec::new(),
            scan: None,
            method,
            bounds,
            max_groups: groups,
            throttle_visible: features.throttle_clock,
            object,
        };
        epoch.state.set_u64(0, offset_of!(gs_state, window), 1);
        // The scan comes last: a thread it finds without storage has not been seen by any hook.
        epoch.attach(&STORAGE)?;
        if method == Method::Clock {
            epoch.watch_wakeups()?;
        }
        epoch.attach(&[MIGRATE, HOT])?;
        if features.scan {
            epoch.scan = Some(epoch.object.program(SCAN)?.attach()?);
            epoch.scan()?;
        }
        Ok(epoch)
    }

    fn attach(&mut self, names: &[&str]) -> Result<(), Error> {
        for name in names {
            let link = self.object.program(name)?.attach()?;
            self.links.push(link);
        }
        Ok(())
    }

    /// Attaches the wakeup hooks: queue stamps for the clock method; for the log method the throttle clock at wakeups,
    /// wanted as soon as any cgroup has a quota.
    pub(super) fn watch_wakeups(&mut self) -> Result<(), Error> {
        if !self.wakeup_links.is_empty() {
            return Ok(());
        }
        for name in WAKEUPS {
            let link = self.object.program(name)?.attach()?;
            self.wakeup_links.push(link);
        }
        self.state.set_u32(0, offset_of!(gs_state, watching), 1);
        Ok(())
    }

    /// Runs the scan of all threads; `None` where the kernel cannot.
    pub(super) fn scan(&self) -> Result<Option<Vec<u8>>, Error> {
        self.scan.as_ref().map(Link::iterate).transpose()
    }

    /// Run statistics: of the hot program, and of all together.
    pub(super) fn run_stats(&self) -> Result<(RunStats, RunStats), Error> {
        let hot = self.object.program(HOT)?.run_stats()?;
        let mut all = hot;
        for name in STORAGE.iter().chain(&WAKEUPS).chain([&MIGRATE]) {
            let stats = self.object.program(name)?.run_stats()?;
            all.ns += stats.ns;
            all.runs += stats.runs;
            all.skipped += stats.skipped;
        }
        Ok((hot, all))
    }

    /// A map of the object.
    pub(super) fn map(&self, name: &str) -> Result<Map<'_>, Error> {
        self.object.map(name)
    }
}

#[allow(clippy::too_many_arguments, reason = "one value a field of gs_config")]
fn config_bytes(
    bounds: &Bounds,
    method: Method,
    level: u32,
    groups: u32,
    blocks: u32,
    cpus: u32,
    record: bool,
) -> Vec<u8> {
    let mut bytes = vec![0u8; size_of::<gs_config>()];
    for i in 0..MAX_BOUNDS {
        let bound = bounds.as_slice().get(i).copied().unwrap_or(LARGEST_BOUND_NS);
        bytes[i * 8..i * 8 + 8].copy_from_slice(&bound.to_ne_bytes());
    }
    let method = if method == Method::Clock {
        GS_METHOD_CLOCK
    } else {
        GS_METHOD_LOG
    };
    let words = [
        (offset_of!(gs_config, buckets), bounds.bucket_count() as u32),
        (offset_of!(gs_config, method), method),
        (offset_of!(gs_config, level), level),
        (offset_of!(gs_config, max_groups), groups),
        (offset_of!(gs_config, max_blocks), blocks),
        (offset_of!(gs_config, cpus), cpus),
        (offset_of!(gs_config, recording), u32::from(record)),
    ];
    for (at, word) in words {
        bytes[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}
