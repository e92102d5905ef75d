//! What is printed of a stored result.
//!
//! As text for people, who may sit at a terminal, or as one JSON object: the manual page `builder-inspect` promises its
//! shape. Console and list of artifacts may be longer than memory, so they are written piece by piece.

use super::digests;
use super::settings::Settings;
use crate::json::{LongString, line, string};
use crate::result_file::ResultFile;
use crate::terminal::{Look, Palette};
use crate::wording::{Elapsed, Size, append_for_terminal};
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ConsoleReader, FilesReader, ReadError, StoredExecution};
use builder_proto::history::Artifact;
use serde_json::{Value, json};
use std::fmt;
use std::io::{self, Write};
use std::path::Path;

/// Everything but the script, the console and the content of artifacts.
pub(super) fn print_summary<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    print_job(printer, stored)?;
    let duration = stored.finished.duration_since(stored.started);
    printer.line(format_args!("started   {}", stored.started))?;
    printer.line(format_args!("finished  {}", stored.finished))?;
    printer.line(format_args!("duration  {}", humantime::format_duration(duration)))?;
    printer.text(format_args!("result    "))?;
    printer.outcome(&stored.result)?;
    printer.line(format_args!(""))?;
    print_artifacts(printer, file, stored)
}

/// Whether the job did what it should, as far as it says.
pub(super) fn succeeded(stored: &StoredExecution) -> bool {
    stored.result == BuildResult::Exited(0)
}

/// Which job it was, where it ran and which build of it this is.
pub(super) fn print_job<W: Write>(
    printer: &mut Printer<W>,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    printer.line(format_args!("job       {}", stored.job.name))?;
    printer.line(format_args!("platform  {}", stored.job.platform))?;
    printer.line(format_args!("uuid      {}", stored.uuid))
}

fn print_artifacts<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    let mut artifacts = FilesReader::new(file, stored.output.clone());
    let (mut count, mut total) = (0_u64, 0_u64);
    while let Some(artifact) = artifacts.next_file()? {
        let bytes = artifact.data.end - artifact.data.start;
        printer.line(format_args!("artifact  {} ({})", artifact.path, Size(bytes)))?;
        count += 1;
        total += bytes;
    }
    printer.line(format_args!("artifacts {count} ({})", Size(total)))
}

/// The script as the worker ran it.
pub(super) fn print_script<W: Write>(
    printer: &mut Printer<W>,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    for line in stored.job.script.as_bytes().split_inclusive(|&byte| byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(line) => {
                printer.bytes(line)?;
                printer.line(format_args!(""))?;
            }
            None => printer.bytes(line)?,
        }
    }
    Ok(())
}

/// The console, the oldest line first, between when the build started and how and when it stopped, as 0.4.0 prints it.
pub(super) fn print_console<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    printer.line(format_args!("started {}", stored.started))?;
    // The outcome is printed below, so the console need not end with the same words.
    let mut console = ConsoleReader::new(file, stored.console_before_result(file)?);
    let mut within_line = false;
    while let Some(entry) = console.next_entry()? {
        if !within_line {
            let elapsed = Elapsed { nanoseconds: entry.delta_nanoseconds };
            printer.paint(Look::Aside, format_args!("{elapsed}"))?;
            printer.text(format_args!(" "))?;
        }
        printer.bytes(entry.line)?;
        within_line = entry.continues;
        if !within_line {
            printer.line(format_args!(""))?;
        }
    }
    printer.outcome(&stored.result)?;
    printer.line(format_args!("\nstopped {}", stored.finished))
}

/// Writes what is printed. On a terminal, what jobs wrote is escaped, so that it cannot control the terminal beyond
/// tabs and colours.
#[derive(Debug)]
pub(super) struct Printer<W> {
    output: W,
    /// None unless the output is a terminal.
    palette: Option<Palette>,
    escaped: Vec<u8>,
}

impl<W: Write> Printer<W> {
    /// Prints to a terminal of this palette, or elsewhere.
    pub(super) fn new(output: W, palette: Option<Palette>) -> Self {
        Self { output, palette, escaped: Vec::new() }
    }

    /// Words of ours in this look.
    pub(super) fn paint(&mut self, look: Look, text: fmt::Arguments<'_>) -> Result<(), PrintError> {
        let painted = self.palette.unwrap_or(Palette::PLAIN).paint(look, text);
        self.text(format_args!("{painted}"))
    }

    /// Words of ours, or those of others that escape themselves.
    pub(super) fn text(&mut self, text: fmt::Arguments<'_>) -> Result<(), PrintError> {
        self.output.write_fmt(text).map_err(PrintError::Output)
    }

    /// How a build ended, so that good and bad differ at a glance where that can be.
    pub(super) fn outcome(&mut self, result: &BuildResult) -> Result<(), PrintError> {
        let palette = self.palette.unwrap_or(Palette::PLAIN);
        let is_good = *result == BuildResult::Exited(0);
        self.text(format_args!("{}", palette.outcome(is_good, result)))
    }

    /// The same, and the end of the line.
    pub(super) fn line(&mut self, text: fmt::Arguments<'_>) -> Result<(), PrintError> {
        self.text(format_args!("{text}\n"))
    }

    /// What a job wrote, without line ends: as it is, but escaped on a terminal.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Result<(), PrintError> {
        let shown = match self.palette {
            Some(palette) => {
                self.escaped.clear();
                append_for_terminal(&mut self.escaped, bytes, palette);
                &self.escaped
            }
            None => bytes,
        };
        self.output.write_all(shown).map_err(PrintError::Output)
    }

    /// Bytes as they are.
    pub(super) fn raw(&mut self, bytes: &[u8]) -> Result<(), PrintError> {
        self.output.write_all(bytes).map_err(PrintError::Output)
    }

    /// Hands everything to the system.
    pub(super) fn flush(&mut self) -> Result<(), PrintError> {
        self.output.flush().map_err(PrintError::Output)
    }
}

/// Why printing stopped.
#[derive(Debug)]
pub(super) enum PrintError {
    /// What is printed could not be read.
    Result(ReadError<io::Error>),
    /// Nothing more can be written.
    Output(io::Error),
}

impl From<ReadError<io::Error>> for PrintError {
    fn from(error: ReadError<io::Error>) -> Self {
        Self::Result(error)
    }
}

/// Prints the object, with script and console when the settings want them.
pub(super) fn print_json<W: Write>(
    settings: &Settings,
    printer: &mut Printer<W>,
    path: &Path,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    let mut head = summarise(stored);
    head["file"] = path.to_string_lossy().into();
    if settings.script {
        head["script"] = string(&stored.job.script);
    }
    // The object stays open for what is written piece by piece.
    let head = line(&head);
    printer.text(format_args!("{}", head.strip_suffix('}').unwrap_or(&head)))?;
    print_json_artifacts(settings, printer, file, stored)?;
    if settings.console {
        print_json_console(printer, file, stored)?;
    }
    printer.line(format_args!("}}"))
}

fn summarise(stored: &StoredExecution) -> Value {
    let duration = stored.finished.duration_since(stored.started).as_millis();
    json!({
        "job": string(&stored.job.name),
        "platform": string(&stored.job.platform),
        "uuid": stored.uuid.to_string(),
        "started": stored.started.to_string(),
        "finished": stored.finished.to_string(),
        "duration_milliseconds": u64::try_from(duration).unwrap_or(u64::MAX),
        "result": stored.result.to_string(),
        "succeeded": succeeded(stored),
    })
}

fn print_json_artifacts<W: Write>(
    settings: &Settings,
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    printer.text(format_args!(",\"artifacts\":["))?;
    let mut separator = "";
    let mut print = |value: &Value| {
        let printed = printer.text(format_args!("{separator}{}", line(value)));
        separator = ",";
        printed
    };
    if settings.sha256 {
        digests::for_each(file, stored, |Artifact { path, size, sha256 }| {
            let sha256 = sha256.map(|digest| digest.to_string());
            print(&json!({ "path": string(&path), "bytes": size, "sha256": sha256 }))
        })?;
    } else {
        let mut artifacts = FilesReader::new(file, stored.output.clone());
        while let Some(artifact) = artifacts.next_file()? {
            let bytes = artifact.data.end - artifact.data.start;
            print(&json!({ "path": string(&artifact.path), "bytes": bytes }))?;
        }
    }
    printer.text(format_args!("]"))
}

/// The oldest line first.
fn print_json_console<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    printer.text(format_args!(",\"console\":["))?;
    let mut console = ConsoleReader::new(file, stored.console.clone());
    let mut separator = "";
    let mut piece = Vec::new();
    let mut begun: Option<LongString> = None;
    while let Some(entry) = console.next_entry()? {
        let mut line = match begun.take() {
            Some(line) => line,
            None => {
                printer.text(format_args!(
                    "{separator}{{\"nanoseconds\":{},\"line\":",
                    entry.delta_nanoseconds
                ))?;
                separator = ",";
                LongString::begin(&mut piece)
            }
        };
        line.append(&mut piece, entry.line);
        if entry.continues {
            begun = Some(line);
        } else {
            line.end(&mut piece);
            piece.push(b'}');
        }
        printer.raw(&piece)?;
        piece.clear();
    }
    printer.text(format_args!("]"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(bytes: &[u8], palette: Option<Palette>) -> Vec<u8> {
        let mut output = Vec::new();
        let mut printer = Printer::new(&mut output, palette);
        printer.bytes(bytes).unwrap();
        printer.flush().unwrap();
        output
    }

    #[test]
    fn a_terminal_is_shown_tabs_and_colours_and_no_other_controls() {
        assert_eq!(printed(b"\x1b]0;title\x07\ta\rb", Some(Palette::COLOURED)), b"\\x1b]0;title\\x07\ta\\rb");
        assert_eq!(printed(b"\x1b[31mred", Some(Palette::COLOURED)), b"\x1b[31mred\x1b[0m");
        assert_eq!(printed(b"a\xffb", Some(Palette::COLOURED)), "a\u{fffd}b".as_bytes());
    }

    #[test]
    fn a_file_or_pipe_gets_the_bytes_as_they_are() {
        assert_eq!(printed(b"\x1b[1m\xff\t\r", None), b"\x1b[1m\xff\t\r");
    }
}
