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

/// The overview: the object of `builder-client info --json`. In addition, it says when the server was `taken` at its word and
/// what `trouble` there has been since, and each of the `results` of a job has the `recent` builds there, the oldest first.
pub(super) fn overview(snapshot: &Snapshot) -> Value {
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
pub(super) fn queue(snapshot: &Snapshot, platform: &Text) -> Option<Value> {
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
pub(super) fn job(snapshot: &Snapshot, name: &Text, platform: Option<&Text>, builds: &[Build]) -> Value {
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
    let builds = builds.iter().map(|build| history::describe(build, snapshot.usual(build)));
    json!({
        "job": string(name),
        "platform": platform.map(string),
        "status": status,
        "builds": builds.collect::<Value>(),
    })
}

/// A build: the object of `builder-client history --json`; in addition its `script`, or null when the server does not have it any
/// more, and its artifacts as `files`, as `artifacts` is how many there are.
pub(super) fn build(snapshot: Option<&Snapshot>, details: &Details) -> Value {
    let usual = snapshot.and_then(|snapshot| snapshot.usual(&details.build));
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
mod tests {
    use super::*;
    use crate::client::overview::samples::{
        at, job as status, overview as shown, platform, results, running, uuid, waiting,
    };
    use builder_proto::history::{BuildEnd, Cause, Sha256};
    use builder_proto::job::ScriptJob;
    use builder_proto::overview::{Null, Pace};
    use builder_proto::time::Time;
    use std::time::Duration;

    /// The overview of the tests of the client, with what only a dashboard knows.
    fn snapshot() -> Snapshot {
        let Overview { server, platforms, queued, running, jobs } = shown();
        let recent =
            Recent { uuid: uuid(1).0, started: at(3600), finished: at(3660), cause: Cause::Exited(1) };
        let has_results = |job: &builder_proto::overview::JobStatus| job.results.is_some();
        let jobs = jobs.into_iter().map(|status| Job {
            recent: if has_results(&status) { vec![recent.clone()] } else { Vec::new() },
            status,
        });
        let jobs = jobs.collect();
        Snapshot { taken: at(7200), revision: 1, trouble: None, server, platforms, queued, running, jobs }
    }

    fn recent() -> Value {
        json!([{
            "uuid": "01010101-0101-0101-0101-010101010101", "started": "1970-01-01T01:00:00Z",
            "finished": "1970-01-01T01:01:00Z", "failed": true, "cause": "exited",
        }])
    }

    #[test]
    fn the_overview_is_that_of_the_client_with_more_in_it() {
        let mut value = overview(&snapshot());
        assert_eq!(value["schedule"][0]["results"][0]["recent"], recent());
        assert_eq!(value["taken"], "1970-01-01T02:00:00Z");
        assert_eq!(value["trouble"], Value::Null);
        let object = value.as_object_mut().unwrap();
        object.remove("taken");
        object.remove("trouble");
        value["schedule"][0]["results"][0].as_object_mut().unwrap().remove("recent");
        assert_eq!(value, crate::client::overview::describe(&shown().to_reply(), &shown()));
        let troubled = Snapshot { trouble: Some("gone".into()), ..snapshot() };
        assert_eq!(overview(&troubled)["trouble"], "gone");
    }

    #[test]
    fn recent_builds_are_where_they_ran() {
        let mut snapshot = snapshot();
        let there = results(3600, Cause::Exited(0), 1, 3600);
        let elsewhere = Job { status: status("hello", "q", Some(there)), recent: Vec::new() };
        snapshot.jobs.insert(1, elsewhere);
        let value = overview(&snapshot);
        let results = &value["schedule"][0]["results"];
        assert_eq!((&results[0]["platform"], &results[0]["recent"]), (&json!("p"), &recent()));
        assert_eq!((&results[1]["platform"], &results[1]["recent"]), (&json!("q"), &json!([])));
    }

    #[test]
    fn a_queue_wants_workers_for_what_they_would_get() {
        let reasons = [
            (Reason::NoWorker(Null), true),
            (Reason::Busy(2), true),
            (Reason::Next(Null), true),
            (Reason::Limit(64), false),
            (Reason::NoTemplate(Null), false),
            (Reason::Draining(Null), false),
            (Reason::Paused(Null), false),
            (Reason::DiskFull(Null), false),
            (Reason::NoRandomness(Null), false),
            (Reason::Losses(Pace { losses: 3, next: at(0) }), false),
        ];
        for (reason, wants) in reasons {
            let mut snapshot = snapshot();
            snapshot.platforms = vec![platform("p", 1, 2, 3), platform("q", 0, 0, 1)];
            let queued = [waiting("a", "p", reason.clone()), waiting("b", "p", Reason::Paused(Null))];
            snapshot.queued = [&queued[..], &[waiting("a", "q", Reason::NoWorker(Null))]].concat();
            let expected = json!({
                "platform": "p", "queued": 3, "waiting": u64::from(wants), "running": 2, "idle": 1,
                "wanted": 2 + u64::from(wants),
            });
            assert_eq!(queue(&snapshot, &"p".into()), Some(expected), "{reason:?}");
        }
        assert_eq!(queue(&snapshot(), &"vax".into()), None);
    }

    #[test]
    fn a_job_is_its_status_and_its_builds() {
        let build = running(9, "hello", "p", 4000);
        let value = job(&snapshot(), &"hello".into(), Some(&"p".into()), std::slice::from_ref(&build));
        assert_eq!((&value["job"], &value["platform"]), (&json!("hello"), &json!("p")));
        assert_eq!(value["status"], overview(&snapshot())["schedule"][0]);
        let usual = Some(Duration::from_millis(61_500));
        assert_eq!(value["builds"], json!([crate::client::history::describe(&build, usual)]));
        let unknown = job(&snapshot(), &"\x1b<b>".into(), None, &[]);
        assert_eq!(unknown, json!({ "job": "\x1b<b>", "platform": null, "status": null, "builds": [] }));
    }

    #[test]
    fn a_build_has_its_script_and_its_artifacts() {
        let mut build_of = running(9, "hello", "p", 4000);
        build_of.end = Some(BuildEnd { artifacts: 2, ..BuildEnd::new(at(4060), Cause::Exited(0)) });
        let script = ScriptJob {
            name: "hello".into(),
            script: "#!/bin/sh\necho \x1b<b>\n".into(),
            platform: "p".into(),
        };
        let artifacts = vec![
            Artifact { path: "../a\x1b".into(), size: 3, sha256: Some(Sha256([0xab; 32])) },
            Artifact { path: (&b"\xff"[..]).into(), size: 0, sha256: None },
        ];
        let mut details = Details { build: build_of.clone(), job: Some(script), artifacts };
        let value = build(Some(&snapshot()), &details);
        assert_eq!(value["script"], "#!/bin/sh\necho \x1b<b>\n");
        let files = json!([
            { "path": "../a\x1b", "bytes": 3, "sha256": "ab".repeat(32) },
            { "path": "\u{fffd}", "bytes": 0, "sha256": null },
        ]);
        assert_eq!(value["files"], files);
        let mut rest = value;
        rest.as_object_mut().unwrap().retain(|key, _| key != "script" && key != "files");
        assert_eq!(rest, crate::client::history::describe(&build_of, Some(Duration::from_millis(61_500))));
        details.job = None;
        assert_eq!(build(None, &details)["script"], Value::Null);
        assert_eq!(build(None, &details)["usual_seconds"], Value::Null);
        assert_eq!(build(None, &details)["finished"], Time::to_string(&at(4060)));
    }
}
