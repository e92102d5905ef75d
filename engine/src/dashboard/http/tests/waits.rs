//! How long a connection waits for its peer.

use super::*;
use crate::dashboard::http::{Piece, Stream};
use crate::limits::{HTTP_HEAD_TIME, HTTP_IDLE_TIME, HTTP_LINGER_TIME, HTTP_PROGRESS_TIME};

const REQUEST: &[u8] = b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n";

/// A connection whose first request has been answered.
fn kept() -> Rig {
    let (mut rig, _) = answer(REQUEST);
    rig.requests.clear();
    rig
}

#[test]
fn a_connection_on_which_nothing_comes_is_closed_without_a_word() {
    let mut rig = Rig::new();
    assert_eq!(rig.connection.deadline(), Some(START + HTTP_HEAD_TIME));
    rig.expire();
    assert!(rig.connection.is_over());
    assert_eq!(rig.take(), "");
}

#[test]
fn a_head_that_trickles_in_is_refused_in_time() {
    for kept in [false, true] {
        let mut rig = if kept { self::kept() } else { Rig::new() };
        rig.now += 3 * SECOND;
        // The time runs from the connection for the first request, and from its first byte for any other.
        let deadline = if kept { rig.now } else { START } + HTTP_HEAD_TIME;
        for byte in &REQUEST[..REQUEST.len() - 1] {
            rig.receive(&[*byte]);
            rig.run();
            assert_eq!(rig.connection.deadline(), Some(deadline));
            rig.now += SECOND / 10;
            rig.connection.expire(rig.now);
        }
        rig.expire();
        let answer = rig.take();
        let (status, lines, body) = split(&answer);
        assert_eq!(status, 408);
        assert!(lines.contains(&"Connection: close") && body.contains("within 10 seconds"), "{answer}");
        assert!(rig.connection.is_output_over());
    }
}

#[test]
fn a_head_that_is_complete_at_the_last_moment_is_answered() {
    let mut rig = Rig::new();
    rig.now = START + HTTP_HEAD_TIME - SECOND;
    rig.receive(REQUEST);
    rig.run();
    assert_eq!(rig.requests.len(), 1);
    assert_eq!(rig.connection.deadline(), Some(rig.now + HTTP_IDLE_TIME));
}

#[test]
fn an_idle_connection_is_kept_for_a_while() {
    let mut rig = kept();
    assert_eq!(rig.connection.deadline(), Some(START + HTTP_IDLE_TIME));
    rig.now += HTTP_IDLE_TIME - SECOND;
    rig.receive(REQUEST);
    rig.run();
    assert_eq!(rig.requests.len(), 1);
    rig.expire();
    assert!(rig.connection.is_over());
    assert!(rig.take().ends_with("/x"), "nothing follows the answer");
}

#[test]
fn the_head_of_a_request_that_came_early_has_its_time_from_the_answer_before_it() {
    let mut rig = Rig::new();
    rig.receive(&[REQUEST, &REQUEST[..10]].concat());
    assert!(rig.ask().is_some());
    assert_eq!(rig.connection.deadline(), None, "the owner may take any time");
    rig.now += 1000 * SECOND;
    rig.respond(Response::new(200, "text/plain", *b"late"));
    rig.run();
    assert_eq!(rig.connection.deadline(), Some(rig.now + HTTP_HEAD_TIME));
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let mut rig = Rig::asked("/");
    rig.now += 5 * SECOND;
    rig.respond(Response::new(200, "text/plain", vec![b'x'; 100]));
    assert_eq!(rig.connection.deadline(), Some(rig.now + HTTP_PROGRESS_TIME));
    // Each byte that it takes buys it time, but asking for more does not.
    rig.now += HTTP_PROGRESS_TIME - SECOND;
    assert_eq!(rig.write(1), 1);
    let deadline = rig.now + HTTP_PROGRESS_TIME;
    rig.now += SECOND;
    rig.receive(REQUEST);
    rig.connection.written(rig.now, 0);
    assert_eq!(rig.connection.deadline(), Some(deadline));
    rig.expire();
    assert!(rig.connection.is_over());
    assert_eq!(rig.connection.queued_bytes(), 0);
    assert_eq!(rig.connection.next_write(), None);
}

#[test]
fn a_refusal_that_is_not_taken_is_given_up() {
    let mut rig = Rig::new();
    rig.receive(b"\0");
    assert_eq!(rig.ask(), None);
    assert_eq!(rig.connection.deadline(), Some(START + HTTP_PROGRESS_TIME));
    rig.expire();
    assert!(rig.connection.is_over());
}

#[test]
fn a_stream_may_be_silent_but_what_is_pushed_has_to_be_taken() {
    let mut rig = Rig::asked("/");
    let stream = Stream {
        content_type: "text/event-stream".to_owned(),
        headers: Vec::new(),
        length: None,
        etag: None,
    };
    assert!(rig.connection.begin_stream(rig.now, stream));
    rig.take();
    assert_eq!(rig.connection.deadline(), None);
    rig.now += 10_000 * SECOND;
    rig.connection.expire(rig.now);
    rig.connection.push(rig.now, Piece::from(b"a".to_vec()));
    assert_eq!(rig.connection.deadline(), Some(rig.now + HTTP_PROGRESS_TIME));
    let deadline = rig.now + HTTP_PROGRESS_TIME;
    // More that waits buys no time.
    rig.now += SECOND;
    rig.connection.push(rig.now, Piece::from(b"b".to_vec()));
    assert_eq!(rig.connection.deadline(), Some(deadline));
    rig.expire();
    assert!(rig.connection.is_over() && !rig.connection.is_streaming());
}

#[test]
fn what_follows_a_refusal_is_forgotten_for_a_while() {
    let mut rig = Rig::new();
    rig.receive(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n");
    assert_eq!(rig.ask(), None);
    assert!(!rig.connection.wants_to_read(), "first things first");
    assert!(rig.take().starts_with("HTTP/1.1 405 "));
    assert!(rig.connection.is_output_over() && !rig.connection.is_over());
    let deadline = rig.now + HTTP_LINGER_TIME;
    for _ in 0..4 {
        assert!(rig.connection.wants_to_read());
        rig.receive(&[b'x'; 100_000]);
        assert_eq!(rig.ask(), None);
        assert_eq!(rig.connection.held_bytes(), 0);
        rig.now += SECOND;
        assert_eq!(rig.connection.deadline(), Some(deadline));
    }
    let mut other = rig;
    other.connection.peer_closed();
    assert!(other.connection.is_over(), "it has read why");
}

#[test]
fn forgetting_ends() {
    let mut rig = Rig::new();
    rig.receive(b"\0");
    rig.run();
    rig.expire();
    assert!(rig.connection.is_over());
}

#[test]
fn a_late_call_that_nobody_needs_does_nothing() {
    let mut rig = Rig::asked("/");
    rig.now += 100_000 * SECOND;
    rig.connection.expire(rig.now);
    rig.respond(Response::new(200, "text/plain", *b"x"));
    assert!(rig.take().ends_with('x'));
}
