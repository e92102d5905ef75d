//! What answers look like.

use super::*;
use crate::dashboard::http::Caching;

const HEAD: &str = "HTTP/1.1 200 OK\r\n\
    Content-Type: text/html; charset=utf-8\r\n\
    Content-Length: 5\r\n\
    Cache-Control: no-cache\r\n\
    ETag: \"2cf24dba5fb0a30e26e83b2ac5b9e29e\"\r\n\
    Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'\r\n\
    X-Content-Type-Options: nosniff\r\n\
    Referrer-Policy: no-referrer\r\n\
    Cross-Origin-Opener-Policy: same-origin\r\n\
    Cross-Origin-Resource-Policy: same-origin\r\n";

fn hello() -> Response {
    Response::new(200, "text/html; charset=utf-8", *b"hello")
}

fn get(headers: &str) -> Rig {
    Rig::asked_with(&format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"))
}

fn responded(mut rig: Rig, response: Response) -> String {
    rig.respond(response);
    rig.take()
}

#[test]
fn an_answer_has_what_keeps_a_browser_safe() {
    assert_eq!(responded(Rig::asked("/"), hello()), format!("{HEAD}\r\nhello"));
}

#[test]
fn an_answer_to_a_head_request_has_the_same_head_and_no_body() {
    let mut rig = Rig::asked_with("HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    rig.respond(hello());
    assert_eq!(rig.take(), format!("{HEAD}\r\n"));
    assert!(!rig.connection.is_over() && rig.connection.wants_to_read());
}

#[test]
fn what_the_browser_has_is_not_sent_again() {
    let tag = "\"2cf24dba5fb0a30e26e83b2ac5b9e29e\"";
    for value in [tag, &format!("W/{tag}"), &format!("\"x\" ,{tag}"), "*"] {
        for caching in [Caching::Revalidate, Caching::Forever] {
            let rig = get(&format!("If-None-Match: {value}\r\n"));
            let sent = responded(rig, hello().with_caching(caching));
            let (status, lines, body) = split(&sent);
            assert_eq!((status, body), (304, ""), "{value}");
            assert!(
                lines.contains(&&*format!("ETag: {tag}"))
                    && lines.contains(&"X-Content-Type-Options: nosniff")
            );
            assert!(!sent.contains("Content-Length") && !sent.contains("Content-Type:"), "{sent}");
        }
    }
    for value in ["\"other\"", "2cf24dba5fb0a30e26e83b2ac5b9e29e", "", "\"2cf24dba5fb0a30e26e83b2ac5b9e29\""]
    {
        let sent = responded(get(&format!("If-None-Match: {value}\r\n")), hello());
        assert!(sent.ends_with("\r\n\r\nhello"), "{value}");
    }
    // What may not be kept has no tag, and what went wrong is said in full.
    let sent = responded(get("If-None-Match: *\r\n"), hello().with_caching(Caching::NoStore));
    assert!(
        sent.contains("Cache-Control: no-store\r\n") && !sent.contains("ETag") && sent.ends_with("hello")
    );
    let missing = Response::new(404, "text/plain", *b"gone");
    assert!(responded(get("If-None-Match: *\r\n"), missing).ends_with("gone"));
}

#[test]
fn only_what_is_right_is_kept_forever() {
    let kept =
        |status| responded(Rig::asked("/"), Response { status, ..hello().with_caching(Caching::Forever) });
    assert!(kept(200).contains("Cache-Control: public, max-age=31536000, immutable\r\n"));
    assert!(kept(200).contains("ETag: \""));
    assert!(kept(404).contains("Cache-Control: no-cache\r\n"));
}

#[test]
fn answers_may_have_further_headers() {
    let response = Response::new(303, "text/html", *b"").with_header("Location", "/job/x");
    let sent = responded(Rig::asked("/"), response);
    assert!(
        sent.starts_with("HTTP/1.1 303 See Other\r\n") && sent.contains("Location: /job/x\r\n"),
        "{sent}"
    );
    // A badge is for other sites.
    let response = hello().with_header("cross-origin-resource-policy", "cross-origin");
    let sent = responded(Rig::asked("/"), response);
    assert!(!sent.contains("Cross-Origin-Resource-Policy: same-origin"), "{sent}");
    assert!(sent.contains("cross-origin-resource-policy: cross-origin\r\n"), "{sent}");
}

#[test]
fn no_header_can_end_a_head() {
    let hostile = [
        hello().with_header("Location", "/\r\nSet-Cookie: a=b"),
        hello().with_header("Location", "/\n"),
        hello().with_header("Location", "/\r"),
        hello().with_header("Location", "/\0"),
        hello().with_header("Location", "/ü"),
        hello().with_header("Loc\r\nation", "/"),
        hello().with_header("Loc ation", "/"),
        hello().with_header("", "/"),
        hello().with_header("Content-Length", "3"),
        hello().with_header("transfer-encoding", "chunked"),
        hello().with_header("Connection", "upgrade"),
        Response::new(200, "text/html\r\n\r\n", *b"hello"),
        Response::new(101, "text/html", *b"hello"),
        Response::new(1000, "text/html", *b"hello"),
    ];
    for response in hostile {
        let shown = format!("{response:?}");
        let mut rig = Rig::asked("/");
        rig.respond(response);
        let sent = rig.take();
        let (status, lines, body) = split(&sent);
        assert_eq!(status, 500, "{shown}: {sent}");
        assert!(lines.contains(&"Connection: close") && body.contains("please report it"), "{sent}");
        assert!(rig.connection.is_output_over());
    }
}

#[test]
fn an_answer_without_content_says_so_by_its_status() {
    let mut rig = Rig::asked("/");
    rig.respond(Response::new(204, "text/plain", *b"ignored"));
    let sent = rig.take();
    assert!(sent.starts_with("HTTP/1.1 204 No Content\r\n") && sent.ends_with("\r\n\r\n"), "{sent}");
    assert!(!sent.contains("Content-Length"));
}

#[test]
fn connections_are_kept_unless_somebody_closes() {
    for (head, is_kept) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: closed\r\n\r\n", true),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: TE, Close\r\n\r\n", false),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\nConnection: close\r\n\r\n", false),
        ("GET / HTTP/1.0\r\n\r\n", false),
        ("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", false),
    ] {
        let (mut rig, sent) = answer(head.as_bytes());
        assert_eq!(sent.contains("\r\nConnection: close\r\n"), !is_kept, "{head}");
        assert_eq!(rig.connection.is_over(), !is_kept, "{head}");
        rig.receive(b"GET /next HTTP/1.0\r\n\r\n");
        rig.run();
        assert_eq!(rig.requests.len(), if is_kept { 2 } else { 1 }, "{head}");
    }
}

#[test]
fn what_follows_a_last_request_is_not_answered_but_read() {
    let (mut rig, sent) = answer(b"GET /a HTTP/1.0\r\n\r\nGET /b HTTP/1.0\r\n\r\n");
    assert_eq!((rig.requests.len(), sent.matches("HTTP/1.1 ").count()), (1, 1));
    assert!(rig.connection.is_output_over() && !rig.connection.is_over());
    rig.connection.peer_closed();
    assert!(rig.connection.is_over());
    // The same when it comes while the answer is written.
    let mut rig = Rig::asked_with("GET /a HTTP/1.0\r\n\r\n");
    rig.respond(hello());
    rig.receive(b"more");
    rig.take();
    assert!(rig.connection.is_output_over() && !rig.connection.is_over());
}

#[test]
fn what_was_asked_before_the_peer_closed_is_answered() {
    let request = "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut rig = Rig::new();
    rig.receive(format!("{request}{request}GET /half").as_bytes());
    rig.connection.peer_closed();
    assert!(!rig.connection.wants_to_read() && !rig.connection.is_over());
    rig.run();
    assert_eq!(rig.requests.len(), 2);
    assert!(rig.connection.is_over());

    let mut rig = Rig::asked("/");
    rig.connection.peer_closed();
    rig.respond(hello());
    assert!(!rig.connection.is_over());
    assert!(rig.take().ends_with("hello"));
    assert!(rig.connection.is_over());

    let (mut rig, _) = answer(request.as_bytes());
    rig.connection.peer_closed();
    assert!(rig.connection.is_over(), "nothing was asked");
}

#[test]
fn an_owner_that_speaks_out_of_turn_is_not_heard() {
    let mut rig = Rig::new();
    rig.respond(hello());
    rig.connection.end_stream(START);
    rig.connection.abort();
    assert_eq!(rig.take(), "");
    let mut rig = Rig::asked("/");
    rig.respond(hello());
    rig.respond(hello());
    assert_eq!(rig.take().matches("hello").count(), 1);
}
