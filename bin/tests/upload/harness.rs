//! A server that uploads, and builds whose results it is to upload.

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command as Message;
use builder_proto::job::{File, ScriptJob};
use builder_proto::time::Period;
use builder_tests::{Peer, Server, Site, programs, wait_for};
use std::path::PathBuf;

pub(crate) const SECRET: &str = "correct-horse";

/// A site whose server uploads to this URL.
pub(crate) fn site(url: &str, options: &[&str]) -> Site {
    let mut site = Site::new(programs!());
    site.options = ["--upload", url].iter().chain(options).map(|word| (*word).to_owned()).collect();
    site
}

/// The command that starts a server which knows nothing of credentials in the environment of the tests.
pub(crate) fn start(site: &Site) -> Server {
    let mut command = site.server_command();
    command.env_remove("BUILDER_UPLOAD_CREDENTIALS");
    site.start_with(command)
}

/// Has a worker finish a job that leaves an artifact of so many bytes.
pub(crate) fn build(server: &Server, name: &str, bytes: usize) -> Uuid {
    build_with(server, name, BuildResult::Exited(0), bytes)
}

/// The same, ended as `result` says.
pub(crate) fn build_with(server: &Server, name: &str, result: BuildResult, bytes: usize) -> Uuid {
    let job = ScriptJob { name: name.into(), script: "true".into(), platform: "linux".into() };
    assert_eq!(server.ask(&Message::Schedule { period: Period::Never, job }), Message::Success);
    let mut worker = Peer::worker(server, "linux");
    let (uuid, job) = worker.receive_job();
    assert_eq!(job.name, name.into());
    worker.send(&Message::Output { uuid, line: "a line".into(), timestamp: None });
    let artifact = File { path: "bin/program".into(), data: vec![7; bytes].into() };
    worker.send(&Message::JobFinished { uuid, result, data: vec![artifact] });
    assert_eq!(worker.try_receive(), None, "the server closes when the result is stored");
    uuid
}

pub(crate) fn result(site: &Site, name: &str, uuid: Uuid) -> PathBuf {
    site.data().join(name).join(uuid.to_string()).join("full")
}

/// The title of the queue of uploads and the jobs in it, as clients see them; none when nothing waits.
pub(crate) fn uploads(server: &Server) -> Option<(String, Vec<String>)> {
    let info = server.info();
    let queue = info.queues.iter().find(|queue| queue.platform.to_string().starts_with("uploads to "))?;
    let jobs = queue.jobs.iter().map(|job| job.name().to_string()).collect();
    Some((queue.platform.to_string(), jobs))
}

/// The log comes through a pipe, so a little later than what it tells of.
pub(crate) fn wait_for_log(server: &Server, text: &str) {
    wait_for(text, || server.log().contains(text));
}

pub(crate) fn wait_until_empty(server: &Server) {
    wait_for("an empty outbox", || uploads(server).is_none());
}
