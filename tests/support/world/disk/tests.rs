//! The disk loses what it may lose, and nothing else.

use super::*;
use std::collections::BTreeSet;

/// Disks that a crash may leave, each from another seed.
fn crashed(crash: Crash, act: impl Fn(&mut Disk)) -> impl Iterator<Item = Disk> {
    (0..200).map(move |seed| {
        let mut disk = Disk::new(Host::new(), Random::new(seed), Faults::default());
        act(&mut disk);
        disk.crash(crash);
        disk
    })
}

fn write(disk: &mut Disk, path: &str, bytes: &[u8]) -> Inode {
    let file = disk.create(path).unwrap();
    disk.write_all_at(file, 0, bytes).unwrap();
    file
}

#[test]
fn what_was_synced_survives_a_power_failure() {
    let act = |disk: &mut Disk| {
        let file = write(disk, "file", &[7; 3000]);
        disk.sync(file).unwrap();
        disk.sync_directory("").unwrap();
        disk.write_all_at(file, 3000, &[8; 3000]).unwrap();
    };
    for disk in crashed(Crash::Power, act) {
        assert_eq!(disk.read("file").unwrap()[..3000], [7; 3000]);
    }
}

#[test]
fn a_sync_of_contents_may_leave_a_grown_length_behind_and_nothing_else() {
    let act = |disk: &mut Disk| {
        let file = write(disk, "file", &[7; 1000]);
        disk.sync(file).unwrap();
        disk.sync_directory("").unwrap();
        disk.write_all_at(file, 500, &[8; 1000]).unwrap();
        disk.sync_contents(file).unwrap();
    };
    let mut lengths = BTreeSet::new();
    for disk in crashed(Crash::Power, act) {
        let found = disk.read("file").unwrap();
        assert_eq!((&found[..500], &found[500..1000]), (&[7; 500][..], &[8; 500][..]));
        lengths.insert(found.len());
    }
    assert!(lengths.contains(&1000) && lengths.contains(&1500), "{lengths:?}");
}

#[test]
fn a_file_that_was_not_written_from_front_to_back_may_be_padded_unless_its_length_was_set() {
    let lengths = |sets_length| {
        let act = move |disk: &mut Disk| {
            let file = disk.create("file").unwrap();
            disk.write_all_at(file, 100, &[7; 900]).unwrap();
            disk.write_all_at(file, 0, &[7; 100]).unwrap();
            if sets_length {
                disk.set_length(file, 1000).unwrap();
            }
            disk.sync(file).unwrap();
            disk.sync_directory("").unwrap();
        };
        crashed(Crash::Power, act).map(|disk| disk.read("file").unwrap().len()).collect::<BTreeSet<_>>()
    };
    assert_eq!(lengths(false), BTreeSet::from([1000, 2048]));
    assert_eq!(lengths(true), BTreeSet::from([1000]));
}

#[test]
fn what_was_not_synced_survives_in_part() {
    let act = |disk: &mut Disk| {
        let file = write(disk, "file", &[]);
        disk.sync_directory("").unwrap();
        disk.write_all_at(file, 0, &[7; 1536]).unwrap();
    };
    let sectors = |disk: Disk| {
        let bytes = disk.read("file").unwrap();
        bytes.chunks(512).map(|sector| sector[0] == 7).collect::<Vec<bool>>()
    };
    let found: BTreeSet<Vec<bool>> = crashed(Crash::Power, act).map(sectors).collect();
    for expected in [vec![], vec![true; 3], vec![true, false, true], vec![false; 3], vec![true]] {
        assert!(found.contains(&expected), "{expected:?} is not among {found:?}");
    }
}

#[test]
fn a_killed_process_loses_nothing_that_it_wrote() {
    for disk in crashed(Crash::Kill, |disk| {
        write(disk, "file", b"bytes");
    }) {
        assert_eq!(disk.read("file"), Some(&b"bytes"[..]));
    }
}

#[test]
fn a_name_is_durable_when_its_directory_was_synced_and_not_before() {
    let act = |disk: &mut Disk| {
        let file = write(disk, "draft", b"new");
        disk.sync(file).unwrap();
        disk.rename("draft", "file").unwrap();
    };
    let found: BTreeSet<bool> = crashed(Crash::Power, act).map(|disk| disk.exists("file")).collect();
    assert_eq!(found, BTreeSet::from([false, true]));
    let synced = |disk: &mut Disk| {
        act(disk);
        disk.sync_directory("").unwrap();
    };
    assert!(crashed(Crash::Power, synced).all(|disk| disk.read("file") == Some(b"new")));
}

#[test]
fn a_move_between_directories_is_made_or_not_made() {
    let act = |disk: &mut Disk| {
        disk.create_directory("from").unwrap();
        disk.create_directory("to").unwrap();
        disk.sync_directory("").unwrap();
        write(disk, "from/file", b"");
        disk.sync_directory("from").unwrap();
        disk.rename("from/file", "to/file").unwrap();
    };
    for disk in crashed(Crash::Power, act) {
        assert_ne!(disk.exists("from/file"), disk.exists("to/file"));
    }
}

#[test]
fn a_failed_sync_leaves_what_the_next_one_does_not_write() {
    let act = |disk: &mut Disk| {
        let file = write(disk, "file", &[]);
        disk.sync_directory("").unwrap();
        disk.write_all_at(file, 0, &[7; 512]).unwrap();
        disk.set_faults(Faults { failed_syncs: 1000, ..Faults::default() });
        disk.sync(file).unwrap_err();
        disk.set_faults(Faults::default());
        assert_eq!(disk.read("file"), Some(&[7; 512][..]), "the page cache still shows it");
        disk.sync(file).unwrap();
    };
    let found: BTreeSet<u8> = crashed(Crash::Power, act).map(|disk| disk.read("file").unwrap()[0]).collect();
    assert_eq!(found, BTreeSet::from([0, 7]));
}

#[test]
fn a_full_disk_takes_what_fits_and_then_refuses() {
    let mut disk = Disk::new(Host::new(), Random::new(1), Faults::default());
    disk.leave(Some(100));
    let file = disk.create("file").unwrap();
    assert_eq!(disk.write_at(file, 0, &[1; 150]).unwrap(), 100);
    assert_eq!(disk.write_at(file, 100, &[1; 50]).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(disk.write_at(file, 0, &[2; 100]).unwrap(), 100, "what is there can be written again");
    disk.remove_file("file").unwrap();
    assert_eq!(disk.free(), 100);
}

#[test]
fn a_file_takes_no_more_than_one_may_hold_and_a_write_no_more_than_one_takes() {
    let mut disk = Disk::new(Host::new(), Random::new(1), Faults::default());
    let faults = Faults { longest_file: Some(100), longest_transfer: Some(70), ..Faults::default() };
    disk.set_faults(faults);
    let file = disk.create("file").unwrap();
    assert_eq!(disk.write_at(file, 0, &[1; 150]).unwrap(), 70);
    assert_eq!(disk.write_at(file, 70, &[1; 50]).unwrap(), 30);
    assert_eq!(disk.write_at(file, 100, &[1; 50]).unwrap_err().kind(), ErrorKind::FileTooLarge);
    assert_eq!(disk.write_at(file, 50, &[2; 60]).unwrap(), 50, "what is there can be written again");
}

#[test]
fn a_script_decides_which_operation_fails_and_with_what() {
    let mut disk = Disk::new(Host::new(), Random::new(1), Faults::default());
    let error = Some(ErrorKind::QuotaExceeded);
    disk.set_faults(Faults {
        write_errors: 10,
        failed_syncs: 10,
        other_errors: 10,
        error,
        ..Faults::default()
    });
    disk.decide_by(Random::scripted(&[255, 0, 255, 0, 255, 1, 0, 255]));
    assert_eq!(disk.create("file").unwrap_err().kind(), ErrorKind::QuotaExceeded);
    assert!(!disk.exists("file"));
    let file = disk.create("file").unwrap();
    assert_eq!(disk.write_at(file, 0, &[7; 1000]).unwrap_err().kind(), ErrorKind::QuotaExceeded);
    disk.write_all_at(file, 0, &[7; 1000]).unwrap();
    assert_eq!(disk.sync(file).unwrap_err().kind(), ErrorKind::QuotaExceeded);
    disk.rename("file", "other").unwrap_err();
    disk.sync_directory("").unwrap();
    disk.crash(Crash::Power);
    // The script wrote back one of two sectors when the sync failed.
    assert_eq!(disk.read("file").map(|found| found[0]), Some(7));
    assert_eq!(disk.read("file").map(|found| found[512..].iter().all(|byte| *byte == 0)), Some(true));
}

#[test]
fn what_is_put_in_place_is_durable_and_a_copy_of_a_disk_goes_its_own_way() {
    let mut disk = Disk::new(Host::new(), Random::new(1), Faults::default());
    disk.put("file", b"first");
    disk.put("file", b"second one");
    let host = Host::new();
    let mut copy = disk.fork(host.clone(), Random::scripted(&[]));
    let file = copy.open("file").unwrap();
    copy.write_all_at(file, 0, b"third").unwrap();
    assert_eq!(copy.read("file"), Some(&b"thirdd one"[..]));
    copy.crash(Crash::Power);
    assert_eq!(copy.read("file"), Some(&b"second one"[..]));
    copy.leave(Some(5));
    disk.leave(Some(5));
    disk.put("file", b"");
    assert_eq!((copy.free(), disk.free(), host.operations()), (5, 15, 1));
}

#[test]
fn what_is_written_back_survives_in_part_although_nobody_asked() {
    let act = |disk: &mut Disk| {
        let file = write(disk, "file", &[]);
        disk.sync_directory("").unwrap();
        disk.write_all_at(file, 0, &[7; 1024]).unwrap();
        disk.start_flush(file);
        assert!(disk.read_at(file, 1000, &mut [0; 100]) == 24);
        disk.decide_by(Random::scripted(&[]));
    };
    let written = |disk: Disk| disk.read("file").unwrap().contains(&7);
    let found: BTreeSet<bool> = crashed(Crash::Power, act).map(written).collect();
    assert_eq!(found, BTreeSet::from([false, true]));
}
