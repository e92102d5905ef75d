//! How the server stops, and what it does instead.

use crate::site;
use builder_proto::command::Command;
use builder_tests::{Peer, signal, wait_for};
use std::time::{Duration, Instant};

/// How long a server that has something of everything to do takes to stop.
fn time_to_stop(name: &str) -> Duration {
    let site = site();
    let mut server = site.start();
    server.schedule("running", "linux");
    server.schedule("queued", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "line");
    let mut observer = Peer::client(&server);
    observer.send(&Command::Observe(uuid));
    assert!(matches!(observer.receive(), Command::Output { .. }));
    let mut waiting = Peer::worker(&server, "bsd");
    let mut silent = Peer::connect(&server);

    let start = Instant::now();
    signal(server.pid(), name);
    wait_for("the server to end", || server.has_ended());
    let elapsed = start.elapsed();
    assert_eq!(server.status().code(), Some(0), "{}", server.log());
    for peer in [&mut worker, &mut observer, &mut waiting, &mut silent] {
        assert_eq!(peer.try_receive(), None);
    }

    let server = site.start();
    assert_eq!(server.queue("linux").unwrap(), ["running", "queued"]);
    elapsed
}

#[test]
fn it_stops_within_a_second_with_success_when_asked() {
    for name in ["TERM", "INT"] {
        // The machine may be busy with other tests; the server alone must not need longer.
        let fastest = (0..3).map(|_| time_to_stop(name)).min().unwrap();
        assert!(fastest < Duration::from_secs(1), "SIG{name}: {fastest:?}");
    }
}

#[test]
fn a_hangup_makes_it_look_at_its_templates_and_nothing_else() {
    let site = site();
    let server = site.start();
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    signal(server.pid(), "HUP");
    server.wait_for_log("reading the templates again");
    worker.finish(uuid, builder_proto::build_result::BuildResult::Exited(0), vec![]);
    site.wait_for_results("job", 1);
}
