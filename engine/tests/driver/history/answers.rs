//! What clients are told of the builds that the history has.

use super::{
    HISTORY, check_artifact, completed, details, history, list, remembered, settle, sorted, stored, told,
    uuids,
};
use crate::site::{Site, large_results, settings, uploading};
use builder_engine::driver::{Event, Task, TaskKind, UploadEnd};
use builder_engine::limits::WRITE_BACK_TIME;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::{Cause, HistoryQuery};
use builder_proto::job::File;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_tests::world::DataDirectory;
use core::time::Duration;
use std::io::ErrorKind;

#[test]
fn a_build_whose_result_was_removed_is_told_of_with_the_time() {
    let mut site = Site::new(uploading());
    let uuid = completed(&mut site, "job");
    assert_eq!(details(&mut site, uuid).0.end.unwrap().removed, None);
    site.tell(Event::UploadEnded(UploadEnd::Done));
    settle(&mut site);
    assert!(site.machine().files.paths_besides_history().is_empty());
    let removed = details(&mut site, uuid).0.end.unwrap().removed;
    assert!(removed.is_some());
    assert_eq!(site.driver.server().state().removed_results().count(), 0, "the file has it");
    let mut site = site.restart();
    settle(&mut site);
    let (build, artifacts) = details(&mut site, uuid);
    assert_eq!(build.end.unwrap().removed, removed);
    check_artifact(&artifacts);
    assert_eq!(list(&mut site, HistoryQuery::default())[0].end.as_ref().unwrap().removed, removed);
}

#[test]
fn no_build_is_told_of_twice_or_left_out_while_builds_end() {
    let by_time = HistoryQuery::default();
    let by_uuid = HistoryQuery { uuid: Some("".into()), ..HistoryQuery::default() };
    for query in [by_time, by_uuid] {
        let mut site = Site::new(settings());
        let mut all: Vec<Uuid> =
            (0..100).map(|number| completed(&mut site, &format!("job-{number}"))).collect();
        // It began after fifty others, and is still at it when the client asks.
        let old = site.build("old");
        all.push(old.1);
        all.extend((0..100).map(|number| completed(&mut site, &format!("later-{number}"))));
        let client = site.client(Command::History(query.clone()));
        site.turns();
        // The first builds are read; that there is room for more does not have others read beside them.
        site.tell(Event::Writable(client));
        // The old one ends before it is its turn.
        site.finish(old);
        let told = told(&mut site, client);
        assert_eq!(told.len(), all.len(), "{query:?}");
        assert_eq!(sorted(uuids(&told)), sorted(all), "{query:?}");
    }
}

#[test]
fn builds_are_found_by_what_is_asked_for() {
    let mut site = Site::new(settings());
    let first = completed(&mut site, "a");
    site.pass(Duration::from_secs(60));
    let (worker, failed) = site.build("b");
    let finished = Command::JobFinished { uuid: failed, result: BuildResult::Exited(1), data: vec![] };
    site.say(worker, &finished.to_frame().unwrap());
    settle(&mut site);
    site.pass(Duration::from_secs(60));
    let (_, running) = site.build("c");
    let all = list(&mut site, HistoryQuery::default());
    assert_eq!(uuids(&all), [running, failed, first], "the latest first");
    assert_eq!(all[0].end, None);
    let since: Time = all[1].started;
    let none = HistoryQuery::default();
    let prefix = |uuid: Uuid, digits: usize| Some(uuid.simple().to_string()[..digits].into());
    for (query, expected) in [
        (HistoryQuery { failed: true, ..none.clone() }, vec![failed]),
        (HistoryQuery { job: Some("a".into()), ..none.clone() }, vec![first]),
        (HistoryQuery { job: Some("z".into()), ..none.clone() }, vec![]),
        (HistoryQuery { platform: Some("platform".into()), ..none.clone() }, vec![running, failed, first]),
        (HistoryQuery { platform: Some("other".into()), ..none.clone() }, vec![]),
        (HistoryQuery { since: Some(since), ..none.clone() }, vec![running, failed]),
        (HistoryQuery { limit: Some(2), ..none.clone() }, vec![running, failed]),
        (HistoryQuery { limit: Some(0), ..none.clone() }, vec![]),
        (HistoryQuery { uuid: prefix(running, 32), ..none.clone() }, vec![running]),
        (HistoryQuery { uuid: prefix(first, 32), ..none.clone() }, vec![first]),
        (HistoryQuery { uuid: prefix(first, 1), limit: Some(1), ..none.clone() }, vec![running]),
        (HistoryQuery { uuid: Some("x".into()), ..none }, vec![]),
    ] {
        assert_eq!(uuids(&list(&mut site, query.clone())), expected, "{query:?}");
    }
}

/// A build of which the log says how it ended, while its result is not in its place yet.
fn ended(site: &mut Site) -> Uuid {
    let build = site.build("job");
    site.finish(build);
    // A thread has looked at its artifacts, and another one is to put the result in its place.
    site.turns();
    site.finish_tasks();
    site.turns();
    assert!(site.driver.server().state().ended_build(build.1).is_some());
    assert_eq!(remembered(site), [] as [Uuid; 0]);
    build.1
}

#[test]
fn a_build_whose_result_is_not_in_its_place_yet_still_runs() {
    let mut site = Site::new(large_results());
    let uuid = ended(&mut site);
    let client = site.client(Command::History(HistoryQuery::default()));
    site.rest_but_for(TaskKind::Store);
    let heard = site.heard(client);
    let told = heard.iter().find_map(|command| match command {
        Command::Build(build) => Some(build.end.clone()),
        _ => None,
    });
    assert_eq!(told, Some(None), "{heard:?}");
    settle(&mut site);
    assert_eq!(remembered(&site), [uuid]);
}

#[test]
fn a_build_whose_result_did_not_get_to_its_place_before_a_crash_was_lost() {
    let mut site = Site::new(large_results());
    let uuid = ended(&mut site);
    let mut site = site.restart();
    assert!(site.driver.server().state().ended_build(uuid).is_some(), "the log still says how it ended");
    assert!(remembered(&site).is_empty(), "but the artifacts are gone");
    settle(&mut site);
    let told = list(&mut site, HistoryQuery::default());
    let causes: Vec<Cause> = told.into_iter().map(|build| build.end.unwrap().cause).collect();
    assert!(matches!(causes.as_slice(), [Cause::Lost(_)]), "{causes:?}");
}

#[test]
fn a_build_that_the_log_cannot_let_go_of_is_told_of_once_and_has_ended() {
    let mut site = Site::new(settings());
    let build = site.build("a");
    site.finish(build);
    site.turns();
    site.machine().free_space.free = 0;
    settle(&mut site);
    assert_eq!(remembered(&site), [build.1]);
    assert_eq!(site.driver.server().state().ended_builds().count(), 1, "the disk is full");
    assert_eq!(list(&mut site, HistoryQuery::default()).len(), 1);
    assert!(details(&mut site, build.1).0.end.is_some(), "it has ended");
}

#[test]
fn a_build_that_runs_is_told_of_with_its_job() {
    let mut site = Site::new(settings());
    let (_, uuid) = site.build("job");
    let client = site.client(Command::Details(uuid));
    site.rest();
    let heard = site.heard(client);
    let [Command::ServerHello, Command::Build(build), Command::JobSchedule { job, .. }, Command::Success] =
        heard.as_slice()
    else {
        panic!("{heard:?}")
    };
    assert_eq!((build.uuid(), &build.end, &job.script), (uuid, &None, &"true".into()));
}

#[test]
fn a_build_whose_removal_the_file_does_not_have_yet_is_told_of_with_the_time() {
    let mut site = Site::new(uploading());
    settle(&mut site);
    site.machine().files.fail("write", HISTORY, ErrorKind::StorageFull);
    let uuid = completed(&mut site, "job");
    site.tell(Event::UploadEnded(UploadEnd::Done));
    settle(&mut site);
    assert!(stored(&history(&mut site)).is_empty(), "the log has it");
    let removed = details(&mut site, uuid).0.end.unwrap().removed;
    assert!(removed.is_some());
    assert_eq!(list(&mut site, HistoryQuery::default())[0].end.as_ref().unwrap().removed, removed);
}

#[test]
fn a_removal_that_comes_while_its_build_is_appended_is_not_forgotten() {
    let mut site = Site::new(uploading());
    let build = site.build("job");
    site.finish(build);
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.turns();
    let appends = |task: &Task<DataDirectory>| format!("{task:?}").contains("Append");
    let (appending, others): (Vec<_>, Vec<_>) =
        core::mem::take(&mut site.machine().tasks).into_iter().partition(appends);
    assert_eq!(appending.len(), 1);
    site.machine().tasks.extend(others);
    site.rest();
    site.tell(Event::UploadEnded(UploadEnd::Done));
    site.rest();
    assert!(site.machine().files.paths_besides_history().is_empty(), "the result is removed");
    site.machine().tasks.extend(appending);
    site.finish_tasks();
    site.turns();
    assert_eq!(stored(&history(&mut site)), [build.1]);
    // Nobody comes to append the removal.
    let mut site = site.restart();
    settle(&mut site);
    assert!(details(&mut site, build.1).0.end.unwrap().removed.is_some());
}

#[test]
fn a_build_with_many_artifacts_is_told_of_with_all_of_them() {
    let mut site = Site::new(settings());
    let (worker, uuid) = site.build("job");
    let file = |number| File { path: format!("{number:0100}").as_str().into(), data: "".into() };
    let data: Vec<File> = (0..100).map(file).collect();
    let paths: Vec<Text> = data.iter().map(|file| file.path.clone()).collect();
    let finished = Command::JobFinished { uuid, result: BuildResult::Exited(0), data };
    site.say(worker, &finished.to_frame().unwrap());
    settle(&mut site);
    assert_eq!(stored(&history(&mut site)), [uuid]);
    let told: Vec<Text> = details(&mut site, uuid).1.into_iter().map(|artifact| artifact.path).collect();
    assert_eq!(told, paths);
}

#[test]
fn a_client_is_told_when_the_history_cannot_be_read() {
    let mut site = Site::new(settings());
    let uuid = completed(&mut site, "job");
    site.machine().files.fail("read", HISTORY, ErrorKind::Other);
    for command in [Command::Details(uuid), Command::History(HistoryQuery::default())] {
        let client = site.client(command);
        site.rest();
        let heard = site.heard(client);
        let [Command::ServerHello, Command::Failure(reason)] = heard.as_slice() else { panic!("{heard:?}") };
        assert!(reason.to_string().starts_with("the history cannot be read: "), "{reason}");
    }
    site.machine().files.mend();
    assert_eq!(uuids(&list(&mut site, HistoryQuery::default())), [uuid]);
}
