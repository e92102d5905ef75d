//! How all is, as people and scripts read it from a pipe: tables without colours, in which nothing is left out. The sections
//! and the first columns are those that earlier versions have.

use super::answer::{Overview, period, usual};
use crate::client::info::{JobLine, job_lines};
use crate::client::info_filter::InfoFilter;
use crate::client::info_table::{Report, place, until};
use crate::terminal::Palette;
use crate::terminal::table::{Fit, Table};
use crate::wording::{Size, Span, whole_seconds};
use builder_proto::command::InfoReply;
use builder_proto::job::Job;
use builder_proto::overview::{JobStatus, PlatformStatus};
use builder_proto::time::Time;
use std::fmt;
use std::time::Duration;

/// An [`Overview`] in a pipe.
pub(super) struct Plain<'a> {
    pub(super) all: &'a Overview,
    /// What the filter leaves of it.
    pub(super) shown: &'a Overview,
    pub(super) filter: &'a InfoFilter,
    pub(super) now: Time,
}

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.all.to_reply();
        // What it names is known to be there.
        let shown = self.filter.apply(&all).unwrap_or_default();
        let (filter, now, palette) = (self.filter, self.now, Palette::PLAIN);
        let report = Report { all: &all, shown: &shown, filter, now, palette, columns: None };
        self.write_running(f)?;
        self.write_schedule(f, &all, &shown)?;
        self.write_queued(f)?;
        self.write_platforms(f)?;
        report.write_rest(f)?;
        if *self.filter == InfoFilter::default() { self.write_server(f) } else { Ok(()) }
    }
}

impl Plain<'_> {
    /// Who started last comes last.
    fn write_running(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "Running ({})", self.shown.running.len())?;
        let mut table = whole_table(["JOB", "PLATFORM", "STARTED (UTC)", "AGE", "USUAL", "UUID"]);
        for build in &self.shown.running {
            table.push([
                build.job.to_string(),
                build.platform.to_string(),
                whole_seconds(build.started).to_string(),
                Span(self.now.duration_since(build.started)).to_string(),
                span(self.all.usual(build)),
                build.uuid().to_string(),
            ]);
        }
        write!(f, "{table}")
    }

    /// A line a job and platform.
    fn write_schedule(&self, f: &mut fmt::Formatter<'_>, all: &InfoReply, shown: &InfoReply) -> fmt::Result {
        writeln!(f, "\nSchedule ({})", shown.schedule.len())?;
        let mut table = whole_table([
            "JOB",
            "PLATFORM",
            "NOW",
            "NEXT RUN (UTC)",
            "NEXT RUN",
            "RESULT",
            "TIMES",
            "SINCE (UTC)",
            "USUAL",
            "PERIOD",
        ]);
        for JobLine { job, now, schedule } in job_lines(all) {
            let next = schedule.map(|(next, _)| next).filter(|next| *next != Time::NEVER);
            for status in self.shown.of_job(job.name()) {
                let [result, times, since, usual] = results(status);
                table.push([
                    job.name().to_string(),
                    where_built(status, job),
                    now.describe(self.now),
                    next.map_or_else(none, |next| whole_seconds(next).to_string()),
                    next.map_or_else(none, |next| until(next, self.now)),
                    result,
                    times,
                    since,
                    usual,
                    period(status),
                ]);
            }
        }
        write!(f, "{table}")
    }

    fn write_queued(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.shown.queued.is_empty() {
            return Ok(());
        }
        writeln!(f, "\nWaiting ({})", self.shown.queued.len())?;
        let mut table = whole_table(["JOB", "PLATFORM", "SINCE (UTC)", "LOST", "WHY"]);
        for entry in &self.shown.queued {
            table.push([
                entry.job.to_string(),
                entry.platform.to_string(),
                entry.since.map_or_else(none, |since| whole_seconds(since).to_string()),
                entry.losses.to_string(),
                entry.reason.to_string(),
            ]);
        }
        write!(f, "{table}")
    }

    /// Of a queue, only the jobs that were asked for are there, which would look like all of them; then there is none.
    fn write_platforms(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = || self.shown.platforms.iter().filter(|platform| !platform.is_dropped);
        if open().next().is_none() {
            return Ok(());
        }
        writeln!(f, "\nPlatforms ({})", open().count())?;
        let mut table = whole_table(["PLATFORM", "RUNNING", "QUEUED", "IDLE WORKERS", "STATE"]);
        for PlatformStatus { platform, busy, queued, idle, is_paused, .. } in open() {
            let [busy, queued, idle] = [busy, queued, idle].map(u64::to_string);
            let state = if *is_paused { "paused".to_owned() } else { none() };
            table.push([platform.to_string(), busy, queued, idle, state]);
        }
        write!(f, "{table}")
    }

    fn write_server(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let server = &self.all.server;
        writeln!(f, "\nServer {}", server.version)?;
        writeln!(f, "  running since {}", whole_seconds(server.started))?;
        writeln!(f, "  builds under way: {}, at most {}", server.under_way, server.limit)?;
        writeln!(f, "  log: {}", Size(server.log_bytes))?;
        if let Some(free) = server.free_bytes {
            let full = if server.is_full { ", too little for another build" } else { "" };
            writeln!(f, "  free for it: {}{full}", Size(free))?;
        }
        if let Some(notices) = server.notices {
            writeln!(f, "  notices waiting: {notices}")?;
        }
        if server.is_draining {
            writeln!(f, "  draining: nothing is started until 'builder-client resume'")?;
        }
        if !server.has_history {
            writeln!(f, "  the history cannot be opened; the log of the server says why")?;
        }
        Ok(())
    }
}

/// A table whose cells are as they are.
fn whole_table<const COLUMNS: usize>(heads: [&str; COLUMNS]) -> Table<COLUMNS> {
    Table::new(Palette::PLAIN, None, heads.map(|head| (head, Fit::Whole)))
}

/// The last result of a job, how often in a row and since when, and how long a build usually takes.
fn results(status: &JobStatus) -> [String; 4] {
    let Some(results) = &status.results else { return [(); 4].map(|()| none()) };
    let cause = &results.last.cause;
    let result = if cause.is_success() { "ok".to_owned() } else { cause.to_string() };
    let since = whole_seconds(results.since).to_string();
    [result, results.count.to_string(), since, span(usual(results))]
}

/// The platform, and what tells an orb-build job from others.
fn where_built(status: &JobStatus, job: &Job) -> String {
    match (&status.platform, &status.package) {
        (Some(platform), Some(package)) => format!("{platform} (opam {package})"),
        _ => place(job),
    }
}

fn span(duration: Option<Duration>) -> String {
    duration.map_or_else(none, |duration| Span(duration).to_string())
}

fn none() -> String {
    "-".to_owned()
}
