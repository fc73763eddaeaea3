//! The command line, from outside: whatever is wrong with it is one line that says what to write, before anything is
//! measured, with a status that scripts can tell apart.

use std::process::{Command, Output};

fn ghostsched(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ghostsched"))
        .args(arguments)
        .output()
        .expect("the command starts")
}

/// Runs what must be refused, and gives its one line.
fn refused(arguments: &[&str]) -> String {
    let output = ghostsched(arguments);
    let line = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert!(output.stdout.is_empty(), "{arguments:?} wrote to stdout");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: not one line: {line}");
    assert!(line.starts_with("ghostsched: "), "{arguments:?}: {line}");
    assert!(!line.contains("os error"), "{arguments:?}: {line}");
    line
}

fn refused_with(arguments: &[&str], says: &str) {
    let line = refused(arguments);
    assert!(line.contains(says), "{arguments:?} should say {says:?}: {line}");
}

#[test]
fn no_command_and_an_unknown_one_are_refused_with_what_to_write() {
    refused_with(&[], "ghostsched latency --for 10s");
    refused_with(&["latencies"], "latency");
    refused_with(&["latency", "--fort", "1s"], "--for");
    refused_with(&["latency", "stray"], "stray");
}

#[test]
fn a_bad_duration_is_refused_with_what_to_write() {
    for (text, says) in [
        ("10", "write 10us, 10ms or 10s"),
        ("0s", "at least 1ms"),
        ("1us", "at least 1ms"),
        ("x", "such as 50us"),
        ("1y", "write ns, us, ms, s, m or h"),
        ("99999999999999999999s", "at most 292 years"),
        ("1.0000000001s", "whole number of nanoseconds"),
        ("", "value"),
    ] {
        refused_with(&["latency", "--for", text], says);
        refused_with(&["latency", "--every", text], says);
    }
    refused_with(&["latency", "--for"], "--for");
    refused_with(&["latency", "--for", "1s", "--for", "2s"], "--for");
}

#[test]
fn bad_bounds_are_refused_with_what_to_write() {
    let many: Vec<String> = (1..=65).map(|n| format!("{n}us")).collect();
    for (text, says) in [
        ("1ms,50us", "sort them"),
        ("1ms,1ms", "sort them"),
        ("0ms,1ms", "bounds start at 1ns"),
        (many.join(",").as_str(), "at most 64"),
        ("1ms,99999999999999999999s", "at most 292 years"),
        ("1ms,,2ms", "bound 2 is empty"),
        ("1ms,", "bound 2 is empty"),
        ("1,2,3", "write 1us, 1ms or 1s"),
        ("log3", "such as 50us"),
    ] {
        refused_with(&["latency", "--bounds", text], says);
        refused_with(&["bounds", text], says);
    }
}

#[test]
fn a_bad_glob_is_refused_with_what_to_write() {
    for (text, says) in [
        ("/a[b", "never closed"),
        ("/a[]", "set of nothing"),
        ("/a**b", "whole components"),
        ("/a//b", "one '/'"),
        ("/a\\", "nothing follows"),
    ] {
        refused_with(&["latency", "--cgroup", text], says);
        refused_with(&["latency", "--fail-if", &format!("p99(other,{text})>5ms")], says);
    }
}

#[test]
fn a_bad_condition_is_refused_with_what_to_write() {
    for (text, says) in [
        ("p99", "such as 'p99(other,/shop/api)>5ms'"),
        ("p99(other)>5", "write 5us, 5ms or 5s"),
        ("p999(other)>5ms", "is not a statistic"),
        ("p99(others)>5ms", "is not a part"),
        ("share(other)>5ms", "such as 20%"),
        ("count(wait)>1.5", "whole number"),
    ] {
        refused_with(&["latency", "--fail-if", text], says);
    }
}

#[test]
fn bad_numbers_and_choices_are_refused_with_what_to_write() {
    refused_with(&["latency", "--method", "magic"], "auto, log, clock");
    refused_with(&["latency", "--max-groups", "0"], "1..");
    refused_with(&["latency", "--max-groups", "many"], "--max-groups");
    refused_with(&["latency", "--max-memory", "lots"], "such as 64MiB");
    refused_with(&["latency", "--max-memory", "0"], "such as 64MiB");
    refused_with(&["latency", "--level=-1"], "--level");
    refused_with(&["latency", "--level", "4294967296"], "--level");
    refused_with(&["latency", "--top=-3"], "--top");
}

#[test]
fn options_that_exclude_each_other_are_refused() {
    for arguments in [
        &["latency", "--json", "--live"][..],
        &["latency", "--json", "--matrix"],
        &["latency", "--for", "1s", "--", "true"],
        &["latency", "--trace", "file", "--for", "1s"],
        &["latency", "--trace", "file", "--live"],
        &["latency", "--listen", "127.0.0.1:0", "--json"],
    ] {
        refused_with(arguments, "cannot be used with");
    }
    refused_with(&["latency", "--control", "/tmp/x"], "--listen");
}

#[test]
fn a_trace_that_is_none_is_refused_in_words() {
    refused_with(&["latency", "--trace", "/no/such/trace"], "/no/such/trace");
    refused_with(&["latency", "--trace", "/"], "/");
    refused_with(&["latency", "--trace", env!("CARGO_MANIFEST_PATH")], "Cargo.toml");
}

#[test]
fn a_recording_needs_a_file_and_sane_sizes() {
    refused_with(&["record"], "--output <FILE>");
    refused_with(&["record", "-o", "/dev/null", "--buffer", "2GiB"], "at most 1GiB");
    refused_with(&["record", "-o", "/dev/null", "--for", "0s"], "at least 1ms");
    let output = ghostsched(&["record", "-o", "/no/such/directory/file"]);
    let line = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        line.contains("cannot write /no/such/directory/file: no such file or directory"),
        "{line}"
    );
}

#[test]
fn a_name_that_is_not_text_is_refused_in_one_line() {
    use std::os::unix::ffi::OsStrExt;
    let bad = std::ffi::OsStr::from_bytes(b"/a\xff");
    let output = Command::new(env!("CARGO_BIN_EXE_ghostsched"))
        .args(["latency".as_ref(), "--cgroup".as_ref(), bad])
        .output()
        .expect("the command starts");
    assert_eq!(
        (
            output.status.code(),
            output.stderr.iter().filter(|&&b| b == b'\n').count()
        ),
        (Some(2), 1)
    );
}

#[test]
fn a_name_cannot_break_the_line_or_command_the_terminal() {
    let line = refused(&["latency", "--cgroup", "/a\n\x1b[2Jb["]);
    assert!(!line.contains('\x1b'), "{line:?}");
    let line = refused(&["latency", "--fail-if", "p99(other,/\x1b[2J\n)>5"]);
    assert!(!line.contains('\x1b'), "{line:?}");
}

#[test]
fn help_tells_the_exit_statuses_and_the_version_is_printed() {
    for arguments in [&["--help"][..], &["latency", "--help"]] {
        let output = ghostsched(arguments);
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        assert_eq!(output.status.code(), Some(0));
        assert!(text.contains("Exit status: 0 done"), "{text}");
        assert_eq!(text.contains("Memory: CPUs x"), arguments.len() > 1);
    }
    let version = ghostsched(&["--version"]);
    assert!(version.stdout.starts_with(b"ghostsched "));
}
