//! The server with all that is around it, but for the profiler: a made-up kernel takes its place.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{fs, process};

use ghostsched_bpf::Snapshot;
use ghostsched_core::histogram::Bounds;
use ghostsched_core::latency::{GroupStats, Parts};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use super::super::source::fake;
use super::control::client;
use super::*;

#[path = "../../../tests/support/http.rs"]
mod http;
#[path = "../../../tests/support/prometheus.rs"]
mod prometheus;

const MS: u64 = 1_000_000;
const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const WAITS: &str = "ghostsched_cgroup_queue_delay_seconds_count{cgroup=\"/a\",cause=\"all\"}";
const CREATED: &str = "ghostsched_cgroup_queue_delay_seconds_created{cgroup=\"/a\",cause=\"all\"}";

/// A kernel with one cgroup whose waits only ever add up, as BPF maps do.
#[derive(Debug)]
struct Kernel {
    bounds: Bounds,
    epoch: u32,
    total: GroupStats,
    baseline: GroupStats,
    start_unix_ns: u64,
    fails: bool,
    sleeps: Duration,
}

impl Kernel {
    fn new() -> Self {
        Self {
            bounds: Bounds::new(&[MS, 2 * MS, 4 * MS]).expect("sorted"),
            epoch: 0,
            total: GroupStats::default(),
            baseline: GroupStats::default(),
            start_unix_ns: 1_000,
            fails: false,
            sleeps: Duration::ZERO,
        }
    }

    fn wait(&mut self, count: u64, other_ns: u64) {
        for _ in 0..count {
            self.total.record_wait(
                &self.bounds,
                &Parts {
                    other_ns,
                    ..Parts::default()
                },
            );
        }
    }

    fn snapshot(&self) -> Snapshot {
        let mut snapshot = fake::snapshot();
        (snapshot.bounds, snapshot.epoch, snapshot.start_unix_ns) = (self.bounds, self.epoch, self.start_unix_ns);
        snapshot.end_unix_ns = self.start_unix_ns + 1_000;
        snapshot.interval_ns = 1_000;
        snapshot.matrix.clear();
        snapshot.in_progress.clear();
        snapshot.groups.truncate(1);
        snapshot.groups[0].path = "/a".into();
        snapshot.groups[0].stats = self.total.difference(&self.baseline);
        snapshot
    }
}

#[derive(Clone)]
struct Shared(Arc<Mutex<Kernel>>);

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut Kernel) -> T) -> T {
        act(&mut self.0.lock().expect("no panic"))
    }
}

impl Source for Shared {
    fn snapshot(&mut self) -> Result<Snapshot, Error> {
        let sleeps = self.with(|kernel| kernel.sleeps);
        thread::sleep(sleeps);
        self.with(|kernel| match kernel.fails {
            true => Err(Error::System("the maps are on strike: ask again".into())),
            false => Ok(kernel.snapshot()),
        })
    }

    fn interval(&mut self) -> Result<Snapshot, Error> {
        self.snapshot()
    }

    fn reset(&mut self) -> Result<(), Error> {
        self.with(|kernel| {
            kernel.baseline = kernel.total;
            kernel.start_unix_ns += 1_000_000_000;
        });
        Ok(())
    }

    fn set_bounds(&mut self, bounds: Bounds) -> Result<(), Error> {
        self.with(|kernel| {
            (kernel.total, kernel.baseline) = (GroupStats::default(), GroupStats::default());
            kernel.bounds = bounds;
            kernel.epoch += 1;
            kernel.start_unix_ns += 1_000_000_000;
        });
        Ok(())
    }
}

/// A server in this process, ended and removed when dropped.
struct Server {
    address: SocketAddr,
    dir: PathBuf,
    kernel: Shared,
    hub: Hub,
    thread: Option<JoinHandle<Result<(), Error>>>,
}

impl Server {
    fn start() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("ghostsched-serve-{}-{number}", process::id()));
        fs::create_dir(&dir).expect("a directory");
        let bound = bind(options(&dir.join("c"))).expect("a free port and place");
        let address = bound.address();
        let kernel = Shared(Arc::new(Mutex::new(Kernel::new())));
        let mut source = kernel.clone();
        let (hubs, hub) = mpsc::channel();
        let thread = thread::spawn(move || {
            let (hub, questions) = hub::new();
            hubs.send(hub.clone()).expect("the test waits");
            bound.serve(&mut source, hub, &questions)
        });
        Self {
            address,
            dir,
            kernel,
            hub: hub.recv().expect("a hub"),
            thread: Some(thread),
        }
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("c")
    }

    fn get(&self, path: &str) -> http::Answer {
        http::get(self.address, path, OPEN_METRICS)
    }

    /// The values of series in one scrape.
    fn scrape<const N: usize>(&self, series: [&str; N]) -> [Option<String>; N] {
        let answer = self.get("/metrics");
        assert_eq!(answer.status, 200, "{}", answer.body);
        series.map(|series| http::sample(&answer.body, series))
    }

    fn ask(&self, request: &str) -> Result<Value, Error> {
        client::ask(&self.socket(), request, http::TIME)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.hub.stop();
        let ended = self.thread.take().map(JoinHandle::join);
        let socket = self.socket().exists();
        let _ = fs::remove_dir_all(&self.dir);
        if !thread::panicking() {
            assert!(matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
            assert!(!socket, "the socket is left");
        }
    }
}

fn options(control: &Path) -> Options {
    let listen = "127.0.0.1:0".parse().expect("an address");
    Options {
        listen,
        control: Some(control.to_owned()),
        limits: Limits::default(),
        time: None,
    }
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|text| Some((*text).to_owned())).collect()
}

#[test]
fn a_scrape_has_the_format_it_asked_for() {
    let server = Server::start();
    server.kernel.with(|kernel| kernel.wait(3, MS));
    let open = http::get(server.address, "/metrics?any=thing", OPEN_METRICS);
    assert!(
        open.head
            .contains("Content-Type: application/openmetrics-text; version=1.0.0"),
        "{}",
        open.head
    );
    assert!(open.body.ends_with("# EOF\n") && open.body.contains("_created"));
    let classic = http::get(server.address, "/metrics", "*/*");
    assert!(
        classic.head.contains("Content-Type: text/plain; version=0.0.4"),
        "{}",
        classic.head
    );
    assert!(!classic.body.contains("# EOF") && !classic.body.contains("_created"));
    for body in [open.body, classic.body] {
        assert_eq!(http::sample(&body, WAITS).as_deref(), Some("3"));
    }
}

#[test]
fn every_wrong_request_has_its_own_answer() {
    let server = Server::start();
    let host = "Host: x\r\n\r\n";
    for (request, status) in [
        (format!("GET /nothing HTTP/1.1\r\n{host}"), 404),
        (format!("POST /metrics HTTP/1.1\r\nContent-Length: 3\r\n{host}abc"), 405),
        (format!("GET /metrics HTTP/3.0\r\n{host}"), 505),
        ("GET /metrics\r\n\r\n".into(), 400),
        ("GET /metrics HTTP/1.1\r\nHo".into(), 400),
        (format!("GET / HTTP/1.1\r\nX: {}\r\n{host}", "x".repeat(9_000)), 431),
        ("\x16\x03\x01\x02\x00\x01\r\n\r\n".into(), 400),
        (format!("GET / HTTP/1.1\r\n{host}"), 200),
        (format!("GET /healthz HTTP/1.1\r\n{host}"), 200),
        ("GET /healthz HTTP/1.0\r\n\r\n".into(), 200),
    ] {
        let answer = http::send(server.address, request.as_bytes());
        assert_eq!(answer.status, status, "{:.60}: {}", request, answer.head);
        assert_eq!(answer.head.contains("\r\nAllow: GET, HEAD"), status == 405);
    }
    let head = http::send(server.address, format!("HEAD /metrics HTTP/1.1\r\n{host}").as_bytes());
    assert!(
        head.status == 200 && head.body.is_empty() && !head.head.contains("Content-Length: 0"),
        "{head:?}"
    );
}

#[test]
fn slow_clients_do_not_hold_up_the_next_scrape() {
    let server = Server::start();
    let mut idlers = Vec::new();
    for n in 0..100 {
        let mut idler = TcpStream::connect(server.address).expect("the server listens");
        match n % 3 {
            0 => {}
            1 => drop(idler.write_all(b"GET /metrics HT")),
            // Asks, and never takes the answer.
            _ => drop(idler.write_all(b"GET /metrics HTTP/1.0\r\n\r\n")),
        }
        idlers.push(idler);
    }
    let start = Instant::now();
    assert_eq!(server.get("/metrics").status, 200);
    // What waits for an idle client waits for 5 s.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn a_reset_changes_created_and_loses_nothing() {
    let server = Server::start();
    server.kernel.with(|kernel| kernel.wait(5, MS));
    assert_eq!(server.scrape([WAITS, CREATED]).to_vec(), some(&["5", "0.000001"]));
    // After the last scrape and before the reset: in no scrape, but not lost where it is counted.
    server.kernel.with(|kernel| kernel.wait(2, MS));
    let reply = server.ask("reset").expect("a reset");
    assert_eq!(reply["start_unix_ns"], 1_000_001_000u64);
    server.kernel.with(|kernel| kernel.wait(4, MS));
    assert_eq!(server.scrape([WAITS, CREATED]).to_vec(), some(&["4", "1.000001"]));
    let counted = server
        .kernel
        .with(|kernel| kernel.total.kind(ghostsched_core::latency::Kind::Wait).count());
    assert_eq!(counted, 11);
    // A second reset at once: nothing has been counted since, and that is what is shown.
    server.ask("reset").expect("a reset");
    assert_eq!(server.scrape([WAITS, CREATED]).to_vec(), some(&["0", "2.000001"]));
}

#[test]
fn new_bounds_begin_a_new_epoch_and_no_count_lands_in_an_old_bucket() {
    let server = Server::start();
    server.kernel.with(|kernel| kernel.wait(5, 3 * MS));
    let old = "ghostsched_cgroup_queue_delay_seconds_bucket{cgroup=\"/a\",cause=\"all\",le=\"0.004\"}";
    let new = "ghostsched_cgroup_queue_delay_seconds_bucket{cgroup=\"/a\",cause=\"all\",le=\"0.0035\"}";
    assert_eq!(server.scrape([old, new]), [Some("5".into()), None]);
    let bounds = Bounds::new(&[50_000, 3_500_000]).expect("sorted");
    let line = client::bounds(&server.socket(), &bounds).expect("new bounds");
    assert!(line.contains("50us,3500us") && line.contains("epoch 1"), "{line}");
    server.kernel.with(|kernel| kernel.wait(2, 3 * MS));
    let [old, new, created, epoch] = server.scrape([old, new, CREATED, "ghostsched_epoch"]);
    assert_eq!((old, new), (None, Some("2".into())));
    assert_eq!((created, epoch), (Some("1.000001".into()), Some("1".into())));
}

#[test]
fn the_control_socket_is_for_its_owner_and_tells_the_state() {
    let server = Server::start();
    let mode = fs::symlink_metadata(server.socket()).expect("a socket").mode();
    assert_eq!(mode & 0o7777, 0o600);
    let status = server.ask("status").expect("a state");
    assert_eq!(status["pid"], process::id());
    assert_eq!(status["listen"], server.address.to_string());
    assert_eq!(status["bounds_ns"], serde_json::json!([MS, 2 * MS, 4 * MS]));
    assert!(client::reset(&server.socket()).is_ok_and(|line| line.contains("anew")));
    // Several requests on one connection.
    let mut stream = UnixStream::connect(server.socket()).expect("the server listens");
    stream
        .write_all(b"status\nreset\r\nnonsense\n")
        .and_then(|()| stream.shutdown(std::net::Shutdown::Write))
        .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("answered");
    let ok: Vec<_> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect(line)["ok"].clone())
        .collect();
    assert_eq!(ok, [true, true, false]);
}

#[test]
fn a_wrong_request_gets_one_line_that_says_what_to_write() {
    let server = Server::start();
    for (request, says) in [
        ("", "write status, reset, or bounds"),
        ("RESET", "write status, reset, or bounds"),
        ("reset now", "write status, reset, or bounds"),
        ("bounds", "1ms"),
        ("bounds 5ms,1ms", "sort them"),
        ("bounds 5", "has no unit"),
        (&"x".repeat(100_000), "too long"),
    ] {
        let line = server.ask(request).expect_err("refused").to_string();
        assert!(line.contains(says) && !line.contains('\n'), "{request:.20}: {line}");
    }
    assert!(server.ask("status").is_ok());
}

#[test]
fn no_garbage_stops_the_service() {
    let server = Server::start();
    let mut runner = TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(60)
    });
    let bytes = prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b' ')], 0..3000);
    let start = prop_oneof![Just("GET /metrics HTTP/1.1\r\n"), Just("bounds "), Just("")];
    let result = runner.run(&(start, bytes), |(start, bytes)| {
        let bytes = [start.as_bytes(), &bytes].concat();
        let answer = http::send(server.address, &bytes);
        prop_assert!(answer.status != 200 && answer.status < 600, "{:?}", answer);
        let mut stream =
            UnixStream::connect(server.socket()).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let _ = stream
            .write_all(&bytes)
            .and_then(|()| stream.shutdown(std::net::Shutdown::Write));
        let mut replies = Vec::new();
        let _ = stream.read_to_end(&mut replies);
        for line in String::from_utf8_lossy(&replies).lines() {
            prop_assert!(serde_json::from_str::<Value>(line).is_ok(), "{}", line);
        }
        Ok(())
    });
    assert!(result.is_ok(), "{result:?}");
    assert_eq!(server.get("/metrics").status, 200);
    assert!(server.ask("status").is_ok());
}

#[test]
fn a_busy_port_and_a_busy_socket_give_one_line_each() {
    let server = Server::start();
    let busy = Options {
        listen: server.address,
        ..options(&server.dir.join("other"))
    };
    let port = bind(busy).expect_err("the port is busy").to_string();
    let socket = bind(options(&server.socket()))
        .expect_err("the socket is busy")
        .to_string();
    assert!(
        port.contains("in use") && port.contains("--listen") && !port.contains('\n'),
        "{port}"
    );
    let pid = format!("in use by pid {}", process::id());
    assert!(
        socket.contains(&pid) && socket.contains("--control") && !socket.contains('\n'),
        "{socket}"
    );
    assert_eq!(server.get("/healthz").status, 200, "the one that runs was not harmed");
}

#[test]
fn a_failed_measurement_is_told_and_the_next_scrape_is_as_good_as_ever() {
    let server = Server::start();
    server.kernel.with(|kernel| kernel.fails = true);
    let answer = server.get("/metrics");
    assert!(answer.status == 503 && answer.body.contains("on strike"), "{answer:?}");
    assert!(
        server
            .ask("status")
            .is_err_and(|error| error.to_string().contains("on strike"))
    );
    server.kernel.with(|kernel| kernel.fails = false);
    assert_eq!(server.get("/metrics").status, 200);
}

#[test]
fn scrapes_resets_and_bounds_at_once_are_all_answered() {
    let server = Server::start();
    server.kernel.with(|kernel| kernel.sleeps = Duration::from_millis(2));
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| (0..20).for_each(|_| assert_eq!(server.get("/metrics").status, 200)));
        }
        scope.spawn(|| (0..20).for_each(|_| assert!(server.ask("reset").is_ok())));
        scope.spawn(|| (0..20).for_each(|n| assert!(server.ask(&format!("bounds {}us,1s", n + 1)).is_ok())));
    });
    assert_eq!(server.scrape(["ghostsched_epoch"]).to_vec(), some(&["20"]));
}

#[test]
fn the_time_is_over_when_it_is_over() {
    let dir = std::env::temp_dir().join(format!("ghostsched-time-{}", process::id()));
    let options = Options {
        time: Some(Duration::from_millis(50)),
        control: None,
        ..options(&dir)
    };
    let (hub, questions) = hub::new();
    let start = Instant::now();
    let bound = bind(options).expect("a free port");
    bound.serve(&mut fake::Fake::new(), hub, &questions).expect("served");
    assert!(
        (50..5000).contains(&start.elapsed().as_millis()),
        "{:?}",
        start.elapsed()
    );
}

#[test]
fn a_profiler_that_panics_leaves_no_socket() {
    let mut server = Server::start();
    let kernel = server.kernel.clone();
    // A poisoned lock makes the made-up source panic at its next snapshot.
    let _ = thread::spawn(move || kernel.with(|_| panic!("on purpose"))).join();
    assert_eq!(server.get("/metrics").status, 503);
    assert!(server.thread.take().is_some_and(|thread| thread.join().is_err()));
    assert!(!server.socket().exists());
    server.thread = Some(thread::spawn(|| Ok(())));
}

#[test]
fn a_real_prometheus_scrapes_and_answers_a_quantile() {
    let server = Server::start();
    server.kernel.with(|kernel| {
        kernel.wait(90, MS);
        kernel.wait(10, 3 * MS);
    });
    let Some(prometheus) = prometheus::Prometheus::scraping(server.address) else {
        return crate::skip::skipped("prometheus not installed (apt-get install prometheus)");
    };
    assert_eq!(prometheus.number("up == 1"), 1.0);
    let bucket = "ghostsched_cgroup_queue_delay_seconds_bucket{cgroup=\"/a\",cause=\"all\"}";
    // 90 of 100 in the first bucket, 10 in the one that ends at 4 ms: p95 is in the middle of that.
    let p95 = prometheus.number(&format!("histogram_quantile(0.95, {bucket})"));
    assert!((p95 - 0.003).abs() < 1e-12, "{p95}");
    // It took the OpenMetrics text: the classic has no such series.
    assert_eq!(prometheus.number(CREATED), 0.000001);
    // A counter that grows has a rate.
    let (stop, stopped) = mpsc::channel::<()>();
    let kernel = server.kernel.clone();
    thread::scope(|scope| {
        scope.spawn(move || {
            while stopped.recv_timeout(Duration::from_millis(100)) == Err(mpsc::RecvTimeoutError::Timeout) {
                kernel.with(|kernel| kernel.wait(10, MS));
            }
        });
        let other = "ghostsched_cgroup_queue_delay_cause_seconds_total{cgroup=\"/a\",cause=\"other\"}";
        let rate = prometheus.number(&format!("rate({other}[1m]) > 0"));
        drop(stop);
        assert!(rate < 1.0, "{rate}");
    });
}
