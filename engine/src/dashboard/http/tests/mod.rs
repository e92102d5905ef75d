//! A browser that speaks HTTP byte by byte, and an owner that answers with what was asked.

mod answers;
mod heads;
mod pieces;
mod streams;
mod waits;

use super::{Connection, Request, Response};
use core::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const START: Duration = Duration::from_secs(1000);

/// Both ends of a connection.
struct Rig {
    now: Duration,
    connection: Connection,
    requests: Vec<Request>,
    sent: Vec<u8>,
}

impl Rig {
    fn new() -> Rig {
        Rig { now: START, connection: Connection::new(START), requests: Vec::new(), sent: Vec::new() }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.connection.received(self.now, bytes);
    }

    fn ask(&mut self) -> Option<Request> {
        self.connection.next_request(self.now)
    }

    fn respond(&mut self, response: Response) {
        self.connection.respond(self.now, response);
    }

    /// A connection with a request for the path that has been given out.
    fn asked(path: &str) -> Rig {
        Rig::asked_with(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"))
    }

    fn asked_with(head: &str) -> Rig {
        let mut rig = Rig::new();
        rig.receive(head.as_bytes());
        assert!(rig.ask().is_some(), "refused: {:?}", rig.take());
        rig
    }

    /// Answers all that was asked with its path, and takes all that is sent.
    fn run(&mut self) {
        loop {
            while let Some(request) = self.ask() {
                let body = request.path.clone().into_bytes();
                self.requests.push(request);
                self.respond(Response::new(200, "text/plain", body));
            }
            if self.write(usize::MAX) == 0 {
                return;
            }
        }
    }

    /// Takes at most so many bytes of what stands in one place.
    fn write(&mut self, count: usize) -> usize {
        let Some(bytes) = self.connection.next_write() else { return 0 };
        let bytes = &bytes[..bytes.len().min(count)];
        assert!(!bytes.is_empty(), "nothing is offered to be written");
        let count = bytes.len();
        self.sent.extend(bytes);
        self.connection.written(self.now, count);
        count
    }

    /// All that was sent since the last time.
    fn take(&mut self) -> String {
        while self.write(usize::MAX) > 0 {}
        String::from_utf8(core::mem::take(&mut self.sent)).unwrap()
    }

    /// Waits until just before the deadline, finds that it counts, and then expires.
    fn expire(&mut self) {
        let deadline = self.connection.deadline().expect("nothing is awaited");
        self.now = deadline.checked_sub(Duration::from_nanos(1)).unwrap();
        self.connection.expire(self.now);
        assert_eq!(self.connection.deadline(), Some(deadline), "it expired too early");
        self.now = deadline;
        self.connection.expire(self.now);
    }
}

/// The status of an answer, its head in lines, and what follows.
fn split(answer: &str) -> (u16, Vec<&str>, &str) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no head in {answer:?}"));
    let lines: Vec<&str> = head.split("\r\n").collect();
    (lines[0].split(' ').nth(1).unwrap().parse().unwrap(), lines, body)
}

/// What is answered to these bytes at once, when the owner answers with paths.
fn answer(bytes: &[u8]) -> (Rig, String) {
    let mut rig = Rig::new();
    rig.receive(bytes);
    rig.run();
    let sent = rig.take();
    (rig, sent)
}
