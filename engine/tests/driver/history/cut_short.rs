//! A file that ends too early, where nothing looks torn.

use super::{HISTORY, completed, frames, history, remembered, replace, settle, sorted, stored};
use crate::site::{Site, schedule, settings};
use builder_engine::driver::TaskKind;
use builder_engine::history::Entry;
use builder_engine::limits::{RETRY_TIME, WRITE_BACK_TIME};
use builder_proto::Uuid;
use builder_proto::command::Command;
use std::io::ErrorKind;

#[test]
fn a_file_that_ends_too_early_is_noticed_however_often_the_server_dies() {
    let mut site = Site::new(settings());
    let first = completed(&mut site, "a");
    let second = completed(&mut site, "b");
    let bytes = history(&mut site);
    // Between two frames, where nothing looks torn.
    let before_second = frames(&bytes)
        .into_iter()
        .find(|(_, entry)| matches!(entry, Entry::Artifacts(list) if list.uuid.0 == second));
    replace(&mut site, &bytes[..before_second.unwrap().0]);
    let site = site.restart();
    assert_eq!(remembered(&site), [first]);
    check_that_nothing_is_missing_in_the_end(site, bytes.len(), &[first, second]);
}

#[test]
fn a_file_that_ends_too_early_is_noticed_although_the_first_attempt_to_append_fails() {
    let mut site = Site::new(settings());
    let first = completed(&mut site, "a");
    let whole = history(&mut site).len();
    let second = completed(&mut site, "b");
    let bytes = history(&mut site);
    replace(&mut site, &bytes[..whole]);
    let mut site = site.restart();
    site.machine().files.fail("write", HISTORY, ErrorKind::StorageFull);
    let third = completed_beside_a_survey(&mut site, "c");
    assert_eq!(stored(&history(&mut site)), [first], "it has failed");
    site.machine().files.mend();
    site.pass(RETRY_TIME);
    check_that_nothing_is_missing_in_the_end(site, bytes.len(), &[first, second, third]);
}

/// The survey does not come to its end, but other builds do, and make the file longer than it was. After the next start,
/// everything is there that was.
fn check_that_nothing_is_missing_in_the_end(mut site: Site, length: usize, before: &[Uuid]) {
    let later = ["d", "e", "f"].map(|name| completed_beside_a_survey(&mut site, name));
    assert!(history(&mut site).len() >= length);
    assert_eq!(site.driver.server().state().ended_builds().count(), 0, "the log was told");
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), sorted([before, &later].concat()));
}

/// A build that ends and is carried over, while a survey does not come to its end.
fn completed_beside_a_survey(site: &mut Site, name: &str) -> Uuid {
    site.client(schedule(name, "true"));
    let worker = site.worker();
    site.turns();
    let Some(Command::JobSchedule { uuid, .. }) = site.heard(worker).pop() else { panic!("no job") };
    site.finish((worker, uuid));
    for _ in 0..2 {
        site.rest_but_for(TaskKind::Survey);
        site.pass(WRITE_BACK_TIME);
    }
    site.rest_but_for(TaskKind::Survey);
    uuid
}
