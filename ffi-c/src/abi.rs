//! ABI versions for C, what differs between them, and what is written to the files of ghostfs.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use std::ffi::{CStr, c_char};

use ghostsched_core::abi::bpf::{Helper, Hook};
use ghostsched_core::abi::text::{BecomeAgent, Command, CreateEnclave, Join};
use ghostsched_core::abi::{Abi, MessageKind};
use ghostsched_core::gtid::Gtid;

use crate::error::{Failure, entry, gs_status, put_text, value};
use crate::handle;

pub(crate) fn abi(version: u32) -> Result<Abi, Failure> {
    Abi::from_version(version).map_err(|error| Failure::with(gs_status::GS_ERR_ABI, &error))
}

/// What differs between ABIs and concerns an agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct gs_abi_info {
    /// 69, 84, 90 or 91.
    pub version: u32,
    /// Whether an agent has to pin itself to its CPU before it becomes the CPU's agent.
    pub agent_pins_itself: bool,
    /// Whether an agent may open files of its enclave.
    pub agent_may_open_files: bool,
    /// Whether the latched thread of a CPU runs only while the CPU's agent is on the run queue.
    pub agent_must_stay_runnable: bool,
    /// Whether the file `tasks` takes gtids as well as tids.
    pub tasks_file_takes_gtids: bool,
    /// Whether writing a thread to `tasks` that is already in this enclave succeeds.
    pub joining_twice_succeeds: bool,
    /// Whether yielding by RUN is refused to threads that are no agents.
    pub only_agents_yield: bool,
    /// Whether the first TASK_NEW of a thread always has sequence number 1.
    pub first_seqnum_is_one: bool,
    /// Whether a transaction may read COMPLETE though its sync group failed.
    pub failed_sync_group_may_read_complete: bool,
}

/// What of an ABI concerns an agent. GS_ERR_ABI if the version is not known.
#[unsafe(no_mangle)]
pub extern "C" fn gs_abi_describe(version: u32, info: *mut gs_abi_info) -> gs_status {
    entry(|| {
        let info = handle::out(info)?;
        let abi = abi(version)?;
        info.write(gs_abi_info {
            version,
            agent_pins_itself: abi.agent_pins_itself(),
            agent_may_open_files: abi.agent_may_open_files(),
            agent_must_stay_runnable: abi.agent_must_stay_runnable(),
            tasks_file_takes_gtids: abi.tasks_file_takes_gtids(),
            joining_twice_succeeds: abi.joining_twice_succeeds(),
            only_agents_yield: abi.only_agents_yield(),
            first_seqnum_is_one: abi.first_seqnum_is_one(),
            failed_sync_group_may_read_complete: abi.failed_sync_group_may_read_complete(),
        });
        Ok(gs_status::GS_OK)
    })
}

/// The newest ABI that this library and a kernel speak. `text` is `len` bytes of the file `/sys/fs/ghost/version`.
/// GS_ERR_ABI if they speak none in common, GS_ERR_TEXT if it is no list of numbers.
#[unsafe(no_mangle)]
pub extern "C" fn gs_abi_negotiate(text: *const c_char, len: usize, version: *mut u32) -> gs_status {
    use ghostsched_core::abi::NegotiateError as E;
    entry(|| {
        let version = handle::out(version)?;
        let abi = Abi::negotiate_text(str_of(text, len)?).map_err(|error| {
            let status = match error {
                E::Empty | E::NoCommon { .. } => gs_status::GS_ERR_ABI,
                E::NotANumber { .. } => gs_status::GS_ERR_TEXT,
            };
            Failure::with(status, &error)
        })?;
        version.write(abi.version());
        Ok(gs_status::GS_OK)
    })
}

/// The text that a caller gives.
pub(crate) fn str_of<'a>(text: *const c_char, len: usize) -> Result<&'a str, Failure> {
    let bytes = handle::values(text.cast::<u8>(), len)?;
    str::from_utf8(bytes).map_err(|error| Failure::with(gs_status::GS_ERR_TEXT, &error))
}

/// The kernel's name of a message type in this ABI without MSG_, such as "TASK_NEW"; NULL if the ABI has no such type.
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_name(version: u32, number: u16) -> *const c_char {
    value(std::ptr::null(), || {
        let kind = abi(version)?.kind(number);
        Ok(kind.map_or(std::ptr::null(), |kind| name(kind).as_ptr()))
    })
}

/// The `length` in the header of a message of this type: header and payload in bytes. 0 if the ABI has no such type.
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_bytes(version: u32, number: u16) -> u32 {
    value(0, || {
        let abi = abi(version)?;
        let bytes = abi.kind(number).and_then(|kind| abi.message_bytes(kind));
        Ok(bytes.unwrap_or(0) as u32)
    })
}

/// `expected_attach_type` to load a program of a hook with, GS_HOOK_*, and `attach_type` to attach it by. 0 if the ABI has
/// no such hook.
#[unsafe(no_mangle)]
pub extern "C" fn gs_expected_attach_type(version: u32, hook: i32) -> u32 {
    value(0, || {
        Ok(abi(version)?.expected_attach_type(hook_of(hook)?).unwrap_or(0))
    })
}

/// The type of the programs of a hook, GS_HOOK_*. 0 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn gs_program_type(hook: i32) -> u32 {
    value(0, || Ok(hook_of(hook)?.program_type()))
}

/// Whether programs of this ABI can call a helper, by its number GS_HELPER_*.
#[unsafe(no_mangle)]
pub extern "C" fn gs_abi_has_helper(version: u32, number: u32) -> bool {
    value(false, || {
        let abi = abi(version)?;
        Ok(Helper::ALL.iter().any(|helper| abi.helper(*helper) == Some(number)))
    })
}

fn hook_of(hook: i32) -> Result<Hook, Failure> {
    let hook = usize::try_from(hook).ok().and_then(|hook| Hook::ALL.get(hook));
    hook.copied().ok_or_else(|| Failure::new(gs_status::GS_ERR_ARGUMENT))
}

/// What `ctl` in the top directory of ghostfs is told to make an enclave, in one write. `group` is negative for root's.
///
/// Here and in all functions that write a text: it ends with a zero within the `len` bytes at `text`; `need`, which may be
/// NULL, is how many bytes it has without it. GS_ERR_NO_ROOM if it was cut off.
#[unsafe(no_mangle)]
pub extern "C" fn gs_create_enclave_text(
    version: u32,
    id: u64,
    group: i64,
    text: *mut c_char,
    len: usize,
    need: *mut usize,
) -> gs_status {
    entry(|| {
        let group = match group {
            ..0 => None,
            group => Some(u32::try_from(group).map_err(|_| Failure::new(gs_status::GS_ERR_ARGUMENT))?),
        };
        let command = CreateEnclave {
            abi: abi(version)?,
            id,
            group,
        };
        put_text(&command, text, len, need)
    })
}

/// What an enclave's `ctl` is told to make the caller the agent of a CPU. `queue` is negative for the default queue.
#[unsafe(no_mangle)]
pub extern "C" fn gs_become_agent_text(
    version: u32,
    cpu: u32,
    queue: i32,
    text: *mut c_char,
    len: usize,
    need: *mut usize,
) -> gs_status {
    entry(|| {
        let command = BecomeAgent {
            abi: abi(version)?,
            cpu,
            queue: u32::try_from(queue).ok(),
        };
        put_text(&command, text, len, need)
    })
}

/// What an enclave's `ctl` is told to make a region of status words.
#[unsafe(no_mangle)]
pub extern "C" fn gs_create_region_text(
    id: u32,
    node: u32,
    text: *mut c_char,
    len: usize,
    need: *mut usize,
) -> gs_status {
    entry(|| put_text(&Command::CreateStatusWordRegion { id, node }, text, len, need))
}

/// The number to write to `tasks` to bring in the thread of a gtid; 0 is the caller. GS_ERR_NOT_IN_ABI in ABI 69, which takes
/// tids only.
#[unsafe(no_mangle)]
pub extern "C" fn gs_join_number(version: u32, gtid: i64, number: *mut i64) -> gs_status {
    entry(|| {
        let number = handle::out(number)?;
        let join = match Gtid::from_raw(gtid) {
            Gtid::NULL => Join::Myself,
            gtid => Join::Gtid(gtid),
        };
        let join = join.number(abi(version)?);
        number.write(join.map_err(|error| Failure::with(gs_status::GS_ERR_NOT_IN_ABI, &error))?);
        Ok(gs_status::GS_OK)
    })
}

/// The names of the core with a zero behind.
const fn name(kind: MessageKind) -> &'static CStr {
    match kind {
        MessageKind::TaskDead => c"TASK_DEAD",
        MessageKind::TaskBlocked => c"TASK_BLOCKED",
        MessageKind::TaskWakeup => c"TASK_WAKEUP",
        MessageKind::TaskNew => c"TASK_NEW",
        MessageKind::TaskPreempt => c"TASK_PREEMPT",
        MessageKind::TaskYield => c"TASK_YIELD",
        MessageKind::TaskDeparted => c"TASK_DEPARTED",
        MessageKind::TaskSwitchto => c"TASK_SWITCHTO",
        MessageKind::TaskAffinityChanged => c"TASK_AFFINITY_CHANGED",
        MessageKind::TaskLatched => c"TASK_LATCHED",
        MessageKind::TaskOnCpu => c"TASK_ON_CPU",
        MessageKind::TaskPriorityChanged => c"TASK_PRIORITY_CHANGED",
        MessageKind::TaskLatchFailure => c"TASK_LATCH_FAILURE",
        MessageKind::CpuTick => c"CPU_TICK",
        MessageKind::CpuTimerExpired => c"CPU_TIMER_EXPIRED",
        MessageKind::CpuNotIdle => c"CPU_NOT_IDLE",
        MessageKind::CpuAvailable => c"CPU_AVAILABLE",
        MessageKind::CpuBusy => c"CPU_BUSY",
        MessageKind::CpuAgentBlocked => c"CPU_AGENT_BLOCKED",
        MessageKind::CpuAgentWakeup => c"CPU_AGENT_WAKEUP",
        // Only the filler is left; a test finds a kind that is missing here.
        _ => c"NOP",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_core() {
        for kind in MessageKind::ALL {
            assert_eq!(name(kind).to_str(), Ok(kind.name()));
        }
        assert!(gs_message_name(69, 131).is_null());
        assert!(gs_message_name(70, 64).is_null());
    }

    #[test]
    fn what_is_not_known_is_0() {
        assert_eq!(gs_message_bytes(91, 67), 56);
        assert_eq!(gs_message_bytes(91, 99), 0);
        assert_eq!(gs_expected_attach_type(91, 0), 0x5b07d0);
        assert_eq!(gs_expected_attach_type(69, 2), 0);
        assert_eq!(gs_expected_attach_type(91, -1), 0);
        assert!(gs_abi_has_helper(69, 3002) && !gs_abi_has_helper(91, 3002));
    }
}
