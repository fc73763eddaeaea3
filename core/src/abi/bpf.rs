//! The numbers of ghOSt's BPF hooks. They are far from those of mainline kernels, and libbpf does not know them.
//!
//! A program is loaded with `expected_attach_type` = ABI << 16 | attach type; the kernel looks the ABI up when the verifier
//! meets the first access to the context. It is attached by `BPF_LINK_CREATE` with the enclave's `ctl` file as target and
//! the same 32 bits as attach type. One program a hook and enclave.

use super::Abi;
use super::layout::{Layout, Structure};

/// Where a BPF program of the agent runs in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hook {
    /// BPF-PNT: in `pick_next_task` of an enclave's CPU, after the higher classes had nothing.
    PickNextTask,
    /// BPF-MSG: just before a message is queued. Returns 0 to send it; anything else keeps it back, the barrier having moved.
    MessageSend,
    /// Since ABI 83: chooses the CPU of a waking thread. Returns a CPU, or a negative number for the kernel's choice.
    SelectRq,
    /// Since ABI 84: whether an idle CPU goes on polling. Its call sites are not public.
    HaltPoll,
}

/// A helper function that BPF programs of ghOSt call by number. All are for GPL-compatible programs only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Helper {
    /// `long wake_agent(u32 cpu)`
    WakeAgent,
    /// `long run_gtid(s64 gtid, u32 task_barrier, s32 run_flags)`: latches a thread on this CPU. In BPF-PNT only.
    RunGtid,
    /// `long resched_cpu(u32 cpu, u64 cpu_seqnum)`: ABI 65 to 78.
    ReschedCpu,
    /// `long resched_cpu2(u32 cpu, u32 flags)`: since ABI 79.
    ReschedCpu2,
    /// `long sync_commit(struct bpf_dynptr *args)`: since ABI 87; the public kernel has a placeholder.
    SyncCommit,
    /// `long get_affinity(s64 gtid, u8 *mask, u32 size)`: ABI 91.
    GetAffinity,
    /// `long get_comm(s64 gtid, char *buf, u32 size)`: ABI 91.
    GetComm,
}

/// In a BPF-MSG context, `pref_cpu`: no preference whose agent is woken.
pub const NO_WAKEUP_PREFERENCE: i32 = -1;
/// In a BPF-MSG context, `pref_cpu`: wake no agent. Since ABI 86.
pub const SKIP_AGENT_WAKE: i32 = -2;
/// The most CPUs of a `sync_commit` (`BPF_SYNC_COMMIT_MAX_CPUS`).
pub const SYNC_COMMIT_MAX_CPUS: usize = 2;

bitflags::bitflags! {
    /// What [`Helper::ReschedCpu2`] may do; at least one of the classes. Values of 64 and up are refused.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct ReschedFlags: u32 {
        /// Whatever runs there.
        const ANY_CLASS = 0x1;
        /// A ghOSt thread that runs there.
        const GHOST_CLASS = 0x2;
        /// The idle thread.
        const IDLE_CLASS = 0x4;
        /// A thread of another class.
        const OTHER_CLASS = 0x8;
        /// Forces the ghOSt thread off its CPU.
        const SET_MUST_RESCHED = 0x10;
        /// Wakes the CPU's agent too.
        const WAKE_AGENT = 0x20;
        /// Bits of newer kernels are kept.
        const _ = !0;
    }
}

impl Hook {
    /// All hooks.
    pub const ALL: [Self; 4] = [Self::PickNextTask, Self::MessageSend, Self::SelectRq, Self::HaltPoll];

    /// The type of its programs (`BPF_PROG_TYPE_GHOST_*`).
    pub const fn program_type(self) -> u32 {
        match self {
            Self::PickNextTask => 1000,
            Self::MessageSend => 1001,
            Self::SelectRq => 1002,
            Self::HaltPoll => 1003,
        }
    }

    /// Its attach type without the ABI.
    pub const fn attach_type(self) -> u32 {
        self.program_type() + 1000
    }

    /// What its programs are given.
    pub const fn context(self) -> Structure {
        match self {
            Self::PickNextTask => Structure::BpfPickNextTask,
            Self::MessageSend => Structure::BpfMessage,
            Self::SelectRq => Structure::BpfSelectRq,
            Self::HaltPoll => Structure::BpfHaltPoll,
        }
    }
}

impl Helper {
    /// All helpers.
    pub const ALL: [Self; 7] = [
        Self::WakeAgent,
        Self::RunGtid,
        Self::ReschedCpu,
        Self::ReschedCpu2,
        Self::SyncCommit,
        Self::GetAffinity,
        Self::GetComm,
    ];

    /// Its number.
    pub const fn number(self) -> u32 {
        3000 + self as u32
    }
}

impl Abi {
    /// Whether kernels with this ABI have the hook.
    pub const fn has_hook(self, hook: Hook) -> bool {
        self.layout(hook.context()).is_some()
    }

    /// What a program of this hook is given in this ABI.
    pub const fn hook_context(self, hook: Hook) -> Option<&'static Layout> {
        self.layout(hook.context())
    }

    /// `expected_attach_type` to load a program with, and `attach_type` to attach it by; `None` without the hook.
    pub const fn expected_attach_type(self, hook: Hook) -> Option<u32> {
        if self.has_hook(hook) {
            Some(self.version() << 16 | hook.attach_type())
        } else {
            None
        }
    }

    /// The number by which programs call a helper; `None` if this ABI does not have it.
    pub const fn helper(self, helper: Helper) -> Option<u32> {
        let has = match helper {
            Helper::WakeAgent | Helper::RunGtid => true,
            Helper::ReschedCpu => matches!(self, Self::V69),
            Helper::ReschedCpu2 => !matches!(self, Self::V69),
            Helper::SyncCommit => matches!(self, Self::V90 | Self::V91),
            Helper::GetAffinity | Helper::GetComm => matches!(self, Self::V91),
        };
        if has { Some(helper.number()) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_attach_type_carries_the_abi() {
        assert_eq!(Abi::V69.expected_attach_type(Hook::PickNextTask), Some(0x45_07d0));
        assert_eq!(Abi::V91.expected_attach_type(Hook::HaltPoll), Some(0x5b_07d3));
        assert_eq!(Abi::V69.expected_attach_type(Hook::SelectRq), None);
    }

    #[test]
    fn helpers_come_and_go() {
        assert_eq!(Abi::V69.helper(Helper::ReschedCpu), Some(3002));
        assert_eq!(Abi::V84.helper(Helper::ReschedCpu), None);
        assert_eq!(Abi::V84.helper(Helper::ReschedCpu2), Some(3003));
        assert_eq!(Abi::V90.helper(Helper::SyncCommit), Some(3004));
        assert_eq!(Abi::V90.helper(Helper::GetComm), None);
        assert_eq!(Abi::V91.helper(Helper::GetComm), Some(3006));
    }

    #[test]
    fn contexts_grew() {
        let size = |abi: Abi, hook| abi.hook_context(hook).map(|layout| layout.size);
        assert_eq!(size(Abi::V69, Hook::MessageSend), Some(48));
        assert_eq!(size(Abi::V84, Hook::MessageSend), Some(56));
        assert_eq!(size(Abi::V90, Hook::MessageSend), Some(64));
        assert_eq!(size(Abi::V69, Hook::HaltPoll), None);
    }
}
