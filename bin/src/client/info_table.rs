//! What is going on in a server, as people read it: what runs, then a line for each job, then a line for each platform.

use super::info::{JobLine, job_lines};
use super::info_filter::{InfoFilter, queues, upload_destination, upload_uuid};
use crate::terminal::table::{Fit, Table};
use crate::terminal::{Look, Palette};
use crate::wording::{Span, whole_seconds};
use builder_proto::command::{InfoReply, QueueInfo, RunningInfo};
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

/// An [`InfoReply`] as people read it.
pub(super) struct Report<'a> {
    pub(super) all: &'a InfoReply,
    /// What the filter leaves of it.
    pub(super) shown: &'a InfoReply,
    pub(super) filter: &'a InfoFilter,
    /// What is later is yet to come.
    pub(super) now: Time,
    pub(super) palette: Palette,
    /// How many characters a line may have; `None` where it may have any number.
    pub(super) columns: Option<usize>,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_running(f)?;
        self.write_schedule(f)?;
        // Of a queue, only the jobs that were asked for are there, which would look like all of them.
        if self.filter.jobs.is_empty() {
            self.write_platforms(f)?;
        }
        self.write_rest(f)
    }
}

impl Report<'_> {
    /// What is left to say: results that wait to be uploaded, and dropped platforms.
    pub(super) fn write_rest(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for queue in &self.shown.queues {
            self.write_uploads(f, queue)?;
        }
        let dropped = &self.shown.dropped_platforms;
        if !dropped.is_empty() {
            self.write_title(f, format_args!("\nDropped platforms ({})", dropped.len()))?;
            dropped.iter().try_for_each(|platform| writeln!(f, "  {platform}"))?;
        }
        Ok(())
    }

    /// A line a build. Who started last comes last.
    fn write_running(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builds: Vec<&RunningInfo> = self.shown.running.iter().collect();
        self.write_title(f, format_args!("Running ({})", builds.len()))?;
        builds.sort_by_key(|build| build.started);
        let columns = [
            ("JOB", Fit::Cut),
            ("PLATFORM", Fit::Cut),
            ("STARTED (UTC)", Fit::Drop(0)),
            ("AGE", Fit::Whole),
            ("UUID", Fit::Whole),
        ];
        let mut table = Table::new(self.palette, self.columns, columns);
        for RunningInfo { started, uuid, job } in builds {
            let age = Span(self.now.duration_since(*started)).to_string();
            let started = whole_seconds(*started).to_string();
            table.push([job.name.to_string(), job.platform.to_string(), started, age, uuid.to_string()]);
        }
        write!(f, "{table}")
    }

    /// A line a job.
    fn write_schedule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = queues(self.shown).flat_map(|queue| &queue.jobs).map(Job::name);
        let shown: BTreeSet<&Text> =
            self.shown.schedule.iter().map(|item| item.job.name()).chain(waiting).collect();
        self.write_title(f, format_args!("\nSchedule ({})", self.shown.schedule.len()))?;
        let columns = [
            ("JOB", Fit::Cut),
            ("PLATFORM", Fit::Cut),
            ("NOW", Fit::Whole),
            ("NEXT RUN (UTC)", Fit::Drop(0)),
            ("NEXT RUN", Fit::Whole),
            ("PERIOD", Fit::Whole),
        ];
        let mut table = Table::new(self.palette, self.columns, columns);
        // Of all of them, as the place in a queue depends on jobs that are not shown.
        let lines = job_lines(self.all);
        for JobLine { job, now, schedule } in lines.into_iter().filter(|line| shown.contains(line.job.name()))
        {
            let next = schedule.map(|(next, _)| next).filter(|next| *next != Time::NEVER);
            let none = || "-".to_owned();
            table.push([
                job.name().to_string(),
                place(job),
                now.describe(self.now),
                next.map_or_else(none, |next| whole_seconds(next).to_string()),
                next.map_or_else(none, |next| until(next, self.now)),
                schedule.map_or_else(none, |(_, period)| period.to_string()),
            ]);
        }
        write!(f, "{table}")
    }

    /// A line a platform. Where jobs wait and none runs, a worker may be missing.
    fn write_platforms(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut platforms: BTreeMap<&Text, (usize, usize)> = BTreeMap::new();
        for queue in queues(self.shown) {
            platforms.entry(&queue.platform).or_default().1 = queue.jobs.len();
        }
        for build in &self.shown.running {
            platforms.entry(&build.job.platform).or_default().0 += 1;
        }
        if platforms.is_empty() {
            return Ok(());
        }
        self.write_title(f, format_args!("\nPlatforms ({})", platforms.len()))?;
        let columns = [("PLATFORM", Fit::Cut), ("RUNNING", Fit::Whole), ("QUEUED", Fit::Whole)];
        let mut table = Table::new(self.palette, self.columns, columns);
        for (platform, (running, queued)) in platforms {
            table.push([platform.to_string(), running.to_string(), queued.to_string()]);
        }
        write!(f, "{table}")
    }

    fn write_uploads(&self, f: &mut fmt::Formatter<'_>, queue: &QueueInfo) -> fmt::Result {
        let Some(destination) = upload_destination(queue) else { return Ok(()) };
        let count = queue.jobs.len();
        let title = format_args!("\nWaiting for upload to {} ({count})", Text::from(destination));
        self.write_title(f, title)?;
        let columns = [("JOB", Fit::Cut), ("UUID", Fit::Whole)];
        let mut table = Table::new(self.palette, self.columns, columns);
        queue.jobs.iter().for_each(|job| table.push([job.name().to_string(), upload_uuid(job).to_string()]));
        write!(f, "{table}")
    }

    /// Line ends before the title stay outside of its colours.
    pub(super) fn write_title(&self, f: &mut fmt::Formatter<'_>, title: fmt::Arguments<'_>) -> fmt::Result {
        let title = title.to_string();
        let words = title.trim_start();
        let lines = title.get(..title.len() - words.len()).unwrap_or_default();
        writeln!(f, "{lines}{}", self.palette.paint(Look::Title, words))
    }
}

/// How far away a run is.
pub(super) fn until(next: Time, now: Time) -> String {
    if next > now {
        // Rounded up, as a job that was just scheduled hourly runs in one hour.
        format!("in {}", Span(next.duration_since(now) + Duration::from_millis(999)))
    } else {
        "due".to_owned()
    }
}

/// Where a job runs: on its platform, or wherever there is a template, which makes its package what tells it from others.
pub(super) fn place(job: &Job) -> String {
    match job {
        Job::Script(job) => job.platform.to_string(),
        Job::OrbBuild(job) => format!("any (opam {})", job.opam_package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::info_filter::samples::{info_reply, script, uploads};
    use builder_proto::job::ScheduleItem;
    use builder_proto::time::Period;

    fn report(reply: &InfoReply, now: i64, columns: Option<usize>) -> String {
        let now = Time::from_unix_milliseconds(now);
        let filter = InfoFilter::default();
        Report { all: reply, shown: reply, filter: &filter, now, palette: Palette::PLAIN, columns }
            .to_string()
    }

    #[test]
    fn everything_is_shown_and_nothing_controls_the_terminal() {
        let expected = "\
Running (2)
  JOB       PLATFORM  STARTED (UTC)         AGE    UUID
  x\\x1b[2J  q         1970-01-01T00:00:01Z  1m 1s  01010101-0101-0101-0101-010101010101
  hello     p         1970-01-01T00:00:02Z  1m 0s  02020202-0202-0202-0202-020202020202

Schedule (2)
  JOB    PLATFORM               NOW              NEXT RUN (UTC)        NEXT RUN  PERIOD
  hello  freebsd-13             running, queued  1970-01-01T00:00:00Z  due       daily
  web    any (opam mirage-web)  queued #2        -                     -         never

Platforms (4)
  PLATFORM    RUNNING  QUEUED
  debian-12   0        0
  freebsd-13  0        2
  p           1        0
  q           1        0

Dropped platforms (1)
  gone
";
        assert_eq!(report(&info_reply(), 62_000, None), expected);
        assert_eq!(report(&InfoReply::default(), 0, None), "Running (0)\n\nSchedule (0)\n");
    }

    #[test]
    fn what_waits_to_be_uploaded_is_no_queue_of_jobs() {
        let reply = InfoReply { queues: vec![uploads()], ..InfoReply::default() };
        let expected = "\
Running (0)

Schedule (0)

Waiting for upload to http://web/upload; refused (1)
  JOB    UUID
  hello  03030303-0303-0303-0303-030303030303
";
        assert_eq!(report(&reply, 0, None), expected);
    }

    #[test]
    fn a_filter_leaves_out_lines_and_changes_none() {
        let all = info_reply();
        let filter = InfoFilter { jobs: vec!["web".into()], platform: None };
        let shown = filter.apply(&all).unwrap();
        let (now, palette) = (Time::UNIX_EPOCH, Palette::PLAIN);
        let report =
            Report { all: &all, shown: &shown, filter: &filter, now, palette, columns: None }.to_string();
        let expected = "\
Running (0)

Schedule (1)
  JOB  PLATFORM               NOW        NEXT RUN (UTC)  NEXT RUN  PERIOD
  web  any (opam mirage-web)  queued #2  -               -         never
";
        assert_eq!(report, expected, "and no counts of platforms, where jobs are left out");
    }

    #[test]
    fn the_next_run_is_told_in_words() {
        let item = |seconds: i64| {
            let next = Time::from_unix_milliseconds(seconds * 1000);
            ScheduleItem { next, period: Period::Weekly, ..info_reply().schedule[0].clone() }
        };
        let reply = InfoReply { schedule: vec![item(90_061), item(75)], ..InfoReply::default() };
        let report = report(&reply, 1000, None);
        let runs: Vec<&str> = report.lines().filter_map(|line| line.split("Z  ").nth(1)).collect();
        assert_eq!(runs, ["in 1m 14s  weekly", "in 1d 1h   weekly"], "{report}");
    }

    /// Forty jobs with names as they are in service, most of them idle, some of them running.
    fn forty_jobs() -> InfoReply {
        let names: Vec<(String, &str)> = (0..40)
            .map(|number| {
                (format!("mirage-unikernel-of-customer-{number:02}"), ["debian-12", "freebsd-14"][number % 2])
            })
            .collect();
        let job = |number: usize| script(&names[number].0, names[number].1);
        let item = |number: usize| ScheduleItem {
            next: Time::from_unix_milliseconds(80_000_000 - number as i64 * 100_000),
            period: Period::Weekly,
            job: Job::Script(job(number)),
        };
        InfoReply {
            schedule: (0..40).map(item).collect(),
            running: (2..4)
                .map(|number| RunningInfo { job: job(number), ..info_reply().running[0].clone() })
                .collect(),
            queues: vec![QueueInfo { platform: "debian-12".into(), jobs: vec![Job::Script(job(6))] }],
            dropped_platforms: Vec::new(),
        }
    }

    #[test]
    fn each_of_forty_jobs_has_one_line_that_fits_the_terminal() {
        let reply = forty_jobs();
        for columns in [80, 100, 200] {
            let report = report(&reply, 10_000_000, Some(columns));
            let longest = report.lines().map(|line| line.chars().count()).max();
            assert!(longest <= Some(columns), "{report}");
            let schedule = report.split("\n\n").nth(1).unwrap();
            assert_eq!(schedule.lines().count(), 42, "{schedule}");
            let lines: Vec<&str> = schedule.lines().skip(2).collect();
            assert!(lines[0].contains("  running 2h 46m  ") && lines[1].contains("  running "), "{schedule}");
            assert!(lines[2].contains("  queued #1 "), "{schedule}");
            // Of the others, those that run soonest.
            assert!(lines[3].contains("in 18h 21m") && lines[39].contains("in 19h 26m"), "{schedule}");
            assert_eq!(report.matches("02020202-0202-0202-0202-020202020202").count(), 2, "{report}");
        }
        let wide = report(&reply, 10_000_000, None);
        assert!(wide.contains("  mirage-unikernel-of-customer-39  freebsd-14  - "), "{wide}");
        assert_eq!(wide, report(&reply, 10_000_000, Some(200)));
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let reply = info_reply();
        let plain = report(&reply, 0, Some(80));
        let (now, filter) = (Time::UNIX_EPOCH, InfoFilter::default());
        let palette = Palette::COLOURED;
        let coloured =
            Report { all: &reply, shown: &reply, filter: &filter, now, palette, columns: Some(80) }
                .to_string();
        let stripped =
            ["\x1b[1m", "\x1b[2m", "\x1b[0m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }
}
