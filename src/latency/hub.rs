//! One profiler, many askers: the thread that owns it answers one question after the other.
//!
//! The owner is the thread that calls [`run`]; nobody else ever touches the profiler, so there is no lock that a panic
//! could poison, and the profiler need not be `Send`. A question that is not answered in time is given up by its asker.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, SyncSender};
use std::time::{Duration, Instant};

use ghostsched_bpf::Error;
use ghostsched_core::histogram::Bounds;

use super::ledger::Ledger;
use super::metrics::{self, text::Format};
use super::source::Source;

/// Questions that may queue before askers are told to come back: more than there can be connections.
const QUEUE: usize = 64;
/// How long an asker waits.
const PATIENCE: Duration = Duration::from_secs(10);

/// What can be asked.
#[derive(Debug)]
enum Question {
    Alive(SyncSender<()>),
    Scrape(Format, SyncSender<Result<String, Error>>),
    Status(SyncSender<Result<Status, Error>>),
    Reset(SyncSender<Result<Status, Error>>),
    Bounds(Box<Bounds>, SyncSender<Result<Status, Error>>),
    Stop,
}

/// The state of a running measurement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// How queueing delay is measured.
    pub method: &'static str,
    /// Kernel release.
    pub kernel: String,
    /// The number of the epoch.
    pub epoch: u32,
    /// Since when it counts: nanoseconds since 1970.
    pub start_unix_ns: u64,
    /// For how long it has counted.
    pub interval_ns: u64,
    /// The bounds in force.
    pub bounds: Bounds,
    /// Groups that ran or waited since.
    pub groups: usize,
    /// Threads that wait now.
    pub waiting: usize,
}

/// What askers hold.
#[derive(Clone, Debug)]
pub struct Hub {
    questions: SyncSender<Question>,
}

/// The questions, for the owner of the profiler.
#[derive(Debug)]
pub struct Questions(Receiver<Question>);

/// A hub, and the questions that will come from it.
pub fn new() -> (Hub, Questions) {
    let (questions, receiver) = mpsc::sync_channel(QUEUE);
    (Hub { questions }, Questions(receiver))
}

impl Hub {
    fn ask<T>(&self, question: impl FnOnce(SyncSender<T>) -> Question) -> Result<T, Error> {
        // Room for one: the owner never waits for an asker.
        let (answer, answers) = mpsc::sync_channel(1);
        let ending = || Error::System("too busy, or about to end: ask again in a moment".into());
        self.questions.try_send(question(answer)).map_err(|_| ending())?;
        answers.recv_timeout(PATIENCE).map_err(|error| match error {
            RecvTimeoutError::Disconnected => ending(),
            RecvTimeoutError::Timeout => Error::System(format!(
                "the profiler did not answer within {} s: ask again",
                PATIENCE.as_secs()
            )),
        })
    }

    /// Whether the owner of the profiler answers.
    pub fn alive(&self) -> Result<(), Error> {
        self.ask(Question::Alive)
    }

    /// The metrics.
    pub fn scrape(&self, format: Format) -> Result<String, Error> {
        self.ask(|answer| Question::Scrape(format, answer))?
    }

    /// The state.
    pub fn status(&self) -> Result<Status, Error> {
        self.ask(Question::Status)?
    }

    /// Takes the present as the new baseline; the state after it.
    pub fn reset(&self) -> Result<Status, Error> {
        self.ask(Question::Reset)?
    }

    /// Starts a new epoch with other bounds; the state after it.
    pub fn set_bounds(&self, bounds: Bounds) -> Result<Status, Error> {
        self.ask(|answer| Question::Bounds(Box::new(bounds), answer))?
    }

    /// Ends [`run`] after the questions that were asked before.
    pub fn stop(&self) {
        // Waits for room; if the owner is gone, it has stopped.
        let _ = self.questions.send(Question::Stop);
    }
}

/// Answers questions until told to stop, until the time is over, or until no asker is left.
pub fn run(source: &mut dyn Source, ledger: &mut Ledger, questions: &Questions, time: Option<Duration>) {
    let until = time.and_then(|time| Instant::now().checked_add(time));
    loop {
        // Without a time limit this sleeps until somebody asks: an idle server never runs.
        let question = match until {
            None => questions.0.recv().map_err(|_| RecvTimeoutError::Disconnected),
            Some(until) => questions
                .0
                .recv_timeout(until.saturating_duration_since(Instant::now())),
        };
        match question {
            Err(_) | Ok(Question::Stop) => return,
            Ok(question) => answer(source, ledger, question),
        }
    }
}

/// Answers one question. Whoever asked may have given up, which is no concern here.
fn answer(source: &mut dyn Source, ledger: &mut Ledger, question: Question) {
    match question {
        Question::Alive(answer) => {
            let _ = answer.try_send(());
        }
        Question::Scrape(format, answer) => {
            let text = source
                .snapshot()
                .map(|snapshot| metrics::render(&snapshot, ledger.update(&snapshot), format));
            let _ = answer.try_send(text);
        }
        Question::Status(answer) => {
            let _ = answer.try_send(status(source));
        }
        Question::Reset(answer) => {
            let done = source.reset();
            if done.is_ok() {
                ledger.restart();
            }
            let _ = answer.try_send(done.and_then(|()| status(source)));
        }
        Question::Bounds(bounds, answer) => {
            let done = source.set_bounds(*bounds);
            if done.is_ok() {
                ledger.restart();
            }
            let _ = answer.try_send(done.and_then(|()| status(source)));
        }
        // Handled by the caller.
        Question::Stop => {}
    }
}

fn status(source: &mut dyn Source) -> Result<Status, Error> {
    let snapshot = source.snapshot()?;
    Ok(Status {
        method: snapshot.method.name(),
        epoch: snapshot.epoch,
        start_unix_ns: snapshot.start_unix_ns,
        interval_ns: snapshot.interval_ns,
        bounds: snapshot.bounds,
        groups: snapshot.groups.len(),
        waiting: snapshot.in_progress.len(),
        kernel: snapshot.kernel,
    })
}
