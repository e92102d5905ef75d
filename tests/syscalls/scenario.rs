//! What is asked of servers while they are traced.

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::{File, OrbBuildJob, ScriptJob};
use builder_proto::time::{Period, Time};
use builder_tests::{Peer, Server, Site, script, wait_for};
use std::thread;

/// Bytes of artifacts that make a result a large one.
pub(crate) const LARGE: usize = 100 * 1024;
/// Console lines that make a result a large one, each of [`LINE_BYTES`].
const LINES: usize = 50;
const LINE_BYTES: usize = 1000;
/// Bytes of a script of which a few make the log grow beyond what is rotated.
pub(crate) const SCRIPT_BYTES: usize = 1500 * 1024;

/// A build under way.
pub(crate) struct Building {
    worker: Peer,
    pub(crate) uuid: Uuid,
}

/// Gives a command that is to succeed.
pub(crate) fn succeed(server: &Server, command: &Command) {
    assert_eq!(server.ask(command), Command::Success, "{command:?}\n{}", server.log());
}

/// Schedules a job on the platform of its name, and has a worker take it.
pub(crate) fn begin(server: &Server, name: &str) -> Building {
    server.schedule(name, name);
    take(server, name)
}

/// Has a worker take the job of a platform.
pub(crate) fn take(server: &Server, platform: &str) -> Building {
    let mut worker = Peer::worker(server, platform);
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "a line");
    Building { worker, uuid }
}

impl Building {
    /// Ends with so many bytes of artifacts.
    pub(crate) fn finish(self, bytes: usize) {
        self.worker.finish(self.uuid, BuildResult::Exited(0), artifacts(bytes));
    }

    /// The same with a server that may have had enough.
    pub(crate) fn finish_somehow(self, bytes: usize) {
        self.worker.finish_somehow(self.uuid, artifacts(bytes));
    }

    /// Prints so much that the console alone makes the result a large one, and waits until the server has read it.
    pub(crate) fn print_much(&mut self, server: &Server) {
        for _ in 0..LINES {
            self.worker.print(self.uuid, &"x".repeat(LINE_BYTES));
        }
        let mut observer = Peer::client(server);
        observer.send(&Command::Observe(self.uuid));
        (0..=LINES).for_each(|_| drop(observer.receive()));
    }

    /// Is lost.
    pub(crate) fn lose(self) {
        drop(self.worker);
    }
}

fn artifacts(bytes: usize) -> Vec<File> {
    vec![File { path: "bin/program".into(), data: vec![7; bytes].into() }]
}

/// Every command that changes something.
pub(crate) fn give_commands(site: &Site, server: &Server) {
    site.template("templated", "#!/bin/sh\n# %%OPAM_PACKAGE%%\n");
    server.schedule("one", "commands");
    succeed(server, &Command::Execute { name: "one".into(), platform: None });
    succeed(
        server,
        &Command::Reschedule { name: "one".into(), next: Time::NEVER, period: Some(Period::Daily) },
    );
    let job = OrbBuildJob { name: "two".into(), opam_package: "package".into() };
    succeed(server, &Command::ScheduleOrbBuild { period: Period::Weekly, job });
    server.info();
    succeed(server, &Command::Unschedule("one".into()));
    server.schedule("three", "dropped");
    succeed(server, &Command::DropPlatform("dropped".into()));
    succeed(server, &Command::UndropPlatform("dropped".into()));
    server.info();
}

/// Builds that end in every way.
pub(crate) fn build(server: &Server) {
    begin(server, "small").finish(10);
    begin(server, "large").finish(LARGE);
    let mut printed = begin(server, "printed");
    printed.print_much(server);
    printed.finish(0);
    let mut lost = begin(server, "lost");
    lost.print_much(server);
    server.info();
    lost.lose();
    take(server, "lost").lose();
    take(server, "lost").finish(10);
    observe(server);
}

/// Somebody follows a build to its end.
fn observe(server: &Server) {
    let building = begin(server, "observed");
    let mut observer = Peer::client(server);
    observer.send(&Command::Observe(building.uuid));
    observer.receive();
    building.finish(10);
    wait_for("the end of the observation", || observer.receive() == Command::Success);
}

/// Builds and commands at the same time. Gives the jobs.
pub(crate) fn crowd(server: &Server) -> Vec<String> {
    let jobs: Vec<String> = (0..6).map(|number| format!("crowd-{number}")).collect();
    thread::scope(|scope| {
        for (number, job) in jobs.iter().enumerate() {
            let bytes = if number % 3 == 0 { LARGE } else { 10 };
            scope.spawn(move || begin(server, job).finish(bytes));
            scope.spawn(move || {
                let name = format!("command-{number}");
                server.schedule(&name, "crowded");
                succeed(server, &Command::Unschedule(name.as_str().into()));
            });
        }
    });
    jobs
}

/// Makes the log so long that it is written anew.
pub(crate) fn churn(server: &Server) {
    for number in 0..3 {
        let name = format!("long-{number}");
        let job = ScriptJob { script: "#".repeat(SCRIPT_BYTES).as_str().into(), ..script(&name, "churn") };
        succeed(server, &Command::Schedule { period: Period::Never, job });
        succeed(server, &Command::Unschedule(name.as_str().into()));
    }
    server.wait_for_log("rotated the log");
}

/// Waits until all results of jobs are uploaded and removed.
pub(crate) fn wait_for_uploads(site: &Site, jobs: &[impl AsRef<str>]) {
    for job in jobs {
        wait_for(&format!("the results of {} to be removed", job.as_ref()), || {
            site.data().join(job.as_ref()).read_dir().unwrap().next().is_none()
        });
    }
}
