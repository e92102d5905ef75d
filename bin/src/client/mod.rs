//! `builder-client`: one command to a server, its answer, and the exit status that says how it went. In the order in which to
//! read:
//!
//! | module | holds |
//! |---|---|
//! | `commands`, `flags` | what may be typed |
//! | `request` | what is asked for by that |
//! | `connection`, `error` | the connection to a server, and what can go wrong |
//! | `change`, `done` | commands that change something, and what came of them |
//! | `schedule` | a job as a command line wants it |
//! | `run`, `observe`, `console`, `line_printer` | builds that are followed to their ends |
//! | `selection`, `builds` | which build is meant by JOB or UUID, among those that a server remembers |
//! | `history`, `logs`, `fetch`, `diff` | builds of the past: lists, consoles, artifacts, differences |
//! | `overview`, `info`, `info_filter`, `info_table` | what goes on in a server: as this version says it, and as earlier ones do |
//! | `names` | names for shells that complete words |

mod builds;
mod change;
mod commands;
mod connection;
mod console;
mod diff;
mod done;
mod error;
mod fetch;
mod flags;
pub(crate) mod history;
mod info;
mod info_filter;
mod info_table;
mod line_printer;
mod logs;
mod names;
mod observe;
pub(crate) mod overview;
mod request;
mod run;
mod schedule;
mod selection;

use crate::command_line::{Address, Logging, Matches, Program, REMOTE, UsageError, remote};
use builder_proto::history::Cause;
use commands::COMMANDS;
use diff::Verdict;
use error::ClientError;
use flags::Form;
use request::Request;
use run::Verified;
use std::process::ExitCode;

/// The greatest exit status of a job that is passed on. The statuses are promised by the manual page.
const MOST_OF_JOB: i64 = 119;
/// The job exited with a greater status.
const GREATER: u8 = 120;
const SIGNALLED: u8 = 121;
const TIMEOUT: u8 = 122;
const SILENCE: u8 = 123;
const CANCELLED: u8 = 124;
const LOST: u8 = 125;
/// The job did not run, or exceeded a limit, or the server refused the command.
const REFUSED: u8 = 126;
/// Nobody knows, as there is no connection to the server.
const DISCONNECTED: u8 = 127;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main_with_code(Settings::resolve, run)
}

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: "builder-client",
    about: "Tells a builder server what to do.",
    notes: "\
'builder-client COMMAND --help' describes one command.

With --json, info, diff and verify print one object, and execute, fetch,
history, logs, observe and schedule print one object per line; see
builder-client(1).

A PERIOD is hourly, daily, weekly, never, or a time of a minute or more, such as
6h. With never, NAME runs once, and then only on 'execute'. Without --remote,
the environment variable BUILDER_REMOTE names the server.

Exit status: 0 done, 1 refused or failed, or nothing found by 'logs --grep',
2 wrong usage. Of diff: 0 the same, 1 different, 2 anything else. Of a build
that is waited for with --wait or --status: its own up to 119, 120 for a greater
one, 121 signal, 122 timeout, 123 silence, 124 cancelled, 125 lost, 126 could
not run, exceeded a limit or was refused, 127 no connection. Of verify: 0 the
same, 1 different, 120 the job failed, and the others as above.",
    logging: Logging::Command,
    words: &[],
    flags: &[REMOTE],
    commands: COMMANDS,
};

#[derive(Debug)]
struct Settings {
    remote: Address,
    request: Request,
    form: Form,
    quiet: bool,
}

impl Settings {
    fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
        let remote = remote(matches)?;
        let request = Request::parse(matches)?;
        Ok(Settings { remote, request, form: Form::of(matches), quiet: matches.opt_present("quiet") })
    }
}

fn run(settings: Settings) -> ExitCode {
    let trouble = Trouble::of(&settings.request);
    match perform(settings) {
        Ok(code) => code,
        Err(error) if error.is_closed_stdout() && trouble != Trouble::NoEnd => ExitCode::SUCCESS,
        Err(error) => {
            PROGRAM.complain(&error);
            ExitCode::from(match trouble {
                Trouble::Plain => 1,
                Trouble::NoDifference => 2,
                Trouble::NoEnd => status_of_error(&error),
            })
        }
    }
}

/// What it means for the exit status that something went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// The command was not done.
    Plain,
    /// Nobody knows whether there is a difference: a status of 1 means that there is one, as with diff(1).
    NoDifference,
    /// Nobody knows how a build ended.
    NoEnd,
}

impl Trouble {
    fn of(request: &Request) -> Trouble {
        match request {
            Request::Diff(_) => Trouble::NoDifference,
            Request::Run(_) | Request::FirstRun(_) | Request::Verify(_) => Trouble::NoEnd,
            Request::Observe(request) if request.status => Trouble::NoEnd,
            _ => Trouble::Plain,
        }
    }
}

/// Does what is asked for. Some commands answer by the exit status, too.
fn perform(Settings { remote, request, form, quiet }: Settings) -> Result<ExitCode, ClientError> {
    let done = match request {
        Request::Diff(request) => return exit_by_difference(diff::print(&remote, request, form)?),
        Request::Logs(request) => {
            let has_found = logs::print(&remote, &request, form, quiet)?;
            return Ok(if has_found { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        Request::Run(command) => {
            let question = command.clone();
            let cause = run::run(&remote, command, form, quiet);
            return exit(cause.map_err(|error| change::explained(&remote, &question, error)).map(Some));
        }
        Request::FirstRun(file) => {
            return exit(schedule::follow_first_run(&remote, file, form, quiet).map(Some));
        }
        Request::Verify(command) => {
            let verified = run::verify(&remote, &command, form, quiet)
                .map_err(|error| change::explained(&remote, &command, error));
            return match verified? {
                Verified::Compared(verdict) => exit_by_difference(verdict),
                Verified::Failed(cause) => Ok(ExitCode::from(status_of_run(&cause))),
            };
        }
        Request::Observe(request) => return exit(observe::observe(&remote, request, form, quiet)),
        Request::Send(command) => change::send(&remote, &command, quiet),
        Request::CancelNamed(word) => change::cancel(&remote, word, quiet),
        Request::Schedule(job) => change::send(&remote, &job.read()?, quiet),
        Request::Info(filter) => overview::print(&remote, &filter, form),
        Request::History(request) => history::print(&remote, &request, form, quiet),
        Request::Fetch(request) => fetch::fetch(&remote, request, form, quiet),
        Request::Names(kinds) => names::print(&remote, kinds),
    };
    done.map(|()| ExitCode::SUCCESS)
}

/// Says whether there is a difference.
fn exit_by_difference(verdict: Verdict) -> Result<ExitCode, ClientError> {
    match verdict {
        Verdict::Same => Ok(ExitCode::SUCCESS),
        Verdict::Different => Ok(ExitCode::FAILURE),
        Verdict::Unknown => Err(ClientError::NotCompared),
    }
}

/// Ends as the build did, if somebody wants to know.
fn exit(cause: Result<Option<Cause>, ClientError>) -> Result<ExitCode, ClientError> {
    cause.map(|cause| cause.map_or(ExitCode::SUCCESS, |cause| ExitCode::from(status_of(&cause))))
}

/// The status for a build that ended so.
fn status_of(cause: &Cause) -> u8 {
    match cause {
        Cause::Exited(code @ 0..=MOST_OF_JOB) => u8::try_from(*code).unwrap_or(GREATER),
        Cause::Exited(_) => GREATER,
        Cause::Signalled(_) | Cause::Stopped(_) => SIGNALLED,
        Cause::Timeout(_) => TIMEOUT,
        Cause::Silence(_) => SILENCE,
        Cause::Cancelled(_) => CANCELLED,
        Cause::Lost(_) => LOST,
        Cause::Limit(_) | Cause::CannotRun(_) => REFUSED,
    }
}

/// The same of one of two runs, for which a status of 1 would say that the artifacts differ.
fn status_of_run(cause: &Cause) -> u8 {
    match status_of(cause) {
        1..GREATER => GREATER,
        status => status,
    }
}

/// The status when it is not known how a build ended.
fn status_of_error(error: &ClientError) -> u8 {
    match error {
        ClientError::Connect { .. }
        | ClientError::Connection { .. }
        | ClientError::NoAnswer { .. }
        | ClientError::Reset { .. }
        | ClientError::NoHello { .. }
        | ClientError::Closed { .. }
        | ClientError::Unfollowed { .. } => DISCONNECTED,
        _ => REFUSED,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::overview::Null;

    #[test]
    fn each_end_has_its_status() {
        let text = || "why".into();
        for (cause, status) in [
            (Cause::Exited(0), 0),
            (Cause::Exited(1), 1),
            (Cause::Exited(119), 119),
            (Cause::Exited(120), 120),
            (Cause::Exited(255), 120),
            (Cause::Exited(-1), 120),
            (Cause::Signalled(9), 121),
            (Cause::Stopped(1), 121),
            (Cause::Timeout(Null), 122),
            (Cause::Silence(Null), 123),
            (Cause::Cancelled(text()), 124),
            (Cause::Lost(text()), 125),
            (Cause::Limit(text()), 126),
            (Cause::CannotRun(text()), 126),
        ] {
            assert_eq!(status_of(&cause), status, "{cause}");
        }
    }

    #[test]
    fn a_refusal_is_not_a_broken_connection() {
        let refused = ClientError::Refused { reason: "busy".into(), hint: String::new() };
        let closed = ClientError::Closed { peer: "127.0.0.1:1".parse().unwrap(), missing: "its answer" };
        assert_eq!((status_of_error(&refused), status_of_error(&closed)), (126, 127));
    }
}
