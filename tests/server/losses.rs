//! Workers that are sick, frozen, or drop what they are given: jobs wait for better ones.

use crate::{reason, site};
use builder_proto::build_result::BuildResult;
use builder_tests::{Peer, signal, stored, wait_for};
use std::time::{Duration, Instant};

#[test]
fn sick_workers_burn_no_job() {
    let site = site();
    let server = site.start();
    let names = ["one", "two", "three"];
    for name in names {
        server.schedule(name, "linux");
    }
    for _ in 0..10 {
        let worker =
            site.worker_command(&server, "linux").env("TMPDIR", "/no/such/directory").output().unwrap();
        assert_eq!(worker.status.code(), Some(1));
        let complaint = String::from_utf8_lossy(&worker.stderr);
        assert!(complaint.contains("no job can run here: "), "{complaint}");
    }
    assert_eq!(server.queue("linux").unwrap(), names);
    assert!(names.iter().all(|name| site.results(name).is_empty()));
    site.work(&server, "linux");
    assert_eq!(stored(&site.wait_for_results("one", 1)[0]).result, BuildResult::Exited(0));
}

#[test]
fn a_platform_whose_workers_drop_job_after_job_is_slowed_down_and_loses_none() {
    let site = site();
    let server = site.start();
    let names = ["one", "two", "three"];
    for name in names {
        server.schedule(name, "linux");
    }
    for _ in 0..4 {
        Peer::worker(&server, "linux").receive_job();
    }
    server.wait_for_log("platform linux lost 2 builds in a row; now it gets a job every 1 s, until a worker delivers a result");
    server.wait_for_log("platform linux lost 4 builds in a row; now it gets a job every 4 s, until a worker delivers a result");
    site.wait_for_results("one", 3);
    assert_eq!(server.queue("linux").unwrap(), ["two", "three", "one"], "nobody knows whether it has run");
    for _ in names {
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        worker.finish(uuid, BuildResult::Exited(0), vec![]);
    }
    server.wait_for_log(
        "a worker of platform linux delivered a result; jobs are handed out without delay again",
    );
    for (name, results) in [("one", 4), ("two", 2), ("three", 1)] {
        let results = site.wait_for_results(name, results);
        assert!(results.iter().any(|path| stored(path).result == BuildResult::Exited(0)), "{name}");
    }
}

/// The server grants a minute more than it is told, so this takes as long; it does nothing meanwhile.
#[test]
fn the_job_of_a_frozen_worker_goes_back() {
    let site = site();
    let mut command = site.server_command();
    command.args(["--timeout", "1s"]);
    let server = site.start_with(command);
    let mut frozen = site.worker(&server, "linux");
    wait_for("the worker to ask for a job", || server.queue("linux").is_some());
    signal(frozen.id(), "STOP");
    site.succeed(
        &server,
        [
            "schedule",
            "hello",
            "linux",
            site.file("script", "echo hello\n").to_str().unwrap(),
            "--period",
            "never",
        ],
    );
    wait_for("the build to start", || !server.info().running.is_empty());
    let start = Instant::now();
    while !server.info().running.is_empty() {
        assert!(start.elapsed() < Duration::from_secs(240), "the worker is waited for for ever");
        std::thread::sleep(Duration::from_millis(200));
    }
    let results = site.wait_for_results("hello", 1);
    let text = "worker lost: nothing came from the worker within 61 seconds, the time limit of a job; the job was queued again";
    assert_eq!(reason(&results[0]), text);
    assert_eq!(server.queue("linux").unwrap(), ["hello"]);
    site.work(&server, "linux");
    let results = site.wait_for_results("hello", 2);
    assert!(results.iter().any(|path| stored(path).result == BuildResult::Exited(0)));
    signal(frozen.id(), "KILL");
    frozen.wait().unwrap();
}
