//! Consoles of builds that are named by their job or their uuid, and what matches in them.

use super::{UUID, output, run, serve, stderr, stdout, uuid};
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply};
use builder_proto::history::{Build, BuildEnd, Cause, HistoryQuery};
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;

fn build(uuid: Uuid, cause: Option<Cause>) -> Command {
    Command::Build(Build {
        uuid: RawUuid(uuid),
        job: "hello".into(),
        platform: "p".into(),
        started: Time::UNIX_EPOCH,
        queued: None,
        host: None,
        end: cause.map(|cause| BuildEnd::new(Time::UNIX_EPOCH, cause)),
    })
}

fn failed(uuid: Uuid) -> Vec<Command> {
    vec![build(uuid, Some(Cause::Exited(1))), Command::Success]
}

fn running(uuid: Uuid) -> Vec<Command> {
    vec![build(uuid, None), Command::Success]
}

/// An answer with these lines.
fn console(lines: &[&str]) -> Vec<Command> {
    let lines = lines.iter().map(|line| output(line, 1500));
    lines.chain([Command::Success]).collect()
}

fn nothing() -> Vec<Command> {
    vec![Command::Success]
}

fn query() -> HistoryQuery {
    HistoryQuery { job: Some("hello".into()), limit: Some(1), ..HistoryQuery::default() }
}

/// What the client prints and how it ends, and what it asked.
fn logs(words: &[&str], answers: Vec<Vec<Command>>) -> (String, String, Option<i32>, Vec<Command>) {
    let (remote, server) = serve(answers);
    let output = run(&remote, &[&["logs"], words].concat());
    let complaint = stderr(&output).replace(&remote, "PEER");
    (stdout(&output), complaint, output.status.code(), server.join().unwrap())
}

#[test]
fn the_console_of_the_newest_build_of_a_job_is_printed() {
    let (text, complaint, code, asked) =
        logs(&["hello"], vec![failed(uuid()), console(&["a\x1b[2J", "exited 1"])]);
    assert_eq!((text.as_str(), complaint.as_str()), ("1.500s a\x1b[2J\n1.500s exited 1\n", ""));
    assert_eq!(code, Some(0));
    assert_eq!(asked, [Command::History(query()), Command::Console(uuid())]);
}

#[test]
fn a_whole_uuid_or_its_beginning_names_a_build() {
    let by_digits = |digits: &str| {
        let uuid = Some(digits.into());
        Command::History(HistoryQuery { uuid, limit: Some(6), ..HistoryQuery::default() })
    };
    let (text, _, _, asked) = logs(&[UUID], vec![failed(uuid()), console(&["a"])]);
    assert_eq!(text, "1.500s a\n");
    assert_eq!(asked, [by_digits(&UUID.replace('-', "")), Command::Console(uuid())]);

    let (text, _, _, asked) = logs(&["988a"], vec![nothing(), failed(uuid()), console(&["a"])]);
    assert_eq!(text, "1.500s a\n");
    let by_job = HistoryQuery { job: Some("988a".into()), ..query() };
    assert_eq!(asked[..2], [Command::History(by_job), by_digits("988a")], "a job of that name counts more");
}

#[test]
fn who_wants_a_failure_gets_the_newest_one() {
    let (_, _, code, asked) =
        logs(&["hello", "--failed", "--platform", "p"], vec![failed(uuid()), console(&["a"])]);
    let expected = HistoryQuery { failed: true, platform: Some("p".into()), ..query() };
    assert_eq!((code, &asked[0]), (Some(0), &Command::History(expected)));

    let ok = vec![build(uuid(), Some(Cause::Exited(0))), Command::Success];
    let (_, complaint, code, _) = logs(&["hello", "--failed"], vec![nothing(), ok.clone()]);
    let expected =
        "builder-client: no build of hello has failed; 'builder-client history hello' lists its builds\n";
    assert_eq!((complaint.as_str(), code), (expected, Some(1)));

    let (_, complaint, code, _) = logs(&[UUID, "--failed"], vec![ok]);
    assert_eq!(complaint, format!("builder-client: build {UUID} of hello did not fail\n"));
    assert_eq!(code, Some(1));
}

#[test]
fn a_job_that_there_is_not_is_named_with_what_may_be_meant() {
    let info = |name: &str| {
        let job = Job::Script(ScriptJob { name: name.into(), script: "".into(), platform: "p".into() });
        let schedule = vec![ScheduleItem { next: Time::NEVER, period: Period::Never, job }];
        vec![Command::InfoReply(InfoReply { schedule, ..InfoReply::default() }), Command::Success]
    };
    let complaint = |answers| logs(&["hello"], answers).1;
    assert_eq!(
        complaint(vec![nothing(), info("hello")]),
        "builder-client: hello has not run yet; 'builder-client info' shows when it will\n"
    );
    assert_eq!(
        complaint(vec![nothing(), info("helo"), nothing()]),
        "builder-client: no build of a job hello is known; did you mean helo?\n"
    );
    assert_eq!(
        complaint(vec![nothing(), info("x"), nothing()]),
        "builder-client: no build of a job hello is known; 'builder-client history' lists the builds that the server remembers\n"
    );
}

#[test]
fn times_are_relative_or_absolute_or_left_out() {
    let with = |times: &str| logs(&["hello", "--times", times], vec![failed(uuid()), console(&["a"])]).0;
    assert_eq!(with("relative"), "1.500s a\n");
    assert_eq!(with("absolute"), "1970-01-01T00:00:01.500Z a\n");
    assert_eq!(with("none"), "a\n");
    let (text, ..) = logs(
        &["hello", "--json", "--times", "absolute"],
        vec![failed(uuid()), console(&["a\x1b\u{9b}", "exited 1"])],
    );
    let time = "\"time\":\"1970-01-01T00:00:01.500Z\"";
    assert_eq!(
        text,
        format!(
            "{{\"line\":\"a\\u001b\\u009b\",\"nanoseconds\":1500000000,{time}}}\n\
             {{\"nanoseconds\":1500000000,\"result\":\"exited 1\",\"succeeded\":false,{time}}}\n"
        )
    );
}

#[test]
fn a_build_that_runs_has_no_result_unless_it_is_followed() {
    let (text, ..) = logs(&["hello", "--json"], vec![running(uuid()), console(&["exited 0"])]);
    assert_eq!(text, "{\"line\":\"exited 0\",\"nanoseconds\":1500000000}\n", "the job has printed that");
    let (text, _, _, asked) =
        logs(&["hello", "--json", "--follow"], vec![running(uuid()), console(&["exited 0"])]);
    assert_eq!(text, "{\"nanoseconds\":1500000000,\"result\":\"exited 0\",\"succeeded\":true}\n");
    assert_eq!(asked[1], Command::Observe(uuid()));
}

#[test]
fn all_builds_of_a_job_are_searched_and_each_hit_names_its_build_and_line() {
    let other: Uuid = "988ad4a2-657b-4f84-9116-f936eeddac84".parse().unwrap();
    let builds = vec![build(uuid(), Some(Cause::Exited(1))), build(other, None), Command::Success];
    let answers =
        || vec![builds.clone(), console(&["ok", "an error", "exited 1"]), console(&["error\x1b[2J"])];
    let words = ["hello", "--grep", "err|exited", "--since", "1970-01-01", "--limit", "7"];
    let (text, complaint, code, asked) = logs(&words, answers());
    assert_eq!(text, "988ad4a2-64:2: an error\n988ad4a2-65:1: error\x1b[2J\n");
    assert_eq!((complaint.as_str(), code), ("", Some(0)));
    let expected = HistoryQuery { since: Some(Time::UNIX_EPOCH), limit: Some(7), ..query() };
    let expected = [Command::History(expected), Command::Console(uuid()), Command::Console(other)];
    assert_eq!(asked, expected);

    let (text, ..) = logs(&["hello", "--grep", "2J", "--json"], answers());
    let hit = format!(
        "{{\"line\":\"error\\u001b[2J\",\"line_number\":1,\"nanoseconds\":1500000000,\"uuid\":\"{other}\"}}\n"
    );
    assert_eq!(text, hit);

    let (text, complaint, code, _) = logs(&["hello", "--grep", "nothing like this"], answers());
    assert_eq!((text.as_str(), complaint.as_str(), code), ("", "", Some(1)), "as grep does");
}

#[test]
fn a_console_that_is_gone_leaves_the_others_searched() {
    let gone = || vec![Command::Failure("uuid not found".into())];
    let builds = || {
        let ended = |uuid| build(uuid, Some(Cause::Exited(1)));
        vec![ended(uuid()), ended(Uuid::max()), Command::Success]
    };
    let (text, complaint, code, _) =
        logs(&["hello", "--grep", "a"], vec![builds(), gone(), console(&["a", "exited 1"])]);
    assert_eq!((text.as_str(), code), ("ffffffff:1: a\n", Some(0)));
    let warning = "builder-client: warning: of 2 builds, 1 could not be searched: their consoles are no longer on the server\n";
    assert_eq!(complaint, warning);

    let busy = vec![Command::Failure("busy: 10 observers, the limit; try again later".into())];
    let (_, complaint, code, _) = logs(&["hello", "--grep", "a"], vec![builds(), busy]);
    let expected = "builder-client: busy: 10 observers, the limit; try again later\n";
    assert_eq!((complaint.as_str(), code), (expected, Some(1)));
}

#[test]
fn of_one_build_only_the_lines_that_match_are_printed() {
    let (text, _, code, _) = logs(
        &[UUID, "--grep", "^e"],
        vec![nothing(), nothing(), failed(uuid()), console(&["e1", "x", "exited 1"])],
    );
    assert_eq!((text.as_str(), code), ("1.500s e1\n", Some(0)), "and no result");
    let words = ["hello", "--grep", "none", "--follow"];
    let (text, _, code, asked) = logs(&words, vec![running(uuid()), console(&["e1", "exited 0"])]);
    assert_eq!((text.as_str(), code), ("", Some(1)));
    assert_eq!(asked[1], Command::Observe(uuid()));
}

#[test]
fn no_build_since_then_is_not_the_newest_before() {
    let words = ["hello", "--grep", "a", "--since", "1h"];
    let (text, complaint, code, asked) = logs(&words, vec![nothing(), failed(uuid())]);
    assert_eq!((text.as_str(), complaint.as_str(), code), ("", "", Some(1)));
    assert_eq!(asked[1], Command::History(query()));
}

#[test]
fn a_line_of_many_megabytes_is_printed_and_searched() {
    let long = format!("{}needle", "x".repeat(15 << 20));
    let lines = || console(&[&long, "exited 1"]);
    let (text, ..) = logs(&["hello", "--times", "none"], vec![failed(uuid()), lines()]);
    assert!(text.starts_with("xxx") && text.ends_with("needle\nexited 1\n"));
    assert_eq!(text.len(), long.len() + "\nexited 1\n".len());
    let (text, ..) = logs(&["hello", "--grep", "x*needle$"], vec![failed(uuid()), lines()]);
    assert_eq!(text.len(), "988ad4a2:1: ".len() + long.len() + 1);
}

#[test]
fn an_answer_that_is_none_is_an_error_after_the_lines_that_came() {
    let lines = || output("a", 1500);
    let (text, complaint, code, _) = logs(&["hello"], vec![failed(uuid()), vec![lines()]]);
    assert_eq!((text.as_str(), code), ("1.500s a\n", Some(1)));
    assert_eq!(complaint, "builder-client: PEER closed the connection before the end of the build\n");
    let strange = vec![lines(), build(uuid(), None)];
    let (text, complaint, code, _) = logs(&["hello"], vec![failed(uuid()), strange]);
    assert_eq!((text.as_str(), code), ("1.500s a\n", Some(1)));
    assert_eq!(complaint, "builder-client: PEER answered build to console\n");
}
