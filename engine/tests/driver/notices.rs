//! Programs that are told of builds: what they are told, when, and what becomes of those that fail.

use crate::platform::Told;
use crate::site::{Site, notifying, settings, uploading};
use builder_engine::driver::{Event, Next, NoticeEnd, Settings, UploadEnd};
use builder_engine::limits::{NOTICE_ATTEMPTS, NOTICE_FIRST_DELAY, NOTICE_TIME};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use std::io::ErrorKind;
use std::time::Duration;

fn failed() -> NoticeEnd {
    NoticeEnd::Failed("it exited with status 1".to_owned())
}

fn end(site: &mut Site, uuid: Uuid, end: NoticeEnd) {
    site.tell(Event::NoticeEnded { uuid, end });
    site.rest();
}

/// Of which builds a program was told, in this order.
fn told(site: &mut Site) -> Vec<Uuid> {
    site.machine().notices.iter().map(|told| told.uuid).collect()
}

fn last(site: &mut Site) -> Told {
    site.machine().notices.last().expect("nobody was told").clone()
}

/// A job runs, and ends with this exit code.
fn run(site: &mut Site, name: &str, code: i64) -> Uuid {
    let (worker, uuid) = site.build(name);
    let finished = Command::JobFinished { uuid, result: BuildResult::Exited(code), data: Vec::new() };
    site.say(worker, &finished.to_frame().unwrap());
    site.rest();
    uuid
}

#[test]
fn a_program_is_told_of_a_build_once_its_result_is_in_its_place() {
    let mut site = Site::new(notifying());
    let build = site.build("job");
    site.finish(build);
    site.turns();
    assert!(told(&mut site).is_empty(), "no file says that the build has finished");
    site.rest();
    let Told { uuid, has_result, variables } = last(&mut site);
    assert_eq!((uuid, has_result), (build.1, true));
    let expected = [("JOB", "job"), ("PLATFORM", "platform"), ("RESULT", "success"), ("ARTIFACTS", "1")];
    for (name, value) in expected {
        assert_eq!(variables[format!("BUILDER_{name}").as_str()], value);
    }
    assert!(!site.driver.is_at_rest(), "it runs");
    end(&mut site, build.1, NoticeEnd::Done);
    assert_eq!(told(&mut site), [build.1]);
    assert_eq!(site.driver.server().state().waiting_notices(), 0);
}

#[test]
fn the_result_before_is_that_of_the_build_before_after_a_crash_as_well() {
    let mut site = Site::new(notifying());
    let previous = |site: &mut Site| last(site).variables["BUILDER_PREVIOUS_RESULT"].clone();
    let build = run(&mut site, "job", 1);
    assert_eq!(previous(&mut site), "", "it is the first");
    end(&mut site, build, NoticeEnd::Done);
    site.client(Command::Execute { name: "job".into(), platform: None });
    let worker = site.worker();
    site.rest();
    let heard = site.heard(worker);
    let [Command::ServerHello, Command::JobSchedule { uuid, .. }] = heard.as_slice() else { panic!() };
    site.finish((worker, *uuid));
    site.rest();
    assert_eq!(previous(&mut site), "failure");
    // Nobody has taken note of it when the server is killed.
    let mut site = site.restart();
    site.rest();
    assert_eq!(told(&mut site), [*uuid]);
    assert_eq!(previous(&mut site), "failure");
    assert_eq!(last(&mut site).variables["BUILDER_ATTEMPT"], "1");
}

#[test]
fn a_program_that_takes_too_long_is_killed_in_time_and_run_again() {
    let mut site = Site::new(notifying());
    let build = run(&mut site, "job", 0);
    // Else the server would wake up for the history.
    site.pass(Duration::from_secs(60));
    site.rest();
    let pause = site.pause().expect("it is to be killed some time");
    assert!(pause <= NOTICE_TIME, "in {pause:?}");
    site.pass(NOTICE_TIME);
    site.turns();
    assert_eq!(site.machine().killed_notices, [build]);
    site.pass(NOTICE_TIME);
    site.turns();
    assert_eq!(site.machine().killed_notices, [build], "once");
    end(&mut site, build, NoticeEnd::Done);
    assert_eq!(site.driver.server().state().waiting_notices(), 1, "it took too long, whatever it says");
    site.pass(NOTICE_FIRST_DELAY);
    site.rest();
    assert_eq!(told(&mut site), [build, build]);
    assert_eq!(last(&mut site).variables["BUILDER_ATTEMPT"], "2");
}

#[test]
fn one_that_fails_or_cannot_be_started_is_tried_again_and_given_up_in_the_end() {
    let mut site = Site::new(notifying());
    site.machine().starts_nothing = true;
    let build = run(&mut site, "job", 0);
    assert!(told(&mut site).is_empty());
    site.machine().starts_nothing = false;
    for attempt in 2..=NOTICE_ATTEMPTS {
        site.rest();
        let Next::Turn(Some(at)) = site.next else { panic!("it is to be tried again") };
        site.machine().time = at;
        // Other deadlines may come before.
        while last_attempt(&mut site) < attempt {
            site.pass(Duration::from_secs(10));
            site.rest();
        }
        end(&mut site, build, failed());
    }
    assert_eq!(site.driver.server().state().waiting_notices(), 0);
    let mut site = site.restart();
    site.pass(Duration::from_secs(3600));
    site.rest();
    assert!(told(&mut site).is_empty(), "it is given up for good");
}

fn last_attempt(site: &mut Site) -> u32 {
    let told = site.machine().notices.last();
    told.map_or(0, |told| told.variables["BUILDER_ATTEMPT"].parse().unwrap())
}

#[test]
fn an_uploaded_result_is_there_while_the_program_runs() {
    let both = Settings { notices: Some(NOTICE_TIME), ..uploading() };
    let mut site = Site::new(both);
    let build = site.build("job");
    site.complete(build);
    assert_eq!(told(&mut site), [build.1]);
    site.tell(Event::UploadEnded(UploadEnd::Done));
    site.rest();
    let files = site.machine().files.clone();
    let result = [format!("job/{}/full", build.1)];
    assert_eq!(files.paths_besides_history(), result, "the program may just read it");
    let mut site = site.restart();
    site.rest();
    assert_eq!(files.paths_besides_history(), result, "and that of the next server as well");
    assert!(last(&mut site).has_result);
    end(&mut site, build.1, NoticeEnd::Done);
    assert_eq!(files.paths_besides_history(), [""; 0]);
}

#[test]
fn a_result_that_somebody_removed_has_no_path() {
    let mut site = Site::new(notifying());
    site.machine().starts_nothing = true;
    let build = run(&mut site, "job", 0);
    site.machine().starts_nothing = false;
    site.machine().files.fail("size", "job/", ErrorKind::NotFound);
    site.pass(NOTICE_FIRST_DELAY);
    site.rest();
    assert_eq!((told(&mut site), last(&mut site).has_result), (vec![build], false));
}

#[test]
fn without_a_program_notices_wait_and_the_next_server_that_has_one_gives_them() {
    let mut site = Site::new(notifying());
    let build = run(&mut site, "job", 0);
    let mut site = site.restart_with(settings());
    site.rest();
    assert_eq!(site.driver.server().state().waiting_notices(), 1);
    let mut site = site.restart_with(notifying());
    site.rest();
    assert_eq!(told(&mut site), [build]);
}

#[test]
fn sighup_tries_at_once_what_waits() {
    let mut site = Site::new(notifying());
    let build = run(&mut site, "job", 0);
    end(&mut site, build, failed());
    assert_eq!(told(&mut site), [build]);
    site.tell(Event::Reload);
    site.rest();
    assert_eq!(told(&mut site), [build, build]);
}
