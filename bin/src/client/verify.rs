//! Whether a job makes the same of the same: two runs of it, and what differs between their artifacts.

use super::diff::{self, Verdict};
use super::error::ClientError;
use super::flags::Form;
use super::run::{Conversation, Event};
use super::status;
use crate::command_line::Address;
use crate::terminal::{Look, Palette};
use builder_proto::command::Command;
use builder_proto::history::Build;
use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

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
) -> Result<ExitCode, ClientError> {
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
            return Ok(ExitCode::from(match status::of(&end.cause) {
                // That would say that the artifacts differ.
                1..status::GREATER => status::GREATER,
                other => other,
            }));
        }
    }
    match diff::print_artifacts(remote, [one, other], form)? {
        Verdict::Same => Ok(ExitCode::SUCCESS),
        Verdict::Different => Ok(ExitCode::FAILURE),
        Verdict::Unknown => Err(ClientError::NotCompared),
    }
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
        // The exit status says what counts.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }
}
