//! What can go wrong after the command line was understood.

use crate::command_line::Program;
use builder_proto::execution::ReadError;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

/// What was complained about on stderr, which decides how the program ends.
#[derive(Debug)]
pub(super) struct Complaints {
    program: &'static Program,
    count: u64,
}

impl Complaints {
    /// None so far.
    pub(super) fn of(program: &'static Program) -> Complaints {
        Complaints { program, count: 0 }
    }

    /// Complains.
    pub(super) fn add(&mut self, error: &dyn fmt::Display) {
        self.program.complain(error);
        self.count += 1;
    }

    /// Success if there were none.
    pub(super) fn exit_code(&self) -> ExitCode {
        if self.count == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}

/// Why a result was not shown, or not all of its artifacts were written.
#[derive(Debug)]
pub(super) enum InspectError {
    /// A file cannot be opened.
    Open(PathBuf, io::Error),
    /// A directory cannot be searched.
    Search(PathBuf, io::Error),
    /// No result is below a directory.
    Nothing(PathBuf),
    /// A file is no stored result, or not any more.
    Result(PathBuf, ReadError<io::Error>),
    /// Artifacts of so many results would get into each other's way, with this option.
    Several(&'static str, usize),
    /// None of so many results is one of those whose artifacts are wanted.
    NoneFailed(usize),
    /// Standard output takes no more.
    Output(io::Error),
    /// Nothing can be written below a directory.
    Directory(PathBuf, io::Error),
    /// Some artifacts have no line among the digests.
    Unlisted(u64),
    /// Some artifacts are missing below a directory.
    Unwritten { artifacts: u64, directory: PathBuf },
}

impl fmt::Display for InspectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(path, error) => write!(f, "cannot open {}: {error}", path.display()),
            Self::Search(path, error) => write!(f, "cannot look into {}: {error}", path.display()),
            Self::Nothing(path) => write!(
                f,
                "there is no stored result in {}; the server stores one when a build ends, and removes it after \
                 an upload unless it has --keep-local",
                path.display()
            ),
            Self::Result(path, error) => write!(f, "{} {error}", path.display()),
            Self::Several(option, count) => write!(
                f,
                "--{option} is for the artifacts of one result, and there are {count}; add --latest, or name the \
                 file of one"
            ),
            Self::NoneFailed(count) => {
                write!(f, "--output has nothing to write, as {}", none_failed(*count))
            }
            Self::Output(error) => write!(f, "cannot write to stdout: {error}"),
            Self::Directory(path, error) => write!(f, "cannot write below {}: {error}", path.display()),
            Self::Unlisted(artifacts) => {
                write!(f, "{artifacts} artifacts have no line, as --output would not write them")
            }
            Self::Unwritten { artifacts, directory } => {
                write!(f, "{artifacts} artifacts were not written below {}", directory.display())
            }
        }
    }
}

impl std::error::Error for InspectError {}

/// Says that of so many results, none is that of a build that failed.
pub(super) fn none_failed(count: usize) -> String {
    match count {
        1 => "the build of the only result did not fail".to_owned(),
        _ => format!("none of the {count} results is from a failed build"),
    }
}
