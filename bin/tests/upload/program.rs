//! `builder-upload` by hand.

use crate::builder_web::BASIC;
use builder_tests::UnusedPort;
use builder_tests::http::{Answer, HttpServer, Manners, Request, upload_url};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

const SECRET: &str = "correct-horse";

/// A directory with a file to upload.
pub(crate) struct Place {
    directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        place.write("full", b"stored result");
        place
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, contents: &[u8]) -> PathBuf {
        fs::write(self.path(name), contents).unwrap();
        self.path(name)
    }

    /// Writes a file that only its owner can read.
    pub(crate) fn write_credentials(&self, contents: &str) {
        let path = self.write("credentials", contents.as_bytes());
        fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
    }

    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_builder-upload"));
        command.env_remove("RUST_LOG").env_remove("BUILDER_UPLOAD_CREDENTIALS").stdin(Stdio::null());
        command.current_dir(self.directory.path());
        command
    }

    /// Uploads `full`.
    pub(crate) fn upload(&self, url: &str) -> Output {
        self.command().args([url, "full"]).output().unwrap()
    }
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[track_caller]
pub(crate) fn assert_fails(output: &Output, code: i32, expected: &str) {
    let stderr = stderr(output);
    assert_eq!(output.status.code(), Some(code), "{stderr}");
    assert!(stderr.contains(expected), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}

/// Uploads to a server that sends these bytes and closes.
fn upload_to(bytes: &[u8]) -> Output {
    let bytes = bytes.to_vec();
    let server = HttpServer::start(move |_, _| Answer::Bytes(bytes.clone()));
    Place::new().upload(&server.url())
}

#[test]
fn a_file_is_posted_as_it_is() {
    let server = HttpServer::answering("201 Created");
    let place = Place::new();
    let contents: Vec<u8> = (0..3_000_000_u32).flat_map(u32::to_be_bytes).collect();
    place.write("full", &contents);
    let output = place.upload(&format!("{}?job=x", server.url()));
    assert!(output.status.success(), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let [request] = server.requests().try_into().unwrap();
    assert_eq!(request.line, "POST /upload?job=x HTTP/1.1");
    assert!(request.body == contents, "{} of {} bytes", request.body.len(), contents.len());
    assert_eq!(request.header("authorization"), None);
}

#[test]
fn success_is_any_2xx_and_a_conflict() {
    for status in ["200 OK", "201 Created", "202 Accepted", "204 No Content", "409 Conflict"] {
        let server = HttpServer::answering(status);
        let output = Place::new().upload(&server.url());
        assert!(output.status.success(), "{status}: {output:?}");
    }
}

#[test]
fn credentials_come_from_a_file_the_environment_or_the_url() {
    let server = HttpServer::answering("200 OK");
    let place = Place::new();
    place.write_credentials(&format!("user:{SECRET}\n"));
    let with_file = ["--upload-credentials", "credentials", &server.url(), "full"];
    let in_url = server.url().replace("//", &format!("//user:{SECRET}@"));
    let wrong = "user:wrong";
    for (words, variable) in [
        (with_file.to_vec(), None),
        (with_file.to_vec(), Some(wrong)),
        (vec![server.url().as_str(), "full"], Some("user:correct-horse")),
        (vec![in_url.as_str(), "full"], None),
        (vec![in_url.as_str(), "full"], Some(wrong)),
    ] {
        let mut command = place.command();
        command.args(&words).envs(variable.map(|value| ("BUILDER_UPLOAD_CREDENTIALS", value)));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert!(!stderr(&output).contains(SECRET), "{output:?}");
        let request = server.requests().pop().unwrap();
        assert_eq!(request.header("authorization"), Some(BASIC), "{words:?}");
        assert!(request.header("host").unwrap().starts_with("127.0.0.1"), "{request:?}");
    }
}

#[test]
fn refused_credentials_have_an_exit_code_of_their_own_and_a_remedy() {
    let challenge =
        b"HTTP/1.1 401 Unauthorized\r\nwww-authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n";
    let server = HttpServer::start(|_, _| Answer::Bytes(challenge.to_vec()));
    let place = Place::new();
    assert_fails(&place.upload(&server.url()), 3, "401 Unauthorized: it refuses the credentials");
    assert_fails(&place.upload(&server.url()), 3, "--upload-credentials");
    place.write_credentials("user:pass");
    let output = place
        .command()
        .args([&server.url(), "full", "--upload-credentials", "credentials"])
        .output()
        .unwrap();
    assert_fails(&output, 3, "look into credentials");
}

#[test]
fn a_server_that_only_says_no_may_take_other_files() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let server = HttpServer::start(move |_, request| match request.body.as_slice() {
            b"good" => Answer::Status("200 OK"),
            _ => Answer::Status(status),
        });
        let place = Place::new();
        place.write("good", b"good");
        place.write_credentials("user:pass");
        let url = server.url();
        let output = place
            .command()
            .args(["--upload-credentials", "credentials", &url, "full", "good"])
            .output()
            .unwrap();
        assert_fails(&output, 5, &format!("{status}: it does not let this user upload this job"));
        assert_fails(&output, 5, "let the user upload it there, or correct the credentials");
        assert_eq!(server.requests().last().unwrap().body, b"good");
        if status.starts_with("401") {
            assert_fails(&place.upload(&url), 3, "name a file with them by --upload-credentials");
        }
    }
}

#[test]
fn unusable_credentials_are_named_but_not_shown() {
    let place = Place::new();
    let server = HttpServer::answering("200 OK");
    let upload = |name: &str| {
        place.command().args(["--upload-credentials", name, &server.url(), "full"]).output().unwrap()
    };
    assert_fails(&upload("absent"), 3, "cannot read the credentials in absent");
    place.write_credentials(SECRET);
    assert_fails(&upload("credentials"), 3, "credentials does not hold credentials");
    let output = place
        .command()
        .env("BUILDER_UPLOAD_CREDENTIALS", SECRET)
        .args([&server.url(), "full"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("BUILDER_UPLOAD_CREDENTIALS"), "{output:?}");
    assert!(!stderr(&output).contains(SECRET), "{output:?}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_busy_server_is_to_be_tried_again_later() {
    for status in [
        "408 Request Timeout",
        "429 Too Many Requests",
        "502 Bad Gateway",
        "503 Service Unavailable",
        "504 Gateway Timeout",
    ] {
        let server = HttpServer::answering(status);
        assert_fails(&Place::new().upload(&server.url()), 1, status);
    }
}

#[test]
fn other_answers_refuse_the_file() {
    for status in ["400 Bad Request", "404 Not Found", "413 Content Too Large", "500 Internal Server Error"] {
        let server = HttpServer::answering(status);
        assert_fails(&Place::new().upload(&server.url()), 4, status);
    }
}

#[test]
fn the_reason_that_a_server_gives_is_shown_harmlessly() {
    let answer = b"HTTP/1.1 400 Bad\x1b[2JRequest\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\r\nno \x07job\r\nmore\r\n";
    let output = upload_to(answer);
    assert_fails(&output, 4, ": no ");
    let stderr = stderr(&output);
    assert!(!stderr.contains('\x1b') && !stderr.contains('\x07') && !stderr.contains("more"), "{stderr:?}");
}

#[test]
fn redirections_are_not_followed() {
    let other = HttpServer::answering("200 OK");
    let location = other.url();
    for status in ["301 Moved Permanently", "302 Found", "307 Temporary Redirect", "308 Permanent Redirect"] {
        let answer = format!("HTTP/1.1 {status}\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        let output = upload_to(answer.as_bytes());
        assert_fails(&output, 4, &format!("{status}, redirecting to {location}"));
    }
    assert_eq!(other.connections(), 0);
}

#[test]
fn garbage_is_no_success() {
    for garbage in [
        b"".as_slice(),
        b"\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"220 mail.example ESMTP\r\n",
        b"hello 200 world\r\n",
        b"HTTP/1.1 20",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Len",
        b"HTTP/1.1 99999999999 OK\r\n\r\n",
        b"\x00\xff\xfe\xfd",
        b"HTTP/1.1 200 \xff\xff\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n",
    ] {
        let output = upload_to(garbage);
        let shown = String::from_utf8_lossy(garbage);
        assert_eq!(output.status.code(), Some(4), "{shown:?}: {output:?}");
        assert_eq!(stderr(&output).lines().count(), 1, "{shown:?}: {output:?}");
    }
}

#[test]
fn an_answer_without_end_is_cut_off() {
    let mut lines = b"HTTP/1.1 200 OK\r\n".to_vec();
    for line in 0..2000 {
        lines.extend_from_slice(format!("X-{line}: {}\r\n", "x".repeat(line % 100)).as_bytes());
    }
    for bytes in
        [vec![b'x'; 1 << 20], lines, [b"HTTP/1.1 200 OK\r\nX:".as_slice(), &[b' '; 1 << 20]].concat()]
    {
        assert_eq!(upload_to(&bytes).status.code(), Some(4));
    }
}

#[test]
fn a_server_that_is_not_there_is_to_be_tried_again_later() {
    let port = UnusedPort::new();
    let output = Place::new().upload(&upload_url(port.address()).replace("//", &format!("//user:{SECRET}@")));
    assert_eq!(output.status.code(), Some(1));
    let stderr = stderr(&output);
    assert!(stderr.contains(&format!("cannot upload full to {}: ", upload_url(port.address()))), "{stderr}");
    assert!(stderr.contains("cannot reach the server") && !stderr.contains(SECRET), "{stderr}");
}

#[test]
fn a_connection_that_is_cut_refuses_the_file() {
    let server = HttpServer::with_manners(Manners::Cut);
    let place = Place::new();
    place.write("full", &vec![7; 8 << 20]);
    assert_fails(&place.upload(&server.url()), 4, "cut the connection");
    assert_fails(&place.upload(&server.url()), 4, "is the file too long for it?");
}

#[test]
fn credentials_that_a_server_sends_back_are_not_shown() {
    let echo = |_, request: &Request| {
        let authorization = request.header("authorization").unwrap();
        let head = "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\r\n";
        Answer::Bytes(format!("{head}authorization: {authorization}\r\n").into_bytes())
    };
    let server = HttpServer::start(echo);
    let place = Place::new();
    place.write_credentials("user:pass");
    let output = place
        .command()
        .args(["--upload-credentials", "credentials", &server.url(), "full"])
        .output()
        .unwrap();
    assert_fails(&output, 4, "400 Bad Request: authorization: Basic (the credentials)");
}

#[test]
fn an_ipv6_address_needs_a_name() {
    let output = Place::new().upload("http://[::1]:80/upload");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("give that address a name, in /etc/hosts"), "{output:?}");
}

#[test]
fn a_server_that_stalls_is_left_in_time() {
    let silent = HttpServer::start(|_, _| Answer::Stall);
    let deaf = HttpServer::with_manners(Manners::Stall);
    let place = Place::new();
    place.write("full", &vec![7; 8 << 20]);
    for server in [silent, deaf] {
        let start = Instant::now();
        let output = place.command().args(["--timeout", "1s", &server.url(), "full"]).output().unwrap();
        assert_fails(&output, 4, "not finished within 1 seconds");
        assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    }
}

#[test]
fn a_file_that_is_refused_does_not_keep_the_next_from_being_tried() {
    let server = HttpServer::start(|_, request| match request.body.as_slice() {
        b"bad" => Answer::Status("400 Bad Request"),
        _ => Answer::Status("200 OK"),
    });
    let place = Place::new();
    place.write("bad", b"bad");
    let output = place.command().args([&server.url(), "absent", "bad", "full"]).output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    let stderr = stderr(&output);
    assert!(stderr.contains("cannot upload absent") && stderr.contains("cannot upload bad"), "{stderr}");
    let bodies: Vec<Vec<u8>> = server.requests().into_iter().map(|request| request.body).collect();
    assert_eq!(bodies, [b"bad".to_vec(), b"stored result".to_vec()]);
}

#[test]
fn what_concerns_all_files_is_said_once() {
    let server = HttpServer::answering("503 Service Unavailable");
    let output = Place::new().command().args([&server.url(), "full", "full", "full"]).output().unwrap();
    assert_fails(&output, 1, "files not tried: 2");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn wrong_usage_is_explained_without_repeating_credentials() {
    let place = Place::new();
    let server = HttpServer::answering("200 OK");
    for words in [
        vec![],
        vec![server.url()],
        vec![format!("user:{SECRET}@host"), "full".to_owned()],
        vec![format!("http://user:1{SECRET}/@host/"), "full".to_owned()],
        vec![format!("http://{SECRET}@host/"), "full".to_owned()],
        vec!["--upload-credentials=x".to_owned(), format!("http://u:{SECRET}@host/"), "full".to_owned()],
        vec!["--timeout=soon".to_owned(), server.url(), "full".to_owned()],
    ] {
        let output = place.command().args(&words).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        assert!(!stderr(&output).contains(SECRET), "{output:?}");
        assert!(stderr(&output).contains("--help"), "{output:?}");
    }
    assert_eq!(server.connections(), 0);
}
