//! `builder-client`: one command to a server, and its answer.

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
mod job_lines;
mod line_printer;
mod logs;
mod names;
mod observe;
pub(crate) mod overview;
mod request;
mod run;
mod schedule;
mod selection;
mod status;
mod verify;

use crate::command_line::{Address, Logging, Matches, Program, REMOTE, UsageError, remote};
use builder_proto::history::Cause;
use commands::COMMANDS;
use diff::Verdict;
use error::ClientError;
use flags::Form;
use request::Request;
use std::process::ExitCode;

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
                Trouble::NoEnd => status::of_error(&error),
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
        Request::Diff(request) => {
            return match diff::print(&remote, request, form)? {
                Verdict::Same => Ok(ExitCode::SUCCESS),
                Verdict::Different => Ok(ExitCode::FAILURE),
                Verdict::Unknown => Err(ClientError::NotCompared),
            };
        }
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
            return verify::verify(&remote, &command, form, quiet)
                .map_err(|error| change::explained(&remote, &command, error));
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

/// Ends as the build did, if somebody wants to know.
fn exit(cause: Result<Option<Cause>, ClientError>) -> Result<ExitCode, ClientError> {
    cause.map(|cause| cause.map_or(ExitCode::SUCCESS, |cause| ExitCode::from(status::of(&cause))))
}
