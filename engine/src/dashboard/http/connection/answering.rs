//! How a connection answers: at once, in pieces, or with a refusal.

use super::{Body, Connection, End, Phase};
use crate::dashboard::http::answer::{Framing, Head, entity_tag, has_tag};
use crate::dashboard::http::message::{Caching, Response, Stream};
use crate::dashboard::http::outbox::Piece;
use crate::dashboard::http::refusal::Refusal;
use core::time::Duration;

impl Connection {
    /// Answers the request that was given out last. Without one this does nothing.
    pub fn respond(&mut self, now: Duration, response: Response) {
        let Phase::Answering(exchange) = &self.phase else { return };
        let (is_head, is_last) = (exchange.is_head, exchange.is_last);
        let is_tagged = response.status == 200 && response.caching != Caching::NoStore;
        let tag = is_tagged.then(|| entity_tag(&response.body));
        let is_known = tag.as_deref().is_some_and(|tag| has_tag(exchange.if_none_match.as_deref(), tag));
        let head = Head::of_response(&response, tag.as_deref(), is_last);
        let head = if is_known { head.not_modified() } else { head };
        let Ok(bytes) = head.to_bytes() else {
            return self.answer_refusal(now, Refusal::Unsendable, is_head);
        };
        self.say(now, &bytes);
        if !is_head && head.has_body() {
            self.outbox.share(Piece::from(response.body));
        }
        self.finish(now, is_last);
    }

    /// Begins to answer the request that was given out last with a body that is pushed. False when nothing is to be pushed, because
    /// only the head was asked for, or the browser has it already, or without a request: then all is said.
    #[must_use]
    pub fn begin_stream(&mut self, now: Duration, stream: Stream) -> bool {
        let Phase::Answering(exchange) = &self.phase else { return false };
        let framing = match stream.length {
            Some(length) => Framing::Length(length),
            None if exchange.is_old => Framing::UntilClose,
            None => Framing::Chunked,
        };
        let (is_head, is_last) = (exchange.is_head, exchange.is_last);
        let is_known =
            stream.etag.as_deref().is_some_and(|tag| has_tag(exchange.if_none_match.as_deref(), tag));
        let head = Head::of_stream(&stream, framing, is_last);
        let head = if is_known { head.not_modified() } else { head };
        let Ok(bytes) = head.to_bytes() else {
            self.answer_refusal(now, Refusal::Unsendable, is_head);
            return false;
        };
        self.say(now, &bytes);
        if is_head || is_known {
            self.finish(now, is_last);
            return false;
        }
        self.phase = Phase::Streaming(Body { framing, is_last });
        true
    }

    /// Sends a piece of a body. When it is longer than was announced, the connection is closed instead. Without a stream this
    /// does nothing.
    pub fn push(&mut self, now: Duration, piece: Piece) {
        let length = piece.bytes().len();
        let Phase::Streaming(body) = &mut self.phase else { return };
        if length == 0 {
            return;
        }
        if let Framing::Length(left) = &mut body.framing {
            match left.checked_sub(length as u64) {
                Some(rest) => *left = rest,
                None => return self.abort(),
            }
        }
        let is_chunk = body.framing == Framing::Chunked;
        self.begin_to_wait(now);
        if is_chunk {
            self.outbox.copy(format!("{length:x}\r\n").as_bytes());
        }
        self.outbox.share(piece);
        if is_chunk {
            self.outbox.copy(b"\r\n");
        }
    }

    /// Ends a body. When it is shorter than was announced, the connection is closed, so that the browser does not take it for whole.
    pub fn end_stream(&mut self, now: Duration) {
        let Phase::Streaming(body) = self.phase else { return };
        match body.framing {
            Framing::Length(1..) => return self.abort(),
            Framing::Chunked => self.say(now, b"0\r\n\r\n"),
            _ => {}
        }
        self.finish(now, body.is_last);
    }

    /// Gives up an answer that cannot be completed: what waits is still sent, and then the connection is closed, from which the
    /// browser learns that something is missing. (One that speaks HTTP/1.0 learns it only if it was told the length.)
    pub fn abort(&mut self) {
        if self.is_answering() {
            self.phase = Phase::Finishing(End::Close);
            if self.outbox.is_empty() {
                self.close();
            }
        }
    }

    pub(super) fn answer_refusal(&mut self, now: Duration, refusal: Refusal, is_head: bool) {
        let page = refusal.page();
        let Ok(bytes) = Head::of_response(&page, None, true).to_bytes() else { return self.close() };
        self.say(now, &bytes);
        if !is_head {
            self.outbox.copy(&page.body);
        }
        self.input = Vec::new();
        self.phase = Phase::Finishing(End::Linger);
    }

    fn say(&mut self, now: Duration, bytes: &[u8]) {
        self.begin_to_wait(now);
        self.outbox.copy(bytes);
    }

    fn begin_to_wait(&mut self, now: Duration) {
        if self.outbox.is_empty() {
            self.progress = now;
        }
    }

    /// The answer is said.
    fn finish(&mut self, now: Duration, is_last: bool) {
        self.phase = Phase::Finishing(match (is_last, self.input.is_empty()) {
            (false, _) => End::Next,
            (true, true) => End::Close,
            (true, false) => End::Linger,
        });
        if is_last {
            self.input = Vec::new();
        }
        if self.outbox.is_empty() {
            self.settle(now);
        }
    }
}
