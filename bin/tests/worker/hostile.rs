//! Jobs that mean harm.

use crate::harness::{Conversation, DAEMON, MOST_MEMORY, Setup, run, wait_until};
use builder_proto::build_result::BuildResult;
use builder_tests::is_alive;
use rustix::process::Signal;
use std::io::Read;

#[test]
fn endless_output_without_newline_takes_no_memory() {
    let mut conversation = Setup::new().start("head -c 300000000 /dev/zero");
    let mut lengths = Vec::new();
    while let Some(builder_proto::command::Command::Output { line, .. }) = conversation.receive() {
        lengths.push(line.as_bytes().len());
    }
    assert_eq!(lengths.iter().sum::<usize>(), 300_000_000);
    assert!(lengths.iter().all(|length| *length <= 65_536));
    let peak = conversation.peak_memory();
    assert!(peak < MOST_MEMORY, "{peak} bytes");
    conversation.close();
    conversation.end();
}

#[test]
fn a_fork_bomb_ends_with_its_script() {
    let Some(setup) = Setup::new().at_most_processes(200, 64_231) else { return };
    let script = "bomb() { bomb & bomb & wait; }
        (bomb 2> /dev/null) &
        sleep 0.5 && echo over || echo no room to sleep";
    let report = setup.run(script);
    // A shell that cannot fork any more gives up with a code of its own.
    assert!(matches!(report.result, BuildResult::Exited(_)), "{:?}", report.result);
    assert!(!report.text().iter().any(|line| line.contains("cannot be killed")), "{:?}", report.text());
    report.assert_clean();
}

#[test]
fn a_fork_bomb_of_many_groups_ends_with_its_script() {
    let Some(setup) = Setup::new().at_most_processes(200, 64_233) else { return };
    let script = format!(
        "printf '{DAEMON} sh bomb & {DAEMON} sh bomb & wait' > bomb
        sh bomb 2> /dev/null & sleep 0.5 && echo over || echo no room to sleep"
    );
    let report = setup.run(&script);
    // A shell that cannot fork any more gives up with a code of its own.
    assert!(matches!(report.result, BuildResult::Exited(_)), "{:?}", report.result);
    assert!(!report.text().iter().any(|line| line.contains("cannot be killed")), "{:?}", report.text());
    report.assert_clean();
}

#[test]
fn a_process_that_flees_by_forking_is_caught() {
    let Some(setup) = Setup::new().at_most_processes(50, 64_232) else { return };
    let report = setup.run(&format!("{DAEMON} sh -c 'flee() {{ flee & exit; }}; flee' & sleep 0.2"));
    assert!(matches!(report.result, BuildResult::Exited(_)), "{:?}", report.result);
    report.assert_clean();
}

#[test]
fn many_files_are_sent() {
    let report = run("mkdir many; cd many; seq 1 30000 | xargs touch");
    assert_eq!(report.files.len(), 30_000);
    report.assert_clean();
}

#[test]
fn a_file_larger_than_any_disk_is_announced_as_such() {
    let mut conversation = Setup::new().start("truncate -s 1T sparse");
    let mut length = [0; 8];
    conversation.stream().read_exact(&mut length).unwrap();
    assert!(u64::from_be_bytes(length) > 1 << 40);
    // Nobody wants that. The worker must notice while it sends.
    conversation.send(&builder_proto::command::Command::Failure("artifacts exceed 4 GiB".into()));
    conversation.end().assert_failed("the server refused: artifacts exceed 4 GiB");
}

#[test]
fn directories_deeper_than_any_path_are_removed() {
    // No single command here uses a path that is too long for it, which on FreeBSD is one of 1024 bytes.
    let script = "steps=$(seq -f 'deeper%04.0f' -s / 1 80); inner=
        for part in 1 2 3 4 5 6 7 8 9 10; do
            mkdir -p part$part/$steps || exit 1
            [ -z \"$inner\" ] || mv $inner part$part/$steps || exit 1
            inner=part$part
        done; touch $inner/file";
    let report = run(script);
    assert_eq!(report.result, BuildResult::Exited(0));
    assert_eq!(report.paths(), ["part10/file"]);
    assert_eq!(report.text(), ["builder-worker: a path of more than 4096 bytes is left out"]);
    report.assert_clean();
}

/// Makes so many links, each with two hundred detours, a thousand directories below. No path is longer than FreeBSD allows.
fn make_detours(links: usize) -> String {
    format!(
        "deep=$(printf 'a/%.0s' $(seq 1 500)); mkdir -p $deep; cd -P $deep; mkdir -p ${{deep}}x; cd -P $deep; touch file
        detour=$(printf 'x/../%.0s' $(seq 1 200))
        for number in $(seq 1 {links}); do ln -s ${{detour}}file detour$number; done; echo $$"
    )
}

#[test]
fn links_with_endless_detours_are_left_out() {
    let report = run(&make_detours(1));
    assert_eq!(report.result, BuildResult::Exited(0));
    let left_out = "/detour1 is a link that takes more than 100000 steps to follow; left out";
    assert!(report.text().iter().any(|line| line.ends_with(left_out)), "{:?}", report.text());
    report.assert_clean();
}

/// A worker that will look for artifacts for long.
fn looking_for_artifacts() -> Conversation {
    let mut conversation = Setup::new().start(&make_detours(100));
    let script = conversation.line().parse().unwrap();
    wait_until("the script has ended", || !is_alive(script));
    conversation
}

#[test]
fn a_worker_that_looks_for_artifacts_ends_when_asked() {
    let mut conversation = looking_for_artifacts();
    conversation.signal(Signal::TERM);
    assert_eq!(conversation.receive(), None, "no result, so that the server puts the job back");
    conversation.end().assert_failed("builder-worker: ended by SIGTERM");
}

#[test]
fn a_worker_that_looks_for_artifacts_ends_with_the_connection() {
    let mut conversation = looking_for_artifacts();
    conversation.close();
    conversation.end().assert_failed("builder-worker: the server went away during the build");
}

#[test]
fn a_job_may_put_a_link_where_its_directory_was() {
    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("kept"), "kept").unwrap();
    let script = format!(
        "echo mine > file; here=$PWD; mv \"$here\" \"$here.moved\"; ln -s {} \"$here\"",
        outside.path().display()
    );
    let report = run(&script);
    assert_eq!(report.paths(), ["file"], "what the job made, not what lies behind the link");
    assert!(outside.path().join("kept").exists());
    assert!(report.end.status.success());
    assert!(report.end.stderr.contains("cannot remove "), "{}", report.end.stderr);
}

#[test]
fn a_job_may_remove_its_directory() {
    let report = run("echo gone; rm -r \"$PWD\"");
    assert_eq!(report.result, BuildResult::Exited(0));
    assert_eq!(report.text()[0], "gone");
    report.assert_clean();
}

#[test]
fn a_job_that_stops_itself_times_out() {
    let report = Setup::new().argument("--timeout").argument("200ms").run("kill -STOP $$; echo woken");
    assert_eq!(report.result, BuildResult::Message("timeout after 200ms".into()));
    report.assert_clean();
}
