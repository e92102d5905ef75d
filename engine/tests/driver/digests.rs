//! Large results are looked at by a thread while they arrive.

use crate::site::{Site, large_results};
use builder_engine::driver::{Event, Settings};
use builder_engine::limits::RETRY_TIME;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::execution::Execution;
use builder_proto::history::Sha256;
use builder_proto::job::File;
use builder_tests::world::STAGINGS;
use sha2::Digest;
use std::io::ErrorKind;

/// Bytes of an artifact of which a thread looks at some before all are there.
const LONG: usize = 20 << 20;

/// Every result is large, and may be long.
fn long_artifacts() -> Settings {
    let mut settings = large_results();
    settings.server.artifact_bytes = 2 * LONG as u64;
    settings
}

fn artifacts() -> Vec<File> {
    let long: Vec<u8> = (0..LONG).map(|number| (number / 7) as u8).collect();
    vec![
        File { path: "empty".into(), data: "".into() },
        File { path: "long".into(), data: long.into() },
        File { path: "short".into(), data: "x".into() },
    ]
}

fn message(uuid: Uuid) -> Vec<u8> {
    Command::JobFinished { uuid, result: BuildResult::Exited(0), data: artifacts() }.to_frame().unwrap()
}

/// What the log says of the artifacts of a build: paths and digests.
fn known(site: &Site, uuid: Uuid) -> Vec<(String, Option<Sha256>)> {
    let ended = site.driver.server().state().ended_build(uuid).expect("it has ended");
    let artifacts = ended.artifacts.as_ref().unwrap();
    artifacts.iter().map(|artifact| (artifact.path.to_string(), artifact.sha256)).collect()
}

fn expected() -> Vec<(String, Option<Sha256>)> {
    let digest = |file: &File| Sha256(sha2::Sha256::digest(file.data.as_bytes()).into());
    artifacts().iter().map(|file| (file.path.to_string(), Some(digest(file)))).collect()
}

#[test]
fn the_digests_are_there_when_the_result_is() {
    // Threads may be fast, or do nothing before everything is there.
    for is_fast in [true, false] {
        let mut site = Site::new(long_artifacts());
        let (worker, uuid) = site.build("job");
        let mut tasks = 0;
        for piece in message(uuid).chunks(1 << 20) {
            site.say(worker, piece);
            site.turns();
            tasks += site.machine().tasks.len();
            if is_fast {
                site.finish_tasks();
            }
        }
        assert!(tasks > 2, "{tasks} looks at what was there");
        assert!(site.driver.server().state().ended_build(uuid).is_none(), "not all is looked at:");
        site.rest();
        assert_eq!(known(&site, uuid), expected());
    }
}

#[test]
fn what_was_seen_of_a_result_that_never_came_whole_is_forgotten() {
    let mut site = Site::new(long_artifacts());
    let (worker, uuid) = site.build("job");
    let bytes = message(uuid);
    for piece in bytes[..LONG / 2].chunks(1 << 20) {
        site.say(worker, piece);
        site.turns();
    }
    assert!(!site.machine().tasks.is_empty(), "a thread is at it");
    // The server stores a result of its own for the build, while that thread still reads.
    site.machine().lines.get_mut(&worker).unwrap().is_broken = true;
    site.tell(Event::Readable { connection: worker, is_end: true });
    site.rest();
    assert_eq!(known(&site, uuid), []);
}

#[test]
fn what_cannot_be_read_of_a_result_that_never_came_whole_costs_no_other() {
    let mut site = Site::new(long_artifacts());
    let (worker, uuid) = site.build("job");
    for piece in message(uuid)[..LONG / 2].chunks(1 << 20) {
        site.say(worker, piece);
        site.turns();
    }
    let looking = site.machine().tasks.pop_front().expect("a thread is at it");
    site.machine().lines.get_mut(&worker).unwrap().is_broken = true;
    site.tell(Event::Readable { connection: worker, is_end: true });
    let files = site.machine().files.clone();
    files.fail("read", STAGINGS, ErrorKind::Other);
    let outcome = looking.run(&files).expect("it says so");
    files.mend();
    site.tell(Event::TaskDone(outcome));
    site.rest();
    assert_eq!(
        files.paths_besides_history(),
        [format!("job/{uuid}/full")],
        "the server's own is stored at once"
    );
}

/// What the result of the only build says, once the disk does what it should.
fn result(site: &mut Site, uuid: Uuid) -> BuildResult {
    site.rest();
    site.machine().files.mend();
    site.pass(RETRY_TIME);
    site.rest();
    let bytes = site.machine().files.read(&format!("job/{uuid}/full"));
    Execution::decode(&bytes).unwrap().result
}

#[test]
fn a_result_that_cannot_be_looked_at_is_not_stored() {
    let mut site = Site::new(long_artifacts());
    let (worker, uuid) = site.build("job");
    site.machine().files.fail("read", STAGINGS, ErrorKind::Other);
    site.say(worker, &message(uuid));
    let said = result(&mut site, uuid).to_string();
    assert!(said.contains("could not store the result (exited 0)"), "{said}");
}

#[test]
fn artifacts_that_could_not_be_written_are_not_stored_as_if_they_had_been() {
    let mut site = Site::new(long_artifacts());
    let (worker, uuid) = site.build("job");
    let bytes = message(uuid);
    let (before, after) = bytes.split_at(LONG / 2);
    site.say(worker, before);
    site.turns();
    site.machine().files.fail("write", STAGINGS, ErrorKind::StorageFull);
    site.say(worker, &after[..1000]);
    site.turns();
    site.machine().files.mend();
    site.say(worker, &after[1000..]);
    let said = result(&mut site, uuid).to_string();
    assert!(said.contains("could not store the result (exited 0)"), "{said}");
}
