//! `builder-upload` with TLS, against a server with a certificate authority of its own: that of the `openssl` program.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use tempfile::TempDir;

/// Files of an authority and of a server for `localhost`.
struct Authority {
    directory: TempDir,
}

/// A server for one connection; killed when dropped.
struct TlsServer {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Authority {
    /// None without the `openssl` program.
    fn new() -> Option<Authority> {
        if Command::new("openssl").arg("version").stdout(Stdio::null()).status().is_err() {
            eprintln!("skipped: the program openssl is not installed");
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let authority = Authority { directory };
        fs::write(authority.path().join("names"), "subjectAltName=DNS:localhost").unwrap();
        fs::write(authority.path().join("full"), "stored result").unwrap();
        authority.openssl(
            "req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=Authority",
        );
        authority.openssl("req -newkey rsa:2048 -nodes -keyout server.key -out request -subj /CN=localhost");
        authority.openssl(
            "x509 -req -in request -CA ca.pem -CAkey ca.key -CAcreateserial -out server.pem -days 2 -extfile names",
        );
        Some(authority)
    }

    fn path(&self) -> &Path {
        self.directory.path()
    }

    fn openssl(&self, words: &str) {
        let mut command = Command::new("openssl");
        let output = command.args(words.split(' ')).current_dir(self.path()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn serve(&self) -> TlsServer {
        let mut command = Command::new("openssl");
        command.args("s_server -accept 127.0.0.1:0 -cert server.pem -key server.key".split(' '));
        command.current_dir(self.path()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.starts_with("ACCEPT ") {
            line.clear();
            assert_ne!(output.read_line(&mut line).unwrap(), 0, "openssl s_server ended");
        }
        let port = line.trim().rsplit_once(':').unwrap().1.parse().unwrap();
        TlsServer { child, output, port }
    }

    /// Starts an upload; the system's authorities are replaced by `trusted`.
    fn upload(&self, host: &str, server: &TlsServer, trusted: &str) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_builder-upload"));
        command.args(["--timeout", "60s", &format!("https://{host}:{}/upload", server.port), "full"]);
        command.env("SSL_CERT_FILE", self.path().join(trusted)).env_remove("SSL_CERT_DIR");
        command.env("BUILDER_UPLOAD_CREDENTIALS", "user:pass").current_dir(self.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }
}

impl TlsServer {
    /// Reads until the end of the body has arrived, then answers; gives what was read.
    fn answer(&mut self, answer: &str) -> String {
        let mut received = Vec::new();
        while !received.ends_with(b"stored result") {
            let mut byte = [0];
            self.output.read_exact(&mut byte).unwrap();
            received.push(byte[0]);
        }
        self.child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        String::from_utf8_lossy(&received).into_owned()
    }
}

impl TlsServer {
    /// Answers when the head and a part of the body have arrived, and ends with the rest unread.
    fn answer_early(mut self, answer: &str) {
        let mut received = Vec::new();
        while !received.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.output.read_exact(&mut byte).unwrap();
            received.push(byte[0]);
        }
        self.child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
        // It looks at its input between two blocks of the body; this is many of them.
        self.output.read_exact(&mut vec![0; 1 << 20]).unwrap();
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn assert_untrusted(output: &Output) {
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("no TLS with the server") && stderr.contains("SSL_CERT_FILE"), "{stderr}");
}

#[test]
fn a_server_with_an_authority_of_its_own_gets_the_file() {
    let Some(authority) = Authority::new() else { return };
    let mut server = authority.serve();
    let upload = authority.upload("localhost", &server, "ca.pem");
    let received = server.answer("HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    assert!(received.contains("POST /upload HTTP/1.1"), "{received}");
    assert!(received.contains("Authorization: Basic dXNlcjpwYXNz"), "{received}");
    let output = upload.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn an_early_answer_is_heard_through_tls() {
    let Some(authority) = Authority::new() else { return };
    fs::write(authority.path().join("full"), vec![7; 32 << 20]).unwrap();
    let server = authority.serve();
    let upload = authority.upload("localhost", &server, "ca.pem");
    server.answer_early("HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n");
    let output = upload.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("the server answered 413 Content Too Large"), "{stderr}");
}

#[test]
fn interim_answers_are_passed_over_through_tls() {
    let Some(authority) = Authority::new() else { return };
    let mut server = authority.serve();
    let upload = authority.upload("localhost", &server, "ca.pem");
    server.answer("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n");
    let output = upload.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_connection_that_is_cut_through_tls_refuses_the_file() {
    let Some(authority) = Authority::new() else { return };
    let mut server = authority.serve();
    let upload = authority.upload("localhost", &server, "ca.pem");
    // The head is no answer, and the server is killed: it takes no leave, as TLS wants it.
    server.answer("HTTP/1.1 ");
    drop(server);
    let output = upload.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{output:?}");
}

#[test]
fn a_server_that_nobody_vouches_for_gets_nothing() {
    let Some(authority) = Authority::new() else { return };
    let Some(other) = Authority::new() else { return };
    fs::copy(other.path().join("ca.pem"), authority.path().join("other.pem")).unwrap();
    let server = authority.serve();
    assert_untrusted(&authority.upload("localhost", &server, "other.pem").wait_with_output().unwrap());
}

#[test]
fn a_certificate_for_another_name_is_not_accepted() {
    let Some(authority) = Authority::new() else { return };
    let server = authority.serve();
    assert_untrusted(&authority.upload("127.0.0.1", &server, "ca.pem").wait_with_output().unwrap());
}

#[test]
fn a_server_without_tls_gets_nothing() {
    let Some(authority) = Authority::new() else { return };
    let http = builder_tests::http::HttpServer::start(|_, _| {
        builder_tests::http::Answer::Bytes(b"HTTP/1.1 200 OK\r\n\r\n".to_vec())
    });
    let mut command = Command::new(env!("CARGO_BIN_EXE_builder-upload"));
    command.args(["--timeout", "2s", &http.url().replace("http://127.0.0.1", "https://localhost"), "full"]);
    let output = command.current_dir(authority.path()).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    assert_eq!(http.requests().len(), 0);
}
