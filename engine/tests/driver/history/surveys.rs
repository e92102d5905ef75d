//! Looks at all stored results for builds that the history does not have.

use super::{
    HISTORY, check_artifact, completed, details, history, remembered, remove, replace, settle, sorted,
};
use crate::site::{Site, large_results, settings, uploading};
use builder_engine::driver::{Event, TaskKind, UploadEnd};
use builder_engine::limits::RETRY_TIME;
use builder_proto::Uuid;
use builder_proto::history::Build;
use std::io::ErrorKind;

fn is_surveying(site: &mut Site) -> bool {
    site.machine().tasks.iter().any(|task| task.kind() == TaskKind::Survey)
}

#[test]
fn what_a_stored_result_says_is_what_the_server_knew() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    site.print(build, b"and another one");
    site.complete(build);
    let (before, artifacts) = details(&mut site, build.1);
    remove(&mut site);
    let mut site = site.restart();
    settle(&mut site);
    // How long it waited and where it ran is not stored.
    let before = Build { queued: None, host: None, ..before };
    assert_eq!(details(&mut site, build.1), (before, artifacts));
}

#[test]
fn what_lies_beside_the_results_of_jobs_is_passed_over() {
    let mut site = Site::new(settings());
    let uuid = completed(&mut site, "job");
    remove(&mut site);
    let files = site.machine().files.clone();
    files.put("a-note", b"is no job");
    files.put(&format!("job/{}", Uuid::from_u128(7)), b"is no result");
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), [uuid]);
    let mut site = site.restart();
    assert!(!is_surveying(&mut site), "it has seen everything");
}

#[test]
fn each_build_that_was_found_is_told_of_before_the_file_has_it() {
    let mut site = Site::new(settings());
    let builds = ["a", "b"].map(|name| completed(&mut site, name));
    remove(&mut site);
    let mut site = site.restart();
    site.machine().files.fail("write", HISTORY, ErrorKind::StorageFull);
    settle(&mut site);
    assert_eq!(remembered(&site), builds);
    for (uuid, name) in builds.into_iter().zip(["a", "b"]) {
        let (build, artifacts) = details(&mut site, uuid);
        assert_eq!((build.uuid(), build.job), (uuid, name.into()));
        check_artifact(&artifacts);
    }
}

#[test]
fn a_look_that_is_over_is_not_repeated() {
    let mut site = Site::new(settings());
    completed(&mut site, "a");
    let shorter = history(&mut site);
    completed(&mut site, "b");
    replace(&mut site, &shorter);
    let mut site = site.restart();
    assert!(is_surveying(&mut site));
    settle(&mut site);
    // The file has everything, and still does when it becomes longer.
    completed(&mut site, "c");
    let mut site = site.restart();
    assert!(!is_surveying(&mut site));
}

#[test]
fn a_look_that_finds_many_builds_goes_on_until_it_has_found_all() {
    let mut site = Site::new(settings());
    let all: Vec<Uuid> = (0..150).map(|number| completed(&mut site, &format!("job-{number}"))).collect();
    remove(&mut site);
    let mut site = site.restart();
    let mut parts = Vec::new();
    while is_surveying(&mut site) {
        assert!(!site.driver.is_at_rest());
        site.finish_tasks();
        parts.push(remembered(&site).len());
        site.rest_but_for(TaskKind::Survey);
    }
    assert_eq!(remembered(&site), sorted(all));
    assert!(parts.len() > 2, "{parts:?}");
}

#[test]
fn a_result_that_is_removed_after_it_was_looked_at_is_known_to_be_gone() {
    let mut site = Site::new(uploading());
    let uuid = completed(&mut site, "job");
    remove(&mut site);
    let mut site = site.restart();
    site.turns();
    let files = site.machine().files.clone();
    let mut tasks = core::mem::take(&mut site.machine().tasks).into_iter();
    let survey = tasks.find(|task| task.kind() == TaskKind::Survey).expect("a look at stored results");
    let found = survey.run(&files).expect("an outcome");
    site.tell(Event::UploadEnded(UploadEnd::Done));
    site.rest();
    assert!(files.paths_besides_history().is_empty());
    site.tell(Event::TaskDone(found));
    site.rest();
    assert!(details(&mut site, uuid).0.end.unwrap().removed.is_some());
}

#[test]
fn a_build_of_whose_end_the_log_says_nothing_is_looked_for_however_often_the_server_dies() {
    check_that_a_build_is_looked_for(true);
}

#[test]
fn a_build_of_whose_end_the_log_says_nothing_is_looked_for_once_the_file_can_be_opened() {
    check_that_a_build_is_looked_for(false);
}

fn check_that_a_build_is_looked_for(opens: bool) {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    let log = site.machine().log.clone();
    let before = log.read("log");
    site.finish(build);
    site.rest();
    // As an earlier version would have left it: there is only the result.
    log.put("log", &before);
    if !opens {
        site.machine().files.fail("open", HISTORY, ErrorKind::Other);
    }
    let mut site = site.restart();
    site.machine().files.mend();
    site.pass(RETRY_TIME);
    // The look does not come to its end.
    site.rest_but_for(TaskKind::Survey);
    assert!(is_surveying(&mut site) && remembered(&site).is_empty());
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), [build.1]);
}

#[test]
fn a_look_that_fails_is_repeated_by_the_next_server() {
    let mut site = Site::new(settings());
    let uuid = completed(&mut site, "job");
    remove(&mut site);
    let mut site = site.restart();
    site.machine().files.fail("list", "", ErrorKind::PermissionDenied);
    settle(&mut site);
    assert!(remembered(&site).is_empty() && site.driver.is_at_rest());
    site.machine().files.mend();
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), [uuid]);
}
