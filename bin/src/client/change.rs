//! Commands that change something: given, and told apart from what a server refuses.

use super::connection::Connection;
use super::done::Witness;
use super::error::ClientError;
use super::hint;
use super::selection::{find_by_digits, uuid_beginning};
use crate::command_line::Address;
use builder_proto::command::Command;
use builder_proto::text::Text;
use std::io::{self, IsTerminal, Write};

/// Sends a command to which the answer is that it was done or why not. A person is told what came of it.
pub(super) fn send(remote: &Address, command: &Command, quiet: bool) -> Result<(), ClientError> {
    let stdout = io::stdout();
    let witness = (stdout.is_terminal() && !quiet).then(|| Witness::before(remote, command));
    let mut connection = Connection::open(remote, command.kind())?;
    if matches!(command, Command::Drain { wait: true }) {
        connection.wait_without_limit()?;
    }
    let answer = converse(&mut connection, command, quiet).map_err(|error| match command {
        Command::Drain { wait: true } if !matches!(error, ClientError::Print(_)) => {
            ClientError::Undrained(Box::new(error))
        }
        _ => error,
    })?;
    match answer {
        Command::Success => {}
        other => return Err(explained(remote, command, connection.refusal(command, other))),
    }
    let text = witness.map(Witness::tell).unwrap_or_default();
    stdout.lock().write_all(text.as_bytes()).map_err(ClientError::Print)
}

/// Gives the command and prints what the server remarks, up to its answer.
fn converse(connection: &mut Connection, command: &Command, quiet: bool) -> Result<Command, ClientError> {
    let mut answer = connection.ask(command)?;
    while let Command::Remark(text) = answer {
        if !quiet {
            writeln!(io::stdout().lock(), "{text}").map_err(ClientError::Print)?;
        }
        answer = connection.receive()?.ok_or_else(|| connection.closed("the end of its answer"))?;
    }
    Ok(answer)
}

/// The error, and if it is a refusal, what can be done about it.
pub(super) fn explained(remote: &Address, command: &Command, error: ClientError) -> ClientError {
    match error {
        ClientError::Refused { reason, .. } => {
            let hint = hint::after(remote, command, &reason);
            ClientError::Refused { reason, hint }
        }
        other => other,
    }
}

/// Cancels a job of this name. If there is none, it is a build whose uuid begins like this.
pub(super) fn cancel(remote: &Address, word: Text, quiet: bool) -> Result<(), ClientError> {
    let is_beginning = word.as_str().and_then(uuid_beginning).is_some();
    let job = Command::CancelJob(word.clone());
    match send(remote, &job, quiet) {
        Err(ClientError::Refused { reason, hint }) if is_beginning && is_unknown(&reason) => {
            let build = find_by_digits(remote, &word)?.ok_or(ClientError::Refused { reason, hint })?;
            send(remote, &Command::Cancel(build.uuid()), quiet)
        }
        result => result,
    }
}

/// Whether the server knows no job of the name.
fn is_unknown(reason: &Text) -> bool {
    reason.as_bytes().starts_with(b"unknown job")
}
