//! What runs, what waits and why, the platforms, and the server itself; and what of that somebody has to look at.

use super::Overview;
use crate::client::history::exceeds;
use crate::dashboard::pages::words::{Count, Number, away, progress, since, took};
use crate::wording::Size;
use builder_proto::history::Build;
use builder_proto::overview::{PlatformStatus, QueueStatus, Reason, UploadsStatus};
use maud::{Markup, html};
use std::time::Duration;

/// How many of what runs and of what waits are shown. The page is to stay small.
const SHOWN: usize = 20;

impl Overview<'_> {
    /// What somebody has to look at, besides jobs that fail: a sentence each.
    pub(super) fn problems(&self) -> Vec<String> {
        let snapshot = self.snapshot;
        let server = &snapshot.server;
        let mut problems = Vec::new();
        if server.is_full {
            problems.push("The disk of the server is full: nothing new is queued or started.".to_owned());
        }
        if server.is_draining {
            problems.push("The server is draining: nothing is started until somebody resumes it.".to_owned());
        }
        problems.extend(snapshot.platforms.iter().filter_map(problem_of));
        if let Some(trouble) = server.uploads.as_ref().and_then(|uploads| uploads.trouble.as_ref()) {
            problems.push(format!("Results are not uploaded: {trouble}."));
        }
        if !server.has_history {
            problems.push("The history cannot be opened; the log of the server says why.".to_owned());
        }
        problems
    }

    pub(super) fn side(&self) -> Markup {
        html! {
            (self.running_builds())
            (self.queue())
            (self.platforms())
            (self.server())
        }
    }

    fn running_builds(&self) -> Markup {
        let mut builds: Vec<(&Build, Option<Duration>)> =
            self.snapshot.running.iter().map(|build| (build, self.snapshot.usual(build))).collect();
        // Those that take longer than usual come first.
        builds.sort_by_key(|(build, usual)| !self.is_slow(build, *usual));
        html! {
            section aria-labelledby="running-title" {
                h2 #running-title { "Running " span.count { (builds.len()) } }
                @if builds.is_empty() {
                    p.empty { "Nothing runs." }
                } @else {
                    ul.builds {
                        @for (build, usual) in builds.iter().take(SHOWN) { (self.running_build(build, *usual)) }
                    }
                    (more(builds.len()))
                }
            }
        }
    }

    fn running_build(&self, build: &Build, usual: Option<Duration>) -> Markup {
        let is_slow = self.is_slow(build, usual);
        html! {
            li.slow[is_slow] {
                a href=(self.links.build(build.uuid())) { (build.job) }
                span.where {
                    (build.platform)
                    @if let Some(host) = &build.host { " on " (host) }
                }
                @if let Some(usual) = usual.filter(|usual| !usual.is_zero()) {
                    (progress(&format!("Time of {} against usual", build.job), self.now.duration_since(build.started), usual))
                }
                span.time {
                    (since(build.started, self.now))
                    @if let Some(usual) = usual { " of usually " (took(usual)) }
                    @if is_slow { " " strong.tag { "! slow" } }
                }
            }
        }
    }

    fn is_slow(&self, build: &Build, usual: Option<Duration>) -> bool {
        usual.is_some_and(|usual| exceeds(self.now.duration_since(build.started), usual))
    }

    fn queue(&self) -> Markup {
        let queued = &self.snapshot.queued;
        html! {
            section aria-labelledby="waiting-title" {
                h2 #waiting-title { "Waiting " span.count { (queued.len()) } }
                @if queued.is_empty() {
                    p.empty { "Nothing waits." }
                } @else {
                    ul.builds { @for entry in queued.iter().take(SHOWN) { (self.queued_job(entry)) } }
                    (more(queued.len()))
                }
            }
        }
    }

    fn queued_job(&self, entry: &QueueStatus) -> Markup {
        let is_usual = matches!(entry.reason, Reason::Busy(_) | Reason::Limit(_) | Reason::Next(_));
        html! {
            li {
                a href=(self.links.job(&entry.job)) { (entry.job) }
                span.where { (entry.platform) }
                span.why.warn[!is_usual] {
                    @if !is_usual { "! " }
                    (self.why(&entry.reason))
                    @if entry.losses > 0 { "; lost " (Count(entry.losses, "time", "times")) }
                }
                @if let Some(time) = entry.since { span.time { "for " (since(time, self.now)) } }
            }
        }
    }

    fn why(&self, reason: &Reason) -> Markup {
        match reason {
            Reason::Losses(pace) => html! {
                "its workers lost " (Count(pace.losses, "build", "builds in a row")) "; the next try is " (away(pace.next, self.now))
            },
            reason => html! { (reason) },
        }
    }

    fn platforms(&self) -> Markup {
        let platforms = &self.snapshot.platforms;
        html! {
            section aria-labelledby="platforms-title" {
                h2 #platforms-title { "Platforms " span.count { (platforms.len()) } }
                @if platforms.is_empty() {
                    p.empty { "No worker has been here yet, and no job names a platform." }
                } @else {
                    table.platforms {
                        thead { tr {
                            th scope="col" { "Platform" }
                            th scope="col" { "Idle" }
                            th scope="col" { "Busy" }
                            th scope="col" { "Waiting" }
                        } }
                        tbody { @for platform in platforms { (platform_row(platform)) } }
                    }
                }
            }
        }
    }

    fn server(&self) -> Markup {
        let server = &self.snapshot.server;
        html! {
            section aria-labelledby="server-title" {
                h2 #server-title { "Server" }
                dl {
                    dt { "Version" } dd { (server.version) }
                    dt { "Up for" } dd { (since(server.started, self.now)) }
                    dt { "Builds" } dd { (server.under_way) " of at most " (server.limit) }
                    dt { "Disk" }
                    dd.bad[server.is_full] {
                        @match server.free_bytes {
                            Some(free) => { (Size(free)) " free" }
                            None => "not known",
                        }
                        @if server.is_full { " – ✗ full" }
                    }
                    dt { "Log" } dd { (Size(server.log_bytes)) }
                    dt { "Uploads" } dd { (uploads(server.uploads.as_ref())) }
                    dt { "Notices" }
                    dd {
                        @match server.notices {
                            Some(notices) => { (Count(notices, "build", "builds")) " still to be told of" }
                            None => "none waiting",
                        }
                    }
                }
            }
        }
    }
}

fn platform_row(platform: &PlatformStatus) -> Markup {
    let is_without = platform.idle + platform.busy == 0;
    let mark = match platform {
        PlatformStatus { is_dropped: true, .. } => Some("dropped"),
        PlatformStatus { is_paused: true, .. } => Some("! paused"),
        PlatformStatus { pace: Some(_), .. } => Some("! slowed"),
        PlatformStatus { queued, .. } if is_without && *queued > 0 => Some("! no worker"),
        _ => None,
    };
    html! {
        tr {
            th scope="row" {
                (platform.platform)
                @if let Some(mark) = mark { " " span.tag { (mark) } }
            }
            td { (Number(platform.idle)) }
            td { (Number(platform.busy)) }
            td { (Number(platform.queued)) }
        }
    }
}

/// What is wrong with a platform.
fn problem_of(platform: &PlatformStatus) -> Option<String> {
    let PlatformStatus { platform: name, queued, .. } = platform;
    if platform.is_paused {
        return Some(format!("{name} is paused: nothing is started there until somebody resumes it."));
    }
    if let Some(pace) = &platform.pace {
        let builds = Count(pace.losses, "build", "builds in a row");
        return Some(format!("The workers of {name} lost {builds}: jobs are handed out slowly."));
    }
    let has_no_worker = platform.idle + platform.busy == 0 && *queued > 0 && !platform.is_dropped;
    has_no_worker.then(|| {
        let verb = if *queued == 1 { "waits" } else { "wait" };
        format!("{name} has no worker, and {} {verb} for one.", Count(*queued, "job", "jobs"))
    })
}

fn uploads(uploads: Option<&UploadsStatus>) -> Markup {
    html! {
        @match uploads {
            Some(uploads) => {
                (Count(uploads.waiting, "result waits", "results wait")) " for " (uploads.destination)
                @if let Some(trouble) = &uploads.trouble { span.warn { " ! " (trouble) } }
            }
            None => "none waiting",
        }
    }
}

fn more(count: usize) -> Markup {
    html! { @if let Some(more @ 1..) = count.checked_sub(SHOWN) { p.empty { "And " (more) " more." } } }
}
