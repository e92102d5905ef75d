//! The connections to the server. Each of them carries one question.

use super::remote::Remote;
use crate::socket::NonBlockingSocket;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};

/// All of them, by the numbers of the questions.
#[derive(Debug)]
pub(super) struct Questions {
    registry: Registry,
    remote: Remote,
    questions: BTreeMap<u64, Question>,
}

/// One of them.
#[derive(Debug)]
struct Question {
    socket: NonBlockingSocket,
    is_readable: bool,
    is_connected: bool,
    /// What has not been sent.
    outbox: Vec<u8>,
}

/// What came of reading.
#[derive(Debug)]
pub(super) enum Reading {
    /// So many bytes.
    Bytes(usize),
    /// Nothing yet.
    Nothing,
}

/// Why a connection is over, in words.
pub(super) type Broken = String;

impl Questions {
    pub(super) fn new(registry: Registry, remote: Remote) -> Questions {
        Questions { registry, remote, questions: BTreeMap::new() }
    }

    /// Begins to connect. What is to be said is sent as soon as that has succeeded.
    pub(super) fn dial(&mut self, id: u64, token: Token, outbox: Vec<u8>) -> Result<(), Broken> {
        let connected = self.remote.connect().and_then(|mut socket| {
            let interests = Interest::READABLE | Interest::WRITABLE;
            socket.register(&self.registry, token, interests).map(|()| socket)
        });
        match connected {
            Ok(socket) => {
                let question = Question { socket, is_readable: false, is_connected: false, outbox };
                self.questions.insert(id, question);
                Ok(())
            }
            Err(error) => Err(self.explain(id, &error)),
        }
    }

    /// Says something more.
    pub(super) fn tell(&mut self, id: u64, bytes: &[u8]) -> Result<(), Broken> {
        if let Some(question) = self.questions.get_mut(&id) {
            question.outbox.extend_from_slice(bytes);
        }
        self.note(id, false)
    }

    /// Something has happened on the socket.
    pub(super) fn note(&mut self, id: u64, is_readable: bool) -> Result<(), Broken> {
        let Some(question) = self.questions.get_mut(&id) else { return Ok(()) };
        question.is_readable |= is_readable;
        question.write().map_err(|error| self.explain(id, &error))
    }

    /// Those whose answers may have arrived.
    pub(super) fn readable(&self) -> impl Iterator<Item = u64> {
        let readable =
            self.questions.iter().filter(|(_, question)| question.is_readable && question.is_connected);
        readable.map(|(id, _)| *id)
    }

    /// Reads what has arrived.
    pub(super) fn read(&mut self, id: u64, buffer: &mut [u8]) -> Result<Reading, Broken> {
        let Some(question) = self.questions.get_mut(&id) else { return Ok(Reading::Nothing) };
        match question.socket.read(buffer) {
            Ok(0) => Err(self.explain(id, &ErrorKind::UnexpectedEof.into())),
            Ok(length) => Ok(Reading::Bytes(length)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                question.is_readable = false;
                Ok(Reading::Nothing)
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => Ok(Reading::Nothing),
            Err(error) => Err(self.explain(id, &error)),
        }
    }

    /// Closes the connection.
    pub(super) fn hang(&mut self, id: u64) {
        if let Some(mut question) = self.questions.remove(&id) {
            // The descriptor is closed right after, which ends that in any case.
            let _ = question.socket.deregister(&self.registry);
        }
    }

    /// Closes a connection that is of no use any more, or that was never made.
    fn explain(&mut self, id: u64, error: &io::Error) -> Broken {
        let was_connected = self.questions.get(&id).is_some_and(|question| question.is_connected);
        self.hang(id);
        match (was_connected, error.kind()) {
            (true, ErrorKind::UnexpectedEof) => "it has closed the connection".to_owned(),
            (true, _) => format!("the connection to it broke: {error}"),
            (false, _) => {
                self.remote.note_failure();
                format!("cannot connect to {}: {error}", self.remote.address())
            }
        }
    }
}

impl Question {
    /// Sends what waits, once there is a connection.
    fn write(&mut self) -> io::Result<()> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        while !self.outbox.is_empty() {
            match self.socket.write(&self.outbox) {
                Ok(count) => {
                    self.is_connected = true;
                    self.outbox.drain(..count.min(self.outbox.len()));
                }
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => {
                    break;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
