//! The console of a build, asked for and printed as it comes: to a stdout that may be closed meanwhile, and with a line on a
//! terminal that says how long the build has been silent.

use super::connection::Connection;
use super::error::ClientError;
use super::line_printer::LinePrinter;
use super::{info, info_filter};
use crate::clock;
use crate::command_line::Address;
use crate::terminal::StatusLine;
use crate::wording::Span;
use builder_proto::Uuid;
use builder_proto::command::{Command, RunningInfo};
use builder_proto::history::Build;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::io::{self, ErrorKind, IsTerminal, StdoutLock, Write};
use std::time::{Duration, Instant};

/// Time between two changes of the line that says how long it has been silent; also the silence before it appears.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a line that may be the result is kept from a person; a server sends the end together with the result.
const RESULT_TIME: Duration = Duration::from_secs(5);

/// Asks for a console, and prints what is sent. The last line is the result if it `has_result`.
pub(super) fn print_console<W: Write>(
    remote: &Address,
    question: &Command,
    printer: &mut LinePrinter<W>,
    mut idle_status: IdleStatus,
    has_result: bool,
) -> Result<(), ClientError> {
    let mut connection = Connection::open(remote, question.kind())?;
    // A build may be silent for as long as it likes; what is there already comes at once.
    if let Command::Observe(_) = question {
        connection.wait_without_limit()?;
    }
    let result = follow(&mut connection, printer, &mut idle_status, question);
    match result {
        Ok(()) if has_result => printer.end_with_result(),
        _ => printer.end_without_result(),
    }
    printer.flush()?;
    result
}

fn follow<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
    question: &Command,
) -> Result<(), ClientError> {
    connection.tell(question)?;
    let mut missing = "its answer";
    loop {
        match connection.take_received()? {
            Some(Command::Output { line, timestamp, .. }) => {
                printer.append(line, timestamp)?;
                missing = "the end of the build";
            }
            Some(Command::Success) => return Ok(()),
            Some(other) => return Err(connection.refusal(question, other)),
            // Everything that has arrived is shown before waiting for more.
            None => {
                if !wait_for_more(connection, printer, idle_status)? {
                    return Err(connection.closed(missing));
                }
            }
        }
    }
}

/// Shows what there is, and waits until more has arrived; false when the server has closed the connection.
pub(super) fn wait_for_more<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
) -> Result<bool, ClientError> {
    printer.flush()?;
    match printer.keeps_person_waiting() {
        true => wait_for_result(connection, printer, idle_status),
        false => idle_status.wait(connection),
    }
}

/// Waits until more has arrived, and shows the line that is held when that takes long: then the job has printed it.
fn wait_for_result<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
) -> Result<bool, ClientError> {
    if let Some(arrived) = connection.read_within(RESULT_TIME)? {
        idle_status.end();
        return Ok(arrived);
    }
    printer.end_without_result();
    printer.flush()?;
    idle_status.wait(connection)
}

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
        let age = clock::wall_time().duration_since(started);
        let now = Instant::now();
        Running { title: format!("{job} on {platform}"), started: now.checked_sub(age).unwrap_or(now) }
    }
}

impl From<&RunningInfo> for Running {
    fn from(build: &RunningInfo) -> Running {
        Running::new(&build.job.name, &build.job.platform, build.started)
    }
}

/// Writes to stdout as long as somebody reads it. Whoever has seen enough, such as `head`, does not end the rest.
#[derive(Debug)]
pub(super) struct Lenient<W = StdoutLock<'static>> {
    output: W,
    is_closed: bool,
}

impl Lenient {
    pub(super) fn stdout() -> Lenient {
        Lenient::new(io::stdout().lock())
    }
}

impl<W: Write> Lenient<W> {
    fn new(output: W) -> Lenient<W> {
        Lenient { output, is_closed: false }
    }

    fn tolerate<T>(&mut self, outcome: io::Result<T>, instead: T) -> io::Result<T> {
        match outcome {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {
                self.is_closed = true;
                Ok(instead)
            }
            outcome => outcome,
        }
    }
}

impl<W: Write> Write for Lenient<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_closed {
            return Ok(bytes.len());
        }
        let written = self.output.write(bytes);
        self.tolerate(written, bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.is_closed {
            return Ok(());
        }
        let flushed = self.output.flush();
        self.tolerate(flushed, ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fails in this way from the second write on.
    struct Failing(Option<ErrorKind>, usize);

    impl Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.1 += 1;
            match self.0.filter(|_| self.1 > 1) {
                Some(kind) => Err(kind.into()),
                None => Ok(bytes.len()),
            }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_nobody_reads_is_no_failure_and_anything_else_is() {
        let mut closed = Lenient::new(Failing(Some(ErrorKind::BrokenPipe), 0));
        for _ in 0..3 {
            closed.write_all(b"line\n").unwrap();
            closed.flush().unwrap();
        }
        assert_eq!(closed.output.1, 2, "it is not tried again");
        let mut full = Lenient::new(Failing(Some(ErrorKind::StorageFull), 0));
        full.write_all(b"line\n").unwrap();
        assert_eq!(full.write_all(b"line\n").unwrap_err().kind(), ErrorKind::StorageFull);
    }
}
