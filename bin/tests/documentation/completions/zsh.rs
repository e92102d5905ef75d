//! Completions for zsh.

use super::{ORIGIN, asked, flags_of, program_names, valued};
use builder::command_line::{Count, Flag, Kind, Program, Repeat, Value, Word};
use std::fmt::Write;

pub(crate) fn zsh(programs: &[Program]) -> String {
    let mut cases = String::new();
    for program in programs {
        let _ = writeln!(cases, "    {})", program.name);
        if program.commands.is_empty() {
            cases += &zsh_arguments("        ", &program.all_flags(), &zsh_words(program.words, 1));
        } else {
            let _ = write!(cases, "        _builder_find {}\n        case $command in\n", valued(program));
            for command in program.commands {
                let _ = writeln!(cases, "            {})", command.name);
                let mut words = vec!["'1:command: '".to_owned()];
                words.extend(zsh_words(command.words, 2));
                cases += &zsh_arguments("                ", &flags_of(program, command), &words);
                cases += "                ;;\n";
            }
            let commands = program.commands.iter().map(|command| {
                format!(r#"{}\:"{}""#, command.name, quoted(command.help).replace(':', "\\:"))
            });
            let commands = format!("'1:command:(({}))'", commands.collect::<Vec<_>>().join(" "));
            cases += "            *)\n";
            cases += &zsh_arguments("                ", &program.all_flags(), &[commands]);
            cases += "                ;;\n        esac\n";
        }
        cases += "        ;;\n";
    }
    ZSH.replace("@ORIGIN@\n", ORIGIN)
        .replace("@CASES@\n", &cases)
        .replace("@PROGRAMS@", &program_names(programs))
}

fn zsh_arguments(indent: &str, flags: &[Flag], words: &[String]) -> String {
    let specifications = flags.iter().map(zsh_flag).chain(words.iter().cloned());
    let lines: Vec<String> = specifications.map(|line| format!("{indent}    {line}")).collect();
    format!("{indent}_arguments \\\n{}\n", lines.join(" \\\n"))
}

fn zsh_flag(flag: &Flag) -> String {
    let help = quoted(flag.help).replace('[', "\\[").replace(']', "\\]");
    let value = flag
        .value
        .map(|value| format!(":{}:{}", value.name.to_lowercase().replace('_', " "), zsh_action(value)));
    let text = format!("[{help}]{}", value.unwrap_or_default());
    let star = if flag.repeat == Repeat::Adds { "*" } else { "" };
    match flag.short {
        Some(letter) if star.is_empty() => {
            format!("'(-{letter} --{long})'{{-{letter},--{long}}}'{text}'", long = flag.long)
        }
        Some(letter) => format!("'{star}'{{-{letter},--{long}}}'{text}'", long = flag.long),
        None => format!("'{star}--{}{text}'", flag.long),
    }
}

/// For text between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

fn zsh_words(words: &[Word], first: usize) -> Vec<String> {
    let specification = |(index, word): (usize, &Word)| {
        let place = match word.count {
            Count::One => (first + index).to_string(),
            Count::Optional => format!("{}:", first + index),
            Count::Any | Count::Several => "*".to_owned(),
        };
        let name = word.value.name.to_lowercase().replace('_', " ").replace('|', " or ");
        format!("'{place}:{name}:{}'", zsh_action(word.value))
    };
    words.iter().enumerate().map(specification).collect()
}

fn zsh_action(value: Value) -> String {
    if let Some(asked) = asked(value) {
        // Behind a space, zsh adds no words of its own.
        return format!(" _builder_ask {asked}");
    }
    match value.kind {
        Kind::Text | Kind::Job | Kind::Platform | Kind::Uuid | Kind::JobOrUuid => " ".to_owned(),
        Kind::File => "_files".to_owned(),
        Kind::Directory => "_directories".to_owned(),
        Kind::Group => "_groups".to_owned(),
        Kind::Url => "_urls".to_owned(),
        Kind::OneOf(words) => format!("({})", words.join(" ")),
    }
}

const ZSH: &str = r#"#compdef @PROGRAMS@
# Completion for the programs of builder in zsh; belongs into a directory of $fpath.
#
@ORIGIN@

# Finds the command before the cursor: the first word that is neither a flag nor the value of one of these flags.
_builder_find() {
    local -i index=2
    while (( index < CURRENT )); do
        if (( $argv[(Ie)$words[index]] )); then
            index+=1
        elif [[ $words[index] != -* ]]; then
            command=$words[index]
            return
        fi
        index+=1
    done
}

# Offers what the server knows by name.
_builder_ask() {
    local -a remote names
    local -i place=$words[(I)(-r|--remote)]
    if (( place )); then remote=(--remote "${(Q)words[place+1]}"); fi
    names=(${(f)"$(builder-client names $@ $remote 2>/dev/null)"})
    compadd -a names
}

local command=
case $service in
@CASES@
esac
"#;
