//! The records of the log: their bytes.

use super::words::{orb_build, script};
use crate::history::{EndedBuild, Gone};
use crate::server::record::{
    Aborted, Configured, Contents, Dequeued, Enqueued, Finished, Losses, NoticeGiven, NoticeQueued, Pause,
    Pending, Record, Remembered, Removed, Requeue, Rescheduled, Started, Unstored, UploadQueued, Uploaded,
    WrittenBack,
};
use builder_proto::Uuid;
use builder_proto::environment::Variable;
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::{Period, Time};
use builder_proto::wire::RawUuid;
use std::sync::Arc;

pub(super) const UUID: RawUuid = RawUuid(Uuid::from_u128(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10));
/// 2026-01-02T03:04:05Z.
pub(super) const TIME: Time = Time::from_unix_milliseconds(1_767_323_045_000);

pub(super) fn scheduled(job: Job) -> Record {
    Record::Scheduled(ScheduleItem { next: TIME, period: Period::Daily, job })
}

pub(super) fn started(job: bool) -> Record {
    let job = job.then(|| script("a", "p"));
    Record::Started(Started {
        uuid: UUID,
        started: TIME,
        platform: "p".into(),
        name: "a".into(),
        job,
        queued: None,
        host: None,
        environment: None,
    })
}

fn variable() -> Variable {
    Variable { name: "A".into(), value: "1".into() }
}

pub(super) fn finished(contents: Option<&[u8]>) -> Record {
    let contents = contents.map(|contents| Contents(Arc::new(contents.to_vec())));
    Record::Finished(Finished { uuid: UUID, contents })
}

pub(super) fn aborted(requeue: Requeue) -> Record {
    Record::Aborted(Aborted { uuid: UUID, finished: TIME, reason: "r".into(), requeue })
}

pub(super) fn enqueued(front: bool) -> Record {
    Record::Enqueued(Enqueued { platform: "p".into(), name: "a".into(), front, at: None, environment: None })
}

/// Every kind of record, with the bytes that stand for it on disk from the first version on.
fn golden() -> Vec<(Record, &'static str)> {
    let next = Rescheduled { name: "a".into(), next: TIME, period: Period::Never, every: None };
    let settings = JobSettings { every: Some(21_600), ..JobSettings::NONE };
    let configured = Configured {
        item: ScheduleItem { next: TIME, period: Period::Daily, job: Job::Script(script("a", "p")) },
        appointed: true,
        settings,
    };
    let unstored =
        Unstored { uuid: UUID, started: TIME, finished: TIME, job: script("a", "p"), reason: "r".into() };
    vec![
        (
            scheduled(Job::Script(script("a", "p"))),
            "a02b3029180f32303236303130323033303430355aa1020500a01230100c01610c066563686f206130000c0170",
        ),
        (
            scheduled(Job::OrbBuild(orb_build("o"))),
            "a0293027180f32303236303130323033303430355aa1020500a110300e0c016f0c097061636b6167652d6f",
        ),
        (
            Record::ScheduledOnGrid(ScheduleItem {
                next: TIME,
                period: Period::Daily,
                job: Job::Script(script("a", "p")),
            }),
            "b12b3029180f32303236303130323033303430355aa1020500a01230100c01610c066563686f206130000c0170",
        ),
        (Record::Unscheduled("a".into()), "a1030c0161"),
        (Record::Rescheduled(next.clone()), "a21a30180c0161180f32303236303130323033303430355aa3020500"),
        (
            Record::Advanced(Rescheduled { every: Some(21_600), ..next.clone() }),
            "b220301e0c0161180f32303236303130323033303430355aa3020500a00402025460",
        ),
        (Record::Advanced(next), "b21a30180c0161180f32303236303130323033303430355aa3020500"),
        (
            Record::Configured(configured),
            "b83830363029180f32303236303130323033303430355aa1020500a01230100c01610c066563686f206130000c01700101ff3006a20402025460",
        ),
        (Record::PlatformAdded("p".into()), "a3030c0170"),
        (enqueued(false), "a40b30090c01700c0161010100"),
        (enqueued(true), "a40b30090c01700c01610101ff"),
        (
            started(false),
            "a52b30290c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01700c0161",
        ),
        (
            started(true),
            "a53d303b0c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01700c016130100c01610c066563686f206130000c0170",
        ),
        (finished(None), "a61430120c100102030405060708090a0b0c0d0e0f10"),
        (finished(Some(b"\xa0\x00")), "a61830160c100102030405060708090a0b0c0d0e0f100402a000"),
        (
            aborted(Requeue::No),
            "a72b30290c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01720a0100",
        ),
        (
            aborted(Requeue::Front),
            "a72b30290c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01720a0101",
        ),
        (
            aborted(Requeue::FrontAfterLoss),
            "a72b30290c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01720a0102",
        ),
        (
            Record::WrittenBack(WrittenBack { uuids: vec![UUID] }),
            "a816301430120c100102030405060708090a0b0c0d0e0f10",
        ),
        (Record::Dropped("p".into()), "a9030c0170"),
        (Record::Undropped("p".into()), "aa030c0170"),
        (
            Record::Losses(Losses { name: "a".into(), platform: "p".into(), count: 2 }),
            "ab0b30090c01610c0170020102",
        ),
        (
            Record::Unstored(unstored),
            "ac4b30490c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a180f32303236303130323033303430355a30100c01610c066563686f206130000c01700c0172",
        ),
        (
            Record::Pending(Pending { uuid: UUID, name: "a".into(), contents: Contents(Arc::new(vec![7])) }),
            "b01a30180c100102030405060708090a0b0c0d0e0f100c0161040107",
        ),
        (
            Record::UploadQueued(UploadQueued { uuid: UUID, name: "a".into() }),
            "ad1730150c100102030405060708090a0b0c0d0e0f100c0161",
        ),
        (
            Record::Uploaded(Uploaded { uuid: UUID, keep_local: false }),
            "ae1730150c100102030405060708090a0b0c0d0e0f10010100",
        ),
        (
            Record::Uploaded(Uploaded { uuid: UUID, keep_local: true }),
            "ae1730150c100102030405060708090a0b0c0d0e0f100101ff",
        ),
        (Record::Paused(Pause { platform: None }), "b6023000"),
        (Record::Paused(Pause { platform: Some("p".into()) }), "b6073005a0030c0170"),
        (Record::Resumed(Pause { platform: None }), "b7023000"),
        (Record::Resumed(Pause { platform: Some("p".into()) }), "b7073005a0030c0170"),
        (Record::Dequeued(Dequeued { platform: "p".into(), name: "a".into() }), "b90830060c01700c0161"),
        (Record::Removed(Removed { uuid: UUID }), "af1430120c100102030405060708090a0b0c0d0e0f10"),
        (
            Record::Enqueued(Enqueued {
                platform: "p".into(),
                name: "a".into(),
                front: true,
                at: Some(TIME),
                environment: None,
            }),
            "a41e301c0c01700c01610101ffa011180f32303236303130323033303430355a",
        ),
        (
            Record::Enqueued(Enqueued {
                platform: "p".into(),
                name: "a".into(),
                front: true,
                at: Some(TIME),
                environment: Some(vec![variable()]),
            }),
            "a42a30280c01700c01610101ffa011180f32303236303130323033303430355aa10a300830060c01410c0131",
        ),
        (
            Record::Started(Started {
                uuid: UUID,
                started: TIME,
                platform: "p".into(),
                name: "a".into(),
                job: None,
                queued: Some(TIME),
                host: Some("::1".into()),
                environment: None,
            }),
            "a54530430c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01700c0161\
             a011180f32303236303130323033303430355aa1050c033a3a31",
        ),
        (
            Record::NoticeQueued(NoticeQueued {
                build: Build {
                    uuid: UUID,
                    job: "a".into(),
                    platform: "p".into(),
                    started: TIME,
                    queued: None,
                    host: None,
                    end: Some(BuildEnd::new(TIME, Cause::Exited(1))),
                },
            }),
            "ba533051304f0c100102030405060708090a0b0c0d0e0f100c01610c0170180f32303236303130323033303430355a\
             a2243022180f32303236303130323033303430355aa003020101020100020100020100020100",
        ),
        (Record::NoticeGiven(NoticeGiven { uuid: UUID }), "bb1430120c100102030405060708090a0b0c0d0e0f10"),
        (
            Record::Started(Started {
                uuid: UUID,
                started: TIME,
                platform: "p".into(),
                name: "a".into(),
                job: None,
                queued: None,
                host: None,
                environment: Some(vec![variable()]),
            }),
            "a53730350c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a0c01700c0161\
             a20a300830060c01410c0131",
        ),
        (
            Record::Gone(Gone { uuid: UUID, at: TIME }),
            "b42530230c100102030405060708090a0b0c0d0e0f10180f32303236303130323033303430355a",
        ),
        (
            Record::Remembered(Remembered { uuids: vec![UUID], length: 258 }),
            "b51a301830120c100102030405060708090a0b0c0d0e0f1002020102",
        ),
        (
            Record::Ended(EndedBuild {
                build: Build {
                    uuid: UUID,
                    job: "a".into(),
                    platform: "p".into(),
                    started: TIME,
                    queued: None,
                    host: None,
                    end: Some(BuildEnd::new(TIME, Cause::Exited(1))),
                },
                artifacts: Some(Vec::new()),
            }),
            "b3573055304f0c100102030405060708090a0b0c0d0e0f100c01610c0170180f32303236303130323033303430355a\
             a2243022180f32303236303130323033303430355aa003020101020100020100020100020100a0023000",
        ),
    ]
}

pub(super) fn bytes(record: &Record) -> Vec<u8> {
    let mut batch = Vec::new();
    record.append_to(&mut batch).unwrap();
    batch
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn the_bytes_of_records_stay_as_they_are() {
    for (record, expected) in golden() {
        assert_eq!(hex(&bytes(&record)), expected, "{record:?}");
    }
}

#[test]
fn records_survive_their_bytes_one_by_one_and_in_a_batch() {
    let records: Vec<Record> = golden().into_iter().map(|(record, _)| record).collect();
    let mut batch = Vec::new();
    for record in &records {
        assert_eq!(Record::read_batch(&bytes(record)).collect::<Vec<_>>(), [Ok(record.clone())]);
        record.append_to(&mut batch).unwrap();
    }
    assert_eq!(Record::read_batch(&batch).collect::<Result<Vec<_>, _>>(), Ok(records));
    assert_eq!(Record::read_batch(&[]).count(), 0);
}

#[test]
fn what_is_cut_off_is_no_record() {
    for (record, _) in golden() {
        let bytes = bytes(&record);
        for end in 1..bytes.len() {
            let read: Vec<_> = Record::read_batch(&bytes[..end]).collect();
            assert!(matches!(read[..], [Err(_)]), "{record:?} at {end}");
        }
    }
}
