//! What somebody has to look at, besides jobs that fail.

use crate::dashboard::pages::words::Count;
use builder_engine::dashboard::snapshot::Snapshot;
use builder_proto::overview::PlatformStatus;

/// A sentence each.
pub(super) fn of(snapshot: &Snapshot) -> Vec<String> {
    let server = &snapshot.server;
    let mut problems = Vec::new();
    if server.is_full {
        problems.push("The disk of the server is full: nothing new is queued or started.".to_owned());
    }
    if server.is_draining {
        problems.push("The server is draining: nothing is started until somebody resumes it.".to_owned());
    }
    problems.extend(snapshot.platforms.iter().filter_map(of_platform));
    if let Some(trouble) = server.uploads.as_ref().and_then(|uploads| uploads.trouble.as_ref()) {
        problems.push(format!("Results are not uploaded: {trouble}."));
    }
    if !server.has_history {
        problems.push("The history cannot be opened; the log of the server says why.".to_owned());
    }
    problems
}

fn of_platform(platform: &PlatformStatus) -> Option<String> {
    let PlatformStatus { platform: name, queued, .. } = platform;
    if platform.is_paused {
        return Some(format!("{name} is paused: nothing is started there until somebody resumes it."));
    }
    if let Some(pace) = &platform.pace {
        let builds = Count(pace.losses, "build", "builds in a row");
        return Some(format!("The workers of {name} lost {builds}: jobs are handed out slowly."));
    }
    let has_no_worker = platform.idle + platform.busy == 0 && *queued > 0 && !platform.is_dropped;
    has_no_worker.then(|| {
        let verb = if *queued == 1 { "waits" } else { "wait" };
        format!("{name} has no worker, and {} {verb} for one.", Count(*queued, "job", "jobs"))
    })
}
