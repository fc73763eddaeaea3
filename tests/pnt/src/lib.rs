//! The C half of the PNT rings (`include/ghostsched_pnt.h`), compiled natively, on the memory of the Rust half.

use ghostsched_core::gtid::Gtid;
use ghostsched_core::shared::pnt::{Kind, Path, Ring, Task};

/// `struct gs_pnt_task`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct CTask {
    gtid: u64,
    data: u64,
    time_ns: u64,
    barrier: u32,
    run_flags: u32,
}

/// `struct gs_pnt_claim`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Claim {
    task: CTask,
    lap: u32,
    index: u32,
    /// After [`pop_path`]: which ring.
    pub ring: u32,
    reserved: u32,
}

/// `struct gs_pnt_snapshot`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Snapshot {
    task: CTask,
    /// The push.
    pub ticket: u64,
    /// The state of the slot.
    pub state: u32,
    reserved: u32,
}

impl From<Task> for CTask {
    fn from(task: Task) -> Self {
        Self {
            gtid: task.gtid.bits(),
            data: task.data,
            time_ns: task.time_ns,
            barrier: task.barrier,
            run_flags: task.run_flags,
        }
    }
}

impl From<CTask> for Task {
    fn from(task: CTask) -> Self {
        Self {
            gtid: Gtid::from_bits(task.gtid),
            data: task.data,
            time_ns: task.time_ns,
            barrier: task.barrier,
            run_flags: task.run_flags,
        }
    }
}

impl Claim {
    /// The thread.
    pub fn task(&self) -> Task {
        self.task.into()
    }

    /// Its push.
    pub fn ticket(&self) -> u64 {
        u64::from(self.lap) << 6 | u64::from(self.index)
    }
}

impl Snapshot {
    /// The thread.
    pub fn task(&self) -> Task {
        self.task.into()
    }
}

unsafe extern "C" {
    fn native_init(ring: &Ring, kind: u32);
    fn native_push(ring: &Ring, task: &CTask) -> i64;
    fn native_push_shared(ring: &Ring, task: &CTask) -> i64;
    fn native_pop(ring: &Ring, cpu: u32, skip: u64, claim: &mut Claim) -> i32;
    fn native_pop_path(rings: *const Ring, count: u32, path: &Path, cpu: u32, claim: &mut Claim) -> i32;
    fn native_complete(ring: &Ring, claim: &Claim);
    fn native_fail(ring: &Ring, claim: &Claim, code: i32);
    fn native_put_back(ring: &Ring, claim: &Claim);
    fn native_revoke(ring: &Ring, ticket: u64) -> i32;
    fn native_move(from: &Ring, ticket: u64, to: &Ring, moved: &mut i64) -> i32;
    fn native_move_one(from: &Ring, to: &Ring, moved: &mut i64) -> i32;
    fn native_take_failures(ring: &Ring) -> u64;
    fn native_take_failure(ring: &Ring, index: u32, failure: &mut Snapshot) -> i32;
    fn native_watch(ring: &Ring, index: u32, seen: &mut Snapshot) -> i32;
}

/// `GS_PNT_READY`, as the functions that hold a ticket return it.
pub const READY: i32 = 0x7fff_ffff;

/// `gs_pnt_init`.
pub fn init(ring: &Ring, kind: Kind) {
    // SAFETY: `Ring` is a `struct gs_pnt_ring` of atomics, which the C code uses by atomics.
    unsafe { native_init(ring, kind as u32) }
}

/// `gs_pnt_push`: the ticket, or a negative answer.
pub fn push(ring: &Ring, task: Task) -> Result<u64, i64> {
    // SAFETY: as above; the task is read only.
    let ticket = unsafe { native_push(ring, &task.into()) };
    u64::try_from(ticket).map_err(|_| ticket)
}

/// `gs_pnt_push_shared`: the ticket, or a negative answer.
pub fn push_shared(ring: &Ring, task: Task) -> Result<u64, i64> {
    // SAFETY: as above.
    let ticket = unsafe { native_push_shared(ring, &task.into()) };
    u64::try_from(ticket).map_err(|_| ticket)
}

/// `gs_pnt_pop_except`.
pub fn pop_except(ring: &Ring, cpu: u32, skip: u64) -> Option<Claim> {
    let mut claim = Claim::default();
    // SAFETY: as above; the claim is written only.
    (unsafe { native_pop(ring, cpu, skip, &mut claim) } != 0).then_some(claim)
}

/// `gs_pnt_pop`.
pub fn pop(ring: &Ring, cpu: u32) -> Option<Claim> {
    pop_except(ring, cpu, 0)
}

/// `gs_pnt_pop_path`.
pub fn pop_path(rings: &[Ring], path: &Path, cpu: u32) -> Option<Claim> {
    let mut claim = Claim::default();
    // SAFETY: as above, for as many rings as there are.
    (unsafe { native_pop_path(rings.as_ptr(), rings.len() as u32, path, cpu, &mut claim) } != 0).then_some(claim)
}

/// `gs_pnt_complete`.
pub fn complete(ring: &Ring, claim: &Claim) {
    // SAFETY: as above; the claim is read only.
    unsafe { native_complete(ring, claim) }
}

/// `gs_pnt_fail`.
pub fn fail(ring: &Ring, claim: &Claim, code: i32) {
    // SAFETY: as above.
    unsafe { native_fail(ring, claim, code) }
}

/// `gs_pnt_put_back`.
pub fn put_back(ring: &Ring, claim: &Claim) {
    // SAFETY: as above.
    unsafe { native_put_back(ring, claim) }
}

/// `gs_pnt_revoke`: the state that was found.
pub fn revoke(ring: &Ring, ticket: u64) -> i32 {
    // SAFETY: as above.
    unsafe { native_revoke(ring, ticket) }
}

/// `gs_pnt_move`: the state that was found, and if it was READY the new ticket or a negative answer.
pub fn move_to(from: &Ring, ticket: u64, to: &Ring) -> (i32, i64) {
    let mut moved = 0;
    // SAFETY: as above.
    (unsafe { native_move(from, ticket, to, &mut moved) }, moved)
}

/// `gs_pnt_move_one`: the new ticket or a negative answer.
pub fn move_one(from: &Ring, to: &Ring) -> Option<i64> {
    let mut moved = 0;
    // SAFETY: as above.
    (unsafe { native_move_one(from, to, &mut moved) } != 0).then_some(moved)
}

/// `gs_pnt_take_failures` and then `gs_pnt_take_failure` of each.
pub fn failures(ring: &Ring) -> Vec<Snapshot> {
    // SAFETY: as above.
    let bits = unsafe { native_take_failures(ring) };
    let take = |index| {
        let mut failure = Snapshot::default();
        // SAFETY: as above.
        (unsafe { native_take_failure(ring, index, &mut failure) } != 0).then_some(failure)
    };
    (0..64)
        .filter(|index| bits >> index & 1 != 0)
        .filter_map(take)
        .collect()
}

/// `gs_pnt_watch` of each slot.
pub fn watch(ring: &Ring) -> Vec<Snapshot> {
    let look = |index| {
        let mut seen = Snapshot::default();
        // SAFETY: as above.
        (unsafe { native_watch(ring, index, &mut seen) } != 0).then_some(seen)
    };
    (0..64).filter_map(look).collect()
}
