//! Flags of status words and transactions. Bits that are not known here are kept.

use bitflags::bitflags;

bitflags! {
    /// `flags` of a status word (`GHOST_SW_*`). The kernel writes them, the agent reads them. The same in every ABI.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StatusFlags: u32 {
        /// The contents are valid: stored after barrier, gtid and runtime.
        const IN_USE = 0x1;
        /// The agent may free the word: set before the thread's DEAD or DEPARTED message becomes visible.
        const CAN_FREE = 0x2;
        /// The word is taken.
        const ALLOCATED = 0x4;
        /// In an agent's word: its CPU is available to ghOSt threads.
        const CPU_AVAILABLE = 0x100;
        /// In an agent's word: a higher class wants the CPU, so the agent should finish and block soon. One that goes on
        /// committing livelocks the machine: each thread it latches comes back as PREEMPT.
        const BOOST_PRIORITY = 0x200;
        /// The thread is on a CPU. Cleared after the message that says why it left.
        const ON_CPU = 0x1_0000;
        /// The thread is runnable.
        const RUNNABLE = 0x2_0000;
        /// The word is an agent's.
        const IS_AGENT = 0x4_0000;
        /// With `CAN_FREE` after DEPARTED: messages of the thread are held back until the word is freed.
        const MESSAGES_GATED = 0x8_0000;
        const _ = !0;
    }

    /// `run_flags` of a transaction, and of the BPF helper `run_gtid`. The kernel refuses bits it does not know.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct RunFlags: u16 {
        /// Make the local agent runnable when the thread is preempted (`RTLA_ON_PREEMPT`).
        const AGENT_ON_PREEMPT = 0x1;
        /// Make the local agent runnable when the thread blocks (`RTLA_ON_BLOCKED`).
        const AGENT_ON_BLOCKED = 0x2;
        /// Make the local agent runnable when the thread yields (`RTLA_ON_YIELD`).
        const AGENT_ON_YIELD = 0x4;
        /// Make the local agent runnable when ghOSt would pick nothing (`RTLA_ON_IDLE`). Not with the agent or idle gtid.
        const AGENT_ON_IDLE = 0x20;
        /// Has no effect in public kernels.
        const NEED_L1D_FLUSH = 0x40;
        /// With the idle gtid only: send `CPU_NOT_IDLE` when another class takes the CPU.
        const NEED_CPU_NOT_IDLE = 0x80;
        /// Send no PREEMPT for the thread that this commit pushes out.
        const ELIDE_PREEMPT = 0x200;
        /// Send message 73 when the thread really gets on a CPU (`SEND_TASK_LATCHED` in ABI 69).
        const SEND_TASK_ON_CPU = 0x400;
        /// An agent that gets to run does not push out the latched thread at once; the next tick does.
        const DEFER_LATCHED_PREEMPTION_BY_AGENT = 0x800;
        /// Fail rather than displace another ghOSt thread.
        const DO_NOT_PREEMPT = 0x1000;
        const _ = !0;
    }

    /// `commit_flags` of a transaction: where it is committed, and what happens to barriers.
    ///
    /// With neither `AT_SCHEDULE` nor `AT_TXN_COMMIT` it is *greedy*: committed on the target CPU itself, or there after an
    /// inter-processor interrupt. Both together are refused.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CommitFlags: u8 {
        /// Only when the target CPU calls its scheduler and nothing is latched there.
        const AT_SCHEDULE = 0x1;
        /// In the commit call itself, for any CPU.
        const AT_TXN_COMMIT = 0x2;
        /// A thread that already runs on this very CPU is no error: only its run flags are replaced.
        const ALLOW_TASK_ON_CPU = 0x4;
        /// A successful commit does not move the barrier of the target CPU's agent.
        const ELIDE_AGENT_BARRIER_INC = 0x8;
        /// A failed commit moves the barrier of the target CPU's agent, so that it looks again. Excludes
        /// `ELIDE_AGENT_BARRIER_INC`. Only for CPUs known to have an agent: from reading, kernels crash otherwise.
        const INC_AGENT_BARRIER_ON_FAILURE = 0x10;
        const _ = !0;
    }
}

impl RunFlags {
    /// All that transactions of any ABI may use.
    pub const KNOWN: Self = Self::from_bits_retain(0x1ee7);
    /// What the BPF helper `run_gtid` accepts.
    pub const RUN_GTID: Self = Self::from_bits_retain(0x1647);
}

impl CommitFlags {
    /// All that kernels know.
    pub const KNOWN: Self = Self::from_bits_retain(0x1f);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_flags_are_the_named_ones() {
        let named = |bits: u32, known: &mut dyn FnMut(u32)| {
            (0..32)
                .filter(|bit| bits & 1 << bit != 0)
                .for_each(|bit| known(1 << bit))
        };
        let mut run = 0;
        for (name, flag) in RunFlags::all().iter_names() {
            run |= flag.bits();
            assert!(!name.is_empty());
        }
        assert_eq!(run, RunFlags::KNOWN.bits());
        let mut commit = 0;
        named(u32::from(CommitFlags::KNOWN.bits()), &mut |bit| commit |= bit);
        assert_eq!(commit, 0x1f);
        assert!(RunFlags::KNOWN.contains(RunFlags::RUN_GTID));
    }

    #[test]
    fn unknown_bits_are_kept() {
        assert_eq!(StatusFlags::from_bits_truncate(0x8000_0001).bits(), 0x8000_0001);
    }
}
