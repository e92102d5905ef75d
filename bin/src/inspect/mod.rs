//! The program that shows a stored result and takes artifacts out of it.
//!
//! The file may be larger than memory: it is read in passing, and only the job is held.

mod artifact_path;
mod extraction;
mod json_report;
mod printer;
mod progress;
mod report;

use crate::command_line::{Logging, Matches, Program, UsageError};
use crate::result_file::ResultFile;
use crate::terminal::Palette;
use builder_proto::execution::{FilesReader, ReadError, StoredExecution};
use extraction::Extraction;
use printer::{PrintError, Printer};
use progress::Progress;
use std::fmt;
use std::io::{self, BufWriter, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const PROGRAM: Program = Program {
    name: "builder-inspect",
    usage: "[OPTIONS] FILE",
    about: "Shows the stored result of a build: what ran, when, how it ended and what it left behind.\n\
            With options, shows or writes only what they name.\n\
            The members of the JSON object are in builder-inspect(1).",
    logging: Logging::Command,
    options: |options| {
        options.optflagmulti("", "job", "print name, platform and uuid");
        options.optflagmulti("", "script", "print the script");
        options.optflagmulti("", "console", "print the console, the oldest line first");
        options.optflagmulti(
            "",
            "json",
            "print a JSON object: the summary and, when asked for, script and console",
        );
        options.optopt(
            "",
            "output",
            "write the artifacts below this directory; nothing is overwritten",
            "DIR",
        );
    },
};

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main(resolve, run)
}

/// What to show of which file.
#[derive(Debug)]
struct Settings {
    file: PathBuf,
    job: bool,
    script: bool,
    console: bool,
    json: bool,
    output: Option<PathBuf>,
    quiet: bool,
}

impl Settings {
    fn wants_summary(&self) -> bool {
        !self.job && !self.script && !self.console && self.output.is_none()
    }
}

fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
    let [file] = matches.free.as_slice() else {
        return Err(UsageError::new("name the FILE to inspect, and only one"));
    };
    Ok(Settings {
        file: file.into(),
        job: matches.opt_present("job"),
        script: matches.opt_present("script"),
        console: matches.opt_present("console"),
        json: matches.opt_present("json"),
        output: matches.opt_str("output").map(PathBuf::from),
        quiet: matches.opt_present("quiet"),
    })
}

fn run(settings: Settings) -> Result<(), InspectError> {
    let path = &settings.file;
    let file = ResultFile::open(path).map_err(|error| InspectError::Open(path.clone(), error))?;
    let stored = StoredExecution::open(&file, file.length())
        .map_err(|error| InspectError::Result(path.clone(), error))?;
    // Whoever reads the output may stop before its end, so the artifacts come first.
    let extracted = match &settings.output {
        Some(directory) => extract(&file, &stored, &settings, directory),
        None => Ok(()),
    };
    let printed = match print(&settings, &file, &stored) {
        Err(PrintError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(PrintError::Output(error)) => Err(InspectError::Output(error)),
        Err(PrintError::Result(error)) => Err(InspectError::Result(path.clone(), error)),
        Ok(()) => Ok(()),
    };
    if let (Err(error), Err(_)) = (&extracted, &printed) {
        PROGRAM.complain(error);
    }
    printed.and(extracted)
}

/// Writes what can be written, and says what cannot.
fn extract(
    file: &ResultFile,
    stored: &StoredExecution,
    settings: &Settings,
    directory: &Path,
) -> Result<(), InspectError> {
    let progress = Progress::new(stored.output.end - stored.output.start, settings.quiet);
    let mut extraction = Extraction::into_directory(directory, progress)
        .map_err(|error| InspectError::Directory(directory.to_owned(), error))?;
    let mut artifacts = FilesReader::new(file, stored.output.clone());
    let mut unwritten = 0;
    while let Some(artifact) =
        artifacts.next_file().map_err(|error| InspectError::Result(settings.file.clone(), error))?
    {
        if let Err(error) = extraction.write(file, &artifact) {
            extraction.clear_progress();
            PROGRAM.complain(&format_args!("artifact {}: {error}", artifact.path));
            unwritten += 1;
        }
    }
    match unwritten {
        0 => Ok(()),
        artifacts => Err(InspectError::Unwritten { artifacts, directory: directory.to_owned() }),
    }
}

fn print(settings: &Settings, file: &ResultFile, stored: &StoredExecution) -> Result<(), PrintError> {
    let output = io::stdout();
    let palette = output.is_terminal().then(|| Palette::of(&output));
    let mut printer = Printer::new(BufWriter::with_capacity(OUTPUT_BYTES, output.lock()), palette);
    if settings.json {
        json_report::print(&mut printer, file, stored, settings.script, settings.console)?;
        return printer.finish();
    }
    if settings.wants_summary() {
        report::print_summary(&mut printer, file, stored)?;
    }
    if settings.job {
        report::print_job(&mut printer, stored)?;
    }
    if settings.script {
        report::print_script(&mut printer, stored)?;
    }
    if settings.console {
        report::print_console(&mut printer, file, stored)?;
    }
    printer.finish()
}

/// Octets that are gathered before they are written.
const OUTPUT_BYTES: usize = 64 * 1024;

/// Why a result was not shown, or not all of its artifacts written.
#[derive(Debug)]
enum InspectError {
    Open(PathBuf, io::Error),
    Result(PathBuf, ReadError<io::Error>),
    Output(io::Error),
    Directory(PathBuf, io::Error),
    Unwritten { artifacts: u64, directory: PathBuf },
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path, error) => write!(f, "cannot open {}: {error}", path.display()),
            Self::Result(path, error) => write!(f, "{} {error}", path.display()),
            Self::Output(error) => write!(f, "cannot write to stdout: {error}"),
            Self::Directory(path, error) => write!(f, "cannot write below {}: {error}", path.display()),
            Self::Unwritten { artifacts, directory } => {
                write!(f, "{artifacts} artifacts were not written below {}", directory.display())
            }
        }
    }
}

impl std::error::Error for InspectError {}
