//! Servers that are not there, break off, or say what no server says.

use super::{greet, receive, run, send, serve_raw, stderr};
use builder_proto::command::Command;
use builder_tests::UnusedPort;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

/// Ends a connection as a system does that has no room for it: with a reset.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
}

#[test]
fn a_connection_that_is_reset_before_the_hello_is_made_again() {
    let (remote, server) = serve_raw(|listener| {
        let accept = || listener.accept().unwrap().0;
        reset(accept());
        // Some systems notice only once the client has said something.
        let mut stream = accept();
        receive(&mut stream);
        reset(stream);
        let mut stream = accept();
        let question = greet(&mut stream);
        send(&mut stream, &Command::Success);
        question
    });
    let output = run(&remote, &["unschedule", "hello"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    assert_eq!(server.join().unwrap(), Command::Unschedule("hello".into()));
}

#[test]
fn a_connection_that_is_reset_after_the_hello_is_not_made_again() {
    let (remote, server) = serve_raw(|listener| {
        let mut stream = listener.accept().unwrap().0;
        greet(&mut stream);
        reset(stream);
        // Whether the command was done is not known, so it is not given twice.
        listener
    });
    let output = run(&remote, &["unschedule", "hello"]);
    let listener = server.join().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("builder-client: {remote} closed the connection before its answer\n");
    assert_eq!(stderr(&output), expected);
    listener.set_nonblocking(true).unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
}

#[test]
fn a_socket_in_the_file_system_is_a_server_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let question = greet(&mut stream);
        send(&mut stream, &Command::Success);
        question
    });
    let output = run(&format!("unix:{}", path.display()), &["unschedule", "x"]);
    assert!(output.status.success());
    assert_eq!(server.join().unwrap(), Command::Unschedule("x".into()));
}

/// Runs the client against a server that treats its only connection like this, and returns the complaint.
fn complaint(treat: impl FnOnce(TcpStream) + Send + 'static) -> String {
    let (remote, server) = serve_raw(|listener| treat(listener.accept().unwrap().0));
    let output = run(&remote, &["unschedule", "x"]);
    assert_eq!(output.status.code(), Some(1));
    server.join().unwrap();
    let stderr = stderr(&output);
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    stderr.replace(&remote, "PEER")
}

#[test]
fn a_server_that_misbehaves_is_named() {
    let hello = "builder-client: PEER closed the connection instead of greeting; it may not speak version 13";
    let silent = complaint(|mut stream| {
        receive(&mut stream);
    });
    assert!(silent.starts_with(hello), "{silent}");

    let refused = complaint(|mut stream| {
        receive(&mut stream);
        send(&mut stream, &Command::Failure("speak version 14, not 13".into()));
    });
    assert_eq!(refused, "builder-client: speak version 14, not 13\n");

    let other = complaint(|mut stream| {
        receive(&mut stream);
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n").unwrap();
    });
    assert!(
        other.starts_with("builder-client: PEER does not answer like a builder server: frame of"),
        "{other}"
    );

    let unanswered = complaint(|mut stream| {
        greet(&mut stream);
    });
    assert_eq!(unanswered, "builder-client: PEER closed the connection before its answer\n");

    let (remote, server) = serve_raw(|listener| drop(greet(&mut listener.accept().unwrap().0)));
    let undrained = stderr(&run(&remote, &["drain", "--wait"]));
    assert!(
        undrained.contains("before its answer; builds may still run, and the server may go on draining"),
        "{undrained}"
    );
    server.join().unwrap();

    let strange = complaint(|mut stream| {
        greet(&mut stream);
        send(&mut stream, &Command::ServerHello);
    });
    assert_eq!(strange, "builder-client: PEER answered serverHello to unschedule\n");

    let garbled = complaint(|mut stream| {
        greet(&mut stream);
        stream.write_all(b"\0\0\0\0\0\0\0\x05\xbf\x7f\x02\x05\0").unwrap();
    });
    let expected = "builder-client: PEER sent an invalid message: message: tag [127] is unknown";
    assert!(garbled.starts_with(expected), "{garbled}");
}

#[test]
fn a_server_that_is_not_there_is_named() {
    let port = UnusedPort::new();
    let unused = port.address().to_string();
    let output = run(&unused, &["info"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(&format!("builder-client: cannot connect to {unused}: ")));
}
