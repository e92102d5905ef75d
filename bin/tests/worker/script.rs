//! How a script runs, and how its end is reported.

use crate::harness::{Setup, run};
use builder_proto::build_result::BuildResult;

fn message(result: &BuildResult) -> String {
    match result {
        BuildResult::Message(text) => text.to_string(),
        result => panic!("{result}"),
    }
}

#[test]
fn the_directory_is_private_and_holds_nothing_but_the_script() {
    let mut conversation = Setup::new().start("pwd; ls -A; stat -c %a . script.sh; echo \"$0\"");
    let directory = conversation.line();
    assert!(directory.starts_with(conversation.temporary.path().to_str().unwrap()), "{directory}");
    assert!(directory.contains("/builder-"), "{directory}");
    let report = conversation.finish();
    assert_eq!(report.text(), ["script.sh", "700", "500", &format!("{directory}/script.sh")]);
    report.assert_clean();
}

#[test]
fn directories_have_names_that_cannot_be_guessed() {
    let name = || run("basename \"$PWD\"").text()[0].to_owned();
    let (one, other) = (name(), name());
    assert_ne!(one, other);
    assert_eq!(one.len(), "builder-".len() + 16);
}

#[test]
fn there_is_nothing_to_read() {
    let report = run("readlink /proc/self/fd/0; read line || echo end");
    assert_eq!(report.text(), ["/dev/null", "end"]);
}

#[test]
fn the_script_leads_a_process_group_of_its_own() {
    let report = run("set -- $(cat /proc/$$/stat); [ \"$5\" = $$ ] && echo leader");
    assert_eq!(report.text(), ["leader"]);
}

#[test]
fn the_environment_is_passed_as_it_is() {
    let report = Setup::new().variable("BUILDER_TEST", "some value").run("echo \"$BUILDER_TEST\"");
    assert_eq!(report.text(), ["some value"]);
}

#[test]
fn a_script_without_interpreter_runs_under_the_shell() {
    assert_eq!(run("echo \"$(readlink /proc/$$/exe | sed 's,.*/,,')\"").result, BuildResult::Exited(0));
    assert_eq!(run("").result, BuildResult::Exited(0));
    assert_eq!(run("# comment\necho ok").text(), ["ok"]);
}

#[test]
fn the_interpreter_in_the_first_line_is_used() {
    let report = run("#!/bin/cat\nnot a command\n");
    assert_eq!(report.text(), ["#!/bin/cat", "not a command"]);
    assert_eq!(run("#!/bin/sh -e\nfalse\necho no").result, BuildResult::Exited(1));
}

#[test]
fn an_interpreter_that_is_not_there_is_reported() {
    let report = run("#!/no/such/interpreter\n");
    let message = message(&report.result);
    assert!(message.starts_with("cannot run the script: No such file or directory"), "{message}");
    assert!(message.contains("interpreter"), "{message}");
    report.assert_clean();
}

#[test]
fn a_directory_that_cannot_be_made_is_reported() {
    let report = Setup::new().temporary("/no/such/directory").run("true");
    let message = message(&report.result);
    assert!(message.starts_with("cannot make a directory for the job in /no/such/directory: "), "{message}");
    report.assert_clean();
}

#[test]
fn a_script_that_cannot_be_written_is_reported() {
    let report = Setup::new().prelude("ulimit -f 0").run("echo too long for this file system");
    let message = message(&report.result);
    assert!(message.starts_with("cannot write /") && message.contains("script.sh: "), "{message}");
    report.assert_clean();
}

#[test]
fn an_empty_tmpdir_counts_as_none() {
    let report = Setup::new().temporary("").run("pwd");
    assert!(report.text()[0].starts_with("/tmp/builder-"), "{:?}", report.text());
    report.assert_clean();
}

#[test]
fn a_script_that_a_signal_killed_is_reported_with_its_artifacts() {
    let report = run("echo partial > log; kill -KILL $$");
    assert_eq!(report.result, BuildResult::Signalled(9));
    assert_eq!(report.file("log"), b"partial\n");
    report.assert_clean();
}

#[test]
fn signals_have_their_usual_effect_in_jobs() {
    // The worker ignores SIGPIPE itself and is started with two others ignored that it handles.
    let report = Setup::new().prelude("trap '' TERM HUP").run("cat /proc/self/status");
    let mask = |name: &str| {
        let line = report.text().into_iter().find_map(|line| line.strip_prefix(name)).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    assert_eq!(mask("SigBlk:"), 0);
    let [hup, int, pipe, term, chld] = [1, 2, 13, 15, 17].map(|number| 1 << (number - 1));
    assert_eq!(mask("SigIgn:") & (hup | int | pipe | term | chld), 0);
}

#[test]
fn no_descriptors_leak_into_jobs() {
    let report = Setup::new().prelude("exec 7</dev/null 9</dev/null").run("ls /proc/self/fd | tr '\\n' ' '");
    // The fourth is the directory that ls reads.
    assert_eq!(report.text(), ["0 1 2 3 "]);
}

#[test]
fn a_job_that_takes_too_long_is_ended_and_reported_with_its_artifacts() {
    let script = "trap 'echo asked to end; exit 5' TERM; echo x > log; sleep 1000 & wait";
    let report = Setup::new().argument("--timeout").argument("700ms").run(script);
    assert_eq!(message(&report.result), "timeout after 700ms");
    assert_eq!(report.text(), ["asked to end"]);
    assert_eq!(report.file("log"), b"x\n");
    report.assert_clean();
}

#[test]
fn a_job_that_does_not_listen_is_killed() {
    let script = "trap '' TERM; echo started; sh -c 'exec sleep 1001'; sleep 1002";
    let report = Setup::new().argument("--timeout").argument("200ms").run(script);
    assert_eq!(message(&report.result), "timeout after 200ms");
    assert_eq!(report.text()[0], "started");
    report.assert_clean();
}
