//! What happens to threads and CPUs, and the message each causes.
//!
//! The order of stores is the kernel's: the barrier moves before the message is built, CAN_FREE is set before DEAD or
//! DEPARTED is visible, ON_CPU is cleared after the message that says why, and a barrier moves also where a message is lost.

use ghostsched_core::gtid::Gtid;
use ghostsched_core::wire::{Message, Payload, RunFlags, StatusFlags, StatusWordInfo, cpu, task};

use crate::{Errno, Latched, Peer, State, Task};

impl Peer {
    /// A thread joins, runnable or asleep: TASK_NEW. With `work` it is part of the workload and exits after so many steps.
    pub fn spawn(&mut self, parent: Gtid, is_runnable: bool, work: Option<u32>) -> Result<Gtid, Errno> {
        if self.queues.is_empty() {
            return Err(Errno::INVAL);
        }
        let (gtid, word) = (self.new_gtid()?, self.allocate()?);
        let flags = if is_runnable {
            StatusFlags::RUNNABLE
        } else {
            StatusFlags::empty()
        };
        self.word(word).initialise(gtid, 0, 0, flags);
        self.tasks.push(Task {
            gtid,
            parent,
            state: if is_runnable { State::Runnable } else { State::Blocked },
            word,
            word_is_freed: false,
            queue: 0,
            on: None,
            latch: None,
            last_cpu: 0,
            runtime_ns: 0,
            nice: 0,
            work,
        });
        let index = self.tasks.len() - 1;
        self.by_gtid.insert(gtid, index);
        self.counts.spawned += 1;
        self.announce(index);
        Ok(gtid)
    }

    /// A TASK_NEW for each thread again, which wakes no agent (`discover tasks`).
    pub fn discover_tasks(&mut self) {
        let woken: Vec<_> = self
            .queues
            .iter_mut()
            .map(|queue| std::mem::take(&mut queue.wakes))
            .collect();
        for index in 0..self.tasks.len() {
            if matches!(self.tasks[index].state, State::Runnable | State::Blocked) {
                self.announce(index);
            }
        }
        for (queue, wakes) in self.queues.iter_mut().zip(woken) {
            queue.wakes = wakes;
        }
    }

    fn announce(&mut self, index: usize) -> bool {
        let task = &self.tasks[index];
        let payload = Payload::TaskNew(task::New {
            gtid: task.gtid,
            parent: Some(task.parent).filter(|parent| *parent != Gtid::NULL),
            runtime_ns: task.runtime_ns,
            is_runnable: task.state == State::Runnable,
            nice: Some(task.nice),
            status_word: StatusWordInfo {
                region: 0,
                index: task.word,
            },
            agent_data: Some(0),
        });
        self.deliver(index, payload)
    }

    /// A sleeping thread wakes: RUNNABLE, then TASK_WAKEUP.
    pub fn wake(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let index = self.find_in(gtid, State::Blocked)?;
        self.tasks[index].state = State::Runnable;
        self.word(self.tasks[index].word).set(StatusFlags::RUNNABLE);
        let cpu = self.tasks[index].last_cpu as i32;
        self.deliver(
            index,
            Payload::TaskWakeup(task::Wakeup {
                gtid,
                agent_data: 0,
                is_deferrable: false,
                last_ran_cpu: cpu,
                wake_up_cpu: cpu,
                waker_cpu: 0,
            }),
        );
        Ok(())
    }

    /// A running thread goes to sleep: TASK_BLOCKED.
    pub fn block(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let (index, cpu) = self.find_running(gtid)?;
        self.tasks[index].state = State::Blocked;
        self.word(self.tasks[index].word).clear(StatusFlags::RUNNABLE);
        let cpu_seqnum = self.next_cpu_seqnum(cpu);
        let payload = Payload::TaskBlocked(task::Blocked {
            gtid,
            runtime_ns: self.tasks[index].runtime_ns,
            cpu_seqnum,
            cpu: cpu as i32,
            from_switchto: false,
        });
        self.deliver(index, payload);
        self.switch_out(index, cpu, RunFlags::AGENT_ON_BLOCKED);
        Ok(())
    }

    /// A running thread gives up its CPU: TASK_YIELD.
    pub fn yield_cpu(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let (index, cpu) = self.find_running(gtid)?;
        let cpu_seqnum = self.next_cpu_seqnum(cpu);
        let payload = Payload::TaskYield(task::Yield {
            gtid,
            runtime_ns: self.tasks[index].runtime_ns,
            cpu_seqnum,
            agent_data: 0,
            cpu: cpu as i32,
            from_switchto: false,
        });
        self.deliver(index, payload);
        self.switch_out(index, cpu, RunFlags::AGENT_ON_YIELD);
        Ok(())
    }

    /// A running thread loses its CPU: TASK_PREEMPT.
    pub fn preempt(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let (index, cpu) = self.find_running(gtid)?;
        self.push_out(index, cpu, true);
        Ok(())
    }

    /// A thread exits: CAN_FREE, then TASK_DEAD.
    pub fn exit(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let index = self.find_alive(gtid)?;
        let cpu = self.leave_latch(index);
        self.tasks[index].state = State::Dead;
        self.counts.dead += 1;
        let word = self.word(self.tasks[index].word);
        word.clear(StatusFlags::RUNNABLE);
        word.set(StatusFlags::CAN_FREE);
        let last = Some(self.tasks[index].last_cpu as i32);
        let is_told = self.deliver(index, Payload::TaskDead(task::Dead { gtid, cpu: last }));
        if let Some(cpu) = cpu {
            self.switch_out(index, cpu, RunFlags::empty());
        }
        self.free_unless(is_told, index);
        Ok(())
    }

    /// A thread leaves for another class: CAN_FREE and MESSAGES_GATED, then TASK_DEPARTED.
    pub fn depart(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let index = self.find_alive(gtid)?;
        let cpu = self.leave_latch(index);
        self.tasks[index].state = State::Departed;
        self.counts.departed += 1;
        let word = self.word(self.tasks[index].word);
        word.clear(StatusFlags::RUNNABLE);
        word.set(StatusFlags::CAN_FREE | StatusFlags::MESSAGES_GATED);
        let at = cpu.unwrap_or(self.tasks[index].last_cpu);
        let cpu_seqnum = self.next_cpu_seqnum(at);
        let is_told = self.deliver(
            index,
            Payload::TaskDeparted(task::Departed {
                gtid,
                cpu_seqnum,
                cpu: at as i32,
                from_switchto: false,
                was_current: cpu.is_some(),
            }),
        );
        if let Some(cpu) = cpu {
            self.switch_out(index, cpu, RunFlags::empty());
        }
        self.free_unless(is_told, index);
        Ok(())
    }

    /// The affinity of a thread is about to change: TASK_AFFINITY_CHANGED, which wakes no agent.
    pub fn change_affinity(&mut self, gtid: Gtid) -> Result<(), Errno> {
        let index = self.find_alive(gtid)?;
        let queue = self.tasks[index].queue;
        let wakes = std::mem::take(&mut self.queues[queue].wakes);
        self.deliver(index, Payload::TaskAffinityChanged(task::AffinityChanged { gtid }));
        self.queues[queue].wakes = wakes;
        Ok(())
    }

    /// The nice value of a thread changes: TASK_PRIORITY_CHANGED since ABI 75; ABI 69 only moves the barrier.
    pub fn change_priority(&mut self, gtid: Gtid, nice: i32) -> Result<(), Errno> {
        let index = self.find_alive(gtid)?;
        self.tasks[index].nice = nice;
        self.deliver(
            index,
            Payload::TaskPriorityChanged(task::PriorityChanged { gtid, nice }),
        );
        Ok(())
    }

    /// A timer tick on a CPU: CPU_TICK if ticks are delivered and a ghOSt thread or the agent runs.
    pub fn tick(&mut self, cpu: u32) -> Result<(), Errno> {
        let side = self.cpu(cpu)?;
        let is_agent = side.agent.as_ref().is_some_and(|agent| agent.runs);
        if (is_agent || side.current.is_some()) && self.delivers_ticks {
            self.deliver_cpu(
                cpu,
                Payload::CpuTick(cpu::Tick {
                    cpu: cpu as i32,
                    is_agent: Some(is_agent),
                }),
            );
        }
        Ok(())
    }

    /// A timer fires that the agent set for a CPU (`TIMERFD_SETTIME`): CPU_TIMER_EXPIRED with what it gave.
    pub fn expire_timer(&mut self, cpu: u32, kind: u64, cookie: u64) -> Result<(), Errno> {
        self.cpu(cpu)?;
        let number = cpu as i32;
        self.deliver_cpu(
            cpu,
            Payload::CpuTimerExpired(cpu::TimerExpired {
                cpu: number,
                kind,
                cookie,
            }),
        );
        Ok(())
    }

    /// A CPU that idles by a transaction leaves that for `next`: CPU_NOT_IDLE if the transaction asked for it.
    pub fn leave_idle(&mut self, cpu: u32, next: Gtid) -> Result<(), Errno> {
        let side = self.cpu(cpu)?;
        if std::mem::replace(&mut side.idles, false) && side.run_flags.contains(RunFlags::NEED_CPU_NOT_IDLE) {
            let number = cpu as i32;
            self.deliver_cpu(cpu, Payload::CpuNotIdle(cpu::NotIdle { cpu: number, next }));
        }
        Ok(())
    }

    /// A higher class takes the CPU, or leaves it: CPU_BUSY or CPU_AVAILABLE where the ABI has them, and the flag in the
    /// agent's word. A running thread is preempted, a latched one loses its latch.
    pub fn set_higher_class(&mut self, cpu: u32, is_there: bool) -> Result<(), Errno> {
        let side = self.cpu(cpu)?;
        side.higher_class = is_there;
        let (current, word) = (side.current, side.agent.as_ref().map(|agent| agent.word));
        let number = cpu as i32;
        if is_there {
            if let Some(index) = current {
                self.push_out(index, cpu, true);
            }
            self.drop_latched(cpu);
            self.deliver_cpu(cpu, Payload::CpuBusy(cpu::Busy { cpu: number }));
        }
        if let Some(word) = word {
            if is_there {
                self.word(word).clear(StatusFlags::CPU_AVAILABLE);
                self.word(word).set(StatusFlags::BOOST_PRIORITY);
            } else {
                self.word(word).clear(StatusFlags::BOOST_PRIORITY);
                self.word(word).set(StatusFlags::CPU_AVAILABLE);
            }
        }
        if !is_there {
            self.deliver_cpu(cpu, Payload::CpuAvailable(cpu::Available { cpu: number }));
        }
        Ok(())
    }

    /// Takes a CPU offline or online.
    pub fn set_online(&mut self, cpu: u32, is_online: bool) -> Result<(), Errno> {
        self.cpu(cpu)?.is_online = is_online;
        Ok(())
    }

    /// The CPU picks what runs next: the agent, else what is latched; who runs instead of a thread preempts it.
    pub fn schedule(&mut self, cpu: u32) {
        self.commit_at_schedule(cpu);
        let side = &mut self.cpus[cpu as usize];
        let agent_runs = side.agent.as_ref().is_some_and(|agent| agent.runs);
        if side.higher_class || agent_runs || side.latched == Latched::Nothing {
            return;
        }
        let (current, latched) = (side.current, std::mem::replace(&mut side.latched, Latched::Nothing));
        let tells = !side.run_flags.contains(RunFlags::ELIDE_PREEMPT);
        if let Some(index) = current {
            self.push_out(index, cpu, tells);
        }
        match latched {
            Latched::Nothing => {}
            Latched::Idle => {
                let side = &mut self.cpus[cpu as usize];
                side.idles = true;
            }
            Latched::Task(index) => self.switch_in(index, cpu),
        }
    }

    fn switch_in(&mut self, index: usize, cpu: u32) {
        let now_ns = self.now_ns;
        let side = &mut self.cpus[cpu as usize];
        (side.current, side.idles) = (Some(index), false);
        let asks = side.run_flags.contains(RunFlags::SEND_TASK_ON_CPU);
        let task = &mut self.tasks[index];
        (task.on, task.latch, task.last_cpu) = (Some(cpu), None, cpu);
        let (gtid, word) = (task.gtid, task.word);
        self.word(word).switch_in(now_ns);
        if asks {
            let (commit_time_ns, cpu_seqnum, cpu) = (now_ns as u64, self.next_cpu_seqnum(cpu), cpu as i32);
            let payload = match self.abi.kind(73) {
                Some(ghostsched_core::abi::MessageKind::TaskLatched) => Payload::TaskLatched(task::Latched {
                    gtid,
                    commit_time_ns,
                    cpu_seqnum,
                    cpu,
                    was_preempted: false,
                }),
                _ => Payload::TaskOnCpu(task::OnCpu {
                    gtid,
                    commit_time_ns,
                    cpu_seqnum,
                    cpu,
                }),
            };
            self.deliver(index, payload);
        }
    }

    /// A thread loses its CPU; whether a message says so depends on who takes it.
    pub(crate) fn push_out(&mut self, index: usize, cpu: u32, tells: bool) {
        if tells {
            self.send_preempt(index, cpu, false);
        } else {
            self.word(self.tasks[index].word).advance_barrier();
        }
        self.switch_out(index, cpu, RunFlags::AGENT_ON_PREEMPT);
    }

    pub(crate) fn send_preempt(&mut self, index: usize, cpu: u32, was_latched: bool) {
        let cpu_seqnum = self.next_cpu_seqnum(cpu);
        let payload = Payload::TaskPreempt(task::Preempt {
            gtid: self.tasks[index].gtid,
            runtime_ns: self.tasks[index].runtime_ns,
            cpu_seqnum,
            agent_data: 0,
            cpu: cpu as i32,
            from_switchto: false,
            was_latched,
        });
        self.deliver(index, payload);
    }

    /// After the message: runtime, then ON_CPU goes off; the local agent runs if the transaction asked for it.
    fn switch_out(&mut self, index: usize, cpu: u32, edge: RunFlags) {
        let task = &mut self.tasks[index];
        task.on = None;
        let (word, runtime_ns) = (task.word, task.runtime_ns);
        self.word(word).set_runtime(runtime_ns);
        self.word(word).clear(StatusFlags::ON_CPU);
        let side = &mut self.cpus[cpu as usize];
        side.current = None;
        if side.run_flags.intersects(edge) {
            self.wake_agent(cpu);
        }
    }

    /// The barrier, the message, the wake-up. Whether the message can be read.
    fn deliver(&mut self, index: usize, payload: Payload<'static>) -> bool {
        let task = &self.tasks[index];
        let (queue, cpu) = (task.queue, task.last_cpu);
        let seqnum = self.word(task.word).advance_barrier();
        let is_there = self.produce(queue, Message { seqnum, payload });
        self.wake_target(queue, cpu);
        is_there
    }

    /// The same for the agent of a CPU: what happens to a CPU wakes the target of its agent's queue, what only tells who has
    /// it (available, busy, agents) does not.
    fn deliver_cpu(&mut self, cpu: u32, payload: Payload<'static>) -> bool {
        let Some(agent) = &self.cpus[cpu as usize].agent else {
            return false;
        };
        let wakes = matches!(
            payload,
            Payload::CpuTick(_) | Payload::CpuTimerExpired(_) | Payload::CpuNotIdle(_)
        );
        let (queue, seqnum) = (agent.queue, self.word(agent.word).advance_barrier());
        let is_there = self.produce(queue, Message { seqnum, payload });
        if wakes {
            self.wake_target(queue, cpu);
        }
        is_there
    }

    /// Wakes the agent that a queue wakes: that of this CPU if it is listed, else the first.
    fn wake_target(&mut self, queue: usize, cpu: u32) {
        let wakes = &self.queues[queue].wakes;
        if let Some(&target) = wakes.iter().find(|&&wake| wake == cpu).or(wakes.first()) {
            self.wake_agent(target);
        }
    }

    /// A message this ABI lacks is not sent; one that does not fit is lost and counted.
    fn produce(&mut self, queue: usize, message: Message<'static>) -> bool {
        if !message.kind().is_some_and(|kind| self.abi.has(kind)) {
            return false;
        }
        let side = &mut self.queues[queue];
        let Ok(shared) = side.memory.mapping().queue() else {
            return false;
        };
        let is_there = shared.producer().produce_message(&message, self.abi).is_ok();
        if is_there {
            self.counts.messages += 1;
        } else {
            side.overflow = side.overflow.wrapping_add(1);
            self.counts.lost += 1;
        }
        is_there
    }

    /// The agent's barrier moves and it gets to run, if it slept.
    pub(crate) fn wake_agent(&mut self, cpu: u32) {
        let Some(agent) = self.cpus[cpu as usize].agent.as_mut() else {
            return;
        };
        let (word, slept) = (agent.word, !std::mem::replace(&mut agent.runs, true));
        self.word(word).advance_barrier();
        if slept {
            self.word(word).set(StatusFlags::ON_CPU | StatusFlags::RUNNABLE);
        }
    }

    /// The agent of a CPU sleeps; what is latched gets to run.
    pub(crate) fn agent_off(&mut self, cpu: u32) {
        if let Some(agent) = self.cpus[cpu as usize].agent.as_mut() {
            agent.runs = false;
            let word = agent.word;
            self.word(word).clear(StatusFlags::ON_CPU | StatusFlags::RUNNABLE);
        }
        self.schedule(cpu);
    }

    pub(crate) fn next_cpu_seqnum(&mut self, cpu: u32) -> u64 {
        let side = &mut self.cpus[cpu as usize];
        side.seqnum += 1;
        side.seqnum
    }

    /// What is latched on a CPU loses its place: TASK_PREEMPT of a latched thread.
    pub(crate) fn drop_latched(&mut self, cpu: u32) {
        let latched = std::mem::replace(&mut self.cpus[cpu as usize].latched, Latched::Nothing);
        if let Latched::Task(index) = latched {
            self.tasks[index].latch = None;
            self.send_preempt(index, cpu, true);
        }
    }

    /// A thread that ends leaves the CPU that latched it; the CPU it runs on, if any.
    fn leave_latch(&mut self, index: usize) -> Option<u32> {
        if let Some(cpu) = self.tasks[index].latch.take() {
            self.cpus[cpu as usize].latched = Latched::Nothing;
        }
        self.tasks[index].on
    }

    /// The kernel frees the word of a thread whose end nobody will be told.
    fn free_unless(&mut self, is_told: bool, index: usize) {
        if !is_told {
            let info = StatusWordInfo {
                region: 0,
                index: self.tasks[index].word,
            };
            // CAN_FREE was set by the caller.
            let _ = self.sw_free(info);
        }
    }

    fn find_alive(&self, gtid: Gtid) -> Result<usize, Errno> {
        let index = self.find(gtid).ok_or(Errno::NOENT)?;
        match self.tasks[index].state {
            State::Runnable | State::Blocked => Ok(index),
            State::Dead | State::Departed => Err(Errno::INVAL),
        }
    }

    fn find_in(&self, gtid: Gtid, state: State) -> Result<usize, Errno> {
        let index = self.find(gtid).ok_or(Errno::NOENT)?;
        if self.tasks[index].state == state {
            Ok(index)
        } else {
            Err(Errno::INVAL)
        }
    }

    fn find_running(&self, gtid: Gtid) -> Result<(usize, u32), Errno> {
        let index = self.find_in(gtid, State::Runnable)?;
        self.tasks[index].on.map(|cpu| (index, cpu)).ok_or(Errno::INVAL)
    }
}
