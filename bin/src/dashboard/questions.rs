//! The connections to the server, each of which carries one question, and where it is: connected to without waiting.

use crate::command_line::Address;
use crate::socket::{NonBlockingSocket, Socket};
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Time between two looks at what the name of a host stands for. A look waits for the system, and everybody with it.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);

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

/// Where the server is.
#[derive(Debug)]
pub(super) struct Remote {
    address: Address,
    /// What the name of its host stands for.
    known: Vec<SocketAddr>,
    /// Which of them is tried next.
    next: usize,
    looked_up: Option<Instant>,
    /// Whether none of them could be reached.
    have_all_failed: bool,
}

impl Remote {
    pub(super) fn new(address: Address) -> Remote {
        Remote { address, known: Vec::new(), next: 0, looked_up: None, have_all_failed: false }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self) -> io::Result<NonBlockingSocket> {
        match &self.address {
            Address::Unix(path) => mio::net::UnixStream::connect(path).map(Socket::Unix),
            Address::Tcp { host, port } => {
                let is_due = self.looked_up.is_none_or(|at| at.elapsed() >= LOOK_UP_TIME);
                if self.known.is_empty() || (self.have_all_failed && is_due) {
                    self.looked_up = Some(Instant::now());
                    self.known = (host.as_str(), *port).to_socket_addrs()?.collect();
                    (self.next, self.have_all_failed) = (0, false);
                }
                let Some(address) = self.known.get(self.next) else {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
                };
                mio::net::TcpStream::connect(*address).map(Socket::Tcp)
            }
        }
    }

    /// A connection could not be made: the next one goes to another address, if there is one, and after the last one, in a while,
    /// to what the name stands for by then.
    pub(super) fn note_failure(&mut self) {
        self.next += 1;
        if self.next >= self.known.len() {
            self.next = 0;
            self.have_all_failed = true;
        }
    }

    /// Where it is, for people.
    pub(super) fn address(&self) -> &Address {
        &self.address
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_host_has_its_turn() {
        let mut remote = Remote::new("127.0.0.1:1".parse().unwrap());
        // Whether the refusal comes at once is the system's business.
        let _ = remote.connect();
        assert_eq!(remote.known, ["127.0.0.1:1".parse().unwrap()]);
        let both: [SocketAddr; 2] = ["127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap()];
        remote.known = both.to_vec();
        remote.note_failure();
        assert_eq!((remote.next, remote.have_all_failed), (1, false));
        remote.note_failure();
        assert_eq!((remote.next, remote.have_all_failed), (0, true));
        let _ = remote.connect();
        assert_eq!(remote.known, both, "the name is not looked up every time");
        remote.looked_up = Instant::now().checked_sub(LOOK_UP_TIME);
        let _ = remote.connect();
        assert_eq!(remote.known, ["127.0.0.1:1".parse().unwrap()]);
    }
}
