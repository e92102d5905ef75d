//! The console of a build, asked for and printed as it comes.

use super::connection::Connection;
use super::error::ClientError;
use super::form::Form;
use super::idle_status::IdleStatus;
use super::line_printer::{Front, LinePrinter, to_stdout};
use crate::command_line::Address;
use builder_proto::Uuid;
use builder_proto::command::Command;
use std::io::Write;
use std::time::Duration;

/// How long a line that may be the result is kept from a person; a server sends the end together with the result.
const RESULT_TIME: Duration = Duration::from_secs(5);

/// Prints the console of a build up to its result.
pub(super) fn observe(
    remote: &Address,
    uuid: Uuid,
    form: Form,
    idle_status: IdleStatus,
) -> Result<(), ClientError> {
    let mut printer = to_stdout(form, Front::Elapsed, None);
    print_console(remote, &Command::Observe(uuid), &mut printer, idle_status, true)
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
                printer.flush()?;
                let arrived = match printer.keeps_person_waiting() {
                    true => wait_for_result(connection, printer, idle_status)?,
                    false => idle_status.wait(connection)?,
                };
                if !arrived {
                    return Err(connection.closed(missing));
                }
            }
        }
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
