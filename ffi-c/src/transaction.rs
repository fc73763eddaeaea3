//! Transactions for C: those of an enclave's CPUs, the agent's side.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use std::ffi::c_char;

use ghostsched_core::abi::outcome::Remedy;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::transaction::{CpuPage, Lost, Open, Owned, Request, Transaction};
use ghostsched_core::wire::{CommitFlags, RunFlags, TransactionSnapshot, TxnState};

use crate::error::{Failure, entry, gs_status, put_text, value};
use crate::handle;

/// The transactions of an enclave, one a CPU. Filled by gs_transactions_init; may be copied.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct gs_transactions {
    /// The library's.
    pub opaque: [u64; 8],
}

/// What a gs_transactions holds.
pub(crate) type State = &'static [CpuPage];

/// What an agent asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct gs_request {
    /// The thread to run, or GS_GTID_NULL, GS_GTID_AGENT, GS_GTID_IDLE.
    pub gtid: i64,
    /// The sequence number of the newest message consumed of that thread.
    pub task_barrier: u32,
    /// The barrier of the CPU's agent, read before its queue was drained. Compared only when an agent commits on its own CPU.
    pub agent_barrier: u32,
    /// What happens to the agent and the thread afterwards: GS_RUN_*.
    pub run_flags: u16,
    /// Where it is committed: GS_COMMIT_*.
    pub commit_flags: u8,
}

/// What a transaction said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct gs_transaction {
    /// What was asked for.
    pub request: gs_request,
    /// The CPU it is for.
    pub cpu: i32,
    /// Where it is on its way; see gs_txn_state.
    pub state: i32,
    /// Which CPU's agent owns it for a sync group; negative if none.
    pub sync_group_owner: i32,
    /// Version of the layout; 0.
    pub version: i32,
    /// CLOCK_MONOTONIC of its end, in ns.
    pub commit_time_ns: i64,
    /// Counter of the CPU after the last successful commit.
    pub cpu_seqnum: u64,
}

impl From<gs_request> for Request {
    fn from(request: gs_request) -> Self {
        Self {
            gtid: Gtid::from_raw(request.gtid),
            task_barrier: request.task_barrier,
            agent_barrier: request.agent_barrier,
            run_flags: RunFlags::from_bits_retain(request.run_flags),
            commit_flags: CommitFlags::from_bits_retain(request.commit_flags),
        }
    }
}

impl From<TransactionSnapshot> for gs_transaction {
    fn from(snapshot: TransactionSnapshot) -> Self {
        Self {
            request: gs_request {
                gtid: snapshot.gtid.raw(),
                task_barrier: snapshot.task_barrier,
                agent_barrier: snapshot.agent_barrier,
                run_flags: snapshot.run_flags.bits(),
                commit_flags: snapshot.commit_flags.bits(),
            },
            cpu: snapshot.cpu,
            state: snapshot.state.word(),
            sync_group_owner: snapshot.sync_group_owner,
            version: snapshot.version,
            commit_time_ns: snapshot.commit_time_ns,
            cpu_seqnum: snapshot.cpu_seqnum,
        }
    }
}

fn transaction(transactions: *const gs_transactions, cpu: u32) -> Result<&'static Transaction, Failure> {
    let page = handle::state(transactions)?.get(cpu as usize);
    page.map(CpuPage::transaction)
        .ok_or_else(|| Failure::new(gs_status::GS_ERR_RANGE))
}

/// Done, or the state that was found: an answer, no failure.
fn edge<T>(result: Result<T, Lost>, found: *mut i32) -> gs_status {
    match result {
        Ok(_) => gs_status::GS_OK,
        Err(Lost { found: state }) => {
            handle::out_or_not(found, state.word());
            gs_status::GS_LOST
        }
    }
}

/// Done, or the owner there is.
fn ownership(result: Result<(), Owned>, found: *mut i32) -> gs_status {
    match result {
        Ok(()) => gs_status::GS_OK,
        Err(Owned { owner }) => {
            handle::out_or_not(found, owner);
            gs_status::GS_OWNED
        }
    }
}

/// Makes `transactions` those of the file `cpu_data`, whose mapping of `len` bytes is at `base`. The view keeps the mapping.
///
/// When the enclave is destroyed the kernel takes the pages of `cpu_data` away, and touching them, also by a call of this
/// library, is SIGBUS; queues stay. So watch `agent_online` (poll, POLLPRI), stop using the view when the enclave goes, and
/// unmap the file before you destroy an enclave yourself.
#[unsafe(no_mangle)]
pub extern "C" fn gs_transactions_init(transactions: *mut gs_transactions, base: *mut u8, len: usize) -> gs_status {
    entry(|| {
        let pages = handle::mapping(base, len)?.cpu_pages()?;
        handle::initialise(transactions, pages)?;
        Ok(gs_status::GS_OK)
    })
}

/// How many CPUs have a transaction. 0 of what was not initialised.
#[unsafe(no_mangle)]
pub extern "C" fn gs_transactions_count(transactions: *const gs_transactions) -> u32 {
    value(0, || Ok(handle::state(transactions)?.len() as u32))
}

/// Writes what an agent asks for, without submitting it. GS_LOST if the transaction has not ended; `found`, which may be NULL
/// here and below, is then its state.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_open(
    transactions: *const gs_transactions,
    cpu: u32,
    request: *const gs_request,
    found: *mut i32,
) -> gs_status {
    entry(|| {
        let request = Request::from(*handle::get(request)?);
        let opened = transaction(transactions, cpu)?.open(&request);
        Ok(edge(opened.map(|_: Open| ()), found))
    })
}

/// Hands the transaction to the kernel, which is to be called next; with what gs_txn_open wrote if `request` is NULL. GS_LOST
/// if it has not ended.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_submit(
    transactions: *const gs_transactions,
    cpu: u32,
    request: *const gs_request,
    found: *mut i32,
) -> gs_status {
    entry(|| {
        let txn = transaction(transactions, cpu)?;
        let request = match request.is_null() {
            true => gs_transaction::from(txn.snapshot()).request,
            false => *handle::get(request)?,
        };
        Ok(edge(txn.submit(&request.into()).map(|_| ()), found))
    })
}

/// Takes a submitted transaction back. GS_LOST if the kernel was first or it was not submitted.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_abort(transactions: *const gs_transactions, cpu: u32, found: *mut i32) -> gs_status {
    entry(|| Ok(edge(transaction(transactions, cpu)?.abort(), found)))
}

/// Where the transaction is: GS_TXN_READY, the CPU of the kernel that commits it (0 and up), or how it ended (GS_TXN_*, all
/// negative).
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_state(transactions: *const gs_transactions, cpu: u32, state: *mut i32) -> gs_status {
    entry(|| {
        let state = handle::out(state)?;
        state.write(transaction(transactions, cpu)?.state().word());
        Ok(gs_status::GS_OK)
    })
}

/// Spins until the transaction has ended, at most `spins` times. GS_LOST if it has not; `state` is where it is in any case.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_wait(
    transactions: *const gs_transactions,
    cpu: u32,
    spins: u32,
    state: *mut i32,
) -> gs_status {
    entry(|| {
        let state = handle::out(state)?;
        let txn = transaction(transactions, cpu)?;
        let (found, status) = match txn.wait(spins) {
            Ok(found) => (found.word(), gs_status::GS_OK),
            Err(found) => (found.word(), gs_status::GS_LOST),
        };
        state.write(found);
        Ok(status)
    })
}

/// All of a transaction; it may change between its fields unless it has ended.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_read(transactions: *const gs_transactions, cpu: u32, txn: *mut gs_transaction) -> gs_status {
    entry(|| {
        let to = handle::out(txn)?;
        to.write(transaction(transactions, cpu)?.snapshot().into());
        Ok(gs_status::GS_OK)
    })
}

/// Becomes the owner of the transaction for a sync group, as the agent of CPU `agent`. GS_OWNED, and the owner, if it has one.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_own(transactions: *const gs_transactions, cpu: u32, agent: u32, owner: *mut i32) -> gs_status {
    entry(|| Ok(ownership(transaction(transactions, cpu)?.own(agent), owner)))
}

/// Gives the transaction back, after a group that failed or was never committed. GS_OWNED if another owns it, or nobody.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_disown(
    transactions: *const gs_transactions,
    cpu: u32,
    agent: u32,
    owner: *mut i32,
) -> gs_status {
    entry(|| Ok(ownership(transaction(transactions, cpu)?.disown(agent), owner)))
}

/// Hands the ownership from one agent to another.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_hand_over(
    transactions: *const gs_transactions,
    cpu: u32,
    from: u32,
    to: u32,
    owner: *mut i32,
) -> gs_status {
    entry(|| Ok(ownership(transaction(transactions, cpu)?.hand_over(from, to), owner)))
}

/// Whether a state is an end: the agent may use the transaction again.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_state_is_final(state: i32) -> bool {
    TxnState::from_word(state).is_final()
}

/// Whether a state says that the transaction was committed.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_state_is_committed(state: i32) -> bool {
    TxnState::from_word(state).is_committed()
}

/// What an agent does about a state: GS_REMEDY_*. Of a transaction that has not ended GS_REMEDY_NONE; of an end that this
/// library does not know, which a newer kernel may write, GS_REMEDY_DRAIN_FROM_BARRIER.
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_state_remedy(state: i32) -> i32 {
    match TxnState::from_word(state).remedy() {
        Remedy::None => GS_REMEDY_NONE,
        Remedy::Retry => GS_REMEDY_RETRY,
        Remedy::Drain => GS_REMEDY_DRAIN,
        Remedy::DrainFromBarrier => GS_REMEDY_DRAIN_FROM_BARRIER,
        Remedy::LeaveCpu => GS_REMEDY_LEAVE_CPU,
        Remedy::Mistake => GS_REMEDY_MISTAKE,
    }
}

/// Nothing.
pub const GS_REMEDY_NONE: i32 = 0;
/// The same decision may succeed later: put the thread back in the run queue.
pub const GS_REMEDY_RETRY: i32 = 1;
/// Drain the queue, where a message explains it, and decide again.
pub const GS_REMEDY_DRAIN: i32 = 2;
/// Read the own barrier again, drain the queue, decide again.
pub const GS_REMEDY_DRAIN_FROM_BARRIER: i32 = 3;
/// The CPU is going away: give its threads to others.
pub const GS_REMEDY_LEAVE_CPU: i32 = 4;
/// The agent asked for something that can never succeed.
pub const GS_REMEDY_MISTAKE: i32 = 5;

/// A state for people: "READY", "claimed by cpu 3", "TARGET_STALE".
#[unsafe(no_mangle)]
pub extern "C" fn gs_txn_state_text(state: i32, text: *mut c_char, len: usize, need: *mut usize) -> gs_status {
    entry(|| put_text(&TxnState::from_word(state), text, len, need))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_not_known_is_a_failure_to_look_into() {
        for word in [-5, -2_147_483_632, i32::MIN + 100] {
            assert!(gs_txn_state_is_final(word) && !gs_txn_state_is_committed(word));
            assert_eq!(gs_txn_state_remedy(word), GS_REMEDY_DRAIN_FROM_BARRIER, "{word}");
        }
        assert_eq!(gs_txn_state_remedy(i32::MIN), GS_REMEDY_NONE); // COMPLETE
        assert_eq!(gs_txn_state_remedy(3), GS_REMEDY_NONE); // claimed
    }
}
