//! How a transaction can end, and which check of the kernel ends it so.
//!
//! The kernel checks in a fixed order and the first check that fails decides ([`Abi::commit_checks`]). What of it is data
//! here follows the kernels of ABI 69, 83 and 91; the order of exactly 84 could not be read.

use core::fmt;

use super::Abi;

/// `state` of a submitted transaction (`GHOST_TXN_READY`).
pub const READY: i32 = i32::MAX;

/// The final state of a transaction: what became of it. All are negative numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(i32)]
pub enum Outcome {
    /// Committed: the thread is latched and will run as soon as nothing more important wants the CPU.
    Complete = i32::MIN,
    /// The agent took it back before the kernel claimed it. Only agents write this.
    Aborted = i32::MIN + 1,
    /// The thread is still on a CPU. Normal right after its PREEMPT, YIELD or BLOCKED message: try again.
    TargetOnCpu = i32::MIN + 2,
    /// The thread's barrier has moved: drain the queue and decide again.
    TargetStale = i32::MIN + 3,
    /// No such thread: its DEAD message is on its way.
    TargetNotFound = i32::MIN + 4,
    /// The thread is blocked: its BLOCKED message is on its way.
    TargetNotRunnable = i32::MIN + 5,
    /// The agent's barrier has moved: read it again, drain the queue and decide again.
    AgentStale = i32::MIN + 6,
    /// The CPU is offline.
    CpuOffline = i32::MIN + 7,
    /// A thread of a higher class runs there: put the thread back in the run queue.
    CpuUnavailable = i32::MIN + 8,
    /// Flags the kernel does not know, or that exclude each other: a mistake of the agent.
    InvalidFlags = i32::MIN + 9,
    /// The thread is an agent, is not in ghOSt, or the gtid is nonsense: a mistake of the agent.
    InvalidTarget = i32::MIN + 10,
    /// The caller may not commit there, or the thread is of another enclave.
    NotPermitted = i32::MIN + 11,
    /// The transaction names another CPU than that of its page.
    InvalidCpu = i32::MIN + 12,
    /// The CPU has no agent, or its agent died or came while the transaction waited.
    NoAgent = i32::MIN + 13,
    /// The transaction's version is not 0.
    UnsupportedVersion = i32::MIN + 14,
    /// Another transaction of its group failed: submit it again.
    Poisoned = i32::MIN + 15,
}

impl Outcome {
    /// All outcomes, by number.
    pub const ALL: [Self; 16] = [
        Self::Complete,
        Self::Aborted,
        Self::TargetOnCpu,
        Self::TargetStale,
        Self::TargetNotFound,
        Self::TargetNotRunnable,
        Self::AgentStale,
        Self::CpuOffline,
        Self::CpuUnavailable,
        Self::InvalidFlags,
        Self::InvalidTarget,
        Self::NotPermitted,
        Self::InvalidCpu,
        Self::NoAgent,
        Self::UnsupportedVersion,
        Self::Poisoned,
    ];

    /// Its number in a transaction's `state`; negative.
    #[inline]
    pub const fn number(self) -> i32 {
        self as i32
    }

    /// The outcome of this number.
    #[inline]
    pub const fn from_number(number: i32) -> Option<Self> {
        let index = number.wrapping_sub(i32::MIN) as u32 as usize;
        if index < Self::ALL.len() {
            Some(Self::ALL[index])
        } else {
            None
        }
    }

    /// The kernel's name without `GHOST_TXN_`, such as `TARGET_STALE`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Complete => "COMPLETE",
            Self::Aborted => "ABORTED",
            Self::TargetOnCpu => "TARGET_ONCPU",
            Self::TargetStale => "TARGET_STALE",
            Self::TargetNotFound => "TARGET_NOT_FOUND",
            Self::TargetNotRunnable => "TARGET_NOT_RUNNABLE",
            Self::AgentStale => "AGENT_STALE",
            Self::CpuOffline => "CPU_OFFLINE",
            Self::CpuUnavailable => "CPU_UNAVAIL",
            Self::InvalidFlags => "INVALID_FLAGS",
            Self::InvalidTarget => "INVALID_TARGET",
            Self::NotPermitted => "NOT_PERMITTED",
            Self::InvalidCpu => "INVALID_CPU",
            Self::NoAgent => "NO_AGENT",
            Self::UnsupportedVersion => "UNSUPPORTED_VERSION",
            Self::Poisoned => "POISONED",
        }
    }

    /// What an agent does about it.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Complete | Self::Aborted => Remedy::None,
            Self::TargetStale | Self::TargetNotFound | Self::TargetNotRunnable => Remedy::Drain,
            Self::AgentStale => Remedy::DrainFromBarrier,
            Self::TargetOnCpu | Self::CpuUnavailable | Self::Poisoned => Remedy::Retry,
            Self::CpuOffline | Self::NoAgent => Remedy::LeaveCpu,
            Self::InvalidFlags
            | Self::InvalidTarget
            | Self::NotPermitted
            | Self::InvalidCpu
            | Self::UnsupportedVersion => Remedy::Mistake,
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What an agent does about a transaction that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// Nothing.
    None,
    /// The same decision may succeed later: put the thread back in the run queue.
    Retry,
    /// Drain the queue: a message that explains it is there or on its way; then decide again.
    Drain,
    /// Read the own barrier again, drain the queue, decide again; never just submit again.
    DrainFromBarrier,
    /// The CPU is going away: give its threads to others.
    LeaveCpu,
    /// The agent asked for something that can never succeed.
    Mistake,
}

/// What the kernel checks when it commits a transaction. [`Abi::commit_checks`] has their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CommitCheck {
    /// The page exists and its `state` is the committing CPU.
    Page,
    /// `version` is 0.
    Version,
    /// `cpu` is the CPU of the page.
    Cpu,
    /// Run flags are known and fit the gtid.
    RunFlags,
    /// Commit flags are known and do not exclude each other.
    CommitFlags,
    /// The CPU is online.
    Online,
    /// There is a thread with the gtid.
    Exists,
    /// The thread is no agent.
    NotAnAgent,
    /// The thread's lock could be taken at once.
    LockFree,
    /// The committing CPU is in an enclave.
    CommitterInEnclave,
    /// The thread did not leave with its DEPARTED message still unacknowledged.
    NotInhibited,
    /// The thread's policy is `SCHED_GHOST`.
    Policy,
    /// The thread is not dead.
    Alive,
    /// `task_barrier` is the thread's barrier.
    TaskBarrier,
    /// The thread is runnable.
    Runnable,
    /// The thread is of this enclave.
    SameEnclave,
    /// The thread is on no CPU, or `ALLOW_TASK_ONCPU` and on this one.
    OffCpu,
    /// With `ALLOW_TASK_ONCPU`: the thread was not told to leave the CPU.
    NotLeaving,
    /// A negative gtid is one of the special ones.
    SpecialGtid,
    /// With the idle gtid: the CPU is not idle already, or `ALLOW_TASK_ONCPU`.
    NotIdle,
    /// The CPU has an agent.
    Agent,
    /// The CPU is in an enclave.
    CpuInEnclave,
    /// An inline commit is made by an agent, or is a ping of the same process.
    Committer,
    /// With `DO_NOT_PREEMPT`: nothing would be displaced.
    NothingDisplaced,
    /// No thread of a higher class runs on the CPU.
    CpuFree,
    /// In an agent's commit on its own CPU: `agent_barrier` is the agent's barrier.
    AgentBarrier,
}

use CommitCheck as C;

const CHECKS_69: &[(CommitCheck, Outcome)] = &[
    (C::Page, Outcome::InvalidCpu),
    (C::Version, Outcome::UnsupportedVersion),
    (C::Cpu, Outcome::InvalidCpu),
    (C::RunFlags, Outcome::InvalidFlags),
    (C::CommitFlags, Outcome::InvalidFlags),
    (C::Online, Outcome::CpuOffline),
    (C::Exists, Outcome::TargetNotFound),
    (C::NotAnAgent, Outcome::InvalidTarget),
    (C::NotInhibited, Outcome::TargetStale),
    (C::Policy, Outcome::InvalidTarget),
    (C::Alive, Outcome::TargetStale),
    (C::TaskBarrier, Outcome::TargetStale),
    (C::Runnable, Outcome::TargetNotRunnable),
    (C::OffCpu, Outcome::TargetOnCpu),
    (C::NotLeaving, Outcome::TargetStale),
    (C::SpecialGtid, Outcome::InvalidTarget),
    (C::NotIdle, Outcome::TargetOnCpu),
    (C::Agent, Outcome::NoAgent),
    (C::CpuInEnclave, Outcome::CpuUnavailable),
    (C::Committer, Outcome::NotPermitted),
    (C::NothingDisplaced, Outcome::AgentStale),
    (C::CpuFree, Outcome::CpuUnavailable),
    (C::AgentBarrier, Outcome::AgentStale),
];

const CHECKS_84: &[(CommitCheck, Outcome)] = &[
    (C::Page, Outcome::InvalidCpu),
    (C::Version, Outcome::UnsupportedVersion),
    (C::Cpu, Outcome::InvalidCpu),
    (C::RunFlags, Outcome::InvalidFlags),
    (C::CommitFlags, Outcome::InvalidFlags),
    (C::Online, Outcome::CpuOffline),
    (C::Exists, Outcome::TargetNotFound),
    (C::NotAnAgent, Outcome::InvalidTarget),
    (C::CommitterInEnclave, Outcome::InvalidTarget),
    (C::NotInhibited, Outcome::TargetStale),
    (C::Policy, Outcome::TargetStale),
    (C::Alive, Outcome::TargetStale),
    (C::TaskBarrier, Outcome::TargetStale),
    (C::Runnable, Outcome::TargetNotRunnable),
    (C::SameEnclave, Outcome::NotPermitted),
    (C::OffCpu, Outcome::TargetOnCpu),
    (C::NotLeaving, Outcome::TargetStale),
    (C::SpecialGtid, Outcome::InvalidTarget),
    (C::NotIdle, Outcome::TargetOnCpu),
    (C::Agent, Outcome::NoAgent),
    (C::Committer, Outcome::NotPermitted),
    (C::NothingDisplaced, Outcome::AgentStale),
    (C::CpuFree, Outcome::CpuUnavailable),
    (C::AgentBarrier, Outcome::AgentStale),
];

const CHECKS_90: &[(CommitCheck, Outcome)] = &[
    (C::Page, Outcome::InvalidCpu),
    (C::Version, Outcome::UnsupportedVersion),
    (C::Cpu, Outcome::InvalidCpu),
    (C::RunFlags, Outcome::InvalidFlags),
    (C::CommitFlags, Outcome::InvalidFlags),
    (C::Online, Outcome::CpuOffline),
    (C::Exists, Outcome::TargetNotFound),
    (C::NotAnAgent, Outcome::InvalidTarget),
    (C::LockFree, Outcome::TargetStale),
    (C::CommitterInEnclave, Outcome::InvalidTarget),
    (C::NotInhibited, Outcome::TargetStale),
    (C::Policy, Outcome::TargetStale),
    (C::Alive, Outcome::TargetStale),
    (C::TaskBarrier, Outcome::TargetStale),
    (C::Runnable, Outcome::TargetNotRunnable),
    (C::SameEnclave, Outcome::NotPermitted),
    (C::OffCpu, Outcome::TargetOnCpu),
    (C::NotLeaving, Outcome::TargetStale),
    (C::SpecialGtid, Outcome::InvalidTarget),
    (C::NotIdle, Outcome::TargetOnCpu),
    (C::Agent, Outcome::NoAgent),
    (C::Committer, Outcome::NotPermitted),
    (C::NothingDisplaced, Outcome::AgentStale),
    (C::CpuFree, Outcome::CpuUnavailable),
    (C::AgentBarrier, Outcome::AgentStale),
];

/// Why the BPF helper `run_gtid` refuses. [`Abi::run_gtid_errno`] has the error of each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RunGtidFailure {
    /// A run flag that is not allowed here.
    BadFlags,
    /// The CPU is too large or offline.
    BadCpu,
    /// No such thread, or an agent.
    NotFound,
    /// The thread left and its DEPARTED message is not acknowledged.
    Inhibited,
    /// The thread's policy is not `SCHED_GHOST`.
    Policy,
    /// The thread is dead or its barrier has moved.
    Stale,
    /// The thread is blocked.
    NotRunnable,
    /// The CPU is in no enclave.
    NoEnclave,
    /// The thread is of another enclave.
    OtherEnclave,
    /// The thread runs already.
    Running,
    /// The CPU has no agent.
    NoAgent,
    /// With `DO_NOT_PREEMPT`: the CPU is taken.
    WouldPreempt,
    /// A higher class runs, and this is not BPF-PNT.
    CpuUnavailable,
    /// The program does not run on behalf of an enclave.
    NoContext,
}

/// Error numbers of the helpers, positive, as Linux on x86-64 has them.
mod errno {
    pub const ENOENT: i32 = 2;
    pub const EPERM: i32 = 1;
    pub const EBUSY: i32 = 16;
    pub const EXDEV: i32 = 18;
    pub const ENODEV: i32 = 19;
    pub const EINVAL: i32 = 22;
    pub const ENOSPC: i32 = 28;
    pub const ERANGE: i32 = 34;
    pub const ESTALE: i32 = 116;
}

impl Abi {
    /// What the kernel checks when it commits a transaction, in order, and how the first failing check ends it.
    pub const fn commit_checks(self) -> &'static [(CommitCheck, Outcome)] {
        match self {
            Self::V69 => CHECKS_69,
            Self::V84 => CHECKS_84,
            Self::V90 | Self::V91 => CHECKS_90,
        }
    }

    /// How a failing check ends a transaction; `None` if this ABI does not check it.
    pub fn commit_failure(self, check: CommitCheck) -> Option<Outcome> {
        self.commit_checks()
            .iter()
            .find_map(|&(checked, outcome)| (checked == check).then_some(outcome))
    }

    /// The positive error number by which `run_gtid` refuses; `None` if it does not refuse that in this ABI.
    pub const fn run_gtid_errno(self, failure: RunGtidFailure) -> Option<i32> {
        use RunGtidFailure as F;
        let is_69 = matches!(self, Self::V69);
        Some(match failure {
            F::BadFlags | F::NotRunnable | F::NoAgent => errno::EINVAL,
            F::BadCpu => errno::ERANGE,
            F::NotFound => errno::ENOENT,
            F::Inhibited | F::Policy if is_69 => errno::EINVAL,
            F::Inhibited | F::Policy | F::Stale | F::WouldPreempt => errno::ESTALE,
            F::NoEnclave | F::OtherEnclave if is_69 => return None,
            F::NoEnclave => errno::EXDEV,
            F::OtherEnclave => errno::EPERM,
            F::Running => errno::EBUSY,
            F::CpuUnavailable if is_69 => errno::ENOSPC,
            F::CpuUnavailable => return None,
            F::NoContext => errno::ENODEV,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_outcomes_are_the_same() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_number(outcome.number()), Some(outcome));
            assert!(outcome.number() < 0);
        }
        for number in [READY, 0, 17, -1, i32::MIN + 16] {
            assert_eq!(Outcome::from_number(number), None);
        }
        assert_eq!(Outcome::Poisoned.number(), -2147483633);
    }

    #[test]
    fn a_thread_of_another_policy_is_invalid_in_69_and_stale_since() {
        assert_eq!(
            Abi::V69.commit_failure(CommitCheck::Policy),
            Some(Outcome::InvalidTarget)
        );
        assert_eq!(Abi::V91.commit_failure(CommitCheck::Policy), Some(Outcome::TargetStale));
        assert_eq!(Abi::V69.commit_failure(CommitCheck::SameEnclave), None);
        assert_eq!(
            Abi::V91.commit_failure(CommitCheck::SameEnclave),
            Some(Outcome::NotPermitted)
        );
    }

    #[test]
    fn each_check_is_made_once() {
        for abi in Abi::ALL {
            let checks = abi.commit_checks();
            for (index, (check, _)) in checks.iter().enumerate() {
                assert!(checks[index + 1..].iter().all(|(other, _)| other != check), "{check:?}");
            }
        }
    }

    #[test]
    fn run_gtid_refuses_with_other_errors_in_69() {
        assert_eq!(Abi::V69.run_gtid_errno(RunGtidFailure::Policy), Some(22));
        assert_eq!(Abi::V84.run_gtid_errno(RunGtidFailure::Policy), Some(116));
        assert_eq!(Abi::V69.run_gtid_errno(RunGtidFailure::OtherEnclave), None);
        assert_eq!(Abi::V90.run_gtid_errno(RunGtidFailure::OtherEnclave), Some(1));
    }
}
