//! `-- COMMAND`: runs it while we measure.

use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::Sender;
use std::thread;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::exit::{Failure, in_words};
use crate::signals::Event;

/// A command that runs. Dropping it leaves it alone.
#[derive(Debug)]
pub struct Running {
    /// Signals go through this: a pid may belong to somebody else by the time we use it.
    pidfd: Option<OwnedFd>,
}

impl Running {
    /// Starts a command; [`Event::Exited`] tells of its end. With `apart`, its stdout goes to our stderr, so that our
    /// stdout is nothing but the report.
    pub fn start(words: &[OsString], apart: bool, events: Sender<Event>) -> Result<Self, Failure> {
        let Some((program, arguments)) = words.split_first() else {
            return Err(Failure::Usage(
                "no command after '--': write one, such as -- sleep 5".into(),
            ));
        };
        let name = program.to_string_lossy();
        let mut command = Command::new(program);
        command.args(arguments);
        if apart {
            command.stdout(
                io::stderr()
                    .as_fd()
                    .try_clone_to_owned()
                    .map_or_else(|_| Stdio::null(), Stdio::from),
            );
        }
        let mut child = command.spawn().map_err(|error| {
            Failure::Error(match error.kind() {
                io::ErrorKind::NotFound => format!("cannot start '{name}': no such command in PATH"),
                io::ErrorKind::PermissionDenied => format!("cannot start '{name}': it is not an executable file"),
                _ => format!("cannot start '{name}': {}", in_words(&error)),
            })
        })?;
        // Before anybody waits for the child, its pid cannot be reused.
        let pid = rustix::process::Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok();
        thread::spawn(move || {
            // The receiver goes away only when the measurement is over.
            let _ = events.send(Event::Exited(child.wait().ok()));
        });
        Ok(Self { pidfd })
    }

    /// Asks the command to end.
    pub fn terminate(&self) {
        if let Some(pidfd) = &self.pidfd {
            // It may have ended by itself: nothing to do then.
            let _ = pidfd_send_signal(pidfd, Signal::TERM);
        }
    }
}

/// The status a shell would show: its own, or 128 and the number of the signal that ended it.
pub fn status_of(status: Option<ExitStatus>) -> u8 {
    let Some(status) = status else { return 0 };
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal))
        .unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signals::Events;

    fn run(words: &[&str]) -> Result<u8, Failure> {
        let events = Events::silent();
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let _running = Running::start(&words, false, events.sender())?;
        match events.wait(None) {
            Event::Exited(status) => Ok(status_of(status)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_command_ends_with_its_own_status() {
        assert_eq!(run(&["true"]), Ok(0));
        assert_eq!(run(&["sh", "-c", "exit 7"]), Ok(7));
        assert_eq!(run(&["sh", "-c", "kill -9 $$"]), Ok(137));
    }

    #[test]
    fn a_command_that_is_none_is_refused_in_words() {
        let Err(Failure::Error(line)) = run(&["/no/such/command"]) else {
            panic!("started")
        };
        assert_eq!(line, "cannot start '/no/such/command': no such command in PATH");
        let Err(Failure::Error(line)) = run(&["/etc/passwd"]) else {
            panic!("started")
        };
        assert_eq!(line, "cannot start '/etc/passwd': it is not an executable file");
    }

    #[test]
    fn a_command_can_be_asked_to_end() {
        let events = Events::silent();
        let running = Running::start(&["sleep".into(), "60".into()], false, events.sender()).expect("sleep");
        running.terminate();
        assert!(matches!(events.wait(None), Event::Exited(status) if status_of(status) == 128 + 15));
    }
}
