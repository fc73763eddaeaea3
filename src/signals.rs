//! What ends or interrupts a measurement: signals of the user, the end of `-- COMMAND`, the time.

use std::process::ExitStatus;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Instant;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::emulate_default_handler;

use crate::exit::{Failure, in_words};

/// After so many signals the process dies as it would without us, whatever it is doing.
const PATIENCE: u32 = 3;

/// Something that happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// The deadline passed.
    Time,
    /// SIGINT or SIGTERM. A SIGHUP keeps its meaning, so that nohup works.
    Signal(i32),
    /// The command ended.
    Exited(Option<ExitStatus>),
}

/// The queue of what happened. One a process.
#[derive(Debug)]
pub struct Events {
    sender: Sender<Event>,
    receiver: Receiver<Event>,
}

impl Events {
    /// Catches signals from now on. The handler only writes to a pipe; a thread of its own turns that into events.
    pub fn new() -> Result<Self, Failure> {
        let events = Self::silent();
        let sender = events.sender();
        let mut signals = Signals::new([SIGINT, SIGTERM])
            .map_err(|error| Failure::Error(format!("cannot catch signals: {}", in_words(&error))))?;
        thread::spawn(move || {
            let mut seen = 0;
            for signal in signals.forever() {
                seen += 1;
                if seen >= PATIENCE || sender.send(Event::Signal(signal)).is_err() {
                    // BPF programs go with the file descriptors, and those with the process.
                    let _ = emulate_default_handler(signal);
                }
            }
        });
        Ok(events)
    }

    /// The queue without signals.
    pub fn silent() -> Self {
        let (sender, receiver) = mpsc::channel();
        Self { sender, receiver }
    }

    /// A way to put events in.
    pub fn sender(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// The next event, or [`Event::Time`] at the deadline; without one, waits for ever.
    pub fn wait(&self, deadline: Option<Instant>) -> Event {
        let received = match deadline {
            None => self.receiver.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(deadline) => self
                .receiver
                .recv_timeout(deadline.saturating_duration_since(Instant::now())),
        };
        // Never disconnected: `self` holds a sender.
        received.unwrap_or(Event::Time)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn an_event_comes_before_the_deadline_and_the_time_after() {
        let events = Events::silent();
        let soon = Instant::now() + Duration::from_millis(5);
        events.sender().send(Event::Signal(SIGTERM)).expect("open");
        assert_eq!(events.wait(Some(soon)), Event::Signal(SIGTERM));
        assert_eq!(events.wait(Some(soon)), Event::Time);
        assert!(Instant::now() >= soon);
    }
}
