//! The `ghostsched` command: parses, dispatches, and ends with a status a script can use (see [`exit`]).
//!
//! No algorithm lives here: `core` has those, `bpf` measures, these files read options and write reports.

#![forbid(unsafe_code)]

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use ghostsched_core::histogram::Bounds;

use exit::Failure;
use latency::columns::printable;
use latency::{control, report};

mod exit;
mod latency;
mod record;
mod signals;
mod units;

#[cfg(test)]
#[path = "../tests/support/skip.rs"]
mod skip;

const STATUS: &str = "\
Exit status: 0 done, 1 an error (or a --fail-if that matches no cgroup), 2 a wrong option, or one that cannot be \
used here (a busy port, nothing to control), 3 a --fail-if holds, \
141 the reader of the output went away; with -- COMMAND, the command's own status where it failed.";

/// Why threads wait for a CPU, per cgroup, measured exactly with BPF
#[derive(Parser, Debug)]
#[command(name = "ghostsched", version, after_help = STATUS)]
struct Cli {
    #[command(subcommand)]
    action: Action,
}

#[derive(Subcommand, Debug)]
enum Action {
    /// Measure why threads wait for a CPU: behind their own cgroup, behind another (which?), idle, or throttled
    #[command(after_help = format!("{}\n\n{STATUS}", latency::MEMORY))]
    Latency(Box<latency::LatencyArgs>),
    /// Record scheduling events to a file, for `latency --trace`
    Record(record::RecordArgs),
    /// Show the state of a running `latency --listen`, as JSON
    Status(Control),
    /// Let a running `latency --listen` count anew; nothing is lost, and metrics go on
    Reset(Control),
    /// Give a running `latency --listen` other bounds; starts a new epoch, so that no count lands in a wrong bucket
    Bounds {
        /// Which one to reach
        #[command(flatten)]
        control: Control,
        /// 50us,200us,1ms,... (1 to 64), log2 or loglinear
        #[arg(value_name = "LIST", value_parser = boxed_bounds)]
        bounds: Box<Bounds>,
    },
}

/// How to reach a running measurement.
#[derive(Args, Debug)]
struct Control {
    /// Its control socket
    #[arg(long, value_name = "PATH", default_value = control::DEFAULT_PATH)]
    control: PathBuf,
}

fn boxed_bounds(text: &str) -> Result<Box<Bounds>, String> {
    units::parse_bounds(text).map(Box::new)
}

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => dispatch(cli.action),
        Err(error) => refuse(&error),
    };
    let Err(failure) = result else { return ExitCode::SUCCESS };
    if let Some(line) = failure.line() {
        // Where stderr is closed, the status has to say it.
        let _ = writeln!(io::stderr(), "ghostsched: {}", printable(line));
    }
    ExitCode::from(failure.status())
}

fn dispatch(action: Action) -> Result<(), Failure> {
    match action {
        Action::Latency(args) => latency::run(&args),
        Action::Record(args) => record::run(&args),
        Action::Status(Control { control }) => say(control::client::status(&control)?),
        Action::Reset(Control { control }) => say(control::client::reset(&control)?),
        Action::Bounds {
            control: Control { control },
            bounds,
        } => say(control::client::bounds(&control, &bounds)?),
    }
}

fn say(line: String) -> Result<(), Failure> {
    report::write(&mut io::stdout().lock(), &(line + "\n"))
}

/// Help and version as they are; any other trouble with the arguments as one line.
fn refuse(error: &clap::Error) -> Result<(), Failure> {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => error.print().map_err(|error| Failure::write(&error)),
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Err(Failure::Usage(
            "nothing to do: write ghostsched latency --for 10s, or see ghostsched --help".into(),
        )),
        _ => Err(Failure::Usage(one_line(&error.to_string()))),
    }
}

/// What clap says in several lines, without its prefix and its usage, in one.
fn one_line(text: &str) -> String {
    let told = text
        .lines()
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let words: Vec<&str> = told.flat_map(str::split_whitespace).collect();
    let line = words.join(" ");
    let line = line.strip_prefix("error: ").unwrap_or(&line);
    format!("{line} (see --help)")
}
