//! The ioctls of an enclave's `ctl` file: numbers and arguments, the same in every ABI.
//!
//! All go to a `ctl` opened for writing (else `EACCES`); after the enclave was destroyed they give `ENODEV`. That an ioctl
//! works says nothing about the ABI.

use core::mem::{align_of, offset_of, size_of};

use crate::abi::layout::{self, FieldType, Layout};

/// An ioctl of ghOSt: the letter `g` and a number from 0 to 11.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Ioctl {
    /// Does nothing, successfully: a probe.
    Null,
    /// Where is the status word of an agent or a task? [`SwGetInfo`]. `ENODEV` the CPU is not in the enclave, `EINVAL` it
    /// has no agent, `ENOENT` no such task. ABI 69 does not check the range of the CPU: do it yourself.
    SwGetInfo,
    /// Frees a status word that says `CAN_FREE`. [`SwInfo`]. `EINVAL` it does not say so, `ENOENT` no such word.
    SwFree,
    /// Makes a queue; returns its file. [`CreateQueue`]. `EINVAL` not a power of two or more than 65,536, or no such node.
    CreateQueue,
    /// Moves the messages of a task to a queue; returns [`AssocStatus`]. [`AssocQueue`]. `ESTALE` the barrier has moved:
    /// drain and try again; `ENOENT` no such task.
    AssocQueue,
    /// Makes a queue the one that new tasks get. [`SetDefaultQueue`]. `EBADF` no queue, `EINVAL` another enclave's.
    SetDefaultQueue,
    /// Whose agents a queue wakes. [`ConfigQueueWakeup`]. `EINVAL` more than 2, or a CPU that is not online.
    ConfigQueueWakeup,
    /// How long a task has run, up to now. [`GetCpuTime`]. `ESRCH` no such task.
    GetCpuTime,
    /// Commits the submitted transactions of a set of CPUs, one by one. [`CommitTxn`]. Returns 0; how each ended is in it.
    CommitTxn,
    /// Commits the submitted transactions of a set of CPUs, all or none. [`CommitTxn`]. Returns 1 if all, 0 if none.
    SyncGroupTxn,
    /// `timerfd_settime`, whose timer also sends `CPU_TIMER_EXPIRED`. [`TimerfdSettime`].
    TimerfdSettime,
    /// Yields the own CPU until woken, or wakes the agent of another. [`Run`]. `ESTALE` the agent's barrier has moved,
    /// `EPERM` without CAP_SYS_NICE, `EINVAL` no agent there.
    Run,
}

impl Ioctl {
    /// All of them, by number.
    pub const ALL: [Self; 12] = [
        Self::Null,
        Self::SwGetInfo,
        Self::SwFree,
        Self::CreateQueue,
        Self::AssocQueue,
        Self::SetDefaultQueue,
        Self::ConfigQueueWakeup,
        Self::GetCpuTime,
        Self::CommitTxn,
        Self::SyncGroupTxn,
        Self::TimerfdSettime,
        Self::Run,
    ];

    /// Its argument, and whether the kernel writes to it too.
    const fn argument(self) -> Option<(&'static Layout, bool)> {
        Some(match self {
            Self::Null => return None,
            Self::SwGetInfo => (&layout::IOC_SW_GET_INFO, true),
            Self::SwFree => (&layout::STATUS_WORD_INFO, false),
            Self::CreateQueue => (&layout::IOC_CREATE_QUEUE, true),
            Self::AssocQueue => (&layout::IOC_ASSOC_QUEUE, false),
            Self::SetDefaultQueue => (&layout::IOC_SET_DEFAULT_QUEUE, false),
            Self::ConfigQueueWakeup => (&layout::IOC_CONFIG_QUEUE_WAKEUP, false),
            Self::GetCpuTime => (&layout::IOC_GET_CPU_TIME, true),
            Self::CommitTxn | Self::SyncGroupTxn => (&layout::IOC_COMMIT_TXN, false),
            Self::TimerfdSettime => (&layout::IOC_TIMERFD_SETTIME, true),
            Self::Run => (&layout::IOC_RUN, false),
        })
    }

    /// The request number for `ioctl(2)`: `g`, number, direction and size of the argument, as Linux encodes them.
    pub const fn request(self) -> u32 {
        const WRITE: u32 = 1 << 30;
        const READ: u32 = 2 << 30;
        let number = (b'g' as u32) << 8 | self as u32;
        match self.argument() {
            None => number,
            Some((argument, true)) => READ | WRITE | (argument.size as u32) << 16 | number,
            Some((argument, false)) => WRITE | (argument.size as u32) << 16 | number,
        }
    }
}

bitflags::bitflags! {
    /// What [`Ioctl::AssocQueue`] returns.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct AssocStatus: u32 {
        /// It was that task's queue already.
        const ALREADY = 1;
        /// The task's TASK_NEW has not been sent yet, and will go to the new queue.
        const BRAND_NEW = 2;
        const _ = !0;
    }
}

/// What a message comes from, or a status word belongs to (`ghost_msg_src`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct MessageSource {
    /// [`AGENT`](Self::AGENT) or [`TASK`](Self::TASK).
    pub kind: u32,
    _padding: u32,
    /// The CPU of the agent, or the gtid of the task.
    pub argument: u64,
}

impl MessageSource {
    /// `kind` of an agent.
    pub const AGENT: u32 = 0;
    /// `kind` of a task.
    pub const TASK: u32 = 1;

    /// The agent of a CPU.
    pub const fn agent(cpu: u32) -> Self {
        Self {
            kind: Self::AGENT,
            _padding: 0,
            argument: cpu as u64,
        }
    }

    /// A task.
    pub const fn task(gtid: crate::gtid::Gtid) -> Self {
        Self {
            kind: Self::TASK,
            _padding: 0,
            argument: gtid.bits(),
        }
    }
}

/// Argument of [`Ioctl::SwFree`], and part of others: region and index of a status word.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct SwInfo {
    /// The region.
    pub id: u32,
    /// The word.
    pub index: u32,
}

/// Argument of [`Ioctl::SwGetInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SwGetInfo {
    /// Whose status word is wanted.
    pub request: MessageSource,
    /// The answer.
    pub response: SwInfo,
}

/// Argument of [`Ioctl::CreateQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CreateQueue {
    /// Slots of 8 bytes, not messages; a power of two up to 65,536.
    pub elems: i32,
    /// The NUMA node of its memory; online.
    pub node: i32,
    /// 0.
    pub flags: i32,
    _padding: u32,
    /// The answer: bytes to map.
    pub mapsize: u64,
}

impl CreateQueue {
    /// A queue of this many slots on a node.
    pub const fn new(slots: u32, node: i32) -> Self {
        Self {
            elems: slots as i32,
            node,
            flags: 0,
            _padding: 0,
            mapsize: 0,
        }
    }
}

/// Argument of [`Ioctl::AssocQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AssocQueue {
    /// The queue.
    pub fd: i32,
    _padding: u32,
    /// The task.
    pub source: MessageSource,
    /// The task's barrier. An `int` in ABI 69.
    pub barrier: u32,
    /// 0.
    pub flags: i32,
}

impl AssocQueue {
    /// Moves the task, whose newest consumed message has this sequence number, to the queue `fd`.
    pub const fn new(fd: i32, gtid: crate::gtid::Gtid, barrier: u32) -> Self {
        Self {
            fd,
            _padding: 0,
            source: MessageSource::task(gtid),
            barrier,
            flags: 0,
        }
    }
}

/// Argument of [`Ioctl::SetDefaultQueue`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct SetDefaultQueue {
    /// The queue. Keep it open: closing it leaves new tasks without a queue.
    pub fd: i32,
}

/// Whose agent is woken, one of up to two: element of the list of [`ConfigQueueWakeup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct AgentWakeup {
    /// The CPU.
    pub cpu: i32,
    /// 0.
    pub prio: i32,
}

/// Argument of [`Ioctl::ConfigQueueWakeup`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct ConfigQueueWakeup {
    /// The queue.
    pub qfd: i32,
    _padding: u32,
    /// Address of the list of [`AgentWakeup`].
    pub list: u64,
    /// How many there are, 0 to 2; 0 for an agent that polls.
    pub count: i32,
    /// 0.
    pub flags: i32,
}

impl ConfigQueueWakeup {
    /// Wakes the agents in a list of `count` at address `list`.
    pub const fn new(qfd: i32, list: u64, count: i32) -> Self {
        Self {
            qfd,
            _padding: 0,
            list,
            count,
            flags: 0,
        }
    }
}

/// Argument of [`Ioctl::GetCpuTime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct GetCpuTime {
    /// The task; 0 is the caller. It need not be in ghOSt.
    pub gtid: i64,
    /// The answer, in ns.
    pub runtime_ns: u64,
}

/// Argument of [`Ioctl::CommitTxn`] and [`Ioctl::SyncGroupTxn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct CommitTxn {
    /// Address of a bitmap of CPUs. Possible CPUs only: ABI 69 uses every bit as an index.
    pub mask: u64,
    /// Bytes of the bitmap.
    pub mask_len: u32,
    /// 0.
    pub flags: i32,
}

/// What a timer of [`Ioctl::TimerfdSettime`] reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TimerfdGhost {
    /// The CPU whose agent's queue gets the message.
    pub cpu: i32,
    /// 1 to send the message (`TIMERFD_GHOST_ENABLED`), 0 for an ordinary timer.
    pub flags: i32,
    /// Given back in the message.
    pub kind: u64,
    /// Given back in the message.
    pub cookie: u64,
}

/// Argument of [`Ioctl::TimerfdSettime`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct TimerfdSettime {
    /// The timer, from `timerfd_create`.
    pub timerfd: i32,
    /// As for `timerfd_settime`.
    pub flags: i32,
    /// Address of the new `itimerspec`.
    pub new: u64,
    /// Address for the old `itimerspec`, or 0.
    pub old: u64,
    /// What it reports.
    pub ghost: TimerfdGhost,
}

/// Argument of [`Ioctl::Run`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Run {
    /// 0 yields the own CPU, -1 wakes the agent of `run_cpu`; nothing else is allowed.
    pub gtid: i64,
    /// The own barrier, read before the queue was drained. For a yield only.
    pub agent_barrier: u32,
    /// Ignored.
    pub task_barrier: u32,
    /// The CPU; for a yield the one the caller is on.
    pub run_cpu: i32,
    /// 0, or `AGENT_ON_IDLE` for a yield.
    pub run_flags: i32,
}

/// Asserts that a structure is what the table says: size, alignment, and each named field's offset and size.
macro_rules! assert_layout {
    ($structure:ty, $layout:ident { $($field:ident $(. $inner:ident)* => $name:literal $kind:ident),* $(,)? }) => {
        const _: () = {
            assert!(size_of::<$structure>() == layout::$layout.size);
            assert!(align_of::<$structure>() <= layout::$layout.align);
            $(assert!(offset_of!($structure, $field $(. $inner)*) == layout::$layout.at($name, FieldType::$kind));)*
        };
    };
}

assert_layout!(MessageSource, MESSAGE_SOURCE { kind => "type" U32, argument => "arg" U64 });
assert_layout!(SwInfo, STATUS_WORD_INFO { id => "id" U32, index => "index" U32 });
assert_layout!(SwGetInfo, IOC_SW_GET_INFO {
    request.kind => "request.type" U32, request.argument => "request.arg" U64,
    response.id => "response.id" U32, response.index => "response.index" U32,
});
assert_layout!(CreateQueue, IOC_CREATE_QUEUE {
    elems => "elems" I32, node => "node" I32, flags => "flags" I32, mapsize => "mapsize" U64,
});
assert_layout!(AssocQueue, IOC_ASSOC_QUEUE {
    fd => "fd" I32, source.kind => "src.type" U32, source.argument => "src.arg" U64, barrier => "barrier" U32,
    flags => "flags" I32,
});
assert_layout!(AssocQueue, IOC_ASSOC_QUEUE_69 { barrier => "barrier" I32, flags => "flags" I32 });
assert_layout!(SetDefaultQueue, IOC_SET_DEFAULT_QUEUE { fd => "fd" I32 });
assert_layout!(AgentWakeup, AGENT_WAKEUP { cpu => "cpu" I32, prio => "prio" I32 });
assert_layout!(ConfigQueueWakeup, IOC_CONFIG_QUEUE_WAKEUP {
    qfd => "qfd" I32, list => "w" Pointer, count => "ninfo" I32, flags => "flags" I32,
});
assert_layout!(GetCpuTime, IOC_GET_CPU_TIME { gtid => "gtid" I64, runtime_ns => "runtime" U64 });
assert_layout!(CommitTxn, IOC_COMMIT_TXN {
    mask => "mask_ptr" Pointer, mask_len => "mask_len" U32, flags => "flags" I32,
});
assert_layout!(TimerfdGhost, TIMERFD_GHOST {
    cpu => "cpu" I32, flags => "flags" I32, kind => "type" U64, cookie => "cookie" U64,
});
assert_layout!(TimerfdSettime, IOC_TIMERFD_SETTIME {
    timerfd => "timerfd" I32, flags => "flags" I32, new => "in_tmr" Pointer, old => "out_tmr" Pointer,
    ghost.cpu => "timerfd_ghost.cpu" I32, ghost.flags => "timerfd_ghost.flags" I32,
    ghost.kind => "timerfd_ghost.type" U64, ghost.cookie => "timerfd_ghost.cookie" U64,
});
assert_layout!(Run, IOC_RUN {
    gtid => "gtid" I64, agent_barrier => "agent_barrier" U32, task_barrier => "task_barrier" U32,
    run_cpu => "run_cpu" I32, run_flags => "run_flags" I32,
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_encoded_as_linux_does() {
        assert_eq!(Ioctl::Null.request(), 0x6700);
        assert_eq!(Ioctl::CreateQueue.request(), 0xc018_6703);
        assert_eq!(Ioctl::AssocQueue.request(), 0x4020_6704);
        assert_eq!(Ioctl::Run.request(), 0x4018_670b);
    }
}
