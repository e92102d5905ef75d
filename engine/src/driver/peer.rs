//! One connected peer: what it is still to be sent, and whether more can be read.

use super::platform::{ListenerId, Platform};
use crate::server::ConnectionId;
use std::io::{self, ErrorKind};

/// Bytes of an outbox that is given back when all has been sent; most peers never need more.
const IDLE_OUTBOX_BYTES: usize = 4096;

/// What became of an attempt to read.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// So many bytes were read, and another read may bring something before the next event.
    Bytes { bytes: usize, may_have_more: bool },
    /// Nothing for now; an event will say when there is.
    WouldBlock,
    /// The connection is over, in this way.
    Over(String),
}

/// A connection, and what is to be sent through it.
#[derive(Debug)]
pub(crate) struct Peer {
    connection: ConnectionId,
    /// Through which listener it came.
    listener: ListenerId,
    outbox: Vec<u8>,
    /// Bytes of the outbox that were sent.
    sent: usize,
    /// Whether the connection takes bytes, as far as is known.
    is_writable: bool,
    /// Whether the end of the stream is to be read, of which no further event will tell.
    ends: bool,
    finishing: Finishing,
    watched: Watched,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finishing {
    No,
    WhenSent,
    Done,
}

/// Of what the platform tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Watched {
    Nothing,
    Readable,
    ReadableAndWritable,
}

impl Peer {
    pub(crate) fn new(connection: ConnectionId, listener: ListenerId) -> Peer {
        Peer {
            connection,
            listener,
            outbox: Vec::new(),
            sent: 0,
            is_writable: true,
            ends: false,
            finishing: Finishing::No,
            watched: Watched::Nothing,
        }
    }

    pub(crate) fn listener(&self) -> ListenerId {
        self.listener
    }

    /// Has the platform tell when there is more to read and, if the connection is full, when it takes more. Few peers are ever
    /// sent more than their connections take, so the others need not be watched for that.
    pub(crate) fn watch<P: Platform>(&mut self, platform: &mut P) -> io::Result<()> {
        let wanted = match (self.watched, self.is_writable) {
            (Watched::Nothing, true) => Watched::Readable,
            (Watched::Nothing | Watched::Readable, false) => Watched::ReadableAndWritable,
            (Watched::Readable, true) | (Watched::ReadableAndWritable, _) => return Ok(()),
        };
        platform.watch(self.connection, wanted == Watched::ReadableAndWritable)?;
        self.watched = wanted;
        Ok(())
    }

    /// Takes note that the end of the stream is to be read.
    pub(crate) fn on_end(&mut self) {
        self.ends = true;
    }

    pub(crate) fn read<P: Platform>(&mut self, platform: &mut P, buffer: &mut [u8]) -> Reading {
        loop {
            return match platform.read(self.connection, buffer) {
                Ok(0) => Reading::Over("the peer closed the connection".to_owned()),
                // A short read has emptied the connection; whatever comes next has an event of its own, except an end that
                // was announced already.
                Ok(bytes) => Reading::Bytes { bytes, may_have_more: bytes == buffer.len() || self.ends },
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) if error.kind() == ErrorKind::WouldBlock => Reading::WouldBlock,
                Err(error) => Reading::Over(format!("the connection failed: {error}")),
            };
        }
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.outbox.extend_from_slice(bytes);
    }

    /// The place where messages are appended.
    pub(crate) fn outbox(&mut self) -> &mut Vec<u8> {
        &mut self.outbox
    }

    /// Bytes not sent yet.
    pub(crate) fn unsent(&self) -> usize {
        self.outbox.len() - self.sent
    }

    pub(crate) fn on_writable(&mut self) {
        self.is_writable = true;
    }

    pub(crate) fn is_writable(&self) -> bool {
        self.is_writable
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

    /// Sends as much as the connection takes.
    ///
    /// # Errors
    ///
    /// When the connection is over.
    pub(crate) fn flush<P: Platform>(&mut self, platform: &mut P) -> io::Result<()> {
        while self.is_writable && self.unsent() > 0 {
            let unsent = self.outbox.get(self.sent..).unwrap_or_default();
            match platform.write(self.connection, unsent, self.finishing != Finishing::No) {
                Ok(bytes) => self.sent += bytes,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => self.is_writable = false,
                Err(error) => return Err(error),
            }
        }
        if self.unsent() == 0 {
            self.outbox.clear();
            self.outbox.shrink_to(IDLE_OUTBOX_BYTES);
            self.sent = 0;
            if self.finishing == Finishing::WhenSent {
                self.finishing = Finishing::Done;
                platform.shut_down(self.connection)?;
            }
        } else if self.sent > self.outbox.len() / 2 {
            self.outbox.drain(..self.sent);
            self.sent = 0;
        }
        Ok(())
    }
}
