//! Power failures at any operation, of whatever was under way.

use super::recovery::{disk_with, flip, open, open_with, salvage, settings};
use super::{SECOND_SALT, crashes, empty_disk, failing_syncs, worst};
use builder_engine::log::{LogFile, Settings, WriteError};
use builder_tests::world::{Crash, Faults, LogStorage};
use std::convert::Infallible;
use std::io::ErrorKind;

/// Bytes preallocated at once: none, less than a frame, and enough for some.
const PREALLOCATED: [u64; 3] = [0, 20, 150];

/// What a run before a crash has done.
#[derive(Default)]
struct History {
    /// In the order in which they were appended.
    records: Vec<[u8; 2]>,
    /// How many records a commit has acknowledged.
    acknowledged: usize,
}

impl History {
    /// Commits, rotates and opens until the power fails. A snapshot is simply all records so far.
    fn run(&mut self, disk: &LogStorage, preallocated_bytes: u64) -> Result<(), String> {
        for round in 0..2 {
            let settings = Settings { preallocated_bytes, ..settings() };
            let (mut log, ..) = open_with(disk, settings).map_err(|error| error.to_string())?;
            self.commit(&mut log, 2).map_err(|error| error.to_string())?;
            log.rotate(SECOND_SALT, self.records.iter().map(Ok::<_, Infallible>))
                .map_err(|error| error.to_string())?;
            self.commit(&mut log, 1 + round).map_err(|error| error.to_string())?;
            self.commit(&mut log, 3).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn commit(&mut self, log: &mut LogFile<LogStorage>, records: usize) -> Result<(), WriteError> {
        for _ in 0..records {
            let record = (self.records.len() as u16).to_be_bytes();
            log.append(&record)?;
            self.records.push(record);
        }
        log.commit()?;
        self.acknowledged = self.records.len();
        Ok(())
    }

    /// Everything acknowledged is there, and nothing that was never appended.
    fn check(&self, payloads: &[Vec<u8>]) {
        let replayed = payloads.concat();
        assert!(replayed.len() >= self.acknowledged * 2, "acknowledged records are lost");
        assert!(self.records.concat().starts_with(&replayed), "records out of nowhere");
    }
}

#[test]
fn no_crash_at_any_operation_loses_what_was_acknowledged() {
    for preallocated_bytes in PREALLOCATED {
        let mut count = 0;
        for crash_at in 0.. {
            let disk = empty_disk();
            disk.host.crash_after(crash_at, Crash::Power);
            disk.set_faults(Faults { longest_transfer: Some(50), ..Faults::default() });
            let mut history = History::default();
            if history.run(&disk, preallocated_bytes).is_ok() {
                break;
            }
            for found in crashes(&disk) {
                history.check(&open(&found.fork(worst())).2);
                count += crash_again(&found, &history);
            }
        }
        assert!(count > 1000, "only {count} crashes");
    }
}

/// Lets the power fail at any operation of the recovery, too.
fn crash_again(found: &LogStorage, history: &History) -> u64 {
    for crash_at in 0.. {
        let disk = found.fork(worst());
        disk.host.crash_after(crash_at, Crash::Power);
        if open_with(&disk, settings()).is_ok() {
            return crash_at;
        }
        for found in crashes(&disk) {
            history.check(&open(&found).2);
        }
    }
    unreachable!("some recovery is short enough")
}

#[test]
fn a_power_failure_soon_after_the_server_was_killed_loses_nothing() {
    for kill_at in 0.. {
        let killed = empty_disk();
        killed.host.crash_after(kill_at, Crash::Power);
        let mut before = History::default();
        if before.run(&killed, 60).is_ok() {
            break;
        }
        for crash_at in 0.. {
            let disk = killed.fork(worst());
            disk.host.crash_after(crash_at, Crash::Power);
            let Ok((mut log, _, payloads)) = open_with(&disk, settings()) else {
                crashes(&disk).for_each(|found| before.check(&open(&found).2));
                continue;
            };
            // What was replayed counts from now on.
            before.check(&payloads);
            let replayed = payloads.concat().len() / 2;
            let mut after = History { records: before.records[..replayed].to_vec(), acknowledged: replayed };
            let done = after.commit(&mut log, 1).is_ok();
            crashes(&disk).for_each(|found| after.check(&open(&found).2));
            if done {
                break;
            }
        }
    }
}

#[test]
fn a_frame_whose_sync_failed_is_written_again_before_others_follow() {
    let disk = disk_with(&[b"one", b"two"]);
    let (mut log, ..) = open(&disk);
    disk.set_faults(failing_syncs(ErrorKind::Other));
    log.append(b"three").unwrap();
    assert!(matches!(log.commit(), Err(WriteError::Failed(_))));

    // The kernel still shows the frame, and believes that it is on the disk.
    disk.mend();
    let (mut log, _, payloads) = open(&disk);
    assert_eq!(payloads.concat(), b"onetwothree");
    log.append(b"four").unwrap();
    log.commit().unwrap();
    for found in crashes(&disk) {
        assert_eq!(open(&found).2.concat(), b"onetwothreefour");
    }
}

#[test]
fn a_crash_while_what_is_no_log_is_set_aside_leaves_it_in_place() {
    for crash_at in 0.. {
        let disk = empty_disk();
        disk.put("log", b"no log");
        disk.host.crash_after(crash_at, Crash::Power);
        let began = open_with(&disk, salvage())
            .is_ok_and(|(mut log, ..)| log.append(b"one").and_then(|()| log.commit()).is_ok());
        for found in crashes(&disk) {
            match open_with(&found, settings()) {
                Ok((_, recovery, payloads)) => {
                    assert_eq!((payloads, recovery.created), (vec![b"one".to_vec()], false));
                    assert_eq!(found.read("log.damaged-1"), b"no log");
                }
                Err(refusal) => {
                    assert!(!began && refusal.to_string().contains("is not a log of builder"), "{refusal}");
                }
            }
        }
        if began {
            break;
        }
    }
}

#[test]
fn a_crash_during_salvage_loses_nothing_of_the_damaged_log() {
    for crash_at in 0.. {
        let disk = disk_with(&[b"one", b"two", b"three"]);
        flip(&disk, 80);
        let damaged = disk.read("log");
        disk.host.crash_after(crash_at, Crash::Power);
        if open_with(&disk, salvage()).is_ok() {
            break;
        }
        for disk in crashes(&disk) {
            let (_, _, payloads) = open_with(&disk, salvage()).unwrap();
            assert_eq!(payloads.concat(), b"onethree");
            assert_eq!(disk.read("log.damaged-1"), damaged);
        }
    }
}
