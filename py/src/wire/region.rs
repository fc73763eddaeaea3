//! Regions of status words.

use ghostsched_core::shared::{RegionError, region};
use ghostsched_core::wire::StatusWordRegionHeader;
use numpy::PyArray1;
use pyo3::prelude::*;

use crate::error::Raise;
use crate::view::Buffer;

/// Where the status words of a region start, in bytes, and how many there are.
#[pyfunction]
pub fn status_words_at(py: Python<'_>, buffer: &Bound<'_, PyArray1<u8>>) -> PyResult<(usize, usize)> {
    let buffer = Buffer::new(buffer)?;
    let need = StatusWordRegionHeader::BYTES;
    let too_small = RegionError::TooSmall {
        need,
        have: buffer.len(),
    };
    let header = buffer.copy(0..need).ok_or_else(|| too_small.raise(py))?;
    let header = StatusWordRegionHeader::decode(&header).map_err(|error| error.raise(py))?;
    region::status_words_at(&header, buffer.len()).map_err(|error| error.raise(py))
}
