//! Connecting to a server, for everyone who does.

use crate::command_line::Address;
use rustix::fd::AsFd;
use rustix::net::sockopt;
use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Time for each address of a host to accept a connection.
pub(crate) const CONNECT_TIME: Duration = Duration::from_secs(10);
/// Silence after which the system asks whether the server is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(60);
/// Time between two such questions.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(15);
/// Questions without answer after which the server counts as gone.
const KEEPALIVE_COUNT: u32 = 4;

/// A connected socket of either kind.
#[derive(Debug)]
pub(crate) enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

/// Connects to the first address of the server that accepts, and waits for each of them only so long.
///
/// # Errors
///
/// The error of the last address that was tried.
pub(crate) fn connect(remote: &Address) -> io::Result<Stream> {
    match remote {
        Address::Tcp { host, port } => connect_tcp(host, *port).map(Stream::Tcp),
        Address::Unix(path) => UnixStream::connect(path).map(Stream::Unix),
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

fn connect_tcp(host: &str, port: u16) -> io::Result<TcpStream> {
    let mut result = Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
    for address in (host, port).to_socket_addrs()? {
        log::debug!("connecting to {address}");
        result = TcpStream::connect_timeout(&address, CONNECT_TIME);
        if result.is_ok() {
            break;
        }
    }
    let stream = result?;
    set_options(&stream)?;
    Ok(stream)
}

/// A lone line leaves at once, and a server whose machine died is noticed within two minutes.
fn set_options(stream: impl AsFd) -> io::Result<()> {
    sockopt::set_tcp_nodelay(&stream, true)?;
    sockopt::set_socket_keepalive(&stream, true)?;
    sockopt::set_tcp_keepidle(&stream, KEEPALIVE_IDLE)?;
    sockopt::set_tcp_keepintvl(&stream, KEEPALIVE_INTERVAL)?;
    sockopt::set_tcp_keepcnt(&stream, KEEPALIVE_COUNT)?;
    Ok(())
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer),
            Stream::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.write(bytes),
            Stream::Unix(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_dead_server_is_noticed_and_a_lone_line_is_not_held_back() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote: Address = listener.local_addr().unwrap().to_string().parse().unwrap();
        let Stream::Tcp(stream) = connect(&remote).unwrap() else { panic!("not TCP") };
        assert!(sockopt::tcp_nodelay(&stream).unwrap());
        assert!(sockopt::socket_keepalive(&stream).unwrap());
        assert_eq!(sockopt::tcp_keepidle(&stream).unwrap(), KEEPALIVE_IDLE);
        assert_eq!(sockopt::tcp_keepintvl(&stream).unwrap(), KEEPALIVE_INTERVAL);
        assert_eq!(sockopt::tcp_keepcnt(&stream).unwrap(), KEEPALIVE_COUNT);
    }
}
