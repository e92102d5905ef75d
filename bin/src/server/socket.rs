//! Listening and connected sockets, TCP and Unix, with the options that a server of long waits needs.

use crate::server::backlog::BACKLOG;
use crate::server::socket_file::SocketFile;
use mio::event::Source;
use mio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::time::Duration;

/// Silence after which the kernel asks whether the peer is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Questions without an answer after which the connection is dead.
const KEEPALIVE_COUNT: u32 = 4;

/// A socket that accepts connections.
#[derive(Debug)]
pub(crate) enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener, SocketFile),
}

/// A connected socket.
#[derive(Debug)]
pub(crate) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Listener {
    pub(crate) fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
        let listener = TcpListener::bind(address)?;
        set_options(&listener)?;
        // mio asks for fewer.
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(Listener::Tcp(listener))
    }

    /// Ends connections whose peers acknowledge nothing for as long as silent ones are asked in vain: a job handed to a
    /// machine that lost its power is queued again after two minutes. Only for workers, which always read: it also ends
    /// connections whose peers take nothing more for that long, as clients may that are paused.
    pub(crate) fn limit_unacknowledged(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Listener::Tcp(listener) = self {
            let limit = KEEPALIVE_IDLE + KEEPALIVE_INTERVAL * KEEPALIVE_COUNT;
            let milliseconds = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
            rustix::net::sockopt::set_tcp_user_timeout(listener, milliseconds)?;
        }
        Ok(())
    }

    /// Where the listener can be reached, for people.
    pub(crate) fn name(&self) -> String {
        match self {
            Listener::Tcp(listener) => {
                listener.local_addr().map_or_else(|error| error.to_string(), |at| at.to_string())
            }
            Listener::Unix(listener, _) => match listener.local_addr() {
                Ok(at) => at
                    .as_pathname()
                    .map_or_else(|| "unix".to_owned(), |path| format!("unix:{}", path.display())),
                Err(error) => error.to_string(),
            },
        }
    }

    /// Removes what the listener left in the file system; it accepts nothing more.
    pub(crate) fn remove(&self) {
        if let Listener::Unix(_, file) = self {
            file.remove();
        }
    }

    /// The next connection and the name of its peer.
    pub(crate) fn accept(&self) -> io::Result<(Socket, String)> {
        match self {
            Listener::Tcp(listener) => {
                let (stream, peer) = listener.accept()?;
                Ok((Socket::Tcp(stream), peer.to_string()))
            }
            Listener::Unix(listener, _) => {
                let (stream, _) = listener.accept()?;
                Ok((Socket::Unix(stream), "a local client".to_owned()))
            }
        }
    }
}

/// Small messages leave at once. A peer whose machine died is noticed within two minutes, as long as nothing is on its
/// way to it: while bytes wait to be acknowledged the system sends them again instead of asking, on Linux for a quarter
/// of an hour; see [`Listener::limit_unacknowledged`]. Connections inherit this from their listener.
fn set_options(listener: &impl rustix::fd::AsFd) -> io::Result<()> {
    use rustix::net::sockopt;
    sockopt::set_tcp_nodelay(listener, true)?;
    sockopt::set_socket_keepalive(listener, true)?;
    sockopt::set_tcp_keepidle(listener, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(listener, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(listener, KEEPALIVE_COUNT)?;
    Ok(())
}

impl Socket {
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

    /// Says that nothing more will be sent.
    pub(crate) fn shutdown_write(&self) -> io::Result<()> {
        match self {
            Socket::Tcp(stream) => stream.shutdown(Shutdown::Write),
            Socket::Unix(stream) => stream.shutdown(Shutdown::Write),
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Socket::Tcp(stream) => stream.read(buffer),
            Socket::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Socket {
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

macro_rules! forward_source {
    ($type:ty) => {
        impl Source for $type {
            fn register(&mut self, registry: &Registry, token: Token, interests: Interest) -> io::Result<()> {
                match self {
                    Self::Tcp(source) => source.register(registry, token, interests),
                    Self::Unix(source, ..) => source.register(registry, token, interests),
                }
            }

            fn reregister(
                &mut self,
                registry: &Registry,
                token: Token,
                interests: Interest,
            ) -> io::Result<()> {
                match self {
                    Self::Tcp(source) => source.reregister(registry, token, interests),
                    Self::Unix(source, ..) => source.reregister(registry, token, interests),
                }
            }

            fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
                match self {
                    Self::Tcp(source) => source.deregister(registry),
                    Self::Unix(source, ..) => source.deregister(registry),
                }
            }
        }
    };
}

forward_source!(Listener);
forward_source!(Socket);

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::net::sockopt;
    use std::net::Ipv4Addr;
    use std::time::Instant;

    /// The server's end of a connection through a listener.
    fn accept(listener: &Listener) -> TcpStream {
        let _client = std::net::TcpStream::connect(listener.name()).unwrap();
        let start = Instant::now();
        loop {
            match listener.accept() {
                Ok((Socket::Tcp(stream), _)) => return stream,
                Ok(_) => panic!("a TCP listener accepts TCP connections"),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    assert!(start.elapsed() < Duration::from_secs(60), "waited in vain for the connection");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn connections_inherit_the_options_of_their_listener() {
        let socket = accept(&Listener::bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap());
        assert!(sockopt::tcp_nodelay(&socket).unwrap());
        assert!(sockopt::socket_keepalive(&socket).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&socket).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&socket).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&socket).unwrap(), KEEPALIVE_COUNT);
    }
    #[test]
    #[cfg(target_os = "linux")]
    fn only_workers_have_to_acknowledge_what_they_are_sent_within_a_time() {
        let listener = Listener::bind_tcp((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
        assert_eq!(sockopt::tcp_user_timeout(accept(&listener)).unwrap(), 0);
        listener.limit_unacknowledged().unwrap();
        assert_eq!(sockopt::tcp_user_timeout(accept(&listener)).unwrap(), 120_000);
    }
}
