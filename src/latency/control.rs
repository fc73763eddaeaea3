//! Steering a measurement while it runs: one line asks, one line of JSON answers.
//!
//! | request | answer |
//! |---|---|
//! | `status` | the state |
//! | `reset` | the state after the reset |
//! | `bounds 50us,1ms,20ms` | the state after the change |
//!
//! Every answer has `ok` and `pid`; a failed one has `error`, one line that says what to do. Who may open the socket may
//! ask, which is its owner alone ([`socket`]).

pub mod client;
pub mod socket;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::unix::net::UnixStream;
use std::process;
use std::time::Duration;

use ghostsched_bpf::Error;
use serde_json::{Map, Value, json};

use super::connections::{self, Service, Timed};
use super::hub::{Hub, Status};
use crate::units;

/// Where the socket is, if nobody says otherwise.
pub const DEFAULT_PATH: &str = "/run/ghostsched.sock";

/// Connections at a time.
const MOST_CONNECTIONS: usize = 8;
/// Requests a connection.
const MOST_REQUESTS: usize = 64;
/// The longest request: 64 bounds with room to spare.
const MOST_LINE: u64 = 4 << 10;
/// For each request to arrive, and for each answer to be taken.
const TIME: Duration = Duration::from_secs(5);

/// Answers on a claimed socket until the result is dropped.
pub fn serve(listener: socket::Listening, hub: Hub, listen: SocketAddr) -> io::Result<Service> {
    connections::serve(listener, MOST_CONNECTIONS, move |stream| talk(stream, &hub, listen))
}

/// One connection. Whatever fails, fails for this client only.
fn talk(stream: UnixStream, hub: &Hub, listen: SocketAddr) {
    let mut stream = BufReader::new(Timed::new(stream, TIME));
    for _ in 0..MOST_REQUESTS {
        let mut line = Vec::new();
        // One byte more than allowed tells a long line from one that just fits.
        match (&mut stream).take(MOST_LINE + 1).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let too_long = line.len() as u64 > MOST_LINE;
        let done = if too_long {
            Err(Error::Input("the request is too long".into()))
        } else {
            answer(&line, hub)
        };
        let text = reply(&done, listen).to_string() + "\n";
        // The profiler may have taken a while, which is not the client's fault.
        stream.get_mut().extend(TIME);
        if stream.get_mut().write_all(text.as_bytes()).is_err() {
            return;
        }
        if too_long {
            // The rest of the line would be read as requests.
            stream.get_mut().close(Shutdown::Write);
            let _ = io::copy(&mut stream.take(64 << 10), &mut io::sink());
            return;
        }
        stream.get_mut().extend(TIME);
    }
}

/// Does what one line asks for.
fn answer(line: &[u8], hub: &Hub) -> Result<Status, Error> {
    let usage = || Error::Input("not a request: write status, reset, or bounds 50us,1ms,20ms".into());
    let line = std::str::from_utf8(line).map_err(|_| usage())?.trim();
    match line.split_once(' ').unwrap_or((line, "")) {
        ("status", "") => hub.status(),
        ("reset", "") => hub.reset(),
        ("bounds", list) => hub.set_bounds(units::parse_bounds(list).map_err(Error::Input)?),
        _ => Err(usage()),
    }
}

/// The answer as JSON.
fn reply(done: &Result<Status, Error>, listen: SocketAddr) -> Value {
    let mut reply = Map::new();
    reply.insert("ok".into(), json!(done.is_ok()));
    reply.insert("pid".into(), json!(process::id()));
    let more = match done {
        Err(error) => json!({ "error": error.to_string() }),
        Ok(status) => json!({
            "version": env!("CARGO_PKG_VERSION"),
            "listen": listen.to_string(),
            "method": status.method,
            "kernel": status.kernel,
            "epoch": status.epoch,
            "start_unix_ns": status.start_unix_ns,
            "interval_ns": status.interval_ns,
            "bounds_ns": status.bounds.as_slice(),
            "groups": status.groups,
            "waiting": status.waiting,
        }),
    };
    if let Value::Object(more) = more {
        reply.extend(more);
    }
    Value::Object(reply)
}
