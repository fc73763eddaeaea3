//! Rings for each CPU, LLC, NUMA node and the whole machine, and the order in which a CPU looks through them.
//!
//! The nearest first: what is in a CPU's own ring is warm in its caches, what is in the global ring waits for any CPU. The
//! agent pushes near and watches; what waits too long it moves outwards, where more CPUs look, and between CPUs for balance.

use core::fmt;
#[cfg(not(loom))]
use core::mem::size_of;

use super::LEVELS;
use super::ring::{Claim, MoveError, NoPush, Ring, Seen, SlotState, Task, Ticket};
use crate::sync::{AtomicU32, Ordering};

/// The rings that one CPU looks through, nearest first. 24 bytes (`struct gs_pnt_path`); written by the agent.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C))]
pub struct Path {
    count: AtomicU32,
    ring: [AtomicU32; LEVELS],
    _reserved: AtomicU32, // array maps round values up to 8 bytes
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Path>() == 24);

/// No ring has this number.
const NO_RING: u32 = u32::MAX;

impl Path {
    /// No rings.
    pub fn new() -> Self {
        Self {
            count: AtomicU32::new(0),
            ring: core::array::from_fn(|_| AtomicU32::new(NO_RING)),
            _reserved: AtomicU32::new(0),
        }
    }

    fn set(&self, rings: &[u32]) {
        let rings_and_none = rings.iter().copied().chain(core::iter::repeat(NO_RING));
        for (to, ring) in self.ring.iter().zip(rings_and_none) {
            to.store(ring, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `rings`; who sees this count sees these rings, or newer ones.
        self.count.store(rings.len() as u32, Ordering::Release);
    }

    /// What it says, whatever that is: at most [`LEVELS`] numbers.
    fn rings(&self) -> impl Iterator<Item = u32> {
        // Acquire: pairs with the Release in `set`.
        let count = self.count.load(Ordering::Acquire) as usize;
        self.ring.iter().take(count).map(|ring| ring.load(Ordering::Relaxed))
    }
}

impl Default for Path {
    fn default() -> Self {
        Self::new()
    }
}

/// A path that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// There is no path for this CPU.
    NoCpu {
        /// The CPU.
        cpu: u32,
        /// How many paths there are.
        paths: usize,
    },
    /// It has more rings than [`LEVELS`].
    TooLong {
        /// How many.
        rings: usize,
    },
    /// There is no such ring.
    NoRing {
        /// The ring.
        ring: u32,
        /// How many rings there are.
        rings: usize,
    },
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCpu { cpu, paths } => write!(f, "cpu {cpu} has no path: there are {paths}, from cpu 0 on"),
            Self::TooLong { rings } => write!(f, "a path of {rings} rings: at most {LEVELS}"),
            Self::NoRing { ring, rings } => write!(f, "there is no ring {ring}: there are {rings}, from 0 on"),
        }
    }
}

impl core::error::Error for PathError {}

/// A thread that the agent has moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The thread.
    pub task: Task,
    /// The ring it was in.
    pub from: u32,
    /// The ring it is in.
    pub to: u32,
    /// Its push there.
    pub ticket: Ticket,
}

/// Rings and the paths of CPUs to them: two array maps of the agent's BPF half, as userspace sees them.
#[derive(Clone, Copy, Debug)]
pub struct Hierarchy<'m> {
    rings: &'m [Ring],
    paths: &'m [Path],
}

impl<'m> Hierarchy<'m> {
    /// Of these rings and these paths, one a CPU from CPU 0 on.
    pub const fn new(rings: &'m [Ring], paths: &'m [Path]) -> Self {
        Self { rings, paths }
    }

    /// The rings.
    pub const fn rings(&self) -> &'m [Ring] {
        self.rings
    }

    /// Lets a CPU look through these rings, in this order. One that looks meanwhile may see rings of the old path and of the
    /// new one: where that matters, such as for pinned threads, set paths before threads are pushed.
    pub fn set_path(&self, cpu: u32, rings: &[u32]) -> Result<(), PathError> {
        let Some(path) = self.paths.get(cpu as usize) else {
            return Err(PathError::NoCpu {
                cpu,
                paths: self.paths.len(),
            });
        };
        if rings.len() > LEVELS {
            return Err(PathError::TooLong { rings: rings.len() });
        }
        if let Some(&ring) = rings.iter().find(|&&ring| ring as usize >= self.rings.len()) {
            return Err(PathError::NoRing {
                ring,
                rings: self.rings.len(),
            });
        }
        path.set(rings);
        Ok(())
    }

    /// The rings of a CPU's path, nearest first, with their numbers. Numbers that are no ring are left out.
    pub fn path(&self, cpu: u32) -> impl Iterator<Item = (u32, &'m Ring)> {
        let rings = self.rings;
        self.paths
            .get(cpu as usize)
            .into_iter()
            .flat_map(Path::rings)
            .filter_map(move |number| rings.get(number as usize).map(|ring| (number, ring)))
    }

    /// Pushes into the nearest ring of a CPU's path from `level` on that has room; which ring, and the push.
    pub fn push(&self, cpu: u32, level: usize, task: &Task) -> Result<(u32, Ticket), NoPush> {
        let mut answer = Err(NoPush::NoRing);
        for (number, ring) in self.path(cpu).skip(level) {
            match ring.push_any(task) {
                Ok(ticket) => return Ok((number, ticket)),
                Err(error) => answer = Err(error),
            }
        }
        answer
    }

    /// Takes a thread for a CPU from the first ring of its path that has one: what BPF-PNT does.
    pub fn pop(&self, cpu: u32) -> Option<(u32, Claim<'m>)> {
        self.path(cpu).find_map(|(number, ring)| Some((number, ring.pop(cpu)?)))
    }

    /// Every thread in every ring, with the ring's number.
    pub fn watch(&self) -> impl Iterator<Item = (u32, Seen)> + use<'m> {
        (0..)
            .zip(self.rings)
            .flat_map(|(number, ring)| ring.watch().map(move |seen| (number, seen)))
    }

    /// Moves what waits too long one ring outwards on a CPU's path: each thread whose `time_ns` is `limit_ns` or more before
    /// `now_ns` (with deadlines, a limit of 0). Tells of each; returns how many. One that finds no room stays.
    pub fn move_overdue(&self, cpu: u32, now_ns: u64, limit_ns: u64, mut each: impl FnMut(Moved)) -> usize {
        let mut moved = 0;
        // From the outside in, so that a thread goes one level a call and room is made for the next.
        for level in (0..LEVELS.saturating_sub(1)).rev() {
            let mut path = self.path(cpu).skip(level);
            let (Some((from, near)), Some((to, far))) = (path.next(), path.next()) else {
                continue;
            };
            let overdue = |seen: &Seen| {
                seen.state == SlotState::Ready
                    && now_ns.checked_sub(seen.task.time_ns).is_some_and(|age| age >= limit_ns)
            };
            for seen in near.watch().filter(overdue) {
                match near.move_to(seen.ticket, far) {
                    Ok(ticket) => {
                        let task = seen.task;
                        each(Moved { task, from, to, ticket });
                        moved += 1;
                    }
                    Err(MoveError::NotHeld(_)) => {} // a CPU has it
                    Err(MoveError::NoPush(_)) => break,
                }
            }
        }
        moved
    }

    /// Moves up to `count` threads, those that would be popped next, from one ring to another: for balance. Tells of each;
    /// returns how many.
    pub fn balance(&self, from: u32, to: u32, count: usize, mut each: impl FnMut(Moved)) -> usize {
        let (Some(source), Some(target)) = (self.rings.get(from as usize), self.rings.get(to as usize)) else {
            return 0;
        };
        for moved in 0..count {
            match source.move_next(target) {
                Some(Ok((task, ticket))) => each(Moved { task, from, to, ticket }),
                _ => return moved,
            }
        }
        count
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    extern crate std;
    use super::super::Kind;
    use super::*;
    use crate::gtid::Gtid;
    use std::vec::Vec;

    fn task(number: u64) -> Task {
        Task {
            gtid: Gtid::from_bits(number),
            data: 0,
            time_ns: number * 100,
            barrier: 1,
            run_flags: 0,
        }
    }

    /// Two CPUs: rings 0 and 1 their own, 2 of the node, 3 global.
    fn machine() -> (Vec<Ring>, Vec<Path>) {
        (
            (0..4).map(|_| Ring::new(Kind::Shared)).collect(),
            (0..2).map(|_| Path::new()).collect(),
        )
    }

    #[test]
    fn a_cpu_looks_from_the_nearest_ring_outwards() {
        let (rings, paths) = machine();
        let hierarchy = Hierarchy::new(&rings, &paths);
        hierarchy.set_path(0, &[0, 2, 3]).unwrap();
        hierarchy.set_path(1, &[1, 2, 3]).unwrap();
        rings[3].push_any(&task(4)).unwrap();
        rings[2].push_any(&task(3)).unwrap();
        assert_eq!(hierarchy.push(0, 0, &task(1)).unwrap().0, 0);
        let mut order = Vec::new();
        while let Some((ring, claim)) = hierarchy.pop(0) {
            order.push((ring, claim.task().gtid.bits()));
            claim.complete();
        }
        assert_eq!(order, [(0, 1), (2, 3), (3, 4)]);
    }

    #[test]
    fn what_is_overdue_moves_one_ring_outwards() {
        let (rings, paths) = machine();
        let hierarchy = Hierarchy::new(&rings, &paths);
        hierarchy.set_path(0, &[0, 2, 3]).unwrap();
        for number in [1, 5, 2] {
            hierarchy.push(0, 0, &task(number)).unwrap();
        }
        rings[2].push_any(&task(0)).unwrap();
        let mut moved = Vec::new();
        assert_eq!(
            hierarchy.move_overdue(0, 1000, 800, |one| moved.push((one.task.gtid.bits(), one.from, one.to))),
            3
        );
        assert_eq!(moved, [(0, 2, 3), (1, 0, 2), (2, 0, 2)]);
        assert_eq!(
            hierarchy.watch().map(|(ring, _)| ring).collect::<Vec<_>>(),
            [0, 2, 2, 3]
        );
        assert_eq!(hierarchy.move_overdue(0, 0, 1, |_| panic!()), 0);
    }

    #[test]
    fn threads_move_between_cpus_for_balance() {
        let (rings, paths) = machine();
        let hierarchy = Hierarchy::new(&rings, &paths);
        (1..=5).for_each(|number| _ = rings[0].push_any(&task(number)).unwrap());
        let mut moved = Vec::new();
        assert_eq!(hierarchy.balance(0, 1, 2, |one| moved.push(one.task.gtid.bits())), 2);
        assert_eq!((moved, rings[0].waiting(), rings[1].waiting()), ([1, 2].into(), 3, 2));
        assert_eq!(hierarchy.balance(0, 1, 9, |_| ()), 3);
        assert_eq!(hierarchy.balance(0, 7, 9, |_| ()), 0);
    }

    #[test]
    fn a_path_that_cannot_be_is_refused() {
        let (rings, paths) = machine();
        let hierarchy = Hierarchy::new(&rings, &paths);
        assert_eq!(hierarchy.set_path(2, &[]), Err(PathError::NoCpu { cpu: 2, paths: 2 }));
        assert_eq!(hierarchy.set_path(0, &[0; 5]), Err(PathError::TooLong { rings: 5 }));
        assert_eq!(
            hierarchy.set_path(0, &[0, 4]),
            Err(PathError::NoRing { ring: 4, rings: 4 })
        );
        assert!(hierarchy.pop(0).is_none() && hierarchy.pop(9).is_none());
        // Whatever somebody writes into the memory:
        paths[0].count.store(u32::MAX, Ordering::Relaxed);
        paths[0].ring[1].store(77, Ordering::Relaxed);
        assert_eq!(hierarchy.path(0).count(), 0);
        assert!(hierarchy.pop(0).is_none());
    }
}
