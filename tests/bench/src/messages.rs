//! Frames that simulated peers send, made once where that is possible.

use crate::failure::{Failure, Outcome};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::finished_frame::{FileHead, frame_head};
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use builder_proto::time::Period;
use builder_proto::{CLIENT_VERSION, Uuid, WORKER_VERSION};

/// The platform of all jobs and workers here.
pub(crate) const PLATFORM: &str = "bench";

/// A frame with one message.
pub(crate) fn frame(command: &Command) -> Outcome<Vec<u8>> {
    command.to_frame().map_err(Failure::new)
}

pub(crate) fn client_hello() -> Outcome<Vec<u8>> {
    frame(&Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION })
}

pub(crate) fn worker_hello() -> Outcome<Vec<u8>> {
    frame(&Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION })
}

pub(crate) fn job_request() -> Outcome<Vec<u8>> {
    frame(&Command::JobRequested(PLATFORM.into()))
}

/// Schedules a small job.
pub(crate) fn schedule(name: &str) -> Outcome<Vec<u8>> {
    frame(&Command::Schedule { period: Period::Daily, job: script_job(name, "true") })
}

pub(crate) fn script_job(name: &str, script: &str) -> ScriptJob {
    ScriptJob { name: name.into(), script: script.into(), platform: PLATFORM.into() }
}

/// Ends a build with success and without artifacts.
pub(crate) fn finished(uuid: Uuid) -> Outcome<Vec<u8>> {
    frame(&Command::JobFinished { uuid, result: BuildResult::Exited(0), data: Vec::new() })
}

/// All of the frame that ends a build with one artifact, up to the `length` bytes of the artifact.
pub(crate) fn finished_with_artifact(uuid: Uuid, length: u64) -> Outcome<Vec<u8>> {
    let head = FileHead { path: b"bin/artifact", data_length: length };
    let frame = head.total_length().and_then(|total| frame_head(uuid, &BuildResult::Exited(0), total));
    let mut frame = frame.ok_or_else(|| Failure::new("the artifact is too long"))?;
    head.append_to(&mut frame);
    Ok(frame)
}

/// The build that a worker is to run.
pub(crate) fn build_of(payload: &[u8]) -> Outcome<Uuid> {
    Ok(build_and_job_of(payload)?.0)
}

/// The build that a worker is to run, and the name of its job.
pub(crate) fn build_and_job_of(payload: &[u8]) -> Outcome<(Uuid, Text)> {
    match Command::decode(payload) {
        Ok(Command::JobSchedule { uuid, job }) => Ok((uuid, job.name)),
        Ok(other) => Err(unexpected("jobSchedule", &other)),
        Err(error) => Err(Failure::new(error)),
    }
}

/// Checks an answer that holds nothing but its name.
pub(crate) fn expect(payload: &[u8], expected: &Command) -> Outcome<()> {
    match Command::decode(payload) {
        Ok(command) if command == *expected => Ok(()),
        Ok(other) => Err(unexpected(expected.name(), &other)),
        Err(error) => Err(Failure::new(error)),
    }
}

fn unexpected(expected: &str, command: &Command) -> Failure {
    match command {
        Command::Failure(text) => Failure::new(format_args!("the server refused: {text}")),
        other => Failure::new(format_args!("expected {expected}, got {}", other.name())),
    }
}
