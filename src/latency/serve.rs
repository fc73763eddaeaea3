//! `ghostsched latency --listen`: one process, one profiler; scrapes and control requests around it.
//!
//! Port and socket are taken first ([`bind`]), so that a busy one is told before anything is attached to the kernel. Then
//! [`Bound::run`] answers until SIGINT, SIGTERM or the end of `--for`, and removes the socket.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use ghostsched_bpf::Error;

use super::control;
use super::control::socket::{self, Claim, Listening};
use super::http;
use super::hub::{self, Hub};
use super::ledger::{Ledger, Limits};
use super::source::Source;
use crate::signals::{Event, Events};

/// What to serve, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where metrics are served.
    pub listen: SocketAddr,
    /// Where the control socket is; `None` for none.
    pub control: Option<PathBuf>,
    /// How many series there may be.
    pub limits: Limits,
    /// For how long; `None` until told to stop.
    pub time: Option<Duration>,
}

/// A port and a socket that are ours, and not yet served.
#[derive(Debug)]
pub struct Bound {
    options: Options,
    port: TcpListener,
    control: Option<(Listening, Claim)>,
}

/// Takes the port and the socket, or says in one line why not.
pub fn bind(options: Options) -> Result<Bound, Error> {
    let port = http::bind(options.listen)?;
    let control = options.control.as_deref().map(socket::claim).transpose()?;
    Ok(Bound { options, port, control })
}

impl Bound {
    /// The address that was taken: with the real port where port 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.port.local_addr().unwrap_or(self.options.listen)
    }

    /// One line that says where to ask.
    pub fn announcement(&self) -> String {
        let metrics = format!("metrics on http://{}/metrics", self.address());
        match &self.options.control {
            None => metrics,
            Some(path) => format!("{metrics}, control socket {}", path.display()),
        }
    }

    /// Serves until a signal or the end of the time.
    pub fn run(self, source: &mut dyn Source, events: Events) -> Result<(), Error> {
        let (hub, questions) = hub::new();
        let stopper = hub.clone();
        // Blocked in the one place where events come; ends with the process, if none comes.
        let wait = move || {
            while events.wait(None) == Event::Time {}
            stopper.stop();
        };
        thread::Builder::new()
            .name("signals".into())
            .spawn(wait)
            .map_err(no_thread)?;
        self.serve(source, hub, &questions)
    }

    /// Serves until the hub is told to stop, or the end of the time.
    fn serve(self, source: &mut dyn Source, hub: Hub, questions: &hub::Questions) -> Result<(), Error> {
        let address = self.address();
        let mut ledger = Ledger::new(self.options.limits);
        // Dropped in reverse order: the services end, then the claim removes the socket.
        let (listening, _claim) = self.control.unzip();
        let _control = listening
            .map(|it| control::serve(it, hub.clone(), address))
            .transpose()
            .map_err(no_thread)?;
        let _metrics = http::serve(self.port, hub).map_err(no_thread)?;
        hub::run(source, &mut ledger, questions, self.options.time);
        Ok(())
    }
}

fn no_thread(error: io::Error) -> Error {
    Error::System(format!("cannot start a thread: {error}; raise the limit on processes"))
}

#[cfg(test)]
mod tests;
