//! What clients are told of the builds that the history has.

use super::{check_artifact, completed, details, list, remembered, settle, sorted, told, uuids};
use crate::site::{Site, large_results, settings, uploading};
use builder_engine::driver::{Event, UploadEnd};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::HistoryQuery;
use builder_proto::time::Time;
use core::time::Duration;

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
        // The first builds are read. The old one ends before it is its turn.
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

#[test]
fn a_build_whose_result_is_not_in_its_place_yet_still_runs() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    site.finish(build);
    // A thread has looked at its artifacts, and another one is to put the result in its place.
    site.turns();
    site.finish_tasks();
    site.turns();
    let state = site.driver.server().state();
    assert!(state.ended_build(build.1).is_some(), "the log says how it ended");
    assert_eq!(remembered(&site), [] as [Uuid; 0]);
    let client = site.client(Command::History(HistoryQuery::default()));
    site.turns();
    let heard = site.heard(client);
    let told = heard.iter().find_map(|command| match command {
        Command::Build(build) => Some(build.end.clone()),
        _ => None,
    });
    assert!(matches!(told, None | Some(None)), "{heard:?}");
    settle(&mut site);
    assert_eq!(remembered(&site), [build.1]);
}
