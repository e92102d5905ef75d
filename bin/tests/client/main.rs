//! `builder-client` against a small server made for each test.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod diff;
mod fetch;
mod history;
mod info;
mod logs;
mod observe;
mod refusal;
mod schedule;
mod selection;

use builder::command_line::Count;
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply, PeerType};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::job::OrbBuildJob;
use builder_proto::time::{Period, Time};
use builder_tests::ClosedDoor;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::process::{self, Output, Stdio};
use std::thread::{self, JoinHandle};
use std::time::Duration;

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

/// Ends a connection as a system does that has no room for it: with a reset.
fn reset(stream: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).unwrap();
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
fn options_may_stand_on_either_side_of_the_command() {
    let job = OrbBuildJob { name: "web".into(), opam_package: "mirage-web".into() };
    let daily = Command::ScheduleOrbBuild { period: Period::Daily, job: job.clone() };
    let weekly = Command::ScheduleOrbBuild { period: Period::Weekly, job };
    assert_sends(&["orb-build", "web", "mirage-web"], &daily);
    assert_sends(&["orb-build", "web", "mirage-web", "--period", "weekly"], &weekly);
    assert_sends(&["--period=weekly", "orb-build", "web", "mirage-web"], &weekly);
    assert_sends(&["orb-build", "--period", "weekly", "web", "-q", "mirage-web"], &weekly);
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

#[test]
fn wrong_usage_ends_with_2_and_advice() {
    for (words, advice) in [
        (&[][..], "there is no command; write schedule, orb-build"),
        (&["dance"], "there is no command dance; write schedule, orb-build"),
        (&["shedule", "a"], "there is no command shedule; did you mean schedule?"),
        (&["observe-lastest"], "there is no command observe-lastest; did you mean observe-latest?"),
        (&["execute"], "NAME is missing; write execute NAME"),
        (&["schedule", "a", "b"], "FILE is missing; write schedule NAME PLATFORM FILE"),
        (&["execute", "a", "now"], "now is one word too many; write execute NAME"),
        (&["schedule", "a/b", "p", "f"], "job name a/b must not contain /"),
        (&["schedule", "a", ".p", "f"], "platform name .p must not start with a dot"),
        (&["orb-build", "state", "p"], "job name state is reserved"),
        (&["orb-build", "a", "p", "--period", "often"], "--period often: not a period; choose hourly, daily"),
        (
            &["orb-build", "a", "p", "--period", "30s"],
            "--period is too short: a job runs at most once in a minute",
        ),
        (&["orb-build", "a", "p", "--period", "6M"], "--period 6M: not a period"),
        (
            &["orb-build", "a", "p", "--at", "25:00"],
            "--at 25:00: not a time of day; write it from 00:00 to 23:59",
        ),
        (&["orb-build", "a", "p", "--timeout", "0s"], "--timeout 0s: the time must be longer than nothing"),
        (&["orb-build", "a", "p", "--timeout", "1500ms"], "--timeout: a time is of whole seconds; round it"),
        (&["orb-build", "a", "p", "--silence", "soon"], "--silence soon: not a span of time"),
        (
            &["orb-build", "a", "p", "--silence", "2h", "--timeout", "1h"],
            "--silence must be shorter than --timeout, or it is never reached",
        ),
        (&["orb-build", "a", "p", "--keep", "0"], "--keep 0: the newest result is always kept"),
        (
            &["orb-build", "a", "p", "--keep", "some"],
            "--keep some: write how many results to keep, such as 10",
        ),
        (
            &["orb-build", "a", "p", "--keep", "5", "--keep", "6"],
            "--keep is given twice with a number, or twice with a time; keep one of each",
        ),
        (&["execute", "a", "--replace"], "--replace does not go with execute"),
        (
            &["reschedule", "x", "2026-01-02T03:04:05Z", "--period", "6h"],
            "reschedule x: the period is hourly, daily, weekly or never; for another one, schedule the job again with",
        ),
        (&["reschedule", "x", "tomorrow"], "tomorrow: not a time; write it like 2026-01-02T03:04:05Z"),
        (&["reschedule", "x", "2026-01-02T03:04:05"], "the time has no zone"),
        (&["observe", "latest"], "observe latest: not a uuid; did you mean observe-latest?"),
        (
            &["observe", "hello"],
            "not a uuid; copy one from 'builder-client info'; if it is a job, write observe-latest --job hello",
        ),
        (&["info", "--period", "daily"], "--period does not go with info"),
        (&["unschedule", "a", "--platform", "p"], "--platform does not go with unschedule"),
        (&["execute", "a", "--job", "b"], "--job does not go with execute"),
        (&["info", "-r", "localhost"], "--remote localhost: not an address; write HOST:PORT or unix:PATH"),
        (&["info", "-r", "::1:1234"], "an IPv6 address needs brackets; write it like [::1]:1234"),
        (&["history", "a", "b"], "b is one word too many; write history [JOB]"),
        (&["history", "--limit", "0"], "--limit 0: a limit is a number from 1 to 1000000"),
        (&["history", "--limit", "some"], "--limit some: a limit is a number"),
        (
            &["history", "--since", "soon"],
            "--since soon: not a time; write 90m, 2h, 7d or 2w for so long ago",
        ),
        (&["history", "--since", "2026-13-01"], "--since 2026-13-01: there is no such date"),
        (&["history", "--period", "daily"], "--period does not go with history"),
        (&["info", "--failed"], "--failed does not go with info"),
        (&["logs"], "JOB|UUID is missing; write logs JOB|UUID"),
        (
            &["logs", "x", "--grep", "("],
            "--grep (: not a regular expression: unclosed group; write \\ in front of",
        ),
        (&["logs", "x", "--grep", "a{1000}{1000}"], "the pattern takes too much memory"),
        (&["logs", "x", "--times", "late"], "--times late: choose relative, absolute or none"),
        (
            &["logs", "x", "--since", "1h"],
            "--since tells which builds --grep searches, without --follow; leave it out",
        ),
        (
            &["logs", "x", "--grep", "a", "--follow", "--limit", "1"],
            "--limit tells which builds --grep searches",
        ),
        (&["info", "--colour"], "there is no option --colour"),
        (&["info", "-r"], "-r needs a value after it"),
        (&["info", "-r", "a:1", "-r", "b:1"], "--remote is given twice; keep one"),
    ] {
        let output = run("", words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let stderr = stderr(&output);
        assert!(stderr.starts_with("builder-client: "), "{stderr}");
        assert!(stderr.contains(advice), "{stderr}");
        assert!(stderr.ends_with("Try 'builder-client --help' for more.\n"), "{stderr}");
        assert_eq!(stdout(&output), "");
    }
    let output = run("nowhere", &["info"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("BUILDER_REMOTE nowhere: not an address"));
}

#[test]
fn every_command_takes_the_words_that_help_names() {
    for entry in builder::client::PROGRAM.commands {
        let word = |name| match name {
            "UUID" => UUID,
            "KIND" => "jobs",
            "TIME" => "2026-01-02T03:04:05Z",
            // There is such a file.
            "FILE" => "/dev/null",
            _ => "word",
        };
        let mut line = vec![entry.name];
        for expected in entry.words {
            let is_optional = matches!(expected.count, Count::Any | Count::Optional);
            let output = run("127.0.0.1:1", &line);
            let missing = format!("{} is missing; write {}\n", expected.value.name, entry.form());
            assert_eq!(stderr(&output).contains(&missing), !is_optional, "{line:?}: {output:?}");
            line.push(word(expected.value.name));
        }
        // All is there but a server.
        let code = match entry.name {
            "diff" => 2,
            "verify" => 127,
            _ => 1,
        };
        assert_eq!(run("127.0.0.1:1", &line).status.code(), Some(code), "{line:?}");
    }
}

#[test]
fn help_and_version_need_no_server() {
    let help = run("127.0.0.1:1", &["--help"]);
    assert!(help.status.success());
    assert!(stdout(&help).contains("observe-latest"));
    let version = run("127.0.0.1:1", &["--version"]);
    assert!(stdout(&version).ends_with(" (client protocols 13 and 14, worker protocol 5)\n"));
}

#[test]
fn the_option_counts_more_than_the_environment() {
    let (remote, server) = serve(vec![vec![Command::Success]]);
    let output = client("127.0.0.1:1").args(["-r", &remote, "unschedule", "x"]).output().unwrap();
    assert!(output.status.success());
    server.join().unwrap();
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
    assert!(undrained.contains("before its answer; the server may be draining all the same"), "{undrained}");
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
    let door = ClosedDoor::new();
    let unused = door.address().to_string();
    let output = run(&unused, &["info"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).starts_with(&format!("builder-client: cannot connect to {unused}: ")));
}
