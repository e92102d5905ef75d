//! What shells complete, made from the tables of the programs.

use builder::command_line::{CommandEntry, Count, Flag, Kind, Program, Repeat, Value, Word};
use std::fmt::Write;

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
        Kind::Job if value.name.contains("UUID") => Some("jobs builds"),
        Kind::Job => Some("jobs"),
        Kind::Platform => Some("platforms"),
        Kind::Uuid => Some("builds"),
        Kind::Text | Kind::File | Kind::Directory | Kind::Group | Kind::Url | Kind::OneOf(_) => None,
    }
}

/// For text between single quotes.
fn quoted(text: &str) -> String {
    text.replace('\'', "'\\''")
}

pub(super) fn bash(programs: &[Program]) -> String {
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
        Kind::Text | Kind::Job | Kind::Platform | Kind::Uuid | Kind::Url => None,
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

pub(super) fn zsh(programs: &[Program]) -> String {
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
        Kind::Text | Kind::Job | Kind::Platform | Kind::Uuid => " ".to_owned(),
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

pub(super) fn fish(programs: &[Program]) -> String {
    let (mut tables, mut lines) = (String::new(), String::new());
    for program in programs {
        let name = program.name;
        let _ = writeln!(tables, "        case {name}\n            set valued {}", valued(program));
        let _ = writeln!(lines, "\ncomplete -c {name} -f");
        for command in program.commands {
            let text = fish_text(command.help);
            let _ =
                writeln!(lines, "complete -c {name} -n __builder_goes_with -a {} -d '{text}'", command.name);
        }
        for flag in program.all_flags() {
            let short = flag.short.map(|letter| format!(" -s {letter}")).unwrap_or_default();
            let value = flag.value.map(fish_value).unwrap_or_default();
            let with: Vec<&str> = program
                .commands
                .iter()
                .filter(|command| command.accepts(flag.long))
                .map(|command| command.name)
                .collect();
            let condition = match with.as_slice() {
                [] => String::new(),
                with => format!(" -n '__builder_goes_with {}'", with.join(" ")),
            };
            let text = fish_text(flag.help);
            let _ =
                writeln!(lines, "complete -c {name}{condition}{short} -l {}{value} -d '{text}'", flag.long);
        }
        for (command, words) in places(program) {
            for (index, word) in words.iter().enumerate() {
                let operator = match word.count {
                    Count::One | Count::Optional => "-eq",
                    Count::Any | Count::Several => "-ge",
                };
                let before = index + usize::from(!command.is_empty());
                let offer = match word.value.kind {
                    Kind::Text | Kind::Url => continue,
                    Kind::File => " -F".to_owned(),
                    _ => fish_value(word.value).replace(" -x", ""),
                };
                let condition = format!("__builder_has {operator} {before} {command}");
                let _ = writeln!(lines, "complete -c {name} -n '{}'{offer}", condition.trim_end());
            }
        }
    }
    FISH.replace("@ORIGIN@\n", ORIGIN).replace("@TABLES@\n", &tables) + &lines
}

fn fish_value(value: Value) -> String {
    if let Some(asked) = asked(value) {
        return format!(" -x -a '(__builder_ask {asked})'");
    }
    match value.kind {
        Kind::Text | Kind::Job | Kind::Platform | Kind::Uuid | Kind::Url => " -x".to_owned(),
        Kind::File => " -r -F".to_owned(),
        Kind::Directory => " -x -a '(__fish_complete_directories)'".to_owned(),
        Kind::Group => " -x -a '(__fish_complete_groups)'".to_owned(),
        Kind::OneOf(words) => format!(" -x -a '{}'", words.join(" ")),
    }
}

/// With a capital, as texts are in fish.
fn fish_text(help: &str) -> String {
    let (first, rest) = help.split_at(1);
    format!("{}{rest}", first.to_uppercase()).replace('\'', "\\'")
}

const FISH: &str = r#"# Completion for the programs of builder in fish.
#
@ORIGIN@
# Installed as /usr/share/fish/vendor_completions.d/builder-server.fish, and linked there for each other program.

# Prints the words before the cursor that are neither flags nor their values.
function __builder_words
    set -l tokens (commandline -opc)
    set -l valued
    switch (string replace -r '.*/' '' -- $tokens[1])
@TABLES@
    end
    set -l is_value no
    for token in $tokens[2..]
        if test $is_value = yes
            set is_value no
        else if contains -- $token $valued
            set is_value yes
        else if not string match -q -- '-*' $token
            echo $token
        end
    end
end

# Prints what the server knows by name.
function __builder_ask
    set -l tokens (commandline -opc)
    set -l remote
    if set -l place (contains -i -- -r $tokens; or contains -i -- --remote $tokens)
        set remote --remote $tokens[(math $place[1] + 1)]
    end
    builder-client names $argv $remote 2>/dev/null
end

# Whether no command is there yet, or one of these.
function __builder_goes_with
    set -l words (__builder_words)
    test (count $words) -eq 0; or contains -- $words[1] $argv
end

# Whether so many words are there, the first of which is this command, if one is given: -eq 3 schedule.
function __builder_has
    set -l words (__builder_words)
    test (count $words) $argv[1] $argv[2]; or return 1
    test (count $argv) -lt 3; or test "$words[1]" = $argv[3]
end
"#;
