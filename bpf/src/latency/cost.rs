//! What the measurement itself costs.
//!
//! The kernel can time every run of a BPF program, at about the price of the program: two clock reads a run. So the
//! statistics are on for one part in ten of the time only, and the mean of those runs stands for all.

use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::object::{RunStats, StatsEnabled};

const ON: Duration = Duration::from_millis(100);
const OFF: Duration = Duration::from_millis(900);

/// Switches the kernel's statistics on and off until dropped.
#[derive(Debug)]
pub(super) struct Sampler {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Sampler {
    /// Starts; without the privilege for it there are simply no samples.
    pub(super) fn start() -> Self {
        let (stop, stopped) = channel::<()>();
        let body = move || {
            while let Ok(enabled) = StatsEnabled::new() {
                if stopped.recv_timeout(ON) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
                drop(enabled);
                if stopped.recv_timeout(OFF) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new()
            .name("ghostsched-cost".into())
            .spawn(body)
            .ok();
        Self {
            stop: Some(stop),
            thread,
        }
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The time all programs took over `switches`, from the sampled runs: time per run of the hot program, which runs once a
/// switch, with the others' time spread over it. `None` before the first sample.
pub(super) fn total_ns(hot: RunStats, all: RunStats, switches: u64) -> Option<u64> {
    (hot.runs > 0).then(|| (u128::from(all.ns) * u128::from(switches) / u128::from(hot.runs)) as u64)
}
