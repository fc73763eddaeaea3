//! A queue that somebody looks on: it consumes nothing and writes nothing.

use ghostsched_core::shared;
use ghostsched_core::wire::{self, ImageError, MessageError, Payload, QueueImage};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::abi::{Abi, AnyAbi};
use super::message::Message;
use super::record::Record;
use crate::error::Raise;
use crate::view::Buffer;

/// A queue of messages in a mapping or a copy of one.
#[pyclass(frozen, module = "ghostsched._native", name = "Queue")]
#[derive(Debug)]
pub struct Queue {
    buffer: Buffer,
    abi: AnyAbi,
}

impl Queue {
    /// The queue as it is at this moment, copied to `to`: all messages of it are whole, even while the other sides go on.
    fn image<'a>(&self, to: &'a mut Vec<u8>) -> Result<QueueImage<'a>, ImageError> {
        let Some(words) = self.buffer.words() else {
            // Memory that is not even aligned to 4 bytes is no mapping, so nobody writes to it.
            *to = self.buffer.copy(0..self.buffer.len()).unwrap_or_default();
            return QueueImage::new(to);
        };
        let queue = shared::Queue::new(words)?;
        let need = wire::queue_bytes(queue.slots());
        to.resize(need, 0);
        // There is room: the mapping of a queue is longer than its ring.
        queue.image(to).ok_or(ImageError::Truncated { need, have: need })
    }

    /// Gives the present image to `body`.
    fn look<T>(&self, py: Python<'_>, body: impl FnOnce(QueueImage<'_>) -> T) -> PyResult<T> {
        let mut bytes = Vec::new();
        let image = self.image(&mut bytes).map_err(|error| error.raise(py))?;
        Ok(body(image))
    }

    /// The live indices: slots, head, tail, overflow.
    fn indices(&self, py: Python<'_>) -> PyResult<[u32; 4]> {
        match self.buffer.words() {
            Some(words) => {
                let queue = shared::Queue::new(words).map_err(|error| error.raise(py))?;
                Ok([queue.slots(), queue.head(), queue.tail(), queue.overflow()])
            }
            None => self.look(py, |image| {
                [image.slots(), image.head(), image.tail(), image.overflow()]
            }),
        }
    }
}

/// The rows of the messages in an image, up to a fault. Unless `strict`, a fault ends them without an error, and a message
/// that is too short for its kind is a row without fields.
fn rows(image: &QueueImage<'_>, abi: AnyAbi, strict: bool) -> Result<Vec<Record>, MessageError> {
    // Counted first, in a walk over the headers, so that no row is ever moved.
    let count = image.located().filter(Result::is_ok).count();
    let mut rows = Vec::with_capacity(count);
    for located in image.located() {
        let located = match located {
            Ok(located) => located,
            Err(fault) if strict => return Err(MessageError::Queue(fault)),
            Err(_) => break,
        };
        let payload = match located.decode(abi.0) {
            Ok(message) => message.payload,
            Err(error) if strict => return Err(MessageError::Message(error)),
            Err(_) => Payload::Nop,
        };
        rows.push(Record::new(located.position, located.header, &payload));
    }
    Ok(rows)
}

fn raise(py: Python<'_>, error: MessageError) -> PyErr {
    match error {
        MessageError::Queue(fault) => fault.raise(py),
        MessageError::Message(error) => error.raise(py),
    }
}

#[pymethods]
impl Queue {
    #[new]
    fn new(py: Python<'_>, buffer: &Bound<'_, PyArray1<u8>>, abi: AnyAbi) -> PyResult<Self> {
        let queue = Self {
            buffer: Buffer::new(buffer)?,
            abi,
        };
        queue.indices(py)?;
        Ok(queue)
    }

    /// Slots, head, tail and overflow, as they are now.
    #[getter]
    fn state(&self, py: Python<'_>) -> PyResult<[u32; 4]> {
        self.indices(py)
    }

    #[getter]
    fn abi(&self) -> Abi {
        Abi(self.abi.0)
    }

    /// The messages that are not consumed, as a structured array of rows. Releases the GIL.
    fn to_numpy<'py>(&self, py: Python<'py>, strict: bool) -> PyResult<Bound<'py, PyArray1<Record>>> {
        let rows = py.detach(|| {
            let mut bytes = Vec::new();
            let image = self.image(&mut bytes)?;
            Ok(rows(&image, self.abi, strict))
        });
        let rows = rows
            .map_err(|error: ImageError| error.raise(py))?
            .map_err(|error| raise(py, error))?;
        Ok(PyArray1::from_vec(py, rows))
    }

    /// The messages that are not consumed, as objects.
    fn messages<'py>(&self, py: Python<'py>, strict: bool) -> PyResult<Bound<'py, PyList>> {
        let messages = self.look(py, |image| -> Result<Vec<Message>, MessageError> {
            let mut messages = Vec::new();
            for located in image.located() {
                match located {
                    Ok(located) => match Message::decode(located.bytes(), self.abi, located.position) {
                        Ok(message) => messages.push(message),
                        Err(error) if strict => return Err(MessageError::Message(error)),
                        Err(_) => {}
                    },
                    Err(fault) if strict => return Err(MessageError::Queue(fault)),
                    Err(_) => {}
                }
            }
            Ok(messages)
        })?;
        PyList::new(py, messages.map_err(|error| raise(py, error))?)
    }
}

/// Bytes of the mapping of a queue with this many slots.
#[pyfunction]
pub fn queue_bytes(slots: u32) -> usize {
    wire::queue_bytes(slots)
}
