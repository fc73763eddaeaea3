//! A running tool: its start, its BPF programs, its end.

use std::fs;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Cost;
use crate::peers::{Peer, perf_data};

/// bpftrace compiles for a while before it attaches.
const START: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(2);
const END: Duration = Duration::from_secs(8);

/// A tool that has attached; it ends when dropped.
pub struct Tool {
    child: Child,
    has_programs: bool,
}

/// One BPF program of a tool, by the kernel's own count.
#[derive(Clone, Copy)]
pub struct Program {
    id: u64,
    run_ns: u64,
    runs: u64,
}

impl Tool {
    /// Starts it and waits until its programs are there.
    pub fn start(peer: &Peer) -> Result<Self, String> {
        let child = Command::new(&peer.program)
            .args(&peer.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{}: {error}", peer.program.display()))?;
        let mut tool = Self {
            child,
            has_programs: peer.has_programs,
        };
        let deadline = Instant::now() + START;
        while peer.has_programs && tool.programs().is_empty() {
            tool.still_runs()?;
            if Instant::now() > deadline {
                return Err(format!("no BPF program of it after {} s", START.as_secs()));
            }
            sleep(Duration::from_millis(100));
        }
        sleep(SETTLE);
        tool.still_runs()?;
        Ok(tool)
    }

    fn still_runs(&mut self) -> Result<(), String> {
        let Some(status) = self.child.try_wait().map_err(|error| error.to_string())? else {
            return Ok(());
        };
        let mut said = String::new();
        if let Some(stderr) = &mut self.child.stderr {
            let _ = stderr.read_to_string(&mut said); // whatever it said is better than nothing
        }
        Err(format!(
            "ended at once ({status}): {}",
            said.lines().last().unwrap_or("without a word")
        ))
    }

    /// Its programs. The kernel tells them of each descriptor in fdinfo, so programs of others are not counted.
    pub fn programs(&self) -> Vec<Program> {
        let folder = format!("/proc/{}/fdinfo", self.child.id());
        let mut programs: Vec<Program> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(|entry| program(&fs::read_to_string(entry.ok()?.path()).ok()?))
            .collect();
        programs.sort_by_key(|program| program.id);
        programs.dedup_by_key(|program| program.id); // a program may have several descriptors
        programs
    }

    /// What the programs took, a context switch, during `work`; `None` of a tool without programs.
    pub fn cost_of(&self, work: impl FnOnce() -> Result<(), String>) -> Result<Option<Cost>, String> {
        if !self.has_programs {
            return Ok(None);
        }
        let (before, switches_before) = (self.programs(), switches()?);
        work()?;
        let (after, switches_after) = (self.programs(), switches()?);
        let (mut ns, mut runs) = (0, 0);
        for program in after {
            let earlier = before.iter().find(|earlier| earlier.id == program.id);
            ns += program.run_ns - earlier.map_or(0, |earlier| earlier.run_ns);
            runs += program.runs - earlier.map_or(0, |earlier| earlier.runs);
        }
        let switches = (switches_after - switches_before).max(1) as f64;
        Ok(Some(Cost {
            ns: ns as f64 / switches,
            runs: runs as f64 / switches,
        }))
    }
}

impl Drop for Tool {
    fn drop(&mut self) {
        // Interrupted as a person would, then killed.
        let _ = kill_process(Pid::from_child(&self.child), Signal::INT);
        let deadline = Instant::now() + END;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            sleep(Duration::from_millis(50));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_file(perf_data());
    }
}

/// A program from the fdinfo of its descriptor; `None` for other descriptors, those of links included.
fn program(fdinfo: &str) -> Option<Program> {
    let field = |name: &str| {
        fdinfo
            .lines()
            .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    };
    Some(Program {
        id: field("prog_id:")?,
        run_ns: field("run_time_ns:")?,
        runs: field("run_cnt:")?,
    })
}

/// Context switches of the machine since boot: each is one sched_switch event.
fn switches() -> Result<u64, String> {
    let stat = fs::read_to_string("/proc/stat").map_err(|error| error.to_string())?;
    stat.lines()
        .find_map(|line| line.strip_prefix("ctxt ")?.parse().ok())
        .ok_or_else(|| "/proc/stat tells no context switches".into())
}
