//! Command lines: what may be typed, and what is said of the rest.

use super::{UUID, assert_sends, client, run, serve, stderr, stdout};
use builder::command_line::Count;
use builder_proto::command::Command;
use builder_proto::job::OrbBuildJob;
use builder_proto::time::Period;

#[test]
fn options_may_stand_on_either_side_of_the_command() {
    let job = OrbBuildJob { name: "web".into(), opam_package: "mirage-web".into() };
    let daily = Command::ScheduleOrbBuild { period: Period::Daily, job: job.clone() };
    let weekly = Command::ScheduleOrbBuild { period: Period::Weekly, job };
    assert_sends(&["orb-build", "web", "mirage-web"], &daily);
    assert_sends(&["orb-build", "web", "mirage-web", "--period", "weekly"], &weekly);
    assert_sends(&["--period=weekly", "orb-build", "web", "mirage-web"], &weekly);
    assert_sends(&["orb-build", "--period", "weekly", "web", "-q", "mirage-web"], &weekly);
}

#[test]
fn wrong_usage_ends_with_2_and_advice() {
    for (words, advice) in [
        (&[][..], "there is no command; write schedule, orb-build"),
        (&["dance"], "there is no command dance; write schedule, orb-build"),
        (&["shedule", "a"], "there is no command shedule; did you mean schedule?"),
        (&["observe-lastest"], "there is no command observe-lastest; did you mean observe-latest?"),
        (&["execute"], "NAME is missing; write execute NAME"),
        (&["schedule", "a", "b"], "FILE is missing; write schedule NAME PLATFORM FILE"),
        (&["execute", "a", "now"], "now is one word too many; write execute NAME"),
        (&["pause", ""], "PLATFORM is empty; write pause PLATFORM"),
        (&["info", "a", ""], "NAME is empty; write info [NAME]..."),
        (&["history", "--platform", ""], "--platform is empty; name one, or leave it out"),
        (&["schedule", "a/b", "p", "f"], "job name a/b must not contain /"),
        (&["schedule", "a", ".p", "f"], "platform name .p must not start with a dot"),
        (&["orb-build", "state", "p"], "job name state is reserved"),
        (&["orb-build", "a", "p", "--period", "often"], "--period often: not a period; choose hourly, daily"),
        (
            &["orb-build", "a", "p", "--period", "30s"],
            "--period is too short: a job runs at most once in a minute",
        ),
        (&["orb-build", "a", "p", "--period", "6M"], "--period 6M: not a period"),
        (
            &["orb-build", "a", "p", "--at", "25:00"],
            "--at 25:00: not a time of day; write it from 00:00 to 23:59",
        ),
        (&["orb-build", "a", "p", "--timeout", "0s"], "--timeout 0s: the time must be longer than nothing"),
        (&["orb-build", "a", "p", "--timeout", "1500ms"], "--timeout: a time is of whole seconds; round it"),
        (&["orb-build", "a", "p", "--silence", "soon"], "--silence soon: not a span of time"),
        (
            &["orb-build", "a", "p", "--silence", "2h", "--timeout", "1h"],
            "--silence must be shorter than --timeout, or it is never reached",
        ),
        (&["orb-build", "a", "p", "--keep", "0"], "--keep 0: the newest result is always kept"),
        (
            &["orb-build", "a", "p", "--keep", "some"],
            "--keep some: write how many results to keep, such as 10",
        ),
        (
            &["orb-build", "a", "p", "--keep", "5", "--keep", "6"],
            "--keep is given twice with a number, or twice with a time; keep one of each",
        ),
        (&["execute", "a", "--replace"], "--replace does not go with execute"),
        (
            &["reschedule", "x", "2026-01-02T03:04:05Z", "--period", "6h"],
            "reschedule x: the period is hourly, daily, weekly or never; for another one, schedule the job again with",
        ),
        (&["reschedule", "x", "tomorrow"], "tomorrow: not a time; write it like 2026-01-02T03:04:05Z"),
        (&["reschedule", "x", "2026-01-02T03:04:05"], "the time has no zone"),
        (&["observe", "latest"], "observe latest: not a uuid; did you mean observe-latest?"),
        (
            &["observe", "hello"],
            "not a uuid; copy one from 'builder-client info'; if it is a job, write observe-latest --job hello",
        ),
        (&["info", "--period", "daily"], "--period does not go with info"),
        (&["unschedule", "a", "--platform", "p"], "--platform does not go with unschedule"),
        (&["execute", "a", "--job", "b"], "--job does not go with execute"),
        (&["info", "-r", "localhost"], "--remote localhost: not an address; write HOST:PORT or unix:PATH"),
        (&["info", "-r", "::1:1234"], "an IPv6 address needs brackets; write it like [::1]:1234"),
        (&["history", "a", "b"], "b is one word too many; write history [JOB]"),
        (&["history", "--limit", "0"], "--limit 0: a limit is a number from 1 to 1000000"),
        (&["history", "--limit", "some"], "--limit some: a limit is a number"),
        (
            &["history", "--since", "soon"],
            "--since soon: not a time; write 90m, 2h, 7d or 2w for so long ago",
        ),
        (&["history", "--since", "2026-13-01"], "--since 2026-13-01: there is no such date"),
        (&["history", "--period", "daily"], "--period does not go with history"),
        (&["info", "--failed"], "--failed does not go with info"),
        (&["logs"], "JOB|UUID is missing; write logs JOB|UUID"),
        (
            &["logs", "x", "--grep", "("],
            "--grep (: not a regular expression: unclosed group; write \\ in front of",
        ),
        (&["logs", "x", "--grep", "a{1000}{1000}"], "the pattern takes too much memory"),
        (&["logs", "x", "--times", "late"], "--times late: choose relative, absolute or none"),
        (
            &["logs", "x", "--since", "1h"],
            "--since tells which builds --grep searches, without --follow; leave it out",
        ),
        (
            &["logs", "x", "--grep", "a", "--follow", "--limit", "1"],
            "--limit tells which builds --grep searches",
        ),
        (&["info", "--colour"], "there is no option --colour"),
        (&["info", "-r"], "-r needs a value after it"),
        (&["info", "-r", "a:1", "-r", "b:1"], "--remote is given twice; keep one"),
    ] {
        let output = run("", words);
        assert_eq!(output.status.code(), Some(2), "{words:?}");
        let stderr = stderr(&output);
        assert!(stderr.starts_with("builder-client: "), "{stderr}");
        assert!(stderr.contains(advice), "{stderr}");
        assert!(stderr.ends_with("Try 'builder-client --help' for more.\n"), "{stderr}");
        assert_eq!(stdout(&output), "");
    }
    let output = run("nowhere", &["info"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("BUILDER_REMOTE nowhere: not an address"));
}

#[test]
fn every_command_takes_the_words_that_help_names() {
    for entry in builder::client::PROGRAM.commands {
        let word = |name| match name {
            "UUID" => UUID,
            "KIND" => "jobs",
            "TIME" => "2026-01-02T03:04:05Z",
            // There is such a file.
            "FILE" => "/dev/null",
            _ => "word",
        };
        let mut line = vec![entry.name];
        for expected in entry.words {
            let is_optional = matches!(expected.count, Count::Any | Count::Optional);
            let output = run("127.0.0.1:1", &line);
            let missing = format!("{} is missing; write {}\n", expected.value.name, entry.form());
            assert_eq!(stderr(&output).contains(&missing), !is_optional, "{line:?}: {output:?}");
            line.push(word(expected.value.name));
        }
        // All is there but a server.
        let code = match entry.name {
            "diff" => 2,
            "verify" => 127,
            _ => 1,
        };
        assert_eq!(run("127.0.0.1:1", &line).status.code(), Some(code), "{line:?}");
    }
}

#[test]
fn help_and_version_need_no_server() {
    let help = run("127.0.0.1:1", &["--help"]);
    assert!(help.status.success());
    assert!(stdout(&help).contains("observe-latest"));
    let version = run("127.0.0.1:1", &["--version"]);
    assert!(stdout(&version).ends_with(" (client protocols 13 and 14, worker protocol 5)\n"));
}

#[test]
fn the_option_counts_more_than_the_environment() {
    let (remote, server) = serve(vec![vec![Command::Success]]);
    let output = client("127.0.0.1:1").args(["-r", &remote, "unschedule", "x"]).output().unwrap();
    assert!(output.status.success());
    server.join().unwrap();
}
