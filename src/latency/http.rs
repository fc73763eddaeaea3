//! As much of an HTTP/1.1 server as a scrape needs: GET and HEAD, one request a connection, nothing trusted.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Shutdown, SocketAddr, TcpListener};
use std::time::Duration;

use ghostsched_bpf::Error;

use super::connections::{self, Service, Stream, Timed};
use super::hub::Hub;
use super::metrics::text::Format;

/// Connections at a time.
const MOST_CONNECTIONS: usize = 16;
/// The longest request line and headers, in bytes.
const MOST_HEAD: usize = 8 << 10;
/// For the whole request to arrive.
const READ_TIME: Duration = Duration::from_secs(5);
/// For the whole answer to be taken.
const WRITE_TIME: Duration = Duration::from_secs(10);
/// For whatever the client still sends after its answer, and how much of it.
const LINGER: (Duration, u64) = (Duration::from_secs(1), 64 << 10);

const PLAIN: &str = "text/plain; charset=utf-8";
const INDEX: &str = "<!doctype html><title>ghostsched</title><h1>ghostsched</h1>\
                     <p><a href=\"/metrics\">/metrics</a>: why threads wait for a CPU, per cgroup\
                     <p><a href=\"/healthz\">/healthz</a>: ok while the profiler answers\n";

/// An address to listen on: `127.0.0.1:9435`, `[::1]:9435`, `localhost:9435`, `:9435` or `9435` (loopback).
pub fn parse_listen(text: &str) -> Result<SocketAddr, String> {
    let loopback = |port: &str| {
        port.parse()
            .ok()
            .map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port))
    };
    let port = text.strip_prefix("localhost").unwrap_or(text);
    text.parse()
        .ok()
        .or_else(|| loopback(port.strip_prefix(':').unwrap_or(port)))
        .ok_or_else(|| {
            format!("{text:?} is not an address and a port: write 127.0.0.1:9435, or 127.0.0.1:0 for any free port")
        })
}

/// Takes the port.
pub fn bind(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Error::Input(format!(
            "{address} is in use: give another with --listen, such as {}, or port 0 for any free one",
            SocketAddr::new(address.ip(), address.port().checked_add(1).unwrap_or(9435))
        )),
        ErrorKind::AddrNotAvailable => Error::Input(format!(
            "{address} is no address of this machine: give --listen 127.0.0.1:{}",
            address.port()
        )),
        ErrorKind::PermissionDenied => Error::Privilege(format!(
            "{address} needs root: give --listen a port of 1024 or above, such as 9435"
        )),
        _ => Error::System(format!("cannot listen on {address}: {error}")),
    })
}

/// Answers on a bound port until the result is dropped.
pub fn serve(listener: TcpListener, hub: Hub) -> io::Result<Service> {
    connections::serve(listener, MOST_CONNECTIONS, move |stream| talk(stream, &hub))
}

/// One connection. Whatever fails, fails for this client only.
fn talk<S: Stream>(stream: S, hub: &Hub) {
    let mut stream = Timed::new(stream, READ_TIME);
    let answer = match read_head(&mut stream) {
        Ok(head) => match parse(&head) {
            Ok(request) => answer(&request, hub),
            Err(refusal) => refusal,
        },
        Err(None) => return,
        Err(Some(refusal)) => refusal,
    };
    stream.extend(WRITE_TIME);
    if stream.write_all(&answer.to_bytes()).is_err() {
        return;
    }
    // Closing with unread bytes would reset the connection, and the reset may overtake the answer.
    stream.close(Shutdown::Write);
    stream.extend(LINGER.0);
    let _ = io::copy(&mut stream.take(LINGER.1), &mut io::sink());
}

/// Reads up to the empty line; `Err(None)` if the client said nothing at all.
fn read_head(stream: &mut impl Read) -> Result<Vec<u8>, Option<Answer>> {
    let mut head = Vec::new();
    let mut chunk = [0; 1024];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) if head.is_empty() => return Err(None),
            Ok(0) => return Err(Some(Answer::refusal(400, "the request ended before its empty line"))),
            Ok(n) => head.extend_from_slice(chunk.get(..n).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return Err(Some(Answer::refusal(408, "the request took too long")));
            }
            Err(_) => return Err(None),
        }
        match end_of_head(&head) {
            Some(end) if end <= MOST_HEAD => {
                head.truncate(end);
                return Ok(head);
            }
            None if head.len() <= MOST_HEAD => {}
            _ => return Err(Some(Answer::refusal(431, "the request's headers are too long"))),
        }
    }
}

/// Where the empty line begins; a bare line feed ends a line too (RFC 9112, 2.2).
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let find = |mark: &[u8]| bytes.windows(mark.len()).position(|window| window == mark);
    [find(b"\n\r\n"), find(b"\n\n")].into_iter().flatten().min()
}

/// What of a request matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Request {
    method: String,
    path: String,
    accept: String,
}

/// Reads a request's head, without its empty line.
fn parse(head: &[u8]) -> Result<Request, Answer> {
    let bad = |why| Answer::refusal(400, why);
    let head = std::str::from_utf8(head).map_err(|_| bad("the request is not text"))?;
    let mut lines = head.split('\n').map(|line| line.strip_suffix('\r').unwrap_or(line));
    let mut words = lines.next().unwrap_or_default().split(' ');
    let (Some(method), Some(target), Some(version), None) = (words.next(), words.next(), words.next(), words.next())
    else {
        return Err(bad("the request line is not METHOD PATH HTTP/1.1"));
    };
    if !is_token(method) {
        return Err(bad("the method is not a word"));
    }
    let old = match version {
        "HTTP/1.1" => false,
        "HTTP/1.0" => true,
        _ if version.starts_with("HTTP/") => return Err(Answer::refusal(505, "this speaks HTTP/1.1")),
        _ => return Err(bad("the request line does not end in HTTP/1.1")),
    };
    let (mut hosts, mut accept) = (0, Vec::new());
    for line in lines {
        let (name, value) = line.split_once(':').ok_or_else(|| bad("a header has no colon"))?;
        if !is_token(name) {
            return Err(bad("a header's name is not a word"));
        }
        match name.to_ascii_lowercase().as_str() {
            "host" => hosts += 1,
            "accept" => accept.push(value.trim()),
            _ => {}
        }
    }
    if hosts > 1 || (hosts == 0 && !old) {
        return Err(bad("there must be one Host header"));
    }
    let path = path_of(target).ok_or_else(|| bad("the path does not start with /"))?;
    Ok(Request {
        method: method.to_owned(),
        path: path.to_owned(),
        accept: accept.join(","),
    })
}

/// The path of a target, its query left out; a proxy's form `http://host/path` counts too.
fn path_of(target: &str) -> Option<&str> {
    let path = match target.strip_prefix("http://") {
        Some(rest) => rest.find('/').map_or("/", |slash| &rest[slash..]),
        None => target,
    };
    let path = path.split(['?', '#']).next().unwrap_or(path);
    path.starts_with('/').then_some(path)
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

/// An answer, before it is bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    /// HEAD: the length of the body, not the body.
    headers_only: bool,
}

fn answer(request: &Request, hub: &Hub) -> Answer {
    let headers_only = request.method == "HEAD";
    let answer = match request.path.as_str() {
        "/" | "/metrics" | "/healthz" if !headers_only && request.method != "GET" => {
            Answer::refusal(405, "write GET or HEAD")
        }
        "/" => Answer {
            status: 200,
            content_type: "text/html; charset=utf-8",
            body: INDEX.into(),
            headers_only,
        },
        "/healthz" => match hub.alive() {
            Ok(()) => Answer {
                status: 200,
                content_type: PLAIN,
                body: "ok\n".into(),
                headers_only,
            },
            Err(error) => Answer::refusal(503, &error.to_string()),
        },
        "/metrics" => {
            let format = Format::from_accept(&request.accept);
            match hub.scrape(format) {
                Ok(body) => Answer {
                    status: 200,
                    content_type: format.content_type(),
                    body,
                    headers_only,
                },
                Err(error) => Answer::refusal(503, &error.to_string()),
            }
        }
        _ => Answer::refusal(404, "there is /metrics, /healthz and /"),
    };
    Answer { headers_only, ..answer }
}

impl Answer {
    fn refusal(status: u16, why: &str) -> Self {
        let body = format!("{status} {}: {why}\n", reason(status));
        Self {
            status,
            content_type: PLAIN,
            body,
            headers_only: false,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nVary: Accept\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n",
            self.status,
            reason(self.status),
            self.content_type,
            self.body.len()
        );
        if self.status == 405 {
            text += "Allow: GET, HEAD\r\n";
        }
        text += "\r\n";
        if !self.headers_only {
            text += &self.body;
        }
        text.into_bytes()
    }
}

const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        400 => "Bad Request",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        431 => "Request Header Fields Too Large",
        503 => "Service Unavailable",
        505 => "HTTP Version Not Supported",
        _ => "Internal Server Error",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn status(head: &str) -> u16 {
        parse(head.as_bytes()).map_or_else(|answer| answer.status, |_| 200)
    }

    #[test]
    fn a_request_is_read_and_a_bad_one_refused() {
        for (head, expected) in [
            ("GET /metrics HTTP/1.1\r\nHost: x", 200),
            ("GET /metrics HTTP/1.1\nhost:x\n", 400),
            ("GET /metrics HTTP/1.0", 200),
            ("GET http://x/metrics HTTP/1.1\r\nHost: x", 200),
            ("GET /metrics HTTP/1.1", 400),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y", 400),
            ("GET /metrics HTTP/1.1\r\nHost : x", 400),
            ("GET /metrics HTTP/1.1\r\nHost: x\r\n folded", 400),
            ("GET metrics HTTP/1.1\r\nHost: x", 400),
            ("GET  /metrics HTTP/1.1\r\nHost: x", 400),
            ("GET /metrics", 400),
            ("GET /metrics HTTP/2.0\r\nHost: x", 505),
            ("GET /metrics FTP/1.1\r\nHost: x", 400),
            ("G(T /metrics HTTP/1.1\r\nHost: x", 400),
            ("", 400),
        ] {
            assert_eq!(status(head), expected, "{head:?}");
        }
    }

    #[test]
    fn the_query_is_no_part_of_the_path_and_accept_headers_add_up() {
        let head = b"GET http://h:1/metrics?a=b#c HTTP/1.1\r\nHost: h\r\nAccept: a/b\r\nACCEPT:  c/d;q=1 ";
        let expected = Request {
            method: "GET".into(),
            path: "/metrics".into(),
            accept: "a/b,c/d;q=1".into(),
        };
        assert_eq!(parse(head), Ok(expected));
    }

    #[test]
    fn an_address_defaults_to_loopback_and_a_bad_one_says_what_to_write() {
        for (text, address) in [
            ("127.0.0.1:9435", "127.0.0.1:9435"),
            ("localhost:9435", "127.0.0.1:9435"),
            (":9435", "127.0.0.1:9435"),
            ("9435", "127.0.0.1:9435"),
            ("[::1]:0", "[::1]:0"),
            ("0.0.0.0:80", "0.0.0.0:80"),
        ] {
            assert_eq!(
                parse_listen(text).map(|address| address.to_string()).as_deref(),
                Ok(address)
            );
        }
        for text in [
            "",
            ":",
            "127.0.0.1",
            "localhost",
            "host:1",
            "1.2.3.4:99999",
            "http://127.0.0.1:1",
        ] {
            assert!(
                parse_listen(text).is_err_and(|line| line.contains("127.0.0.1:9435")),
                "{text}"
            );
        }
    }

    #[test]
    fn a_busy_port_gives_one_line_that_says_what_to_write() {
        let first = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let error = bind(first.local_addr().expect("an address"))
            .expect_err("busy")
            .to_string();
        assert!(
            error.contains("in use") && error.contains("--listen") && !error.contains('\n'),
            "{error}"
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_parser_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = (end_of_head(&bytes), parse(&bytes), read_head(&mut bytes.as_slice()));
        }

        #[test]
        fn nearly_right_requests_do_not_panic_either(
            text in "(GET|POST|HEAD|\\PC) (/|http://|/metrics|\\PC*) HTTP/[12].[01]\r?\n((Host|Accept|\\PC*):? ?\\PC*\r?\n){0,4}\r?\n",
        ) {
            let head = read_head(&mut text.as_bytes());
            if let Ok(head) = head {
                let _ = parse(&head);
            }
        }
    }
}
