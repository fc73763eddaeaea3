//! What an agent knows of each task: a table from gtid to the agent's own state, in memory that the agent lends.
//!
//! The slots are in groups of four, and a task is in the first group with room at or after its home. Removing one
//! moves later ones back, so that a lookup ends at the first group with room, however many tasks came and went. A
//! lookup compares all four gtids of a group and then branches once, nearly always the same way: messages come from
//! tasks in an order that no CPU can predict, and a branch for each slot would cost more than all else (10 ns instead
//! of 5 in a dispatch loop). Gtid, last sequence number and state are side by side; gtids in cache lines of their own
//! were no faster with 16,384 tasks.
//!
//! ```
//! use ghostsched_core::gtid::Gtid;
//! use ghostsched_core::tasks::{ApplyError, Task, TaskTable};
//!
//! let gtid = Gtid::from_bits(1 << 41 | 7);
//! let mut slots: [Task<&str>; 8] = Default::default(); // or a `&mut` of them, a `Box`, a `Vec`
//! let mut tasks = TaskTable::new(&mut slots)?;
//! tasks.insert(gtid, 1, "blocked")?;
//! tasks.apply(gtid, 3)?.state = "runnable";
//! assert_eq!(tasks.apply(gtid, 2).map(|_| ()), Err(ApplyError::Stale { last: 3, seqnum: 2 }));
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use core::fmt;
use core::marker::PhantomData;
use core::mem;

use crate::gtid::Gtid;

/// A slot of a [`TaskTable`]: a task with its agent's state, or empty (the default).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Task<T> {
    gtid: u64, // EMPTY, or a task's
    seqnum: u32,
    /// What the agent keeps of the task.
    pub state: T,
}

const EMPTY: u64 = Gtid::NULL.bits();
/// Slots that are searched at once. Those in use come first.
const GROUP: usize = 4;

impl<T> Task<T> {
    /// The task's gtid; [`Gtid::NULL`] in an empty slot.
    #[inline]
    pub fn gtid(&self) -> Gtid {
        Gtid::from_bits(self.gtid)
    }

    /// The sequence number of the last message applied: the task barrier of a transaction for this task.
    #[inline]
    pub fn seqnum(&self) -> u32 {
        self.seqnum
    }

    /// Takes the sequence number of a message if it is after the last one, by at most `i32::MAX`, around 2^32.
    ///
    /// It may be any number of steps after: the kernel counts events for which it sends no message.
    #[inline(always)]
    pub fn advance(&mut self, seqnum: u32) -> Result<(), Stale> {
        let last = self.seqnum;
        if seqnum.wrapping_sub(last).cast_signed() <= 0 {
            return Err(Stale { last, seqnum });
        }
        self.seqnum = seqnum;
        Ok(())
    }
}

/// A message is not after the last one applied to its task: it was seen already, or is from before the task was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stale {
    /// The last sequence number applied.
    pub last: u32,
    /// The message's.
    pub seqnum: u32,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { last, seqnum } = self;
        write!(f, "sequence number {seqnum} is not after {last}: skip the message")
    }
}

impl core::error::Error for Stale {}

/// Why a message was not applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ApplyError {
    /// No such task in the table.
    Unknown {
        /// The message's gtid.
        gtid: Gtid,
    },
    /// See [`Stale`].
    Stale {
        /// The last sequence number applied.
        last: u32,
        /// The message's.
        seqnum: u32,
    },
}

impl From<Stale> for ApplyError {
    fn from(Stale { last, seqnum }: Stale) -> Self {
        Self::Stale { last, seqnum }
    }
}

impl fmt::Display for ApplyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unknown { gtid } => write!(f, "task {gtid} is not in the table: insert it when it is new"),
            Self::Stale { last, seqnum } => Stale { last, seqnum }.fmt(f),
        }
    }
}

impl core::error::Error for ApplyError {}

/// Why a task was not inserted; the table is as before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InsertError {
    /// A gtid that is no task's: an agent's, the idle thread's, or none.
    NoTask {
        /// The gtid.
        gtid: Gtid,
    },
    /// The task is in the table already.
    Exists {
        /// Its gtid.
        gtid: Gtid,
    },
    /// As many tasks as the table takes.
    Full {
        /// How many that is: three quarters of the slots.
        capacity: usize,
    },
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::NoTask { gtid } => write!(f, "gtid {gtid} is no task: give the gtid of a message of a task"),
            Self::Exists { gtid } => write!(f, "task {gtid} is in the table already: remove it first"),
            Self::Full { capacity } => write!(f, "the table is full with {capacity} tasks: lend it more slots"),
        }
    }
}

impl core::error::Error for InsertError {}

/// A number of slots that is no power of two from 4 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadSlotCount {
    /// How many were given.
    pub given: usize,
}

impl fmt::Display for BadSlotCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { given } = self;
        let next = given
            .max(&GROUP)
            .checked_next_power_of_two()
            .unwrap_or(1 << (usize::BITS - 1));
        write!(f, "{given} task slots: give a power of two, such as {next}")
    }
}

impl core::error::Error for BadSlotCount {}

/// Tasks by gtid. `S` is the slots: `&mut [Task<T>]`, `[Task<T>; N]`, or anything that lends such a slice.
///
/// It takes tasks up to three quarters of its slots, and is faster with more room: lend twice as many slots as tasks,
/// or four times.
#[derive(Clone, Debug)]
pub struct TaskTable<T, S> {
    slots: S,
    len: usize,
    state: PhantomData<T>,
}

impl<T: Default, S: AsRef<[Task<T>]> + AsMut<[Task<T>]>> TaskTable<T, S> {
    /// An empty table in these slots, a power of two of them; what they held before is dropped.
    pub fn new(slots: S) -> Result<Self, BadSlotCount> {
        let given = slots.as_ref().len();
        if given < GROUP || !given.is_power_of_two() {
            return Err(BadSlotCount { given });
        }
        let mut table = Self {
            slots,
            len: 0,
            state: PhantomData,
        };
        table.clear();
        Ok(table)
    }

    /// How many tasks.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no task.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// How many tasks it takes: three quarters of the slots, so that every search meets a group with room.
    pub fn capacity(&self) -> usize {
        let slots = self.slots.as_ref().len();
        slots - slots.div_ceil(4)
    }

    /// Adds a task, with the sequence number of the message that announced it.
    pub fn insert(&mut self, gtid: Gtid, seqnum: u32, state: T) -> Result<&mut Task<T>, InsertError> {
        let capacity = self.capacity();
        let slots = self.slots.as_mut();
        match find(slots, gtid) {
            Find::Task(_) => Err(InsertError::Exists { gtid }),
            Find::Empty(_) if !gtid.is_task() => Err(InsertError::NoTask { gtid }),
            Find::Empty(_) if self.len >= capacity => Err(InsertError::Full { capacity }),
            Find::Empty(index) => {
                self.len += 1;
                slots[index] = Task {
                    gtid: gtid.bits(),
                    seqnum,
                    state,
                };
                Ok(&mut slots[index])
            }
        }
    }

    /// The task, if it is in the table.
    #[inline]
    pub fn get(&self, gtid: Gtid) -> Option<&Task<T>> {
        let slots = self.slots.as_ref();
        match find(slots, gtid) {
            Find::Task(index) => slots.get(index),
            Find::Empty(_) => None,
        }
    }

    /// The task, if it is in the table, to change its state.
    #[inline(always)]
    pub fn get_mut(&mut self, gtid: Gtid) -> Option<&mut Task<T>> {
        let slots = self.slots.as_mut();
        match find(slots, gtid) {
            Find::Task(index) => slots.get_mut(index),
            Find::Empty(_) => None,
        }
    }

    /// The task that a message is for, its sequence number advanced: [`get_mut`](Self::get_mut), then
    /// [`Task::advance`].
    #[inline(always)]
    pub fn apply(&mut self, gtid: Gtid, seqnum: u32) -> Result<&mut Task<T>, ApplyError> {
        let task = self.get_mut(gtid).ok_or(ApplyError::Unknown { gtid })?;
        task.advance(seqnum)?;
        Ok(task)
    }

    /// Takes a task out and gives its state.
    pub fn remove(&mut self, gtid: Gtid) -> Option<T> {
        let slots = self.slots.as_mut();
        let Find::Task(index) = find(slots, gtid) else {
            return None;
        };
        self.len -= 1;
        let state = mem::take(&mut slots[index]).state;
        close(slots, index);
        Some(state)
    }

    /// Removes all tasks.
    pub fn clear(&mut self) {
        self.slots.as_mut().fill_with(Task::default);
        self.len = 0;
    }

    /// Ends the table and gives its slots back, tasks in them.
    pub fn into_slots(self) -> S {
        self.slots
    }

    /// All tasks, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Task<T>> {
        self.slots.as_ref().iter().filter(|task| task.gtid != EMPTY)
    }

    /// All tasks, in no order, to change their states.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Task<T>> {
        self.slots.as_mut().iter_mut().filter(|task| task.gtid != EMPTY)
    }
}

/// Where a gtid is, or the slot where it would go.
enum Find {
    Task(usize),
    Empty(usize),
}

/// `slots` is a power of two in length, and a group of them has room. Finds no task for [`Gtid::NULL`].
#[inline(always)]
fn find<T>(slots: &[Task<T>], gtid: Gtid) -> Find {
    let gtid = gtid.bits();
    let (groups, _) = slots.as_chunks::<GROUP>();
    let mask = groups.len().wrapping_sub(1);
    let mut index = home(gtid) & mask;
    loop {
        let group = &groups[index];
        let is = |place: usize| usize::from(group[place].gtid == gtid);
        // 0 also if none is; arithmetic, so that no branch depends on which.
        let place = is(1) | (2 * is(2)) | (3 * is(3));
        if group[place].gtid == gtid && gtid != EMPTY {
            return Find::Task(index * GROUP + place);
        }
        if group[GROUP - 1].gtid == EMPTY {
            let used = group.iter().take_while(|task| task.gtid != EMPTY).count();
            return Find::Empty(index * GROUP + used);
        }
        index = (index + 1) & mask;
    }
}

/// Fills the hole that a removed task left: from its group, and if that was full, from later groups, whose tasks may
/// have found no room there.
fn close<T>(slots: &mut [Task<T>], mut hole: usize) {
    loop {
        while hole % GROUP < GROUP - 1 && slots[hole + 1].gtid != EMPTY {
            slots.swap(hole, hole + 1);
            hole += 1;
        }
        if hole % GROUP < GROUP - 1 {
            return; // the group had room before: no search went past it
        }
        let Some(mover) = find_mover(slots, hole / GROUP) else {
            return;
        };
        slots.swap(hole, mover);
        hole = mover;
    }
}

/// A task after `group` whose search went past it.
fn find_mover<T>(slots: &[Task<T>], group: usize) -> Option<usize> {
    let mask = slots.len() / GROUP - 1;
    let mut later = group;
    loop {
        later = (later + 1) & mask;
        let first = later * GROUP;
        for (index, task) in (first..).zip(&slots[first..first + GROUP]) {
            if task.gtid == EMPTY {
                return None; // no search went past this group
            }
            let from_home = later.wrapping_sub(home(task.gtid)) & mask;
            let from_group = later.wrapping_sub(group) & mask;
            if from_home >= from_group {
                return Some(index);
            }
        }
    }
}

/// The group where the search for a gtid starts, in the low bits.
///
/// A gtid is a sequence number below a pid, and both often grow by equal steps. Multiplied once, equal steps stay
/// equal steps, and some of them crowd a part of the table (with 1,024 tasks of consecutive pids, 46 slots a search
/// were seen). Twice with a shift between, gtids are spread as if by chance.
#[inline(always)]
fn home(gtid: u64) -> usize {
    const SPREAD: u64 = 0x9e37_79b9_7f4a_7c15; // 2^64 divided by the golden ratio, odd
    let once = (gtid ^ gtid >> 32).wrapping_mul(SPREAD);
    let twice = (once ^ once >> 32).wrapping_mul(SPREAD);
    (twice >> 32) as usize
}
