//! How all is, as programs read it. The manual page `builder-client` promises the shape of the object: it is that of servers of
//! earlier versions, with more in it.

use super::answer::{Overview, usual};
use crate::client::history::describe_end;
use crate::client::info;
use crate::client::info_filter::{queues, upload_destination};
use crate::json::string;
use builder_proto::command::InfoReply;
use builder_proto::history::{Build, BuildEnd};
use builder_proto::job_settings::JobSettings;
use builder_proto::overview::{JobStatus, Pace, PlatformStatus, QueueStatus, Reason, ServerStatus};
use builder_proto::text::Text;
use builder_proto::time::Time;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};

/// The answer as one object; `reply` says the same as far as earlier versions know it.
pub(crate) fn describe(reply: &InfoReply, shown: &Overview) -> Value {
    let mut value = info::describe(reply);
    let schedule = value["schedule"].as_array_mut().into_iter().flatten();
    for (described, item) in schedule.zip(&reply.schedule) {
        let results = shown.of_job(item.job.name()).iter().filter_map(describe_results);
        described["results"] = results.collect();
        let settings = shown.of_job(item.job.name()).first().and_then(|status| status.settings);
        described["settings"] = settings.map(describe_settings).into();
    }
    // A job has a place for each of its environments, which stand in the same order on both sides.
    let mut waits: BTreeMap<(&Text, &Text), VecDeque<&QueueStatus>> = BTreeMap::new();
    for entry in &shown.queued {
        waits.entry((&entry.platform, &entry.job)).or_default().push_back(entry);
    }
    let described = queues(reply).map(|queue| {
        let jobs = queue.jobs.iter().map(|job| {
            let mut value = info::describe_job(job);
            let places = waits.get_mut(&(&queue.platform, job.name()));
            if let Some(entry) = places.and_then(VecDeque::pop_front) {
                extend(&mut value, describe_wait(entry));
            }
            value
        });
        json!({ "platform": string(&queue.platform), "jobs": jobs.collect::<Value>() })
    });
    value["queues"] = described.collect();
    let running = value["running"].as_array_mut().into_iter().flatten();
    for (described, build) in running.zip(&shown.running) {
        described["queued"] = build.queued.map(|time| time.to_string()).into();
        described["host"] = build.host.as_ref().map_or(Value::Null, string);
        described["usual_seconds"] = shown.usual(build).map(|usual| usual.as_secs_f64()).into();
    }
    if let Some(uploads) = &shown.server.uploads
        && reply.queues.iter().any(|queue| upload_destination(queue).is_some())
    {
        value["uploads"]["count"] = uploads.waiting.into();
        value["uploads"]["trouble"] = uploads.trouble.as_ref().map_or(Value::Null, string);
    }
    value["platforms"] = shown.platforms.iter().map(describe_platform).collect();
    value["server"] = describe_server(&shown.server);
    value
}

fn extend(value: &mut Value, more: Value) {
    if let (Value::Object(value), Value::Object(more)) = (value, more) {
        value.extend(more);
    }
}

/// How a job did on a platform: its last build, as `history` describes it, and what there is to say of those before it.
fn describe_results(status: &JobStatus) -> Option<Value> {
    let results = status.results.as_ref()?;
    let build = Build {
        uuid: results.last.uuid,
        job: status.job.clone(),
        platform: status.platform.clone().unwrap_or_default(),
        started: results.last.started,
        queued: None,
        host: None,
        end: Some(BuildEnd::new(results.last.finished, results.last.cause.clone())),
    };
    let mut value = describe_end(&build);
    value["in_a_row"] = results.count.into();
    value["since"] = results.since.to_string().into();
    value["usual_seconds"] = usual(results).map(|usual| usual.as_secs_f64()).into();
    Some(value)
}

/// What a job wants besides; null where it wants what the server has for all jobs.
fn describe_settings(settings: JobSettings) -> Value {
    json!({
        "timeout_seconds": settings.timeout,
        "silence_seconds": settings.silence,
        "every_seconds": settings.every,
        "skip_missed": settings.skip_missed,
        "keep_builds": settings.keep_builds,
        "keep_seconds": settings.keep_seconds,
    })
}

fn describe_wait(entry: &QueueStatus) -> Value {
    let next_try = match &entry.reason {
        Reason::Losses(Pace { next, .. }) => Some(time(*next)),
        _ => None,
    };
    json!({
        "since": entry.since.map(time),
        "reason": entry.reason.word(),
        "why": entry.reason.to_string(),
        "next_try": next_try,
        "losses": entry.losses,
    })
}

fn describe_platform(status: &PlatformStatus) -> Value {
    json!({
        "platform": string(&status.platform),
        "idle_workers": status.idle,
        "busy_workers": status.busy,
        "queued": status.queued,
        "has_template": status.has_template,
        "dropped": status.is_dropped,
        "paused": status.is_paused,
        "losses": status.pace.map_or(0, |pace| pace.losses),
        "next_try": status.pace.map(|pace| time(pace.next)),
    })
}

fn describe_server(server: &ServerStatus) -> Value {
    json!({
        "version": string(&server.version),
        "started": time(server.started),
        "builds": server.under_way,
        "builds_limit": server.limit,
        "log_bytes": server.log_bytes,
        "free_bytes": server.free_bytes,
        "disk_full": server.is_full,
        "draining": server.is_draining,
        "has_history": server.has_history,
        "notices_waiting": server.notices.unwrap_or(0),
    })
}

fn time(time: Time) -> String {
    time.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::overview::answer::samples::{overview, waiting};

    #[test]
    fn the_shape_is_the_one_that_the_manual_promises() {
        let mut shown = overview();
        shown.jobs[0].settings = Some(JobSettings { every: Some(21_600), ..JobSettings::NONE });
        let hello = json!({
            "job": "hello", "type": "script", "platform": "p", "period": "daily", "next": "1970-01-02T00:00:00Z",
            "settings": {
                "timeout_seconds": null, "silence_seconds": null, "every_seconds": 21600, "skip_missed": null,
                "keep_builds": null, "keep_seconds": null,
            },
            "results": [{
                "uuid": "01010101-0101-0101-0101-010101010101", "job": "hello", "platform": "p",
                "started": "1970-01-01T01:00:00Z", "finished": "1970-01-01T01:01:00Z", "seconds": 60.0,
                "failed": true, "cause": "exited", "exit_code": 1, "signal": null, "reason": null,
                "in_a_row": 3, "since": "1970-01-01T00:30:00Z", "usual_seconds": 61.5,
            }],
        });
        let web = json!({
            "job": "web\x1b[2J", "type": "orb-build", "opam_package": "mirage-web", "period": "weekly",
            "next": null, "results": [], "settings": null,
        });
        let expected = json!({
            "schedule": [hello, web],
            "queues": [
                { "platform": "p", "jobs": [{
                    "job": "hello", "type": "script", "platform": "p", "since": "1970-01-01T02:00:00Z",
                    "reason": "losses",
                    "why": "its workers lost 4 builds in a row; the next try is at 1970-01-01T02:46:41Z",
                    "next_try": "1970-01-01T02:46:41Z", "losses": 1,
                }] },
                { "platform": "q", "jobs": [{
                    "job": "web\x1b[2J", "type": "orb-build", "opam_package": "mirage-web", "since": null,
                    "reason": "paused", "why": "the platform is paused", "next_try": null, "losses": 0,
                }] },
            ],
            "running": [{
                "uuid": "02020202-0202-0202-0202-020202020202", "job": "hello", "platform": "p",
                "started": "1970-01-01T02:30:00Z", "queued": null, "host": "::1", "usual_seconds": 61.5,
            }],
            "uploads": {
                "destination": "http://web/upload, the first 1 of 7; refused",
                "waiting": [{ "job": "hello", "uuid": "03030303-0303-0303-0303-030303030303" }],
                "count": 7, "trouble": "refused",
            },
            "platforms": [
                { "platform": "gone", "idle_workers": 0, "busy_workers": 0, "queued": 0, "has_template": false,
                  "dropped": true, "paused": false, "losses": 0, "next_try": null },
                { "platform": "p", "idle_workers": 0, "busy_workers": 1, "queued": 1, "has_template": false,
                  "dropped": false, "paused": false, "losses": 4, "next_try": "1970-01-01T02:46:41Z" },
                { "platform": "q", "idle_workers": 0, "busy_workers": 0, "queued": 1, "has_template": true,
                  "dropped": false, "paused": true, "losses": 0, "next_try": null },
            ],
            "server": {
                "version": "0.5.0", "started": "1970-01-01T00:00:00Z", "builds": 1, "builds_limit": 64,
                "log_bytes": 5000, "free_bytes": 1_000_000_000, "disk_full": false,
                "draining": false, "has_history": true, "notices_waiting": 3,
            },
            "dropped_platforms": ["gone"],
        });
        assert_eq!(describe(&shown.to_reply(), &shown), expected);
    }

    #[test]
    fn a_job_that_waits_twice_has_two_reasons() {
        let mut shown = overview();
        shown.queued.insert(1, waiting("hello", "p", Reason::Busy(1)));
        let described = describe(&shown.to_reply(), &shown);
        let jobs = &described["queues"][0]["jobs"];
        assert_eq!((&jobs[0]["reason"], &jobs[1]["reason"]), (&json!("losses"), &json!("busy")));
    }
}
