//! Status words for C: those of a region, which the kernel writes and the agent reads.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use ghostsched_core::shared::{StatusWord, StatusWords};
use ghostsched_core::wire::StatusFlags;

use crate::error::{Failure, entry, gs_status, value};
use crate::handle;

/// A region of status words. Filled by gs_status_words_init; may be copied and read by any number of threads.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct gs_status_words {
    /// The library's.
    pub opaque: [u64; 8],
}

/// What a gs_status_words holds.
pub(crate) type State = StatusWords<'static>;

/// What a status word said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct gs_status_word {
    /// How many messages the thread or agent has caused, modulo 2^32. Read before the rest.
    pub barrier: u32,
    /// Its state, GS_SW_*.
    pub flags: u32,
    /// Whose it is.
    pub gtid: i64,
    /// CLOCK_MONOTONIC of the last time it got on a CPU, in ns.
    pub switch_time_ns: i64,
    /// What it has run so far, in ns; as of when it last left a CPU.
    pub runtime_ns: u64,
}

impl gs_status_word {
    fn new(word: &StatusWord) -> Self {
        let snapshot = word.snapshot();
        Self {
            barrier: snapshot.barrier,
            flags: snapshot.flags.bits(),
            gtid: snapshot.gtid.raw(),
            switch_time_ns: snapshot.switch_time_ns,
            runtime_ns: snapshot.runtime_ns,
        }
    }
}

fn word(words: *const gs_status_words, index: u32) -> Result<&'static StatusWord, Failure> {
    let word = handle::state(words)?.get(index);
    word.ok_or_else(|| Failure::new(gs_status::GS_ERR_RANGE))
}

/// Makes `words` the region whose mapping of `len` bytes, which may be read-only, is at `base`. The view keeps the mapping.
/// GS_ERR_TOO_SMALL, GS_ERR_LAYOUT.
///
/// When the enclave is destroyed the kernel takes the pages of its regions away, and touching them, also by a call of this
/// library, is SIGBUS; queues stay. So watch `agent_online` (poll, POLLPRI), stop using the view when the enclave goes, and
/// unmap the region before you destroy an enclave yourself.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_words_init(words: *mut gs_status_words, base: *const u8, len: usize) -> gs_status {
    entry(|| {
        let state = handle::read_only_mapping(base, len)?.status_words()?;
        handle::initialise(words, state)?;
        Ok(gs_status::GS_OK)
    })
}

/// How many words are mapped. 0 of what is no region.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_words_count(words: *const gs_status_words) -> u32 {
    value(0, || Ok(handle::state(words)?.len() as u32))
}

/// All of a word; it may change between its fields. GS_ERR_RANGE if it is not mapped.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_words_read(
    words: *const gs_status_words,
    index: u32,
    status_word: *mut gs_status_word,
) -> gs_status {
    entry(|| {
        let to = handle::out(status_word)?;
        to.write(gs_status_word::new(word(words, index)?));
        Ok(gs_status::GS_OK)
    })
}

/// The flags of a word, GS_SW_*; 0, as of a free word, if it is not mapped.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_words_flags(words: *const gs_status_words, index: u32) -> u32 {
    value(0, || Ok(word(words, index)?.flags().bits()))
}

/// The barrier of a word; 0 if it is not mapped. What is read after it is not older.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_words_barrier(words: *const gs_status_words, index: u32) -> u32 {
    value(0, || Ok(word(words, index)?.barrier()))
}

/// The next word in use at or after `*index`, and its index; add one to go on. GS_NONE if there is none. What an agent that
/// takes over an enclave looks through.
#[unsafe(no_mangle)]
pub extern "C" fn gs_status_words_next(
    words: *const gs_status_words,
    index: *mut u32,
    status_word: *mut gs_status_word,
) -> gs_status {
    entry(|| {
        let to = handle::out(status_word)?;
        let start = *handle::get(index.cast_const())?;
        let state = handle::state(words)?;
        for at in start..state.len() as u32 {
            let Some(word) = state.get(at) else { break };
            if word.flags().contains(StatusFlags::IN_USE) {
                handle::out(index)?.write(at);
                to.write(gs_status_word::new(word));
                return Ok(gs_status::GS_OK);
            }
        }
        Ok(gs_status::GS_NONE)
    })
}
