//! The names of flags, from the core; Python makes its `IntFlag`s of them.

use bitflags::Flags;
use ghostsched_core::abi::Outcome;
use ghostsched_core::wire::{CommitFlags, RunFlags, StatusFlags};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The members of each enumeration: `{"RunFlags": {"AGENT_ON_PREEMPT": 1, ...}, ...}`.
#[pyfunction]
pub fn flags(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let all = PyDict::new(py);
    all.set_item("StatusFlags", named::<StatusFlags>(py)?)?;
    all.set_item("RunFlags", named::<RunFlags>(py)?)?;
    all.set_item("CommitFlags", named::<CommitFlags>(py)?)?;
    let outcomes = PyDict::new(py);
    for outcome in Outcome::ALL {
        outcomes.set_item(outcome.to_string(), outcome.number())?;
    }
    all.set_item("Outcome", outcomes)?;
    Ok(all)
}

fn named<F: Flags>(py: Python<'_>) -> PyResult<Bound<'_, PyDict>>
where
    F::Bits: for<'py> IntoPyObject<'py>,
{
    let members = PyDict::new(py);
    for flag in F::FLAGS.iter().filter(|flag| flag.is_named()) {
        members.set_item(flag.name(), flag.value().bits())?;
    }
    Ok(members)
}
