//! The threads of the engine: what is known of each, and a hash table of them in lent memory.

use super::GROUP_REST;
use super::engine::Tally;
use super::run_log::Parts;
use super::stats::Kind;

/// Which CPU's throttle clock a thread remembers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ClockOf {
    /// None yet.
    #[default]
    Nobody,
    Cpu(u32),
    /// Of the CPU it is on the way to.
    Next,
}

/// One thread's state: opaque memory for the caller to lend.
#[derive(Clone, Copy, Debug, Default)]
pub struct Thread {
    pub(super) tid: u32, // 0 = free
    pub(super) left: Option<(u64, Kind)>,
    pub(super) on_ns: Option<u64>,
    pub(super) queued_ns: Option<u64>,
    pub(super) began_ns: Option<u64>,
    pub(super) clock_ns: u64,
    pub(super) clock_of: ClockOf,
    pub(super) group: u32,
    pub(super) cpu: u32,
    pub(super) parts: Parts,
}

impl Thread {
    /// The throttle clock of its group on a CPU when it was queued there. Last seen on another CPU, nobody knows what the
    /// clock of this one showed: then what it shows now, so that nothing counts as throttled.
    pub(super) fn start_clock_ns(&self, cpu: u32, now_clock_ns: u64) -> u64 {
        match self.clock_of {
            ClockOf::Next => self.clock_ns,
            ClockOf::Cpu(of) if of == cpu => self.clock_ns,
            _ => now_clock_ns,
        }
    }
}

/// Open addressing with linear probing over lent slots; removal shifts back, so there are no tombstones.
#[derive(Debug)]
pub(super) struct ThreadTable<'a> {
    pub(super) slots: &'a mut [Thread],
    pub(super) used: usize,
}

impl ThreadTable<'_> {
    fn home(&self, tid: u32) -> usize {
        (tid.wrapping_mul(0x9e37_79b1) >> 4) as usize % self.slots.len()
    }

    /// The slot of a thread, or the free one where it would go; `None` in a full table without it.
    fn find(&self, tid: u32) -> Option<usize> {
        let len = self.slots.len();
        if len == 0 {
            return None;
        }
        let home = self.home(tid);
        (0..len)
            .map(|i| (home + i) % len)
            .find(|&i| self.slots[i].tid == tid || self.slots[i].tid == 0)
    }

    pub(super) fn get(&mut self, tid: u32) -> Option<&mut Thread> {
        let slot = self.find(tid)?;
        (self.slots[slot].tid == tid).then(|| &mut self.slots[slot])
    }

    pub(super) fn get_or_insert(&mut self, tid: u32, tally: &mut Tally) -> Option<&mut Thread> {
        if tid == 0 {
            return None; // the idle thread never waits, and 0 marks a free slot
        }
        let Some(slot) = self.find(tid) else {
            tally.threads_over_capacity += 1;
            return None;
        };
        if self.slots[slot].tid != tid {
            // One slot stays free, so that a search for a thread that is not there ends.
            if self.used + 1 >= self.slots.len() {
                tally.threads_over_capacity += 1;
                return None;
            }
            self.used += 1;
            self.slots[slot] = Thread {
                tid,
                group: GROUP_REST,
                ..Thread::default()
            };
        }
        Some(&mut self.slots[slot])
    }

    pub(super) fn remove(&mut self, tid: u32) {
        let Some(mut hole) = self.find(tid) else { return };
        if tid == 0 || self.slots[hole].tid != tid {
            return;
        }
        let len = self.slots.len();
        let mut i = hole;
        loop {
            i = (i + 1) % len;
            if self.slots[i].tid == 0 {
                break;
            }
            // A thread may fill the hole if its home is not after the hole on the way to it.
            let from_home = (i + len - self.home(self.slots[i].tid)) % len;
            if from_home >= (i + len - hole) % len {
                self.slots[hole] = self.slots[i];
                hole = i;
            }
        }
        self.slots[hole] = Thread::default();
        self.used -= 1;
    }
}
