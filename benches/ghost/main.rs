//! What the ghOSt data path costs, beside google/ghost-userspace doing the same on the same machine in the same run.
//!
//! `cargo bench --bench ghost`, with `GHOSTSCHED_GHOST_USERSPACE` naming a checkout of google/ghost-userspace; without it the
//! peer's column stays empty. Each figure is the median over repetitions (and the least), in ns an operation; peer and own
//! runs alternate, and the ratio is of the medians over all rounds. With `--once NAME COUNT` one figure runs COUNT times
//! and nothing is timed: for counting instructions.

mod figures;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, ExitCode};

use figures::{FIGURES, Figure};

/// How often peer and own runs alternate.
const ROUNDS: usize = 5;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    if let [once, name, count] = &arguments[..] {
        let figure = FIGURES.iter().find(|figure| once == "--once" && figure.name == name);
        let (Some(figure), Ok(count)) = (figure, count.parse()) else {
            eprintln!("usage: ghost [--once NAME COUNT]; names: {}", names());
            return ExitCode::from(2);
        };
        (figure.once)(count);
        return ExitCode::SUCCESS;
    }

    let mut own: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut peer: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for round in 0..ROUNDS {
        if round == 0 || !peer.is_empty() {
            run_peer(&mut peer);
        }
        for figure in FIGURES {
            own.entry(figure.name).or_default().push((figure.measure)());
        }
        eprintln!("round {} of {ROUNDS}", round + 1);
    }
    println!(
        "{:<44} {:>9} {:>9} {:>9} {:>9} {:>6} {:>6}",
        "", "min", "median", "peer min", "peer med", "ratio", "bar"
    );
    for figure in FIGURES {
        let (least, median) = spread(&own[figure.name]);
        print!("{:<44} {least:>6.2} ns {median:>6.2} ns", figure.title);
        match peer.get(figure.peer) {
            Some(values) => {
                let (peer_least, peer_median) = spread(values);
                let ratio = median / peer_median;
                println!(
                    " {peer_least:>6.2} ns {peer_median:>6.2} ns {ratio:>6.2} {:>6}",
                    figure.bar
                );
            }
            None => println!(" {:>9} {:>9} {:>6} {:>6}", "-", "-", "-", figure.bar),
        }
    }
    instructions();
    ExitCode::SUCCESS
}

fn names() -> String {
    FIGURES.iter().map(|figure| figure.name).collect::<Vec<_>>().join(" ")
}

fn spread(values: &[f64]) -> (f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    (sorted[0], sorted[sorted.len() / 2])
}

/// Runs the peer once and adds its medians; says why not, if it cannot.
fn run_peer(figures: &mut BTreeMap<String, Vec<f64>>) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peer/run.sh");
    let output = match Command::new(script).output() {
        Ok(output) => output,
        Err(error) => return eprintln!("the peer does not run: {error}"),
    };
    if !output.status.success() {
        return eprint!("{}", String::from_utf8_lossy(&output.stderr));
    }
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        if let ["peer", name, _, median] = line.split(' ').collect::<Vec<_>>()[..]
            && let Ok(median) = median.parse()
        {
            figures.entry(name.to_owned()).or_default().push(median);
        }
    }
}

/// Instructions an operation by callgrind: the difference of two runs, so that start-up does not count.
fn instructions() {
    let Ok(program) = std::env::current_exe() else { return };
    if Command::new("valgrind").arg("--version").output().is_err() {
        return println!("\nno instruction counts: valgrind is not installed");
    }
    println!("\n{:<44} {:>12}", "", "instructions");
    for figure in FIGURES {
        let run = |count: u64| -> Option<u64> {
            let output = Command::new("valgrind")
                .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
                .arg(&program)
                .args(["--once", figure.name, &count.to_string()])
                .output()
                .ok()?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            text.split("Collected : ")
                .nth(1)?
                .split_whitespace()
                .next()?
                .parse()
                .ok()
        };
        match (run(10), run(30)) {
            (Some(few), Some(many)) if many > few => {
                println!(
                    "{:<44} {:>12.1}",
                    figure.title,
                    (many - few) as f64 / (20 * figure.operations) as f64
                );
            }
            _ => println!("{:<44} {:>12}", figure.title, "-"),
        }
    }
}

impl Figure {
    const fn new(
        name: &'static str,
        title: &'static str,
        peer: &'static str,
        bar: &'static str,
        operations: u64,
        measure: fn() -> f64,
        once: fn(u64),
    ) -> Self {
        Self {
            name,
            title,
            peer,
            bar,
            operations,
            measure,
            once,
        }
    }
}
