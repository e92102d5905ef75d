//! How all is: what fails, what runs, what waits, and who works.

mod problems;
mod rows;
mod side;

use super::context::Context;
use super::frame::{Frame, html_response};
use super::link::Links;
use super::problem::Problem;
use super::words::Count;
use crate::dashboard::outcome::has_failed;
use builder_engine::dashboard::http::Response;
use builder_engine::dashboard::snapshot::{Job, Snapshot};
use builder_proto::history::Build;
use builder_proto::overview::JobStatus;
use builder_proto::text::Text;
use builder_proto::time::Time;
use maud::{Markup, PreEscaped, html};
use std::collections::BTreeSet;

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

impl<'a> Overview<'a> {
    fn contents(&self) -> (String, Markup) {
        let (failing, others): (Vec<&Job>, Vec<&Job>) =
            self.snapshot.jobs.iter().partition(|job| has_failed(&job.status));
        let problems = problems::of(self.snapshot);
        let failing_names: BTreeSet<&Text> = failing.iter().map(|job| &job.status.job).collect();
        let names = self.names().len() as u64;
        let (class, verdict) = verdict(failing_names.len() as u64, names, !problems.is_empty());
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
                        code { "builder-client schedule daily NAME SCRIPT" }
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

    /// The build of the job that runs there.
    fn running(&self, status: &JobStatus) -> Option<&'a Build> {
        let is_meant = |build: &&Build| build.job == status.job && is_at(status, &build.platform);
        self.snapshot.running.iter().find(is_meant)
    }

    fn is_queued(&self, status: &JobStatus) -> bool {
        self.snapshot.queued.iter().any(|entry| entry.job == status.job && is_at(status, &entry.platform))
    }
}

/// Whether the job runs on this platform, as far as that is known.
fn is_at(status: &JobStatus, platform: &Text) -> bool {
    status.platform.as_ref().is_none_or(|at| at == platform)
}

/// The answer to whether all is well, and its class.
fn verdict(failing: u64, names: u64, has_problems: bool) -> (&'static str, String) {
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
