//! What the worker and the server say to each other.

use crate::harness::{Setup, UUID, job, run, wait_until};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command as Message;
use builder_tests::UnusedPort;
use rustix::net::sockopt::set_socket_linger;
use rustix::process::Signal;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::Duration;

fn worker() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_builder-worker"));
    command.stdin(Stdio::null());
    command
}

#[test]
fn one_job_is_asked_for_run_and_reported() {
    let report = run("echo hello; exit 3");
    assert_eq!(report.text(), ["hello"]);
    assert_eq!(report.result, BuildResult::Exited(3));
    assert!(report.files.is_empty());
    report.assert_clean();
}

#[test]
fn the_worker_ends_when_the_server_has_stored_the_result_and_not_before() {
    let mut conversation = Setup::new().start("true");
    assert!(matches!(conversation.receive(), Some(Message::JobFinished { uuid: UUID, .. })));
    // Its directory goes while it waits.
    let temporary = conversation.temporary.path().to_path_buf();
    wait_until("the directory is gone", || std::fs::read_dir(&temporary).unwrap().next().is_none());
    assert!(conversation.child.try_wait().unwrap().is_none(), "the server may still refuse the result");
    conversation.close();
    assert!(conversation.end().status.success());
}

#[test]
fn a_refused_result_is_a_failure() {
    let mut conversation = Setup::new().start("true");
    assert!(matches!(conversation.receive(), Some(Message::JobFinished { .. })));
    conversation.send(&Message::Failure("artifacts exceed 4 GiB".into()));
    conversation.end().assert_failed("builder-worker: the server refused: artifacts exceed 4 GiB");
}

#[test]
fn a_refusal_is_shown_as_it_is() {
    let mut conversation = Setup::new().connect();
    conversation.receive();
    conversation.send(&Message::Failure("worker version 5 is not supported".into()));
    conversation.end().assert_failed("builder-worker: the server refused: worker version 5 is not supported");
}

#[test]
fn a_refusal_during_the_build_ends_the_build() {
    let mut conversation = Setup::new().start("echo started; exec sleep 1000");
    assert_eq!(conversation.line(), "started");
    conversation.send(&Message::Failure("timeout".into()));
    conversation.end().assert_failed("builder-worker: the server refused: timeout");
}

#[test]
fn unexpected_messages_are_named() {
    let mut conversation = Setup::new().connect();
    conversation.send(&Message::JobSchedule { uuid: UUID, job: job("true") });
    conversation.end().assert_failed("the server sent jobSchedule where its hello was expected");

    let mut conversation = Setup::new().connect();
    conversation.stream().write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    conversation.end().assert_failed("the server sent an invalid message");
}

#[test]
fn a_server_that_hangs_up_is_a_failure() {
    let mut conversation = Setup::new().connect();
    conversation.receive();
    conversation.close();
    conversation.end().assert_failed("the server closed the connection without a hello");

    let mut conversation = Setup::new().connect();
    conversation.greet();
    conversation.close();
    conversation.end().assert_failed("the server closed the connection before it had a job");
}

#[test]
fn a_connection_that_is_reset_before_the_hello_is_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    let mut child = worker().args(["-r", &remote, "amiga"]).stderr(Stdio::piped()).spawn().unwrap();
    let accept = || listener.accept().unwrap().0;
    let reset = |stream: TcpStream| set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
    reset(accept());
    // Some systems notice only once the worker has said something.
    let mut stream = accept();
    stream.read_exact(&mut [0; 8]).unwrap();
    reset(stream);
    let mut stream = accept();
    stream.read_exact(&mut [0; 8]).unwrap();
    stream.write_all(&Message::Failure("enough".into()).to_frame().unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
    let mut stderr = String::new();
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    assert_eq!(stderr, "builder-worker: the server refused: enough\n");
}

#[test]
fn a_worker_that_pauses_after_a_reset_ends_when_asked() {
    let mut conversation = Setup::new().connect();
    conversation.receive();
    set_socket_linger(conversation.stream(), Some(Duration::ZERO)).unwrap();
    conversation.close();
    conversation.signal(Signal::TERM);
    conversation.end().assert_failed("builder-worker: ended by SIGTERM");
}

#[test]
fn a_server_that_is_not_there_is_named_with_what_to_do() {
    let port = UnusedPort::new();
    let remote = port.address().to_string();
    let output = worker().args(["-r", &remote, "amiga"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(
        stderr.starts_with(&format!("builder-worker: cannot connect to the server at {remote}: ")),
        "{stderr}"
    );
    assert!(stderr.contains("--remote"), "{stderr}");
}

#[test]
fn the_server_may_be_a_socket_in_the_file_system() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("builder.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let mut child =
        worker().arg("--remote").arg(format!("unix:{}", path.display())).arg("amiga").spawn().unwrap();
    let (mut stream, _) = listener.accept().unwrap();
    let mut length = [0; 8];
    stream.read_exact(&mut length).unwrap();
    assert_eq!(length, [0, 0, 0, 0, 0, 0, 0, 11], "a hello");
    stream.write_all(&Message::Failure("enough".into()).to_frame().unwrap()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(1));
}

#[test]
fn wrong_usage_exits_2_with_advice() {
    for (arguments, advice) in [
        (&[][..], "PLATFORM is missing"),
        (&["one", "two"], "two is one word too many; a worker runs a job of one PLATFORM"),
        (&["a/b"], "platform name a/b must not contain /"),
        (&["--timeout", "soon", "amiga"], "--timeout soon: not a span of time; write it like"),
        (&["--timeout", "0s", "amiga"], "--timeout 0s: "),
        (&["--remote", "nowhere", "amiga"], "--remote nowhere: "),
        (&["--no-such-flag", "amiga"], "no-such-flag"),
    ] {
        let output = worker().args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert!(stderr.contains(advice), "{arguments:?}: {stderr}");
    }
}

/// What a worker that finds no server writes to stderr, and that it writes nothing else.
fn logged(level: Option<&str>, arguments: &[&str]) -> String {
    let mut command = worker();
    command.env_remove("RUST_LOG").envs(level.map(|level| ("RUST_LOG", level)));
    let port = UnusedPort::new();
    let output = command.args(["-r", &port.address().to_string(), "amiga"]).args(arguments).output().unwrap();
    assert_eq!(output.stdout, b"", "logs go to stderr");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_environment_says_what_is_logged_and_options_count_more() {
    let detail = "connecting to 127.0.0.1:";
    assert!(!logged(None, &[]).contains(detail));
    assert!(!logged(None, &["-v"]).contains(detail));
    assert!(logged(None, &["-vv"]).contains(detail));
    assert!(logged(Some("debug"), &[]).contains(detail));
    assert!(!logged(Some("debug"), &["-v"]).contains(detail));
    assert!(!logged(Some("debug"), &["-q"]).contains(detail));
    assert!(!logged(Some("builder=warn"), &[]).contains(detail));
}

#[test]
fn help_and_version_are_there() {
    let help = worker().arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for word in ["PLATFORM", "--remote", "--timeout", "127.0.0.1:1234", "1h"] {
        assert!(help.contains(word), "{word} in {help}");
    }
    let version = worker().arg("--version").output().unwrap();
    assert!(version.status.success());
    assert!(String::from_utf8(version.stdout).unwrap().contains("worker protocol 5"));
}
