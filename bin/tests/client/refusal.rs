//! What is said when a server refuses, and what the client adds.

use super::{UUID, run, serve, stderr};
use builder_proto::command::{Command, InfoReply};
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::time::{Period, Time};

#[test]
fn a_refusal_is_printed_and_ends_with_1() {
    let (remote, server) = serve(vec![vec![Command::Failure("disk full\x1b[2J".into())]]);
    let output = run(&remote, &["unschedule", "hello"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "builder-client: disk full\\x1b[2J\n");
    server.join().unwrap();
}

/// Servers of 0.4.0 refuse in the same words.
#[test]
fn a_refused_name_is_compared_with_those_that_the_server_knows() {
    let job = ScriptJob { name: "hello".into(), script: "".into(), platform: "p".into() };
    let item = ScheduleItem { next: Time::NEVER, period: Period::Never, job: Job::Script(job) };
    let info = InfoReply { schedule: vec![item], ..InfoReply::default() };
    let refused = Command::Failure("unknown job helo".into());
    let (remote, server) = serve(vec![vec![refused.clone()], vec![Command::InfoReply(info)]]);
    let output = run(&remote, &["unschedule", "helo"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(stderr(&output), "builder-client: unknown job helo; did you mean hello?\n");
    assert_eq!(server.join().unwrap(), [Command::Unschedule("helo".into()), Command::Info]);

    // That nothing more can be found out is no reason to say less.
    let (remote, server) = serve(vec![vec![refused], vec![]]);
    let output = run(&remote, &["unschedule", "helo"]);
    assert_eq!(stderr(&output), "builder-client: unknown job helo; 'builder-client info' shows all jobs\n");
    server.join().unwrap();

    let (remote, server) = serve(vec![vec![Command::Failure("uuid not found".into())]]);
    let output = run(&remote, &["observe", UUID]);
    let expected = format!("builder-client: uuid not found: {UUID}; 'builder-client info' shows ");
    assert!(stderr(&output).starts_with(&expected), "{}", stderr(&output));
    server.join().unwrap();
}
