//! Figures for Prometheus, which fetches them from a dashboard: what the server says of itself, in the words of the file that it
//! can write, and what the dashboard knows of itself and of each job.
//!
//! The file says nothing of jobs, as there may be any number of them, and whoever collects files has not asked for it. Here
//! somebody has set up Prometheus to ask; the label of a job changes when people change the schedule and not as time passes; and
//! of each job there are no more than three series on each platform where it was built, which the answer to the same
//! question holds anyway. What is asked most, whether a job fails, could not be asked otherwise.

use super::site::Figures;
use super::snapshot::{Job, Snapshot};
use crate::metrics::{
    Exposition, Kind, PlatformFigures, Single, label, seconds, write_build_info, write_platforms,
};
use builder_proto::overview::{PlatformStatus, Results};
use builder_proto::text::Text;
use builder_proto::time::Time;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// The whole page. Without a snapshot, the server has never answered.
#[must_use]
pub fn metrics(snapshot: Option<&Snapshot>, figures: &Figures, now: Time) -> String {
    let mut page = Exposition::default();
    write_own(&mut page, snapshot, figures);
    let Some(snapshot) = snapshot else { return page.into_text() };
    let age = now.duration_since(snapshot.taken);
    let name = "builder_dashboard_snapshot_age_seconds";
    page.metric(name, Kind::Gauge, "How long ago the server said what is here about it.");
    page.sample(name, &[], seconds(age));
    write_server(&mut page, snapshot);
    let figures = platforms(snapshot, now);
    let labels: Vec<(&Text, String)> = figures.keys().map(|name| (name, label(name))).collect();
    write_platforms(&mut page, &labels, &figures);
    write_jobs(&mut page, &snapshot.jobs);
    page.into_text()
}

/// What the dashboard knows of itself.
fn write_own(page: &mut Exposition, snapshot: Option<&Snapshot>, figures: &Figures) {
    let Figures { connections, viewers, feeds, downloads, answers, questions, unanswered } = *figures;
    let answers_now = snapshot.is_some_and(|snapshot| snapshot.trouble.is_none());
    let singles = [
        Single::gauge(
            "builder_dashboard_server_up",
            "1 if the server answered when it was asked last, or else 0.",
            u64::from(answers_now),
        ),
        Single::count("builder_dashboard_connections", "Browsers that are connected.", connections),
        Single::count("builder_dashboard_viewers", "Pages that are told of what is new.", viewers),
        Single::count("builder_dashboard_feeds", "Consoles that are followed for them.", feeds),
        Single::count(
            "builder_dashboard_downloads",
            "Artifacts and consoles that are on their way.",
            downloads,
        ),
        Single::counter(
            "builder_dashboard_questions_total",
            "Questions that the server was asked.",
            questions,
        ),
        Single::counter(
            "builder_dashboard_unanswered_total",
            "Questions that the server refused or did not answer.",
            unanswered,
        ),
    ];
    singles.iter().for_each(|single| single.write(page));
    let name = "builder_dashboard_answers_total";
    page.metric(name, Kind::Counter, "Answers to browsers, by the class of their status.");
    for (class, count) in ["1xx", "2xx", "3xx", "4xx", "5xx"].into_iter().zip(answers) {
        page.sample(name, &[("status", class)], count);
    }
}

/// What has no platform.
fn write_server(page: &mut Exposition, snapshot: &Snapshot) {
    let server = &snapshot.server;
    write_build_info(page, &label(&server.version));
    let names: BTreeSet<&Text> = snapshot.jobs.iter().map(|job| &job.status.job).collect();
    let singles = [
        Single::start_time(server.started),
        Single::log_bytes(server.log_bytes),
        Single::jobs_scheduled(names.len()),
        Single::draining(server.is_draining),
        Single::uploads_waiting(server.uploads.as_ref().map_or(0, |uploads| uploads.waiting)),
        Single::notices_waiting(server.notices.unwrap_or_default()),
        Single::gauge(
            "builder_builds_under_way",
            "Builds that are under way, and those that have just ended.",
            server.under_way,
        ),
        Single::gauge("builder_builds_max", "How many builds may be under way.", server.limit),
        Single::gauge(
            "builder_disk_full",
            "1 if the disk of the server has no room for another build or job, or else 0.",
            u64::from(server.is_full),
        ),
    ];
    let room = server.free_bytes.map(|bytes| {
        Single::gauge("builder_disk_room_bytes", "Bytes by which the files of the server can grow.", bytes)
    });
    singles.iter().chain(&room).for_each(|single| single.write(page));
}

/// What is so on each platform that has a queue, or builds that run.
fn platforms(snapshot: &Snapshot, now: Time) -> BTreeMap<Text, PlatformFigures> {
    let mut oldest: BTreeMap<&Text, Time> = BTreeMap::new();
    for entry in &snapshot.queued {
        if let Some(since) = entry.since {
            let known = oldest.entry(&entry.platform).or_insert(since);
            *known = since.min(*known);
        }
    }
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let figures = |status: &PlatformStatus| PlatformFigures {
        queued: count(status.queued),
        oldest: oldest.get(&status.platform).map_or(Duration::ZERO, |since| now.duration_since(*since)),
        is_paused: status.is_paused,
        running: count(status.busy),
        waiting: count(status.idle),
    };
    let shown = snapshot.platforms.iter().filter(|status| !status.is_dropped || status.busy > 0);
    shown.map(|status| (status.platform.clone(), figures(status))).collect()
}

/// How each job is on each platform where a build of it has ended.
fn write_jobs(page: &mut Exposition, jobs: &[Job]) {
    type Value = fn(&Results) -> Option<String>;
    let gauges: [(&str, &str, Value); 3] = [
        (
            "builder_job_failing",
            "1 if the build of a job that started last, of those that have ended, failed, or else 0.",
            |results| Some(u8::from(!results.last.cause.is_success()).to_string()),
        ),
        ("builder_job_last_end_time_seconds", "When that build ended, in seconds since 1970.", |results| {
            Some(seconds(results.last.finished.duration_since(Time::UNIX_EPOCH)))
        }),
        (
            "builder_job_usual_seconds",
            "How long a build of a job usually takes: the median of the last ones that succeeded.",
            |results| results.usual.map(|usual| seconds(Duration::from_millis(usual))),
        ),
    ];
    let known = jobs.iter().filter_map(|job| {
        let (platform, results) = (job.status.platform.as_ref()?, job.status.results.as_ref()?);
        Some((label(&job.status.job), label(platform), results))
    });
    let known: Vec<(String, String, &Results)> = known.collect();
    for (name, help, value) in gauges {
        page.metric(name, Kind::Gauge, help);
        for (job, platform, results) in &known {
            if let Some(value) = value(results) {
                page.sample(name, &[("job", job), ("platform", platform)], value);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::overview::ServerStatus;

    /// The names that are in the file of the server, too.
    const SHARED: [&str; 12] = [
        "builder_build_info",
        "builder_start_time_seconds",
        "builder_log_bytes",
        "builder_jobs_scheduled",
        "builder_draining",
        "builder_uploads_waiting",
        "builder_notices_waiting",
        "builder_queue_jobs",
        "builder_queue_oldest_seconds",
        "builder_queue_paused",
        "builder_builds_running",
        "builder_workers_waiting",
    ];

    #[test]
    fn what_the_file_of_the_server_says_too_is_said_in_the_same_words() {
        let server = ServerStatus {
            version: "0.5.0".into(),
            started: Time::UNIX_EPOCH,
            under_way: 0,
            limit: 64,
            log_bytes: 0,
            is_full: false,
            is_draining: false,
            has_history: true,
            free_bytes: None,
            uploads: None,
            notices: None,
        };
        let snapshot = Snapshot {
            taken: Time::UNIX_EPOCH,
            revision: 1,
            trouble: None,
            server,
            platforms: Vec::new(),
            queued: Vec::new(),
            running: Vec::new(),
            jobs: Vec::new(),
        };
        let own = metrics(Some(&snapshot), &Figures::default(), Time::UNIX_EPOCH);
        let singles = [
            Single::start_time(Time::UNIX_EPOCH),
            Single::log_bytes(0),
            Single::jobs_scheduled(0),
            Single::draining(false),
            Single::uploads_waiting(0),
            Single::notices_waiting(0),
        ];
        let file =
            crate::metrics::Figures { singles: singles.to_vec(), ..crate::metrics::Figures::default() };
        let file = file.to_text();
        let head = |text: &str, name: &str| -> Vec<String> {
            let lines =
                text.lines().filter(|line| line.starts_with('#') && line.split(' ').nth(2) == Some(name));
            lines.map(str::to_owned).collect()
        };
        for name in SHARED {
            assert_eq!(head(&own, name).len(), 2, "{name}");
            assert_eq!(head(&own, name), head(&file, name));
        }
    }
}
