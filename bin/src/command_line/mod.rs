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

/// How wide a terminal is at least.
const COLUMNS: usize = 80;
const INDENT: usize = 4;
/// Where the texts about flags begin.
const FLAG_COLUMN: usize = 24;
/// Where the texts about commands begin at most.
const MOST_COMMAND_COLUMN: usize = 34;

/// The help of a program: how it is called, what it is for, its commands and all flags.
fn program_help(program: &Program) -> String {
    let words = match program.commands {
        [] => program.words.iter().map(|word| format!(" {}", word.form())).collect(),
        _ => " COMMAND".to_owned(),
    };
    let mut help = format!("Usage: {} [OPTIONS]{words}\n\n{}\n", program.name, program.about);
    if !program.commands.is_empty() {
        help += "\nCommands:\n";
        let longest =
            program.commands.iter().map(|command| command.form().chars().count()).max().unwrap_or(0);
        let column = (INDENT + longest + 3).min(MOST_COMMAND_COLUMN);
        for command in program.commands {
            help += &row(&command.form(), command.help, column);
        }
    }
    if !program.notes.is_empty() {
        help += &format!("\n{}\n", program.notes);
    }
    help += "\nOptions:\n";
    for flag in program.flags {
        help += &flag_row(flag, &[]);
    }
    // One of the same name may mean something else after another command.
    let mut listed: Vec<&Flag> = Vec::new();
    for flag in program.commands.iter().flat_map(|command| command.flags) {
        if !listed.contains(&flag) {
            help += &flag_row(flag, &accepting(program, flag));
            listed.push(flag);
        }
    }
    for flag in program.shared_flags() {
        help += &flag_row(&flag, &[]);
    }
    help
}

/// The help of one command: how it is called, what it does, and the flags that go with it.
fn command_help(program: &Program, command: &CommandEntry) -> String {
    let words: String = command.words.iter().map(|word| format!(" {}", word.form())).collect();
    let mut help = format!("Usage: {} {} [OPTIONS]{words}\n\n", program.name, command.name);
    help += &row("", &sentence(command.help), 0);
    help += "\nOptions:\n";
    for flag in command.flags.iter().chain(program.flags).chain(&program.shared_flags()) {
        help += &flag_row(flag, &[]);
    }
    help
}

/// The names of the commands that a flag goes with in particular.
fn accepting(program: &Program, flag: &Flag) -> Vec<&'static str> {
    let commands = program.commands.iter().filter(|command| command.flags.contains(flag));
    commands.map(|command| command.name).collect()
}

fn flag_row(flag: &Flag, commands: &[&str]) -> String {
    // Names of both lengths stand below each other.
    let space = if flag.short.is_none() { "    " } else { "" };
    let mut text = flag.help.to_owned();
    if let Some(Value { kind: Kind::OneOf([others @ .., last]), .. }) = flag.value {
        text += &format!(": {} or {last}", others.join(", "));
    }
    if let Some(default) = flag.default {
        text += &format!(" (default {default})");
    }
    if !commands.is_empty() {
        text += &format!("; for {}", commands.join(", "));
    }
    row(&format!("{space}{}", flag.form()), &text, FLAG_COLUMN)
}

/// A head and a text that begins in this column, with further lines below it if it is too long. A head that reaches the
/// column has a line of its own.
fn row(head: &str, text: &str, column: usize) -> String {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if column + line.chars().count() + 1 + word.chars().count() <= COLUMNS => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    let body = lines.join(&format!("\n{:column$}", ""));
    let head = if head.is_empty() { String::new() } else { format!("{:INDENT$}{head}", "") };
    match head.chars().count() < column || head.is_empty() {
        true => format!("{head:column$}{body}\n"),
        false => format!("{head}\n{:column$}{body}\n", ""),
    }
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first: String = letters.next().map(|letter| letter.to_uppercase().collect()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}

#[cfg(test)]
mod tests;
