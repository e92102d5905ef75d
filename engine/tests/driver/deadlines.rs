//! When the driver wants its next turn although nothing happens.

use crate::site::{Site, large_results, lose_worker, settings, uploading};
use builder_engine::driver::{Event, Next, UploadEnd, upload_time};
use builder_engine::limits::{RETRY_TIME, WRITE_BACK_TIME};
use builder_proto::command::Command;
use builder_proto::job::OrbBuildJob;
use builder_proto::time::Period;
use builder_tests::world::STAGINGS;
use std::io::ErrorKind;
use std::time::Duration;

#[test]
fn nothing_to_do_is_no_reason_for_a_turn() {
    let mut site = Site::new(settings());
    site.rest();
    assert_eq!(site.next, Next::Turn(None));
}

#[test]
fn results_are_synced_a_moment_after_they_were_written() {
    let mut site = Site::new(settings());
    // What the history has to do waits for longer.
    site.machine().files.fail("write", ".builder/history", ErrorKind::StorageFull);
    let earlier = site.build("earlier");
    site.finish(earlier);
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.rest();
    site.machine().files.mend();
    let build = site.build("job");
    site.finish(build);
    site.turn();
    site.finish_tasks();
    site.turns();
    assert!(site.pause().is_some_and(|pause| pause <= WRITE_BACK_TIME), "{:?}", site.next);
    assert!(!site.driver.is_at_rest());
    site.pass(WRITE_BACK_TIME);
    site.rest();
    let records = site.driver.server().state();
    assert!(records.ended_build(build.1).is_some(), "the history has not had its turn");
    assert!(site.pause().is_some_and(|pause| pause > WRITE_BACK_TIME), "all is synced: {:?}", site.next);
    site.pass(RETRY_TIME);
    site.rest();
    assert!(site.driver.is_at_rest());
}

#[test]
fn an_upload_begins_only_when_the_result_is_durable() {
    let mut site = Site::new(uploading());
    let build = site.build("job");
    site.finish(build);
    site.rest();
    site.pass(WRITE_BACK_TIME);
    site.turns();
    assert!(!site.machine().tasks.is_empty(), "a thread is to sync it");
    assert!(site.machine().uploads.is_empty());
    site.rest();
    assert_eq!(site.machine().uploads, [build.1]);
}

#[test]
fn a_result_whose_file_cannot_be_written_is_uploaded_once_it_can() {
    let mut site = Site::new(uploading());
    let build = site.build("job");
    site.machine().files.fail("write", STAGINGS, ErrorKind::StorageFull);
    site.finish(build);
    for _ in 0..3 {
        site.pass(RETRY_TIME);
        site.rest();
        assert!(site.machine().uploads.is_empty());
    }
    site.machine().files.mend();
    let mut attempts = 0;
    while site.machine().uploads.is_empty() {
        attempts += 1;
        assert!(attempts < 100, "it is never uploaded: {:?}", site.next);
        let pause = site.pause().expect("it is tried again");
        site.pass(pause);
        site.rest();
    }
    assert_eq!(site.machine().uploads, [build.1]);
}

#[test]
fn the_result_of_a_build_that_failed_is_tried_again_until_it_can_be_stored() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    site.machine().files.fail("rename", STAGINGS, ErrorKind::StorageFull);
    site.finish(build);
    site.rest();
    for attempt in 0..5 {
        assert!(site.pause().is_some_and(|pause| pause <= RETRY_TIME), "attempt {attempt}: {:?}", site.next);
        site.pass(RETRY_TIME);
        site.rest();
    }
    site.machine().files.mend();
    site.pass(RETRY_TIME);
    site.rest();
    assert_eq!(site.machine().files.paths_besides_history(), [format!("job/{}/full", build.1)]);
}

#[test]
fn an_upload_that_takes_too_long_is_killed_in_time() {
    let mut site = Site::new(uploading());
    let build = site.build("job");
    site.complete(build);
    assert_eq!(site.machine().uploads, [build.1]);
    site.pass(Duration::from_secs(60));
    site.turns();
    let pause = site.pause().expect("it is to be killed some time");
    assert!(pause <= upload_time(1 << 20), "in {pause:?}");
    site.pass(pause);
    site.turns();
    assert_eq!(site.machine().kills, 1);
    site.tell(Event::UploadEnded(UploadEnd::Done));
    assert_eq!(site.driver.server().state().waiting_uploads(), 1, "it took too long, whatever it says");
}

#[test]
fn templates_that_could_not_be_read_are_looked_at_again_although_nothing_happens() {
    let mut site = Site::new(settings());
    site.pass(RETRY_TIME);
    site.machine().templates.has_failed = true;
    site.turns();
    let pause = site.pause().expect("nothing tells when they are put right");
    assert!(pause <= RETRY_TIME, "in {pause:?}");
    site.machine().templates.has_failed = false;
    let looks = site.machine().thorough_looks;
    site.pass(pause);
    site.turns();
    assert!(site.machine().thorough_looks > looks);
    assert_eq!(site.pause(), None, "they are all right");
}

#[test]
fn a_template_that_has_just_changed_is_what_the_next_job_is_made_from() {
    let mut site = Site::new(settings());
    let write = |site: &mut Site, text: &str| {
        site.machine().templates.templates.insert("platform".into(), text.into());
    };
    write(&mut site, "old");
    let job = OrbBuildJob { name: "job".into(), opam_package: "package".into() };
    site.client(Command::ScheduleOrbBuild { period: Period::Daily, job });
    site.rest();
    write(&mut site, "new");
    let worker = site.worker();
    site.rest();
    let Some(Command::JobSchedule { job, .. }) = site.heard(worker).pop() else { panic!("no job") };
    assert_eq!(job.script, "new".into());
}

#[test]
fn a_worker_that_is_lost_at_the_end_of_a_turn_is_recorded_at_once() {
    let mut site = Site::new(settings());
    lose_worker(&mut site);
    assert_eq!(site.pause(), Some(Duration::ZERO), "its job waits for another worker");
}

#[test]
fn space_that_cannot_be_reserved_is_not_asked_for_in_every_turn() {
    let mut site = Site::new(settings());
    site.rest();
    let log = site.machine().log.clone();
    let used =
        log.names().into_iter().filter(|name| name != "reserve").map(|name| log.read(&name).len() as u64);
    log.set_capacity(Some(used.sum::<u64>() + 4096));
    let mut site = {
        log.disk.borrow_mut().remove_file(&format!("{}/reserve", log.directory)).unwrap();
        site.restart()
    };
    site.pass(RETRY_TIME);
    let before = log.host.operations();
    site.turn();
    let attempt = log.host.operations() - before;
    assert!(attempt > 0, "the platform says that there is plenty of space");
    for _ in 0..10 {
        site.turn();
    }
    assert_eq!(log.host.operations() - before, attempt, "once is enough for now");
    site.pass(RETRY_TIME);
    site.turn();
    assert!(log.host.operations() - before > attempt);
}

#[test]
fn a_log_that_is_hardly_more_than_its_snapshot_is_not_written_anew_again_and_again() {
    let mut site = Site::new({
        let mut settings = settings();
        settings.limits.log_rotation = 1000;
        settings
    });
    for number in 0..40 {
        site.build(&format!("job-{number}"));
    }
    site.rest();
    let salts = site.machine().salts;
    assert!(salts > 2, "it was written anew");
    for _ in 0..20 {
        site.turn();
    }
    assert_eq!(site.machine().salts, salts, "nothing has changed");
}
