//! Which page is meant by an address.

use super::frame::{ICON, find_asset, redirect_response};
use super::link::Parameters;
use super::problem::Problem;
use builder_engine::dashboard::http::{Caching, Request, percent_decode};
use builder_engine::dashboard::site::Plan;
use builder_proto::Uuid;
use builder_proto::text::Text;

/// A page that is made of what the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Page {
    /// How all is.
    Overview,
    /// A job and its builds.
    Job(JobPage),
    /// Where the newest build of a job is, on this platform or on any.
    Latest(Text, Option<Text>),
    /// A build and its console.
    Build(Uuid, View),
    /// The page of a build whose uuid begins so, and what stands behind the uuid in the address.
    Shortened(String, String),
    /// What is different between a build and another one, or the one before.
    Diff(Uuid, Option<Uuid>),
    /// Changes from good to bad and back: of a job, or of all.
    Feed(Option<Text>),
    /// How the last build of a job ended, on this platform or on any.
    Badge(Text, Option<Text>),
    /// Numbers, as Prometheus reads them.
    Metrics,
    /// What is on a page, for programs.
    Json(Subject),
}

/// Which builds of a job are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JobPage {
    pub(super) name: Text,
    pub(super) platform: Option<Text>,
    pub(super) failed: bool,
    pub(super) limit: u64,
}

/// Which lines of the console are shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// The last ones.
    End,
    /// Those around this one.
    Around(u64),
    /// Those from this one on.
    From(u64),
    /// Those that match.
    Find(String),
}

/// What programs want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// How all is.
    Overview,
    /// What waits for a platform.
    Queue(Text),
    /// A job and its builds, on this platform or on any.
    Job(Text, Option<Text>),
    /// A build.
    Build(Uuid),
}

/// Builds of a job that are shown when nobody says how many.
pub(super) const USUAL_LIMIT: u64 = 50;
/// At most so many are shown.
pub(super) const MOST_BUILDS: u64 = 1000;

/// What to do for an address.
pub(super) fn plan(base: &str, request: &Request) -> Result<Plan<Page>, Problem> {
    let path = request.path.strip_prefix(base).ok_or_else(Problem::no_page)?;
    let Some(path) = path.strip_prefix('/') else {
        // Addresses on the overview are relative, so that it has to be where they lead on from.
        return if path.is_empty() { Ok(redirect(format!("{base}/"))) } else { Err(Problem::no_page()) };
    };
    let parameters = Parameters::parse(request.query.as_deref());
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let page = match (first, rest) {
        ("", None) => Page::Overview,
        ("live", None) => {
            let since = request.last_event_id.or(number(&parameters, "since")?);
            return Ok(Plan::LiveOverview { since });
        }
        ("feed.atom", None) => Page::Feed(None),
        ("metrics", None) => Page::Metrics,
        ("favicon.ico", None) => return Ok(Plan::Ready(ICON.response(Caching::Revalidate))),
        ("robots.txt", None) => return Ok(Plan::Ready(robots())),
        ("assets", Some(name)) => {
            let asset = find_asset(name).ok_or_else(Problem::no_page)?;
            return Ok(Plan::Ready(asset.response(Caching::Forever)));
        }
        ("job", Some(rest)) => job(rest, &parameters)?,
        ("build", Some(rest)) => return build(rest, request, &parameters),
        ("api", Some(rest)) => Page::Json(subject(rest, &parameters)?),
        _ => return Err(Problem::no_page()),
    };
    Ok(Plan::Page(page))
}

/// Sends the browser to another address, for now.
pub(super) fn redirect<P>(address: String) -> Plan<P> {
    Plan::Ready(redirect_response(address))
}

fn robots() -> builder_engine::dashboard::http::Response {
    let text = b"User-agent: *\nDisallow: /\n".as_slice();
    builder_engine::dashboard::http::Response::new(200, "text/plain; charset=utf-8", text)
}

/// A name in an address.
fn name(encoded: &str) -> Result<Text, Problem> {
    let bytes = percent_decode(encoded).filter(|bytes| !bytes.is_empty()).ok_or_else(Problem::no_page)?;
    Ok(bytes.into())
}

fn job(rest: &str, parameters: &Parameters) -> Result<Page, Problem> {
    let (encoded, view) = rest.split_once('/').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    let name = name(encoded)?;
    let platform = parameters.text("platform");
    match view {
        None => {
            let failed = parameters.get("failed").is_some_and(|value| value != b"0");
            let limit = number(parameters, "limit")?.unwrap_or(USUAL_LIMIT).clamp(1, MOST_BUILDS);
            Ok(Page::Job(JobPage { name, platform, failed, limit }))
        }
        Some("latest") => Ok(Page::Latest(name, platform)),
        Some("feed.atom") => Ok(Page::Feed(Some(name))),
        Some("badge.svg") => Ok(Page::Badge(name, platform)),
        Some(_) => Err(Problem::no_page()),
    }
}

fn build(rest: &str, request: &Request, parameters: &Parameters) -> Result<Plan<Page>, Problem> {
    let (word, view) = rest.split_once('/').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    let Some(uuid) = whole_uuid(word) else { return shortened(word, view, request).map(Plan::Page) };
    let plan = match view {
        None => Plan::Page(Page::Build(uuid, self::view(parameters)?)),
        Some("diff") => Plan::Page(Page::Diff(uuid, with(parameters)?)),
        Some("console.txt") => Plan::ConsoleText { uuid },
        Some("live") => {
            let from = match request.last_event_id {
                Some(last) => last.saturating_add(1),
                None => number(parameters, "from")?.unwrap_or(1),
            };
            Plan::LiveConsole { uuid, from: from.max(1) }
        }
        Some(path) => {
            let path = path.strip_prefix("artifact/").ok_or_else(Problem::no_page)?;
            Plan::Artifact { uuid, path: name(path)? }
        }
    };
    Ok(plan)
}

fn view(parameters: &Parameters) -> Result<View, Problem> {
    if let Some(pattern) = parameters.get("find") {
        let pattern = core::str::from_utf8(pattern);
        return pattern
            .map(|pattern| View::Find(pattern.to_owned()))
            .map_err(|_| Problem::bad("The pattern is not UTF-8."));
    }
    if let Some(line) = number(parameters, "line")? {
        return Ok(View::Around(line.max(1)));
    }
    Ok(number(parameters, "from")?.map_or(View::End, |from| View::From(from.max(1))))
}

fn with(parameters: &Parameters) -> Result<Option<Uuid>, Problem> {
    let Some(word) = parameters.get("with") else { return Ok(None) };
    let uuid = core::str::from_utf8(word).ok().and_then(whole_uuid);
    uuid.map(Some)
        .ok_or_else(|| Problem::bad(format!("with={} is not the uuid of a build.", Text::from(word))))
}

/// A uuid with its hyphens.
fn whole_uuid(word: &str) -> Option<Uuid> {
    word.parse().ok().filter(|uuid: &Uuid| uuid.to_string().eq_ignore_ascii_case(word))
}

/// Any beginning of a uuid is good enough.
fn shortened(word: &str, view: Option<&str>, request: &Request) -> Result<Page, Problem> {
    let digits = word.bytes().filter(|byte| *byte != b'-').count();
    let is_uuid = word.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
    if !is_uuid || !(1..=32).contains(&digits) {
        return Err(Problem::no_page());
    }
    let mut behind = view.map(|view| format!("/{view}")).unwrap_or_default();
    if let Some(query) = &request.query {
        behind = format!("{behind}?{query}");
    }
    Ok(Page::Shortened(word.to_ascii_lowercase(), behind))
}

fn subject(rest: &str, parameters: &Parameters) -> Result<Subject, Problem> {
    let (kind, encoded) = rest.split_once('/').map_or((rest, None), |(first, rest)| (first, Some(rest)));
    match (kind, encoded) {
        ("overview", None) => Ok(Subject::Overview),
        ("queue", Some(platform)) => Ok(Subject::Queue(name(platform)?)),
        ("job", Some(job)) => Ok(Subject::Job(name(job)?, parameters.text("platform"))),
        ("build", Some(uuid)) => whole_uuid(uuid).map(Subject::Build).ok_or_else(Problem::no_page),
        _ => Err(Problem::no_page()),
    }
}

fn number(parameters: &Parameters, name: &str) -> Result<Option<u64>, Problem> {
    let Some(value) = parameters.get(name) else { return Ok(None) };
    let number = core::str::from_utf8(value).ok().and_then(|value| value.trim().parse().ok());
    let bad = || Problem::bad(format!("{name}={} is not a number.", Text::from(value)));
    number.map(Some).ok_or_else(bad)
}
