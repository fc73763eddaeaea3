//! Keeps a person informed during a long step: one line every few seconds on standard error, past the test runner's capture.

use std::io::{Write, stderr};
use std::path::Path;
use std::process::Child;
use std::thread::sleep;
use std::time::{Duration, Instant};

const EVERY: Duration = Duration::from_secs(5);

/// Prints one line of progress.
pub fn say(line: impl std::fmt::Display) {
    let _ = stderr().lock().write_all(format!("ghostsched-vm: {line}\n").as_bytes());
}

/// Waits for `child`, and every few seconds prints `what` with what `measure` answers.
///
/// # Errors
/// The system's, from waiting.
pub fn watch(
    child: &mut Child,
    what: &str,
    mut measure: impl FnMut() -> String,
) -> std::io::Result<std::process::ExitStatus> {
    let began = Instant::now();
    let mut next = began + EVERY;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if Instant::now() >= next {
            next += EVERY;
            let measured = match measure() {
                empty if empty.is_empty() => empty,
                some => some + ", ",
            };
            say(format_args!("{what}: {measured}{} s", began.elapsed().as_secs()));
        }
        sleep(Duration::from_millis(50));
    }
}

/// `12 of 34 MB (35 %)`, or `12 MB` when the whole is not known.
pub fn megabytes(done: u64, whole: u64) -> String {
    let mb = |bytes: u64| bytes.div_ceil(1 << 20);
    match whole {
        0 => format!("{} MB", mb(done)),
        _ => format!(
            "{} of {} MB ({} %)",
            mb(done),
            mb(whole),
            (done.min(whole) * 100) / whole
        ),
    }
}

/// The bytes in all files below `folder`, as far as they can be read.
pub fn size_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    entries
        .flatten()
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size_below(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        })
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_whole() {
        assert_eq!(megabytes(12 << 20, 48 << 20), "12 of 48 MB (25 %)");
        assert_eq!(megabytes(5 << 20, 0), "5 MB");
    }
}
