//! What the history is to say of builds: put together when they end.

use crate::history::EndedBuild;
use crate::manifest::Manifest;
use crate::server::builds::build::Printed;
use crate::server::state::Running;
use builder_proto::Uuid;
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;

/// What is known of a build when it ends.
pub(super) fn ended_build(
    uuid: Uuid,
    running: &Running,
    finished: Time,
    cause: Cause,
    printed: Printed,
    manifest: Manifest,
) -> EndedBuild {
    let end = BuildEnd {
        console_lines: printed.lines,
        console_bytes: printed.bytes,
        artifacts: manifest.artifacts,
        artifact_bytes: manifest.bytes,
        ..BuildEnd::new(finished, cause)
    };
    let build = Build {
        uuid: RawUuid(uuid),
        job: running.script.name().clone(),
        platform: running.platform.clone(),
        started: running.started,
        queued: running.queued,
        host: running.host.clone(),
        end: Some(end),
    };
    EndedBuild { build, artifacts: manifest.list }.shortened()
}
