//! Manual pages, completions and the commands of other pages against the programs themselves.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod completions;
mod manual;

use builder::command_line::Program;
use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Each program, where it is, and the section of its page.
const PROGRAMS: [(&str, &str, u8); 6] = [
    ("builder-server", env!("CARGO_BIN_EXE_builder-server"), 8),
    ("builder-worker", env!("CARGO_BIN_EXE_builder-worker"), 1),
    ("builder-client", env!("CARGO_BIN_EXE_builder-client"), 1),
    ("builder-inspect", env!("CARGO_BIN_EXE_builder-inspect"), 1),
    ("builder-upload", env!("CARGO_BIN_EXE_builder-upload"), 1),
    ("builder-dashboard", env!("CARGO_BIN_EXE_builder-dashboard"), 8),
];

/// The scripts that packages install, where they are, and the sections of their pages.
const SCRIPTS: [(&str, &str, u8); 4] = [
    ("build-image", "container", 8),
    ("builder-bubblewrap", "bubblewrap", 1),
    ("builder-container", "container", 8),
    ("builder-jail", "freebsd", 8),
];

/// The examples for `--on-finish`.
const EXAMPLES: [&str; 3] = ["mail-on-change", "sign-and-publish", "web-hook"];

/// What may be typed: options with their dashes, or commands.
type Words = BTreeSet<String>;

fn help(executable: &str) -> String {
    let output = Command::new(executable).arg("--help").output().unwrap();
    assert!(output.status.success(), "{executable}");
    String::from_utf8(output.stdout).unwrap()
}

fn assert_fits(help: &str) {
    for line in help.lines() {
        assert!(line.chars().count() <= 80 && !line.ends_with(' '), "{line}");
    }
}

#[test]
fn help_fits_a_terminal_of_80_columns() {
    for (_, executable, _) in PROGRAMS {
        assert_fits(&help(executable));
    }
    for (name, directory, _) in SCRIPTS {
        let script = path_of("../sandbox-scripts").join(directory).join(name);
        assert_fits(&help(script.to_str().unwrap()));
    }
    for name in EXAMPLES {
        let script = path_of("../sandbox-scripts/on-finish").join(name);
        assert_fits(&help(script.to_str().unwrap()));
    }
    for entry in builder::client::PROGRAM.commands {
        let output = Command::new(PROGRAMS[2].1).args([entry.name, "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        assert!(help.starts_with(&format!("Usage: builder-client {} [OPTIONS]", entry.name)), "{help}");
        assert_fits(&help);
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn page_path(name: &str, section: u8) -> PathBuf {
    path_of(&format!("man/{name}.{section}"))
}

/// The tables of the programs, in the order of `PROGRAMS`.
const TABLES: [Program; 6] = [
    builder::server::PROGRAM,
    builder::worker::PROGRAM,
    builder::client::PROGRAM,
    builder::inspect::PROGRAM,
    builder::upload::PROGRAM,
    builder::dashboard::PROGRAM,
];

/// Compares a file with what the tables give, or writes it when the variable UPDATE_PAGES asks for that.
fn assert_made(path: &Path, made: &str) {
    if std::env::var_os("UPDATE_PAGES").is_some() {
        fs::write(path, made).unwrap();
    }
    let differs = fs::read_to_string(path).unwrap() != made;
    assert!(
        !differs,
        "{} is not what the tables give; run UPDATE_PAGES=1 cargo test -p builder --test documentation",
        path.display()
    );
}

#[test]
fn completions_are_what_the_tables_give() {
    assert_made(&path_of("completions/builder.bash"), &completions::bash(&TABLES));
    assert_made(&path_of("completions/_builder"), &completions::zsh(&TABLES));
    assert_made(&path_of("completions/builder.fish"), &completions::fish(&TABLES));
}

#[test]
fn pages_are_what_the_tables_give() {
    for (program, (name, _, section)) in TABLES.iter().zip(PROGRAMS) {
        assert_eq!(program.name, name);
        let path = page_path(name, section);
        let page = fs::read_to_string(&path).unwrap();
        assert_made(&path, &manual::page(program, &page));
    }
}

#[test]
fn flags_of_one_name_take_a_value_in_all_commands_or_in_none() {
    for program in TABLES {
        let all = program.all_flags();
        for flag in program.commands.iter().flat_map(|command| command.flags) {
            let same = |known: &&builder::command_line::Flag| known.long == flag.long;
            let known = all.iter().find(same).unwrap();
            assert_eq!(
                (known.value.is_some(), known.short, known.repeat),
                (flag.value.is_some(), flag.short, flag.repeat)
            );
        }
    }
}

/// Runs a program that may not be installed; tells so when it is not.
fn run_if_installed(command: &mut Command) -> Option<Output> {
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            eprintln!("not tested, as {:?} is not installed", command.get_program());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn pages_are_clean() {
    let names = PROGRAMS.iter().chain(&SCRIPTS).map(|(name, _, section)| format!("{name}.{section}"));
    let names: Words = names.collect();
    let files = fs::read_dir(path_of("man")).unwrap();
    assert_eq!(files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect::<Words>(), names);
    for name in names {
        // From where it finds the pages that refer to each other, installed or not.
        let mut mandoc = Command::new("mandoc");
        mandoc.arg("-Tlint").arg(&name).current_dir(path_of("man"));
        let Some(output) = run_if_installed(&mut mandoc) else { return };
        let complaints = String::from_utf8(output.stdout).unwrap();
        // Pages of other systems are not everywhere.
        let of_others = |line: &&str| line.contains("manual not found") && !line.contains(": Xr build");
        let complaints: Vec<&str> = complaints.lines().filter(|line| !of_others(line)).collect();
        assert!(complaints.is_empty(), "{complaints:?}");
    }
}

/// The variables that a script says it reads from the environment.
fn variables_of_help(help: &str) -> Words {
    let lines = help.lines().skip_while(|line| *line != "Environment:");
    let heads = lines.filter_map(|line| line.strip_prefix("    ")).filter(|line| !line.starts_with(' '));
    heads.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect()
}

#[test]
fn pages_of_scripts_describe_every_variable_and_no_other() {
    for (name, directory, section) in SCRIPTS {
        let script = path_of("../sandbox-scripts").join(directory).join(name);
        let variables = variables_of_help(&help(script.to_str().unwrap()));
        assert!(variables.len() >= 4, "{name}: {variables:?}");
        let page = fs::read_to_string(page_path(name, section)).unwrap();
        let environment = page.split(".Sh ").find(|part| part.starts_with("ENVIRONMENT")).unwrap();
        let items = environment.lines().filter_map(|line| line.strip_prefix(".It Ev "));
        assert_eq!(items.map(str::to_owned).collect::<Words>(), variables, "{name}");
    }
}

#[test]
fn every_page_has_examples() {
    for (name, _, section) in PROGRAMS.iter().chain(&SCRIPTS) {
        let page = fs::read_to_string(page_path(name, *section)).unwrap();
        let examples = page.split(".Sh ").find(|part| part.starts_with("EXAMPLES")).expect(name);
        assert!(examples.matches("\n.Bd -literal").count() >= 2, "{name}");
    }
}

#[test]
fn what_programs_read_from_the_environment_is_in_their_pages() {
    for (program, variable) in [
        ("builder-client.1", "BUILDER_REMOTE"),
        ("builder-client.1", "NO_COLOR"),
        ("builder-dashboard.8", "BUILDER_REMOTE"),
        ("builder-dashboard.8", "JOURNAL_STREAM"),
        ("builder-inspect.1", "NO_COLOR"),
        ("builder-server.8", "BUILDER_UPLOAD_CREDENTIALS"),
        ("builder-server.8", "JOURNAL_STREAM"),
        ("builder-server.8", "NOTIFY_SOCKET"),
        ("builder-server.8", "SSL_CERT_FILE"),
        ("builder-upload.1", "BUILDER_UPLOAD_CREDENTIALS"),
        ("builder-worker.1", "JOURNAL_STREAM"),
        ("builder-worker.1", "BUILDER_REMOTE"),
        ("builder-worker.1", "TMPDIR"),
    ] {
        let page = fs::read_to_string(path_of("man").join(program)).unwrap();
        assert!(page.contains(&format!(".It Ev {variable}\n")), "{program} {variable}");
    }
}

/// What differs from one log line to the next of its kind: a value in the source, a word in capitals on the page.
const WILD: char = '…';
/// Where the log lines come from that `LOG.md` explains.
const LOGGING: [&str; 6] = [
    "src/dashboard",
    "src/server",
    "src/upload",
    "src/worker",
    "../engine/src/server",
    "../engine/src/driver/metrics_file.rs",
];
/// Formats that are nothing but values, and how their lines begin on the page.
const NOTHING_BUT_VALUES: [(&str, &str); 5] = [
    ("{complaint}", "no more than … connections can wait to be accepted, not …: …"),
    ("{report}", "replayed … commits"),
    ("{}: {warning}", "…: …"),
    ("{}: {error}", "…: …"),
    ("connection {connection}: {reason}", "connection …: the console cannot be read: …"),
];
/// Constants in formats.
const CONSTANTS: [(&str, &str); 2] = [("{NAME}", "builder-upload"), ("{NOTIFY_SOCKET}", "NOTIFY_SOCKET")];

/// All files of Rust below a path, or the path itself, with what is in them.
fn sources(path: &Path) -> Vec<(PathBuf, String)> {
    if path.is_file() {
        let is_rust = path.extension().is_some_and(|extension| extension == "rs");
        return is_rust.then(|| (path.to_owned(), fs::read_to_string(path).unwrap())).into_iter().collect();
    }
    fs::read_dir(path).unwrap().flat_map(|entry| sources(&entry.unwrap().path())).collect()
}

/// The level of everything that a source logs for operators, and its text with `…` in the place of each value.
fn logged(source: &str) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for level in ["error", "warn", "info"] {
        for rest in source.split(&format!("log::{level}!(")).skip(1) {
            let literal = rest.trim_start().strip_prefix('"').expect("a format comes first");
            // No format holds a quotation mark.
            let format = literal.split('"').next().unwrap();
            assert!(!format.contains('\\'), "{format}");
            found.push((level, text_of(format)));
        }
    }
    found
}

fn text_of(format: &str) -> String {
    if let Some((_, text)) = NOTHING_BUT_VALUES.iter().find(|(known, _)| *known == format) {
        return (*text).to_owned();
    }
    let format = with_constants(format);
    let mut pieces = format.split('{');
    let mut text = pieces.next().unwrap().to_owned();
    for piece in pieces {
        text.push(WILD);
        text.push_str(piece.split_once('}').expect("a value ends").1);
    }
    text
}

fn with_constants(text: &str) -> String {
    CONSTANTS.iter().fold(text.to_owned(), |text, (name, value)| text.replace(name, value))
}

/// A line of the page with `…` in the place of each word in capitals.
fn pattern_of(span: &str) -> String {
    let mut pattern = String::new();
    for piece in span.split_inclusive(|letter: char| !letter.is_ascii_alphabetic()) {
        let word = piece.trim_end_matches(|letter: char| !letter.is_ascii_alphabetic());
        let is_wild = !word.is_empty() && word.chars().all(|letter| letter.is_ascii_uppercase());
        if is_wild {
            pattern.push(WILD);
            pattern.push_str(&piece[word.len()..]);
        } else {
            pattern.push_str(piece);
        }
    }
    pattern
}

/// Whether a pattern from the page is for this text: it fits as far as it goes, and goes for most of it.
fn is_for(pattern: &str, text: &str) -> bool {
    let letters = |text: &str| text.chars().filter(|letter| letter.is_alphabetic()).count();
    let mut pieces = pattern.split(WILD);
    let Some(mut rest) = text.strip_prefix(pieces.next().unwrap()) else { return false };
    for piece in pieces {
        let Some(place) = rest.find(piece) else { return false };
        rest = &rest[place + piece.len()..];
    }
    letters(pattern) * 2 >= letters(text)
}

/// The lines of the log in the tables of a page, and the levels that their rows name, if any.
fn explained(page: &str) -> Vec<(String, String)> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.flat_map(|row| {
        let cells: Vec<&str> = row.split(" | ").collect();
        let levels = if cells.len() == 3 { cells[1] } else { "" };
        let spans = cells[0].split('`').skip(1).step_by(2);
        spans.map(|span| (pattern_of(span), levels.to_owned())).collect::<Vec<_>>()
    })
    .collect()
}

/// The page about the log.
fn log_lines() -> String {
    fs::read_to_string(path_of("LOG.md")).unwrap()
}

#[test]
fn every_log_line_is_explained() {
    let explained = explained(&log_lines());
    let mut missing = Vec::new();
    for (path, source) in LOGGING.iter().flat_map(|path| sources(&path_of(path))) {
        for (level, text) in logged(&source) {
            let is_explained =
                explained.iter().any(|(pattern, levels)| levels.contains(level) && is_for(pattern, &text));
            if !is_explained {
                missing.push(format!("{}: {level}: {text}", path.display()));
            }
        }
    }
    assert!(missing.is_empty(), "LOG.md does not explain\n{}", missing.join("\n"));
}

#[test]
fn every_explained_line_is_logged() {
    let mut all = String::new();
    // What is put together of pieces stands as a whole in a test.
    for (_, source) in
        ["src", "../engine/src", "../engine/tests"].iter().flat_map(|path| sources(&path_of(path)))
    {
        // A text may go on in the next line.
        let mut lines = source.split("\\\n");
        all.push_str(lines.next().unwrap());
        lines.for_each(|line| all.push_str(line.trim_start()));
    }
    let all = with_constants(&all);
    for (pattern, _) in explained(&log_lines()) {
        for piece in pattern.split(WILD) {
            let piece = piece.trim_matches(|letter: char| !letter.is_ascii_alphanumeric());
            assert!(all.contains(piece), "nothing says '{piece}', as in {pattern}");
        }
    }
}
