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
