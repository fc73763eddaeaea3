//! Payloads of messages about CPUs. They go to the queue of the CPU's agent and move that agent's barrier.

use super::fields::{Fields, Output, at};
use super::task::Wire;
use crate::abi::Abi;
use crate::gtid::Gtid;

/// `CPU_TICK`: a timer tick while a ghOSt thread or the agent runs. 4 bytes up to ABI 89, 8 since 90.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick {
    /// The CPU.
    pub cpu: i32,
    /// Whether it interrupted the agent; since ABI 90.
    pub is_agent: Option<bool>,
}

/// `CPU_TIMER_EXPIRED`: a ghOSt timer expired. 24 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerExpired {
    /// The CPU.
    pub cpu: i32,
    /// What the agent gave when it set the timer.
    pub kind: u64,
    /// What the agent gave when it set the timer.
    pub cookie: u64,
}

/// `CPU_NOT_IDLE`: a thread of another class is about to take an idle CPU. 16 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotIdle {
    /// The CPU.
    pub cpu: i32,
    /// The thread that takes it.
    pub next: Gtid,
}

/// `CPU_AVAILABLE`, since ABI 71: the CPU is free for ghOSt. 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Available {
    /// The CPU.
    pub cpu: i32,
}

/// `CPU_BUSY`, since ABI 71: the CPU was taken from ghOSt. 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Busy {
    /// The CPU.
    pub cpu: i32,
}

/// `CPU_AGENT_BLOCKED`, since ABI 72: the CPU's agent sleeps. 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentBlocked {
    /// The CPU.
    pub cpu: i32,
}

/// `CPU_AGENT_WAKEUP`, since ABI 72: the CPU's agent woke. 4 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AgentWakeup {
    /// The CPU.
    pub cpu: i32,
}

impl Wire for Tick {
    #[inline]
    fn read<F: Fn(usize) -> u32>(abi: Abi, from: &Fields<F>) -> Self {
        Self {
            cpu: from.i32(at!(CPU_TICK_90, "cpu", I32)),
            is_agent: match abi {
                Abi::V69 | Abi::V84 => None,
                Abi::V90 | Abi::V91 => Some(from.i32(at!(CPU_TICK_90, "is_agent", I32)) != 0),
            },
        }
    }

    fn write(&self, abi: Abi, to: &mut Output) {
        to.i32(at!(CPU_TICK_90, "cpu", I32), self.cpu);
        if matches!(abi, Abi::V90 | Abi::V91) {
            to.i32(
                at!(CPU_TICK_90, "is_agent", I32),
                i32::from(self.is_agent == Some(true)),
            );
        }
    }
}

impl Wire for TimerExpired {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            cpu: from.i32(at!(CPU_TIMER_EXPIRED, "cpu", I32)),
            kind: from.u64(at!(CPU_TIMER_EXPIRED, "type", U64)),
            cookie: from.u64(at!(CPU_TIMER_EXPIRED, "cookie", U64)),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.i32(at!(CPU_TIMER_EXPIRED, "cpu", I32), self.cpu);
        to.u64(at!(CPU_TIMER_EXPIRED, "type", U64), self.kind);
        to.u64(at!(CPU_TIMER_EXPIRED, "cookie", U64), self.cookie);
    }
}

impl Wire for NotIdle {
    #[inline]
    fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
        Self {
            cpu: from.i32(at!(CPU_NOT_IDLE, "cpu", I32)),
            next: Gtid::from_bits(from.u64(at!(CPU_NOT_IDLE, "next_gtid", U64))),
        }
    }

    fn write(&self, _: Abi, to: &mut Output) {
        to.i32(at!(CPU_NOT_IDLE, "cpu", I32), self.cpu);
        to.u64(at!(CPU_NOT_IDLE, "next_gtid", U64), self.next.bits());
    }
}

/// The payloads that are a CPU number and nothing else.
macro_rules! cpu_only {
    ($($name:ident $layout:ident),*) => {$(
        impl Wire for $name {
            #[inline]
            fn read<F: Fn(usize) -> u32>(_: Abi, from: &Fields<F>) -> Self {
                Self { cpu: from.i32(at!($layout, "cpu", I32)) }
            }

            fn write(&self, _: Abi, to: &mut Output) {
                to.i32(at!($layout, "cpu", I32), self.cpu);
            }
        }
    )*};
}

cpu_only!(Available CPU_AVAILABLE, Busy CPU_BUSY, AgentBlocked CPU_AGENT_BLOCKED, AgentWakeup CPU_AGENT_WAKEUP);

#[cfg(test)]
mod tests {
    use crate::abi::layout::{CPU_TICK_69, CPU_TICK_90};

    #[test]
    fn later_layouts_only_append() {
        assert_eq!(CPU_TICK_69.fields, &CPU_TICK_90.fields[..1]);
    }
}
