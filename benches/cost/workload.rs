//! What is measured under: two processes that wake each other on one CPU, some 300,000 switches a second.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::peers::find;

const LOOPS: &str = "40000";
/// Runs a round with and without the tool. The host's mood moves wall time by more than a tool does: many are needed.
const WALL_RUNS: usize = 8;

pub struct Workload {
    /// What goes before the command: the CPU, and a priority above the machine's other work.
    prefix: Vec<String>,
    perf: Option<PathBuf>,
    load: PathBuf,
    cgroups: Option<Cgroups>,
}

impl Workload {
    pub fn new() -> Result<Self, String> {
        // `make bench` builds it; cargo builds no other package for a benchmark.
        let load = Path::new(env!("CARGO_BIN_EXE_ghostsched")).with_file_name("load");
        if !load.is_file() {
            return Err(format!(
                "{} is missing: cargo build --release -p ghostsched-load",
                load.display()
            ));
        }
        let cpu = last_cpu()?;
        // Under version 1 of cgroups real time may be refused to this group (cpu.rt_runtime_us).
        let prefix = [
            format!("chrt -f 1 taskset -c {cpu}"),
            format!("nice -n -20 taskset -c {cpu}"),
        ]
        .into_iter()
        .map(|prefix| prefix.split(' ').map(String::from).collect::<Vec<_>>())
        .find(|prefix| run(prefix, Path::new("true"), &[]).is_ok())
        .ok_or("neither chrt -f 1 nor nice -n -20 is permitted")?;
        Ok(Self {
            prefix,
            perf: find("perf"),
            load,
            cgroups: Cgroups::new(),
        })
    }

    pub fn describe(&self) -> String {
        let what = if self.perf.is_some() {
            "perf bench sched pipe -l 40000"
        } else {
            "load pingpong (no perf)"
        };
        format!("{} {what}", self.prefix.join(" "))
    }

    pub fn has_cgroups(&self) -> bool {
        self.cgroups.is_some()
    }

    /// Several runs, each in microseconds a round trip of two switches.
    pub fn round_trips_us(&self) -> Result<Vec<f64>, String> {
        (0..WALL_RUNS).map(|_| self.round_trip_us()).collect()
    }

    pub fn round_trip_us(&self) -> Result<f64, String> {
        match &self.perf {
            Some(perf) => {
                let said = run(&self.prefix, perf, &["bench", "sched", "pipe", "-l", LOOPS])?;
                number_before(&said, "usecs/op")
            }
            None => {
                let said = run(&self.prefix, &self.load, &["pingpong", "--seconds", "0.5"])?;
                Ok(0.5e6 / number_before(&said, "iterations")?)
            }
        }
    }

    /// The same between two cgroups, each with one side. Not real time, which groups of version 1 refuse.
    pub fn across_cgroups(&self) -> Result<(), String> {
        let Some(cgroups) = &self.cgroups else { return Ok(()) };
        let (one, other) = (cgroups.side("a"), cgroups.side("b"));
        let arguments = [
            "pingpong",
            "--seconds",
            "0.5",
            "--cgroup",
            &one,
            "--peer-cgroup",
            &other,
        ];
        let pinned = ["taskset".into(), "-c".into(), last_cpu()?];
        run(&pinned, &self.load, &arguments).map(drop)
    }
}

/// The number in the word before `unit`.
fn number_before(text: &str, unit: &str) -> Result<f64, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = words
        .windows(2)
        .find(|pair| pair[1] == unit)
        .and_then(|pair| pair[0].parse().ok());
    number.ok_or_else(|| format!("no number of {unit} in: {}", text.trim()))
}

/// Runs to its end; what it wrote to standard output.
fn run(prefix: &[String], program: &Path, arguments: &[&str]) -> Result<String, String> {
    let (first, rest) = prefix.split_first().ok_or("no prefix")?;
    let output = Command::new(first)
        .args(rest)
        .arg(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{first}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{}: {}",
            program.display(),
            String::from_utf8_lossy(&output.stderr).trim()
        ));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The last CPU we may use; the first has most of the machine's interrupts.
fn last_cpu() -> Result<String, String> {
    let status = fs::read_to_string("/proc/self/status").map_err(|error| error.to_string())?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let last = list.and_then(|list| list.trim().rsplit([',', '-']).next());
    last.map(String::from)
        .ok_or_else(|| "no list of allowed CPUs in /proc/self/status".into())
}

/// Two cgroups of a weight far above everybody's, removed when dropped.
struct Cgroups {
    folder: PathBuf,
}

impl Cgroups {
    /// `None` where there is no cpu controller or we may not make cgroups.
    fn new() -> Option<Self> {
        let (mount, weight) = cpu_controller()?;
        let cgroups = Self {
            folder: mount.join("ghostsched-bench"),
        };
        let version_2 = weight.0 == "cpu.weight";
        if version_2 {
            fs::write(mount.join("cgroup.subtree_control"), "+cpu").ok()?;
        }
        fs::create_dir_all(&cgroups.folder).ok()?;
        if version_2 {
            fs::write(cgroups.folder.join("cgroup.subtree_control"), "+cpu").ok()?;
        }
        fs::write(cgroups.folder.join(weight.0), weight.1).ok()?;
        for side in ["a", "b"] {
            fs::create_dir_all(cgroups.side(side)).ok()?;
        }
        Some(cgroups)
    }

    fn side(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Drop for Cgroups {
    fn drop(&mut self) {
        for folder in [self.side("a").into(), self.side("b").into(), self.folder.clone()] {
            let _: Result<(), _> = fs::remove_dir::<PathBuf>(folder);
        }
    }
}

/// Where the cpu controller is mounted, and its file for the weight with the largest value.
fn cpu_controller() -> Option<(PathBuf, (&'static str, &'static str))> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mounts: Vec<Vec<&str>> = mounts.lines().map(|line| line.split(' ').collect()).collect();
    let version_1 = mounts
        .iter()
        .find(|mount| mount[2] == "cgroup" && mount[3].split(',').any(|word| word == "cpu"));
    let version_2 = mounts.iter().find(|mount| {
        let controllers = fs::read_to_string(Path::new(mount[1]).join("cgroup.controllers")).unwrap_or_default();
        mount[2] == "cgroup2" && controllers.split_whitespace().any(|word| word == "cpu")
    });
    let first = version_1.map(|mount| (PathBuf::from(mount[1]), ("cpu.shares", "262144")));
    first.or_else(|| version_2.map(|mount| (PathBuf::from(mount[1]), ("cpu.weight", "10000"))))
}
