//! The server, as a dashboard reaches it: without waiting for a connection.

use crate::command_line::Address;
use crate::socket::{NonBlockingSocket, Socket};
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::{Duration, Instant};

/// Time between two looks at what the name of a host stands for. A look waits for the system, and everybody with it.
const LOOK_UP_TIME: Duration = Duration::from_secs(10);

/// Where the server is.
#[derive(Debug)]
pub(super) struct Remote {
    address: Address,
    /// What the name of its host stands for.
    known: Vec<SocketAddr>,
    /// Which of them is tried next.
    next: usize,
    looked_up: Option<Instant>,
}

impl Remote {
    pub(super) fn new(address: Address) -> Remote {
        Remote { address, known: Vec::new(), next: 0, looked_up: None }
    }

    /// Begins to connect.
    pub(super) fn connect(&mut self) -> io::Result<NonBlockingSocket> {
        match &self.address {
            Address::Unix(path) => mio::net::UnixStream::connect(path).map(Socket::Unix),
            Address::Tcp { host, port } => {
                if self.known.is_empty() && self.looked_up.is_none_or(|at| at.elapsed() >= LOOK_UP_TIME) {
                    self.looked_up = Some(Instant::now());
                    self.known = (host.as_str(), *port).to_socket_addrs()?.collect();
                }
                let Some(address) = self.known.get(self.next % self.known.len().max(1)) else {
                    return Err(io::Error::new(io::ErrorKind::NotFound, "the host has no address"));
                };
                mio::net::TcpStream::connect(*address).map(Socket::Tcp)
            }
        }
    }

    /// A connection could not be made: the next one goes to another address, if there is one, and after the last one to what
    /// the name stands for by then.
    pub(super) fn note_failure(&mut self) {
        self.next += 1;
        if self.next >= self.known.len() {
            self.next = 0;
            self.known.clear();
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
        remote.known = vec!["127.0.0.1:1".parse().unwrap(), "[::1]:1".parse().unwrap()];
        remote.note_failure();
        assert_eq!((remote.next, remote.known.len()), (1, 2));
        remote.note_failure();
        assert_eq!((remote.next, remote.known.len()), (0, 0), "the name is looked up again");
        // Whether the refusal comes at once is the system's business.
        let _ = remote.connect();
        assert_eq!(remote.known, ["127.0.0.1:1".parse().unwrap()]);
        remote.note_failure();
        let error = remote.connect().unwrap_err();
        assert_eq!(error.to_string(), "the host has no address", "not every time that it is asked for");
    }
}
