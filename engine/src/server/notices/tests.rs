use super::*;
use crate::limits::{NOTICE_FIRST_DELAY, NOTICE_PROGRAMS};
use crate::server::record::{Aborted, Requeue, Started};
use crate::server::{
    Action, Immediate, Input, Server, Settings, Start, Templates, UploadOutcome, UploadSettings,
};
use builder_proto::history::{BuildEnd, Cause};
use builder_proto::job::ScriptJob;
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::Time;

const START: Now = Now { wall: Time::UNIX_EPOCH, monotonic: Duration::ZERO };

fn uuid(number: u8) -> Uuid {
    Uuid::from_bytes([number; 16])
}

fn after(duration: Duration) -> Now {
    Now { wall: START.wall.saturating_add(duration), monotonic: duration }
}

/// What the server wants done, of what concerns notices.
#[derive(Debug, PartialEq, Eq)]
enum Wish {
    Notify(u8, u32),
    Upload(u8),
    Remove(u8),
}

/// A server, and what it did.
struct Bench {
    server: Server,
    records: Vec<Record>,
}

impl Bench {
    fn new(state: State, stored: &[u8], notices: bool, uploads: bool) -> Bench {
        let destination = "https://builds.example".to_owned();
        let start = Start {
            settings: Settings {
                job_time: Duration::from_secs(1),
                defaults: JobSettings::NONE,
                artifact_bytes: 1000,
                console_bytes: 1000,
                builds: 100,
                observers: 100,
            },
            state,
            uuids: Box::new(core::iter::empty()),
            templates: Templates::new(),
            uploads: uploads.then_some(UploadSettings { destination, keep_local: false }),
            notices,
            stored: stored.iter().copied().map(uuid).collect(),
            written_back: Vec::new(),
        };
        Bench { server: Server::start(START, start), records: Vec::new() }
    }

    /// A server that finds the results of these builds in their places, one job for each.
    fn with_finished(numbers: &[u8]) -> Bench {
        Bench::new(running(numbers, job_of), numbers, true, false)
    }

    /// Ends a turn; gives what is to be done.
    fn turn(&mut self, now: Now) -> Vec<Wish> {
        self.server.handle(now, Input::Tick);
        let number = |uuid: Uuid| uuid.as_bytes()[0];
        let mut wishes = Vec::new();
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Append(record) => self.records.push(record),
                Action::AfterCommit(Deferred::Notify { uuid, attempt }) => {
                    assert!(self.is_finished(uuid), "a notice of a build that runs");
                    wishes.push(Wish::Notify(number(uuid), attempt));
                }
                Action::AfterCommit(Deferred::Upload { uuid, .. }) => wishes.push(Wish::Upload(number(uuid))),
                Action::AfterCommit(Deferred::RemoveResult { uuid, .. }) => {
                    wishes.push(Wish::Remove(number(uuid)));
                }
                Action::Now(Immediate::Halt { reason }) => panic!("{reason}"),
                _ => {}
            }
        }
        wishes
    }

    fn is_finished(&self, uuid: Uuid) -> bool {
        self.server.state().name_of_build(uuid).is_none()
    }

    fn end(&mut self, now: Now, number: u8, outcome: NoticeOutcome<'_>) -> Vec<Wish> {
        self.server.handle(now, Input::NoticeEnded { uuid: uuid(number), outcome });
        self.turn(now)
    }

    fn state(&self) -> State {
        let mut state = State::default();
        self.server.state().snapshot().for_each(|record| state.apply(&record).unwrap());
        state
    }

    /// The same server after a crash, with what its log holds.
    fn restarted(&self) -> Bench {
        Bench::new(self.state(), &[], true, false)
    }
}

/// A job for each build.
fn job_of(number: u8) -> String {
    format!("job-{number}")
}

/// Builds that run, whose end is recorded for the history, as when a result has come.
fn running(numbers: &[u8], job: impl Fn(u8) -> String) -> State {
    let mut state = State::default();
    for number in numbers {
        let name = Text::from(job(*number));
        let script = ScriptJob { name: name.clone(), script: "true".into(), platform: "linux".into() };
        let started = Started {
            uuid: RawUuid(uuid(*number)),
            started: START.wall,
            platform: "linux".into(),
            name: name.clone(),
            job: Some(script),
            queued: None,
            host: None,
            environment: None,
        };
        state.apply(&Record::Started(started)).unwrap();
        state.apply(&Record::Ended(ended(*number, name, Cause::Exited(i64::from(*number))))).unwrap();
    }
    state
}

fn ended(number: u8, job: Text, cause: Cause) -> crate::history::EndedBuild {
    let build = Build {
        uuid: RawUuid(uuid(number)),
        job,
        platform: "linux".into(),
        started: START.wall,
        queued: None,
        host: None,
        end: Some(BuildEnd::new(START.wall, cause)),
    };
    crate::history::EndedBuild { build, artifacts: None }
}

#[test]
fn a_finished_build_is_told_of_once() {
    let mut bench = Bench::with_finished(&[1, 2]);
    assert_eq!(bench.turn(START), [Wish::Notify(1, 1), Wish::Notify(2, 1)]);
    assert_eq!(bench.turn(START), []);
    assert_eq!(bench.server.state().waiting_notices(), 2);
    assert_eq!(bench.end(START, 1, NoticeOutcome::Done), []);
    assert_eq!(bench.end(START, 1, NoticeOutcome::Done), [], "it is over");
    assert_eq!(bench.end(START, 2, NoticeOutcome::Done), []);
    assert_eq!(bench.server.state().waiting_notices(), 0);
    assert_eq!(bench.restarted().turn(START), [], "nothing is done twice");
}

#[test]
fn a_notice_is_queued_in_the_log_before_its_build_is_finished() {
    let mut bench = Bench::with_finished(&[7]);
    bench.turn(START);
    let [Record::NoticeQueued(queued), Record::Finished(finished)] = bench.records.as_slice() else {
        panic!("{:?}", bench.records)
    };
    assert_eq!((queued.build.uuid, finished.uuid), (RawUuid(uuid(7)), RawUuid(uuid(7))));
    assert_eq!(queued.build.end.as_ref().unwrap().cause, Cause::Exited(7));
}

#[test]
fn what_was_not_told_is_told_by_the_next_server_from_the_first_attempt_on() {
    let mut bench = Bench::with_finished(&[1, 2, 3]);
    bench.turn(START);
    bench.end(START, 1, NoticeOutcome::Done);
    bench.end(START, 2, NoticeOutcome::Failed("no"));
    let mut bench = bench.restarted();
    assert_eq!(bench.turn(START), [Wish::Notify(2, 1), Wish::Notify(3, 1)]);
}

#[test]
fn nothing_is_said_of_a_build_that_was_queued_but_did_not_finish_until_it_does() {
    let mut state = running(&[1], job_of);
    let queued = NoticeQueued { build: ended(1, job_of(1).into(), Cause::Exited(0)).build };
    state.apply(&Record::NoticeQueued(queued)).unwrap();
    let mut bench = Bench::new(state, &[], true, false);
    assert_eq!(bench.turn(START), [], "it was interrupted, and is not stored yet");
    bench.server.handle(START, Input::ResultStored { uuid: uuid(1), contents: None });
    assert_eq!(bench.turn(START), [Wish::Notify(1, 1)]);
    let build = bench.server.state().notices.build(uuid(1)).unwrap();
    let cause = &build.end.as_ref().unwrap().cause;
    assert!(matches!(cause, Cause::Lost(_)), "what is said is how it ended after all: {cause:?}");
}

#[test]
fn without_a_program_what_waits_goes_on_waiting_and_nothing_is_added() {
    let mut bench = Bench::with_finished(&[1]);
    bench.turn(START);
    let mut state = bench.state();
    running(&[2], job_of).snapshot().skip(1).for_each(|record| state.apply(&record).unwrap());
    let mut without = Bench::new(state, &[2], false, false);
    assert_eq!(without.turn(START), []);
    assert_eq!(without.server.state().waiting_notices(), 1);
    assert!(without.is_finished(uuid(2)));
    assert_eq!(without.restarted().turn(START), [Wish::Notify(1, 1)]);
}

#[test]
fn what_waits_of_a_build_that_finishes_without_a_program_is_how_it_ended() {
    let mut state = running(&[1], job_of);
    let wrong = NoticeQueued { build: ended(1, job_of(1).into(), Cause::Exited(99)).build };
    state.apply(&Record::NoticeQueued(wrong)).unwrap();
    let bench = Bench::new(state, &[1], false, false);
    let build = bench.server.state().notices.build(uuid(1)).unwrap();
    assert_eq!(build.end.as_ref().unwrap().cause, Cause::Exited(1));
}

#[test]
fn a_build_that_an_earlier_version_aborted_is_told_of_with_its_reason() {
    let mut state = State::default();
    let started = running(&[1], job_of).snapshot().find(|record| matches!(record, Record::Started(_)));
    state.apply(&started.unwrap()).unwrap();
    let (uuid, finished) = (RawUuid(uuid(1)), START.wall);
    let aborted = Aborted { uuid, finished, reason: "worker lost".into(), requeue: Requeue::No };
    state.apply(&Record::Aborted(aborted)).unwrap();
    let mut bench = Bench::new(state, &[1], true, false);
    assert_eq!(bench.turn(START), [Wish::Notify(1, 1)]);
    let build = bench.server.state().notices.build(uuid.0).unwrap();
    assert_eq!(build.end.as_ref().unwrap().cause, Cause::CannotRun("worker lost".into()));
}

#[test]
fn one_that_fails_is_tried_again_after_growing_pauses_and_then_given_up() {
    let mut bench = Bench::with_finished(&[1]);
    let mut now = START;
    for attempt in 1..NOTICE_ATTEMPTS {
        assert_eq!(bench.turn(now), [Wish::Notify(1, attempt)]);
        assert_eq!(bench.end(now, 1, NoticeOutcome::Failed("it exited with status 1")), []);
        let due = bench.server.next_deadline().unwrap();
        assert!(due >= now.monotonic + NOTICE_FIRST_DELAY, "attempt {attempt}");
        now = after(due);
    }
    assert_eq!(bench.turn(now), [Wish::Notify(1, NOTICE_ATTEMPTS)]);
    assert_eq!(bench.end(now, 1, NoticeOutcome::Failed("it exited with status 1")), []);
    assert_eq!(bench.server.state().waiting_notices(), 0, "it is given up");
    assert!(matches!(bench.records.last(), Some(Record::NoticeGiven(_))));
}

#[test]
fn a_result_that_is_uploaded_leaves_when_its_notice_is_given_up() {
    let mut bench = Bench::new(running(&[1], job_of), &[1], true, true);
    assert_eq!(bench.turn(START), [Wish::Upload(1), Wish::Notify(1, 1)]);
    bench.server.handle(START, Input::UploadEnded { uuid: uuid(1), outcome: UploadOutcome::Done });
    let mut now = START;
    for attempt in 1..NOTICE_ATTEMPTS {
        assert_eq!(bench.end(now, 1, NoticeOutcome::Failed("no")), []);
        now = after(bench.server.next_deadline().unwrap());
        assert_eq!(bench.turn(now), [Wish::Notify(1, attempt + 1)]);
    }
    assert_eq!(bench.end(now, 1, NoticeOutcome::Failed("no")), [Wish::Remove(1)]);
}

#[test]
fn builds_of_one_job_are_told_of_one_after_the_other() {
    let mut bench = Bench::new(running(&[1, 2, 3], |_| "job".to_owned()), &[1, 2, 3], true, false);
    assert_eq!(bench.turn(START), [Wish::Notify(1, 1)]);
    assert_eq!(bench.end(START, 1, NoticeOutcome::Failed("no")), []);
    let now = after(NOTICE_FIRST_DELAY);
    assert_eq!(bench.turn(now), [Wish::Notify(1, 2)]);
    assert_eq!(bench.end(now, 1, NoticeOutcome::Done), [Wish::Notify(2, 1)]);
    assert_eq!(bench.end(now, 2, NoticeOutcome::Done), [Wish::Notify(3, 1)]);
}

#[test]
fn a_few_run_at_a_time_and_sighup_tries_the_others_at_once() {
    let numbers: Vec<u8> = (1..=NOTICE_PROGRAMS as u8 + 1).collect();
    let mut bench = Bench::with_finished(&numbers);
    assert_eq!(bench.turn(START).len(), NOTICE_PROGRAMS);
    let last = *numbers.last().unwrap();
    assert_eq!(bench.end(START, 1, NoticeOutcome::Failed("no")), [Wish::Notify(last, 1)]);
    for number in 2..=last {
        bench.end(START, number, NoticeOutcome::Done);
    }
    assert_eq!(bench.turn(START), []);
    bench.server.handle(START, Input::Resume);
    assert_eq!(bench.turn(START), [Wish::Notify(1, 1)]);
}

#[test]
fn a_result_that_is_uploaded_stays_until_the_program_was_told_of_it() {
    let mut bench = Bench::new(running(&[1], job_of), &[1], true, true);
    assert_eq!(bench.turn(START), [Wish::Upload(1), Wish::Notify(1, 1)]);
    bench.server.handle(START, Input::UploadEnded { uuid: uuid(1), outcome: UploadOutcome::Done });
    assert_eq!(bench.turn(START), [], "the program may just read it");
    let mut next = Bench::new(bench.state(), &[], true, true);
    assert_eq!(next.turn(START), [Wish::Notify(1, 1)], "after a crash as well");
    assert_eq!(next.end(START, 1, NoticeOutcome::Done), [Wish::Remove(1)]);
    let mut without = Bench::new(bench.state(), &[], false, true);
    assert_eq!(without.turn(START), [Wish::Remove(1)], "nobody is told who could read it");
}

#[test]
fn a_result_of_which_the_program_was_told_leaves_when_it_is_uploaded() {
    let mut bench = Bench::new(running(&[1], job_of), &[1], true, true);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, NoticeOutcome::Done), []);
    bench.server.handle(START, Input::UploadEnded { uuid: uuid(1), outcome: UploadOutcome::Done });
    assert_eq!(bench.turn(START), [Wish::Remove(1)]);
}

#[test]
fn a_full_outbox_gives_up_the_oldest_that_is_not_being_given() {
    let mut state = running(&[1, 2], job_of);
    for number in 0..NOTICES_WAITING as u128 {
        let build = ended(0, "many".into(), Cause::Exited(0)).build;
        let build = Build { uuid: RawUuid(Uuid::from_u128(number << 64)), ..build };
        state.apply(&Record::NoticeQueued(NoticeQueued { build })).unwrap();
    }
    let mut bench = Bench::new(state, &[1], true, false);
    bench.turn(START);
    assert_eq!(bench.server.state().waiting_notices(), NOTICES_WAITING);
    let given: Vec<_> =
        bench.records.iter().filter(|record| matches!(record, Record::NoticeGiven(_))).collect();
    let oldest = Record::NoticeGiven(NoticeGiven { uuid: RawUuid(Uuid::from_u128(0)) });
    assert_eq!(given, [&oldest]);
    // The next one is being given now.
    bench.records.clear();
    bench.server.handle(START, Input::ResultStored { uuid: uuid(2), contents: None });
    bench.turn(START);
    let third = Record::NoticeGiven(NoticeGiven { uuid: RawUuid(Uuid::from_u128(2 << 64)) });
    assert!(bench.records.contains(&third), "{:?}", bench.records);
    assert_eq!(bench.server.state().waiting_notices(), NOTICES_WAITING);
}
