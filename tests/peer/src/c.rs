//! The stand-in for C, C++ and Python: `peer.h` describes each function. Calls from several threads take turns.
//!
//! # Safety
//!
//! A `peer *` is what `peer_create` or `peer_create_in` returned and `peer_free` has not taken. Pointers to results may be
//! null where `peer.h` says so; others point to what their type says.
#![allow(unsafe_code, reason = "pointers of C, and names that C can link")]

use std::sync::{Mutex, MutexGuard, PoisonError};

use ghostsched_core::abi::Abi;
use ghostsched_core::cpus::CpuSet;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::wire::StatusWordInfo;

use crate::{Caller, Counts, Errno, Memory, Peer, State};

/// `peer` of C.
pub struct Handle(Mutex<Peer>);

/// `struct peer_counts` of C.
pub type RawCounts = [u64; 8];

/// `peer *` to the peer behind it.
///
/// # Safety
///
/// As the module says.
unsafe fn lock<'p>(peer: *const Handle) -> MutexGuard<'p, Peer> {
    // SAFETY: the pointer came from `Box::into_raw` and was not freed, says the module.
    let handle = unsafe { &*peer };
    handle.0.lock().unwrap_or_else(PoisonError::into_inner)
}

/// # Safety
///
/// `to` is null or points to a `T` that can be written.
unsafe fn put<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not null, and what the caller promises.
        unsafe { to.write(value) };
    }
}

fn status(result: Result<(), Errno>) -> i32 {
    result.map_or_else(|Errno(number)| -number, |()| 0)
}

fn caller(cpu: i32) -> Caller {
    u32::try_from(cpu).map_or(Caller::Thread, Caller::Agent)
}

fn hand_out(peer: Result<Peer, Errno>) -> *mut Handle {
    match peer {
        Ok(peer) => Box::into_raw(Box::new(Handle(Mutex::new(peer)))),
        Err(_) => std::ptr::null_mut(),
    }
}

/// See `peer.h`.
#[unsafe(no_mangle)]
pub extern "C" fn peer_create(abi: u32, cpus: u32, slots: u32, seed: u64) -> *mut Handle {
    hand_out(
        Abi::from_version(abi)
            .map_err(|_| Errno::INVAL)
            .and_then(|abi| Peer::new(abi, cpus, slots, seed)),
    )
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says; the memory outlives the peer, and all use it by atomics.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_create_in(
    abi: u32,
    cpus: u32,
    seed: u64,
    words: *mut u8,
    words_len: usize,
    cpu_data: *mut u8,
    cpu_data_len: usize,
) -> *mut Handle {
    // SAFETY: the caller promises both for as long as the peer lives.
    let memory = unsafe { (Memory::lent(words, words_len), Memory::lent(cpu_data, cpu_data_len)) };
    let (Ok(abi), (Some(words), Some(cpu_data))) = (Abi::from_version(abi), memory) else {
        return std::ptr::null_mut();
    };
    hand_out(Peer::with_memory(abi, cpus, seed, words, cpu_data))
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_free(peer: *mut Handle) {
    if !peer.is_null() {
        // SAFETY: it came from `Box::into_raw` in `hand_out` and is freed once, says the module.
        drop(unsafe { Box::from_raw(peer) });
    }
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says; memory that is given outlives the peer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_add_queue(peer: *mut Handle, slots: u32, base: *mut u8, len: usize) -> i32 {
    // SAFETY: the caller promises it for as long as the peer lives.
    let memory = unsafe { Memory::lent(base, len) };
    let memory = memory.unwrap_or_else(|| Memory::new(ghostsched_core::wire::queue_bytes(slots)));
    // SAFETY: what the module says.
    match unsafe { lock(peer) }.add_queue(memory, slots) {
        Ok(number) => number as i32,
        Err(Errno(number)) => -number,
    }
}

/// Functions that return a mapping: where it is and, in `len`, how many bytes it has.
macro_rules! memory {
    ($($name:ident($($argument:ident: $type:ty),*) = $get:expr;)*) => {$(
        /// See `peer.h`.
        ///
        /// # Safety
        ///
        /// As the module says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(peer: *mut Handle, $($argument: $type,)* len: *mut usize) -> *mut u8 {
            // SAFETY: what the module says.
            let memory = $get(unsafe { lock(peer) }, $($argument),*);
            let (base, bytes) = memory.map_or((std::ptr::null_mut(), 0), |memory| (memory.base(), memory.len()));
            // SAFETY: what the module says.
            unsafe { put(len, bytes) };
            base
        }
    )*};
}

memory! {
    peer_queue(queue: u32) = |peer: MutexGuard<Peer>, queue: u32| peer.queue_memory(queue as usize);
    peer_status_words() = |peer: MutexGuard<Peer>| Some(peer.status_word_memory());
    peer_cpu_data() = |peer: MutexGuard<Peer>| Some(peer.cpu_data_memory());
}

/// Functions that return 0 or a negative error number.
macro_rules! calls {
    ($($name:ident($($argument:ident: $type:ty),*) = $call:expr;)*) => {$(
        /// See `peer.h`.
        ///
        /// # Safety
        ///
        /// As the module says.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $name(peer: *mut Handle, $($argument: $type),*) -> i32 {
            // SAFETY: what the module says.
            status($call(&mut *unsafe { lock(peer) }, $($argument),*))
        }
    )*};
}

calls! {
    peer_remove_agent(cpu: u32) = |peer: &mut Peer, cpu| peer.remove_agent(cpu);
    peer_spawn_workload(count: u32, work: u32) = |peer: &mut Peer, count, work| peer.spawn_workload(count, work);
    peer_wake(gtid: i64) = |peer: &mut Peer, gtid| peer.wake(Gtid::from_raw(gtid));
    peer_block(gtid: i64) = |peer: &mut Peer, gtid| peer.block(Gtid::from_raw(gtid));
    peer_yield(gtid: i64) = |peer: &mut Peer, gtid| peer.yield_cpu(Gtid::from_raw(gtid));
    peer_preempt(gtid: i64) = |peer: &mut Peer, gtid| peer.preempt(Gtid::from_raw(gtid));
    peer_exit(gtid: i64) = |peer: &mut Peer, gtid| peer.exit(Gtid::from_raw(gtid));
    peer_depart(gtid: i64) = |peer: &mut Peer, gtid| peer.depart(Gtid::from_raw(gtid));
    peer_change_affinity(gtid: i64) = |peer: &mut Peer, gtid| peer.change_affinity(Gtid::from_raw(gtid));
    peer_change_priority(gtid: i64, nice: i32) = |peer: &mut Peer, gtid, nice| peer.change_priority(Gtid::from_raw(gtid), nice);
    peer_tick(cpu: u32) = |peer: &mut Peer, cpu| peer.tick(cpu);
    peer_set_higher_class(cpu: u32, there: i32) = |peer: &mut Peer, cpu, there: i32| peer.set_higher_class(cpu, there != 0);
    peer_set_online(cpu: u32, online: i32) = |peer: &mut Peer, cpu, online: i32| peer.set_online(cpu, online != 0);
    peer_deliver_ticks(deliver: i32) = |peer: &mut Peer, deliver: i32| { peer.deliver_ticks(deliver != 0); Ok(()) };
    peer_discover_tasks() = |peer: &mut Peer| { peer.discover_tasks(); Ok(()) };
    peer_sw_free(region: u32, index: u32) = |peer: &mut Peer, region, index| peer.sw_free(StatusWordInfo { region, index });
    peer_run(gtid: i64, cpu: u32, agent_barrier: u32) = |peer: &mut Peer, gtid, cpu, barrier| peer.run(Gtid::from_raw(gtid), cpu, barrier);
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_add_agent(peer: *mut Handle, cpu: u32, queue: u32, index: *mut u32) -> i32 {
    // SAFETY: what the module says.
    let added = unsafe { lock(peer) }.add_agent(cpu, queue as usize);
    if let Ok(info) = added {
        // SAFETY: what the module says.
        unsafe { put(index, info.index) };
    }
    status(added.map(|_| ()))
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_config_wakeup(peer: *mut Handle, queue: u32, first: i32, second: i32) -> i32 {
    let cpus: Vec<u32> = [first, second]
        .into_iter()
        .filter_map(|cpu| u32::try_from(cpu).ok())
        .collect();
    // SAFETY: what the module says.
    status(unsafe { lock(peer) }.config_wakeup(queue as usize, &cpus))
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_spawn(peer: *mut Handle, parent: i64, runnable: i32, work: u32) -> i64 {
    let work = Some(work).filter(|work| *work != 0);
    // SAFETY: what the module says.
    let spawned = unsafe { lock(peer) }.spawn(Gtid::from_raw(parent), runnable != 0, work);
    spawned.map_or_else(|Errno(number)| i64::from(-number), Gtid::raw)
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_assoc_queue(peer: *mut Handle, queue: u32, gtid: i64, barrier: u32) -> i32 {
    // SAFETY: what the module says.
    match unsafe { lock(peer) }.assoc_queue(queue as usize, Gtid::from_raw(gtid), barrier) {
        Ok(bits) => bits as i32,
        Err(Errno(number)) => -number,
    }
}

/// The CPUs of a `cpu_set_t` of `len` bytes.
///
/// # Safety
///
/// `mask` points to `len` bytes, or is null.
unsafe fn cpus(mask: *const u8, len: u32) -> CpuSet {
    if mask.is_null() {
        return CpuSet::empty();
    }
    // SAFETY: not null, and what the caller promises.
    let bytes = unsafe { std::slice::from_raw_parts(mask, len as usize) };
    (0..len * 8)
        .filter(|cpu| bytes[*cpu as usize / 8] >> (cpu % 8) & 1 != 0)
        .collect()
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says; `mask` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_commit(peer: *mut Handle, mask: *const u8, len: u32, agent: i32) -> i32 {
    // SAFETY: what the caller promises, and what the module says.
    let (cpus, mut peer) = unsafe { (cpus(mask, len), lock(peer)) };
    peer.commit(&cpus, caller(agent));
    0
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says; `mask` points to `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_sync_group(peer: *mut Handle, mask: *const u8, len: u32, agent: i32) -> i32 {
    // SAFETY: what the caller promises, and what the module says.
    let (cpus, mut peer) = unsafe { (cpus(mask, len), lock(peer)) };
    i32::from(peer.sync_group(&cpus, caller(agent)))
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_step(peer: *mut Handle) -> u32 {
    // SAFETY: what the module says.
    unsafe { lock(peer) }.step() as u32
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_now(peer: *const Handle) -> i64 {
    // SAFETY: what the module says.
    unsafe { lock(peer) }.now_ns()
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_running(peer: *const Handle, cpu: u32) -> i64 {
    // SAFETY: what the module says.
    unsafe { lock(peer) }.running(cpu).unwrap_or(Gtid::NULL).raw()
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_state(peer: *const Handle, gtid: i64) -> i32 {
    // SAFETY: what the module says.
    match unsafe { lock(peer) }.state(Gtid::from_raw(gtid)) {
        None => -Errno::NOENT.0,
        Some(State::Runnable) => 0,
        Some(State::Blocked) => 1,
        Some(State::Dead) => 2,
        Some(State::Departed) => 3,
    }
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_counts(peer: *const Handle, counts: *mut RawCounts) {
    // SAFETY: what the module says.
    let Counts {
        spawned,
        dead,
        departed,
        messages,
        lost,
        claimed,
        complete,
        failed,
    } = unsafe { lock(peer) }.counts();
    // SAFETY: what the module says.
    unsafe {
        put(
            counts,
            [spawned, dead, departed, messages, lost, claimed, complete, failed],
        )
    };
}

/// See `peer.h`.
///
/// # Safety
///
/// As the module says; `text` is null or has room for `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn peer_audit(peer: *const Handle, text: *mut u8, len: usize) -> i32 {
    // SAFETY: what the module says.
    let Err(reason) = unsafe { lock(peer) }.audit() else {
        return 0;
    };
    if !text.is_null() && len > 0 {
        let count = reason.len().min(len - 1);
        // SAFETY: `count` bytes and a zero fit in `len`.
        unsafe {
            text.copy_from_nonoverlapping(reason.as_ptr(), count);
            text.add(count).write(0);
        }
    }
    -Errno::INVAL.0
}
