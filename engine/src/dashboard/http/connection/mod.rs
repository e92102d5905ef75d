//! The server's end of one connection: what it waits for, and until when. How a request is answered is in [`answering`].

mod answering;

use super::answer::Framing;
use super::head::{Asked, Scanner, parse};
use super::message::{Method, Request};
use super::outbox::Outbox;
use super::refusal::Refusal;
use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEAD_TIME, HTTP_IDLE_TIME, HTTP_LINGER_TIME, HTTP_PROGRESS_TIME};
use core::time::Duration;

/// The server's end of one connection. The [module](super) says how to drive it.
///
/// All times are monotonic, since an arbitrary start. There is no wall clock here, so whoever has one adds the
/// [`date`](super::date()) to answers; what is refused here goes without (RFC 9110, 6.6.1).
#[derive(Debug)]
pub struct Connection {
    input: Vec<u8>,
    scanner: Scanner,
    outbox: Outbox,
    phase: Phase,
    /// When bytes last began to wait, or were taken.
    progress: Duration,
    is_peer_closed: bool,
}

#[derive(Debug)]
enum Phase {
    /// A request is awaited; nothing waits to be sent.
    Reading(Reading),
    /// A request is with the owner, who has not begun to answer.
    Answering(Exchange),
    /// A body is being pushed.
    Streaming(Body),
    /// All that is said waits to be sent.
    Finishing(End),
    /// All is sent, and what the peer still says is forgotten until then.
    Lingering(Duration),
    /// The socket may be closed.
    Over,
}

#[derive(Debug)]
struct Reading {
    /// Since when a request is awaited.
    since: Duration,
    is_first: bool,
    /// When the first byte of its head was there.
    begun: Option<Duration>,
}

/// What an answer has to keep to.
#[derive(Debug)]
struct Exchange {
    is_head: bool,
    is_old: bool,
    is_last: bool,
    if_none_match: Option<String>,
}

/// A body that is being pushed.
#[derive(Clone, Copy, Debug)]
struct Body {
    /// With the bytes that are left, if their number is known.
    framing: Framing,
    is_last: bool,
}

/// What comes after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// The next request.
    Next,
    /// The end of the connection.
    Close,
    /// The same, but the peer says more than was read.
    Linger,
}

impl Connection {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(now: Duration) -> Connection {
        Connection {
            input: Vec::new(),
            scanner: Scanner::default(),
            outbox: Outbox::default(),
            phase: Phase::Reading(Reading { since: now, is_first: true, begun: None }),
            progress: now,
            is_peer_closed: false,
        }
    }

    /// The peer has sent bytes. They are held until they are asked for with [`next_request`](Connection::next_request), so hand in
    /// only as many as fit into a buffer for all connections, and only while it [wants to read](Connection::wants_to_read).
    pub fn received(&mut self, now: Duration, bytes: &[u8]) {
        match &mut self.phase {
            Phase::Over | Phase::Lingering(_) | Phase::Finishing(End::Linger) => return,
            Phase::Finishing(end @ End::Close) => {
                *end = End::Linger;
                return;
            }
            Phase::Reading(reading) if !bytes.is_empty() => {
                reading.begun.get_or_insert(now);
            }
            _ => {}
        }
        self.input.extend_from_slice(bytes);
    }

    /// The peer will send nothing more. What it has asked is still answered. A peer that has gone altogether does the same, and
    /// is found out when something is sent to it: in a stream that may be silent for long, push something now and then.
    pub fn peer_closed(&mut self) {
        self.is_peer_closed = true;
        match self.phase {
            Phase::Reading(_) if self.input.is_empty() => self.close(),
            Phase::Lingering(_) => self.close(),
            _ => {}
        }
    }

    /// The next request. None while one is under way: until the answer to it is written whole. What is refused is answered here.
    pub fn next_request(&mut self, now: Duration) -> Option<Request> {
        let Phase::Reading(_) = &self.phase else { return None };
        let unseen = self.input.get(self.scanner.seen()..).unwrap_or_default();
        let asked = match self.scanner.scan(unseen) {
            Ok(None) => {
                if self.is_peer_closed {
                    self.close();
                }
                return None;
            }
            Ok(Some(length)) => parse(self.input.get(..length).unwrap_or_default()),
            Err(refusal) => Err(refusal),
        };
        match asked {
            Ok(asked) => Some(self.begin(asked)),
            Err(refusal) => {
                self.refuse(now, refusal);
                None
            }
        }
    }

    /// Takes the head off the input.
    fn begin(&mut self, asked: Asked) -> Request {
        self.input.drain(..self.scanner.seen().min(self.input.len()));
        if self.input.is_empty() {
            // Thousands of connections may be idle.
            self.input = Vec::new();
        }
        self.scanner = Scanner::default();
        let Asked { request, is_old, is_last } = asked;
        let if_none_match = request.if_none_match.clone();
        self.phase = Phase::Answering(Exchange {
            is_head: request.method == Method::Head,
            is_old,
            is_last,
            if_none_match,
        });
        request
    }

    /// Bytes that wait to be written.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.outbox.len()
    }

    /// Bytes of requests that are held.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.input.len()
    }

    /// Whether the owner still has to answer a request, or to end the stream that answers it.
    #[must_use]
    pub fn is_answering(&self) -> bool {
        matches!(self.phase, Phase::Answering(_) | Phase::Streaming(_))
    }

    /// Whether a body is being pushed.
    #[must_use]
    pub fn is_streaming(&self) -> bool {
        matches!(self.phase, Phase::Streaming(_))
    }

    /// Whether it makes sense to read from the socket. While an answer is under way, at most the head of one more request is read
    /// ahead, so that pipelining costs no memory.
    #[must_use]
    pub fn wants_to_read(&self) -> bool {
        let has_room = match self.phase {
            Phase::Reading(_) | Phase::Lingering(_) => true,
            Phase::Answering(_) | Phase::Streaming(_) | Phase::Finishing(End::Next) => {
                self.input.len() < HTTP_HEAD_BYTES
            }
            Phase::Finishing(End::Close | End::Linger) | Phase::Over => false,
        };
        has_room && !self.is_peer_closed
    }

    /// The next bytes for the socket that stand in one place.
    #[must_use]
    pub fn next_write(&self) -> Option<&[u8]> {
        self.outbox.next()
    }

    /// The socket has taken so many of them. Ask for the [next request](Connection::next_request) then.
    pub fn written(&mut self, now: Duration, count: usize) {
        if count == 0 || self.outbox.is_empty() {
            return;
        }
        self.progress = now;
        self.outbox.advance(count);
        if self.outbox.is_empty() {
            self.settle(now);
        }
    }

    /// When to call [`expire`](Connection::expire), unless something happens before. None while the owner is awaited.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if !self.outbox.is_empty() {
            return Some(self.progress.saturating_add(HTTP_PROGRESS_TIME));
        }
        match &self.phase {
            Phase::Reading(Reading { is_first: true, since, .. }) => {
                Some(since.saturating_add(HTTP_HEAD_TIME))
            }
            Phase::Reading(Reading { begun: Some(begun), .. }) => Some(begun.saturating_add(HTTP_HEAD_TIME)),
            Phase::Reading(Reading { since, .. }) => Some(since.saturating_add(HTTP_IDLE_TIME)),
            Phase::Lingering(until) => Some(*until),
            _ => None,
        }
    }

    /// Does what is due: refuses a request whose head is slow, and closes a connection that is idle, or whose peer takes nothing.
    /// Before the [deadline](Connection::deadline) this does nothing.
    pub fn expire(&mut self, now: Duration) {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return;
        }
        match &self.phase {
            Phase::Reading(Reading { begun: Some(_), .. }) => self.refuse(now, Refusal::Slow),
            _ => self.close(),
        }
    }

    /// Whether all is written that ever will be. Shut the sending half of the socket down then, and go on reading as long as it
    /// [wants to read](Connection::wants_to_read): a peer that was refused in the middle of what it says can read why.
    #[must_use]
    pub fn is_output_over(&self) -> bool {
        matches!(self.phase, Phase::Lingering(_) | Phase::Over)
    }

    /// Whether the connection has come to its end: close the socket.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over)
    }

    /// Answers what cannot be a request.
    fn refuse(&mut self, now: Duration, refusal: Refusal) {
        // What has come behind that may have come later just as well.
        let seen = self.input.get(..self.scanner.seen()).unwrap_or_default();
        let start = seen.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or_default();
        let is_head = seen.get(start..).is_some_and(|head| head.starts_with(b"HEAD "));
        self.answer_refusal(now, refusal, is_head);
    }

    /// Goes on to what comes after an answer, when it is written.
    fn settle(&mut self, now: Duration) {
        let is_silent = self.is_peer_closed && self.input.is_empty();
        match self.phase {
            Phase::Finishing(End::Next) if !is_silent => {
                let begun = (!self.input.is_empty()).then_some(now);
                self.phase = Phase::Reading(Reading { since: now, is_first: false, begun });
            }
            Phase::Finishing(End::Linger) if !self.is_peer_closed => {
                self.phase = Phase::Lingering(now.saturating_add(HTTP_LINGER_TIME));
            }
            Phase::Finishing(_) => self.close(),
            _ => {}
        }
    }

    fn close(&mut self) {
        self.input = Vec::new();
        self.outbox = Outbox::default();
        self.phase = Phase::Over;
    }
}
