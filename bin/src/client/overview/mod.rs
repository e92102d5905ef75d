//! How all is: what a server says of itself, its platforms and its jobs, printed for whoever reads it. Programs read one
//! object, of which the manual page `builder-client` promises the shape: it is that of servers of earlier versions, with more
//! in it.
//!
//! | module | holds |
//! |---|---|
//! | `answer` | what a server says |
//! | `glance` | how people read it on a terminal |
//! | `plain` | how they read it in a pipe |

mod answer;
mod glance;
mod plain;
#[cfg(test)]
mod tests;

use crate::client::error::ClientError;
use crate::client::flags::Form;
use crate::client::history::describe_end;
use crate::client::info;
use crate::client::info_filter::{InfoFilter, UnknownName, queues, upload_destination};
use crate::client::info_table::Report;
use crate::clock;
use crate::command_line::Address;
use crate::json::{self, string};
use crate::terminal::{self, Palette};
use answer::{Answer, ask};
pub(crate) use answer::{Overview, period, usual};
use builder_proto::command::InfoReply;
use builder_proto::history::{Build, BuildEnd};
use builder_proto::job_settings::JobSettings;
use builder_proto::overview::{JobStatus, Pace, PlatformStatus, QueueStatus, Reason, ServerStatus};
use builder_proto::text::Text;
use builder_proto::time::Time;
use glance::Glance;
use plain::Plain;
use serde_json::{Value, json};
use std::collections::{BTreeMap, VecDeque};
use std::io::{self, Write};

#[cfg(test)]
pub(crate) use answer::samples;

/// Prints how all is with the jobs that are meant, or what is going on with them, if the server knows no more.
pub(super) fn print(remote: &Address, filter: &InfoFilter, form: Form) -> Result<(), ClientError> {
    let text = match ask(remote)? {
        Answer::Overview(all) => tell(&all, filter, form),
        Answer::Reply(reply) => tell_reply(&reply, filter, form),
    };
    let text = text.map_err(ClientError::UnknownName)?;
    io::stdout().lock().write_all(text.as_bytes()).map_err(ClientError::Print)
}

/// What a server knows of jobs and platforms, in the form in which servers of all versions can say it.
pub(super) fn ask_in_short(remote: &Address) -> Result<InfoReply, ClientError> {
    Ok(match ask(remote)? {
        Answer::Overview(all) => all.to_reply(),
        Answer::Reply(reply) => reply,
    })
}

fn tell(all: &Overview, filter: &InfoFilter, form: Form) -> Result<String, UnknownName> {
    let (shown, now, stdout) = (all.filter(filter)?, clock::wall_time(), io::stdout());
    Ok(match (form, terminal::columns_of(&stdout)) {
        (Form::Json, _) => {
            let reply = filter.apply(&all.to_reply())?;
            format!("{}\n", json::line(&describe(&reply, &shown)))
        }
        (Form::People, Some(columns)) => {
            let is_whole = *filter == InfoFilter::default();
            Glance { shown: &shown, is_whole, now, palette: Palette::of(&stdout), columns }.to_string()
        }
        (Form::People, None) => Plain { all, shown: &shown, filter, now }.to_string(),
    })
}

fn tell_reply(all: &InfoReply, filter: &InfoFilter, form: Form) -> Result<String, UnknownName> {
    let (shown, now, stdout) = (filter.apply(all)?, clock::wall_time(), io::stdout());
    Ok(match form {
        Form::Json => format!("{}\n", json::line(&info::describe(&shown))),
        Form::People => {
            let (palette, columns) = (Palette::of(&stdout), terminal::columns_of(&stdout));
            Report { all, shown: &shown, filter, now, palette, columns }.to_string()
        }
    })
}

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
