//! How a script runs, and how its end is reported.

use crate::harness::{Setup, run};
use builder_proto::build_result::BuildResult;
use rustix::process::Signal;

fn message(result: &BuildResult) -> String {
    match result {
        BuildResult::Message(text) => text.to_string(),
        result => panic!("{result}"),
    }
}

#[test]
fn the_directory_is_private_and_holds_nothing_but_the_script() {
    let mut conversation = Setup::new().start("pwd; ls -A; ls -ld . script.sh | cut -c 1-10; echo \"$0\"");
    let directory = conversation.line();
    assert!(directory.starts_with(conversation.temporary.path().to_str().unwrap()), "{directory}");
    assert!(directory.contains("/builder-"), "{directory}");
    let report = conversation.finish();
    assert_eq!(report.text(), ["script.sh", "drwx------", "-r-x------", &format!("{directory}/script.sh")]);
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
    // The worker itself has something; a closed descriptor would not do either.
    let report = Setup::new().prelude("exec < /etc/passwd").run("cat && echo end");
    assert_eq!(report.text(), ["end"]);
}

#[test]
fn the_script_leads_a_process_group_of_its_own() {
    let report = run("echo $$; echo $(ps -o pgid= -p $$) $(ps -o pgid= -p $PPID)");
    let (own, groups) = (report.text()[0], report.text()[1]);
    let (group, worker) = groups.split_once(' ').unwrap();
    assert_eq!(group, own);
    assert_ne!(worker, own);
}

#[test]
fn the_environment_is_passed_as_it_is() {
    let report = Setup::new().variable("BUILDER_TEST", "some value").run("echo \"$BUILDER_TEST\"");
    assert_eq!(report.text(), ["some value"]);
}

#[test]
fn a_script_without_interpreter_runs_under_the_shell() {
    assert_eq!(run("ps -o comm= -p $$").text(), ["sh"]);
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
    let report = Setup::new().prelude("trap '' TERM HUP").run("exec ps -o sigmask= -o sigignore= -p $$");
    let masks: Vec<u64> =
        report.text()[0].split_whitespace().map(|mask| u64::from_str_radix(mask, 16).unwrap()).collect();
    let bits = [Signal::HUP, Signal::INT, Signal::PIPE, Signal::TERM, Signal::CHILD];
    let bits = bits.into_iter().fold(0, |bits, signal| bits | 1 << (signal.as_raw() - 1));
    assert_eq!(masks.iter().map(|mask| mask & bits).collect::<Vec<_>>(), [0, 0], "{masks:x?}");
}

#[test]
fn no_descriptors_leak_into_jobs() {
    let setup = Setup::new().prelude("exec 7</dev/null 9</dev/null");
    let report = setup.run("for fd in 0 1 2 3 4 5 6 7 8 9; do (true <&$fd) 2> /dev/null && echo $fd; done");
    assert_eq!(report.text(), ["0", "1", "2"]);
    // Only here the system shows them all to everyone. The fourth is the directory that ls reads.
    if cfg!(target_os = "linux") {
        assert_eq!(setup.run("ls /proc/self/fd").text(), ["0", "1", "2", "3"]);
    }
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
