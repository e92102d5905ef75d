//! A row for each job. There may be hundreds, and the page is to stay small: end tags and quotes that HTML can do without are
//! left out, which is why rows are not written as the rest of the page is.

use super::Overview;
use crate::dashboard::chart;
use crate::dashboard::outcome::{Outcome, sign, verdict};
use crate::dashboard::pages::words::{Away, Minute, usual};
use crate::wording::whole_seconds;
use builder_engine::dashboard::snapshot::{Job, RECENT, Recent};
use builder_engine::wording::Span;
use builder_proto::overview::{JobStatus, Results};
use builder_proto::time::Time;
use maud::Escaper;
use std::fmt::{self, Write};
use std::time::Duration;

/// How long ago something may be for its seconds to be seen. The script counts from the time that it finds.
const PRECISE: Duration = Duration::from_secs(60 * 60);

impl Overview<'_> {
    /// Appends the row of a job.
    pub(super) fn append_row(&self, rows: &mut String, job: &Job) {
        // A String takes everything.
        let _ = self.write_row(rows, job);
    }

    fn write_row(&self, rows: &mut String, job: &Job) -> fmt::Result {
        let status = &job.status;
        let is_one_of_several = self.is_one_of_several(status);
        let platform = status.platform.as_ref();
        let address = self.links.job_on(&status.job, platform.filter(|_| is_one_of_several));
        rows.push_str("<tr><td><a href=\"");
        write!(Escaper::new(rows), "{address}")?;
        rows.push_str("\">");
        write!(Escaper::new(rows), "{}", status.job)?;
        rows.push_str("</a>");
        if let Some(platform) = platform {
            rows.push_str(" <i>");
            write!(Escaper::new(rows), "{platform}")?;
            rows.push_str("</i>");
        }
        rows.push_str("<td>");
        rows.push_str(&chart::strip(&job.recent).into_string());
        match &status.results {
            None => rows.push_str("<td>not yet<td>–"),
            Some(results) if results.last.cause.is_success() => self.write_success(rows, results)?,
            Some(results) => self.write_failure(rows, results, &job.recent)?,
        }
        self.write_next(rows, status)
    }

    fn write_success(&self, rows: &mut String, results: &Results) -> fmt::Result {
        rows.push_str("<td class=ok>✓ ok ");
        let finished = results.last.finished;
        if self.now.duration_since(finished) < PRECISE {
            self.write_time(rows, finished)?;
        } else {
            // Nearly all rows are of this kind, so the script puts how long ago it was in its place.
            write!(rows, "<time>{:#}</time>", Minute(finished))?;
        }
        match usual(results) {
            Some(usual) => write!(rows, "<td>{}", Span(usual)),
            None => rows.write_str("<td>–"),
        }
    }

    fn write_failure(&self, rows: &mut String, results: &Results, recent: &[Recent]) -> fmt::Result {
        let outcome = Outcome::of(&results.last.cause);
        rows.push_str(if outcome == Outcome::Cancelled {
            "<td><a href=\""
        } else {
            "<td class=bad><a href=\""
        });
        write!(Escaper::new(rows), "{}", self.links.build(results.last.uuid.0))?;
        rows.push_str("\">");
        write!(Escaper::new(rows), "{} {}", sign(outcome), verdict(&results.last.cause))?;
        rows.push_str("</a>");
        if results.count > 1 {
            write!(rows, " ×{}", results.count)?;
        }
        rows.push_str("<td>");
        self.write_time(rows, results.since)?;
        rows.push_str("<td>");
        match recent.iter().rev().find(|recent| recent.cause.is_success()) {
            Some(success) => self.write_time(rows, success.finished),
            None if recent.len() < RECENT => rows.write_str("never"),
            None => write!(rows, "not in {RECENT} builds"),
        }
    }

    /// What the job does now, or when it runs next.
    fn write_next(&self, rows: &mut String, status: &JobStatus) -> fmt::Result {
        rows.push_str("<td>");
        if let Some(build) = self.running(status) {
            rows.push_str("<a href=\"");
            write!(Escaper::new(rows), "{}", self.links.build(build.uuid()))?;
            rows.write_str("\">▶ runs</a>")
        } else if self.is_queued(status) {
            rows.write_str("… waits")
        } else if status.next == Time::NEVER {
            rows.write_str("–")
        } else if status.next <= self.now {
            rows.write_str("now")
        } else {
            // The script puts how far away it is in its place.
            write!(rows, "<time>{:#}</time>", Minute(status.next))
        }
    }

    /// What the script needs to keep it right, and no more.
    fn write_time(&self, rows: &mut String, time: Time) -> fmt::Result {
        let away = Away { time, now: self.now };
        if self.now.duration_since(time) < PRECISE {
            write!(rows, "<time datetime={}>{away}</time>", whole_seconds(time))
        } else {
            write!(rows, "<time datetime={}>{away}</time>", Minute(time))
        }
    }

    fn is_one_of_several(&self, status: &JobStatus) -> bool {
        // By name: those of the same name stand together.
        let jobs = &self.snapshot.jobs;
        let first = jobs.partition_point(|job| job.status.job < status.job);
        jobs.get(first + 1).is_some_and(|next| next.status.job == status.job)
    }
}
