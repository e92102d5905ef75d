//! What --keep-failed leaves of a job.

use crate::harness::{Setup, UUID};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command as Message;
use std::fs;

fn keeping() -> Setup {
    Setup::new().argument("--keep-failed")
}

#[test]
fn a_failed_job_leaves_its_directory_and_the_worker_says_so() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().to_str().unwrap();
    let report = keeping().temporary(path).run("echo trace > .trace; exit 4");
    assert_eq!(report.result, BuildResult::Exited(4));
    assert_eq!(report.end.status.code(), Some(3), "{:?}", report.end);
    let kept = fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().path());
    let [directory] = kept.collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(fs::read_to_string(directory.join(".trace")).unwrap(), "trace\n");
    assert!(directory.join("script.sh").exists());
    let notice = format!("build {UUID} failed; its directory {} is kept", directory.display());
    assert!(report.end.stderr.contains(&notice), "{}", report.end.stderr);
}

#[test]
fn a_job_that_ends_well_leaves_nothing() {
    keeping().run("true").assert_clean();
}

#[test]
fn without_the_option_a_failed_job_leaves_nothing() {
    Setup::new().run("exit 4").assert_clean();
}

#[test]
fn a_failed_job_that_runs_again_leaves_nothing() {
    let mut conversation = keeping().start("exit 4");
    assert!(matches!(conversation.receive(), Some(Message::JobFinished { .. })));
    conversation.send(&Message::Failure("not stored".into()));
    conversation.end().assert_failed("not stored");
}
