//! Bodies that are pushed in pieces.

use super::*;
use crate::dashboard::http::{Piece, Stream};
use std::rc::Rc;

fn stream(length: Option<u64>) -> Stream {
    Stream { content_type: "text/plain".to_owned(), headers: Vec::new(), length, etag: None }
}

fn piece(text: &str) -> Piece {
    Piece::from(text.as_bytes().to_vec())
}

impl Rig {
    fn begin(&mut self, stream: Stream) -> bool {
        self.connection.begin_stream(self.now, stream)
    }

    fn push(&mut self, text: &str) {
        self.connection.push(self.now, piece(text));
    }

    fn end(&mut self) {
        self.connection.end_stream(self.now);
    }
}

#[test]
fn a_body_of_unknown_length_is_sent_in_chunks() {
    let mut rig = Rig::asked("/");
    assert!(rig.connection.is_answering() && !rig.connection.is_streaming());
    assert!(rig.begin(stream(None)));
    assert!(rig.connection.is_streaming());
    let head = rig.take();
    let (status, lines, body) = split(&head);
    assert_eq!((status, body), (200, ""));
    assert!(lines.contains(&"Transfer-Encoding: chunked") && lines.contains(&"Cache-Control: no-store"));
    assert!(lines.contains(&"Referrer-Policy: no-referrer") && !head.contains("Content-Length"), "{head}");
    rig.push("hello, ");
    rig.push("");
    rig.push("world of chunks");
    assert_eq!(rig.connection.queued_bytes(), "7\r\nhello, \r\nf\r\nworld of chunks\r\n".len());
    assert_eq!(rig.take(), "7\r\nhello, \r\nf\r\nworld of chunks\r\n");
    assert!(rig.ask().is_none() && rig.connection.is_streaming());
    rig.end();
    assert!(!rig.connection.is_answering());
    assert_eq!(rig.take(), "0\r\n\r\n");
    rig.receive(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    rig.run();
    assert_eq!(rig.requests.len(), 1);
}

#[test]
fn old_browsers_get_the_body_as_it_is_until_the_connection_ends() {
    let mut rig = Rig::asked_with("GET / HTTP/1.0\r\n\r\n");
    assert!(rig.begin(stream(None)));
    let head = rig.take();
    assert!(!head.contains("Transfer-Encoding") && head.contains("Connection: close\r\n"), "{head}");
    rig.push("hello");
    assert_eq!(rig.take(), "hello");
    assert!(!rig.connection.is_over());
    rig.end();
    assert!(rig.connection.is_over());
}

#[test]
fn a_body_of_known_length_is_sent_as_it_is() {
    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(Some(5))));
    rig.push("hel");
    rig.push("lo");
    rig.end();
    let sent = rig.take();
    let (_, lines, body) = split(&sent);
    assert_eq!(body, "hello");
    assert!(lines.contains(&"Content-Length: 5") && !sent.contains("chunked"), "{sent}");
    assert!(rig.connection.wants_to_read() && !rig.connection.is_over());
    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(Some(0))));
    rig.end();
    assert!(rig.take().ends_with("\r\n\r\n") && !rig.connection.is_over());
}

#[test]
fn a_body_that_is_not_as_long_as_announced_is_not_taken_for_whole() {
    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(Some(5))));
    rig.push("hel");
    rig.end();
    assert!(!rig.connection.is_streaming());
    assert!(rig.take().ends_with("\r\n\r\nhel"));
    assert!(rig.connection.is_over());

    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(Some(5))));
    rig.push("hel");
    rig.push("lo!");
    assert!(!rig.connection.is_streaming());
    rig.push("ignored");
    assert!(rig.take().ends_with("\r\n\r\nhel"));
    assert!(rig.connection.is_over());
}

#[test]
fn a_body_that_cannot_be_completed_has_no_last_chunk() {
    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(None)));
    rig.push("half");
    rig.connection.abort();
    rig.end();
    rig.push("ignored");
    assert!(rig.ask().is_none() && !rig.connection.is_answering());
    assert!(rig.take().ends_with("\r\n\r\n4\r\nhalf\r\n"));
    assert!(rig.connection.is_over());
    // With nothing left to be written, it is over at once; also before anything was said.
    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(None)));
    rig.take();
    rig.connection.abort();
    assert!(rig.connection.is_over());
    let mut rig = Rig::asked("/");
    rig.connection.abort();
    assert!(rig.connection.is_over());
}

#[test]
fn nothing_is_pushed_when_only_the_head_was_asked_for() {
    for (length, line) in [(Some(1000), "Content-Length: 1000\r\n"), (None, "Transfer-Encoding: chunked\r\n")]
    {
        let mut rig = Rig::asked_with("HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert!(!rig.begin(stream(length)));
        assert!(!rig.connection.is_answering());
        rig.push("ignored");
        rig.end();
        let sent = rig.take();
        assert!(sent.contains(line) && sent.ends_with("\r\n\r\n"), "{sent}");
        assert!(rig.connection.wants_to_read() && !rig.connection.is_over());
    }
}

#[test]
fn nothing_is_pushed_when_the_browser_has_it() {
    let tagged = |tag: &str| Stream { etag: Some(tag.to_owned()), ..stream(Some(5)) };
    let head = "GET / HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"abc\"\r\n\r\n";
    let mut rig = Rig::asked_with(head);
    assert!(!rig.begin(tagged("abc")));
    let sent = rig.take();
    assert!(sent.starts_with("HTTP/1.1 304 ") && sent.contains("ETag: \"abc\"\r\n"), "{sent}");
    assert!(!sent.contains("Content-Length") && !rig.connection.is_over());
    let mut rig = Rig::asked_with(head);
    assert!(rig.begin(tagged("abd")));
    let sent = rig.take();
    assert!(sent.contains("ETag: \"abd\"\r\n") && sent.contains("Cache-Control: no-cache\r\n"), "{sent}");
}

#[test]
fn a_stream_with_a_header_that_cannot_be_sent_does_not_begin() {
    let named = |name, value: &str| Stream { headers: vec![(name, value.to_owned())], ..stream(None) };
    let hostile = [
        named("Content-Disposition", "attachment; filename=\"a\r\nX: b\""),
        named("Content-Length", "5"),
        Stream { content_type: "text/plain\n".to_owned(), ..stream(None) },
        Stream { etag: Some("a\"b".to_owned()), ..stream(None) },
        Stream { etag: Some("a,b".to_owned()), ..stream(None) },
        Stream { etag: Some("a\rb".to_owned()), ..stream(None) },
    ];
    for stream in hostile {
        let mut rig = Rig::asked("/");
        assert!(!rig.begin(stream));
        assert!(!rig.connection.is_answering());
        assert!(rig.take().starts_with("HTTP/1.1 500 "));
    }
}

#[test]
fn many_viewers_share_what_they_are_sent() {
    let bytes: Rc<[u8]> = vec![b'x'; 100_000].into();
    let mut viewers: Vec<Rig> = (0..100).map(|_| Rig::asked("/")).collect();
    for viewer in &mut viewers {
        assert!(viewer.begin(stream(None)));
        viewer.connection.push(START, Piece::new(Rc::clone(&bytes), 0..50_000));
        viewer.connection.push(START, Piece::from(Rc::clone(&bytes)));
    }
    assert_eq!(Rc::strong_count(&bytes), 201);
    for viewer in &mut viewers {
        viewer.end();
        let sent = viewer.take();
        let (_, _, body) = split(&sent);
        let x = "x".repeat(100_000);
        assert!(body == format!("c350\r\n{}\r\n186a0\r\n{x}\r\n0\r\n\r\n", &x[..50_000]));
    }
    assert_eq!(Rc::strong_count(&bytes), 1);
}

#[test]
fn requests_wait_while_a_body_is_pushed() {
    let mut rig = Rig::asked("/");
    assert!(rig.begin(stream(None)));
    rig.take();
    rig.receive(b"GET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(rig.ask().is_none());
    rig.end();
    assert!(rig.ask().is_none(), "the last chunk is not written");
    rig.run();
    assert_eq!(rig.requests.len(), 1);
}
