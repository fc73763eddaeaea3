//! `ghostsched record`: the raw stream of scheduling events to a file, for `ghostsched latency --trace`.

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use ghostsched_bpf::trace::Recorder;
use ghostsched_core::trace::Record;

use crate::exit::{Failure, in_words};
use crate::latency::command::{Running, status_of};
use crate::signals::{Event, Events};
use crate::units::{parse_bytes, parse_span_ns};

/// How often the buffer is emptied: at 72 bytes an event, 16 MiB hold 2 million events a second for this long.
const EVERY: Duration = Duration::from_millis(100);

/// The options of `record`.
#[derive(Args, Clone, Debug)]
pub struct RecordArgs {
    /// The file to write
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Record for so long: 10s. Without it, until Ctrl-C or SIGTERM
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, conflicts_with = "command")]
    length: Option<Duration>,
    /// The buffer between the kernel and us; events that find it full are lost, and counted
    #[arg(long, value_name = "SIZE", value_parser = parse_buffer, default_value = "16MiB")]
    buffer: u32,
    /// The most memory for events before they are written, at about 64 bytes each; recording ends when it is full
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, default_value = "1GiB")]
    max_memory: u64,
    /// Run this and record until it ends
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    parse_span_ns(text).map(Duration::from_nanos)
}

fn parse_buffer(text: &str) -> Result<u32, String> {
    let bytes = parse_bytes(text)?;
    u32::try_from(bytes)
        .ok()
        .filter(|&bytes| bytes <= 1 << 30)
        .ok_or_else(|| format!("{text:?} is too large a buffer: at most 1GiB, such as 16MiB"))
}

/// `ghostsched record`.
pub fn run(args: &RecordArgs) -> Result<(), Failure> {
    // First of all, so that a wrong path costs no recording; emptied only when there is something to record.
    let failed = |error: io::Error| cannot_write(&args.output, &error);
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(&args.output)
        .map_err(failed)?;
    let events = Events::new()?;
    let mut recorder = Recorder::attach(args.buffer)?;
    if file.metadata().is_ok_and(|about| about.is_file()) {
        file.set_len(0).map_err(failed)?;
    }
    let command = match args.command.is_empty() {
        true => None,
        false => Some(Running::start(&args.command, false, events.sender())?),
    };
    let end = args.length.and_then(|length| Instant::now().checked_add(length));
    let mut records = Vec::new();
    let mut stopped = false;
    let status = loop {
        let due = Instant::now() + EVERY;
        let event = events.wait(Some(end.map_or(due, |end| end.min(due))));
        records.append(&mut recorder.take()?);
        match event {
            Event::Exited(status) => break status,
            Event::Signal(_) => match &command {
                Some(command) if !std::mem::replace(&mut stopped, true) => command.terminate(),
                _ => break None,
            },
            Event::Time if end.is_some_and(|end| Instant::now() >= end) => break None,
            Event::Time if (records.len() * size_of::<Record>()) as u64 >= args.max_memory => {
                tell("--max-memory is full: recording ends here");
                break None;
            }
            Event::Time => {}
        }
    };
    let (count, lost) = (records.len(), recorder.lost());
    let recording = recorder.finish(records);
    let mut out = BufWriter::new(file);
    recording.write(&mut out).and_then(|()| out.flush()).map_err(failed)?;
    let lost = if lost > 0 {
        format!(", {lost} lost: give a larger --buffer")
    } else {
        String::new()
    };
    tell(&format!(
        "{count} events{lost}; see ghostsched latency --trace {}",
        args.output.display()
    ));
    match status_of(status) {
        0 => Ok(()),
        status => Err(Failure::Command(status)),
    }
}

/// A line on stderr; where that is closed, there is nobody to tell.
fn tell(line: &str) {
    let _ = writeln!(io::stderr(), "ghostsched: {line}");
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::Error(format!(
        "cannot write {}: {}; give another -o FILE",
        path.display(),
        in_words(error)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_too_large_is_refused_with_what_to_write() {
        assert_eq!(parse_buffer("16MiB"), Ok(16 << 20));
        assert!(parse_buffer("2GiB").is_err_and(|line| line.contains("at most 1GiB")));
        assert!(parse_buffer("9999999999999GiB").is_err_and(|line| line.contains("such as 64MiB")));
    }
}
