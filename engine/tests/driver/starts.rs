//! What a start finds.

use crate::platform::Machine;
use crate::site::{Site, large_results, schedule, settings};
use builder_engine::driver::{Driver, Event, FreeSpace, Settings, StartError, StopReason, TaskKind};
use builder_engine::limits::{DISK_MARGIN, RETRY_TIME, WRITE_BACK_TIME};
use builder_engine::spool::ENTRY_OVERHEAD;
use builder_proto::command::Command;
use builder_proto::execution::Execution;
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::state_file::{StateFile, StateItem};
use builder_proto::time::{Period, Time};
use builder_tests::world::{DataDirectory, PRIVATE, SPOOLS, STAGINGS};
use std::io::ErrorKind;
use std::time::Duration;

#[test]
fn the_torn_end_of_a_console_is_cut_off() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    let path = format!("{SPOOLS}/{}", build.1);
    let files = site.machine().files.clone();
    let whole = files.read(&path);
    files.put(&path, &[whole.as_slice(), &[1; 20]].concat());
    let _site = site.restart();
    assert_eq!(files.read(&path), whole, "it could be taken for lines later");
}

#[test]
fn a_long_console_ends_where_it_did_although_it_is_read_in_blocks() {
    // With what a spool has around each, four lines are as long as what is read at a time.
    let line = vec![b'x'; 64 * 1024 - ENTRY_OVERHEAD];
    let mut site = Site::new(large_results());
    let build = site.build("job");
    for _ in 0..5 {
        site.print(build, &line);
    }
    let mut site = site.restart();
    site.rest();
    let stored = site.machine().files.read(&format!("job/{}/full", build.1));
    assert_eq!(Execution::decode(&stored).unwrap().printed().len(), 5);
}

#[test]
fn of_a_console_that_the_disk_does_not_give_back_as_a_whole_the_rest_is_lost_and_no_more() {
    // With what a spool has around each, four lines are as long as what is read at a time.
    let line = vec![b'x'; 64 * 1024 - ENTRY_OVERHEAD];
    let mut site = Site::new(large_results());
    let build = site.build("job");
    for _ in 0..6 {
        site.print(build, &line);
    }
    let machine = site.successor();
    machine.files.fail_after(1, "read", SPOOLS, ErrorKind::Other);
    let mut site = Site::start(machine, large_results()).unwrap();
    site.machine().files.mend();
    // Another attempt to store what there is.
    site.pass(RETRY_TIME);
    site.rest();
    let stored = site.machine().files.read(&format!("job/{}/full", build.1));
    assert_eq!(Execution::decode(&stored).unwrap().printed().len(), 4);
}

#[test]
fn a_console_that_cannot_be_opened_is_left_where_it_is() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    let path = format!("{SPOOLS}/{}", build.1);
    let files = site.machine().files.clone();
    files.put(&format!("{SPOOLS}/stray"), b"of nobody");
    files.fail("open", SPOOLS, ErrorKind::PermissionDenied);
    let site = site.restart();
    assert_eq!(files.paths_besides_history(), [path]);
    drop(site);
}

#[test]
fn a_result_that_is_found_in_its_place_is_durable_before_its_build_has_ended() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.machine().files.put(&format!("job/{}/full", build.1), b"what nobody has synced");
    let machine = site.successor();
    machine.files.fail("sync", "job/", ErrorKind::Other);
    let started = Site::start(machine, settings());
    assert!(matches!(started, Err(StartError::File { .. })), "the next start tries again");
}

#[test]
fn after_a_failed_write_the_console_goes_on_where_it_was() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    let files = site.machine().files.clone();
    let spool = format!("{SPOOLS}/{}", build.1);
    let before = files.read(&spool);
    files.fail("write", SPOOLS, ErrorKind::StorageFull);
    site.print(build, b"another line");
    files.mend();
    let observer = site.client(Command::Observe(build.1));
    site.turns();
    assert!(!files.paths_besides_history().contains(&spool) || files.read(&spool).starts_with(&before));
    site.rest();
    let heard = site.heard(observer);
    assert!(
        heard
            .iter()
            .any(|message| matches!(message, Command::Output { line, .. } if *line == "a line".into())),
        "{heard:?}"
    );
}

#[test]
fn a_result_that_could_not_be_written_back_stays_in_the_log_until_it_is() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.machine().files.fail("write", STAGINGS, ErrorKind::StorageFull);
    site.finish(build);
    site.rest();
    // The next server cannot write it either.
    let mut site = site.restart();
    site.rest();
    assert!(!site.driver.is_at_rest(), "only the log has the result");
    site.machine().files.mend();
    for time in [RETRY_TIME, WRITE_BACK_TIME] {
        site.pass(time);
        site.rest();
    }
    assert!(site.driver.is_at_rest());
    assert_eq!(site.machine().files.paths_besides_history(), [format!("job/{}/full", build.1)]);
}

#[test]
fn a_salvage_that_leaves_records_out_keeps_the_results_that_only_the_log_has() {
    let mut site = Site::new(settings());
    let log = site.machine().log.clone();
    let before = log.read("log").len();
    let job = ScriptJob { name: "lost".into(), script: "true".into(), platform: "elsewhere".into() };
    site.client(Command::Schedule { period: Period::Hourly, job });
    site.rest();
    let after = log.read("log").len();
    // This is about a job that the log will not know any longer.
    site.client(Command::Execute { name: "lost".into(), platform: None });
    site.rest();
    let build = site.build("job");
    site.machine().files.fail("write", STAGINGS, ErrorKind::StorageFull);
    site.finish(build);
    site.rest();
    let mut damaged = log.read("log");
    damaged[(before + after) / 2] ^= 0x10;
    log.put("log", &damaged);

    let machine = site.successor();
    machine.files.fail("write", STAGINGS, ErrorKind::StorageFull);
    let salvaging = Site::start(machine, Settings { salvage: true, ..settings() }).unwrap();
    let mut site = salvaging.restart_with(settings());
    site.rest();
    assert!(!site.driver.is_at_rest(), "only the log has the result");
    site.machine().files.mend();
    site.pass(RETRY_TIME);
    site.rest();
    assert_eq!(site.machine().files.paths_besides_history(), [format!("job/{}/full", build.1)]);
}

#[test]
fn a_result_of_which_nobody_knows_whether_it_is_in_place_ends_the_server() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    site.machine().files.fail("sync names in", "job", ErrorKind::Other);
    site.finish(build);
    // One thread looks at the artifacts, and then another one stores the result.
    for _ in 0..2 {
        site.turns();
        site.finish_tasks();
    }
    let outcome = site.try_turn();
    assert!(matches!(outcome, Err(StopReason::Results(_))), "{outcome:?}");
}

#[test]
fn a_result_that_cannot_be_looked_at_is_not_taken_for_absent() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    site.print(build, b"a line");
    let machine = site.successor();
    machine.files.fail("size", "job/", ErrorKind::PermissionDenied);
    let started = Site::start(machine, large_results());
    assert!(matches!(started.err(), Some(StartError::File { what: "look at", .. })));
}

#[test]
fn the_log_has_no_more_room_than_the_longest_file_leaves_it() {
    let mut site = Site::new(settings());
    let script = "x".repeat(2 * DISK_MARGIN as usize);
    let first = site.client(schedule("first", &script));
    site.rest();
    assert_eq!(site.heard(first).last(), Some(&Command::Success));
    let length = site.machine().log.read("log").len() as u64;
    // A file of its own would have room for this.
    site.machine().free_space = FreeSpace { free: u64::MAX, longest_file: length + DISK_MARGIN };
    let second = site.client(schedule("second", "true"));
    site.rest();
    assert!(matches!(site.heard(second).last(), Some(Command::Failure(_))), "{:?}", site.heard(second));
    site.machine().free_space.longest_file += DISK_MARGIN;
    let third = site.client(schedule("third", "true"));
    site.rest();
    assert_eq!(site.heard(third).last(), Some(&Command::Success));
}

#[test]
fn a_connection_that_is_full_from_the_first_is_watched_for_room() {
    let mut site = Site::new(settings());
    let client = site.client(Command::Info);
    site.machine().waiting.back_mut().unwrap().room = 10;
    site.turns();
    assert_eq!(site.machine().lines[&client].watched, Some(true), "it has more to hear");
    site.machine().lines.get_mut(&client).unwrap().room = usize::MAX;
    site.tell(Event::Writable(client));
    site.rest();
    assert_eq!(site.heard(client).last(), Some(&Command::Success));
}

#[test]
fn the_servers_own_directories_are_durable_before_anybody_can_connect() {
    let mut site = Site::new(settings());
    let machine = site.successor();
    machine.files.fail("sync names in", PRIVATE, ErrorKind::Other);
    let started = Site::start(machine, settings());
    assert!(matches!(started.err(), Some(StartError::File { what: "sync", .. })));
}

#[test]
fn a_draft_of_the_history_that_a_crash_left_is_in_nobodys_way() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.complete(build);
    let files = site.machine().files.clone();
    files.disk.borrow_mut().remove_file(".builder/history").unwrap();
    files.put(".builder/history.new", b"half of a file");
    let mut site = site.restart();
    site.rest();
    assert_eq!(site.driver.remembered().map(Iterator::collect), Some(vec![build.1]));
    assert!(!files.paths().contains(&".builder/history.new".to_owned()));
}

#[test]
fn what_a_start_has_found_is_durable_before_the_first_turn() {
    let mut site = Site::new(large_results());
    let build = site.build("job");
    let log = site.machine().log.clone();
    let before = log.read("log");
    site.finish(build);
    site.rest();
    // The result is in its place, and a crash came before the log said so.
    log.put("log", &before);
    let mut driver = Driver::start(site.successor(), large_results()).unwrap();
    assert_eq!(driver.server().state().unfinished().count(), 0);
    assert!(log.read("log").len() > before.len(), "it is written");
    assert!(driver.platform().tasks.iter().any(|task| task.kind() == TaskKind::Survey), "and released");
}

/// A server that has taken over a job of builder 0.4.0.
fn migrated() -> Site {
    let job = ScriptJob { name: "job".into(), script: "true".into(), platform: "platform".into() };
    let item = ScheduleItem { period: Period::Hourly, next: Time::UNIX_EPOCH, job: Job::Script(job) };
    let state = StateFile { items: vec![StateItem::Schedule(item)] };
    let (files, log) = (DataDirectory::alone(), DataDirectory::alone().log());
    files.put("state", &state.encode().unwrap());
    Site::start(Machine::new(Duration::from_secs(1), files, log), settings()).unwrap()
}

/// The jobs that a client is told of.
fn jobs(site: &mut Site) -> Vec<String> {
    let overview = site.client(Command::Overview);
    site.rest();
    let job = |told| match told {
        Command::JobStatus(status) => Some(status.job.to_string()),
        _ => None,
    };
    site.heard(overview).into_iter().filter_map(job).collect()
}

#[test]
fn the_jobs_of_builder_0_4_0_are_scheduled_after_the_first_start() {
    let mut site = migrated();
    // It is asked about once.
    site.machine().files.put("state", b"damaged");
    let mut site = site.restart();
    assert_eq!(jobs(&mut site), ["job"]);
}

#[test]
fn the_jobs_of_builder_0_4_0_do_not_come_back_when_a_salvage_saves_nothing() {
    let mut site = migrated();
    let machine = site.successor();
    let damaged = vec![0xff; machine.log.read("log").len()];
    machine.log.put("log", &damaged);
    let mut site = Site::start(machine, Settings { salvage: true, ..settings() }).unwrap();
    assert!(jobs(&mut site).is_empty(), "somebody may have removed them since");
}

#[test]
fn a_server_that_cannot_see_the_consoles_does_not_start() {
    let mut site = Site::new(settings());
    let machine = site.successor();
    machine.files.fail("list", SPOOLS, ErrorKind::PermissionDenied);
    let started = Site::start(machine, settings());
    assert!(matches!(started.err(), Some(StartError::File { what: "clear", .. })));
}
