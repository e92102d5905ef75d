//! An address at which nobody answers.

use rustix::net::{self, AddressFamily, SocketFlags, SocketType};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

/// An address at which nobody listens, but nobody else can either.
///
/// The address of a listener that was closed is not that: another test may get it, and the listener goes on for a moment when
/// another test is starting a program, which has a copy of every descriptor until it runs.
#[derive(Debug)]
pub struct UnusedPort {
    socket: OwnedFd,
    address: SocketAddr,
}

impl UnusedPort {
    /// One at a free port of the loopback interface.
    #[expect(clippy::new_without_default, reason = "no two are equal")]
    pub fn new() -> UnusedPort {
        let socket =
            net::socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None).unwrap();
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        net::bind(&socket, &any).unwrap();
        let address = net::getsockname(&socket).unwrap().try_into().unwrap();
        UnusedPort { socket, address }
    }

    /// Where it is.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Begins to listen.
    pub fn listen(self) -> TcpListener {
        net::listen(&self.socket, 128).unwrap();
        TcpListener::from(self.socket)
    }
}
