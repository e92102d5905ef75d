//! Stops, crashes and starts: what was on disk is there again, and every build ends somehow.

use super::rig::{Rig, Storing, fresh};
use super::words::{SECOND, daily, drop_platform, execute, message, schedule_orb_build, script, unschedule};
use crate::server::record::{Finished, Record, WrittenBack};
use crate::server::{Action, Input, Server, Start, UploadSettings};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::time::Period;
use builder_proto::wire::RawUuid;
use std::collections::BTreeSet;

const STOPPED: &str = "the server stopped while the job was running; it was queued again";

#[test]
fn everything_acknowledged_is_there_again() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(daily("a", "p"));
    rig.done(daily("b", "p"));
    rig.done(daily("c", "q"));
    rig.done(schedule_orb_build(Period::Weekly, "orb"));
    rig.done(execute("b"));
    rig.done(daily("z", "z"));
    rig.done(drop_platform("z"));
    let before = rig.info();
    rig.crash(0);
    assert_eq!(rig.info(), before);
    assert_eq!(rig.queue("p"), ["b", "a", "orb"]);
}

#[test]
fn what_was_not_on_disk_was_not_acknowledged() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.say(client, &daily("a", "p"));
    assert_eq!(rig.log.uncommitted(), 3);
    assert_eq!(rig.heard(client), []);
    rig.crash(0);
    assert_eq!(rig.info().schedule, []);
}

#[test]
fn any_part_of_what_was_on_its_way_makes_a_good_state() {
    for surviving in 0..=3 {
        let mut rig = Rig::new();
        let client = rig.client();
        rig.say(client, &daily("a", "p"));
        rig.crash(surviving);
        assert_eq!(rig.info().schedule.len(), surviving.min(1));
        assert_eq!(rig.has_queue("p"), surviving >= 2);
        // A job whose place in the queue was lost runs when it is due.
        rig.pass(super::words::DAY);
        assert_eq!(rig.has_queue("p") && rig.queue("p") == ["a"], surviving >= 2);
    }
}

#[test]
fn builds_that_ran_go_back_to_the_front_in_the_order_in_which_they_started() {
    let mut rig = Rig::new();
    let mut builds = Vec::new();
    for name in ["c", "a", "b"] {
        rig.done(daily(name, "p"));
        builds.push(rig.build("p"));
        rig.pass(SECOND);
    }
    rig.done(daily("d", "p"));
    rig.print(builds[1].0, "one");
    rig.end_turn();
    rig.crash(0);
    assert_eq!(rig.queue("p"), ["c", "a", "b", "d"]);
    for (_, uuid) in &builds {
        assert_eq!(rig.stored(*uuid).result, message(STOPPED));
        assert!(rig.spools[uuid].removed);
    }
    assert_eq!(rig.stored(builds[1].1).printed().len(), 1, "what is left of the console is kept");
    assert_eq!(rig.info().running, []);
    let (_, uuid) = rig.build("p");
    assert!(builds.iter().all(|(_, old)| *old != uuid));
}

#[test]
fn a_build_of_a_job_that_left_the_schedule_is_not_queued_again() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    let builds = [rig.build("p").1, rig.build("q").1];
    rig.done(unschedule("a"));
    rig.done(drop_platform("q"));
    rig.crash(0);
    assert_eq!(rig.queue("p"), [""; 0]);
    for (uuid, platform) in builds.into_iter().zip(["p", "q"]) {
        let text =
            format!("the server stopped while the job was running; it is no longer scheduled on {platform}");
        assert_eq!(rig.stored(uuid).result, message(&text));
    }
}

#[test]
fn a_build_whose_file_is_in_place_has_finished() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.finish_storing(uuid);
    rig.crash(0);
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
    assert_eq!(rig.queue("p"), [""; 0], "it does not run again");
    assert!(rig.spools[&uuid].removed);
    assert_eq!(rig.server.state().unfinished().count(), 0);
}

#[test]
fn a_result_that_was_not_complete_is_lost_with_its_worker() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.storing = Storing::InLog;
    rig.crash(0);
    assert_eq!(rig.stored(uuid).result, message(STOPPED));
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn an_aborted_build_is_stored_by_the_next_server() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    rig.pass(SECOND);
    rig.lose(worker);
    let finished = rig.now.wall;
    rig.pass(SECOND);
    rig.storing = Storing::InFile;
    rig.crash(0);
    let stored = rig.stored(uuid);
    assert_eq!(
        stored.result,
        message(
            "worker lost: the peer closed the connection; the job was queued again; \
             the server stopped before this was stored, so the last lines may be missing"
        )
    );
    assert_eq!((stored.printed().len(), stored.finished), (1, finished));
    assert_eq!(rig.queue("p"), ["a"], "once");
}

#[test]
fn an_aborted_build_whose_file_is_in_place_needs_no_other() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.lose(worker);
    rig.finish_storing(uuid);
    let bytes = rig.results.in_place[&uuid].clone();
    rig.crash(0);
    assert_eq!(rig.results.in_place[&uuid], bytes);
    assert_eq!(rig.server.state().unfinished().count(), 0);
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn results_that_only_the_log_holds_are_published_again() {
    let mut rig = Rig::new();
    let mut uuids = Vec::new();
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
        let (worker, uuid) = rig.build("p");
        rig.finish(worker, BuildResult::Exited(0), Vec::new());
        uuids.push(uuid);
    }
    let before = rig.results.in_place.clone();
    rig.write_back(1);
    rig.results.in_place.clear();
    rig.crash(0);
    assert_eq!(rig.results.in_place.keys().collect::<Vec<_>>(), [&uuids[0]]);
    assert_eq!(rig.results.in_place[&uuids[0]], before[&uuids[0]]);
    rig.write_back(1);
    assert_eq!(rig.log.recover().pending, []);
}

#[test]
fn losses_are_remembered_and_a_stop_of_the_server_is_none() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    for _ in 1..crate::limits::LOSSES_IN_A_ROW {
        let (worker, _) = rig.build("p");
        rig.lose(worker);
        rig.build("p");
        rig.crash(0);
        assert_eq!(rig.queue("p"), ["a"]);
    }
    let (worker, uuid) = rig.build("p");
    // So that the job has run, for certain.
    rig.print(worker, "a line");
    rig.lose(worker);
    assert_eq!(
        rig.stored(uuid).result,
        message("worker lost 3 times in a row, last: the peer closed the connection")
    );
}

#[test]
fn a_build_that_runs_and_is_queued_stays_both_until_the_server_stops() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.build("p");
    rig.done(daily("b", "p"));
    rig.done(execute("a"));
    rig.done(execute("b"));
    assert_eq!(rig.queue("p"), ["b", "a"]);
    rig.crash(0);
    assert_eq!(rig.queue("p"), ["a", "b"]);
}

#[test]
fn orb_builds_are_stored_with_the_script_that_ran() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    let (_, uuid) = rig.build("p");
    rig.set_templates(&[]);
    rig.crash(0);
    let job = rig.stored(uuid).job;
    assert_eq!(job.script, "build package-orb".into());
    assert_eq!(rig.queue("p"), ["orb"]);
}

#[test]
fn a_job_whose_name_was_used_again_is_stored_with_the_script_that_ran() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (_, uuid) = rig.build("p");
    rig.done(unschedule("a"));
    rig.done(schedule_orb_build(Period::Daily, "a"));
    rig.log.rotate(rig.server.state().snapshot().collect());
    rig.crash(0);
    assert_eq!(rig.stored(uuid).job, script("a", "p"));
}

#[test]
fn a_rotated_log_is_as_good_as_the_long_one() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
    }
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    let (worker, _) = rig.build("p");
    rig.lose(worker);
    rig.build("p");
    rig.storing = Storing::Held;
    let (worker, aborted) = rig.build("p");
    rig.lose(worker);
    rig.done(unschedule("a"));
    rig.write_back(1);
    let long = rig.log.recover().records;
    rig.log.rotate(rig.server.state().snapshot().collect());
    assert!(rig.log.recover().records < long);
    rig.storing = Storing::InLog;
    rig.crash(0);
    assert_eq!(rig.queue("p"), ["b", "c", "orb"]);
    assert!(rig.results.in_place.contains_key(&aborted));
}

#[test]
fn a_running_script_job_is_not_copied_into_a_snapshot() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.build("p");
    let is_copy = |record: &Record| matches!(record, Record::Started(started) if started.job.is_some());
    assert!(!rig.server.state().snapshot().any(|record| is_copy(&record)));
    assert!(!rig.log.recover().state.snapshot().any(|record| is_copy(&record)));
    rig.done(unschedule("a"));
    assert!(rig.server.state().snapshot().any(|record| is_copy(&record)));
}

#[test]
fn a_machine_that_contradicts_itself_stops() {
    let mut rig = Rig::new();
    let mut uuids: Box<dyn Iterator<Item = Uuid>> = Box::new(core::iter::repeat(Uuid::from_u128(7)));
    rig.server.dispatcher.swap_uuids(&mut uuids);
    rig.done(daily("a", "p"));
    rig.done(daily("b", "p"));
    rig.build("p");
    let client = rig.client();
    rig.worker("p");
    let reason = "build 00000000-0000-0000-0000-000000000007 of job b starts twice";
    assert_eq!(rig.halted.as_deref(), Some(reason));
    let actions = rig.trace.len();
    rig.say(client, &Command::Info);
    rig.hand_in(Input::Tick);
    assert_eq!(rig.trace.len(), actions, "nothing happens any more");
}

#[test]
fn a_start_first_records_what_files_show_then_what_is_interrupted() {
    let mut rig = Rig::new();
    for name in ["written_back", "stored", "interrupted"] {
        rig.done(daily(name, "p"));
    }
    let (worker, written_back) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let ((_, stored), (_, interrupted)) = (rig.build("p"), rig.build("p"));
    let uploads = UploadSettings { destination: "https://builds.example".to_owned(), keep_local: true };
    let mut server = Server::start(
        rig.now,
        Start {
            uploads: Some(uploads),
            stored: BTreeSet::from([stored]),
            written_back: vec![written_back],
            ..fresh(rig.server.state().clone(), Box::new(core::iter::empty()))
        },
    );
    let mut records = Vec::new();
    while let Some(action) = server.poll_action() {
        if let Action::Append(record) = action {
            records.push(record);
        }
    }
    let [
        Record::WrittenBack(WrittenBack { uuids }),
        Record::UploadQueued(queued),
        Record::Finished(Finished { uuid: finished, contents: None }),
        Record::Ended(ended),
        Record::Aborted(aborted),
    ] = records.as_slice()
    else {
        panic!("{records:?}")
    };
    assert_eq!(*uuids, [RawUuid(written_back)]);
    assert_eq!((queued.uuid.0, finished.0, aborted.uuid.0), (stored, stored, interrupted));
    assert_eq!(ended.uuid(), interrupted, "for the history");
}
