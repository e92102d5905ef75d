//! A connection that may end at any moment.

use builder_proto::command::{Command, PeerType};
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use builder_tests::patience;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// The server is gone, or was before all was said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gone;

#[derive(Debug)]
pub(crate) struct Link {
    stream: TcpStream,
}

impl Link {
    /// Connects and is greeted.
    pub(crate) fn open(address: SocketAddr, peer: PeerType) -> Result<Link, Gone> {
        let stream = TcpStream::connect(address).map_err(gone)?;
        stream.set_read_timeout(Some(patience())).map_err(gone)?;
        stream.set_nodelay(true).map_err(gone)?;
        let mut link = Link { stream };
        let version = match peer {
            PeerType::Client => CLIENT_VERSION,
            PeerType::Worker => WORKER_VERSION,
        };
        link.send(&Command::ClientHello { peer, version })?;
        match link.receive()? {
            Some(Command::ServerHello) => Ok(link),
            None => Err(Gone),
            Some(other) => panic!("unexpected {other:?}"),
        }
    }

    pub(crate) fn send(&mut self, command: &Command) -> Result<(), Gone> {
        self.stream.write_all(&command.to_frame().unwrap()).map_err(gone)
    }

    /// The next message; none at an orderly end between two messages.
    pub(crate) fn receive(&mut self) -> Result<Option<Command>, Gone> {
        let mut length = [0; 8];
        let mut received = 0;
        while received < length.len() {
            match self.stream.read(&mut length[received..]) {
                Ok(0) if received == 0 => return Ok(None),
                Ok(0) => return Err(Gone),
                Ok(bytes) => received += bytes,
                Err(error) => return Err(gone(error)),
            }
        }
        let mut payload = vec![0; usize::try_from(u64::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut payload).map_err(gone)?;
        Ok(Some(Command::decode(&payload).unwrap()))
    }

    /// The next message, however long it takes.
    pub(crate) fn receive_patiently(&mut self) -> Result<Option<Command>, Gone> {
        self.stream.set_read_timeout(None).map_err(gone)?;
        let message = self.receive();
        self.stream.set_read_timeout(Some(patience())).map_err(gone)?;
        message
    }

    /// Waits for the server to say something or to end.
    pub(crate) fn wait(&mut self) {
        // A build may be silent for longer than tests are patient.
        let _ = self.stream.set_read_timeout(None);
        let _ = self.stream.read(&mut [0]);
    }
}

fn gone(error: io::Error) -> Gone {
    assert!(
        !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut),
        "the server does not answer: {error}"
    );
    Gone
}
