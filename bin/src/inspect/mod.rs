//! The program that shows stored results and takes artifacts out of them.
//!
//! First it looks for results in what it was given, reading little of each, and chooses among them (`search`, `choice`). Then
//! it shows one after the other (`show`). A file may be larger than memory: it is read in passing, and only the job is held.

mod artifact_path;
mod choice;
mod error;
mod extraction;
mod json_report;
mod printer;
mod progress;
mod report;
mod search;
mod show;

use crate::command_line::{Flag, Kind, Logging, Matches, Program, Repeat, UsageError, Word};
use choice::{Choice, FAILED, LATEST};
use error::{Complaints, InspectError, none_failed};
use search::Search;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
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
    flags: &[LATEST, FAILED, JOB, SCRIPT, CONSOLE, JSON, OUTPUT],
    commands: &[],
};

const JOB: Flag = Flag::switch("job", "print name, platform and uuid").repeat(Repeat::Harmless).manual(
    "\
Print the name of the job, its platform and the uuid of the build.",
);
const SCRIPT: Flag = Flag::switch("script", "print the script").repeat(Repeat::Harmless).manual(
    "\
Print the script as the worker ran it.",
);
const CONSOLE: Flag = Flag::switch("console", "print the console, the oldest line first, and the result")
    .repeat(Repeat::Harmless)
    .manual(
        "\
Print the console, oldest line first, each line with the seconds since the
start, and then how the build ended.",
    );
const JSON: Flag =
    Flag::switch("json", "print one JSON object per result: the summary and, on request, script and console")
        .repeat(Repeat::Harmless)
        .manual(
            "\
Print a JSON object for each result instead of text; see below.",
        );
const OUTPUT: Flag = Flag::with_value(
    "output",
    "DIR",
    Kind::Directory,
    "write the artifacts of one result below this directory; nothing is overwritten",
)
.manual(
    "\
Write the artifacts of one result below
.Ar dir ,
which is created if it does not exist.
No file is overwritten, no link is followed, and paths that lead out of
.Ar dir
are refused.",
);

/// Runs the program with the arguments of this process.
#[must_use]
pub fn main() -> ExitCode {
    PROGRAM.main_with_code(resolve, |settings| run(&settings))
}

/// What to show of which results.
#[derive(Debug)]
struct Settings {
    paths: Vec<PathBuf>,
    choice: Choice,
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
    if matches.free.is_empty() {
        return Err(UsageError::new("name the FILE of a result, or a DIRECTORY with results in it"));
    }
    Ok(Settings {
        paths: matches.free.iter().map(PathBuf::from).collect(),
        choice: Choice::of(matches),
        job: matches.opt_present(JOB.long),
        script: matches.opt_present(SCRIPT.long),
        console: matches.opt_present(CONSOLE.long),
        json: matches.opt_present(JSON.long),
        output: matches.opt_str(OUTPUT.long).map(PathBuf::from),
        quiet: matches.opt_present("quiet"),
    })
}

/// Shows what can be shown, and complains about the rest.
fn run(settings: &Settings) -> ExitCode {
    let mut complaints = Complaints::default();
    let Search { found, errors, .. } = Search::of(&settings.paths);
    errors.iter().for_each(|error| complaints.add(error));
    let count = found.len();
    let chosen = settings.choice.choose(found);
    match chosen.as_slice() {
        // Why there is none was said just now.
        [] if count == 0 => {}
        [] => say_that_none_failed(settings, count, &mut complaints),
        [_, _, ..] if settings.output.is_some() => complaints.add(&InspectError::Several(chosen.len())),
        chosen => show::show_all(settings, chosen, &mut complaints),
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
