//! A server that has nothing to do does nothing.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::time::Period;
use builder_tests::{Peer, processor_ticks, script, wait_for};
use std::thread::sleep;
use std::time::Duration;

/// How long it has to have been idle.
const WATCHED: Duration = Duration::from_secs(3);

#[test]
fn an_idle_server_uses_no_processor_time() {
    let site = site();
    site.template("linux", "true");
    let server = site.start();
    // Something of everything that could make a lesser server look now and then: a job that is due tomorrow, an orb-build
    // job, a finished build, one that runs, its observer, a worker that waits.
    let daily = Command::Schedule { period: Period::Daily, job: script("daily", "linux") };
    assert_eq!(server.ask(&daily), Command::Success);
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, BuildResult::Exited(0), vec![]);
    server.schedule("running", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "line");
    let mut observer = Peer::client(&server);
    observer.send(&Command::Observe(uuid));
    observer.receive();
    let _waiting = Peer::worker(&server, "bsd");
    site.succeed(&server, ["orb-build", "web", "mirage-web"]);

    // Results are synced a second after they came; then there is nothing more to do.
    let ticks = || processor_ticks(server.pid()).unwrap();
    let mut before = ticks();
    wait_for("the server to have nothing to do", || {
        sleep(WATCHED);
        let now = ticks();
        let idle = now == before;
        before = now;
        idle
    });
}
