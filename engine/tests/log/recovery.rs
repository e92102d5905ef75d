//! What opening a log makes of what it finds.

use super::{SALT, crashes, empty_disk, failing_syncs, worst};
use builder_engine::log::{
    LogFile, OpenError, Reading, RecoveryReport, Salvaged, Saved, Settings, WriteError, read,
};
use builder_tests::world::LogStorage;
use std::convert::Infallible;
use std::io::ErrorKind;

pub(crate) type Opened = (LogFile<LogStorage>, RecoveryReport, Vec<Vec<u8>>);

pub(crate) fn settings() -> Settings {
    Settings { reserve_bytes: 100, preallocated_bytes: 0, ..Settings::new(SALT) }
}

pub(crate) fn salvage() -> Settings {
    Settings { salvage: true, ..settings() }
}

pub(crate) fn open_with(disk: &LogStorage, settings: Settings) -> Result<Opened, OpenError> {
    let mut payloads = Vec::new();
    let (log, recovery) = LogFile::open(disk.clone(), settings, |payload| {
        payloads.push(payload.to_vec());
        Ok::<(), Infallible>(())
    })?;
    Ok((log, recovery, payloads))
}

pub(crate) fn open(disk: &LogStorage) -> Opened {
    open_with(disk, settings()).unwrap()
}

fn refusal(disk: &LogStorage, settings: Settings) -> String {
    open_with(disk, settings).unwrap_err().to_string()
}

/// A disk with a log of these commits.
pub(crate) fn disk_with(commits: &[&[u8]]) -> LogStorage {
    let disk = empty_disk();
    let (mut log, ..) = open(&disk);
    for record in commits {
        log.append(record).unwrap();
        log.commit().unwrap();
    }
    disk
}

pub(crate) fn flip(disk: &LogStorage, byte: usize) {
    let mut bytes = disk.read("log");
    bytes[byte] ^= 1;
    disk.put("log", &bytes);
}

#[test]
fn a_new_directory_gets_a_reserve_and_with_the_first_commit_a_log() {
    let disk = empty_disk();
    let (mut log, recovery, payloads) = open(&disk);
    assert_eq!((payloads.len(), recovery.created), (0, true));
    assert_eq!(recovery.to_string(), "began a new log");
    assert_eq!(disk.names(), ["reserve"]);
    log.append(b"one").unwrap();
    log.commit().unwrap();
    assert_eq!(disk.names(), ["log", "reserve"]);
    assert_eq!(disk.read("reserve").len(), 100);
    assert!(log.reserve_available());
}

#[test]
fn a_clean_log_is_replayed_and_goes_on() {
    let disk = disk_with(&[b"one", b"two"]);
    let (mut log, recovery, payloads) = open(&disk);
    assert_eq!(payloads, [b"one", b"two"]);
    assert_eq!(recovery.to_string(), "replayed 2 commits");
    log.append(b"three").unwrap();
    log.commit().unwrap();
    assert_eq!(open(&disk).2, [&b"one"[..], b"two", b"three"]);
}

#[test]
fn a_log_with_zeros_behind_its_last_frame_is_clean_and_goes_on_where_that_ends() {
    let settings = || Settings { preallocated_bytes: 500, ..settings() };
    let disk = disk_with(&[b"one"]);
    for (number, record) in [b"two", b"six", b"ten"].into_iter().enumerate() {
        let (mut log, recovery, payloads) = open_with(&disk, settings()).unwrap();
        assert_eq!(
            (payloads.len(), recovery.to_string()),
            (number + 1, format!("replayed {} commits", number + 1))
        );
        log.append(record).unwrap();
        log.commit().unwrap();
        assert_eq!(disk.read("log").len() as u64, log.length() + 500);
    }
    assert_eq!(open(&disk).2.concat(), b"onetwosixten");
    assert_eq!(disk.read("log").len(), 32 + 4 * (36 + 3), "what is not to be used is cut off");
}

#[test]
fn a_torn_end_is_saved_and_cut_off_wherever_the_log_is_cut_behind_its_first_commit() {
    let whole = disk_with(&[b"one", b"two", b"six"]).read("log");
    let ends: Vec<usize> = (1..=3).map(|frames| 32 + frames * (36 + 3)).collect();
    for length in ends[0]..whole.len() {
        let disk = disk_with(&[b"new"]);
        disk.put("log", &whole[..length]);
        let (mut log, recovery, payloads) = open(&disk);
        let good_frames = ends.iter().filter(|end| **end <= length).count();
        let good_length = ends[good_frames - 1];
        assert_eq!(payloads, [b"one", b"two"][..good_frames], "cut at {length}");
        if whole[good_length..length].iter().all(|byte| *byte == 0) {
            assert_eq!(recovery.torn, None);
        } else {
            let bytes = (length - good_length) as u64;
            assert_eq!(recovery.torn, Some(Saved { file: "/data/log.torn-1".to_owned(), bytes }));
            assert_eq!(disk.read("log.torn-1"), whole[good_length..length]);
            let text = format!("cut off a torn end of {bytes} bytes, saved as /data/log.torn-1");
            assert!(recovery.to_string().contains(&text), "{recovery}");
        }
        log.append(b"next").unwrap();
        log.commit().unwrap();
        assert_eq!(open(&disk).2.last().unwrap(), b"next");
    }
}

#[test]
fn a_log_without_its_first_commit_is_refused_and_salvage_sets_it_aside() {
    let whole = disk_with(&[b"one", b"two"]).read("log");
    for length in 0..32 + 36 + 3 {
        let disk = disk_with(&[b"one"]);
        disk.put("log", &whole[..length]);
        let refusal = refusal(&disk, settings());
        for part in ["/data/log is damaged to its end", "restore it from a backup", "--salvage"] {
            assert!(refusal.contains(part), "{refusal}");
        }
        assert_eq!(disk.read("log"), whole[..length], "it is left as it was");

        let (mut log, recovery, payloads) = open_with(&disk, salvage()).unwrap();
        let saved = Saved { file: "/data/log.damaged-1".to_owned(), bytes: length as u64 };
        assert_eq!(recovery.salvaged, Some(Salvaged { saved, bad_bytes: length as u64, lost_frames: 0 }));
        assert_eq!((payloads.len(), recovery.created), (0, false));
        assert_eq!(disk.read("log.damaged-1"), whole[..length]);
        log.append(b"next").unwrap();
        log.commit().unwrap();
        assert_eq!(open(&disk).2, [b"next"]);
    }
}

#[test]
fn a_log_without_its_first_commit_is_no_damage_where_nobody_was_ever_answered() {
    let unused = || Settings { unused: true, ..settings() };
    let whole = disk_with(&[b"one", b"two"]).read("log");
    for length in [0, 20, 32, 40] {
        let disk = empty_disk();
        disk.put("log", &whole[..length]);
        let (mut log, recovery, payloads) = open_with(&disk, unused()).unwrap();
        assert!(payloads.is_empty() && recovery.created && recovery.is_unusual());
        assert_eq!(
            recovery.to_string(),
            format!(
                "began a new log; the old log holds no commit, and no client had an answer from it, so an earlier \
                 start was interrupted; its {length} bytes are saved as /data/log.unfinished-1"
            )
        );
        assert_eq!(disk.read("log.unfinished-1"), whole[..length]);
        log.append(b"new").unwrap();
        log.commit().unwrap();
        assert_eq!(open(&disk).2, [b"new"]);
    }

    let disk = disk_with(&[b"one", b"two"]);
    assert_eq!(open_with(&disk, unused()).unwrap().2, [b"one", b"two"], "what is there counts all the same");
    flip(&disk, 80);
    disk.put("log", &[&disk.read("log")[..], &[0; 10]].concat());
    assert_eq!(open_with(&disk, unused()).unwrap().2, [b"one"]);
    let disk = disk_with(&[b"one", b"two"]);
    flip(&disk, 40);
    assert!(refusal(&disk, unused()).contains("is damaged at byte 32"));
}

#[test]
fn a_reserve_that_is_too_short_is_filled_again() {
    let disk = disk_with(&[b"one"]);
    for short in [0, 99] {
        disk.put("reserve", &vec![1; short]);
        let (_, recovery, _) = open(&disk);
        assert_eq!((disk.read("reserve").len(), recovery.no_reserve), (100, None));
    }

    // A short one is better than none.
    disk.put("reserve", &[1; 60]);
    disk.set_capacity(Some(disk.read("log").len() as u64 + 60));
    let (log, recovery, _) = open(&disk);
    assert!(recovery.no_reserve.is_some() && log.reserve_available());
    assert_eq!(disk.read("reserve").len(), 60);
}

#[test]
fn each_torn_end_gets_a_number_of_its_own() {
    let disk = disk_with(&[b"one"]);
    for number in 1..4 {
        disk.put("log", &[disk.read("log"), vec![7; number]].concat());
        open(&disk);
        assert_eq!(disk.read(&format!("log.torn-{number}")), vec![7; number]);
    }
}

#[test]
fn damage_is_refused_with_file_place_and_remedy_and_nothing_changes() {
    let disk = disk_with(&[b"one", b"two", b"three"]);
    flip(&disk, 80);
    let before = disk.read("log");
    let refusal = refusal(&disk, settings());
    for part in ["/data/log is damaged at byte 71", "byte 110", "1 commits missing", "--salvage"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    assert_eq!(disk.read("log"), before);
    assert_eq!(disk.names(), ["log", "reserve"]);
}

#[test]
fn salvage_saves_the_damaged_log_and_goes_on_without_the_bad_part() {
    let disk = disk_with(&[b"one", b"two", b"three"]);
    flip(&disk, 80);
    disk.put("log", &[disk.read("log"), b"torn".to_vec()].concat());
    let before = disk.read("log");

    let (mut log, recovery, payloads) = open_with(&disk, salvage()).unwrap();
    assert_eq!(payloads, [&b"one"[..], b"three"]);
    let saved = Saved { file: "/data/log.damaged-1".to_owned(), bytes: before.len() as u64 };
    assert_eq!(recovery.salvaged, Some(Salvaged { saved, bad_bytes: 39 + 4, lost_frames: 1 }));
    assert!(recovery.to_string().contains("/data/log.damaged-1"), "{recovery}");
    assert_eq!(disk.read("log.damaged-1"), before);
    log.append(b"four").unwrap();
    log.commit().unwrap();

    let (_, recovery, payloads) = open(&disk);
    assert_eq!(payloads.concat(), b"onethreefour");
    assert_eq!((recovery.salvaged, recovery.torn), (None, None));
}

#[test]
fn salvage_changes_nothing_about_a_good_log() {
    let disk = disk_with(&[b"one"]);
    let before = disk.read("log");
    let (_, recovery, payloads) = open_with(&disk, salvage()).unwrap();
    assert_eq!((payloads.len(), recovery.salvaged), (1, None));
    assert_eq!(disk.read("log"), before);
}

#[test]
fn what_is_no_log_at_all_is_refused_and_salvage_sets_it_aside() {
    let disk = empty_disk();
    disk.put("log", b"A text that someone has put in the place of a log.");
    assert!(refusal(&disk, settings()).contains("is not a log of builder"));
    let (mut log, recovery, payloads) = open_with(&disk, salvage()).unwrap();
    assert_eq!(payloads.len(), 0);
    assert_eq!(recovery.salvaged.unwrap().bad_bytes, 50);
    assert!(disk.read("log.damaged-1").starts_with(b"A text"));
    assert!(
        refusal(&disk, settings()).contains("is not a log of builder"),
        "as long as nothing takes its place"
    );
    log.append(b"next").unwrap();
    log.commit().unwrap();
    assert_eq!(open(&disk).1, RecoveryReport { frames: 1, ..RecoveryReport::default() });
}

#[test]
fn another_format_version_is_refused_even_with_salvage() {
    let disk = disk_with(&[b"one"]);
    let mut bytes = disk.read("log");
    bytes[11] = 2;
    let checksum = crc32c::crc32c(&bytes[..28]).to_be_bytes();
    bytes[28..32].copy_from_slice(&checksum);
    disk.put("log", &bytes);
    for settings in [settings(), salvage()] {
        assert!(refusal(&disk, settings).contains("in format 2; start that version"));
    }
    assert_eq!(disk.read("log"), bytes);
}

#[test]
fn a_record_that_makes_no_sense_is_refused_with_its_place() {
    let disk = disk_with(&[b"one", b"two"]);
    let opened = LogFile::open(disk, settings(), |payload| match payload {
        b"two" => Err("unknown kind of record"),
        _ => Ok(()),
    });
    let error = opened.err().unwrap().to_string();
    assert_eq!(error, "/data/log holds a record at byte 71 that makes no sense: unknown kind of record");
}

#[test]
fn a_half_written_draft_is_removed() {
    let disk = disk_with(&[b"one"]);
    disk.put("log.new", b"half");
    open(&disk);
    assert_eq!(disk.names(), ["log", "reserve"]);
}

#[test]
fn without_room_for_a_reserve_the_log_opens_and_says_so() {
    let disk = empty_disk();
    disk.set_capacity(Some(90));
    let (mut log, recovery, _) = open(&disk);
    assert!(!log.reserve_available());
    assert!(recovery.no_reserve.unwrap().contains("/data/reserve.new"));
    log.append(b"one").unwrap();
    log.commit().unwrap();
    assert_eq!(disk.names(), ["log"]);
}

#[test]
fn a_torn_end_is_saved_in_the_space_of_the_reserve_when_the_disk_is_full() {
    let disk = disk_with(&[b"one"]);
    disk.put("log", &[disk.read("log"), b"torn".to_vec()].concat());
    disk.set_capacity(Some(0));
    assert!(refusal(&disk, settings()).contains("free some space"));

    let disk = disk_with(&[b"one"]);
    disk.put("log", &[disk.read("log"), b"torn".to_vec()].concat());
    disk.set_capacity(Some(71 + 4 + 99));
    let (log, recovery, _) = open(&disk);
    assert!(recovery.torn.is_some());
    assert!(!log.reserve_available());
}

#[test]
fn a_log_that_cannot_be_synced_is_not_opened() {
    let disk = disk_with(&[b"one"]);
    disk.set_faults(failing_syncs(ErrorKind::Other));
    assert!(refusal(&disk, settings()).contains("cannot sync /data/log"));
}

#[test]
fn what_a_failed_sync_left_in_memory_is_durable_once_the_log_is_open() {
    let disk = disk_with(&[b"one"]);
    let (mut log, ..) = open(&disk);
    disk.set_faults(failing_syncs(ErrorKind::Other));
    log.append(b"two").unwrap();
    assert!(matches!(log.commit(), Err(WriteError::Failed(_))));
    disk.mend();
    let (mut log, _, payloads) = open(&disk);
    assert_eq!(payloads, [b"one", b"two"]);
    assert_eq!(open(&disk.after_power_failure(worst())).2, payloads);
    log.append(b"three").unwrap();
    log.commit().unwrap();
    for found in crashes(&disk) {
        assert_eq!(open(&found).2.len(), 3);
    }
}

#[test]
fn a_log_that_is_only_read_is_left_as_it_is() {
    let reading = |disk: &LogStorage, salvage| {
        let before = (disk.host.operations(), disk.names());
        let mut payloads = Vec::new();
        let reading = read(disk.clone(), salvage, |payload| {
            payloads.push(payload.to_vec());
            Ok::<(), Infallible>(())
        });
        assert_eq!((disk.host.operations(), disk.names()), before);
        reading.map(|reading| (reading, payloads.concat()))
    };
    assert_eq!(reading(&empty_disk(), false).unwrap(), (None, Vec::new()));

    let disk = disk_with(&[b"one", b"two"]);
    let found = Reading { frames: 2, bad_bytes: 0 };
    assert_eq!(reading(&disk, false).unwrap(), (Some(found), b"onetwo".to_vec()));
    disk.put("log", &[disk.read("log"), b"torn".to_vec()].concat());
    let found = Reading { frames: 2, bad_bytes: 4 };
    assert_eq!(reading(&disk, false).unwrap(), (Some(found), b"onetwo".to_vec()));

    flip(&disk, 40);
    assert!(reading(&disk, false).unwrap_err().to_string().contains("is damaged at byte 32"));
    let found = Reading { frames: 1, bad_bytes: 39 + 4 };
    assert_eq!(reading(&disk, true).unwrap(), (Some(found), b"two".to_vec()));
}
