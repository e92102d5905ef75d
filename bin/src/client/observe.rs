//! A build that somebody names and follows to its end.

use super::change::explained;
use super::console::{IdleStatus, Lenient, print_console};
use super::error::ClientError;
use super::flags::Form;
use super::info_filter::BuildFilter;
use super::line_printer::{Front, to_stdout, to_writer};
use super::selection::{SelectionError, find_by_digits};
use super::{builds, info};
use crate::command_line::Address;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Cause;
use builder_proto::text::Text;
use std::thread;
use std::time::Duration;

/// How often it is asked how a build ended whose console is there: the result of one that was aborted is stored afterwards.
const LOOKS: u32 = 300;
/// The pause before each of these questions but the first.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// The build whose console somebody wants to see.
#[derive(Debug)]
pub(super) struct ObserveRequest {
    pub(super) which: Which,
    /// Whether the exit status is to say how the build ends.
    pub(super) status: bool,
}

/// How a build is named.
#[derive(Debug)]
pub(super) enum Which {
    /// By its uuid.
    Uuid(Uuid),
    /// By the beginning of its uuid, which no other has.
    Beginning(Text),
    /// As the one that runs and started last.
    Latest(BuildFilter),
}

/// Prints the console of a build up to its result. Says how it ended, if that is wanted.
pub(super) fn observe(
    remote: &Address,
    request: ObserveRequest,
    form: Form,
    quiet: bool,
) -> Result<Option<Cause>, ClientError> {
    let (uuid, idle_status) = match request.which {
        Which::Uuid(uuid) => (uuid, IdleStatus::of_build(remote, uuid, quiet)),
        Which::Beginning(word) => {
            let build = find_by_digits(remote, &word).map_err(without_digits)?;
            let uuid = build.ok_or(SelectionError::UnknownUuid(word))?.uuid();
            (uuid, IdleStatus::of_build(remote, uuid, quiet))
        }
        Which::Latest(filter) => {
            let reply = info::ask(remote)?;
            let latest = filter.find_latest(&reply).ok_or(ClientError::NothingRuns(filter))?;
            (latest.uuid, IdleStatus::of_running(latest, quiet))
        }
    };
    let question = Command::Observe(uuid);
    let result = match request.status {
        true => observe_to_end(remote, &question, uuid, form, idle_status).map(Some),
        false => {
            let mut printer = to_stdout(form, Front::Elapsed, None);
            print_console(remote, &question, &mut printer, idle_status, true).map(|()| None)
        }
    };
    result.map_err(|error| explained(remote, &question, error))
}

/// Prints the console, whether or not anybody reads it, and says how the build ended.
fn observe_to_end(
    remote: &Address,
    question: &Command,
    uuid: Uuid,
    form: Form,
    idle_status: IdleStatus,
) -> Result<Cause, ClientError> {
    // A server that cannot say it should not let anybody wait for it.
    builds::describe(remote, uuid)?;
    let mut printer = to_writer(form, Front::Elapsed, None, Lenient::stdout());
    print_console(remote, question, &mut printer, idle_status, true)?;
    for look in 0..LOOKS {
        if look > 0 {
            thread::sleep(LOOK_TIME);
        }
        if let Some(end) = builds::describe(remote, uuid)?.end {
            return Ok(end.cause);
        }
    }
    let reason = format!("build {uuid} has ended, but the server could not store how; look into its log");
    Err(ClientError::Refused { reason: reason.into(), hint: String::new() })
}

fn without_digits(error: ClientError) -> ClientError {
    match error {
        ClientError::TooOld { peer, lacks, .. } => {
            ClientError::TooOld { peer, lacks, instead: "write the whole uuid" }
        }
        other => other,
    }
}
