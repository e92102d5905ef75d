//! Pages: what a browser asks for, what that needs, and the answer.

use super::collect::{Collector, query_of};
use super::desk::Outcome;
use super::http::{Request, Response, Stream, date, is_known, misdirected};
use super::limits::{BEAT_TIME, FRESH_TIME};
use super::machine::{Dashboard, Rendered, Task, Visitor, Wanted};
use super::site::{Answer, Answers, Need, Plan, Refusal, Site, Window};
use super::talks::Purpose;
use crate::Now;
use builder_proto::command::Command;
use std::rc::Rc;

/// Pages that are kept for those who want to see the same in the same moment.
const RENDERED: usize = 16;
/// Bytes that wait for a browser, from which on it is told nothing more of changes.
const UNTAKEN_BYTES: usize = 1024;

impl<S: Site> Dashboard<S> {
    /// Does what can be done for a browser now.
    pub(super) fn serve(&mut self, now: Now, connection: u64) {
        self.concerned.insert(connection);
        loop {
            let Some(visitor) = self.visitors.get_mut(&connection) else { return };
            match &visitor.task {
                Task::Idle => match visitor.http.next_request(now.monotonic) {
                    Some(request) => self.begin(now, connection, request),
                    None => return,
                },
                Task::Console { .. } => return self.pump(now, connection),
                Task::Download(_) => return self.pace_download(now, connection),
                Task::Overview { .. } => return self.tell_of_change(now, connection),
                Task::Page { .. } => return,
            }
        }
    }

    fn begin(&mut self, now: Now, connection: u64, request: Request) {
        let is_guarded = self.visitors.get(&connection).is_some_and(|visitor| visitor.is_guarded);
        if is_guarded && !is_known(request.host.as_deref(), &self.names) {
            return self.respond(now, connection, misdirected());
        }
        match self.site.plan(&request) {
            Plan::Ready(response) => self.respond(now, connection, response),
            Plan::Page(page) => match self.rendered.iter().find(|rendered| rendered.is_for(&request)) {
                Some(rendered) if now.monotonic < rendered.until => {
                    let response = rendered.response.clone();
                    self.respond(now, connection, response);
                }
                _ => {
                    let answers = Answers::default();
                    self.set_task(
                        connection,
                        Task::Page { page, request: Box::new(request), answers, missing: 0 },
                    );
                    self.advance(now, connection);
                }
            },
            Plan::LiveOverview { since } => self.begin_overview(now, connection, since),
            Plan::LiveConsole { uuid, from } => self.begin_console(now, connection, uuid, from.max(1)),
            Plan::ConsoleText { uuid } => self.want_download(now, connection, Wanted::Text(uuid)),
            Plan::Artifact { uuid, path } => {
                self.want_download(now, connection, Wanted::Artifact(uuid, path))
            }
        }
    }

    /// Answers, if the browser is still there.
    pub(super) fn respond(&mut self, now: Now, connection: u64, response: Response) {
        let Some(visitor) = self.visitors.get_mut(&connection) else { return };
        let status = response.status;
        visitor.task = Task::Idle;
        visitor.http.respond(now.monotonic, response.with_header("Date", date(now.wall)));
        self.concerned.insert(connection);
        self.count_answer(status);
    }

    pub(super) fn count_answer(&mut self, status: u16) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(count) = self.figures.answers.get_mut(class) {
            *count += 1;
        }
    }

    pub(super) fn set_task(&mut self, connection: u64, task: Task<S::Page>) {
        if let Some(visitor) = self.visitors.get_mut(&connection) {
            visitor.task = task;
        }
    }

    /// Makes the page, or has the server asked for what it needs.
    pub(super) fn advance(&mut self, now: Now, connection: u64) {
        let figures = self.figures();
        loop {
            let Some(Visitor { task: Task::Page { page, request, answers, missing }, .. }) =
                self.visitors.get_mut(&connection)
            else {
                return;
            };
            let mut needs = self.site.needs(page, answers);
            needs.retain(|need| answers.get(need).is_none());
            if needs.is_empty() {
                answers.figures = figures;
                let response = self.site.render(page, request, answers, now);
                self.rendered.retain(|rendered| !rendered.is_for(request));
                if self.rendered.len() >= RENDERED {
                    self.rendered.remove(0);
                }
                let (request, until) = ((**request).clone(), now.monotonic + FRESH_TIME / 2);
                self.rendered.push(Rendered { request, response: response.clone(), until });
                return self.respond(now, connection, response);
            }
            let mut unknown = Vec::new();
            for need in needs {
                let known = match need {
                    Need::Snapshot => self
                        .snapshots
                        .fresh(now.monotonic)
                        .map(|snapshot| Ok(Answer::Snapshot(Rc::clone(snapshot)))),
                    Need::History(_) | Need::Details(_) | Need::Console(..) => {
                        self.desk.known(now.monotonic, &need)
                    }
                };
                match known {
                    Some(outcome) => answers.insert(need, outcome),
                    None => unknown.push(need),
                }
            }
            if !unknown.is_empty() {
                *missing = unknown.len();
                return self.want(now, connection, unknown);
            }
        }
    }

    /// Has the server asked.
    fn want(&mut self, now: Now, connection: u64, needs: Vec<Need>) {
        for need in needs {
            if need == Need::Snapshot {
                self.onlookers.push(connection);
                self.look(now);
            } else {
                self.desk.ask(need, connection);
            }
        }
        self.ask_next(now);
    }

    /// Asks the server what pages need, as far as it may be asked now.
    pub(super) fn ask_next(&mut self, now: Now) {
        while let Some(need) = self.desk.next() {
            if let Need::Console(uuid, _) = need {
                let command = Command::History(query_of(uuid));
                self.ask(now, command, Purpose::HasEnded(need, Vec::new()));
            } else {
                self.ask_for(now, need, false);
            }
        }
    }

    /// Asks the server for this. The build whose console it is may have ended.
    pub(super) fn ask_for(&mut self, now: Now, need: Need, has_ended: bool) {
        let matcher = match &need {
            Need::Console(_, Window::Matching(pattern, _)) => self.site.matcher(pattern),
            _ => None,
        };
        if let Some((command, collector)) = Collector::new(&need, has_ended, matcher) {
            self.ask(now, command, Purpose::Answer(need, Box::new(collector)));
        }
    }

    /// What a page needs is known, or why it is not.
    pub(super) fn settle(&mut self, now: Now, need: &Need, outcome: &Outcome) {
        for connection in self.desk.settle(now.monotonic, need, outcome) {
            self.tell_page(now, connection, need, outcome);
        }
        self.ask_next(now);
    }

    /// A look has ended, whatever came of it.
    pub(super) fn settle_look(&mut self, now: Now, trouble: Option<Refusal>) {
        let outcome = match (self.snapshots.current(), trouble) {
            (Some(snapshot), _) => Ok(Answer::Snapshot(Rc::clone(snapshot))),
            (None, Some(refusal)) => Err(refusal),
            (None, None) => Err(Refusal::Unreachable("it said nothing of itself".to_owned())),
        };
        for connection in core::mem::take(&mut self.onlookers) {
            self.tell_page(now, connection, &Need::Snapshot, &outcome);
        }
        self.tell_of_changes(now);
    }

    fn tell_page(&mut self, now: Now, connection: u64, need: &Need, outcome: &Outcome) {
        let Some(visitor) = self.visitors.get_mut(&connection) else { return };
        let Task::Page { answers, missing, .. } = &mut visitor.task else { return };
        if answers.get(need).is_none() {
            answers.insert(need.clone(), outcome.clone());
            *missing = missing.saturating_sub(1);
        }
        if *missing == 0 {
            self.advance(now, connection);
            // The next request may have arrived already.
            self.serve(now, connection);
        }
    }

    /// From now on, a browser is told when something has changed.
    fn begin_overview(&mut self, now: Now, connection: u64, since: Option<u64>) {
        let (told, beat) = (since.unwrap_or(self.snapshots.revision()), now.monotonic + BEAT_TIME);
        if self.begin_events(now, connection) {
            self.set_task(connection, Task::Overview { told, beat });
            self.tell_of_change(now, connection);
        }
    }

    /// Begins a stream of events. Says whether the browser wants to have them.
    pub(super) fn begin_events(&mut self, now: Now, connection: u64) -> bool {
        let Some(visitor) = self.visitors.get_mut(&connection) else { return false };
        let stream = Stream {
            content_type: "text/event-stream".to_owned(),
            // Proxies that collect what they pass on would keep lines back.
            headers: vec![("Date", date(now.wall)), ("X-Accel-Buffering", "no".to_owned())],
            length: None,
            etag: None,
        };
        let wants = visitor.http.begin_stream(now.monotonic, stream);
        if wants {
            visitor.http.push(now.monotonic, b"retry: 2000\n\n".to_vec().into());
        }
        self.count_answer(200);
        wants
    }

    fn tell_of_changes(&mut self, now: Now) {
        let is_onlooker = |visitor: &Visitor<S::Page>| matches!(visitor.task, Task::Overview { .. });
        let onlookers = self.visitors.iter().filter(|(_, visitor)| is_onlooker(visitor));
        for connection in onlookers.map(|(connection, _)| *connection).collect::<Vec<u64>>() {
            self.tell_of_change(now, connection);
        }
    }

    /// Tells a browser that something has changed, if it does not know. One that does not take what it was told before is told
    /// when it has.
    fn tell_of_change(&mut self, now: Now, connection: u64) {
        let revision = self.snapshots.revision();
        let Some(visitor) = self.visitors.get_mut(&connection) else { return };
        if let Task::Overview { told, beat } = &mut visitor.task
            && *told != revision
            && visitor.http.queued_bytes() < UNTAKEN_BYTES
        {
            *told = revision;
            *beat = now.monotonic + BEAT_TIME;
            let event = format!("id: {revision}\nevent: change\ndata: {revision}\n\n");
            visitor.http.push(now.monotonic, event.into_bytes().into());
            self.concerned.insert(connection);
        }
    }
}

impl Rendered {
    fn is_for(&self, request: &Request) -> bool {
        let Request { method: _, path, query, host, forwarded_proto, if_none_match: _, last_event_id: _ } =
            request;
        let rendered = &self.request;
        rendered.path == *path
            && rendered.query == *query
            && rendered.host == *host
            && rendered.forwarded_proto == *forwarded_proto
    }
}
