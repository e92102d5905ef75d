//! `builder-worker`: runs one job of a platform and reports it.
//!
//! What happens when is decided in [`builder_engine::worker`]; here is what it takes to do it. In the order in which to read:
//!
//! | module | holds |
//! |---|---|
//! | `reactor` | the loop that carries out what the engine decides |
//! | `sources` | what the loop waits for: the socket, the console, signals |
//! | `processes` | the script of a job, and all that it starts, on FreeBSD and Linux |
//! | `directory` | where the script runs, and removing what it left there |
//! | `tree` | that directory, opened so that no link leads out of it |
//! | `lister`, `artifacts` | finding the artifacts of the job, and sending them |

mod artifacts;
mod directory;
mod lister;
mod processes;
mod reactor;
mod sources;
mod tree;

use crate::command_line::{
    Address, Flag, Kind, Logging, Matches, Program, REMOTE, UsageError, Word, remote, time_limit,
};
use crate::socket;
use crate::terminal::StatusLine;
use builder_engine::limits::JOB_TIME;
use builder_engine::names::{NameKind, check_name};
use builder_engine::worker::{Ending, Settings, Worker};
use builder_proto::text::Text;
use reactor::Reactor;
use sources::Hangup;
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs the program.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main_with_code(resolve, |arguments| match run(arguments) {
        Ok(Ending::Reported | Ending::Left) => ExitCode::SUCCESS,
        Ok(Ending::Kept) => ExitCode::from(KEPT_EXIT_CODE),
        Err(error) => {
            PROGRAM.complain(&error);
            ExitCode::FAILURE
        }
    })
}

/// Exit code of a worker that has reported a failed job and kept its directory: the sandbox is worth keeping.
const KEPT_EXIT_CODE: u8 = 3;

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: "builder-worker",
    about: "Asks a builder server for one job of PLATFORM, runs it, and reports the result.\n\
            Without --remote, the environment variable BUILDER_REMOTE names the server.",
    notes: "",
    logging: Logging::Task,
    words: &[Word::one("PLATFORM", Kind::Platform)],
    flags: &[REMOTE, TIMEOUT, KEEP_FAILED],
    commands: &[],
};

const TIMEOUT: Flag =
    Flag::with_value("timeout", "TIME", Kind::Text, "the longest time that the job may run")
        .default("1h")
        .manual(
            "\
The longest time that a job may run, such as
.Li 90m
or
.Li 1h30m .
The default is one hour.
When the time is up, the processes of the job get
.Dv SIGTERM ,
and
.Dv SIGKILL
ten seconds later.
The artifacts so far are kept.",
        );

const KEEP_FAILED: Flag = Flag::switch("keep-failed", "keep the directory of a failed job, and exit with 3")
    .manual(
        "\
If the job fails, do not remove its directory, and exit with status 3 once the
server has the result.
The scripts that run workers in sandboxes use this to keep the sandbox of a
failed job.
A job that does not end with status 0 has failed; one whose result the server
did not get has not, because it runs again.",
    );

/// What the command line says.
#[derive(Clone, Debug)]
struct Arguments {
    remote: Address,
    settings: Settings,
    quiet: bool,
}

/// Refuses a platform that the server would not take, and times that are none.
fn resolve(matches: &Matches) -> Result<Arguments, UsageError> {
    let [platform] = matches.free.as_slice() else {
        return Err(UsageError::new(match matches.free.get(1) {
            None => "PLATFORM is missing; name the platform whose job to run".to_owned(),
            Some(extra) => format!("{extra} is one word too many; a worker runs a job of one PLATFORM"),
        }));
    };
    let platform = Text::from(platform.as_str());
    check_name(NameKind::Platform, &platform).map_err(|error| UsageError::new(error.to_string()))?;
    let timeout = time_limit(matches, TIMEOUT.long)?.unwrap_or(JOB_TIME);
    let text = matches.opt_str(TIMEOUT.long);
    let timeout_text = text.unwrap_or_else(|| humantime::format_duration(JOB_TIME).to_string());
    Ok(Arguments {
        remote: remote(matches)?,
        settings: Settings {
            platform,
            timeout,
            timeout_text,
            keep_failed: matches.opt_present(KEEP_FAILED.long),
            spread: socket::spread(),
        },
        quiet: matches.opt_present("quiet"),
    })
}

fn run(arguments: Arguments) -> Result<Ending, String> {
    processes::close_on_execute();
    let hangup = Hangup::heed().map_err(|error| format!("cannot handle signals: {error}"))?;
    processes::adopt_orphans().map_err(|error| format!("cannot adopt the orphans of jobs: {error}"))?;
    let remote = arguments.remote;
    // None when it was reset; the engine decides when there is another.
    let socket = match sources::connect(&remote) {
        Ok(socket) => Some(socket),
        Err(error) if error.is_reset() => None,
        Err(error) => return Err(error.to_string()),
    };
    log::info!("waiting for a job from {remote}");
    // Somebody who waits in front of a terminal should see for what, and whom, if the address is not the one meant.
    let mut waiting = StatusLine::new(arguments.quiet || log::log_enabled!(log::Level::Info));
    waiting.show(format_args!("waiting for a job for {} from {remote}", arguments.settings.platform));
    let engine = Worker::new(arguments.settings);
    let reactor = Reactor::new(engine, remote, socket, temporary_directory(), waiting, hangup)
        .map_err(|error| format!("cannot watch the connection: {error}"))?;
    let ending = reactor.run()?;
    if ending == Ending::Left {
        log::info!("leaving without a job, as SIGHUP asked");
    }
    Ok(ending)
}

/// An empty variable counts as none.
fn temporary_directory() -> PathBuf {
    let directory = std::env::temp_dir();
    if directory.as_os_str().is_empty() { "/tmp".into() } else { directory }
}
