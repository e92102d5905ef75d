//! A build: how it ended, what it was, its console, its script, and what it left.

use super::console;
use super::context::{Context, neighbours};
use super::frame::{Frame, html_response};
use super::problem::{Problem, known};
use super::route::View;
use super::words::{Count, Number, at, away, progress, since, took};
use crate::client::history::{exceeds, time_taken};
use crate::dashboard::outcome::{Outcome, class, sign, verdict};
use crate::wording::{Size, shortened_uuid};
use builder_engine::dashboard::colours;
use builder_engine::dashboard::http::Response;
use builder_engine::dashboard::site::{Answers, Details, Need};
use builder_engine::dashboard::snapshot::Snapshot;
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build, BuildEnd, Cause, HistoryQuery};
use builder_proto::signal;
use builder_proto::text::Text;
use builder_proto::time::Time;
use maud::{Markup, html};

/// Builds of the same job among which the one before and the next one are looked for: first among few, which is nearly always
/// enough, then among many.
const NEAR: u64 = 100;
const FAR: u64 = 5000;
/// How many artifacts are shown without being asked for.
const ARTIFACTS: usize = 10;

pub(super) fn needs(uuid: Uuid, view: &View, answers: &Answers) -> Vec<Need> {
    let mut needs = vec![Need::Snapshot, Need::Details(uuid)];
    // A pattern that is none is not looked for.
    needs.extend(console::window(view).ok().map(|window| Need::Console(uuid, window)));
    if let Some(Ok(details)) = answers.details(uuid) {
        needs.extend(siblings_needs(&details.build, answers));
    }
    needs
}

/// Builds of the same job on the same platform.
fn siblings(build: &Build, limit: u64) -> HistoryQuery {
    HistoryQuery {
        job: Some(build.job.clone()),
        platform: Some(build.platform.clone()),
        limit: Some(limit),
        ..HistoryQuery::default()
    }
}

/// What has to be asked until the builds around this one are known.
pub(super) fn siblings_needs(build: &Build, answers: &Answers) -> Vec<Need> {
    let near = siblings(build, NEAR);
    let is_far = answers.history(&near).is_some_and(|builds| {
        // The one before it has to be among them, too.
        builds.is_ok_and(|builds| builds.len() as u64 == NEAR && neighbours(builds, build)[0].is_none())
    });
    let far = is_far.then(|| Need::History(siblings(build, FAR)));
    [Need::History(near)].into_iter().chain(far).collect()
}

/// Builds around this one, as far as they are known.
pub(super) fn known_siblings<'a>(build: &Build, answers: &'a Answers) -> &'a [Build] {
    let known = |limit| match answers.history(&siblings(build, limit)) {
        Some(Ok(builds)) => Some(builds.as_slice()),
        _ => None,
    };
    known(FAR).or_else(|| known(NEAR)).unwrap_or_default()
}

struct Shown<'a> {
    context: &'a Context<'a>,
    details: &'a Details,
    snapshot: Option<&'a Snapshot>,
    view: &'a View,
}

pub(super) fn render(context: &Context<'_>, uuid: Uuid, view: &View) -> Result<Response, Problem> {
    let details = known(context.answers.details(uuid))?;
    let snapshot = context.snapshot_if_known();
    let shown = Shown { context, details, snapshot, view };
    let build = &details.build;
    let frame = Frame {
        snapshot,
        now: Some(context.now),
        job: Some(&build.job),
        json: Some(context.links.api_build(uuid)),
        ..Frame::new(context.links, context.title)
    };
    let state = build.end.as_ref().map_or("running".to_owned(), |end| verdict(&end.cause));
    let title = format!("{}: {state}, {}", build.job, shortened_uuid(uuid, 8));
    let status = if console::window(view).is_err() { 400 } else { 200 };
    Ok(html_response(status, frame.page(&title, shown.contents())))
}

impl Shown<'_> {
    fn contents(&self) -> Markup {
        let build = &self.details.build;
        let links = self.context.links;
        let removed = build.end.as_ref().and_then(|end| end.removed);
        let is_running = build.end.is_none();
        let console =
            console::Shown { context: self.context, uuid: build.uuid(), view: self.view, is_running };
        html! {
            div #about data-running[is_running] {
                p.kind {
                    "Build of "
                    a href=(links.job(&build.job)) { (build.job) }
                    " on "
                    a href=(links.job_on(&build.job, Some(&build.platform))) { (build.platform) }
                }
                (self.result())
                (self.neighbours())
                (self.facts())
                @if let Some(removed) = removed { (self.removed(removed)) }
                @if removed.is_none() || !self.details.artifacts.is_empty() { (self.artifacts()) }
                (self.script())
            }
            @if removed.is_none() { (console.section()) }
        }
    }

    /// The first thing to see: how it ended, and why.
    fn result(&self) -> Markup {
        let build = &self.details.build;
        let words = match &build.end {
            None => "▶ It runs".to_owned(),
            Some(end) if end.cause.is_success() => "✓ It succeeded".to_owned(),
            Some(end) => format!("{} {}", sign(Outcome::of(&end.cause)), sentence(&end.cause)),
        };
        html! { h1 class={ "verdict " (class(build)) } { (words) } }
    }

    /// Ways to the builds around this one.
    fn neighbours(&self) -> Markup {
        let build = &self.details.build;
        let links = self.context.links;
        let [previous, next] = neighbours(known_siblings(build, self.context.answers), build);
        let step = |build: Option<&Build>, words: &str| {
            html! {
                li {
                    @match build {
                        Some(build) => a href=(links.build(build.uuid())) {
                            (words) " " span class={ "dot " (class(build)) } aria-hidden="true" {}
                            span.hidden { " (" (build.end.as_ref().map_or("running".to_owned(), |end| verdict(&end.cause))) ")" }
                        },
                        None => span.aside { (words) },
                    }
                }
            }
        };
        html! {
            nav.chips aria-label="Builds of the job" {
                ul {
                    (step(previous, "← Previous"))
                    (step(next, "Next →"))
                    @if build.end.is_some() {
                        li { a href=(links.diff(build.uuid())) { "What is different?" } }
                    }
                    li { a href={ (links.job(&build.job)) "#history" } { "All builds" } }
                }
            }
        }
    }

    fn facts(&self) -> Markup {
        let build = &self.details.build;
        let now = self.context.now;
        html! {
            dl.facts {
                div { dt { "Started" } dd { (at(build.started)) " " span.aside { (away(build.started, now)) } } }
                div { dt { @if build.end.is_some() { "Took" } @else { "Runs for" } } dd { (self.duration()) } }
                @if let Some(queued) = build.queued {
                    div { dt { "Waited" } dd { (took(build.started.duration_since(queued))) } }
                }
                @if let Some(host) = &build.host { div { dt { "Worker" } dd { (host) } } }
                @if let Some(end) = &build.end {
                    div { dt { "Result" } dd { (end.cause) } }
                    div { dt { "Console" } dd { (printed(end)) } }
                }
                div { dt { "Build" } dd { code.uuid { (build.uuid()) } } }
            }
        }
    }

    /// How long it took, or takes, against what is usual.
    fn duration(&self) -> Markup {
        let build = &self.details.build;
        let now = self.context.now;
        let taken = time_taken(build, now);
        let usual = self.snapshot.and_then(|snapshot| snapshot.usual(build));
        html! {
            @if build.end.is_some() { (took(taken)) } @else { (since(build.started, now)) }
            @if let Some(usual) = usual {
                span.aside { ", usually " (took(usual)) }
                @if exceeds(taken, usual) { " " strong.tag { "! slow" } }
                @if build.end.is_none() { (progress("Time against usual", taken, usual)) }
            }
        }
    }

    fn removed(&self, removed: Time) -> Markup {
        html! {
            p.message.warn {
                "! The result was removed " (away(removed, self.context.now)) ", so that there is no console, no script \
                 and no artifact any more. What is above is what the server remembers."
            }
        }
    }

    fn script(&self) -> Markup {
        html! {
            @if let Some(job) = &self.details.job {
                details.script {
                    summary { "Script " span.count { (Count(line_count(job.script.as_bytes()), "line", "lines")) } }
                    pre tabindex="0" {
                        code {
                            @for line in job.script.as_bytes().split(|byte| *byte == b'\n') {
                                (colours::text(line)) "\n"
                            }
                        }
                    }
                }
            }
        }
    }

    fn artifacts(&self) -> Markup {
        let artifacts = &self.details.artifacts;
        if artifacts.is_empty() {
            return html! {};
        }
        let bytes: u64 = artifacts.iter().map(|artifact| artifact.size).sum();
        let uuid = self.details.build.uuid();
        html! {
            details.artifacts open[artifacts.len() <= ARTIFACTS] {
                summary {
                    "Artifacts " span.count { (Number(artifacts.len() as u64)) ", " (Size(bytes)) }
                }
                div.scrolls tabindex="0" role="region" aria-label="Artifacts" {
                    table {
                        thead { tr {
                            th scope="col" { "Path" }
                            th scope="col" { "Size" }
                            th scope="col" { "SHA-256" }
                        } }
                        tbody { @for artifact in artifacts { (self.artifact(artifact)) } }
                    }
                }
                p.aside { "All of them at once: " code { "builder-client fetch " (uuid) } }
            }
        }
    }

    fn artifact(&self, artifact: &Artifact) -> Markup {
        let address = self.context.links.artifact(self.details.build.uuid(), &artifact.path);
        html! {
            tr {
                td { a href=(address) download { (artifact.path) } }
                td { (Size(artifact.size)) }
                td { @match artifact.sha256 { Some(digest) => code.digest { (digest) }, None => "not known" } }
            }
        }
    }
}

/// Why a build did not succeed, as a sentence that begins with a capital letter.
fn sentence(cause: &Cause) -> String {
    match cause {
        Cause::Exited(code) => format!("It failed with exit code {code}"),
        Cause::Signalled(number) => format!("It was killed by {}", signal::describe(*number)),
        Cause::Stopped(number) => format!("It was stopped by {}", signal::describe(*number)),
        Cause::Timeout(_) => "It took too long and was ended".to_owned(),
        Cause::Silence(_) => "It printed nothing for too long and was ended".to_owned(),
        Cause::Cancelled(who) => format!("It was cancelled by {who}"),
        // Servers begin their reasons with what was lost.
        Cause::Lost(reason) => match reason.as_bytes().strip_prefix(b"worker lost") {
            Some(rest) => format!("Its worker was lost{}", Text::from(rest)),
            None => format!("It was lost: {reason}"),
        },
        Cause::Limit(reason) => format!("It exceeded a limit: {reason}"),
        Cause::CannotRun(reason) => format!("It could not be run: {reason}"),
    }
}

/// How much it printed.
fn printed(end: &BuildEnd) -> Markup {
    html! {
        @if end.console_lines == 0 { "nothing" }
        @else { (Count(end.console_lines, "line", "lines")) ", " (Size(end.console_bytes)) }
    }
}

fn line_count(text: &[u8]) -> u64 {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if text.is_empty() { 0 } else { text.iter().filter(|byte| **byte == b'\n').count() as u64 + 1 }
}
