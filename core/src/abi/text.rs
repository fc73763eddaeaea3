//! The texts of ghostfs, `/sys/fs/ghost`: what an agent writes to its files and reads from them.
//!
//! Each value here is displayed into the one `write` the kernel wants (one command a `write`).

use core::fmt;
use core::num::ParseIntError;

use super::Abi;
use crate::gtid::Gtid;

/// A line to write, for those who cannot allocate: `write!` any of these values into it, none is longer.
///
/// ```
/// use core::fmt::Write;
/// use ghostsched_core::abi::Abi;
/// use ghostsched_core::abi::text::{BecomeAgent, Line};
///
/// let mut line = Line::new();
/// write!(line, "{}", BecomeAgent { abi: Abi::V91, cpu: 3, queue: Some(10) })?;
/// assert_eq!(line.as_bytes(), b"become agent 3 10");
/// # Ok::<(), core::fmt::Error>(())
/// ```
pub type Line = heapless::String<64>;

/// Where ghostfs is mounted.
pub const MOUNT_POINT: &str = "/sys/fs/ghost";

/// What `ctl` in the top directory is told to make an enclave: `create <id> <abi>`.
///
/// Errors of the write: `EINVAL` syntax, `ESRCH` the kernel lacks the ABI, `EEXIST` the id is taken, `ENOMEM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CreateEnclave {
    /// The version of the enclave, from [`Abi::negotiate`].
    pub abi: Abi,
    /// The enclave's number; its folder is `enclave_<id>`.
    pub id: u64,
    /// The group that owns its files, if not root's.
    pub group: Option<u32>,
}

impl fmt::Display for CreateEnclave {
    /// ABI 69 takes the group as a bare number, later ones as `gid=`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "create {} {}", self.id, self.abi)?;
        match (self.group, self.abi) {
            (None, _) => Ok(()),
            (Some(group), Abi::V69) => write!(f, " {group}"),
            (Some(group), _) => write!(f, " gid={group}"),
        }
    }
}

/// What the enclave's `ctl` is told to make the caller the agent of a CPU.
///
/// ABI 69: `become agent <queue>`, and the caller has pinned itself ([`Abi::agent_pins_itself`]); since 74
/// `become agent <cpu> <queue>`. The kernel of 69 reads only the first number: the newer form sent to it would take the CPU
/// for a queue, without an error. Errors: `ENXIO` no default queue, `EBADF` no queue, `EBUSY` the CPU has an agent,
/// `ENODEV` the CPU is not in the enclave, `EPERM` without CAP_SYS_NICE, `ENOMEM` no status word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BecomeAgent {
    /// The enclave's version.
    pub abi: Abi,
    /// The CPU.
    pub cpu: u32,
    /// The file of the queue for the CPU's messages; `None` for the default queue.
    pub queue: Option<u32>,
}

impl fmt::Display for BecomeAgent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("become agent ")?;
        if !self.abi.agent_pins_itself() {
            write!(f, "{} ", self.cpu)?;
        }
        match self.queue {
            Some(queue) => write!(f, "{queue}"),
            None => f.write_str("-1"),
        }
    }
}

/// What the enclave's `ctl` is told besides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Removes the enclave; its threads go to `SCHED_NORMAL`. Returns at once, the work is done later.
    Destroy,
    /// Makes a region of status words. `EEXIST` the id is taken, `ENODEV` no such node.
    CreateStatusWordRegion {
        /// The region's number, chosen by the caller.
        id: u32,
        /// The NUMA node of its memory.
        node: u32,
    },
    /// From now on this process may not load BPF programs.
    DisableBpfProgLoad,
    /// A TASK_NEW for each thread of the enclave; wakes no agent.
    DiscoverTasks,
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Destroy => f.write_str("destroy"),
            Self::CreateStatusWordRegion { id, node } => write!(f, "create sw_region {id} {node}"),
            Self::DisableBpfProgLoad => f.write_str("disable my bpf_prog_load"),
            Self::DiscoverTasks => f.write_str("discover tasks"),
        }
    }
}

/// A thread, as it is written to the file `tasks` to bring it into the enclave.
///
/// Errors: `ESRCH` no such thread, `EPERM` it is in ghOSt already (in ABI 69 even in the same enclave), `EXDEV` the enclave
/// is dying, `ENOMEM` no status word is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Join {
    /// The caller.
    Myself,
    /// A thread by its tid.
    Tid(u32),
    /// A thread by its gtid, which cannot be given to another meanwhile. Since ABI 70.
    Gtid(Gtid),
}

/// ABI 69 takes no gtids in `tasks`: write the tid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoGtids;

impl fmt::Display for NoGtids {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ghOSt ABI 69 takes no gtid in `tasks`: write the tid")
    }
}

impl core::error::Error for NoGtids {}

impl Join {
    /// The number to write, in decimal.
    pub const fn number(self, abi: Abi) -> Result<i64, NoGtids> {
        match self {
            Self::Myself => Ok(0),
            Self::Tid(tid) => Ok(tid as i64),
            Self::Gtid(gtid) if abi.tasks_file_takes_gtids() => Ok(gtid.raw()),
            Self::Gtid(_) => Err(NoGtids),
        }
    }
}

/// The tids that the file `tasks` lists, one a line, in every ABI. The kernel may cut a long list short.
pub fn tasks(text: &str) -> impl Iterator<Item = Result<u32, ParseIntError>> {
    text.lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.trim().parse())
}

/// What the enclave's file `status` says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// `version`: the enclave's ABI, known to this library or not.
    pub version: Option<u32>,
    /// `active`: whether an agent process has declared itself ready, the file `agent_online`.
    pub active: Option<bool>,
    /// `nr_tasks`: how many threads are in it.
    pub tasks: Option<u64>,
    /// `ephemeral`: whether it ends with the process that made it. Not all ABIs have this line.
    pub ephemeral: Option<bool>,
}

impl Status {
    /// Reads `status`; lines that are not understood are left out, so that newer kernels can be read.
    pub fn parse(text: &str) -> Self {
        let mut status = Self::default();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let (Some(name), Some(value)) = (words.next(), words.next()) else {
                continue;
            };
            let claim = match value {
                "yes" | "1" => Some(true),
                "no" | "0" => Some(false),
                _ => None,
            };
            match name {
                "version" => status.version = value.parse().ok(),
                "active" => status.active = claim,
                "nr_tasks" => status.tasks = value.parse().ok(),
                "ephemeral" => status.ephemeral = claim,
                _ => {}
            }
        }
        status
    }
}

/// A switch or number in an enclave's folder. All are 0 in a new enclave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tunable {
    /// 1: each tick commits the greedy transactions of the whole enclave.
    CommitAtTick,
    /// 1: sends `CPU_TICK`.
    DeliverTicks,
    /// 1: sends `CPU_AVAILABLE` and `CPU_BUSY`. Since ABI 71.
    DeliverCpuAvailability,
    /// 1: sends `CPU_AGENT_BLOCKED` and `CPU_AGENT_WAKEUP`. Since ABI 72.
    DeliverAgentRunnability,
    /// 1: agents may open files of the enclave.
    LiveDangerously,
    /// Milliseconds a runnable thread may wait before the kernel destroys the enclave; 0 is for ever.
    RunnableTimeout,
    /// Without effect in public kernels.
    SwitchtoDisabled,
    /// 1: a thread wakes up on the run queue of the CPU that woke it.
    WakeOnWakerCpu,
}

impl Tunable {
    /// The name of its file.
    pub const fn file(self) -> &'static str {
        match self {
            Self::CommitAtTick => "commit_at_tick",
            Self::DeliverTicks => "deliver_ticks",
            Self::DeliverCpuAvailability => "deliver_cpu_availability",
            Self::DeliverAgentRunnability => "deliver_agent_runnability",
            Self::LiveDangerously => "live_dangerously",
            Self::RunnableTimeout => "runnable_timeout",
            Self::SwitchtoDisabled => "switchto_disabled",
            Self::WakeOnWakerCpu => "wake_on_waker_cpu",
        }
    }

    /// Whether enclaves of this ABI have it.
    pub const fn is_in(self, abi: Abi) -> bool {
        match self {
            Self::DeliverCpuAvailability | Self::DeliverAgentRunnability => !matches!(abi, Abi::V69),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    #[test]
    fn an_agent_of_69_names_no_cpu() {
        let become_agent = |abi, queue| BecomeAgent { abi, cpu: 3, queue }.to_string();
        assert_eq!(become_agent(Abi::V69, Some(10)), "become agent 10");
        assert_eq!(become_agent(Abi::V84, Some(10)), "become agent 3 10");
        assert_eq!(become_agent(Abi::V91, None), "become agent 3 -1");
    }

    #[test]
    fn an_enclave_is_created_with_its_abi() {
        let create = |abi, group| CreateEnclave { abi, id: 7, group }.to_string();
        assert_eq!(create(Abi::V69, None), "create 7 69");
        assert_eq!(create(Abi::V69, Some(100)), "create 7 69 100");
        assert_eq!(create(Abi::V90, Some(100)), "create 7 90 gid=100");
        let region = Command::CreateStatusWordRegion { id: 0, node: 1 };
        assert_eq!(region.to_string(), "create sw_region 0 1");
    }

    #[test]
    fn the_longest_text_fits_a_line() {
        use core::fmt::Write;
        let fits = |text: &dyn fmt::Display| write!(Line::new(), "{text}").is_ok();
        let (abi, id, group) = (Abi::V91, u64::MAX, Some(u32::MAX));
        assert!(fits(&CreateEnclave { abi, id, group }));
        let (cpu, queue) = (u32::MAX, Some(u32::MAX));
        assert!(fits(&BecomeAgent { abi, cpu, queue }));
        let (id, node) = (u32::MAX, u32::MAX);
        assert!(fits(&Command::CreateStatusWordRegion { id, node }));
        assert!(fits(&i64::MIN) && fits(&Command::DisableBpfProgLoad));
    }

    #[test]
    fn gtids_join_since_abi_70() {
        let gtid = Gtid::from_raw(1 << 45);
        assert_eq!(Join::Gtid(gtid).number(Abi::V69), Err(NoGtids));
        assert_eq!(Join::Gtid(gtid).number(Abi::V84), Ok(1 << 45));
        assert_eq!(Join::Myself.number(Abi::V69), Ok(0));
    }

    #[test]
    fn the_files_of_an_enclave_are_read() {
        assert_eq!(tasks("12\n13\n").collect::<Result<Vec<_>, _>>(), Ok([12, 13].into()));
        assert!(tasks("12\nx\n").any(|tid| tid.is_err()));
        let status = Status::parse("version 91\nactive yes\nnr_tasks 5\nephemeral 0\nfuture thing\n\n");
        assert_eq!(status.version, Some(91));
        assert_eq!(
            (status.active, status.tasks, status.ephemeral),
            (Some(true), Some(5), Some(false))
        );
        assert_eq!(Status::parse("active perhaps\nversion\n"), Status::default());
    }
}
