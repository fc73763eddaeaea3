//! A real Prometheus that scrapes one address once a second, and answers queries.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::http;

/// Long enough for a slow machine to start it and scrape twice.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Prometheus, with all it wrote in a directory that goes with it.
pub struct Prometheus {
    child: Child,
    address: SocketAddr,
    dir: PathBuf,
}

impl Prometheus {
    /// Starts one that scrapes `target`; `None` where none is installed.
    pub fn scraping(target: SocketAddr) -> Option<Self> {
        // Freed when it is dropped here; nobody else asks for ports at random.
        let address = TcpListener::bind("127.0.0.1:0")
            .and_then(|port| port.local_addr())
            .expect("a free port");
        let dir = std::env::temp_dir().join(format!("ghostsched-prometheus-{}", address.port()));
        fs::create_dir_all(&dir).expect("a directory");
        let config = dir.join("prometheus.yml");
        let text = format!(
            "global: {{ scrape_interval: 1s, scrape_timeout: 1s }}\n\
             scrape_configs: [{{ job_name: ghostsched, static_configs: [{{ targets: ['{target}'] }}] }}]\n"
        );
        fs::write(&config, text).expect("a file");
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Some(Self { child, address, dir }),
            Err(_) => {
                let _ = fs::remove_dir_all(&dir);
                None
            }
        }
    }

    /// Asks until there is an answer that is not empty; `None` if there is none in time.
    pub fn query(&self, query: &str) -> Option<Vec<Value>> {
        let encoded: String = query.bytes().map(|b| format!("%{b:02X}")).collect();
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            // It does not listen at once.
            if std::net::TcpStream::connect(self.address).is_ok() {
                let request = format!("GET /api/v1/query?query={encoded} HTTP/1.0\r\n\r\n");
                let answer = http::send(self.address, request.as_bytes());
                let reply: Value = serde_json::from_str(&answer.body).unwrap_or_default();
                match reply["data"]["result"].as_array() {
                    Some(result) if !result.is_empty() => return Some(result.clone()),
                    _ => {}
                }
            }
            thread::sleep(Duration::from_millis(200));
        }
        None
    }

    /// The one number that a query gives.
    pub fn number(&self, query: &str) -> f64 {
        let result = self.query(query).unwrap_or_default();
        let number = result.first().and_then(|one| one["value"][1].as_str()?.parse().ok());
        number.unwrap_or_else(|| panic!("{query}: {result:?}"))
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.dir);
    }
}
