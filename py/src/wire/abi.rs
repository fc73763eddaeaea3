//! ABIs and their layouts.

use ghostsched_core::abi::{self, FieldType, MessageKind, Structure, UnknownAbi};
use numpy::PyArrayDescr;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::error::{self, Raise};

/// A version of the ABI between a ghOSt kernel and its agents.
#[pyclass(frozen, eq, hash, ord, module = "ghostsched.wire")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Abi(pub abi::Abi);

/// An [`Abi`] as Python gives it: an `Abi`, or its number.
#[derive(Clone, Copy, Debug)]
pub struct AnyAbi(pub abi::Abi);

impl<'a, 'py> FromPyObject<'a, 'py> for AnyAbi {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(abi) = value.cast::<Abi>() {
            return Ok(Self(abi.get().0));
        }
        let version: u32 = value.extract()?;
        abi::Abi::from_version(version)
            .map(Self)
            .map_err(|error: UnknownAbi| error.raise(value.py()))
    }
}

/// A structure of the kernel's memory.
#[pyclass(frozen, module = "ghostsched.wire")]
#[derive(Clone, Copy, Debug)]
pub struct Layout(&'static abi::Layout);

/// A field of a structure.
#[pyclass(frozen, module = "ghostsched.wire")]
#[derive(Clone, Copy, Debug)]
pub struct Field(abi::Field);

fn layouts(abi: abi::Abi) -> impl Iterator<Item = &'static abi::Layout> {
    Structure::ALL
        .iter()
        .filter_map(move |&structure| abi.layout(structure))
}

fn kind_of(py: Python<'_>, name: &str) -> PyResult<MessageKind> {
    MessageKind::ALL
        .into_iter()
        .find(|kind| kind.name() == name)
        .ok_or_else(|| error::input(py, &format!("no message is called {name:?}: see Abi.messages()")))
}

fn format_of(kind: FieldType) -> &'static str {
    match kind {
        FieldType::U8 => "u1",
        FieldType::I8 => "i1",
        FieldType::U16 => "<u2",
        FieldType::I32 => "<i4",
        FieldType::U32 => "<u4",
        FieldType::I64 => "<i8",
        FieldType::U64 | FieldType::Pointer => "<u8",
    }
}

impl Abi {
    fn find(self, py: Python<'_>, name: &str) -> PyResult<&'static abi::Layout> {
        layouts(self.0).find(|layout| layout.name == name).ok_or_else(|| {
            error::input(
                py,
                &format!("ghOSt ABI {} has no structure {name:?}: see Abi.layouts()", self.0),
            )
        })
    }
}

#[pymethods]
impl Abi {
    #[new]
    fn new(version: AnyAbi) -> Self {
        Self(version.0)
    }

    /// All versions, oldest first.
    #[staticmethod]
    fn all(py: Python<'_>) -> PyResult<Bound<'_, PyTuple>> {
        PyTuple::new(py, abi::Abi::ALL.map(Self))
    }

    /// The newest version.
    #[staticmethod]
    fn latest() -> Self {
        Self(abi::Abi::LATEST)
    }

    /// The newest version in the text of the kernel's list, /sys/fs/ghost/version.
    #[staticmethod]
    fn negotiate(py: Python<'_>, kernel: &str) -> PyResult<Self> {
        abi::Abi::negotiate_text(kernel)
            .map(Self)
            .map_err(|error| error::error(py, "AbiError", &error.to_string(), &[]))
    }

    /// Its number.
    #[getter]
    fn version(&self) -> u32 {
        self.0.version()
    }

    /// The names of its structures, the kernel's.
    fn layouts(&self) -> Vec<&'static str> {
        layouts(self.0).map(|layout| layout.name).collect()
    }

    /// The memory of a structure.
    fn layout(&self, py: Python<'_>, name: &str) -> PyResult<Layout> {
        self.find(py, name).map(Layout)
    }

    /// numpy's type of a structure: the kernel's names, its offsets and its size.
    fn dtype<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyArrayDescr>> {
        let layout = self.find(py, name)?;
        let spec = PyDict::new(py);
        let names: Vec<_> = layout.fields.iter().map(|field| field.name).collect();
        let offsets: Vec<_> = layout.fields.iter().map(|field| field.offset).collect();
        let formats = layout.fields.iter().map(|field| match field.count {
            1 => format_of(field.kind).to_owned(),
            count => format!("({count},){}", format_of(field.kind)),
        });
        spec.set_item("names", names)?;
        spec.set_item("formats", formats.collect::<Vec<_>>())?;
        spec.set_item("offsets", offsets)?;
        spec.set_item("itemsize", layout.size)?;
        PyArrayDescr::new(py, spec)
    }

    /// Its messages and their numbers.
    fn messages<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let messages = PyDict::new(py);
        for kind in self.0.messages() {
            messages.set_item(kind.name(), kind.number())?;
        }
        Ok(messages)
    }

    /// What a message number means; None if nothing in this ABI.
    fn kind(&self, number: u16) -> Option<&'static str> {
        self.0.kind(number).map(MessageKind::name)
    }

    /// The structure of a message's payload; None if it has none, or this ABI has no such message.
    fn payload(&self, py: Python<'_>, kind: &str) -> PyResult<Option<Layout>> {
        Ok(self.0.payload_layout(kind_of(py, kind)?).map(Layout))
    }

    fn __index__(&self) -> u32 {
        self.0.version()
    }

    fn __repr__(&self) -> String {
        format!("Abi({})", self.0)
    }
}

#[pymethods]
impl Layout {
    /// The kernel's name.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    /// Bytes, with padding.
    #[getter]
    fn size(&self) -> usize {
        self.0.size
    }

    /// Alignment in bytes, as C would have it.
    #[getter]
    fn align(&self) -> usize {
        self.0.align
    }

    /// Its fields, in the order of their offsets.
    #[getter]
    fn fields<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, self.0.fields.iter().map(|&field| Field(field)))
    }

    fn __repr__(&self) -> String {
        format!("<Layout {}, {} bytes>", self.0.name, self.0.size)
    }
}

#[pymethods]
impl Field {
    /// The kernel's name, dotted within nested structures.
    #[getter]
    fn name(&self) -> &'static str {
        self.0.name
    }

    /// The type of one element: u8, i8, u16, i32, u32, i64, u64 or ptr.
    #[getter]
    fn r#type(&self) -> &'static str {
        self.0.kind.name()
    }

    /// How many elements; 1 unless it is an array.
    #[getter]
    fn count(&self) -> usize {
        self.0.count
    }

    /// Bytes from the start of the structure.
    #[getter]
    fn offset(&self) -> usize {
        self.0.offset
    }

    /// Bytes of all its elements.
    #[getter]
    fn size(&self) -> usize {
        self.0.size()
    }

    fn __repr__(&self) -> String {
        format!("<Field {} {} at {}>", self.0.name, self.0.kind.name(), self.0.offset)
    }
}
