//! How bytes come and go changes nothing.

use super::*;
use crate::limits::HTTP_HEAD_BYTES;
use proptest::prelude::*;

/// Lets bytes arrive in pieces of these lengths, over and over, and answers after each.
fn arrive(bytes: &[u8], lengths: &[usize]) -> (Vec<Request>, Vec<u8>, bool) {
    let mut rig = Rig::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, behind) = rest.split_at(rest.len().min(*length));
        rig.receive(piece);
        rig.run();
        rest = behind;
    }
    (rig.requests, rig.sent, rig.connection.is_output_over())
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => Just("Host: localhost\r\n".to_owned()),
        2 => Just("Connection: close\r\n".to_owned()),
        4 => "(GET|HEAD|POST|get) /[a-z%?=&]{0,8} HTTP/(1.1|1.0|2.0)\r\n",
        8 => Just("GET /x HTTP/1.1\r\n".to_owned()),
        8 => Just("\r\n".to_owned()),
        2 => "[A-Za-z-]{1,8}: [ -~]{0,12}\r\n",
        1 => "[ -~\r\n]{0,12}",
        1 => Just("x".repeat(5000)),
        1 => Just(" folded\r\n".to_owned()),
        1 => Just("Content-Length: 3\r\n".to_owned()),
        1 => Just("\u{fc}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn bytes_that_arrive_one_by_one_are_answered_as_if_they_came_at_once(
        lines in prop::collection::vec(line(), 1..20),
        lengths in prop::collection::vec(1_usize..50, 1..5),
    ) {
        let bytes = lines.concat().into_bytes();
        let at_once = arrive(&bytes, &[usize::MAX]);
        prop_assert_eq!(&at_once, &arrive(&bytes, &[1]));
        prop_assert_eq!(&at_once, &arrive(&bytes, &lengths));
    }
}

#[test]
fn what_comes_behind_a_mistake_does_not_change_what_is_said_of_it() {
    for bytes in
        [&b"\rHEAD / HTTP/1.1\r\n\r\n"[..], b"HEAD\n / HTTP/1.1\r\n\r\n", b"\xffHEAD / HTTP/1.1\r\n\r\n"]
    {
        assert_eq!(arrive(bytes, &[usize::MAX]), arrive(bytes, &[1]), "{}", bytes.escape_ascii());
    }
}

#[test]
fn requests_in_one_buffer_are_answered_one_at_a_time_and_in_order() {
    let requests: Vec<String> =
        (0..1000).map(|number| format!("GET /{number} HTTP/1.1\r\nHost: localhost\r\n\r\n")).collect();
    let mut rig = Rig::new();
    rig.receive(requests.concat().as_bytes());
    let held = rig.connection.held_bytes();
    assert_eq!(held, requests.concat().len());
    let mut most = 0;
    for number in 0..1000 {
        let request = rig.ask().unwrap();
        assert_eq!(request.path, format!("/{number}"));
        assert!(rig.ask().is_none(), "the answer is owed");
        rig.respond(Response::new(200, "text/plain", request.path.into_bytes()));
        assert!(rig.ask().is_none(), "the answer is not written");
        most = most.max(rig.connection.queued_bytes());
        let answer = rig.take();
        assert!(answer.ends_with(&format!("\r\n\r\n/{number}")), "{answer}");
    }
    assert!(most < 1024, "{most} bytes wait");
    assert_eq!(rig.connection.held_bytes(), 0);
    assert!(rig.ask().is_none() && !rig.connection.is_over());
}

#[test]
fn a_peer_that_asks_and_does_not_read_is_not_read_from() {
    let mut rig = Rig::new();
    let request = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut asked = 0;
    while rig.connection.wants_to_read() {
        rig.receive(request);
        if rig.ask().is_some() {
            rig.respond(Response::new(200, "text/plain", *b"x"));
        }
        asked += 1;
        assert!(asked < 1000, "it reads without end");
    }
    assert!(rig.connection.held_bytes() < HTTP_HEAD_BYTES + request.len());
    assert!(rig.connection.queued_bytes() < 1024);
    // When it reads at last, all that was asked is answered.
    rig.run();
    assert_eq!(1 + rig.requests.len(), asked);
    assert!(rig.connection.wants_to_read());
}

#[test]
fn answers_leave_in_any_portions() {
    let body: Vec<u8> = (0..10_000_u32).map(|number| b'a' + (number % 26) as u8).collect();
    let whole = |count: usize| {
        let mut rig = Rig::asked("/");
        rig.respond(Response::new(200, "text/plain", body.clone()));
        while rig.write(count) > 0 {}
        rig.take() + std::str::from_utf8(&rig.sent).unwrap()
    };
    let expected = whole(usize::MAX);
    assert!(expected.as_bytes().ends_with(&body));
    for count in [1, 2, 7, 1000] {
        assert_eq!(whole(count), expected);
    }
}
