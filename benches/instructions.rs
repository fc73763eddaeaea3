//! Instructions a call, counted by callgrind: the same on a busy and on an idle machine. `cargo bench --bench instructions`.
//!
//! The program runs itself under valgrind twice, with N and 2 N rounds, and takes the difference, so that its start and
//! its set-up do not count.

use std::hint::black_box;
use std::process::{Command, ExitCode};

use ghostsched_core::histogram::{Bounds, Histogram};
use ghostsched_core::latency::{GroupStats, Parts};

const ROUNDS: u64 = 20_000;

/// A name and what is done `rounds` times.
type Case = (&'static str, fn(u64));

const CASES: [Case; 7] = [
    ("histogram record, 24 bounds", |rounds| {
        record(&Bounds::default(), rounds)
    }),
    ("histogram record, 64 bounds", |rounds| {
        record(&Bounds::log_linear(1_000, 16, 4).expect("valid"), rounds)
    }),
    ("hdrhistogram record, 3 digits", record_hdr),
    ("histogram quantile p99", quantile),
    ("histogram merge", merge),
    ("wait with one part", |rounds| {
        waits(
            Parts {
                other_ns: 70_000,
                ..Parts::default()
            },
            rounds,
        )
    }),
    ("wait with four parts", |rounds| {
        waits(
            Parts {
                same_ns: 1_500,
                other_ns: 70_000,
                idle_ns: 300,
                throttled_ns: 9_000_000,
                unattributed_ns: 0,
            },
            rounds,
        )
    }),
];

/// Values over five orders of magnitude, without a table to read.
fn value(round: u64) -> u64 {
    1_000 << (round % 17)
}

fn record(bounds: &Bounds, rounds: u64) {
    let mut histogram = Histogram::new();
    for round in 0..rounds {
        histogram.record(black_box(bounds), black_box(value(round)));
    }
    black_box(&histogram);
}

fn record_hdr(rounds: u64) {
    let mut histogram = hdrhistogram::Histogram::<u64>::new_with_bounds(1, 3_600_000_000_000, 3).expect("valid");
    for round in 0..rounds {
        histogram.record(black_box(value(round))).expect("in range");
    }
    black_box(&histogram);
}

fn quantile(rounds: u64) {
    let bounds = Bounds::default();
    let mut histogram = Histogram::new();
    (0..1_000).for_each(|round| histogram.record(&bounds, value(round)));
    for _ in 0..rounds {
        black_box(black_box(&histogram).quantile(&bounds, 990_000));
    }
}

fn merge(rounds: u64) {
    let mut sum = Histogram::new();
    let mut one = Histogram::new();
    one.record(&Bounds::default(), 5_000);
    for _ in 0..rounds {
        sum.merge(black_box(&one));
    }
    black_box(&sum);
}

fn waits(parts: Parts, rounds: u64) {
    let bounds = Bounds::default();
    let mut stats = GroupStats::default();
    for _ in 0..rounds {
        stats.record_wait(black_box(&bounds), black_box(&parts));
    }
    black_box(&stats);
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().collect();
    // The inner run: `--run CASE ROUNDS`.
    if let [_, flag, case, rounds] = &arguments[..]
        && let ("--run", Ok(case), Ok(rounds)) = (flag.as_str(), case.parse::<usize>(), rounds.parse())
    {
        CASES[case].1(rounds);
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("instructions: SKIPPED: valgrind is not installed");
        return ExitCode::SUCCESS;
    }
    println!("{:<32} {:>12}", "instructions a call (callgrind)", "count");
    for (index, (name, _)) in CASES.iter().enumerate() {
        match instructions(index, ROUNDS).and_then(|once| Ok((once, instructions(index, 2 * ROUNDS)?))) {
            Ok((once, twice)) => println!("{name:<32} {:>12.1}", (twice - once) as f64 / ROUNDS as f64),
            Err(message) => {
                eprintln!("instructions: {name}: {message}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

/// All instructions of a run of one case.
fn instructions(case: usize, rounds: u64) -> Result<u64, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(own)
        .args(["--run", &case.to_string(), &rounds.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stderr);
    said.lines()
        .find_map(|line| line.split_once("Collected :")?.1.trim().parse().ok())
        .ok_or_else(|| format!("callgrind counted nothing: {}", said.trim()))
}
