//! The one table of the ghOSt ABI's memory: every structure, its size and the offset of each field, for each ABI.
//!
//! All that reads or writes this memory takes its offsets from here: the decoders of [`wire`](crate::wire) at compile time,
//! the structures of [`shared`](crate::shared) by assertion, the C header by generation, the numpy types by look-up. Tests
//! compare the table with what a C compiler makes of the kernel's own headers (`tests/data/*/layout.txt`).
//!
//! Integers are little-endian. Names are the kernel's.

use super::Abi;

/// The type of a field, as C has it on x86-64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// `u8`: 1 byte.
    U8,
    /// `char`: 1 byte, signed; the ABI's booleans.
    I8,
    /// `u16`: 2 bytes.
    U16,
    /// `int`: 4 bytes.
    I32,
    /// `u32`: 4 bytes.
    U32,
    /// `s64`: 8 bytes.
    I64,
    /// `u64`: 8 bytes.
    U64,
    /// A pointer of the calling process: 8 bytes.
    Pointer,
}

impl FieldType {
    /// Its size in bytes.
    pub const fn size(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 => 2,
            Self::I32 | Self::U32 => 4,
            Self::I64 | Self::U64 | Self::Pointer => 8,
        }
    }

    /// Its name: `u8` `i8` `u16` `i32` `u32` `i64` `u64` `ptr`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "u8",
            Self::I8 => "i8",
            Self::U16 => "u16",
            Self::I32 => "i32",
            Self::U32 => "u32",
            Self::I64 => "i64",
            Self::U64 => "u64",
            Self::Pointer => "ptr",
        }
    }
}

/// A field of a structure. Fields of nested structures have dotted names, such as `sw_info.id`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The kernel's name.
    pub name: &'static str,
    /// The type of one element.
    pub kind: FieldType,
    /// How many elements: 1, or the length of an array.
    pub count: usize,
    /// Bytes from the start of the structure.
    pub offset: usize,
}

impl Field {
    /// Its size in bytes, of all elements.
    pub const fn size(&self) -> usize {
        self.kind.size() * self.count
    }
}

/// The memory of one structure in one or more ABIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layout {
    /// The kernel's name.
    pub name: &'static str,
    /// Bytes, with padding.
    pub size: usize,
    /// Alignment in bytes, as C would have it. In a queue everything is aligned to 4 bytes only.
    pub align: usize,
    /// The fields in the order of their offsets.
    pub fields: &'static [Field],
}

impl Layout {
    /// The field of this name.
    pub const fn field(&self, name: &str) -> Option<Field> {
        let mut index = 0;
        while index < self.fields.len() {
            if same(self.fields[index].name, name) {
                return Some(self.fields[index]);
            }
            index += 1;
        }
        None
    }

    /// The offset of a field that exists with this type; for constants, where a mistake does not compile.
    pub(crate) const fn at(&self, name: &str, kind: FieldType) -> usize {
        match self.field(name) {
            Some(field) => {
                assert!(field.kind as u8 == kind as u8, "the field has another type");
                field.offset
            }
            None => panic!("no field of this name"),
        }
    }

    /// Panics, at compile time, unless fields are in order, do not overlap, are aligned and fit.
    const fn check(&self) {
        let (mut index, mut end) = (0, 0);
        while index < self.fields.len() {
            let field = &self.fields[index];
            assert!(field.offset >= end, "fields overlap");
            assert!(field.offset.is_multiple_of(field.kind.size()), "a field is not aligned");
            end = field.offset + field.size();
            index += 1;
        }
        assert!(end <= self.size, "fields do not fit");
        assert!(
            self.size.is_multiple_of(self.align),
            "the size is no multiple of the alignment"
        );
    }
}

const fn same(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

/// The name of a structure, for [`Abi::layout`].
macro_rules! structures {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// A structure of the ABI.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Structure { $($(#[$doc])* $name),* }

        impl Structure {
            /// All structures.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];
        }
    };
}

structures! {
    /// Which CPU's agent a queue wakes.
    AgentWakeup,
    /// A source of messages: an agent or a task.
    MessageSource,
    /// What a ghOSt timer reports when it expires.
    TimerfdGhost,
    /// Where a status word is: region and index.
    StatusWordInfo,
    /// Argument of `SW_GET_INFO`.
    IocSwGetInfo,
    /// Argument of `CREATE_QUEUE`.
    IocCreateQueue,
    /// Argument of `ASSOC_QUEUE`.
    IocAssocQueue,
    /// Argument of `SET_DEFAULT_QUEUE`.
    IocSetDefaultQueue,
    /// Argument of `CONFIG_QUEUE_WAKEUP`.
    IocConfigQueueWakeup,
    /// Argument of `GET_CPU_TIME`.
    IocGetCpuTime,
    /// Argument of `COMMIT_TXN` and `SYNC_GROUP_TXN`.
    IocCommitTxn,
    /// Argument of `TIMERFD_SETTIME`.
    IocTimerfdSettime,
    /// Argument of `RUN`.
    IocRun,
    /// The start of a status word region.
    StatusWordRegionHeader,
    /// A status word.
    StatusWord,
    /// The start of a queue's mapping.
    QueueHeader,
    /// The ring of a queue: head, tail, overflow.
    Ring,
    /// The header of a message.
    Message,
    /// Payload of `TASK_NEW`.
    TaskNew,
    /// Payload of `TASK_PREEMPT`.
    TaskPreempt,
    /// Payload of `TASK_YIELD`.
    TaskYield,
    /// Payload of `TASK_BLOCKED`.
    TaskBlocked,
    /// Payload of `TASK_DEAD`.
    TaskDead,
    /// Payload of `TASK_DEPARTED`.
    TaskDeparted,
    /// Payload of `TASK_AFFINITY_CHANGED`.
    TaskAffinityChanged,
    /// Payload of `TASK_PRIORITY_CHANGED`.
    TaskPriorityChanged,
    /// Payload of `TASK_WAKEUP`.
    TaskWakeup,
    /// Payload of `TASK_SWITCHTO`.
    TaskSwitchto,
    /// Payload of `TASK_LATCHED`, message 73 of ABI 69.
    TaskLatched,
    /// Payload of `TASK_ON_CPU`, message 73 since ABI 78.
    TaskOnCpu,
    /// Payload of `TASK_LATCH_FAILURE`.
    TaskLatchFailure,
    /// Payload of `CPU_NOT_IDLE`.
    CpuNotIdle,
    /// Payload of `CPU_TICK`.
    CpuTick,
    /// Payload of `CPU_TIMER_EXPIRED`.
    CpuTimerExpired,
    /// Payload of `CPU_AVAILABLE`.
    CpuAvailable,
    /// Payload of `CPU_BUSY`.
    CpuBusy,
    /// Payload of `CPU_AGENT_BLOCKED`.
    CpuAgentBlocked,
    /// Payload of `CPU_AGENT_WAKEUP`.
    CpuAgentWakeup,
    /// What a BPF-MSG program is given: the payload at offset 0, then these.
    BpfMessage,
    /// What a BPF-PNT program is given.
    BpfPickNextTask,
    /// What a SELECT_RQ program is given.
    BpfSelectRq,
    /// What a HALT_POLL program is given.
    BpfHaltPoll,
    /// Argument of the BPF helper `sync_commit`.
    BpfSyncCommitArgs,
    /// A transaction.
    Transaction,
    /// A CPU's page of the `cpu_data` file.
    CpuData,
}

const fn field(name: &'static str, kind: FieldType, offset: usize) -> Field {
    Field {
        name,
        kind,
        count: 1,
        offset,
    }
}

const fn array(name: &'static str, kind: FieldType, count: usize, offset: usize) -> Field {
    Field {
        name,
        kind,
        count,
        offset,
    }
}

const fn layout(name: &'static str, size: usize, align: usize, fields: &'static [Field]) -> Layout {
    let layout = Layout {
        name,
        size,
        align,
        fields,
    };
    layout.check();
    layout
}

use FieldType::{I8, I32, I64, Pointer, U8, U16, U32, U64};

// Equal in all four ABIs, but for those with a version in their name.

pub(crate) const AGENT_WAKEUP: Layout = layout(
    "ghost_agent_wakeup",
    8,
    4,
    &[field("cpu", I32, 0), field("prio", I32, 4)],
);
pub(crate) const MESSAGE_SOURCE: Layout =
    layout("ghost_msg_src", 16, 8, &[field("type", U32, 0), field("arg", U64, 8)]);
pub(crate) const TIMERFD_GHOST: Layout = layout(
    "timerfd_ghost",
    24,
    8,
    &[
        field("cpu", I32, 0),
        field("flags", I32, 4),
        field("type", U64, 8),
        field("cookie", U64, 16),
    ],
);
pub(crate) const STATUS_WORD_INFO: Layout =
    layout("ghost_sw_info", 8, 4, &[field("id", U32, 0), field("index", U32, 4)]);
pub(crate) const IOC_SW_GET_INFO: Layout = layout(
    "ghost_ioc_sw_get_info",
    24,
    8,
    &[
        field("request.type", U32, 0),
        field("request.arg", U64, 8),
        field("response.id", U32, 16),
        field("response.index", U32, 20),
    ],
);
pub(crate) const IOC_CREATE_QUEUE: Layout = layout(
    "ghost_ioc_create_queue",
    24,
    8,
    &[
        field("elems", I32, 0),
        field("node", I32, 4),
        field("flags", I32, 8),
        field("mapsize", U64, 16),
    ],
);
/// `barrier` is an `int` in ABI 69.
pub(crate) const IOC_ASSOC_QUEUE_69: Layout = layout(
    "ghost_ioc_assoc_queue",
    32,
    8,
    &[
        field("fd", I32, 0),
        field("src.type", U32, 8),
        field("src.arg", U64, 16),
        field("barrier", I32, 24),
        field("flags", I32, 28),
    ],
);
pub(crate) const IOC_ASSOC_QUEUE: Layout = layout(
    "ghost_ioc_assoc_queue",
    32,
    8,
    &[
        field("fd", I32, 0),
        field("src.type", U32, 8),
        field("src.arg", U64, 16),
        field("barrier", U32, 24),
        field("flags", I32, 28),
    ],
);
pub(crate) const IOC_SET_DEFAULT_QUEUE: Layout = layout("ghost_ioc_set_default_queue", 4, 4, &[field("fd", I32, 0)]);
pub(crate) const IOC_CONFIG_QUEUE_WAKEUP: Layout = layout(
    "ghost_ioc_config_queue_wakeup",
    24,
    8,
    &[
        field("qfd", I32, 0),
        field("w", Pointer, 8),
        field("ninfo", I32, 16),
        field("flags", I32, 20),
    ],
);
pub(crate) const IOC_GET_CPU_TIME: Layout = layout(
    "ghost_ioc_get_cpu_time",
    16,
    8,
    &[field("gtid", I64, 0), field("runtime", U64, 8)],
);
pub(crate) const IOC_COMMIT_TXN: Layout = layout(
    "ghost_ioc_commit_txn",
    16,
    8,
    &[
        field("mask_ptr", Pointer, 0),
        field("mask_len", U32, 8),
        field("flags", I32, 12),
    ],
);
pub(crate) const IOC_TIMERFD_SETTIME: Layout = layout(
    "ghost_ioc_timerfd_settime",
    48,
    8,
    &[
        field("timerfd", I32, 0),
        field("flags", I32, 4),
        field("in_tmr", Pointer, 8),
        field("out_tmr", Pointer, 16),
        field("timerfd_ghost.cpu", I32, 24),
        field("timerfd_ghost.flags", I32, 28),
        field("timerfd_ghost.type", U64, 32),
        field("timerfd_ghost.cookie", U64, 40),
    ],
);
pub(crate) const IOC_RUN: Layout = layout(
    "ghost_ioc_run",
    24,
    8,
    &[
        field("gtid", I64, 0),
        field("agent_barrier", U32, 8),
        field("task_barrier", U32, 12),
        field("run_cpu", I32, 16),
        field("run_flags", I32, 20),
    ],
);
pub(crate) const STATUS_WORD_REGION_HEADER: Layout = layout(
    "ghost_sw_region_header",
    64,
    64,
    &[
        field("version", U32, 0),
        field("id", U32, 4),
        field("numa_node", U32, 8),
        field("start", U32, 12),
        field("capacity", U32, 16),
        field("available", U32, 20),
    ],
);
pub(crate) const STATUS_WORD: Layout = layout(
    "ghost_status_word",
    32,
    32,
    &[
        field("barrier", U32, 0),
        field("flags", U32, 4),
        field("gtid", U64, 8),
        field("switch_time", I64, 16),
        field("runtime", U64, 24),
    ],
);
pub(crate) const QUEUE_HEADER: Layout = layout(
    "ghost_queue_header",
    64,
    64,
    &[
        field("version", U32, 0),
        field("start", U32, 4),
        field("nelems", U32, 8),
    ],
);
pub(crate) const RING: Layout = layout(
    "ghost_ring",
    12,
    4,
    &[field("head", U32, 0), field("tail", U32, 4), field("overflow", U32, 8)],
);
pub(crate) const MESSAGE: Layout = layout(
    "ghost_msg",
    8,
    4,
    &[field("type", U16, 0), field("length", U16, 2), field("seqnum", U32, 4)],
);
pub(crate) const TASK_NEW_69: Layout = layout(
    "ghost_msg_payload_task_new",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("runtime", U64, 8),
        field("runnable", U16, 16),
        field("sw_info.id", U32, 20),
        field("sw_info.index", U32, 24),
    ],
);
pub(crate) const TASK_NEW_84: Layout = layout(
    "ghost_msg_payload_task_new",
    40,
    8,
    &[
        field("gtid", U64, 0),
        field("parent_gtid", U64, 8),
        field("runtime", U64, 16),
        field("runnable", U16, 24),
        field("nice", I32, 28),
        field("sw_info.id", U32, 32),
        field("sw_info.index", U32, 36),
    ],
);
pub(crate) const TASK_NEW_90: Layout = layout(
    "ghost_msg_payload_task_new",
    48,
    8,
    &[
        field("gtid", U64, 0),
        field("parent_gtid", U64, 8),
        field("runtime", U64, 16),
        field("runnable", U16, 24),
        field("nice", I32, 28),
        field("sw_info.id", U32, 32),
        field("sw_info.index", U32, 36),
        field("agent_data", U64, 40),
    ],
);
pub(crate) const TASK_PREEMPT: Layout = layout(
    "ghost_msg_payload_task_preempt",
    40,
    8,
    &[
        field("gtid", U64, 0),
        field("runtime", U64, 8),
        field("cpu_seqnum", U64, 16),
        field("agent_data", U64, 24),
        field("cpu", I32, 32),
        field("from_switchto", I8, 36),
        field("was_latched", I8, 37),
    ],
);
pub(crate) const TASK_YIELD: Layout = layout(
    "ghost_msg_payload_task_yield",
    40,
    8,
    &[
        field("gtid", U64, 0),
        field("runtime", U64, 8),
        field("cpu_seqnum", U64, 16),
        field("agent_data", U64, 24),
        field("cpu", I32, 32),
        field("from_switchto", I8, 36),
    ],
);
pub(crate) const TASK_BLOCKED: Layout = layout(
    "ghost_msg_payload_task_blocked",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("runtime", U64, 8),
        field("cpu_seqnum", U64, 16),
        field("cpu", I32, 24),
        field("from_switchto", I8, 28),
    ],
);
/// Up to ABI 84.
pub(crate) const TASK_DEAD_69: Layout = layout("ghost_msg_payload_task_dead", 8, 8, &[field("gtid", U64, 0)]);
pub(crate) const TASK_DEAD_90: Layout = layout(
    "ghost_msg_payload_task_dead",
    16,
    8,
    &[field("gtid", U64, 0), field("cpu", I32, 8)],
);
pub(crate) const TASK_DEPARTED: Layout = layout(
    "ghost_msg_payload_task_departed",
    24,
    8,
    &[
        field("gtid", U64, 0),
        field("cpu_seqnum", U64, 8),
        field("cpu", I32, 16),
        field("from_switchto", I8, 20),
        field("was_current", I8, 21),
    ],
);
pub(crate) const TASK_AFFINITY_CHANGED: Layout = layout(
    "ghost_msg_payload_task_affinity_changed",
    8,
    8,
    &[field("gtid", U64, 0)],
);
/// Since ABI 75.
pub(crate) const TASK_PRIORITY_CHANGED: Layout = layout(
    "ghost_msg_payload_task_priority_changed",
    16,
    8,
    &[field("gtid", U64, 0), field("nice", I32, 8)],
);
pub(crate) const TASK_WAKEUP: Layout = layout(
    "ghost_msg_payload_task_wakeup",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("agent_data", U64, 8),
        field("deferrable", I8, 16),
        field("last_ran_cpu", I32, 20),
        field("wake_up_cpu", I32, 24),
        field("waker_cpu", I32, 28),
    ],
);
pub(crate) const TASK_SWITCHTO: Layout = layout(
    "ghost_msg_payload_task_switchto",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("runtime", U64, 8),
        field("cpu_seqnum", U64, 16),
        field("cpu", I32, 24),
    ],
);
/// Up to ABI 77.
pub(crate) const TASK_LATCHED: Layout = layout(
    "ghost_msg_payload_task_latched",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("commit_time", U64, 8),
        field("cpu_seqnum", U64, 16),
        field("cpu", I32, 24),
        field("latched_preempt", I8, 28),
    ],
);
/// Since ABI 78.
pub(crate) const TASK_ON_CPU: Layout = layout(
    "ghost_msg_payload_task_on_cpu",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("commit_time", U64, 8),
        field("cpu_seqnum", U64, 16),
        field("cpu", I32, 24),
    ],
);
/// Since ABI 80.
pub(crate) const TASK_LATCH_FAILURE: Layout = layout(
    "ghost_msg_payload_task_latch_failure",
    16,
    8,
    &[field("gtid", U64, 0), field("errno", I32, 8)],
);
pub(crate) const CPU_NOT_IDLE: Layout = layout(
    "ghost_msg_payload_cpu_not_idle",
    16,
    8,
    &[field("cpu", I32, 0), field("next_gtid", U64, 8)],
);
/// Up to ABI 84.
pub(crate) const CPU_TICK_69: Layout = layout("ghost_msg_payload_cpu_tick", 4, 4, &[field("cpu", I32, 0)]);
pub(crate) const CPU_TICK_90: Layout = layout(
    "ghost_msg_payload_cpu_tick",
    8,
    4,
    &[field("cpu", I32, 0), field("is_agent", I32, 4)],
);
pub(crate) const CPU_TIMER_EXPIRED: Layout = layout(
    "ghost_msg_payload_timer",
    24,
    8,
    &[field("cpu", I32, 0), field("type", U64, 8), field("cookie", U64, 16)],
);
/// Since ABI 71.
pub(crate) const CPU_AVAILABLE: Layout = layout("ghost_msg_payload_cpu_available", 4, 4, &[field("cpu", I32, 0)]);
/// Since ABI 71.
pub(crate) const CPU_BUSY: Layout = layout("ghost_msg_payload_cpu_busy", 4, 4, &[field("cpu", I32, 0)]);
/// Since ABI 72.
pub(crate) const CPU_AGENT_BLOCKED: Layout = layout("ghost_msg_payload_agent_blocked", 4, 4, &[field("cpu", I32, 0)]);
/// Since ABI 72.
pub(crate) const CPU_AGENT_WAKEUP: Layout = layout("ghost_msg_payload_agent_wakeup", 4, 4, &[field("cpu", I32, 0)]);
pub(crate) const BPF_MESSAGE_69: Layout = layout(
    "bpf_ghost_msg",
    48,
    8,
    &[field("type", U16, 40), field("seqnum", U32, 44)],
);
pub(crate) const BPF_MESSAGE_84: Layout = layout(
    "bpf_ghost_msg",
    56,
    8,
    &[
        field("type", U16, 40),
        field("seqnum", U32, 44),
        field("pref_cpu", I32, 48),
    ],
);
pub(crate) const BPF_MESSAGE_90: Layout = layout(
    "bpf_ghost_msg",
    64,
    8,
    &[
        field("type", U16, 48),
        field("seqnum", U32, 52),
        field("pref_cpu", I32, 56),
    ],
);
pub(crate) const BPF_PICK_NEXT_TASK_69: Layout = layout(
    "bpf_ghost_sched",
    16,
    8,
    &[
        field("agent_on_rq", U8, 0),
        field("agent_runnable", U8, 1),
        field("might_yield", U8, 2),
        field("dont_idle", U8, 3),
        field("next_gtid", U64, 8),
    ],
);
/// `must_resched` since ABI 81.
pub(crate) const BPF_PICK_NEXT_TASK_84: Layout = layout(
    "bpf_ghost_sched",
    16,
    8,
    &[
        field("agent_on_rq", U8, 0),
        field("agent_runnable", U8, 1),
        field("might_yield", U8, 2),
        field("dont_idle", U8, 3),
        field("must_resched", U8, 4),
        field("next_gtid", U64, 8),
    ],
);
/// Since ABI 83.
pub(crate) const BPF_SELECT_RQ: Layout = layout(
    "bpf_ghost_select_rq",
    32,
    8,
    &[
        field("gtid", U64, 0),
        field("task_cpu", U32, 8),
        field("waker_cpu", U32, 12),
        field("sd_flag", U32, 16),
        field("wake_flags", U32, 20),
        field("skip_ttwu_queue", U8, 24),
    ],
);
/// Since ABI 84.
pub(crate) const BPF_HALT_POLL: Layout = layout("bpf_ghost_halt_poll", 4, 4, &[field("type", U32, 0)]);
/// Since ABI 87.
pub(crate) const BPF_SYNC_COMMIT_ARGS: Layout = layout(
    "bpf_sync_commit_args",
    48,
    8,
    &[
        array("cpus", I32, 2, 0),
        array("gtids", U64, 2, 8),
        array("task_barriers", U32, 2, 24),
        array("run_flags", I32, 2, 32),
        array("commit_flags", I32, 2, 40),
    ],
);
pub(crate) const TRANSACTION: Layout = layout(
    "ghost_txn",
    64,
    64,
    &[
        field("version", I32, 0),
        field("cpu", I32, 4),
        field("state", I32, 8),
        field("agent_barrier", U32, 12),
        field("task_barrier", U32, 16),
        field("run_flags", U16, 20),
        field("commit_flags", U8, 22),
        field("unused", U8, 23),
        field("gtid", I64, 24),
        field("commit_time", I64, 32),
        field("cpu_seqnum", U64, 40),
        field("u.sync_group_owner", I32, 48),
    ],
);
/// The transaction is the first thing in the page; its fields are those of [`Structure::Transaction`].
pub(crate) const CPU_DATA: Layout = layout("ghost_cpu_data", 4096, 4096, TRANSACTION_IN_PAGE);
const TRANSACTION_IN_PAGE: &[Field] = &[
    field("txn.version", I32, 0),
    field("txn.cpu", I32, 4),
    field("txn.state", I32, 8),
    field("txn.agent_barrier", U32, 12),
    field("txn.task_barrier", U32, 16),
    field("txn.run_flags", U16, 20),
    field("txn.commit_flags", U8, 22),
    field("txn.unused", U8, 23),
    field("txn.gtid", I64, 24),
    field("txn.commit_time", I64, 32),
    field("txn.cpu_seqnum", U64, 40),
    field("txn.u.sync_group_owner", I32, 48),
];

impl Abi {
    /// The memory of a structure in this ABI; `None` if it has no such structure.
    pub const fn layout(self, structure: Structure) -> Option<&'static Layout> {
        use Structure as S;
        let is_69 = matches!(self, Self::V69);
        let is_90 = matches!(self, Self::V90 | Self::V91);
        Some(match structure {
            S::AgentWakeup => &AGENT_WAKEUP,
            S::MessageSource => &MESSAGE_SOURCE,
            S::TimerfdGhost => &TIMERFD_GHOST,
            S::StatusWordInfo => &STATUS_WORD_INFO,
            S::IocSwGetInfo => &IOC_SW_GET_INFO,
            S::IocCreateQueue => &IOC_CREATE_QUEUE,
            S::IocAssocQueue if is_69 => &IOC_ASSOC_QUEUE_69,
            S::IocAssocQueue => &IOC_ASSOC_QUEUE,
            S::IocSetDefaultQueue => &IOC_SET_DEFAULT_QUEUE,
            S::IocConfigQueueWakeup => &IOC_CONFIG_QUEUE_WAKEUP,
            S::IocGetCpuTime => &IOC_GET_CPU_TIME,
            S::IocCommitTxn => &IOC_COMMIT_TXN,
            S::IocTimerfdSettime => &IOC_TIMERFD_SETTIME,
            S::IocRun => &IOC_RUN,
            S::StatusWordRegionHeader => &STATUS_WORD_REGION_HEADER,
            S::StatusWord => &STATUS_WORD,
            S::QueueHeader => &QUEUE_HEADER,
            S::Ring => &RING,
            S::Message => &MESSAGE,
            S::TaskNew if is_69 => &TASK_NEW_69,
            S::TaskNew if is_90 => &TASK_NEW_90,
            S::TaskNew => &TASK_NEW_84,
            S::TaskPreempt => &TASK_PREEMPT,
            S::TaskYield => &TASK_YIELD,
            S::TaskBlocked => &TASK_BLOCKED,
            S::TaskDead if is_90 => &TASK_DEAD_90,
            S::TaskDead => &TASK_DEAD_69,
            S::TaskDeparted => &TASK_DEPARTED,
            S::TaskAffinityChanged => &TASK_AFFINITY_CHANGED,
            S::TaskPriorityChanged if !is_69 => &TASK_PRIORITY_CHANGED,
            S::TaskWakeup => &TASK_WAKEUP,
            S::TaskSwitchto => &TASK_SWITCHTO,
            S::TaskLatched if is_69 => &TASK_LATCHED,
            S::TaskOnCpu if !is_69 => &TASK_ON_CPU,
            S::TaskLatchFailure if !is_69 => &TASK_LATCH_FAILURE,
            S::CpuNotIdle => &CPU_NOT_IDLE,
            S::CpuTick if is_90 => &CPU_TICK_90,
            S::CpuTick => &CPU_TICK_69,
            S::CpuTimerExpired => &CPU_TIMER_EXPIRED,
            S::CpuAvailable if !is_69 => &CPU_AVAILABLE,
            S::CpuBusy if !is_69 => &CPU_BUSY,
            S::CpuAgentBlocked if !is_69 => &CPU_AGENT_BLOCKED,
            S::CpuAgentWakeup if !is_69 => &CPU_AGENT_WAKEUP,
            S::BpfMessage if is_69 => &BPF_MESSAGE_69,
            S::BpfMessage if is_90 => &BPF_MESSAGE_90,
            S::BpfMessage => &BPF_MESSAGE_84,
            S::BpfPickNextTask if is_69 => &BPF_PICK_NEXT_TASK_69,
            S::BpfPickNextTask => &BPF_PICK_NEXT_TASK_84,
            S::BpfSelectRq if !is_69 => &BPF_SELECT_RQ,
            S::BpfHaltPoll if !is_69 => &BPF_HALT_POLL,
            S::BpfSyncCommitArgs if is_90 => &BPF_SYNC_COMMIT_ARGS,
            S::Transaction => &TRANSACTION,
            S::CpuData => &CPU_DATA,
            S::TaskPriorityChanged
            | S::TaskLatched
            | S::TaskOnCpu
            | S::TaskLatchFailure
            | S::CpuAvailable
            | S::CpuBusy
            | S::CpuAgentBlocked
            | S::CpuAgentWakeup
            | S::BpfSelectRq
            | S::BpfHaltPoll
            | S::BpfSyncCommitArgs => return None,
        })
    }
}
