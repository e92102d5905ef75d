//! A stored result as one JSON object. The manual page `builder-inspect` promises its shape.
//!
//! Console and list of artifacts may be longer than memory, so they are written piece by piece.

use super::Settings;
use super::printer::{PrintError, Printer};
use super::report::succeeded;
use crate::json::{LongString, line, string};
use crate::result_file::ResultFile;
use builder_proto::execution::{ConsoleReader, FilesReader, StoredExecution};
use serde_json::{Value, json};
use std::io::Write;
use std::path::Path;

/// Prints the object, with script and console when the settings want them.
pub(super) fn print<W: Write>(
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
    print_artifacts(printer, file, stored)?;
    if settings.console {
        print_console(printer, file, stored)?;
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

fn print_artifacts<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
) -> Result<(), PrintError> {
    printer.text(format_args!(",\"artifacts\":["))?;
    let mut artifacts = FilesReader::new(file, stored.output.clone());
    let mut separator = "";
    while let Some(artifact) = artifacts.next_file()? {
        let value =
            json!({ "path": string(&artifact.path), "bytes": artifact.data.end - artifact.data.start });
        printer.text(format_args!("{separator}{}", line(&value)))?;
        separator = ",";
    }
    printer.text(format_args!("]"))
}

/// The oldest line first.
fn print_console<W: Write>(
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
