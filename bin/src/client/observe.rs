//! The console of a build, printed as it comes.

use super::connection::Connection;
use super::error::ClientError;
use super::line_printer::{self, LinePrinter};
use super::request::Form;
use super::silence::Silence;
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
    mut silence: Silence,
) -> Result<(), ClientError> {
    let mut connection = Connection::open(remote)?;
    // A build may be silent for as long as it likes.
    connection.wait_without_limit()?;
    let mut printer = line_printer::to_stdout(form);
    let result = follow(&mut connection, &mut printer, &mut silence, uuid);
    match result {
        Ok(()) => printer.end_with_result(),
        Err(_) => printer.end_without_result(),
    }
    printer.flush()?;
    result
}

fn follow<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    silence: &mut Silence,
    uuid: Uuid,
) -> Result<(), ClientError> {
    let question = Command::Observe(uuid);
    connection.tell(&question)?;
    let mut missing = "its answer";
    loop {
        match connection.take_received()? {
            Some(Command::Output { line, timestamp, .. }) => {
                printer.append(line, timestamp)?;
                missing = "the end of the build";
            }
            Some(Command::Success) => return Ok(()),
            Some(other) => return Err(connection.refusal(&question, other)),
            // Everything that has arrived is shown before waiting for more.
            None => {
                printer.flush()?;
                let arrived = match printer.keeps_person_waiting() {
                    true => wait_for_result(connection, printer, silence)?,
                    false => silence.wait(connection)?,
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
    silence: &mut Silence,
) -> Result<bool, ClientError> {
    let arrived = connection.read_within(RESULT_TIME)?;
    connection.wait_without_limit()?;
    if let Some(arrived) = arrived {
        silence.end();
        return Ok(arrived);
    }
    printer.end_without_result();
    printer.flush()?;
    silence.wait(connection)
}
