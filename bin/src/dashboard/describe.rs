//! What pages say, for programs. The manual page `builder-dashboard` promises the shapes. They are those of `builder-client`
//! with more in them, so that a program reads both.

use crate::client::history;
use crate::client::overview::{self, Overview};
use crate::json::string;
use builder_engine::dashboard::site::Details;
use builder_engine::dashboard::snapshot::{Job, Recent, Snapshot};
use builder_proto::history::{Artifact, Build};
use builder_proto::overview::{PlatformStatus, QueueStatus, Reason};
use builder_proto::text::Text;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::Duration;

/// The overview: the object of `builder-client info --json`. In addition, it says when the server was `taken` at its word and
/// what `trouble` there has been since, and each of the `results` of a job has the `recent` builds there, the oldest first.
#[must_use]
pub fn overview(snapshot: &Snapshot) -> Value {
    let shown = Overview {
        server: snapshot.server.clone(),
        platforms: snapshot.platforms.clone(),
        queued: snapshot.queued.clone(),
        running: snapshot.running.clone(),
        jobs: snapshot.jobs.iter().map(|job| job.status.clone()).collect(),
    };
    let mut value = overview::describe(&shown.to_reply(), &shown);
    add_recent(&mut value["schedule"], &snapshot.jobs);
    value["taken"] = snapshot.taken.to_string().into();
    value["trouble"] = snapshot.trouble.as_deref().into();
    value
}

/// What decides how many workers a platform should have: the jobs in its queue, those of them that a worker would get now, the
/// builds that run, the workers that wait, and how many are `wanted` altogether. `None` when there is no such platform.
#[must_use]
pub fn queue(snapshot: &Snapshot, platform: &Text) -> Option<Value> {
    let status = snapshot.platforms.iter().find(|status| status.platform == *platform)?;
    let PlatformStatus { queued, busy, idle, .. } = *status;
    let here = |entry: &&QueueStatus| entry.platform == *platform;
    let waiting =
        snapshot.queued.iter().filter(here).filter(|entry| wants_worker(&entry.reason)).count() as u64;
    Some(json!({
        "platform": string(platform),
        "queued": queued,
        "waiting": waiting,
        "running": busy,
        "idle": idle,
        "wanted": waiting.saturating_add(busy),
    }))
}

/// Whether one more worker would get the job.
fn wants_worker(reason: &Reason) -> bool {
    match reason {
        Reason::NoWorker(_) | Reason::Busy(_) | Reason::Next(_) => true,
        Reason::NoTemplate(_)
        | Reason::Draining(_)
        | Reason::Paused(_)
        | Reason::DiskFull(_)
        | Reason::NoRandomness(_)
        | Reason::Losses(_)
        | Reason::Limit(_) => false,
    }
}

/// A job: its `status`, which is that of the schedule in the overview, or null when it is not scheduled; and `builds` of it, each
/// the object of `builder-client history --json`, in the order in which they are given.
#[must_use]
pub fn job(snapshot: &Snapshot, name: &Text, platform: Option<&Text>, builds: &[Build]) -> Value {
    let is_meant = |job: &&Job| {
        job.status.job == *name && (platform.is_none() || job.status.platform.as_ref() == platform)
    };
    let only = Snapshot {
        taken: snapshot.taken,
        revision: snapshot.revision,
        trouble: None,
        server: snapshot.server.clone(),
        platforms: Vec::new(),
        queued: Vec::new(),
        running: Vec::new(),
        jobs: snapshot.jobs.iter().filter(is_meant).cloned().collect(),
    };
    let status = overview(&only)["schedule"].get(0).cloned();
    let builds = builds.iter().map(|build| history::describe(build, usual(snapshot, build)));
    json!({
        "job": string(name),
        "platform": platform.map(string),
        "status": status,
        "builds": builds.collect::<Value>(),
    })
}

/// A build: the object of `builder-client history --json`; in addition its `script`, or null when the server does not have it any
/// more, and its artifacts as `files`, as `artifacts` is how many there are.
#[must_use]
pub fn build(snapshot: Option<&Snapshot>, details: &Details) -> Value {
    let usual = snapshot.and_then(|snapshot| usual(snapshot, &details.build));
    let mut value = history::describe(&details.build, usual);
    value["script"] = details.job.as_ref().map(|job| string(&job.script)).into();
    value["files"] = details.artifacts.iter().map(describe_artifact).collect();
    value
}

/// In the words of `builder-client fetch --json`.
fn describe_artifact(artifact: &Artifact) -> Value {
    json!({
        "path": string(&artifact.path),
        "bytes": artifact.size,
        "sha256": artifact.sha256.map(|digest| digest.to_string()),
    })
}

fn usual(snapshot: &Snapshot, build: &Build) -> Option<Duration> {
    snapshot.results(&build.job, &build.platform).and_then(overview::usual)
}

/// Adds the builds of the last time to each of the results of each job in the schedule.
fn add_recent(schedule: &mut Value, jobs: &[Job]) {
    let known: BTreeMap<(&str, &str), &Job> =
        jobs.iter().filter_map(|job| Some((place(job)?, job))).collect();
    let schedule = schedule.as_array_mut().into_iter().flatten();
    for result in schedule.filter_map(|scheduled| scheduled["results"].as_array_mut()).flatten() {
        let place = result["job"].as_str().zip(result["platform"].as_str());
        let recent =
            place.and_then(|place| known.get(&place)).map(|job| job.recent.iter().map(describe_recent));
        result["recent"] = recent.into_iter().flatten().collect();
    }
}

/// Its name and platform. Those of all jobs are UTF-8.
fn place(job: &Job) -> Option<(&str, &str)> {
    Some((job.status.job.as_str()?, job.status.platform.as_ref()?.as_str()?))
}

fn describe_recent(recent: &Recent) -> Value {
    json!({
        "uuid": recent.uuid.to_string(),
        "started": recent.started.to_string(),
        "finished": recent.finished.to_string(),
        "failed": !recent.cause.is_success(),
        "cause": recent.cause.word(),
    })
}

#[cfg(test)]
mod tests;
