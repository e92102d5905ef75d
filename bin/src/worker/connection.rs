//! The connection to the server.

use crate::command_line::Address;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl, set_tcp_nodelay,
};
use std::fmt;
use std::io::{self, Read, Write};
use std::net::ToSocketAddrs;
use std::time::Duration;

/// Time for each address of the server to answer.
const CONNECT_TIME: Duration = Duration::from_secs(30);
/// Silence after which the server is asked whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Questions without answer after which the server counts as gone.
const KEEPALIVE_COUNT: u32 = 4;

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

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { remote, error } = self;
        write!(f, "cannot connect to the server at {remote}: {error}; ")?;
        write!(f, "start builder-server there, or name another address with --remote")
    }
}

impl Socket {
    /// Connects, waiting as long as it takes.
    ///
    /// # Errors
    ///
    /// The error of the last address that was tried.
    pub(super) fn connect(remote: &Address) -> Result<Self, ConnectError> {
        let connected = match remote {
            Address::Tcp { host, port } => connect_tcp(host, *port).map(Self::Tcp),
            Address::Unix(path) => std::os::unix::net::UnixStream::connect(path).and_then(|stream| {
                stream.set_nonblocking(true)?;
                Ok(Self::Unix(mio::net::UnixStream::from_std(stream)))
            }),
        };
        connected.map_err(|error| ConnectError { remote: remote.clone(), error })
    }
}

fn connect_tcp(host: &str, port: u16) -> io::Result<mio::net::TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    for address in (host, port).to_socket_addrs()? {
        match std::net::TcpStream::connect_timeout(&address, CONNECT_TIME) {
            Ok(stream) => {
                set_tcp_nodelay(&stream, true)?;
                set_socket_keepalive(&stream, true)?;
                set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
                set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
                set_tcp_keepcnt(&stream, KEEPALIVE_COUNT)?;
                stream.set_nonblocking(true)?;
                return Ok(mio::net::TcpStream::from_std(stream));
            }
            Err(error) => last = error,
        }
    }
    Err(last)
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

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt::{socket_keepalive, tcp_nodelay};

    #[test]
    fn a_dead_server_is_noticed_and_a_lone_line_is_not_held_back() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let remote: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let Socket::Tcp(stream) = Socket::connect(&remote).unwrap() else { panic!("not TCP") };
        assert!(socket_keepalive(&stream).unwrap());
        assert!(tcp_nodelay(&stream).unwrap());
    }
}
