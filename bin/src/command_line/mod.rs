//! What the command lines of all programs have in common.
//!
//! A program describes itself in a [`Program`], turns its options into settings, and runs with them:
//!
//! ```no_run
//! use builder::command_line::{Address, Logging, Matches, Program, UsageError, value};
//! use std::process::ExitCode;
//!
//! const PROGRAM: Program = Program {
//!     name: "builder-example",
//!     usage: "[OPTIONS] WORD",
//!     about: "Connects and says WORD.",
//!     logging: Logging::Command,
//!     options: |options| {
//!         options.optopt("r", "remote", "connect to this server", "HOST:PORT");
//!     },
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
mod logging;
mod quantity;

pub use address::{Address, AddressError, Port, declare_remote, remote};
pub use getopts::{Matches, Options};
pub use logging::Logging;
pub use quantity::{ByteSize, ByteSizeError, TimeSpan, TimeSpanError};

use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use getopts::Fail;
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use std::str::FromStr;

/// How a program is called and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name of the executable.
    pub name: &'static str,
    /// What follows the name on the usage line.
    pub usage: &'static str,
    /// What the program does, in as many lines as it takes; shown by `--help` below the usage line.
    pub about: &'static str,
    /// What it logs, and for whom.
    pub logging: Logging,
    /// Declares the options of this program; those that all programs share come by themselves.
    pub options: fn(&mut Options),
}

/// What is wrong with a command line, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

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
        let options = self.all_options();
        let matches = options.parse(&arguments)?;
        if matches.opt_present(HELP) {
            return Ok(Request::Print(self.help(&options)));
        }
        if matches.opt_present(VERSION) {
            return Ok(Request::Print(self.version()));
        }
        Ok(Request::Run(matches))
    }

    fn all_options(&self) -> Options {
        let mut options = Options::new();
        (self.options)(&mut options);
        options.optflagmulti("v", VERBOSE, "log what happens; twice: log every detail");
        options.optflagmulti("q", QUIET, "log errors only");
        options.optflagmulti("h", HELP, "print this help");
        options.optflagmulti("", VERSION, "print the versions of program and protocols");
        options
    }

    fn help(&self, options: &Options) -> String {
        options.usage(&format!("Usage: {} {}\n\n{}", self.name, self.usage, self.about))
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

/// The value of an option, or `None` when the option is not there.
///
/// # Errors
///
/// [`UsageError`] that names the option when its value is not a `T`.
pub fn value<T>(matches: &Matches, long_name: &str) -> Result<Option<T>, UsageError>
where
    T: FromStr<Err: fmt::Display>,
{
    Ok(values(matches, long_name)?.into_iter().next())
}

/// The values of an option that may be there several times, in their order.
///
/// # Errors
///
/// [`UsageError`] that names the option when one of its values is not a `T`.
pub fn values<T>(matches: &Matches, long_name: &str) -> Result<Vec<T>, UsageError>
where
    T: FromStr<Err: fmt::Display>,
{
    let parse = |text: String| {
        text.parse().map_err(|error| UsageError::new(format_args!("--{long_name} {text}: {error}")))
    };
    matches.opt_strs(long_name).into_iter().map(parse).collect()
}

impl UsageError {
    /// A sentence without capital and full stop that names what is wrong and says what to write instead.
    pub fn new(sentence: impl fmt::Display) -> UsageError {
        UsageError(sentence.to_string())
    }
}

impl fmt::Display for UsageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

impl From<getopts::Fail> for UsageError {
    fn from(fail: getopts::Fail) -> UsageError {
        UsageError(match fail {
            Fail::ArgumentMissing(name) => format!("{} needs a value after it", dashed(&name)),
            Fail::UnrecognizedOption(name) => format!("there is no option {}", dashed(&name)),
            Fail::OptionMissing(name) => format!("option {} is missing", dashed(&name)),
            Fail::OptionDuplicated(name) => format!("{} is given twice; keep one", dashed(&name)),
            Fail::UnexpectedArgument(name) => format!("{} takes no value; leave it out", dashed(&name)),
        })
    }
}

/// What a command line asks for.
#[derive(Debug)]
enum Request {
    Print(String),
    Run(Matches),
}

const VERBOSE: &str = "verbose";
const QUIET: &str = "quiet";
const HELP: &str = "help";
const VERSION: &str = "version";

/// Exit code for a wrong command line.
const USAGE_EXIT_CODE: u8 = 2;

fn text_argument(argument: OsString) -> Result<String, UsageError> {
    argument
        .into_string()
        .map_err(|argument| UsageError::new(format_args!("argument {argument:?} is not UTF-8; rename it")))
}

/// The way in which an option is typed: `-p` or `--port`.
fn dashed(name: &str) -> String {
    let dashes = if name.chars().count() == 1 { "-" } else { "--" };
    format!("{dashes}{name}")
}

#[cfg(test)]
mod tests;
