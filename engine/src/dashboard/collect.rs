//! Answers that are put together from what the server sends.

use super::limits::{LINE_BYTES, SCRIPT_BYTES, WINDOW_BYTES};
use super::site::{Answer, Console, Details, Line, Matcher, Need, Refusal, Window};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::{Artifact, Build, HistoryQuery, Sha256};
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use sha2::Digest;
use std::collections::VecDeque;
use std::rc::Rc;

/// An answer that is under way.
pub(super) enum Collector {
    History(Vec<Build>),
    Details { build: Option<Build>, job: Option<ScriptJob>, artifacts: Vec<Artifact> },
    Lines(Lines),
}

/// Lines of a console that are wanted, as they pass by.
pub(super) struct Lines {
    window: Window,
    matcher: Option<Matcher>,
    /// The last line, which may turn out to be the result.
    held: Option<(Option<i64>, Text)>,
    has_result: bool,
    kept: VecDeque<Line>,
    bytes: usize,
    total: u64,
    fitting: u64,
}

impl Collector {
    /// What to ask for this, and who puts the answer together. The console of a build that `has_ended` ends with its result.
    pub(super) fn new(
        need: &Need,
        has_ended: bool,
        matcher: Option<Matcher>,
    ) -> Option<(Command, Collector)> {
        match need {
            Need::Snapshot => None,
            Need::History(query) => Some((Command::History(query.clone()), Collector::History(Vec::new()))),
            Need::Details(uuid) => {
                let empty = Collector::Details { build: None, job: None, artifacts: Vec::new() };
                Some((Command::Details(*uuid), empty))
            }
            Need::Console(uuid, window) => {
                let lines = Lines::new(window.clone(), has_ended, matcher);
                Some((Command::Console(*uuid), Collector::Lines(lines)))
            }
        }
    }

    /// Takes the next message.
    pub(super) fn take(&mut self, message: Command) -> Result<(), Refusal> {
        match (self, message) {
            (Collector::History(builds), Command::Build(build)) => {
                builds.push(build);
                Ok(())
            }
            (Collector::Details { build, .. }, Command::Build(said)) => {
                *build = Some(said);
                Ok(())
            }
            (Collector::Details { job, .. }, Command::JobSchedule { job: said, .. }) => {
                *job = Some(ScriptJob { script: shortened_script(said.script), ..said });
                Ok(())
            }
            (Collector::Details { artifacts, .. }, Command::Artifact(artifact)) => {
                artifacts.push(artifact);
                Ok(())
            }
            (Collector::Lines(lines), Command::Output { line, timestamp, .. }) => {
                lines.take(timestamp, line);
                Ok(())
            }
            (_, message) => Err(unexpected(&message)),
        }
    }

    /// Whether all that the server sends is held, and not only what is wanted of it.
    pub(super) fn holds_all(&self) -> bool {
        !matches!(self, Collector::Lines(_))
    }

    /// The server has said everything.
    pub(super) fn finish(self) -> Result<Answer, Refusal> {
        match self {
            Collector::History(builds) => Ok(Answer::History(Rc::new(builds))),
            Collector::Details { build: Some(build), job, artifacts } => {
                Ok(Answer::Details(Rc::new(Details { build, job, artifacts })))
            }
            Collector::Details { build: None, .. } => {
                Err(Refusal::Unreachable("it said nothing of the build".to_owned()))
            }
            Collector::Lines(lines) => Ok(Answer::Console(Rc::new(lines.finish()))),
        }
    }
}

/// A message that answers another question.
pub(super) fn unexpected(message: &Command) -> Refusal {
    Refusal::Unreachable(format!("it sent {}, which was not asked for", message.name()))
}

/// What tells whether a build has ended.
pub(super) fn query_of(uuid: Uuid) -> HistoryQuery {
    HistoryQuery { uuid: Some(uuid.simple().to_string().into()), ..HistoryQuery::default() }
}

impl Lines {
    fn new(window: Window, has_result: bool, matcher: Option<Matcher>) -> Lines {
        let (held, kept) = (None, VecDeque::new());
        Lines { window, matcher, held, has_result, kept, bytes: 0, total: 0, fitting: 0 }
    }

    fn take(&mut self, timestamp: Option<i64>, text: Text) {
        if !self.has_result {
            return self.count(timestamp, text);
        }
        if let Some((timestamp, text)) = self.held.replace((timestamp, text)) {
            self.count(timestamp, text);
        }
    }

    fn count(&mut self, nanoseconds: Option<i64>, text: Text) {
        self.total += 1;
        let number = self.total;
        let (fits, most, is_last) = match &self.window {
            Window::Last(most) => (true, *most, true),
            Window::From(first, most) => (number >= *first, *most, false),
            Window::Matching(_, most) => {
                (self.matcher.as_ref().is_some_and(|matches| matches(text.as_bytes())), *most, false)
            }
        };
        if !fits {
            return;
        }
        self.fitting += 1;
        if !is_last && (self.kept.len() >= most || self.bytes >= WINDOW_BYTES) {
            return;
        }
        let line = Line { number, nanoseconds, text: shortened(text) };
        self.bytes += line.text.as_bytes().len();
        self.kept.push_back(line);
        while is_last && (self.kept.len() > most || (self.bytes > WINDOW_BYTES && self.kept.len() > 1)) {
            let first = self.kept.pop_front();
            self.bytes -= first.map_or(0, |line| line.text.as_bytes().len());
        }
    }

    fn finish(self) -> Console {
        let fitting = match self.window {
            Window::Last(_) => self.kept.len() as u64,
            Window::From(..) | Window::Matching(..) => self.fitting,
        };
        Console { lines: self.kept.into(), total: self.total, fitting }
    }
}

/// The beginning of a script that is too long to be shown, with a remark. Two that differ still do.
fn shortened_script(script: Text) -> Text {
    let bytes = script.as_bytes();
    match bytes.get(..SCRIPT_BYTES) {
        Some(beginning) if bytes.len() > SCRIPT_BYTES => {
            let digest = Sha256(sha2::Sha256::digest(bytes).into());
            let remark = format!("\n… ({} bytes in all, SHA-256 {digest})\n", bytes.len());
            [beginning, remark.as_bytes()].concat().into()
        }
        _ => script,
    }
}

/// The beginning of a line that is too long to be shown, with a remark. Nothing is lost: the plain text has it.
pub(super) fn shortened(text: Text) -> Text {
    let bytes = text.as_bytes();
    match bytes.get(..LINE_BYTES) {
        Some(beginning) if bytes.len() > LINE_BYTES => {
            let remark = format!(" … ({} bytes in all; the plain text has them)", bytes.len());
            [beginning, remark.as_bytes()].concat().into()
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::history::{BuildEnd, Cause};
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;

    const UUID: Uuid = Uuid::from_bytes([7; 16]);

    fn console(window: Window, has_ended: bool, lines: &[&str]) -> Console {
        let matcher: Matcher = Box::new(|line| line.starts_with(b"b"));
        let need = Need::Console(UUID, window);
        let (command, mut collector) = Collector::new(&need, has_ended, Some(matcher)).unwrap();
        assert_eq!(command, Command::Console(UUID));
        for line in lines {
            let line = Text::from(*line);
            collector.take(Command::Output { uuid: UUID, line, timestamp: Some(1) }).unwrap();
        }
        match collector.finish().unwrap() {
            Answer::Console(console) => Rc::unwrap_or_clone(console),
            other => panic!("{other:?}"),
        }
    }

    fn shown(console: &Console) -> Vec<(u64, String)> {
        console.lines.iter().map(|line| (line.number, line.text.to_string())).collect()
    }

    fn numbered(lines: &[(u64, &str)]) -> Vec<(u64, String)> {
        lines.iter().map(|(number, text)| (*number, (*text).to_owned())).collect()
    }

    const LINES: [&str; 5] = ["a", "b", "c", "bb", "exited 0"];

    #[test]
    fn a_window_has_the_lines_that_are_wanted_and_never_the_result() {
        let last = console(Window::Last(2), true, &LINES);
        assert_eq!((shown(&last), last.total), (numbered(&[(3, "c"), (4, "bb")]), 4));
        let from = console(Window::From(2, 2), true, &LINES);
        assert_eq!((shown(&from), from.fitting), (numbered(&[(2, "b"), (3, "c")]), 3));
        let matching = console(Window::Matching("b".to_owned(), 1), true, &LINES);
        assert_eq!((shown(&matching), matching.fitting), (numbered(&[(2, "b")]), 2));
        assert_eq!(console(Window::From(9, 2), true, &LINES).lines, []);
        assert_eq!(console(Window::Last(2), true, &[]).total, 0);
    }

    #[test]
    fn the_last_line_of_a_build_that_runs_is_a_line() {
        let last = console(Window::Last(1), false, &LINES);
        assert_eq!((shown(&last), last.total), (numbered(&[(5, "exited 0")]), 5));
    }

    #[test]
    fn no_window_takes_more_than_its_bytes() {
        let long = "x".repeat(LINE_BYTES);
        let lines = vec![long.as_str(); 2 * WINDOW_BYTES / LINE_BYTES];
        for window in [Window::Last(1000), Window::From(1, 1000)] {
            let console = console(window, false, &lines);
            assert_eq!(console.lines.len(), WINDOW_BYTES / LINE_BYTES);
            assert_eq!(console.total, lines.len() as u64);
        }
        let longer = "y".repeat(LINE_BYTES + 1);
        let cut = console(Window::Last(1), false, &[&longer]).lines.remove(0).text.to_string();
        assert!(cut.ends_with("y … (65537 bytes in all; the plain text has them)"), "{}", cut.len());
    }

    #[test]
    fn scripts_that_are_cut_still_differ_if_they_do() {
        let long = |end: &str| format!("{}{end}", "x".repeat(SCRIPT_BYTES)).into();
        let (one, other) = (shortened_script(long("a")), shortened_script(long("b")));
        assert_ne!(one, other);
        assert!(one.to_string().contains("1048577 bytes in all, SHA-256 "), "{}", one.as_bytes().len());
        assert_eq!(shortened_script("short".into()), "short".into());
    }

    #[test]
    fn details_and_histories_are_put_together() {
        let build = Build {
            uuid: RawUuid(UUID),
            job: "j".into(),
            platform: "p".into(),
            started: Time::UNIX_EPOCH,
            queued: None,
            host: None,
            end: Some(BuildEnd::new(Time::UNIX_EPOCH, Cause::Exited(0))),
        };
        let artifact = Artifact { path: "a".into(), size: 1, sha256: None };
        let job = ScriptJob { name: "j".into(), script: "s".into(), platform: "p".into() };
        let (_, mut collector) = Collector::new(&Need::Details(UUID), true, None).unwrap();
        collector.take(Command::Build(build.clone())).unwrap();
        collector.take(Command::JobSchedule { uuid: UUID, job: job.clone() }).unwrap();
        collector.take(Command::Artifact(artifact.clone())).unwrap();
        let Answer::Details(details) = collector.finish().unwrap() else { panic!("they are details") };
        assert_eq!(*details, Details { build: build.clone(), job: Some(job), artifacts: vec![artifact] });

        let query = query_of(UUID);
        assert_eq!(query.uuid.as_ref().unwrap().to_string(), "07".repeat(16));
        let (_, mut collector) = Collector::new(&Need::History(query), true, None).unwrap();
        collector.take(Command::Build(build.clone())).unwrap();
        assert_eq!(collector.take(Command::Pause("p".into())), Err(unexpected(&Command::Pause("p".into()))));
        let Answer::History(builds) = collector.finish().unwrap() else { panic!("it is a history") };
        assert_eq!(*builds, [build]);
        assert!(Collector::new(&Need::Snapshot, true, None).is_none());
        let (_, nothing) = Collector::new(&Need::Details(UUID), true, None).unwrap();
        assert!(matches!(nothing.finish(), Err(Refusal::Unreachable(_))));
    }
}
