//! The messages a ghOSt kernel sends: names, numbers, and which ABI has which.

use super::Abi;
use super::layout::{Layout, MESSAGE, Structure};

/// What a message says. Task messages have the numbers 64 to 127, CPU messages 128 to 191, 0 is filler.
///
/// Number 73 has two meanings: [`TaskLatched`](Self::TaskLatched) in ABI 69, [`TaskOnCpu`](Self::TaskOnCpu) since 78.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageKind {
    /// 0: fills the ring up to its end, where a message would not fit in one piece. Its sequence number means nothing.
    Nop,
    /// 64: a thread exited. Its status word can be freed.
    TaskDead,
    /// 65: a running thread blocked.
    TaskBlocked,
    /// 66: a blocked thread became runnable.
    TaskWakeup,
    /// 67: a thread joined the enclave, or was forked in it, or is told about again on request.
    TaskNew,
    /// 68: a running thread lost its CPU, or a latched thread lost its place before it ran.
    TaskPreempt,
    /// 69: a running thread called `sched_yield`.
    TaskYield,
    /// 70: a thread left for another scheduling class.
    TaskDeparted,
    /// 71: a thread switched to another by the SWITCHTO API, which no public kernel has: never sent.
    TaskSwitchto,
    /// 72: the affinity of a thread is about to change. Sent before the new mask is stored; wakes no agent.
    TaskAffinityChanged,
    /// 73 in ABI 69: a thread got on a CPU, or lost the latch, if its transaction asked for it.
    TaskLatched,
    /// 73 since ABI 78: a thread got on a CPU, if its transaction asked for it.
    TaskOnCpu,
    /// 74, since ABI 75: the nice value of a thread changed.
    TaskPriorityChanged,
    /// 75, since ABI 80: `run_gtid` of a BPF program failed. Shown to BPF-MSG programs only, never queued.
    TaskLatchFailure,
    /// 128: a timer tick, if the tunable `deliver_ticks` is 1.
    CpuTick,
    /// 129: a ghOSt timer expired.
    CpuTimerExpired,
    /// 130: a CPU is about to leave ghOSt idle, if the idle transaction asked for it.
    CpuNotIdle,
    /// 131, since ABI 71: the CPU is free for ghOSt, if the tunable `deliver_cpu_availability` is 1.
    CpuAvailable,
    /// 132, since ABI 71: the CPU was taken from ghOSt, if the tunable `deliver_cpu_availability` is 1.
    CpuBusy,
    /// 133, since ABI 72: the CPU's agent sleeps, if the tunable `deliver_agent_runnability` is 1.
    CpuAgentBlocked,
    /// 134, since ABI 72: the CPU's agent woke, if the tunable `deliver_agent_runnability` is 1.
    CpuAgentWakeup,
}

impl MessageKind {
    /// Every kind of every ABI, by number.
    pub const ALL: [Self; 21] = [
        Self::Nop,
        Self::TaskDead,
        Self::TaskBlocked,
        Self::TaskWakeup,
        Self::TaskNew,
        Self::TaskPreempt,
        Self::TaskYield,
        Self::TaskDeparted,
        Self::TaskSwitchto,
        Self::TaskAffinityChanged,
        Self::TaskLatched,
        Self::TaskOnCpu,
        Self::TaskPriorityChanged,
        Self::TaskLatchFailure,
        Self::CpuTick,
        Self::CpuTimerExpired,
        Self::CpuNotIdle,
        Self::CpuAvailable,
        Self::CpuBusy,
        Self::CpuAgentBlocked,
        Self::CpuAgentWakeup,
    ];

    /// Its number in a message's header.
    pub const fn number(self) -> u16 {
        match self {
            Self::Nop => 0,
            Self::TaskDead => 64,
            Self::TaskBlocked => 65,
            Self::TaskWakeup => 66,
            Self::TaskNew => 67,
            Self::TaskPreempt => 68,
            Self::TaskYield => 69,
            Self::TaskDeparted => 70,
            Self::TaskSwitchto => 71,
            Self::TaskAffinityChanged => 72,
            Self::TaskLatched | Self::TaskOnCpu => 73,
            Self::TaskPriorityChanged => 74,
            Self::TaskLatchFailure => 75,
            Self::CpuTick => 128,
            Self::CpuTimerExpired => 129,
            Self::CpuNotIdle => 130,
            Self::CpuAvailable => 131,
            Self::CpuBusy => 132,
            Self::CpuAgentBlocked => 133,
            Self::CpuAgentWakeup => 134,
        }
    }

    /// The kernel's name without `MSG_`, such as `TASK_NEW`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nop => "NOP",
            Self::TaskDead => "TASK_DEAD",
            Self::TaskBlocked => "TASK_BLOCKED",
            Self::TaskWakeup => "TASK_WAKEUP",
            Self::TaskNew => "TASK_NEW",
            Self::TaskPreempt => "TASK_PREEMPT",
            Self::TaskYield => "TASK_YIELD",
            Self::TaskDeparted => "TASK_DEPARTED",
            Self::TaskSwitchto => "TASK_SWITCHTO",
            Self::TaskAffinityChanged => "TASK_AFFINITY_CHANGED",
            Self::TaskLatched => "TASK_LATCHED",
            Self::TaskOnCpu => "TASK_ON_CPU",
            Self::TaskPriorityChanged => "TASK_PRIORITY_CHANGED",
            Self::TaskLatchFailure => "TASK_LATCH_FAILURE",
            Self::CpuTick => "CPU_TICK",
            Self::CpuTimerExpired => "CPU_TIMER_EXPIRED",
            Self::CpuNotIdle => "CPU_NOT_IDLE",
            Self::CpuAvailable => "CPU_AVAILABLE",
            Self::CpuBusy => "CPU_BUSY",
            Self::CpuAgentBlocked => "CPU_AGENT_BLOCKED",
            Self::CpuAgentWakeup => "CPU_AGENT_WAKEUP",
        }
    }

    /// Whether it is about a thread: its payload starts with the gtid and its sequence number is the thread's barrier.
    pub const fn is_task(self) -> bool {
        is_task(self.number())
    }

    /// Whether it is about a CPU: its payload starts with the CPU number and its sequence number is that of its agent.
    pub const fn is_cpu(self) -> bool {
        is_cpu(self.number())
    }

    /// Its payload; `None` of the filler, which has none.
    pub const fn payload(self) -> Option<Structure> {
        Some(match self {
            Self::Nop => return None,
            Self::TaskDead => Structure::TaskDead,
            Self::TaskBlocked => Structure::TaskBlocked,
            Self::TaskWakeup => Structure::TaskWakeup,
            Self::TaskNew => Structure::TaskNew,
            Self::TaskPreempt => Structure::TaskPreempt,
            Self::TaskYield => Structure::TaskYield,
            Self::TaskDeparted => Structure::TaskDeparted,
            Self::TaskSwitchto => Structure::TaskSwitchto,
            Self::TaskAffinityChanged => Structure::TaskAffinityChanged,
            Self::TaskLatched => Structure::TaskLatched,
            Self::TaskOnCpu => Structure::TaskOnCpu,
            Self::TaskPriorityChanged => Structure::TaskPriorityChanged,
            Self::TaskLatchFailure => Structure::TaskLatchFailure,
            Self::CpuTick => Structure::CpuTick,
            Self::CpuTimerExpired => Structure::CpuTimerExpired,
            Self::CpuNotIdle => Structure::CpuNotIdle,
            Self::CpuAvailable => Structure::CpuAvailable,
            Self::CpuBusy => Structure::CpuBusy,
            Self::CpuAgentBlocked => Structure::CpuAgentBlocked,
            Self::CpuAgentWakeup => Structure::CpuAgentWakeup,
        })
    }
}

/// Whether messages of this number are about a thread, known or not.
#[inline]
pub const fn is_task(number: u16) -> bool {
    number >= 64 && number <= 127
}

/// Whether messages of this number are about a CPU, known or not.
#[inline]
pub const fn is_cpu(number: u16) -> bool {
    number >= 128 && number <= 191
}

/// Bytes of a message's header.
pub const HEADER_BYTES: usize = MESSAGE.size;
/// Bytes of a slot, the unit in which a queue counts.
pub const SLOT_BYTES: usize = 8;
/// Bytes of the longest message of any ABI.
pub const LONGEST_MESSAGE_BYTES: usize = 56;

impl Abi {
    /// Whether kernels with this ABI know this kind of message.
    pub const fn has(self, kind: MessageKind) -> bool {
        matches!(kind, MessageKind::Nop) || self.payload_layout(kind).is_some()
    }

    /// The kinds of messages of this ABI, by number.
    pub fn messages(self) -> impl Iterator<Item = MessageKind> {
        MessageKind::ALL.into_iter().filter(move |&kind| self.has(kind))
    }

    /// What a message number means in this ABI; `None` if nothing yet: a newer kernel may send it.
    #[inline(always)]
    pub const fn kind(self, number: u16) -> Option<MessageKind> {
        let kind = match number {
            0 => MessageKind::Nop,
            64 => MessageKind::TaskDead,
            65 => MessageKind::TaskBlocked,
            66 => MessageKind::TaskWakeup,
            67 => MessageKind::TaskNew,
            68 => MessageKind::TaskPreempt,
            69 => MessageKind::TaskYield,
            70 => MessageKind::TaskDeparted,
            71 => MessageKind::TaskSwitchto,
            72 => MessageKind::TaskAffinityChanged,
            73 if matches!(self, Self::V69) => return Some(MessageKind::TaskLatched),
            73 => MessageKind::TaskOnCpu,
            128 => MessageKind::CpuTick,
            129 => MessageKind::CpuTimerExpired,
            130 => MessageKind::CpuNotIdle,
            _ if matches!(self, Self::V69) => return None,
            74 => MessageKind::TaskPriorityChanged,
            75 => MessageKind::TaskLatchFailure,
            131 => MessageKind::CpuAvailable,
            132 => MessageKind::CpuBusy,
            133 => MessageKind::CpuAgentBlocked,
            134 => MessageKind::CpuAgentWakeup,
            _ => return None,
        };
        Some(kind)
    }

    /// The payload of this kind in this ABI; `None` if the kind has none or the ABI does not have the kind.
    pub const fn payload_layout(self, kind: MessageKind) -> Option<&'static Layout> {
        match kind.payload() {
            Some(payload) => self.layout(payload),
            None => None,
        }
    }

    /// The `length` in the header of a message of this kind: header and payload in bytes, not rounded up to slots.
    pub const fn message_bytes(self, kind: MessageKind) -> Option<usize> {
        match self.payload_layout(kind) {
            Some(layout) => Some(HEADER_BYTES + layout.size),
            None => None,
        }
    }

    /// How many slots of a queue a message of this kind takes. A queue with fewer than the longest can never deliver it.
    pub const fn message_slots(self, kind: MessageKind) -> Option<usize> {
        match self.message_bytes(kind) {
            Some(bytes) => Some(bytes.div_ceil(SLOT_BYTES)),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_an_abi_has_one_number() {
        for abi in Abi::ALL {
            for kind in abi.messages() {
                assert_eq!(abi.kind(kind.number()), Some(kind), "{kind:?} in {abi}");
            }
            let known = (0..=u16::MAX).filter(|&number| abi.kind(number).is_some()).count();
            assert_eq!(known, abi.messages().count());
        }
        assert_eq!(Abi::V69.messages().count(), 14);
        assert_eq!(Abi::V91.messages().count(), 20);
    }

    #[test]
    fn number_73_has_two_meanings() {
        assert_eq!(Abi::V69.kind(73), Some(MessageKind::TaskLatched));
        assert_eq!(Abi::V84.kind(73), Some(MessageKind::TaskOnCpu));
        assert!(!Abi::V69.has(MessageKind::TaskOnCpu) && !Abi::V91.has(MessageKind::TaskLatched));
    }

    #[test]
    fn no_message_is_longer_than_the_longest() {
        let longest = |abi: Abi| abi.messages().filter_map(|kind| abi.message_bytes(kind)).max();
        assert_eq!(longest(Abi::V91), Some(LONGEST_MESSAGE_BYTES));
        assert_eq!(longest(Abi::V69), Some(48));
        assert_eq!(Abi::V84.message_slots(MessageKind::TaskNew), Some(6));
        assert_eq!(Abi::V84.message_slots(MessageKind::CpuTick), Some(2));
    }
}
