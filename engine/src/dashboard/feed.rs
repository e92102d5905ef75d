//! The console of a build, for everyone who follows it.
//!
//! The server is asked once. What it sends becomes events, which everyone gets as they are; the last ones are held for those
//! who do not read as fast as others. An event holds some lines, and ends with a line: whoever begins in its middle gets the
//! rest of it.

use super::http::Piece;
use super::limits::{EVENT_BYTES, EVENT_TIME, RESULT_TIME};
use super::site::Line;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::VecDeque;
use std::rc::Rc;

/// A console that is followed.
#[derive(Debug)]
pub(super) struct Feed {
    uuid: Uuid,
    /// Lines before this one are not wanted.
    from: u64,
    /// The number of the next line.
    next: u64,
    events: VecDeque<Event>,
    /// Bytes of all of them.
    bytes: usize,
    open: Open,
    /// The last line, if it may tell the result, and since when it is there.
    held: Option<(Option<i64>, Text, Duration)>,
    end: Option<End>,
}

/// How a feed ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The build is over.
    Over,
    /// The server does not show it. Its words.
    Refused(Text),
    /// The server went away: whoever comes back may find it again.
    Broken,
}

/// Lines that travel together.
#[derive(Debug)]
struct Event {
    first: u64,
    /// The number of the line after it.
    next: u64,
    /// Where each of its lines begins.
    starts: Vec<u32>,
    bytes: Rc<[u8]>,
}

/// Lines that will.
#[derive(Debug, Default)]
struct Open {
    first: u64,
    starts: Vec<u32>,
    records: Vec<u8>,
    /// When the first of them came.
    since: Duration,
}

/// What somebody gets who has got everything before a line.
#[derive(Debug)]
pub(super) enum Next {
    /// An event, and the number of the line after it.
    Event(Piece, u64),
    /// Nothing yet.
    Later,
    /// The line is not held any more.
    Gone,
    /// That was all.
    End(End),
}

impl Feed {
    /// Follows a build from this line on.
    pub(super) fn new(uuid: Uuid, from: u64) -> Feed {
        let (events, open) = (VecDeque::new(), Open::default());
        Feed { uuid, from, next: 1, events, bytes: 0, open, held: None, end: None }
    }

    pub(super) fn uuid(&self) -> Uuid {
        self.uuid
    }

    /// Bytes that are held.
    pub(super) fn bytes(&self) -> usize {
        self.bytes + self.open.records.len()
    }

    /// Whether somebody who wants this line may join. One that broke or was refused is for those who had begun: the server may
    /// have come back since.
    pub(super) fn may_be_joined(&self, line: u64) -> bool {
        self.has(line) && matches!(self.end, None | Some(End::Over))
    }

    /// Whether this line is held, or to come.
    pub(super) fn has(&self, line: u64) -> bool {
        let of_events = self.events.front().map(|event| event.first);
        let of_open = (!self.open.starts.is_empty()).then_some(self.open.first);
        line >= of_events.or(of_open).unwrap_or_else(|| self.from.max(self.next))
    }

    /// Whether somebody has got everything that there is.
    pub(super) fn is_at_end(&self, line: u64) -> bool {
        self.events.back().is_none_or(|event| line >= event.next)
    }

    /// Takes the next line of the server. `append` writes a line as a JSON value.
    pub(super) fn take(
        &mut self,
        now: Duration,
        timestamp: Option<i64>,
        text: Text,
        append: impl Fn(&mut Vec<u8>, &Line),
    ) {
        self.let_go(now, &append);
        if BuildResult::may_be_told_by(text.as_bytes()) {
            self.held = Some((timestamp, text, now));
        } else {
            self.append(now, timestamp, text, &append);
        }
    }

    /// Nothing more will come.
    pub(super) fn finish(&mut self, now: Duration, end: End, append: impl Fn(&mut Vec<u8>, &Line)) {
        if end == End::Over {
            self.held = None;
        }
        self.let_go(now, &append);
        self.seal();
        self.end.get_or_insert(end);
    }

    /// Does what is due.
    pub(super) fn tick(&mut self, now: Duration, append: impl Fn(&mut Vec<u8>, &Line)) {
        if self.held.as_ref().is_some_and(|(_, _, since)| now >= *since + RESULT_TIME) {
            self.let_go(now, &append);
        }
        if !self.open.starts.is_empty() && now >= self.open.since + EVENT_TIME {
            self.seal();
        }
    }

    /// When something will be due.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let of_held = self.held.as_ref().map(|(_, _, since)| *since + RESULT_TIME);
        let of_open = (!self.open.starts.is_empty()).then(|| self.open.since + EVENT_TIME);
        of_held.into_iter().chain(of_open).min()
    }

    /// Forgets the first events until no more than so many bytes are held.
    pub(super) fn shrink(&mut self, most: usize) {
        while self.bytes() > most {
            let Some(event) = self.events.pop_front() else { return };
            self.bytes -= event.bytes.len();
        }
    }

    /// What comes for somebody who wants this line next.
    pub(super) fn get(&self, line: u64) -> Next {
        if !self.has(line) {
            return Next::Gone;
        }
        let place = self.events.partition_point(|event| event.next <= line);
        match (self.events.get(place), &self.end) {
            (Some(event), _) => Next::Event(event.from(line), event.next),
            (None, Some(end)) => Next::End(end.clone()),
            (None, None) => Next::Later,
        }
    }

    /// A line that was held is one of the job after all.
    fn let_go(&mut self, now: Duration, append: &impl Fn(&mut Vec<u8>, &Line)) {
        if let Some((timestamp, text, _)) = self.held.take() {
            self.append(now, timestamp, text, append);
        }
    }

    fn append(
        &mut self,
        now: Duration,
        nanoseconds: Option<i64>,
        text: Text,
        append: &impl Fn(&mut Vec<u8>, &Line),
    ) {
        let number = self.next;
        self.next += 1;
        if number < self.from {
            return;
        }
        let open = &mut self.open;
        if open.starts.is_empty() {
            (open.first, open.since) = (number, now);
        } else {
            open.records.push(b',');
        }
        // An event is sealed long before it has so many bytes.
        open.starts.push(u32::try_from(open.records.len()).unwrap_or(u32::MAX));
        append(&mut open.records, &Line { number, nanoseconds, text });
        if open.records.len() >= EVENT_BYTES {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if self.open.starts.is_empty() {
            return;
        }
        let Open { first, starts, records, .. } = core::mem::take(&mut self.open);
        let bytes = event_of(self.next - 1, &records);
        self.bytes += bytes.len();
        self.events.push_back(Event { first, next: self.next, starts, bytes: bytes.into() });
    }
}

impl Event {
    /// The event from this line on.
    fn from(&self, line: u64) -> Piece {
        let skipped = usize::try_from(line.saturating_sub(self.first)).unwrap_or(usize::MAX);
        let front = front_of(self.next - 1).len();
        let records = self.bytes.get(front..self.bytes.len().saturating_sub(BACK.len())).unwrap_or_default();
        match self.starts.get(skipped).and_then(|start| records.get(*start as usize..)) {
            Some(rest) if skipped > 0 => Piece::from(event_of(self.next - 1, rest)),
            _ => Piece::from(Rc::clone(&self.bytes)),
        }
    }
}

/// What stands behind the lines of an event.
const BACK: &[u8] = b"]\n\n";

/// What stands in front of the lines of an event that ends with this line: who comes back names it.
fn front_of(last: u64) -> String {
    format!("id: {last}\ndata: [")
}

fn event_of(last: u64, records: &[u8]) -> Vec<u8> {
    [front_of(last).as_bytes(), records, BACK].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(100);

    fn append(output: &mut Vec<u8>, line: &Line) {
        output.extend_from_slice(format!("[{},\"{}\"]", line.number, line.text).as_bytes());
    }

    fn feed(from: u64, lines: &[&str]) -> Feed {
        let mut feed = Feed::new(Uuid::nil(), from);
        lines.iter().for_each(|line| feed.take(START, Some(1), (*line).into(), append));
        feed
    }

    fn got(feed: &Feed, line: u64) -> String {
        match feed.get(line) {
            Next::Event(piece, next) => format!("{}{next}", String::from_utf8_lossy(piece.bytes())),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn lines_that_come_together_travel_together() {
        let mut feed = feed(1, &["a", "b", "c"]);
        assert_eq!(got(&feed, 1), "Later");
        assert_eq!(feed.deadline(), Some(START + EVENT_TIME));
        feed.tick(START + EVENT_TIME, append);
        assert_eq!(got(&feed, 1), "id: 3\ndata: [[1,\"a\"],[2,\"b\"],[3,\"c\"]]\n\n4");
        assert_eq!(got(&feed, 2), "id: 3\ndata: [[2,\"b\"],[3,\"c\"]]\n\n4", "the rest of it");
        assert_eq!(got(&feed, 3), "id: 3\ndata: [[3,\"c\"]]\n\n4");
        assert_eq!((got(&feed, 4).as_str(), feed.deadline()), ("Later", None));
        assert!(feed.is_at_end(4) && !feed.is_at_end(3));
    }

    #[test]
    fn a_long_event_leaves_at_once() {
        let long = "x".repeat(EVENT_BYTES);
        let feed = feed(1, &[&long, "a"]);
        assert!(got(&feed, 1).ends_with("x\"]]\n\n2"));
        assert_eq!(got(&feed, 2), "Later");
    }

    #[test]
    fn the_result_is_no_line_and_a_line_that_looks_like_one_is() {
        let mut over = feed(1, &["exited 0", "a", "exited 0"]);
        assert_eq!(over.deadline(), Some(START + EVENT_TIME));
        over.finish(START, End::Over, append);
        assert_eq!(got(&over, 1), "id: 2\ndata: [[1,\"exited 0\"],[2,\"a\"]]\n\n3");
        assert_eq!(got(&over, 3), "End(Over)");

        let mut silent = feed(1, &["exited 0"]);
        assert_eq!(silent.deadline(), Some(START + RESULT_TIME));
        silent.tick(START + RESULT_TIME, append);
        silent.tick(START + RESULT_TIME + EVENT_TIME, append);
        assert_eq!(got(&silent, 1), "id: 1\ndata: [[1,\"exited 0\"]]\n\n2");

        let mut broken = feed(1, &["exited 0"]);
        broken.finish(START, End::Broken, append);
        broken.finish(START, End::Over, append);
        assert_eq!(got(&broken, 1), "id: 1\ndata: [[1,\"exited 0\"]]\n\n2");
        assert_eq!(got(&broken, 2), "End(Broken)", "what came first counts");
    }

    #[test]
    fn who_reads_slowly_finds_that_lines_are_gone() {
        let mut feed = Feed::new(Uuid::nil(), 2);
        assert!(feed.has(2) && feed.has(7) && !feed.has(1));
        for line in ["a", "b", "c", "d"] {
            feed.take(START, None, line.into(), append);
            feed.tick(START + EVENT_TIME, append);
        }
        assert_eq!(got(&feed, 2), "id: 2\ndata: [[2,\"b\"]]\n\n3");
        let one = feed.bytes() / 3;
        feed.shrink(2 * one);
        assert_eq!((got(&feed, 2).as_str(), got(&feed, 1).as_str()), ("Gone", "Gone"));
        assert!(feed.has(3) && !feed.has(2));
        feed.shrink(0);
        assert_eq!((feed.bytes(), got(&feed, 4).as_str()), (0, "Gone"));
        assert_eq!(got(&feed, 5), "Later");
    }

    #[test]
    fn whoever_is_ahead_waits() {
        let mut feed = feed(1, &["a"]);
        feed.tick(START + EVENT_TIME, append);
        assert_eq!(got(&feed, 9), "Later");
        feed.finish(START, End::Refused("no".into()), append);
        assert_eq!(got(&feed, 9), "End(Refused(\"no\"))");
    }
}
