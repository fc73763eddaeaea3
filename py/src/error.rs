//! Errors of the crates as exceptions of `ghostsched.errors`: the same one line, and the numbers as attributes.

use ghostsched_core::abi::UnknownAbi;
use ghostsched_core::shared::RegionError;
use ghostsched_core::wire::{DecodeError, EncodeError, ImageError, QueueFault};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// An exception of `ghostsched.errors` by its class, its line and its numbers.
pub fn error(py: Python<'_>, class: &str, line: &str, numbers: &[(&str, usize)]) -> PyErr {
    let make = || -> PyResult<Bound<'_, PyAny>> {
        let attributes = PyDict::new(py);
        for (name, number) in numbers {
            attributes.set_item(name, number)?;
        }
        py.import("ghostsched.errors")?
            .getattr(class)?
            .call((line,), Some(&attributes))
    };
    make().map_or_else(|error| error, PyErr::from_value)
}

/// What the user gave is not what it should be.
pub fn input(py: Python<'_>, line: &str) -> PyErr {
    error(py, "InputError", line, &[])
}

/// An error that becomes an exception where there is a Python to make it in.
pub trait Raise {
    /// The exception.
    fn raise(&self, py: Python<'_>) -> PyErr;
}

impl Raise for ghostsched_bpf::Error {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let class = match self {
            Self::Unsupported(_) => "UnsupportedError",
            Self::Privilege(_) => "PrivilegeError",
            Self::Input(_) => "InputError",
            Self::System(_) => "KernelError",
        };
        error(py, class, &self.to_string(), &[])
    }
}

impl Raise for UnknownAbi {
    fn raise(&self, py: Python<'_>) -> PyErr {
        error(py, "AbiError", &self.to_string(), &[("version", self.version as usize)])
    }
}

impl Raise for DecodeError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let numbers: &[_] = match *self {
            Self::Truncated { need, have } => &[("need", need), ("have", have)],
            Self::TooShort { number, need, length } => {
                &[("number", usize::from(number)), ("need", need), ("length", length)]
            }
        };
        error(py, "DecodeError", &self.to_string(), numbers)
    }
}

impl Raise for EncodeError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let numbers: &[_] = match *self {
            Self::NotInAbi { kind, abi } => &[
                ("number", usize::from(kind.number())),
                ("version", abi.version() as usize),
            ],
            Self::NoRoom { need, have } => &[("need", need), ("have", have)],
            Self::TooLong { need } => &[("need", need)],
        };
        error(py, "EncodeError", &self.to_string(), numbers)
    }
}

impl Raise for ImageError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let numbers: &[_] = match *self {
            Self::Truncated { need, have } => &[("need", need), ("have", have)],
            Self::Version { version } => &[("version", version as usize)],
            Self::Start { start } => &[("start", start as usize)],
            Self::Slots { slots } => &[("slots", slots as usize)],
        };
        error(py, "QueueError", &self.to_string(), numbers)
    }
}

impl Raise for QueueFault {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let numbers: &[_] = match *self {
            Self::Indices { head, tail, slots } => &[
                ("head", head as usize),
                ("tail", tail as usize),
                ("slots", slots as usize),
            ],
            Self::Length { position, length, room } => &[
                ("position", position as usize),
                ("length", usize::from(length)),
                ("room", room as usize),
            ],
        };
        error(py, "QueueError", &self.to_string(), numbers)
    }
}

impl Raise for RegionError {
    fn raise(&self, py: Python<'_>) -> PyErr {
        let numbers: &[_] = match *self {
            Self::TooSmall { need, have } => &[("need", need), ("have", have)],
            Self::Misaligned { align } => &[("align", align)],
            Self::Version { version } => &[("version", version as usize)],
            Self::Start { start } => &[("start", start as usize)],
            Self::Queue(error) => return error.raise(py),
        };
        error(py, "RegionError", &self.to_string(), numbers)
    }
}
