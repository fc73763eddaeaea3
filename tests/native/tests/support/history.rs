//! Histories as a scheduler makes them: threads of several groups on several CPUs, with the kernel's own books (queue
//! stamps, `run_delay`, `pcount`, throttle clocks) kept as the kernel keeps them, and the truth of who did what.

use ghostsched_core::latency::{FIRST_GROUP, Leaving};

use super::Random;

/// What may happen in a history.
#[derive(Clone, Copy, Debug)]
pub struct Profile {
    pub cpus: u32,
    /// Real groups.
    pub groups: u32,
    pub threads: u32,
    pub steps: usize,
    pub throttling: bool,
    /// Queued threads change CPU.
    pub migrations: bool,
    /// Threads change their group, in any state.
    pub moves: bool,
    /// Switches nobody tells of.
    pub misses: bool,
    /// Threads end and others begin.
    pub exits: bool,
    /// Threads are preempted on their way to sleep: the kernel does not stamp those.
    pub unstamped: bool,
    /// More segments than a log holds, now and then.
    pub floods: bool,
    /// Threads run and wait before the first event.
    pub late: bool,
}

/// One event as the kernel could tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Switch {
        now_ns: u64,
        cpu: u32,
        prev: u32,
        leaving: Leaving,
        stamped: bool,
        /// `prev` ends.
        dead: bool,
        arrived_ns: u64,
        prev_clock_ns: u64,
        next: u32,
        next_group: u32,
        queued_ns: u64,
        delay_ns: u64,
        arrivals: u64,
        next_clock_ns: u64,
    },
    Wakeup {
        now_ns: u64,
        cpu: u32,
        tid: u32,
        group: u32,
        clock_ns: u64,
    },
    Migrate {
        now_ns: u64,
        from: u32,
        to: u32,
        tid: u32,
        group: u32,
        /// Since when the kernel counted it here; 0 = it did not.
        queued_ns: u64,
        delay_ns: u64,
        arrivals: u64,
        from_clock_ns: u64,
        to_clock_ns: u64,
    },
}

/// A stretch of a wait on one CPU.
#[derive(Clone, Copy, Debug)]
pub struct Stretch {
    pub cpu: u32,
    /// When it was sent there, or began to wait.
    pub sent_ns: u64,
    /// When it was queued there.
    pub queued_ns: u64,
    pub end_ns: u64,
}

/// A wait as it really was.
#[derive(Clone, Debug)]
pub struct TrueWait {
    pub tid: u32,
    pub group: u32,
    /// When it got its CPU.
    pub now_ns: u64,
    pub stretches: Vec<Stretch>,
    /// Nobody told of its end.
    pub missed: bool,
    /// What the kernel counted of it.
    pub counted_ns: u64,
}

#[derive(Clone, Debug, Default)]
pub struct History {
    pub steps: Vec<Step>,
    pub waits: Vec<TrueWait>,
    /// By CPU: from when on, which thread, of which group.
    pub runners: Vec<Vec<(u64, u32, u32)>>,
    /// By CPU and group: when the throttle clock went.
    pub throttled: Vec<Vec<Vec<(u64, u64)>>>,
    /// Switches nobody told of.
    pub missed: u64,
    /// By thread: when it first became runnable, and when it was last told to get or leave a CPU.
    pub lives: Vec<Option<(u64, u64)>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Asleep,
    Queued,
    Running,
    Moving,
    Dead,
}

#[derive(Clone, Debug)]
struct Task {
    state: State,
    group: u32,
    cpu: u32,
    stamp_ns: u64, // the kernel's last_queued
    arrived_ns: u64,
    delay_ns: u64,
    arrivals: u64,
    stretches: Vec<Stretch>,
    counted_ns: u64,
    /// Was seen to get a CPU.
    known: bool,
    /// Preempted on its way to sleep, and not stamped.
    unstamped: bool,
}

#[derive(Clone, Copy, Debug, Default)]
struct Quota {
    throttled: bool,
    total_ns: u64,
    since_ns: Option<u64>,
}

struct Simulator {
    profile: Profile,
    random: Random,
    now_ns: u64,
    tasks: Vec<Task>, // [tid], 0 is idle
    current: Vec<u32>,
    told: Vec<bool>, // its first switch was
    quotas: Vec<Vec<Quota>>,
    history: History,
}

impl History {
    /// The same seed and profile give the same history; fewer steps give a part from its beginning.
    pub fn new(seed: u64, profile: Profile) -> Self {
        let mut simulator = Simulator::new(seed, profile);
        for _ in 0..profile.steps {
            simulator.act();
        }
        simulator.finish()
    }

    /// The wait of a thread that ended then, unless there are two: a thread may come, go and come within a nanosecond.
    pub fn wait(&self, tid: u32, now_ns: u64) -> Option<&TrueWait> {
        let mut waits = self
            .waits
            .iter()
            .filter(|wait| wait.tid == tid && wait.now_ns == now_ns);
        waits.next().filter(|_| waits.next().is_none())
    }
}

impl Simulator {
    fn new(seed: u64, profile: Profile) -> Self {
        let groups = (FIRST_GROUP + profile.groups) as usize;
        let cpus = profile.cpus as usize;
        let mut random = Random(seed);
        let start_ns = 1_000_000 + random.next() % 1_000_000_000;
        let idle = Task {
            state: State::Running,
            group: 0,
            cpu: 0,
            stamp_ns: 0,
            arrived_ns: 0,
            delay_ns: 0,
            arrivals: 0,
            stretches: Vec::new(),
            counted_ns: 0,
            known: true,
            unstamped: false,
        };
        let mut tasks = vec![idle.clone()];
        for _ in 0..profile.threads {
            let group = FIRST_GROUP + random.below(profile.groups as usize) as u32;
            let cpu = random.below(cpus) as u32;
            tasks.push(Task {
                state: State::Asleep,
                group,
                cpu,
                known: false,
                ..idle.clone()
            });
        }
        let mut simulator = Self {
            profile,
            random,
            now_ns: start_ns,
            current: vec![0; cpus],
            told: vec![false; cpus],
            quotas: vec![vec![Quota::default(); groups]; cpus],
            history: History {
                runners: vec![vec![(0, 0, 0)]; cpus],
                throttled: vec![vec![Vec::new(); groups]; cpus],
                lives: vec![None; tasks.len()],
                ..History::default()
            },
            tasks,
        };
        if profile.late {
            simulator.begin_busy();
        }
        simulator
    }

    /// Threads run and wait already; nobody told of it.
    fn begin_busy(&mut self) {
        for tid in 1..self.tasks.len() {
            let task = &mut self.tasks[tid];
            let (cpu, now_ns) = (task.cpu as usize, self.now_ns);
            match self.random.below(3) {
                0 => {}
                1 if self.current[cpu] == 0 => {
                    task.state = State::Running;
                    task.arrived_ns = now_ns;
                    self.current[cpu] = tid as u32;
                    self.history.runners[cpu].push((now_ns, tid as u32, task.group));
                }
                _ => {
                    task.state = State::Queued;
                    task.stamp_ns = now_ns;
                    task.stretches.push(Stretch {
                        cpu: cpu as u32,
                        sent_ns: now_ns,
                        queued_ns: now_ns,
                        end_ns: 0,
                    });
                }
            }
        }
        self.advance(1);
    }

    fn advance(&mut self, ns: u64) {
        self.now_ns += ns;
    }

    fn wait_a_moment(&mut self) {
        let ns = match self.random.below(10) {
            0 => 0,
            1..=3 => self.random.next() % 50,
            4..=8 => self.random.next() % 20_000,
            _ => self.random.next() % 5_000_000,
        };
        self.advance(ns);
    }

    /// Keeps the throttle clocks right after something changed at `now_ns`.
    fn settle(&mut self) {
        for cpu in 0..self.quotas.len() {
            for group in 0..self.quotas[cpu].len() {
                let there = self.tasks.iter().skip(1).any(|task| {
                    task.cpu as usize == cpu
                        && task.group as usize == group
                        && matches!(task.state, State::Queued | State::Running)
                });
                let quota = &mut self.quotas[cpu][group];
                match (quota.throttled && there, quota.since_ns) {
                    (true, None) => quota.since_ns = Some(self.now_ns),
                    (false, Some(since_ns)) => {
                        quota.total_ns += self.now_ns - since_ns;
                        quota.since_ns = None;
                        self.history.throttled[cpu][group].push((since_ns, self.now_ns));
                    }
                    _ => {}
                }
            }
        }
    }

    fn clock(&self, cpu: u32, group: u32) -> u64 {
        let quota = &self.quotas[cpu as usize][group as usize];
        quota.total_ns + quota.since_ns.map_or(0, |since_ns| self.now_ns - since_ns)
    }

    fn clock_of(&self, tid: u32) -> u64 {
        let task = &self.tasks[tid as usize];
        if tid == 0 { 0 } else { self.clock(task.cpu, task.group) }
    }

    fn in_state(&self, state: State) -> Vec<u32> {
        (1..self.tasks.len() as u32)
            .filter(|&tid| self.tasks[tid as usize].state == state)
            .collect()
    }

    fn act(&mut self) {
        self.wait_a_moment();
        let profile = self.profile;
        match self.random.below(100) {
            0..=44 => {
                let cpu = self.random.below(self.current.len()) as u32;
                self.reschedule(cpu);
            }
            45..=69 => self.wake(),
            70..=79 if profile.migrations => self.migrate(),
            80..=84 => self.arrive(),
            85..=91 if profile.throttling => self.turn_quota(),
            92..=93 if profile.moves => {
                let tid = 1 + self.random.below(self.tasks.len() - 1);
                self.tasks[tid].group = FIRST_GROUP + self.random.below(profile.groups as usize) as u32;
                self.settle();
            }
            94..=95 if profile.exits => self.exit_or_fork(),
            96..=97 if profile.unstamped => self.wake_queued(),
            98 if profile.floods => self.flood(),
            _ => {
                let cpu = self.random.below(self.current.len()) as u32;
                self.reschedule(cpu);
            }
        }
    }

    fn may_run(&self, tid: u32) -> bool {
        let task = &self.tasks[tid as usize];
        !self.quotas[task.cpu as usize][task.group as usize].throttled
    }

    fn reschedule(&mut self, cpu: u32) {
        let prev = self.current[cpu as usize];
        let queued: Vec<u32> = self
            .in_state(State::Queued)
            .into_iter()
            .filter(|&tid| self.tasks[tid as usize].cpu == cpu && self.may_run(tid))
            .collect();
        let next = self.random.pick(&queued);
        let leaving = match self.random.below(4) {
            _ if prev == 0 => Leaving::Runnable,
            _ if !self.may_run(prev) => Leaving::Runnable,
            0 => Leaving::Sleep,
            1 => Leaving::Block,
            _ => Leaving::Runnable,
        };
        // A thread that stays runnable makes place for another, or for none while it is throttled.
        let next = match next {
            Some(next) => next,
            None if prev == 0 => return,
            None if leaving == Leaving::Runnable && self.may_run(prev) => return,
            None => 0,
        };
        self.switch(cpu, next, leaving, false);
    }

    fn switch(&mut self, cpu: u32, next: u32, leaving: Leaving, dead: bool) {
        let now_ns = self.now_ns;
        let prev = self.current[cpu as usize];
        let unstamped = self.profile.unstamped && leaving == Leaving::Runnable && self.random.chance(20);
        let missed = self.profile.misses
            && !dead
            && !unstamped // the engine has an older stamp of its own then, the C none
            && self.told[cpu as usize]
            && self.tasks[prev as usize].known
            && self.tasks[next as usize].known
            && self.random.chance(8);
        let (prev_clock_ns, next_clock_ns) = (self.clock_of(prev), self.clock_of(next));
        let task = &self.tasks[next as usize];
        let step = Step::Switch {
            now_ns,
            cpu,
            prev,
            leaving,
            stamped: !unstamped,
            dead,
            arrived_ns: self.tasks[prev as usize].arrived_ns,
            prev_clock_ns,
            next,
            next_group: task.group,
            queued_ns: task.stamp_ns,
            delay_ns: task.delay_ns,
            arrivals: task.arrivals,
            next_clock_ns,
        };
        if missed {
            self.history.missed += 1;
        } else {
            self.history.steps.push(step);
            self.told[cpu as usize] = true;
            for tid in [prev, next] {
                if let Some((_, last_ns)) = &mut self.history.lives[tid as usize] {
                    *last_ns = now_ns;
                }
            }
        }
        if prev != 0 {
            let task = &mut self.tasks[prev as usize];
            match leaving {
                Leaving::Runnable => {
                    task.state = State::Queued;
                    task.unstamped = unstamped;
                    task.stamp_ns = if unstamped { 0 } else { now_ns };
                    task.stretches = vec![Stretch {
                        cpu,
                        sent_ns: now_ns,
                        queued_ns: now_ns,
                        end_ns: 0,
                    }];
                    task.counted_ns = 0;
                }
                _ if dead => task.state = State::Dead,
                _ => task.state = State::Asleep,
            }
        }
        if next != 0 {
            let task = &mut self.tasks[next as usize];
            if task.stamp_ns != 0 {
                task.delay_ns += now_ns - task.stamp_ns;
                task.counted_ns += now_ns - task.stamp_ns;
                task.arrivals += 1;
                task.arrived_ns = now_ns;
                task.stamp_ns = 0;
            }
            task.state = State::Running;
            task.known |= !missed;
            task.unstamped = false;
            let mut stretches = std::mem::take(&mut task.stretches);
            if let Some(last) = stretches.last_mut() {
                last.end_ns = now_ns;
            }
            let (group, counted_ns) = (task.group, std::mem::take(&mut task.counted_ns));
            self.history.waits.push(TrueWait {
                tid: next,
                group,
                now_ns,
                stretches,
                missed,
                counted_ns,
            });
        }
        let group = if next == 0 { 0 } else { self.tasks[next as usize].group };
        self.history.runners[cpu as usize].push((now_ns, next, group));
        self.current[cpu as usize] = next;
        self.settle();
    }

    fn enqueue(&mut self, tid: u32, cpu: u32) {
        let now_ns = self.now_ns;
        let task = &mut self.tasks[tid as usize];
        task.state = State::Queued;
        task.cpu = cpu;
        task.stamp_ns = now_ns;
        match task.stretches.last_mut() {
            Some(last) => last.queued_ns = now_ns,
            None => task.stretches.push(Stretch {
                cpu,
                sent_ns: now_ns,
                queued_ns: now_ns,
                end_ns: 0,
            }),
        }
        self.settle();
    }

    fn tell_wakeup(&mut self, tid: u32) {
        let task = &self.tasks[tid as usize];
        let (cpu, group, clock_ns) = (task.cpu, task.group, self.clock_of(tid));
        self.history.steps.push(Step::Wakeup {
            now_ns: self.now_ns,
            cpu,
            tid,
            group,
            clock_ns,
        });
    }

    fn wake(&mut self) {
        let asleep = self.in_state(State::Asleep);
        let Some(tid) = self.random.pick(&asleep) else { return };
        let cpu = if self.random.chance(60) {
            self.tasks[tid as usize].cpu
        } else {
            self.random.below(self.current.len()) as u32
        };
        self.history.lives[tid as usize].get_or_insert((self.now_ns, self.now_ns));
        self.enqueue(tid, cpu);
        self.tell_wakeup(tid);
    }

    /// What a preempted thread was about to sleep for happens: it stays queued, and the kernel tells of a wakeup.
    fn wake_queued(&mut self) {
        let queued = self.in_state(State::Queued);
        let unstamped: Vec<u32> = queued
            .into_iter()
            .filter(|&tid| self.tasks[tid as usize].unstamped)
            .collect();
        if let Some(tid) = self.random.pick(&unstamped) {
            self.tell_wakeup(tid);
        }
    }

    fn migrate(&mut self) {
        let queued = self.in_state(State::Queued);
        let Some(tid) = self.random.pick(&queued) else { return };
        let from = self.tasks[tid as usize].cpu;
        let to = self.random.below(self.current.len()) as u32;
        if to == from {
            return;
        }
        self.advance(1); // a wait of 0 ns would not show in the kernel's count
        let (now_ns, group) = (self.now_ns, self.tasks[tid as usize].group);
        let (from_clock_ns, to_clock_ns) = (self.clock(from, group), self.clock(to, group));
        let task = &mut self.tasks[tid as usize];
        let queued_ns = std::mem::take(&mut task.stamp_ns);
        if queued_ns != 0 {
            task.delay_ns += now_ns - queued_ns;
            task.counted_ns += now_ns - queued_ns;
        }
        task.state = State::Moving;
        task.cpu = to;
        if let Some(last) = task.stretches.last_mut() {
            last.end_ns = now_ns;
        }
        task.stretches.push(Stretch {
            cpu: to,
            sent_ns: now_ns,
            queued_ns: now_ns,
            end_ns: 0,
        });
        let (delay_ns, arrivals) = (task.delay_ns, task.arrivals);
        self.history.steps.push(Step::Migrate {
            now_ns,
            from,
            to,
            tid,
            group,
            queued_ns,
            delay_ns,
            arrivals,
            from_clock_ns,
            to_clock_ns,
        });
        self.settle();
        if self.random.chance(50) {
            self.arrive();
        }
    }

    fn arrive(&mut self) {
        let moving = self.in_state(State::Moving);
        if let Some(tid) = self.random.pick(&moving) {
            let cpu = self.tasks[tid as usize].cpu;
            self.enqueue(tid, cpu);
        }
    }

    fn turn_quota(&mut self) {
        let cpu = self.random.below(self.current.len());
        let group = FIRST_GROUP as usize + self.random.below(self.profile.groups as usize);
        self.quotas[cpu][group].throttled ^= true;
        self.settle();
        let current = self.current[cpu];
        if current != 0 && !self.may_run(current) {
            let tail_ns = self.random.next() % 100;
            self.advance(tail_ns);
            self.reschedule(cpu as u32);
        }
    }

    fn exit_or_fork(&mut self) {
        let dead = self.in_state(State::Dead);
        if let Some(tid) = self.random.pick(&dead) {
            // The number is used again.
            let group = FIRST_GROUP + self.random.below(self.profile.groups as usize) as u32;
            self.tasks[tid as usize] = Task {
                state: State::Asleep,
                group,
                known: false,
                ..self.tasks[0].clone()
            };
            return;
        }
        let cpu = self.random.below(self.current.len()) as u32;
        if self.current[cpu as usize] != 0 {
            let queued = self.in_state(State::Queued);
            let here: Vec<u32> = queued
                .into_iter()
                .filter(|&tid| self.tasks[tid as usize].cpu == cpu && self.may_run(tid))
                .collect();
            let next = self.random.pick(&here).unwrap_or(0);
            self.switch(cpu, next, Leaving::Sleep, true);
        }
    }

    /// Two threads of different groups take turns until no log reaches back to before.
    fn flood(&mut self) {
        let cpu = self.random.below(self.current.len()) as u32;
        for _ in 0..1030 + self.random.below(200) {
            let ns = 1 + self.random.next() % 2_000;
            self.advance(ns);
            let prev = self.current[cpu as usize];
            let others: Vec<u32> = self
                .in_state(State::Queued)
                .into_iter()
                .filter(|&tid| {
                    let task = &self.tasks[tid as usize];
                    task.cpu == cpu && task.group != self.tasks[prev as usize].group && self.may_run(tid)
                })
                .take(2)
                .collect();
            match self.random.pick(&others) {
                Some(next) => self.switch(cpu, next, Leaving::Runnable, false),
                None => return,
            }
        }
    }

    fn finish(mut self) -> History {
        for quotas in &mut self.quotas {
            for quota in quotas {
                quota.throttled = false;
            }
        }
        self.settle();
        self.history
    }
}
