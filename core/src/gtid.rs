//! The identity of a thread in ghOSt: a 63-bit number that is never given out again.
//!
//! ```text
//! bit 63      62 .......... 41  40 .......... 0
//!     0       tid               sequence number
//!             pid bits (22)     63 - pid bits (41)
//! ```
//!
//! The tid is that of the initial pid namespace. The sequence number grows over all forks and is never 0. How many bits
//! the tid has depends on the kernel's largest possible pid, since ABI 59 decided when the kernel boots: a [`GtidSplit`].

use core::fmt;

/// The identity of a thread (`gtid`), or one of three special values. 8 bytes.
///
/// Messages and status words carry it as `u64`, transactions and ioctls as `i64`; the bits are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Gtid(i64);

impl Gtid {
    /// No thread (`GHOST_NULL_GTID`): a transaction with it takes the running ghOSt thread off its CPU. In the kernel's own
    /// look-ups (`ASSOC_QUEUE`, `GET_CPU_TIME`) 0 means the caller.
    pub const NULL: Self = Self(0);
    /// The agent of the transaction's CPU (`GHOST_AGENT_GTID`): committing it wakes that agent, a *ping*.
    pub const AGENT: Self = Self(-1);
    /// The idle thread (`GHOST_IDLE_GTID`): the CPU idles in ghOSt context until something else comes.
    pub const IDLE: Self = Self(-2);

    /// The gtid of these 64 bits.
    #[inline]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits as i64)
    }

    /// The gtid of this signed number, as transactions and ioctls carry it.
    #[inline]
    pub const fn from_raw(raw: i64) -> Self {
        Self(raw)
    }

    /// The 64 bits, as messages and status words carry them.
    #[inline]
    pub const fn bits(self) -> u64 {
        self.0 as u64
    }

    /// The signed number, as transactions and ioctls carry it.
    #[inline]
    pub const fn raw(self) -> i64 {
        self.0
    }

    /// Whether this is the identity of a thread, and not [`NULL`](Self::NULL), another special value or nonsense.
    #[inline]
    pub const fn is_task(self) -> bool {
        self.0 > 0
    }
}

impl fmt::Display for Gtid {
    /// `null`, `agent`, `idle` or the number; [`GtidSplit::display`] shows the tid.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NULL => f.write_str("null"),
            Self::AGENT => f.write_str("agent"),
            Self::IDLE => f.write_str("idle"),
            Self(raw) => write!(f, "{raw}"),
        }
    }
}

/// How this kernel divides a [`Gtid`] into tid and sequence number.
///
/// Source: the file `/proc/sys/kernel/pid_max_max`, which only ghOSt kernels have; without it the default holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GtidSplit {
    pid_bits: u8, // in 1..=31
}

/// A largest pid from which no [`GtidSplit`] follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PidMaxError {
    /// What was given.
    pub pid_max_max: u32,
}

impl fmt::Display for PidMaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "pid_max_max is {}: it must be 2 to 2147483648, on most kernels {}",
            self.pid_max_max,
            GtidSplit::DEFAULT_PID_MAX_MAX
        )
    }
}

impl core::error::Error for PidMaxError {}

impl GtidSplit {
    /// The largest pid plus one of a usual 64-bit kernel: 4,194,304, 22 bits.
    pub const DEFAULT_PID_MAX_MAX: u32 = 4_194_304;

    /// The split of a kernel whose pids are below `pid_max_max`: as many bits as the largest pid needs.
    pub const fn new(pid_max_max: u32) -> Result<Self, PidMaxError> {
        if pid_max_max < 2 || pid_max_max > 1 << 31 {
            return Err(PidMaxError { pid_max_max });
        }
        Ok(Self {
            pid_bits: (32 - (pid_max_max - 1).leading_zeros()) as u8,
        })
    }

    /// How many of the upper bits are the tid.
    pub const fn pid_bits(self) -> u32 {
        self.pid_bits as u32
    }

    /// How many of the lower bits are the sequence number.
    pub const fn seqnum_bits(self) -> u32 {
        63 - self.pid_bits as u32
    }

    /// The thread's tid in the initial pid namespace; `None` of special values.
    #[inline]
    pub const fn tid(self, gtid: Gtid) -> Option<u32> {
        if gtid.is_task() {
            Some((gtid.bits() >> self.seqnum_bits()) as u32)
        } else {
            None
        }
    }

    /// The thread's sequence number, which grows over all forks; `None` of special values.
    #[inline]
    pub const fn seqnum(self, gtid: Gtid) -> Option<u64> {
        if gtid.is_task() {
            Some(gtid.bits() & ((1 << self.seqnum_bits()) - 1))
        } else {
            None
        }
    }

    /// The gtid of a tid and a sequence number, for simulated kernels; `None` if one does not fit or both are 0.
    pub const fn join(self, tid: u32, seqnum: u64) -> Option<Gtid> {
        if (tid as u64) >> self.pid_bits != 0 || seqnum >> self.seqnum_bits() != 0 || (tid == 0 && seqnum == 0) {
            return None;
        }
        Some(Gtid::from_bits((tid as u64) << self.seqnum_bits() | seqnum))
    }

    /// The gtid for people: `tid/sequence number`, such as `4242/17`.
    pub const fn display(self, gtid: Gtid) -> DisplayGtid {
        DisplayGtid { split: self, gtid }
    }
}

impl Default for GtidSplit {
    fn default() -> Self {
        Self { pid_bits: 22 }
    }
}

/// A gtid as `tid/sequence number`; from [`GtidSplit::display`].
#[derive(Clone, Copy, Debug)]
pub struct DisplayGtid {
    split: GtidSplit,
    gtid: Gtid,
}

impl fmt::Display for DisplayGtid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.split.tid(self.gtid), self.split.seqnum(self.gtid)) {
            (Some(tid), Some(seqnum)) => write!(f, "{tid}/{seqnum}"),
            _ => write!(f, "{}", self.gtid),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn a_usual_kernel_has_22_bits_of_tid_and_41_of_sequence_number() {
        let split = GtidSplit::new(GtidSplit::DEFAULT_PID_MAX_MAX).unwrap();
        assert_eq!(split, GtidSplit::default());
        assert_eq!((split.pid_bits(), split.seqnum_bits()), (22, 41));
        let gtid = split.join(4242, 17).unwrap();
        assert_eq!(gtid.bits(), 4242 << 41 | 17);
        assert_eq!((split.tid(gtid), split.seqnum(gtid)), (Some(4242), Some(17)));
        assert_eq!(split.display(gtid).to_string(), "4242/17");
    }

    #[test]
    fn other_kernels_split_elsewhere() {
        let split = GtidSplit::new(32768).unwrap();
        assert_eq!((split.pid_bits(), split.seqnum_bits()), (15, 48));
        assert_eq!(GtidSplit::new(32769).unwrap().pid_bits(), 16);
        assert_eq!(GtidSplit::new(1), Err(PidMaxError { pid_max_max: 1 }));
        assert_eq!(GtidSplit::new(u32::MAX).unwrap_err().pid_max_max, u32::MAX);
        assert_eq!(GtidSplit::new(1 << 31).unwrap().pid_bits(), 31);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let split = GtidSplit::default();
        assert_eq!(split.join(1 << 22, 1), None);
        assert_eq!(split.join(1, 1 << 41), None);
        assert_eq!(split.join(0, 0), None);
        assert!(split.join((1 << 22) - 1, (1 << 41) - 1).unwrap().is_task());
    }

    #[test]
    fn special_values_are_no_tasks() {
        for gtid in [Gtid::NULL, Gtid::AGENT, Gtid::IDLE, Gtid::from_raw(-77)] {
            assert!(!gtid.is_task());
            assert_eq!(GtidSplit::default().tid(gtid), None);
        }
        assert_eq!(GtidSplit::default().display(Gtid::AGENT).to_string(), "agent");
    }
}
