//! The history: what is in it after crashes, damage and failures. What clients are told of it is in [`answers`].

mod answers;
mod appends;
mod cut_short;
mod surveys;

use crate::site::{Site, settings, uploading};
use builder_engine::driver::{Event, StartError, StopReason, UploadEnd};
use builder_engine::history::Entry;
use builder_engine::limits::{RETRY_TIME, WRITE_BACK_TIME};
use builder_engine::log::{Event as Reading, LogReader};
use builder_engine::server::ConnectionId;
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::{Artifact, Build, Cause, HistoryQuery};
use builder_tests::world::Random;
use sha2::{Digest, Sha256};
use std::io::ErrorKind;

const HISTORY: &str = ".builder/history";

/// Where each frame begins, and what it says.
fn frames(bytes: &[u8]) -> Vec<(usize, Entry)> {
    let (mut reader, mut frames) = (LogReader::new(), Vec::new());
    reader.push(bytes);
    loop {
        match reader.poll() {
            Reading::NeedInput => reader.finish(),
            Reading::Frame { offset, payload } => {
                frames.push((offset as usize, Entry::decode(payload).unwrap()));
            }
            Reading::Damage(_) => {}
            Reading::End(_) => return frames,
        }
    }
}

/// The builds that a file has, one after the other.
fn stored(bytes: &[u8]) -> Vec<Uuid> {
    let build = |(_, entry)| match entry {
        Entry::Build(entry) => Some(entry.build.uuid()),
        _ => None,
    };
    frames(bytes).into_iter().filter_map(build).collect()
}

/// Where the frame of a build begins.
fn place(bytes: &[u8], uuid: Uuid) -> usize {
    let is_there =
        |(_, entry): &(usize, Entry)| matches!(entry, Entry::Build(entry) if entry.build.uuid() == uuid);
    frames(bytes).into_iter().find(is_there).expect("the build is there").0
}

fn history(site: &mut Site) -> Vec<u8> {
    site.machine().files.read(HISTORY)
}

/// Puts other bytes in the place of the history.
fn replace(site: &mut Site, bytes: &[u8]) {
    remove(site);
    site.machine().files.put(HISTORY, bytes);
}

fn remove(site: &mut Site) {
    site.machine().files.disk.borrow_mut().remove_file(HISTORY).unwrap();
}

/// Bytes that the file has, as far as the log knows.
fn known_length(site: &Site) -> u64 {
    let length = |record| match record {
        Record::Remembered(remembered) => Some(remembered.length),
        _ => None,
    };
    site.driver.server().state().snapshot().find_map(length).unwrap_or_default()
}

fn completed(site: &mut Site, name: &str) -> Uuid {
    let build = site.build(name);
    site.complete(build);
    build.1
}

fn remembered(site: &Site) -> Vec<Uuid> {
    site.driver.remembered().expect("the file is open").collect()
}

fn sorted(mut uuids: Vec<Uuid>) -> Vec<Uuid> {
    uuids.sort();
    uuids
}

fn settle(site: &mut Site) {
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.rest();
}

/// What a client is told of builds.
fn told(site: &mut Site, client: ConnectionId) -> Vec<Build> {
    site.rest();
    let mut heard = site.heard(client);
    assert_eq!(heard.remove(0), Command::ServerHello);
    assert_eq!(heard.pop(), Some(Command::Success), "{heard:?}");
    let build = |command| match command {
        Command::Build(build) => build,
        other => panic!("{other:?}"),
    };
    heard.into_iter().map(build).collect()
}

fn list(site: &mut Site, query: HistoryQuery) -> Vec<Build> {
    let client = site.client(Command::History(query));
    told(site, client)
}

fn uuids(builds: &[Build]) -> Vec<Uuid> {
    builds.iter().map(Build::uuid).collect()
}

/// What is known of one build: the build, and its artifacts.
fn details(site: &mut Site, uuid: Uuid) -> (Build, Vec<Artifact>) {
    let client = site.client(Command::Details(uuid));
    site.rest();
    let (mut builds, mut artifacts) = (Vec::new(), Vec::new());
    let mut heard = site.heard(client);
    assert_eq!(heard.pop(), Some(Command::Success), "{heard:?}");
    for command in heard {
        match command {
            Command::Build(build) => builds.push(build),
            Command::Artifact(artifact) => artifacts.push(artifact),
            _ => {}
        }
    }
    assert_eq!(builds.len(), 1);
    (builds.remove(0), artifacts)
}

/// The digest of what [`Site::finish`] sends.
fn check_artifact(artifacts: &[Artifact]) {
    let [artifact] = artifacts else { panic!("{artifacts:?}") };
    assert_eq!((&artifact.path, artifact.size), (&"bin/artifact".into(), 8));
    let digest: [u8; 32] = Sha256::digest(b"artifact").into();
    assert_eq!(artifact.sha256.map(|sha256| sha256.0), Some(digest));
}

#[test]
fn what_was_carried_over_is_there_after_a_restart() {
    let mut site = Site::new(settings());
    let builds = vec![completed(&mut site, "a"), completed(&mut site, "b")];
    assert_eq!(stored(&history(&mut site)), builds);
    assert_eq!(site.driver.server().state().ended_builds().count(), 0, "the log need not hold them any more");
    let mut site = site.restart();
    assert_eq!(remembered(&site), sorted(builds.clone()));
    settle(&mut site);
    assert_eq!(stored(&history(&mut site)), builds);
    let (build, artifacts) = details(&mut site, builds[0]);
    let end = build.end.unwrap();
    assert_eq!((end.cause, end.artifacts, end.artifact_bytes), (Cause::Exited(0), 1, 8));
    check_artifact(&artifacts);
}

#[test]
fn a_torn_end_is_cut_off_and_written_again() {
    let mut site = Site::new(settings());
    let first = completed(&mut site, "a");
    let build = site.build("b");
    site.finish(build);
    site.rest();
    // Half of an append that a crash interrupted.
    let mut bytes = history(&mut site);
    let torn = bytes[place(&bytes, first)..].to_vec();
    let good = bytes.len();
    bytes.extend_from_slice(&torn[..torn.len() / 2]);
    replace(&mut site, &bytes);
    let mut site = site.restart();
    assert_eq!(history(&mut site).len(), good, "it is cut off");
    settle(&mut site);
    assert_eq!(stored(&history(&mut site)), [first, build.1]);
    let site = site.restart();
    assert_eq!(remembered(&site), sorted(vec![first, build.1]));
}

#[test]
fn a_damaged_file_is_set_aside_and_what_is_good_in_it_kept() {
    let mut site = Site::new(uploading());
    let mut builds = Vec::new();
    for name in ["a", "b", "c"] {
        builds.push(completed(&mut site, name));
        site.tell(Event::UploadEnded(UploadEnd::Done));
        settle(&mut site);
    }
    let mut bytes = history(&mut site);
    let at = place(&bytes, builds[1]) + 60;
    bytes[at] ^= 1;
    replace(&mut site, &bytes);
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(site.machine().files.read(".builder/history.damaged-1"), bytes);
    assert!(site.machine().files.disk.borrow().is_durable(".builder/history.damaged-1"));
    // The result of the second has left, so that nothing tells of it any more.
    assert_eq!(remembered(&site), sorted(vec![builds[0], builds[2]]));
    assert!(details(&mut site, builds[2]).0.end.unwrap().removed.is_some());
    let mut site = site.restart();
    assert!(!site.machine().files.paths().iter().any(|path| path.ends_with("damaged-2")));
    for uuid in [builds[0], builds[2]] {
        let (build, artifacts) = details(&mut site, uuid);
        check_artifact(&artifacts);
        assert!(build.end.unwrap().removed.is_some());
    }
}

#[test]
fn what_a_damaged_file_lacks_is_found_in_the_stored_results() {
    let mut site = Site::new(settings());
    let builds = vec![completed(&mut site, "a"), completed(&mut site, "b")];
    let mut bytes = history(&mut site);
    let at = place(&bytes, builds[0]) + 60;
    bytes[at] ^= 1;
    replace(&mut site, &bytes);
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), sorted(builds.clone()));
    check_artifact(&details(&mut site, builds[0]).1);
    assert_eq!(stored(&history(&mut site)).len(), 2, "each once");
}

#[test]
fn artifacts_whose_build_is_damaged_are_not_given_to_the_next() {
    let mut site = Site::new(uploading());
    let first = completed(&mut site, "a");
    site.tell(Event::UploadEnded(UploadEnd::Done));
    settle(&mut site);
    let (worker, second) = site.build("b");
    let finished = Command::JobFinished { uuid: second, result: BuildResult::Exited(0), data: Vec::new() };
    site.say(worker, &finished.to_frame().unwrap());
    settle(&mut site);
    let mut bytes = history(&mut site);
    let at = place(&bytes, first) + 60;
    bytes[at] ^= 1;
    replace(&mut site, &bytes);
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), [second], "of the first nothing is left");
    assert_eq!(details(&mut site, second).1, []);
}

#[test]
fn a_file_that_nothing_can_be_read_of_or_that_is_gone_is_made_anew() {
    let mut site = Site::new(settings());
    let builds = sorted(vec![completed(&mut site, "a"), completed(&mut site, "b")]);
    let whole = history(&mut site);
    for (number, bytes) in [Vec::new(), whole[..7].to_vec(), vec![b'x'; whole.len()]].into_iter().enumerate()
    {
        replace(&mut site, &bytes);
        site = site.restart();
        settle(&mut site);
        assert_eq!(remembered(&site), builds);
        let aside = format!(".builder/history.damaged-{}", number + 1);
        assert_eq!(site.machine().files.read(&aside), bytes);
    }
    remove(&mut site);
    site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), builds);
    assert_eq!(known_length(&site), history(&mut site).len() as u64);
    // From now on the file has them.
    for uuid in builds.clone() {
        let job = list(
            &mut site,
            HistoryQuery { uuid: Some(uuid.to_string().as_str().into()), ..HistoryQuery::default() },
        );
        let path = format!("{}/{uuid}/full", job[0].job);
        site.machine().files.disk.borrow_mut().remove_file(&path).unwrap();
    }
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), builds);
    check_artifact(&details(&mut site, builds[0]).1);
}

#[test]
fn a_good_file_whose_header_is_damaged_costs_nothing() {
    let mut site = Site::new(uploading());
    let uuid = completed(&mut site, "a");
    site.tell(Event::UploadEnded(UploadEnd::Done));
    settle(&mut site);
    let mut bytes = history(&mut site);
    bytes[0] ^= 1;
    replace(&mut site, &bytes);
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(remembered(&site), [uuid]);
    check_artifact(&details(&mut site, uuid).1);
}

#[test]
fn a_new_file_is_there_after_a_power_cut() {
    let mut site = Site::new(settings());
    let disk = site.machine().files.log().after_power_failure(Random::scripted(&[]));
    assert!(disk.names().contains(&"history".to_owned()), "{:?}", disk.names());
}

#[test]
fn a_removal_that_the_log_knows_survives_a_crash() {
    let mut site = Site::new(uploading());
    let uuid = completed(&mut site, "job");
    site.tell(Event::UploadEnded(UploadEnd::Done));
    site.rest();
    assert_eq!(site.driver.server().state().removed_results().count(), 1);
    let mut site = site.restart();
    assert!(details(&mut site, uuid).0.end.unwrap().removed.is_some());
    settle(&mut site);
    let gone = |(_, entry): &(usize, Entry)| matches!(entry, Entry::Gone(gone) if gone.uuid.0 == uuid);
    assert!(frames(&history(&mut site)).iter().any(gone));
}

#[test]
fn a_history_that_cannot_be_opened_keeps_nobody_from_starting() {
    for (operation, path) in [("create", ".builder/history"), ("open", HISTORY)] {
        let mut site = Site::new(settings());
        if operation == "create" {
            remove(&mut site);
        }
        let machine = site.successor();
        machine.files.fail(operation, path, ErrorKind::StorageFull);
        let mut site = Site::start(machine, settings()).unwrap();
        let build = site.build("job");
        site.finish(build);
        site.rest();
        assert_eq!(
            uuids(&list(&mut site, HistoryQuery::default())),
            [build.1],
            "{operation}: the log has it"
        );
        check_artifact(&details(&mut site, build.1).1);
        assert!(!site.driver.is_at_rest(), "{operation}");
        site.pass(RETRY_TIME);
        site.rest();
        assert!(!site.driver.is_at_rest(), "{operation}: it fails again");
        site.machine().files.mend();
        site.pass(RETRY_TIME);
        settle(&mut site);
        assert!(site.driver.is_at_rest(), "{operation}");
        assert_eq!(stored(&history(&mut site)), [build.1], "{operation}");
        assert_eq!(remembered(&site.restart()), [build.1], "{operation}");
    }
}

#[test]
fn a_server_whose_history_cannot_be_synced_does_not_start() {
    for is_new in [true, false] {
        let mut site = Site::new(settings());
        if is_new {
            remove(&mut site);
        }
        let machine = site.successor();
        let files = machine.files.clone();
        files.fail("sync", ".builder/history", ErrorKind::Other);
        let started = Site::start(machine, settings());
        assert_eq!(files.paths().contains(&HISTORY.to_owned()), !is_new, "its name says that it is durable");
        assert!(matches!(started.err(), Some(StartError::Stopped(StopReason::History(_)))), "{is_new}");
    }
}
