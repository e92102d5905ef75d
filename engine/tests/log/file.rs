//! What is appended and committed, with zeros preallocated and without.

use super::{SALT, SECOND_SALT, empty_disk, failing_syncs, worst};
use builder_engine::limits::LOG_FRAME_BYTES;
use builder_engine::log::{LogFile, Salt, Settings, WriteError};
use builder_tests::world::{Crash, Faults, LogStorage};
use std::convert::Infallible;
use std::io::ErrorKind;

/// The first commit of each log.
const FIRST: &[u8] = b"1st";
/// Bytes of a frame with three bytes in it, and of a log with one.
const FRAME: usize = 36 + 3;
pub(crate) const BEGUN: usize = 32 + FRAME;
const PREALLOCATED: usize = 2 * FRAME + 10;

fn settings() -> Settings {
    Settings { reserve_bytes: 100, rotation_bytes: 200, preallocated_bytes: 0, ..Settings::new(SALT) }
}

/// A log that has not begun.
pub(crate) fn open(disk: &LogStorage) -> LogFile<LogStorage> {
    LogFile::open(disk.clone(), settings(), |_| Ok::<(), Infallible>(())).unwrap().0
}

pub(crate) fn begin(disk: &LogStorage) -> LogFile<LogStorage> {
    let mut log = open(disk);
    commit(&mut log, FIRST).unwrap();
    log
}

/// Preallocates for two frames and a bit.
fn begin_preallocating(disk: &LogStorage) -> LogFile<LogStorage> {
    let settings = Settings { preallocated_bytes: PREALLOCATED as u64, ..settings() };
    let mut log = LogFile::open(disk.clone(), settings, |_| Ok::<(), Infallible>(())).unwrap().0;
    commit(&mut log, FIRST).unwrap();
    log
}

/// What a log holds besides its first commit.
pub(crate) fn replay(disk: &LogStorage) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let disk = disk.after_power_failure(worst());
    let opened = LogFile::open(disk, settings(), |payload| {
        payloads.push(payload.to_vec());
        Ok::<(), Infallible>(())
    });
    assert_eq!(opened.unwrap().1.torn, None);
    payloads.retain(|payload| payload != FIRST);
    payloads
}

pub(crate) fn commit(log: &mut LogFile<LogStorage>, record: &[u8]) -> Result<(), WriteError> {
    log.append(record)?;
    log.commit()
}

fn failing_writes(error: ErrorKind) -> Faults {
    Faults { write_errors: 1000, error: Some(error), ..Faults::default() }
}

/// Leaves the disk with room for so many bytes in all.
pub(crate) fn fill_up(disk: &LogStorage, capacity: usize) {
    disk.set_capacity(Some(capacity as u64));
}

#[test]
fn a_commit_within_preallocated_zeros_syncs_contents_alone_and_any_other_the_length_as_well() {
    let disk = empty_disk();
    let mut log = begin_preallocating(&disk);
    let mut syncs_of_contents = Vec::new();
    for _ in 0..8 {
        let before = disk.disk.borrow().syncs_of_contents();
        commit(&mut log, b"two").unwrap();
        syncs_of_contents.push(disk.disk.borrow().syncs_of_contents() - before);
    }
    assert_eq!(syncs_of_contents, [0, 1, 1, 0, 1, 1, 0, 1], "they last for two");

    let disk = empty_disk();
    let mut not_preallocating = begin(&disk);
    commit(&mut not_preallocating, b"two").unwrap();
    assert_eq!(disk.disk.borrow().syncs_of_contents(), 0);
}

#[test]
fn where_preallocated_zeros_were_cut_off_the_next_commit_syncs_the_length_again() {
    let disk = empty_disk();
    let mut log = begin_preallocating(&disk);
    commit(&mut log, b"one").unwrap();
    // On file systems that never write in place, even what fits into preallocated zeros may find the disk full.
    disk.set_faults(failing_writes(ErrorKind::StorageFull));
    assert!(matches!(commit(&mut log, b"two"), Err(WriteError::Full(_))));
    disk.mend();
    log.commit().unwrap();
    assert_eq!(replay(&disk), [b"one", b"two"]);
}

#[test]
fn one_commit_is_one_write_one_sync_and_one_frame() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    let before = disk.host.operations();
    for record in [b"one", b"two", b"six"] {
        log.append(record).unwrap();
    }
    assert!(log.has_pending());
    assert_eq!(disk.host.operations(), before);
    log.commit().unwrap();
    assert_eq!(disk.host.operations(), before + 2);
    assert!(!log.has_pending());
    assert_eq!(replay(&disk), [b"onetwosix"]);

    log.commit().unwrap();
    assert_eq!(disk.host.operations(), before + 2, "nothing to commit");
    assert_eq!(log.length() as usize, disk.read("log").len());
}

#[test]
fn zeros_are_preallocated_for_several_commits_at_once() {
    let disk = empty_disk();
    let mut log = begin_preallocating(&disk);
    let mut lengths = vec![disk.read("log").len()];
    let mut expected = Vec::new();
    for _ in 0..7 {
        commit(&mut log, b"one").unwrap();
        expected.push(b"one".to_vec());
        let bytes = disk.read("log");
        assert!(bytes[log.length() as usize..].iter().all(|byte| *byte == 0));
        lengths.push(bytes.len());
        assert_eq!(replay(&disk), expected);
    }
    let first = BEGUN + FRAME + PREALLOCATED;
    let second = BEGUN + 4 * FRAME + PREALLOCATED;
    let third = BEGUN + 7 * FRAME + PREALLOCATED;
    assert_eq!(lengths, [BEGUN, first, first, first, second, second, second, third]);
    assert_eq!(log.length() as usize, BEGUN + 7 * FRAME);
}

#[test]
fn a_log_without_space_for_zeros_goes_on_as_long_as_there_is_some_for_frames() {
    // None at all, less than was wanted, and a limit on the length of the file.
    for (capacity, longest_file) in [
        (Some(BEGUN + 100 + 2 * FRAME), None),
        (Some(BEGUN + 100 + 2 * FRAME + PREALLOCATED / 2), None),
        (None, Some(BEGUN + 2 * FRAME + PREALLOCATED / 2)),
    ] {
        let disk = empty_disk();
        let mut log = begin_preallocating(&disk);
        disk.set_capacity(capacity.map(|bytes| bytes as u64));
        disk.set_faults(Faults { longest_file, ..Faults::default() });
        commit(&mut log, b"one").unwrap();
        assert_eq!(disk.read("log").len(), BEGUN + FRAME, "the space of the zeros is given back");
        let before = disk.host.operations();
        commit(&mut log, b"two").unwrap();
        assert_eq!(disk.host.operations(), before + 2, "no attempt with each commit");
        assert!(log.reserve_available());
        assert_eq!(replay(&disk), [b"one", b"two"]);

        disk.mend();
        for _ in 0..3 {
            commit(&mut log, b"six").unwrap();
        }
        assert!(disk.read("log").len() as u64 > log.length());
    }
}

#[test]
fn a_log_with_preallocated_zeros_takes_commits_when_the_disk_is_full() {
    let disk = empty_disk();
    let mut log = begin_preallocating(&disk);
    commit(&mut log, b"one").unwrap();
    fill_up(&disk, 0);
    commit(&mut log, b"two").unwrap();
    commit(&mut log, b"six").unwrap();
    assert!(log.reserve_available());
    // The next one does not fit, and takes back what was written of it.
    assert!(matches!(commit(&mut log, b"a longer record"), Err(WriteError::Full(_))));
    assert_eq!(disk.read("log").len(), BEGUN + 3 * FRAME);
    assert_eq!(replay(&disk), [b"one", b"two", b"six"]);
}

#[test]
fn a_log_gets_its_name_with_its_first_commit() {
    let disk = empty_disk();
    let mut log = open(&disk);
    log.commit().unwrap();
    assert_eq!((log.length(), disk.names()), (0, vec!["reserve".to_owned()]), "nothing to commit");
    let none: [&[u8]; 0] = [];
    assert!(matches!(log.rotate(SECOND_SALT, records(none)), Err(WriteError::NoRecord(_))));
    assert_eq!(disk.names(), ["reserve"]);

    log.append(b"one").unwrap();
    log.append(&vec![b'x'; LOG_FRAME_BYTES as usize]).unwrap();
    log.commit().unwrap();
    assert_eq!(disk.names(), ["log", "reserve"]);
    assert_eq!(log.length() as usize, disk.read("log").len());
    commit(&mut log, b"two").unwrap();
    assert_eq!(replay(&disk).iter().map(Vec::len).collect::<Vec<_>>(), [3, LOG_FRAME_BYTES as usize, 3]);
}

#[test]
fn each_log_has_the_salt_that_it_was_given() {
    // Or what is left on the disk of an earlier one could pass for a part of it.
    let disk = empty_disk();
    let mut log = begin(&disk);
    let has = |Salt(salt): Salt| disk.read("log")[..BEGUN - FRAME].windows(salt.len()).any(|at| at == salt);
    assert!(has(SALT));
    log.rotate(SECOND_SALT, records(["snap"])).unwrap();
    assert!(has(SECOND_SALT) && !has(SALT));
    log.rotate(SALT, records(["shot"])).unwrap();
    assert!(has(SALT) && !has(SECOND_SALT));
}

#[test]
fn a_first_commit_takes_the_reserve_of_a_full_disk_or_waits_for_room() {
    let disk = empty_disk();
    let mut log = open(&disk);
    fill_up(&disk, 100 + BEGUN - 1);
    commit(&mut log, FIRST).unwrap();
    assert_eq!(disk.names(), ["log"]);

    let disk = empty_disk();
    let mut log = open(&disk);
    fill_up(&disk, BEGUN - 1);
    let error = commit(&mut log, b"one").unwrap_err();
    assert!(error.to_string().ends_with("; free some space"), "{error}");
    assert!(disk.names().is_empty(), "no part of a log stays behind");
    disk.mend();
    log.commit().unwrap();
    assert_eq!(replay(&disk), [b"one"]);
}

#[test]
fn short_writes_go_on() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    disk.set_faults(Faults { longest_transfer: Some(1), ..Faults::default() });
    commit(&mut log, b"one").unwrap();
    assert_eq!(replay(&disk), [b"one"]);
}

#[test]
fn more_than_a_frame_holds_takes_several() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    let longest = vec![b'x'; LOG_FRAME_BYTES as usize];
    log.append(b"one").unwrap();
    log.append(&longest).unwrap();
    commit(&mut log, b"two").unwrap();
    assert_eq!(replay(&disk), [b"one".to_vec(), longest.clone(), b"two".to_vec()]);

    // When the last of several finds no room, none of them counts.
    fill_up(&disk, disk.read("log").len() + disk.read("reserve").len() + 2 * FRAME);
    log.append(b"six").unwrap();
    log.append(&longest).unwrap();
    assert!(matches!(log.commit(), Err(WriteError::Full(_))));
    assert_eq!(replay(&disk).len(), 3);
}

#[test]
fn a_record_without_bytes_makes_no_frame() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    commit(&mut log, b"").unwrap();
    assert!(!log.has_pending());
    commit(&mut log, b"next").unwrap();
    assert_eq!(replay(&disk), [b"next"]);
}

#[test]
fn a_record_beyond_a_frame_is_refused() {
    let mut log = begin(&empty_disk());
    let record = vec![0; LOG_FRAME_BYTES as usize + 1];
    let error = log.append(&record).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a record of 33554433 bytes exceeds the 33554432 that the log takes at once"
    );
    assert!(!log.has_pending());
    assert!(matches!(log.rotate(SECOND_SALT, records([record])), Err(WriteError::RecordTooLong { .. })));
    commit(&mut log, b"one").unwrap();
}

#[test]
fn a_full_disk_takes_the_reserve_once_and_then_refuses() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    // Room for half a frame, then in the reserve for two more.
    fill_up(&disk, BEGUN + 100 + FRAME / 2);
    commit(&mut log, b"one").unwrap();
    assert!(!log.reserve_available());
    assert_eq!(disk.names(), ["log"]);
    assert_eq!(disk.after_power_failure(worst()).names(), ["log"], "some file systems free no space before");
    commit(&mut log, b"two").unwrap();
    commit(&mut log, b"six").unwrap();

    let error = commit(&mut log, b"ten").unwrap_err();
    assert!(error.to_string().starts_with("cannot write to /data/log: "), "{error}");
    assert!(error.to_string().ends_with("; free some space"), "{error}");
    assert_eq!(disk.read("log").len(), BEGUN + 3 * FRAME);
    assert_eq!(replay(&disk), [b"one", b"two", b"six"]);

    // Once there is room, the record that waits is written, and the reserve can be filled again.
    assert!(matches!(log.restore_reserve(), Err(WriteError::Full(_))));
    assert_eq!(disk.names(), ["log"]);
    disk.mend();
    log.commit().unwrap();
    assert_eq!(replay(&disk), [b"one", b"two", b"six", b"ten"]);
    log.restore_reserve().unwrap();
    assert!(log.reserve_available());
    assert_eq!(disk.read("reserve").len(), 100);
}

#[test]
fn a_quota_that_is_used_up_is_a_full_disk() {
    for error in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
        let disk = empty_disk();
        let mut log = begin(&disk);
        disk.set_faults(failing_writes(error));
        assert!(matches!(commit(&mut log, b"one"), Err(WriteError::Full(_))), "{error}");
        assert!(!log.reserve_available(), "{error}: it has been given up");
        assert_eq!(disk.names(), ["log"], "{error}");
        assert!(matches!(log.rotate(SECOND_SALT, records(["snap"])), Err(WriteError::Full(_))), "{error}");
        assert!(matches!(log.restore_reserve(), Err(WriteError::Full(_))), "{error}");
        assert_eq!(disk.names(), ["log"], "{error}: nothing is left of either");
        disk.mend();
        log.commit().unwrap();
        assert_eq!(replay(&disk), [b"one"], "{error}");
    }
}

#[test]
fn what_was_written_of_a_commit_is_cut_off_before_the_reserve_goes() {
    let mut lengths = Vec::new();
    for operations in 0..20 {
        let disk = empty_disk();
        let mut log = begin(&disk);
        // Where a file system never writes in place, that half takes space that the removal may need.
        fill_up(&disk, BEGUN + 100 + FRAME / 2);
        disk.host.crash_after(operations, Crash::Kill);
        let outcome = commit(&mut log, b"one");
        if disk.names() == ["log"] {
            lengths.push(disk.read("log").len());
        }
        if outcome.is_ok() {
            break;
        }
    }
    assert_eq!(lengths.first(), Some(&BEGUN), "{lengths:?}");
    assert_eq!(lengths.last(), Some(&(BEGUN + FRAME)), "{lengths:?}");
}

#[test]
fn a_file_that_may_not_grow_leaves_the_reserve_alone() {
    let disk = empty_disk();
    let mut log = begin(&disk);
    disk.set_faults(Faults { longest_file: Some(BEGUN + FRAME + 5), ..Faults::default() });
    commit(&mut log, b"one").unwrap();
    assert!(matches!(commit(&mut log, b"two"), Err(WriteError::Full(_))));
    assert!(log.reserve_available());
    assert_eq!(replay(&disk), [b"one"]);
    disk.mend();
    log.commit().unwrap();
    assert_eq!(replay(&disk), [b"one", b"two"]);
}

#[test]
fn after_a_failed_sync_or_write_every_call_fails_and_the_disk_is_left_alone() {
    // A sync that fails for want of room is a failed sync.
    let sync = failing_syncs;
    for faults in [sync(ErrorKind::Other), sync(ErrorKind::StorageFull), failing_writes(ErrorKind::Other)] {
        let disk = empty_disk();
        let mut log = begin(&disk);
        disk.set_faults(faults);
        let first = commit(&mut log, b"one").unwrap_err();
        assert!(matches!(first, WriteError::Failed(_)), "{first}");
        assert!(first.to_string().contains("/data/log"), "{first}");

        disk.mend();
        let before = disk.host.operations();
        let none: [&[u8]; 0] = [];
        for later in
            [log.append(b"two"), log.commit(), log.rotate(SECOND_SALT, records(none)), log.restore_reserve()]
        {
            assert_eq!(later.unwrap_err().to_string(), first.to_string());
        }
        assert_eq!(disk.host.operations(), before);
    }
}

pub(crate) fn records<R>(
    records: impl IntoIterator<Item = R>,
) -> impl Iterator<Item = Result<R, Infallible>> {
    records.into_iter().map(Ok)
}
