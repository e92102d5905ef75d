//! One connection that waits for each answer.

use crate::failure::{During, Failure, Outcome};
use crate::messages;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::frame::HEADER_LENGTH;
use builder_proto::text::Text;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};

/// Bytes of the longest answer that is read whole.
const ANSWER_BYTES: usize = 64 * 1024;

/// A simulated client or worker.
#[derive(Debug)]
pub(crate) struct Peer {
    stream: TcpStream,
    /// What was read and not given out yet.
    buffer: Vec<u8>,
    start: usize,
}

impl Peer {
    pub(crate) fn connect(address: SocketAddr) -> Outcome<Peer> {
        let stream = TcpStream::connect(address).during("connect to the server")?;
        stream.set_nodelay(true)?;
        Ok(Peer { stream, buffer: Vec::new(), start: 0 })
    }

    /// A client that was greeted.
    pub(crate) fn client(address: SocketAddr) -> Outcome<Peer> {
        let mut peer = Peer::connect(address)?;
        peer.greet(&messages::client_hello()?)?;
        Ok(peer)
    }

    /// A worker that got a job.
    pub(crate) fn worker(address: SocketAddr) -> Outcome<(Peer, Uuid)> {
        let (peer, uuid, _) = Peer::worker_of(address)?;
        Ok((peer, uuid))
    }

    /// The same, with the name of the job.
    pub(crate) fn worker_of(address: SocketAddr) -> Outcome<(Peer, Uuid, Text)> {
        let mut peer = Peer::connect(address)?;
        peer.greet(&messages::worker_hello()?)?;
        peer.send(&messages::job_request()?)?;
        let (uuid, job) = messages::build_and_job_of(peer.receive()?)?;
        Ok((peer, uuid, job))
    }

    pub(crate) fn send(&mut self, frame: &[u8]) -> Outcome<()> {
        self.stream.write_all(frame).during("send")
    }

    /// The payload of the next frame.
    pub(crate) fn receive(&mut self) -> Outcome<&[u8]> {
        loop {
            let unread = self.buffer.get(self.start..).unwrap_or_default();
            if let Some((header, rest)) = unread.split_first_chunk::<HEADER_LENGTH>() {
                let length = usize::try_from(u64::from_be_bytes(*header)).unwrap_or(usize::MAX);
                if length > ANSWER_BYTES {
                    return Err(Failure::new(format_args!("an answer of {length} bytes was not expected")));
                }
                if rest.len() >= length {
                    let payload = self.start + HEADER_LENGTH..self.start + HEADER_LENGTH + length;
                    self.start = payload.end;
                    return Ok(self.buffer.get(payload).unwrap_or_default());
                }
            }
            self.fill()?;
        }
    }

    /// Waits until the server closes the connection, which is to have nothing more to say.
    pub(crate) fn finish(mut self) -> Outcome<()> {
        if self.start < self.buffer.len() {
            return Err(Failure::new("the server said more than was expected"));
        }
        match self.stream.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(Failure::new("the server said more than was expected")),
            Err(error) => Err(Failure::new(format_args!("the connection failed: {error}"))),
        }
    }

    /// The connection itself; nothing may have been read from it in advance.
    pub(crate) fn into_stream(self) -> Outcome<TcpStream> {
        match self.start < self.buffer.len() {
            true => Err(Failure::new("the server said more than was expected")),
            false => Ok(self.stream),
        }
    }

    fn greet(&mut self, hello: &[u8]) -> Outcome<()> {
        self.send(hello)?;
        messages::expect(self.receive()?, &Command::ServerHello)
    }

    fn fill(&mut self) -> Outcome<()> {
        self.buffer.drain(..self.start);
        self.start = 0;
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => return Err(Failure::new("the server closed the connection too early")),
                Ok(bytes) => {
                    self.buffer.extend_from_slice(chunk.get(..bytes).unwrap_or_default());
                    return Ok(());
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(Failure::new(format_args!("the connection failed: {error}"))),
            }
        }
    }
}
