//! What is going on in a server, asked for and printed: as programs read it here, as people do in `info_table`. The manual
//! page `builder-client` promises the shape of the JSON object.

use super::connection::Connection;
use super::error::ClientError;
use super::flags::Form;
use super::info_filter::{InfoFilter, UnknownName, queues, upload_destination, upload_uuid};
use super::info_table::Report;
use crate::command_line::Address;
use crate::json::{self, string};
use crate::terminal::{self, Palette};
use builder_proto::command::{Command, InfoReply, Kind, QueueInfo};
use builder_proto::job::Job;
use builder_proto::time::Time;
use serde_json::{Value, json};
use std::io;
use std::time::SystemTime;

/// Asks a server what is going on.
pub(super) fn ask(remote: &Address) -> Result<InfoReply, ClientError> {
    ask_on(Connection::open(remote, Kind::Info)?)
}

/// The same on a connection that is there.
pub(super) fn ask_on(mut connection: Connection) -> Result<InfoReply, ClientError> {
    match connection.ask(&Command::Info)? {
        Command::InfoReply(reply) => Ok(reply),
        Command::InfoReplyOld { schedule, queues, running } => {
            Ok(InfoReply { schedule, queues, running, dropped_platforms: Vec::new() })
        }
        other => Err(connection.refusal(&Command::Info, other)),
    }
}

/// What is going on with the jobs that are meant, in words.
///
/// # Errors
///
/// When there is no such job or platform at all.
pub(super) fn tell(reply: &InfoReply, filter: &InfoFilter, form: Form) -> Result<String, UnknownName> {
    let (shown, stdout) = (filter.apply(reply)?, io::stdout());
    Ok(match form {
        Form::Json => format!("{}\n", json::line(&describe(&shown))),
        Form::People => {
            let (palette, columns) = (Palette::of(&stdout), terminal::columns_of(&stdout));
            let now = now();
            Report { all: reply, shown: &shown, filter, now, palette, columns }.to_string()
        }
    })
}

/// The time of this host, which tells how far off the times of the server are.
pub(super) fn now() -> Time {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::UNIX_EPOCH.saturating_add(since_epoch)
}

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

pub(super) fn describe_job(job: &Job) -> Value {
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
    use crate::client::info_filter::samples::{info_reply, uploads};

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
