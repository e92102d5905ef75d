//! What shells complete, made from the tables of the programs: what all shells have in common.

mod bash;
mod fish;
mod zsh;

pub(crate) use bash::bash;
pub(crate) use fish::fish;
pub(crate) use zsh::zsh;

use builder::command_line::{CommandEntry, Flag, Kind, Program, Value, Word};

/// Says in each file where it comes from.
const ORIGIN: &str = "# Made from the tables of the programs, so do not edit it: UPDATE_PAGES=1 cargo test -p builder --test documentation\n";

/// All ways in which flags are typed.
fn names<'a>(flags: impl IntoIterator<Item = &'a Flag>) -> String {
    let names = flags.into_iter().flat_map(|flag| {
        let short = flag.short.map(|letter| format!("-{letter}"));
        short.into_iter().chain([format!("--{}", flag.long)])
    });
    names.collect::<Vec<_>>().join(" ")
}

/// The flags after which a value comes.
fn valued(program: &Program) -> String {
    names(program.all_flags().iter().filter(|flag| flag.value.is_some()))
}

/// The flags that may come with a command.
fn flags_of(program: &Program, command: &CommandEntry) -> Vec<Flag> {
    command.flags.iter().chain(program.flags).copied().chain(program.shared_flags()).collect()
}

fn command_names(program: &Program) -> String {
    program.commands.iter().map(|command| command.name).collect::<Vec<_>>().join(" ")
}

fn program_names(programs: &[Program]) -> String {
    programs.iter().map(|program| program.name).collect::<Vec<_>>().join(" ")
}

/// Each place for words: the name of the command, or none, and the words after it.
fn places(program: &Program) -> Vec<(&'static str, &'static [Word])> {
    match program.commands {
        [] => vec![("", program.words)],
        commands => commands.iter().map(|command| (command.name, command.words)).collect(),
    }
}

/// What the server is asked for, as words after `builder-client names`.
fn asked(value: Value) -> Option<&'static str> {
    match value.kind {
        Kind::Job => Some("jobs"),
        Kind::JobOrUuid => Some("jobs builds"),
        Kind::Platform => Some("platforms"),
        Kind::Uuid => Some("builds"),
        Kind::Text | Kind::File | Kind::Directory | Kind::Group | Kind::Url | Kind::OneOf(_) => None,
    }
}
