//! A job that is run and followed to its end: with its console, or twice, to see whether it makes the same of the same.

use super::connection::Connection;
use super::console::{IdleStatus, Lenient, print_console, wait_for_more};
use super::diff::{self, Verdict};
use super::error::ClientError;
use super::flags::Form;
use super::line_printer::{Front, LinePrinter, to_writer};
use crate::command_line::Address;
use crate::json::{self, string};
use crate::terminal::{Look, Palette};
use builder_engine::history::words;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, Kind};
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::text::Text;
use serde_json::json;
use std::fmt::Display;
use std::io::{self, Write};

/// A server that tells of a job until it has run.
struct Conversation {
    connection: Connection,
    command: Command,
    end: Option<(Build, BuildEnd)>,
}

/// What it tells.
enum Event {
    /// Why the job does not run yet, or runs again.
    Waits(Text),
    /// It runs as this build.
    Started(Build),
    /// A line of the console, and when it was printed, in nanoseconds since the build started.
    Line(Text, Option<i64>),
    /// The build has ended for good. Nothing follows.
    Ended(Build, BuildEnd),
}

impl Conversation {
    /// Gives the command of somebody who waits.
    fn begin(remote: &Address, command: Command) -> Result<Conversation, ClientError> {
        let mut connection = Connection::open(remote, Kind::Run)?;
        connection.wait_without_limit()?;
        connection.tell(&command)?;
        Ok(Conversation { connection, command, end: None })
    }

    /// What has arrived already.
    fn received(&mut self) -> Result<Option<Event>, ClientError> {
        while let Some(message) = self.connection.take_received()? {
            return Ok(Some(match message {
                Command::Waiting(reason) => Event::Waits(reason),
                Command::Output { line, timestamp, .. } => Event::Line(line, timestamp),
                Command::Build(build) => match build.end.clone() {
                    Some(end) => {
                        self.end = Some((build, end));
                        continue;
                    }
                    None => Event::Started(build),
                },
                Command::Success => match self.end.take() {
                    Some((build, end)) => Event::Ended(build, end),
                    None => return Err(self.connection.refusal(&self.command, Command::Success)),
                },
                other => return Err(self.connection.refusal(&self.command, other)),
            }));
        }
        Ok(None)
    }

    /// Waits for what comes next, for whoever prints no lines.
    fn next(&mut self) -> Result<Event, ClientError> {
        loop {
            match self.received()? {
                Some(event) => return Ok(event),
                None if self.connection.read_more().map_err(|error| self.broken(error))? => {}
                None => return Err(self.closed()),
            }
        }
    }

    fn closed(&self) -> ClientError {
        self.broken(self.connection.closed("the end of the build"))
    }

    /// Nobody is told of the job any more, whatever becomes of it.
    fn broken(&self, error: ClientError) -> ClientError {
        match &self.command {
            Command::Run { name, .. } => {
                ClientError::Unfollowed { error: Box::new(error), job: name.clone() }
            }
            _ => error,
        }
    }
}

/// Runs a job, prints what comes of it, and says how it ended.
pub(super) fn run(remote: &Address, command: Command, form: Form, quiet: bool) -> Result<Cause, ClientError> {
    let mut conversation = Conversation::begin(remote, command)?;
    let mut screen = Screen::new(form, quiet);
    let outcome = screen.follow(&mut conversation);
    screen.printer.end_without_result();
    screen.printer.flush()?;
    outcome
}

/// Prints the console of a build that has ended, as if it had been followed.
pub(super) fn replay(remote: &Address, build: &Build, form: Form) -> Result<(), ClientError> {
    let mut screen = Screen::new(form, true);
    screen.begin(build)?;
    print_console(remote, &Command::Console(build.uuid()), &mut screen.printer, IdleStatus::none(), true)
}

/// Where somebody reads what comes of a job.
struct Screen {
    form: Form,
    quiet: bool,
    printer: LinePrinter<Lenient>,
    idle_status: IdleStatus,
}

impl Screen {
    fn new(form: Form, quiet: bool) -> Screen {
        let printer = to_writer(form, Front::Elapsed, None, Lenient::stdout());
        Screen { form, quiet, printer, idle_status: IdleStatus::of_queued(quiet) }
    }

    fn follow(&mut self, conversation: &mut Conversation) -> Result<Cause, ClientError> {
        loop {
            match conversation.received()? {
                Some(Event::Waits(reason)) => self.tell(&reason)?,
                Some(Event::Started(build)) => self.begin(&build)?,
                Some(Event::Line(line, timestamp)) => self.printer.append(line, timestamp)?,
                Some(Event::Ended(build, end)) => {
                    self.end(&build, &end)?;
                    return Ok(end.cause);
                }
                None => {
                    let connection = &mut conversation.connection;
                    match wait_for_more(connection, &mut self.printer, &mut self.idle_status) {
                        Ok(true) => {}
                        Ok(false) => return Err(conversation.closed()),
                        Err(error @ ClientError::Print(_)) => return Err(error),
                        Err(error) => return Err(conversation.broken(error)),
                    }
                }
            }
        }
    }

    /// Says why the job does not run.
    fn tell(&mut self, reason: &Text) -> Result<(), ClientError> {
        self.printer.end_without_result();
        self.printer.flush()?;
        self.idle_status.end();
        match self.form {
            Form::Json => self.line(&json::line(&json!({ "waiting": string(reason) }))),
            Form::People => {
                tell(self.quiet, reason);
                Ok(())
            }
        }
    }

    /// Says which build it is.
    fn begin(&mut self, build: &Build) -> Result<(), ClientError> {
        self.idle_status = IdleStatus::of_remembered(build, self.quiet);
        let uuid = build.uuid().to_string();
        match self.form {
            Form::Json => {
                let (job, platform) = (string(&build.job), string(&build.platform));
                self.line(&json::line(&json!({ "uuid": uuid, "job": job, "platform": platform })))
            }
            Form::People => {
                let palette = Palette::of(&io::stdout());
                self.line(&palette.paint(Look::Aside, format_args!("build {uuid}")).to_string())
            }
        }
    }

    /// Says how it ended, in the words in which the console of a build does.
    fn end(&mut self, build: &Build, end: &BuildEnd) -> Result<(), ClientError> {
        let elapsed = end.finished.duration_since(build.started).as_nanos();
        let result = match &end.cause {
            Cause::Exited(code) => BuildResult::Exited(*code),
            Cause::Signalled(number) => BuildResult::Signalled(*number),
            Cause::Stopped(number) => BuildResult::Stopped(*number),
            other => BuildResult::Message(words(other)),
        };
        self.printer.append(result.to_string().into(), i64::try_from(elapsed).ok())?;
        self.printer.end_with_result();
        self.printer.flush()
    }

    fn line(&mut self, line: &str) -> Result<(), ClientError> {
        let mut output = Lenient::stdout();
        writeln!(output, "{line}").and_then(|()| output.flush()).map_err(ClientError::Print)
    }
}

/// What came of two runs.
pub(super) enum Verified {
    /// The artifacts of both were compared.
    Compared(Verdict),
    /// There is nothing to compare, as one of them ended like this.
    Failed(Cause),
}

/// The runs by name.
const RUNS: [&str; 2] = ["first", "second"];

/// A run that is followed without its console.
struct Run {
    name: &'static str,
    quiet: bool,
    conversation: Conversation,
    end: Option<Build>,
}

/// Runs a job twice, at the same time if there are workers for that, and compares what it left.
pub(super) fn verify(
    remote: &Address,
    command: &Command,
    form: Form,
    quiet: bool,
) -> Result<Verified, ClientError> {
    let begin = |name| -> Result<Run, ClientError> {
        Ok(Run { name, quiet, conversation: Conversation::begin(remote, command.clone())?, end: None })
    };
    let mut first = begin(RUNS[0])?;
    // A job that is queued is not queued again, so the second run begins when the first has left its queue.
    first.until_started()?;
    let mut second = begin(RUNS[1])?;
    let one = first.until_end()?;
    let mut other = second.until_end()?;
    if one.uuid == other.uuid {
        // The first was lost, and was queued again where the second was.
        other = begin(RUNS[1])?.until_end()?;
    }
    for (name, build) in RUNS.into_iter().zip([&one, &other]) {
        if let Some(end) = build.end.as_ref().filter(|_| build.has_failed()) {
            tell(false, format_args!("the {name} run failed: {}; nothing was compared", end.cause));
            return Ok(Verified::Failed(end.cause.clone()));
        }
    }
    diff::print_artifacts(remote, [one, other], form).map(Verified::Compared)
}

impl Run {
    fn until_started(&mut self) -> Result<(), ClientError> {
        while self.end.is_none() && !self.step()? {}
        Ok(())
    }

    fn until_end(&mut self) -> Result<Build, ClientError> {
        loop {
            if let Some(build) = self.end.take() {
                return Ok(build);
            }
            self.step()?;
        }
    }

    /// Waits for what comes next. Says whether the job has left its queue.
    fn step(&mut self) -> Result<bool, ClientError> {
        let name = self.name;
        match self.conversation.next()? {
            Event::Waits(reason) => tell(self.quiet, format_args!("{name} run: {reason}")),
            Event::Started(build) => {
                tell(self.quiet, format_args!("{name} run: build {}", build.uuid()));
                return Ok(true);
            }
            Event::Line(..) => {}
            Event::Ended(build, _) => self.end = Some(build),
        }
        Ok(false)
    }
}

/// Tells a person how it goes.
fn tell(quiet: bool, text: impl Display) {
    if !quiet {
        let text = Palette::of(&io::stderr()).paint(Look::Aside, text);
        // Who reads no stderr does not miss anything that counts.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
