//! One connected peer: its socket, what it is still to be sent, and whether more can be read.

use crate::server::socket::Socket;
use builder_engine::server::ConnectionId;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::io::{self, ErrorKind, Read, Write};

/// Octets of an outbox that is given back when all has been sent; most peers never need more.
const IDLE_OUTBOX_BYTES: usize = 4096;

/// What became of an attempt to read.
#[derive(Debug)]
pub(crate) enum Reading {
    /// That many octets were read, and there may be more.
    Octets(usize),
    /// Nothing for now; an event will say when there is.
    WouldBlock,
    /// The connection is over, in this way.
    Over(String),
}

/// A connected socket, and what is to be sent through it.
#[derive(Debug)]
pub(crate) struct Peer {
    socket: Socket,
    /// Through which listener it came, by number.
    door: usize,
    outbox: Vec<u8>,
    /// Octets of the outbox that were sent.
    sent: usize,
    /// Whether the socket takes octets, as far as is known.
    writable: bool,
    /// Whether the socket has octets, as far as is known.
    readable: bool,
    /// Whether the end of the stream is to be read, of which no further event will tell.
    read_closed: bool,
    finishing: Finishing,
    watched: Watched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finishing {
    No,
    WhenSent,
    Done,
}

/// Of what the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Nothing,
    Readable,
    ReadableAndWritable,
}

impl Peer {
    pub(crate) fn new(socket: Socket, door: usize) -> Peer {
        Peer {
            socket,
            door,
            outbox: Vec::new(),
            sent: 0,
            writable: true,
            readable: true,
            read_closed: false,
            finishing: Finishing::No,
            watched: Watched::Nothing,
        }
    }

    /// Has the system tell when there is more to read and, if the socket is full, when it takes more. It tells what is so
    /// already, too.
    ///
    /// Few peers are ever sent more than their sockets take, so the others need not be watched for that.
    pub(crate) fn watch(&mut self, registry: &Registry, connection: ConnectionId) -> io::Result<()> {
        let token = Token(usize::try_from(connection).map_err(io::Error::other)?);
        let both = Interest::READABLE | Interest::WRITABLE;
        match (self.watched, self.writable) {
            (Watched::Nothing, true) => {
                self.socket.register(registry, token, Interest::READABLE)?;
                self.watched = Watched::Readable;
            }
            (Watched::Nothing, false) => {
                self.socket.register(registry, token, both)?;
                self.watched = Watched::ReadableAndWritable;
            }
            (Watched::Readable, false) => {
                self.socket.reregister(registry, token, both)?;
                self.watched = Watched::ReadableAndWritable;
            }
            (Watched::Readable, true) | (Watched::ReadableAndWritable, _) => {}
        }
        Ok(())
    }

    pub(crate) fn door(&self) -> usize {
        self.door
    }

    /// Takes note that there is something to read: perhaps the end.
    pub(crate) fn set_readable(&mut self, read_closed: bool) {
        self.readable = true;
        self.read_closed |= read_closed;
    }

    /// Whether another read may bring something before the next event.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Reading {
        let reading = loop {
            match self.socket.read(buffer) {
                Ok(0) => break Reading::Over("the peer closed the connection".to_owned()),
                Ok(octets) => break Reading::Octets(octets),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => break Reading::WouldBlock,
                Err(error) => break Reading::Over(format!("the connection failed: {error}")),
            }
        };
        self.readable = match reading {
            // A short read has emptied the socket; whatever comes next has an event of its own, except an end that
            // was announced already.
            Reading::Octets(octets) => octets == buffer.len() || self.read_closed,
            Reading::WouldBlock | Reading::Over(_) => false,
        };
        reading
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// The place where messages are appended.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Octets not sent yet.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len() - self.sent
    }

    pub(crate) fn set_writable(&mut self) {
        self.writable = true;
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.writable
    }

    /// Ends the sending side once everything is sent.
    pub(crate) fn finish(&mut self) {
        if self.finishing == Finishing::No {
            self.finishing = Finishing::WhenSent;
        }
    }

    /// Whether everything is said, and the peer is only to close.
    pub(crate) fn is_finished(&self) -> bool {
        self.finishing == Finishing::Done
    }

    /// Sends as much as the socket takes.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while self.writable && self.unsent() > 0 {
            let unsent = self.outbox.get(self.sent..).unwrap_or_default();
            let written = match self.finishing {
                Finishing::No => self.socket.write(unsent),
                Finishing::WhenSent | Finishing::Done => self.socket.write_last(unsent),
            };
            match written {
                Ok(octets) => self.sent += octets,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.writable = false,
                Err(error) => return Err(error),
            }
        }
        if self.unsent() == 0 {
            self.outbox.clear();
            self.outbox.shrink_to(IDLE_OUTBOX_BYTES);
            self.sent = 0;
            if self.finishing == Finishing::WhenSent {
                self.finishing = Finishing::Done;
                self.socket.shutdown_write()?;
            }
        } else if self.sent > self.outbox.len() / 2 {
            self.outbox.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}
