//! Answers that come before the body is sent: interim ones, and those that end everything.

use crate::builder_web::{BuilderWeb, VERSIONS, Version};
use crate::program::{Place, assert_fails};
use builder_tests::http::{Answer, Early, HttpServer};
use std::time::{Duration, Instant};

/// More than all buffers between a client and a server hold, on any system.
const LONG: usize = 32 << 20;

fn file(length: usize) -> Place {
    let place = Place::new();
    place.write("full", &vec![7; length]);
    place
}

#[test]
fn interim_answers_are_not_taken_for_the_answer() {
    let hints = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n".as_slice();
    let go_on = b"HTTP/1.1 100 Continue\r\n\r\n".as_slice();
    let place = file(1 << 20);
    for interim in [go_on.to_vec(), hints.to_vec(), [go_on, hints, b"HTTP/1.1 102\r\n\r\n"].concat()] {
        for (answer, code) in [("201 Created", 0), ("409 Conflict", 0), ("403 Forbidden", 5), ("503 No", 1)] {
            let sent = interim.clone();
            let server = HttpServer::with_early(
                move |_| Early::Interim(sent.clone()),
                move |_, _| {
                    Answer::Bytes(format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n").into_bytes())
                },
            );
            let output = place.upload(&server.url());
            assert_eq!(output.status.code(), Some(code), "{answer}: {output:?}");
            assert_eq!(server.requests()[0].body.len(), 1 << 20);
        }
    }
}

#[test]
fn interim_answers_may_come_after_the_body_as_well() {
    let server = HttpServer::start(|_, _| {
        Answer::Bytes(b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec())
    });
    let output = Place::new().upload(&server.url());
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_interim_answer_alone_is_no_success() {
    for interim in [
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nhello 200 OK\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        let server = HttpServer::start(move |_, _| Answer::Bytes(interim.as_bytes().to_vec()));
        let output = Place::new().upload(&server.url());
        assert_eq!(output.status.code(), Some(4), "{interim:?}: {output:?}");
    }
}

#[test]
fn what_a_server_says_before_it_has_read_the_file_is_heard() {
    let place = file(LONG);
    place.write_credentials("user:pass");
    // After no byte of the body, and after some that fill no buffer.
    for count in [0, 1_000_000] {
        for (status, header, code, expected) in [
            ("401 Unauthorized", "WWW-Authenticate: Basic", 3, "it refuses the credentials"),
            ("401 Unauthorized", "X: y", 5, "401 Unauthorized"),
            ("413 Content Too Large", "X: y", 4, "413 Content Too Large: at most 1 MB"),
            ("503 Service Unavailable", "X: y", 1, "503 Service Unavailable"),
        ] {
            let text = "at most 1 MB";
            let length = text.len();
            let answer = format!(
                "HTTP/1.1 {status}\r\n{header}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n{text}"
            );
            let server = HttpServer::with_early(
                move |_| Early::Close(count, answer.clone().into_bytes()),
                |_, _| Answer::Stall,
            );
            let output = place
                .command()
                .args(["--upload-credentials", "credentials", &server.url(), "full"])
                .output()
                .unwrap();
            assert_fails(&output, code, expected);
            assert_eq!(server.heads(), 1, "one attempt is enough");
        }
    }
}

#[test]
fn an_early_answer_behind_an_interim_one_is_heard() {
    let answer = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server = HttpServer::with_early(move |_| Early::Close(0, answer.clone()), |_, _| Answer::Stall);
    assert_fails(&file(LONG).upload(&server.url()), 4, "the server answered 413 Too Large");
}

#[test]
fn an_explanation_in_chunks_behind_an_interim_answer_is_shown() {
    for interim in ["", "HTTP/1.1 102 Processing\r\n\r\n"] {
        let answer = format!(
            "{interim}HTTP/1.1 413 Too Large\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n\
             c\r\nat most 1 MB\r\n0\r\n\r\n"
        );
        let server = HttpServer::start(move |_, _| Answer::Bytes(answer.clone().into_bytes()));
        assert_fails(
            &Place::new().upload(&server.url()),
            4,
            "the server answered 413 Too Large: at most 1 MB",
        );
    }
}

#[test]
fn before_giving_up_the_answer_of_a_server_that_does_not_read_on_is_read() {
    let answer = b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n".to_vec();
    let server = HttpServer::with_early(move |_| Early::Stay(0, answer.clone()), |_, _| Answer::Stall);
    let place = file(LONG);
    let start = Instant::now();
    let output = place.command().args(["--timeout", "1s", &server.url(), "full"]).output().unwrap();
    assert_fails(&output, 4, "the server answered 413 Too Large");
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[test]
fn builder_web_refuses_an_unknown_user_before_it_reads_a_long_file() {
    let place = file(LONG);
    place.write_credentials("user:wrong");
    for version in VERSIONS {
        let web = BuilderWeb::start(version, &[]);
        let url = web.http.url();
        let arguments = ["--upload-credentials", "credentials", &url, "full"];
        let output = place.command().args(arguments).output().unwrap();
        match version {
            Version::V0_2_0 => assert_fails(&output, 3, "it refuses the credentials; look into credentials"),
            Version::Main => assert_fails(&output, 5, "or correct the credentials"),
        }
        assert_fails(&place.upload(&url), 3, "--upload-credentials");
    }
}
