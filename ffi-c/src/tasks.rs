//! The table of tasks for C: a 64-bit value of the agent's and the last sequence number by gtid, in slots that it lends.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use ghostsched_core::gtid::Gtid;
use ghostsched_core::tasks::{ApplyError, InsertError, Task, TaskTable};

use crate::error::{Failure, entry, gs_status, value};
use crate::handle;

/// A table of tasks. Filled by gs_tasks_init; not to be copied. One thread at a time.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct gs_tasks {
    /// The library's.
    pub opaque: [u64; 8],
}

/// Memory of a task in a table.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct gs_task_slot {
    /// The library's.
    pub opaque: [u64; 3],
}

const _: () = assert!(size_of::<gs_task_slot>() == size_of::<Task<u64>>());
const _: () = assert!(align_of::<gs_task_slot>() == align_of::<Task<u64>>());

/// A task in a table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct gs_task {
    /// Its gtid.
    pub gtid: i64,
    /// What the agent keeps of it: a number, an index, a pointer.
    pub value: u64,
    /// The sequence number of the last message applied: the task barrier of a transaction for it.
    pub seqnum: u32,
}

/// What a gs_tasks holds.
pub(crate) type State = TaskTable<u64, &'static mut [Task<u64>]>;

impl From<&Task<u64>> for gs_task {
    fn from(task: &Task<u64>) -> Self {
        Self {
            gtid: task.gtid().raw(),
            value: task.state,
            seqnum: task.seqnum(),
        }
    }
}

/// Makes `tasks` an empty table in `count` slots, a power of two, of which it uses three quarters. The view keeps the slots.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_init(tasks: *mut gs_tasks, slots: *mut gs_task_slot, count: usize) -> gs_status {
    entry(|| {
        let slots = handle::kept(slots.cast(), count, Task::default())?;
        let table = TaskTable::new(slots).map_err(|error| Failure::with(gs_status::GS_ERR_ARGUMENT, &error))?;
        handle::initialise(tasks, table)?;
        Ok(gs_status::GS_OK)
    })
}

/// How many tasks are in the table.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_count(tasks: *const gs_tasks) -> usize {
    value(0, || Ok(handle::state(tasks)?.len()))
}

/// Adds a task, with the sequence number of the message that announced it. GS_ERR_EXISTS, GS_ERR_FULL, GS_ERR_NO_TASK.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_insert(tasks: *mut gs_tasks, gtid: i64, seqnum: u32, value: u64) -> gs_status {
    entry(|| {
        let table = handle::state_mut(tasks)?;
        table.insert(Gtid::from_raw(gtid), seqnum, value).map_err(|error| {
            let status = match error {
                InsertError::NoTask { .. } => gs_status::GS_ERR_NO_TASK,
                InsertError::Exists { .. } => gs_status::GS_ERR_EXISTS,
                InsertError::Full { .. } => gs_status::GS_ERR_FULL,
            };
            Failure::with(status, &error)
        })?;
        Ok(gs_status::GS_OK)
    })
}

/// The task that a message is for, its sequence number taken over. GS_STALE, and nothing changed, if that is not after the
/// last one; GS_ERR_UNKNOWN_TASK. `task` may be NULL.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_apply(tasks: *mut gs_tasks, gtid: i64, seqnum: u32, task: *mut gs_task) -> gs_status {
    entry(|| match handle::state_mut(tasks)?.apply(Gtid::from_raw(gtid), seqnum) {
        Ok(found) => {
            handle::out_or_not(task, gs_task::from(&*found));
            Ok(gs_status::GS_OK)
        }
        Err(ApplyError::Stale { .. }) => Ok(gs_status::GS_STALE),
        Err(error) => Err(Failure::with(gs_status::GS_ERR_UNKNOWN_TASK, &error)),
    })
}

/// The task of a gtid. GS_NONE if it is not in the table.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_find(tasks: *const gs_tasks, gtid: i64, task: *mut gs_task) -> gs_status {
    entry(|| {
        let to = handle::out(task)?;
        let Some(found) = handle::state(tasks)?.get(Gtid::from_raw(gtid)) else {
            return Ok(gs_status::GS_NONE);
        };
        to.write(found.into());
        Ok(gs_status::GS_OK)
    })
}

/// Changes what the agent keeps of a task. GS_ERR_UNKNOWN_TASK.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_set(tasks: *mut gs_tasks, gtid: i64, value: u64) -> gs_status {
    entry(|| {
        let gtid = Gtid::from_raw(gtid);
        let task = handle::state_mut(tasks)?.get_mut(gtid);
        task.ok_or_else(|| Failure::with(gs_status::GS_ERR_UNKNOWN_TASK, &ApplyError::Unknown { gtid }))?
            .state = value;
        Ok(gs_status::GS_OK)
    })
}

/// Takes a task out; `value`, which may be NULL, is what was kept of it. GS_NONE if it is not in the table.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_remove(tasks: *mut gs_tasks, gtid: i64, value: *mut u64) -> gs_status {
    entry(|| match handle::state_mut(tasks)?.remove(Gtid::from_raw(gtid)) {
        Some(kept) => {
            handle::out_or_not(value, kept);
            Ok(gs_status::GS_OK)
        }
        None => Ok(gs_status::GS_NONE),
    })
}

/// Copies up to `max` tasks, in no order, to `list`; `count` says how many there are in the table. GS_ERR_NO_ROOM if they are
/// more than `max`.
#[unsafe(no_mangle)]
pub extern "C" fn gs_tasks_list(
    tasks: *const gs_tasks,
    list: *mut gs_task,
    max: usize,
    count: *mut usize,
) -> gs_status {
    entry(|| {
        let count = handle::out(count)?;
        let table = handle::state(tasks)?;
        count.write(table.len());
        for (to, task) in handle::room(list, max)?.iter_mut().zip(table.iter()) {
            to.write(task.into());
        }
        if table.len() > max {
            return Err(Failure::new(gs_status::GS_ERR_NO_ROOM));
        }
        Ok(gs_status::GS_OK)
    })
}
