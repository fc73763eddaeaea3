//! The accounting of queueing delay over plain events.
//!
//! It is what offline traces and simulations use, and the specification of the BPF program. Memory is the caller's
//! ([`Memory`]), so the engine needs no allocator and its size does not grow with the length of a trace.
//!
//! # Rules
//!
//! 1. A thread waits from when it becomes runnable without running ([`Event::Wakeup`], or a switch away from it while it
//!    stays runnable) until it gets a CPU. If the kernel says when it was queued (`queued_ns`), that counts.
//! 2. A wait may consist of several segments on different CPUs ([`Event::Migrate`]); each is split over the log of its CPU.
//! 3. A wait belongs to the group the thread is in when it gets the CPU; each segment is judged with the group the thread
//!    is in when the segment ends.
//! 4. A spell on CPU belongs to the group the thread was in when it got the CPU.
//! 5. A switch whose `prev` is not who was last seen to get the CPU tells that one was missed: the time since is
//!    [`GROUP_UNKNOWN`]'s, up to when `prev` arrived if that is known.
//! 6. A throttle clock belongs to a CPU. Where a thread's was last read on another CPU (it slept, and no wakeup told), nothing
//!    of that segment counts as throttled before the group's own first run in it.

use crate::histogram::Bounds;

use super::matrix::{Blame, Matrix};
use super::run_log::{Parts, RunLog, Span};
use super::stats::{GroupStats, Kind};
pub use super::threads::Thread;
use super::threads::{ClockOf, ThreadTable};
use super::{GROUP_IDLE, GROUP_REST, GROUP_UNKNOWN};

/// How a thread leaves its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// Still runnable: preempted, or it yielded. It waits from now on.
    Runnable,
    /// It sleeps, interruptibly or otherwise.
    Sleep,
    /// It sleeps uninterruptibly (D).
    Block,
}

/// What happened. Thread 0 is the idle thread of each CPU. `*_clock_ns` is the throttle clock of the thread's group on that
/// CPU (time so far throttled with threads queued), 0 where nothing throttles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A CPU turns from one thread to another.
    Switch {
        /// Which CPU.
        cpu: u32,
        /// The thread that leaves.
        prev: u32,
        /// How it leaves.
        leaving: Leaving,
        /// When it got the CPU by the kernel's account, if it says so; used only after a missed switch.
        prev_arrived_ns: Option<u64>,
        /// Throttle clock of `prev`.
        prev_clock_ns: u64,
        /// The thread that gets the CPU.
        next: u32,
        /// Its group.
        next_group: u32,
        /// When it was queued by the kernel's account, if it says so.
        next_queued_ns: Option<u64>,
        /// Throttle clock of `next`.
        next_clock_ns: u64,
    },
    /// A thread becomes runnable. Ignored if it already is.
    Wakeup {
        /// The CPU it is queued on.
        cpu: u32,
        /// The thread.
        tid: u32,
        /// Throttle clock of its group there.
        clock_ns: u64,
    },
    /// A queued thread leaves a CPU's queue for another's. Ignored if it does not wait.
    Migrate {
        /// The CPU it leaves.
        from: u32,
        /// The thread.
        tid: u32,
        /// Its group.
        group: u32,
        /// Since when it was queued on `from` by the kernel's account, if it says so.
        queued_ns: Option<u64>,
        /// Throttle clock of its group on `from`.
        from_clock_ns: u64,
        /// Throttle clock of its group on the CPU it goes to.
        to_clock_ns: u64,
        /// Whether the way to the next queue counts as wait (it does where nobody says when it is queued there).
        limbo_waits: bool,
    },
    /// A thread is gone: forgets it.
    Exit {
        /// The thread.
        tid: u32,
    },
}

/// Losses and curiosities of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Switches.
    pub switches: u64,
    /// Switches before which another was missed.
    pub chain_breaks: u64,
    /// Time in which a missed switch leaves open who ran, ns.
    pub unknown_ns: u64,
    /// Waits of several segments.
    pub migrated_waits: u64,
    /// Time between two segments of a wait, ns; in no part.
    pub moving_ns: u64,
    /// Events of threads that found no room in the table.
    pub threads_over_capacity: u64,
    /// Events of CPUs beyond those given.
    pub cpus_over_capacity: u64,
}

/// A finished wait, as told to the observer of [`Engine::feed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wait {
    /// The thread.
    pub tid: u32,
    /// The CPU it got.
    pub cpu: u32,
    /// Its group.
    pub group: u32,
    /// When it got it, ns.
    pub now_ns: u64,
    /// Start of the last segment, ns.
    pub queued_ns: u64,
    /// Start of the first segment, ns.
    pub began_ns: u64,
    /// Whether it moved between CPUs.
    pub moved: bool,
    /// The parts.
    pub parts: Parts,
}

/// One CPU's state: opaque memory for the caller to lend.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    log: RunLog,
    current: Option<u32>,
    group: u32,
    switched_ns: u64,
}

/// The memory of an engine.
#[derive(Debug)]
pub struct Memory<'a> {
    /// One a CPU number.
    pub cpus: &'a mut [Cpu],
    /// A hash table of threads: a power of two, at least twice the threads alive at a time.
    pub threads: &'a mut [Thread],
    /// One a group; groups beyond it count as [`GROUP_REST`]. At least 3.
    pub groups: &'a mut [GroupStats],
    /// Pairs of groups; at least twice those expected.
    pub matrix: &'a mut [Blame],
}

/// The accounting engine.
#[derive(Debug)]
pub struct Engine<'a> {
    bounds: Bounds,
    cpus: &'a mut [Cpu],
    threads: ThreadTable<'a>,
    groups: &'a mut [GroupStats],
    matrix: Matrix<'a>,
    tally: Tally,
}

impl<'a> Engine<'a> {
    /// An engine over lent memory, which is cleared.
    pub fn new(bounds: Bounds, memory: Memory<'a>) -> Self {
        for cpu in memory.cpus.iter_mut() {
            *cpu = Cpu::default();
        }
        memory.threads.fill(Thread::default());
        memory.groups.fill(GroupStats::default());
        Self {
            bounds,
            cpus: memory.cpus,
            threads: ThreadTable {
                slots: memory.threads,
                used: 0,
            },
            groups: memory.groups,
            matrix: Matrix::new(memory.matrix),
            tally: Tally::default(),
        }
    }

    /// Accounts one event at `now_ns`. Events of one CPU come in the order of their time; finished waits are told.
    pub fn feed(&mut self, now_ns: u64, event: &Event, mut observe: impl FnMut(&Wait)) {
        match *event {
            Event::Switch { .. } => self.switch(now_ns, event, &mut observe),
            Event::Wakeup { cpu, tid, clock_ns } => {
                if let Some(thread) = self.threads.get_or_insert(tid, &mut self.tally)
                    && thread.queued_ns.is_none()
                    && thread.began_ns.is_none()
                    && thread.on_ns.is_none()
                {
                    thread.queued_ns = Some(now_ns);
                    thread.clock_ns = clock_ns;
                    thread.clock_of = ClockOf::Cpu(cpu);
                    thread.cpu = cpu;
                }
            }
            Event::Migrate { .. } => self.migrate(now_ns, event),
            Event::Exit { tid } => self.threads.remove(tid),
        }
    }

    /// The statistics of the groups, by index.
    pub fn groups(&self) -> &[GroupStats] {
        self.groups
    }

    /// Who made whom wait.
    pub fn matrix(&self) -> &Matrix<'a> {
        &self.matrix
    }

    /// Losses and curiosities.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Adds the spells that go on at `now_ns` to the time on CPU (not to the counts).
    pub fn running_at(&self, now_ns: u64, mut each: impl FnMut(u32, u64)) {
        for cpu in self.cpus.iter() {
            if cpu.current.is_some_and(|tid| tid != 0) {
                each(cpu.group, now_ns.saturating_sub(cpu.switched_ns));
            }
        }
    }

    /// The waits in progress at `now_ns`, each as if it ended then (throttled time up to the last switch of its group).
    pub fn in_progress(&self, now_ns: u64, mut each: impl FnMut(&Wait)) {
        for thread in self.threads.slots.iter().filter(|thread| thread.tid != 0) {
            let Some(queued_ns) = thread.queued_ns else { continue };
            let Some(cpu) = self.cpus.get(thread.cpu as usize) else {
                continue;
            };
            let mut parts = thread.parts;
            let span = Span {
                group: thread.group,
                start_ns: queued_ns,
                now_ns,
                start_clock_ns: thread.clock_ns,
                now_clock_ns: thread.clock_ns,
            };
            parts.add(&cpu.log.split(&span, |_, _| {}).0);
            each(&Wait {
                tid: thread.tid,
                cpu: thread.cpu,
                group: thread.group,
                now_ns,
                queued_ns,
                began_ns: thread.began_ns.unwrap_or(queued_ns),
                moved: thread.began_ns.is_some(),
                parts,
            });
        }
    }

    /// The group that has a CPU.
    pub fn running_on(&self, cpu: u32) -> Option<u32> {
        self.cpus.get(cpu as usize)?.log.running()
    }

    fn fold(groups: &[GroupStats], group: u32) -> u32 {
        if (group as usize) < groups.len() {
            group
        } else {
            GROUP_REST
        }
    }

    fn switch(&mut self, now_ns: u64, event: &Event, observe: &mut impl FnMut(&Wait)) {
        let &Event::Switch {
            cpu: cpu_id,
            prev,
            leaving,
            prev_arrived_ns,
            prev_clock_ns,
            next,
            next_group,
            next_queued_ns,
            next_clock_ns,
        } = event
        else {
            return;
        };
        let Some(cpu) = self.cpus.get_mut(cpu_id as usize) else {
            self.tally.cpus_over_capacity += 1;
            return;
        };
        self.tally.switches += 1;
        let next_group = if next == 0 {
            GROUP_IDLE
        } else {
            Self::fold(self.groups, next_group)
        };

        if cpu.current.is_some_and(|current| current != prev) {
            let prev_thread = if prev == 0 { None } else { self.threads.get(prev) };
            mend(cpu, now_ns, prev, prev_arrived_ns, prev_thread, &mut self.tally);
        }

        if next != 0
            && let Some(thread) = self.threads.get_or_insert(next, &mut self.tally)
        {
            thread.group = next_group;
            let stats = &mut self.groups[next_group as usize];
            // Moved, and not queued again as far as anyone tells: what it waited before still counts.
            let moved = thread.began_ns.map(|_| now_ns);
            if let Some(queued_ns) = next_queued_ns.or(thread.queued_ns).or(moved) {
                let span = Span {
                    group: next_group,
                    start_ns: queued_ns,
                    now_ns,
                    start_clock_ns: thread.start_clock_ns(cpu_id, next_clock_ns),
                    now_clock_ns: next_clock_ns,
                };
                let matrix = &mut self.matrix;
                let (last, _) = cpu.log.split(&span, |by, ns| matrix.add(next_group, by, ns));
                thread.parts.add(&last);
                let began_ns = thread.began_ns.unwrap_or(queued_ns);
                stats.record_wait(&self.bounds, &thread.parts);
                if let Some((left_ns, kind)) = thread.left {
                    stats.record_spell(&self.bounds, kind, began_ns.saturating_sub(left_ns));
                }
                if thread.began_ns.is_some() {
                    self.tally.migrated_waits += 1;
                    let moving_ns = now_ns.saturating_sub(began_ns).saturating_sub(thread.parts.total_ns());
                    self.tally.moving_ns = self.tally.moving_ns.wrapping_add(moving_ns);
                }
                observe(&Wait {
                    tid: next,
                    cpu: cpu_id,
                    group: next_group,
                    now_ns,
                    queued_ns,
                    began_ns,
                    moved: thread.began_ns.is_some(),
                    parts: thread.parts,
                });
            } else if let Some((left_ns, kind)) = thread.left {
                stats.record_spell(&self.bounds, kind, now_ns.saturating_sub(left_ns));
            }
            let tid = thread.tid;
            *thread = Thread {
                tid,
                on_ns: Some(now_ns),
                clock_ns: next_clock_ns,
                clock_of: ClockOf::Cpu(cpu_id),
                group: next_group,
                cpu: cpu_id,
                ..Thread::default()
            };
        }

        if prev != 0 {
            let first = cpu.current.is_none();
            if let Some(thread) = self.threads.get_or_insert(prev, &mut self.tally) {
                if let (Some(on_ns), false) = (thread.on_ns, first) {
                    let stats = &mut self.groups[cpu.group as usize];
                    stats.record_spell(&self.bounds, Kind::On, now_ns.saturating_sub(on_ns));
                    let throttled_ns = prev_clock_ns.saturating_sub(thread.clock_ns);
                    stats.throttled_on_ns = stats.throttled_on_ns.wrapping_add(throttled_ns);
                }
                thread.on_ns = None;
                thread.clock_ns = prev_clock_ns;
                thread.clock_of = ClockOf::Cpu(cpu_id);
                thread.cpu = cpu_id;
                match leaving {
                    Leaving::Runnable => thread.queued_ns = Some(now_ns),
                    Leaving::Sleep => thread.left = Some((now_ns, Kind::Sleep)),
                    Leaving::Block => thread.left = Some((now_ns, Kind::Block)),
                }
            }
        }

        if cpu.log.running() != Some(next_group) {
            cpu.log
                .push(next_group, now_ns, Some(prev_clock_ns), Some(next_clock_ns));
        }
        cpu.group = next_group;
        cpu.current = Some(next);
        cpu.switched_ns = now_ns;
    }

    fn migrate(&mut self, now_ns: u64, event: &Event) {
        let &Event::Migrate {
            from,
            tid,
            group,
            queued_ns,
            from_clock_ns,
            to_clock_ns,
            limbo_waits,
        } = event
        else {
            return;
        };
        let Some(cpu) = self.cpus.get(from as usize) else {
            self.tally.cpus_over_capacity += 1;
            return;
        };
        let Some(thread) = self.threads.get_or_insert(tid, &mut self.tally) else {
            return;
        };
        thread.group = Self::fold(self.groups, group);
        let Some(start_ns) = queued_ns.or(thread.queued_ns) else {
            return;
        };
        let group = thread.group;
        let span = Span {
            group,
            start_ns,
            now_ns,
            start_clock_ns: thread.start_clock_ns(from, from_clock_ns),
            now_clock_ns: from_clock_ns,
        };
        let matrix = &mut self.matrix;
        thread
            .parts
            .add(&cpu.log.split(&span, |by, ns| matrix.add(group, by, ns)).0);
        thread.began_ns = thread.began_ns.or(Some(start_ns));
        thread.queued_ns = limbo_waits.then_some(now_ns);
        thread.clock_ns = to_clock_ns;
        thread.clock_of = ClockOf::Next;
    }
}

/// Rule 5: `prev` runs, and nobody saw it get the CPU.
fn mend(
    cpu: &mut Cpu,
    now_ns: u64,
    prev: u32,
    prev_arrived_ns: Option<u64>,
    prev_thread: Option<&mut Thread>,
    tally: &mut Tally,
) {
    let arrived_ns = prev_arrived_ns
        .filter(|&at| prev_thread.is_some() && at > cpu.switched_ns && at < now_ns)
        .unwrap_or(now_ns);
    let group = match (&prev_thread, prev) {
        (_, 0) => GROUP_IDLE,
        (Some(thread), _) => thread.group,
        (None, _) => GROUP_REST,
    };
    tally.chain_breaks += 1;
    tally.unknown_ns = tally
        .unknown_ns
        .wrapping_add(arrived_ns.saturating_sub(cpu.switched_ns));
    cpu.log.push(GROUP_UNKNOWN, cpu.switched_ns, None, None);
    if arrived_ns < now_ns {
        cpu.log.push(group, arrived_ns, None, None);
    }
    cpu.group = group;
    if let Some(thread) = prev_thread {
        thread.on_ns = (arrived_ns < now_ns).then_some(arrived_ns);
        (thread.queued_ns, thread.left, thread.began_ns) = (None, None, None);
        thread.parts = Parts::default();
    }
}
