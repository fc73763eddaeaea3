//! Gtids: how a kernel divides them.

use ghostsched_core::gtid::{self, Gtid};
use pyo3::prelude::*;

/// How a kernel divides a gtid into tid and sequence number.
#[pyclass(frozen, eq, hash, module = "ghostsched.wire")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GtidSplit(gtid::GtidSplit);

impl std::hash::Hash for GtidSplit {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.pid_bits().hash(state);
    }
}

#[pymethods]
impl GtidSplit {
    #[new]
    #[pyo3(signature = (pid_max_max = 4_194_304))]
    fn new(py: Python<'_>, pid_max_max: u32) -> PyResult<Self> {
        gtid::GtidSplit::new(pid_max_max)
            .map(Self)
            .map_err(|error| crate::error::input(py, &error.to_string()))
    }

    /// How many of the upper bits are the tid.
    #[getter]
    fn pid_bits(&self) -> u32 {
        self.0.pid_bits()
    }

    /// How many of the lower bits are the sequence number.
    #[getter]
    fn seqnum_bits(&self) -> u32 {
        self.0.seqnum_bits()
    }

    /// The thread's tid; None of special values.
    fn tid(&self, gtid: AnyGtid) -> Option<u32> {
        self.0.tid(gtid.0)
    }

    /// The thread's sequence number; None of special values.
    fn seqnum(&self, gtid: AnyGtid) -> Option<u64> {
        self.0.seqnum(gtid.0)
    }

    /// The gtid of a tid and a sequence number; None if one does not fit or both are 0.
    fn join(&self, tid: u32, seqnum: u64) -> Option<u64> {
        self.0.join(tid, seqnum).map(Gtid::bits)
    }

    /// The gtid for people: "tid/sequence number", or "null", "agent", "idle".
    fn format(&self, gtid: AnyGtid) -> String {
        self.0.display(gtid.0).to_string()
    }

    fn __repr__(&self) -> String {
        format!("<GtidSplit {}+{} bits>", self.0.pid_bits(), self.0.seqnum_bits())
    }
}

// Python's signature wants a literal.
const _: () = assert!(gtid::GtidSplit::DEFAULT_PID_MAX_MAX == 4_194_304);

/// A gtid as messages have it (unsigned) or as transactions have it (signed).
pub struct AnyGtid(Gtid);

impl<'a, 'py> FromPyObject<'a, 'py> for AnyGtid {
    type Error = PyErr;

    fn extract(value: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        match value.extract::<i64>() {
            Ok(raw) => Ok(Self(Gtid::from_raw(raw))),
            Err(_) => value.extract::<u64>().map(|bits| Self(Gtid::from_bits(bits))),
        }
    }
}
