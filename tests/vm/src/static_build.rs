//! Our own programs and tests as static files, which run in a guest that holds nothing else.

use crate::Error;
use serde_json::Value;
use std::collections::BTreeMap;
use std::env;
use std::io::{BufRead, BufReader, Read, Write, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The one target: the guest's.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// Builds the workspace's program `name` (release profile) and answers where it is.
///
/// # Errors
/// [`Error::Tool`] when cargo fails; its messages are on standard error.
pub fn static_binary(name: &str) -> Result<PathBuf, Error> {
    // Only the harness's own programs live outside the root package.
    let package = if name.starts_with("ghostsched-vm") {
        "ghostsched-vm"
    } else {
        "ghostsched"
    };
    build(name, &["build", "--package", package, "--bin", name])
}

/// Builds the root package's `examples/NAME.rs` (release profile) and answers where it is.
///
/// # Errors
/// [`Error::Tool`] when cargo fails; its messages are on standard error.
pub fn static_example(name: &str) -> Result<PathBuf, Error> {
    build(name, &["build", "--package", "ghostsched", "--example", name])
}

/// Builds the workspace's integration test `tests/NAME.rs` (release profile) and answers where it is. The program takes the
/// test runner's arguments: `--test-threads=1`, a filter, `--nocapture`.
///
/// # Errors
/// [`Error::Tool`] when cargo fails; its messages are on standard error.
pub fn static_test_binary(name: &str) -> Result<PathBuf, Error> {
    build(name, &["test", "--no-run", "--package", "ghostsched", "--test", name])
}

/// The repository's top folder.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap_or(here)
}

/// Where static programs are built: apart from the others, so that neither makes the other build anew.
fn target_folder() -> PathBuf {
    match env::var_os("CARGO_TARGET_DIR").filter(|folder| !folder.is_empty()) {
        Some(folder) => env::current_dir().unwrap_or_default().join(folder).join("static"),
        None => repository().join("target/static"),
    }
}

/// Builds once in this process. Tests that run side by side wait here and not in cargo, which would complain about its locks.
fn build(name: &str, arguments: &[&str]) -> Result<PathBuf, Error> {
    static BUILT: Mutex<BTreeMap<String, PathBuf>> = Mutex::new(BTreeMap::new());
    // The map is whole between any two statements, so that a test that panicked elsewhere does no harm.
    let mut built = BUILT.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let key = arguments.join(" ");
    if let Some(path) = built.get(&key) {
        return Ok(path.clone());
    }
    let path = build_now(name, arguments)?;
    built.insert(key, path.clone());
    Ok(path)
}

fn build_now(name: &str, arguments: &[&str]) -> Result<PathBuf, Error> {
    let what = format!("building {name} statically");
    let failed = |why: &str| Error::Tool {
        what: what.clone(),
        why: why.into(),
    };
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(repository()).args(arguments);
    command.args([
        "--release",
        "--target",
        TARGET,
        "--message-format=json-render-diagnostics",
    ]);
    command.arg("--target-dir").arg(target_folder());
    let flags = env::var("RUSTFLAGS").unwrap_or_default();
    command.env("RUSTFLAGS", format!("{flags} -C target-feature=+crt-static").trim());
    command.env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    // What an outer cargo set for us would stand above RUSTFLAGS, or be taken for a change and build everything anew.
    for name in env::vars_os().map(|(name, _)| name) {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") || text == "CARGO_ENCODED_RUSTFLAGS" {
            command.env_remove(&name);
        }
    }
    let spawned = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = spawned.map_err(|_| Error::Missing {
        program: "cargo".into(),
        package: "cargo, or use rustup",
    })?;
    let messages = child.stderr.take();
    let forward = std::thread::spawn(move || messages.map(forward));
    let found = child.stdout.take().and_then(|output| executable(output, name));
    let status = child.wait().map_err(Error::io("wait for", Path::new("cargo")))?;
    let _ = forward.join();
    if !status.success() {
        return Err(failed("cargo's messages are above"));
    }
    found.ok_or_else(|| failed("cargo named no such program"))
}

/// The path of the program `name` in cargo's messages.
fn executable(output: impl Read, name: &str) -> Option<PathBuf> {
    let mut found = None;
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let message: Value = serde_json::from_str(&line).unwrap_or_default();
        if message["target"]["name"] == name
            && let Some(path) = message["executable"].as_str()
        {
            found = Some(PathBuf::from(path));
        }
    }
    found
}

/// Passes cargo's messages on, without the lines that only say that nothing was to do.
fn forward(messages: impl Read) {
    for line in BufReader::new(messages).lines().map_while(Result::ok) {
        if !line.trim_start().starts_with("Finished") && !line.trim_start().starts_with("Executable") {
            let _ = stderr().lock().write_all(format!("{line}\n").as_bytes());
        }
    }
}
