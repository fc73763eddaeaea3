//! A transaction: the agent's wish that a thread run on a CPU, and what became of it.
//!
//! One for each CPU, at the start of its page in the file `cpu_data`. Its `state` is a word that says whose it is:
//!
//! ```text
//!            1 open, 2 submit              3 claim               4 finish
//!   final --------------------> READY ---------------> CPU n ---------------> final: COMPLETE or why not
//!   (< 0)         agent       (INT_MAX)     kernel   (0 <= n)     kernel       (< 0)
//!     ^                           |
//!     '---------- ABORTED <-------'
//!                 agent: abort
//! ```
//!
//! 1. While the state is final the transaction is the agent's: it writes the fields ([`Transaction::open`]).
//! 2. It stores READY ([`Open::submit`]) and calls the kernel (`COMMIT_TXN`, `SYNC_GROUP_TXN`). From now on it may only take
//!    the transaction back ([`Transaction::abort`]), if the kernel was not first.
//! 3. The kernel claims it for the CPU that commits, which need not be the transaction's ([`Transaction::claim`]).
//! 4. The kernel writes when it ended and stores how ([`Claimed::finish`]); in bounded time, so an agent may spin on it.
//!
//! A sync group is a set of transactions that are committed all or none. Before an agent edits one it becomes its owner
//! ([`Transaction::own`]); on success the kernel gives it back, on failure the agent does ([`Transaction::disown`]).
//!
//! The pages of CPUs outside the enclave are zero and look as if CPU 0 had claimed them: ask the enclave's CPU set, not the page.
//! When the enclave is destroyed the mapping goes with it, and touching it is SIGBUS.
//!
//! Source: `ghost_claim_txn`, `_ghost_set_txn_state`, `ghost_sync_group` in the kernel; the same in every ABI.

#[cfg(not(loom))]
use core::mem::{offset_of, size_of};

use core::fmt;

#[cfg(not(loom))]
use crate::abi::FieldType;
use crate::abi::Outcome;
#[cfg(not(loom))]
use crate::abi::layout::{CPU_DATA, TRANSACTION};
use crate::abi::outcome::READY;
use crate::gtid::Gtid;
use crate::sync::{AtomicI32, AtomicI64, AtomicU32, AtomicU64, Ordering, spin_hint};
use crate::wire::{CommitFlags, RunFlags, TransactionSnapshot, TxnState};

/// `sync_group_owner` of a transaction that nobody owns.
const NO_OWNER: i32 = -1;

/// A CPU's transaction. 64 bytes, 64-aligned, the same in every ABI (`struct ghost_txn`).
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Transaction {
    version: AtomicI32,
    cpu: AtomicI32,
    state: AtomicI32,
    agent_barrier: AtomicU32,
    task_barrier: AtomicU32,
    flags: AtomicU32, // run_flags: u16, commit_flags: u8, unused: u8
    gtid: AtomicI64,
    commit_time: AtomicI64,
    cpu_seqnum: AtomicU64,
    sync_group_owner: AtomicI32,
    _reserved: [AtomicU32; 3],
}

/// A page of the file `cpu_data`. 4,096 bytes; the transaction is its start.
#[derive(Debug)]
#[cfg_attr(not(loom), repr(C, align(4096)))]
pub struct CpuPage {
    transaction: Transaction,
    #[cfg(not(loom))]
    _rest: [AtomicU64; (CPU_DATA.size - TRANSACTION.size) / 8],
}

#[cfg(not(loom))]
const _: () = {
    use FieldType::{I32, I64, U8, U16, U32, U64};
    assert!(size_of::<Transaction>() == TRANSACTION.size && align_of::<Transaction>() == TRANSACTION.align);
    assert!(offset_of!(Transaction, version) == TRANSACTION.at("version", I32));
    assert!(offset_of!(Transaction, cpu) == TRANSACTION.at("cpu", I32));
    assert!(offset_of!(Transaction, state) == TRANSACTION.at("state", I32));
    assert!(offset_of!(Transaction, agent_barrier) == TRANSACTION.at("agent_barrier", U32));
    assert!(offset_of!(Transaction, task_barrier) == TRANSACTION.at("task_barrier", U32));
    assert!(offset_of!(Transaction, flags) == TRANSACTION.at("run_flags", U16));
    assert!(offset_of!(Transaction, flags) + 2 == TRANSACTION.at("commit_flags", U8));
    assert!(offset_of!(Transaction, flags) + 3 == TRANSACTION.at("unused", U8));
    assert!(offset_of!(Transaction, gtid) == TRANSACTION.at("gtid", I64));
    assert!(offset_of!(Transaction, commit_time) == TRANSACTION.at("commit_time", I64));
    assert!(offset_of!(Transaction, cpu_seqnum) == TRANSACTION.at("cpu_seqnum", U64));
    assert!(offset_of!(Transaction, sync_group_owner) == TRANSACTION.at("u.sync_group_owner", I32));
    assert!(size_of::<CpuPage>() == CPU_DATA.size && align_of::<CpuPage>() == CPU_DATA.align);
};

/// What an agent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// The thread to run, or [`Gtid::NULL`], [`Gtid::AGENT`], [`Gtid::IDLE`].
    pub gtid: Gtid,
    /// The sequence number of the newest message consumed of that thread. Of no meaning for special gtids.
    pub task_barrier: u32,
    /// The barrier of the CPU's agent, read before its queue was drained. Compared only when an agent commits on its own CPU.
    pub agent_barrier: u32,
    /// What happens to the agent and the thread afterwards.
    pub run_flags: RunFlags,
    /// Where it is committed.
    pub commit_flags: CommitFlags,
}

impl Request {
    /// To run this thread, decided on this barrier, with no flags.
    pub const fn run(gtid: Gtid, task_barrier: u32) -> Self {
        Self {
            gtid,
            task_barrier,
            agent_barrier: 0,
            run_flags: RunFlags::empty(),
            commit_flags: CommitFlags::empty(),
        }
    }

    /// To take the running ghOSt thread off its CPU.
    pub const fn unschedule() -> Self {
        Self::run(Gtid::NULL, 0)
    }

    /// The same, on this barrier of the CPU's agent.
    #[must_use]
    pub const fn with_agent_barrier(self, agent_barrier: u32) -> Self {
        Self { agent_barrier, ..self }
    }

    /// The same with these run flags.
    #[must_use]
    pub const fn with_run_flags(self, run_flags: RunFlags) -> Self {
        Self { run_flags, ..self }
    }

    /// The same with these commit flags.
    #[must_use]
    pub const fn with_commit_flags(self, commit_flags: CommitFlags) -> Self {
        Self { commit_flags, ..self }
    }
}

/// The edge was not taken: somebody else had changed the state first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The state that was found.
    pub found: TxnState,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "somebody else was first: the transaction is {}", self.found)
    }
}

impl core::error::Error for Lost {}

/// The transaction has another owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The CPU whose agent owns it; negative if none.
    pub owner: i32,
}

impl fmt::Display for Owned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.owner {
            ..0 => f.write_str("the transaction has no owner"),
            owner => write!(f, "the transaction is owned by the agent of cpu {owner}"),
        }
    }
}

impl core::error::Error for Owned {}

impl Transaction {
    /// A transaction as the kernel makes it when the CPU joins an enclave: ended, and nobody's.
    pub fn new(cpu: i32) -> Self {
        Self {
            version: AtomicI32::new(0),
            cpu: AtomicI32::new(cpu),
            state: AtomicI32::new(Outcome::Complete.number()),
            agent_barrier: AtomicU32::new(0),
            task_barrier: AtomicU32::new(0),
            flags: AtomicU32::new(0),
            gtid: AtomicI64::new(0),
            commit_time: AtomicI64::new(0),
            cpu_seqnum: AtomicU64::new(0),
            sync_group_owner: AtomicI32::new(NO_OWNER),
            _reserved: core::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Ended, nobody's, and for this CPU: the kernel's side, when the CPU joins an enclave. The other fields stay.
    pub fn format(&self, cpu: i32) {
        self.version.store(0, Ordering::Relaxed);
        self.cpu.store(cpu, Ordering::Relaxed);
        self.sync_group_owner.store(NO_OWNER, Ordering::Relaxed);
        // Release: pairs with the agent's load of state; who sees it ended sees the rest.
        self.state.store(Outcome::Complete.number(), Ordering::Release);
    }

    /// Where it is on its way.
    #[inline]
    pub fn state(&self) -> TxnState {
        // Acquire: pairs with the store of state in `finish`; who sees a final state sees the fields written before it.
        TxnState::from_word(self.state.load(Ordering::Acquire))
    }

    /// The agent's side, 1: writes the fields, which it may while the state is final.
    #[inline]
    pub fn open(&self, request: &Request) -> Result<Open<'_>, Lost> {
        let found = self.state();
        if !found.is_final() {
            return Err(Lost { found });
        }
        // Relaxed: the edge to READY publishes them.
        self.version.store(0, Ordering::Relaxed);
        self.agent_barrier.store(request.agent_barrier, Ordering::Relaxed);
        self.task_barrier.store(request.task_barrier, Ordering::Relaxed);
        let flags = u32::from(request.run_flags.bits()) | u32::from(request.commit_flags.bits()) << 16;
        self.flags.store(flags, Ordering::Relaxed);
        self.gtid.store(request.gtid.raw(), Ordering::Relaxed);
        Ok(Open {
            transaction: self,
            found: found.word(),
        })
    }

    /// The agent's side, 1 and 2: writes the fields and submits it.
    #[inline]
    pub fn submit(&self, request: &Request) -> Result<Submitted<'_>, Lost> {
        self.open(request)?.submit()
    }

    /// READY -> ABORTED: takes it back. Loses against the kernel's claim; then it ends soon.
    #[inline]
    pub fn abort(&self) -> Result<(), Lost> {
        self.edge(READY, Outcome::Aborted.number())
    }

    /// Spins until it has ended, at most `spins` times; how it ended, or as an error the state it is still in. For
    /// transactions the kernel has claimed or was called for: one that nobody commits stays READY.
    pub fn wait(&self, spins: u32) -> Result<TxnState, TxnState> {
        for _ in 0..spins {
            let state = self.state();
            if state.is_final() {
                return Ok(state);
            }
            spin_hint();
        }
        let state = self.state();
        if state.is_final() { Ok(state) } else { Err(state) }
    }

    /// READY -> CPU `committer`: the kernel's side, 3. Loses against the agent's abort, or if it was never submitted.
    #[inline]
    pub fn claim(&self, committer: u32) -> Result<Claimed<'_>, Lost> {
        // A CPU number that is none of the kernel's could not be told from READY or from an end.
        let word = i32::try_from(committer).unwrap_or(READY);
        if word == READY {
            return Err(Lost { found: self.state() });
        }
        self.edge(READY, word).map(|()| Claimed { transaction: self })
    }

    #[inline]
    fn edge(&self, from: i32, to: i32) -> Result<(), Lost> {
        // AcqRel: Release hands on what came before, the fields to who claims; Acquire pairs with it, so that who claims sees
        // them. On failure Acquire, for whoever reads the end then.
        match self
            .state
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(()),
            Err(found) => Err(Lost {
                found: TxnState::from_word(found),
            }),
        }
    }

    /// The CPU it is for, as its page says.
    pub fn cpu(&self) -> i32 {
        self.cpu.load(Ordering::Relaxed)
    }

    /// CLOCK_MONOTONIC of its end, in ns. Read [`state`](Self::state) first.
    pub fn commit_time_ns(&self) -> i64 {
        self.commit_time.load(Ordering::Relaxed)
    }

    /// The CPU's counter after its last successful commit.
    pub fn cpu_seqnum(&self) -> u64 {
        self.cpu_seqnum.load(Ordering::Relaxed)
    }

    /// All of it. May change between its fields unless the state is final and nobody submits it.
    pub fn snapshot(&self) -> TransactionSnapshot {
        let state = self.state();
        let request = self.request();
        TransactionSnapshot {
            version: self.version.load(Ordering::Relaxed),
            cpu: self.cpu(),
            state,
            agent_barrier: request.agent_barrier,
            task_barrier: request.task_barrier,
            run_flags: request.run_flags,
            commit_flags: request.commit_flags,
            gtid: request.gtid,
            commit_time_ns: self.commit_time_ns(),
            cpu_seqnum: self.cpu_seqnum(),
            sync_group_owner: self.sync_group_owner.load(Ordering::Relaxed),
        }
    }

    fn request(&self) -> Request {
        let flags = self.flags.load(Ordering::Relaxed);
        Request {
            gtid: Gtid::from_raw(self.gtid.load(Ordering::Relaxed)),
            task_barrier: self.task_barrier.load(Ordering::Relaxed),
            agent_barrier: self.agent_barrier.load(Ordering::Relaxed),
            run_flags: RunFlags::from_bits_retain(flags as u16),
            commit_flags: CommitFlags::from_bits_retain((flags >> 16) as u8),
        }
    }

    /// Which CPU's agent owns it for a sync group; `None` if none does.
    pub fn owner(&self) -> Option<u32> {
        // Acquire: pairs with the Release of who owned it before.
        u32::try_from(self.sync_group_owner.load(Ordering::Acquire)).ok()
    }

    /// nobody's -> `agent`'s: before the first edit for a sync group. Fails with the owner there is.
    pub fn own(&self, agent: u32) -> Result<(), Owned> {
        self.change_owner(NO_OWNER, i32::try_from(agent).unwrap_or(i32::MAX))
    }

    /// `agent`'s -> nobody's: after a group that failed, or was never committed. Fails with the owner there is: after a
    /// success the kernel has given it back already.
    pub fn disown(&self, agent: u32) -> Result<(), Owned> {
        self.change_owner(i32::try_from(agent).unwrap_or(i32::MAX), NO_OWNER)
    }

    /// `from`'s -> `to`'s: one agent hands its transaction to another, as at a hand-over of the global agent.
    pub fn hand_over(&self, from: u32, to: u32) -> Result<(), Owned> {
        let word = |cpu| i32::try_from(cpu).unwrap_or(i32::MAX);
        self.change_owner(word(from), word(to))
    }

    /// anybody's -> nobody's: the kernel's side, after a group was committed.
    pub fn release_owner(&self) {
        // Release: pairs with `own`; the next owner sees this group's end.
        self.sync_group_owner.store(NO_OWNER, Ordering::Release);
    }

    fn change_owner(&self, from: i32, to: i32) -> Result<(), Owned> {
        // AcqRel: each owner sees what the one before has written, and hands its own on.
        match self
            .sync_group_owner
            .compare_exchange(from, to, Ordering::AcqRel, Ordering::Acquire)
        {
            Ok(_) => Ok(()),
            Err(owner) => Err(Owned { owner }),
        }
    }
}

impl CpuPage {
    /// The page of a CPU that joined an enclave.
    pub fn new(cpu: i32) -> Self {
        Self {
            transaction: Transaction::new(cpu),
            #[cfg(not(loom))]
            _rest: core::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    /// The CPU's transaction.
    #[inline]
    pub const fn transaction(&self) -> &Transaction {
        &self.transaction
    }
}

/// A transaction whose fields are written and that is not submitted. Dropped, it stays as it ended last.
///
/// One agent at a time edits a transaction: the CPU's own, the global one, or the owner of its sync group. If two do, one
/// [`submit`](Self::submit) wins and the other is told; but what is submitted may then be the other's fields.
#[derive(Debug)]
#[must_use = "it is not submitted yet"]
pub struct Open<'t> {
    transaction: &'t Transaction,
    found: i32, // the final state in which it was opened
}

impl<'t> Open<'t> {
    /// final -> READY: hands it to the kernel, which is to be called next. Loses if somebody else has submitted it since.
    #[inline]
    pub fn submit(self) -> Result<Submitted<'t>, Lost> {
        self.transaction.edge(self.found, READY)?;
        Ok(Submitted {
            transaction: self.transaction,
        })
    }
}

/// A transaction that is submitted.
#[derive(Clone, Copy, Debug)]
pub struct Submitted<'t> {
    transaction: &'t Transaction,
}

impl Submitted<'_> {
    /// Takes it back; see [`Transaction::abort`].
    #[inline]
    pub fn abort(self) -> Result<(), Lost> {
        self.transaction.abort()
    }

    /// How it ended; `None` if it has not yet.
    #[inline]
    pub fn reap(self) -> Option<TxnState> {
        Some(self.transaction.state()).filter(|state| state.is_final())
    }
}

/// A transaction that a CPU of the kernel has claimed. Has to be [`finish`](Self::finish)ed: agents spin on it.
#[derive(Debug)]
#[must_use = "agents spin until it is finished"]
pub struct Claimed<'t> {
    transaction: &'t Transaction,
}

impl Claimed<'_> {
    /// What the agent asks for.
    pub fn request(&self) -> Request {
        self.transaction.request()
    }

    /// The version and CPU the agent wrote, which a kernel checks.
    pub fn version_and_cpu(&self) -> (i32, i32) {
        (self.transaction.version.load(Ordering::Relaxed), self.transaction.cpu())
    }

    /// CPU n -> `outcome`: 4. The time always, the CPU's counter only of a success.
    pub fn finish(self, outcome: Outcome, now_ns: i64, cpu_seqnum: u64) {
        self.transaction.commit_time.store(now_ns, Ordering::Relaxed);
        if outcome == Outcome::Complete {
            self.transaction.cpu_seqnum.store(cpu_seqnum, Ordering::Relaxed);
        }
        // Release: pairs with the Acquire in `state`; who sees the end sees time and counter.
        self.transaction.state.store(outcome.number(), Ordering::Release);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_transaction_goes_its_way() {
        let txn = Transaction::new(3);
        assert_eq!(txn.state(), TxnState::Ended(Outcome::Complete));
        let request = Request::run(Gtid::from_raw(7), 11)
            .with_agent_barrier(5)
            .with_run_flags(RunFlags::SEND_TASK_ON_CPU)
            .with_commit_flags(CommitFlags::AT_TXN_COMMIT | CommitFlags::ALLOW_TASK_ON_CPU);
        let submitted = txn.submit(&request).unwrap();
        assert_eq!(submitted.reap(), None);
        assert_eq!(txn.open(&request).unwrap_err().found, TxnState::Ready);
        let claimed = txn.claim(1).unwrap();
        assert_eq!(claimed.request(), request);
        assert_eq!(claimed.version_and_cpu(), (0, 3));
        assert_eq!(
            submitted.abort(),
            Err(Lost {
                found: TxnState::Claimed(1)
            })
        );
        assert_eq!(txn.open(&request).unwrap_err().found, TxnState::Claimed(1));
        claimed.finish(Outcome::TargetStale, 99, 4);
        assert_eq!(submitted.reap(), Some(TxnState::Ended(Outcome::TargetStale)));
        assert_eq!((txn.commit_time_ns(), txn.cpu_seqnum()), (99, 0));
        txn.submit(&request).unwrap();
        txn.claim(0).unwrap().finish(Outcome::Complete, 100, 5);
        assert_eq!(
            (txn.wait(0), txn.cpu_seqnum()),
            (Ok(TxnState::Ended(Outcome::Complete)), 5)
        );
    }

    #[test]
    fn what_is_aborted_cannot_be_claimed() {
        let txn = Transaction::new(0);
        assert_eq!(
            txn.abort(),
            Err(Lost {
                found: TxnState::Ended(Outcome::Complete)
            })
        );
        txn.submit(&Request::unschedule()).unwrap();
        assert_eq!(txn.abort(), Ok(()));
        assert_eq!(txn.claim(0).unwrap_err().found, TxnState::Ended(Outcome::Aborted));
        assert_eq!(txn.wait(3), Ok(TxnState::Ended(Outcome::Aborted)));
        txn.submit(&Request::unschedule()).unwrap();
        assert_eq!(txn.wait(3), Err(TxnState::Ready));
        assert!(txn.claim(u32::MAX).is_err() && txn.claim(READY as u32).is_err());
    }

    #[test]
    fn a_final_state_nobody_knows_can_be_opened() {
        let txn = Transaction::new(0);
        txn.state.store(-5, Ordering::Relaxed);
        assert_eq!(txn.state(), TxnState::Unknown(-5));
        assert_eq!(txn.wait(3), Ok(TxnState::Unknown(-5)));
        assert!(txn.submit(&Request::unschedule()).is_ok());
    }

    #[test]
    fn of_two_who_open_it_one_submits() {
        let txn = Transaction::new(0);
        let first = txn.open(&Request::run(Gtid::from_raw(1), 1)).unwrap();
        let second = txn.open(&Request::run(Gtid::from_raw(2), 2)).unwrap();
        second.submit().unwrap();
        let claimed = txn.claim(3).unwrap();
        let found = TxnState::Claimed(3);
        assert_eq!(first.submit().unwrap_err(), Lost { found });
        claimed.finish(Outcome::Complete, 1, 1);
    }

    #[test]
    fn a_group_has_one_owner() {
        let txn = Transaction::new(0);
        assert_eq!(txn.owner(), None);
        assert_eq!(txn.own(2), Ok(()));
        assert_eq!(txn.own(3), Err(Owned { owner: 2 }));
        assert_eq!(txn.disown(3), Err(Owned { owner: 2 }));
        assert_eq!(txn.hand_over(2, 5), Ok(()));
        assert_eq!(txn.owner(), Some(5));
        txn.release_owner();
        assert_eq!(txn.disown(5), Err(Owned { owner: -1 }));
    }

    #[test]
    fn a_snapshot_is_what_was_written() {
        let txn = Transaction::new(9);
        let request = Request::run(Gtid::IDLE, 0).with_run_flags(RunFlags::NEED_CPU_NOT_IDLE);
        let _ = txn.open(&request).unwrap();
        let snapshot = txn.snapshot();
        assert_eq!((snapshot.cpu, snapshot.version, snapshot.sync_group_owner), (9, 0, -1));
        assert_eq!(
            (snapshot.gtid, snapshot.run_flags),
            (Gtid::IDLE, RunFlags::NEED_CPU_NOT_IDLE)
        );
    }
}
