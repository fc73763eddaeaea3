//! The harness that boots kernels in QEMU keeps its word: what was asked for is there, what came out is whole, and what went
//! wrong is said. Scenarios of ghostsched itself are in other files; `tests/vm/README.md` shows how to write one.

use ghostsched_vm::{
    Cgroup, Clock, Error, Exit, Kernel, Output, Release, Scenario, Topology, Vm, static_binary, static_test_binary,
};
use serde_json::{Value, json};
use std::time::Duration;

/// The harness's own program, which describes the guest it runs in.
fn probe(words: &[&str]) -> Scenario {
    Scenario::program(static_binary("ghostsched-vm-probe").unwrap()).args(words.iter().copied())
}

/// What the probe says, after one line about the time it took.
fn describe(vm: &Vm, scenario: &Scenario) -> Value {
    let output = vm.run_steady(scenario).unwrap();
    println!(
        "{}: booted in {:?}, {:?} from start to power-off",
        vm.kernel(),
        output.boot,
        output.wall
    );
    assert!(
        output.console.contains("Power down"),
        "no clean power-off:\n{}",
        output.console
    );
    output.json().unwrap()
}

fn boots_as_asked(release: Release) {
    let Some(vm) = Vm::or_skip(release) else { return };
    let seen = describe(&vm.topology(Topology::smt(2, 2)), &probe(&[]).env("PROBE", "here"));
    assert!(
        seen["release"].as_str().unwrap().starts_with(release.prefix()),
        "{seen}"
    );
    assert_eq!((&seen["cpus"], &seen["possible"]), (&json!(4), &json!("0-3")));
    assert_eq!(seen["siblings"], json!(["0-1", "0-1", "2-3", "2-3"]));
    assert_eq!(seen["smt"], "1");
    assert!(seen["btf"].as_u64().unwrap() > 1_000_000, "{seen}");
    assert_eq!(
        (&seen["bpffs"], &seen["tracefs"], &seen["schedstats"]),
        (&json!(true), &json!(true), &json!(true))
    );
    assert!(
        seen["throttled_us"].as_u64().is_some_and(|us| us > 50_000),
        "the cpu controller does not work: {seen}"
    );
    assert_eq!(seen["env"], "here");
}

#[test]
fn kernel_6_1_boots_as_asked() {
    boots_as_asked(Release::V6_1);
}

#[test]
fn kernel_6_12_boots_as_asked() {
    boots_as_asked(Release::V6_12);
}

#[test]
fn kernel_7_boots_as_asked() {
    boots_as_asked(Release::V7);
}

#[test]
fn the_cpu_controller_can_be_on_cgroup_v1() {
    let Some(vm) = Vm::or_skip(Release::V6_1) else { return };
    let seen = describe(&vm, &probe(&[]).cgroup(Cgroup::V1));
    assert!(seen["throttled_us"].as_u64().is_some_and(|us| us > 50_000), "{seen}");
}

#[test]
fn sockets_nodes_and_four_siblings_are_visible() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let seen = describe(&vm.topology(Topology::smt(1, 4).sockets(2).numa(2)), &probe(&[]));
    assert_eq!((&seen["cpus"], &seen["nodes"]), (&json!(8), &json!("0-1")));
    assert_eq!(seen["packages"], json!(["0", "0", "0", "0", "1", "1", "1", "1"]));
    assert_eq!(seen["siblings"][7], "4-7");
}

#[test]
fn a_guest_that_hangs_is_killed_and_says_where_it_was() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let error = vm.timeout(Duration::from_secs(15)).run(&probe(&["hang"])).unwrap_err();
    assert!(matches!(error, Error::Timeout { .. }), "{error}");
    assert!(error.to_string().contains("about to hang"), "{error}");
}

#[test]
fn a_panic_is_reported_with_its_reason_and_at_once() {
    let Some(vm) = Vm::or_skip(Release::V6_1) else { return };
    let error = vm.run(&probe(&["panic"])).unwrap_err();
    assert!(matches!(error, Error::KernelFault { .. }), "{error}");
    assert!(error.to_string().contains("sysrq triggered crash"), "{error}");
    assert!(!error.is_absence());
}

#[test]
fn a_program_that_fails_is_reported_with_its_last_words() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let output = vm.run(&probe(&["fail"])).unwrap();
    assert_eq!(output.exit, Exit::Status(7));
    let error = output.json().unwrap_err().to_string();
    assert!(
        error.contains("exited with 7") && error.contains("failing as asked"),
        "{error}"
    );
}

#[test]
fn a_program_that_is_not_there_is_named() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let error = vm.run(&Scenario::command("/bin/nothing")).unwrap_err();
    assert!(
        matches!(&error, Error::Start(why) if why.contains("/bin/nothing")),
        "{error}"
    );
}

#[test]
fn a_megabyte_of_output_arrives_whole() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let text = describe(&vm, &probe(&["megabyte"]));
    assert!(text.as_str().unwrap().bytes().all(|byte| byte == b'x'));
    assert_eq!(text.as_str().unwrap().len(), 1 << 20);
}

#[test]
fn counted_time_is_the_same_in_every_run() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let vm = vm.clock(Clock::Counted);
    let [first, second]: [Output; 2] = [(); 2].map(|()| vm.run(&probe(&["clock"])).unwrap());
    assert_eq!(first.json().unwrap(), second.json().unwrap());
    assert_eq!(first.boot, second.boot);
}

#[test]
fn a_dynamic_program_is_refused_before_the_boot() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let dynamic = std::env::current_exe().unwrap();
    let error = vm.run(&Scenario::program(dynamic)).unwrap_err();
    assert!(matches!(error, Error::NotStatic(_)), "{error}");
}

#[test]
fn qemu_that_refuses_says_why() {
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let not_a_kernel = std::env::temp_dir().join(format!("ghostsched-not-a-kernel-{}", std::process::id()));
    std::fs::write(&not_a_kernel, "this is no kernel").unwrap();
    let run = Vm::new(Kernel::at(&not_a_kernel).unwrap()).run(&probe(&[]));
    std::fs::remove_file(&not_a_kernel).unwrap();
    assert!(
        matches!(run, Err(Error::Qemu(_))),
        "{run:?} instead of a refusal; {}",
        vm.kernel()
    );
}

/// In the guest this same test runs again, and looks around.
#[test]
fn a_test_binary_is_a_scenario_too() {
    if std::env::var_os("GHOSTSCHED_IN_GUEST").is_some() {
        assert_eq!(std::fs::read_to_string("/proc/1/comm").unwrap().trim(), "init");
        return;
    }
    let Some(vm) = Vm::or_skip(Release::V6_12) else { return };
    let tests = Scenario::program(static_test_binary("vm").unwrap()).env("GHOSTSCHED_IN_GUEST", "1");
    let output = vm
        .run(&tests.args(["--exact", "a_test_binary_is_a_scenario_too"]))
        .unwrap();
    let text = output.text().unwrap();
    assert!(text.contains("1 passed"), "{text}");
}
