//! Saying that a test did not run, past the capture of the test harness.

use std::io::Write;

/// Writes one line straight to standard error, whoever captures the test's output.
pub fn skipped(why: &str) {
    if let Ok(mut stderr) = std::fs::OpenOptions::new().append(true).open("/proc/self/fd/2") {
        let _ = writeln!(stderr, "SKIPPED: {why}");
    }
}
