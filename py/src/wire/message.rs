//! A message as a Python object.

use ghostsched_core::abi::MessageKind;
use ghostsched_core::abi::message::HEADER_BYTES;
use ghostsched_core::wire;
use numpy::PyArray1;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::abi::AnyAbi;
use super::record::{Cell, Record, columns_of, with_columns};
use crate::error::{self, Raise};
use crate::view::Buffer;

/// A message: its header and the fields of its payload.
#[pyclass(frozen, eq, module = "ghostsched.wire")]
#[derive(Clone, Debug)]
pub struct Message {
    kind: Option<MessageKind>,
    record: Record,
    raw: Vec<u8>, // the payload, if the kind is not known
}

impl Message {
    /// The message of these bytes, which start with its header, found at `position`.
    pub fn decode(bytes: &[u8], abi: AnyAbi, position: u32) -> Result<Self, wire::DecodeError> {
        let header = wire::Header::decode(bytes)?;
        let message = wire::Message::decode(bytes, abi.0)?;
        Ok(Self {
            kind: message.kind(),
            record: Record::new(position, header, &message.payload),
            raw: match message.payload {
                wire::Payload::Unknown { payload, .. } => payload.bytes().collect(),
                _ => Vec::new(),
            },
        })
    }

    fn message(&self) -> wire::Message<'_> {
        self.record.message(self.kind, &self.raw)
    }
}

impl PartialEq for Message {
    /// Where it was found and how long its header says it is are not part of what it says.
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind && self.record.said() == other.record.said() && self.raw == other.raw
    }
}

fn kind_of(name: &str) -> Option<MessageKind> {
    MessageKind::ALL.into_iter().find(|kind| kind.name() == name)
}

macro_rules! class {
    ($($bit:literal $name:ident: $cell:ty, $python:ty, $format:literal, $absent:literal, $doc:literal;)*) => {
        #[allow(clippy::wrong_self_convention, reason = "fields have the kernel's names: from_switchto")]
        #[pymethods]
        impl Message {
            #[new]
            #[pyo3(signature = (kind, seqnum = 0, *, payload = None, **fields))]
            fn new(
                py: Python<'_>,
                kind: &Bound<'_, PyAny>,
                seqnum: u32,
                payload: Option<Vec<u8>>,
                fields: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<Self> {
                let (kind, number) = match kind.extract::<u16>() {
                    Ok(number) => (None, number),
                    Err(_) => {
                        let name: String = kind.extract()?;
                        let kind = kind_of(&name)
                            .ok_or_else(|| error::input(py, &format!("no message is called {name:?}: see Abi.messages()")))?;
                        (Some(kind), kind.number())
                    }
                };
                let mut record = Record::empty(number, seqnum);
                for (name, value) in fields.into_iter().flatten() {
                    let name: String = name.extract()?;
                    if !record.set(&name, &value)? || kind.is_none_or(|kind| record.fields & !columns_of(kind) != 0) {
                        let of = kind.map_or("a message that is not known", MessageKind::name);
                        return Err(PyTypeError::new_err(format!("{of} has no field {name:?}")));
                    }
                }
                if payload.is_some() && kind.is_some() {
                    return Err(PyTypeError::new_err("a payload is for a message that is not known, given by its number"));
                }
                Ok(Self { kind, record, raw: payload.unwrap_or_default() })
            }

            /// Its kind, such as "TASK_NEW"; None if this library does not know it in this ABI.
            #[getter]
            fn kind(&self) -> Option<&'static str> {
                self.kind.map(MessageKind::name)
            }

            /// Its type's number.
            #[getter]
            fn number(&self) -> u16 {
                self.record.number
            }

            /// The barrier of the thread or agent it is about, after it.
            #[getter]
            fn seqnum(&self) -> u32 {
                self.record.seqnum
            }

            /// Bytes of header and payload, as its header says; 0 if it was not decoded from bytes.
            #[getter]
            fn length(&self) -> u16 {
                self.record.length
            }

            /// Where it starts in its queue, as head and tail count; 0 outside of a queue.
            #[getter]
            fn position(&self) -> u32 {
                self.record.position
            }

            /// The payload of a message that is not known; empty for one that is.
            #[getter]
            fn payload<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
                PyBytes::new(py, &self.raw)
            }

            /// The fields it has, by name.
            fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                self.record.to_dict(py)
            }

            $(
                #[doc = concat!($doc, " None if it has no such field.")]
                #[getter]
                fn $name(&self) -> Option<$python> {
                    (self.record.fields & 1 << $bit != 0).then(|| <$python>::get(self.record.$name, true))
                }
            )*

            fn __str__(&self) -> String {
                self.message().to_string()
            }

            fn __repr__(&self) -> String {
                format!("<Message {}>", self.message())
            }
        }
    };
}
with_columns!(class);

/// The message at `offset` of the buffer.
#[pyfunction]
#[pyo3(signature = (buffer, abi, offset = 0))]
pub fn decode(py: Python<'_>, buffer: &Bound<'_, PyArray1<u8>>, abi: AnyAbi, offset: usize) -> PyResult<Message> {
    let buffer = Buffer::new(buffer)?;
    let have = buffer.len().saturating_sub(offset);
    let copy = |bytes: usize| buffer.copy(offset..offset + bytes.min(have)).unwrap_or_default();
    let length = wire::Header::decode(&copy(HEADER_BYTES))
        .map_err(|error| error.raise(py))?
        .length;
    // The header may have changed meanwhile; the copy is judged by itself.
    Message::decode(&copy(usize::from(length).max(HEADER_BYTES)), abi, 0).map_err(|error| error.raise(py))
}

/// The bytes of a message as a kernel of this ABI would write it.
#[pyfunction]
pub fn encode<'py>(py: Python<'py>, message: &Bound<'py, Message>, abi: AnyAbi) -> PyResult<Bound<'py, PyBytes>> {
    let message = message.get().message();
    let mut bytes = vec![0; usize::from(u16::MAX) + 1];
    let length = message.encode(abi.0, &mut bytes).map_err(|error| error.raise(py))?;
    Ok(PyBytes::new(py, &bytes[..length]))
}
