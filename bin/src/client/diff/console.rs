//! The console of a build, line by line as it arrives.

use crate::client::connection::Connection;
use crate::client::error::ClientError;
use crate::command_line::Address;
use crate::comparison::texts::Lines;
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind};
use builder_proto::text::Text;

/// The console of a build that has ended, as the server sends it.
pub(super) struct Console {
    connection: Connection,
    question: Command,
    /// The line that arrived last. When none follows, it is the result in words, and the job did not print it.
    held: Option<Text>,
    is_over: bool,
}

impl Console {
    /// Asks for a console. The error is a refusal if the server does not have it any more.
    pub(super) fn open(remote: &Address, uuid: Uuid) -> Result<Console, ClientError> {
        let question = Command::Console(uuid);
        let mut connection = Connection::open(remote, Kind::Console)?;
        connection.tell(&question)?;
        let mut console = Console { connection, question, held: None, is_over: false };
        console.held = console.receive()?;
        Ok(console)
    }

    fn receive(&mut self) -> Result<Option<Text>, ClientError> {
        if self.is_over {
            return Ok(None);
        }
        match self.connection.receive_answer(&self.question)? {
            Some(Command::Output { line, .. }) => Ok(Some(line)),
            Some(other) => Err(self.connection.refusal(&self.question, other)),
            None => {
                self.is_over = true;
                Ok(None)
            }
        }
    }
}

impl Lines for Console {
    type Error = ClientError;

    fn next(&mut self) -> Result<Option<Text>, ClientError> {
        let next = self.receive()?;
        let line = core::mem::replace(&mut self.held, next);
        Ok(line.filter(|_| self.held.is_some()))
    }
}
