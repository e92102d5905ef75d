//! What is carried over from the log into the file: when, and how often.

use super::{HISTORY, history, known_length, remembered, settle, stored};
use crate::site::{Site, settings};
use builder_engine::driver::Event;
use builder_engine::limits::{RETRY_TIME, WRITE_BACK_TIME};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::File;
use std::io::ErrorKind;

#[test]
fn what_the_file_has_is_not_appended_again_when_the_log_was_not_told() {
    let mut site = Site::new(settings());
    settle(&mut site);
    let build = site.build("job");
    site.finish(build);
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.turns();
    site.finish_tasks();
    // The server dies before it hears of that.
    assert_eq!(stored(&history(&mut site)), [build.1]);
    assert!(site.driver.server().state().ended_build(build.1).is_some());
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(stored(&history(&mut site)), [build.1], "once");
    assert!(site.driver.server().state().ended_build(build.1).is_none(), "the log was told");
}

#[test]
fn a_failed_attempt_is_repeated_later_and_leaves_nothing() {
    for operation in ["write", "sync"] {
        let mut site = Site::new(settings());
        settle(&mut site);
        let before = history(&mut site);
        site.machine().files.fail(operation, HISTORY, ErrorKind::StorageFull);
        let (worker, uuid) = site.build("job");
        let data = vec![];
        let finished = Command::JobFinished { uuid, result: BuildResult::Exited(1), data };
        site.say(worker, &finished.to_frame().unwrap());
        settle(&mut site);
        assert!(history(&mut site).len() > before.len(), "{operation}: some of it is there");
        assert_eq!(remembered(&site), [uuid], "{operation}: what the log has counts");
        assert!(site.driver.server().state().ended_build(uuid).is_some(), "{operation}");
        // What stands there now is longer than what comes next.
        let rest = [history(&mut site), vec![0xaa; 4096]].concat();
        site.machine().files.put(HISTORY, &rest);
        site.machine().files.mend();
        // Another attempt cannot even cut that off.
        site.machine().files.fail("set the length of", HISTORY, ErrorKind::Other);
        site.pass(RETRY_TIME);
        site.rest();
        site.machine().files.mend();
        site.pass(RETRY_TIME - WRITE_BACK_TIME);
        site.rest();
        assert!(site.driver.server().state().ended_build(uuid).is_some(), "{operation}: not yet");
        site.pass(WRITE_BACK_TIME);
        site.rest();
        let bytes = history(&mut site);
        assert_eq!(stored(&bytes), [uuid], "{operation}");
        assert_eq!(known_length(&site), bytes.len() as u64, "{operation}");
        let site = site.restart();
        assert_eq!(remembered(&site), [uuid], "{operation}");
    }
}

#[test]
fn what_is_too_much_for_one_append_follows_at_once() {
    let mut site = Site::new(settings());
    settle(&mut site);
    // An append has room for four lists of artifacts that are as long as they may be.
    let file = |number| File { path: format!("{number:04000}").as_str().into(), data: "".into() };
    let data: Vec<File> = (0..250).map(file).collect();
    for name in ["a", "b", "c", "d", "e", "f"] {
        let (worker, uuid) = site.build(name);
        let finished = Command::JobFinished { uuid, result: BuildResult::Exited(0), data: data.clone() };
        site.say(worker, &finished.to_frame().unwrap());
        site.rest();
    }
    assert_eq!(site.driver.server().state().ended_builds().count(), 6);
    site.pass(WRITE_BACK_TIME);
    site.rest();
    assert_eq!(stored(&history(&mut site)).len(), 6);
    assert_eq!(site.driver.server().state().ended_builds().count(), 0, "the log was told");
}

#[test]
fn builds_that_end_during_an_append_wait_until_it_is_over() {
    let mut site = Site::new(settings());
    settle(&mut site);
    let (first, second) = (site.build("a"), site.build("b"));
    // The later one ends first, so that its place in the file would be another one beside the other build.
    site.finish(second);
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.turns();
    let files = site.machine().files.clone();
    let tasks = core::mem::take(&mut site.machine().tasks);
    site.finish(first);
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.rest();
    for outcome in tasks.into_iter().filter_map(|task| task.run(&files)) {
        site.tell(Event::TaskDone(outcome));
    }
    site.rest();
    assert_eq!(stored(&history(&mut site)), [second.1, first.1]);
}
