//! The exactness tests of `tests/exact.rs` in other kernels: each wait against the replay of the raw events, thread totals
//! against schedstat, throttled time against cpu.stat, on cgroup v1 and v2, with two and with four CPUs.

#[path = "support/skip.rs"]
mod skip;

use std::time::Duration;

use ghostsched_vm::{Cgroup, Release, Scenario, Topology, Vm, static_binary, static_test_binary};

/// Runs the exactness tests in a guest; prints what they measured.
fn exact_in(release: Release, topology: Topology, cgroup: Cgroup) {
    let Some(vm) = Vm::or_skip(release) else { return };
    let tests = Scenario::program(static_test_binary("exact").expect("build the tests"))
        .cgroup(cgroup)
        .env("RUST_BACKTRACE", "0")
        .args(["--test-threads=1", "--nocapture"]);
    let vm = vm.topology(topology).timeout(Duration::from_secs(300)).memory_mb(2048);
    let output = vm.run_steady(&tests).expect("run the guest");
    let text = String::from_utf8_lossy(&output.stdout);
    for line in text
        .lines()
        .filter(|line| line.contains("exact") || line.contains("cpu.stat") || line.contains("arrivals"))
    {
        println!("{}: {line}", vm.kernel());
    }
    assert!(text.contains("test result: ok."), "{text}\n{}", output.console);
}

#[test]
fn linux_6_1_is_measured_exactly() {
    exact_in(Release::V6_1, Topology::smt(1, 2), Cgroup::V2);
}

#[test]
fn linux_6_12_is_measured_exactly() {
    exact_in(Release::V6_12, Topology::smt(2, 2), Cgroup::V2);
}

#[test]
fn linux_6_12_is_measured_exactly_with_the_cpu_controller_on_v1() {
    exact_in(Release::V6_12, Topology::smt(1, 2), Cgroup::V1);
}

#[test]
fn linux_7_is_measured_exactly() {
    exact_in(Release::V7, Topology::smt(1, 2), Cgroup::V2);
}

#[test]
fn the_static_command_reports_in_every_kernel() {
    for release in Release::ALL {
        let Some(vm) = Vm::or_skip(release) else { continue };
        let command = Scenario::program(static_binary("ghostsched").expect("build the command"))
            .args(["latency", "--for", "2s", "--json"]);
        let report = vm.run_steady(&command).expect("run the guest").json().expect("JSON");
        assert_eq!(report["schema"], 1, "{report}");
        assert!(
            report["quality"]["switches"].as_u64().is_some_and(|n| n > 10),
            "{report}"
        );
        let check = &report["quality"]["self_check"];
        assert_eq!(check["exact"], check["threads"], "{}: {check}", vm.kernel());
    }
}

#[test]
fn a_cpu_that_goes_and_comes_back_is_measured_on() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let Some(shell) = ["/bin/busybox", "/usr/bin/busybox"]
        .into_iter()
        .find(|path| std::path::Path::new(path).exists())
    else {
        skip::skipped("busybox-static not installed (apt-get install busybox-static)");
        return;
    };
    let script = "cpu=/sys/devices/system/cpu/cpu1/online; for i in 1 2 3; do echo 0 > $cpu; sleep 0.3; echo 1 > $cpu; sleep 0.3; done";
    let command = Scenario::program(static_binary("ghostsched").expect("build the command"))
        .file(shell, "/bin/sh")
        .args(["latency", "--json", "--", "/bin/sh", "-c", script]);
    let report = vm
        .topology(Topology::smt(1, 2))
        .run_steady(&command)
        .expect("run the guest")
        .json()
        .expect("JSON");
    let check = &report["quality"]["self_check"];
    assert_eq!(check["exact"], check["threads"], "{report}");
    let sums = |group: &serde_json::Value| {
        let part = |name: &str| group["wait"][name].as_u64().expect("ns");
        let parts = ["same_ns", "other_ns", "idle_ns", "throttled_ns", "unattributed_ns"].map(part);
        (parts.iter().sum::<u64>(), part("sum_ns"))
    };
    for group in report["groups"].as_array().expect("groups") {
        let (parts, whole) = sums(group);
        assert_eq!(parts, whole, "{group}");
    }
    assert!(
        report["quality"]["switches"].as_u64().is_some_and(|n| n > 50),
        "{report}"
    );
}
