//! Who is measured, and how each is started.

use std::path::{Path, PathBuf};

/// The two methods of ours.
pub const LOG: &str = "ghostsched, method log";
pub const CLOCK: &str = "ghostsched, method clock";

/// A tool and how it is started to run until it is interrupted.
pub struct Peer {
    pub name: &'static str,
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Whether it works with BPF programs; else it is only given time to start.
    pub has_programs: bool,
}

/// Debian's runqlat.bt includes a kernel header for one constant, which needs kernel headers that few machines have.
const TASK_RUNNING: (&str, &str) = ("TASK_RUNNING", "0");
const RUNQLAT_BT: &str = "/usr/sbin/runqlat.bt";

/// The tools of this machine, and those that are not here, with what to do.
pub fn installed() -> (Vec<Peer>, Vec<(&'static str, String)>) {
    let ghostsched = |method: &str| {
        let arguments = format!("latency --for 1h --matrix --method {method}");
        Ok((PathBuf::from(env!("CARGO_BIN_EXE_ghostsched")), words(&arguments)))
    };
    let record = format!("sched record -o {} -- sleep 3600", perf_data().display());
    // The yardstick is in the middle, ours on both sides of it.
    let candidates = [
        (
            "empty program (bpftrace)",
            true,
            package("bpftrace", "bpftrace").map(|path| (path, empty())),
        ),
        (LOG, true, ghostsched("log")),
        (
            "runqlat (libbpf-tools)",
            true,
            package("runqlat", "libbpf-tools").map(|path| (path, vec![])),
        ),
        (CLOCK, true, ghostsched("clock")),
        (
            "runqslower (libbpf-tools)",
            true,
            package("runqslower", "libbpf-tools").map(|path| (path, words("10000"))),
        ),
        (
            "cpudist (libbpf-tools)",
            true,
            package("cpudist", "libbpf-tools").map(|path| (path, vec![])),
        ),
        ("runqlat.bt (bpftrace)", true, bpftrace_runqlat()),
        (
            "perf sched record",
            false,
            package("perf", "linux-perf").map(|path| (path, words(&record))),
        ),
    ];
    let mut here = Vec::new();
    let mut absent = Vec::new();
    for (name, has_programs, found) in candidates {
        match found {
            Ok((program, arguments)) => here.push(Peer {
                name,
                program,
                arguments,
                has_programs,
            }),
            Err(why) => absent.push((name, why)),
        }
    }
    (here, absent)
}

/// Where perf writes; big, so it goes with the build's files and is removed at the end.
pub fn perf_data() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("cost.perf.data")
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(String::from).collect()
}

fn package(program: &str, package: &str) -> Result<PathBuf, String> {
    find(program).ok_or_else(|| format!("not installed (Debian package {package})"))
}

/// The path of a program; these live in sbin, which is not on everybody's PATH.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .map(|folder| Path::new(folder).join(program))
        .find(|path| path.is_file())
}

/// The least a program on sched_switch can cost.
fn empty() -> Vec<String> {
    vec!["-e".into(), "tracepoint:sched:sched_switch { }".into()]
}

fn bpftrace_runqlat() -> Result<(PathBuf, Vec<String>), String> {
    let bpftrace = package("bpftrace", "bpftrace")?;
    let script = std::fs::read_to_string(RUNQLAT_BT).map_err(|error| format!("{RUNQLAT_BT}: {error}"))?;
    let script: Vec<&str> = script.lines().filter(|line| !line.starts_with('#')).collect();
    Ok((
        bpftrace,
        vec!["-e".into(), script.join("\n").replace(TASK_RUNNING.0, TASK_RUNNING.1)],
    ))
}
