//! Connected sockets, TCP and Unix, for everyone who has one; connecting to a server; and how many sockets and files a program
//! may have open.

use crate::command_line::Address;
use mio::event::Source;
use mio::{Interest, Registry, Token};
use rustix::fd::AsFd;
use rustix::net::sockopt;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::io::{self, Read, Write};
use std::net::{Shutdown, ToSocketAddrs};
use std::time::Duration;

/// Time for each address of a host to accept a connection.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Silence after which the system asks whether the peer is still there.
pub(crate) const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two such questions.
pub(crate) const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Questions without an answer after which the connection is dead.
pub(crate) const KEEPALIVE_COUNT: u32 = 4;

/// A socket of either kind.
#[derive(Debug)]
pub(crate) enum Socket<T, U> {
    Tcp(T),
    Unix(U),
}

/// A connected socket that blocks.
pub(crate) type BlockingSocket = Socket<std::net::TcpStream, std::os::unix::net::UnixStream>;
/// A connected socket that never blocks, for a reactor.
pub(crate) type NonBlockingSocket = Socket<mio::net::TcpStream, mio::net::UnixStream>;

/// Connects to the first address of the server that accepts, and waits for each of them only so long.
///
/// # Errors
///
/// The error of the last address that was tried.
pub(crate) fn connect(remote: &Address) -> io::Result<BlockingSocket> {
    match remote {
        Address::Tcp { host, port } => connect_tcp(host, *port).map(Socket::Tcp),
        Address::Unix(path) => std::os::unix::net::UnixStream::connect(path).map(Socket::Unix),
    }
}

/// Whether the other side took a connection back that stood, or nearly: what a system does that has no room for it.
pub(crate) fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted | io::ErrorKind::BrokenPipe
    )
}

/// The number by which this program waits another time than others do; see
/// [`Reconnecting`](builder_engine::reconnecting::Reconnecting).
pub(crate) fn spread() -> u32 {
    // Without randomness all wait equally long, which is no reason not to go on.
    getrandom::u32().unwrap_or_default()
}

fn connect_tcp(host: &str, port: u16) -> io::Result<std::net::TcpStream> {
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    for address in (host, port).to_socket_addrs()? {
        log::debug!("connecting to {address}");
        result = std::net::TcpStream::connect_timeout(&address, CONNECT_TIME);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    set_tcp_options(&stream)?;
    Ok(stream)
}

/// Small messages leave at once. A peer whose machine died is noticed within two minutes, as long as nothing is on its
/// way to it: while bytes wait to be acknowledged the system sends them again instead of asking, on Linux for a quarter
/// of an hour; see [`set_acknowledgement_limit`]. Connections inherit this from their listener.
pub(crate) fn set_tcp_options(socket: &impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(socket, true)?;
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(socket, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(socket, KEEPALIVE_COUNT)?;
    Ok(())
}

/// Ends connections whose peers acknowledge nothing for as long as silent ones are asked in vain: a job handed to a
/// machine that lost its power is queued again after two minutes. Only for listeners of workers, which always read: it
/// also ends connections whose peers take nothing more for that long, as clients may that are paused.
#[cfg(target_os = "linux")]
pub(crate) fn set_acknowledgement_limit(listener: &impl AsFd) -> io::Result<()> {
    let limit = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT;
    Ok(sockopt::set_tcp_user_timeout(listener, u32::try_from(limit.as_millis()).unwrap_or(u32::MAX))?)
}

/// There is no such limit here.
#[cfg(not(target_os = "linux"))]
pub(crate) fn set_acknowledgement_limit(_: &impl AsFd) -> io::Result<()> {
    Ok(())
}

/// Raises the limit on how many sockets and files may be open as far as the system lets us, and says what it is then.
///
/// What counts is the limit that there is afterwards, even when there was nothing to raise: FreeBSD gives no process more than
/// `kern.maxfilesperproc`, whatever its limit says, and lowers the limit to that when it is set.
pub(crate) fn raise_descriptor_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::from(u32::MAX))
}

impl BlockingSocket {
    /// The same connection, for a reactor.
    pub(crate) fn into_non_blocking(self) -> io::Result<NonBlockingSocket> {
        match self {
            Socket::Tcp(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Socket::Tcp(mio::net::TcpStream::from_std(stream)))
            }
            Socket::Unix(stream) => {
                stream.set_nonblocking(true)?;
                Ok(Socket::Unix(mio::net::UnixStream::from_std(stream)))
            }
        }
    }
}

impl NonBlockingSocket {
    /// Like [`write`](Write::write), for what is followed by nothing but the end: where the system can wait for the end,
    /// both leave together, and the peer wakes up once.
    pub(crate) fn write_last(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            #[cfg(target_os = "linux")]
            Socket::Tcp(stream) => {
                use rustix::net::{SendFlags, send};
                Ok(send(stream, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
            }
            socket => socket.write(bytes),
        }
    }

    /// What went wrong while the connection was made, if anything did.
    pub(crate) fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Socket::Tcp(stream) => stream.take_error(),
            Socket::Unix(stream) => stream.take_error(),
        }
    }

    /// Says that nothing more will be sent.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl<T: Read, U: Read> Read for Socket<T, U> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl<T: Write, U: Write> Write for Socket<T, U> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.write(bytes),
            Socket::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<T: Source, U: Source> Source for Socket<T, U> {
    fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(source) => source.register(registry, token, interests),
            Socket::Unix(source) => source.register(registry, token, interests),
        }
    }

    fn reregister(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
        match self {
            Socket::Tcp(source) => source.reregister(registry, token, interests),
            Socket::Unix(source) => source.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        match self {
            Socket::Tcp(source) => source.deregister(registry),
            Socket::Unix(source) => source.deregister(registry),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn as_many_files_may_be_open_as_the_system_allows() {
        let limit = getrlimit(Resource::Nofile);
        // Other tests get along with so many.
        let usual = limit.maximum.map_or(1024, |most| most.min(1024));
        setrlimit(Resource::Nofile, Rlimit { current: Some(usual), ..limit }).unwrap();
        let raised = raise_descriptor_limit();
        assert_eq!(getrlimit(Resource::Nofile).current, limit.maximum);
        assert!(limit.maximum.is_none_or(|most| raised == most), "{raised}");
    }

    #[test]
    fn a_dead_server_is_noticed_and_a_lone_line_is_not_held_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let Socket::Tcp(stream) = connect(&remote).unwrap() else { panic!("not TCP") };
        assert!(sockopt::tcp_nodelay(&stream).unwrap());
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&stream).unwrap(), KEEPALIVE_COUNT);
    }
}
