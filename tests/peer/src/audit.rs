//! What must always hold, checked by [`Peer::audit`]; tests call it after each of their steps.

use ghostsched_core::wire::{StatusFlags, TxnState};

use crate::{Latched, Peer, State};

impl Peer {
    /// The first thing that is wrong: a thread lost or in two places, a flag that does not tell, an end not accounted for,
    /// or what would have been the end of a real kernel.
    pub fn audit(&self) -> Result<(), String> {
        if let Some(cpu) = self.oops {
            return Err(format!(
                "INC_AGENT_BARRIER_ON_FAILURE toward cpu {cpu}, which had no agent: a kernel oops"
            ));
        }
        self.audit_tasks()?;
        self.audit_cpus()?;
        let counts = self.counts;
        if counts.spawned != self.alive() as u64 + counts.dead + counts.departed {
            return Err(format!("{} alive of {counts:?}", self.alive()));
        }
        if counts.claimed != counts.complete + counts.failed {
            return Err(format!("transactions that did not end: {counts:?}"));
        }
        for (number, side) in self.queues.iter().enumerate() {
            let overflow = side.memory.mapping().queue().map(|queue| queue.overflow());
            if overflow != Ok(side.overflow) {
                return Err(format!(
                    "queue {number} lost {} messages, says {overflow:?}",
                    side.overflow
                ));
            }
        }
        Ok(())
    }

    fn audit_tasks(&self) -> Result<(), String> {
        for (index, task) in self.tasks.iter().enumerate() {
            let wrong = |what: &str| Err(format!("{what}: {task:?}"));
            if task.on.is_some() && task.latch.is_some() {
                return wrong("runs and is latched");
            }
            if (task.on.is_some() || task.latch.is_some()) && task.state != State::Runnable {
                return wrong("on a CPU and not runnable");
            }
            if task
                .on
                .is_some_and(|cpu| self.cpus[cpu as usize].current != Some(index))
            {
                return wrong("not on its CPU");
            }
            if task
                .latch
                .is_some_and(|cpu| self.cpus[cpu as usize].latched != Latched::Task(index))
            {
                return wrong("not latched on its CPU");
            }
            if task.word_is_freed {
                continue;
            }
            let seen = self.word(task.word).as_agent_sees().snapshot();
            if seen.gtid != task.gtid
                || seen.flags.contains(StatusFlags::ON_CPU) != task.on.is_some()
                || seen.flags.contains(StatusFlags::RUNNABLE) != (task.state == State::Runnable)
                || seen.flags.contains(StatusFlags::CAN_FREE) != matches!(task.state, State::Dead | State::Departed)
            {
                return Err(format!("{seen:?} of {task:?}"));
            }
        }
        Ok(())
    }

    fn audit_cpus(&self) -> Result<(), String> {
        for (number, cpu) in (0..).zip(&self.cpus) {
            if cpu.current.is_some_and(|index| self.tasks[index].on != Some(number)) {
                return Err(format!("cpu {number} runs what runs elsewhere: {cpu:?}"));
            }
            if let Latched::Task(index) = cpu.latched
                && self.tasks[index].latch != Some(number)
            {
                return Err(format!("cpu {number} latched what is latched elsewhere: {cpu:?}"));
            }
            if let TxnState::Claimed(by) = self.transaction(number).state() {
                return Err(format!(
                    "transaction of cpu {number} was claimed by {by} and did not end"
                ));
            }
        }
        Ok(())
    }
}
