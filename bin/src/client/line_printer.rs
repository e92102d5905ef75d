//! Lines of a console, printed as they come: for people, for programs, or as they are.

use super::error::ClientError;
use super::flags::Form;
use crate::json::{self, string};
use crate::pattern::Pattern;
use crate::terminal::{Look, Palette};
use crate::wording::{Elapsed, append_for_terminal, shortened_uuid};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::text::Text;
use builder_proto::time::Time;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};

/// Prints lines as they come.
pub(super) struct LinePrinter<W> {
    style: Style,
    front: Front,
    /// Only lines that match are printed.
    pattern: Option<Pattern>,
    /// A line that may turn out to be the result, which has a form of its own: nobody can say before the next one is there.
    held: Option<Line>,
    /// Lines that came, without one that is held.
    count: u64,
    has_matched: bool,
    pending: Vec<u8>,
    output: W,
}

/// What a line looks like.
enum Style {
    /// Bytes as they are.
    Bytes,
    /// The same in a form that cannot control the terminal, and the result in its colour.
    Terminal(Palette),
    /// An object a line.
    Json,
}

/// What stands in front of a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Front {
    /// Nothing.
    Nothing,
    /// The time since the build started.
    #[default]
    Elapsed,
    /// The time at which it was printed, of a build that started then.
    Time(Time),
    /// The number of the line, and so many digits of the uuid of its build.
    Place(Uuid, usize),
}

/// A line, and when it was printed.
type Line = (Text, Option<i64>);

/// Bytes that are printed at once.
const PENDING_BYTES: usize = 64 * 1024;

/// A printer to stdout.
pub(super) fn to_stdout(
    form: Form,
    front: Front,
    pattern: Option<Pattern>,
) -> LinePrinter<io::StdoutLock<'static>> {
    to_writer(form, front, pattern, io::stdout().lock())
}

/// A printer to somebody who writes to stdout.
pub(super) fn to_writer<W: Write>(
    form: Form,
    front: Front,
    pattern: Option<Pattern>,
    output: W,
) -> LinePrinter<W> {
    let stdout = io::stdout();
    let style = match form {
        Form::Json => Style::Json,
        Form::People if stdout.is_terminal() => Style::Terminal(Palette::of(&stdout)),
        Form::People => Style::Bytes,
    };
    LinePrinter::new(style, front, pattern, output)
}

impl<W: Write> LinePrinter<W> {
    fn new(style: Style, front: Front, pattern: Option<Pattern>, output: W) -> LinePrinter<W> {
        let (held, pending) = (None, Vec::new());
        LinePrinter { style, front, pattern, held, count: 0, has_matched: false, pending, output }
    }

    /// Takes a line, and when it was printed, in nanoseconds since the start of the job.
    pub(super) fn append(&mut self, line: Text, timestamp: Option<i64>) -> Result<(), ClientError> {
        self.end_without_result();
        let is_printed_alike = matches!(self.style, Style::Bytes) && self.pattern.is_none();
        if !is_printed_alike && BuildResult::may_be_told_by(line.as_bytes()) {
            self.held = Some((line, timestamp));
        } else {
            self.append_line(&(line, timestamp));
        }
        if self.pending.len() < PENDING_BYTES { Ok(()) } else { self.flush() }
    }

    /// Whether a person waits for a line that is held.
    pub(super) fn keeps_person_waiting(&self) -> bool {
        matches!(self.style, Style::Terminal(_)) && self.held.is_some()
    }

    /// Whether any line was printed.
    pub(super) fn has_matched(&self) -> bool {
        self.has_matched
    }

    /// Prints everything that need not be held.
    pub(super) fn flush(&mut self) -> Result<(), ClientError> {
        self.output.write_all(&self.pending).map_err(ClientError::Print)?;
        self.pending.clear();
        self.output.flush().map_err(ClientError::Print)
    }

    /// The line before was the result. Who looks for lines of the job does not look for that.
    pub(super) fn end_with_result(&mut self) {
        let held = self.held.take();
        let Some((result, timestamp)) = held.filter(|_| self.pattern.is_none()) else { return };
        let succeeded = result.as_bytes() == SUCCESS;
        match self.style {
            Style::Json => {
                let mut value =
                    json!({ "result": string(&result), "succeeded": succeeded, "nanoseconds": timestamp });
                self.describe_front(&mut value, timestamp);
                self.append_value(&value);
            }
            Style::Terminal(palette) => {
                self.append_front(timestamp);
                self.pending.extend_from_slice(palette.outcome(succeeded, result).to_string().as_bytes());
                self.pending.push(b'\n');
            }
            Style::Bytes => self.append_line(&(result, timestamp)),
        }
    }

    /// What is held is no result, or will not be known to be one.
    pub(super) fn end_without_result(&mut self) {
        if let Some(line) = self.held.take() {
            self.append_line(&line);
        }
    }

    fn append_line(&mut self, line: &Line) {
        self.count += 1;
        let (text, timestamp) = line;
        if self.pattern.as_ref().is_some_and(|pattern| !pattern.matches(text.as_bytes())) {
            return;
        }
        self.has_matched = true;
        match self.style {
            Style::Json => {
                let mut value = json!({ "line": string(text), "nanoseconds": timestamp });
                self.describe_front(&mut value, *timestamp);
                return self.append_value(&value);
            }
            Style::Bytes => {
                self.append_front(*timestamp);
                self.pending.extend_from_slice(text.as_bytes());
            }
            Style::Terminal(palette) => {
                self.append_front(*timestamp);
                append_for_terminal(&mut self.pending, text.as_bytes(), palette);
            }
        }
        self.pending.push(b'\n');
    }

    fn append_front(&mut self, timestamp: Option<i64>) {
        let palette = match self.style {
            Style::Terminal(palette) => palette,
            Style::Bytes | Style::Json => Palette::PLAIN,
        };
        let front = match (self.front, timestamp) {
            (Front::Place(uuid, digits), _) => {
                format!("{}:{}:", shortened_uuid(uuid, digits), self.count)
            }
            (Front::Nothing, _) | (_, None) => return,
            (Front::Elapsed, Some(nanoseconds)) => Elapsed { nanoseconds }.to_string(),
            (Front::Time(started), Some(nanoseconds)) => time_of(started, nanoseconds),
        };
        self.pending.extend_from_slice(format!("{} ", palette.paint(Look::Aside, front)).as_bytes());
    }

    /// The fields that say the same as what stands in front of a line.
    fn describe_front(&self, value: &mut Value, timestamp: Option<i64>) {
        match self.front {
            Front::Nothing | Front::Elapsed => {}
            Front::Time(started) => {
                value["time"] = timestamp.map(|nanoseconds| time_of(started, nanoseconds)).into();
            }
            Front::Place(uuid, _) => {
                value["uuid"] = uuid.to_string().into();
                value["line_number"] = self.count.into();
            }
        }
    }

    fn append_value(&mut self, value: &Value) {
        self.pending.extend_from_slice(json::line(value).as_bytes());
        self.pending.push(b'\n');
    }
}

/// How the result of a job that did well is told.
const SUCCESS: &[u8] = b"exited 0";

/// The time so long after a start, always with milliseconds, so that times stand below each other.
fn time_of(started: Time, nanoseconds: i64) -> String {
    let milliseconds = started.unix_milliseconds().saturating_add(nanoseconds.div_euclid(1_000_000));
    let time = Time::from_unix_milliseconds(milliseconds).to_string();
    match time.strip_suffix('Z') {
        Some(whole) if !whole.contains('.') => format!("{whole}.000Z"),
        _ => time,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(style: Style, lines: &[(&[u8], Option<i64>)], has_result: bool) -> String {
        let mut output = Vec::new();
        let mut printer = LinePrinter::new(style, Front::Elapsed, None, &mut output);
        lines.iter().for_each(|(line, timestamp)| printer.append((*line).into(), *timestamp).unwrap());
        if has_result {
            printer.end_with_result()
        } else {
            printer.end_without_result()
        }
        printer.flush().unwrap();
        output.iter().map(|&byte| char::from(byte)).collect()
    }

    const LINES: [(&[u8], Option<i64>); 2] = [(b"a\x1b[2J\xff", Some(1_500_000_000)), (b"b", None)];

    #[test]
    fn bytes_are_kept_except_on_a_terminal() {
        assert_eq!(printed(Style::Bytes, &LINES, true), "1.500s a\x1b[2J\u{ff}\nb\n");
        let terminal = printed(Style::Terminal(Palette::PLAIN), &LINES[1..], true);
        assert_eq!(terminal, "b\n");
    }

    #[test]
    fn on_a_terminal_times_stand_back_and_nothing_else_controls_it() {
        let lines: [(&[u8], _); 1] = [(b"a\x1b[2J\x1b[31mred", Some(1_500_000_000))];
        let coloured = printed(Style::Terminal(Palette::COLOURED), &lines, true);
        assert_eq!(coloured, "\x1b[2m1.500s\x1b[0m a\\x1b[2J\x1b[31mred\x1b[0m\n");
        let plain = printed(Style::Terminal(Palette::PLAIN), &lines, true);
        assert_eq!(plain, "1.500s a\\x1b[2Jred\n");
    }

    #[test]
    fn on_a_terminal_the_result_is_marked_and_no_line_that_looks_like_one() {
        let lines: [(&[u8], _); 3] =
            [(b"exited 0", Some(0)), (b"a", None), (b"exited 7", Some(1_000_000_000))];
        let marked = printed(Style::Terminal(Palette::FULL), &lines, true);
        let marked = String::from_utf8(marked.chars().map(|byte| byte as u8).collect()).unwrap();
        let start = "\x1b[2m0.000s\x1b[0m exited 0\na\n\x1b[2m1.000s\x1b[0m ";
        assert_eq!(marked, format!("{start}\x1b[31m✗ exited 7\x1b[0m\n"));
        assert_eq!(printed(Style::Terminal(Palette::FULL), &lines, false), format!("{start}exited 7\n"));
        assert_eq!(printed(Style::Bytes, &lines, true), "0.000s exited 0\na\n1.000s exited 7\n");
    }

    #[test]
    fn the_last_object_is_the_result_and_only_that() {
        let lines: [(&[u8], _); 3] = [(b"exited 0", Some(1)), (b"a\"", None), (b"exited 0", Some(3))];
        let expected =
            "{\"line\":\"exited 0\",\"nanoseconds\":1}\n{\"line\":\"a\\\"\",\"nanoseconds\":null}\n";
        let result = "{\"nanoseconds\":3,\"result\":\"exited 0\",\"succeeded\":true}\n";
        assert_eq!(printed(Style::Json, &lines, true), format!("{expected}{result}"));
        let line = "{\"line\":\"exited 0\",\"nanoseconds\":3}\n";
        assert_eq!(printed(Style::Json, &lines, false), format!("{expected}{line}"));
    }

    /// What is printed of these lines with this in front, and whether any matched.
    fn found(
        style: Style,
        front: Front,
        pattern: Option<&str>,
        lines: &[(&[u8], Option<i64>)],
    ) -> (String, bool) {
        let mut output = Vec::new();
        let pattern = pattern.map(|pattern| pattern.parse().unwrap());
        let mut printer = LinePrinter::new(style, front, pattern, &mut output);
        lines.iter().for_each(|(line, timestamp)| printer.append((*line).into(), *timestamp).unwrap());
        printer.end_with_result();
        printer.flush().unwrap();
        let has_matched = printer.has_matched();
        (String::from_utf8_lossy(&output).into_owned(), has_matched)
    }

    const END: [(&[u8], Option<i64>); 3] =
        [(b"first", Some(250_000_000)), (b"exited 0", Some(1)), (b"exited 0", Some(1_000_000_000))];

    #[test]
    fn times_are_those_of_the_build_or_of_the_clock_or_none() {
        let started = Time::from_unix_milliseconds(-1000);
        let with = |style, front| found(style, front, None, &END[..1]).0;
        assert_eq!(with(Style::Bytes, Front::Nothing), "first\n");
        assert_eq!(with(Style::Bytes, Front::Time(started)), "1969-12-31T23:59:59.250Z first\n");
        let json = "{\"line\":\"first\",\"nanoseconds\":250000000,\"time\":\"1969-12-31T23:59:59.250Z\"}\n";
        assert_eq!(with(Style::Json, Front::Time(started)), json);
        assert_eq!(time_of(started, 1_000_000_000), "1970-01-01T00:00:00.000Z");
        assert_eq!(time_of(Time::NEVER, i64::MAX), "9999-12-31T23:59:59.999Z");
        assert_eq!(time_of(Time::MIN, i64::MIN), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn a_pattern_finds_lines_of_the_job_and_not_the_result() {
        let place = Front::Place(Uuid::from_bytes([0xab; 16]), 8);
        let (text, has_matched) = found(Style::Bytes, place, Some("exi"), &END);
        assert_eq!((text.as_str(), has_matched), ("abababab:2: exited 0\n", true));
        let (text, has_matched) = found(Style::Bytes, place, Some("exited"), &END[2..]);
        assert_eq!((text.as_str(), has_matched), ("", false));
        let (text, _) = found(Style::Terminal(Palette::COLOURED), place, Some("a"), &[(b"a\x1b[2J", None)]);
        assert_eq!(text, "\x1b[2mabababab:1:\x1b[0m a\\x1b[2J\n");
        let (text, _) = found(Style::Json, place, Some("f"), &END);
        let uuid = "\"uuid\":\"abababab-abab-abab-abab-abababababab\"";
        assert_eq!(
            text,
            format!("{{\"line\":\"first\",\"line_number\":1,\"nanoseconds\":250000000,{uuid}}}\n")
        );
    }
}
