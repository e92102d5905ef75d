//! Who gets which job, and what becomes of a job whose worker is lost.

use crate::{observe, reason, site};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::File;
use builder_tests::{Peer, signal, uuid_of, wait_for};

#[test]
fn workers_are_served_first_come_first_served() {
    let site = site();
    let server = site.start();
    let mut workers: Vec<Peer> = (0..3)
        .map(|_| {
            let worker = Peer::worker(&server, "linux");
            // Its request has been read when the next connection is.
            server.info();
            worker
        })
        .collect();
    for (number, worker) in workers.iter_mut().enumerate() {
        let name = format!("job-{number}");
        server.schedule(&name, "linux");
        assert_eq!(worker.receive_job().1.name, name.into());
    }
}

#[test]
fn a_worker_that_is_gone_gets_no_job() {
    let site = site();
    let server = site.start();
    let gone = Peer::worker(&server, "linux");
    server.info();
    let mut waiting = Peer::worker(&server, "linux");
    drop(gone);
    server.schedule("job", "linux");
    assert_eq!(waiting.receive_job().1.name, "job".into());
    assert_eq!(server.info().running.len(), 1);
    assert_eq!(site.results("job").len(), 0, "no build was lost");
}

/// Nothing tells of the end of a connection once more that came together with the last bytes.
#[test]
fn a_worker_that_is_gone_with_its_request_gets_no_job() {
    let site = site();
    let server = site.start();
    let mut gone = Peer::unasked_worker(&server);
    server.info();
    signal(server.pid(), "STOP");
    gone.send(&Command::JobRequested("linux".into()));
    drop(gone);
    signal(server.pid(), "CONT");
    wait_for("the request to be read", || server.queue("linux").is_some());
    server.schedule("job", "linux");
    let mut waiting = Peer::worker(&server, "linux");
    let (uuid, _) = waiting.receive_job();
    waiting.finish(uuid, BuildResult::Exited(0), Vec::new());
    let results = site.wait_for_results("job", 1);
    assert_eq!(results.iter().map(|result| uuid_of(result)).collect::<Vec<_>>(), [uuid.to_string()]);
}

#[test]
fn a_new_platform_gets_the_orb_builds_that_repeat() {
    let site = site();
    let server = site.start();
    site.template("linux", "build %%OPAM_PACKAGE%%");
    site.succeed(&server, ["orb-build", "daily", "a"]);
    site.succeed(&server, ["orb-build", "once", "b", "--period", "never"]);
    site.succeed(&server, ["orb-build", "weekly", "c", "--period", "weekly"]);
    let mut worker = Peer::worker(&server, "linux");
    assert_eq!(worker.receive_job().1.name, "daily".into());
    assert_eq!(server.queue("linux").unwrap(), ["weekly"]);
    // Without a template there is a queue, but no orb-build in it.
    let _waiting = Peer::worker(&server, "bsd");
    wait_for("the queue of bsd", || server.queue("bsd").is_some());
    assert_eq!(server.queue("bsd").unwrap(), [""; 0]);
}

#[test]
fn the_job_of_a_lost_worker_is_first_in_its_queue_again_and_its_console_is_kept() {
    let site = site();
    let server = site.start();
    server.schedule("fragile", "linux");
    server.schedule("next", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "last words");
    drop(worker);
    wait_for("the job to be queued", || server.queue("linux").unwrap() == ["fragile", "next"]);
    let results = site.wait_for_results("fragile", 1);
    assert!(reason(&results[0]).starts_with("worker lost: "), "{}", reason(&results[0]));
    let lines = observe(&server, uuid);
    assert_eq!(lines[0], "last words");
    assert!(lines[1].starts_with("execution aborted: worker lost: "), "{lines:?}");
}

#[test]
fn an_observer_of_a_lost_build_is_told_how_it_ended() {
    let site = site();
    let server = site.start();
    server.schedule("fragile", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let observer = std::thread::scope(|scope| {
        let observer = scope.spawn(|| site.succeed(&server, ["observe", &uuid.to_string()]));
        worker.print(uuid, "last words");
        drop(worker);
        observer.join().unwrap()
    });
    let lines: Vec<&str> = observer.lines().collect();
    assert!(lines[0].ends_with("s last words"), "{observer}");
    assert!(lines[1].contains("s execution aborted: worker lost: "), "{observer}");
    assert_eq!(lines.len(), 2, "{observer}");
}

#[test]
fn a_success_forgives_the_losses_before_it() {
    let site = site();
    let server = site.start();
    server.schedule("fragile", "linux");
    for round in 0..2 {
        for _ in 0..2 {
            assert_eq!(Peer::worker(&server, "linux").receive_job().1.name, "fragile".into());
        }
        let mut worker = Peer::worker(&server, "linux");
        let (uuid, _) = worker.receive_job();
        worker.finish(uuid, BuildResult::Exited(0), vec![]);
        site.wait_for_results("fragile", 3 * (round + 1));
        site.succeed(&server, ["execute", "fragile"]);
    }
}

#[test]
fn a_console_beyond_its_limit_fails_the_build() {
    let mut site = site();
    site.options = ["--console-limit", "1K"].map(String::from).to_vec();
    let server = site.start();
    server.schedule("chatty", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "short");
    worker.print(uuid, &"long".repeat(1000));
    assert!(worker.receive_failure().contains("the console exceeds the limit of 1024 bytes"));
    let results = site.wait_for_results("chatty", 1);
    assert!(reason(&results[0]).contains("--console-limit"), "{}", reason(&results[0]));
    assert_eq!(observe(&server, uuid)[0], "short");
    assert_eq!(server.queue("linux").unwrap(), [""; 0], "it waits for its schedule");
}

#[test]
fn artifacts_beyond_their_limit_fail_the_build() {
    let mut site = site();
    site.options = ["--artifact-limit", "1K"].map(String::from).to_vec();
    let server = site.start();
    server.schedule("large", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let data = vec![File { path: "large".into(), data: vec![7; 2000].into() }];
    worker.send(&Command::JobFinished { uuid, result: BuildResult::Exited(0), data });
    let failure = worker.receive_failure();
    assert!(failure.contains("at most 1024 bytes of artifacts"), "{failure}");
    assert!(failure.ends_with("the job itself: exited 0"), "{failure}");
    let results = site.wait_for_results("large", 1);
    assert_eq!(reason(&results[0]), failure);
    assert_eq!(server.queue("linux").unwrap(), [""; 0], "it waits for its schedule");
}
