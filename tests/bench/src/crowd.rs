//! Many conversations at once, in one thread, at little cost: what competes with the server for the processor is to be
//! the same on both sides of each comparison, and small.

use crate::failure::{During, Failure, Outcome};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Bytes of the longest answer.
const ANSWER_BYTES: u64 = 64 * 1024;
const EVENTS: usize = 256;

/// What one peer says. It ends when the server closes the connection.
pub(crate) trait Conversation {
    /// What is said first.
    fn opening(&self) -> &[u8];

    /// Appends what is said after a message of the server.
    fn answer(&mut self, payload: &[u8], reply: &mut Vec<u8>) -> Outcome<()>;

    /// Whether everything was said when the server closes the connection.
    fn is_over(&self) -> bool;
}

struct Member<C> {
    stream: TcpStream,
    conversation: C,
    decoder: FrameDecoder,
    started: Instant,
}

/// Holds conversations with a server, `at_once` at a time, until there are no more. Gives the time that each one took, in
/// the order in which they ended.
pub(crate) fn converse<C: Conversation>(
    address: SocketAddr,
    at_once: usize,
    conversations: impl IntoIterator<Item = C>,
) -> Outcome<Vec<Duration>> {
    let mut conversations = conversations.into_iter();
    let mut poll = Poll::new().during("watch connections")?;
    let mut events = Events::with_capacity(EVENTS);
    let mut members: Vec<Option<Member<C>>> = Vec::new();
    let mut buffer = vec![0; ANSWER_BYTES as usize];
    let mut reply = Vec::new();
    let mut times = Vec::new();
    for conversation in conversations.by_ref().take(at_once) {
        members.push(Some(Member::connect(&poll, members.len(), address, conversation)?));
    }
    let mut active = members.len();
    while active > 0 {
        match poll.poll(&mut events, None) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            outcome => outcome.during("wait for connections")?,
        }
        for event in &events {
            let Some(place) = members.get_mut(event.token().0) else { continue };
            let Some(member) = place else { continue };
            if !member.go_on(&mut buffer, &mut reply)? {
                continue;
            }
            times.push(member.started.elapsed());
            *place = None;
            match conversations.next() {
                Some(next) => *place = Some(Member::connect(&poll, event.token().0, address, next)?),
                None => active -= 1,
            }
        }
    }
    Ok(times)
}

impl<C: Conversation> Member<C> {
    fn connect(poll: &Poll, number: usize, address: SocketAddr, conversation: C) -> Outcome<Member<C>> {
        let started = Instant::now();
        // Over loopback this does not wait for the server.
        let stream = std::net::TcpStream::connect(address).during("connect to the server")?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry().register(&mut stream, Token(number), Interest::READABLE)?;
        send(&mut stream, conversation.opening())?;
        Ok(Member { stream, conversation, decoder: FrameDecoder::new(ANSWER_BYTES), started })
    }

    /// Reads and answers; true when the conversation is over.
    fn go_on(&mut self, buffer: &mut [u8], reply: &mut Vec<u8>) -> Outcome<bool> {
        loop {
            let bytes = match self.stream.read(buffer) {
                Ok(0) if self.conversation.is_over() => return Ok(true),
                Ok(0) => return Err(Failure::new("the server closed the connection too early")),
                Ok(bytes) => bytes,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failure::new(format_args!("the connection failed: {error}"))),
            };
            let mut input = buffer.get(..bytes).unwrap_or_default();
            while let Some(event) = self.decoder.next(&mut input).map_err(Failure::new)? {
                if let FrameEvent::Frame(payload) = event {
                    reply.clear();
                    self.conversation.answer(payload, reply)?;
                    send(&mut self.stream, reply)?;
                }
            }
        }
    }
}

/// Sends little enough that any socket takes it at once.
fn send(stream: &mut TcpStream, bytes: &[u8]) -> Outcome<()> {
    if bytes.is_empty() { Ok(()) } else { stream.write_all(bytes).during("send") }
}
