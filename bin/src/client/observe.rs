//! The console of a build, printed as it comes, and what a person gets to see while nothing comes.

use super::connection::Connection;
use super::error::ClientError;
use super::info;
use super::info_filter;
use super::request::Form;
use crate::command_line::Address;
use crate::json::{self, string};
use crate::terminal::{Look, Palette, StatusLine};
use crate::wording::{Elapsed, Span, append_for_terminal};
use builder_proto::Uuid;
use builder_proto::command::{Command, Kind, RunningInfo};
use builder_proto::text::Text;
use serde_json::{Value, json};
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// How long a line that may be the result is kept from a person; a server sends the end together with the result.
const RESULT_TIME: Duration = Duration::from_secs(5);

/// Prints the console of a build up to its result.
pub(super) fn observe(
    remote: &Address,
    uuid: Uuid,
    form: Form,
    mut idle_status: IdleStatus,
) -> Result<(), ClientError> {
    let mut connection = Connection::open(remote, Kind::Observe)?;
    // A build may be silent for as long as it likes.
    connection.wait_without_limit()?;
    let mut printer = to_stdout(form);
    let result = follow(&mut connection, &mut printer, &mut idle_status, uuid);
    match result {
        Ok(()) => printer.end_with_result(),
        Err(_) => printer.end_without_result(),
    }
    printer.flush()?;
    result
}

fn follow<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
    uuid: Uuid,
) -> Result<(), ClientError> {
    let question = Command::Observe(uuid);
    connection.tell(&question)?;
    let mut missing = "its answer";
    loop {
        match connection.take_received()? {
            Some(Command::Output { line, timestamp, .. }) => {
                printer.append(line, timestamp)?;
                missing = "the end of the build";
            }
            Some(Command::Success) => return Ok(()),
            Some(other) => return Err(connection.refusal(&question, other)),
            // Everything that has arrived is shown before waiting for more.
            None => {
                printer.flush()?;
                let arrived = match printer.keeps_person_waiting() {
                    true => wait_for_result(connection, printer, idle_status)?,
                    false => idle_status.wait(connection)?,
                };
                if !arrived {
                    return Err(connection.closed(missing));
                }
            }
        }
    }
}

/// Waits until more has arrived, and shows the line that is held when that takes long: then the job has printed it.
fn wait_for_result<W: Write>(
    connection: &mut Connection,
    printer: &mut LinePrinter<W>,
    idle_status: &mut IdleStatus,
) -> Result<bool, ClientError> {
    let arrived = connection.read_within(RESULT_TIME)?;
    connection.wait_without_limit()?;
    if let Some(arrived) = arrived {
        idle_status.end();
        return Ok(arrived);
    }
    printer.end_without_result();
    printer.flush()?;
    idle_status.wait(connection)
}

/// Prints lines as they come.
pub(super) struct LinePrinter<W> {
    style: Style,
    /// A line that may turn out to be the result, which has a form of its own: nobody can say before the next one is there.
    held: Option<Line>,
    pending: Vec<u8>,
    output: W,
}

/// What a line looks like.
enum Style {
    /// Bytes as they are, with the time in front.
    Bytes,
    /// The same in a form that cannot control the terminal, and the result in its colour.
    Terminal(Palette),
    /// An object a line.
    Json,
}

/// A line, and when it was printed.
type Line = (Text, Option<i64>);

/// Bytes that are printed at once.
const PENDING_BYTES: usize = 64 * 1024;

/// A printer to stdout.
pub(super) fn to_stdout(form: Form) -> LinePrinter<io::StdoutLock<'static>> {
    let stdout = io::stdout();
    let style = match form {
        Form::Json => Style::Json,
        Form::People if stdout.is_terminal() => Style::Terminal(Palette::of(&stdout)),
        Form::People => Style::Bytes,
    };
    LinePrinter::new(style, stdout.lock())
}

impl<W: Write> LinePrinter<W> {
    fn new(style: Style, output: W) -> LinePrinter<W> {
        LinePrinter { style, held: None, pending: Vec::new(), output }
    }

    /// Takes a line, and when it was printed, in nanoseconds since the start of the job.
    pub(super) fn append(&mut self, line: Text, timestamp: Option<i64>) -> Result<(), ClientError> {
        self.end_without_result();
        if !matches!(self.style, Style::Bytes) && looks_like_result(line.as_bytes()) {
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

    /// Prints everything that need not be held.
    pub(super) fn flush(&mut self) -> Result<(), ClientError> {
        self.output.write_all(&self.pending).map_err(ClientError::Print)?;
        self.pending.clear();
        self.output.flush().map_err(ClientError::Print)
    }

    /// The line before was the result.
    pub(super) fn end_with_result(&mut self) {
        let Some((result, timestamp)) = self.held.take() else { return };
        let succeeded = result.as_bytes() == SUCCESS;
        match self.style {
            Style::Json => self.append_value(
                &json!({ "result": string(&result), "succeeded": succeeded, "nanoseconds": timestamp }),
            ),
            Style::Terminal(palette) => {
                self.append_time(timestamp);
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
        let (text, timestamp) = line;
        match self.style {
            Style::Json => return self.append_value(&line_value(line)),
            Style::Bytes => {
                self.append_time(*timestamp);
                self.pending.extend_from_slice(text.as_bytes());
            }
            Style::Terminal(palette) => {
                self.append_time(*timestamp);
                append_for_terminal(&mut self.pending, text.as_bytes(), palette);
            }
        }
        self.pending.push(b'\n');
    }

    fn append_time(&mut self, timestamp: Option<i64>) {
        let Some(nanoseconds) = timestamp else { return };
        let palette = match self.style {
            Style::Terminal(palette) => palette,
            Style::Bytes | Style::Json => Palette::PLAIN,
        };
        let time = palette.paint(Look::Aside, Elapsed { nanoseconds });
        self.pending.extend_from_slice(format!("{time} ").as_bytes());
    }

    fn append_value(&mut self, value: &Value) {
        self.pending.extend_from_slice(json::line(value).as_bytes());
        self.pending.push(b'\n');
    }
}

fn line_value((line, timestamp): &Line) -> Value {
    json!({ "line": string(line), "nanoseconds": timestamp })
}

/// How the result of a job that did well is told.
const SUCCESS: &[u8] = b"exited 0";

/// Whether a server may have made this line to tell the result.
fn looks_like_result(line: &[u8]) -> bool {
    [&b"exited "[..], b"signalled ", b"stopped ", b"execution aborted"]
        .iter()
        .any(|start| line.starts_with(start))
}

/// Time between two changes of the line; also the silence before it appears.
const INTERVAL: Duration = Duration::from_secs(1);

/// A line on a terminal that says how long a build runs and says nothing.
#[derive(Debug)]
pub(super) struct IdleStatus {
    line: StatusLine,
    build: Option<Build>,
    /// When something arrived last.
    last_arrival: Instant,
    has_heard: bool,
}

/// A build that runs.
#[derive(Debug)]
struct Build {
    title: String,
    started: Instant,
}

impl IdleStatus {
    /// Asks the server what the build is, if there is a terminal to show it on.
    pub(super) fn of_build(remote: &Address, uuid: Uuid, quiet: bool) -> IdleStatus {
        let mut idle_status = IdleStatus::new(quiet);
        if idle_status.line.is_enabled() {
            match info::ask(remote) {
                Ok(reply) => idle_status.build = info_filter::find_running(&reply, uuid).map(Build::new),
                // Observing it will fail for the same reason, and say so, or the line just says less.
                Err(error) => log::info!("cannot tell what build {uuid} is: {error}"),
            }
        }
        idle_status
    }

    /// The same for a build that is known.
    pub(super) fn of_running(build: &RunningInfo, quiet: bool) -> IdleStatus {
        IdleStatus { build: Some(Build::new(build)), ..IdleStatus::new(quiet) }
    }

    fn new(quiet: bool) -> IdleStatus {
        // Lines that go elsewhere may come back to this terminal, as from a pager, and would be mixed with ours.
        let line = StatusLine::new(quiet || !io::stdout().is_terminal());
        IdleStatus { line, build: None, last_arrival: Instant::now(), has_heard: false }
    }

    /// Waits until more has arrived, however long it takes; false when the server has closed the connection.
    pub(super) fn wait(&mut self, connection: &mut Connection) -> Result<bool, ClientError> {
        if !self.line.is_enabled() {
            return connection.read_more();
        }
        loop {
            if let Some(arrived) = connection.read_within(INTERVAL)? {
                self.end();
                return Ok(arrived);
            }
            self.show();
        }
    }

    /// Something has arrived.
    pub(super) fn end(&mut self) {
        self.line.clear();
        self.last_arrival = Instant::now();
        self.has_heard = true;
    }

    fn show(&mut self) {
        let silence = Span(self.last_arrival.elapsed());
        match (&self.build, self.has_heard) {
            (None, false) => self.line.show(format_args!("waiting for {silence}")),
            (None, true) => self.line.show(format_args!("silent for {silence}")),
            (Some(Build { title, started }), false) => {
                self.line
                    .show(format_args!("{title}: running for {}, silent so far", Span(started.elapsed())));
            }
            (Some(Build { title, started }), true) => {
                let running = Span(started.elapsed());
                self.line.show(format_args!("{title}: running for {running}, silent for {silence}"));
            }
        }
    }
}

impl Build {
    fn new(build: &RunningInfo) -> Build {
        let age = info::now().duration_since(build.started);
        let now = Instant::now();
        Build {
            title: format!("{} on {}", build.job.name, build.job.platform),
            started: now.checked_sub(age).unwrap_or(now),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(style: Style, lines: &[(&[u8], Option<i64>)], has_result: bool) -> String {
        let mut output = Vec::new();
        let mut printer = LinePrinter::new(style, &mut output);
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

    #[test]
    fn everything_that_a_server_may_say_of_a_result_is_held() {
        use builder_proto::build_result::BuildResult;
        for result in [
            BuildResult::Exited(-1),
            BuildResult::Signalled(9),
            BuildResult::Stopped(1000),
            BuildResult::Message("timeout".into()),
        ] {
            assert!(looks_like_result(result.to_string().as_bytes()), "{result}");
        }
    }
}
