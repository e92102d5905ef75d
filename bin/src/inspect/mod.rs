//! The program that shows stored results and takes artifacts out of them.
//!
//! First it looks for results in what it was given, reading little of each, and chooses among them (`search`, `settings`). Then
//! it shows one after the other (`show`; what it prints is in `report` and `sums`). A file may be larger than memory: it is read in passing, and only the job is held.

mod digests;
mod error;
mod extraction;
mod report;
mod search;
mod settings;
mod show;
mod sums;

use crate::command_line::{Kind, Logging, Program, Word};
use error::{Complaints, InspectError, none_failed};
use search::Search;
use settings::{CONSOLE, FAILED, JOB, JSON, LATEST, OUTPUT, SCRIPT, SHA256, Settings, resolve};
use std::io::{self, IsTerminal, Write};
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
        (chosen, _) => show::show_all(settings, chosen, &mut complaints),
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
