//! What is going on in a server, as people read it.

use super::table::Table;
use crate::terminal::{Look, Palette};
use crate::wording::Span;
use builder_proto::command::{InfoReply, QueueInfo, RunningInfo, UPLOADS};
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::fmt;
use std::time::Duration;

/// An [`InfoReply`] as people read it.
pub(super) struct Report<'a> {
    pub(super) reply: &'a InfoReply,
    /// What is later is yet to come.
    pub(super) now: Time,
    pub(super) palette: Palette,
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_schedule(f)?;
        for queue in &self.reply.queues {
            self.write_queue(f, queue)?;
        }
        self.write_running(f)?;
        let dropped = &self.reply.dropped_platforms;
        if !dropped.is_empty() {
            self.write_title(f, format_args!("\nDropped platforms ({})", dropped.len()))?;
            dropped.iter().try_for_each(|platform| writeln!(f, "  {platform}"))?;
        }
        Ok(())
    }
}

impl Report<'_> {
    /// Who runs next comes first.
    fn write_schedule(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut items: Vec<&ScheduleItem> = self.reply.schedule.iter().collect();
        self.write_title(f, format_args!("Schedule ({})", items.len()))?;
        items.sort_by_key(|item| (item.next, item.job.name()));
        let mut table = Table::new(self.palette, ["UTC", "NEXT RUN", "PERIOD", "JOB", "WHAT"]);
        for ScheduleItem { next, period, job } in items {
            let utc = if *next == Time::NEVER { "-".to_owned() } else { whole_seconds(*next).to_string() };
            let words = self.next_run(*next);
            table.push([utc, words, period.to_string(), job.name().to_string(), describe(job)]);
        }
        write!(f, "{table}")
    }

    /// How far away a run is.
    fn next_run(&self, next: Time) -> String {
        if next == Time::NEVER {
            "-".to_owned()
        } else if next > self.now {
            // Rounded up, as a job that was just scheduled hourly runs in one hour.
            format!("in {}", Span(next.duration_since(self.now) + Duration::from_millis(999)))
        } else {
            "due".to_owned()
        }
    }

    fn write_queue(&self, f: &mut fmt::Formatter<'_>, queue: &QueueInfo) -> fmt::Result {
        let QueueInfo { platform, jobs } = queue;
        if let Some(destination) = upload_destination(platform) {
            let title = format_args!("\nWaiting for upload to {} ({})", Text::from(destination), jobs.len());
            self.write_title(f, title)?;
            let mut table = Table::new(self.palette, ["UUID", "JOB"]);
            jobs.iter().for_each(|job| table.push([upload_uuid(job).to_string(), job.name().to_string()]));
            return write!(f, "{table}");
        }
        self.write_title(f, format_args!("\nQueue of {platform} ({})", jobs.len()))?;
        let mut table = Table::new(self.palette, ["JOB", "WHAT"]);
        jobs.iter().for_each(|job| table.push([job.name().to_string(), describe(job)]));
        write!(f, "{table}")
    }

    /// Who started last comes last, next to the prompt.
    fn write_running(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut builds: Vec<&RunningInfo> = self.reply.running.iter().collect();
        self.write_title(f, format_args!("\nRunning ({})", builds.len()))?;
        builds.sort_by_key(|build| build.started);
        let mut table = Table::new(self.palette, ["STARTED (UTC)", "UUID", "PLATFORM", "JOB", "AGE"]);
        for RunningInfo { started, uuid, job } in builds {
            let age = Span(self.now.duration_since(*started)).to_string();
            let (platform, name) = (job.platform.to_string(), job.name.to_string());
            table.push([whole_seconds(*started).to_string(), uuid.to_string(), platform, name, age]);
        }
        write!(f, "{table}")
    }

    /// Line ends before the title stay outside of its colours.
    fn write_title(&self, f: &mut fmt::Formatter<'_>, title: fmt::Arguments<'_>) -> fmt::Result {
        let title = title.to_string();
        let words = title.trim_start();
        let lines = title.get(..title.len() - words.len()).unwrap_or_default();
        writeln!(f, "{lines}{}", self.palette.paint(Look::Title, words))
    }
}

/// Where the results of this queue go, when it is not a queue of jobs.
pub(super) fn upload_destination(platform: &Text) -> Option<&[u8]> {
    platform.as_bytes().strip_prefix(UPLOADS.as_bytes())
}

/// The build whose result waits to be uploaded; see [`UPLOADS`].
pub(super) fn upload_uuid(job: &Job) -> &Text {
    match job {
        Job::Script(job) => &job.platform,
        Job::OrbBuild(job) => &job.opam_package,
    }
}

/// Milliseconds only widen a table.
fn whole_seconds(time: Time) -> Time {
    let milliseconds = time.unix_milliseconds();
    Time::from_unix_milliseconds(milliseconds - milliseconds.rem_euclid(1000))
}

fn describe(job: &Job) -> String {
    match job {
        Job::Script(job) => format!("script on {}", job.platform),
        Job::OrbBuild(job) => format!("opam package {}", job.opam_package),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::samples::{info_reply, uploads};
    use builder_proto::time::Period;

    fn report(reply: &InfoReply, now: i64) -> String {
        let now = Time::from_unix_milliseconds(now);
        Report { reply, now, palette: Palette::PLAIN }.to_string()
    }

    #[test]
    fn everything_is_shown_and_nothing_controls_the_terminal() {
        let expected = "\
Schedule (2)
  UTC                   NEXT RUN  PERIOD  JOB    WHAT
  1970-01-01T00:00:00Z  due       daily   hello  script on freebsd-13
  -                     -         never   web    opam package mirage-web

Queue of freebsd-13 (2)
  JOB    WHAT
  hello  script on freebsd-13
  web    opam package mirage-web

Queue of debian-12 (0)

Running (2)
  STARTED (UTC)         UUID                                  PLATFORM  JOB         AGE
  1970-01-01T00:00:01Z  01010101-0101-0101-0101-010101010101  q         x\\u{1b}[2J  1m 1s
  1970-01-01T00:00:02Z  02020202-0202-0202-0202-020202020202  p         hello       1m 0s

Dropped platforms (1)
  gone
";
        assert_eq!(report(&info_reply(), 62_000), expected);
        assert_eq!(report(&InfoReply::default(), 0), "Schedule (0)\n\nRunning (0)\n");
    }

    #[test]
    fn what_waits_to_be_uploaded_is_no_queue_of_jobs() {
        let reply = InfoReply { queues: vec![uploads()], ..InfoReply::default() };
        let expected = "\
Schedule (0)

Waiting for upload to http://web/upload; refused (1)
  UUID                                  JOB
  03030303-0303-0303-0303-030303030303  hello

Running (0)
";
        assert_eq!(report(&reply, 0), expected);
    }

    #[test]
    fn the_next_run_is_told_in_words() {
        let item = |seconds: i64| {
            let next = Time::from_unix_milliseconds(seconds * 1000);
            ScheduleItem { next, period: Period::Weekly, ..info_reply().schedule[0].clone() }
        };
        let reply = InfoReply { schedule: vec![item(90_061), item(75)], ..InfoReply::default() };
        let report = report(&reply, 1000);
        let runs: Vec<&str> = report.lines().filter_map(|line| line.split("  ").nth(2)).collect();
        assert_eq!(runs[1..], ["in 1m 14s", "in 1d 1h"], "{report}");
    }

    #[test]
    fn colours_do_not_shift_columns() {
        let reply = info_reply();
        let plain = report(&reply, 0);
        let now = Time::UNIX_EPOCH;
        let coloured = Report { reply: &reply, now, palette: Palette::COLOURED }.to_string();
        let stripped =
            ["\x1b[1m", "\x1b[2m", "\x1b[0m"].iter().fold(coloured, |text, code| text.replace(code, ""));
        assert_eq!(stripped, plain);
    }
}
