//! What is printed of a stored result.

use super::printer::{PrintError, Printer};
use crate::console::Elapsed;
use crate::result_file::ResultFile;
use crate::terminal::Look;
use crate::wording::Size;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ConsoleReader, FilesReader, StoredExecution};
use std::io::Write;

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
