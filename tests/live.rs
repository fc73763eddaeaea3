//! The command on the live kernel, in the corners: thousands of cgroups, capacity, two instances, being killed, no privilege,
//! no BTF, no room for the output. Needs root.

#[allow(dead_code, reason = "shared with tests/exact.rs, which uses the rest")]
#[path = "live/load.rs"]
mod load;
#[path = "support/skip.rs"]
mod skip;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use ghostsched_bpf::object::is_privileged;
use serde_json::Value;

use load::{Cgroup, Child, Load};
use skip::skipped;

const GHOSTSCHED: &str = env!("CARGO_BIN_EXE_ghostsched");

fn can_measure() -> bool {
    if !is_privileged() {
        skipped("needs root, or CAP_BPF and CAP_PERFMON");
    }
    is_privileged()
}

fn cgroup(path: &str) -> Option<Cgroup> {
    Cgroup::new(path).map_err(|why| skipped(&why)).ok()
}

fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

fn measure(arguments: &[&str]) -> Value {
    let output = Command::new(GHOSTSCHED)
        .args(["latency", "--json"])
        .args(arguments)
        .output()
        .expect("it starts");
    report(&output)
}

fn row<'r>(report: &'r Value, path: &str) -> &'r Value {
    let groups = report["groups"].as_array().expect("groups");
    groups
        .iter()
        .find(|group| group["path"] == path)
        .unwrap_or_else(|| panic!("no row {path}"))
}

/// Five thousand cgroups below `/gs-many`, and a process that has run in each.
struct Many {
    parent: Cgroup,
    dirs: Vec<PathBuf>,
}

impl Many {
    fn new(count: usize) -> Option<Self> {
        let parent = cgroup("/gs-many")?;
        let dirs: Vec<PathBuf> = (0..count).map(|i| parent.dir.join(format!("pod{i}"))).collect();
        let _ = fs::write(parent.dir.join("cgroup.subtree_control"), "+cpu");
        for dir in &dirs {
            fs::create_dir_all(dir).expect("make a cgroup");
        }
        Some(Self { parent, dirs })
    }

    /// Runs a process for a moment in every cgroup, one after the other.
    fn visit(&self) {
        let mut child = Command::new("sleep").arg("60").spawn().expect("it starts");
        let pid = child.id().to_string();
        for dir in &self.dirs {
            fs::write(dir.join("cgroup.procs"), &pid).expect("move a process");
            // Each signal makes it run in its new cgroup.
            for signal in [libc::SIGSTOP, libc::SIGCONT] {
                // SAFETY: no pointer is passed.
                unsafe { libc::kill(child.id() as i32, signal) };
            }
            std::thread::sleep(Duration::from_micros(100));
        }
        child.kill().expect("end it");
        child.wait().expect("reap it");
    }
}

impl Drop for Many {
    fn drop(&mut self) {
        for dir in &self.dirs {
            let _ = fs::remove_dir(dir);
        }
        let _ = &self.parent;
    }
}

#[test]
fn five_thousand_cgroups_are_told_apart_in_bounded_memory() {
    if !can_measure() {
        return;
    }
    let Some(many) = Many::new(5_000) else { return };
    let child = Command::new(GHOSTSCHED)
        .args(["latency", "--json", "--for", "300s", "--cgroup", "/gs-many/**"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    std::thread::sleep(Duration::from_secs(2));
    many.visit();
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).expect("its status");
    // SAFETY: no pointer is passed.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let report = report(&child.wait_with_output().expect("its output"));
    let seen = report["groups"].as_array().expect("groups").len();
    let peak_kb = status.lines().find_map(|line| {
        line.strip_prefix("VmHWM:")?
            .trim()
            .strip_suffix("kB")?
            .trim()
            .parse::<u64>()
            .ok()
    });
    println!("{seen} groups seen, peak {peak_kb:?} kB before the report");
    assert!(seen >= 4_900, "{seen} of 5000 cgroups");
    assert_eq!(report["quality"]["groups_over_capacity"], 0);
    assert!(peak_kb.is_some_and(|kb| kb < 300_000), "{peak_kb:?} kB");
}

#[test]
fn groups_beyond_the_capacity_are_an_explicit_remainder() {
    if !can_measure() {
        return;
    }
    let Some(many) = Many::new(50) else { return };
    let child = Command::new(GHOSTSCHED)
        .args(["latency", "--json", "--max-groups", "8"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    std::thread::sleep(Duration::from_millis(1500));
    many.visit();
    // SAFETY: no pointer is passed.
    unsafe { libc::kill(child.id() as i32, libc::SIGINT) };
    let report = report(&child.wait_with_output().expect("its output"));
    assert!(
        report["quality"]["groups_over_capacity"]
            .as_u64()
            .is_some_and(|n| n > 0),
        "{report}"
    );
    assert!(
        row(&report, "(rest)")["on"]["count"].as_u64().is_some_and(|n| n > 0),
        "{report}"
    );
    assert!(report["groups"].as_array().expect("groups").len() <= 9);
}

#[test]
fn a_second_instance_beside_the_first_sees_the_same_waits() {
    if !can_measure() {
        return;
    }
    let Some(group) = cgroup("/gs-two") else { return };
    let _hogs = [
        Child::spawn(&group, Some(0), Load::Hog),
        Child::spawn(&group, Some(0), Load::Hog),
    ];
    let start = || {
        Command::new(GHOSTSCHED)
            .args(["latency", "--json", "--for", "2s", "--control", &control_path()])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts")
    };
    let (one, two) = (start(), start());
    let reports = [one, two].map(|child| report(&child.wait_with_output().expect("its output")));
    let same = reports.map(|report| row(&report, "/gs-two")["wait"]["same_ns"].as_u64().expect("ns"));
    println!("same: {same:?} ns");
    assert!(same.iter().all(|&ns| ns > 200_000_000), "{same:?}");
    assert!(same[0].abs_diff(same[1]) < same[0] / 2, "{same:?}");
}

/// A control socket of one's own, should the command open one.
fn control_path() -> String {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    std::env::temp_dir()
        .join(format!("ghostsched-{}-{number}.sock", std::process::id()))
        .display()
        .to_string()
}

#[test]
fn a_killed_measurement_leaves_no_program_behind() {
    if !can_measure() {
        return;
    }
    let Some(bpftool) = ["/usr/sbin/bpftool", "/usr/bin/bpftool"]
        .into_iter()
        .find(|path| fs::exists(path).unwrap_or(false))
    else {
        skipped("bpftool not installed (apt-get install bpftool)");
        return;
    };
    let loaded = || {
        let output = Command::new(bpftool)
            .args(["prog", "show"])
            .output()
            .expect("it starts");
        String::from_utf8_lossy(&output.stdout).matches("name latency_").count()
    };
    let before = loaded();
    let mut child = Command::new(GHOSTSCHED)
        .args(["latency", "--for", "60s"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let deadline = Instant::now() + Duration::from_secs(20);
    while loaded() == before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(loaded() > before, "no program was loaded");
    child.kill().expect("SIGKILL");
    child.wait().expect("reap it");
    let deadline = Instant::now() + Duration::from_secs(10);
    while loaded() > before && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(loaded(), before);
}

#[test]
fn a_level_makes_the_pods_of_a_slice_one_group() {
    if !can_measure() {
        return;
    }
    let (Some(a), Some(b)) = (cgroup("/gs-slice/a"), cgroup("/gs-slice/b")) else {
        return;
    };
    let _hogs = [
        Child::spawn(&a, Some(0), Load::Hog),
        Child::spawn(&b, Some(0), Load::Hog),
    ];
    let leaves = measure(&["--for", "1s"]);
    let folded = measure(&["--for", "1s", "--level", "1"]);
    let part = |report: &Value, path: &str, part: &str| row(report, path)["wait"][part].as_u64().expect("ns");
    let (other, same) = (
        part(&leaves, "/gs-slice/a", "other_ns"),
        part(&leaves, "/gs-slice/a", "same_ns"),
    );
    assert!(
        other > 10 * same,
        "leaf cgroups wait for each other: other {other}, same {same}"
    );
    assert!(part(&folded, "/gs-slice", "same_ns") > 200_000_000, "{folded}");
    assert!(
        folded["groups"]
            .as_array()
            .expect("groups")
            .iter()
            .all(|group| group["path"] != "/gs-slice/a")
    );
}

/// Runs the command as somebody or somewhere else; gives back its status and what it said.
fn said(program: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(program).args(arguments).output().expect("it starts");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

fn is_one_line(text: &str, holding: &str) {
    assert!(text.contains(holding), "{text:?}");
    assert_eq!(text.trim_end().lines().count(), 1, "{text:?}");
}

#[test]
fn a_caller_without_privilege_is_told_what_is_needed() {
    if !can_measure() {
        return;
    }
    // Where nobody may run it: the build directory may be closed to others.
    let copy = std::env::temp_dir().join(format!("ghostsched-{}", std::process::id()));
    fs::copy(GHOSTSCHED, &copy).expect("copy it");
    let path = copy.display().to_string();
    let (status, text) = said(
        "setpriv",
        &["--reuid=65534", "--clear-groups", &path, "latency", "--for", "1s"],
    );
    fs::remove_file(copy).expect("remove it");
    assert_eq!(status, Some(1), "{text}");
    is_one_line(&text, "needs root, or CAP_BPF and CAP_PERFMON");
}

#[test]
fn a_kernel_without_btf_is_named_by_its_option() {
    if !can_measure() {
        return;
    }
    let script = format!("mount -t tmpfs none /sys/kernel/btf && exec {GHOSTSCHED} latency --for 1s");
    let (status, text) = said("unshare", &["--mount", "sh", "-c", &script]);
    assert_eq!(status, Some(1), "{text}");
    is_one_line(&text, "needs CONFIG_DEBUG_INFO_BTF");
}

#[test]
fn a_full_disk_is_one_line_and_a_failure() {
    let script = format!("{GHOSTSCHED} latency --trace tests/data/demo.trace --json > /dev/full");
    let (status, text) = said("sh", &["-c", &script]);
    assert_eq!(status, Some(1), "{text}");
    is_one_line(&text, "no space left");
}

#[test]
fn the_bundled_trace_tells_who_starves_whom() {
    let output = Command::new(GHOSTSCHED)
        .args(["latency", "--trace", "tests/data/demo.trace", "--json"])
        .output()
        .expect("it starts");
    let report = report(&output);
    let limited = row(&report, "/ghostsched-demo/limited");
    let (throttled, sum) = (&limited["wait"]["throttled_ns"], &limited["wait"]["sum_ns"]);
    assert!(
        throttled.as_u64() > sum.as_u64().map(|sum| sum / 3),
        "throttled {throttled} of {sum}"
    );
    for group in report["groups"].as_array().expect("groups") {
        let wait = &group["wait"];
        let part = |name: &str| wait[name].as_u64().expect("ns");
        let parts = ["same_ns", "other_ns", "idle_ns", "throttled_ns", "unattributed_ns"].map(part);
        assert_eq!(parts.iter().sum::<u64>(), part("sum_ns"), "{group}");
    }
}
