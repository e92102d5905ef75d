//! A dashboard between browsers and a server that do what a test wants.

mod downloads;
mod pages;
mod streams;

use super::http::{Request, Response};
use super::site::{Answers, Line, Matcher, Need, Plan, Refusal, Site, Window};
use super::{Action, Dashboard, Input, Place};
use crate::Now;
use builder_proto::Uuid;
use builder_proto::command::{Command, append_data_frame};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::history::{Artifact, Build, BuildEnd, Cause, HistoryQuery};
use builder_proto::overview::ServerStatus;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::BTreeMap;

pub(super) const UUID: Uuid = Uuid::from_bytes([7; 16]);

/// A site whose pages name what they need: `/snapshot`, `/details`, `/last`, `/find`; and everything that is no page.
pub(super) struct Plain;

/// What a page needs, one after the other.
pub(super) struct Page(Vec<Need>);

impl Site for Plain {
    type Page = Page;

    fn plan(&self, request: &Request) -> Plan<Page> {
        let console = |window| Need::Console(UUID, window);
        match request.path.as_str() {
            "/snapshot" => Plan::Page(Page(vec![Need::Snapshot])),
            "/details" => Plan::Page(Page(vec![Need::Details(UUID), console(Window::Last(2))])),
            "/history" => Plan::Page(Page(vec![Need::History(HistoryQuery::default())])),
            "/find" => Plan::Page(Page(vec![console(Window::Matching("b".to_owned(), 9))])),
            "/changes" => Plan::LiveOverview { since: request.last_event_id },
            "/live" => {
                Plan::LiveConsole { uuid: UUID, from: request.last_event_id.map_or(1, |last| last + 1) }
            }
            "/text" => Plan::ConsoleText { uuid: UUID },
            "/artifact" => Plan::Artifact { uuid: UUID, path: "bin/program".into() },
            path => Plan::Ready(Response::new(404, "text/plain", path.as_bytes().to_vec())),
        }
    }

    fn needs(&self, page: &Page, answers: &Answers) -> Vec<Need> {
        let next = page.0.iter().find(|need| answers.get(need).is_none());
        next.cloned().into_iter().collect()
    }

    fn render(&self, page: &Page, _: &Request, answers: &Answers, _: Now) -> Response {
        let text: String = page.0.iter().map(|need| format!("{:?};", answers.get(need))).collect();
        Response::new(200, "text/plain", text.into_bytes())
    }

    fn refuse(&self, refusal: &Refusal) -> Response {
        Response::new(503, "text/plain", refusal.to_string().into_bytes())
    }

    fn matcher(&self, pattern: &str) -> Option<Matcher> {
        let pattern = pattern.as_bytes().to_vec();
        Some(Box::new(move |line| line.starts_with(&pattern)))
    }

    fn append_line(&self, output: &mut Vec<u8>, line: &Line) {
        output.extend_from_slice(format!("[{},\"{}\"]", line.number, line.text).as_bytes());
    }
}

/// A dashboard and those around it.
pub(super) struct World {
    pub(super) dashboard: Dashboard<Plain>,
    pub(super) now: Now,
    /// What each browser has got.
    got: BTreeMap<u64, Vec<u8>>,
    /// Those that take nothing.
    pub(super) stalled: Vec<u64>,
    /// Questions that are under way, with what was asked once the server has said hello.
    questions: BTreeMap<u64, (FrameDecoder, Option<Command>)>,
    last: u64,
}

impl World {
    pub(super) fn new() -> World {
        World::with_names(&[])
    }

    /// One where browsers may ask under these names.
    pub(super) fn with_names(names: &[&str]) -> World {
        let names = names.iter().map(|name| name.parse().unwrap()).collect();
        let now = Now { wall: Time::UNIX_EPOCH, monotonic: Duration::from_secs(1000) };
        let dashboard = Dashboard::new(now, Plain, 100, names);
        let (got, questions) = (BTreeMap::new(), BTreeMap::new());
        let mut world = World { dashboard, now, got, stalled: Vec::new(), questions, last: 0 };
        world.settle();
        world
    }

    /// Time passes.
    pub(super) fn pass(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.handle(Input::Tick);
    }

    pub(super) fn handle(&mut self, input: Input<'_>) {
        self.dashboard.handle(self.now, input);
        self.settle();
    }

    /// A browser connects and asks for this.
    pub(super) fn get(&mut self, path: &str) -> u64 {
        let connection = self.connect(Place::File);
        self.ask(connection, path, "");
        connection
    }

    /// A browser connects there.
    pub(super) fn connect(&mut self, place: Place) -> u64 {
        self.last += 1;
        self.handle(Input::Connected { connection: self.last, place });
        self.last
    }

    /// A browser that is there asks for this.
    pub(super) fn ask(&mut self, connection: u64, path: &str, headers: &str) {
        self.ask_host(connection, path, "h", headers);
    }

    /// The same of a host of this name.
    pub(super) fn ask_host(&mut self, connection: u64, path: &str, host: &str, headers: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{headers}\r\n");
        self.handle(Input::Received { connection, bytes: request.as_bytes() });
    }

    /// What a browser has got since the last time: what stands above it, and the rest.
    pub(super) fn take(&mut self, connection: u64) -> (String, String) {
        let got = self.got.remove(&connection).unwrap_or_default();
        let text = String::from_utf8(got).unwrap();
        match text.split_once("\r\n\r\n") {
            Some((head, body)) if head.starts_with("HTTP/1.1 ") => (head.to_owned(), body.to_owned()),
            _ => (String::new(), text),
        }
    }

    /// Only the body of that.
    pub(super) fn body(&mut self, connection: u64) -> String {
        self.take(connection).1
    }

    /// The questions that ask for this.
    pub(super) fn all_asked(&self, is_meant: impl Fn(&Command) -> bool) -> Vec<u64> {
        let of = |(id, (_, command)): (&u64, &(FrameDecoder, Option<Command>))| {
            command.as_ref().is_some_and(&is_meant).then_some(*id)
        };
        self.questions.iter().filter_map(of).collect()
    }

    /// The only question that asks for this.
    pub(super) fn asked(&self, is_meant: impl Fn(&Command) -> bool) -> u64 {
        let all = self.all_asked(is_meant);
        assert_eq!(all.len(), 1, "{:?}", self.questions);
        all[0]
    }

    pub(super) fn questions(&self) -> usize {
        self.questions.len()
    }

    /// The server says this.
    pub(super) fn answer(&mut self, question: u64, messages: &[Command]) {
        let bytes: Vec<u8> = messages.iter().flat_map(|message| message.to_frame().unwrap()).collect();
        self.handle(Input::Answered { question, bytes: &bytes });
    }

    /// The server sends content of an artifact.
    pub(super) fn send_content(&mut self, question: u64, content: &[u8]) {
        let mut bytes = Vec::new();
        append_data_frame(&mut bytes, content);
        self.handle(Input::Answered { question, bytes: &bytes });
    }

    /// The server says how all is.
    pub(super) fn answer_overview(&mut self, is_draining: bool) {
        let question = self.asked(|command| *command == Command::Overview);
        self.answer(question, &[Command::ServerStatus(server(is_draining)), Command::Success]);
    }

    /// Says whether the build has ended, wherever that is asked.
    pub(super) fn answer_has_ended(&mut self, has_ended: bool) {
        let question = self.asked(|command| matches!(command, Command::History(_)));
        self.answer(question, &[Command::Build(build(has_ended)), Command::Success]);
    }

    /// Does what the dashboard wants, greets it, and gives browsers what waits for them.
    fn settle(&mut self) {
        loop {
            if let Some(action) = self.dashboard.next_action() {
                match action {
                    Action::Dial { question, bytes } => {
                        self.questions.insert(question, (FrameDecoder::new(1 << 20), None));
                        self.hear(question, &bytes);
                        let hello = Command::ServerHello.to_frame().unwrap();
                        self.dashboard.handle(self.now, Input::Answered { question, bytes: &hello });
                    }
                    Action::Tell { question, bytes } => self.hear(question, &bytes),
                    Action::Hang { question } => {
                        self.questions.remove(&question);
                    }
                }
            } else if let Some(connection) = self.dashboard.next_concerned() {
                self.write(connection);
            } else {
                return;
            }
        }
    }

    /// The server understands what it is told.
    fn hear(&mut self, question: u64, mut bytes: &[u8]) {
        let (decoder, asked) = self.questions.get_mut(&question).unwrap();
        while let Some(event) = decoder.next(&mut bytes).unwrap() {
            let FrameEvent::Frame(payload) = event else { panic!("a client sends whole messages") };
            *asked = Some(Command::decode(payload).unwrap())
                .filter(|said| !matches!(said, Command::ClientHello { .. }));
        }
    }

    fn write(&mut self, connection: u64) {
        if self.stalled.contains(&connection) {
            return;
        }
        if let Some(bytes) = self.dashboard.next_write(connection) {
            let count = bytes.len();
            self.got.entry(connection).or_default().extend_from_slice(bytes);
            self.dashboard.handle(self.now, Input::Written { connection, count });
        } else if self.dashboard.is_over(connection) {
            self.dashboard.handle(self.now, Input::Gone { connection });
        }
    }

    /// One that took nothing takes everything again.
    pub(super) fn release(&mut self, connection: u64) {
        self.stalled.retain(|stalled| *stalled != connection);
        self.write(connection);
        self.settle();
    }
}

pub(super) fn server(is_draining: bool) -> ServerStatus {
    ServerStatus {
        version: "0.5.0".into(),
        started: Time::UNIX_EPOCH,
        under_way: 0,
        limit: 64,
        log_bytes: 1,
        is_full: false,
        is_draining,
        has_history: true,
        free_bytes: Some(2),
        uploads: None,
        notices: None,
    }
}

pub(super) fn build(has_ended: bool) -> Build {
    Build {
        uuid: RawUuid(UUID),
        job: "j".into(),
        platform: "p".into(),
        started: Time::UNIX_EPOCH,
        queued: None,
        host: None,
        end: has_ended.then(|| BuildEnd::new(Time::UNIX_EPOCH, Cause::Exited(0))),
    }
}

pub(super) fn artifact(path: &str, size: u64) -> Artifact {
    Artifact { path: path.into(), size, sha256: None }
}

pub(super) fn line(text: &str) -> Command {
    Command::Output { uuid: UUID, line: text.into(), timestamp: Some(1) }
}
