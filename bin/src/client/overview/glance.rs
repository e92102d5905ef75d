//! How all is, on a terminal: in one line whether somebody has to do something, then the jobs, those that failed first, then
//! what runs, what waits and why, and the platforms.

use super::answer::{Overview, period, usual};
use crate::client::builds::digits_to_tell_apart;
use crate::client::history::{exceeds, in_short};
use crate::client::info_table::until;
use crate::terminal::table::{Cell, Fit, Table};
use crate::terminal::{Look, Palette};
use crate::wording::{Size, Span, shortened_uuid};
use builder_proto::history::Build;
use builder_proto::overview::{JobStatus, PlatformStatus, Reason, Results};
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::collections::BTreeSet;
use std::fmt;

/// An [`Overview`] on a terminal.
pub(super) struct Glance<'a> {
    pub(super) shown: &'a Overview,
    /// Whether nothing is left out.
    pub(super) is_whole: bool,
    pub(super) now: Time,
    pub(super) palette: Palette,
    /// How many characters a line may have.
    pub(super) columns: usize,
}

/// Which of two jobs comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Since when; what is new comes first.
    Failed(std::cmp::Reverse<Time>),
    Running,
    Queued,
    /// The next run.
    Idle(Time),
}

impl fmt::Display for Glance<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_whole {
            self.write_verdict(f)?;
        }
        self.write_jobs(f)?;
        self.write_running(f)?;
        self.write_queued(f)?;
        self.write_platforms(f)?;
        self.write_uploads(f)?;
        self.write_notices(f)
    }
}

impl Glance<'_> {
    /// Whether all is well, and if not, what is wrong.
    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problems = self.problems();
        let good = || {
            let (jobs, running) = (self.names().len(), self.shown.running.len());
            format!("all is well: {}, {running} running", count(jobs, "job", "jobs"))
        };
        match problems.as_slice() {
            [] => writeln!(f, "{}", self.palette.outcome(true, good()))?,
            problems => {
                for problem in problems {
                    writeln!(f, "{}", self.palette.outcome(false, problem))?;
                }
            }
        }
        let server = &self.shown.server;
        let mut about = format!(
            "server {}, up {}, log {}",
            server.version,
            Span(self.now.duration_since(server.started)),
            Size(server.log_bytes)
        );
        if let Some(free) = server.free_bytes {
            about += &format!(", {} free", Size(free));
        }
        writeln!(f, "{}\n", self.palette.paint(Look::Aside, about))
    }

    /// What somebody has to look at, in a few words each.
    fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let failed: BTreeSet<&Text> =
            self.shown.jobs.iter().filter(|status| has_failed(status)).map(|status| &status.job).collect();
        if !failed.is_empty() {
            problems.push(format!("{} of {} failed", failed.len(), count(self.names().len(), "job", "jobs")));
        }
        if self.shown.server.is_full {
            problems.push("the disk is full: nothing new is queued or started".to_owned());
        }
        if self.shown.server.is_draining {
            problems
                .push("the server is draining: nothing is started until 'builder-client resume'".to_owned());
        }
        for platform in &self.shown.platforms {
            let PlatformStatus { platform: name, queued, .. } = platform;
            match &platform.pace {
                _ if platform.is_paused => {
                    problems.push(format!("{name} is paused until 'builder-client resume {name}'"));
                }
                Some(pace) => {
                    problems.push(format!("{name}: the workers lost {} builds in a row", pace.losses));
                }
                None if has_no_worker(platform) => {
                    problems.push(format!("{name} has no worker, and {queued} queued"));
                }
                None => {}
            }
        }
        if let Some(trouble) = self.shown.server.uploads.as_ref().and_then(|uploads| uploads.trouble.as_ref())
        {
            problems.push(format!("results are not uploaded: {trouble}"));
        }
        if !self.shown.server.has_history {
            problems.push("the history cannot be opened; the log of the server says why".to_owned());
        }
        problems
    }

    fn names(&self) -> BTreeSet<&Text> {
        self.shown.jobs.iter().map(|status| &status.job).collect()
    }

    fn write_jobs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_title(f, "Jobs", self.names().len())?;
        let columns = [
            ("RESULT", Fit::Whole),
            ("SINCE", Fit::Whole),
            ("NOW", Fit::Whole),
            ("USUAL", Fit::Drop(2)),
            ("JOB", Fit::Wrap),
            ("PLATFORM", Fit::Drop(1)),
            ("PERIOD", Fit::Drop(0)),
        ];
        let mut table = Table::new(self.palette, Some(self.columns), columns);
        let mut jobs: Vec<&JobStatus> = self.shown.jobs.iter().collect();
        jobs.sort_by_cached_key(|status| self.rank(status));
        for status in jobs {
            let results = status.results.as_ref();
            table.push([
                self.result(results),
                results.map_or_else(none, |results| self.ago(results.since)).into(),
                self.activity(status).into(),
                results.and_then(usual).map_or_else(none, |usual| Span(usual).to_string()).into(),
                self.name(status).into(),
                status.platform.as_ref().map_or_else(|| "any".to_owned(), ToString::to_string).into(),
                period(status).into(),
            ]);
        }
        write!(f, "{table}")
    }

    fn rank(&self, status: &JobStatus) -> Rank {
        match &status.results {
            Some(results) if has_failed(status) => Rank::Failed(std::cmp::Reverse(results.since)),
            _ if self.running(status).is_some() => Rank::Running,
            _ if self.is_queued(status) => Rank::Queued,
            _ => Rank::Idle(status.next),
        }
    }

    /// How the last build ended, and how many in a row failed.
    fn result(&self, results: Option<&Results>) -> Cell {
        let Some(results) = results else { return none().into() };
        let signs = self.palette.has_signs();
        if results.last.cause.is_success() {
            return Cell::new(if signs { "✓ ok" } else { "ok" }, Look::Good);
        }
        let cause = in_short(&results.last.cause);
        let (sign, times) = if signs { ("✗ ", "×") } else { ("", "x") };
        match results.count {
            0 | 1 => Cell::new(format_args!("{sign}{cause}"), Look::Bad),
            count => Cell::new(format_args!("{sign}{cause} {times}{count}"), Look::Bad),
        }
    }

    /// What the job does now, or when it runs next.
    fn activity(&self, status: &JobStatus) -> String {
        if let Some(build) = self.running(status) {
            format!("running {}", self.ago(build.started))
        } else if self.is_queued(status) {
            "queued".to_owned()
        } else if status.next == Time::NEVER {
            none()
        } else {
            until(status.next, self.now)
        }
    }

    /// With the platform, if the job has several.
    fn name(&self, status: &JobStatus) -> String {
        match &status.platform {
            Some(platform) if self.shown.of_job(&status.job).len() > 1 => {
                format!("{} ({platform})", status.job)
            }
            _ => status.job.to_string(),
        }
    }

    fn running(&self, status: &JobStatus) -> Option<&Build> {
        let is_meant = |build: &&Build| build.job == status.job && is_at(status, &build.platform);
        self.shown.running.iter().find(is_meant)
    }

    fn is_queued(&self, status: &JobStatus) -> bool {
        self.shown.queued.iter().any(|entry| entry.job == status.job && is_at(status, &entry.platform))
    }

    fn write_running(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let builds = &self.shown.running;
        if builds.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        self.write_title(f, "Running", builds.len())?;
        let columns = [
            ("AGE", Fit::Whole),
            ("USUAL", Fit::Whole),
            ("UUID", Fit::Whole),
            ("JOB", Fit::Wrap),
            ("PLATFORM", Fit::Drop(1)),
            ("HOST", Fit::Drop(0)),
        ];
        let mut table = Table::new(self.palette, Some(self.columns), columns);
        let digits = digits_to_tell_apart(builds);
        for build in builds {
            let (age, usual) = (self.now.duration_since(build.started), self.shown.usual(build));
            let is_slow = usual.is_some_and(|usual| exceeds(age, usual));
            let age = match is_slow {
                true => Cell::new(format_args!("{} slow", Span(age)), Look::Bad),
                false => Span(age).to_string().into(),
            };
            table.push([
                age,
                usual.map_or_else(none, |usual| Span(usual).to_string()).into(),
                shortened_uuid(build.uuid(), digits).into(),
                build.job.to_string().into(),
                build.platform.to_string().into(),
                build.host.as_ref().map_or_else(String::new, ToString::to_string).into(),
            ]);
        }
        write!(f, "{table}")
    }

    fn write_queued(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queued = &self.shown.queued;
        if queued.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        self.write_title(f, "Waiting", queued.len())?;
        let columns =
            [("SINCE", Fit::Whole), ("JOB", Fit::Wrap), ("PLATFORM", Fit::Whole), ("WHY", Fit::Wrap)];
        let mut table = Table::new(self.palette, Some(self.columns), columns);
        for entry in queued {
            let mut why = self.why(&entry.reason);
            if entry.losses > 0 {
                why += &format!("; lost {}", count(entry.losses as usize, "time", "times"));
            }
            let look = match entry.reason {
                Reason::Busy(_) | Reason::Limit(_) | Reason::Next(_) => Look::Aside,
                _ => Look::Bad,
            };
            table.push([
                entry.since.map_or_else(none, |since| self.ago(since)).into(),
                entry.job.to_string().into(),
                entry.platform.to_string().into(),
                Cell::new(why, look),
            ]);
        }
        write!(f, "{table}")
    }

    /// Times are told as how far away they are.
    fn why(&self, reason: &Reason) -> String {
        match reason {
            Reason::Losses(pace) => {
                format!("workers lost {} in a row; next try {}", pace.losses, until(pace.next, self.now))
            }
            Reason::NoWorker(_) => "no worker".to_owned(),
            Reason::NoTemplate(_) => "no template".to_owned(),
            Reason::Paused(_) => "paused".to_owned(),
            other => other.to_string(),
        }
    }

    fn write_platforms(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platforms = &self.shown.platforms;
        if platforms.is_empty() {
            return Ok(());
        }
        writeln!(f)?;
        self.write_title(f, "Platforms", platforms.len())?;
        let columns = [
            ("IDLE", Fit::Whole),
            ("BUSY", Fit::Whole),
            ("QUEUED", Fit::Whole),
            ("PLATFORM", Fit::Wrap),
            ("STATE", Fit::Wrap),
        ];
        let mut table = Table::new(self.palette, Some(self.columns), columns);
        for platform in platforms {
            let state = match &platform.pace {
                _ if platform.is_dropped => Cell::new("dropped", Look::Aside),
                _ if platform.is_paused => Cell::new("paused", Look::Bad),
                Some(pace) => Cell::new(
                    format_args!("lost {} in a row; next try {}", pace.losses, until(pace.next, self.now)),
                    Look::Bad,
                ),
                None if has_no_worker(platform) => Cell::new("no worker", Look::Bad),
                None => String::new().into(),
            };
            table.push([
                platform.idle.to_string().into(),
                platform.busy.to_string().into(),
                platform.queued.to_string().into(),
                platform.platform.to_string().into(),
                state,
            ]);
        }
        write!(f, "{table}")
    }

    fn write_uploads(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(uploads) = &self.shown.server.uploads else { return Ok(()) };
        let shown = match self.is_whole {
            true => uploads.waiting,
            false => uploads.first.len() as u64,
        };
        let title = format!("Waiting for upload to {}", uploads.destination);
        writeln!(f)?;
        self.write_title(f, &title, shown as usize)?;
        let columns = [("UUID", Fit::Whole), ("JOB", Fit::Wrap)];
        let mut table = Table::new(self.palette, Some(self.columns), columns);
        for waiting in &uploads.first {
            table.push([waiting.uuid.0.to_string(), waiting.job.to_string()]);
        }
        write!(f, "{table}")
    }

    /// Only their number is known, which says nothing of the jobs that are meant.
    fn write_notices(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(notices) = self.shown.server.notices.filter(|_| self.is_whole) else { return Ok(()) };
        writeln!(f)?;
        self.write_title(f, "Notices waiting", notices as usize)
    }

    fn ago(&self, time: Time) -> String {
        Span(self.now.duration_since(time)).to_string()
    }

    fn write_title(&self, f: &mut fmt::Formatter<'_>, title: &str, count: usize) -> fmt::Result {
        writeln!(f, "{}", self.palette.paint(Look::Title, format_args!("{title} ({count})")))
    }
}

fn has_failed(status: &JobStatus) -> bool {
    status.results.as_ref().is_some_and(|results| !results.last.cause.is_success())
}

/// Jobs wait that nobody will take.
fn has_no_worker(platform: &PlatformStatus) -> bool {
    platform.queued > 0 && platform.idle == 0 && platform.busy == 0
}

/// Whether what is said of a job holds there: an orb-build job that was built nowhere may be anywhere.
fn is_at(status: &JobStatus, platform: &Text) -> bool {
    status.platform.as_ref().is_none_or(|its| its == platform)
}

fn count(number: usize, one: &str, more: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { more })
}

fn none() -> String {
    "-".to_owned()
}
