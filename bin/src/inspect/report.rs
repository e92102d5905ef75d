//! What is printed of a stored result.
//!
//! As text for people, who may sit at a terminal, or as one JSON object: the manual page `builder-inspect` promises its
//! shape. Console and list of artifacts may be longer than memory, so they are written piece by piece.

use super::artifacts::for_each_digest;
use super::output::{PrintError, Printer};
use super::selection::Settings;
use crate::json::{LongString, line, string};
use crate::result_file::ResultFile;
use crate::terminal::Look;
use crate::wording::{Elapsed, Size};
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ConsoleReader, FilesReader, StoredExecution};
use builder_proto::history::Artifact;
use serde_json::{Value, json};
use std::io::Write;
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
        for_each_digest(file, stored, |Artifact { path, size, sha256 }| {
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
