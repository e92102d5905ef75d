//! Which heads are requests, and what is said to the others.

use super::*;
use crate::dashboard::http::Method;
use crate::limits::{HTTP_HEAD_BYTES, HTTP_HEADERS};

fn request(head: &str) -> Request {
    let (rig, sent) = answer(head.as_bytes());
    assert_eq!(rig.requests.len(), 1, "{head:?} is answered with {sent}");
    rig.requests[0].clone()
}

/// Finds that a head is refused, with this status and a page that has these words.
fn refuses(head: &[u8], status: u16, words: &str) {
    let shown = head[..head.len().min(200)].escape_ascii();
    let (rig, sent) = answer(head);
    assert!(rig.requests.is_empty(), "{shown} is no request");
    assert!(!sent.is_empty(), "{shown} is not answered");
    let (refused, lines, body) = split(&sent);
    assert_eq!(refused, status, "{shown}: {sent}");
    assert!(body.contains(words), "{shown}: {words:?} is not in {body}");
    assert!(lines.contains(&"Connection: close") && lines.contains(&"Cache-Control: no-store"), "{lines:?}");
    assert!(lines.contains(&&*format!("Content-Length: {}", body.len())), "{lines:?}");
    assert_eq!(lines.contains(&"Allow: GET, HEAD"), status == 405);
    assert!(rig.connection.is_output_over());
}

fn with(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n").into_bytes()
}

#[test]
fn a_request_says_what_a_page_needs_to_know() {
    let head = "GET /job/a%2Fb?filter=x+y&z HTTP/1.1\r\nhOST:\t ci.example:8080 \r\nX-Forwarded-Proto: https\r\n\
                If-None-Match: \"a\"\r\nIf-None-Match: W/\"b\", \"c\"\r\nLast-Event-ID: 17\r\nCookie: a=b\r\n\
                Content-Length: 0\r\nConnection: Keep-Alive\r\n\r\n";
    let expected = Request {
        method: Method::Get,
        path: "/job/a%2Fb".to_owned(),
        query: Some("filter=x+y&z".to_owned()),
        host: Some("ci.example:8080".to_owned()),
        forwarded_proto: Some("https".to_owned()),
        if_none_match: Some("\"a\", W/\"b\", \"c\"".to_owned()),
        last_event_id: Some(17),
    };
    assert_eq!(request(head), expected);
    assert_eq!(request("HEAD / HTTP/1.0\r\n\r\n").method, Method::Head);
    assert_eq!(request("GET /? HTTP/1.0\r\n\r\n").query.as_deref(), Some(""));
    assert_eq!(request("GET / HTTP/1.1\r\nHost:\r\n\r\n").host, None);
    assert_eq!(request("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n").host.as_deref(), Some("[::1]:80"));
}

#[test]
fn what_is_no_value_of_a_header_is_as_good_as_none() {
    for scheme in ["javascript", "HTTPS", "https, http", "", "https\r\nX-Forwarded-Proto: http"] {
        let head = format!("GET / HTTP/1.0\r\nX-Forwarded-Proto: {scheme}\r\n\r\n");
        assert_eq!(request(&head).forwarded_proto, None, "{scheme:?}");
    }
    for number in ["", "-1", "+1", "1 2", "0x10", "99999999999999999999"] {
        let head = format!("GET / HTTP/1.0\r\nLast-Event-ID: {number}\r\n\r\n");
        assert_eq!(request(&head).last_event_id, None, "{number:?}");
    }
}

#[test]
fn a_target_may_name_the_host() {
    let named = |target: &str| {
        let request = request(&format!("GET {target} HTTP/1.1\r\nHost: other\r\n\r\n"));
        (request.host.unwrap(), request.path, request.query)
    };
    let expected = |path: &str, query: Option<&str>| {
        ("ci.example:80".to_owned(), path.to_owned(), query.map(str::to_owned))
    };
    assert_eq!(named("http://ci.example:80/a?b"), expected("/a", Some("b")));
    assert_eq!(named("HTTPS://ci.example:80"), expected("/", None));
    assert_eq!(named("http://ci.example:80?b/c"), expected("/", Some("b/c")));
    assert_eq!(named("//ci.example/a").1, "//ci.example/a");
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    assert_eq!(request("\r\n\r\nGET /x HTTP/1.0\r\n\r\n").path, "/x");
    refuses(&b"\r\n".repeat(HTTP_HEAD_BYTES), 414, "too long");
}

#[test]
fn other_methods_are_refused() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT"] {
        refuses(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), 405, "GET and HEAD");
    }
    for method in ["get", "Get", "BREW", "GETGET", "PROPFIND"] {
        refuses(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), 501, "method");
    }
}

#[test]
fn other_versions_are_refused() {
    refuses(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "1.0 and 1.1");
    refuses(b"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505, "1.0 and 1.1");
    refuses(b"GET / HTTP/9\r\n\r\n", 505, "1.0 and 1.1");
    for line in
        ["GET /", "GET / FTP/1.1", "GET / http/1.1", "GET / HTTP/x", "GET  / HTTP/1.1", "GET / HTTP/1.1 "]
    {
        refuses(format!("{line}\r\nHost: a\r\n\r\n").as_bytes(), 400, "first line");
    }
}

#[test]
fn what_is_not_http_is_refused_at_its_first_strange_byte() {
    refuses(b"\x16\x03\x01\x02\0", 400, "not text in ASCII");
    refuses(b"GET /\0", 400, "not text in ASCII");
    refuses("GET /ü HTTP/1.1\r\nHost: a\r\n\r\n".as_bytes(), 400, "not text in ASCII");
    refuses(&with("X: \x7f\r\n"), 400, "not text in ASCII");
    refuses(&with("X: \u{e9}\r\n"), 400, "not text in ASCII");
    refuses(b"GET / HTTP/1.1\n", 400, "without a carriage return");
    refuses(&with("X: a\nY: b\r\n"), 400, "without a carriage return");
    refuses(&with("X: a\rY: b\r\n"), 400, "carriage return stands alone");
    refuses(&with("X: a\r\r\n"), 400, "carriage return stands alone");
}

#[test]
fn headers_that_proxies_read_in_different_ways_are_refused() {
    for lines in [
        "X: a\r\n b\r\n",
        "X: a\r\n\tb\r\n",
        " X: a\r\n",
        "X : a\r\n",
        "X\t: a\r\n",
        ": a\r\n",
        "X(: a\r\n",
        "X\r\n",
    ] {
        refuses(&with(lines), 400, "no name");
    }
    refuses(b" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, "first line");
}

#[test]
fn the_host_is_named_once() {
    refuses(b"GET / HTTP/1.1\r\n\r\n", 400, "no Host header");
    refuses(&with("Host: localhost\r\n"), 400, "two Host headers");
    refuses(b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400, "two Host headers");
    for host in ["a/b", "user@a", "a b", "a,b", "<script>", "a\"b", "a'b", "a&b", "a%41", "a\\b"] {
        refuses(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes(), 400, "name of the host");
        if !host.contains(['/', ' ']) {
            let head = format!("GET http://{host}/ HTTP/1.1\r\nHost: a\r\n\r\n");
            refuses(head.as_bytes(), 400, "name of the host");
        }
    }
}

#[test]
fn targets_that_are_no_pages_are_refused() {
    for target in ["*", "a", "a/b", "localhost:80", "http:/a", "javascript:alert(1)"] {
        refuses(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes(), 400, "with a slash");
    }
    refuses(b"GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400, "scheme");
    refuses(b"GET http:///a HTTP/1.1\r\nHost: a\r\n\r\n", 400, "names no host");
    refuses(b"GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n", 400, "fragment");
}

#[test]
fn bodies_are_refused_so_that_nothing_hides_in_them() {
    let hidden = "GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n";
    let framings = [
        ("Content-Length: 35", 413, "has a body"),
        ("Transfer-Encoding: chunked", 413, "has a body"),
        ("Transfer-Encoding: ", 413, "has a body"),
        ("Transfer-Encoding: identity", 413, "has a body"),
        ("Content-Length: 0\r\nTransfer-Encoding: chunked", 400, "in two ways"),
        ("Content-Length: 0\r\nContent-Length: 0", 400, "two Content-Length"),
        ("Content-Length: 0\r\nContent-Length: 35", 400, "two Content-Length"),
        ("Content-Length: 0, 35", 400, "not a number"),
        ("Content-Length: -1", 400, "not a number"),
        ("Content-Length: +0", 400, "not a number"),
        ("Content-Length: 0x23", 400, "not a number"),
        ("Content-Length: 99999999999999999999999", 400, "not a number"),
    ];
    for (lines, status, words) in framings {
        refuses(&[&with(&format!("{lines}\r\n")), hidden.as_bytes()].concat(), status, words);
    }
}

#[test]
fn long_heads_are_refused_at_the_byte_that_is_too_much() {
    let padded = |length: usize| {
        let head = with("X: \r\n");
        with(&format!("X: {}\r\n", "x".repeat(length - head.len())))
    };
    let (rig, _) = answer(&padded(HTTP_HEAD_BYTES));
    assert_eq!(rig.requests.len(), 1, "just short enough");
    refuses(&padded(HTTP_HEAD_BYTES + 1), 431, "Delete the cookies");
    let endless = [&with("")[..with("").len() - 2], &b"X: ".repeat(HTTP_HEAD_BYTES)].concat();
    refuses(&endless, 431, "Delete the cookies");
    let (mut rig, sent) = answer(&endless[..HTTP_HEAD_BYTES]);
    assert_eq!(sent, "", "its end may be the next byte");
    assert!(rig.connection.wants_to_read());
    rig.receive(b"x");
    rig.run();
    assert!(rig.take().starts_with("HTTP/1.1 431 "));
    refuses(format!("GET /{}", "x".repeat(HTTP_HEAD_BYTES)).as_bytes(), 414, "address is too long");
}

#[test]
fn many_headers_are_refused() {
    let headers = |count: usize| with(&"X: y\r\n".repeat(count - 1));
    let (rig, _) = answer(&headers(HTTP_HEADERS));
    assert_eq!(rig.requests.len(), 1, "just few enough");
    refuses(&headers(HTTP_HEADERS + 1), 431, "too many headers");
}

#[test]
fn a_refusal_to_a_head_request_has_no_body() {
    for head in ["HEAD * HTTP/1.1\r\nHost: a\r\n\r\n", "\r\nHEAD /\0"] {
        let (_, sent) = answer(head.as_bytes());
        let (status, lines, body) = split(&sent);
        assert_eq!((status, body), (400, ""));
        assert!(
            lines.iter().any(|line| line.starts_with("Content-Length: ") && *line != "Content-Length: 0")
        );
    }
}

#[test]
fn nothing_of_a_request_is_in_a_refusal() {
    for head in [
        "GET /<script> HTTP/3.0\r\n\r\n",
        "<script> / HTTP/1.1\r\n\r\n",
        "GET <script> HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        let (_, sent) = answer(head.as_bytes());
        assert!(!sent.contains("script>"), "{sent}");
    }
}
