//! Payloads of messages about threads. Each starts with the thread's gtid.
//!
//! The kernel writes them. `runtime_ns` is what the thread has run so far (`sum_exec_runtime`), in nanoseconds.
//! `cpu_seqnum` is a counter of the CPU that moves with each such message and each successful commit. `agent_data` is for
//! the agent's BPF-MSG program: the kernel writes 0 just before it runs. CPU numbers are as the kernel wrote them: check
//! them against your own set before you use one as an index.

use super::fields::{Fields, Output, at};
use super::snapshot::StatusWordInfo;
use crate::abi::Abi;
use crate::gtid::Gtid;

/// `TASK_NEW`: a thread is in the enclave. 32 bytes in ABI 69, 40 in 84, 48 since 88.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct New {
    /// The thread.
    pub gtid: Gtid,
    /// The thread's parent at the time of the message, if it had one; ABI 69 never says.
    pub parent: Option<Gtid>,
    /// What it has run so far.
    pub runtime_ns: u64,
    /// Whether it can be run now. One that joins while it runs gets its TASK_NEW when it leaves the CPU.
    pub is_runnable: bool,
    /// Its nice value, -20 to 19; ABI 69 does not say.
    pub nice: Option<i32>,
    /// Where its status word is.
    pub status_word: StatusWordInfo,
    /// Since ABI 88.
    pub agent_data: Option<u64>,
}

/// `TASK_PREEMPT`: a thread lost its CPU, or its latch. 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Preempt {
    /// The thread.
    pub gtid: Gtid,
    /// What it has run so far.
    pub runtime_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// For the agent's BPF-MSG program.
    pub agent_data: u64,
    /// The CPU it was on.
    pub cpu: i32,
    /// Never in public kernels.
    pub from_switchto: bool,
    /// It had been latched and never ran.
    pub was_latched: bool,
}

/// `TASK_YIELD`: a thread gave up its CPU and is runnable. 40 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Yield {
    /// The thread.
    pub gtid: Gtid,
    /// What it has run so far.
    pub runtime_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// For the agent's BPF-MSG program.
    pub agent_data: u64,
    /// The CPU it was on.
    pub cpu: i32,
    /// Never in public kernels.
    pub from_switchto: bool,
}

/// `TASK_BLOCKED`: a running thread went to sleep. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// The thread.
    pub gtid: Gtid,
    /// What it has run so far.
    pub runtime_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// The CPU it was on.
    pub cpu: i32,
    /// Never in public kernels.
    pub from_switchto: bool,
}

/// `TASK_WAKEUP`: a sleeping thread is runnable. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wakeup {
    /// The thread.
    pub gtid: Gtid,
    /// For the agent's BPF-MSG program.
    pub agent_data: u64,
    /// It slept in epoll_wait, a futex or a timer: it may well sleep again soon.
    pub is_deferrable: bool,
    /// The CPU it last ran on.
    pub last_ran_cpu: i32,
    /// The CPU whose run queue it was put on.
    pub wake_up_cpu: i32,
    /// The CPU that woke it.
    pub waker_cpu: i32,
}

/// `TASK_DEAD`: a thread exited. 8 bytes up to ABI 88, 16 since 89.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dead {
    /// The thread.
    pub gtid: Gtid,
    /// The CPU whose run queue it last belonged to; since ABI 89.
    pub cpu: Option<i32>,
}

/// `TASK_DEPARTED`: a thread left ghOSt. 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departed {
    /// The thread.
    pub gtid: Gtid,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// Its CPU.
    pub cpu: i32,
    /// Never in public kernels.
    pub from_switchto: bool,
    /// It left while it ran there.
    pub was_current: bool,
}

/// `TASK_SWITCHTO`: no public kernel sends it. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Switchto {
    /// The thread.
    pub gtid: Gtid,
    /// What it has run so far.
    pub runtime_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// The CPU.
    pub cpu: i32,
}

/// `TASK_AFFINITY_CHANGED`: the mask is about to change; read it a little later. 8 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AffinityChanged {
    /// The thread.
    pub gtid: Gtid,
}

/// `TASK_PRIORITY_CHANGED`, since ABI 75. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PriorityChanged {
    /// The thread.
    pub gtid: Gtid,
    /// Its new nice value, -20 to 19.
    pub nice: i32,
}

/// `TASK_LATCHED`, message 73 up to ABI 77. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latched {
    /// The thread.
    pub gtid: Gtid,
    /// CLOCK_MONOTONIC of this message, in ns; not the `commit_time` of the transaction.
    pub commit_time_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// The CPU.
    pub cpu: i32,
    /// It lost the latch before it ran; its PREEMPT follows.
    pub was_preempted: bool,
}

/// `TASK_ON_CPU`, message 73 since ABI 78. 32 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnCpu {
    /// The thread.
    pub gtid: Gtid,
    /// CLOCK_MONOTONIC of this message, in ns; not the `commit_time` of the transaction.
    pub commit_time_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// The CPU.
    pub cpu: i32,
}

/// `TASK_LATCH_FAILURE`, since ABI 80: `run_gtid` refused. For BPF-MSG programs only, its seqnum is the barrier that was
/// given. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatchFailure {
    /// The thread.
    pub gtid: Gtid,
    /// The error number, positive.
    pub errno: i32,
}

/// A payload: read from fields at the table's offsets, and written back.
pub(crate) trait Wire: Sized {
    fn read<F: Fn(usize) -> u32>(abi: Abi, from: &Fields<F>) -> Self;
    fn write(&self, abi: Abi, to: &mut Output);
}

impl Wire for New {
    #[inline]
    fn read<F: Fn(usize) -> u32>(abi: Abi, from: &Fields<F>) -> Self {
        match abi {
            Abi::V69 => Self {
                gtid: Gtid::from_bits(from.u64(at!(TASK_NEW_69, "gtid", U64))),
                parent: None,
                runtime_ns: from.u64(at!(TASK_NEW_69, "runtime", U64)),
                is_runnable: from.u16(at!(TASK_NEW_69, "runnable", U16)) != 0,
                nice: None,
                status_word: StatusWordInfo {
                    region: from.u32(at!(TASK_NEW_69, "sw_info.id", U32)),
                    index: from.u32(at!(TASK_NEW_69, "sw_info.index", U32)),
                },
                agent_data: None,
            },
            // The fields that ABI 84 has are where 90 has them; a test compares the two layouts.
            Abi::V84 | Abi::V90 | Abi::V91 => Self {
                gtid: Gtid::from_bits(from.u64(at!(TASK_NEW_90, "gtid", U64))),
                parent: match from.u64(at!(TASK_NEW_90, "parent_gtid", U64)) {
                    0 => None,
                    bits => Some(Gtid::from_bits(bits)),
                },
                runtime_ns: from.u64(at!(TASK_NEW_90, "runtime", U64)),
                is_runnable: from.u16(at!(TASK_NEW_90, "runnable", U16)) != 0,
                nice: Some(from.i32(at!(TASK_NEW_90, "nice", I32))),
                status_word: StatusWordInfo {
                    region: from.u32(at!(TASK_NEW_90, "sw_info.id", U32)),
                    index: from.u32(at!(TASK_NEW_90, "sw_info.index", U32)),
                },
                agent_data: match abi {
                    Abi::V84 => None,
                    _ => Some(from.u64(at!(TASK_NEW_90, "agent_data", U64))),
                },
            },
        }
    }

    fn write(&self, abi: Abi, to: &mut Output) {
        if abi == Abi::V69 {
            to.u64(at!(TASK_NEW_69, "gtid", U64), self.gtid.bits());
            to.u64(at!(TASK_NEW_69, "runtime", U64), self.runtime_ns);
            to.u16(at!(TASK_NEW_69, "runnable", U16), u16::from(self.is_runnable));
            to.u32(at!(TASK_NEW_69, "sw_info.id", U32), self.status_word.region);
            to.u32(at!(TASK_NEW_69, "sw_info.index", U32), self.status_word.index);
            return;
        }
        to.u64(at!(TASK_NEW_90, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_NEW_90, "parent_gtid", U64), self.parent.map_or(0, Gtid::bits));
        to.u64(at!(TASK_NEW_90, "runtime", U64), self.runtime_ns);
        to.u16(at!(TASK_NEW_90, "runnable", U16), u16::from(self.is_runnable));
        to.i32(at!(TASK_NEW_90, "nice", I32), self.nice.unwrap_or(0));
        to.u32(at!(TASK_NEW_90, "sw_info.id", U32), self.status_word.region);
        to.u32(at!(TASK_NEW_90, "sw_info.index", U32), self.status_word.index);
        if abi != Abi::V84 {
            to.u64(at!(TASK_NEW_90, "agent_data", U64), self.agent_data.unwrap_or(0));
        }
    }
}

impl Wire for Preempt {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_PREEMPT, "gtid", U64))),
            runtime_ns: from.u64(at!(TASK_PREEMPT, "runtime", U64)),
            cpu_seqnum: from.u64(at!(TASK_PREEMPT, "cpu_seqnum", U64)),
            agent_data: from.u64(at!(TASK_PREEMPT, "agent_data", U64)),
            cpu: from.i32(at!(TASK_PREEMPT, "cpu", I32)),
            from_switchto: from.claim(at!(TASK_PREEMPT, "from_switchto", I8)),
            was_latched: from.claim(at!(TASK_PREEMPT, "was_latched", I8)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_PREEMPT, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_PREEMPT, "runtime", U64), self.runtime_ns);
        to.u64(at!(TASK_PREEMPT, "cpu_seqnum", U64), self.cpu_seqnum);
        to.u64(at!(TASK_PREEMPT, "agent_data", U64), self.agent_data);
        to.i32(at!(TASK_PREEMPT, "cpu", I32), self.cpu);
        to.claim(at!(TASK_PREEMPT, "from_switchto", I8), self.from_switchto);
        to.claim(at!(TASK_PREEMPT, "was_latched", I8), self.was_latched);
    }
}

impl Wire for Yield {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_YIELD, "gtid", U64))),
            runtime_ns: from.u64(at!(TASK_YIELD, "runtime", U64)),
            cpu_seqnum: from.u64(at!(TASK_YIELD, "cpu_seqnum", U64)),
            agent_data: from.u64(at!(TASK_YIELD, "agent_data", U64)),
            cpu: from.i32(at!(TASK_YIELD, "cpu", I32)),
            from_switchto: from.claim(at!(TASK_YIELD, "from_switchto", I8)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_YIELD, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_YIELD, "runtime", U64), self.runtime_ns);
        to.u64(at!(TASK_YIELD, "cpu_seqnum", U64), self.cpu_seqnum);
        to.u64(at!(TASK_YIELD, "agent_data", U64), self.agent_data);
        to.i32(at!(TASK_YIELD, "cpu", I32), self.cpu);
        to.claim(at!(TASK_YIELD, "from_switchto", I8), self.from_switchto);
    }
}

impl Wire for Blocked {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_BLOCKED, "gtid", U64))),
            runtime_ns: from.u64(at!(TASK_BLOCKED, "runtime", U64)),
            cpu_seqnum: from.u64(at!(TASK_BLOCKED, "cpu_seqnum", U64)),
            cpu: from.i32(at!(TASK_BLOCKED, "cpu", I32)),
            from_switchto: from.claim(at!(TASK_BLOCKED, "from_switchto", I8)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_BLOCKED, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_BLOCKED, "runtime", U64), self.runtime_ns);
        to.u64(at!(TASK_BLOCKED, "cpu_seqnum", U64), self.cpu_seqnum);
        to.i32(at!(TASK_BLOCKED, "cpu", I32), self.cpu);
        to.claim(at!(TASK_BLOCKED, "from_switchto", I8), self.from_switchto);
    }
}

impl Wire for Wakeup {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_WAKEUP, "gtid", U64))),
            agent_data: from.u64(at!(TASK_WAKEUP, "agent_data", U64)),
            is_deferrable: from.claim(at!(TASK_WAKEUP, "deferrable", I8)),
            last_ran_cpu: from.i32(at!(TASK_WAKEUP, "last_ran_cpu", I32)),
            wake_up_cpu: from.i32(at!(TASK_WAKEUP, "wake_up_cpu", I32)),
            waker_cpu: from.i32(at!(TASK_WAKEUP, "waker_cpu", I32)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_WAKEUP, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_WAKEUP, "agent_data", U64), self.agent_data);
        to.claim(at!(TASK_WAKEUP, "deferrable", I8), self.is_deferrable);
        to.i32(at!(TASK_WAKEUP, "last_ran_cpu", I32), self.last_ran_cpu);
        to.i32(at!(TASK_WAKEUP, "wake_up_cpu", I32), self.wake_up_cpu);
        to.i32(at!(TASK_WAKEUP, "waker_cpu", I32), self.waker_cpu);
    }
}

impl Wire for Dead {
    #[inline]
    fn read<F: Fn(usize) -> u32>(abi: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_DEAD_90, "gtid", U64))),
            cpu: match abi {
                Abi::V69 | Abi::V84 => None,
                Abi::V90 | Abi::V91 => Some(from.i32(at!(TASK_DEAD_90, "cpu", I32))),
            },
        }
    }

    fn write(&self, abi: Abi, to: &mut Output) {
        to.u64(at!(TASK_DEAD_90, "gtid", U64), self.gtid.bits());
        if matches!(abi, Abi::V90 | Abi::V91) {
            to.i32(at!(TASK_DEAD_90, "cpu", I32), self.cpu.unwrap_or(0));
        }
    }
}

impl Wire for Departed {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_DEPARTED, "gtid", U64))),
            cpu_seqnum: from.u64(at!(TASK_DEPARTED, "cpu_seqnum", U64)),
            cpu: from.i32(at!(TASK_DEPARTED, "cpu", I32)),
            from_switchto: from.claim(at!(TASK_DEPARTED, "from_switchto", I8)),
            was_current: from.claim(at!(TASK_DEPARTED, "was_current", I8)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_DEPARTED, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_DEPARTED, "cpu_seqnum", U64), self.cpu_seqnum);
        to.i32(at!(TASK_DEPARTED, "cpu", I32), self.cpu);
        to.claim(at!(TASK_DEPARTED, "from_switchto", I8), self.from_switchto);
        to.claim(at!(TASK_DEPARTED, "was_current", I8), self.was_current);
    }
}

impl Wire for Switchto {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_SWITCHTO, "gtid", U64))),
            runtime_ns: from.u64(at!(TASK_SWITCHTO, "runtime", U64)),
            cpu_seqnum: from.u64(at!(TASK_SWITCHTO, "cpu_seqnum", U64)),
            cpu: from.i32(at!(TASK_SWITCHTO, "cpu", I32)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_SWITCHTO, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_SWITCHTO, "runtime", U64), self.runtime_ns);
        to.u64(at!(TASK_SWITCHTO, "cpu_seqnum", U64), self.cpu_seqnum);
        to.i32(at!(TASK_SWITCHTO, "cpu", I32), self.cpu);
    }
}

impl Wire for AffinityChanged {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_AFFINITY_CHANGED, "gtid", U64))),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_AFFINITY_CHANGED, "gtid", U64), self.gtid.bits());
    }
}

impl Wire for PriorityChanged {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_PRIORITY_CHANGED, "gtid", U64))),
            nice: from.i32(at!(TASK_PRIORITY_CHANGED, "nice", I32)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_PRIORITY_CHANGED, "gtid", U64), self.gtid.bits());
        to.i32(at!(TASK_PRIORITY_CHANGED, "nice", I32), self.nice);
    }
}

impl Wire for Latched {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_LATCHED, "gtid", U64))),
            commit_time_ns: from.u64(at!(TASK_LATCHED, "commit_time", U64)),
            cpu_seqnum: from.u64(at!(TASK_LATCHED, "cpu_seqnum", U64)),
            cpu: from.i32(at!(TASK_LATCHED, "cpu", I32)),
            was_preempted: from.claim(at!(TASK_LATCHED, "latched_preempt", I8)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_LATCHED, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_LATCHED, "commit_time", U64), self.commit_time_ns);
        to.u64(at!(TASK_LATCHED, "cpu_seqnum", U64), self.cpu_seqnum);
        to.i32(at!(TASK_LATCHED, "cpu", I32), self.cpu);
        to.claim(at!(TASK_LATCHED, "latched_preempt", I8), self.was_preempted);
    }
}

impl Wire for OnCpu {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_ON_CPU, "gtid", U64))),
            commit_time_ns: from.u64(at!(TASK_ON_CPU, "commit_time", U64)),
            cpu_seqnum: from.u64(at!(TASK_ON_CPU, "cpu_seqnum", U64)),
            cpu: from.i32(at!(TASK_ON_CPU, "cpu", I32)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_ON_CPU, "gtid", U64), self.gtid.bits());
        to.u64(at!(TASK_ON_CPU, "commit_time", U64), self.commit_time_ns);
        to.u64(at!(TASK_ON_CPU, "cpu_seqnum", U64), self.cpu_seqnum);
        to.i32(at!(TASK_ON_CPU, "cpu", I32), self.cpu);
    }
}

impl Wire for LatchFailure {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            gtid: Gtid::from_bits(from.u64(at!(TASK_LATCH_FAILURE, "gtid", U64))),
            errno: from.i32(at!(TASK_LATCH_FAILURE, "errno", I32)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.u64(at!(TASK_LATCH_FAILURE, "gtid", U64), self.gtid.bits());
        to.i32(at!(TASK_LATCH_FAILURE, "errno", I32), self.errno);
    }
}

#[cfg(test)]
mod tests {
    use crate::abi::layout::{TASK_DEAD_69, TASK_DEAD_90, TASK_NEW_84, TASK_NEW_90};

    #[test]
    fn later_layouts_only_append() {
        for (older, newer) in [(TASK_NEW_84, TASK_NEW_90), (TASK_DEAD_69, TASK_DEAD_90)] {
            assert_eq!(older.fields, &newer.fields[..older.fields.len()]);
        }
    }
}
