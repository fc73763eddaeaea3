//! `ghostsched latency`: why threads wait for a CPU, per cgroup.
//!
//! | module | what it is |
//! |---|---|
//! | [`source`] | where measurements come from |
//! | [`measure`] | the loop: until the time, a signal or the end of a command |
//! | [`view`], [`glob`] | the groups asked for, what hurts first |
//! | [`report`] | one report: [`table`], [`matrix`], [`hist`], [`footer`], or [`json`] |
//! | [`verdict`], [`columns`] | words and layout of the text |
//! | [`live`] | the report full-screen |
//! | [`fail_if`] | conditions that make the exit status 3 |
//! | [`command`] | `-- COMMAND` |
//! | [`serve`] | `--listen`: [`hub`] owns the profiler, [`http`] serves [`metrics`] of a [`ledger`], [`control`] steers |

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use ghostsched_bpf::snapshot::Method;
use ghostsched_bpf::{Options, Profiler};
use ghostsched_core::histogram::Bounds;

use crate::exit::Failure;
use crate::signals::Events;
use crate::units::{parse_bounds, parse_bytes, parse_span_ns};

pub mod board;
pub mod columns;
pub mod command;
pub mod connections;
pub mod control;
pub mod fail_if;
pub mod footer;
pub mod hist;
pub mod http;
pub mod hub;
pub mod json;
pub mod ledger;
pub mod live;
pub mod matrix;
pub mod measure;
pub mod metrics;
pub mod report;
pub mod serve;
pub mod source;
pub mod table;
pub mod view;

pub use ghostsched_bpf::report::{glob, verdict};

use fail_if::{FailIf, bounds_with_limits};
use glob::Glob;
use source::Source;

/// How often `--live` refreshes, unless told otherwise.
const LIVE_EVERY: Duration = Duration::from_secs(1);

/// What a measurement takes; a test compares it with what is allocated.
pub const MEMORY: &str = "\
Memory: CPUs x (66 KiB + 12 x G) + 208 x G + the smaller of --max-memory and CPUs x G x (224 + 64 x (bounds + 1)) \
bytes, where G is --max-groups, or twice the cgroups that exist and 1024. With the default 24 bounds: 200 cgroups on \
8 CPUs 22 MB; 5,000 cgroups on 64 CPUs 83 MB. Cgroups for which --max-memory has no room are counted as (rest).";

/// `--method`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MethodChoice {
    /// The cheaper one this kernel has.
    Auto,
    /// The kernel's queue stamps and a log of who ran (needs CONFIG_SCHED_INFO).
    Log,
    /// Own queue stamps and per-CPU group clocks.
    Clock,
}

/// The options of `latency`.
#[derive(Args, Clone, Debug)]
pub struct LatencyArgs {
    /// Measure for so long, then report: 10s, 1.5m. Without it, until Ctrl-C or SIGTERM
    #[arg(long = "for", value_name = "TIME", value_parser = parse_time, conflicts_with_all = ["trace", "command"])]
    pub length: Option<Duration>,
    /// Report each interval: 2s
    #[arg(long, value_name = "TIME", value_parser = parse_time, conflicts_with = "trace")]
    pub every: Option<Duration>,
    /// Only these cgroups: '/shop/*' (one level), '/shop/**' (all below, itself too), '**/api' (any depth)
    #[arg(long, value_name = "GLOB", value_parser = Glob::parse)]
    pub cgroup: Option<Glob>,
    /// Fold cgroups to this depth: 1 is slices; 0 keeps each apart
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub level: u32,
    /// Bounds of the histograms' buckets: 50us,200us,1ms,... (1 to 64), log2 or loglinear [default: log2]
    #[arg(long, value_name = "LIST", value_parser = parse_bounds)]
    pub bounds: Option<Bounds>,
    /// How to measure
    #[arg(long, value_enum, default_value_t = MethodChoice::Auto, conflicts_with = "trace")]
    pub method: MethodChoice,
    /// The most cgroups told apart; the others are summed as (rest) [default: twice those that exist and 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), conflicts_with = "trace")]
    pub max_groups: Option<u32>,
    /// The most memory for histograms
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes, default_value = "64MiB", conflicts_with = "trace")]
    pub max_memory: u64,
    /// Show only the N cgroups that hurt most, 0 for all [default: 20; with --json all; with --listen 200]
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
    /// Show who made whom wait
    #[arg(long, conflicts_with_all = ["json", "live"])]
    pub matrix: bool,
    /// Show histograms as text bars
    #[arg(long, conflicts_with_all = ["json", "live"])]
    pub hist: bool,
    /// Report as JSON, one object a line (docs/latency-json.md)
    #[arg(long, conflicts_with = "live")]
    pub json: bool,
    /// Show the report full-screen and refresh it; q quits
    #[arg(long, conflicts_with_all = ["trace", "command", "listen"])]
    pub live: bool,
    /// Serve OpenMetrics on this address: 127.0.0.1:9435
    #[arg(long, value_name = "ADDR", value_parser = http::parse_listen, conflicts_with_all = ["trace", "command", "json", "every", "matrix", "hist"])]
    pub listen: Option<SocketAddr>,
    /// With --listen: where `ghostsched status`, `reset` and `bounds` reach it [default: /run/ghostsched.sock]
    #[arg(long, value_name = "PATH", requires = "listen")]
    pub control: Option<PathBuf>,
    /// With --listen: a histogram for each cause, not only for the whole wait (five times the series)
    #[arg(long, requires = "listen")]
    pub per_cause: bool,
    /// Replay a recorded trace instead of measuring
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Exit with status 3 if this holds at the end: 'p99(other,/shop/api)>5ms', 'share(throttled)>20%'. Repeatable
    #[arg(long, value_name = "CONDITION", value_parser = FailIf::parse)]
    pub fail_if: Vec<FailIf>,
    /// Run this and measure until it ends; with --json its stdout goes to our stderr
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

fn parse_time(text: &str) -> Result<Duration, String> {
    parse_span_ns(text).map(Duration::from_nanos)
}

impl LatencyArgs {
    /// The user's bounds, or the default's with the limits of conditions, so that these are compared exactly.
    fn bounds(&self) -> Bounds {
        self.bounds.unwrap_or_else(|| bounds_with_limits(&self.fail_if))
    }

    fn options(&self) -> Options {
        Options {
            method: match self.method {
                MethodChoice::Auto => None,
                MethodChoice::Log => Some(Method::Log),
                MethodChoice::Clock => Some(Method::Clock),
            },
            bounds: self.bounds(),
            level: self.level,
            max_groups: self.max_groups,
            max_memory: self.max_memory,
        }
    }

    fn serving(&self, listen: SocketAddr) -> serve::Options {
        let default = ledger::Limits::default();
        let limits = ledger::Limits {
            groups: match self.top {
                None => default.groups,
                Some(0) => usize::MAX,
                Some(top) => top,
            },
            per_cause: self.per_cause,
            filter: self.cgroup.clone(),
            ..default
        };
        let control = self.control.clone().unwrap_or_else(|| control::DEFAULT_PATH.into());
        serve::Options {
            listen,
            control: Some(control),
            limits,
            time: self.length,
        }
    }

    fn style(&self) -> report::Style {
        let (width, paint) = report::Style::of_stdout();
        report::Style {
            json: self.json,
            matrix: self.matrix,
            hist: self.hist,
            top: self.top,
            filter: self.cgroup.clone(),
            width,
            paint,
        }
    }
}

/// `ghostsched latency`.
pub fn run(args: &LatencyArgs) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    if let Some(path) = &args.trace {
        let snapshot = source::replay(path, args.bounds(), args.level)?;
        report::write(&mut out, &report::render(&snapshot, &args.style()))?;
        return measure::judge(&args.fail_if, &snapshot);
    }
    // Before attaching: a signal from now on ends the measurement in good order.
    let events = Events::new()?;
    if let Some(listen) = args.listen {
        // Port and socket before the kernel: a busy one costs nothing.
        let bound = serve::bind(args.serving(listen))?;
        let mut source = Profiler::attach(args.options())?;
        let _ = writeln!(io::stderr(), "ghostsched: {}", bound.announcement());
        bound.run(&mut source, events)?;
        return judge(args, &mut source);
    }
    let mut source = Profiler::attach(args.options())?;
    if args.live {
        drop(out);
        let colour = args.style().paint.0;
        live::run(
            &mut source,
            args.every.unwrap_or(LIVE_EVERY),
            args.length,
            args.cgroup.clone(),
            colour,
            &events,
        )?;
        return judge(args, &mut source);
    }
    let command = match args.command.is_empty() {
        true => None,
        false => Some(command::Running::start(&args.command, args.json, events.sender())?),
    };
    let plan = measure::Plan {
        length: args.length,
        every: args.every,
        command,
    };
    let status = measure::run(&mut source, &plan, &args.style(), &events, &mut out)?;
    judge(args, &mut source)?;
    match command::status_of(status) {
        0 => Ok(()),
        status => Err(Failure::Command(status)),
    }
}

/// Conditions are about the whole measurement, whatever the intervals.
fn judge(args: &LatencyArgs, source: &mut dyn Source) -> Result<(), Failure> {
    if args.fail_if.is_empty() {
        Ok(())
    } else {
        measure::judge(&args.fail_if, &source.snapshot()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_tells_the_memory_that_is_allocated() {
        let told = |cpus: u64, cgroups: u64| {
            let groups = 2 * cgroups + 1024;
            let blocks = (cpus * groups).min((64 << 20) / (224 + 64 * 25));
            let formula = cpus * (66 * 1024 + 12 * groups) + 208 * groups + blocks * (224 + 64 * 25);
            let allocated = ghostsched_bpf::latency::memory_bytes(cpus, groups, blocks, 24);
            assert!(
                formula.abs_diff(allocated) < formula / 50,
                "{formula} told, {allocated} allocated"
            );
            formula.div_ceil(1_000_000)
        };
        assert!(MEMORY.contains(&format!("200 cgroups on 8 CPUs {} MB", told(8, 200))));
        assert!(MEMORY.contains(&format!("5,000 cgroups on 64 CPUs {} MB", told(64, 5_000))));
    }

    #[test]
    fn limits_of_conditions_are_bounds_unless_the_user_gave_some() {
        use clap::Parser;
        #[derive(Parser)]
        struct Cli {
            #[command(flatten)]
            args: LatencyArgs,
        }
        let bounds = |more: &[&str]| {
            let words = ["x", "--fail-if", "p99(other)>5ms"].iter().chain(more);
            Cli::try_parse_from(words)
                .map(|cli| cli.args.bounds().as_slice().to_vec())
                .expect("valid")
        };
        assert!(bounds(&[]).contains(&5_000_000));
        assert_eq!(bounds(&["--bounds", "1ms,10ms"]), [1_000_000, 10_000_000]);
    }
}
