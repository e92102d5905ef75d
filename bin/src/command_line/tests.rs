use super::*;

const PROGRAM: Program = Program {
    name: "builder-test",
    about: "Tests.",
    notes: "",
    logging: Logging::Command,
    words: &[Word::one("WORD", Kind::Text)],
    flags: &[Flag::with_value("port", "PORT", Kind::Text, "a port").short('p').default("80")],
    commands: &[],
};

/// A program with commands.
const SEVERAL: Program = Program {
    name: "builder-several",
    notes: "This is a note.",
    words: &[],
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
    ..PROGRAM
};

const WAIT: Flag = Flag::switch("wait", "wait for it");

fn read(words: &[&str]) -> Result<Request, UsageError> {
    PROGRAM.read(words.iter().map(OsString::from))
}

fn matches(words: &[&str]) -> Matches {
    match read(words) {
        Ok(Request::Run(matches)) => matches,
        other => panic!("{words:?} gave {other:?}"),
    }
}

fn refusal(words: &[&str]) -> String {
    read(words).unwrap_err().to_string()
}

#[test]
fn options_may_stand_before_and_after_the_words() {
    for words in [["-p", "7", "word"], ["word", "-p", "7"], ["word", "--port", "7"]] {
        let matches = matches(&words);
        assert_eq!(matches.free, ["word"]);
        assert_eq!(value(&matches, "port"), Ok(Some(7u16)));
    }
    assert_eq!(matches(&["--", "-p"]).free, ["-p"]);
    assert_eq!(value::<u16>(&matches(&[]), "port"), Ok(None));
}

#[test]
fn verbosity_may_be_repeated() {
    let matches = matches(&["-vv", "word", "-v", "-qq"]);
    assert_eq!(matches.opt_count(VERBOSE), 3);
    assert!(matches.opt_present(QUIET));
}

#[test]
fn help_shows_every_option_and_wins_over_what_is_missing() {
    let Ok(Request::Print(help)) = read(&["-h", "-h"]) else { panic!("no help") };
    assert!(help.starts_with("Usage: builder-test [OPTIONS] WORD\n\nTests.\n"), "{help}");
    assert!(help.contains("    -p, --port PORT     a port (default 80)\n"), "{help}");
    for option in ["-p, --port PORT", "-v, --verbose", "-q, --quiet", "-h, --help", "--version"] {
        assert!(help.contains(option), "{help}");
    }
}

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
fn help_after_a_command_is_about_that_command() {
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
    for words in [["list", "--help"], ["--help", "list"]] {
        let request = SEVERAL.read(words.iter().map(OsString::from)).unwrap();
        let Request::Print(help) = request else { panic!("no help") };
        assert_eq!(help, expected);
    }
    let Ok(Request::Print(help)) = SEVERAL.read(["lost", "-h"].iter().map(OsString::from)) else {
        panic!("no help")
    };
    assert_eq!(help, program_help(&SEVERAL));
}

#[test]
fn the_version_names_both_protocols() {
    let Ok(Request::Print(version)) = read(&["--version"]) else { panic!("no version") };
    let expected = concat!(
        "builder-test ",
        env!("CARGO_PKG_VERSION"),
        " (client protocols 13 and 14, worker protocol 5)\n"
    );
    assert_eq!(version, expected);
}

#[test]
fn a_wrong_command_line_is_answered_with_what_to_do() {
    assert_eq!(refusal(&["-p"]), "-p needs a value after it");
    assert_eq!(refusal(&["--port"]), "--port needs a value after it");
    assert_eq!(refusal(&["--prt", "1"]), "there is no option --prt");
    assert_eq!(refusal(&["-x"]), "there is no option -x");
    assert_eq!(refusal(&["-p", "1", "-p", "2"]), "--port is given twice; keep one");
    assert_eq!(refusal(&["--quiet=yes"]), "--quiet takes no value; leave it out");
    let error = value::<Address>(&matches(&["-p", "here"]), "port").unwrap_err();
    assert_eq!(error.to_string(), "--port here: not an address; write HOST:PORT or unix:PATH");
}

#[test]
fn an_argument_that_is_not_utf8_is_named() {
    use std::os::unix::ffi::OsStringExt;
    let error = PROGRAM.read([OsString::from_vec(b"a\xff".to_vec())].into_iter()).unwrap_err();
    assert_eq!(error.to_string(), "argument \"a\\xFF\" is not UTF-8; rename it");
}
