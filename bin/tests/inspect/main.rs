//! `builder-inspect` as its users run it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod damage;
mod large;
mod output;
mod several;
mod sums;

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ConsoleLine, Execution};
use builder_proto::job::{File, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const PROGRAM: &str = env!("CARGO_BIN_EXE_builder-inspect");

/// A directory with a stored result in it.
struct Place {
    directory: TempDir,
}

impl Place {
    fn with(execution: &Execution) -> Place {
        Place::with_bytes(&execution.encode().unwrap())
    }

    fn with_bytes(bytes: &[u8]) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        fs::write(place.path("full"), bytes).unwrap();
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn inspect(&self, arguments: &[&str]) -> Output {
        Command::new(PROGRAM)
            .current_dir(&self.directory)
            .env_remove("RUST_LOG")
            .args(arguments)
            .output()
            .unwrap()
    }

    /// What is printed when all goes well.
    fn print(&self, arguments: &[&str]) -> String {
        let output = self.inspect(arguments);
        assert_eq!(stderr(&output), "");
        assert_eq!(output.status.code(), Some(0));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What is complained about when not.
    fn fail(&self, arguments: &[&str]) -> String {
        let output = self.inspect(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        stderr(&output)
    }
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn execution() -> Execution {
    let line = |delta_nanoseconds, line: &str| ConsoleLine { delta_nanoseconds, line: line.into() };
    Execution {
        job: ScriptJob {
            name: "hello".into(),
            script: "#!/bin/sh\n\techo hello".into(),
            platform: "debian-12".into(),
        },
        uuid: Uuid::from_u128(0x988a_d4a2_647b_4f84_9116_f936_eedd_ac84),
        console: vec![line(3_000_000, "hello"), line(61_004_000_000, ""), line(61_005_000_000, "end")],
        started: Time::from_unix_milliseconds(1_795_456_515_000),
        finished: Time::from_unix_milliseconds(1_795_456_576_250),
        result: BuildResult::Exited(3),
        output: Vec::new(),
    }
}

fn with_files(files: &[(&str, &str)]) -> Execution {
    let output = files.iter().map(|(path, data)| File { path: (*path).into(), data: (*data).into() });
    Execution { output: output.collect(), ..execution() }
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn without_options_a_summary_is_printed() {
    let place = Place::with(&with_files(&[("bin/hello.hvt", "ELF"), ("empty", "")]));
    assert_eq!(
        place.print(&["full"]),
        "job       hello\n\
         platform  debian-12\n\
         uuid      988ad4a2-647b-4f84-9116-f936eeddac84\n\
         started   2026-11-23T17:55:15Z\n\
         finished  2026-11-23T17:56:16.250Z\n\
         duration  1m 1s 250ms\n\
         result    exited 3\n\
         artifact  bin/hello.hvt (3 bytes)\n\
         artifact  empty (0 bytes)\n\
         artifacts 2 (3 bytes)\n"
    );
}

#[test]
fn names_and_results_cannot_control_a_terminal() {
    let mut execution = with_files(&[("a\u{1b}[2Jb", "")]);
    execution.job.name = Text::from("na\rme");
    execution.result = BuildResult::Message("no\x07".into());
    let printed = Place::with(&execution).print(&["full"]);
    assert!(!printed.contains(|character: char| character.is_control() && character != '\n'), "{printed}");
}

#[test]
fn programs_get_one_object() {
    let mut execution = with_files(&[("bin/hello.hvt", "ELF"), ("empty", "")]);
    execution.console[0].line = Text::from(&b"\"\x1b\xff\xc3\xa9"[..]);
    let place = Place::with(&execution);
    let object = |arguments: &[&str]| -> serde_json::Value {
        let printed = place.print(arguments);
        assert_eq!(printed.lines().count(), 1, "{printed}");
        serde_json::from_str(&printed).unwrap()
    };
    let mut expected = serde_json::json!({
        "job": "hello",
        "platform": "debian-12",
        "uuid": "988ad4a2-647b-4f84-9116-f936eeddac84",
        "started": "2026-11-23T17:55:15Z",
        "finished": "2026-11-23T17:56:16.250Z",
        "duration_milliseconds": 61_250,
        "result": "exited 3",
        "succeeded": false,
        "artifacts": [{ "path": "bin/hello.hvt", "bytes": 3 }, { "path": "empty", "bytes": 0 }],
        "file": "full",
    });
    assert_eq!(object(&["--json", "full"]), expected);
    assert_eq!(object(&["--json", "--job", "--output", "out", "full"]), expected);
    assert_eq!(read(&place.path("out/bin/hello.hvt")), "ELF");
    expected["script"] = "#!/bin/sh\n\techo hello".into();
    expected["console"] = serde_json::json!([
        { "nanoseconds": 3_000_000, "line": "\"\u{1b}\u{fffd}\u{e9}" },
        { "nanoseconds": 61_004_000_000_i64, "line": "" },
        { "nanoseconds": 61_005_000_000_i64, "line": "end" },
    ]);
    assert_eq!(object(&["full", "--console", "--script", "--json"]), expected);
}

#[test]
fn each_option_prints_its_part() {
    let place = Place::with(&execution());
    let job = "job       hello\n\
               platform  debian-12\n\
               uuid      988ad4a2-647b-4f84-9116-f936eeddac84\n";
    let script = "#!/bin/sh\n\techo hello";
    let console = "started 2026-11-23T17:55:15Z\n\
                   0.003s hello\n\
                   61.004s \n\
                   61.005s end\n\
                   exited 3\n\
                   stopped 2026-11-23T17:56:16.250Z\n";
    assert_eq!(place.print(&["--job", "full"]), job);
    assert_eq!(place.print(&["full", "--script"]), script);
    assert_eq!(place.print(&["--console", "full"]), console);
    assert_eq!(place.print(&["--console", "--job", "full"]), [job, console].concat());
}

#[test]
fn a_console_says_once_how_the_build_ended() {
    let mut execution = execution();
    execution.result = BuildResult::Message("timeout after 1h".into());
    let said = "execution aborted: timeout after 1h";
    let last = ConsoleLine { delta_nanoseconds: 61_006_000_000, line: said.into() };
    for lines in [vec![], vec![last]] {
        execution.console.truncate(3);
        execution.console.extend(lines);
        let printed = Place::with(&execution).print(&["--console", "full"]);
        let lines: Vec<&str> = printed.lines().collect();
        assert_eq!(lines[3..], ["61.005s end", said, "stopped 2026-11-23T17:56:16.250Z"]);
    }
}

#[test]
fn a_pipe_gets_console_and_script_as_they_are() {
    let mut execution = execution();
    let bytes: Vec<u8> = (0..=255).filter(|byte| *byte != b'\n').collect();
    execution.console = vec![ConsoleLine { delta_nanoseconds: 0, line: bytes.clone().into() }];
    execution.job.script = bytes.clone().into();
    let place = Place::with(&execution);
    let console = place.inspect(&["--console", "full"]).stdout;
    assert!(console.windows(bytes.len()).any(|window| window == bytes));
    assert_eq!(place.inspect(&["--script", "full"]).stdout, bytes);
}

#[test]
fn a_line_that_does_not_fit_into_memory_at_once_stays_one_line() {
    let mut execution = execution();
    let line = "0123456789".repeat(100_000);
    execution.console = vec![ConsoleLine { delta_nanoseconds: 0, line: line.as_str().into() }];
    let place = Place::with(&execution);
    let printed = place.print(&["--console", "full"]);
    assert_eq!(printed.lines().nth(1), Some(&*format!("0.000s {line}")));
    assert_eq!(printed.lines().count(), 4);
    let object: serde_json::Value =
        serde_json::from_str(&place.print(&["--console", "--json", "full"])).unwrap();
    assert_eq!(object["console"], serde_json::json!([{ "nanoseconds": 0, "line": line }]));
}

#[test]
fn a_reader_that_stops_early_is_no_failure() {
    let mut execution = execution();
    let line = ConsoleLine { delta_nanoseconds: 0, line: "x".repeat(1000).into() };
    execution.console = vec![line; 10_000];
    let place = Place::with(&execution);
    let mut child = Command::new(PROGRAM)
        .current_dir(&place.directory)
        .args(["--console", "full"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut start = [0; 8];
    child.stdout.take().unwrap().read_exact(&mut start).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(&start, b"started ");
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_wrong_command_line_is_told_from_a_failure() {
    let place = Place::with(&execution());
    for arguments in [&[][..], &["--latest"], &["--unknown", "full"], &["full", "--output"]] {
        let output = place.inspect(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("builder-inspect --help"), "{arguments:?}");
    }
}
