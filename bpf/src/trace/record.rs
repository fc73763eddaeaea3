//! Recording: the raw stream of scheduling events, for a trace file or a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Write};
use std::mem::offset_of;
use std::time::{SystemTime, UNIX_EPOCH};

use ghostsched_core::trace::{Header, RECORD_LEN, Record};

use crate::Error;
use crate::cgroups::Tree;
use crate::latency::require_tracing;
use crate::mapping::Mapping;
use crate::object::{Link, Object, RingBuffer};

static RECORD_OBJECT: &[u8] = include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/prebuilt/record.bpf.o"));

const PROGRAMS: [&str; 4] = ["record_switch", "record_wakeup", "record_wakeup_new", "record_migrate"];

/// `recorder` of record.bpf.c.
#[repr(C)]
struct State {
    lost: u64,
}

/// A recorder, attached until dropped. Take the events often enough: what finds no room in the buffer is lost, and counted.
#[derive(Debug)]
pub struct Recorder {
    _links: Vec<Link>,
    ring: RingBuffer,
    state: Mapping,
    tree: Tree,
    names: BTreeMap<u32, String>,
    start_unix_ns: u64,
    _object: Object,
}

impl Recorder {
    /// Attaches, with a buffer of at least `buffer_bytes` (a power of two of pages is taken). An event is 72 bytes in it.
    pub fn attach(buffer_bytes: u32) -> Result<Self, Error> {
        require_tracing()?;
        let tree = Tree::find()?;
        let mut object = Object::open("ghostsched_record", RECORD_OBJECT)?;
        let size = buffer_bytes.clamp(4096, 1 << 30).next_power_of_two();
        object.map("events")?.set_max_entries(size)?;
        object.load()?;
        let ring = RingBuffer::new(&object.map("events")?)?;
        let state = object.map(".bss.recorder")?.mapping(false)?;
        let links = PROGRAMS
            .iter()
            .map(|name| object.program(name)?.attach())
            .collect::<Result<_, _>>()?;
        let start_unix_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as u64);
        Ok(Self {
            _links: links,
            ring,
            state,
            tree,
            names: thread_names(),
            start_unix_ns,
            _object: object,
        })
    }

    /// The events since the last call, in the order they happened; at most a million at a time.
    pub fn take(&mut self) -> Result<Vec<Record>, Error> {
        // The kernel writes native-endian words; a record is read as little-endian ones.
        Ok(self
            .ring
            .drain(1 << 20)?
            .chunks_exact(RECORD_LEN)
            .map(Record::from_bytes)
            .collect())
    }

    /// Events that found no room so far.
    pub fn lost(&self) -> u64 {
        self.state.u64(0, offset_of!(State, lost))
    }

    /// Ends the recording: names the cgroups and threads of the events taken.
    pub fn finish(self, records: Vec<Record>) -> Recording {
        let mut names = self.names.clone();
        names.extend(thread_names());
        let paths = self.tree.names();
        let ids: BTreeSet<u64> = records.iter().map(|record| record.cgroup_id).collect();
        let cgroups = ids
            .iter()
            .filter_map(|&id| Some((id, paths.get(id)?.path.clone())))
            .collect();
        let tids: BTreeSet<u32> = records.iter().map(|record| record.tid).collect();
        let threads = tids
            .iter()
            .filter_map(|tid| Some((*tid, names.get(tid)?.clone())))
            .collect();
        Recording {
            start_unix_ns: self.start_unix_ns,
            lost: self.lost(),
            cgroups,
            threads,
            records,
        }
    }
}

/// A finished recording.
#[derive(Clone, Debug, Default)]
pub struct Recording {
    /// When it began, ns since 1970.
    pub start_unix_ns: u64,
    /// Events lost.
    pub lost: u64,
    /// Paths by cgroup id.
    pub cgroups: Vec<(u64, String)>,
    /// Names by thread.
    pub threads: Vec<(u32, String)>,
    /// The events, in the order they happened.
    pub records: Vec<Record>,
}

impl Recording {
    /// Writes the trace file.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut kernel = [0u8; 32];
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        for (to, from) in kernel.iter_mut().zip(release.trim().bytes()) {
            *to = from;
        }
        let header = Header {
            cpus: self.records.iter().map(|record| record.cpu + 1).max().unwrap_or(0),
            start_unix_ns: self.start_unix_ns,
            cgroups: self.cgroups.len() as u32,
            threads: self.threads.len() as u32,
            events: self.records.len() as u64,
            lost: self.lost,
            kernel,
        };
        out.write_all(&header.to_bytes())?;
        for (id, path) in &self.cgroups {
            out.write_all(&id.to_le_bytes())?;
            out.write_all(&(path.len() as u32).to_le_bytes())?;
            out.write_all(path.as_bytes())?;
        }
        for (tid, name) in &self.threads {
            let mut bytes = [0u8; 16];
            for (to, from) in bytes.iter_mut().zip(name.bytes()) {
                *to = from;
            }
            out.write_all(&tid.to_le_bytes())?;
            out.write_all(&bytes)?;
        }
        for record in &self.records {
            out.write_all(&record.to_bytes())?;
        }
        out.flush()
    }
}

/// The names of all threads there are.
fn thread_names() -> BTreeMap<u32, String> {
    let mut names = BTreeMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        for task in fs::read_dir(process.path().join("task"))
            .into_iter()
            .flatten()
            .flatten()
        {
            let tid = task.file_name().to_string_lossy().parse();
            if let (Ok(tid), Ok(name)) = (tid, fs::read_to_string(task.path().join("comm"))) {
                names.insert(tid, name.trim_end().to_string());
            }
        }
    }
    names
}
