//! `builder-client`: one command to a server, and its answer.

mod builds;
mod change;
mod commands;
mod connection;
mod diff;
mod done;
pub(crate) mod entering;
mod error;
mod fetch;
mod flags;
mod form;
mod hint;
mod history;
mod idle_status;
mod info;
mod info_filter;
mod info_table;
mod job_lines;
mod line_printer;
mod logs;
mod observe;
mod overview;
mod pattern;
mod request;
mod selection;
mod selection_error;
mod wanted;

use crate::command_line::{Address, Logging, Matches, Program, REMOTE, UsageError, remote};
use builder_proto::Uuid;
use builder_proto::command::Command;
use commands::COMMANDS;
use diff::Verdict;
use error::ClientError;
use form::Form;
use idle_status::IdleStatus;
use request::Request;
use selection_error::SelectionError;
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

With --json, info and diff print one object, and fetch, history, logs and
observe print one object per line; see builder-client(1).

A PERIOD is hourly, daily, weekly, never, or a time of a minute or more, such as
6h. With never, NAME runs once, and then only on 'execute'. Without --remote,
the environment variable BUILDER_REMOTE names the server.

Exit status: 0 done, 1 refused or failed, or nothing found by 'logs --grep',
2 wrong usage. Of diff: 0 the same, 1 different, 2 anything else. The result of
a build does not change it.",
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
    // A status of 1 means that there is a difference, as with diff(1).
    let trouble = if matches!(settings.request, Request::Diff(_)) { 2 } else { 1 };
    match perform(settings) {
        Ok(code) => code,
        Err(error) if error.is_closed_stdout() => ExitCode::SUCCESS,
        Err(error) => {
            PROGRAM.complain(&error);
            ExitCode::from(trouble)
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
        Request::Send(command) => change::send(&remote, &command, quiet),
        Request::CancelNamed(word) => change::cancel(&remote, word, quiet),
        Request::Schedule(job) => change::send(&remote, &job.read()?, quiet),
        Request::Info(filter) => overview::print(&remote, &filter, form),
        Request::History(request) => history::print(&remote, &request, form, quiet),
        Request::Fetch(request) => fetch::fetch(&remote, request, form, quiet),
        Request::Observe(uuid) => observe_build(&remote, uuid, form, quiet),
        Request::ObserveBeginning(word) => {
            let build = selection::find_by_digits(&remote, &word).map_err(|error| match error {
                ClientError::TooOld { peer, lacks, .. } => {
                    ClientError::TooOld { peer, lacks, instead: "write the whole uuid" }
                }
                other => other,
            })?;
            let uuid = build.ok_or(SelectionError::UnknownUuid(word))?.uuid();
            observe_build(&remote, uuid, form, quiet)
        }
        Request::ObserveLatest(filter) => {
            let reply = info::ask(&remote)?;
            let latest = filter.find_latest(&reply).ok_or(ClientError::NothingRuns(filter))?;
            observe::observe(&remote, latest.uuid, form, IdleStatus::of_running(latest, quiet))
        }
    };
    done.map(|()| ExitCode::SUCCESS)
}

fn observe_build(remote: &Address, uuid: Uuid, form: Form, quiet: bool) -> Result<(), ClientError> {
    let observed = observe::observe(remote, uuid, form, IdleStatus::of_build(remote, uuid, quiet));
    observed.map_err(|error| change::explained(remote, &Command::Observe(uuid), error))
}
