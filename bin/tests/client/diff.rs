//! `diff`, against a server whose builds each test makes up.

use super::{run, serve, stderr, stdout};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::{Artifact, Build, BuildEnd, Cause, HistoryQuery, Sha256};
use builder_proto::job::ScriptJob;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use serde_json::{Value, json};
use std::process::Output;
use std::time::Duration;

/// A build with all that a server knows of it.
#[derive(Clone)]
struct Known {
    build: Build,
    script: Option<&'static str>,
    console: Option<Vec<&'static str>>,
    artifacts: Vec<Artifact>,
}

/// A build of the job `site` that started on this day of 1970, and took this many seconds.
fn known(day: u8, seconds: u64, code: i64) -> Known {
    let started = Time::UNIX_EPOCH.saturating_add(Duration::from_secs(u64::from(day - 1) * 86_400));
    let end = BuildEnd::new(started.saturating_add(Duration::from_secs(seconds)), Cause::Exited(code));
    Known {
        build: Build {
            uuid: RawUuid(Uuid::from_bytes([day; 16])),
            job: "site".into(),
            platform: "linux".into(),
            started,
            queued: None,
            host: Some("192.0.2.1".into()),
            end: Some(end),
        },
        script: Some("#!/bin/sh\nmake\n"),
        console: Some(vec!["begin", "end"]),
        artifacts: Vec::new(),
    }
}

fn artifact(path: &str, size: u64, digest: Option<u8>) -> Artifact {
    Artifact { path: path.into(), size, sha256: digest.map(|byte| Sha256([byte; 32])) }
}

impl Known {
    fn uuid(&self) -> Uuid {
        self.build.uuid()
    }

    fn end(&mut self) -> &mut BuildEnd {
        self.build.end.as_mut().unwrap()
    }

    fn named(&self) -> Vec<Command> {
        vec![Command::Build(self.build.clone()), Command::Success]
    }

    fn details(&self) -> Vec<Command> {
        let mut build = self.build.clone();
        let end = build.end.as_mut().unwrap();
        end.artifacts = end.artifacts.max(self.artifacts.len() as u64);
        let uuid = self.uuid();
        let mut answers = vec![Command::Build(build)];
        answers.extend(self.script.map(|script| Command::JobSchedule {
            uuid,
            job: ScriptJob { name: "site".into(), script: script.into(), platform: "linux".into() },
        }));
        answers.extend(self.artifacts.iter().cloned().map(Command::Artifact));
        answers.push(Command::Success);
        answers
    }

    fn printed(&self) -> Vec<Command> {
        let Some(lines) = &self.console else { return vec![Command::Failure("uuid not found".into())] };
        let uuid = self.uuid();
        let result = self.build.end.as_ref().unwrap().cause.to_string();
        let lines = lines.iter().map(|line| (*line).to_owned()).chain([result]);
        let output = |line: String| Command::Output { uuid, line: line.into(), timestamp: Some(1) };
        lines.map(output).chain([Command::Success]).collect()
    }
}

/// Compares two builds by their uuids.
fn compare(old: &Known, new: &Known, flags: &[&str]) -> Output {
    let mut answers = vec![old.named(), new.named(), old.details(), new.details()];
    let mut consoles = vec![old.printed(), new.printed()];
    if old.console.is_none() {
        consoles.pop();
    }
    // What is known to be empty is not asked for.
    let is_empty = |one: &Known| one.build.end.as_ref().unwrap().console_lines == 0;
    if !(is_empty(old) && is_empty(new)) {
        answers.append(&mut consoles);
    }
    let (remote, server) = serve(answers);
    let words = [old, new].map(|one| one.uuid().to_string());
    let output = run(&remote, &[&["diff", &words[0], &words[1]], flags].concat());
    server.join().unwrap();
    output
}

/// Two builds that printed something, and are the same.
fn same() -> [Known; 2] {
    [known(1, 60, 0), known(2, 90, 0)].map(|mut one| {
        one.end().console_lines = 2;
        one.end().console_bytes = 10;
        one.artifacts = vec![artifact("bin/site", 5, Some(1))];
        one
    })
}

fn assert_found(output: &Output, code: i32, expected: &str) {
    assert_eq!(stdout(output), expected, "{}", stderr(output));
    assert_eq!(output.status.code(), Some(code), "{}", stderr(output));
}

const HEAD: &str = "\
site on linux
- 01010101-0101-0101-0101-010101010101  1970-01-01T00:00:00Z  took 1m 0s
+ 02020202-0202-0202-0202-020202020202  1970-01-02T00:00:00Z  took 1m 30s
";

#[test]
fn builds_that_differ_only_in_how_long_they_took_are_the_same() {
    let [old, new] = same();
    let output = compare(&old, &new, &[]);
    let rest = "\
Environment: the same
Script: the same, 2 lines
Cause: the same
Console: the same, 2 lines
Artifacts: the same, 1 file
";
    assert_found(&output, 0, &format!("{HEAD}{rest}"));
    assert_eq!(stderr(&output), "");
}

#[test]
fn everything_that_differs_is_shown() {
    let [mut old, mut new] = same();
    new.build.host = Some("192.0.2.2".into());
    new.end().cause = Cause::Exited(1);
    new.script = Some("#!/bin/sh\nmake all\n");
    old.console = Some(vec!["1", "2", "3", "4", "fine", "end"]);
    new.console = Some(vec!["1", "2", "3", "4", "not", "fine", "end"]);
    old.artifacts.extend([artifact("gone", 1, Some(1)), artifact("grown", 1024, Some(1))]);
    old.artifacts.push(artifact("other", 3, Some(1)));
    new.artifacts.extend([artifact("grown", 2048, Some(2)), artifact("new", 7, Some(1))]);
    new.artifacts.push(artifact("other", 3, Some(2)));
    let rest = "\
Environment: different
- host 192.0.2.1
+ host 192.0.2.2
Script: 1 line removed, 1 added
@@ -1,2 +1,2 @@
 #!/bin/sh
-make
+make all
Cause: different
- exited 0
+ exited 1
Console: 0 lines removed, 1 added
@@ -2,5 +2,6 @@
 2
 3
 4
+not
 fine
 end
Artifacts: 1 removed, 1 added, 2 changed, 1 the same
- gone, 1 byte
+ new, 7 bytes
! grown, 2.0 KiB, 1.0 KiB before
! other, 3 bytes, other content
";
    let output = compare(&old, &new, &[]);
    assert_found(&output, 1, &format!("{HEAD}{rest}"));

    let output = compare(&old, &new, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(found["same"], false);
    assert_eq!(found["old"]["uuid"], "01010101-0101-0101-0101-010101010101");
    assert_eq!((&found["old"]["seconds"], &found["new"]["exit_code"]), (&json!(60.0), &json!(1)));
    let change = |name: &str, old: &str, new: &str| json!({ "name": name, "old": old, "new": new });
    let changes = |change| json!({ "same": false, "changes": [change] });
    assert_eq!(found["environment"], changes(change("host", "192.0.2.1", "192.0.2.2")));
    assert_eq!(found["cause"], changes(change("cause", "exited 0", "exited 1")));
    let line = |place: &str, text: &str| json!({ "in": place, "text": text });
    let hunk = json!({
        "old_start": 1, "old_lines": 2, "new_start": 1, "new_lines": 2,
        "lines": [line("both", "#!/bin/sh"), line("old", "make"), line("new", "make all")],
    });
    assert_eq!(found["script"], json!({ "same": false, "reason": null, "hunks": [hunk] }));
    assert_eq!(found["console"]["hunks"][0]["lines"].as_array().unwrap().len(), 6);
    let digest = |byte: u8| Sha256([byte; 32]).to_string();
    let expected = json!({
        "same": false,
        "reason": null,
        "removed": [{ "path": "gone", "size": 1, "sha256": digest(1) }],
        "added": [{ "path": "new", "size": 7, "sha256": digest(1) }],
        "changed": [
            {
                "path": "grown",
                "old": { "size": 1024, "sha256": digest(1) },
                "new": { "size": 2048, "sha256": digest(2) },
            },
            {
                "path": "other",
                "old": { "size": 3, "sha256": digest(1) },
                "new": { "size": 3, "sha256": digest(2) },
            },
        ],
        "unchanged": 1,
    });
    assert_eq!(found["artifacts"], expected);
}

#[test]
fn what_cannot_be_compared_is_said_and_is_not_the_same() {
    let [mut old, new] = same();
    old.end().removed = Some(Time::UNIX_EPOCH);
    old.script = None;
    old.console = None;
    let reason = "01010101-0101-0101-0101-010101010101 was removed at 1970-01-01T00:00:00Z";
    let rest = format!(
        "Environment: the same
Script: not compared
  {reason}
Cause: the same
Console: not compared
  {reason}
Artifacts: the same, 1 file
"
    );
    let output = compare(&old, &new, &[]);
    assert_found(&output, 2, &format!("{HEAD}{rest}"));
    let complaint =
        "builder-client: no difference was found, but not everything could be compared, as is said above\n";
    assert_eq!(stderr(&output), complaint);
    let output = compare(&old, &new, &["--json"]);
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!((output.status.code(), &found["same"]), (Some(2), &Value::Null));
    assert_eq!(found["script"], json!({ "same": null, "reason": reason, "hunks": [] }));

    let [mut old, mut new] = same();
    old.artifacts[0].sha256 = None;
    let output = compare(&old, &new, &[]);
    let line = "Artifacts: 1 of the same size, whose content is not known\n";
    assert!(stdout(&output).ends_with(line), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(2));

    new.artifacts.clear();
    new.end().artifacts = 1_000_000;
    let output = compare(&old, &new, &[]);
    let line = "Artifacts: not compared\n  02020202-0202-0202-0202-020202020202 has 1000000 artifacts, and no list of them\n";
    assert!(stdout(&output).ends_with(line), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn consoles_that_are_known_to_be_empty_are_not_asked_for() {
    let [old, new] = same().map(|mut one| {
        one.end().console_lines = 0;
        one.end().console_bytes = 0;
        one
    });
    let output = compare(&old, &new, &[]);
    assert!(stdout(&output).contains("\nConsole: the same, empty\n"), "{}", stdout(&output));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn names_and_lines_control_nothing() {
    let [mut old, mut new] = same();
    for one in [&mut old, &mut new] {
        one.build.job = "si\x1b[2Jte".into();
    }
    old.console = Some(vec!["a\x1b[2J"]);
    new.console = Some(vec!["b\u{9b}2J"]);
    new.artifacts = vec![artifact("../\x1b[2J\n", 5, Some(1))];
    new.build.host = Some("\x1b[2J".into());
    let output = compare(&old, &new, &[]);
    let shown = stdout(&output);
    assert!(shown.starts_with("si\\x1b[2Jte on linux\n"), "{shown}");
    assert!(shown.contains("+ host \\x1b[2J\n") && shown.contains("+ ../\\x1b[2J\\n, 5 bytes\n"), "{shown}");
    // In a file or a pipe, what a job printed is what it was, as with observe.
    assert!(shown.contains("\n-a\x1b[2J\n+b\u{9b}2J\n"), "{shown}");
    let object = stdout(&compare(&old, &new, &["--json"]));
    assert!(!object.contains(['\x1b', '\u{9b}']), "{object}");
    let found: Value = serde_json::from_str(&object).unwrap();
    assert_eq!(found["console"]["hunks"][0]["lines"][1]["text"], "b\u{9b}2J");
}

/// Compares builds of a job: the server knows these, the last one first, and the first number is the one that is compared with
/// the second.
fn assert_chosen(builds: &[&Known], words: &[&str], pair: [usize; 2]) {
    let history: Vec<Command> = builds.iter().map(|one| Command::Build(one.build.clone())).collect();
    let history = [history, vec![Command::Success]].concat();
    let [new, old] = pair.map(|number| builds[number]);
    let first = vec![Command::Build(new.build.clone()), Command::Success];
    let (remote, server) = serve(vec![first, history, old.details(), new.details()]);
    let output = run(&remote, words);
    let asked = server.join().unwrap();
    assert!(matches!(output.status.code(), Some(0 | 1)), "{words:?}: {}", stderr(&output));
    let expected =
        HistoryQuery { job: Some("site".into()), platform: Some("linux".into()), ..HistoryQuery::default() };
    assert_eq!(
        asked[1..],
        [Command::History(expected), Command::Details(old.uuid()), Command::Details(new.uuid())]
    );
}

#[test]
fn a_failure_is_compared_with_the_last_success_and_a_success_with_the_build_before() {
    let [success, failure, newer, last] =
        [(1, 0), (2, 1), (3, 1), (4, 0)].map(|(day, code)| known(day, 1, code));
    let failed = [&newer, &failure, &success];
    let succeeded = [&last, &newer, &failure, &success];
    assert_chosen(&failed, &["diff", "site"], [0, 2]);
    assert_chosen(&failed, &["diff", "site", "--previous"], [0, 1]);
    assert_chosen(&failed, &["diff", "site", "--platform", "linux"], [0, 2]);
    assert_chosen(&succeeded, &["diff", "site"], [0, 1]);
    assert_chosen(&succeeded, &["diff", "site", "--last-success"], [0, 3]);
    assert_chosen(&succeeded, &["diff", "03030303"], [1, 3]);
}

#[test]
fn without_an_earlier_build_there_is_nothing_to_compare() {
    let failure = known(2, 1, 1);
    let complain = |flags: &[&str]| {
        let (remote, server) = serve(vec![failure.named(), failure.named()]);
        let output = run(&remote, &[&["diff", "site"], flags].concat());
        server.join().unwrap();
        assert_eq!((output.status.code(), stdout(&output)), (Some(2), String::new()));
        stderr(&output)
    };
    let expected = |what: &str| {
        format!(
            "builder-client: no build of site on linux {what} before 02020202-0202-0202-0202-020202020202, so there \
             is nothing to compare that one with; 'builder-client history site' lists its builds\n"
        )
    };
    assert_eq!(complain(&[]), expected("has ended"));
    assert_eq!(complain(&["--last-success"]), expected("has succeeded"));
}

#[test]
fn flags_that_do_not_go_together_are_refused() {
    for (words, complaint) in [
        (&["diff"][..], "JOB|UUID is missing; write diff JOB|UUID [UUID]"),
        (&["diff", "a", "b", "c"], "c is one word too many"),
        (&["diff", "a", "b", "--previous"], "--previous does not go with two builds; leave it out"),
        (&["diff", "a", "b", "--platform=p"], "--platform does not go with two builds; leave it out"),
        (&["diff", "a", "--previous", "--last-success"], "--previous and --last-success exclude each other"),
        (&["info", "--previous"], "--previous does not go with info; leave it out"),
    ] {
        let output = run("127.0.0.1:1", words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        assert!(stderr(&output).contains(complaint), "{words:?}: {}", stderr(&output));
    }
}
