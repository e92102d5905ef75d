//! How all is: a row for each job, with those that fail first; what runs, what waits, and who works, beside them.

mod side;

use super::chart;
use super::context::Context;
use super::frame::{Frame, html_response};
use super::link::Links;
use super::problem::Problem;
use super::words::{Away, Count, Minute, took};
use crate::client::overview::usual;
use crate::dashboard::outcome::{Outcome, has_failed, sign, verdict};
use crate::wording::whole_seconds;
use builder_engine::dashboard::http::Response;
use builder_engine::dashboard::snapshot::{Job, RECENT, Recent, Snapshot};
use builder_proto::overview::{JobStatus, Results};
use builder_proto::text::Text;
use builder_proto::time::Time;
use maud::{Escaper, Markup, PreEscaped, html};
use std::collections::BTreeSet;
use std::fmt::{self, Write};
use std::time::Duration;

/// How long ago something may be for its seconds to be seen. The script counts from the time that it finds.
const PRECISE: Duration = Duration::from_secs(60 * 60);

/// A snapshot, as it is shown.
pub(super) struct Overview<'a> {
    pub(super) links: &'a Links,
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Time,
}

pub(super) fn render(context: &Context<'_>) -> Result<Response, Problem> {
    let links = Links::relative();
    let snapshot = context.snapshot()?;
    let overview = Overview { links: &links, snapshot, now: context.now };
    let frame = Frame {
        snapshot: Some(snapshot),
        now: Some(context.now),
        json: Some(links.api_overview()),
        live: Some(links.live_overview(snapshot)),
        ..Frame::new(&links, context.title)
    };
    let (title, contents) = overview.contents();
    Ok(html_response(200, frame.page(&title, contents)))
}

impl Overview<'_> {
    fn contents(&self) -> (String, Markup) {
        let (failing, others): (Vec<&Job>, Vec<&Job>) =
            self.snapshot.jobs.iter().partition(|job| has_failed(&job.status));
        let problems = self.problems();
        let failing_names: BTreeSet<&Text> = failing.iter().map(|job| &job.status.job).collect();
        let names = self.names().len() as u64;
        let (class, verdict) = overall_verdict(failing_names.len() as u64, names, !problems.is_empty());
        let title = verdict.trim_start_matches(['✓', '✗', '!', ' ']).to_owned();
        let contents = html! {
            h1 class={ "verdict " (class) } { (verdict) }
            @if !problems.is_empty() {
                ul.problems { @for problem in &problems { li { (problem) } } }
            }
            p.summary { (self.summary(names)) }
            div.overview {
                (self.table("failing", "Failing", &failing))
                div.side { (self.side()) }
                (self.table("jobs", if failing.is_empty() { "Jobs" } else { "All other jobs" }, &others))
            }
        };
        (title, contents)
    }

    fn names(&self) -> BTreeSet<&Text> {
        self.snapshot.jobs.iter().map(|job| &job.status.job).collect()
    }

    /// The numbers of everything.
    fn summary(&self, names: u64) -> Markup {
        let snapshot = self.snapshot;
        let workers: u64 = snapshot.platforms.iter().map(|platform| platform.idle + platform.busy).sum();
        html! {
            (Count(names, "job", "jobs")) " · "
            (snapshot.running.len()) " running · "
            (snapshot.queued.len()) " waiting · "
            (Count(workers, "worker", "workers"))
        }
    }

    fn table(&self, id: &str, title: &str, jobs: &[&Job]) -> Markup {
        let is_failing = id == "failing";
        if jobs.is_empty() && (is_failing || !self.snapshot.jobs.is_empty()) {
            return html! {};
        }
        let mut rows = String::new();
        jobs.iter().for_each(|job| self.append_row(&mut rows, job));
        html! {
            section id=(id) aria-labelledby={ (id) "-title" } {
                div.titlebar {
                    h2 id={ (id) "-title" } { (title) " " span.count { (jobs.len()) } }
                    @if !is_failing {
                        input.filter type="search" placeholder="Filter jobs" aria-label="Filter jobs by name" hidden;
                    }
                }
                @if jobs.is_empty() {
                    p.empty {
                        "Nothing is scheduled yet. "
                        code { "builder-client schedule NAME PLATFORM SCRIPT --period daily" }
                        " lets a script run every day."
                    }
                } @else {
                    table.jobs {
                        thead { tr {
                            th scope="col" { "Job" }
                            th scope="col" { "Last builds" }
                            th scope="col" { "Result" }
                            @if is_failing {
                                th scope="col" { "Fails since" }
                                th scope="col" { "Last success" }
                            } @else {
                                th.wide scope="col" { "Usual" }
                            }
                            th.wide scope="col" { "Next" }
                        } }
                        tbody { (PreEscaped(rows)) }
                    }
                }
            }
        }
    }

    fn is_queued(&self, status: &JobStatus) -> bool {
        let is_there = |platform| status.platform.as_ref().is_none_or(|there| there == platform);
        self.snapshot.queued.iter().any(|entry| entry.job == status.job && is_there(&entry.platform))
    }
}

/// A row for each job. There may be hundreds, and the page is to stay small: end tags and quotes that HTML can do without are
/// left out, which is why rows are not written as the rest of the page is.
impl Overview<'_> {
    /// Appends the row of a job.
    fn append_row(&self, rows: &mut String, job: &Job) {
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
            Some(usual) => write!(rows, "<td>{}", took(usual)),
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
        if let Some(build) = self.snapshot.running_build(status) {
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

/// The answer to whether all is well, and its class.
fn overall_verdict(failing: u64, names: u64, has_problems: bool) -> (&'static str, String) {
    match (failing, names) {
        (0, _) if has_problems => ("warn", "! No job fails, but look at this".to_owned()),
        (0, 0) => ("ok", "✓ Ready for the first job".to_owned()),
        (0, _) => ("ok", "✓ All is well".to_owned()),
        (1, 1) => ("bad", "✗ The only job fails".to_owned()),
        (failing, names) => {
            let verb = if failing == 1 { "fails" } else { "fail" };
            ("bad", format!("✗ {failing} of {} {verb}", Count(names, "job", "jobs")))
        }
    }
}
