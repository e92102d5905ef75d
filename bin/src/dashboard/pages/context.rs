//! What a page is made of, and those that are made elsewhere: feeds, badges, numbers and JSON.

use super::frame::redirect_response;
use super::link::Links;
use super::problem::{Problem, known};
use super::route::{MOST_BUILDS, Subject};
use crate::dashboard::badge::{self, Tone};
use crate::dashboard::outcome::verdict;
use crate::dashboard::{atom, describe};
use crate::json;
use builder_engine::dashboard::http::{Caching, Request, Response};
use builder_engine::dashboard::metrics;
use builder_engine::dashboard::site::Answers;
use builder_engine::dashboard::snapshot::Snapshot;
use builder_proto::history::{Build, HistoryQuery};
use builder_proto::overview::JobStatus;
use builder_proto::text::Text;
use builder_proto::time::Time;

/// Everything that a page may show.
pub(super) struct Context<'a> {
    pub(super) links: &'a Links,
    pub(super) base: &'a str,
    /// What the site is called.
    pub(super) title: &'a str,
    pub(super) request: &'a Request,
    pub(super) answers: &'a Answers,
    pub(super) now: Time,
}

impl<'a> Context<'a> {
    /// How all is.
    pub(super) fn snapshot(&self) -> Result<&'a Snapshot, Problem> {
        match self.answers.snapshot() {
            Some(Err(refusal)) => Err(Problem::of_snapshot(refusal)),
            answer => known(answer).map(|snapshot| &**snapshot),
        }
    }

    /// How all is, for a page that does without if it must.
    pub(super) fn snapshot_if_known(&self) -> Option<&'a Snapshot> {
        self.answers.snapshot()?.ok().map(|snapshot| &**snapshot)
    }

    /// An address with scheme and host, as programs elsewhere need it, as far as the browser has said under which name it
    /// knows this place.
    pub(super) fn whole_address(&self, address: &str) -> String {
        match &self.request.host {
            Some(host) => {
                let scheme = match self.request.forwarded_proto.as_deref() {
                    Some("https") => "https",
                    _ => "http",
                };
                format!("{scheme}://{host}{address}")
            }
            None => address.to_owned(),
        }
    }

    /// What stands before the path of every page.
    fn site_address(&self) -> String {
        self.whole_address(self.base)
    }

    /// Changes from good to bad and back: of a job, or of all.
    pub(super) fn feed(&self, name: Option<&Text>) -> Result<Response, Problem> {
        let snapshot = self.snapshot()?;
        let jobs = snapshot.jobs.iter().filter(|job| name.is_none_or(|name| job.status.job == *name));
        let changes = atom::changes(&jobs.collect::<Vec<_>>());
        let (title, path) = match name {
            Some(name) => (format!("{name} · {}", self.title), self.links.job_feed(name)),
            None => (self.title.to_owned(), self.links.feed()),
        };
        let path = path.strip_prefix(self.base).unwrap_or(&path);
        let feed = atom::feed(&title, &self.site_address(), path, &changes, snapshot.server.started);
        Ok(Response::new(200, "application/atom+xml; charset=utf-8", feed.into_bytes()))
    }

    /// How the last build of a job ended, as a picture.
    pub(super) fn badge(&self, name: &Text, platform: Option<&Text>) -> Result<Response, Problem> {
        let snapshot = self.snapshot()?;
        let is_meant = |status: &JobStatus| {
            status.job == *name && platform.is_none_or(|platform| status.platform.as_ref() == Some(platform))
        };
        let results = snapshot.jobs.iter().filter(|job| is_meant(&job.status));
        let results = results.filter_map(|job| job.status.results.as_ref());
        // What fails anywhere fails.
        let worst = results.max_by_key(|results| (!results.last.cause.is_success(), results.last.finished));
        let runs = snapshot
            .running
            .iter()
            .any(|build| build.job == *name && platform.is_none_or(|platform| build.platform == *platform));
        let (message, tone) = match worst {
            Some(results) if results.last.cause.is_success() => ("ok".to_owned(), Tone::Good),
            Some(results) => (verdict(&results.last.cause), Tone::Bad),
            None if runs => ("running".to_owned(), Tone::Running),
            None => ("unknown".to_owned(), Tone::Unknown),
        };
        let label = match platform {
            Some(platform) => format!("{name} ({platform})"),
            None => name.to_string(),
        };
        let picture = badge::badge(&label, &message, tone);
        // Without that, browsers show it on no page but ours.
        Ok(Response::new(200, "image/svg+xml", picture.into_bytes())
            .with_header("Cross-Origin-Resource-Policy", "cross-origin"))
    }

    /// Numbers, as Prometheus reads them. It has some of its own to tell when the server cannot be asked.
    pub(super) fn metrics(&self) -> Response {
        let numbers = metrics::metrics(self.snapshot_if_known(), &self.answers.figures, self.now);
        let mut response =
            Response::new(200, "text/plain; version=0.0.4; charset=utf-8", numbers.into_bytes());
        response.caching = Caching::NoStore;
        response
    }

    /// What is on a page, for programs.
    pub(super) fn json(&self, subject: &Subject) -> Result<Response, Problem> {
        let value = match subject {
            Subject::Overview => describe::overview(self.snapshot()?),
            Subject::Queue(platform) => describe::queue(self.snapshot()?, platform).ok_or_else(|| {
                Problem::unknown(
                    format!("There is no platform {platform}."),
                    "The overview lists the platforms that the server knows.",
                )
            })?,
            Subject::Job(name, platform) => {
                let builds = known(self.answers.history(&json_builds(name, platform.as_ref())))?;
                let value = describe::job(self.snapshot()?, name, platform.as_ref(), builds);
                if builds.is_empty() && value["status"].is_null() {
                    return Err(no_build(name));
                }
                value
            }
            Subject::Build(uuid) => {
                describe::build(self.snapshot_if_known(), known(self.answers.details(*uuid))?)
            }
        };
        Ok(Response::new(200, "application/json", (json::line(&value) + "\n").into_bytes()))
    }

    /// Leads to the newest build of a job.
    pub(super) fn latest(&self, name: &Text, platform: Option<&Text>) -> Result<Response, Problem> {
        let builds = known(self.answers.history(&latest(name, platform)))?;
        let build = builds.first().ok_or_else(|| no_build(name))?;
        Ok(redirect_response(self.links.build(build.uuid())))
    }

    /// Leads to the build whose uuid begins so.
    pub(super) fn shortened(&self, beginning: &str, behind: &str) -> Result<Response, Problem> {
        let builds = known(self.answers.history(&beginning_with(beginning)))?;
        match builds.as_slice() {
            [build] => Ok(redirect_response(self.links.build(build.uuid()) + behind)),
            [] => Err(Problem::unknown(
                format!("The uuid of no build begins with {beginning}."),
                "Copy the whole uuid, or look for the build on the page of its job.",
            )),
            _ => Err(Problem::unknown(
                format!("The uuids of several builds begin with {beginning}."),
                "Give more digits of the uuid.",
            )),
        }
    }
}

/// The build of the job that started last.
pub(super) fn latest(name: &Text, platform: Option<&Text>) -> HistoryQuery {
    HistoryQuery {
        job: Some(name.clone()),
        platform: platform.cloned(),
        limit: Some(1),
        ..HistoryQuery::default()
    }
}

/// Two of the builds whose uuids begin so, which tells whether there is one.
pub(super) fn beginning_with(beginning: &str) -> HistoryQuery {
    HistoryQuery { uuid: Some(beginning.into()), limit: Some(2), ..HistoryQuery::default() }
}

/// The builds of a job that programs are told of.
pub(super) fn json_builds(name: &Text, platform: Option<&Text>) -> HistoryQuery {
    HistoryQuery { limit: Some(MOST_BUILDS), ..latest(name, platform) }
}

/// That a job has no builds, or that there is no such job.
pub(super) fn no_build(name: &Text) -> Problem {
    Problem::unknown(
        format!("Neither a job {name} nor a build of it is known."),
        "Look for the job on the overview; builder-client history NAME lists what the server remembers.",
    )
}

/// The build before this one and the one after it, among builds of which those that started last come first.
pub(super) fn neighbours<'a>(builds: &'a [Build], build: &Build) -> [Option<&'a Build>; 2] {
    let Some(index) = builds.iter().position(|other| other.uuid == build.uuid) else { return [None, None] };
    [builds.get(index + 1), index.checked_sub(1).and_then(|index| builds.get(index))]
}
