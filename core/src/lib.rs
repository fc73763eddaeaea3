//! Everything of ghostsched that needs no kernel: no std, no allocation, no clock, no file.
//!
//! Two halves. **Measuring**: why threads wait for a CPU. **Scheduling**: what a ghOSt kernel and an agent say to each other,
//! and the memory they say it in, for every public version of the ABI, chosen when the program runs.
//!
//! From the bottom up; each module uses those above it in its half and [`sync`]:
//!
//! | module | what it is |
//! |---|---|
//! | [`histogram`] | fixed-size histograms with the user's own bounds |
//! | [`latency`] | the accounting of queueing delay, per group |
//! | [`trace`] | recorded traces of scheduling events |
//! | | |
//! | [`gtid`] | the identity of a thread |
//! | [`cpus`] | sets of CPUs, and the kernel's text forms of them |
//! | [`abi`] | what differs between ABI 69, 84, 90 and 91, as data: layouts, messages, outcomes, BPF numbers, texts |
//! | [`wire`] | bytes the kernel has finished with, as values: messages, pictures of the rest, ioctls |
//! | [`shared`] | words the other side changes while we look: status words, queues, transactions, PNT rings |
//! | [`tasks`] | what an agent knows of each thread: a table by gtid |
//!
//! # How a ghOSt agent works
//!
//! A *ghOSt* kernel hands the scheduling of some threads to a process, the *agent*. Threads and CPUs are grouped into an
//! *enclave*. Whatever happens to a thread becomes a *message* in a *queue*: it woke, it blocked, it was preempted. The agent
//! decides, writes a *transaction* for a CPU ("run this thread here") and commits it. *Status words* tell it what each
//! thread and each CPU's agent is doing right now. Each thing has a *barrier*, a counter that moves with each message: a
//! decision names the barriers it was made on, and the kernel refuses one that is stale.
//!
//! ```
//! use ghostsched_core::abi::{Abi, Outcome};
//! use ghostsched_core::gtid::Gtid;
//! use ghostsched_core::shared::{Queue, Request, Transaction};
//! use ghostsched_core::sync::AtomicU32;
//! use ghostsched_core::tasks::{Task, TaskTable};
//! use ghostsched_core::wire::{Message, Payload, StatusWordInfo, queue_bytes, task};
//!
//! // What a kernel would map: here it is memory of our own, and we play the kernel too.
//! let abi = Abi::negotiate_text("84\n91\n")?;
//! let memory: Vec<AtomicU32> = (0..queue_bytes(64) / 4).map(|_| AtomicU32::new(0)).collect();
//! let queue = Queue::format(&memory, 64)?;
//! let txn = Transaction::new(0);
//!
//! // The kernel: thread 7 is here and runnable.
//! let new = task::New {
//!     gtid: Gtid::from_raw(7), parent: None, runtime_ns: 0, is_runnable: true, nice: Some(0),
//!     status_word: StatusWordInfo { region: 0, index: 3 }, agent_data: Some(0),
//! };
//! queue.producer().produce_message(&Message { seqnum: 1, payload: Payload::TaskNew(new) }, abi)?;
//!
//! // The agent: reads the message, remembers the thread, asks for it to run on CPU 0.
//! let mut tasks = TaskTable::new([Task::<bool>::default(); 8])?;
//! let mut consumer = queue.consumer();
//! while let Some(lent) = consumer.peek()? {
//!     if let Payload::TaskNew(new) = lent.read(abi)?.payload {
//!         tasks.insert(new.gtid, lent.seqnum(), new.is_runnable)?;
//!     }
//!     lent.consume();
//! }
//! for task in tasks.iter().filter(|task| task.state) {
//!     txn.submit(&Request::run(task.gtid(), task.seqnum()))?;
//! }
//!
//! // The kernel: claims it, commits it, and says so.
//! let claimed = txn.claim(0)?;
//! assert_eq!(claimed.request().gtid, Gtid::from_raw(7));
//! claimed.finish(Outcome::Complete, 1_000, 1);
//! assert!(txn.state().is_committed());
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! # What a kernel expects of an agent
//!
//! It stands where it is needed: [`shared::queue`] (one consumer, gaps are legal, overflow),
//! [`shared::status_word`] (the own barrier before the queue; free the word after DEAD and DEPARTED), [`shared::transaction`]
//! (edit only while final, own it for a group), [`wire::CommitFlags`] and [`wire::RunFlags`] (which exclude each other),
//! [`abi::Outcome::remedy`] (what to do about a refusal), [`abi`] (pin yourself in 69, open files first since 83).
#![no_std]
#![deny(unsafe_code)]

#[cfg(loom)]
extern crate std;

#[cfg(not(all(target_pointer_width = "64", target_endian = "little", target_has_atomic = "64")))]
compile_error!("ghOSt's memory is that of 64-bit little-endian machines with 64-bit atomics");

pub mod abi;
pub mod cpus;
pub mod gtid;
pub mod histogram;
pub mod latency;
pub mod shared;
pub mod sync;
pub mod tasks;
pub mod trace;
pub mod wire;
