//! Identities of threads for C: a gtid is an int64_t, divided as the kernel says.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use std::ffi::c_char;

use ghostsched_core::gtid::{Gtid, GtidSplit};

use crate::error::{Failure, entry, gs_status, put_text};
use crate::handle;

/// The split of a kernel whose pids are below this; 0 is for the usual 4,194,304.
fn split(pid_max_max: u32) -> Result<GtidSplit, Failure> {
    match pid_max_max {
        0 => Ok(GtidSplit::default()),
        _ => GtidSplit::new(pid_max_max).map_err(|error| Failure::with(gs_status::GS_ERR_ARGUMENT, &error)),
    }
}

/// Divides a gtid into tid and sequence number; `tid` or `seqnum` may be NULL. `pid_max_max` is what the file
/// `/proc/sys/kernel/pid_max_max` says, or 0 where there is none. GS_ERR_NO_TASK of special gtids.
#[unsafe(no_mangle)]
pub extern "C" fn gs_gtid_split(gtid: i64, pid_max_max: u32, tid: *mut u32, seqnum: *mut u64) -> gs_status {
    entry(|| {
        let (gtid, split) = (Gtid::from_raw(gtid), split(pid_max_max)?);
        let (Some(has_tid), Some(has_seqnum)) = (split.tid(gtid), split.seqnum(gtid)) else {
            return Err(Failure::new(gs_status::GS_ERR_NO_TASK));
        };
        handle::out_or_not(tid, has_tid);
        handle::out_or_not(seqnum, has_seqnum);
        Ok(gs_status::GS_OK)
    })
}

/// The gtid of a tid and a sequence number, for simulated kernels. GS_ERR_ARGUMENT if one does not fit or both are 0.
#[unsafe(no_mangle)]
pub extern "C" fn gs_gtid_join(tid: u32, seqnum: u64, pid_max_max: u32, gtid: *mut i64) -> gs_status {
    entry(|| {
        let gtid = handle::out(gtid)?;
        let joined = split(pid_max_max)?.join(tid, seqnum);
        gtid.write(joined.ok_or_else(|| Failure::new(gs_status::GS_ERR_ARGUMENT))?.raw());
        Ok(gs_status::GS_OK)
    })
}

/// A gtid for people: "4242/17", or "null", "agent", "idle".
#[unsafe(no_mangle)]
pub extern "C" fn gs_gtid_text(
    gtid: i64,
    pid_max_max: u32,
    text: *mut c_char,
    len: usize,
    need: *mut usize,
) -> gs_status {
    entry(|| put_text(&split(pid_max_max)?.display(Gtid::from_raw(gtid)), text, len, need))
}
