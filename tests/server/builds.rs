//! From a command to a stored result.

use crate::{observe, site};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::File;
use builder_tests::{Peer, script, stored};

#[test]
fn a_job_goes_from_the_schedule_to_a_stored_result() {
    let site = site();
    let server = site.start();
    server.schedule("hello", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, job) = worker.receive_job();
    assert_eq!(job, script("hello", "linux"));
    worker.print(uuid, "one");
    worker.print(uuid, "two");
    let artifact = File { path: "bin/program".into(), data: vec![7; 100_000].into() };
    worker.finish(uuid, BuildResult::Exited(0), vec![artifact.clone()]);

    let results = site.wait_for_results("hello", 1);
    let stored = stored(&results[0]);
    assert_eq!(stored.job, job);
    assert_eq!(stored.uuid, uuid);
    assert_eq!(stored.result, BuildResult::Exited(0));
    assert_eq!(stored.output, [artifact]);
    let lines: Vec<String> = stored.console.iter().map(|line| line.line.to_string()).collect();
    assert_eq!(lines, ["one", "two"], "decoded the oldest first");
    assert_eq!(observe(&server, uuid), ["one", "two", "exited 0"]);
}

#[test]
fn a_small_result_is_stored_like_a_large_one() {
    let site = site();
    let server = site.start();
    server.schedule("small", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "line");
    worker.finish(uuid, BuildResult::Exited(3), vec![]);
    let results = site.wait_for_results("small", 1);
    let stored = stored(&results[0]);
    assert_eq!(stored.result, BuildResult::Exited(3));
    assert_eq!(stored.console.len(), 1);
    assert_eq!(observe(&server, uuid), ["line", "exited 3"]);
}

#[test]
fn an_observer_follows_from_the_first_line_to_the_result() {
    let site = site();
    let server = site.start();
    server.schedule("followed", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "before");
    let mut observer = Peer::client(&server);
    observer.send(&Command::Observe(uuid));
    let line = |observer: &mut Peer| match observer.receive() {
        Command::Output { line, .. } => line.to_string(),
        other => panic!("unexpected {other:?}"),
    };
    assert_eq!(line(&mut observer), "before");
    worker.print(uuid, "live");
    assert_eq!(line(&mut observer), "live");
    worker.finish(uuid, BuildResult::Signalled(9), vec![]);
    assert_eq!(line(&mut observer), "signalled SIGKILL");
    assert_eq!(observer.receive(), Command::Success);
    assert_eq!(observer.try_receive(), None);
}

#[test]
fn an_unknown_build_cannot_be_observed() {
    let site = site();
    let server = site.start();
    assert_eq!(
        server.ask(&Command::Observe(Uuid::from_bytes([1; 16]))),
        Command::Failure("uuid not found".into())
    );
}

#[test]
fn a_build_that_a_killed_server_was_running_runs_again_first() {
    let site = site();
    let server = site.start();
    server.schedule("first", "linux");
    server.schedule("second", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (lost, job) = worker.receive_job();
    assert_eq!(job.name, "first".into());
    worker.print(lost, "half way");
    let mut observer = Peer::client(&server);
    observer.send(&Command::Observe(lost));
    assert!(matches!(observer.receive(), Command::Output { .. }), "the line has reached the server");
    server.kill();

    let server = site.start();
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, job) = worker.receive_job();
    assert_eq!(job.name, "first".into());
    assert_ne!(uuid, lost);
    let results = site.wait_for_results("first", 1);
    let stored = stored(&results[0]);
    assert_eq!(stored.uuid, lost);
    assert!(matches!(stored.result, BuildResult::Message(_)), "{:?}", stored.result);
    let lines: Vec<String> = stored.console.iter().map(|line| line.line.to_string()).collect();
    assert_eq!(
        lines,
        ["half way".to_owned(), stored.result.to_string()],
        "what was printed, and why no more was"
    );
    assert_eq!(observe(&server, lost), lines, "observers are told once");
}

#[test]
fn a_lost_worker_puts_its_job_back_three_times() {
    let site = site();
    let server = site.start();
    server.schedule("fragile", "linux");
    for _ in 0..3 {
        let mut worker = Peer::worker(&server, "linux");
        assert_eq!(worker.receive_job().1.name, "fragile".into());
    }
    site.wait_for_results("fragile", 3);
    let Command::InfoReply(info) = server.ask(&Command::Info) else { panic!("no answer") };
    assert_eq!(info.queues[0].jobs, [], "the third loss in a row was the last");
    assert_eq!(info.schedule.len(), 1);
}
