//! Lists of builds, for people and for programs.

use super::{run, serve, stderr, stdout};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::{Build, BuildEnd, Cause, HistoryQuery};
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::time::Duration;

/// A build that started so many minutes after 1970 began and took so many seconds.
fn build(number: u8, job: &str, minutes: i64, seconds: u64, cause: Cause) -> Command {
    let started = Time::from_unix_milliseconds(minutes * 60_000);
    Command::Build(Build {
        uuid: RawUuid(Uuid::from_bytes([number; 16])),
        job: job.into(),
        platform: "p".into(),
        started,
        queued: None,
        host: None,
        end: Some(BuildEnd::new(started.saturating_add(Duration::from_secs(seconds)), cause)),
    })
}

fn ok(number: u8, minutes: i64, seconds: u64) -> Command {
    build(number, "hello", minutes, seconds, Cause::Exited(0))
}

/// The cells of a line of a table.
fn cells(line: &str) -> Vec<&str> {
    line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn a_list_says_how_builds_ended_and_what_is_usual() {
    let lost = build(2, "x\x1b[2J\u{202e}", 2, 9, Cause::Lost("gone\n\x1b[2J".into()));
    let answers = vec![ok(3, 3, 100), lost, ok(1, 1, 60), Command::Success];
    let (remote, server) = serve(vec![answers]);
    let output = run(&remote, &["history"]);
    assert_eq!((output.status.code(), stderr(&output)), (Some(0), String::new()));
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    let first = cells(lines[1]);
    assert_eq!(first[..4], ["ok", "hello", "p", "1970-01-01T00:03:00Z"]);
    assert_eq!(first[5..7], ["1m 40s", "1m 20s"]);
    assert_eq!(first[8], "03030303-0303-0303-0303-030303030303");
    let second = cells(lines[2]);
    assert_eq!(second[..2], ["lost: gone\\n\\x1b[2J", "x\\x1b[2J\\u{202e}"]);
    let query = HistoryQuery { limit: Some(1000), ..HistoryQuery::default() };
    assert_eq!(server.join().unwrap(), [Command::History(query)]);
}

#[test]
fn what_is_usual_is_asked_for_when_only_some_builds_are_listed() {
    let failed = build(2, "hello", 2, 100, Cause::Exited(1));
    let answers = vec![vec![failed.clone(), Command::Success], vec![failed, ok(1, 1, 60), Command::Success]];
    let (remote, server) = serve(answers);
    let words = ["history", "hello", "--failed", "--platform", "p", "--since", "1970-01-01", "--limit", "7"];
    let output = run(&remote, &words);
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 2, "{text}");
    assert_eq!(cells(text.lines().nth(1).unwrap())[5..7], ["1m 40s slow", "1m 0s"]);
    let all = HistoryQuery {
        job: Some("hello".into()),
        platform: Some("p".into()),
        limit: Some(50),
        ..HistoryQuery::default()
    };
    let query = HistoryQuery { failed: true, since: Some(Time::UNIX_EPOCH), limit: Some(8), ..all.clone() };
    assert_eq!(server.join().unwrap(), [Command::History(query), Command::History(all)]);
}

#[test]
fn no_more_builds_are_listed_than_wanted_however_many_come() {
    let answers = (0..100).map(|number| ok(number, 1, 1)).collect();
    let (remote, server) = serve(vec![answers]);
    let output = run(&remote, &["history", "--limit", "3", "hello"]);
    assert_eq!((output.status.code(), stdout(&output).lines().count()), (Some(0), 4), "{output:?}");
    server.join().unwrap();
}

#[test]
fn programs_get_an_object_a_line_of_builds() {
    let hostile = build(2, "x\u{9b}2J", 2, 9, Cause::Cancelled("eve\x1b[2J".into()));
    let (remote, server) = serve(vec![vec![ok(1, 3, 60), hostile, Command::Success]]);
    let output = run(&remote, &["history", "--json"]);
    server.join().unwrap();
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    for part in [
        "\"uuid\":\"01010101-0101-0101-0101-010101010101\"",
        "\"started\":\"1970-01-01T00:03:00Z\"",
        "\"seconds\":60.0",
        "\"usual_seconds\":60.0",
        "\"exit_code\":0",
        "\"failed\":false",
        "\"host\":null",
    ] {
        assert!(lines[0].contains(part), "{part}: {text}");
    }
    for part in ["\"job\":\"x\\u009b2J\"", "\"cause\":\"cancelled\"", "\"reason\":\"eve\\u001b[2J\""] {
        assert!(lines[1].contains(part), "{part}: {text}");
    }
}

#[test]
fn nothing_that_fits_is_no_failure() {
    for words in [&["history"][..], &["history", "hello", "--failed"], &["history", "--json"]] {
        let (remote, server) = serve(vec![vec![Command::Success]]);
        let output = run(&remote, words);
        let all = (output.status.code(), stdout(&output), stderr(&output));
        assert_eq!(all, (Some(0), String::new(), String::new()), "{words:?}");
        server.join().unwrap();
    }
}

#[test]
fn a_list_whose_end_is_missing_is_a_failure() {
    let (remote, server) = serve(vec![vec![ok(1, 1, 1)]]);
    let output = run(&remote, &["history"]);
    assert_eq!((output.status.code(), stdout(&output)), (Some(1), String::new()));
    let expected = format!("builder-client: {remote} closed the connection before the end of its answer\n");
    assert_eq!(stderr(&output), expected);
    server.join().unwrap();
}
