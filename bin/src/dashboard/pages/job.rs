//! A job: how it does, when it runs, and its builds.

use super::chart;
use super::context::{Context, no_build};
use super::frame::{Frame, html_response};
use super::problem::{Problem, known};
use super::route::{JobPage, MOST_BUILDS, USUAL_LIMIT};
use super::words::{Number, away, settings, shell_word, since, took};
use crate::client::history::{exceeds, time_taken};
use crate::client::overview::{period, usual};
use crate::dashboard::outcome::{cause, has_failed, outcome};
use crate::wording::{Size, shortened_uuid};
use builder_engine::dashboard::http::Response;
use builder_engine::dashboard::site::Need;
use builder_engine::dashboard::snapshot::{Job, RECENT, Snapshot};
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::overview::Results;
use builder_proto::text::Text;
use builder_proto::time::Time;
use maud::{Markup, html};
use std::collections::BTreeSet;
use std::time::Duration;

/// Builds of which the plot is made.
const PLOTTED: u64 = 100;
/// How many builds a reader may choose to see.
const LIMITS: [u64; 4] = [USUAL_LIMIT, 100, 300, MOST_BUILDS];

pub(super) fn needs(page: &JobPage) -> Vec<Need> {
    vec![Need::Snapshot, Need::History(listed(page)), Need::History(plotted(page))]
}

/// The builds in the table.
fn listed(page: &JobPage) -> HistoryQuery {
    HistoryQuery { failed: page.failed, limit: Some(page.limit), ..plotted(page) }
}

/// The builds in the plot.
fn plotted(page: &JobPage) -> HistoryQuery {
    HistoryQuery {
        job: Some(page.name.clone()),
        platform: page.platform.clone(),
        limit: Some(PLOTTED),
        ..HistoryQuery::default()
    }
}

/// What is shown of a job.
struct Shown<'a> {
    context: &'a Context<'a>,
    page: &'a JobPage,
    snapshot: &'a Snapshot,
    builds: &'a [Build],
    plotted: &'a [Build],
}

pub(super) fn render(context: &Context<'_>, page: &JobPage) -> Result<Response, Problem> {
    let snapshot = context.snapshot()?;
    let builds = known(context.answers.history(&listed(page)))?;
    let plotted = known(context.answers.history(&plotted(page)))?;
    let shown = Shown { context, page, snapshot, builds, plotted };
    if shown.scheduled().next().is_none() && shown.builds.is_empty() && shown.plotted.is_empty() {
        return Err(no_build(&page.name));
    }
    let frame = Frame {
        snapshot: Some(snapshot),
        now: Some(context.now),
        job: Some(&page.name),
        json: Some(context.links.api_job(&page.name)),
        live: Some(context.links.live_overview(snapshot)),
        ..Frame::new(context.links, context.title)
    };
    Ok(html_response(200, frame.page(&page.name.to_string(), shown.contents())))
}

impl<'a> Shown<'a> {
    fn contents(&self) -> Markup {
        html! {
            p.kind { "Job" }
            h1 { (self.page.name) @if let Some(platform) = &self.page.platform { " " span.where { (platform) } } }
            (self.platforms())
            div.columns {
                (self.status())
                (self.schedule())
            }
            @if !self.plotted.is_empty() {
                section aria-labelledby="plot-title" {
                    h2 #plot-title { "How long builds took" }
                    (chart::plot(self.plotted, self.usual(), self.context.now, self.context.base))
                }
            }
            (self.history())
            (self.embed())
        }
    }

    fn scheduled(&self) -> impl Iterator<Item = &'a Job> {
        let name = &self.page.name;
        self.snapshot.jobs.iter().filter(move |job| job.status.job == *name)
    }

    /// Those that the page is about.
    fn selected(&self) -> impl Iterator<Item = &'a Job> {
        let wanted = self.page.platform.as_ref();
        self.scheduled()
            .filter(move |job| wanted.is_none_or(|wanted| job.status.platform.as_ref() == Some(wanted)))
    }

    /// How long builds usually take, where the page is about one platform only.
    fn usual(&self) -> Option<Duration> {
        let mut selected = self.selected();
        let first = selected.next()?.status.results.as_ref().and_then(usual);
        first.filter(|_| selected.next().is_none())
    }

    /// Where the job runs or ran, if that is in more than one place.
    fn platforms(&self) -> Markup {
        let scheduled = self.scheduled().filter_map(|job| job.status.platform.as_ref());
        let built = self.plotted.iter().map(|build| &build.platform);
        let platforms: BTreeSet<&Text> = scheduled.chain(built).chain(&self.page.platform).collect();
        if platforms.len() < 2 {
            return html! {};
        }
        let chip = |platform: Option<&Text>, words: &str| {
            let is_here = self.page.platform.as_ref() == platform;
            let address = self.context.links.job_on(&self.page.name, platform);
            html! { li { a href=(address) aria-current=[is_here.then_some("page")] { (words) } } }
        };
        html! {
            nav.chips aria-label="Platforms" {
                ul {
                    (chip(None, "all platforms"))
                    @for platform in platforms { (chip(Some(platform), &platform.to_string())) }
                }
            }
        }
    }

    fn status(&self) -> Markup {
        html! {
            section aria-labelledby="status-title" {
                h2 #status-title { "How it does" }
                @if self.scheduled().next().is_none() {
                    p.empty { "It is not in the schedule any more. These are the builds that the server remembers." }
                } @else {
                    ul.statuses { @for job in self.selected() { (self.platform_status(job)) } }
                }
            }
        }
    }

    fn platform_status(&self, job: &Job) -> Markup {
        let status = &job.status;
        let now = self.context.now;
        html! {
            li {
                @if let Some(platform) = &status.platform { h3 { (platform) } }
                @match &status.results {
                    None => p { "It has not been built " @if status.platform.is_some() { "there " } "yet." },
                    Some(results) => {
                        p.result {
                            a href=(self.context.links.build(results.last.uuid.0)) { (cause(&results.last.cause)) }
                            " " (away(results.last.finished, now))
                        }
                        @if results.count > 1 || has_failed(status) { p { (self.row_of_results(job, results)) } }
                        @if let Some(usual) = usual(results) { p { "It usually takes " (took(usual)) "." } }
                    }
                }
                @if let Some(build) = self.snapshot.running_build(status) {
                    p {
                        a href=(self.context.links.build(build.uuid())) { span.state.run { "▶ running" } }
                        " for " (since(build.started, now))
                    }
                }
                (chart::strip(&job.recent))
            }
        }
    }

    /// How often in a row it ended like the last time, and after a failure, when it last succeeded.
    fn row_of_results(&self, job: &Job, results: &Results) -> Markup {
        let now = self.context.now;
        let has_failed = has_failed(&job.status);
        let success = job.recent.iter().rev().find(|recent| recent.cause.is_success());
        html! {
            @if results.count > 1 {
                @if has_failed { "Failed " } @else { "Succeeded " }
                (Number(results.count)) " times in a row, for " (since(results.since, now)) ". "
            }
            @if has_failed {
                @match success {
                    Some(success) => {
                        "Last success: "
                        a href=(self.context.links.build(success.uuid)) { (away(success.finished, now)) }
                        "."
                    }
                    None if job.recent.len() < RECENT => "It has never succeeded.",
                    None => { "None of the last " (RECENT) " builds succeeded." }
                }
            }
        }
    }

    fn schedule(&self) -> Markup {
        let Some(first) = self.selected().next().or_else(|| self.scheduled().next()) else { return html! {} };
        let status = &first.status;
        let waits: Vec<_> = self.snapshot.queued.iter().filter(|entry| entry.job == status.job).collect();
        html! {
            section aria-labelledby="schedule-title" {
                h2 #schedule-title { "Schedule and settings" }
                dl {
                    dt { "Runs" } dd { (period(status)) }
                    dt { "Next run" }
                    dd {
                        @if status.next == Time::NEVER { "not by itself" }
                        @else if status.next <= self.context.now { "now" }
                        @else { (away(status.next, self.context.now)) }
                    }
                    @if let Some(package) = &status.package { dt { "Package" } dd { code { (package) } } }
                    @for (name, value) in status.settings.map(settings).unwrap_or_default() {
                        dt { (name) } dd { (value) }
                    }
                    @for entry in waits { dt { "Waits on " (entry.platform) } dd { (entry.reason) } }
                }
                p.aside { "Run it now: " code { "builder-client execute " (shell_word(&self.page.name)) } }
            }
        }
    }

    fn history(&self) -> Markup {
        html! {
            section #history aria-labelledby="history-title" {
                h2 #history-title { "Builds " span.count { (self.builds.len()) } }
                (self.filters())
                @if self.builds.is_empty() {
                    p.empty { @if self.plotted.is_empty() { "It has not been built yet." } @else { "No build fits." } }
                } @else {
                    div.scrolls tabindex="0" role="region" aria-label="Table of builds" {
                        table.history {
                            thead { tr {
                                th scope="col" { "Result" }
                                th scope="col" { "Started" }
                                th scope="col" { "Took" }
                                th scope="col" { "Platform" }
                                th scope="col" { "Worker" }
                                th scope="col" { "Artifacts" }
                                th scope="col" { "Build" }
                                th scope="col" { "Compare" }
                            } }
                            tbody { @for build in self.builds { (self.row(build)) } }
                        }
                    }
                    (self.more())
                }
            }
        }
    }

    fn filters(&self) -> Markup {
        let JobPage { platform, failed, limit, .. } = self.page;
        html! {
            form.filters method="get" action={ (self.context.links.job(&self.page.name)) "#history" } {
                @if let Some(platform) = platform {
                    input type="hidden" name="platform" value=(String::from_utf8_lossy(platform.as_bytes()));
                }
                label { input type="checkbox" name="failed" value="1" checked[*failed]; " failed only" }
                label {
                    "at most "
                    select name="limit" {
                        @for choice in LIMITS { option value=(choice) selected[choice == *limit] { (choice) } }
                    }
                }
                button type="submit" { "Show" }
            }
        }
    }

    fn row(&self, build: &Build) -> Markup {
        let links = self.context.links;
        let address = links.build(build.uuid());
        html! {
            tr {
                td { a href=(address) { (outcome(build)) } }
                td { (away(build.started, self.context.now)) }
                td { (self.took(build)) }
                td { (build.platform) }
                td { @if let Some(host) = &build.host { (host) } }
                td { (artifacts(build)) }
                td { a href=(address) { code { (shortened_uuid(build.uuid(), 8)) } } }
                td { @if build.end.is_some() { a href=(links.diff(build.uuid())) aria-label={ "diff of " (shortened_uuid(build.uuid(), 8)) } { "diff" } } }
            }
        }
    }

    fn took(&self, build: &Build) -> Markup {
        let taken = time_taken(build, self.context.now);
        let is_slow = self.snapshot.usual(build).is_some_and(|usual| exceeds(taken, usual));
        html! { (took(taken)) @if is_slow { " " span.tag { "slow" } } }
    }

    /// A way to see more of them, if there may be any.
    fn more(&self) -> Markup {
        let JobPage { name, platform, failed, limit } = self.page;
        let next = LIMITS.into_iter().find(|choice| choice > limit);
        let Some(next) = next.filter(|_| self.builds.len() as u64 >= *limit) else { return html! {} };
        let address = self.context.links.job_on(name, platform.as_ref());
        let separator = if platform.is_some() { '&' } else { '?' };
        let failed = if *failed { "&failed=1" } else { "" };
        html! {
            p { a.button href={ (address) (separator) "limit=" (next) (failed) "#history" } { "Show " (next) } }
        }
    }

    /// How to show the state of the job elsewhere.
    fn embed(&self) -> Markup {
        let links = self.context.links;
        let JobPage { name, platform, .. } = self.page;
        let badge = links.badge(name, platform.as_ref());
        let [image, page] = [&badge, &links.job_on(name, platform.as_ref())]
            .map(|address| self.context.whole_address(address));
        html! {
            section aria-labelledby="embed-title" {
                h2 #embed-title { "Elsewhere" }
                p {
                    img src=(badge) alt={ "State of " (name) } height="20";
                    " "
                    a href=(links.job_feed(name)) { "Feed of changes" }
                    " · "
                    a href=(links.latest(name, platform.as_ref())) { "Newest build" }
                }
                label for="markdown" { "Badge, as Markdown" }
                input #markdown.copy type="text" readonly
                    value={ "[![" (markdown(name)) "](" (image) ")](" (page) ")" };
                label for="html" { "Badge, as HTML" }
                input #html.copy type="text" readonly
                    value=(html! { a href=(page) { img src=(image) alt=(name); } }.into_string());
            }
        }
    }
}

/// A name where brackets would end it.
fn markdown(name: &Text) -> String {
    name.to_string().replace(['[', ']', '\\'], "")
}

fn artifacts(build: &Build) -> Markup {
    html! {
        @match &build.end {
            Some(end) if end.removed.is_some() => span.aside { "removed" },
            Some(end) if end.artifacts > 0 => { (end.artifacts) ", " (Size(end.artifact_bytes)) }
            _ => "–",
        }
    }
}
