//! What goes to stdout, and what is complained about on stderr.

use crate::command_line::Program;
use crate::terminal::{Look, Palette};
use crate::wording::append_for_terminal;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::ReadError;
use std::fmt;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

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
