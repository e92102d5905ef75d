//! Results that are not kept: which are removed, and when.

use crate::site::{Site, schedule, settings, uploading};
use builder_engine::driver::{Event, NoticeEnd, Settings, UploadEnd};
use builder_engine::limits::{CLOCK_PATIENCE, NOTICE_TIME, RETENTION_INTERVAL, RETRY_TIME, WRITE_BACK_TIME};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::HistoryQuery;
use builder_proto::job::ScriptJob;
use builder_proto::job_settings::JobSettings;
use builder_proto::time::Period;
use builder_tests::world::STAGINGS;
use std::io::ErrorKind;
use std::time::Duration;

const NONE: JobSettings = JobSettings::NONE;

fn keep(builds: u64) -> JobSettings {
    JobSettings { keep_builds: Some(builds), ..NONE }
}

/// A server that keeps this much of every job.
fn keeping(defaults: JobSettings) -> Settings {
    let settings = settings();
    Settings { server: builder_engine::server::Settings { defaults, ..settings.server }, ..settings }
}

/// A command that changes job `a`.
fn change(settings: JobSettings) -> Command {
    let job = ScriptJob { name: "a".into(), script: "true".into(), platform: "platform".into() };
    Command::Enter { period: Period::Never, job, settings, replaces: true, at: None }
}

/// A build of job `a` that ends in this way; all that follows from it at once is done.
fn build(site: &mut Site, code: i64) -> Uuid {
    site.client(Command::Execute { name: "a".into(), platform: None });
    let worker = site.worker();
    site.rest();
    let heard = site.heard(worker);
    let [Command::ServerHello, Command::JobSchedule { uuid, .. }] = heard.as_slice() else {
        panic!("the worker has no job: {heard:?}")
    };
    let (uuid, result) = (*uuid, BuildResult::Exited(code));
    let finished = Command::JobFinished { uuid, result, data: Vec::new() };
    site.say(worker, &finished.to_frame().unwrap());
    settle(site);
    uuid
}

/// Everything is done that is to be done within a few seconds.
fn settle(site: &mut Site) {
    for _ in 0..4 {
        site.rest();
        site.pass(WRITE_BACK_TIME);
    }
    site.rest();
}

fn is_there(site: &mut Site, uuid: Uuid) -> bool {
    let path = format!("a/{uuid}/full");
    site.machine().files.paths().contains(&path)
}

fn left(site: &mut Site, builds: &[Uuid]) -> Vec<usize> {
    (0..builds.len()).filter(|number| is_there(site, builds[*number])).collect()
}

/// Which builds the history says to have been removed.
fn removed(site: &mut Site, builds: &[Uuid]) -> Vec<usize> {
    let client = site.client(Command::History(HistoryQuery::default()));
    site.rest();
    let heard = site.heard(client);
    let gone = heard.iter().filter_map(|command| match command {
        Command::Build(build) => build.end.as_ref()?.removed.map(|_| build.uuid()),
        _ => None,
    });
    let gone: Vec<Uuid> = gone.collect();
    (0..builds.len()).filter(|number| gone.contains(&builds[*number])).collect()
}

#[test]
fn a_result_goes_when_a_newer_one_takes_its_place_and_the_history_says_so() {
    let mut site = Site::new(keeping(keep(2)));
    site.client(schedule("a", "true"));
    let builds: Vec<Uuid> = (0..4).map(|_| build(&mut site, 0)).collect();
    assert_eq!(left(&mut site, &builds), [2, 3]);
    assert_eq!(removed(&mut site, &builds), [0, 1]);
    assert!(!site.machine().files.paths().iter().any(|path| path.contains(&builds[0].to_string())));
    assert!(site.driver.is_at_rest());

    let mut site = site.restart();
    settle(&mut site);
    assert_eq!((left(&mut site, &builds), removed(&mut site, &builds)), (vec![2, 3], vec![0, 1]));
}

#[test]
fn the_newest_success_and_the_newest_failure_stay() {
    let mut site = Site::new(keeping(keep(1)));
    site.client(schedule("a", "true"));
    let builds: Vec<Uuid> = [0, 1, 0, 1, 1, 1].into_iter().map(|code| build(&mut site, code)).collect();
    assert_eq!(left(&mut site, &builds), [2, 5]);
}

#[test]
fn what_a_job_says_counts_more_than_what_the_server_says() {
    let mut site = Site::new(keeping(keep(1)));
    site.client(change(keep(3)));
    let builds: Vec<Uuid> = (0..4).map(|_| build(&mut site, 0)).collect();
    assert_eq!(left(&mut site, &builds), [1, 2, 3]);
    site.client(change(keep(JobSettings::ALL_BUILDS)));
    settle(&mut site);
    let more = build(&mut site, 0);
    assert_eq!(left(&mut site, &builds), [1, 2, 3]);
    site.client(change(keep(2)));
    settle(&mut site);
    assert_eq!((left(&mut site, &builds), is_there(&mut site, more)), (vec![3], true), "at once");
    site.client(Command::Unschedule("a".into()));
    settle(&mut site);
    site = site.restart();
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [3], "nobody says of a job that is not scheduled what is kept");
}

#[test]
fn a_start_looks_at_all_jobs() {
    let mut site = Site::new(settings());
    site.client(schedule("a", "true"));
    let builds: Vec<Uuid> = (0..3).map(|_| build(&mut site, 0)).collect();
    assert_eq!(left(&mut site, &builds), [0, 1, 2]);
    let mut site = site.restart_with(keeping(keep(1)));
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [2]);
}

#[test]
fn results_become_too_old_though_nothing_happens() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let mut site = Site::new(keeping(JobSettings { keep_seconds: Some(DAY.as_secs()), ..NONE }));
    site.client(change(NONE));
    let builds: Vec<Uuid> = (0..3).map(|_| build(&mut site, 0)).collect();
    site.pass(DAY - RETENTION_INTERVAL);
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [0, 1, 2]);
    site.pass(2 * RETENTION_INTERVAL);
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [2]);
    let pause = site.pause().expect("there is another look");
    assert!(pause <= RETENTION_INTERVAL && !pause.is_zero(), "{pause:?}");
}

#[test]
fn no_result_is_too_old_by_a_clock_that_may_be_wrong() {
    let mut site = Site::new(settings());
    site.client(change(JobSettings { keep_seconds: Some(3600), ..NONE }));
    let builds: Vec<Uuid> = (0..2).map(|_| build(&mut site, 0)).collect();
    site.pass(Duration::from_secs(7200));
    let mut site = site.restart();
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [0, 1], "its host may just have been switched on");
    site.pass(CLOCK_PATIENCE);
    settle(&mut site);
    site.pass(RETENTION_INTERVAL);
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [1]);
}

#[test]
fn what_waits_for_its_upload_stays_until_it_is_there() {
    let settings = uploading();
    let server = builder_engine::server::Settings { defaults: keep(1), ..settings.server };
    let mut site = Site::new(Settings { server, ..settings });
    site.client(schedule("a", "true"));
    let builds: Vec<Uuid> = (0..3).map(|_| build(&mut site, 0)).collect();
    assert_eq!(left(&mut site, &builds), [0, 1, 2]);
    site.tell(Event::UploadEnded(UploadEnd::Done));
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [1, 2], "the first was uploaded");
}

#[test]
fn what_a_program_is_to_be_told_of_stays_until_it_was() {
    let telling = || Settings { notices: Some(NOTICE_TIME), ..keeping(keep(1)) };
    let mut site = Site::new(telling());
    site.client(schedule("a", "true"));
    let builds: Vec<Uuid> = (0..3).map(|_| build(&mut site, 0)).collect();
    let look = |site: &mut Site| {
        site.pass(RETENTION_INTERVAL);
        settle(site);
        left(site, &builds)
    };
    assert_eq!(look(&mut site), [0, 1, 2], "the program hangs at the first");
    site.tell(Event::NoticeEnded { uuid: builds[0], end: NoticeEnd::Failed("killed".to_owned()) });
    settle(&mut site);
    assert_eq!(look(&mut site), [0, 1, 2], "it is to be run again");
    site.tell(Event::NoticeEnded { uuid: builds[0], end: NoticeEnd::Done });
    settle(&mut site);
    assert_eq!(look(&mut site), [1, 2], "it was told of the first");
    let mut site = site.restart_with(keeping(keep(1)));
    settle(&mut site);
    assert_eq!(look(&mut site), [1, 2], "the next server has no program, and that after it has one again");
    let mut site = site.restart_with(telling());
    site.rest();
    assert!(site.machine().notices.iter().all(|told| told.has_result), "{:?}", site.machine().notices);
    for uuid in &builds[1..] {
        site.tell(Event::NoticeEnded { uuid: *uuid, end: NoticeEnd::Done });
        settle(&mut site);
    }
    assert_eq!(look(&mut site), [2]);
}

/// Builds that have just ended: the log still holds their results.
fn unwritten_builds(site: &mut Site) -> Vec<Uuid> {
    site.client(schedule("a", "true"));
    let mut builds = Vec::new();
    for _ in 0..3 {
        site.client(Command::Execute { name: "a".into(), platform: None });
        let worker = site.worker();
        site.rest();
        let Some(Command::JobSchedule { uuid, .. }) = site.heard(worker).pop() else { panic!("no job") };
        let finished = Command::JobFinished { uuid, result: BuildResult::Exited(0), data: Vec::new() };
        site.say(worker, &finished.to_frame().unwrap());
        site.rest();
        builds.push(uuid);
    }
    builds
}

#[test]
fn what_only_the_log_is_sure_to_hold_stays_until_it_is_written_back() {
    let mut site = Site::new(keeping(keep(1)));
    let builds = unwritten_builds(&mut site);
    assert_eq!(left(&mut site, &builds), [0, 1, 2], "a start would write them again");
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [2], "a moment later");
}

#[test]
fn what_cannot_be_written_back_is_looked_at_now_and_then() {
    let mut site = Site::new(keeping(keep(1)));
    site.machine().files.fail("write", STAGINGS, ErrorKind::StorageFull);
    let builds = unwritten_builds(&mut site);
    // The server would spin.
    for _ in 0..3 {
        site.pass(2 * WRITE_BACK_TIME);
        site.rest();
    }
    assert!(site.pause().is_some_and(|pause| !pause.is_zero()), "{:?}", site.next);
    site.machine().files.mend();
    site.pass(RETRY_TIME);
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [2]);
}

#[test]
fn a_result_that_cannot_be_removed_is_tried_again() {
    let mut site = Site::new(keeping(keep(1)));
    site.client(schedule("a", "true"));
    site.machine().files.fail("remove", "a/", ErrorKind::PermissionDenied);
    let builds: Vec<Uuid> = (0..2).map(|_| build(&mut site, 0)).collect();
    assert_eq!((left(&mut site, &builds), removed(&mut site, &builds)), (vec![0, 1], vec![]));
    site.machine().files.mend();
    site.pass(RETENTION_INTERVAL);
    settle(&mut site);
    assert_eq!((left(&mut site, &builds), removed(&mut site, &builds)), (vec![1], vec![0]));
}

#[test]
fn a_server_that_keeps_everything_does_not_wake_up_for_it() {
    let mut site = Site::new(settings());
    settle(&mut site);
    assert_eq!(site.pause(), None);
}

#[test]
fn what_is_to_be_kept_after_all_stays() {
    let mut site = Site::new(settings());
    site.client(schedule("a", "true"));
    let builds: Vec<Uuid> = (0..4).map(|_| build(&mut site, 0)).collect();
    site.client(change(keep(1)));
    // A thread is at the first of three results.
    site.turns();
    site.client(change(keep(3)));
    settle(&mut site);
    assert_eq!(left(&mut site, &builds), [0, 1, 3]);
    build(&mut site, 0);
    assert_eq!(left(&mut site, &builds), [1, 3]);
}
