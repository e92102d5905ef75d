//! Scripts on their way into the schedule.

use super::{assert_sends, client, run, serve, stderr};
use builder_proto::command::Command;
use builder_proto::job::{OrbBuildJob, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::Period;
use std::fs::File;
use std::io::Write;
use std::process::Stdio;

#[test]
fn schedule_sends_the_bytes_of_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    std::fs::write(&path, b"#!/bin/sh\necho \xff\n").unwrap();
    let job = ScriptJob {
        name: "hello".into(),
        script: b"#!/bin/sh\necho \xff\n"[..].into(),
        platform: "p".into(),
    };
    let words = ["schedule", "hello", "p", path.to_str().unwrap(), "--period", "hourly"];
    assert_sends(&words, &Command::Schedule { period: Period::Hourly, job });
}

/// The longest script fits into a frame of 16 MiB exactly, and the next is refused by the name of its file.
#[test]
fn a_script_is_too_long_when_its_command_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    let words = ["schedule", "hello", "p", path.to_str().unwrap(), "--period", "never"];
    let rest = Command::Schedule {
        period: Period::Never,
        job: ScriptJob { name: "hello".into(), script: vec![0; 1 << 20].into(), platform: "p".into() },
    };
    let longest = (17 << 20) - rest.encode().unwrap().len();

    let script = vec![b'#'; longest];
    std::fs::write(&path, &script).unwrap();
    let job = ScriptJob { name: "hello".into(), script: script.into(), platform: "p".into() };
    assert_sends(&words, &Command::Schedule { period: Period::Never, job });

    std::fs::write(&path, vec![b'#'; longest + 1]).unwrap();
    let output = run("127.0.0.1:1", &words);
    let expected = format!(
        "builder-client: the script {} is longer than {longest} bytes; let it fetch the rest\n",
        path.display()
    );
    assert_eq!(stderr(&output), expected);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_dash_stands_for_a_script_on_standard_input() {
    let (remote, server) = serve(vec![vec![Command::Success]]);
    let mut client = client(&remote);
    client.args(["schedule", "hello", "p", "-"]).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    client.stdin.take().unwrap().write_all(b"#!/bin/sh\necho \xff\n").unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert!(output.status.success());
    let job = ScriptJob {
        name: "hello".into(),
        script: b"#!/bin/sh\necho \xff\n"[..].into(),
        platform: "p".into(),
    };
    assert_eq!(server.join().unwrap(), [Command::Schedule { period: Period::Daily, job }]);
}

#[test]
fn a_script_on_standard_input_has_the_same_limit() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    std::fs::write(&path, vec![b'#'; 17 << 20]).unwrap();
    let mut client = client("127.0.0.1:1");
    let output =
        client.args(["schedule", "hello", "p", "-"]).stdin(File::open(path).unwrap()).output().unwrap();
    let stderr = stderr(&output);
    assert!(stderr.starts_with("builder-client: the script on standard input is longer than "), "{stderr}");
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn without_a_period_a_script_runs_daily() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    std::fs::write(&path, "true").unwrap();
    let job = ScriptJob { name: "hello".into(), script: "true".into(), platform: "p".into() };
    let words = ["schedule", "hello", "p", path.to_str().unwrap()];
    assert_sends(&words, &Command::Schedule { period: Period::Daily, job });
}

#[test]
fn what_a_job_wants_besides_goes_with_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("script");
    std::fs::write(&path, "true").unwrap();
    let job = ScriptJob { name: "hello".into(), script: "true".into(), platform: "p".into() };
    let words = ["schedule", "hello", "p", path.to_str().unwrap()];
    let none = JobSettings::NONE;
    for (flags, settings, replaces, at) in [
        (&["--replace"][..], none, true, None),
        (&["--at", "03:05"], none, false, Some(185)),
        (&["--period=90m"], JobSettings { every: Some(5400), ..none }, false, None),
        (&["--keep", "10", "--keep", "30d"], keep(Some(10), Some(30 * 86_400)), false, None),
        (&["--keep", "all"], keep(Some(JobSettings::ALL_BUILDS), None), false, None),
        (
            &["--timeout=1h30m", "--silence=5m", "--skip-missed"],
            JobSettings { timeout: Some(5400), silence: Some(300), skip_missed: Some(true), ..none },
            false,
            None,
        ),
    ] {
        let sent = Command::Enter { period: Period::Daily, job: job.clone(), settings, replaces, at };
        assert_sends(&[&words[..], flags].concat(), &sent);
    }
    let job = OrbBuildJob { name: "web".into(), opam_package: "mirage-web".into() };
    let (settings, at) = (none, None);
    assert_sends(
        &["orb-build", "web", "mirage-web", "--replace", "--period=hourly"],
        &Command::EnterOrbBuild { period: Period::Hourly, job, settings, replaces: true, at },
    );
}

fn keep(keep_builds: Option<u64>, keep_seconds: Option<u64>) -> JobSettings {
    JobSettings { keep_builds, keep_seconds, ..JobSettings::NONE }
}

#[test]
fn a_script_that_cannot_be_read_is_named_before_connecting() {
    let output = run("127.0.0.1:1", &["schedule", "hello", "p", "/nonexistent/script"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cannot read the script /nonexistent/script: No such file"));
}
