//! What a person gets to see while a build prints nothing.

use super::connection::Connection;
use super::error::ClientError;
use super::{info, reply};
use crate::command_line::Address;
use crate::terminal::StatusLine;
use crate::wording::Span;
use builder_proto::Uuid;
use builder_proto::command::RunningInfo;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Time between two changes of the line; also the silence before it appears.
const INTERVAL: Duration = Duration::from_secs(1);

/// A line on a terminal that says how long a build runs and says nothing.
#[derive(Debug)]
pub(super) struct Silence {
    line: StatusLine,
    build: Option<Build>,
    /// When something arrived last.
    last_arrival: Instant,
    has_heard: bool,
}

/// A build that runs.
#[derive(Debug)]
struct Build {
    title: String,
    started: Instant,
}

impl Silence {
    /// Asks the server what the build is, if there is a terminal to show it on.
    pub(super) fn of_build(remote: &Address, uuid: Uuid, quiet: bool) -> Silence {
        let mut silence = Silence::new(quiet);
        if silence.line.is_enabled() {
            match info::ask(remote) {
                Ok(reply) => silence.build = reply::find_running(&reply, uuid).map(Build::new),
                // Observing it will fail for the same reason, and say so, or the line just says less.
                Err(error) => log::info!("cannot tell what build {uuid} is: {error}"),
            }
        }
        silence
    }

    /// The same for a build that is known.
    pub(super) fn of_running(build: &RunningInfo, quiet: bool) -> Silence {
        Silence { build: Some(Build::new(build)), ..Silence::new(quiet) }
    }

    fn new(quiet: bool) -> Silence {
        // Lines that go elsewhere may come back to this terminal, as from a pager, and would be mixed with ours.
        let line = StatusLine::new(quiet || !io::stdout().is_terminal());
        Silence { line, build: None, last_arrival: Instant::now(), has_heard: false }
    }

    /// Waits until more has arrived, however long it takes; false when the server has closed the connection.
    pub(super) fn wait(&mut self, connection: &mut Connection) -> Result<bool, ClientError> {
        if !self.line.is_enabled() {
            return connection.read_more();
        }
        loop {
            if let Some(arrived) = connection.read_within(INTERVAL)? {
                self.end();
                return Ok(arrived);
            }
            self.show();
        }
    }

    /// Something has arrived.
    pub(super) fn end(&mut self) {
        self.line.clear();
        self.last_arrival = Instant::now();
        self.has_heard = true;
    }

    fn show(&mut self) {
        let silence = Span(self.last_arrival.elapsed());
        match (&self.build, self.has_heard) {
            (None, false) => self.line.show(format_args!("waiting for {silence}")),
            (None, true) => self.line.show(format_args!("silent for {silence}")),
            (Some(Build { title, started }), false) => {
                self.line
                    .show(format_args!("{title}: running for {}, silent so far", Span(started.elapsed())));
            }
            (Some(Build { title, started }), true) => {
                let running = Span(started.elapsed());
                self.line.show(format_args!("{title}: running for {running}, silent for {silence}"));
            }
        }
    }
}

impl Build {
    fn new(build: &RunningInfo) -> Build {
        let age = info::now().duration_since(build.started);
        let now = Instant::now();
        Build {
            title: format!("{} on {}", build.job.name, build.job.platform),
            started: now.checked_sub(age).unwrap_or(now),
        }
    }
}
