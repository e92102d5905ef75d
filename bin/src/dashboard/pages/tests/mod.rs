//! Pages, made of what a server might say: here are a server that answers what pages ask, and a browser that asks for pages.

mod addresses;
mod everywhere;
mod overview;
mod samples;
mod views;

use super::{Page, Pages};
use builder_engine::Now;
use builder_engine::dashboard::http::{Method, Request, Response};
use builder_engine::dashboard::site::{
    Answer, Answers, Console, Details, Line, Need, Plan, Refusal, Site, Window,
};
use builder_engine::dashboard::snapshot::Snapshot;
use builder_proto::Uuid;
use builder_proto::history::{Build, HistoryQuery};
use samples::NOW;
use scraper::{ElementRef, Html, Selector};
use std::rc::Rc;
use std::time::Duration;

/// What the server knows.
struct Host {
    pages: Pages,
    snapshot: Snapshot,
    /// Those that started last come first.
    builds: Vec<Build>,
    details: Vec<Details>,
    /// Lines of every console.
    lines: Vec<Line>,
    /// What the server says to everything, if it does not answer.
    refusal: Option<Refusal>,
}

impl Host {
    /// Forty jobs, of which one has builds that can be looked at.
    fn new(base: &str) -> Host {
        let snapshot = samples::snapshot(40);
        let job =
            snapshot.jobs.iter().find(|job| job.status.job == "unikernel-dns-secondary".into()).unwrap();
        let builds = samples::builds(job, 60);
        let running = snapshot.running.iter();
        let details =
            builds.iter().chain(running).map(|build| samples::details(build.clone(), samples::SCRIPT));
        Host {
            pages: Pages::new(base, "Builds of example.org".to_owned()),
            details: details.collect(),
            builds,
            lines: (1..=1460).map(samples::line).collect(),
            snapshot,
            refusal: None,
        }
    }

    fn build(&self, number: usize) -> Uuid {
        self.builds[number].uuid()
    }

    fn plan(&self, target: &str) -> Plan<Page> {
        self.pages.plan(&request(target))
    }

    /// What a browser gets.
    fn get(&self, target: &str) -> Response {
        let page = match self.plan(target) {
            Plan::Page(page) => page,
            Plan::Ready(response) => return response,
            other => panic!("{target}: {other:?}"),
        };
        let mut answers = Answers::default();
        // Whatever is asked more than a few times is asked for ever.
        for _ in 0..5 {
            let needs = self.pages.needs(&page, &answers);
            if needs.is_empty() {
                let now = Now { wall: NOW, monotonic: Duration::ZERO };
                return self.pages.render(&page, &request(target), &answers, now);
            }
            for need in needs {
                let answer = self.answer(&need);
                answers.insert(need, answer);
            }
        }
        panic!("{target} is never content");
    }

    /// What a browser shows.
    fn show(&self, target: &str) -> Html {
        Html::parse_document(&text(&self.get(target)))
    }

    fn answer(&self, need: &Need) -> Result<Answer, Refusal> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
        match need {
            Need::Snapshot => Ok(Answer::Snapshot(Rc::new(self.snapshot.clone()))),
            Need::History(query) => Ok(Answer::History(Rc::new(self.history(query)))),
            Need::Details(uuid) => {
                let details = self.details.iter().find(|details| details.build.uuid() == *uuid);
                let details =
                    details.ok_or_else(|| Refusal::Refused(format!("no build {uuid} is known").into()))?;
                Ok(Answer::Details(Rc::new(details.clone())))
            }
            Need::Console(_, window) => Ok(Answer::Console(Rc::new(self.console(window)))),
        }
    }

    fn history(&self, query: &HistoryQuery) -> Vec<Build> {
        let fits = |build: &&Build| {
            query.job.as_ref().is_none_or(|job| *job == build.job)
                && query.platform.as_ref().is_none_or(|platform| *platform == build.platform)
                && (!query.failed || build.has_failed())
                && query
                    .uuid
                    .as_ref()
                    .is_none_or(|uuid| build.uuid().to_string().starts_with(uuid.as_str().unwrap()))
        };
        let limit = query.limit.map_or(usize::MAX, |limit| limit as usize);
        self.builds.iter().filter(fits).take(limit).cloned().collect()
    }

    fn console(&self, window: &Window) -> Console {
        let total = self.lines.len();
        let lines = match window {
            Window::Last(count) => self.lines[total.saturating_sub(*count)..].to_vec(),
            Window::From(from, count) => {
                self.lines.iter().skip(*from as usize - 1).take(*count).cloned().collect()
            }
            Window::Matching(pattern, _) => {
                let matches = self.pages.matcher(pattern).unwrap();
                self.lines.iter().filter(|line| matches(line.text.as_bytes())).cloned().collect()
            }
        };
        let fitting = lines.len() as u64;
        let most = match window {
            Window::Last(count) | Window::From(_, count) | Window::Matching(_, count) => *count,
        };
        Console { lines: lines.into_iter().take(most).collect(), total: total as u64, fitting }
    }
}

fn request(target: &str) -> Request {
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query.to_owned())),
        None => (target, None),
    };
    Request {
        method: Method::Get,
        path: path.to_owned(),
        query,
        host: Some("builds.example.org".to_owned()),
        forwarded_proto: Some("https".to_owned()),
        if_none_match: None,
        last_event_id: None,
    }
}

fn text(response: &Response) -> String {
    String::from_utf8(response.body.to_vec()).unwrap()
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.headers.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

/// All elements that fit.
fn all<'a>(page: &'a Html, selector: &str) -> Vec<ElementRef<'a>> {
    page.select(&Selector::parse(selector).unwrap()).collect()
}

/// What is read of the first element that fits.
fn read(page: &Html, selector: &str) -> String {
    let elements = all(page, selector);
    let element = elements.first().unwrap_or_else(|| panic!("{selector} is not there"));
    words(*element)
}

/// The text of an element, with one space where there is any or where an element begins, and none before what ends a sentence.
fn words(element: ElementRef<'_>) -> String {
    let pieces: Vec<&str> = element.text().flat_map(str::split_whitespace).collect();
    pieces.join(" ").replace(" .", ".").replace(" ,", ",").replace("( ", "(").replace(" )", ")")
}

/// Every kind of page.
fn targets(host: &Host) -> Vec<String> {
    let [failed, good, cancelled, removed] = [0, 2, 15, 35].map(|number| host.build(number));
    let running = host.snapshot.running[1].uuid();
    [
        "/".to_owned(),
        "/job/unikernel-dns-secondary".to_owned(),
        "/job/unikernel-dns-secondary?platform=freebsd-14&failed=1&limit=2".to_owned(),
        "/job/hello".to_owned(),
        format!("/build/{failed}"),
        format!("/build/{good}?line=300"),
        format!("/build/{good}?from=1"),
        format!("/build/{good}?find=package"),
        format!("/build/{good}?find=nothing+like+this"),
        format!("/build/{good}?find=("),
        format!("/build/{cancelled}"),
        format!("/build/{removed}"),
        format!("/build/{running}"),
        format!("/build/{failed}/diff"),
        format!("/build/{good}/diff?with={cancelled}"),
        "/nothing".to_owned(),
        "/job/nobody".to_owned(),
        "/build/ffffffff-ffff-4fff-bfff-ffffffffffff".to_owned(),
    ]
    .to_vec()
}
