//! The console of a build that is named by its job or its uuid, and what matches in the consoles of a job.

use super::builds;
use super::console::{IdleStatus, print_console};
use super::error::ClientError;
use super::flags::Form;
use super::history::in_short;
use super::line_printer::{Front, to_stdout};
use super::selection::{Selection, Wanted};
use crate::clock;
use crate::command_line::{Address, Limit, When};
use crate::pattern::Pattern;
use crate::terminal::{Look, Palette};
use crate::wording::{Span, whole_seconds};
use builder_proto::command::Command;
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::io::{self, IsTerminal, Write};
use std::str::FromStr;

/// Which consoles are printed, and what of them.
#[derive(Debug)]
pub(super) struct LogsRequest {
    /// A job or a uuid.
    pub(super) word: Text,
    pub(super) platform: Option<Text>,
    /// Only builds that failed.
    pub(super) failed: bool,
    /// Whether to wait for lines to come.
    pub(super) follow: bool,
    pub(super) times: Times,
    /// Only lines that match.
    pub(super) pattern: Option<Pattern>,
    /// Which builds are searched: those that started then or later.
    pub(super) since: Option<When>,
    /// Which builds are searched: so many.
    pub(super) limit: Option<Limit>,
}

/// What stands in front of a line of one console.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Times {
    /// The time since the start.
    #[default]
    Relative,
    /// The time of day.
    Absolute,
    /// Nothing.
    None,
}

impl FromStr for Times {
    type Err = &'static str;

    fn from_str(word: &str) -> Result<Times, &'static str> {
        match word {
            "relative" => Ok(Times::Relative),
            "absolute" => Ok(Times::Absolute),
            "none" => Ok(Times::None),
            _ => Err("choose relative, absolute or none"),
        }
    }
}

/// Prints what is asked for. Returns whether there was anything, if only lines are wanted that match.
pub(super) fn print(
    remote: &Address,
    request: &LogsRequest,
    form: Form,
    quiet: bool,
) -> Result<bool, ClientError> {
    if let (Some(pattern), false) = (&request.pattern, request.follow) {
        let builds = request.builds_of_job(remote, request.since, request.limit.unwrap_or(Limit::MOST))?;
        // None since then is not none at all.
        if !builds.is_empty() || !request.builds_of_job(remote, None, Limit(1))?.is_empty() {
            let has_found = search(remote, &builds, pattern, form)?;
            if !has_found && io::stderr().is_terminal() && !quiet {
                tell_that_nothing_matches(builds.len());
            }
            return Ok(has_found);
        }
    }
    let wanted = if request.failed { Wanted::Failed } else { Wanted::Any };
    let selection = Selection { word: request.word.clone(), platform: request.platform.clone(), wanted };
    request.print_one(remote, &selection.resolve(remote)?, form, quiet)
}

impl LogsRequest {
    /// The builds that are searched, if what was written is a job.
    fn builds_of_job(
        &self,
        remote: &Address,
        since: Option<When>,
        limit: Limit,
    ) -> Result<Vec<Build>, ClientError> {
        let query = HistoryQuery {
            failed: self.failed,
            job: Some(self.word.clone()),
            platform: self.platform.clone(),
            since: since.map(|when| when.resolve(clock::wall_time())),
            ..HistoryQuery::default()
        };
        builds::ask(remote, query, limit.0)
    }

    /// Prints the console of one build, or what matches in it.
    fn print_one(
        &self,
        remote: &Address,
        build: &Build,
        form: Form,
        quiet: bool,
    ) -> Result<bool, ClientError> {
        let is_for_person = form == Form::People && io::stdout().is_terminal() && !quiet;
        if is_for_person {
            let palette = Palette::of(&io::stdout());
            let (title, which) = (title(build, clock::wall_time()), which(build));
            let (title, which) = (palette.paint(Look::Title, title), palette.paint(Look::Aside, which));
            writeln!(io::stdout().lock(), "{title}\n{which}").map_err(ClientError::Print)?;
        }
        let front = match self.times {
            Times::Relative => Front::Elapsed,
            Times::Absolute => Front::Time(build.started),
            Times::None => Front::Nothing,
        };
        let (question, idle_status) = match self.follow {
            true => (Command::Observe(build.uuid()), IdleStatus::of_remembered(build, quiet)),
            false => (Command::Console(build.uuid()), IdleStatus::none()),
        };
        let has_result = self.follow || build.end.is_some();
        let mut printer = to_stdout(form, front, self.pattern.clone());
        print_console(remote, &question, &mut printer, idle_status, has_result)
            .map_err(|error| explained(build, error))?;
        let has_matched = self.pattern.is_none() || printer.has_matched();
        if !has_result && is_for_person {
            let palette = Palette::of(&io::stdout());
            let rest = palette
                .paint(Look::Aside, "the build still runs; with --follow, lines to come are waited for");
            drop(printer);
            writeln!(io::stdout().lock(), "{rest}").map_err(ClientError::Print)?;
        }
        Ok(has_matched)
    }
}

/// Prints what matches in the consoles of these builds. Returns whether anything does.
fn search(remote: &Address, builds: &[Build], pattern: &Pattern, form: Form) -> Result<bool, ClientError> {
    let digits = builds::digits_to_tell_apart(builds);
    let (mut has_found, mut missing) = (false, 0usize);
    for build in builds {
        let front = Front::Place(build.uuid(), digits);
        let mut printer = to_stdout(form, front, Some(pattern.clone()));
        let question = Command::Console(build.uuid());
        match print_console(remote, &question, &mut printer, IdleStatus::none(), build.end.is_some()) {
            Ok(()) => {}
            Err(error) if error.is_refusal() => {
                log::info!("cannot search build {}: {error}", build.uuid());
                missing += 1;
            }
            Err(error) => return Err(error),
        }
        has_found |= printer.has_matched();
    }
    if missing > 0 {
        log::warn!(
            "of {} builds, {missing} could not be searched: their consoles are no longer on the server",
            builds.len()
        );
    }
    Ok(has_found)
}

/// Tells a person, who would otherwise see nothing at all.
fn tell_that_nothing_matches(count: usize) {
    let searched = match count {
        0 => "no build was searched".to_owned(),
        1 => "no line of one build matches".to_owned(),
        more => format!("no line of {more} builds matches"),
    };
    let text = Palette::of(&io::stderr()).paint(Look::Aside, searched);
    // The exit status says the same.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The error, and if the server does not have the console, what became of it.
fn explained(build: &Build, error: ClientError) -> ClientError {
    match error {
        ClientError::Refused { reason, .. } if reason.as_bytes() == b"uuid not found" => {
            let uuid = build.uuid();
            let hint = match build.end.as_ref().and_then(|end| end.removed) {
                Some(removed) => {
                    let removed = whole_seconds(removed);
                    format!(": the result of build {uuid} was removed from the server at {removed}")
                }
                None => format!(": the server remembers build {uuid}, but its result is no longer there"),
            };
            ClientError::Refused { reason, hint }
        }
        error => error,
    }
}

/// Of which job a build is, and how it ended; the last line of the console says why.
fn title(build: &Build, now: Time) -> String {
    let Build { job, platform, started, .. } = build;
    let ago = Span(now.duration_since(*started));
    match &build.end {
        None => format!("{job} on {platform}: running for {ago}"),
        Some(end) => {
            let took = Span(end.finished.duration_since(*started));
            format!("{job} on {platform}: {} after {took}, started {ago} ago", in_short(&end.cause))
        }
    }
}

/// Which build it is: what fits a line of a terminal.
fn which(build: &Build) -> String {
    format!("build {}, started {}", build.uuid(), whole_seconds(build.started))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples::{build, ended};
    use builder_proto::history::Cause;

    #[test]
    fn the_head_says_which_build_it_is_and_how_it_ended() {
        let now = Time::from_unix_milliseconds(100_000);
        let running = build(7, "hello\x1b[2J", 40);
        assert_eq!(title(&running, now), "hello\\x1b[2J on p: running for 1m 0s");
        let uuid = "07070707-0707-0707-0707-070707070707";
        assert_eq!(which(&running), format!("build {uuid}, started 1970-01-01T00:00:40Z"));
        let lost = ended(running, 5, Cause::Lost("x\n".into()));
        assert_eq!(title(&lost, now), "hello\\x1b[2J on p: lost after 5s, started 1m 0s ago");
    }

    #[test]
    fn a_console_that_is_gone_is_explained() {
        let refused = || ClientError::Refused { reason: "uuid not found".into(), hint: String::new() };
        let mut build = ended(build(7, "hello", 40), 5, Cause::Exited(0));
        let name = "build 07070707-0707-0707-0707-070707070707";
        let expected =
            format!("uuid not found: the server remembers {name}, but its result is no longer there");
        assert_eq!(explained(&build, refused()).to_string(), expected);
        build.end.as_mut().unwrap().removed = Some(Time::UNIX_EPOCH);
        let expected = format!(
            "uuid not found: the result of {name} was removed from the server at 1970-01-01T00:00:00Z"
        );
        assert_eq!(explained(&build, refused()).to_string(), expected);
    }
}
