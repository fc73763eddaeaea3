//! Recorded traces of scheduling events: the format, read from finished bytes.
//!
//! All numbers are little-endian.
//!
//! ```text
//! header   magic "ghosttrc", u32 version, u32 cpus, u64 start (ns since 1970), u32 cgroups, u32 threads, u64 events,
//!          u64 lost events, u8[32] kernel release
//! cgroup   u64 id, u32 length, the path                         `cgroups` times
//! thread   u32 tid, u8[16] name                                 `threads` times
//! event    64 bytes, see `Record`                               `events` times, in the order they happened
//! ```

use core::fmt;

use crate::latency::{Event, Leaving};

/// The first bytes of a trace.
pub const MAGIC: [u8; 8] = *b"ghosttrc";
/// The version written, and the only one read.
pub const VERSION: u32 = 1;
/// Bytes of the header.
pub const HEADER_LEN: usize = 80;
/// Bytes of one event.
pub const RECORD_LEN: usize = 64;
/// Bytes of one thread.
pub const THREAD_LEN: usize = 20;
/// The most CPUs a trace may claim.
pub const MAX_CPUS: u32 = 8192;

/// Why bytes are not a trace that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceError {
    /// It does not start like a trace.
    NotATrace,
    /// It was written by another version.
    Version {
        /// The version found.
        found: u32,
    },
    /// It ends early.
    Truncated {
        /// Bytes needed to go on.
        need: u64,
        /// Bytes there.
        have: u64,
    },
    /// It claims more CPUs than any machine has.
    Cpus {
        /// The number found.
        found: u32,
    },
}

impl fmt::Display for TraceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NotATrace => f.write_str("not a ghostsched trace: record one with `ghostsched record -o FILE`"),
            Self::Version { found } => write!(f, "a trace of version {found}, this program reads version {VERSION}"),
            Self::Truncated { need, have } => write!(f, "the trace ends early: {need} bytes needed, {have} there"),
            Self::Cpus { found } => write!(f, "the trace claims {found} CPUs: it is damaged"),
        }
    }
}

impl core::error::Error for TraceError {}

/// The head of a trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// CPU numbers in use: one more than the largest.
    pub cpus: u32,
    /// When the recording began, ns since 1970.
    pub start_unix_ns: u64,
    /// How many cgroups follow.
    pub cgroups: u32,
    /// How many threads follow those.
    pub threads: u32,
    /// How many events follow those.
    pub events: u64,
    /// Events that were lost while recording.
    pub lost: u64,
    /// The kernel's release, NUL-padded.
    pub kernel: [u8; 32],
}

impl Header {
    /// Writes it.
    pub fn to_bytes(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.cpus.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.start_unix_ns.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.cgroups.to_le_bytes());
        bytes[28..32].copy_from_slice(&self.threads.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.events.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.lost.to_le_bytes());
        bytes[48..80].copy_from_slice(&self.kernel);
        bytes
    }
}

/// A trace in memory, its parts found and bounded.
#[derive(Clone, Copy, Debug)]
pub struct Trace<'a> {
    /// The head.
    pub header: Header,
    cgroups: &'a [u8],
    threads: &'a [u8],
    events: &'a [u8],
}

impl<'a> Trace<'a> {
    /// Checks the head and that everything it announces is there; what follows it is ignored.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TraceError> {
        if bytes.get(..8) != Some(&MAGIC[..]) {
            return Err(TraceError::NotATrace);
        }
        let have = bytes.len() as u64;
        if bytes.len() < HEADER_LEN {
            return Err(TraceError::Truncated {
                need: HEADER_LEN as u64,
                have,
            });
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return Err(TraceError::Version { found: version });
        }
        let mut kernel = [0; 32];
        kernel.copy_from_slice(&bytes[48..80]);
        let header = Header {
            cpus: u32_at(bytes, 12),
            start_unix_ns: u64_at(bytes, 16),
            cgroups: u32_at(bytes, 24),
            threads: u32_at(bytes, 28),
            events: u64_at(bytes, 32),
            lost: u64_at(bytes, 40),
            kernel,
        };
        if header.cpus > MAX_CPUS {
            return Err(TraceError::Cpus { found: header.cpus });
        }
        let cgroups = &bytes[HEADER_LEN..];
        let mut at = 0usize;
        for _ in 0..header.cgroups {
            let rest = &cgroups[at..];
            let len = if rest.len() < 12 {
                12
            } else {
                12 + u32_at(rest, 8) as usize
            };
            if rest.len() < len {
                return Err(TraceError::Truncated {
                    need: (HEADER_LEN + at) as u64 + len as u64,
                    have,
                });
            }
            at += len;
        }
        let (cgroups, rest) = cgroups.split_at(at);
        let threads_len = u64::from(header.threads) * THREAD_LEN as u64;
        let events_len = header.events.saturating_mul(RECORD_LEN as u64);
        if (rest.len() as u64) < threads_len.saturating_add(events_len) {
            let need = ((HEADER_LEN + at) as u64)
                .saturating_add(threads_len)
                .saturating_add(events_len);
            return Err(TraceError::Truncated { need, have });
        }
        let (threads, rest) = rest.split_at(threads_len as usize);
        Ok(Self {
            header,
            cgroups,
            threads,
            events: &rest[..events_len as usize],
        })
    }

    /// The cgroups: id and path (bytes, mostly UTF-8).
    pub fn cgroups(&self) -> impl Iterator<Item = (u64, &'a [u8])> + '_ {
        let mut rest = self.cgroups;
        core::iter::from_fn(move || {
            let (id, len) = (rest.len() >= 12).then(|| (u64_at(rest, 0), u32_at(rest, 8) as usize))?;
            let path = rest.get(12..12 + len)?;
            rest = &rest[12 + len..];
            Some((id, path))
        })
    }

    /// The threads: tid and name, up to its first NUL.
    pub fn threads(&self) -> impl Iterator<Item = (u32, &'a [u8])> + '_ {
        self.threads.chunks_exact(THREAD_LEN).map(|bytes| {
            let name = &bytes[4..];
            (
                u32_at(bytes, 0),
                &name[..name.iter().position(|&byte| byte == 0).unwrap_or(name.len())],
            )
        })
    }

    /// The events.
    pub fn records(&self) -> impl ExactSizeIterator<Item = Record> + '_ {
        self.events.chunks_exact(RECORD_LEN).map(Record::from_bytes)
    }
}

/// One event as recorded: 64 bytes, the layout of `struct gs_event`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// When, ns of the run queue's clock.
    pub now_ns: u64,
    /// The thread's cgroup.
    pub cgroup_id: u64,
    /// Switch: since when it was queued, 0 = not said. Migrate: start of the segment that ends, 0 = not said.
    pub queued_ns: u64,
    /// Switch: when the kernel says `prev_tid` got the CPU.
    pub arrived_ns: u64,
    /// Throttle clock of `prev_tid`'s group; migrate: of the thread's on the CPU it goes to.
    pub prev_clock_ns: u64,
    /// Throttle clock of the thread's group.
    pub clock_ns: u64,
    /// The thread: next, woken or migrating.
    pub tid: u32,
    /// Switch: who leaves. Migrate: the CPU it goes to.
    pub prev_tid: u32,
    /// [`Record::SWITCH`], [`Record::WAKEUP`] or [`Record::MIGRATE`]; others are skipped.
    pub kind: u16,
    /// [`Record::QUEUED`] and so on.
    pub flags: u16,
    /// Where; migrate: the CPU it leaves.
    pub cpu: u32,
}

impl Record {
    /// A context switch.
    pub const SWITCH: u16 = 1;
    /// A thread becomes runnable.
    pub const WAKEUP: u16 = 2;
    /// A queued thread changes CPU.
    pub const MIGRATE: u16 = 3;
    /// Switch: `prev_tid` stays runnable.
    pub const QUEUED: u16 = 1;
    /// Switch: `prev_tid` sleeps uninterruptibly.
    pub const BLOCKED: u16 = 2;
    /// Switch: `prev_tid` will not come back.
    pub const DEAD: u16 = 4;
    /// Switch: the kernel stamps `prev_tid` as queued.
    pub const STAMPED: u16 = 8;

    /// Reads one; missing bytes are 0.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self {
            now_ns: u64_at(bytes, 0),
            cgroup_id: u64_at(bytes, 8),
            queued_ns: u64_at(bytes, 16),
            arrived_ns: u64_at(bytes, 24),
            prev_clock_ns: u64_at(bytes, 32),
            clock_ns: u64_at(bytes, 40),
            tid: u32_at(bytes, 48),
            prev_tid: u32_at(bytes, 52),
            kind: u16_at(bytes, 56),
            flags: u16_at(bytes, 58),
            cpu: u32_at(bytes, 60),
        }
    }

    /// Writes it.
    pub fn to_bytes(&self) -> [u8; RECORD_LEN] {
        let mut bytes = [0; RECORD_LEN];
        let words = [
            self.now_ns,
            self.cgroup_id,
            self.queued_ns,
            self.arrived_ns,
            self.prev_clock_ns,
            self.clock_ns,
            u64::from(self.tid) | u64::from(self.prev_tid) << 32,
            u64::from(self.kind) | u64::from(self.flags) << 16 | u64::from(self.cpu) << 32,
        ];
        for (to, word) in bytes.chunks_exact_mut(8).zip(words) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    /// The event for the engine, with the thread's group; `None` for a kind this version does not know.
    ///
    /// With the kernel's queue stamps the way between two queues is no wait, as in the kernel's own count.
    pub fn event(&self, group: u32) -> Option<Event> {
        let said = |ns: u64| (ns != 0).then_some(ns);
        Some(match self.kind {
            Self::SWITCH => Event::Switch {
                cpu: self.cpu,
                prev: self.prev_tid,
                leaving: match self.flags {
                    flags if flags & Self::QUEUED != 0 => Leaving::Runnable,
                    flags if flags & Self::BLOCKED != 0 => Leaving::Block,
                    _ => Leaving::Sleep,
                },
                prev_arrived_ns: said(self.arrived_ns),
                prev_clock_ns: self.prev_clock_ns,
                next: self.tid,
                next_group: group,
                next_queued_ns: said(self.queued_ns),
                next_clock_ns: self.clock_ns,
            },
            Self::WAKEUP => Event::Wakeup {
                cpu: self.cpu,
                tid: self.tid,
                clock_ns: self.clock_ns,
            },
            Self::MIGRATE => Event::Migrate {
                from: self.cpu,
                tid: self.tid,
                group,
                queued_ns: said(self.queued_ns),
                from_clock_ns: self.clock_ns,
                to_clock_ns: self.prev_clock_ns,
                limbo_waits: self.queued_ns == 0,
            },
            _ => return None,
        })
    }
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes
        .get(at..at + 2)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u16::from_le_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes
        .get(at..at + 4)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u32::from_le_bytes)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    bytes
        .get(at..at + 8)
        .and_then(|b| b.try_into().ok())
        .map_or(0, u64::from_le_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_survives_its_bytes() {
        let record = Record {
            now_ns: 1,
            cgroup_id: u64::MAX,
            queued_ns: 3,
            arrived_ns: 4,
            prev_clock_ns: 5,
            clock_ns: 6,
            tid: 7,
            prev_tid: u32::MAX,
            kind: 9,
            flags: 10,
            cpu: 11,
        };
        assert_eq!(Record::from_bytes(&record.to_bytes()), record);
        assert_eq!(record.event(3), None);
    }

    #[test]
    fn a_head_that_announces_more_than_there_is_is_refused_with_the_numbers() {
        let header = Header {
            cpus: 2,
            start_unix_ns: 5,
            cgroups: 0,
            threads: 1,
            events: 1,
            lost: 0,
            kernel: [0; 32],
        };
        let bytes = header.to_bytes();
        let need = (HEADER_LEN + THREAD_LEN + RECORD_LEN) as u64;
        assert_eq!(
            Trace::parse(&bytes).map(|t| t.header),
            Err(TraceError::Truncated { need, have: 80 })
        );
        assert_eq!(Trace::parse(b"ELF").map(|t| t.header), Err(TraceError::NotATrace));
    }
}
