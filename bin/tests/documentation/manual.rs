//! The parts of manual pages that are made from the tables of the programs, between comments that say so.

use builder::command_line::{Count, Flag, Program, Word};

/// The page with its made parts as the table has them.
pub(super) fn page(program: &Program, page: &str) -> String {
    let mut page = with_part(page, program.name, "synopsis", &synopsis(program));
    page = with_part(&page, program.name, "options", &options(program));
    match program.commands {
        [] => page,
        _ => with_part(&page, program.name, "commands", &commands(program)),
    }
}

fn with_part(page: &str, program: &str, part: &str, text: &str) -> String {
    let begin = format!(
        ".\\\" Made from the table of {program}: {part}. UPDATE_PAGES=1 cargo test -p builder --test documentation\n"
    );
    let end = format!(".\\\" End of {part}.\n");
    let (before, rest) = page.split_once(&begin).unwrap_or_else(|| panic!("{program}: no line {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("{program}: no line {end}"));
    format!("{before}{begin}{text}{end}{after}")
}

fn synopsis(program: &Program) -> String {
    let mut text = ".Nm\n".to_owned();
    for flag in program.flags {
        text += &format!(".Op {}\n", form(flag, " |"));
    }
    text += ".Op Fl vq\n";
    match program.commands {
        [] => program.words.iter().for_each(|word| text += &format!(".{}\n", place(word))),
        _ => text += ".Ar command\n.Op Ar argument ...\n",
    }
    text + ".Nm\n.Fl h | -help | -version\n"
}

fn options(program: &Program) -> String {
    let items = program.all_flags().into_iter().map(|flag| {
        let text = match flag.manual {
            "" => sentences(&flag),
            manual => format!("{manual}\n"),
        };
        format!(".It {}\n{text}", form(&flag, " ,"))
    });
    list(items)
}

fn commands(program: &Program) -> String {
    let items = program.commands.iter().map(|command| {
        let words = command.words.iter().map(|word| format!(" {}", place(word)));
        let flags = command.flags.iter().map(|flag| format!(" Oo {} Oc", form(flag, " |")));
        let rest: String = words.chain(flags).collect();
        format!(".It Cm {}{rest}\n{}\n", command.name, command.manual)
    });
    list(items)
}

fn list(items: impl Iterator<Item = String>) -> String {
    format!(".Bl -tag -width Ds\n{}.El\n", items.collect::<String>())
}

fn form(flag: &Flag, between: &str) -> String {
    let value = flag.value.map(|value| format!(" Ar {}", argument(value.name))).unwrap_or_default();
    match (flag.short, between) {
        (Some(letter), " |") => format!("Fl {letter} | -{}{value}", flag.long),
        (Some(letter), _) => format!("Fl {letter}{between} Fl -{}{value}", flag.long),
        (None, _) => format!("Fl -{}{value}", flag.long),
    }
}

fn place(word: &Word) -> String {
    let name = argument(word.value.name);
    match word.count {
        Count::One => format!("Ar {name}"),
        Count::Optional => format!("Oo Ar {name} Oc"),
        Count::Any => format!("Oo Ar {name} ... Oc"),
        Count::Several => format!("Ar {name} ..."),
    }
}

/// As arguments are written in pages.
fn argument(name: &str) -> String {
    name.to_lowercase().replace('_', "-").replace('|', " | ")
}

/// What `--help` says, in sentences.
fn sentences(flag: &Flag) -> String {
    let (first, rest) = flag.help.split_at(1);
    let default = flag.default.map(|default| format!("The default is {default}.\n")).unwrap_or_default();
    format!("{}{rest}.\n{default}", first.to_uppercase())
}
