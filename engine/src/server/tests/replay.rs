//! What recovery makes of records that it reads one after the other, also of bad ones.

use super::records::{TIME, UUID, aborted, bytes, enqueued, finished, scheduled, started};
use super::words::{orb_build, script};
use crate::server::record::{
    Contents, Enqueued, Finished, NoticeGiven, Record, Requeue, Rescheduled, Started, WrittenBack,
};
use crate::server::{PendingResult, Recovery, State};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::Period;
use builder_proto::wire::RawUuid;
use std::sync::Arc;

fn apply(recovery: &mut Recovery, records: &[Record]) -> Result<(), String> {
    let batch: Vec<u8> = records.iter().flat_map(bytes).collect();
    recovery.apply_batch(&batch).map_err(|error| error.to_string())
}

#[test]
fn a_record_of_an_unknown_kind_is_refused() {
    let mut recovery = Recovery::new(false);
    let batch = [bytes(&Record::Dropped("p".into())), vec![0xbd, 2, 5, 0]].concat();
    let error = recovery.apply_batch(&batch).unwrap_err().to_string();
    assert!(error.starts_with("record 2 is of no known kind ("), "{error}");
    assert!(error.ends_with("was it written by a newer version?"), "{error}");
}

#[test]
fn records_that_contradict_those_before_are_refused() {
    let job = || scheduled(Job::Script(script("a", "p")));
    let platform = || Record::PlatformAdded("p".into());
    let other = || Record::PlatformAdded("q".into());
    let on_other = Record::Enqueued(Enqueued {
        platform: "q".into(),
        name: "a".into(),
        front: false,
        at: None,
        environment: None,
    });
    let next = Rescheduled { name: "a".into(), next: TIME, period: Period::Never, every: None };
    for (before, record, problem) in [
        (vec![job()], job(), "job a is scheduled twice"),
        (vec![], Record::Unscheduled("a".into()), "job a is unscheduled, but does not exist"),
        (vec![], Record::Rescheduled(next), "job a is rescheduled, but does not exist"),
        (vec![job()], enqueued(false), "job a is queued for platform p, where it cannot run"),
        (vec![job(), other()], on_other, "job a is queued for platform q, where it cannot run"),
        (vec![platform()], enqueued(false), "job a is queued for platform p, where it cannot run"),
        (vec![platform()], started(false), "script job a is started, but does not exist"),
        (
            vec![scheduled(Job::OrbBuild(orb_build("a")))],
            started(false),
            "script job a is started, but does not exist",
        ),
        (
            vec![started(true)],
            started(true),
            "build 01020304-0506-0708-090a-0b0c0d0e0f10 of job a starts twice",
        ),
        (vec![], finished(None), "build 01020304-0506-0708-090a-0b0c0d0e0f10 finishes, but is not running"),
        (
            vec![started(true), aborted(Requeue::No)],
            aborted(Requeue::No),
            "build 01020304-0506-0708-090a-0b0c0d0e0f10 is aborted, but is not running",
        ),
        (
            vec![],
            Record::NoticeGiven(NoticeGiven { uuid: UUID }),
            "the notice of build 01020304-0506-0708-090a-0b0c0d0e0f10 is given, but did not wait",
        ),
        (vec![], Record::Undropped("p".into()), "platform p is undropped, but does not exist"),
    ] {
        let mut recovery = Recovery::new(false);
        apply(&mut recovery, &before).unwrap();
        let number = before.len() + 1;
        let text =
            format!("record {number} contradicts those before: {problem}; --salvage continues without it");
        assert_eq!(apply(&mut recovery, std::slice::from_ref(&record)), Err(text));

        let mut tolerant = Recovery::new(true);
        apply(&mut tolerant, &before).unwrap();
        apply(&mut tolerant, &[record, Record::PlatformAdded("later".into())]).unwrap();
        let recovered = tolerant.finish();
        assert_eq!((recovered.records, recovered.skipped), (before.len() as u64 + 2, 1));
        let mut expected = Recovery::new(false);
        apply(&mut expected, &before).unwrap();
        apply(&mut expected, &[Record::PlatformAdded("later".into())]).unwrap();
        assert_eq!(snapshot(&recovered.state), snapshot(&expected.finish().state), "the state is unchanged");
    }
}

#[test]
fn a_tolerant_recovery_leaves_out_what_it_cannot_read() {
    let mut recovery = Recovery::new(true);
    recovery.apply_batch(&[bytes(&Record::Dropped("p".into())), b"junk".to_vec()].concat()).unwrap();
    apply(&mut recovery, &[Record::Dropped("q".into())]).unwrap();
    let recovered = recovery.finish();
    assert_eq!((recovered.records, recovered.skipped), (3, 1));
    assert_eq!(recovered.state.dropped.into_iter().collect::<Vec<_>>(), ["p".into(), Text::from("q")]);
}

/// A build with a result in the log, of one byte: its number.
fn build_with_result(number: u128) -> [Record; 2] {
    let uuid = RawUuid(Uuid::from_u128(number));
    let job = Some(script("a", "p"));
    let contents = Some(Contents(Arc::new(vec![number as u8])));
    [
        Record::Started(Started {
            uuid,
            started: TIME,
            platform: "p".into(),
            name: "a".into(),
            job,
            queued: None,
            host: None,
            environment: None,
        }),
        Record::Finished(Finished { uuid, contents }),
    ]
}

#[test]
fn the_write_back_forgets_the_results_that_it_names_and_no_others() {
    let records: Vec<Record> = (1..=3).flat_map(build_with_result).collect();
    for (written_back, left) in
        [(vec![], vec![1, 2, 3]), (vec![2], vec![1, 3]), (vec![3, 1, 2], vec![]), (vec![9], vec![1, 2, 3])]
    {
        let uuids = written_back.into_iter().map(|number| RawUuid(Uuid::from_u128(number))).collect();
        let mut recovery = Recovery::new(false);
        apply(&mut recovery, &records).unwrap();
        apply(&mut recovery, &[Record::WrittenBack(WrittenBack { uuids })]).unwrap();
        let pending = recovery.finish().pending;
        assert_eq!(pending.iter().map(|result| result.uuid.as_u128()).collect::<Vec<_>>(), left);
        assert!(pending.iter().all(|result| result.name == "a".into()));
    }
}

#[test]
fn a_result_is_kept_although_a_salvage_left_out_the_start_of_its_build() {
    let uuid = Uuid::from_u128(7);
    let console = Vec::new();
    let (result, output) = (BuildResult::Exited(0), Vec::new());
    let whole =
        Execution { job: script("lost", "p"), uuid, console, started: TIME, finished: TIME, result, output };
    let contents = Contents(Arc::new(whole.encode().unwrap()));
    let finished = Record::Finished(Finished { uuid: RawUuid(uuid), contents: Some(contents.clone()) });
    let mut recovery = Recovery::new(true);
    apply(&mut recovery, std::slice::from_ref(&finished)).unwrap();
    let recovered = recovery.finish();
    assert_eq!(recovered.skipped, 1);
    assert_eq!(recovered.pending, [PendingResult { uuid, name: "lost".into(), contents }]);
    assert!(apply(&mut Recovery::new(false), &[finished]).is_err());
}

#[test]
fn a_finished_build_without_contents_leaves_nothing_to_write_back() {
    let mut recovery = Recovery::new(false);
    apply(&mut recovery, &[started(true), finished(None)]).unwrap();
    assert_eq!(recovery.finish().pending, []);
}

fn snapshot(state: &State) -> Vec<Record> {
    state.snapshot().collect()
}
