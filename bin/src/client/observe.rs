//! The console of a build, asked for and printed as it comes.

use super::change::explained;
use super::connection::Connection;
use super::error::ClientError;
use super::form::Form;
use super::idle_status::IdleStatus;
use super::info_filter::BuildFilter;
use super::lenient::Lenient;
use super::line_printer::{Front, LinePrinter, to_stdout, to_writer};
use super::selection::{SelectionError, find_by_digits};
use super::{builds, info};
use crate::command_line::Address;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Cause;
use builder_proto::text::Text;
use std::io::Write;
use std::thread;
use std::time::Duration;

/// How often it is asked how a build ended whose console is there: the result of one that was aborted is stored afterwards.
const LOOKS: u32 = 300;
/// The pause before each of these questions but the first.
const LOOK_TIME: Duration = Duration::from_millis(200);

/// How long a line that may be the result is kept from a person; a server sends the end together with the result.
const RESULT_TIME: Duration = Duration::from_secs(5);

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

/// Asks for a console, and prints what is sent. The last line is the result if it `has_result`.
pub(super) fn print_console<W: Write>(
    remote: &Address,
    question: &Command,
    printer: &mut LinePrinter<W>,
    mut idle_status: IdleStatus,
    has_result: bool,
) -> Result<(), ClientError> {
    let mut connection = Connection::open(remote, question.kind())?;
    // A build may be silent for as long as it likes; what is there already comes at once.
    if let Command::Observe(_) = question {
        connection.wait_without_limit()?;
    }
    let result = follow(&mut connection, printer, &mut idle_status, question);
    match result {
        Ok(()) if has_result => printer.end_with_result(),
        _ => printer.end_without_result(),
    }
    printer.flush()?;
    result
}

fn follow<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
    question: &Command,
) -> Result<(), ClientError> {
    connection.tell(question)?;
    let mut missing = "its answer";
    loop {
        match connection.take_received()? {
            Some(Command::Output { line, timestamp, .. }) => {
                printer.append(line, timestamp)?;
                missing = "the end of the build";
            }
            Some(Command::Success) => return Ok(()),
            Some(other) => return Err(connection.refusal(question, other)),
            // Everything that has arrived is shown before waiting for more.
            None => {
                if !wait_for_more(connection, printer, idle_status)? {
                    return Err(connection.closed(missing));
                }
            }
        }
    }
}

/// Shows what there is, and waits until more has arrived; false when the server has closed the connection.
pub(super) fn wait_for_more<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
) -> Result<bool, ClientError> {
    printer.flush()?;
    match printer.keeps_person_waiting() {
        true => wait_for_result(connection, printer, idle_status),
        false => idle_status.wait(connection),
    }
}

/// Waits until more has arrived, and shows the line that is held when that takes long: then the job has printed it.
fn wait_for_result<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
) -> Result<bool, ClientError> {
    if let Some(arrived) = connection.read_within(RESULT_TIME)? {
        idle_status.end();
        return Ok(arrived);
    }
    printer.end_without_result();
    printer.flush()?;
    idle_status.wait(connection)
}
