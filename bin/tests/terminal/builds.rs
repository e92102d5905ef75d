//! What the server remembers of builds, as it is seen on a terminal.

use super::{CLIENT, Terminal, accept, send};
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply};
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::net::TcpListener;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// A server that sends a list of answers on each connection, and then says that this is all.
fn serve(connections: Vec<Vec<Command>>) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    let server = thread::spawn(move || {
        for answers in connections {
            let (mut stream, _) = accept(&listener);
            answers.iter().for_each(|answer| send(&mut stream, answer));
            send(&mut stream, &Command::Success);
        }
    });
    (remote, server)
}

fn screen(columns: u16, words: &[&str], connections: Vec<Vec<Command>>, code: i32) -> String {
    let (remote, server) = serve(connections);
    let words = [&["-r", &remote], words].concat();
    let environment = [("LC_ALL", "C.UTF-8")];
    let screen = Terminal::run_on(columns, CLIENT, &words, &environment).end_with(code);
    server.join().unwrap();
    screen
}

fn without_colours(screen: &str) -> String {
    ["\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m"]
        .iter()
        .fold(screen.to_owned(), |screen, code| screen.replace(code, ""))
}

fn build(number: u8, cause: Option<Cause>) -> Command {
    let finished = Time::UNIX_EPOCH.saturating_add(Duration::from_secs(u64::from(number) * 10));
    Command::Build(Build {
        uuid: RawUuid(Uuid::from_bytes([number; 16])),
        job: "mirage-unikernel-of-customer-12\x1b[2J".into(),
        platform: "freebsd-14-amd64".into(),
        started: Time::UNIX_EPOCH,
        queued: None,
        host: Some("192.0.2.1".into()),
        end: cause.map(|cause| BuildEnd::new(finished, cause)),
    })
}

fn builds(count: u8) -> Vec<Command> {
    let lost = || Cause::Lost("the worker closed the connection\x1b[2J".into());
    let cause = |number| if number % 3 == 0 { lost() } else { Cause::Exited(0) };
    (0..count).map(|number| build(number, Some(cause(number)))).collect()
}

#[test]
fn a_list_of_builds_has_a_line_each_that_fits_and_no_name_is_cut() {
    for columns in [80, 120, 250] {
        let list = without_colours(&screen(columns, &["history", "--limit", "5"], vec![builds(5)], 0));
        assert_eq!(list.lines().count(), 6, "{list}");
        let longest = list.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= usize::from(columns), "{list}");
        assert_eq!(list.matches("  mirage-unikernel-of-customer-12\\x1b[2J  ").count(), 5, "{list}");
        assert_eq!(list.contains("freebsd-14-amd64"), columns >= 120, "{list}");
        assert_eq!(
            list.contains("✗ lost: the worker closed the connection\\x1b[2J  "),
            columns == 250,
            "{list}"
        );
        assert!(list.contains("  ✓ ok   ") && list.contains("  03030303"), "{list}");
    }
}

#[test]
fn who_sees_only_some_builds_is_told_how_to_see_more() {
    let list = without_colours(&screen(120, &["history"], vec![builds(30)], 0));
    assert!(list.ends_with("\nolder builds are left out; --limit 100 shows more\n"), "{list}");
    assert_eq!(list.lines().count(), 22, "{list}");
    let quiet = screen(120, &["-q", "history"], vec![builds(30)], 0);
    assert!(!quiet.contains("older builds"), "{quiet}");
}

#[test]
fn who_finds_no_build_is_told_what_to_try() {
    let none = Vec::new;
    let told = |words: &[&str], connections| without_colours(&screen(120, words, connections, 0));
    assert_eq!(
        told(&["history"], vec![none(), none()]),
        "the server remembers no build yet; one is listed as soon as a worker has taken it\n"
    );
    assert_eq!(
        told(&["history", "--failed", "--since", "1d"], vec![none(), builds(1)]),
        "no build fits; without --failed or --since, others are listed\n"
    );
    let info = vec![Command::InfoReply(InfoReply::default())];
    assert_eq!(
        told(&["history", "mirage-unikernel-of-customer-1"], vec![none(), none(), info, none()]),
        "no build of a job mirage-unikernel-of-customer-1 is known; 'builder-client history' lists the builds that the server remembers\n"
    );
}

#[test]
fn a_console_says_first_which_build_it_is_and_last_how_it_ended() {
    let output =
        |line: &str| Command::Output { uuid: Uuid::nil(), line: line.into(), timestamp: Some(1_500_000_000) };
    let lines = vec![output("\x1b[31mred\x1b[2J"), output("exited 1")];
    let failed = vec![build(3, Some(Cause::Exited(1)))];
    let job = "mirage-unikernel-of-customer-12\\x1b[2J on freebsd-14-amd64";
    let console = screen(80, &["logs", "mirage"], vec![failed, lines.clone()], 0);
    let (head, rest) = console.split_once("\n\x1b[2m1.500s").unwrap();
    assert!(without_colours(head).starts_with(&format!("{job}: exited 1 after 30s, started ")), "{head}");
    let which = "\nbuild 03030303-0303-0303-0303-030303030303, started 1970-01-01T00:00:00Z";
    assert!(without_colours(head).ends_with(which), "{head}");
    assert_eq!(rest, "\x1b[0m \x1b[31mred\\x1b[2J\x1b[0m\n\x1b[2m1.500s\x1b[0m \x1b[31m✗ exited 1\x1b[0m\n");

    let console = screen(80, &["logs", "mirage"], vec![vec![build(3, None)], lines[..1].to_vec()], 0);
    let console = without_colours(&console);
    assert!(console.starts_with(&format!("{job}: running for ")), "{console}");
    assert!(
        console.ends_with("\nthe build still runs; with --follow, lines to come are waited for\n"),
        "{console}"
    );
}

#[test]
fn hits_cannot_control_the_terminal() {
    let line = Command::Output { uuid: Uuid::nil(), line: "a\x1b[2J\u{9b}".into(), timestamp: None };
    let console = screen(80, &["logs", "mirage", "--grep", "a"], vec![vec![build(3, None)], vec![line]], 0);
    assert_eq!(console, "\x1b[2m03030303:1:\x1b[0m a\\x1b[2J\\u{9b}\n");
    let nothing = screen(80, &["logs", "mirage", "--grep", "b"], vec![vec![build(3, None)], Vec::new()], 1);
    assert_eq!(nothing, "\x1b[2mno line of one build matches\x1b[0m\n");
}

#[test]
fn differences_are_red_and_green_and_cannot_control_the_terminal() {
    let ended = |number, code| vec![build(number, Some(Cause::Exited(code)))];
    let printed = |line: &str| {
        let output =
            |line: &str| Command::Output { uuid: Uuid::nil(), line: line.into(), timestamp: Some(1) };
        ["\x1b[1mconfigure\x1b[m", line, "exited"].iter().map(|line| output(line)).collect()
    };
    let mut connections = vec![ended(1, 0), ended(2, 1)];
    for (number, code) in [(1, 0), (2, 1)] {
        let Command::Build(mut build) = ended(number, code).remove(0) else { panic!("no build") };
        build.end.as_mut().unwrap().console_lines = 2;
        connections.push(vec![Command::Build(build)]);
    }
    connections.extend([printed("\x1b[32mfine\x1b[2J"), printed("wrong\u{9b}2J")]);
    let uuids = [1, 2].map(|number| Uuid::from_bytes([number; 16]).to_string());
    let screen = screen(80, &["diff", &uuids[0], &uuids[1]], connections, 1);
    let expected = "\
\x1b[1mmirage-unikernel-of-customer-12\\x1b[2J on freebsd-14-amd64\x1b[0m
\x1b[31m- 01010101-0101-0101-0101-010101010101  1970-01-01T00:00:00Z  took 10s\x1b[0m
\x1b[32m+ 02020202-0202-0202-0202-020202020202  1970-01-01T00:00:00Z  took 20s\x1b[0m
\x1b[1mEnvironment: the same\x1b[0m
\x1b[1mScript: not compared
  the server does not have the script of 01010101-0101-0101-0101-010101010101\x1b[0m
\x1b[1mCause: different\x1b[0m
\x1b[31m- exited 0\x1b[0m
\x1b[32m+ exited 1\x1b[0m
\x1b[1mConsole: 1 line removed, 1 added\x1b[0m
\x1b[2m@@ -1,2 +1,2 @@\x1b[0m
 configure
\x1b[31m-fine\\x1b[2J\x1b[0m
\x1b[32m+wrong\\u{9b}2J\x1b[0m
\x1b[1mArtifacts: the same, none\x1b[0m
";
    assert_eq!(screen, expected);
}
