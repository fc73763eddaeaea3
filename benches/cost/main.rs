//! What measuring costs on the live kernel, beside every peer that is installed. `make bench`, as root.
//!
//! Two figures a tool, taken in the same run so that the machine's mood is the same for all:
//! * BPF time a context switch: run time of all programs of the tool by the kernel's statistics, over the switches of
//!   the machine meanwhile, whichever programs they went through. It contains some 55 ns of the statistics' own a run;
//!   the runs a switch show that each of the tool's hooks was counted.
//! * wall-clock ratio of a ping-pong over pipes with and without the tool, statistics off.
//!
//! Neighbours only ever slow a run down, so the least of all runs counts, for the tool and for what it is compared with;
//! the most says how far to trust it.
//!
//! `--check` makes a missed bar a failure, `--rounds N` (3) and `--only NAME` are for the impatient.

mod peers;
mod tool;
mod workload;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ghostsched_bpf::object::StatsEnabled;
use peers::Peer;
use tool::Tool;
use workload::Workload;

/// The tool whose BPF time is the measure of all.
const YARDSTICK: &str = "runqlat (libbpf-tools)";

/// Medians this much above the least mean that neighbours disturb the wall-clock ratios.
const NOISE_PERCENT: f64 = 5.0;

/// What was promised: tool, share of the yardstick's BPF time, wall-clock ratio.
const BARS: [(&str, f64, Option<f64>); 2] = [(peers::LOG, 0.25, Some(1.12)), (peers::CLOCK, 0.45, None)];

/// What was measured of one tool, over all rounds.
#[derive(Default)]
struct Row {
    name: &'static str,
    bpf: Vec<Cost>,
    bpf_across: Vec<Cost>,
    without_us: Vec<f64>,
    with_us: Vec<f64>,
    trouble: Option<String>,
}

/// BPF of one run of the workload, a context switch.
#[derive(Clone, Copy)]
struct Cost {
    ns: f64,
    runs: f64,
}

/// Fewer runs a switch than this share of the tool's usual, and the sample missed some.
const WHOLE: f64 = 0.95;

/// The samples that count every run: each tool here runs at least once a switch, and as often in every sample. One that
/// does not would look cheap.
fn whole(costs: &[Cost]) -> impl Iterator<Item = Cost> + '_ {
    let usual = costs.iter().map(|cost| cost.runs).fold(1.0, f64::max);
    costs.iter().copied().filter(move |cost| cost.runs >= WHOLE * usual)
}

/// The cheapest run.
fn least(costs: &[Cost]) -> Option<Cost> {
    whole(costs).min_by(|a, b| a.ns.total_cmp(&b.ns))
}

/// The dearest.
fn most(costs: &[Cost]) -> Option<Cost> {
    whole(costs).max_by(|a, b| a.ns.total_cmp(&b.ns))
}

impl Row {
    fn wall(&self) -> Option<f64> {
        Some(minimum(&self.with_us)? / minimum(&self.without_us)?)
    }
}

fn minimum(values: &[f64]) -> Option<f64> {
    values.iter().copied().min_by(f64::total_cmp)
}

fn median(values: &[f64]) -> Option<f64> {
    let mut values = values.to_vec();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// The command line.
struct Options {
    rounds: usize,
    check: bool,
    only: Option<String>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 3,
        check: false,
        only: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--bench" => {} // cargo's
            "--check" => options.check = true,
            "--rounds" => {
                let rounds = arguments
                    .next()
                    .and_then(|rounds| rounds.parse().ok())
                    .filter(|&rounds| rounds > 0);
                options.rounds = rounds.ok_or("--rounds N: a number from 1 on")?;
            }
            "--only" => options.only = Some(arguments.next().ok_or("--only NAME")?),
            _ => return Err(format!("no option {argument}: --check, --rounds N, --only NAME")),
        }
    }
    Ok(options)
}

fn main() -> ExitCode {
    match options().and_then(|options| measure(&options)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            eprintln!("cost: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Measures and prints; whether the bars hold, as far as they were asked for.
fn measure(options: &Options) -> Result<bool, String> {
    if !rustix::process::geteuid().is_root() {
        println!("cost: SKIPPED: needs root, to load BPF programs and to switch their statistics on");
        return Ok(!options.check);
    }
    let interrupted = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&interrupted)).map_err(|error| error.to_string())?;
    }
    let workload = Workload::new()?;
    let (peers, absent) = peers::installed();
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let peers: Vec<Peer> = peers
        .into_iter()
        .filter(|peer| wanted(peer.name) || peer.name == YARDSTICK)
        .collect();

    println!("workload: {}", workload.describe());
    let mut rows: Vec<Row> = peers
        .iter()
        .map(|peer| Row {
            name: peer.name,
            ..Row::default()
        })
        .collect();
    for round in 1..=options.rounds {
        for (peer, row) in peers.iter().zip(&mut rows) {
            if interrupted.load(Ordering::Relaxed) {
                return Err("interrupted".into());
            }
            eprintln!("round {round} of {}: {}", options.rounds, peer.name);
            if let Err(message) = one_round(peer, &workload, row) {
                row.trouble = Some(message);
            }
        }
    }

    print(&rows);
    for (name, why) in absent {
        println!("not measured: {name}: {why}");
    }
    let held = bars(&rows);
    Ok(held || !options.check)
}

fn one_round(peer: &Peer, workload: &Workload, row: &mut Row) -> Result<(), String> {
    row.without_us.extend(workload.round_trips_us()?);
    let tool = Tool::start(peer)?;
    row.with_us.extend(workload.round_trips_us()?);

    // Held by a descriptor: the sysctl of the same name is the whole machine's, and anybody may switch it off.
    let _statistics = StatsEnabled::new().map_err(|error| error.to_string())?;
    for _ in 0..3 {
        row.bpf.extend(tool.cost_of(|| workload.round_trip_us().map(drop))?);
        if workload.has_cgroups() {
            row.bpf_across.extend(tool.cost_of(|| workload.across_cgroups())?);
        }
    }
    Ok(())
}

fn print(rows: &[Row]) {
    let show = |value: Option<f64>, digits: usize| value.map_or("-".into(), |value| format!("{value:.digits$}"));
    println!();
    println!("                             BPF ns a switch     runs  share of  BPF ns, across  wall-clock");
    println!("TOOL                         least  (most)   a switch   runqlat         cgroups    over none");
    for row in rows {
        let bpf = least(&row.bpf);
        println!(
            "{:<26} {:>7} {:>8} {:>10} {:>9} {:>15} {:>12}",
            row.name,
            show(bpf.map(|bpf| bpf.ns), 0),
            format!("({})", show(most(&row.bpf).map(|bpf| bpf.ns), 0)),
            show(bpf.map(|bpf| bpf.runs), 2),
            show(share(rows, row), 2),
            show(least(&row.bpf_across).map(|bpf| bpf.ns), 0),
            show(row.wall(), 3),
        );
    }
    println!();
    let without: Vec<f64> = rows.iter().flat_map(|row| row.without_us.iter().copied()).collect();
    if let Some((least, median)) = minimum(&without).zip(median(&without)) {
        let off = 100.0 * (median / least - 1.0);
        println!("round trip without a tool: least {least:.2} us, median {off:.0}% above it");
        if off > NOISE_PERCENT {
            println!("the machine is busy: believe no wall-clock ratio of this run to better than that");
        }
    }
    for row in rows {
        let lost = [&row.bpf, &row.bpf_across]
            .map(|costs| costs.len() - whole(costs).count())
            .iter()
            .sum::<usize>();
        if lost > 0 {
            println!(
                "left out: {}: {lost} samples that missed runs of its programs",
                row.name
            );
        }
        if let Some(trouble) = &row.trouble {
            println!("trouble: {}: {trouble}", row.name);
        }
    }
}

/// A tool's BPF time over the yardstick's.
fn share(rows: &[Row], row: &Row) -> Option<f64> {
    let yardstick = rows.iter().find(|row| row.name == YARDSTICK)?;
    Some(least(&row.bpf)?.ns / least(&yardstick.bpf)?.ns)
}

/// Prints whether each bar holds; true if none is missed. A bar that could not be measured is neither.
fn bars(rows: &[Row]) -> bool {
    let mut held = true;
    let mut line = |what: String, value: Option<f64>, most: f64| match value {
        None => println!("bar: {what} at most {most}: not measured"),
        Some(value) if value <= most => println!("bar: {what} at most {most}: {value:.3}, holds"),
        Some(value) => {
            println!("bar: {what} at most {most}: {value:.3}, MISSED");
            held = false;
        }
    };
    for (name, most_share, most_wall) in BARS {
        let row = rows.iter().find(|row| row.name == name);
        line(
            format!("{name}, share of runqlat's BPF time"),
            row.and_then(|row| share(rows, row)),
            most_share,
        );
        if let Some(most_wall) = most_wall {
            line(
                format!("{name}, wall-clock over no tool"),
                row.and_then(Row::wall),
                most_wall,
            );
        }
    }
    held
}
