//! Completions for bash.

use super::{ORIGIN, asked, command_names, flags_of, names, places, program_names, valued};
use builder::command_line::{Count, Kind, Program, Value, Word};
use std::fmt::Write;

pub(crate) fn bash(programs: &[Program]) -> String {
    let (mut tables, mut commands, mut values, mut words) =
        (String::new(), String::new(), String::new(), String::new());
    for program in programs {
        let name = program.name;
        let all = names(&program.all_flags());
        let valued = valued(program);
        let verbs = command_names(program);
        let _ = write!(
            tables,
            "        {name})\n            flags='{all}'\n            valued='{valued}'\n            commands='{verbs}' ;;\n"
        );
        for command in program.commands {
            let flags = names(&flags_of(program, command));
            let _ = writeln!(commands, "        '{name} {}') flags='{flags}' ;;", command.name);
        }
        for flag in program.all_flags() {
            if let Some(offer) = flag.value.and_then(bash_offer) {
                let patterns = names([&flag]).replace(' ', &format!("' | '{name} "));
                let _ = writeln!(values, "        '{name} {patterns}') {offer}; return ;;");
            }
        }
        for (command, places) in places(program) {
            let offers: Vec<String> = places.iter().enumerate().filter_map(bash_word).collect();
            if !offers.is_empty() {
                let _ = writeln!(words, "        '{name} {command}') {} ;;", offers.join("; "));
            }
        }
    }
    BASH.replace("@ORIGIN@\n", ORIGIN)
        .replace("@TABLES@\n", &tables)
        .replace("@COMMANDS@\n", &commands)
        .replace("@VALUES@\n", &values)
        .replace("@WORDS@\n", &words)
        .replace("@PROGRAMS@", &program_names(programs))
}

fn bash_word((index, word): (usize, &Word)) -> Option<String> {
    let offer = bash_offer(word.value)?;
    Some(match (word.count, index) {
        (Count::One | Count::Optional, _) => format!("if ((count == {index})); then {offer}; fi"),
        (Count::Any | Count::Several, 0) => offer,
        (Count::Any | Count::Several, _) => format!("if ((count >= {index})); then {offer}; fi"),
    })
}

fn bash_offer(value: Value) -> Option<String> {
    if let Some(asked) = asked(value) {
        return Some(format!("_builder_ask {asked}"));
    }
    match value.kind {
        Kind::Text | Kind::Job | Kind::Platform | Kind::Uuid | Kind::JobOrUuid | Kind::Url => None,
        Kind::File => Some("compopt -o default".to_owned()),
        Kind::Directory => Some("compopt -o filenames; _builder_offer -d".to_owned()),
        Kind::Group => Some("_builder_offer -g".to_owned()),
        Kind::OneOf(words) => Some(format!("_builder_offer -W '{}'", words.join(" "))),
    }
}

const BASH: &str = r#"# Completion for the programs of builder in bash.
#
@ORIGIN@
# Installed as /usr/share/bash-completion/completions/builder-server, and linked there for each other program.

_builder() {
    local program=${COMP_WORDS[0]##*/} word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
    # The flags that fit, those of them that take a value, the commands, which of these is there, and the words after it.
    local flags='' valued='' commands='' command='' count=0
    case $program in
@TABLES@
    esac
    _builder_count
    case "$program $command" in
@COMMANDS@
    esac
    COMPREPLY=()
    case "$program $before" in
@VALUES@
    esac
    # A value that nobody can guess.
    case " $valued " in
        *" $before "*) return ;;
    esac
    case $word in
        -*) _builder_offer -W "$flags"; return ;;
    esac
    if [ -n "$commands" ] && [ -z "$command" ]; then
        _builder_offer -W "$commands"
        return
    fi
    case "$program $command" in
@WORDS@
    esac
}

# Offers what compgen makes of these arguments and the word at the cursor.
_builder_offer() {
    mapfile -t COMPREPLY < <(compgen "$@" -- "$word")
}

# Offers what the server knows by name. Others have chosen the names, so nothing in them may count for the shell.
_builder_ask() {
    local remote=() name quoted
    if [[ $COMP_LINE =~ [[:space:]](-r|--remote)[[:space:]=]+([^[:space:]]+)[[:space:]] ]]; then
        remote=(--remote "${BASH_REMATCH[2]}")
    fi
    while IFS= read -r name; do
        printf -v quoted %q "$name"
        if [[ $name == "$word"* || $quoted == "$word"* ]]; then COMPREPLY+=("$quoted"); fi
    done < <(builder-client names "$@" "${remote[@]}" 2>/dev/null)
}

# Finds the command before the cursor, and counts the words that are neither flags nor their values.
_builder_count() {
    local index=1
    while ((index < COMP_CWORD)); do
        case ${COMP_WORDS[index]} in
            -*) case " $valued " in
                    *" ${COMP_WORDS[index]} "*) index=$((index + 1)) ;;
                esac
                if [ "${COMP_WORDS[index]}" = '=' ]; then index=$((index + 1)); fi ;;
            # bash takes host:port for three words.
            :)  index=$((index + 1)) ;;
            *)  if [ -z "$commands" ] || [ -n "$command" ]; then
                    count=$((count + 1))
                else
                    case " $commands " in
                        *" ${COMP_WORDS[index]} "*) command=${COMP_WORDS[index]} ;;
                    esac
                fi ;;
        esac
        index=$((index + 1))
    done
}

complete -F _builder @PROGRAMS@
"#;
