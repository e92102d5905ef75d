//! What a page says, and what it has to ask the server for that.
//!
//! A [`Site`] makes pages. It is told what a browser wants, names what it [needs](Need) of the server until nothing is
//! missing, and turns the [answers](Answers) into a [`Response`].

use super::http::{Request, Response};
use super::snapshot::Snapshot;
use crate::Now;
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build, HistoryQuery};
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use core::fmt;
use std::rc::Rc;

/// What is asked of the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// How all is: the server, its platforms, its queues, its jobs and their last builds.
    Snapshot,
    /// The builds that fit, those that started last first.
    History(HistoryQuery),
    /// All that is known of one build.
    Details(Uuid),
    /// Lines that a build has printed so far.
    Console(Uuid, Window),
}

/// Which lines of a console are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Window {
    /// The last so many.
    Last(usize),
    /// So many, from the one with this number on. The first line has number 1.
    From(u64, usize),
    /// The first so many that match. What a pattern means, the [`Site`] says.
    Matching(String, usize),
}

/// Lines of a console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Console {
    /// Those that were wanted, as far as there are any, in their order.
    pub lines: Vec<Line>,
    /// How many lines there were when it was asked, without the one that tells the result.
    pub total: u64,
    /// How many of them are in the window, or match, whether or not they are among `lines`.
    pub fitting: u64,
}

/// A line of a console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its number. The first has number 1.
    pub number: u64,
    /// When it was printed: nanoseconds since the build started, if the server says so.
    pub nanoseconds: Option<i64>,
    /// What was printed, without the newline. Any bytes.
    pub text: Text,
}

/// All that the server knows of a build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Details {
    /// What it remembers.
    pub build: Build,
    /// What was run. Absent when the result is not there any more.
    pub job: Option<ScriptJob>,
    /// What it left, in the order in which it is stored.
    pub artifacts: Vec<Artifact>,
}

/// What the server said.
#[derive(Clone, Debug)]
pub enum Answer {
    /// To [`Need::Snapshot`].
    Snapshot(Rc<Snapshot>),
    /// To [`Need::History`].
    History(Rc<Vec<Build>>),
    /// To [`Need::Details`].
    Details(Rc<Details>),
    /// To [`Need::Console`].
    Console(Rc<Console>),
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The server answered `failure`: its words, which are meant for people.
    Refused(Text),
    /// The server cannot be reached, went away or takes too long. In words.
    Unreachable(String),
    /// The answer is longer than what is held for a page.
    TooLong,
}

/// What a page has learned of the server so far.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    known: Vec<(Need, Result<Answer, Refusal>)>,
    /// What the dashboard knows of itself.
    pub figures: Figures,
}

/// What a dashboard counts of its own work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Browsers that are connected.
    pub connections: usize,
    /// Streams of events that are open.
    pub viewers: usize,
    /// Consoles that are followed.
    pub feeds: usize,
    /// Downloads that are under way.
    pub downloads: usize,
    /// Answers since the start, by the first digit of their status, from 1 to 5.
    pub answers: [u64; 5],
    /// Questions since the start that the server was asked.
    pub questions: u64,
    /// Those of them that it did not answer.
    pub unanswered: u64,
}

/// What to do for a request.
#[derive(Debug)]
pub enum Plan<P> {
    /// To answer at once.
    Ready(Response),
    /// To find out what the page needs, and then to answer.
    Page(P),
    /// To tell whenever the snapshot changes, as a stream of events.
    LiveOverview {
        /// The [`revision`](Snapshot::revision) that the browser has, if it says so.
        since: Option<u64>,
    },
    /// To send the lines of a build from this number on, and those to come, as a stream of events.
    LiveConsole {
        /// The build.
        uuid: Uuid,
        /// The first line, of which number 1 is the first.
        from: u64,
    },
    /// To send the whole console as it is, as plain text.
    ConsoleText {
        /// The build.
        uuid: Uuid,
    },
    /// To send an artifact.
    Artifact {
        /// The build.
        uuid: Uuid,
        /// The path as the server knows it.
        path: Text,
    },
}

/// Tells which lines of a console are looked for.
pub type Matcher = Box<dyn Fn(&[u8]) -> bool>;

/// Makes pages.
pub trait Site {
    /// A page that somebody wants to see.
    type Page;

    /// What to do for a request.
    fn plan(&self, request: &Request) -> Plan<Self::Page>;

    /// What the page needs that it does not know yet. Nothing, once it can be made. What was refused is known.
    fn needs(&self, page: &Self::Page, answers: &Answers) -> Vec<Need>;

    /// Makes the page.
    fn render(&self, page: &Self::Page, request: &Request, answers: &Answers, now: Now) -> Response;

    /// A page that says why there is no stream, text or artifact.
    fn refuse(&self, refusal: &Refusal) -> Response;

    /// What a pattern of [`Window::Matching`] finds. `None` when it is no pattern.
    fn matcher(&self, pattern: &str) -> Option<Matcher>;

    /// Appends a line of a console to a stream of events: a JSON value without newlines.
    fn append_line(&self, output: &mut Vec<u8>, line: &Line);
}

/// Follows the words "the server does not answer:".
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Refused(reason) => write!(f, "{reason}"),
            Refusal::Unreachable(reason) => f.write_str(reason),
            Refusal::TooLong => f.write_str("the answer is too long for a page"),
        }
    }
}

impl Answers {
    /// What was said to this, if it was asked and answered.
    #[must_use]
    pub fn get(&self, need: &Need) -> Option<Result<&Answer, &Refusal>> {
        let (_, answer) = self.known.iter().find(|(known, _)| known == need)?;
        Some(answer.as_ref())
    }

    /// Takes note of what was said.
    pub fn insert(&mut self, need: Need, answer: Result<Answer, Refusal>) {
        self.known.push((need, answer));
    }

    /// How all is.
    #[must_use]
    pub fn snapshot(&self) -> Option<Result<&Rc<Snapshot>, &Refusal>> {
        match self.get(&Need::Snapshot)? {
            Ok(Answer::Snapshot(snapshot)) => Some(Ok(snapshot)),
            Ok(_) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// The builds that fit.
    #[must_use]
    pub fn history(&self, query: &HistoryQuery) -> Option<Result<&Rc<Vec<Build>>, &Refusal>> {
        match self.get(&Need::History(query.clone()))? {
            Ok(Answer::History(builds)) => Some(Ok(builds)),
            Ok(_) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// All that is known of a build.
    #[must_use]
    pub fn details(&self, uuid: Uuid) -> Option<Result<&Rc<Details>, &Refusal>> {
        match self.get(&Need::Details(uuid))? {
            Ok(Answer::Details(details)) => Some(Ok(details)),
            Ok(_) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }

    /// Lines that a build has printed.
    #[must_use]
    pub fn console(&self, uuid: Uuid, window: &Window) -> Option<Result<&Rc<Console>, &Refusal>> {
        match self.get(&Need::Console(uuid, window.clone()))? {
            Ok(Answer::Console(console)) => Some(Ok(console)),
            Ok(_) => None,
            Err(refusal) => Some(Err(refusal)),
        }
    }
}
