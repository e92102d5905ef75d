//! The pages of `builder-dashboard`: HTML, complete without a script. No socket and no clock is touched here.
//!
//! | module | holds |
//! |---|---|
//! | `route`, `link` | which page is meant by an address, and the addresses of pages |
//! | `frame` | what all pages have in common, with style sheet, script and icon |
//! | `problem` | why there is no page |
//! | `context` | what a page is made of; feeds, badges, numbers and JSON |
//! | `overview`, `job`, `build`, `console`, `diff` | the pages |
//! | `chart` | results and durations, as pictures in a page |
//! | `words` | numbers, settings and times, as pages show them |
//!
//! Whatever a job, a name, a script or a console contains is shown and never obeyed: [`maud`] escapes what is put into a page,
//! and names go through [`Text`](builder_proto::text::Text), which escapes what reverses the direction of a text.

mod build;
mod chart;
mod console;
mod context;
mod diff;
mod frame;
mod job;
mod link;
mod overview;
mod problem;
mod route;
#[cfg(test)]
mod tests;
mod words;

use crate::pattern::Pattern;
use builder_engine::Now;
use builder_engine::dashboard::http::{Request, Response};
use builder_engine::dashboard::site::{Answers, Line, Matcher, Need, Plan, Refusal, Site};
use context::Context;
use frame::Frame;
use link::Links;
use problem::Problem;
pub(crate) use route::Page;
use route::Subject;

/// Makes the pages.
#[derive(Clone, Debug)]
pub(crate) struct Pages {
    links: Links,
    /// What all addresses begin with: nothing, or a path that begins with a slash and does not end with one.
    base: String,
    /// What the site is called.
    title: String,
}

impl Pages {
    /// Pages below this path, which may be empty.
    pub(crate) fn new(base: &str, title: String) -> Pages {
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
            Page::Metrics => Ok(context.metrics()),
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
            Page::Feed(_) | Page::Badge(..) | Page::Metrics => vec![Need::Snapshot],
            Page::Job(page) => job::needs(page),
            Page::Json(Subject::Job(name, platform)) => {
                vec![Need::Snapshot, Need::History(context::json_builds(name, platform.as_ref()))]
            }
            Page::Latest(name, platform) => vec![Need::History(context::latest(name, platform.as_ref()))],
            Page::Build(uuid, view) => build::needs(*uuid, view, answers),
            Page::Json(Subject::Build(uuid)) => vec![Need::Snapshot, Need::Details(*uuid)],
            Page::Shortened(beginning, _) => vec![Need::History(context::beginning_with(beginning))],
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
