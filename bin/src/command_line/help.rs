//! What `--help` prints, made of the table of a program.

use super::table::{CommandEntry, Flag, Kind, Program, Value};

/// How wide a terminal is at least.
const COLUMNS: usize = 80;
const INDENT: usize = 4;
/// Where the texts about flags begin.
const FLAG_COLUMN: usize = 24;
/// Where the texts about commands begin at most.
const MOST_COMMAND_COLUMN: usize = 34;

/// The help of a program: how it is called, what it is for, its commands and all flags.
pub(super) fn program_help(program: &Program) -> String {
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
pub(super) fn command_help(program: &Program, command: &CommandEntry) -> String {
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
mod tests {
    use super::super::Logging;
    use super::super::table::Word;
    use super::*;

    /// A program with commands.
    const SEVERAL: Program = Program {
        name: "builder-several",
        about: "Tests.",
        notes: "This is a note.",
        logging: Logging::Command,
        words: &[],
        flags: &[Flag::with_value("port", "PORT", Kind::Text, "a port").short('p').default("80")],
        commands: &[
            CommandEntry {
                name: "build",
                words: &[Word::one("JOB", Kind::Job)],
                flags: &[WAIT, Flag::switch("force", "ask nobody")],
                help: "build JOB now, whatever else there may be that one could think of, and tell",
                manual: "",
            },
            CommandEntry {
                name: "list",
                words: &[Word::any("JOB", Kind::Job)],
                flags: &[WAIT, Flag::switch("force", "list even what is hidden")],
                help: "list",
                manual: "",
            },
        ],
    };

    const WAIT: Flag = Flag::switch("wait", "wait for it");

    #[test]
    fn help_lists_commands_and_says_which_of_them_a_flag_goes_with() {
        let help = program_help(&SEVERAL);
        let expected = "\
Usage: builder-several [OPTIONS] COMMAND

Tests.

Commands:
    build JOB       build JOB now, whatever else there may be that one could
                    think of, and tell
    list [JOB]...   list

This is a note.

Options:
    -p, --port PORT     a port (default 80)
        --wait          wait for it; for build, list
        --force         ask nobody; for build
        --force         list even what is hidden; for list
    -v, --verbose       log what happens; twice: log every detail
    -q, --quiet         log errors only
    -h, --help          print this help
        --version       print the versions of program and protocols
";
        assert_eq!(help, expected);
    }

    #[test]
    fn help_about_a_command_is_about_nothing_else() {
        let expected = "\
Usage: builder-several list [OPTIONS] [JOB]...

List.

Options:
        --wait          wait for it
        --force         list even what is hidden
    -p, --port PORT     a port (default 80)
    -v, --verbose       log what happens; twice: log every detail
    -q, --quiet         log errors only
    -h, --help          print this help
        --version       print the versions of program and protocols
";
        assert_eq!(command_help(&SEVERAL, &SEVERAL.commands[1]), expected);
    }
}
