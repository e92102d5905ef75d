//! The log is written anew.

use super::file::{BEGUN, begin, commit, fill_up, open, records, replay};
use super::{SALT, SECOND_SALT, empty_disk, failing_syncs};
use builder_engine::log::WriteError;
use std::io::ErrorKind;

#[test]
fn rotation_is_due_beyond_the_floor_and_twice_the_snapshot() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    while log.length() <= 200 {
        assert!(!log.needs_rotation(0));
        commit(&mut log, b"one").unwrap();
    }
    assert!(log.needs_rotation(0));
    assert!(log.needs_rotation((log.length() - 1) / 2));
    assert!(!log.needs_rotation(log.length() / 2 + 1));
    assert!(!log.needs_rotation(u64::MAX));
}

#[test]
fn rotation_commits_and_replaces_the_log_by_the_snapshot() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    for _ in 0..10 {
        commit(&mut log, b"one").unwrap();
    }
    log.append(b"two").unwrap();
    log.rotate(SECOND_SALT, records(["snap", "shot"])).unwrap();
    assert_eq!(disk.names(), ["log", "reserve"]);
    assert_eq!(replay(&disk), [b"snapshot"]);
    assert_eq!(log.length() as usize, disk.read("log").len());
    commit(&mut log, b"six").unwrap();
    assert_eq!(replay(&disk), [&b"snapshot"[..], b"six"]);
}

#[test]
fn a_rotation_may_begin_a_log() {
    let disk = empty_disk();
    let mut log = open(&disk);
    log.rotate(SECOND_SALT, records(["snap", "shot"])).unwrap();
    commit(&mut log, b"one").unwrap();
    assert_eq!(replay(&disk), [&b"snapshot"[..], b"one"]);
    assert!(matches!(log.rotate(SALT, records([b""])), Err(WriteError::NoRecord(_))), "nor may one end it");
    assert_eq!(replay(&disk), [&b"snapshot"[..], b"one"]);
}

#[test]
fn a_long_snapshot_is_written_in_several_frames() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    let records = vec![vec![b'r'; 1000]; 5000];
    log.rotate(SECOND_SALT, self::records(&records)).unwrap();
    let payloads = replay(&disk);
    assert!((4..=5).contains(&payloads.len()));
    assert!(payloads.concat() == records.concat());
}

#[test]
fn a_rotation_without_room_leaves_the_log_and_waits_for_it_to_grow() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    while !log.needs_rotation(0) {
        commit(&mut log, b"one").unwrap();
    }
    let commits = replay(&disk).len();
    fill_up(&disk, disk.read("log").len() + 100 + BEGUN - 1);
    assert!(matches!(log.rotate(SECOND_SALT, records(["snapshot"])), Err(WriteError::Full(_))));
    assert_eq!(disk.names(), ["log", "reserve"]);
    assert_eq!(replay(&disk).len(), commits);

    disk.mend();
    assert!(!log.needs_rotation(0));
    while !log.needs_rotation(0) {
        commit(&mut log, b"one").unwrap();
    }
    log.rotate(SECOND_SALT, records(["snapshot"])).unwrap();
    assert_eq!(replay(&disk), [b"snapshot"]);

    // From then on it is as if there had been room.
    while log.length() <= 200 {
        commit(&mut log, b"one").unwrap();
    }
    assert!(log.needs_rotation(0));
}

#[test]
fn a_failed_sync_during_rotation_ends_everything() {
    // One that fails for want of room is no exception.
    for error in [ErrorKind::Other, ErrorKind::StorageFull] {
        let disk = empty_disk();
        let mut log = begin(&disk);
        disk.set_faults(failing_syncs(error));
        assert!(matches!(log.rotate(SECOND_SALT, records(["snapshot"])), Err(WriteError::Failed(_))));
        disk.mend();
        assert!(matches!(commit(&mut log, b"one"), Err(WriteError::Failed(_))));
    }
}
