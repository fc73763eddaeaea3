//! What the host tells init (a file in the initramfs) and what init answers (the last line of the second serial port).
//! Both sides use this one file.

use crate::Error;
use serde_json::{Value, json};
use std::fmt;

/// Where init finds its job in the guest.
pub const JOB: &str = "/job.json";
/// The serial port that carries the program's standard output, and nothing of the kernel's.
pub const OUTPUT_PORT: &str = "/dev/ttyS1";
/// Begins the last line on that port.
const TRAILER: &str = "\n@ghostsched-vm ";

/// Which cgroup hierarchy holds the cpu controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Cgroup {
    /// cgroup v2 on /sys/fs/cgroup, every controller in it.
    #[default]
    V2,
    /// cpu and cpuacct on v1 at /sys/fs/cgroup/cpu,cpuacct, and v2 without them at /sys/fs/cgroup/unified.
    V1,
}

/// What init is to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Job {
    /// The program's path in the guest, then its arguments.
    pub command: Vec<String>,
    /// Environment beyond PATH, HOME and TERM.
    pub env: Vec<(String, String)>,
    /// Which cgroup hierarchy to mount.
    pub cgroup: Cgroup,
}

impl Job {
    /// The job as init's file holds it.
    pub fn write(&self) -> String {
        let env: Vec<[&str; 2]> = self.env.iter().map(|(name, value)| [name.as_str(), value]).collect();
        json!({ "command": self.command, "env": env, "v1": self.cgroup == Cgroup::V1 }).to_string()
    }

    /// Reads what `write` wrote.
    pub fn read(text: &str) -> Result<Job, Error> {
        let job: Value = serde_json::from_str(text).map_err(|e| Error::Start(format!("{JOB}: {e}")))?;
        let words = |list: &Value| -> Vec<String> {
            list.as_array()
                .into_iter()
                .flatten()
                .map(|word| word.as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let env = job["env"].as_array().into_iter().flatten().map(&words);
        Ok(Job {
            command: words(&job["command"]),
            env: env
                .filter_map(|pair| <[String; 2]>::try_from(pair).ok())
                .map(|[name, value]| (name, value))
                .collect(),
            cgroup: if job["v1"] == true { Cgroup::V1 } else { Cgroup::V2 },
        })
    }
}

/// How the program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It exited with this status.
    Status(i32),
    /// This signal killed it.
    Signal(i32),
}

impl Exit {
    /// Whether it exited with 0.
    pub fn success(self) -> bool {
        self == Exit::Status(0)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Status(status) => write!(f, "exited with {status}"),
            Exit::Signal(signal) => write!(f, "was killed by signal {signal}"),
        }
    }
}

/// init's last word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trailer {
    /// How the program ended, or why it could not be started.
    pub exit: Result<Exit, String>,
    /// Guest time from the kernel's start to the program's start.
    pub boot_ms: u64,
    /// Guest time from the program's start to its end.
    pub run_ms: u64,
}

impl Trailer {
    /// The line that init writes after the program's output.
    pub fn write(&self) -> String {
        let (kind, value) = match &self.exit {
            Ok(Exit::Status(status)) => ("status", json!(status)),
            Ok(Exit::Signal(signal)) => ("signal", json!(signal)),
            Err(why) => ("start", json!(why)),
        };
        format!(
            "{TRAILER}{}\n",
            json!({ kind: value, "boot_ms": self.boot_ms, "run_ms": self.run_ms })
        )
    }

    /// Splits what came through the port into the program's output and the last word; `None` while that is missing.
    pub fn split(port: &[u8]) -> Option<(&[u8], Trailer)> {
        let at = port
            .windows(TRAILER.len())
            .rposition(|window| window == TRAILER.as_bytes())?;
        let line = port[at + TRAILER.len()..].strip_suffix(b"\n")?;
        let value: Value = serde_json::from_slice(line).ok()?;
        let number = |name: &str| value[name].as_i64().and_then(|n| i32::try_from(n).ok());
        let exit = match (number("status"), number("signal"), value["start"].as_str()) {
            (Some(status), ..) => Ok(Exit::Status(status)),
            (_, Some(signal), _) => Ok(Exit::Signal(signal)),
            (_, _, why) => Err(why?.to_owned()),
        };
        let ms = |name: &str| value[name].as_u64().unwrap_or(0);
        Some((
            &port[..at],
            Trailer {
                exit,
                boot_ms: ms("boot_ms"),
                run_ms: ms("run_ms"),
            },
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_survives_the_journey() {
        let job = Job {
            command: vec!["/bin/x".into(), "a b".into(), "\"".into()],
            env: vec![("K".into(), "v=w\n".into())],
            cgroup: Cgroup::V1,
        };
        assert_eq!(Job::read(&job.write()).ok(), Some(job));
    }

    #[test]
    fn output_is_given_back_byte_for_byte() {
        for exit in [Ok(Exit::Status(3)), Ok(Exit::Signal(9)), Err("no such file".to_owned())] {
            let trailer = Trailer {
                exit,
                boot_ms: 1,
                run_ms: 2,
            };
            for output in ["", "{}\n", "no newline", "@ghostsched-vm {}\n"] {
                let port = format!("{output}{}", trailer.write());
                assert_eq!(
                    Trailer::split(port.as_bytes()),
                    Some((output.as_bytes(), trailer.clone()))
                );
            }
        }
    }

    #[test]
    fn a_cut_trailer_is_none() {
        let port = Trailer {
            exit: Ok(Exit::Status(0)),
            boot_ms: 0,
            run_ms: 0,
        }
        .write();
        for end in 0..port.len() {
            assert_eq!(Trailer::split(&port.as_bytes()[..end]), None);
        }
    }
}
