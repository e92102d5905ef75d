//! `builder-client` against a small server made for each test.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod connection;
mod diff;
mod fetch;
mod history;
mod info;
mod logs;
mod observe;
mod refusal;
mod schedule;
mod selection;
mod usage;

use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply, PeerType};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::time::{Period, Time};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{self, Output, Stdio};
use std::thread::{self, JoinHandle};

const UUID: &str = "988ad4a2-647b-4f84-9116-f936eeddac84";

/// The client, told to connect to `remote`.
fn client(remote: &str) -> process::Command {
    let mut client = process::Command::new(env!("CARGO_BIN_EXE_builder-client"));
    client.env_remove("RUST_LOG").env("BUILDER_REMOTE", remote).stdin(Stdio::null());
    client
}

fn run(remote: &str, words: &[&str]) -> Output {
    client(remote).args(words).output().unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Reads one frame and nothing of what follows.
fn receive(stream: &mut impl Read) -> Command {
    let mut decoder = FrameDecoder::new(1 << 24);
    loop {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        if let Some(FrameEvent::Frame(payload)) = decoder.next(&mut byte.as_slice()).unwrap() {
            return Command::decode(payload).unwrap();
        }
    }
}

fn send(stream: &mut impl Write, command: &Command) {
    stream.write_all(&command.to_frame().unwrap()).unwrap();
}

/// Greets a client and returns what it asks for.
fn greet(stream: &mut (impl Read + Write)) -> Command {
    let hello = receive(stream);
    send(stream, &Command::ServerHello);
    let question = receive(stream);
    // The lowest version in which there is such a message.
    let version = if question.kind().number() < 23 { 13 } else { 14 };
    assert_eq!(hello, Command::ClientHello { peer: PeerType::Client, version }, "{question:?}");
    question
}

/// A server that handles as many connections as there are lists of answers, and returns what it was asked.
fn serve(answers: Vec<Vec<Command>>) -> (String, JoinHandle<Vec<Command>>) {
    serve_raw(move |listener| {
        let answer = |answers: Vec<Command>| {
            let mut stream = listener.accept().unwrap().0;
            let question = greet(&mut stream);
            answers.iter().for_each(|answer| send(&mut stream, answer));
            question
        };
        answers.into_iter().map(answer).collect()
    })
}

/// The same as a server that does not speak the version that a client says first, and closes then, as 0.4.0 does.
fn serve_older(answers: Vec<Vec<Command>>) -> (String, JoinHandle<Vec<Command>>) {
    serve_raw(move |listener| {
        let answer = |answers: Vec<Command>| {
            let mut stream = accept_older(&listener);
            let question = greet(&mut stream);
            answers.iter().for_each(|answer| send(&mut stream, answer));
            question
        };
        answers.into_iter().map(answer).collect()
    })
}

/// The second connection of a client: the first one is closed when it has said version 14.
fn accept_older(listener: &TcpListener) -> TcpStream {
    let hello = receive(&mut listener.accept().unwrap().0);
    assert_eq!(hello, Command::ClientHello { peer: PeerType::Client, version: 14 });
    listener.accept().unwrap().0
}

fn serve_raw<T: Send + 'static>(
    body: impl FnOnce(TcpListener) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    (remote, thread::spawn(move || body(listener)))
}

fn uuid() -> Uuid {
    UUID.parse().unwrap()
}

fn output(line: &str, milliseconds: i64) -> Command {
    Command::Output { uuid: uuid(), line: line.into(), timestamp: Some(milliseconds * 1_000_000) }
}

/// Runs the client with these words and checks what the server gets to see.
fn assert_sends(words: &[&str], expected: &Command) {
    let (remote, server) = serve(vec![vec![Command::Success]]);
    let output = run(&remote, words);
    assert_eq!(stderr(&output), "", "{words:?}");
    assert_eq!(stdout(&output), "", "{words:?}: only a terminal is told what was done");
    assert!(output.status.success(), "{words:?}");
    assert_eq!(server.join().unwrap(), std::slice::from_ref(expected), "{words:?}");
}

#[test]
fn each_command_reaches_the_server() {
    let execute = |platform: Option<&str>| Command::Execute {
        name: "hello".into(),
        platform: platform.map(Into::into),
    };
    assert_sends(&["execute", "hello"], &execute(None));
    assert_sends(&["execute", "hello", "--platform", "p"], &execute(Some("p")));
    assert_sends(&["unschedule", "hello"], &Command::Unschedule("hello".into()));
    assert_sends(&["drop-platform", "p"], &Command::DropPlatform("p".into()));
    assert_sends(&["undrop-platform", "p"], &Command::UndropPlatform("p".into()));
}

#[test]
fn reschedule_understands_zones() {
    let reschedule = |period| Command::Reschedule {
        name: "hello".into(),
        next: Time::parse_rfc3339("2026-01-02T03:04:05Z").unwrap(),
        period,
    };
    assert_sends(&["reschedule", "hello", "2026-01-02T03:04:05Z"], &reschedule(None));
    let with_period = ["--period", "never", "reschedule", "hello", "2026-01-02T04:04:05+01:00"];
    assert_sends(&with_period, &reschedule(Some(Period::Never)));
}

#[test]
fn a_full_disk_behind_stdout_is_a_failure() {
    let Ok(full) = std::fs::File::options().write(true).open("/dev/full") else { return };
    let (remote, server) = serve_older(vec![vec![Command::InfoReply(InfoReply::default())]]);
    let output = client(&remote).arg("info").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with("builder-client: cannot write to stdout: "), "{}", stderr(&output));
    server.join().unwrap();
}
