//! What the command lines of all programs have in common.
//!
//! A program describes itself in a [`Program`], turns its options into settings, and runs with them:
//!
//! ```no_run
//! use builder::command_line::{Address, Flag, Kind, Logging, Matches, Program, UsageError, Word, value};
//! use std::process::ExitCode;
//!
//! const PROGRAM: Program = Program {
//!     name: "builder-example",
//!     about: "Connects and says WORD.",
//!     notes: "",
//!     logging: Logging::Command,
//!     words: &[Word::one("WORD", Kind::Text)],
//!     flags: &[Flag::with_value("remote", "ADDRESS", Kind::Text, "connect to this server").short('r')],
//!     commands: &[],
//! };
//!
//! struct Settings {
//!     remote: Address,
//!     word: String,
//! }
//!
//! fn resolve(matches: &Matches) -> Result<Settings, UsageError> {
//!     let [word] = matches.free.as_slice() else { return Err(UsageError::new("WORD is missing")) };
//!     let remote = value(matches, "remote")?.unwrap_or_default();
//!     Ok(Settings { remote, word: word.clone() })
//! }
//!
//! fn run(settings: Settings) -> Result<(), std::io::Error> {
//!     Ok(())
//! }
//!
//! fn main() -> ExitCode {
//!     PROGRAM.main(resolve, run)
//! }
//! ```
//!
//! Every program so has `--help`, `--version`, `-v` and `-q`; ends with 0 when all went well, with 1 and a
//! sentence on stderr when not, and with 2 and advice when the command line is wrong. Options may stand before
//! and after the words.

mod address;
mod help;
mod logging;
mod quantity;
mod table;

pub use address::{Address, AddressError, Port, REMOTE, remote};
pub use getopts::Matches;
pub use logging::Logging;
pub use quantity::{ByteSize, ByteSizeError, TimeSpan, TimeSpanError};
pub use table::{CommandEntry, Count, Flag, Kind, Program, Repeat, UsageError, Value, Word, value, values};

use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use getopts::Options;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use table::{HELP, QUIET, VERBOSE, VERSION};

impl Program {
    /// Does everything that a program does: reads the command line, turns it into settings, runs.
    ///
    /// `resolve` should look at nothing but the options and the environment, so that its errors are those of the
    /// person who typed them; what can fail later belongs into `run`.
    #[must_use]
    pub fn main<S, E: fmt::Display>(
        &self,
        resolve: impl FnOnce(&Matches) -> Result<S, UsageError>,
        run: impl FnOnce(S) -> Result<(), E>,
    ) -> ExitCode {
        self.main_with_code(resolve, |settings| match run(settings) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                self.complain(&error);
                ExitCode::FAILURE
            }
        })
    }

    /// The same for a program whose exit code says more; it has to [complain](Program::complain) by itself.
    #[must_use]
    pub fn main_with_code<S>(
        &self,
        resolve: impl FnOnce(&Matches) -> Result<S, UsageError>,
        run: impl FnOnce(S) -> ExitCode,
    ) -> ExitCode {
        // Skipping the program's own name.
        let request = self.read(std::env::args_os().skip(1));
        let matches = match request {
            Ok(Request::Run(matches)) => matches,
            Ok(Request::Print(text)) => return self.print(&text),
            Err(error) => return self.refuse(&error),
        };
        logging::start(self.name, self.logging, matches.opt_count(VERBOSE), matches.opt_present(QUIET));
        match resolve(&matches) {
            Ok(settings) => run(settings),
            Err(error) => self.refuse(&error),
        }
    }

    fn read(&self, arguments: impl Iterator<Item = OsString>) -> Result<Request, UsageError> {
        let arguments = arguments.map(text_argument).collect::<Result<Vec<String>, UsageError>>()?;
        let mut options = Options::new();
        self.all_flags().iter().for_each(|flag| flag.declare(&mut options));
        let matches = options.parse(&arguments)?;
        if matches.opt_present(HELP) {
            let command = self
                .commands
                .iter()
                .find(|entry| matches.free.first().is_some_and(|word| word == entry.name));
            return Ok(Request::Print(match command {
                Some(command) => help::of_command(self, command),
                None => help::of_program(self),
            }));
        }
        if matches.opt_present(VERSION) {
            return Ok(Request::Print(self.version()));
        }
        Ok(Request::Run(matches))
    }

    fn version(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        format!(
            "{} {version} (client protocol {CLIENT_VERSION}, worker protocol {WORKER_VERSION})\n",
            self.name
        )
    }

    /// Prints to stdout. A reader that has gone away, such as a pager, is no failure.
    fn print(&self, text: &str) -> ExitCode {
        match io::stdout().lock().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                self.complain(&format_args!("cannot write to stdout: {error}"));
                ExitCode::FAILURE
            }
            _ => ExitCode::SUCCESS,
        }
    }

    fn refuse(&self, error: &UsageError) -> ExitCode {
        self.complain(&format_args!("{error}\nTry '{} --help' for more.", self.name));
        ExitCode::from(USAGE_EXIT_CODE)
    }

    /// Prints to stderr, where systemd may have connected it to its journal. When nobody reads that, the exit code has to do.
    pub fn complain(&self, error: &dyn fmt::Display) {
        logging::complain(self.name, error);
    }
}

/// What a command line asks for.
#[derive(Debug)]
enum Request {
    Print(String),
    Run(Matches),
}

/// Exit code for a wrong command line.
const USAGE_EXIT_CODE: u8 = 2;

fn text_argument(argument: OsString) -> Result<String, UsageError> {
    argument
        .into_string()
        .map_err(|argument| UsageError::new(format_args!("argument {argument:?} is not UTF-8; rename it")))
}

#[cfg(test)]
mod tests;
