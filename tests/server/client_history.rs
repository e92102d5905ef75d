//! What a person gets to know of builds with the client: `history`, `logs` and shortened uuids.

use crate::site;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::File;
use builder_tests::{Peer, Server, Site, vectors, wait_for};
use std::process::Output;

/// Runs a job to this end, which takes artifacts along, and gives its uuid.
fn build(site: &Site, server: &Server, name: &str, lines: &[&str], result: BuildResult) -> Uuid {
    let before = site.results(name).len();
    if before == 0 {
        server.schedule(name, "linux");
    } else {
        site.succeed(server, ["execute", name]);
    }
    let mut worker = Peer::worker(server, "linux");
    let (uuid, _) = worker.receive_job();
    lines.iter().for_each(|line| worker.print(uuid, line));
    worker.finish(uuid, result, vec![File { path: "bin/made".into(), data: vec![b'x'; 2048].into() }]);
    site.wait_for_results(name, before + 1);
    uuid
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// The cells of each line of a table, without its head.
fn cells(table: &str) -> Vec<Vec<&str>> {
    let lines = table.lines().skip(1);
    lines.map(|line| line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect()).collect()
}

#[test]
fn who_asks_in_the_morning_learns_what_failed_and_why() {
    let site = site();
    let server = site.start();
    let first = build(&site, &server, "hello", &["all is well"], BuildResult::Exited(0));
    let failed = build(&site, &server, "hello", &["a", "error: \x1b[2J"], BuildResult::Exited(7));
    let last = build(&site, &server, "hello", &["all is well again"], BuildResult::Exited(0));
    let other = build(&site, &server, "other", &[], BuildResult::Message("timeout".into()));

    let list = stdout(&site.client(&server, ["history"]));
    let lines = cells(&list);
    let column = |number: usize| lines.iter().map(|line| line[number]).collect::<Vec<_>>();
    assert_eq!(column(0), ["timeout", "ok", "exited 7", "ok"], "{list}");
    assert_eq!(column(1), ["other", "hello", "hello", "hello"], "{list}");
    assert_eq!(column(7)[1..], ["1, 2.0 KiB"; 3], "{list}");
    assert_eq!(column(8), [other, last, failed, first].map(|uuid| uuid.to_string()), "{list}");

    let failures = site.client(&server, ["history", "--failed", "--since", "1d", "--json"]);
    let failures = stdout(&failures);
    assert_eq!(failures.lines().count(), 2, "{failures}");
    assert!(failures.lines().next().unwrap().contains("\"cause\":\"timeout\""), "{failures}");
    assert!(failures.contains(&format!("\"uuid\":\"{failed}\"")), "{failures}");
    let of_job = stdout(&site.client(&server, ["history", "hello", "--limit", "1"]));
    assert_eq!(cells(&of_job)[0][8], last.to_string(), "{of_job}");

    let console = |words: &[&str]| stdout(&site.client(&server, [words, &["--times", "none"]].concat()));
    assert_eq!(console(&["logs", "hello"]), "all is well again\nexited 0\n");
    assert_eq!(console(&["logs", "hello", "--failed"]), "a\nerror: \x1b[2J\nexited 7\n");
    let beginning = &first.to_string()[..13];
    assert_eq!(console(&["logs", beginning]), "all is well\nexited 0\n");
    assert_eq!(console(&["logs", beginning, "--follow"]), "all is well\nexited 0\n");
    let observed = stdout(&site.client(&server, ["observe", beginning]));
    assert!(observed.ends_with("s exited 0\n"), "{observed}");

    let hits = stdout(&site.client(&server, ["logs", "hello", "--grep", "well|error"]));
    let short = |uuid: Uuid| uuid.to_string()[..8].to_owned();
    let expected = format!(
        "{}:1: all is well again\n{}:2: error: \x1b[2J\n{}:1: all is well\n",
        short(last),
        short(failed),
        short(first)
    );
    assert_eq!(hits, expected);
    let nothing = site.client(&server, ["logs", "hello", "--grep", "exited"]);
    assert_eq!((nothing.status.code(), stdout(&nothing)), (Some(1), String::new()));
}

#[test]
fn a_build_that_runs_is_listed_and_its_console_is_there_so_far() {
    let site = site();
    let server = site.start();
    server.schedule("hello", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "so far");
    let so_far = || stdout(&site.client(&server, ["logs", "hello", "--times", "none"]));
    wait_for("the line to arrive", || so_far() == "so far\n");
    let list = stdout(&site.client(&server, ["history", "hello"]));
    assert_eq!(cells(&list)[0][0], "running", "{list}");

    let follower = site
        .client_command(&server)
        .args(["logs", "hello", "--follow", "--times", "none"])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    worker.print(uuid, "more");
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    assert_eq!(stdout(&follower.wait_with_output().unwrap()), "so far\nmore\nexited 0\n");
}

#[test]
fn what_is_remembered_survives_a_server_that_is_killed() {
    let site = site();
    let server = site.start();
    let uuid = build(&site, &server, "hello", &["a"], BuildResult::Exited(1));
    server.kill();
    let server = site.start();
    let list = stdout(&site.client(&server, ["history", "--failed"]));
    assert_eq!(cells(&list)[0][8], uuid.to_string(), "{list}");
    assert_eq!(stdout(&site.client(&server, ["logs", "hello", "--times", "none"])), "a\nexited 1\n");
}

#[test]
fn two_real_builds_are_compared() {
    let site = site();
    let server = site.start();
    let first = build(&site, &server, "hello", &["same", "before"], BuildResult::Exited(0));
    let compared = |words: &[&str]| {
        let output = site.client(&server, [&["diff"], words].concat());
        (output.status.code(), stdout(&output))
    };
    let last = build(&site, &server, "hello", &["same", "after"], BuildResult::Exited(0));
    let (code, text) = compared(&["hello"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("\n-before\n+after\n"), "{text}");
    assert!(text.contains("Script: the same") && text.contains("Artifacts: the same"), "{text}");
    let (first, last) = (first.to_string(), last.to_string());
    assert_eq!(compared(&[&first[..13], &last]), (code, text), "shortened uuids");
    let again = build(&site, &server, "hello", &["same", "after"], BuildResult::Exited(0)).to_string();
    let (code, text) = compared(&[&last, &again]);
    assert_eq!(code, Some(0), "{text}");
}

#[test]
fn what_builder_0_4_0_stored_is_taken_in() {
    let site = site();
    let bytes = std::fs::read(vectors::path("full-0.4.0.der")).unwrap();
    let stored = Execution::decode(&bytes).unwrap();
    let directory = site.data().join(stored.job.name.to_string()).join(stored.uuid.to_string());
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("full"), bytes).unwrap();
    let server = site.start();
    let list = || stdout(&site.client(&server, ["history", "--json"]));
    wait_for("the build", || list().contains(&format!("\"uuid\":\"{}\"", stored.uuid)));
    let list = list();
    assert_eq!(list.lines().count(), 1, "{list}");
    assert!(list.contains(&format!("\"artifacts\":{}", stored.output.len())), "{list}");
    assert!(list.contains(&format!("\"started\":\"{}\"", stored.started)), "{list}");
}
