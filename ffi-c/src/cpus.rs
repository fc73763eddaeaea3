//! Sets of CPUs for C: a plain value, laid out as cpu_set_t.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use std::ffi::c_char;

use ghostsched_core::cpus::CpuSet;

use crate::abi::str_of;
use crate::error::{Failure, entry, gs_status, put_text, value};
use crate::handle;

/// A set of CPUs 0 to 1023: CPU c is bit c % 64 of word c / 64. Zeroed it is empty. As large as cpu_set_t and laid out alike,
/// so it is also the mask of COMMIT_TXN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct gs_cpuset {
    /// The CPUs.
    pub words: [u64; 16],
}

fn set_of(cpus: *const gs_cpuset) -> Result<CpuSet, Failure> {
    Ok(CpuSet::from_words(handle::get(cpus)?.words))
}

fn store(cpus: *mut gs_cpuset, set: CpuSet) -> Result<(), Failure> {
    handle::out(cpus)?.write(gs_cpuset { words: *set.words() });
    Ok(())
}

/// A change of one CPU, in place.
fn change(cpus: *mut gs_cpuset, cpu: u32, change: impl FnOnce(&mut CpuSet, u32) -> bool) -> bool {
    value(false, || {
        let mut set = set_of(cpus.cast_const())?;
        let changed = change(&mut set, cpu);
        store(cpus, set)?;
        Ok(changed)
    })
}

fn first(found: Option<u32>) -> i32 {
    found.map_or(-1, |cpu| cpu as i32)
}

/// Adds a CPU. Whether that changed the set; one of 1024 and up never does.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_insert(cpus: *mut gs_cpuset, cpu: u32) -> bool {
    change(cpus, cpu, CpuSet::insert)
}

/// Takes a CPU out. Whether that changed the set.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_remove(cpus: *mut gs_cpuset, cpu: u32) -> bool {
    change(cpus, cpu, CpuSet::remove)
}

/// Whether a CPU is in the set.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_contains(cpus: *const gs_cpuset, cpu: u32) -> bool {
    value(false, || Ok(set_of(cpus)?.contains(cpu)))
}

/// How many CPUs.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_count(cpus: *const gs_cpuset) -> u32 {
    value(0, || Ok(set_of(cpus)?.len()))
}

/// The lowest CPU; -1 of an empty set.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_first(cpus: *const gs_cpuset) -> i32 {
    value(-1, || Ok(first(set_of(cpus)?.first())))
}

/// The lowest CPU above `cpu`; -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_next(cpus: *const gs_cpuset, cpu: u32) -> i32 {
    value(-1, || Ok(first(set_of(cpus)?.next_after(cpu))))
}

/// The CPU with `n` lower ones in the set; -1 if there is none.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_nth(cpus: *const gs_cpuset, n: u32) -> i32 {
    value(-1, || Ok(first(set_of(cpus)?.nth(n))))
}

/// Reads a list of CPUs as the kernel does: "0-3,8,10-20:2/5". GS_ERR_TEXT says in gs_last_error where it went wrong.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_parse_list(text: *const c_char, len: usize, cpus: *mut gs_cpuset) -> gs_status {
    entry(|| {
        let set = CpuSet::parse_list(str_of(text, len)?);
        store(
            cpus,
            set.map_err(|error| Failure::with(gs_status::GS_ERR_TEXT, &error))?,
        )?;
        Ok(gs_status::GS_OK)
    })
}

/// Reads a mask of CPUs as the kernel does: "1,0000000f".
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_parse_mask(text: *const c_char, len: usize, cpus: *mut gs_cpuset) -> gs_status {
    entry(|| {
        let set = CpuSet::parse_mask(str_of(text, len)?);
        store(
            cpus,
            set.map_err(|error| Failure::with(gs_status::GS_ERR_TEXT, &error))?,
        )?;
        Ok(gs_status::GS_OK)
    })
}

/// The set as the kernel prints lists.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_list(cpus: *const gs_cpuset, text: *mut c_char, len: usize, need: *mut usize) -> gs_status {
    entry(|| put_text(&set_of(cpus)?, text, len, need))
}

/// The set as the kernel prints masks.
#[unsafe(no_mangle)]
pub extern "C" fn gs_cpuset_mask(cpus: *const gs_cpuset, text: *mut c_char, len: usize, need: *mut usize) -> gs_status {
    entry(|| put_text(&set_of(cpus)?.mask(), text, len, need))
}
