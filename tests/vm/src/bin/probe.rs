//! A guest's view of itself, as JSON: which kernel, how many CPUs in which arrangement, what this kernel can do. It is the
//! program of the harness's own tests, and `probe hang` and `probe panic` are its ways to fail.

use serde_json::{Value, json};
use std::fs::{self, read_to_string};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let word = std::env::args().nth(1).unwrap_or_default();
    match word.as_str() {
        "" => println!("{}", report()),
        "hang" => {
            println!("about to hang");
            loop {
                std::thread::park();
            }
        }
        "panic" => {
            let crash = fs::write("/proc/sysrq-trigger", "c");
            eprintln!("this kernel did not crash when asked: {crash:?}");
            return ExitCode::from(3);
        }
        "fail" => {
            eprintln!("failing as asked");
            return ExitCode::from(7);
        }
        "megabyte" => print!("\"{}\"", "x".repeat(1 << 20)),
        "clock" => println!("{}", json!({ "ns": loop_ns() })),
        _ => {
            eprintln!("usage: probe [hang|panic|fail|megabyte|clock]");
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}

fn report() -> Value {
    json!({
        "release": line("/proc/sys/kernel/osrelease"),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "possible": line("/sys/devices/system/cpu/possible"),
        "siblings": per_cpu("topology/thread_siblings_list"),
        "packages": per_cpu("topology/physical_package_id"),
        "smt": line("/sys/devices/system/cpu/smt/active"),
        "nodes": line("/sys/devices/system/node/online"),
        "memory_kb": memory_kb(),
        "btf": fs::metadata("/sys/kernel/btf/vmlinux").map_or(0, |meta| meta.len()),
        "bpffs": writable("/sys/fs/bpf"),
        "tracefs": Path::new("/sys/kernel/tracing/events/sched/sched_switch").exists(),
        "schedstats": Path::new("/proc/sys/kernel/sched_schedstats").exists(),
        "sched_ext": Path::new("/sys/kernel/sched_ext").exists(),
        "core_scheduling": core_scheduling(),
        "throttled_us": throttled_us().unwrap_or_else(|why| json!(why)),
        "env": std::env::var("PROBE").ok(),
    })
}

fn line(path: &str) -> Option<String> {
    read_to_string(path).ok().map(|text| text.trim().to_owned())
}

fn per_cpu(file: &str) -> Vec<Option<String>> {
    let path = |cpu: usize| format!("/sys/devices/system/cpu/cpu{cpu}");
    (0..)
        .take_while(|cpu| Path::new(&path(*cpu)).exists())
        .map(|cpu| line(&format!("{}/{file}", path(cpu))))
        .collect()
}

fn memory_kb() -> Option<u64> {
    let text = read_to_string("/proc/meminfo").ok()?;
    text.lines().next()?.split_whitespace().nth(1)?.parse().ok()
}

fn writable(folder: &str) -> bool {
    let probe = format!("{folder}/ghostsched-probe");
    fs::create_dir(&probe).and_then(|()| fs::remove_dir(&probe)).is_ok()
}

/// Whether the kernel knows core scheduling: asking for our own cookie is EINVAL where it does not, ENODEV without SMT.
fn core_scheduling() -> bool {
    const PR_SCHED_CORE: libc::c_int = 62;
    const GET: libc::c_ulong = 0;
    let mut cookie = 0_u64;
    // SAFETY: with GET and scope 0 the kernel writes one u64 to the address of `cookie`.
    let result = unsafe { libc::prctl(PR_SCHED_CORE, GET, 0_u64, 0_u64, &raw mut cookie) };
    result == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::ENODEV)
}

/// Spins in a cgroup with a quota of a fifth of one CPU and answers how long the kernel says it was throttled, in us; v2 where
/// the controller is there, else v1.
fn throttled_us() -> Result<Value, String> {
    let v2 = "/sys/fs/cgroup";
    if read_to_string(format!("{v2}/cgroup.controllers")).is_ok_and(|list| list.split_whitespace().any(|c| c == "cpu"))
    {
        write(&format!("{v2}/cgroup.subtree_control"), "+cpu")?;
        throttle(
            &format!("{v2}/probe"),
            &[("cpu.max", "20000 100000")],
            "throttled_usec",
            1,
        )
    } else {
        let quota = [("cpu.cfs_period_us", "100000"), ("cpu.cfs_quota_us", "20000")];
        throttle("/sys/fs/cgroup/cpu,cpuacct/probe", &quota, "throttled_time", 1000)
    }
}

fn throttle(group: &str, quota: &[(&str, &str)], field: &str, per_us: u64) -> Result<Value, String> {
    fs::create_dir(group).map_err(|e| format!("{group}: {e}"))?;
    for (file, value) in quota {
        write(&format!("{group}/{file}"), value)?;
    }
    let parent = Path::new(group).parent().unwrap_or(Path::new("/"));
    write(&format!("{group}/cgroup.procs"), "0")?;
    let began = Instant::now();
    while began.elapsed() < Duration::from_millis(400) {
        std::hint::spin_loop();
    }
    write(&parent.join("cgroup.procs").display().to_string(), "0")?;
    let stat = read_to_string(format!("{group}/cpu.stat")).map_err(|e| e.to_string())?;
    let value = stat
        .lines()
        .find_map(|line| line.strip_prefix(field)?.trim().parse::<u64>().ok());
    value
        .map(|value| json!(value / per_us))
        .ok_or_else(|| format!("{group}/cpu.stat has no {field}"))
}

fn write(path: &str, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|e| format!("{path}: {e}"))
}

/// How long a fixed loop takes by the guest's own clock: the same in every run when time is counted.
fn loop_ns() -> u64 {
    let began = Instant::now();
    for turn in 0..1_000_000_u64 {
        std::hint::black_box(turn);
    }
    u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX)
}
