//! A connection of a dashboard: whatever a browser sends, whenever, and whatever the dashboard answers, what comes out is HTTP.

mod answers;

use self::answers::{Answer, read};
use super::choices::Choices;
use builder_engine::dashboard::http::{
    Caching, Connection, Method, Piece, Request, Response, Stream, percent_decode, percent_encode,
    query_fields,
};
use builder_engine::limits::HTTP_HEAD_BYTES;
use std::rc::Rc;
use std::time::Duration;

/// What a browser may say, so that a fuzzer need not spell it.
const WORDS: [&[u8]; 12] = [
    b"GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    b"GET /%41 HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: \"tag\", *\r\n\r\n",
    b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc",
    b"GET /",
    b" HTTP/1.1\r\n",
    b"Host: localhost\r\n",
    b"Last-Event-ID: 7\r\n",
    b"X-Forwarded-Proto: https\r\n",
    b"\r\n",
];
/// Steps of an input, by their numbers.
const STEPS: u8 = 10;
const SEND: u8 = 0;
const SAY: u8 = 1;
const RESPOND: u8 = 2;
const STREAM: u8 = 3;
const PUSH: u8 = 4;
const END: u8 = 5;
const TAKE: u8 = 6;
const WAIT: u8 = 7;
const HANG_UP: u8 = 8;
const ABORT: u8 = 9;
/// The most bytes that arrive at once.
const ARRIVAL_BYTES: usize = 256;
/// More than the head of an answer and the page of a refusal take.
const HEAD_BYTES: usize = 2048;

/// What is to come of a request that was given out.
#[derive(Debug)]
struct Expected {
    request: Request,
    /// The status, when it was answered.
    status: Option<u16>,
    body: Vec<u8>,
    /// Whether all of the body was given.
    is_whole: bool,
}

struct Talk {
    now: Duration,
    connection: Connection,
    received: Vec<u8>,
    sent: Vec<u8>,
    expected: Vec<Expected>,
    /// Bytes and pieces that the owner has given since nothing waited.
    given: usize,
    /// The bytes of the body that are left to push, if their number was announced.
    left: Option<usize>,
    /// Whether the connection was cut while something waited.
    is_cut: bool,
}

/// Takes what happens off the front of the input, until there is nothing left.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let mut talk = Talk {
        now: Duration::ZERO,
        connection: Connection::new(Duration::ZERO),
        received: Vec::new(),
        sent: Vec::new(),
        expected: Vec::new(),
        given: 0,
        left: None,
        is_cut: false,
    };
    while !choices.is_empty() {
        talk.step(&mut choices);
        talk.ask();
        talk.check();
    }
    talk.end();
    talk.judge();
    addresses(input);
}

/// Conversations of all kinds.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let say = |word: u8| vec![SAY, word];
    let send = |text: &str| [&[SEND, text.len() as u8 - 1], text.as_bytes()].concat();
    let conversations: [&[Vec<u8>]; 9] = [
        &[say(0), vec![RESPOND, 1, 0, 20, TAKE, 255, 255], say(1), vec![RESPOND, 0, 1, 0, TAKE, 0, 9]],
        &[say(0), vec![STREAM, 0, PUSH, 0, 5, TAKE, 255, 255, PUSH, 8, 0, END, TAKE, 255, 255]],
        &[say(0), vec![STREAM, 9, 0, 12, PUSH, 0, 5, PUSH, 0, 7, END, TAKE, 255, 255]],
        &[say(0), vec![STREAM, 9, 0, 12, PUSH, 0, 5, TAKE, 255, 255, PUSH, 0, 9, END]],
        &[say(2), vec![STREAM, 0, PUSH, 0, 5, END], say(5)],
        &[say(4), vec![STREAM, 2], say(3), vec![TAKE, 255, 255, RESPOND, 3, 0, 0, ABORT]],
        &[
            say(6),
            say(7),
            say(8),
            say(9),
            say(10),
            vec![WAIT, 8, 0],
            say(11),
            vec![RESPOND, 0, 0, 9, WAIT, 255, 255],
        ],
        &[
            send("GET /a%20b?c=%zz&d=+ HTTP/1.1\r\nHost: [::1]:80\r\nIf-None-Match: W/\"x\"\r\n\r\n"),
            vec![HANG_UP],
        ],
        &[
            send("GET http://a/ HTTP/1.1\r\nHost: b\r\nTransfer-Encoding: chunked\r\n\r\n"),
            vec![TAKE, 255, 255, WAIT, 80, 0],
        ],
    ];
    conversations.iter().map(|steps| steps.concat()).collect()
}

impl Talk {
    fn step(&mut self, choices: &mut Choices<'_>) {
        match choices.byte() % STEPS {
            SEND => {
                let length = usize::from(choices.byte()) + 1;
                self.receive(choices.part(length));
            }
            SAY => self.receive(WORDS[choices.below(WORDS.len())]),
            RESPOND => self.respond(choices),
            STREAM => self.begin(choices),
            PUSH => self.push(usize::from(choices.number() % 5000)),
            END => self.finish(),
            TAKE => self.take(usize::from(choices.number())),
            WAIT => {
                self.now += Duration::from_millis(u64::from(choices.number()) * 10);
                self.expire();
            }
            HANG_UP => self.connection.peer_closed(),
            _ => {
                self.connection.abort();
                self.left = None;
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if self.connection.wants_to_read() {
            self.connection.received(self.now, bytes);
            self.received.extend(bytes);
        }
    }

    fn ask(&mut self) {
        let was_answering = self.connection.is_answering();
        let Some(request) = self.connection.next_request(self.now) else { return };
        assert!(!was_answering && self.connection.is_answering());
        assert!(self.connection.next_request(self.now).is_none(), "two requests are given out");
        self.expected.push(Expected { request, status: None, body: Vec::new(), is_whole: false });
    }

    fn respond(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.byte();
        let body = vec![b'b'; usize::from(choices.number() % 5000)];
        if !self.connection.is_answering() || self.connection.is_streaming() {
            return self.connection.respond(self.now, Response::new(200, "text/plain", body));
        }
        let status = [200, 404, 204, 303][usize::from(kind >> 2 & 3)];
        let caching = [Caching::NoStore, Caching::Revalidate, Caching::Forever][usize::from(kind % 3)];
        let response = Response::new(status, "text/plain", body.clone()).with_caching(caching);
        let is_unsendable = kind >> 4 == 7;
        let header = if is_unsendable { "a\r\nb: c" } else { "/other" };
        self.connection.respond(self.now, response.with_header("Location", header));
        self.given += body.len();
        let expected = self.expected.last_mut().unwrap();
        expected.status = Some(if is_unsendable { 500 } else { status });
        (expected.body, expected.is_whole) = (body, true);
    }

    fn begin(&mut self, choices: &mut Choices<'_>) {
        let kind = choices.byte();
        let length = (kind & 1 == 1).then(|| choices.number() % 10_000);
        let content_type = if kind >> 4 == 7 { "text/\0" } else { "text/plain" }.to_owned();
        let etag = (kind & 2 == 2).then(|| "tag".to_owned());
        let stream = Stream { content_type, headers: Vec::new(), length: length.map(u64::from), etag };
        let may_begin = self.connection.is_answering() && !self.connection.is_streaming();
        let has_begun = self.connection.begin_stream(self.now, stream);
        assert!(!has_begun || may_begin);
        if may_begin {
            let expected = self.expected.last_mut().unwrap();
            expected.status = Some(if kind >> 4 == 7 { 500 } else { 200 });
            expected.is_whole = !has_begun;
            self.left = length.filter(|_| has_begun).map(usize::from);
        }
    }

    fn push(&mut self, length: usize) {
        let was_streaming = self.connection.is_streaming();
        let bytes: Rc<[u8]> = vec![b'p'; length + 2].into();
        self.connection.push(self.now, Piece::new(Rc::clone(&bytes), 1..length + 1));
        if !was_streaming {
            return;
        }
        let fits = self.left.is_none_or(|left| length <= left);
        assert_eq!(self.connection.is_streaming(), fits);
        if fits {
            self.left = self.left.map(|left| left - length);
            self.given += length + 16;
            self.expected.last_mut().unwrap().body.extend(&bytes[1..=length]);
        }
    }

    fn finish(&mut self) {
        if self.connection.is_streaming() {
            self.expected.last_mut().unwrap().is_whole = self.left.is_none_or(|left| left == 0);
        }
        self.connection.end_stream(self.now);
        assert!(!self.connection.is_streaming());
    }

    fn take(&mut self, count: usize) {
        let Some(bytes) = self.connection.next_write() else {
            return self.connection.written(self.now, count);
        };
        assert!(!bytes.is_empty());
        let bytes = &bytes[..count.min(bytes.len())];
        self.sent.extend(bytes);
        let count = bytes.len();
        self.connection.written(self.now, count);
    }

    fn expire(&mut self) {
        let was_waiting = self.connection.queued_bytes() > 0;
        self.connection.expire(self.now);
        assert!(self.connection.deadline().is_none_or(|deadline| deadline > self.now), "it expires in vain");
        self.is_cut |= was_waiting && self.connection.is_over();
    }

    fn check(&mut self) {
        let connection = &self.connection;
        assert!(connection.held_bytes() <= HTTP_HEAD_BYTES + ARRIVAL_BYTES);
        if connection.queued_bytes() == 0 {
            self.given = 0;
        }
        assert!(connection.queued_bytes() <= self.given + HEAD_BYTES, "more waits than was given");
        assert_eq!(connection.next_write().is_some(), connection.queued_bytes() > 0);
        // Whoever is waited for has a deadline; the owner has none.
        let is_owner_awaited = connection.is_answering() && connection.queued_bytes() == 0;
        assert_eq!(connection.deadline().is_none(), is_owner_awaited || connection.is_over());
        if connection.is_over() {
            assert!(connection.is_output_over() && !connection.wants_to_read() && !connection.is_answering());
            assert_eq!(connection.held_bytes() + connection.queued_bytes(), 0);
        }
    }

    /// The owner answers what is asked, and the peer takes all of it, but says nothing more.
    fn end(&mut self) {
        while self.connection.queued_bytes() > 0 || self.connection.is_answering() {
            if self.connection.is_streaming() {
                self.finish();
            } else if self.connection.is_answering() {
                self.respond(&mut Choices::new(&[]));
            }
            self.take(usize::MAX);
            self.ask();
            self.check();
        }
        // It began a head, which is refused; it does not close after that; then it is over.
        for _ in 0..3 {
            let Some(deadline) = self.connection.deadline() else { break };
            self.now = deadline;
            self.expire();
            while self.connection.queued_bytes() > 0 {
                self.take(usize::MAX);
            }
        }
        assert!(self.connection.is_over(), "a peer that does nothing holds a place");
    }

    /// Compares what came out with what was asked and answered.
    fn judge(&self) {
        let heads = self.received.windows(4).filter(|window| window == b"\r\n\r\n").count();
        assert!(self.expected.len() <= heads, "more requests are given out than were made");
        let is_head =
            |number: usize| self.expected.get(number).map(|expected| expected.request.method == Method::Head);
        let answers = read(&self.sent, is_head);
        assert!(answers.len() <= self.expected.len() + 1, "more answers than requests");
        for (number, answer) in answers.iter().enumerate() {
            assert!(answer.is_whole || number + 1 == answers.len(), "an answer follows half of one");
            match self.expected.get(number) {
                Some(expected) => self.judge_answer(expected, answer),
                None => {
                    assert!(self.is_cut || (answer.is_whole && answer.closes()));
                    assert!([0, 400, 405, 408, 413, 414, 431, 501, 505].contains(&answer.status));
                }
            }
        }
        for expected in &self.expected {
            judge_request(&expected.request, &self.received);
        }
    }

    fn judge_answer(&self, expected: &Expected, answer: &Answer) {
        if answer.status == 0 {
            return assert!(self.is_cut);
        }
        let status = expected.status.expect("it was answered");
        let is_known = answer.status == 304 && status == 200 && expected.request.if_none_match.is_some();
        assert!(is_known || answer.status == status, "{} in place of {status}", answer.status);
        if is_known || [204, 500].contains(&status) || expected.request.method == Method::Head {
            return;
        }
        assert!(expected.body.starts_with(&answer.body), "the body is another one");
        // The end of the connection is the end of such a body, whole or not.
        let is_chunked = answer.header("Transfer-Encoding").is_some();
        let has_end = is_chunked || answer.header("Content-Length").is_some();
        if has_end && answer.is_whole {
            assert_eq!(answer.body, expected.body);
            // As many bytes as were announced are the whole body, even if more should have followed.
            assert!(expected.is_whole || !is_chunked, "half a body is taken for whole");
        } else if has_end {
            assert!(self.is_cut || !expected.is_whole, "something is missing");
        }
    }
}

fn judge_request(request: &Request, received: &[u8]) {
    let is_there =
        |text: &str| text.is_empty() || received.windows(text.len()).any(|window| window == text.as_bytes());
    let is_printable = |text: &str| text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    assert!(request.path.starts_with('/') && is_printable(&request.path));
    assert!(request.path == "/" || is_there(&request.path));
    for part in [&request.query, &request.host].into_iter().flatten() {
        assert!(is_printable(part) && is_there(part));
    }
    for character in ['/', '<', '"', '\'', '&', '@', ','] {
        assert!(!request.host.as_ref().is_some_and(|host| host.contains(character)));
    }
    assert!(request.forwarded_proto.as_ref().is_none_or(|scheme| ["http", "https"].contains(&&scheme[..])));
}

/// What stands in addresses may be anything.
fn addresses(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    if let Some(bytes) = percent_decode(&text) {
        assert_eq!(percent_decode(&percent_encode(&bytes)), Some(bytes));
    }
    let fields: Vec<_> = query_fields(&text).collect();
    let written: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{}={}", percent_encode(name), percent_encode(value)))
        .collect();
    assert_eq!(query_fields(&written.join("&")).collect::<Vec<_>>(), fields);
}
