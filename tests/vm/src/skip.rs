//! Says that a test could not run, where everybody sees it.

use std::io::{Write, stderr};

/// Prints `SKIPPED: why` on a line of its own to the real standard error, past the test runner's capture.
pub fn skip(why: impl std::fmt::Display) {
    // One write, so that lines of parallel tests do not mix. The capture hooks the print macros only, not the stream.
    let line = format!("\nSKIPPED: {}\n", why.to_string().replace('\n', " "));
    let _ = stderr().lock().write_all(line.as_bytes());
}
