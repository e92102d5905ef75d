//! Logs, which go to stderr: for a person, or for the journal of systemd.

use builder_proto::text::Text;
use env_logger::fmt::Formatter;
use log::{Level, LevelFilter, Record};
use std::env;
use std::io::{self, Write};

/// How a program logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Logging {
    /// Runs for weeks and is read afterwards: says what it did, and when.
    Server,
    /// Runs as long, but for people who look: says when something is wrong with the server or the system.
    Dashboard,
    /// Runs unattended, for one task: says when something went wrong.
    Task,
    /// Is called by a person, who is told what went wrong, and by which program.
    Command,
}

/// Names the device and the inode of the stderr, or the stdout, that systemd connected to the journal.
const JOURNAL_VARIABLE: &str = "JOURNAL_STREAM";
/// What the names of all modules here begin with. They are logged in every detail; the libraries of others say nothing
/// that would help.
const OWN_MODULES: &str = "builder";

/// Starts logging. `-v` and `-q` count more than `RUST_LOG`, which counts more than what is usual for the program.
pub(super) fn start(program: &'static str, logging: Logging, verbose: usize, quiet: bool) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(logging.usual_level());
    match logging.asked_level(verbose, quiet) {
        Some(level) => {
            builder.filter_level(level.min(LevelFilter::Debug));
            builder.filter_module(OWN_MODULES, level)
        }
        None => builder.parse_default_env(),
    };
    let in_journal = is_journal();
    builder.format(move |output, record| match (in_journal, logging) {
        (true, _) => write_for_journal(output, record.level(), record.args()),
        (false, Logging::Command) => write_for_caller(output, program, record),
        (false, Logging::Server | Logging::Dashboard | Logging::Task) => write_for_reader(output, record),
    });
    // Only a second logger could fail, and there is none.
    let _ = builder.try_init();
}

/// Prints why a program fails, which is the last that it says.
pub(super) fn complain(program: &str, error: &dyn std::fmt::Display) {
    let mut stderr = io::stderr().lock();
    let text = format!("{program}: {error}");
    // When nobody reads that, the exit code has to do.
    let _ = match is_journal() {
        true => text.lines().try_for_each(|line| write_for_journal(&mut stderr, Level::Error, line)),
        false => writeln!(stderr, "{text}"),
    };
}

impl Logging {
    fn usual_level(self) -> LevelFilter {
        match self {
            Logging::Server | Logging::Dashboard => LevelFilter::Info,
            Logging::Task | Logging::Command => LevelFilter::Warn,
        }
    }

    /// What the options ask for: each `-v` for one level more than is usual.
    fn asked_level(self, verbose: usize, quiet: bool) -> Option<LevelFilter> {
        if quiet {
            return Some(LevelFilter::Error);
        }
        let usual = self.usual_level();
        let beyond = LevelFilter::iter().filter(|level| *level > usual);
        beyond.take(verbose.min(2)).last()
    }
}

/// Whether stderr is what systemd connected to the journal. That the variable is there does not say so: whoever was in
/// between may have put stderr elsewhere. See systemd.exec(5).
fn is_journal() -> bool {
    let Some(named) = env::var_os(JOURNAL_VARIABLE) else { return false };
    rustix::fs::fstat(io::stderr()).is_ok_and(|stat| named == *format!("{}:{}", stat.st_dev, stat.st_ino))
}

/// A line for the journal, which adds the time by itself and takes the priority from the start; see sd-daemon(3).
fn write_for_journal(output: &mut impl Write, level: Level, text: impl ToString) -> io::Result<()> {
    let priority = match level {
        Level::Error => 3,
        Level::Warn => 4,
        Level::Info => 6,
        Level::Debug | Level::Trace => 7,
    };
    writeln!(output, "<{priority}>{}", on_one_line(text))
}

fn write_for_reader(output: &mut Formatter, record: &Record<'_>) -> io::Result<()> {
    let time = output.timestamp_seconds();
    writeln!(output, "{time} {}: {}", word(record.level()), on_one_line(record.args()))
}

fn write_for_caller(output: &mut Formatter, program: &str, record: &Record<'_>) -> io::Result<()> {
    writeln!(output, "{program}: {}: {}", word(record.level()), on_one_line(record.args()))
}

/// Much of what is logged was said by others, who must not be able to make it look like two lines.
fn on_one_line(text: impl ToString) -> Text {
    Text::from(text.to_string())
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_v_says_more_and_q_silences_them() {
        let (server, command) = (Logging::Server, Logging::Command);
        assert_eq!(server.asked_level(0, false), None);
        assert_eq!(server.asked_level(1, false), Some(LevelFilter::Debug));
        assert_eq!(server.asked_level(2, false), Some(LevelFilter::Trace));
        assert_eq!(server.asked_level(9, false), Some(LevelFilter::Trace));
        assert_eq!(server.asked_level(1, true), Some(LevelFilter::Error));
        assert_eq!(command.asked_level(0, false), None);
        assert_eq!(command.asked_level(1, false), Some(LevelFilter::Info));
        assert_eq!(command.asked_level(9, false), Some(LevelFilter::Debug));
    }

    #[test]
    fn the_journal_is_given_a_priority_and_one_line() {
        for (level, line) in [
            (Level::Error, "<3>a\\nb\n"),
            (Level::Warn, "<4>a\\nb\n"),
            (Level::Info, "<6>a\\nb\n"),
            (Level::Debug, "<7>a\\nb\n"),
            (Level::Trace, "<7>a\\nb\n"),
        ] {
            let mut output = Vec::new();
            write_for_journal(&mut output, level, "a\nb").unwrap();
            assert_eq!(String::from_utf8(output).unwrap(), line);
        }
    }
}
