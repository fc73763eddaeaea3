//! What status words and transactions said at one moment, as values; and the same from bytes that do not change.

use core::fmt;

use super::fields::{Fields, at};
use super::flags::{CommitFlags, RunFlags, StatusFlags};
use super::message::DecodeError;
use crate::abi::Outcome;
use crate::abi::layout::{STATUS_WORD, STATUS_WORD_REGION_HEADER, TRANSACTION};
use crate::abi::outcome::{READY, Remedy};
use crate::gtid::Gtid;

/// Where a thread's status word is (`ghost_sw_info`): which region, which word in it. 8 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct StatusWordInfo {
    /// The region's number; its file is `sw_regions/sw_<region>`.
    pub region: u32,
    /// The word's index in the region.
    pub index: u32,
}

/// What a status word said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusWordSnapshot {
    /// How many messages the thread or agent has caused, modulo 2^32.
    pub barrier: u32,
    /// Its state.
    pub flags: StatusFlags,
    /// Whose it is.
    pub gtid: Gtid,
    /// CLOCK_MONOTONIC of the last time it got on a CPU, in ns.
    pub switch_time_ns: i64,
    /// What it has run so far, in ns; as of when it last left a CPU.
    pub runtime_ns: u64,
}

impl StatusWordSnapshot {
    /// Bytes of a status word.
    pub const BYTES: usize = STATUS_WORD.size;

    /// The status word at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let from = words::<{ STATUS_WORD.size }>(bytes)?;
        Ok(Self {
            barrier: from.u32(at!(STATUS_WORD, "barrier", U32)),
            flags: StatusFlags::from_bits_retain(from.u32(at!(STATUS_WORD, "flags", U32))),
            gtid: Gtid::from_bits(from.u64(at!(STATUS_WORD, "gtid", U64))),
            switch_time_ns: from.u64(at!(STATUS_WORD, "switch_time", I64)) as i64,
            runtime_ns: from.u64(at!(STATUS_WORD, "runtime", U64)),
        })
    }
}

/// The start of a region of status words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusWordRegionHeader {
    /// Version of the layout; 0.
    pub version: u32,
    /// The region's number.
    pub id: u32,
    /// The NUMA node of its memory.
    pub numa_node: u32,
    /// Bytes from the start of the region to the first word; 64.
    pub start: u32,
    /// How many words it has; 65,534.
    pub capacity: u32,
    /// How many of them were free.
    pub available: u32,
}

impl StatusWordRegionHeader {
    /// Bytes of the header.
    pub const BYTES: usize = STATUS_WORD_REGION_HEADER.size;

    /// The header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let from = words::<{ STATUS_WORD_REGION_HEADER.size }>(bytes)?;
        Ok(Self {
            version: from.u32(at!(STATUS_WORD_REGION_HEADER, "version", U32)),
            id: from.u32(at!(STATUS_WORD_REGION_HEADER, "id", U32)),
            numa_node: from.u32(at!(STATUS_WORD_REGION_HEADER, "numa_node", U32)),
            start: from.u32(at!(STATUS_WORD_REGION_HEADER, "start", U32)),
            capacity: from.u32(at!(STATUS_WORD_REGION_HEADER, "capacity", U32)),
            available: from.u32(at!(STATUS_WORD_REGION_HEADER, "available", U32)),
        })
    }
}

/// Where a transaction is on its way: the word `state`, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TxnState {
    /// Submitted: the kernel may claim it, the agent may abort it.
    Ready,
    /// The kernel commits it, on this CPU (not the CPU of the transaction). Ends in bounded time. The pages of CPUs outside
    /// the enclave are zero and look like `Claimed(0)`: ask the enclave's CPU set, not the page.
    Claimed(u32),
    /// Ended; the agent may edit it and submit it again.
    Ended(Outcome),
    /// A final state that this library does not know, negative: the agent may use the transaction again.
    Unknown(i32),
}

impl TxnState {
    /// The state of this word.
    #[inline]
    pub const fn from_word(word: i32) -> Self {
        if word == READY {
            Self::Ready
        } else if word >= 0 {
            Self::Claimed(word as u32)
        } else {
            match Outcome::from_number(word) {
                Some(outcome) => Self::Ended(outcome),
                None => Self::Unknown(word),
            }
        }
    }

    /// The word of this state.
    #[inline]
    pub const fn word(self) -> i32 {
        match self {
            Self::Ready => READY,
            Self::Claimed(cpu) => cpu as i32,
            Self::Ended(outcome) => outcome.number(),
            Self::Unknown(word) => word,
        }
    }

    /// Whether the transaction is the agent's to edit: it ended, or was never submitted.
    #[inline]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Ended(_) | Self::Unknown(_))
    }

    /// What an agent does about it. A final state that this library does not know is a failure of a newer kernel: look anew.
    pub const fn remedy(self) -> Remedy {
        match self {
            Self::Ready | Self::Claimed(_) => Remedy::None,
            Self::Ended(outcome) => outcome.remedy(),
            Self::Unknown(_) => Remedy::DrainFromBarrier,
        }
    }

    /// Whether it was committed.
    #[inline]
    pub const fn is_committed(self) -> bool {
        matches!(self, Self::Ended(Outcome::Complete))
    }
}

impl fmt::Display for TxnState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("READY"),
            Self::Claimed(cpu) => write!(f, "claimed by cpu {cpu}"),
            Self::Ended(outcome) => outcome.fmt(f),
            Self::Unknown(word) => write!(f, "unknown state {word}"),
        }
    }
}

/// What a transaction said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TransactionSnapshot {
    /// Version of the layout; 0.
    pub version: i32,
    /// The CPU it is for: that of its page.
    pub cpu: i32,
    /// Where it is on its way.
    pub state: TxnState,
    /// The barrier of the CPU's agent that the decision was made on.
    pub agent_barrier: u32,
    /// The barrier of the thread that the decision was made on.
    pub task_barrier: u32,
    /// What happens to the agent and the thread afterwards.
    pub run_flags: RunFlags,
    /// Where it is committed.
    pub commit_flags: CommitFlags,
    /// The thread to run.
    pub gtid: Gtid,
    /// CLOCK_MONOTONIC of its end, in ns; of the last end, if it has not ended yet.
    pub commit_time_ns: i64,
    /// Counter of the CPU after the last successful commit.
    pub cpu_seqnum: u64,
    /// Which CPU's agent owns it for a sync group; negative if none.
    pub sync_group_owner: i32,
}

impl TransactionSnapshot {
    /// Bytes of a transaction.
    pub const BYTES: usize = TRANSACTION.size;

    /// The transaction at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let from = words::<{ TRANSACTION.size }>(bytes)?;
        Ok(Self {
            version: from.i32(at!(TRANSACTION, "version", I32)),
            cpu: from.i32(at!(TRANSACTION, "cpu", I32)),
            state: TxnState::from_word(from.i32(at!(TRANSACTION, "state", I32))),
            agent_barrier: from.u32(at!(TRANSACTION, "agent_barrier", U32)),
            task_barrier: from.u32(at!(TRANSACTION, "task_barrier", U32)),
            run_flags: RunFlags::from_bits_retain(from.u16(at!(TRANSACTION, "run_flags", U16))),
            commit_flags: CommitFlags::from_bits_retain(from.u16(at!(TRANSACTION, "commit_flags", U8)) as u8),
            gtid: Gtid::from_bits(from.u64(at!(TRANSACTION, "gtid", I64))),
            commit_time_ns: from.u64(at!(TRANSACTION, "commit_time", I64)) as i64,
            cpu_seqnum: from.u64(at!(TRANSACTION, "cpu_seqnum", U64)),
            sync_group_owner: from.i32(at!(TRANSACTION, "u.sync_group_owner", I32)),
        })
    }
}

/// The first `N` bytes as words.
fn words<const N: usize>(bytes: &[u8]) -> Result<Fields<impl Fn(usize) -> u32>, DecodeError> {
    let Some(bytes) = bytes.first_chunk::<N>() else {
        return Err(DecodeError::Truncated {
            need: N,
            have: bytes.len(),
        });
    };
    Ok(Fields(move |word: usize| match bytes.get(word * 4..word * 4 + 4) {
        Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
        _ => 0,
    }))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn words_and_states_are_the_same() {
        for word in [READY, 0, 7, i32::MIN, i32::MIN + 15, i32::MIN + 16, -1] {
            assert_eq!(TxnState::from_word(word).word(), word);
        }
        assert_eq!(TxnState::from_word(7), TxnState::Claimed(7));
        assert_eq!(TxnState::from_word(-1), TxnState::Unknown(-1));
        assert!(TxnState::from_word(-1).is_final());
        assert!(!TxnState::Ready.is_final() && !TxnState::Claimed(0).is_final());
        assert_eq!(TxnState::Ended(Outcome::TargetOnCpu).to_string(), "TARGET_ONCPU");
    }

    #[test]
    fn too_few_bytes_are_named() {
        assert_eq!(
            TransactionSnapshot::decode(&[0; 63]),
            Err(DecodeError::Truncated { need: 64, have: 63 })
        );
        assert!(StatusWordSnapshot::decode(&[0; 32]).is_ok());
    }
}
