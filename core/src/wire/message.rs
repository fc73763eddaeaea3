//! A message: header, sequence number, payload.

use core::fmt;

use super::fields::{Fields, Output};
use super::task::Wire;
use super::{cpu, task};
use crate::abi::message::{HEADER_BYTES, SLOT_BYTES};
use crate::abi::{Abi, MessageKind};
use crate::gtid::Gtid;
use crate::sync::{AtomicU32, Ordering};

/// The 8 bytes in front of each payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The type; [`Abi::kind`] says what it means.
    pub number: u16,
    /// Bytes of header and payload, not rounded up to slots.
    pub length: u16,
    /// The barrier of the thread or agent that the message is about, after this message. Gaps are legal.
    pub seqnum: u32,
}

impl Header {
    /// The header in the first two words of a message.
    #[inline(always)]
    pub(crate) const fn from_words(first: u32, second: u32) -> Self {
        Self {
            number: first as u16,
            length: (first >> 16) as u16,
            seqnum: second,
        }
    }

    /// The header at the start of `bytes`.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        match bytes.first_chunk::<HEADER_BYTES>() {
            Some(&[a, b, c, d, e, f, g, h]) => Ok(Self::from_words(
                u32::from_le_bytes([a, b, c, d]),
                u32::from_le_bytes([e, f, g, h]),
            )),
            None => Err(DecodeError::Truncated {
                need: HEADER_BYTES,
                have: bytes.len(),
            }),
        }
    }

    /// How many slots of a queue the message takes.
    #[inline]
    pub const fn slots(self) -> u32 {
        (self.length as u32).div_ceil(SLOT_BYTES as u32)
    }
}

/// The payload of a message that is not known here: as it lies in memory, until the queue's message is consumed.
#[derive(Clone, Copy)]
pub struct Raw<'a>(RawMemory<'a>);

#[derive(Clone, Copy)]
enum RawMemory<'a> {
    Bytes(&'a [u8]),
    Words(&'a [AtomicU32], usize),
}

impl<'a> Raw<'a> {
    /// A payload that is bytes of the caller's.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(RawMemory::Bytes(bytes))
    }

    /// The first `length` bytes of words of a queue.
    pub(crate) fn words(words: &'a [AtomicU32], length: usize) -> Self {
        Self(RawMemory::Words(words, length.min(words.len() * 4)))
    }

    /// How many bytes it has.
    pub const fn len(&self) -> usize {
        match self.0 {
            RawMemory::Bytes(bytes) => bytes.len(),
            RawMemory::Words(_, length) => length,
        }
    }

    /// Whether it has none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Its bytes in order, each read when it is asked for.
    pub fn bytes(&self) -> impl Iterator<Item = u8> + use<'a> {
        let memory = self.0;
        (0..self.len()).map(move |index| match memory {
            RawMemory::Bytes(bytes) => bytes[index],
            // Relaxed: the queue's head was read with Acquire, which made the message visible.
            RawMemory::Words(words, _) => words[index / 4].load(Ordering::Relaxed).to_le_bytes()[index % 4],
        })
    }
}

impl PartialEq for Raw<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.bytes().eq(other.bytes())
    }
}

impl Eq for Raw<'_> {}

impl fmt::Debug for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.bytes()).finish()
    }
}

macro_rules! payloads {
    ($($name:ident($payload:ty)),* $(,)?) => {
        /// What a message says; [`MessageKind`] describes each kind.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Payload<'a> {
            /// Filler up to the end of the ring. Its sequence number means nothing.
            Nop,
            $(
                #[doc = concat!("See [`MessageKind::", stringify!($name), "`].")]
                $name($payload),
            )*
            /// A message that this library does not know in this ABI: a newer kernel's.
            Unknown {
                /// Its type.
                number: u16,
                /// Its payload, to the byte.
                payload: Raw<'a>,
            },
        }

        impl Payload<'_> {
            /// Its kind; `None` if it is not known.
            #[inline]
            pub const fn kind(&self) -> Option<MessageKind> {
                match self {
                    Self::Nop => Some(MessageKind::Nop),
                    $(Self::$name(_) => Some(MessageKind::$name),)*
                    Self::Unknown { .. } => None,
                }
            }

            #[inline(always)]
            fn read<F: Fn(usize) -> u32>(kind: MessageKind, abi: Abi, from: &Fields<F>) -> Self {
                match kind {
                    MessageKind::Nop => Self::Nop,
                    $(MessageKind::$name => Self::$name(<$payload>::read(abi, from)),)*
                }
            }

            fn write(&self, abi: Abi, to: &mut Output) {
                match self {
                    Self::Nop | Self::Unknown { .. } => {}
                    $(Self::$name(payload) => payload.write(abi, to),)*
                }
            }
        }
    };
}

payloads! {
    TaskDead(task::Dead),
    TaskBlocked(task::Blocked),
    TaskWakeup(task::Wakeup),
    TaskNew(task::New),
    TaskPreempt(task::Preempt),
    TaskYield(task::Yield),
    TaskDeparted(task::Departed),
    TaskSwitchto(task::Switchto),
    TaskAffinityChanged(task::AffinityChanged),
    TaskLatched(task::Latched),
    TaskOnCpu(task::OnCpu),
    TaskPriorityChanged(task::PriorityChanged),
    TaskLatchFailure(task::LatchFailure),
    CpuTick(cpu::Tick),
    CpuTimerExpired(cpu::TimerExpired),
    CpuNotIdle(cpu::NotIdle),
    CpuAvailable(cpu::Available),
    CpuBusy(cpu::Busy),
    CpuAgentBlocked(cpu::AgentBlocked),
    CpuAgentWakeup(cpu::AgentWakeup),
}

/// A message of a queue, as a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The barrier of the thread or agent it is about, after it. Gaps are legal; of one thread it only grows, modulo 2^32.
    pub seqnum: u32,
    /// What it says.
    pub payload: Payload<'a>,
}

/// Bytes that are no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeError {
    /// There are fewer bytes than the header says, or than a header has.
    Truncated {
        /// Bytes the message needs.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// The header's `length` is less than the header itself or than this type's payload in this ABI.
    TooShort {
        /// The message's type.
        number: u16,
        /// Bytes this type needs.
        need: usize,
        /// The header's `length`.
        length: usize,
    },
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated { need, have } => write!(f, "message of {need} bytes cut off after {have}"),
            Self::TooShort { number, need, length } => write!(
                f,
                "message of type {number} says it has {length} bytes and needs {need}: is this the enclave's ABI?"
            ),
        }
    }
}

impl core::error::Error for DecodeError {}

/// A message that cannot be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The ABI has no such message.
    NotInAbi {
        /// What it is.
        kind: MessageKind,
        /// The ABI that lacks it.
        abi: Abi,
    },
    /// The place is too small.
    NoRoom {
        /// Bytes the message needs.
        need: usize,
        /// Bytes there are.
        have: usize,
    },
    /// An unknown message whose payload does not fit the header's 16-bit length.
    TooLong {
        /// Bytes of header and payload.
        need: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInAbi { kind, abi } => write!(f, "ghOSt ABI {abi} has no message {}", kind.name()),
            Self::NoRoom { need, have } => write!(f, "message of {need} bytes does not fit in {have}"),
            Self::TooLong { need } => write!(f, "message of {need} bytes: its length is 16 bits, at most 65535"),
        }
    }
}

impl core::error::Error for EncodeError {}

impl<'a> Message<'a> {
    /// The message at the start of `bytes`, which may go on behind it. A payload longer than this ABI's is accepted: only
    /// what is known is read.
    #[inline]
    pub fn decode(bytes: &'a [u8], abi: Abi) -> Result<Self, DecodeError> {
        let header = Header::decode(bytes)?;
        let length = usize::from(header.length);
        if length > bytes.len() {
            return Err(DecodeError::Truncated {
                need: length,
                have: bytes.len(),
            });
        }
        let Some(payload) = bytes.get(HEADER_BYTES..length) else {
            return Err(too_short(header, HEADER_BYTES));
        };
        Self::read(header, abi, Raw::new(payload), |word| {
            // A payload may end within a word, if an unknown one; then it is not read at all.
            match payload.get(word * 4..word * 4 + 4) {
                Some(&[a, b, c, d]) => u32::from_le_bytes([a, b, c, d]),
                _ => 0,
            }
        })
    }

    /// The message of a header, whose payload is read by `word`; `raw` is for types that are not known.
    #[inline(always)]
    pub(crate) fn read(
        header: Header,
        abi: Abi,
        raw: Raw<'a>,
        word: impl Fn(usize) -> u32,
    ) -> Result<Self, DecodeError> {
        let payload = match abi.kind(header.number) {
            Some(kind) => {
                let need = abi.message_bytes(kind).unwrap_or(HEADER_BYTES);
                if usize::from(header.length) < need {
                    return Err(too_short(header, need));
                }
                Payload::read(kind, abi, &Fields(word))
            }
            None => Payload::Unknown {
                number: header.number,
                payload: raw,
            },
        };
        Ok(Self {
            seqnum: header.seqnum,
            payload,
        })
    }

    /// Writes the message as a kernel of this ABI would, with padding zeroed; returns its length in bytes. The rest of the
    /// last slot is left alone. [`Payload::Nop`] is written as 8 bytes; what an ABI has no field for is left out.
    pub fn encode(&self, abi: Abi, to: &mut [u8]) -> Result<usize, EncodeError> {
        let need = match self.payload {
            Payload::Unknown { payload, .. } => HEADER_BYTES + payload.len(),
            Payload::Nop => HEADER_BYTES,
            _ => self
                .payload
                .kind()
                .and_then(|kind| abi.message_bytes(kind))
                .ok_or(EncodeError::NotInAbi {
                    kind: self.payload.kind().unwrap_or(MessageKind::Nop),
                    abi,
                })?,
        };
        let Ok(length) = u16::try_from(need) else {
            return Err(EncodeError::TooLong { need });
        };
        let have = to.len();
        let Some((header, payload)) = to.get_mut(..need).and_then(|to| to.split_at_mut_checked(HEADER_BYTES)) else {
            return Err(EncodeError::NoRoom { need, have });
        };
        payload.fill(0);
        match self.payload {
            Payload::Unknown { payload: raw, .. } => {
                payload.iter_mut().zip(raw.bytes()).for_each(|(to, byte)| *to = byte)
            }
            _ => self.payload.write(abi, &mut Output(payload)),
        }
        let mut header = Output(header);
        header.u16(0, self.number());
        header.u16(2, length);
        header.u32(4, self.seqnum);
        Ok(need)
    }

    /// Its type's number.
    pub const fn number(&self) -> u16 {
        match (self.payload.kind(), &self.payload) {
            (Some(kind), _) => kind.number(),
            (None, Payload::Unknown { number, .. }) => *number,
            (None, _) => 0,
        }
    }

    /// Its kind; `None` if it is not known.
    pub const fn kind(&self) -> Option<MessageKind> {
        self.payload.kind()
    }

    /// The thread it is about; `None` of CPU messages, and of unknown ones, whose payload may be anything.
    pub const fn gtid(&self) -> Option<Gtid> {
        Some(match &self.payload {
            Payload::TaskDead(payload) => payload.gtid,
            Payload::TaskBlocked(payload) => payload.gtid,
            Payload::TaskWakeup(payload) => payload.gtid,
            Payload::TaskNew(payload) => payload.gtid,
            Payload::TaskPreempt(payload) => payload.gtid,
            Payload::TaskYield(payload) => payload.gtid,
            Payload::TaskDeparted(payload) => payload.gtid,
            Payload::TaskSwitchto(payload) => payload.gtid,
            Payload::TaskAffinityChanged(payload) => payload.gtid,
            Payload::TaskLatched(payload) => payload.gtid,
            Payload::TaskOnCpu(payload) => payload.gtid,
            Payload::TaskPriorityChanged(payload) => payload.gtid,
            Payload::TaskLatchFailure(payload) => payload.gtid,
            _ => return None,
        })
    }

    /// The CPU it is about, or on which what it tells of happened, as the kernel wrote it; `None` if it names none.
    pub const fn cpu(&self) -> Option<i32> {
        Some(match &self.payload {
            Payload::TaskDead(payload) => return payload.cpu,
            Payload::TaskBlocked(payload) => payload.cpu,
            Payload::TaskPreempt(payload) => payload.cpu,
            Payload::TaskYield(payload) => payload.cpu,
            Payload::TaskDeparted(payload) => payload.cpu,
            Payload::TaskSwitchto(payload) => payload.cpu,
            Payload::TaskLatched(payload) => payload.cpu,
            Payload::TaskOnCpu(payload) => payload.cpu,
            Payload::TaskWakeup(payload) => payload.wake_up_cpu,
            Payload::CpuTick(payload) => payload.cpu,
            Payload::CpuTimerExpired(payload) => payload.cpu,
            Payload::CpuNotIdle(payload) => payload.cpu,
            Payload::CpuAvailable(payload) => payload.cpu,
            Payload::CpuBusy(payload) => payload.cpu,
            Payload::CpuAgentBlocked(payload) => payload.cpu,
            Payload::CpuAgentWakeup(payload) => payload.cpu,
            _ => return None,
        })
    }
}

#[cold]
fn too_short(header: Header, need: usize) -> DecodeError {
    DecodeError::TooShort {
        number: header.number,
        need,
        length: usize::from(header.length),
    }
}

impl fmt::Display for Message<'_> {
    /// Such as `TASK_PREEMPT #17 9288674231451654 cpu 3 ran 1200ns latched`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.payload {
            Payload::Nop => return f.write_str("NOP"),
            Payload::Unknown { number, payload } => {
                return write!(
                    f,
                    "unknown message {number} #{}, {} bytes of payload",
                    self.seqnum,
                    payload.len()
                );
            }
            _ => write!(f, "{} #{}", self.kind().unwrap_or(MessageKind::Nop).name(), self.seqnum)?,
        }
        if let Some(gtid) = self.gtid() {
            write!(f, " {gtid}")?;
        }
        let claim = |holds, word| if holds { word } else { "" };
        match self.payload {
            Payload::TaskNew(new) => {
                if let Some(parent) = new.parent {
                    write!(f, " parent {parent}")?;
                }
                if let Some(nice) = new.nice {
                    write!(f, " nice {nice}")?;
                }
                write!(
                    f,
                    " ran {}ns {} status word {}/{}",
                    new.runtime_ns,
                    if new.is_runnable { "runnable" } else { "blocked" },
                    new.status_word.region,
                    new.status_word.index
                )
            }
            Payload::TaskPreempt(preempt) => write!(
                f,
                " cpu {} ran {}ns{}",
                preempt.cpu,
                preempt.runtime_ns,
                claim(preempt.was_latched, " latched")
            ),
            Payload::TaskYield(task::Yield { cpu, runtime_ns, .. })
            | Payload::TaskBlocked(task::Blocked { cpu, runtime_ns, .. })
            | Payload::TaskSwitchto(task::Switchto { cpu, runtime_ns, .. }) => {
                write!(f, " cpu {cpu} ran {runtime_ns}ns")
            }
            Payload::TaskWakeup(wakeup) => write!(
                f,
                " on cpu {} by cpu {} last on cpu {}{}",
                wakeup.wake_up_cpu,
                wakeup.waker_cpu,
                wakeup.last_ran_cpu,
                claim(wakeup.is_deferrable, " deferrable")
            ),
            Payload::TaskDead(dead) => dead.cpu.map_or(Ok(()), |cpu| write!(f, " cpu {cpu}")),
            Payload::TaskDeparted(departed) => {
                write!(
                    f,
                    " cpu {}{}",
                    departed.cpu,
                    claim(departed.was_current, " while running")
                )
            }
            Payload::TaskLatched(latched) => write!(
                f,
                " cpu {} at {}ns{}",
                latched.cpu,
                latched.commit_time_ns,
                claim(latched.was_preempted, " preempted")
            ),
            Payload::TaskOnCpu(on_cpu) => write!(f, " cpu {} at {}ns", on_cpu.cpu, on_cpu.commit_time_ns),
            Payload::TaskPriorityChanged(changed) => write!(f, " nice {}", changed.nice),
            Payload::TaskLatchFailure(failure) => write!(f, " error {}", failure.errno),
            Payload::CpuTick(tick) => write!(
                f,
                " cpu {}{}",
                tick.cpu,
                claim(tick.is_agent == Some(true), " in the agent")
            ),
            Payload::CpuTimerExpired(timer) => {
                write!(f, " cpu {} type {} cookie {:#x}", timer.cpu, timer.kind, timer.cookie)
            }
            Payload::CpuNotIdle(not_idle) => write!(f, " cpu {} next {}", not_idle.cpu, not_idle.next),
            _ => self.cpu().map_or(Ok(()), |cpu| write!(f, " cpu {cpu}")),
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::string::ToString;

    #[test]
    fn what_is_not_known_is_a_value() {
        let bytes = [99, 0, 11, 0, 7, 0, 0, 0, 1, 2, 3, 4];
        let message = Message::decode(&bytes, Abi::V91).unwrap();
        assert_eq!(message.kind(), None);
        assert_eq!((message.number(), message.seqnum), (99, 7));
        assert!(matches!(message.payload, Payload::Unknown { number: 99, payload } if payload == Raw::new(&[1, 2, 3])));
        let mut back = [0; 16];
        assert_eq!(message.encode(Abi::V91, &mut back), Ok(11));
        assert_eq!(back[..11], bytes[..11]);
        assert_eq!(message.to_string(), "unknown message 99 #7, 3 bytes of payload");
    }

    #[test]
    fn a_wrong_length_is_named() {
        let mut bytes = [0; 64];
        bytes[..4].copy_from_slice(&[67, 0, 40, 0]);
        assert!(Message::decode(&bytes, Abi::V69).is_ok());
        assert_eq!(
            Message::decode(&bytes, Abi::V84),
            Err(DecodeError::TooShort {
                number: 67,
                need: 48,
                length: 40
            })
        );
        assert_eq!(
            Message::decode(&bytes[..39], Abi::V69),
            Err(DecodeError::Truncated { need: 40, have: 39 })
        );
        assert_eq!(
            Message::decode(&[0; 7], Abi::V69),
            Err(DecodeError::Truncated { need: 8, have: 7 })
        );
        for length in 0..8 {
            bytes[2] = length;
            assert!(matches!(
                Message::decode(&bytes, Abi::V69),
                Err(DecodeError::TooShort { .. })
            ));
        }
    }

    #[test]
    fn an_abi_encodes_only_its_own_messages() {
        let message = Message {
            seqnum: 1,
            payload: Payload::CpuBusy(cpu::Busy { cpu: 2 }),
        };
        let mut bytes = [0xff; 12];
        assert_eq!(
            message.encode(Abi::V69, &mut bytes),
            Err(EncodeError::NotInAbi {
                kind: MessageKind::CpuBusy,
                abi: Abi::V69
            })
        );
        assert_eq!(
            message.encode(Abi::V84, &mut bytes[..11]),
            Err(EncodeError::NoRoom { need: 12, have: 11 })
        );
        assert_eq!(message.encode(Abi::V84, &mut bytes), Ok(12));
        assert_eq!(bytes, [132, 0, 12, 0, 1, 0, 0, 0, 2, 0, 0, 0]);
    }

    #[test]
    fn a_person_can_read_it() {
        let message = Message {
            seqnum: 17,
            payload: Payload::TaskPreempt(task::Preempt {
                gtid: Gtid::from_raw(4242),
                runtime_ns: 1200,
                cpu_seqnum: 9,
                agent_data: 0,
                cpu: 3,
                from_switchto: false,
                was_latched: true,
            }),
        };
        assert_eq!(message.to_string(), "TASK_PREEMPT #17 4242 cpu 3 ran 1200ns latched");
    }
}
