//! `ghostsched latency --listen` as it is shipped, on the live kernel: needs the right to load BPF programs.
//!
//! The same server on made-up numbers, where every value is known, is tested in `src/latency/serve/tests.rs`.

use std::collections::HashMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[path = "support/http.rs"]
mod http;
#[path = "support/prometheus.rs"]
mod prometheus;
#[path = "support/skip.rs"]
mod skip;

const OPEN_METRICS: &str = "application/openmetrics-text;version=1.0.0";
const START: &str = "ghostsched_start_time_seconds";

/// The running command, its socket in a directory of its own. Killed when dropped.
struct Server {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
}

fn new_dir() -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let dir = std::env::temp_dir().join(format!(
        "ghostsched-metrics-{}-{}",
        id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    ));
    fs::create_dir(&dir).expect("a directory");
    dir
}

fn listen(socket: &Path, port: &str, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ghostsched"));
    command
        .args(["latency", "--listen", port, "--control"])
        .arg(socket)
        .args(more);
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

impl Server {
    /// Starts it and waits for its line; `None`, and a line that says so, where BPF is not permitted.
    fn start(dir: PathBuf, more: &[&str]) -> Option<Self> {
        let mut child = listen(&dir.join("c"), "127.0.0.1:0", more)
            .spawn()
            .expect("the command runs");
        let mut line = String::new();
        let stderr = child.stderr.take().expect("a pipe");
        BufReader::new(stderr).read_line(&mut line).expect("a line");
        let address = line
            .split("http://")
            .nth(1)
            .and_then(|rest| rest.split('/').next()?.parse().ok());
        let Some(address) = address else {
            let _ = child.wait();
            let _ = fs::remove_dir_all(&dir);
            let why = line.trim_end();
            assert!(why.contains("needs ") || why.contains("not permitted"), "{why}");
            skip::skipped(why);
            return None;
        };
        Some(Self { child, address, dir })
    }

    fn socket(&self) -> PathBuf {
        self.dir.join("c")
    }

    fn scrape(&self) -> String {
        let answer = http::get(self.address, "/metrics", OPEN_METRICS);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_ghostsched"));
        command
            .args(arguments)
            .arg("--control")
            .arg(self.socket())
            .output()
            .expect("the command runs")
    }

    fn signal(&mut self, name: &str) -> Option<i32> {
        let sent = Command::new("kill").args([name, &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()));
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Two busy loops a CPU for a few seconds, so that there is something to wait for.
struct Load(Vec<Child>);

impl Load {
    fn start() -> Self {
        let count = 2 * thread::available_parallelism().map_or(2, usize::from);
        let spin = || {
            Command::new("timeout")
                .args(["20", "sh", "-c", "while :; do :; done"])
                .spawn()
        };
        Self((0..count).filter_map(|_| spin().ok()).collect())
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // `timeout` passes SIGTERM on to its command; SIGKILL would leave that behind.
            let _ = Command::new("kill").arg(child.id().to_string()).status();
            let _ = child.wait();
        }
    }
}

/// What must not sink while its `_created` stays, by series.
fn counters(text: &str) -> HashMap<&str, f64> {
    let only_grows = |series: &str| {
        let name = series.split('{').next().unwrap_or(series);
        ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .any(|suffix| name.ends_with(suffix))
    };
    let samples = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.rsplit_once(' '));
    samples
        .filter(|(series, _)| only_grows(series))
        .filter_map(|(series, value)| Some((series, value.parse().ok()?)))
        .collect()
}

#[test]
fn promtool_finds_nothing_to_complain_about_in_the_live_metrics() {
    let Some(server) = Server::start(new_dir(), &["--per-cause"]) else {
        return;
    };
    thread::sleep(Duration::from_millis(500));
    let answer = http::get(server.address, "/metrics", "text/plain");
    assert!(
        answer.head.contains("Content-Type: text/plain; version=0.0.4"),
        "{}",
        answer.head
    );
    let mut promtool = Command::new("promtool");
    promtool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let Ok(mut child) = promtool.spawn() else {
        return skip::skipped("promtool not installed (apt-get install prometheus)");
    };
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(answer.body.as_bytes())
        .expect("taken");
    let output = child.wait_with_output().expect("it ends");
    let says = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert!(output.status.success() && says.is_empty(), "{says}");
}

#[test]
fn a_real_prometheus_scrapes_the_live_kernel_and_answers_a_quantile() {
    let Some(server) = Server::start(new_dir(), &["--bounds", "50us,1ms,20ms,1s"]) else {
        return;
    };
    let Some(prometheus) = prometheus::Prometheus::scraping(server.address) else {
        return skip::skipped("prometheus not installed (apt-get install prometheus)");
    };
    let _load = Load::start();
    assert_eq!(prometheus.number("up == 1"), 1.0);
    let buckets = "sum by (le) (ghostsched_cgroup_queue_delay_seconds_bucket{cause=\"all\"})";
    let p99 = prometheus.number(&format!("histogram_quantile(0.99, {buckets}) > 0"));
    assert!(p99 <= 1.0, "{p99}");
    let parts = "sum(ghostsched_cgroup_queue_delay_cause_seconds_total)";
    let whole = "sum(ghostsched_cgroup_queue_delay_seconds_sum{cause=\"all\"})";
    let ratio = prometheus.number(&format!("{parts} / ({whole} > 0)"));
    assert!((ratio - 1.0).abs() < 1e-3, "the causes are {ratio} of the wait");
}

#[test]
fn no_live_counter_ever_goes_backwards() {
    let Some(server) = Server::start(new_dir(), &["--per-cause", "--top", "2"]) else {
        return;
    };
    let _load = Load::start();
    let mut before = server.scrape();
    for _ in 0..15 {
        thread::sleep(Duration::from_millis(100));
        let now = server.scrape();
        let (old, new) = (counters(&before), counters(&now));
        for (series, value) in &new {
            let Some(earlier) = old.get(series) else { continue };
            // A row that was displaced and came back has a new start, and may begin at zero.
            let created = |text: &str| {
                let (name, labels) = series.split_once('{').unwrap_or((series, ""));
                let name = name.rsplit_once('_').map_or(name, |(name, _)| name);
                let labels = labels.split(",le=").next().unwrap_or(labels).trim_end_matches('}');
                let labels = if labels.is_empty() {
                    String::new()
                } else {
                    format!("{{{labels}}}")
                };
                http::sample(text, &format!("{name}_created{labels}"))
            };
            let same_row = created(&before) == created(&now);
            assert!(created(&now).is_some(), "{series} has no start");
            assert!(!same_row || value >= earlier, "{series}: {earlier}, then {value}");
        }
        before = now;
    }
}

#[test]
fn reset_and_bounds_work_while_it_runs() {
    let Some(server) = Server::start(new_dir(), &[]) else {
        return;
    };
    let mode = fs::symlink_metadata(server.socket()).expect("a socket").mode();
    assert_eq!(mode & 0o7777, 0o600);
    let started = http::sample(&server.scrape(), START);
    let reset = server.run(&["reset"]);
    assert!(reset.status.success(), "{reset:?}");
    let restarted = http::sample(&server.scrape(), START);
    assert!(started.is_some() && restarted.is_some() && started != restarted);
    let bounds = server.run(&["bounds", "70us,3ms"]);
    assert!(bounds.status.success(), "{bounds:?}");
    let text = server.scrape();
    assert!(text.contains("le=\"7e-05\"") && text.contains("le=\"0.003\"") && !text.contains("le=\"1.024e-06\""));
    assert_eq!(http::sample(&text, "ghostsched_epoch").as_deref(), Some("1"));
    assert!(http::sample(&text, START) > restarted);
    let wrong = server.run(&["bounds", "3ms,70us"]);
    let line = String::from_utf8_lossy(&wrong.stderr).into_owned();
    assert!(
        !wrong.status.success() && line.contains("sort them") && line.lines().count() == 1,
        "{line}"
    );
}

#[test]
fn a_signal_ends_it_in_good_order_and_a_kill_leaves_nothing_in_the_way() {
    for name in ["-INT", "-TERM"] {
        let Some(mut server) = Server::start(new_dir(), &[]) else {
            return;
        };
        assert_eq!(server.signal(name), Some(0), "{name}");
        assert!(!server.socket().exists(), "{name}");
        assert!(TcpListener::bind(server.address).is_ok(), "{name}");
    }
    let Some(mut killed) = Server::start(new_dir(), &[]) else {
        return;
    };
    killed.signal("-KILL");
    assert!(killed.socket().exists(), "what a kill leaves");
    let gone = killed.run(&["reset"]);
    assert!(String::from_utf8_lossy(&gone.stderr).contains("any more"), "{gone:?}");
    let again = Server::start(std::mem::take(&mut killed.dir), &[]).expect("the dead socket is replaced");
    assert!(again.run(&["reset"]).status.success());
}

#[test]
fn a_busy_port_and_a_busy_socket_give_one_line_each_before_anything_is_attached() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = port.local_addr().expect("an address").to_string();
    let dir = new_dir();
    let socket = dir.join("c");
    let _busy = std::os::unix::net::UnixListener::bind(&socket).expect("a free place");
    for (port, socket, says) in [
        (address.as_str(), dir.join("other"), "--listen"),
        ("127.0.0.1:0", socket, "--control"),
        ("127.0.0.1:0", dir.join("no/such/dir/c"), "--control"),
        ("somewhere:1", dir.join("other"), "127.0.0.1:9435"),
    ] {
        let start = Instant::now();
        let output = listen(&socket, port, &["--for", "1ms"])
            .output()
            .expect("the command runs");
        let line = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(
            !output.status.success() && line.contains(says) && line.lines().count() == 1,
            "{line}"
        );
        assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
    }
    let _ = fs::remove_dir_all(&dir);
}

#[test]
fn two_servers_run_side_by_side() {
    let (Some(one), Some(two)) = (Server::start(new_dir(), &[]), Server::start(new_dir(), &[])) else {
        return;
    };
    assert!(one.run(&["reset"]).status.success());
    let (first, second) = (one.scrape(), two.scrape());
    assert!(
        http::sample(&first, START) > http::sample(&second, START),
        "a reset of one is no reset of the other"
    );
}

#[test]
fn it_stops_by_itself_after_the_time() {
    let Some(mut server) = Server::start(new_dir(), &["--for", "300ms"]) else {
        return;
    };
    assert!(server.child.wait().is_ok_and(|status| status.success()));
    assert!(!server.socket().exists());
}
