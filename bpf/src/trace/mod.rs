//! Traces: recorded from the live kernel, replayed through the same accounting. The format is `ghostsched_core::trace`.

mod record;
mod replay;

pub use record::{Recorder, Recording};
pub use replay::replay;
