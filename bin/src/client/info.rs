//! What is going on in a server: asked for; described as programs read it, in the shape that the manual page `builder-client`
//! promises; and what there is to say of each job, on one line.

use super::connection::Connection;
use super::error::ClientError;
use super::info_filter::{queues, upload_destination, upload_uuid};
use crate::command_line::Address;
use crate::json::string;
use crate::wording::Span;
use builder_proto::command::{Command, InfoReply, Kind, QueueInfo};
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use serde_json::{Value, json};
use std::collections::BTreeMap;

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

/// A job, and what is going on with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct JobLine<'a> {
    pub(super) job: &'a Job,
    pub(super) now: Activity,
    /// When it runs next by itself and how often; `None` if it waits without being scheduled.
    pub(super) schedule: Option<(Time, Period)>,
}

/// What a job is doing: the order is that in which people want to know of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Activity {
    /// When each of its builds started, the oldest first.
    running: Vec<Time>,
    /// Behind how many others it waits, in each queue in which it does.
    queued: Vec<usize>,
}

/// Which of two jobs comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Running(Time),
    Queued(usize),
    Idle,
}

/// A line for each job that is scheduled or waits: those that run first, then those that wait, then whatever runs next.
pub(super) fn job_lines(reply: &InfoReply) -> Vec<JobLine<'_>> {
    let mut activities: BTreeMap<&Text, Activity> = BTreeMap::new();
    for build in &reply.running {
        activities.entry(&build.job.name).or_default().running.push(build.started);
    }
    let mut waiting: BTreeMap<&Text, &Job> = BTreeMap::new();
    for queue in queues(reply) {
        for (position, job) in queue.jobs.iter().enumerate() {
            activities.entry(job.name()).or_default().queued.push(position);
            waiting.insert(job.name(), job);
        }
    }
    activities.values_mut().for_each(|activity| activity.running.sort());
    let mut lines = Vec::new();
    for item in &reply.schedule {
        waiting.remove(item.job.name());
        let schedule = Some((item.next, item.period));
        lines.push(JobLine { job: &item.job, now: take(&mut activities, &item.job), schedule });
    }
    for job in waiting.into_values() {
        lines.push(JobLine { job, now: take(&mut activities, job), schedule: None });
    }
    lines.sort_by_key(|line| {
        let next = line.schedule.map_or(Time::NEVER, |(next, _)| next);
        (line.now.rank(), next, line.job.name())
    });
    lines
}

fn take(activities: &mut BTreeMap<&Text, Activity>, job: &Job) -> Activity {
    activities.remove(job.name()).unwrap_or_default()
}

impl Activity {
    fn rank(&self) -> Rank {
        match (self.running.first(), self.queued.iter().min()) {
            (Some(started), _) => Rank::Running(*started),
            (None, Some(position)) => Rank::Queued(*position),
            (None, None) => Rank::Idle,
        }
    }

    /// In words: how long it has been running, or its place in the queue, if there is only one; otherwise how many there are.
    /// They may be on one platform, as a job has a place for each of its environments.
    pub(super) fn describe(&self, now: Time) -> String {
        let running = match self.running.as_slice() {
            [] => None,
            [started] => Some(format!("running {}", Span(now.duration_since(*started)))),
            builds => Some(format!("running {} times", builds.len())),
        };
        let queued = match self.queued.as_slice() {
            [] => None,
            [position] => Some(format!("queued #{}", position + 1)),
            queues => Some(format!("queued {} times", queues.len())),
        };
        match (running, queued) {
            (Some(_), Some(_)) => "running, queued".to_owned(),
            (one, other) => one.or(other).unwrap_or_else(|| "-".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::info_filter::samples::{info_reply, script, uploads};
    use builder_proto::Uuid;
    use builder_proto::command::{QueueInfo, RunningInfo};
    use builder_proto::job::ScheduleItem;

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

    fn item(name: &str, seconds: i64) -> ScheduleItem {
        let next = Time::from_unix_milliseconds(seconds * 1000);
        ScheduleItem { next, period: Period::Daily, job: Job::Script(script(name, "p")) }
    }

    fn running(name: &str, seconds: i64) -> RunningInfo {
        let started = Time::from_unix_milliseconds(seconds * 1000);
        RunningInfo { started, uuid: Uuid::nil(), job: script(name, "p") }
    }

    fn queue(platform: &str, names: &[&str]) -> QueueInfo {
        let jobs = names.iter().map(|name| Job::Script(script(name, platform))).collect();
        QueueInfo { platform: platform.into(), jobs }
    }

    fn lines(reply: &InfoReply) -> Vec<String> {
        let now = Time::from_unix_milliseconds(100_000);
        job_lines(reply)
            .iter()
            .map(|line| format!("{}: {}", line.job.name(), line.now.describe(now)))
            .collect()
    }

    #[test]
    fn those_that_run_come_first_then_those_that_wait_then_the_others_by_their_next_run() {
        let names =
            [("late", 900), ("a", 1), ("queued", 2), ("running", 3), ("both", 4), ("twice", 5), ("first", 6)];
        let reply = InfoReply {
            schedule: names.iter().map(|(name, next)| item(name, *next)).collect(),
            queues: vec![
                queue("p", &["first", "queued", "both"]),
                queue("q", &["twice"]),
                queue("r", &["twice"]),
            ],
            running: vec![running("running", 40), running("both", 30), running("gone", 1)],
            dropped_platforms: Vec::new(),
        };
        assert_eq!(
            lines(&reply),
            [
                "both: running, queued",
                "running: running 1m 0s",
                "twice: queued 2 times",
                "first: queued #1",
                "queued: queued #2",
                "a: -",
                "late: -",
            ]
        );
    }

    #[test]
    fn a_job_that_waits_without_being_scheduled_has_a_line_too() {
        let mut reply = InfoReply { queues: vec![queue("p", &["x"]), uploads()], ..InfoReply::default() };
        reply.running = vec![running("x", 10), running("x", 20)];
        assert_eq!(lines(&reply), ["x: running, queued"]);
        assert_eq!(job_lines(&reply)[0].schedule, None);
        reply.queues.clear();
        reply.schedule.push(item("x", 1));
        assert_eq!(lines(&reply), ["x: running 2 times"]);
    }

    #[test]
    fn each_job_has_one_line() {
        let reply = info_reply();
        let names: Vec<String> = job_lines(&reply).iter().map(|line| line.job.name().to_string()).collect();
        assert_eq!(names, ["hello", "web"]);
    }
}
