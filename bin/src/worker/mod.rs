//! `builder-worker`: runs one job of a platform and reports it.
//!
//! What happens when is decided in [`builder_engine::worker`]; here is what it takes to do it: the
//! `reactor`, the `directory` of the job and what may be read of it (`tree`, `artifacts`) and removed (`remove`),
//! the `script`, its `console` and its `processes`.

mod artifacts;
mod connection;
mod console;
mod descriptors;
mod directory;
mod opener;
mod outbox;
mod processes;
mod reactor;
mod remove;
mod script;
mod signals;
mod tree;

use crate::command_line::{Address, Matches, Program, UsageError, value};
use builder_engine::limits::JOB_TIME;
use builder_engine::names::{NameKind, check_name};
use builder_engine::worker::{Settings, Worker};
use builder_proto::text::Text;
use connection::Socket;
use reactor::Reactor;
use std::time::Duration;

/// The command line of `builder-worker`.
pub const PROGRAM: Program = Program {
    name: "builder-worker",
    usage: "[OPTIONS] PLATFORM",
    about: "Asks a builder server for one job of PLATFORM, runs it, reports the result, and ends.",
    options: |options| {
        options.optopt("r", "remote", "the server (default 127.0.0.1:1234); also unix:PATH", "HOST:PORT");
        options.optopt("", "timeout", "end a job that takes longer (default 1h)", "TIME");
    },
};

/// What the command line says.
#[derive(Clone, Debug)]
pub struct Arguments {
    remote: Address,
    settings: Settings,
}

/// Reads the command line.
///
/// # Errors
///
/// Refuses a platform that the server would not take, and times that are none.
pub fn resolve(matches: &Matches) -> Result<Arguments, UsageError> {
    let [platform] = matches.free.as_slice() else {
        return Err(UsageError::new("exactly one PLATFORM is needed"));
    };
    let platform = Text::from(platform.as_str());
    check_name(NameKind::Platform, &platform).map_err(|error| UsageError::new(error.to_string()))?;
    let (timeout, timeout_text) = match matches.opt_str("timeout") {
        Some(text) => (parse_timeout(&text)?, text),
        None => (JOB_TIME, humantime::format_duration(JOB_TIME).to_string()),
    };
    let remote = value(matches, "remote")?.unwrap_or_default();
    Ok(Arguments { remote, settings: Settings { platform, timeout, timeout_text } })
}

fn parse_timeout(text: &str) -> Result<Duration, UsageError> {
    match humantime::parse_duration(text) {
        Ok(Duration::ZERO) => {
            Err(UsageError::new(format_args!("--timeout {text}: a job needs some time; write it like 90m")))
        }
        Ok(timeout) => Ok(timeout),
        Err(error) => Err(UsageError::new(format!("--timeout {text}: {error}; write it like 90m or 1h 30m"))),
    }
}

/// Runs one job.
///
/// # Errors
///
/// A sentence that says what went wrong, and what to do about it where that is known.
pub fn run(arguments: Arguments) -> Result<(), String> {
    descriptors::close_on_execute();
    processes::adopt_orphans().map_err(|error| format!("cannot adopt the orphans of jobs: {error}"))?;
    let socket = Socket::connect(&arguments.remote).map_err(|error| error.to_string())?;
    log::info!("waiting for a job from {}", arguments.remote);
    let engine = Worker::new(arguments.settings);
    let reactor = Reactor::new(engine, socket, std::env::temp_dir())
        .map_err(|error| format!("cannot watch the connection: {error}"))?;
    reactor.run()
}
