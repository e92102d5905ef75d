//! `builder-inspect` as its users run it.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{ConsoleLine, Execution, ExecutionHead, append_console_entry};
use builder_proto::header::{Header, SEQUENCE, UTF8_STRING};
use builder_proto::job::{File, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
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
        Place::with_octets(&execution.encode().unwrap())
    }

    fn with_octets(octets: &[u8]) -> Place {
        let place = Place { directory: tempfile::tempdir().unwrap() };
        fs::write(place.path("full"), octets).unwrap();
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
                   stopped 2026-11-23T17:56:16.250Z\n";
    assert_eq!(place.print(&["--job", "full"]), job);
    assert_eq!(place.print(&["full", "--script"]), script);
    assert_eq!(place.print(&["--console", "full"]), console);
    assert_eq!(place.print(&["--console", "--job", "full"]), [job, console].concat());
}

#[test]
fn a_pipe_gets_console_and_script_as_they_are() {
    let mut execution = execution();
    let octets: Vec<u8> = (0..=255).filter(|octet| *octet != b'\n').collect();
    execution.console = vec![ConsoleLine { delta_nanoseconds: 0, line: octets.clone().into() }];
    execution.job.script = octets.clone().into();
    let place = Place::with(&execution);
    let console = place.inspect(&["--console", "full"]).stdout;
    assert!(console.windows(octets.len()).any(|window| window == octets));
    assert_eq!(place.inspect(&["--script", "full"]).stdout, octets);
}

#[test]
fn a_line_that_does_not_fit_into_memory_at_once_stays_one_line() {
    let mut execution = execution();
    let line = "0123456789".repeat(100_000);
    execution.console = vec![ConsoleLine { delta_nanoseconds: 0, line: line.as_str().into() }];
    let place = Place::with(&execution);
    let printed = place.print(&["--console", "full"]);
    assert_eq!(printed.lines().nth(1), Some(&*format!("0.000s {line}")));
    assert_eq!(printed.lines().count(), 3);
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
fn artifacts_are_written_below_the_directory() {
    let files = [("bin/hello.hvt", "ELF"), ("./a//b/c", "deep"), ("empty", ""), ("a/d", "beside")];
    let place = Place::with(&with_files(&files));
    assert_eq!(place.print(&["--output", "new/out", "full"]), "");
    for (path, data) in files {
        assert_eq!(read(&place.path("new/out").join(path)), data);
    }
    let mode = fs::metadata(place.path("new/out/bin/hello.hvt")).unwrap().permissions().mode();
    assert_eq!(mode & 0o111, 0, "nothing becomes executable by itself");
}

#[test]
fn paths_that_lead_elsewhere_are_refused_and_the_others_written() {
    let outside = tempfile::tempdir().unwrap();
    let absolute = outside.path().join("absolute").to_str().unwrap().to_owned();
    let files =
        [("../up", "1"), (&*absolute, "2"), ("a/../../up", "3"), ("dir/", "4"), (".", "5"), ("good", "6")];
    let place = Place::with(&with_files(&files));
    let complaints = place.fail(&["--output", "out", "full"]);
    for text in [
        "artifact ../up: the path contains ..",
        "the path is absolute",
        "artifact a/../../up: the path contains ..",
        "artifact dir/: the path names a directory, not a file",
        "artifact .: the path names a directory, not a file",
        "builder-inspect: 5 artifacts were not written below out",
    ] {
        assert!(complaints.contains(text), "{text} is missing in {complaints}");
    }
    assert_eq!(read(&place.path("out/good")), "6");
    assert!(!place.path("up").exists());
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[test]
fn links_on_the_way_are_not_followed() {
    let outside = tempfile::tempdir().unwrap();
    let files = [
        ("link/in", "1"),
        ("here/link/in", "2"),
        ("file", "3"),
        ("dangling", "4"),
        ("loop/in", "5"),
        ("here/good", "6"),
    ];
    let place = Place::with(&with_files(&files));
    fs::create_dir_all(place.path("out/here")).unwrap();
    fs::write(outside.path().join("target"), "untouched").unwrap();
    symlink(outside.path(), place.path("out/link")).unwrap();
    symlink(outside.path(), place.path("out/here/link")).unwrap();
    symlink(outside.path().join("target"), place.path("out/file")).unwrap();
    symlink(outside.path().join("new"), place.path("out/dangling")).unwrap();
    symlink("loop", place.path("out/loop")).unwrap();
    let complaints = place.fail(&["--output", "out", "full"]);
    assert!(complaints.contains("artifact link/in: link on the way is a link or a file"), "{complaints}");
    assert!(complaints.contains("artifact file: there is a file of this name already"), "{complaints}");
    assert!(complaints.contains("5 artifacts were not written"), "{complaints}");
    assert_eq!(read(&place.path("out/here/good")), "6");
    assert_eq!(read(&outside.path().join("target")), "untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 1);
}

#[test]
fn the_directory_itself_may_be_a_link() {
    let outside = tempfile::tempdir().unwrap();
    let place = Place::with(&with_files(&[("a", "1")]));
    symlink(outside.path(), place.path("out")).unwrap();
    place.print(&["--output", "out", "full"]);
    assert_eq!(read(&outside.path().join("a")), "1");
}

#[test]
fn what_is_there_already_is_left_as_it_is() {
    let files = [("old", "1"), ("fifo", "2"), ("dir", "3"), ("twice", "4"), ("twice", "5"), ("twice/x", "6")];
    let place = Place::with(&with_files(&files));
    fs::create_dir_all(place.path("out/dir")).unwrap();
    fs::write(place.path("out/old"), "untouched").unwrap();
    make_fifo(&place.path("out/fifo"));
    let complaints = place.fail(&["--output", "out", "full"]);
    for name in ["old", "fifo", "dir", "twice"] {
        let text = format!("artifact {name}: there is a file of this name already; it was left as it is");
        assert!(complaints.contains(&text), "{text} is missing in {complaints}");
    }
    assert!(complaints.contains("artifact twice/x: twice on the way is a link or a file"), "{complaints}");
    assert!(complaints.contains("5 artifacts were not written"), "{complaints}");
    assert_eq!(read(&place.path("out/old")), "untouched");
    assert_eq!(read(&place.path("out/twice")), "4");
    assert!(fs::metadata(place.path("out/fifo")).unwrap().file_type().is_fifo());
}

fn make_fifo(path: &Path) {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
}

#[test]
fn names_that_the_system_refuses_do_not_stop_the_others() {
    let long = "n".repeat(300);
    let place = Place::with(&with_files(&[(&long, "1"), (&format!("{long}/x"), "2"), ("good", "3")]));
    let complaints = place.fail(&["--output", "out", "full"]);
    assert!(complaints.contains("cannot be created: "), "{complaints}");
    assert!(complaints.contains(" on the way: "), "{complaints}");
    assert_eq!(read(&place.path("out/good")), "3");
}

#[test]
fn a_directory_that_cannot_be_made_is_named() {
    let place = Place::with(&with_files(&[("a", "1")]));
    let complaints = place.fail(&["--output", "full/below", "full"]);
    assert!(complaints.starts_with("builder-inspect: cannot write below full/below: "), "{complaints}");
}

#[test]
fn a_file_that_is_cut_off_is_refused_by_name() {
    let octets = with_files(&[("bin/a", "x")]).encode().unwrap();
    for end in 0..octets.len() {
        let place = Place::with_octets(&octets[..end]);
        let complaints = place.fail(&["--output", "out", "full"]);
        assert!(
            complaints.starts_with("builder-inspect: full is damaged or no stored result: "),
            "{complaints}"
        );
        assert!(!place.path("out").exists());
    }
}

#[test]
fn damage_is_found_where_it_is() {
    let octets = with_files(&[("first", "x"), ("second", "y")]).encode().unwrap();
    let damage = |needle: &[u8], back: usize| {
        let position = octets.windows(needle.len()).position(|window| window == needle).unwrap();
        let mut octets = octets.clone();
        octets[position - back] ^= 0x55;
        Place::with_octets(&octets)
    };
    let console = damage(b"\x0c\x03end", 0).fail(&["--console", "full"]);
    assert!(console.contains("full is damaged or no stored result: console entry at byte "), "{console}");
    let place = damage(b"second", 1);
    let artifact = place.fail(&["--output", "out", "full"]);
    assert!(artifact.contains("full is damaged or no stored result: artifact path at byte "), "{artifact}");
    assert_eq!(read(&place.path("out/first")), "x");
    assert!(place.print(&["--console", "full"]).contains("hello"), "the console can still be read");
}

#[test]
fn what_is_no_result_is_refused_by_name() {
    let place = Place::with_octets(b"#!/bin/sh\n");
    let complaints = place.fail(&["full"]);
    assert!(complaints.starts_with("builder-inspect: full is damaged or no stored result: "), "{complaints}");
    let complaints = place.fail(&["missing"]);
    assert!(complaints.starts_with("builder-inspect: cannot open missing: "), "{complaints}");
    fs::create_dir(place.path("directory")).unwrap();
    make_fifo(&place.path("fifo"));
    for name in ["directory", "fifo"] {
        let complaints = place.fail(&[name]);
        assert_eq!(complaints, format!("builder-inspect: cannot open {name}: it is no regular file\n"));
    }
}

#[test]
fn a_wrong_command_line_is_told_from_a_failure() {
    let place = Place::with(&execution());
    for arguments in [&[][..], &["full", "full"], &["--unknown", "full"], &["full", "--output"]] {
        let output = place.inspect(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(stderr(&output).contains("builder-inspect --help"), "{arguments:?}");
    }
}

/// Writes a result with a console of `lines` lines of 100 octets and one artifact of `bytes` zero octets.
fn write_large_result(path: &Path, lines: i64, bytes: u64) {
    let mut console = Vec::new();
    for line in (0..lines).rev() {
        append_console_entry(&mut console, line * 1_000_000, &[b'x'; 100]);
    }
    let name = b"\x0c\x03big";
    let content = Header { tag: UTF8_STRING, length: bytes };
    let file = Header { tag: SEQUENCE, length: name.len() as u64 + content.total_length().unwrap() };
    let files = Header { tag: SEQUENCE, length: file.total_length().unwrap() };
    let Execution { job, uuid, started, finished, result, .. } = execution();
    let head = ExecutionHead {
        job,
        uuid,
        console_length: console.len() as u64,
        started,
        finished,
        result,
        output_length: files.total_length().unwrap(),
    };
    let layout = head.layout().unwrap();
    let mut output = layout.after_console;
    files.append_to(&mut output);
    file.append_to(&mut output);
    output.extend_from_slice(name);
    content.append_to(&mut output);
    let mut file = fs::File::create(path).unwrap();
    for part in [&layout.before_console, &console, &output] {
        file.write_all(part).unwrap();
    }
    file.set_len(layout.total_length).unwrap();
}

#[test]
fn memory_does_not_depend_on_the_size_of_the_result() {
    const LINES: i64 = 1_000_000;
    const BYTES: u64 = 100 << 20;
    let place = Place { directory: tempfile::tempdir().unwrap() };
    write_large_result(&place.path("full"), LINES, BYTES);
    let inspect = format!("ulimit -v 50000 && exec {PROGRAM} --console --output out full");
    let output = Command::new("sh").current_dir(&place.directory).args(["-c", &inspect]).output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
    let lines = output.stdout.split(|&octet| octet == b'\n').filter(|line| line.ends_with(b"xxxx")).count();
    assert_eq!(lines as i64, LINES);
    assert_eq!(fs::metadata(place.path("out/big")).unwrap().len(), BYTES);
}

#[test]
fn an_artifact_of_more_than_4_gib_is_listed() {
    let place = Place { directory: tempfile::tempdir().unwrap() };
    // Sparse: it takes no room.
    write_large_result(&place.path("full"), 1, 5 << 30);
    assert!(
        place
            .print(&["full"])
            .ends_with("artifact  big (5368709120 bytes)\nartifacts 1 (5368709120 bytes)\n")
    );
}
