//! The console of a build, for people and for programs.

use super::{UUID, client, greet, output, run, send, serve, serve_raw, stderr, stdout, uuid};
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply, RunningInfo};
use builder_proto::job::ScriptJob;
use builder_proto::time::Time;
use std::io::{BufRead, BufReader, Write};
use std::process::Stdio;
use std::sync::mpsc;

#[test]
fn programs_get_an_object_a_line_of_a_console() {
    let answers = vec![output("hello", 5), output("exited 3", 6), Command::Success];
    let (remote, server) = serve(vec![answers]);
    let output = run(&remote, &["--json", "observe", UUID]);
    let expected = "{\"line\":\"hello\",\"nanoseconds\":5000000}\n\
                    {\"nanoseconds\":6000000,\"result\":\"exited 3\",\"succeeded\":false}\n";
    assert_eq!(stdout(&output), expected);
    server.join().unwrap();
}

#[test]
fn a_console_whose_end_is_missing_has_no_result() {
    let (remote, server) = serve(vec![vec![output("exited 0", 6)]]);
    let output = run(&remote, &["--json", "observe", UUID]);
    assert_eq!(stdout(&output), "{\"line\":\"exited 0\",\"nanoseconds\":6000000}\n");
    assert_eq!(output.status.code(), Some(1));
    server.join().unwrap();
}

#[test]
fn observe_prints_when_each_line_came_and_the_result_last() {
    let answers =
        vec![output("hello", 5), output("büild", 61_500), output("exited 0", 61_501), Command::Success];
    let (remote, server) = serve(vec![answers]);
    let output = run(&remote, &["observe", UUID]);
    assert_eq!(stdout(&output), "0.005s hello\n61.500s büild\n61.501s exited 0\n");
    assert!(output.status.success());
    assert_eq!(server.join().unwrap(), [Command::Observe(uuid())]);
}

#[test]
fn observe_shows_a_line_before_the_next_one_comes() {
    let (seen, was_seen) = mpsc::channel();
    let (remote, server) = serve_raw(move |listener| {
        let mut stream = listener.accept().unwrap().0;
        greet(&mut stream);
        send(&mut stream, &output("first", 1));
        was_seen.recv().unwrap();
        send(&mut stream, &output("exited 0", 2));
        send(&mut stream, &Command::Success);
    });
    let mut client = client(&remote).args(["observe", UUID]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "0.001s first");
    seen.send(()).unwrap();
    assert_eq!(lines.next().unwrap().unwrap(), "0.002s exited 0");
    assert!(client.wait().unwrap().success());
    server.join().unwrap();
}

#[test]
fn a_build_whose_end_is_missing_is_a_failure_after_its_lines() {
    let (remote, server) = serve(vec![vec![output("hello", 5)]]);
    let output = run(&remote, &["observe", UUID]);
    assert_eq!(stdout(&output), "0.005s hello\n");
    assert_eq!(output.status.code(), Some(1));
    let expected = format!("builder-client: {remote} closed the connection before the end of the build\n");
    assert_eq!(stderr(&output), expected);
    server.join().unwrap();
}

#[test]
fn a_reader_that_leaves_ends_the_client_quietly() {
    let (remote, server) = serve_raw(|listener| {
        let mut stream = listener.accept().unwrap().0;
        greet(&mut stream);
        let frame = output(&"x".repeat(1000), 1).to_frame().unwrap();
        // Until the client is gone.
        while stream.write_all(&frame).is_ok() {}
    });
    let mut client = client(&remote);
    client.args(["observe", UUID]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    let mut line = String::new();
    BufReader::new(client.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let output = client.wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(stderr(&output), "");
    server.join().unwrap();
}

#[test]
fn observe_latest_picks_the_build_that_started_last() {
    let running = |started, uuid: Uuid, platform: &str| RunningInfo {
        started: Time::from_unix_milliseconds(started),
        uuid,
        job: ScriptJob { name: "hello".into(), script: "".into(), platform: platform.into() },
    };
    let info = || InfoReply {
        running: vec![running(1, Uuid::nil(), "p"), running(3, Uuid::max(), "q"), running(2, uuid(), "p")],
        ..InfoReply::default()
    };
    let answers = || vec![vec![Command::InfoReply(info())], vec![output("exited 0", 1), Command::Success]];

    let (remote, server) = serve(answers());
    assert_eq!(stdout(&run(&remote, &["observe-latest"])), "0.001s exited 0\n");
    assert_eq!(server.join().unwrap(), [Command::Info, Command::Observe(Uuid::max())]);

    let (remote, server) = serve(answers());
    run(&remote, &["observe-latest", "--platform", "p", "--job", "hello"]);
    assert_eq!(server.join().unwrap(), [Command::Info, Command::Observe(uuid())]);

    let (remote, server) = serve(vec![vec![Command::InfoReply(info())]]);
    let output = run(&remote, &["observe-latest", "--job", "other"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("no build of job other is running; see 'builder-client info'"));
    server.join().unwrap();
}
