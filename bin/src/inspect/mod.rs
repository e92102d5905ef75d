//! `builder-inspect`: shows stored results, and takes artifacts out of them.
//!
//! First it looks for results in what it was given, reading little of each, and chooses among them. Then it shows one after the
//! other. A file may be larger than memory: it is read in passing, and only the job is held.
//!
//! | module | holds |
//! |---|---|
//! | `selection` | what to show of which results: options, finding, choosing |
//! | `report` | what is printed, as text or as JSON |
//! | `artifacts` | what is written below a directory, and digests |
//! | `output` | stdout, which may be a terminal, and complaints on stderr |

mod artifacts;
mod output;
mod report;
mod selection;

use crate::artifact_writing::Progress;
use crate::command_line::{Kind, Logging, Program, Word};
use crate::result_file::ResultFile;
use crate::terminal::{Look, Palette};
use crate::wording::Size;
use artifacts::{Extraction, print_sums};
use builder_proto::execution::{FilesReader, StoredExecution};
use builder_proto::text::Text;
use output::{Complaints, InspectError, PrintError, Printer, none_failed};
use selection::{
    CONSOLE, FAILED, Found, JOB, JSON, LATEST, OUTPUT, SCRIPT, SHA256, Search, Settings, resolve,
};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::ops::ControlFlow;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

/// What may be typed after its name.
pub const PROGRAM: Program = Program {
    name: "builder-inspect",
    about: "\
Shows stored results of builds: the job, when it ran, how it ended, and what it
made.

A FILE is a stored result, DIR/JOB/UUID/full. A DIRECTORY stands for all results
in it: the result of a build (DIR/JOB/UUID), the results of a job (DIR/JOB), or
those of all jobs (DIR). The newest comes first.

Options that print or write something replace the summary.
builder-inspect(1) describes the members of the JSON object.",
    notes: "",
    logging: Logging::Command,
    words: &[Word::several("FILE|DIRECTORY", Kind::File)],
    flags: &[LATEST, FAILED, JOB, SCRIPT, CONSOLE, SHA256, JSON, OUTPUT],
    commands: &[],
};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main_with_code(resolve, |settings| run(&settings))
}

/// Shows what can be shown, and complains about the rest.
fn run(settings: &Settings) -> ExitCode {
    let mut complaints = Complaints::of(&PROGRAM);
    let Search { found, errors, .. } = Search::of(&settings.paths);
    errors.iter().for_each(|error| complaints.add(error));
    let count = found.len();
    let chosen = settings.choice.choose(found);
    match (chosen.as_slice(), settings.for_one()) {
        // Why there is none was said just now.
        ([], _) if count == 0 => {}
        ([], _) => say_that_none_failed(settings, count, &mut complaints),
        ([_, _, ..], Some(option)) => complaints.add(&InspectError::Several(option, chosen.len())),
        (chosen, _) => show_all(settings, chosen, &mut complaints),
    }
    complaints.exit_code()
}

/// On a terminal; elsewhere, nothing is the answer for those who look for failures.
fn say_that_none_failed(settings: &Settings, count: usize, complaints: &mut Complaints) {
    let output = io::stdout();
    if settings.output.is_some() {
        complaints.add(&InspectError::NoneFailed(count));
    } else if output.is_terminal()
        && !settings.json
        && let Err(error) = writeln!(output.lock(), "{}", none_failed(count))
    {
        complaints.add(&InspectError::Output(error));
    }
}

/// Bytes that are gathered before they are written.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Shows all of them. What cannot be shown does not keep the others from being.
fn show_all(settings: &Settings, chosen: &[Found], complaints: &mut Complaints) {
    let output = io::stdout();
    let palette = output.is_terminal().then(|| Palette::of(&output));
    let mut printer = Printer::new(BufWriter::with_capacity(OUTPUT_BYTES, output.lock()), palette);
    let has_titles = chosen.len() > 1 && !settings.json;
    for (number, Found { path, .. }) in chosen.iter().enumerate() {
        let title = has_titles.then_some(Title { path, is_first: number == 0 });
        if show(settings, path, title, &mut printer, complaints).is_break() {
            break;
        }
    }
}

/// What stands above each of several results, in the form that head(1) and tail(1) have made known.
struct Title<'a> {
    path: &'a Path,
    is_first: bool,
}

impl Title<'_> {
    fn print<W: Write>(&self, printer: &mut Printer<W>) -> Result<(), PrintError> {
        let path = Text::from(self.path.as_os_str().as_bytes());
        if !self.is_first {
            printer.line(format_args!(""))?;
        }
        printer.paint(Look::Title, format_args!("==> {path} <=="))?;
        printer.line(format_args!(""))
    }
}

/// Shows one result. Breaks off when nobody reads any more.
fn show<W: Write>(
    settings: &Settings,
    path: &Path,
    title: Option<Title<'_>>,
    printer: &mut Printer<W>,
    complaints: &mut Complaints,
) -> ControlFlow<()> {
    let (file, stored) = match open(path) {
        Ok(opened) => opened,
        Err(error) => {
            complaints.add(&error);
            return ControlFlow::Continue(());
        }
    };
    // Whoever reads the output may stop before its end, so the artifacts come first.
    if let Some(directory) = &settings.output
        && let Err(error) = extract(path, &file, &stored, settings, directory, complaints)
    {
        complaints.add(&error);
    }
    match print(settings, path, title, printer, &file, &stored, complaints) {
        Ok(()) => return ControlFlow::Continue(()),
        Err(PrintError::Result(error)) => {
            complaints.add(&InspectError::Result(path.to_owned(), error));
            return ControlFlow::Continue(());
        }
        Err(PrintError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(PrintError::Output(error)) => complaints.add(&InspectError::Output(error)),
    }
    ControlFlow::Break(())
}

fn open(path: &Path) -> Result<(ResultFile, StoredExecution), InspectError> {
    let file = ResultFile::open(path).map_err(|error| InspectError::Open(path.to_owned(), error))?;
    let stored = StoredExecution::open(&file, file.length())
        .map_err(|error| InspectError::Result(path.to_owned(), error))?;
    Ok((file, stored))
}

/// Writes what can be written, and says what cannot.
fn extract(
    path: &Path,
    file: &ResultFile,
    stored: &StoredExecution,
    settings: &Settings,
    directory: &Path,
    complaints: &mut Complaints,
) -> Result<(), InspectError> {
    let progress = Progress::new(stored.output.end - stored.output.start, settings.quiet);
    let mut extraction = Extraction::into_directory(directory, progress)
        .map_err(|error| InspectError::Directory(directory.to_owned(), error))?;
    let mut artifacts = FilesReader::new(file, stored.output.clone());
    let mut unwritten = 0;
    let mut written = Written::default();
    while let Some(artifact) =
        artifacts.next_file().map_err(|error| InspectError::Result(path.to_owned(), error))?
    {
        if let Err(error) = extraction.write(file, &artifact) {
            extraction.clear_progress();
            complaints.add(&format_args!("artifact {}: {error}", artifact.path));
            unwritten += 1;
        } else {
            written.artifacts += 1;
            written.bytes += artifact.data.end - artifact.data.start;
        }
    }
    drop(extraction);
    match unwritten {
        0 => {
            say_what_was_written(settings, written, directory);
            Ok(())
        }
        artifacts => Err(InspectError::Unwritten { artifacts, directory: directory.to_owned() }),
    }
}

/// What came out of a result.
#[derive(Clone, Copy, Debug, Default)]
struct Written {
    artifacts: u64,
    bytes: u64,
}

/// On a terminal, in the place of the progress.
fn say_what_was_written(settings: &Settings, Written { artifacts, bytes }: Written, directory: &Path) {
    if settings.quiet || !io::stderr().is_terminal() {
        return;
    }
    let directory = Text::from(directory.as_os_str().as_bytes());
    let line = match artifacts {
        0 => "the build left no artifacts".to_owned(),
        1 => format!("wrote one artifact ({}) below {directory}", Size(bytes)),
        many => format!("wrote {many} artifacts ({}) below {directory}", Size(bytes)),
    };
    // The artifacts are written, whether anybody reads this or not.
    let _ = writeln!(io::stderr(), "{line}");
}

fn print<W: Write>(
    settings: &Settings,
    path: &Path,
    title: Option<Title<'_>>,
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
    complaints: &mut Complaints,
) -> Result<(), PrintError> {
    if settings.json {
        report::print_json(settings, printer, path, file, stored)?;
        return printer.flush();
    }
    if let Some(title) = title {
        title.print(printer)?;
    }
    if settings.wants_summary() {
        report::print_summary(printer, file, stored)?;
    }
    if settings.job {
        report::print_job(printer, stored)?;
    }
    if settings.script {
        report::print_script(printer, stored)?;
    }
    if settings.console {
        report::print_console(printer, file, stored)?;
    }
    if settings.sha256 {
        print_sums(printer, file, stored, complaints)?;
    }
    printer.flush()
}
