//! `step`: time passes; threads of the workload run, yield, block, wake, lose their CPU and exit, by a seed.

use ghostsched_core::gtid::Gtid;

use crate::{Errno, Peer, State};

/// Virtual nanoseconds of a step.
const STEP_NS: u64 = 10_000;

impl Peer {
    /// Spawns `count` threads of the workload, each to run for `work` steps; every fourth is asleep at first.
    pub fn spawn_workload(&mut self, count: u32, work: u32) -> Result<(), Errno> {
        for number in 0..count {
            self.spawn(Gtid::NULL, number % 4 != 3, Some(work.max(1)))?;
        }
        Ok(())
    }

    /// Lets time pass once: CPUs pick, threads run, sleepers may wake. Returns how many threads are alive.
    pub fn step(&mut self) -> usize {
        self.now_ns += STEP_NS as i64;
        for cpu in 0..self.cpus.len() as u32 {
            self.schedule(cpu);
            // A CPU of this enclave that is only this Peer's has its own number: neither call can fail.
            let _ = self.tick(cpu);
            self.run_current(cpu);
        }
        let sleepers: Vec<_> = self
            .tasks
            .iter()
            .filter(|task| task.state == State::Blocked && task.work.is_some())
            .map(|task| task.gtid)
            .collect();
        for gtid in sleepers {
            if self.random(3) == 0 {
                let _ = self.wake(gtid);
            }
        }
        self.alive()
    }

    /// The thread on a CPU runs for a step, and then does what the seed says. Errors cannot be: it is there and runs.
    fn run_current(&mut self, cpu: u32) {
        let Some(index) = self.cpus[cpu as usize].current else {
            return;
        };
        let task = &mut self.tasks[index];
        task.runtime_ns += STEP_NS;
        let gtid = task.gtid;
        let Some(work) = task.work.as_mut() else {
            return;
        };
        *work = work.saturating_sub(1);
        let is_done = *work == 0;
        let _ = match self.random(8) {
            _ if is_done => self.exit(gtid),
            0 | 1 => self.yield_cpu(gtid),
            2 | 3 => self.block(gtid),
            4 => self.preempt(gtid),
            5 => self.change_affinity(gtid),
            6 => self.change_priority(gtid, (gtid.bits() % 40) as i32 - 20),
            _ => Ok(()), // it runs on
        };
    }

    /// A number below `below`, from the seed (xorshift).
    fn random(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }
}
