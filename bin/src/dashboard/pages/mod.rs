//! The pages of `builder-dashboard`: HTML, complete without a script. No socket and no clock is touched here.
//!
//! | module | holds |
//! |---|---|
//! | `route`, `link` | which page is meant by an address, and the addresses of pages |
//! | `frame`, `problem`, `assets` | what all pages have in common; why there is no page; style sheet, script and icon |
//! | `overview`, `job`, `build`, `console`, `diff` | the pages |
//! | `words`, `moment` | results, numbers and times, as pages show them |
//!
//! Whatever a job, a name, a script or a console contains is shown and never obeyed: [`maud`] escapes what is put into a page,
//! and names go through [`Text`](builder_proto::text::Text), which escapes what reverses the direction of a text.

mod assets;
mod build;
mod console;
mod context;
mod diff;
mod frame;
mod job;
mod link;
mod moment;
mod overview;
mod problem;
mod route;
#[cfg(test)]
mod tests;
mod words;

use crate::pattern::Pattern;
use builder_engine::Now;
use builder_engine::dashboard::http::{Caching, Request, Response};
use builder_engine::dashboard::site::{Answers, Line, Matcher, Need, Plan, Refusal, Site};
use builder_proto::history::HistoryQuery;
use builder_proto::text::Text;
use context::Context;
use frame::Frame;
use link::Links;
use problem::Problem;
pub use route::Page;
use route::Subject;

/// Makes the pages.
#[derive(Clone, Debug)]
pub struct Pages {
    links: Links,
    /// What all addresses begin with: nothing, or a path that begins with a slash and does not end with one.
    base: String,
    /// What the site is called.
    title: String,
}

impl Pages {
    /// Pages below this path, which may be empty.
    #[must_use]
    pub fn new(base: &str, title: String) -> Pages {
        let base = base.trim_end_matches('/').to_owned();
        Pages { links: Links::absolute(&base), base, title }
    }

    fn problem(&self, problem: &Problem) -> Response {
        problem.response(&Frame::new(&self.links, &self.title))
    }

    fn try_render(
        &self,
        page: &Page,
        request: &Request,
        answers: &Answers,
        now: Now,
    ) -> Result<Response, Problem> {
        let context = Context {
            links: &self.links,
            base: &self.base,
            title: &self.title,
            request,
            answers,
            now: now.wall,
        };
        match page {
            Page::Overview => overview::render(&context),
            Page::Job(page) => job::render(&context, page),
            Page::Latest(name, platform) => context.latest(name, platform.as_ref()),
            Page::Build(uuid, view) => build::render(&context, *uuid, view),
            Page::Shortened(beginning, behind) => context.shortened(beginning, behind),
            Page::Diff(uuid, with) => diff::render(&context, *uuid, *with),
            Page::Feed(job) => context.feed(job.as_ref()),
            Page::Badge(name, platform) => context.badge(name, platform.as_ref()),
            Page::Json(subject) => context.json(subject),
        }
    }
}

impl Site for Pages {
    type Page = Page;

    fn plan(&self, request: &Request) -> Plan<Page> {
        route::plan(&self.base, request).unwrap_or_else(|problem| Plan::Ready(self.problem(&problem)))
    }

    fn needs(&self, page: &Page, answers: &Answers) -> Vec<Need> {
        let mut needs = match page {
            Page::Overview | Page::Json(Subject::Overview | Subject::Queue(_)) => {
                vec![Need::Snapshot]
            }
            Page::Feed(_) | Page::Badge(..) => vec![Need::Snapshot],
            Page::Job(page) => job::needs(page),
            Page::Json(Subject::Job(name, platform)) => {
                vec![Need::Snapshot, Need::History(context::json_builds(name, platform.as_ref()))]
            }
            Page::Latest(name, platform) => vec![Need::History(latest(name, platform.as_ref()))],
            Page::Build(uuid, view) => build::needs(*uuid, view, answers),
            Page::Json(Subject::Build(uuid)) => vec![Need::Snapshot, Need::Details(*uuid)],
            Page::Shortened(beginning, _) => vec![Need::History(beginning_with(beginning))],
            Page::Diff(uuid, with) => diff::needs(*uuid, *with, answers),
        };
        needs.retain(|need| answers.get(need).is_none());
        needs
    }

    fn render(&self, page: &Page, request: &Request, answers: &Answers, now: Now) -> Response {
        self.try_render(page, request, answers, now).unwrap_or_else(|problem| self.problem(&problem))
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        self.problem(&Problem::of(refusal))
    }

    fn matcher(&self, pattern: &str) -> Option<Matcher> {
        let pattern: Pattern = pattern.parse().ok()?;
        Some(Box::new(move |line| pattern.matches(line)))
    }

    fn append_line(&self, output: &mut Vec<u8>, line: &Line) {
        console::append_line(output, line);
    }
}

/// The build of the job that started last.
fn latest(name: &Text, platform: Option<&Text>) -> HistoryQuery {
    HistoryQuery {
        job: Some(name.clone()),
        platform: platform.cloned(),
        limit: Some(1),
        ..HistoryQuery::default()
    }
}

/// Two of the builds whose uuids begin so, which tells whether there is one.
fn beginning_with(beginning: &str) -> HistoryQuery {
    HistoryQuery { uuid: Some(beginning.into()), limit: Some(2), ..HistoryQuery::default() }
}

fn redirect_response(address: String) -> Response {
    let mut response = Response::new(302, "text/plain; charset=utf-8", b"See Location.\n".as_slice());
    response.headers.push(("Location", address));
    response.caching = Caching::NoStore;
    response
}

/// What was answered, if it is of the kind that was asked for.
fn known<'a, T>(answer: Option<Result<&'a T, &'a Refusal>>) -> Result<&'a T, Problem> {
    match answer {
        Some(answer) => answer.map_err(Problem::of),
        None => Err(Problem::of(&Refusal::Unreachable("It has not answered.".to_owned()))),
    }
}
