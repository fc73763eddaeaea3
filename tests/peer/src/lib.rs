//! Plays the kernel for tests: produces messages, keeps status words and commits transactions, in the same bytes and the
//! same order of stores as a ghOSt kernel of the chosen ABI. For tests in Rust, and by [`c`] in C, C++ and Python.
//!
//! It is a stand-in of one enclave and no simulation: time moves when [`Peer::step`] is called, an inter-processor interrupt
//! arrives at once, and a thread is what a test or the seeded workload of `step` makes of it.
//!
//! | file | what it is |
//! |---|---|
//! | `memory` | pages that both sides see: allocated here, or lent |
//! | `events` | what happens to threads and CPUs, and the message each causes |
//! | `commit` | transactions: the ABI's checks in their order, latching, sync groups |
//! | `workload` | `step`: threads that run, yield, block, wake and end by a seed |
//! | `audit` | what must always hold |
//! | `c` | the same for C, `peer.h` |
#![deny(unsafe_code)]

mod audit;
pub mod c;
mod commit;
mod events;
mod memory;
mod workload;

pub use commit::Caller;
pub use memory::Memory;

use std::collections::HashMap;
use std::sync::Arc;

use ghostsched_core::abi::{Abi, CPU_DATA_BYTES, STATUS_WORD_REGION_BYTES, STATUS_WORD_REGION_CAPACITY};
use ghostsched_core::gtid::{Gtid, GtidSplit};
use ghostsched_core::shared::queue::Queue;
use ghostsched_core::shared::status_word::{KernelStatusWord, format_region};
use ghostsched_core::shared::transaction::Transaction;
use ghostsched_core::wire::{RunFlags, StatusFlags, StatusWordInfo, queue_bytes};

/// The error number, positive, by which the kernel refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

impl Errno {
    const NOENT: Self = Self(2);
    const NOMEM: Self = Self(12);
    const BUSY: Self = Self(16);
    const NODEV: Self = Self(19);
    const INVAL: Self = Self(22);
    const STALE: Self = Self(116);
}

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It can run; whether it does, is latched or waits is another question.
    Runnable,
    /// It sleeps.
    Blocked,
    /// It exited; known until its status word is freed.
    Dead,
    /// It left for another scheduling class.
    Departed,
}

#[derive(Debug)]
struct Task {
    gtid: Gtid,
    parent: Gtid,
    state: State,
    word: u32, // index of its status word
    word_is_freed: bool,
    queue: usize,
    on: Option<u32>,    // the CPU it runs on
    latch: Option<u32>, // the CPU it is latched on
    last_cpu: u32,
    runtime_ns: u64,
    nice: i32,
    work: Option<u32>, // steps to run until it exits; None leaves it to the test
}

/// What is latched on a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Latched {
    Nothing,
    Idle,
    Task(usize),
}

#[derive(Debug)]
struct Agent {
    word: u32,
    queue: usize,
    runs: bool, // it is on its CPU, in front of whatever is latched
}

#[derive(Debug)]
struct Cpu {
    is_online: bool,
    higher_class: bool, // a thread of a higher class runs
    agent: Option<Agent>,
    current: Option<usize>,
    idles: bool, // idle in ghOSt context, by a transaction
    latched: Latched,
    run_flags: RunFlags,
    seqnum: u64,
}

#[derive(Debug)]
struct QueueSide {
    memory: Arc<Memory>,
    wakes: Vec<u32>,
    overflow: u32,
}

/// How many of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Threads that were spawned.
    pub spawned: u64,
    /// Threads that exited.
    pub dead: u64,
    /// Threads that departed.
    pub departed: u64,
    /// Messages put into queues.
    pub messages: u64,
    /// Messages that did not fit.
    pub lost: u64,
    /// Transactions claimed.
    pub claimed: u64,
    /// Transactions that ended COMPLETE.
    pub complete: u64,
    /// Transactions that ended otherwise.
    pub failed: u64,
}

/// The stand-in: one enclave of `cpus` CPUs, numbered from 0.
#[derive(Debug)]
pub struct Peer {
    abi: Abi,
    now_ns: i64,
    split: GtidSplit,
    queues: Vec<QueueSide>,
    words: Arc<Memory>,
    cpu_data: Arc<Memory>,
    next_word: u32,
    next_seqnum: u64,
    tasks: Vec<Task>,
    by_gtid: HashMap<Gtid, usize>,
    cpus: Vec<Cpu>,
    counts: Counts,
    delivers_ticks: bool,
    random: u64,
    oops: Option<u32>, // the first CPU where a real kernel would have died of what the agent asked
}

impl Peer {
    /// An enclave in memory of its own, with a default queue of `slots` slots. `seed` is the workload's.
    pub fn new(abi: Abi, cpus: u32, slots: u32, seed: u64) -> Result<Self, Errno> {
        let words = Memory::new(STATUS_WORD_REGION_BYTES);
        let cpu_data = Memory::new(cpus as usize * CPU_DATA_BYTES);
        Self::with_memory(abi, cpus, seed, words, cpu_data).and_then(|mut peer| {
            peer.add_queue(Memory::new(queue_bytes(slots)), slots)?;
            Ok(peer)
        })
    }

    /// An enclave without a queue in memory that is given: `words` a region of status words, `cpu_data` a page a CPU.
    pub fn with_memory(abi: Abi, cpus: u32, seed: u64, words: Memory, cpu_data: Memory) -> Result<Self, Errno> {
        let shared = words.mapping().words().map_err(|_| Errno::INVAL)?;
        let room = (words.len().saturating_sub(64) / 32) as u32;
        if !format_region(shared, 0, 0, room.min(STATUS_WORD_REGION_CAPACITY)) {
            return Err(Errno::INVAL);
        }
        let pages = cpu_data.mapping().cpu_pages().map_err(|_| Errno::INVAL)?;
        if cpus == 0 || pages.len() < cpus as usize {
            return Err(Errno::INVAL);
        }
        for (cpu, page) in (0..cpus as i32).zip(pages) {
            page.transaction().format(cpu);
        }
        Ok(Self {
            abi,
            now_ns: 1_000_000,
            split: GtidSplit::default(),
            queues: Vec::new(),
            words: Arc::new(words),
            cpu_data: Arc::new(cpu_data),
            next_word: 0,
            next_seqnum: 1,
            tasks: Vec::new(),
            by_gtid: HashMap::new(),
            cpus: (0..cpus).map(|_| Cpu::new()).collect(),
            counts: Counts::default(),
            delivers_ticks: false,
            random: seed | 1,
            oops: None,
        })
    }

    /// Makes a queue of `slots` slots in this memory; the first is the default queue. Returns its number.
    pub fn add_queue(&mut self, memory: Memory, slots: u32) -> Result<usize, Errno> {
        let words = memory.mapping().words().map_err(|_| Errno::INVAL)?;
        Queue::format(words, slots).map_err(|_| Errno::INVAL)?;
        self.queues.push(QueueSide {
            memory: Arc::new(memory),
            wakes: Vec::new(),
            overflow: 0,
        });
        Ok(self.queues.len() - 1)
    }

    /// Whose agents a queue wakes: at most two CPUs, none to poll (`CONFIG_QUEUE_WAKEUP`).
    pub fn config_wakeup(&mut self, queue: usize, cpus: &[u32]) -> Result<(), Errno> {
        let side = self.queues.get_mut(queue).ok_or(Errno::INVAL)?;
        if cpus.len() > 2 || cpus.iter().any(|&cpu| cpu as usize >= self.cpus.len()) {
            return Err(Errno::INVAL);
        }
        side.wakes = cpus.to_vec();
        Ok(())
    }

    /// An agent attaches to a CPU; its messages go to `queue`. It runs until it yields.
    pub fn add_agent(&mut self, cpu: u32, queue: usize) -> Result<StatusWordInfo, Errno> {
        if queue >= self.queues.len() {
            return Err(Errno::INVAL);
        }
        if self.cpu(cpu)?.agent.is_some() {
            return Err(Errno::BUSY);
        }
        self.kill_transaction(cpu);
        let (gtid, word) = (self.new_gtid()?, self.allocate()?);
        let flags = StatusFlags::IS_AGENT | StatusFlags::RUNNABLE | StatusFlags::ON_CPU | StatusFlags::CPU_AVAILABLE;
        self.word(word).initialise(gtid, 0, 0, flags);
        self.cpu(cpu)?.agent = Some(Agent {
            word,
            queue,
            runs: true,
        });
        Ok(StatusWordInfo { region: 0, index: word })
    }

    /// The agent of a CPU dies: its latched thread is preempted and its transaction ends with NO_AGENT.
    pub fn remove_agent(&mut self, cpu: u32) -> Result<(), Errno> {
        let agent = self.cpu(cpu)?.agent.take().ok_or(Errno::INVAL)?;
        self.drop_latched(cpu);
        self.kill_transaction(cpu);
        let word = self.word(agent.word);
        word.clear(StatusFlags::ON_CPU | StatusFlags::RUNNABLE);
        word.set(StatusFlags::CAN_FREE);
        Ok(())
    }

    /// Frees a status word that says it can be freed (`SW_FREE`). A dead thread is forgotten.
    pub fn sw_free(&mut self, info: StatusWordInfo) -> Result<(), Errno> {
        if info.region != 0 || info.index as usize >= self.kernel_words().len() {
            return Err(Errno::NOENT);
        }
        if !self.word(info.index).free() {
            return Err(Errno::INVAL);
        }
        let owner = self
            .tasks
            .iter_mut()
            .find(|task| task.word == info.index && !task.word_is_freed);
        if let Some(task) = owner {
            task.word_is_freed = true;
            if task.state == State::Dead {
                self.by_gtid.remove(&task.gtid);
            }
        }
        Ok(())
    }

    /// Moves a thread's messages to a queue (`ASSOC_QUEUE`); 1 if they went there already.
    pub fn assoc_queue(&mut self, queue: usize, gtid: Gtid, barrier: u32) -> Result<u32, Errno> {
        if queue >= self.queues.len() {
            return Err(Errno::INVAL);
        }
        let index = self.find(gtid).ok_or(Errno::NOENT)?;
        if self.word(self.tasks[index].word).as_agent_sees().barrier() != barrier {
            return Err(Errno::STALE);
        }
        let before = std::mem::replace(&mut self.tasks[index].queue, queue);
        Ok(u32::from(before == queue))
    }

    /// `RUN`: 0 yields the CPU of the agent that calls, on this barrier; -1 wakes the agent of `cpu`.
    pub fn run(&mut self, gtid: Gtid, cpu: u32, agent_barrier: u32) -> Result<(), Errno> {
        let word = self.cpu(cpu)?.agent.as_ref().ok_or(Errno::INVAL)?.word;
        match gtid {
            Gtid::NULL if self.word(word).as_agent_sees().barrier() != agent_barrier => Err(Errno::STALE),
            Gtid::NULL => {
                self.agent_off(cpu);
                Ok(())
            }
            Gtid::AGENT => {
                self.word(word).advance_barrier();
                self.wake_agent(cpu);
                Ok(())
            }
            _ => Err(Errno::INVAL),
        }
    }

    /// Its ABI.
    pub fn abi(&self) -> Abi {
        self.abi
    }

    /// The virtual time, in ns.
    pub fn now_ns(&self) -> i64 {
        self.now_ns
    }

    /// The mapping of a queue.
    pub fn queue_memory(&self, queue: usize) -> Option<Arc<Memory>> {
        self.queues.get(queue).map(|side| side.memory.clone())
    }

    /// The mapping of the status words.
    pub fn status_word_memory(&self) -> Arc<Memory> {
        self.words.clone()
    }

    /// The mapping of the transactions.
    pub fn cpu_data_memory(&self) -> Arc<Memory> {
        self.cpu_data.clone()
    }

    /// Where the status word of a CPU's agent is.
    pub fn agent_word(&self, cpu: u32) -> Option<StatusWordInfo> {
        let index = self.cpus.get(cpu as usize)?.agent.as_ref()?.word;
        Some(StatusWordInfo { region: 0, index })
    }

    /// What a thread is doing; `None` if there is none of this gtid.
    pub fn state(&self, gtid: Gtid) -> Option<State> {
        self.find(gtid).map(|index| self.tasks[index].state)
    }

    /// The thread that runs on a CPU.
    pub fn running(&self, cpu: u32) -> Option<Gtid> {
        let current = self.cpus.get(cpu as usize)?.current?;
        Some(self.tasks[current].gtid)
    }

    /// How many of what happened.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Threads that have neither exited nor departed.
    pub fn alive(&self) -> usize {
        let is_alive = |task: &&Task| matches!(task.state, State::Runnable | State::Blocked);
        self.tasks.iter().filter(is_alive).count()
    }

    /// The tunable `deliver_ticks`.
    pub fn deliver_ticks(&mut self, deliver: bool) {
        self.delivers_ticks = deliver;
    }

    fn cpu(&mut self, cpu: u32) -> Result<&mut Cpu, Errno> {
        self.cpus.get_mut(cpu as usize).ok_or(Errno::NODEV)
    }

    fn find(&self, gtid: Gtid) -> Option<usize> {
        self.by_gtid.get(&gtid).copied()
    }

    fn kernel_words(&self) -> &[KernelStatusWord] {
        // The region was formatted here; an agent that overwrote its header has no words any more.
        self.words.mapping().kernel_status_words().unwrap_or(&[])
    }

    fn word(&self, index: u32) -> &KernelStatusWord {
        &self.kernel_words()[index as usize]
    }

    fn transaction(&self, cpu: u32) -> &Transaction {
        let pages = self.cpu_data.mapping().cpu_pages().unwrap_or(&[]);
        pages[cpu as usize].transaction()
    }

    /// The next free word after the one given out last, so that indices are not used again at once.
    fn allocate(&mut self) -> Result<u32, Errno> {
        let count = self.kernel_words().len() as u32;
        for step in 0..count {
            let index = (self.next_word + step) % count;
            if self.word(index).allocate() {
                self.next_word = (index + 1) % count;
                return Ok(index);
            }
        }
        Err(Errno::NOMEM)
    }

    fn new_gtid(&mut self) -> Result<Gtid, Errno> {
        let seqnum = self.next_seqnum;
        self.next_seqnum += 1;
        self.split.join(1000 + seqnum as u32, seqnum).ok_or(Errno::NOMEM)
    }
}

impl Cpu {
    fn new() -> Self {
        Self {
            is_online: true,
            higher_class: false,
            agent: None,
            current: None,
            idles: false,
            latched: Latched::Nothing,
            run_flags: RunFlags::empty(),
            seqnum: 0,
        }
    }
}
