//! A message as a row: one structure with a column for each field that a message of any ABI can have.
//!
//! A column that a message does not have is 0, or -1 for CPUs; the bit set `fields` tells which ones it has. The table here
//! is all there is to say about columns: the struct, numpy's dtype, and the attributes of `Message` are made from it.

use std::mem::offset_of;

use ghostsched_core::abi::MessageKind;
use ghostsched_core::gtid::Gtid;
use ghostsched_core::wire::{Header, Message, Payload, Raw, StatusWordInfo, cpu, task};
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// Gives the table of columns to a macro: bit, name, type in memory, type in Python, numpy's format, the value if absent,
/// and what it is.
macro_rules! with_columns {
    ($macro:ident) => {
        $macro! {
            0 gtid: u64, u64, "<u8", 0, "The thread it is about.";
            1 runtime_ns: u64, u64, "<u8", 0, "What the thread has run so far.";
            2 cpu_seqnum: u64, u64, "<u8", 0, "Counter of the CPU.";
            3 agent_data: u64, u64, "<u8", 0, "Of the agent's BPF-MSG program.";
            4 parent: u64, u64, "<u8", 0, "TASK_NEW: the gtid of the parent.";
            5 next: u64, u64, "<u8", 0, "CPU_NOT_IDLE: the gtid that takes the CPU.";
            6 commit_time_ns: u64, u64, "<u8", 0, "TASK_LATCHED, TASK_ON_CPU: CLOCK_MONOTONIC of the message.";
            7 timer_type: u64, u64, "<u8", 0, "CPU_TIMER_EXPIRED: what the agent gave.";
            8 timer_cookie: u64, u64, "<u8", 0, "CPU_TIMER_EXPIRED: what the agent gave.";
            9 cpu: i32, i32, "<i4", -1, "The CPU it is about, or where it happened; TASK_WAKEUP: where the thread was queued.";
            10 last_ran_cpu: i32, i32, "<i4", -1, "TASK_WAKEUP: the CPU it last ran on.";
            11 waker_cpu: i32, i32, "<i4", -1, "TASK_WAKEUP: the CPU that woke it.";
            12 nice: i32, i32, "<i4", 0, "The nice value, -20 to 19.";
            13 errno: i32, i32, "<i4", 0, "TASK_LATCH_FAILURE: why.";
            14 status_word_region: u32, u32, "<u4", 0, "TASK_NEW: the region of the status word.";
            15 status_word_index: u32, u32, "<u4", 0, "TASK_NEW: the index of the status word.";
            16 is_runnable: u8, bool, "?", 0, "TASK_NEW: whether it can be run now.";
            17 from_switchto: u8, bool, "?", 0, "Never true in public kernels.";
            18 was_latched: u8, bool, "?", 0, "TASK_PREEMPT: it had been latched and never ran.";
            19 is_deferrable: u8, bool, "?", 0, "TASK_WAKEUP: it may well sleep again soon.";
            20 was_current: u8, bool, "?", 0, "TASK_DEPARTED: it left while it ran.";
            21 was_preempted: u8, bool, "?", 0, "TASK_LATCHED: it lost the latch before it ran.";
            22 is_agent: u8, bool, "?", 0, "CPU_TICK: it interrupted the agent.";
        }
    };
}
pub(crate) use with_columns;

/// A column.
pub struct Column {
    name: &'static str,
    format: &'static str,
    offset: usize,
    bit: u32, // its bit in `fields`; 0 for those that every message has
    doc: &'static str,
}

macro_rules! define {
    ($($bit:literal $name:ident: $cell:ty, $python:ty, $format:literal, $absent:literal, $doc:literal;)*) => {
        /// A message as a row. 128 bytes.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub struct Record {
            pub position: u32,
            pub number: u16,
            pub length: u16,
            pub seqnum: u32,
            pub fields: u32,
            $(pub $name: $cell,)*
            zero: [u8; 5],
        }

        /// The bit of each column in `fields`.
        #[allow(non_upper_case_globals, reason = "named as the columns are")]
        mod bit {
            $(pub const $name: u32 = 1 << $bit;)*
        }

        const COLUMNS: &[Column] = &[
            every("position", "<u4", offset_of!(Record, position), "Where it starts in the queue, as head and tail count."),
            every("number", "<u2", offset_of!(Record, number), "Its type."),
            every("length", "<u2", offset_of!(Record, length), "Bytes of header and payload."),
            every("seqnum", "<u4", offset_of!(Record, seqnum), "The barrier after it."),
            every("fields", "<u4", offset_of!(Record, fields), "Which of the columns behind it has."),
            $(Column {
                name: stringify!($name),
                format: $format,
                offset: offset_of!(Record, $name),
                bit: bit::$name,
                doc: $doc,
            },)*
        ];

        impl Record {
            const ABSENT: Self = Self {
                position: 0,
                number: 0,
                length: 0,
                seqnum: 0,
                fields: 0,
                $($name: $absent,)*
                zero: [0; 5],
            };

            /// Sets a column by its name; `false` if there is none.
            pub fn set(&mut self, name: &str, value: &Bound<'_, PyAny>) -> PyResult<bool> {
                match name {
                    $(stringify!($name) => {
                        let value: $python = value.extract()?;
                        value.put(&mut self.$name);
                        self.fields |= bit::$name;
                    })*
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// The columns it has, by name.
            pub fn to_dict<'py>(self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let fields = PyDict::new(py);
                $(if self.fields & bit::$name != 0 {
                    fields.set_item(stringify!($name), <$python>::get(self.$name, true))?;
                })*
                Ok(fields)
            }
        }
    };
}
with_columns!(define);

const _: () = assert!(size_of::<Record>() == 128 && offset_of!(Record, zero) == 123);

const fn every(name: &'static str, format: &'static str, offset: usize, doc: &'static str) -> Column {
    Column {
        name,
        format,
        offset,
        bit: 0,
        doc,
    }
}

/// How a field of a payload lies in a column.
pub trait Cell<C>: Sized {
    /// Writes it; `false` if there is nothing to write.
    fn put(self, cell: &mut C) -> bool;
    /// Reads it.
    fn get(cell: C, present: bool) -> Self;
}

macro_rules! cells {
    ($($field:ty as $cell:ty, |$value:ident| $put:expr, |$raw:ident| $get:expr;)*) => {$(
        impl Cell<$cell> for $field {
            #[inline(always)]
            fn put(self, cell: &mut $cell) -> bool {
                let $value = self;
                *cell = $put;
                true
            }

            #[inline(always)]
            fn get($raw: $cell, _: bool) -> Self {
                $get
            }
        }
    )*};
}
cells! {
    u64 as u64, |value| value, |raw| raw;
    i32 as i32, |value| value, |raw| raw;
    u32 as u32, |value| value, |raw| raw;
    bool as u8, |value| u8::from(value), |raw| raw != 0;
    Gtid as u64, |value| value.bits(), |raw| Self::from_bits(raw);
}

impl<C, T: Cell<C>> Cell<C> for Option<T> {
    #[inline(always)]
    fn put(self, cell: &mut C) -> bool {
        self.is_some_and(|value| value.put(cell))
    }

    #[inline(always)]
    fn get(cell: C, present: bool) -> Self {
        present.then(|| T::get(cell, true))
    }
}

/// Which field of which payload goes to which column; both ways.
macro_rules! payloads {
    ($($kind:ident($payload:ty) { $($field:ident: $column:ident),* })*) => {
        impl Record {
            /// Fills in the columns of a message's payload.
            #[inline(always)]
            fn take(&mut self, payload: &Payload<'_>) {
                match payload {
                    Payload::TaskNew(new) => self.take_new(new),
                    $(Payload::$kind(payload) => {
                        let fields = 0 $(| if payload.$field.put(&mut self.$column) { bit::$column } else { 0 })*;
                        self.fields |= fields;
                    })*
                    _ => {}
                }
            }

            /// The payload of a kind with these columns; those it lacks are 0.
            pub fn payload(&self, kind: MessageKind) -> Payload<'static> {
                match kind {
                    MessageKind::TaskNew => Payload::TaskNew(self.new_payload()),
                    $(MessageKind::$kind => Payload::$kind({
                        type Of = $payload;
                        Of { $($field: Cell::get(self.$column, self.fields & bit::$column != 0)),* }
                    }),)*
                    _ => Payload::Nop,
                }
            }
        }

        /// The bits of the columns a kind can have, in the newest ABI.
        pub fn columns_of(kind: MessageKind) -> u32 {
            match kind {
                MessageKind::TaskNew => NEW,
                $(MessageKind::$kind => 0 $(| bit::$column)*,)*
                _ => 0,
            }
        }
    };
}
payloads! {
    TaskDead(task::Dead) { gtid: gtid, cpu: cpu }
    TaskBlocked(task::Blocked) {
        gtid: gtid, runtime_ns: runtime_ns, cpu_seqnum: cpu_seqnum, cpu: cpu, from_switchto: from_switchto
    }
    TaskWakeup(task::Wakeup) {
        gtid: gtid, agent_data: agent_data, is_deferrable: is_deferrable, last_ran_cpu: last_ran_cpu, wake_up_cpu: cpu,
        waker_cpu: waker_cpu
    }
    TaskPreempt(task::Preempt) {
        gtid: gtid, runtime_ns: runtime_ns, cpu_seqnum: cpu_seqnum, agent_data: agent_data, cpu: cpu,
        from_switchto: from_switchto, was_latched: was_latched
    }
    TaskYield(task::Yield) {
        gtid: gtid, runtime_ns: runtime_ns, cpu_seqnum: cpu_seqnum, agent_data: agent_data, cpu: cpu,
        from_switchto: from_switchto
    }
    TaskDeparted(task::Departed) {
        gtid: gtid, cpu_seqnum: cpu_seqnum, cpu: cpu, from_switchto: from_switchto, was_current: was_current
    }
    TaskSwitchto(task::Switchto) { gtid: gtid, runtime_ns: runtime_ns, cpu_seqnum: cpu_seqnum, cpu: cpu }
    TaskAffinityChanged(task::AffinityChanged) { gtid: gtid }
    TaskLatched(task::Latched) {
        gtid: gtid, commit_time_ns: commit_time_ns, cpu_seqnum: cpu_seqnum, cpu: cpu, was_preempted: was_preempted
    }
    TaskOnCpu(task::OnCpu) { gtid: gtid, commit_time_ns: commit_time_ns, cpu_seqnum: cpu_seqnum, cpu: cpu }
    TaskPriorityChanged(task::PriorityChanged) { gtid: gtid, nice: nice }
    TaskLatchFailure(task::LatchFailure) { gtid: gtid, errno: errno }
    CpuTick(cpu::Tick) { cpu: cpu, is_agent: is_agent }
    CpuTimerExpired(cpu::TimerExpired) { cpu: cpu, kind: timer_type, cookie: timer_cookie }
    CpuNotIdle(cpu::NotIdle) { cpu: cpu, next: next }
    CpuAvailable(cpu::Available) { cpu: cpu }
    CpuBusy(cpu::Busy) { cpu: cpu }
    CpuAgentBlocked(cpu::AgentBlocked) { cpu: cpu }
    CpuAgentWakeup(cpu::AgentWakeup) { cpu: cpu }
}

const NEW: u32 = bit::gtid
    | bit::parent
    | bit::runtime_ns
    | bit::is_runnable
    | bit::nice
    | bit::status_word_region
    | bit::status_word_index
    | bit::agent_data;

impl Record {
    /// The row of a message that lies in a queue or elsewhere, whose header is given too.
    #[inline(always)]
    pub fn new(position: u32, header: Header, payload: &Payload<'_>) -> Self {
        let mut record = Self {
            position,
            number: header.number,
            length: header.length,
            seqnum: header.seqnum,
            ..Self::ABSENT
        };
        record.take(payload);
        record
    }

    /// The row of a message that is not in memory: header only.
    pub const fn empty(number: u16, seqnum: u32) -> Self {
        Self {
            number,
            seqnum,
            ..Self::ABSENT
        }
    }

    /// The row without where it was found and how long its header says it is.
    pub const fn said(self) -> Self {
        Self {
            position: 0,
            length: 0,
            ..self
        }
    }

    /// The message of this row; `kind` is `None` for one that is not known, whose payload is `raw`.
    pub fn message<'a>(&self, kind: Option<MessageKind>, raw: &'a [u8]) -> Message<'a> {
        let payload = match kind {
            Some(kind) => self.payload(kind),
            None => Payload::Unknown {
                number: self.number,
                payload: Raw::new(raw),
            },
        };
        Message {
            seqnum: self.seqnum,
            payload,
        }
    }

    // A status word's place is one field of the payload and two columns, which the table cannot say.

    fn take_new(&mut self, new: &task::New) {
        self.gtid = new.gtid.bits();
        self.runtime_ns = new.runtime_ns;
        self.is_runnable = u8::from(new.is_runnable);
        self.status_word_region = new.status_word.region;
        self.status_word_index = new.status_word.index;
        self.fields |=
            bit::gtid | bit::runtime_ns | bit::is_runnable | bit::status_word_region | bit::status_word_index;
        for (has, bit) in [
            (new.parent.put(&mut self.parent), bit::parent),
            (new.nice.put(&mut self.nice), bit::nice),
            (new.agent_data.put(&mut self.agent_data), bit::agent_data),
        ] {
            self.fields |= if has { bit } else { 0 };
        }
    }

    fn new_payload(&self) -> task::New {
        let has = |bit: u32| self.fields & bit != 0;
        task::New {
            gtid: Gtid::from_bits(self.gtid),
            parent: Cell::get(self.parent, has(bit::parent)),
            runtime_ns: self.runtime_ns,
            is_runnable: self.is_runnable != 0,
            nice: Cell::get(self.nice, has(bit::nice)),
            status_word: StatusWordInfo {
                region: self.status_word_region,
                index: self.status_word_index,
            },
            agent_data: Cell::get(self.agent_data, has(bit::agent_data)),
        }
    }
}

/// numpy's type of a row.
pub fn dtype(py: Python<'_>) -> PyResult<Bound<'_, PyArrayDescr>> {
    let spec = PyDict::new(py);
    let list = |of: fn(&Column) -> &'static str| COLUMNS.iter().map(of).collect::<Vec<_>>();
    spec.set_item("names", list(|column| column.name))?;
    spec.set_item("formats", list(|column| column.format))?;
    let offsets: Vec<usize> = COLUMNS.iter().map(|column| column.offset).collect();
    spec.set_item("offsets", offsets)?;
    spec.set_item("itemsize", size_of::<Record>())?;
    PyArrayDescr::new(py, spec)
}

/// The columns of a row: numpy's dtype, and of each `(name, bit in fields, what it is)`.
#[pyfunction]
#[expect(clippy::type_complexity, reason = "a tuple for Python")]
pub fn record_columns(py: Python<'_>) -> PyResult<(Bound<'_, PyArrayDescr>, Vec<(&'static str, u32, &'static str)>)> {
    let columns = COLUMNS.iter().map(|column| (column.name, column.bit, column.doc));
    Ok((dtype(py)?, columns.collect()))
}
