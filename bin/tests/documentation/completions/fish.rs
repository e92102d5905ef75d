//! Completions for fish.

use super::{ORIGIN, asked, places, valued};
use builder::command_line::{Count, Kind, Program, Value};
use std::fmt::Write;

pub(crate) fn fish(programs: &[Program]) -> String {
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
        Kind::Text | Kind::Job | Kind::Platform | Kind::Uuid | Kind::JobOrUuid | Kind::Url => {
            " -x".to_owned()
        }
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
