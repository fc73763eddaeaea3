//! The measuring loop: until the time, a signal or the end of the command, with a report each interval or one at the end.

use std::io::{self, IsTerminal, Write};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use ghostsched_bpf::Snapshot;
use signal_hook::consts::SIGINT;

use super::command::Running;
use super::fail_if::{FailIf, Outcome};
use super::report::{self, Style};
use super::source::Source;
use crate::exit::Failure;
use crate::signals::{Event, Events};
use crate::units::exact_ns;

/// How long, how often, and with what.
#[derive(Debug, Default)]
pub struct Plan {
    /// Stop after this.
    pub length: Option<Duration>,
    /// Report each time this passed.
    pub every: Option<Duration>,
    /// The command whose end is the end.
    pub command: Option<Running>,
}

/// Measures and reports; gives the command's status, where there was one.
///
/// With `every`, each report is its interval's and the last is what remained; without, the one report is everything.
pub fn run(
    source: &mut dyn Source,
    plan: &Plan,
    style: &Style,
    events: &Events,
    out: &mut dyn Write,
) -> Result<Option<ExitStatus>, Failure> {
    let start = Instant::now();
    let end = plan.length.and_then(|length| start.checked_add(length));
    let mut progress = Progress::start(plan);
    let mut reports = 0;
    let mut next = plan.every.and_then(|every| start.checked_add(every));
    let mut interrupted = false;
    let status = loop {
        let deadline = [next, end].into_iter().flatten().min();
        match events.wait(deadline) {
            Event::Exited(status) => break status,
            Event::Signal(signal) => {
                let Some(command) = &plan.command else { break None };
                // A terminal sends SIGINT to the command as well. Its end is worth waiting for, once.
                if signal != SIGINT || interrupted {
                    command.terminate();
                }
                if std::mem::replace(&mut interrupted, true) {
                    break None;
                }
            }
            Event::Time if end.is_some_and(|end| Instant::now() >= end) => break None,
            Event::Time => {
                progress.end();
                print(&source.interval()?, style, reports, out)?;
                reports += 1;
                // A report that took longer than an interval is followed by one long interval, not by a burst.
                let now = Instant::now();
                while let (Some(due), Some(every)) = (next, plan.every)
                    && due <= now
                {
                    next = due.checked_add(every);
                }
            }
        }
    };
    progress.end();
    let last = if plan.every.is_some() {
        source.interval()?
    } else {
        source.snapshot()?
    };
    print(&last, style, reports, out)?;
    Ok(status)
}

fn print(snapshot: &Snapshot, style: &Style, nth: usize, out: &mut dyn Write) -> Result<(), Failure> {
    let gap = if nth > 0 && !style.json { "\n" } else { "" };
    report::write(out, &(gap.to_owned() + &report::render(snapshot, style)))
}

/// Evaluates all conditions; a line on stderr for each that holds or means no cgroup.
pub fn judge(conditions: &[FailIf], snapshot: &Snapshot) -> Result<(), Failure> {
    let mut result = Ok(());
    for condition in conditions {
        match condition.evaluate(snapshot) {
            Outcome::Passes => {}
            Outcome::Holds(line) => {
                say(&line);
                // A condition that holds outweighs one that could not be judged.
                result = Err(Failure::FailIf);
            }
            Outcome::NoCgroup(line) => {
                say(&line);
                result = result.and(Err(Failure::Unjudged));
            }
        }
    }
    result
}

/// A line on stderr; where that is closed, there is nobody to tell.
fn say(line: &str) {
    let _ = writeln!(io::stderr(), "ghostsched: {line}");
}

/// `measuring 10s ...` on a terminal's stderr, gone before the report.
struct Progress {
    shown: bool,
}

impl Progress {
    fn start(plan: &Plan) -> Self {
        // A command's own output would stand on the same line.
        let shown = io::stderr().is_terminal() && plan.command.is_none();
        if shown {
            let span = plan.every.or(plan.length);
            let text = match span {
                Some(span) => format!(
                    "measuring {} ... ",
                    exact_ns(u64::try_from(span.as_nanos()).unwrap_or(u64::MAX))
                ),
                None => "measuring until Ctrl-C ... ".to_owned(),
            };
            let _ = write!(io::stderr(), "{text}");
        }
        Self { shown }
    }

    fn end(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::latency::columns::Paint;
    use crate::latency::source::fake::Fake;

    fn style() -> Style {
        let (matrix, hist) = (false, false);
        Style {
            json: true,
            matrix,
            hist,
            top: None,
            filter: None,
            width: usize::MAX,
            paint: Paint(false),
        }
    }

    fn lines(plan: &Plan, before: &[Event]) -> usize {
        let events = Events::silent();
        for event in before {
            events.sender().send(*event).expect("open");
        }
        let mut out = Vec::new();
        run(&mut Fake::new(), plan, &style(), &events, &mut out).expect("a report");
        out.iter().filter(|&&byte| byte == b'\n').count()
    }

    #[test]
    fn a_length_alone_gives_one_report() {
        assert_eq!(
            lines(
                &Plan {
                    length: Some(Duration::from_millis(5)),
                    ..Plan::default()
                },
                &[]
            ),
            1
        );
    }

    #[test]
    fn each_interval_and_what_remains_are_reported() {
        let (length, every) = (Some(Duration::from_millis(90)), Some(Duration::from_millis(40)));
        let reports = lines(
            &Plan {
                length,
                every,
                ..Plan::default()
            },
            &[],
        );
        // Two whole intervals and the rest; a busy machine may join the two.
        assert!((2..=3).contains(&reports), "{reports}");
    }

    #[test]
    fn a_signal_ends_it_with_a_report() {
        assert_eq!(lines(&Plan::default(), &[Event::Signal(SIGINT)]), 1);
    }

    #[test]
    fn a_condition_that_holds_outweighs_one_that_means_nobody() {
        let parse = |text| FailIf::parse(text).expect("valid");
        let snapshot = Fake::new().snapshot;
        let holds = parse("max(wait)>1ms");
        let nobody = parse("max(wait,/nobody)>1ms");
        assert_eq!(judge(&[holds.clone(), nobody.clone()], &snapshot), Err(Failure::FailIf));
        assert_eq!(judge(&[nobody.clone(), holds], &snapshot), Err(Failure::FailIf));
        assert_eq!(judge(&[nobody], &snapshot), Err(Failure::Unjudged));
        assert_eq!(judge(&[], &snapshot), Ok(()));
    }
}
