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
//! So every program has `--help`, `--version`, `-v` and `-q`; ends with 0 when all went well, with 1 and a
//! sentence on stderr when not, and with 2 and advice when the command line is wrong. Options may stand before
//! and after the words.
//!
//! | module | holds |
//! |---|---|
//! | `table` | what a program takes: options, words, commands |
//! | `values`, `times` | values of options: addresses, sizes, numbers; times, and what is wanted of jobs |
//! | `help` | what `--help` prints |
//! | `logging` | what goes to stderr, for a person or for the journal |

mod help;
mod logging;
mod table;
mod times;
mod values;

pub use getopts::Matches;
pub use logging::Logging;
pub use table::{CommandEntry, Count, Flag, Kind, Program, Repeat, UsageError, Value, Word, value, values};
pub use times::{
    Keep, KeepError, Often, OftenError, TimeOfDay, TimeOfDayError, TimeSpan, TimeSpanError, When, WhenError,
    keep_values, seconds_value, time_limit, whole_seconds,
};
pub use values::{Address, AddressError, ByteSize, ByteSizeError, Limit, LimitError, Port, REMOTE, remote};

use builder_proto::{CLIENT_VERSION, HISTORY_VERSION, WORKER_VERSION};
use getopts::Options;
use help::{command_help, program_help};
use std::ffi::OsString;
use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;
use table::{HELP, QUIET, VERBOSE, VERSION};

impl Program {
    /// Does everything that a program does: reads the command line, turns it into settings, runs.
    ///
    /// `resolve` should look at nothing but the options and the environment, so that its errors are those of the
    /// person who typed them; what can fail later belongs in `run`.
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
                Some(command) => command_help(self, command),
                None => program_help(self),
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
            "{} {version} (client protocols {CLIENT_VERSION} and {HISTORY_VERSION}, worker protocol {WORKER_VERSION})\n",
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
mod tests {
    use super::*;

    const PROGRAM: Program = Program {
        name: "builder-test",
        about: "Tests.",
        notes: "",
        logging: Logging::Command,
        words: &[Word::one("WORD", Kind::Text)],
        flags: &[Flag::with_value("port", "PORT", Kind::Text, "a port").short('p').default("80")],
        commands: &[],
    };

    /// A program with commands.
    const SEVERAL: Program = Program {
        name: "builder-several",
        words: &[],
        commands: &[CommandEntry {
            name: "list",
            words: &[Word::any("JOB", Kind::Job)],
            flags: &[],
            help: "list",
            manual: "",
        }],
        ..PROGRAM
    };

    fn read(words: &[&str]) -> Result<Request, UsageError> {
        PROGRAM.read(words.iter().map(OsString::from))
    }

    fn matches(words: &[&str]) -> Matches {
        match read(words) {
            Ok(Request::Run(matches)) => matches,
            other => panic!("{words:?} gave {other:?}"),
        }
    }

    fn refusal(words: &[&str]) -> String {
        read(words).unwrap_err().to_string()
    }

    #[test]
    fn options_may_stand_before_and_after_the_words() {
        for words in [["-p", "7", "word"], ["word", "-p", "7"], ["word", "--port", "7"]] {
            let matches = matches(&words);
            assert_eq!(matches.free, ["word"]);
            assert_eq!(value(&matches, "port"), Ok(Some(7u16)));
        }
        assert_eq!(matches(&["--", "-p"]).free, ["-p"]);
        assert_eq!(value::<u16>(&matches(&[]), "port"), Ok(None));
    }

    #[test]
    fn verbosity_may_be_repeated() {
        let matches = matches(&["-vv", "word", "-v", "-qq"]);
        assert_eq!(matches.opt_count(VERBOSE), 3);
        assert!(matches.opt_present(QUIET));
    }

    #[test]
    fn help_shows_every_option_and_wins_over_what_is_missing() {
        let Ok(Request::Print(help)) = read(&["-h", "-h"]) else { panic!("no help") };
        assert!(help.starts_with("Usage: builder-test [OPTIONS] WORD\n\nTests.\n"), "{help}");
        assert!(help.contains("    -p, --port PORT     a port (default 80)\n"), "{help}");
        for option in ["-p, --port PORT", "-v, --verbose", "-q, --quiet", "-h, --help", "--version"] {
            assert!(help.contains(option), "{help}");
        }
    }

    #[test]
    fn help_is_about_the_command_that_is_there() {
        let printed = |words: &[&str]| match SEVERAL.read(words.iter().map(OsString::from)) {
            Ok(Request::Print(help)) => help,
            other => panic!("{words:?} gave {other:?}"),
        };
        let about_list = command_help(&SEVERAL, &SEVERAL.commands[0]);
        assert_eq!(printed(&["list", "--help"]), about_list);
        assert_eq!(printed(&["--help", "list"]), about_list);
        assert_eq!(printed(&["lost", "-h"]), program_help(&SEVERAL));
    }

    #[test]
    fn the_version_names_both_protocols() {
        let Ok(Request::Print(version)) = read(&["--version"]) else { panic!("no version") };
        let expected = concat!(
            "builder-test ",
            env!("CARGO_PKG_VERSION"),
            " (client protocols 13 and 14, worker protocol 5)\n"
        );
        assert_eq!(version, expected);
    }

    #[test]
    fn a_wrong_command_line_is_answered_with_what_to_do() {
        assert_eq!(refusal(&["-p"]), "-p needs a value after it");
        assert_eq!(refusal(&["--port"]), "--port needs a value after it");
        assert_eq!(refusal(&["--prt", "1"]), "there is no option --prt");
        assert_eq!(refusal(&["-x"]), "there is no option -x");
        assert_eq!(refusal(&["-p", "1", "-p", "2"]), "--port is given twice; keep one");
        assert_eq!(refusal(&["--quiet=yes"]), "--quiet takes no value; leave it out");
        let error = value::<Address>(&matches(&["-p", "here"]), "port").unwrap_err();
        assert_eq!(error.to_string(), "--port here: not an address; write HOST:PORT or unix:PATH");
    }

    #[test]
    fn an_argument_that_is_not_utf8_is_named() {
        use std::os::unix::ffi::OsStringExt;
        let error = PROGRAM.read([OsString::from_vec(b"a\xff".to_vec())].into_iter()).unwrap_err();
        assert_eq!(error.to_string(), "argument \"a\\xFF\" is not UTF-8; rename it");
    }
}
