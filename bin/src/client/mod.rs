//! `builder-client`: one command to a server, and its answer.

mod connection;
mod error;
mod info;
mod info_json;
mod info_table;
mod line_printer;
mod observe;
mod request;
#[cfg(test)]
mod samples;
mod silence;
mod table;

use crate::command_line::{
    Address, Logging, Matches, Program, REMOTE_OPTION, UsageError, declare_remote, value,
};
use builder_proto::command::Command;
use connection::Connection;
use error::ClientError;
use request::{Form, Request};
use silence::Silence;
use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main(Settings::resolve, run)
}

const PROGRAM: Program = Program {
    name: "builder-client",
    usage: "[OPTIONS] COMMAND",
    about: "\
Tells a builder server what to do.

Commands:
    schedule NAME PLATFORM FILE   run the script FILE on PLATFORM, now and once each PERIOD
    orb-build NAME OPAM_PACKAGE   build OPAM_PACKAGE on every platform, now and once each PERIOD
    reschedule NAME TIME          run NAME next at TIME, such as 2026-01-02T03:04:05Z;
                                  with --period, once each PERIOD from then on
    unschedule NAME               run NAME no more; a running build ends by itself
    execute NAME                  run NAME now; with --platform, only there
    info                          print schedule, queues, running builds and dropped platforms
    observe UUID                  print the console of a build, from its start to its end
    observe-latest                the same for the build that started last;
                                  with --platform and --job, among those
    drop-platform PLATFORM        forget the queue and the jobs of PLATFORM, and refuse new ones
    undrop-platform PLATFORM      accept jobs for PLATFORM again

With --json, info prints one object, and observe one object a line; see builder-client(1).

A PERIOD is hourly, daily, weekly or never; with never, NAME runs once, and then only on 'execute'.
Without --remote, the environment variable BUILDER_REMOTE names the server.

Exit status: 0 done, 1 refused or failed, 2 wrong usage. How an observed build ended does not matter.",
    logging: Logging::Command,
    options: |options| {
        declare_remote(options);
        options.optopt("", "period", "how often the job runs (daily)", "PERIOD");
        options.optopt("", "platform", "only this platform", "PLATFORM");
        options.optopt("", "job", "only builds of this job", "NAME");
        options.optflag("", "json", "print JSON; goes with info, observe and observe-latest");
    },
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
        let remote = match value(matches, REMOTE_OPTION)? {
            Some(remote) => remote,
            None => remote_of_environment()?.unwrap_or_default(),
        };
        let request = Request::parse(matches)?;
        Ok(Settings { remote, request, form: Form::of(matches), quiet: matches.opt_present("quiet") })
    }
}

/// An empty variable counts as none.
fn remote_of_environment() -> Result<Option<Address>, UsageError> {
    let Some(word) = std::env::var_os(REMOTE_VARIABLE).filter(|word| !word.is_empty()) else {
        return Ok(None);
    };
    let word = word.to_string_lossy();
    let address = word.parse();
    address.map(Some).map_err(|error| UsageError::new(format_args!("{REMOTE_VARIABLE} {word}: {error}")))
}

const REMOTE_VARIABLE: &str = "BUILDER_REMOTE";

fn run(settings: Settings) -> Result<(), ClientError> {
    match perform(settings) {
        Err(error) if error.is_closed_stdout() => Ok(()),
        result => result,
    }
}

fn perform(Settings { remote, request, form, quiet }: Settings) -> Result<(), ClientError> {
    match request {
        Request::Send(command) => send(&remote, &command),
        Request::Schedule(job) => send(&remote, &job.read()?),
        Request::Info => info::print(&info::ask(&remote)?, form),
        Request::Observe(uuid) => {
            observe::observe(&remote, uuid, form, Silence::of_build(&remote, uuid, quiet))
        }
        Request::ObserveLatest(filter) => {
            let reply = info::ask(&remote)?;
            let latest = info::find_latest(&reply, &filter).ok_or(ClientError::NothingRuns(filter))?;
            observe::observe(&remote, latest.uuid, form, Silence::of_running(latest, quiet))
        }
    }
}

/// Sends a command to which the answer is that it was done or why not.
fn send(remote: &Address, command: &Command) -> Result<(), ClientError> {
    let mut connection = Connection::open(remote)?;
    match connection.ask(command)? {
        Command::Success => Ok(()),
        other => Err(connection.refusal(command, other)),
    }
}
