//! People in charge: builds that they cancel, platforms that they pause, a server that they drain.

use crate::{reason, site};
use builder_proto::build_result::BuildResult;
use builder_tests::{Peer, Server, Site, uuid_of, wait_for};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// The uuid of the build that runs.
fn running(server: &Server) -> String {
    wait_for("a build to run", || !server.info().running.is_empty());
    server.info().running[0].uuid.to_string()
}

/// A server and a worker that runs a job which prints a line, starts a process of its own, and never ends.
fn busy() -> (Site, Server, Child, PathBuf) {
    let site = site();
    let server = site.start();
    let script = "#!/bin/sh\necho begun\nsleep 100000 &\necho $! > $MARK\nwait\n";
    let mark = site.file("mark", "");
    site.schedule(&server, "endless", "linux", &script.replace("$MARK", mark.to_str().unwrap()));
    let worker = site.worker(&server, "linux");
    wait_for("the job to start a process", || fs::read_to_string(&mark).unwrap().ends_with('\n'));
    (site, server, worker, mark)
}

#[test]
fn a_cancelled_build_ends_with_its_processes_and_its_console_is_kept() {
    let (site, server, mut worker, mark) = busy();
    let uuid = running(&server);
    let output = site.succeed(&server, ["cancel", &uuid[..8]]);
    assert!(output.starts_with(&format!("build {uuid} of job endless on linux is cancelled; ")), "{output}");
    let results = site.wait_for_results("endless", 1);
    let reason = reason(&results[0]);
    assert_eq!(reason, "cancelled by a client at 127.0.0.1");
    let logs = site.succeed(&server, ["logs", &uuid, "--times=none"]);
    assert!(logs.starts_with("begun\n") && logs.contains("cancelled by"), "{logs}");
    assert!(site.succeed(&server, ["history", "--json"]).contains("cancelled"));
    worker.wait().unwrap();
    let process = fs::read_to_string(mark).unwrap();
    wait_for("the process that the job started to be killed", || {
        let mut look = Command::new("kill");
        !look.args(["-0", process.trim()]).stderr(Stdio::null()).status().unwrap().success()
    });
    assert!(server.info().queues.iter().all(|queue| queue.jobs.is_empty()));
    let refused = site.refused(&server, ["cancel", &uuid]);
    assert!(refused.contains("does not run; it has ended"), "{refused}");
}

#[test]
fn a_cancelled_job_leaves_the_queues_and_stays_in_the_schedule() {
    let (site, server, mut worker, _) = busy();
    site.succeed(&server, ["execute", "endless"]);
    let output = site.succeed(&server, ["cancel", "endless"]);
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!(lines.len(), 2, "{output}");
    assert_eq!(lines[0], "job endless is taken out of the queue of linux");
    site.wait_for_results("endless", 1);
    let info = server.info();
    assert!(info.queues.iter().all(|queue| queue.jobs.is_empty()) && info.running.is_empty(), "{info:?}");
    assert_eq!(info.schedule.len(), 1);
    let idle = site.refused(&server, ["cancel", "endless"]);
    assert!(idle.starts_with("builder-client: job endless neither runs nor waits; "), "{idle}");
    let unknown = site.refused(&server, ["cancel", "endles"]);
    assert_eq!(unknown, "builder-client: unknown job endles; did you mean endless?\n");
    worker.wait().unwrap();
}

#[test]
fn whoever_cancels_through_a_socket_of_the_file_system_is_named() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("clients");
    site.options = vec!["--client-listen".to_owned(), format!("unix:{}", socket.display())];
    let server = site.start();
    site.schedule(&server, "job", "linux", "true\n");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let user = Command::new("id").arg("-un").output().unwrap();
    site.succeed(&server, ["cancel", &uuid.to_string()]);
    let results = site.wait_for_results("job", 1);
    assert_eq!(uuid_of(&results[0]), uuid.to_string());
    assert_eq!(reason(&results[0]), format!("cancelled by user {}", text(&user.stdout).trim()));
}

#[test]
fn a_paused_platform_hands_nothing_out_over_a_restart() {
    let site = site();
    let mut server = site.start();
    server.schedule("job", "linux");
    assert_eq!(site.succeed(&server, ["pause", "linux"]), "");
    assert!(server.terminate().success());
    let server = site.start();
    let mut worker = Peer::worker(&server, "linux");
    server.schedule("other", "other");
    Peer::worker(&server, "other").receive_job();
    assert!(!server.info().running.iter().any(|build| build.job.platform == "linux".into()));
    site.succeed(&server, ["resume", "linux"]);
    worker.receive_job();
    let refused = site.refused(&server, ["resume", "linux"]);
    assert_eq!(refused, "builder-client: platform linux is not paused\n");
    let unknown = site.refused(&server, ["pause", "linus"]);
    assert_eq!(unknown, "builder-client: unknown platform linus; did you mean linux?\n");
}

#[test]
fn a_drained_server_says_when_nothing_runs() {
    let site = site();
    let server = site.start();
    server.schedule("first", "linux");
    server.schedule("second", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let mut waiting = site.client_command(&server).args(["drain", "--wait"]).spawn().unwrap();
    wait_for("the server to be drained", || server.log().contains("the server is drained"));
    let mut idle = Peer::worker(&server, "linux");
    assert!(waiting.try_wait().unwrap().is_none());
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    assert!(waiting.wait().unwrap().success());
    assert_eq!(site.wait_for_results("first", 1).len(), 1);
    assert!(server.info().running.is_empty());
    site.succeed(&server, ["resume"]);
    idle.receive_job();
}
