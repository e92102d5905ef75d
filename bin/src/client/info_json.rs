//! What is going on in a server, as programs read it. The manual page `builder-client` promises its shape.

use super::reply::{queues, upload_destination, upload_uuid};
use crate::json::string;
use builder_proto::command::{InfoReply, QueueInfo};
use builder_proto::job::Job;
use builder_proto::time::Time;
use serde_json::{Value, json};

/// The answer as one object. Scripts are left out, as they can be long.
pub(super) fn describe(reply: &InfoReply) -> Value {
    let schedule = reply.schedule.iter().map(|item| {
        let next = (item.next != Time::NEVER).then(|| item.next.to_string());
        let mut value = describe_job(&item.job);
        value["period"] = item.period.to_string().into();
        value["next"] = next.into();
        value
    });
    let uploads = reply.queues.iter().find(|queue| upload_destination(queue).is_some());
    let queues = queues(reply).map(|queue| {
        let jobs: Value = queue.jobs.iter().map(describe_job).collect();
        json!({ "platform": string(&queue.platform), "jobs": jobs })
    });
    let running = reply.running.iter().map(|build| {
        json!({
            "uuid": build.uuid.to_string(),
            "job": string(&build.job.name),
            "platform": string(&build.job.platform),
            "started": build.started.to_string(),
        })
    });
    json!({
        "schedule": schedule.collect::<Value>(),
        "queues": queues.collect::<Value>(),
        "uploads": uploads.map(describe_uploads),
        "running": running.collect::<Value>(),
        "dropped_platforms": reply.dropped_platforms.iter().map(string).collect::<Value>(),
    })
}

fn describe_job(job: &Job) -> Value {
    match job {
        Job::Script(script) => {
            json!({ "job": string(&script.name), "type": "script", "platform": string(&script.platform) })
        }
        Job::OrbBuild(build) => {
            json!({ "job": string(&build.name), "type": "orb-build", "opam_package": string(&build.opam_package) })
        }
    }
}

fn describe_uploads(queue: &QueueInfo) -> Value {
    let waiting =
        queue.jobs.iter().map(|job| json!({ "job": string(job.name()), "uuid": string(upload_uuid(job)) }));
    let destination = upload_destination(queue).unwrap_or_default();
    json!({ "destination": string(&destination.into()), "waiting": waiting.collect::<Value>() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::samples::{info_reply, uploads};

    #[test]
    fn the_shape_is_the_one_that_the_manual_promises() {
        let mut reply = info_reply();
        reply.queues.push(uploads());
        let hello = json!({ "job": "hello", "type": "script", "platform": "freebsd-13" });
        let web = json!({ "job": "web", "type": "orb-build", "opam_package": "mirage-web" });
        let expected = json!({
            "schedule": [
                { "job": "web", "type": "orb-build", "opam_package": "mirage-web", "period": "never", "next": null },
                { "job": "hello", "type": "script", "platform": "freebsd-13", "period": "daily",
                  "next": "1970-01-01T00:00:00Z" },
            ],
            "queues": [
                { "platform": "freebsd-13", "jobs": [hello, web] },
                { "platform": "debian-12", "jobs": [] },
            ],
            "uploads": {
                "destination": "http://web/upload; refused",
                "waiting": [{ "job": "hello", "uuid": "03030303-0303-0303-0303-030303030303" }],
            },
            "running": [
                { "uuid": "02020202-0202-0202-0202-020202020202", "job": "hello", "platform": "p",
                  "started": "1970-01-01T00:00:02Z" },
                { "uuid": "01010101-0101-0101-0101-010101010101", "job": "x\u{1b}[2J", "platform": "q",
                  "started": "1970-01-01T00:00:01Z" },
            ],
            "dropped_platforms": ["gone"],
        });
        assert_eq!(describe(&reply), expected);
    }

    #[test]
    fn what_is_not_there_is_empty_or_null() {
        let expected =
            json!({ "schedule": [], "queues": [], "uploads": null, "running": [], "dropped_platforms": [] });
        assert_eq!(describe(&InfoReply::default()), expected);
    }
}
