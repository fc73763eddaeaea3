//! Messages for C: one flat value for every type and ABI, from bytes and back.
#![allow(unsafe_code, reason = "names that C can link; no unsafe block")]

use std::ffi::c_char;
use std::mem::MaybeUninit;

use ghostsched_core::abi::message::{LONGEST_MESSAGE_BYTES, is_cpu, is_task};
use ghostsched_core::abi::{Abi, MessageKind};
use ghostsched_core::gtid::Gtid;
use ghostsched_core::wire::{DecodeError, EncodeError, Header, Message, Payload, Raw, StatusWordInfo, cpu, task};

use crate::abi::abi;
use crate::error::{Failure, entry, gs_status, put_text};
use crate::handle;

/// How many bytes of a payload that is not known a gs_message keeps.
pub const GS_UNKNOWN_BYTES: usize = 48;

/// A message, as a value. `has` says which fields the message told, GS_HAS_*; the others are 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct gs_message {
    /// The ABI of its enclave.
    pub abi: u32,
    /// Its type, GS_MSG_*. A newer kernel may send others.
    pub number: u16,
    /// Bytes of header and payload, as the header says.
    pub length: u16,
    /// The barrier of the thread or agent it is about, after it. Gaps are legal; of one thread it only grows, modulo 2^32.
    pub seqnum: u32,
    /// Which fields it told: GS_HAS_*.
    pub has: u32,
    /// Claims that are true of it: GS_IS_*.
    pub is: u32,
    /// The CPU it is about, as the kernel wrote it: check it before you use it as an index. Of TASK_WAKEUP the CPU on whose
    /// run queue the thread was put.
    pub cpu: i32,
    /// The thread it is about.
    pub gtid: i64,
    /// What the thread has run so far, in ns.
    pub runtime_ns: u64,
    /// Counter of the CPU.
    pub cpu_seqnum: u64,
    /// For the agent's BPF-MSG program.
    pub agent_data: u64,
    /// TASK_NEW: the thread's parent.
    pub parent_gtid: i64,
    /// CPU_NOT_IDLE: the thread that takes the CPU.
    pub next_gtid: i64,
    /// TASK_LATCHED, TASK_ON_CPU: CLOCK_MONOTONIC of the message, in ns.
    pub commit_time_ns: u64,
    /// CPU_TIMER_EXPIRED: what the agent gave when it set the timer.
    pub timer_type: u64,
    /// CPU_TIMER_EXPIRED: what the agent gave when it set the timer.
    pub timer_cookie: u64,
    /// TASK_NEW: the region of the thread's status word.
    pub region: u32,
    /// TASK_NEW: its index in the region.
    pub index: u32,
    /// TASK_NEW, TASK_PRIORITY_CHANGED: the nice value, -20 to 19.
    pub nice: i32,
    /// TASK_WAKEUP: the CPU it last ran on.
    pub last_ran_cpu: i32,
    /// TASK_WAKEUP: the CPU that woke it.
    pub waker_cpu: i32,
    /// TASK_LATCH_FAILURE: the error number, positive.
    pub error: i32,
    /// Of a type that is not known: how many bytes its payload has; the first GS_UNKNOWN_BYTES of them follow.
    pub unknown_length: u32,
    /// Of a type that is not known: its payload.
    pub unknown: [u8; GS_UNKNOWN_BYTES],
}

/// `gtid`
pub const GS_HAS_GTID: u32 = 0x1;
/// `cpu`
pub const GS_HAS_CPU: u32 = 0x2;
/// `runtime_ns`
pub const GS_HAS_RUNTIME: u32 = 0x4;
/// `cpu_seqnum`
pub const GS_HAS_CPU_SEQNUM: u32 = 0x8;
/// `agent_data`
pub const GS_HAS_AGENT_DATA: u32 = 0x10;
/// `parent_gtid`
pub const GS_HAS_PARENT: u32 = 0x20;
/// `next_gtid`
pub const GS_HAS_NEXT: u32 = 0x40;
/// `commit_time_ns`
pub const GS_HAS_COMMIT_TIME: u32 = 0x80;
/// `timer_type` and `timer_cookie`
pub const GS_HAS_TIMER: u32 = 0x100;
/// `region` and `index`
pub const GS_HAS_STATUS_WORD: u32 = 0x200;
/// `nice`
pub const GS_HAS_NICE: u32 = 0x400;
/// `last_ran_cpu` and `waker_cpu`
pub const GS_HAS_WAKER: u32 = 0x800;
/// `error`
pub const GS_HAS_ERROR: u32 = 0x1000;
/// `unknown_length` and `unknown`: the type is not known in this ABI
pub const GS_HAS_UNKNOWN: u32 = 0x2000;
/// GS_IS_IN_AGENT is told (since ABI 90)
pub const GS_HAS_IN_AGENT: u32 = 0x4000;

/// TASK_NEW: the thread can be run now.
pub const GS_IS_RUNNABLE: u32 = 0x1;
/// TASK_PREEMPT: the thread had been latched and never ran.
pub const GS_IS_LATCHED: u32 = 0x2;
/// Of no public kernel.
pub const GS_IS_FROM_SWITCHTO: u32 = 0x4;
/// TASK_WAKEUP: the thread slept in epoll_wait, a futex or a timer.
pub const GS_IS_DEFERRABLE: u32 = 0x8;
/// TASK_DEPARTED: the thread left while it ran.
pub const GS_IS_CURRENT: u32 = 0x10;
/// TASK_LATCHED: the thread lost the latch before it ran.
pub const GS_IS_PREEMPTED: u32 = 0x20;
/// CPU_TICK: the tick interrupted the agent.
pub const GS_IS_IN_AGENT: u32 = 0x40;

impl gs_message {
    const EMPTY: Self = Self {
        abi: 0,
        number: 0,
        length: 0,
        seqnum: 0,
        has: 0,
        is: 0,
        cpu: 0,
        gtid: 0,
        runtime_ns: 0,
        cpu_seqnum: 0,
        agent_data: 0,
        parent_gtid: 0,
        next_gtid: 0,
        commit_time_ns: 0,
        timer_type: 0,
        timer_cookie: 0,
        region: 0,
        index: 0,
        nice: 0,
        last_ran_cpu: 0,
        waker_cpu: 0,
        error: 0,
        unknown_length: 0,
        unknown: [0; GS_UNKNOWN_BYTES],
    };

    /// Writes the value of a message of this length where it is wanted.
    #[inline]
    pub(crate) fn write<'p>(place: &'p mut MaybeUninit<Self>, message: &Message, abi: Abi, length: u16) -> &'p Self {
        let to = place.write(Self::EMPTY);
        (to.abi, to.number, to.length) = (abi.version(), message.number(), length);
        to.seqnum = message.seqnum;
        if let Some(gtid) = message.gtid() {
            to.tell(GS_HAS_GTID).gtid = gtid.raw();
        }
        if let Some(cpu) = message.cpu() {
            to.tell(GS_HAS_CPU).cpu = cpu;
        }
        match message.payload {
            Payload::TaskNew(new) => {
                to.tell(GS_HAS_RUNTIME | GS_HAS_STATUS_WORD).runtime_ns = new.runtime_ns;
                (to.region, to.index) = (new.status_word.region, new.status_word.index);
                to.claim(GS_IS_RUNNABLE, new.is_runnable);
                if let Some(parent) = new.parent {
                    to.tell(GS_HAS_PARENT).parent_gtid = parent.raw();
                }
                if let Some(nice) = new.nice {
                    to.tell(GS_HAS_NICE).nice = nice;
                }
                if let Some(data) = new.agent_data {
                    to.tell(GS_HAS_AGENT_DATA).agent_data = data;
                }
            }
            Payload::TaskPreempt(preempt) => {
                to.ran(preempt.runtime_ns, preempt.cpu_seqnum, preempt.from_switchto);
                to.tell(GS_HAS_AGENT_DATA).agent_data = preempt.agent_data;
                to.claim(GS_IS_LATCHED, preempt.was_latched);
            }
            Payload::TaskYield(yielded) => {
                to.ran(yielded.runtime_ns, yielded.cpu_seqnum, yielded.from_switchto);
                to.tell(GS_HAS_AGENT_DATA).agent_data = yielded.agent_data;
            }
            Payload::TaskBlocked(blocked) => to.ran(blocked.runtime_ns, blocked.cpu_seqnum, blocked.from_switchto),
            Payload::TaskSwitchto(switched) => to.ran(switched.runtime_ns, switched.cpu_seqnum, false),
            Payload::TaskWakeup(wakeup) => {
                to.tell(GS_HAS_AGENT_DATA | GS_HAS_WAKER).agent_data = wakeup.agent_data;
                (to.last_ran_cpu, to.waker_cpu) = (wakeup.last_ran_cpu, wakeup.waker_cpu);
                to.claim(GS_IS_DEFERRABLE, wakeup.is_deferrable);
            }
            Payload::TaskDeparted(departed) => {
                to.tell(GS_HAS_CPU_SEQNUM).cpu_seqnum = departed.cpu_seqnum;
                to.claim(GS_IS_FROM_SWITCHTO, departed.from_switchto);
                to.claim(GS_IS_CURRENT, departed.was_current);
            }
            Payload::TaskLatched(latched) => {
                to.tell(GS_HAS_CPU_SEQNUM | GS_HAS_COMMIT_TIME).cpu_seqnum = latched.cpu_seqnum;
                to.commit_time_ns = latched.commit_time_ns;
                to.claim(GS_IS_PREEMPTED, latched.was_preempted);
            }
            Payload::TaskOnCpu(on_cpu) => {
                to.tell(GS_HAS_CPU_SEQNUM | GS_HAS_COMMIT_TIME).cpu_seqnum = on_cpu.cpu_seqnum;
                to.commit_time_ns = on_cpu.commit_time_ns;
            }
            Payload::TaskPriorityChanged(changed) => to.tell(GS_HAS_NICE).nice = changed.nice,
            Payload::TaskLatchFailure(failure) => to.tell(GS_HAS_ERROR).error = failure.errno,
            Payload::CpuTick(tick) => {
                if let Some(is_agent) = tick.is_agent {
                    to.tell(GS_HAS_IN_AGENT).claim(GS_IS_IN_AGENT, is_agent);
                }
            }
            Payload::CpuTimerExpired(timer) => {
                to.tell(GS_HAS_TIMER).timer_type = timer.kind;
                to.timer_cookie = timer.cookie;
            }
            Payload::CpuNotIdle(not_idle) => to.tell(GS_HAS_NEXT).next_gtid = not_idle.next.raw(),
            Payload::Unknown { payload, .. } => {
                to.tell(GS_HAS_UNKNOWN).unknown_length = payload.len() as u32;
                to.unknown
                    .iter_mut()
                    .zip(payload.bytes())
                    .for_each(|(to, byte)| *to = byte);
            }
            _ => {}
        }
        to
    }

    fn tell(&mut self, what: u32) -> &mut Self {
        self.has |= what;
        self
    }

    fn claim(&mut self, claim: u32, is_true: bool) {
        if is_true {
            self.is |= claim;
        }
    }

    fn ran(&mut self, runtime_ns: u64, cpu_seqnum: u64, from_switchto: bool) {
        self.tell(GS_HAS_RUNTIME | GS_HAS_CPU_SEQNUM).runtime_ns = runtime_ns;
        self.cpu_seqnum = cpu_seqnum;
        self.claim(GS_IS_FROM_SWITCHTO, from_switchto);
    }

    /// Whether a message of a type that this ABI does not have is one that was read, and whole.
    fn check_unknown(&self, abi: Abi) -> Result<(), Failure> {
        let (number, length) = (self.number, self.unknown_length);
        if self.has & GS_HAS_UNKNOWN == 0 {
            return Err(Failure::with(
                gs_status::GS_ERR_NOT_IN_ABI,
                &format_args!("ghOSt ABI {abi} has no message of type {number}"),
            ));
        }
        if length as usize > GS_UNKNOWN_BYTES {
            return Err(Failure::with(
                gs_status::GS_ERR_TOO_LONG,
                &format_args!(
                    "message of type {number} has {length} bytes of payload, and {GS_UNKNOWN_BYTES} were kept"
                ),
            ));
        }
        Ok(())
    }

    /// The message as the core has it.
    fn message(&self, abi: Abi) -> Message<'_> {
        use MessageKind as K;
        let has = |what| self.has & what != 0;
        let is = |claim| self.is & claim != 0;
        let (gtid, cpu) = (Gtid::from_raw(self.gtid), self.cpu);
        let (runtime_ns, cpu_seqnum, agent_data) = (self.runtime_ns, self.cpu_seqnum, self.agent_data);
        let from_switchto = is(GS_IS_FROM_SWITCHTO);
        let payload = match abi.kind(self.number) {
            Some(K::Nop) => Payload::Nop,
            Some(K::TaskDead) => Payload::TaskDead(task::Dead {
                gtid,
                cpu: has(GS_HAS_CPU).then_some(cpu),
            }),
            Some(K::TaskBlocked) => Payload::TaskBlocked(task::Blocked {
                gtid,
                runtime_ns,
                cpu_seqnum,
                cpu,
                from_switchto,
            }),
            Some(K::TaskWakeup) => Payload::TaskWakeup(task::Wakeup {
                gtid,
                agent_data,
                is_deferrable: is(GS_IS_DEFERRABLE),
                last_ran_cpu: self.last_ran_cpu,
                wake_up_cpu: cpu,
                waker_cpu: self.waker_cpu,
            }),
            Some(K::TaskNew) => Payload::TaskNew(task::New {
                gtid,
                parent: has(GS_HAS_PARENT).then_some(Gtid::from_raw(self.parent_gtid)),
                runtime_ns,
                is_runnable: is(GS_IS_RUNNABLE),
                nice: has(GS_HAS_NICE).then_some(self.nice),
                status_word: StatusWordInfo {
                    region: self.region,
                    index: self.index,
                },
                agent_data: has(GS_HAS_AGENT_DATA).then_some(agent_data),
            }),
            Some(K::TaskPreempt) => Payload::TaskPreempt(task::Preempt {
                gtid,
                runtime_ns,
                cpu_seqnum,
                agent_data,
                cpu,
                from_switchto,
                was_latched: is(GS_IS_LATCHED),
            }),
            Some(K::TaskYield) => Payload::TaskYield(task::Yield {
                gtid,
                runtime_ns,
                cpu_seqnum,
                agent_data,
                cpu,
                from_switchto,
            }),
            Some(K::TaskDeparted) => Payload::TaskDeparted(task::Departed {
                gtid,
                cpu_seqnum,
                cpu,
                from_switchto,
                was_current: is(GS_IS_CURRENT),
            }),
            Some(K::TaskSwitchto) => Payload::TaskSwitchto(task::Switchto {
                gtid,
                runtime_ns,
                cpu_seqnum,
                cpu,
            }),
            Some(K::TaskAffinityChanged) => Payload::TaskAffinityChanged(task::AffinityChanged { gtid }),
            Some(K::TaskLatched) => Payload::TaskLatched(task::Latched {
                gtid,
                commit_time_ns: self.commit_time_ns,
                cpu_seqnum,
                cpu,
                was_preempted: is(GS_IS_PREEMPTED),
            }),
            Some(K::TaskOnCpu) => Payload::TaskOnCpu(task::OnCpu {
                gtid,
                commit_time_ns: self.commit_time_ns,
                cpu_seqnum,
                cpu,
            }),
            Some(K::TaskPriorityChanged) => {
                Payload::TaskPriorityChanged(task::PriorityChanged { gtid, nice: self.nice })
            }
            Some(K::TaskLatchFailure) => Payload::TaskLatchFailure(task::LatchFailure {
                gtid,
                errno: self.error,
            }),
            Some(K::CpuTick) => Payload::CpuTick(cpu::Tick {
                cpu,
                is_agent: has(GS_HAS_IN_AGENT).then_some(is(GS_IS_IN_AGENT)),
            }),
            Some(K::CpuTimerExpired) => Payload::CpuTimerExpired(cpu::TimerExpired {
                cpu,
                kind: self.timer_type,
                cookie: self.timer_cookie,
            }),
            Some(K::CpuNotIdle) => Payload::CpuNotIdle(cpu::NotIdle {
                cpu,
                next: Gtid::from_raw(self.next_gtid),
            }),
            Some(K::CpuAvailable) => Payload::CpuAvailable(cpu::Available { cpu }),
            Some(K::CpuBusy) => Payload::CpuBusy(cpu::Busy { cpu }),
            Some(K::CpuAgentBlocked) => Payload::CpuAgentBlocked(cpu::AgentBlocked { cpu }),
            Some(K::CpuAgentWakeup) => Payload::CpuAgentWakeup(cpu::AgentWakeup { cpu }),
            // Not known, by this file either: kinds that are added to the core come out as bytes until they are added here.
            _ => {
                let length = (self.unknown_length as usize).min(GS_UNKNOWN_BYTES);
                Payload::Unknown {
                    number: self.number,
                    payload: Raw::new(self.unknown.get(..length).unwrap_or_default()),
                }
            }
        };
        Message {
            seqnum: self.seqnum,
            payload,
        }
    }
}

impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        let status = match error {
            DecodeError::Truncated { .. } => gs_status::GS_ERR_TRUNCATED,
            DecodeError::TooShort { .. } => gs_status::GS_ERR_TOO_SHORT,
        };
        Self::with(status, &error)
    }
}

/// Whether messages of this type are about a thread, known or not.
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_is_task(number: u16) -> bool {
    is_task(number)
}

/// Whether messages of this type are about a CPU, known or not.
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_is_cpu(number: u16) -> bool {
    is_cpu(number)
}

/// The message at the start of `len` bytes. A type that is not known is no error. GS_ERR_TRUNCATED, GS_ERR_TOO_SHORT.
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_decode(version: u32, bytes: *const u8, len: usize, message: *mut gs_message) -> gs_status {
    entry(|| {
        let to = handle::out(message)?;
        let (abi, bytes) = (abi(version)?, handle::values(bytes, len)?);
        let length = Header::decode(bytes)?.length;
        gs_message::write(to, &Message::decode(bytes, abi)?, abi, length);
        Ok(gs_status::GS_OK)
    })
}

/// Writes a message as a kernel of its ABI would, padding zeroed. `need`, which may be NULL, is its length in bytes. Of a
/// message that is not known (GS_HAS_UNKNOWN) it writes the bytes that were kept; GS_ERR_TOO_LONG if it had more of them.
/// GS_ERR_NOT_IN_ABI if the ABI has no such type and the message does not say so. GS_ERR_NO_ROOM, GS_ERR_ABI.
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_encode(
    message: *const gs_message,
    bytes: *mut u8,
    len: usize,
    need: *mut usize,
) -> gs_status {
    entry(|| {
        let message = handle::get(message)?;
        let abi = abi(message.abi)?;
        if abi.kind(message.number).is_none() {
            message.check_unknown(abi)?;
        }
        let mut encoded = [0; LONGEST_MESSAGE_BYTES];
        let count = message.message(abi).encode(abi, &mut encoded).map_err(|error| {
            let status = match error {
                EncodeError::NotInAbi { .. } => gs_status::GS_ERR_NOT_IN_ABI,
                EncodeError::NoRoom { .. } => gs_status::GS_ERR_NO_ROOM,
                EncodeError::TooLong { .. } => gs_status::GS_ERR_TOO_LONG,
            };
            Failure::with(status, &error)
        })?;
        handle::out_or_not(need, count);
        let room = handle::bytes(bytes, len.min(count))?;
        match (room.get_mut(..count), encoded.get(..count)) {
            (Some(room), Some(encoded)) => room.copy_from_slice(encoded),
            _ => {
                let have = len;
                return Err(Failure::with(
                    gs_status::GS_ERR_NO_ROOM,
                    &EncodeError::NoRoom { need: count, have },
                ));
            }
        }
        Ok(gs_status::GS_OK)
    })
}

/// The message for people: "TASK_PREEMPT #17 4242 cpu 3 ran 1200ns latched".
#[unsafe(no_mangle)]
pub extern "C" fn gs_message_text(
    message: *const gs_message,
    text: *mut c_char,
    len: usize,
    need: *mut usize,
) -> gs_status {
    entry(|| {
        let message = handle::get(message)?;
        put_text(&message.message(abi(message.abi)?), text, len, need)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes of a message of this type whose payload is nothing in particular.
    fn bytes(abi: Abi, kind: MessageKind, seed: u8) -> Vec<u8> {
        let length = abi.message_bytes(kind).unwrap_or(8);
        let mut bytes: Vec<u8> = (0..length)
            .map(|at| (at as u8).wrapping_mul(37).wrapping_add(seed))
            .collect();
        bytes[..2].copy_from_slice(&kind.number().to_le_bytes());
        bytes[2..4].copy_from_slice(&(length as u16).to_le_bytes());
        bytes
    }

    #[test]
    fn each_message_of_each_abi_goes_there_and_back() {
        for abi in Abi::ALL {
            for kind in abi.messages() {
                for seed in [0, 91, 219] {
                    let bytes = bytes(abi, kind, seed);
                    let message = Message::decode(&bytes, abi).unwrap();
                    let mut place = MaybeUninit::uninit();
                    let flat = gs_message::write(&mut place, &message, abi, bytes.len() as u16);
                    assert_eq!(flat.message(abi), message);
                    assert_eq!((flat.number, usize::from(flat.length)), (kind.number(), bytes.len()));
                }
            }
        }
    }

    #[test]
    fn what_is_not_known_keeps_its_first_bytes() {
        let bytes = [99, 0, 11, 0, 7, 0, 0, 0, 1, 2, 3];
        let message = Message::decode(&bytes, Abi::V91).unwrap();
        let mut place = MaybeUninit::uninit();
        let flat = gs_message::write(&mut place, &message, Abi::V91, 11);
        assert_eq!((flat.has, flat.unknown_length, flat.unknown[2]), (GS_HAS_UNKNOWN, 3, 3));
        assert_eq!(flat.message(Abi::V91), message);
    }

    #[test]
    fn what_cannot_be_written_whole_is_not_written() {
        let mut message = gs_message {
            abi: 91,
            number: 99,
            unknown_length: 48,
            ..gs_message::EMPTY
        };
        let (mut bytes, mut need) = ([0xaa; 64], 0);
        let mut encode = |message: &gs_message| gs_message_encode(message, bytes.as_mut_ptr(), 64, &raw mut need);
        assert_eq!(encode(&message), gs_status::GS_ERR_NOT_IN_ABI);
        message.has = GS_HAS_UNKNOWN;
        assert_eq!(encode(&message), gs_status::GS_OK);
        message.unknown_length = 49;
        assert_eq!(encode(&message), gs_status::GS_ERR_TOO_LONG);
        // ABI 69 does not have it.
        let number = MessageKind::TaskPriorityChanged.number();
        (message.abi, message.number, message.has) = (69, number, GS_HAS_GTID);
        assert_eq!(encode(&message), gs_status::GS_ERR_NOT_IN_ABI);
    }
}
