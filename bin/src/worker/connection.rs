//! The connection to the server.

use crate::command_line::Address;
use crate::socket::{self, Stream};
use mio::event::Source;
use mio::{Interest, Registry, Token};
use std::fmt;
use std::io::{self, Read, Write};

/// A connected socket that never blocks.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(mio::net::TcpStream),
    Unix(mio::net::UnixStream),
}

/// Why there is no connection, and what to do about it.
#[derive(Debug)]
pub(super) struct ConnectError {
    remote: Address,
    error: io::Error,
}

impl ConnectError {
    pub(super) fn new(remote: &Address, error: io::Error) -> Self {
        Self { remote: remote.clone(), error }
    }

    /// Whether the server's system answered, and then took it back.
    pub(super) fn is_reset(&self) -> bool {
        socket::is_reset(&self.error)
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote, error } = self;
        write!(f, "cannot connect to the server at {remote}: {error}; ")?;
        write!(f, "start builder-server there, or name another address with --remote")
    }
}

impl Socket {
    /// Connects, which may take a while.
    ///
    /// # Errors
    ///
    /// The error of the last address that was tried.
    pub(super) fn connect(remote: &Address) -> Result<Self, ConnectError> {
        socket::connect(remote).and_then(Self::new).map_err(|error| ConnectError::new(remote, error))
    }

    fn new(stream: Stream) -> io::Result<Self> {
        match stream {
            Stream::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Self::Tcp(mio::net::TcpStream::from_std(stream)))
            }
            Stream::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(mio::net::UnixStream::from_std(stream)))
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Source for Socket {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Unix(stream) => stream.deregister(registry),
        }
    }
}
