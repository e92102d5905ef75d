//! What may be typed after the name of a program. Each program has one table of flags, words and commands; from it come
//! what getopts accepts, `--help`, the completions of shells, and the lists of the manual page.

use super::logging::Logging;
use getopts::{Fail, Matches, Options};
use std::fmt;
use std::str::FromStr;

/// How a program is called and what it is for.
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// The name of the executable.
    pub name: &'static str,
    /// What the program does, in as many lines as it takes; shown by `--help` below the usage line.
    pub about: &'static str,
    /// What `--help` says between commands and options; may be empty.
    pub notes: &'static str,
    /// What it logs, and for whom.
    pub logging: Logging,
    /// The words after its name, if it has no commands.
    pub words: &'static [Word],
    /// Its flags, which go with all of its commands; those that all programs share come by themselves.
    pub flags: &'static [Flag],
    /// Its commands, if it has any.
    pub commands: &'static [CommandEntry],
}

/// What begins with dashes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag {
    /// The letter after one dash, if it has one.
    pub short: Option<char>,
    /// The name after two dashes.
    pub long: &'static str,
    /// What follows it, if anything does.
    pub value: Option<Value>,
    /// Whether it may be there again.
    pub repeat: Repeat,
    /// What it does, for `--help` and completions: no capital, no full stop.
    pub help: &'static str,
    /// What counts when it is not there; may differ between systems.
    pub default: Option<&'static str>,
    /// What it does, for the manual page, in mdoc(7). When it is empty, the page says what `--help` says.
    pub manual: &'static str,
}

/// What somebody is to write in the place of a name in capitals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Value {
    /// The name, in capitals.
    pub name: &'static str,
    /// What it stands for.
    pub kind: Kind,
}

/// What a value stands for, which decides what shells offer when Tab is pressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What nobody can guess: a number, an address, a time.
    Text,
    /// The name of a job, which only a server knows.
    Job,
    /// The name of a platform, which only a server knows.
    Platform,
    /// A build, which only a server knows.
    Uuid,
    /// The name of a job or a build, which only a server knows.
    JobOrUuid,
    /// A file, or a directory where a program takes both.
    File,
    /// A directory.
    Directory,
    /// A group of users.
    Group,
    /// A URL.
    Url,
    /// One of these words.
    OneOf(&'static [&'static str]),
}

/// What becomes of a flag that is there twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// The command line is refused.
    Refused,
    /// It means what it means once.
    Harmless,
    /// Each counts.
    Adds,
}

/// A word that is no flag, or several of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word {
    /// What it stands for.
    pub value: Value,
    /// How many there are.
    pub count: Count,
}

/// How many words there may be in a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// Exactly one.
    One,
    /// One or none.
    Optional,
    /// As many as one likes, or none.
    Any,
    /// One at least.
    Several,
}

/// What the first word may ask a program for that does several things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandEntry {
    /// The word.
    pub name: &'static str,
    /// The words after it.
    pub words: &'static [Word],
    /// The flags that go with it, besides those that go with every command.
    pub flags: &'static [Flag],
    /// What it does, for `--help` and completions: no capital, no full stop.
    pub help: &'static str,
    /// What it does, for the manual page, in mdoc(7).
    pub manual: &'static str,
}

impl Program {
    /// Every flag that the program takes: its own, those of its commands, those of all programs.
    #[must_use]
    pub fn all_flags(&self) -> Vec<Flag> {
        let of_commands = self.commands.iter().flat_map(|command| command.flags);
        let mut flags: Vec<Flag> = Vec::new();
        for flag in self.flags.iter().chain(of_commands) {
            if !flags.iter().any(|known| known.long == flag.long) {
                flags.push(*flag);
            }
        }
        flags.extend(self.shared_flags());
        flags
    }

    /// The flags that all programs have.
    #[must_use]
    pub fn shared_flags(&self) -> [Flag; 4] {
        let verbose =
            Flag::switch(VERBOSE, "log what happens; twice: log every detail").manual(match self.logging {
                Logging::Server => VERBOSE_SERVER,
                Logging::Dashboard => VERBOSE_DASHBOARD,
                Logging::Task | Logging::Command => VERBOSE_OTHER,
            });
        [
            verbose.short('v').repeat(Repeat::Adds),
            Flag::switch(QUIET, "log errors only").short('q').repeat(Repeat::Harmless),
            Flag::switch(HELP, "print this help").short('h').repeat(Repeat::Harmless).manual(
                match self.commands {
                    [] => "Print a summary of all options.",
                    _ => "Print a summary of all commands and options; after a command, of this command.",
                },
            ),
            Flag::switch(VERSION, "print the versions of program and protocols")
                .repeat(Repeat::Harmless)
                .manual("Print the versions of the program and of both protocols."),
        ]
    }
}

impl Flag {
    /// A flag without a value.
    #[must_use]
    pub const fn switch(long: &'static str, help: &'static str) -> Flag {
        Flag { short: None, long, value: None, repeat: Repeat::Refused, help, default: None, manual: "" }
    }

    /// A flag with a value.
    #[must_use]
    pub const fn with_value(long: &'static str, name: &'static str, kind: Kind, help: &'static str) -> Flag {
        Flag { value: Some(Value { name, kind }), ..Flag::switch(long, help) }
    }

    /// The same with a letter.
    #[must_use]
    pub const fn short(self, letter: char) -> Flag {
        Flag { short: Some(letter), ..self }
    }

    /// The same, and it may be repeated in this way.
    #[must_use]
    pub const fn repeat(self, repeat: Repeat) -> Flag {
        Flag { repeat, ..self }
    }

    /// The same, and this counts when it is not there.
    #[must_use]
    pub const fn default(self, value: &'static str) -> Flag {
        Flag { default: Some(value), ..self }
    }

    /// The same with a text for the manual page.
    #[must_use]
    pub const fn manual(self, manual: &'static str) -> Flag {
        Flag { manual, ..self }
    }

    /// How it is typed: `-p, --port PORT`.
    #[must_use]
    pub fn form(&self) -> String {
        let short = self.short.map(|letter| format!("-{letter}, ")).unwrap_or_default();
        let value = self.value.map(|value| format!(" {}", value.name)).unwrap_or_default();
        format!("{short}--{}{value}", self.long)
    }

    /// Tells getopts of it. All texts for people are made here, so it gets none.
    pub(super) fn declare(&self, options: &mut Options) {
        let short = self.short.map(String::from).unwrap_or_default();
        match (self.value, self.repeat) {
            (None, Repeat::Refused) => options.optflag(&short, self.long, ""),
            (None, Repeat::Harmless | Repeat::Adds) => options.optflagmulti(&short, self.long, ""),
            (Some(_), Repeat::Refused) => options.optopt(&short, self.long, "", ""),
            (Some(_), Repeat::Harmless | Repeat::Adds) => options.optmulti(&short, self.long, "", ""),
        };
    }
}

impl Word {
    /// Exactly one word.
    #[must_use]
    pub const fn one(name: &'static str, kind: Kind) -> Word {
        Word { value: Value { name, kind }, count: Count::One }
    }

    /// One word or none.
    #[must_use]
    pub const fn optional(name: &'static str, kind: Kind) -> Word {
        Word { value: Value { name, kind }, count: Count::Optional }
    }

    /// As many words as one likes, or none.
    #[must_use]
    pub const fn any(name: &'static str, kind: Kind) -> Word {
        Word { value: Value { name, kind }, count: Count::Any }
    }

    /// One word at least.
    #[must_use]
    pub const fn several(name: &'static str, kind: Kind) -> Word {
        Word { value: Value { name, kind }, count: Count::Several }
    }

    /// How it stands in a synopsis: `NAME`, `[NAME]`, `[NAME]...` or `NAME...`.
    #[must_use]
    pub fn form(&self) -> String {
        let name = self.value.name;
        match self.count {
            Count::One => name.to_owned(),
            Count::Optional => format!("[{name}]"),
            Count::Any => format!("[{name}]..."),
            Count::Several => format!("{name}..."),
        }
    }
}

impl CommandEntry {
    /// How it is typed, without its flags: `schedule NAME PLATFORM FILE`.
    #[must_use]
    pub fn form(&self) -> String {
        let words = self.words.iter().map(|word| format!(" {}", word.form()));
        format!("{}{}", self.name, words.collect::<String>())
    }

    /// Whether a flag goes with it in particular.
    #[must_use]
    pub fn accepts(&self, long_name: &str) -> bool {
        self.flags.iter().any(|flag| flag.long == long_name)
    }
}

pub(super) const VERBOSE: &str = "verbose";
pub(super) const QUIET: &str = "quiet";
pub(super) const HELP: &str = "help";
pub(super) const VERSION: &str = "version";

const VERBOSE_SERVER: &str = "\
Also log every job that starts and every refusal; if given twice, every
connection as well.";
const VERBOSE_DASHBOARD: &str = "\
Also log every connection of a browser that breaks; if given twice, log every
detail.";
const VERBOSE_OTHER: &str = "Log what happens; if given twice, log every detail.";

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

/// What is wrong with a command line, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsageError(String);

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

impl From<Fail> for UsageError {
    fn from(fail: Fail) -> UsageError {
        UsageError(match fail {
            Fail::ArgumentMissing(name) => format!("{} needs a value after it", dashed(&name)),
            Fail::UnrecognizedOption(name) => format!("there is no option {}", dashed(&name)),
            Fail::OptionMissing(name) => format!("option {} is missing", dashed(&name)),
            Fail::OptionDuplicated(name) => format!("{} is given twice; keep one", dashed(&name)),
            Fail::UnexpectedArgument(name) => format!("{} takes no value; leave it out", dashed(&name)),
        })
    }
}

/// The way in which an option is typed: `-p` or `--port`.
fn dashed(name: &str) -> String {
    let dashes = if name.chars().count() == 1 { "-" } else { "--" };
    format!("{dashes}{name}")
}
