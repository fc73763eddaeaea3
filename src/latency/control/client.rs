//! The other end of the control socket: `ghostsched status`, `reset` and `bounds`.

use std::io::{ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use ghostsched_bpf::Error;
use ghostsched_core::histogram::Bounds;
use serde_json::Value;

use super::super::connections::Timed;
use crate::units;

/// Longer than the server waits for its profiler.
const TIME: Duration = Duration::from_secs(15);
/// No answer is longer.
const MOST_ANSWER: u64 = 64 << 10;

/// The state of the running measurement, as one line of JSON.
pub fn status(path: &Path) -> Result<String, Error> {
    ask(path, "status", TIME).map(|reply| reply.to_string())
}

/// Begins counting anew; a line for people.
pub fn reset(path: &Path) -> Result<String, Error> {
    let reply = ask(path, "reset", TIME)?;
    Ok(format!(
        "reset: pid {} counts anew from now on (epoch {})",
        reply["pid"], reply["epoch"]
    ))
}

/// Changes the bounds; a line for people.
pub fn bounds(path: &Path, bounds: &Bounds) -> Result<String, Error> {
    let list: Vec<String> = bounds.as_slice().iter().map(|ns| units::exact_ns(*ns)).collect();
    let list = list.join(",");
    let reply = ask(path, &format!("bounds {list}"), TIME)?;
    Ok(format!(
        "bounds: pid {} counts anew with {list} (epoch {})",
        reply["pid"], reply["epoch"]
    ))
}

/// Sends one request and reads its answer; an answer that says no is an error.
pub fn ask(path: &Path, request: &str, time: Duration) -> Result<Value, Error> {
    let shown = path.display();
    let stream = UnixStream::connect(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::Input(format!(
            "nothing is running at {shown}: start `ghostsched latency --listen 127.0.0.1:9435`, or give its --control"
        )),
        ErrorKind::ConnectionRefused => Error::Input(format!(
            "nothing is running at {shown} any more: start `ghostsched latency --listen 127.0.0.1:9435` again"
        )),
        ErrorKind::PermissionDenied => Error::Privilege(format!(
            "{shown} belongs to someone else: run this as the user who started it (root)"
        )),
        _ => Error::System(format!("cannot connect to {shown}: {error}")),
    })?;
    let mut stream = Timed::new(stream, time);
    let mut answer = Vec::new();
    // What refuses a request may close before it has read all of it; its answer is there all the same.
    let _ = stream.write_all(format!("{request}\n").as_bytes());
    stream.close(Shutdown::Write);
    let _ = stream.take(MOST_ANSWER).read_to_end(&mut answer);
    if answer.is_empty() {
        return Err(Error::System(format!(
            "{shown} does not answer: is it ghostsched that listens there?"
        )));
    }
    let reply: Value = serde_json::from_slice(&answer)
        .map_err(|_| Error::System(format!("{shown} gave no answer that ghostsched would give")))?;
    match (reply["ok"].as_bool(), reply["error"].as_str()) {
        (Some(true), _) => Ok(reply),
        (_, Some(error)) => Err(Error::Input(error.to_owned())),
        _ => Err(Error::System(format!(
            "{shown} gave no answer that ghostsched would give"
        ))),
    }
}
