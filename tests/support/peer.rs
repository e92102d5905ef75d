//! A peer that speaks the protocol byte by byte, as a worker or client of builder 0.4.0 would.

use crate::process::{Server, patience};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::{File, ScriptJob};
use builder_proto::{CLIENT_VERSION, HISTORY_VERSION, Uuid, WORKER_VERSION};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

/// One connection to a server.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
}

impl Peer {
    /// Connects and says nothing.
    pub fn connect(server: &Server) -> Peer {
        Peer::connect_to(server.address())
    }

    /// Connects to an address and says nothing.
    pub fn connect_to(address: SocketAddr) -> Peer {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(patience())).unwrap();
        stream.set_nodelay(true).unwrap();
        Peer { stream }
    }

    /// Connects as a client and is greeted.
    pub fn client(server: &Server) -> Peer {
        Peer::greeted(server, PeerType::Client, CLIENT_VERSION)
    }

    /// Connects as a client that knows the messages of this version, and is greeted.
    pub fn versed_client(server: &Server) -> Peer {
        Peer::greeted(server, PeerType::Client, HISTORY_VERSION)
    }

    /// Connects as a worker, is greeted and asks for a job.
    pub fn worker(server: &Server, platform: &str) -> Peer {
        let mut peer = Peer::unasked_worker(server);
        peer.send(&Command::JobRequested(platform.into()));
        peer
    }

    /// Connects as a worker and is greeted.
    pub fn unasked_worker(server: &Server) -> Peer {
        Peer::greeted(server, PeerType::Worker, WORKER_VERSION)
    }

    fn greeted(server: &Server, peer_type: PeerType, version: i64) -> Peer {
        let mut peer = Peer::connect_to(match peer_type {
            PeerType::Client => server.address(),
            PeerType::Worker => server.address_for_workers(),
        });
        peer.send(&Command::ClientHello { peer: peer_type, version });
        assert_eq!(peer.receive(), Command::ServerHello);
        peer
    }

    /// Sends a message.
    pub fn send(&mut self, command: &Command) {
        self.send_bytes(&command.to_frame().unwrap());
    }

    /// Sends any bytes.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    /// Sends any bytes to a server that may have had enough.
    pub fn try_send_bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Receives a message.
    pub fn receive(&mut self) -> Command {
        self.try_receive().expect("the server closed the connection")
    }

    /// Receives a message; none when the server has closed the connection.
    pub fn try_receive(&mut self) -> Option<Command> {
        let mut length = [0; 8];
        match self.stream.read_exact(&mut length) {
            Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
                return None;
            }
            outcome => outcome.unwrap(),
        }
        let mut payload = vec![0; usize::try_from(u64::from_be_bytes(length)).unwrap()];
        self.stream.read_exact(&mut payload).unwrap();
        Some(Command::decode(&payload).unwrap())
    }

    /// Receives a job.
    pub fn receive_job(&mut self) -> (Uuid, ScriptJob) {
        match self.receive() {
            Command::JobSchedule { uuid, job } => (uuid, job),
            other => panic!("expected jobSchedule, got {other:?}"),
        }
    }

    /// Receives a refusal and the end of the connection.
    pub fn receive_failure(&mut self) -> String {
        let text = match self.receive() {
            Command::Failure(text) => text.to_string(),
            other => panic!("expected failure, got {other:?}"),
        };
        assert_eq!(self.try_receive(), None);
        text
    }

    /// Sends a console line.
    pub fn print(&mut self, uuid: Uuid, line: &str) {
        self.send(&Command::Output { uuid, line: line.into(), timestamp: None });
    }

    /// Sends a result, and waits until the server closes because it is stored.
    pub fn finish(mut self, uuid: Uuid, result: BuildResult, data: Vec<File>) {
        self.send(&Command::JobFinished { uuid, result, data });
        assert_eq!(self.try_receive(), None, "the server closes when the result is stored");
    }

    /// Sends a result, and waits until the server closes, whatever it says before.
    pub fn finish_somehow(mut self, uuid: Uuid, data: Vec<File>) {
        let finished = Command::JobFinished { uuid, result: BuildResult::Exited(0), data };
        let _ = self.try_send_bytes(&finished.to_frame().unwrap());
        self.receive_all();
    }

    /// Says that nothing more will be sent.
    pub fn close_sending(&self) {
        self.stream.shutdown(Shutdown::Write).unwrap();
    }

    /// Receives what comes until the server closes; gives all messages.
    pub fn receive_all(&mut self) -> Vec<Command> {
        std::iter::from_fn(|| self.try_receive()).collect()
    }

    /// The connection itself.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }
}

/// The server is told at once. Closing alone tells it only when no other test is starting a program, which has a copy of
/// every descriptor until it runs.
impl Drop for Peer {
    fn drop(&mut self) {
        // It fails when the server has ended the connection, which is fine.
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// A frame around bytes.
pub fn framed(payload: &[u8]) -> Vec<u8> {
    let mut frame = (payload.len() as u64).to_be_bytes().to_vec();
    frame.extend(payload);
    frame
}

/// A value in DER: a tag of one byte, a length, the content.
pub fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut value = header(tag, content.len());
    value.extend(content);
    value
}

/// What stands before the content of a value in DER.
pub fn header(tag: u8, length: usize) -> Vec<u8> {
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match length {
        short @ ..0x80 => vec![tag, short as u8],
        _ => [&[tag, 0x80 | significant.len() as u8], significant].concat(),
    }
}
