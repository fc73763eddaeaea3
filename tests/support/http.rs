//! The client's side of HTTP, as little as tests need.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

/// Longer than any answer may take.
pub const TIME: Duration = Duration::from_secs(20);

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// The status code; 0 if there was no answer.
    pub status: u16,
    /// The status line and all headers.
    pub head: String,
    /// The body.
    pub body: String,
}

/// Sends bytes and reads until the server closes.
pub fn send(address: SocketAddr, bytes: &[u8]) -> Answer {
    let mut stream = TcpStream::connect_timeout(&address, TIME).expect("the server listens");
    stream.set_read_timeout(Some(TIME)).expect("a limit");
    stream.set_write_timeout(Some(TIME)).expect("a limit");
    // A server that refuses may close before it has read everything.
    let _ = stream.write_all(bytes).and_then(|()| stream.shutdown(Shutdown::Write));
    let mut text = Vec::new();
    let _ = stream.read_to_end(&mut text);
    let text = String::from_utf8_lossy(&text);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    Answer {
        status,
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// GET with an `Accept` header.
pub fn get(address: SocketAddr, path: &str, accept: &str) -> Answer {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAccept: {accept}\r\n\r\n");
    send(address, request.as_bytes())
}

/// The value of a sample, by its name and labels as written.
pub fn sample(text: &str, series: &str) -> Option<String> {
    let line = text
        .lines()
        .find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')))?;
    line.rsplit_once(' ').map(|(_, value)| value.to_owned())
}
