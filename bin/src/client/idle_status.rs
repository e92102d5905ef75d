//! What a person gets to see while a build says nothing.

use super::connection::Connection;
use super::error::ClientError;
use super::{info, info_filter};
use crate::command_line::Address;
use crate::terminal::StatusLine;
use crate::wording::Span;
use builder_proto::Uuid;
use builder_proto::command::RunningInfo;
use builder_proto::history::Build;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

/// Time between two changes of the line; also the silence before it appears.
const INTERVAL: Duration = Duration::from_secs(1);

/// A line on a terminal that says how long a build runs and says nothing.
#[derive(Debug)]
pub(super) struct IdleStatus {
    line: StatusLine,
    build: Option<Running>,
    /// When something arrived last.
    last_arrival: Instant,
    has_heard: bool,
}

/// A build that runs.
#[derive(Debug)]
struct Running {
    title: String,
    started: Instant,
}

impl IdleStatus {
    /// Asks the server what the build is, if there is a terminal to show it on.
    pub(super) fn of_build(remote: &Address, uuid: Uuid, quiet: bool) -> IdleStatus {
        let mut idle_status = IdleStatus::new(quiet);
        if idle_status.line.is_enabled() {
            match info::ask(remote) {
                Ok(reply) => idle_status.build = info_filter::find_running(&reply, uuid).map(Running::from),
                // Observing it will fail for the same reason, and say so, or the line just says less.
                Err(error) => log::info!("cannot tell what build {uuid} is: {error}"),
            }
        }
        idle_status
    }

    /// The same for a build that is known.
    pub(super) fn of_running(build: &RunningInfo, quiet: bool) -> IdleStatus {
        IdleStatus { build: Some(Running::from(build)), ..IdleStatus::new(quiet) }
    }

    /// The same for a build of the history.
    pub(super) fn of_remembered(build: &Build, quiet: bool) -> IdleStatus {
        let running = Running::new(&build.job, &build.platform, build.started);
        IdleStatus { build: Some(running), ..IdleStatus::new(quiet) }
    }

    /// The same while no build has begun.
    pub(super) fn of_queued(quiet: bool) -> IdleStatus {
        IdleStatus::new(quiet)
    }

    /// One that nobody gets to see.
    pub(super) fn none() -> IdleStatus {
        IdleStatus::new(true)
    }

    fn new(quiet: bool) -> IdleStatus {
        // Lines that go elsewhere may come back to this terminal, as from a pager, and would be mixed with ours.
        let line = StatusLine::new(quiet || !io::stdout().is_terminal());
        IdleStatus { line, build: None, last_arrival: Instant::now(), has_heard: false }
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
            (Some(Running { title, started }), false) => {
                self.line
                    .show(format_args!("{title}: running for {}, silent so far", Span(started.elapsed())));
            }
            (Some(Running { title, started }), true) => {
                let running = Span(started.elapsed());
                self.line.show(format_args!("{title}: running for {running}, silent for {silence}"));
            }
        }
    }
}

impl Running {
    fn new(job: &Text, platform: &Text, started: Time) -> Running {
        let age = info::now().duration_since(started);
        let now = Instant::now();
        Running { title: format!("{job} on {platform}"), started: now.checked_sub(age).unwrap_or(now) }
    }
}

impl From<&RunningInfo> for Running {
    fn from(build: &RunningInfo) -> Running {
        Running::new(&build.job.name, &build.job.platform, build.started)
    }
}
