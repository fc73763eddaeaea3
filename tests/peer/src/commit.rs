//! Transactions: claims those that are submitted, makes the ABI's checks in the ABI's order, latches, finishes.
//!
//! Three checks always pass here: the page exists, locks are free, and no running thread was told to leave. All CPUs and
//! threads are of the one enclave, so the three checks about enclaves pass too.

use std::sync::Arc;

use ghostsched_core::abi::outcome::CommitCheck;
use ghostsched_core::abi::{Abi, Outcome};
use ghostsched_core::cpus::CpuSet;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::transaction::{Claimed, Request, Transaction};
use ghostsched_core::wire::{CommitFlags, RunFlags, StatusFlags};

use crate::{Latched, Memory, Peer, State};

/// Who calls the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The agent of a CPU, which is on it.
    Agent(u32),
    /// Another thread of the agent's process.
    Thread,
}

/// A transaction that is being committed.
struct Commit {
    cpu: u32,
    caller: Caller,
    request: Request,
    version_and_cpu: (i32, i32),
    is_inline: bool,
    target: Option<usize>,
}

/// What decides where a transaction is committed.
const WHERE: CommitFlags = CommitFlags::from_bits_retain(0x3);

impl Peer {
    /// `COMMIT_TXN`: commits the submitted transactions of these CPUs one by one, the caller's own last. Those that wait for
    /// the scheduler are left alone; remote ones are committed now, as if by an interrupt that arrives at once.
    pub fn commit(&mut self, cpus: &CpuSet, caller: Caller) {
        let memory = self.cpu_data.clone();
        let mut inline_failed = false;
        for cpu in self.order(cpus, caller) {
            let txn = transaction(&memory, cpu);
            let (place, is_own) = (txn.snapshot().commit_flags & WHERE, caller == Caller::Agent(cpu));
            if place == CommitFlags::AT_SCHEDULE && !is_own {
                continue;
            }
            let is_inline = is_own || place.contains(CommitFlags::AT_TXN_COMMIT);
            let committer = if is_inline { caller } else { Caller::Agent(cpu) };
            let Ok(claimed) = txn.claim(number(committer, cpu)) else {
                continue;
            };
            if is_own && inline_failed {
                self.finish(claimed, Outcome::Poisoned, 0);
                continue;
            }
            let (outcome, cpu_seqnum) = self.decide(&claimed, cpu, caller, is_inline);
            let yields = is_own && claimed.request().gtid != Gtid::AGENT;
            self.finish(claimed, outcome, cpu_seqnum);
            inline_failed |= is_inline && outcome != Outcome::Complete;
            if outcome == Outcome::Complete {
                self.reschedule(cpu, yields);
            }
        }
    }

    /// `SYNC_GROUP_TXN`: commits them all or none. Returns whether all were.
    pub fn sync_group(&mut self, cpus: &CpuSet, caller: Caller) -> bool {
        let memory = self.cpu_data.clone();
        let order = self.order(cpus, caller);
        let mut failed = false;
        let mut claims = Vec::new();
        for &cpu in &order {
            match transaction(&memory, cpu).claim(number(caller, cpu)) {
                Ok(claimed) => claims.push((cpu, claimed)),
                Err(_) => failed = true,
            }
        }
        // Before ABI 73 the ends of those that were committed are written when that of the group is known.
        let writes_at_once = self.abi.failed_sync_group_may_read_complete();
        let (mut done, mut open) = (Vec::new(), Vec::new());
        for (cpu, claimed) in claims {
            if failed {
                self.fail_barrier(cpu, claimed.request().commit_flags);
                self.finish(claimed, Outcome::Poisoned, 0);
                continue;
            }
            let (outcome, cpu_seqnum) = self.decide(&claimed, cpu, caller, true);
            failed = outcome != Outcome::Complete;
            if !failed {
                done.push((
                    cpu,
                    caller == Caller::Agent(cpu) && claimed.request().gtid != Gtid::AGENT,
                ));
            }
            if failed || writes_at_once {
                self.finish(claimed, outcome, cpu_seqnum);
            } else {
                open.push((claimed, cpu_seqnum));
            }
        }
        for (claimed, cpu_seqnum) in open {
            let outcome = if failed { Outcome::Poisoned } else { Outcome::Complete };
            self.finish(claimed, outcome, cpu_seqnum);
        }
        for (cpu, yields) in done {
            if failed {
                self.unlatch(cpu); // off again, without a message
            } else {
                transaction(&memory, cpu).release_owner();
                self.reschedule(cpu, yields);
            }
        }
        !failed
    }

    /// The scheduler of a CPU found nothing latched: its transaction may have waited for that.
    pub(crate) fn commit_at_schedule(&mut self, cpu: u32) {
        let side = &self.cpus[cpu as usize];
        if side.latched != Latched::Nothing || side.higher_class {
            return;
        }
        let memory = self.cpu_data.clone();
        let txn = transaction(&memory, cpu);
        if txn.snapshot().commit_flags & WHERE != CommitFlags::AT_SCHEDULE {
            return;
        }
        if let Ok(claimed) = txn.claim(cpu) {
            let (outcome, cpu_seqnum) = self.decide(&claimed, cpu, Caller::Thread, false);
            self.finish(claimed, outcome, cpu_seqnum);
        }
    }

    /// READY -> NO_AGENT, when an agent comes or goes.
    pub(crate) fn kill_transaction(&mut self, cpu: u32) {
        let memory = self.cpu_data.clone();
        if let Ok(claimed) = transaction(&memory, cpu).claim(cpu) {
            self.finish(claimed, Outcome::NoAgent, 0);
        }
    }

    /// The CPUs from the one after the caller's on, around, the caller's own last.
    fn order(&self, cpus: &CpuSet, caller: Caller) -> Vec<u32> {
        let count = self.cpus.len() as u32;
        let first = match caller {
            Caller::Agent(cpu) => cpu % count + 1,
            Caller::Thread => 0,
        };
        let around = (0..count).map(|step| (first + step) % count);
        around.filter(|&cpu| cpus.contains(cpu)).collect()
    }

    /// Makes the checks; if all pass it takes effect.
    fn decide(&mut self, claimed: &Claimed, cpu: u32, caller: Caller, is_inline: bool) -> (Outcome, u64) {
        let request = claimed.request();
        let commit = Commit {
            cpu,
            caller,
            request,
            version_and_cpu: claimed.version_and_cpu(),
            is_inline,
            target: if request.gtid.is_task() {
                self.find(request.gtid)
            } else {
                None
            },
        };
        let checks = self.abi.commit_checks();
        match checks.iter().find(|(check, _)| !self.passes(*check, &commit)) {
            None => (Outcome::Complete, self.take_effect(&commit)),
            Some(&(_, outcome)) => {
                self.fail_barrier(cpu, request.commit_flags);
                (outcome, 0)
            }
        }
    }

    fn passes(&self, check: CommitCheck, commit: &Commit) -> bool {
        use CommitCheck as C;
        let Commit { cpu, request, .. } = *commit;
        let (gtid, run, how) = (request.gtid, request.run_flags, request.commit_flags);
        let side = &self.cpus[cpu as usize];
        let target = commit.target.map(|index| &self.tasks[index]);
        let flags = |word: u32| self.word(word).as_agent_sees().flags();
        match check {
            C::Version => commit.version_and_cpu.0 == 0,
            C::Cpu => commit.version_and_cpu.1 == cpu as i32,
            C::RunFlags => {
                RunFlags::KNOWN.contains(run)
                    && !(run.contains(RunFlags::AGENT_ON_IDLE) && gtid.raw() < 0)
                    && !(run.contains(RunFlags::NEED_CPU_NOT_IDLE) && gtid != Gtid::IDLE)
                    && (gtid != Gtid::AGENT || run.is_empty())
            }
            C::CommitFlags => {
                let both = CommitFlags::ELIDE_AGENT_BARRIER_INC | CommitFlags::INC_AGENT_BARRIER_ON_FAILURE;
                CommitFlags::KNOWN.contains(how) && !how.contains(WHERE) && !how.contains(both)
            }
            C::Online => side.is_online,
            C::Exists => !gtid.is_task() || target.is_some() || self.is_agent(gtid),
            C::NotAnAgent => !gtid.is_task() || target.is_some(),
            C::NotInhibited => {
                target.is_none_or(|task| task.word_is_freed || !flags(task.word).contains(StatusFlags::MESSAGES_GATED))
            }
            C::Policy => target.is_none_or(|task| task.state != State::Departed),
            C::Alive => target.is_none_or(|task| task.state != State::Dead),
            C::TaskBarrier => target.is_none_or(|task| {
                !task.word_is_freed && self.word(task.word).as_agent_sees().barrier() == request.task_barrier
            }),
            C::Runnable => target.is_none_or(|task| task.state == State::Runnable),
            C::OffCpu => target.is_none_or(|task| {
                task.on.is_none() || (task.on == Some(cpu) && how.contains(CommitFlags::ALLOW_TASK_ON_CPU))
            }),
            C::SpecialGtid => gtid.raw() >= Gtid::IDLE.raw(),
            C::NotIdle => gtid != Gtid::IDLE || !side.idles || how.contains(CommitFlags::ALLOW_TASK_ON_CPU),
            C::Agent => side.agent.is_some(),
            C::Committer => {
                let Caller::Agent(own) = commit.caller else {
                    return !commit.is_inline || gtid == Gtid::AGENT;
                };
                !commit.is_inline || self.cpus.get(own as usize).is_some_and(|own| own.agent.is_some())
            }
            C::NothingDisplaced if !run.contains(RunFlags::DO_NOT_PREEMPT) => true,
            C::NothingDisplaced if matches!(self.abi, Abi::V69 | Abi::V84) => {
                let agent_runs = side.agent.as_ref().is_some_and(|agent| agent.runs);
                side.current.is_none() && !agent_runs && side.latched == Latched::Nothing
            }
            C::NothingDisplaced => {
                let is_target = |index: usize| Some(index) == commit.target;
                side.current.is_none_or(is_target)
                    && !matches!(side.latched, Latched::Task(latched) if !is_target(latched))
            }
            C::CpuFree => gtid == Gtid::NULL || !side.higher_class,
            C::AgentBarrier => match &side.agent {
                Some(agent) if commit.is_inline && commit.caller == Caller::Agent(cpu) && gtid != Gtid::AGENT => {
                    self.word(agent.word).as_agent_sees().barrier() == request.agent_barrier
                }
                _ => true,
            },
            // Page, lock and leaving always pass; one enclave has all CPUs and threads.
            _ => true,
        }
    }

    /// Latches what is asked for. Returns the CPU's counter.
    fn take_effect(&mut self, commit: &Commit) -> u64 {
        let Commit { cpu, request, .. } = *commit;
        let is_on_cpu = commit.target.is_some_and(|index| self.tasks[index].on == Some(cpu));
        if !is_on_cpu && !request.commit_flags.contains(CommitFlags::ELIDE_AGENT_BARRIER_INC) {
            self.advance_agent(cpu);
        }
        if request.gtid == Gtid::AGENT {
            self.wake_agent(cpu);
            return self.next_cpu_seqnum(cpu);
        }
        if commit.target.is_none_or(|index| self.tasks[index].latch != Some(cpu)) {
            self.drop_latched(cpu);
        }
        self.cpus[cpu as usize].run_flags = request.run_flags;
        self.next_cpu_seqnum(cpu);
        if request.gtid == Gtid::IDLE {
            self.cpus[cpu as usize].latched = Latched::Idle;
        } else if let Some(index) = commit.target.filter(|_| !is_on_cpu) {
            if let Some(other) = self.tasks[index].latch.replace(cpu) {
                self.cpus[other as usize].latched = Latched::Nothing;
            }
            self.cpus[cpu as usize].latched = Latched::Task(index);
        } else if request.gtid == Gtid::NULL
            && let Some(index) = self.cpus[cpu as usize].current
        {
            self.push_out(index, cpu, true);
        }
        self.next_cpu_seqnum(cpu)
    }

    fn finish(&mut self, claimed: Claimed, outcome: Outcome, cpu_seqnum: u64) {
        self.counts.claimed += 1;
        if outcome == Outcome::Complete {
            self.counts.complete += 1;
        } else {
            self.counts.failed += 1;
        }
        claimed.finish(outcome, self.now_ns, cpu_seqnum);
    }

    /// After a commit: an agent that committed on its own CPU sleeps, and the CPU picks.
    fn reschedule(&mut self, cpu: u32, yields: bool) {
        if yields {
            self.agent_off(cpu);
        } else {
            self.schedule(cpu);
        }
    }

    fn unlatch(&mut self, cpu: u32) {
        let latched = std::mem::replace(&mut self.cpus[cpu as usize].latched, Latched::Nothing);
        if let Latched::Task(index) = latched {
            self.tasks[index].latch = None;
        }
    }

    /// What INC_AGENT_BARRIER_ON_FAILURE asks for. Toward a CPU without an agent a kernel dereferences NULL.
    fn fail_barrier(&mut self, cpu: u32, flags: CommitFlags) {
        if !flags.contains(CommitFlags::INC_AGENT_BARRIER_ON_FAILURE) {
            return;
        }
        if self.cpus[cpu as usize].agent.is_none() {
            self.oops.get_or_insert(cpu);
        }
        self.advance_agent(cpu);
    }

    fn advance_agent(&self, cpu: u32) {
        if let Some(agent) = &self.cpus[cpu as usize].agent {
            self.word(agent.word).advance_barrier();
        }
    }

    fn is_agent(&self, gtid: Gtid) -> bool {
        let words = self
            .cpus
            .iter()
            .filter_map(|cpu| cpu.agent.as_ref())
            .map(|agent| agent.word);
        words
            .into_iter()
            .any(|word| self.word(word).as_agent_sees().gtid() == gtid)
    }
}

/// The number of the CPU that commits: the caller's, or for a thread that is no agent that of the transaction.
fn number(committer: Caller, cpu: u32) -> u32 {
    match committer {
        Caller::Agent(own) => own,
        Caller::Thread => cpu,
    }
}

fn transaction(memory: &Arc<Memory>, cpu: u32) -> &Transaction {
    // `Peer::with_memory` has checked that there is a page for each CPU.
    memory.mapping().cpu_pages().unwrap_or(&[])[cpu as usize].transaction()
}
