//! What scripts leave running, and what is done about it.

use crate::harness::{DAEMON, Setup, run, wait_until};
use builder_proto::build_result::BuildResult;
use builder_tests::is_alive;
use rustix::process::Signal;
use std::process::{Command, Stdio};

#[test]
fn background_children_are_killed_and_named() {
    let report = run("sleep 1003 & echo $!; echo done");
    let text = report.text();
    assert_eq!(
        text,
        [
            text[0],
            "done",
            &format!("builder-worker: killed process {} (sleep), which the script left behind", text[0]),
        ]
    );
    assert!(!is_alive(text[0].parse().unwrap()));
    assert_eq!(report.result, BuildResult::Exited(0));
    report.assert_clean();
}

#[test]
fn nothing_outlives_the_script_however_it_hides() {
    // A daemon: a session of its own, orphaned, console closed; and one that ignores what can be ignored.
    let script = format!(
        "{DAEMON} sh -c 'echo $$ > daemon; exec sleep 1004' < /dev/null > /dev/null 2>&1
        (trap '' TERM HUP INT; sh -c 'echo $$ > stubborn; exec sleep 1005' &)
        while [ ! -s daemon ] || [ ! -s stubborn ]; do sleep 0.01; done"
    );
    let report = run(&script);
    assert_eq!(report.paths(), ["daemon", "stubborn"]);
    for file in ["daemon", "stubborn"] {
        let pid = String::from_utf8_lossy(report.file(file)).trim().to_owned();
        assert!(!is_alive(pid.parse().unwrap()), "{file}");
        let line = format!("builder-worker: killed process {pid} (sleep), which the script left behind");
        assert!(report.text().contains(&line.as_str()), "{:?}", report.text());
    }
    report.assert_clean();
}

#[test]
fn the_descendants_of_what_is_killed_are_killed_too() {
    let script = format!(
        "printf '%s' '[ $1 = 3 ] || {DAEMON} sh nest $(($1 + 1)); echo $$ > nested$1; sleep 1006; :' > nest
        {DAEMON} sh nest 1
        while [ ! -s nested1 ] || [ ! -s nested2 ] || [ ! -s nested3 ]; do sleep 0.01; done"
    );
    let report = run(&script);
    for file in ["nested1", "nested2", "nested3"] {
        let pid = String::from_utf8_lossy(report.file(file)).trim().to_owned();
        assert!(!is_alive(pid.parse().unwrap()), "{file}");
        let line = format!("builder-worker: killed process {pid} (sh), which the script left behind");
        assert!(report.text().contains(&line.as_str()), "{:?}", report.text());
    }
    report.assert_clean();
}

#[test]
fn a_background_child_that_ends_soon_is_heard_to_its_end() {
    let report = run("(sleep 0.2; echo late) & echo early");
    assert_eq!(report.text(), ["early", "late"]);
    report.assert_clean();
}

#[test]
fn what_was_written_before_the_end_is_read() {
    let report =
        run("(seq 1 9000; echo > written; exec sleep 1007) & while [ ! -s written ]; do sleep 0.01; done");
    assert_eq!(report.lines.len(), 9001);
    assert_eq!(report.lines[8999], b"9000");
    report.assert_clean();
}

#[test]
fn processes_of_others_are_left_alone() {
    let mut other = Command::new("sleep").arg("1008").stdout(Stdio::null()).spawn().unwrap();
    let report = run("sleep 1008 &");
    report.assert_clean();
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
}

/// A job that is busy with a daemon and a child, and the process ids of all three.
fn busy(setup: &Setup) -> (crate::harness::Conversation, Vec<u32>) {
    let script = format!(
        "mkdir -p sub; echo x > sub/file; chmod 555 sub
        {DAEMON} sh -c 'echo $$; exec sleep 1009'; sleep 1010 & echo $!; echo $$; wait"
    );
    let mut conversation = setup.start(&script);
    let pids: Vec<u32> = (0..3).map(|_| conversation.line().parse().unwrap()).collect();
    assert!(pids.iter().all(|pid| is_alive(*pid)), "{pids:?}");
    (conversation, pids)
}

#[test]
fn the_job_goes_when_the_server_goes() {
    let (mut conversation, pids) = busy(&Setup::new().unprivileged());
    conversation.close();
    conversation.end().assert_failed("builder-worker: the server went away during the build");
    assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
}

#[test]
fn the_job_goes_when_the_worker_is_asked_to_go() {
    for (signal, name) in [(Signal::TERM, "SIGTERM"), (Signal::INT, "SIGINT")] {
        let (mut conversation, pids) = busy(&Setup::new());
        conversation.signal(signal);
        assert_eq!(conversation.receive(), None, "no result, so that the server puts the job back");
        conversation.end().assert_failed(&format!("builder-worker: ended by {name}"));
        assert!(!pids.iter().any(|pid| is_alive(*pid)), "{pids:?}");
    }
}

#[test]
fn a_worker_without_a_job_ends_when_asked() {
    let mut conversation = Setup::new().connect();
    conversation.greet();
    conversation.signal(Signal::TERM);
    conversation.end().assert_failed("builder-worker: ended by SIGTERM");
}

#[test]
fn orphans_of_a_long_job_do_not_pile_up() {
    let script = "i=0; while [ $i -lt 200 ]; do (true &); i=$((i+1)); done
        while ps -A -o ppid= -o state= | grep -q \"^ *$PPID  *Z\"; do sleep 0.01; done; echo none";
    let report = run(script);
    assert_eq!(report.text(), ["none"]);
    report.assert_clean();
}

#[test]
fn a_worker_that_its_job_kills_is_lost_and_says_nothing() {
    let mut conversation = Setup::new().start("kill -KILL $PPID; exec sleep 0.1");
    assert_eq!(conversation.receive(), None);
    wait_until("the worker is gone", || conversation.child.try_wait().unwrap().is_some());
}
