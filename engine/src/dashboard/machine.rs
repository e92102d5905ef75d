//! What a dashboard does: browsers on one side, the server on the other.

use super::desk::Desk;
use super::feeds::Feeds;
use super::http::{Connection, HostName, Request, Response};
use super::input::{Input, Place};
use super::limits::{ANSWER_TIME, BEAT_TIME, CONNECTIONS};
use super::site::{Answers, Figures, Site};
use super::snapshots::Snapshots;
use super::talks::{Action, Purpose, Talks};
use crate::Now;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Serves pages about a server, without a socket and without a clock.
///
/// Whoever drives it hands in what happened, carries out the [actions](Dashboard::next_action), and then looks after each
/// browser that is [concerned](Dashboard::next_concerned): whether there is something to write or to read, or whether the
/// connection is over:
///
/// ```
/// use builder_engine::Now;
/// use builder_engine::dashboard::http::{Request, Response};
/// use builder_engine::dashboard::site::{Answers, Line, Matcher, Need, Plan, Refusal, Site};
/// use builder_engine::dashboard::{Action, Dashboard, Input, Place};
/// use builder_proto::time::Time;
/// use core::time::Duration;
///
/// /// A site with one page, which says whether the server answers.
/// struct Health;
///
/// impl Site for Health {
///     type Page = ();
///
///     fn plan(&self, request: &Request) -> Plan<()> {
///         match request.path.as_str() {
///             "/health" => Plan::Page(()),
///             _ => Plan::Ready(Response::new(404, "text/plain", *b"there is no such page")),
///         }
///     }
///
///     fn needs(&self, _: &(), answers: &Answers) -> Vec<Need> {
///         if answers.snapshot().is_none() { vec![Need::Snapshot] } else { Vec::new() }
///     }
///
///     fn render(&self, _: &(), _: &Request, answers: &Answers, _: Now) -> Response {
///         match answers.snapshot() {
///             Some(Ok(_)) => Response::new(200, "text/plain", *b"well"),
///             _ => Response::new(503, "text/plain", *b"the server does not answer"),
///         }
///     }
///
///     fn refuse(&self, refusal: &Refusal) -> Response {
///         Response::new(503, "text/plain", refusal.to_string().into_bytes())
///     }
///
///     fn matcher(&self, _: &str) -> Option<Matcher> {
///         None
///     }
///
///     fn append_line(&self, output: &mut Vec<u8>, line: &Line) {
///         output.extend_from_slice(line.number.to_string().as_bytes());
///     }
/// }
///
/// let now = Now { wall: Time::UNIX_EPOCH, monotonic: Duration::ZERO };
/// let mut dashboard = Dashboard::new(now, Health, 100, Vec::new());
///
/// // A browser asks for the page.
/// dashboard.handle(now, Input::Connected { connection: 1, place: Place::Loopback });
/// let bytes = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
/// dashboard.handle(now, Input::Received { connection: 1, bytes });
///
/// // The page needs to know how all is, and the server cannot be reached.
/// while let Some(action) = dashboard.next_action() {
///     if let Action::Dial { question, .. } = action {
///         dashboard.handle(now, Input::Broken { question, reason: "nobody listens".to_owned() });
///     }
/// }
///
/// // So the browser gets the page that says so.
/// let mut sent = Vec::new();
/// while let Some(bytes) = dashboard.next_write(1) {
///     sent.extend_from_slice(bytes);
///     let count = bytes.len();
///     dashboard.handle(now, Input::Written { connection: 1, count });
/// }
/// let sent = String::from_utf8(sent)?;
/// assert!(sent.starts_with("HTTP/1.1 503 ") && sent.ends_with("the server does not answer"), "{sent}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Dashboard<S: Site> {
    pub(super) site: S,
    most_connections: usize,
    /// Names under which it may be asked; see [`http`](super::http).
    pub(super) names: Vec<HostName>,
    pub(super) visitors: BTreeMap<u64, Visitor<S::Page>>,
    pub(super) talks: Talks,
    pub(super) snapshots: Snapshots,
    /// Browsers whose pages wait for the look that is under way.
    pub(super) onlookers: Vec<u64>,
    pub(super) desk: Desk,
    pub(super) feeds: Feeds,
    /// Browsers whose downloads have not begun.
    pub(super) waiting_downloads: VecDeque<u64>,
    pub(super) rendered: Vec<Rendered>,
    pub(super) concerned: BTreeSet<u64>,
    pub(super) figures: Figures,
    /// When all browsers are looked at again for those who keep us waiting.
    next_sweep: Duration,
}

/// A browser.
pub(super) struct Visitor<P> {
    pub(super) http: Connection,
    pub(super) task: Task<P>,
    /// Whether it has to ask under one of our names.
    pub(super) is_guarded: bool,
}

/// What is done for a browser.
pub(super) enum Task<P> {
    /// Nothing: it has asked for nothing yet, or the answer is on its way.
    Idle,
    /// A page is being made.
    Page {
        page: P,
        request: Box<Request>,
        answers: Answers,
        /// How many answers are missing.
        missing: usize,
    },
    /// It is told of changes.
    Overview {
        /// What it knows.
        told: u64,
        /// When it is to be sent a sign of life.
        beat: Duration,
    },
    /// It follows a console.
    Console {
        feed: u64,
        /// The next line.
        next: u64,
        beat: Duration,
    },
    /// It is sent something that is not held whole.
    Download(Wanted),
}

/// What is to be sent that is not held whole.
#[derive(Clone, Debug)]
pub(super) enum Wanted {
    Text(Uuid),
    Artifact(Uuid, Text),
}

/// A page that was made a moment ago.
pub(super) struct Rendered {
    pub(super) request: Request,
    pub(super) response: Response,
    pub(super) until: Duration,
}

/// Time between two looks at all browsers. Their deadlines are seconds.
const SWEEP_TIME: Duration = Duration::from_millis(500);

impl<S: Site> Dashboard<S> {
    /// A dashboard that nobody looks at. It has a look at the server right away, so that the first page need not wait.
    ///
    /// Up to [`CONNECTIONS`] browsers may be connected, or fewer. Those on a loopback address may ask under an address, as
    /// `localhost`, and under these names; those on other addresses as well, unless there are no names: then any will do.
    pub fn new(now: Now, site: S, most_connections: usize, names: Vec<HostName>) -> Dashboard<S> {
        let mut dashboard = Dashboard {
            site,
            most_connections: most_connections.min(CONNECTIONS),
            names,
            visitors: BTreeMap::new(),
            talks: Talks::default(),
            snapshots: Snapshots::default(),
            onlookers: Vec::new(),
            desk: Desk::default(),
            feeds: Feeds::default(),
            waiting_downloads: VecDeque::new(),
            rendered: Vec::new(),
            concerned: BTreeSet::new(),
            figures: Figures::default(),
            next_sweep: Duration::ZERO,
        };
        dashboard.look(now);
        dashboard
    }

    /// Takes note of what happened.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        match input {
            Input::Connected { connection, place } => {
                let is_guarded = match place {
                    Place::File => false,
                    Place::Loopback => true,
                    Place::Network => !self.names.is_empty(),
                };
                let visitor = Visitor { http: Connection::new(now.monotonic), task: Task::Idle, is_guarded };
                self.visitors.insert(connection, visitor);
                self.next_sweep = self.next_sweep.max(now.monotonic).min(now.monotonic + SWEEP_TIME);
            }
            Input::Received { connection, bytes } => {
                if let Some(visitor) = self.visitors.get_mut(&connection) {
                    visitor.http.received(now.monotonic, bytes);
                    self.serve(now, connection);
                }
            }
            Input::Ended { connection } => {
                if let Some(visitor) = self.visitors.get_mut(&connection) {
                    visitor.http.peer_closed();
                    self.serve(now, connection);
                }
            }
            Input::Written { connection, count } => {
                if let Some(visitor) = self.visitors.get_mut(&connection) {
                    visitor.http.written(now.monotonic, count);
                    self.serve(now, connection);
                }
            }
            Input::Gone { connection } => self.forget(now, connection),
            Input::Answered { question, bytes } => self.hear(now, question, bytes),
            Input::Broken { question, reason } => self.lose(now, question, reason),
            Input::Tick => self.tick(now),
        }
    }

    /// The next thing to be done with connections to the server.
    pub fn next_action(&mut self) -> Option<Action> {
        self.talks.next_action()
    }

    /// Whether what the server sends for this question is to be read. It depends on how fast browsers take what they get, so this is
    /// asked in each turn.
    pub fn wants_answer(&self, question: u64) -> bool {
        self.talks.wants(question)
    }

    /// A browser to be looked after.
    pub fn next_concerned(&mut self) -> Option<u64> {
        self.concerned.pop_first()
    }

    /// What its socket is to be given next.
    pub fn next_write(&self, connection: u64) -> Option<&[u8]> {
        self.visitors.get(&connection)?.http.next_write()
    }

    /// Whether its socket is to be read.
    pub fn wants_to_read(&self, connection: u64) -> bool {
        self.visitors.get(&connection).is_some_and(|visitor| visitor.http.wants_to_read())
    }

    /// Whether everything is said that ever will be: its socket is to be told so, and read from as long as that is wanted.
    pub fn is_output_over(&self, connection: u64) -> bool {
        self.visitors.get(&connection).is_none_or(|visitor| visitor.http.is_output_over())
    }

    /// Whether its socket is to be closed.
    pub fn is_over(&self, connection: u64) -> bool {
        self.visitors.get(&connection).is_none_or(|visitor| visitor.http.is_over())
    }

    /// Whether another browser may connect. If there are too many, one that asks for nothing has to go, if there is one.
    pub fn has_room(&mut self) -> bool {
        if self.visitors.len() < self.most_connections {
            return true;
        }
        let idle =
            self.visitors.iter().find(|(_, visitor)| visitor.is_idle()).map(|(connection, _)| *connection);
        let Some(connection) = idle else { return false };
        self.visitors.remove(&connection);
        self.concerned.insert(connection);
        true
    }

    /// Why the server does not answer, if that is so. In words.
    pub fn trouble(&self) -> Option<&str> {
        self.snapshots.trouble()
    }

    /// What the dashboard counts of its work.
    pub fn figures(&self) -> Figures {
        let is_viewer = |visitor: &&Visitor<S::Page>| {
            matches!(visitor.task, Task::Overview { .. } | Task::Console { .. })
        };
        let is_download = |visitor: &&Visitor<S::Page>| matches!(visitor.task, Task::Download(_));
        Figures {
            connections: self.visitors.len(),
            viewers: self.visitors.values().filter(is_viewer).count(),
            feeds: self.feeds.len(),
            downloads: self.visitors.values().filter(is_download).count(),
            ..self.figures
        }
    }

    /// When [`Input::Tick`] is due, whatever happens.
    pub fn deadline(&self) -> Option<Duration> {
        let of_sweep = (!self.visitors.is_empty()).then_some(self.next_sweep);
        let of_rendered = self.rendered.iter().map(|rendered| rendered.until).min();
        let parts =
            [of_sweep, of_rendered, self.talks.deadline(), self.feeds.deadline(), self.desk.deadline()];
        parts.into_iter().flatten().min()
    }

    fn tick(&mut self, now: Now) {
        while let Some(question) = self.talks.next_overdue(now.monotonic) {
            self.lose(now, question, format!("it has said nothing for {} seconds", ANSWER_TIME.as_secs()));
        }
        self.tick_feeds(now);
        self.desk.forget(now.monotonic);
        self.rendered.retain(|rendered| now.monotonic < rendered.until);
        if now.monotonic >= self.next_sweep {
            self.next_sweep = now.monotonic + SWEEP_TIME;
            self.sweep(now);
        }
    }

    /// Looks after browsers that have kept us waiting, or that we have kept waiting.
    fn sweep(&mut self, now: Now) {
        let mut has_onlookers = false;
        for (connection, visitor) in &mut self.visitors {
            if visitor.http.deadline().is_some_and(|deadline| now.monotonic >= deadline) {
                visitor.http.expire(now.monotonic);
                self.concerned.insert(*connection);
            }
            has_onlookers |= matches!(visitor.task, Task::Overview { .. });
            if let Task::Overview { beat, .. } | Task::Console { beat, .. } = &mut visitor.task
                && now.monotonic >= *beat
            {
                *beat = now.monotonic + BEAT_TIME;
                if visitor.http.queued_bytes() == 0 {
                    visitor.http.push(now.monotonic, b":\n\n".to_vec().into());
                    self.concerned.insert(*connection);
                }
            }
        }
        if has_onlookers && now.monotonic >= self.snapshots.next_look() {
            self.look(now);
        }
    }

    /// Finds out how all is, unless that is under way.
    pub(super) fn look(&mut self, now: Now) {
        if !self.snapshots.is_looking() {
            let command = self.snapshots.begin();
            self.ask(now, command, Purpose::Overview);
        }
    }

    pub(super) fn ask(&mut self, now: Now, command: Command, purpose: Purpose) -> u64 {
        self.figures.questions += 1;
        self.talks.begin(now.monotonic, command, purpose)
    }

    /// A browser has gone. What was under way for it alone ends.
    fn forget(&mut self, now: Now, connection: u64) {
        let Some(visitor) = self.visitors.remove(&connection) else { return };
        match visitor.task {
            Task::Console { feed, .. } => self.feeds.leave(now.monotonic, feed, connection),
            Task::Download(_) => {
                self.waiting_downloads.retain(|waiting| *waiting != connection);
                self.talks.hang_of(connection);
                self.begin_downloads(now);
            }
            Task::Idle | Task::Page { .. } | Task::Overview { .. } => {}
        }
    }
}

impl<P> Visitor<P> {
    /// Whether it asks for nothing.
    fn is_idle(&self) -> bool {
        matches!(self.task, Task::Idle) && !self.http.is_answering()
    }
}
