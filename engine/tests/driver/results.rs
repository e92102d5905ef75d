//! What is in stored results, and what becomes of those that cannot be read.

use crate::site::{Site, large_results, settings, uploading};
use builder_proto::command::Command;
use builder_proto::execution::Execution;
use builder_tests::world::{Faults, STAGINGS};
use std::io::ErrorKind;

#[test]
fn a_console_of_several_blocks_is_stored_line_by_line() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    let lines: Vec<Vec<u8>> = (b'a'..=b'z').map(|letter| vec![letter; 40_000]).collect();
    for line in &lines {
        site.print(build, line);
    }
    site.finish(build);
    site.rest();
    let stored = site.machine().files.read(&format!("job/{}/full", build.1));
    let stored = Execution::decode(&stored).unwrap();
    assert!(stored.printed().iter().map(|line| line.line.as_bytes()).eq(lines.iter().map(Vec::as_slice)));
}

#[test]
fn a_large_result_is_stored_only_when_the_log_says_how_its_build_ended() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    site.finish(build);
    site.turns();
    // Its artifacts are looked at, and that is all that keeps it from its place.
    site.finish_tasks();
    let fails = Faults { failed_syncs: 1000, error: Some(ErrorKind::Other), ..Faults::default() };
    site.machine().log.set_faults(fails);
    assert!(site.try_turn().is_err());
    assert_eq!(site.machine().tasks.len(), 0, "no thread is at it");
}

#[test]
fn a_result_that_cannot_be_looked_at_is_not_taken_for_gone() {
    let mut site = Site::new(uploading());
    let build = site.build("job");
    site.machine().files.fail("size", "job/", ErrorKind::PermissionDenied);
    site.complete(build);
    assert!(site.machine().uploads.is_empty());
    assert_eq!(site.driver.server().state().waiting_uploads(), 1, "it is tried again");
}

#[test]
fn a_result_that_only_the_log_holds_can_be_observed() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    // What is in its place may be what a power failure has left there.
    site.machine().files.put(&format!("job/{}/full", build.1), b"half of it");
    site.machine().files.fail("rename", STAGINGS, ErrorKind::StorageFull);
    site.finish(build);
    site.rest();
    let observer = site.client(Command::Observe(build.1));
    site.rest();
    match site.heard(observer).as_slice() {
        [Command::ServerHello, Command::Output { line, .. }, Command::Output { .. }, Command::Success] => {
            assert_eq!(line.as_bytes(), b"a line");
        }
        heard => panic!("the observer heard {heard:?}"),
    }
}

#[test]
fn an_observer_is_told_how_a_build_ended_when_its_result_is_in_place() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    let observer = site.client(Command::Observe(build.1));
    site.rest();
    site.finish(build);
    site.turns();
    assert_eq!(site.heard(observer), [Command::ServerHello], "its file is being written");
    site.rest();
    assert_eq!(site.heard(observer).last(), Some(&Command::Success));
}
