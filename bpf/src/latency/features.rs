//! What the running kernel offers, read from its BTF before anything is loaded.

use std::path::Path;

use crate::Error;
use crate::object::{KernelTypes, is_privileged};

/// What the programs can count on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Features {
    /// `CONFIG_SCHED_INFO`: the kernel stamps queued threads.
    pub(super) queue_stamp: bool,
    /// Linux 6.6: throttled time per group and CPU.
    pub(super) throttle_clock: bool,
    /// The `iter/task` program type.
    pub(super) scan: bool,
}

impl Features {
    /// Looks, and says in one line what is missing for any measurement at all.
    pub(super) fn probe() -> Result<Self, Error> {
        if !is_privileged() {
            return Err(Error::Privilege(
                "needs root, or CAP_BPF and CAP_PERFMON, to load BPF programs".into(),
            ));
        }
        if !Path::new("/sys/kernel/btf/vmlinux").exists() {
            return Err(Error::Unsupported(
                "needs CONFIG_DEBUG_INFO_BTF (no /sys/kernel/btf/vmlinux)".into(),
            ));
        }
        let types = KernelTypes::load()?;
        if !types.has_member("task_struct", "sched_task_group") || !types.has_member("cfs_rq", "rq") {
            return Err(Error::Unsupported("needs CONFIG_FAIR_GROUP_SCHED".into()));
        }
        // preempt, prev, next, prev_state behind the tracepoint's private argument.
        match types.function_arguments("btf_trace_sched_switch") {
            None => {
                return Err(Error::Unsupported(
                    "needs CONFIG_TRACEPOINTS and CONFIG_BPF_EVENTS".into(),
                ));
            }
            Some(arguments) if arguments < 5 => return Err(Error::Unsupported("needs Linux 5.18 or newer".into())),
            Some(_) => {}
        }
        Ok(Self {
            queue_stamp: types.has_member("sched_info", "last_queued"),
            throttle_clock: types.has_member("cfs_rq", "throttled_clock_self"),
            scan: types.has_struct("bpf_iter__task"),
        })
    }
}
