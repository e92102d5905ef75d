mod credentials;

use super::*;
use crate::server::record::{Contents, Started};
use crate::server::{Action, Immediate, Input, Server, Settings, Start, Templates};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::Time;
use std::sync::Arc;

const SECOND: Duration = Duration::from_secs(1);
const START: Now = Now { wall: Time::UNIX_EPOCH, monotonic: Duration::ZERO };
const DESTINATION: &str = "https://builds.example/upload";

fn uuid(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn after(duration: Duration) -> Now {
    Now { wall: START.wall.saturating_add(duration), monotonic: START.monotonic.saturating_add(duration) }
}

/// A server, and what it did.
struct Bench {
    server: Server,
    records: Vec<Record>,
}

/// What the server wants done, of what concerns uploads.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Upload(u8),
    Remove(u8),
}

impl Bench {
    /// A server that goes on from `state`, with uploads.
    fn recovered(state: State, stored: &[u8], keep_local: bool) -> Bench {
        let uploads = UploadSettings { destination: DESTINATION.to_owned(), keep_local };
        Bench::started(state, stored, Some(uploads))
    }

    fn started(state: State, stored: &[u8], uploads: Option<UploadSettings>) -> Bench {
        let settings = Settings {
            job_time: SECOND,
            defaults: JobSettings::NONE,
            artifact_bytes: 1000,
            console_bytes: 1000,
            builds: 100,
            observers: 100,
        };
        let start = Start {
            settings,
            state,
            uuids: Box::new(core::iter::empty()),
            templates: Templates::new(),
            uploads,
            notices: false,
            stored: stored.iter().copied().map(uuid).collect(),
            written_back: Vec::new(),
        };
        let server = Server::start(START, start);
        Bench { server, records: Vec::new() }
    }

    /// A server in whose outbox the results of these builds wait.
    fn with_results(numbers: &[u8]) -> Bench {
        Bench::recovered(state_with_builds(numbers), numbers, false)
    }

    /// Ends a turn; gives what is to be done about uploads.
    fn turn(&mut self, now: Now) -> Vec<Wish> {
        self.server.handle(now, Input::Tick);
        let mut wishes = Vec::new();
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Append(record) => self.records.push(record),
                Action::AfterCommit(Deferred::Upload { uuid, name }) => {
                    assert_eq!(name, job_name(uuid));
                    wishes.push(Wish::Upload(uuid.as_bytes()[0]));
                }
                Action::AfterCommit(Deferred::RemoveResult { uuid, name }) => {
                    assert_eq!(name, job_name(uuid));
                    wishes.push(Wish::Remove(uuid.as_bytes()[0]));
                }
                Action::Now(Immediate::Halt { reason }) => panic!("{reason}"),
                _ => {}
            }
        }
        wishes
    }

    /// Reports how an upload ended; gives what is to be done next.
    fn end(&mut self, now: Now, number: u8, outcome: UploadOutcome<'_>) -> Vec<Wish> {
        self.server.handle(now, Input::UploadEnded { uuid: uuid(number), outcome });
        self.turn(now)
    }

    fn queue_info(&self) -> Option<QueueInfo> {
        self.server.uploads.queue_info(self.server.state())
    }

    fn title(&self) -> String {
        self.queue_info().unwrap().platform.to_string()
    }

    /// The same server after a crash, with what its log holds.
    fn restarted(&self) -> Bench {
        let mut state = State::default();
        for record in self.server.state().snapshot() {
            state.apply(&record).unwrap();
        }
        Bench::recovered(state, &[], false)
    }
}

fn job_name(uuid: Uuid) -> Text {
    format!("job-{}", uuid.as_bytes()[0]).into()
}

/// Builds that run.
fn state_with_builds(numbers: &[u8]) -> State {
    let mut state = State::default();
    for number in numbers {
        let name = job_name(uuid(*number));
        let job = ScriptJob { name: name.clone(), script: "true".into(), platform: "linux".into() };
        let started = Started {
            uuid: RawUuid(uuid(*number)),
            started: START.wall,
            platform: "linux".into(),
            name,
            job: Some(job),
            queued: None,
            host: None,
            environment: None,
        };
        state.apply(&Record::Started(started)).unwrap();
    }
    state
}

#[test]
fn a_finished_build_is_uploaded_and_then_removed() {
    let mut bench = Bench::with_results(&[1, 2]);
    assert_eq!(bench.turn(START), [Wish::Upload(1)]);
    assert_eq!(bench.turn(START), [], "one at a time");
    assert_eq!(bench.end(START, 1, UploadOutcome::Done), [Wish::Remove(1), Wish::Upload(2)]);
    bench.server.handle(START, Input::ResultRemoved { uuid: uuid(1) });
    assert_eq!(bench.end(START, 2, UploadOutcome::Done), [Wish::Remove(2)]);
    bench.server.handle(START, Input::ResultRemoved { uuid: uuid(2) });
    assert_eq!(bench.turn(START), []);
    assert_eq!(bench.queue_info(), None);
    assert_eq!(bench.restarted().turn(START), [], "nothing is done twice");
}

#[test]
fn an_upload_is_queued_in_the_log_before_its_build_is_finished() {
    let mut bench = Bench::with_results(&[1]);
    bench.turn(START);
    assert!(matches!(
        bench.records.as_slice(),
        [Record::UploadQueued(queued), Record::Finished(finished)]
            if queued.uuid == RawUuid(uuid(1)) && finished.uuid == RawUuid(uuid(1))
    ));
}

#[test]
fn a_crash_between_queueing_and_finishing_uploads_the_result_once_it_is_stored() {
    let mut state = state_with_builds(&[1]);
    let queued = UploadQueued { uuid: RawUuid(uuid(1)), name: job_name(uuid(1)) };
    state.apply(&Record::UploadQueued(queued)).unwrap();
    let mut bench = Bench::recovered(state, &[], false);
    assert_eq!(bench.turn(START), [], "its result is being stored");
    let contents = Some(Contents(Arc::new(vec![0])));
    bench.server.handle(START, Input::ResultStored { uuid: uuid(1), contents });
    assert_eq!(bench.turn(START), [Wish::Upload(1)]);
    assert_eq!(bench.end(START, 1, UploadOutcome::Done), [Wish::Remove(1)]);
}

#[test]
fn a_restart_goes_on_where_the_outbox_was() {
    let mut bench = Bench::with_results(&[1, 2, 3]);
    bench.turn(START);
    bench.end(START, 1, UploadOutcome::Done);
    let mut bench = bench.restarted();
    assert_eq!(bench.turn(START), [Wish::Remove(1), Wish::Upload(2)], "the removal was not reported");
    bench.end(START, 2, UploadOutcome::Unavailable("no route"));
    let mut bench = bench.restarted();
    assert_eq!(bench.turn(START), [Wish::Remove(1), Wish::Upload(2)], "delays are forgotten");
}

#[test]
fn local_copies_stay_when_they_are_to_be_kept() {
    let mut bench = Bench::recovered(state_with_builds(&[1]), &[1], true);
    assert_eq!(bench.turn(START), [Wish::Upload(1)]);
    assert_eq!(bench.end(START, 1, UploadOutcome::Done), []);
    assert_eq!(bench.restarted().turn(START), []);
}

#[test]
fn a_server_out_of_reach_is_tried_again_after_a_growing_delay() {
    let mut bench = Bench::with_results(&[1, 2]);
    bench.turn(START);
    let mut now = Duration::ZERO;
    let unavailable = UploadOutcome::Unavailable("no route");
    for (failed, next, seconds) in [(1, 2, 1), (2, 1, 2), (1, 2, 4), (2, 1, 8)] {
        assert_eq!(bench.end(after(now), failed, unavailable), []);
        let due = now + Duration::from_secs(seconds);
        assert_eq!(bench.server.next_deadline(), Some(due));
        assert_eq!(bench.turn(after(due - Duration::from_millis(1))), []);
        now = due;
        assert_eq!(bench.turn(after(now)), [Wish::Upload(next)]);
    }
    assert_eq!(bench.end(after(now), 1, UploadOutcome::Done), [Wish::Remove(1), Wish::Upload(2)]);
    assert_eq!(bench.end(after(now), 2, unavailable), []);
    assert_eq!(bench.server.next_deadline(), Some(now + SECOND), "it was there in between");
}

#[test]
fn a_result_that_is_refused_does_not_hold_up_the_others() {
    let mut bench = Bench::with_results(&[1, 2]);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, UploadOutcome::Refused("413 too large")), [Wish::Upload(2)]);
    assert_eq!(bench.end(START, 2, UploadOutcome::Done), [Wish::Remove(2)]);
    assert!(bench.title().contains("413"), "{}", bench.title());
    assert_eq!(bench.turn(after(SECOND)), [Wish::Upload(1)]);
}

#[test]
fn a_result_that_is_gone_is_forgotten() {
    let mut bench = Bench::with_results(&[1, 2]);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, UploadOutcome::Missing), [Wish::Upload(2)]);
    assert_eq!(bench.restarted().turn(START), [Wish::Upload(2)]);
}

#[test]
fn a_complaint_goes_with_the_result_that_it_is_about() {
    let mut bench = Bench::with_results(&[1, 2, 3]);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, UploadOutcome::Refused("413 too large")), [Wish::Upload(2)]);
    bench.server.handle(START, Input::Resume);
    assert_eq!(bench.end(START, 2, UploadOutcome::Missing), [Wish::Upload(1)]);
    assert!(bench.title().contains("413"), "{}", bench.title());
    assert_eq!(bench.end(START, 1, UploadOutcome::Missing), [Wish::Upload(3)]);
    assert!(!bench.title().contains("413"), "{}", bench.title());
}

#[test]
fn a_complaint_of_a_server_out_of_reach_goes_with_the_next_success() {
    let mut bench = Bench::with_results(&[1, 2, 3]);
    bench.turn(START);
    bench.end(START, 1, UploadOutcome::Unavailable("no route to host"));
    assert!(bench.title().contains("no route to host"), "{}", bench.title());
    assert_eq!(bench.turn(after(SECOND)), [Wish::Upload(2)]);
    assert!(bench.title().contains("no route to host"), "{}", bench.title());
    assert_eq!(bench.end(after(SECOND), 2, UploadOutcome::Done), [Wish::Remove(2), Wish::Upload(3)]);
    assert!(!bench.title().contains("no route to host"), "{}", bench.title());
    // What one result was refused for goes with that result.
    assert_eq!(bench.end(after(SECOND), 3, UploadOutcome::Refused("too large")), [Wish::Upload(1)]);
    assert_eq!(bench.end(after(SECOND), 1, UploadOutcome::Done), [Wish::Remove(1)]);
    assert!(bench.title().contains("too large"), "{}", bench.title());
}

#[test]
fn reports_about_what_is_not_under_way_change_nothing() {
    let mut bench = Bench::with_results(&[1, 2]);
    bench.turn(START);
    assert_eq!(bench.end(START, 2, UploadOutcome::Done), []);
    assert_eq!(bench.end(START, 9, UploadOutcome::Done), []);
    bench.server.handle(START, Input::ResultRemoved { uuid: uuid(1) });
    assert_eq!(bench.server.state().waiting_uploads(), 2);
}

#[test]
fn without_uploads_nothing_is_queued_and_what_waits_goes_on_waiting() {
    let mut bench = Bench::with_results(&[1]);
    bench.turn(START);
    let mut bench = Bench::started(bench.server.state().clone(), &[], None);
    assert_eq!(bench.turn(START), []);
    assert_eq!(bench.server.state().waiting_uploads(), 1);
    assert!(bench.title().contains("without --upload"), "{}", bench.title());

    let bench = Bench::started(state_with_builds(&[1]), &[1], None);
    assert_eq!(bench.queue_info(), None);
}

#[test]
fn clients_see_what_waits_as_a_queue_of_no_platform() {
    let mut bench = Bench::with_results(&[1, 2]);
    bench.turn(START);
    bench.end(after(SECOND), 1, UploadOutcome::Unavailable("connection refused"));
    let queue = bench.queue_info().unwrap();
    assert_eq!(
        queue.platform.to_string(),
        format!("{UPLOADS}{DESTINATION}; connection refused; next attempt at 1970-01-01T00:00:02Z")
    );
    let names: Vec<String> = queue.jobs.iter().map(|job| job.name().to_string()).collect();
    assert_eq!(names, ["job-1", "job-2"]);
    assert!(crate::names::check_name(crate::names::NameKind::Platform, &queue.platform).is_err());
}

#[test]
fn a_long_queue_is_shown_in_part() {
    let mut state = State::default();
    for number in 0..UPLOADS_SHOWN as u128 + 1 {
        let queued = UploadQueued { uuid: RawUuid(Uuid::from_u128(number)), name: "job".into() };
        state.apply(&Record::UploadQueued(queued)).unwrap();
    }
    let bench = Bench::recovered(state, &[], false);
    assert_eq!(bench.queue_info().unwrap().jobs.len(), UPLOADS_SHOWN);
    assert!(bench.title().ends_with("the first 100 of 101"), "{}", bench.title());
}
