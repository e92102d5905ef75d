//! Workers that are lost or hang, and workers that say what they should not.

use super::rig::{Rig, SETTINGS};
use super::words::{
    DAY, MINUTE, SECOND, daily, drop_platform, execute, file, message, schedule, schedule_orb_build, script,
    unschedule,
};
use crate::limits::{COMMAND_FRAME_BYTES, LOSSES_IN_A_ROW, TIMEOUT_GRACE};
use crate::server::Input;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::frame;
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;

const LOST: &str = "worker lost: the peer closed the connection; the job was queued again";

#[test]
fn the_job_of_a_lost_worker_goes_to_the_front_of_its_queue() {
    let mut rig = Rig::new();
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
    }
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    rig.pass(SECOND);
    rig.lose(worker);
    assert_eq!(rig.queue("p"), ["a", "b"]);
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, message(LOST));
    assert_eq!(stored.printed().len(), 1, "the console is kept");
    assert_eq!(stored.finished, stored.started.saturating_add(SECOND));
}

#[test]
fn the_job_of_a_lost_worker_goes_to_one_that_waits() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, first) = rig.build("p");
    let waiting = rig.worker("p");
    rig.lose(worker);
    let (second, _) = rig.job(waiting).unwrap();
    assert_ne!(first, second);
}

#[test]
fn a_job_that_is_queued_again_runs_its_present_script() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.done(unschedule("a"));
    let new = ScriptJob { script: "new".into(), ..script("a", "p") };
    rig.done(Command::Schedule { period: Period::Daily, job: new.clone() });
    rig.lose(worker);
    assert_eq!(rig.queue("p"), ["a"]);
    assert_eq!(rig.stored(uuid).job, script("a", "p"), "the stored result holds what ran");
    let worker = rig.worker("p");
    assert_eq!(rig.job(worker).unwrap().1, new);
}

#[test]
fn a_job_that_was_executed_meanwhile_is_queued_once() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "p"));
    let (worker, _) = rig.build("p");
    rig.done(execute("a"));
    rig.done(execute("b"));
    rig.lose(worker);
    assert_eq!(rig.queue("p"), ["a", "b"]);
}

#[test]
fn a_job_that_left_the_schedule_is_not_queued_again() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    for (platform, end) in [("p", unschedule("a")), ("q", drop_platform("q"))] {
        let (worker, uuid) = rig.build(platform);
        rig.done(end);
        rig.lose(worker);
        let text = format!(
            "worker lost: the peer closed the connection; the job is no longer scheduled on {platform}"
        );
        assert_eq!(rig.stored(uuid).result, message(&text));
    }
    assert_eq!(rig.queue("p"), [""; 0]);
    assert!(!rig.has_queue("q"));
}

#[test]
fn a_job_that_moved_to_another_platform_is_not_queued_again() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, _) = rig.build("p");
    rig.done(unschedule("a"));
    rig.done(daily("a", "q"));
    rig.lose(worker);
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec![], vec!["a".to_owned()]));
}

#[test]
fn an_orb_build_is_queued_again_on_its_platform_only() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    let workers = [rig.worker("p"), rig.worker("q")];
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    rig.set_templates(&[]);
    rig.lose(workers[0]);
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec!["orb".to_owned()], vec![]));
}

#[test]
fn the_third_loss_in_a_row_is_stored_as_a_failure() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    for loss in 1..=LOSSES_IN_A_ROW {
        let (worker, uuid) = rig.patient_build("p");
        rig.lose(worker);
        let text = match loss {
            LOSSES_IN_A_ROW => "worker lost 3 times in a row, last: the peer closed the connection",
            _ => LOST,
        };
        assert_eq!(rig.stored(uuid).result, message(text));
    }
    assert_eq!(rig.queue("p"), [""; 0]);
    rig.pass(DAY);
    assert_eq!(rig.queue("p"), ["a"], "it waits for its schedule");
    let (worker, _) = rig.patient_build("p");
    rig.lose(worker);
    assert_eq!(rig.queue("p"), ["a"], "and the count begins anew");
}

#[test]
fn a_finished_build_ends_a_row_of_losses() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    for _ in 0..3 {
        for _ in 1..LOSSES_IN_A_ROW {
            let (worker, _) = rig.build("p");
            rig.lose(worker);
            assert_eq!(rig.queue("p"), ["a"]);
        }
        let (worker, _) = rig.patient_build("p");
        rig.finish(worker, BuildResult::Exited(1), Vec::new());
        rig.done(execute("a"));
    }
}

#[test]
fn losses_are_counted_by_job_and_platform() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    rig.done(unschedule("b"));
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    rig.done(execute("orb"));
    for _ in 1..LOSSES_IN_A_ROW {
        let (worker, _) = rig.patient_build("p");
        rig.print(worker, "a line");
        rig.lose(worker);
    }
    let (worker, _) = rig.build("q");
    rig.lose(worker);
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec!["orb".into(), "a".into()], vec!["orb".to_owned()]));
    let (worker, _) = rig.patient_build("p");
    rig.print(worker, "a line");
    rig.lose(worker);
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn a_job_that_left_the_schedule_takes_its_losses_along() {
    let mut rig = Rig::new();
    for end in [unschedule("a"), drop_platform("p")] {
        rig.done(daily("a", "p"));
        let (worker, _) = rig.build("p");
        rig.lose(worker);
        assert_eq!(rig.server.state().losses(&"a".into(), &"p".into()), 1);
        rig.done(end);
        assert_eq!(rig.server.state().losses(&"a".into(), &"p".into()), 0);
    }
}

#[test]
fn a_worker_that_hangs_is_ended_a_minute_after_its_own_clock() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Weekly, "a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    rig.pass(SETTINGS.job_time + TIMEOUT_GRACE - SECOND);
    assert!(rig.is_running(uuid));
    rig.pass(SECOND);
    assert_eq!(rig.failure(worker), "timeout");
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, message("timeout"));
    assert_eq!(stored.printed().len(), 1);
    assert_eq!(rig.queue("p"), [""; 0], "it waits for its schedule");
    rig.print(worker, "too late");
    rig.lose(worker);
    assert_eq!(rig.queue("p"), [""; 0]);
}

#[test]
fn a_result_in_time_may_still_be_on_its_way_when_the_time_is_up() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Weekly, "a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.pass(SETTINGS.job_time + TIMEOUT_GRACE - SECOND);
    let result = message("timeout after 1h");
    let frame = Command::JobFinished { uuid, result: result.clone(), data: vec![file("a", "b")] }.to_frame();
    let frame = frame.unwrap();
    rig.say_bytes(worker, &frame[..20]);
    rig.pass(MINUTE - SECOND);
    rig.say_bytes(worker, &frame[20..]);
    rig.end_turn();
    assert_eq!(rig.stored(uuid).result, result);
    assert_eq!(rig.stored(uuid).output.len(), 1);
}

/// A worker says something wrong: the build is lost.
fn lost_by(bytes: impl FnOnce(Uuid) -> Vec<u8>) -> String {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.say_bytes(worker, &bytes(uuid));
    rig.end_turn();
    assert_eq!(rig.queue("p"), ["a"]);
    let text = rig.failure(worker);
    let stored = format!("worker lost: {text}; the job was queued again");
    assert_eq!(rig.stored(uuid).result, message(&stored));
    text
}

#[test]
fn a_worker_that_speaks_of_another_build_is_lost() {
    let other = Uuid::from_u128(0xabc);
    let output = Command::Output { uuid: other, line: "x".into(), timestamp: None };
    assert_eq!(
        lost_by(|_| output.to_frame().unwrap()),
        "output for build 00000000-0000-0000-0000-000000000abc, but the worker runs build 00000000-0000-0000-0000-000000000001"
    );
    let finished = Command::JobFinished { uuid: other, result: BuildResult::Exited(0), data: Vec::new() };
    assert_eq!(
        lost_by(|_| finished.to_frame().unwrap()),
        "result of build 00000000-0000-0000-0000-000000000abc, but the worker runs build 00000000-0000-0000-0000-000000000001"
    );
}

#[test]
fn a_worker_that_says_what_it_should_not_is_lost() {
    let again = Command::JobRequested("p".into()).to_frame().unwrap();
    assert_eq!(lost_by(|_| again), "unexpected jobRequested; expected output or jobFinished");
    assert_eq!(lost_by(|_| vec![0; 8]), "frame without a message in it");
    assert_eq!(
        lost_by(|_| b"\0\0\0\0\0\0\0\x02\xa4\0".to_vec()),
        "output: a value is longer than what holds it at byte 2"
    );
    assert!(lost_by(|_| vec![0xff; 9]).starts_with("frame of 18446744073709551615 bytes"));
    let mut malformed =
        Command::JobFinished { uuid: Uuid::nil(), result: BuildResult::Exited(0), data: vec![] };
    let text = lost_by(|uuid| {
        let Command::JobFinished { uuid: place, .. } = &mut malformed else { unreachable!() };
        *place = uuid;
        let mut bytes = malformed.to_frame().unwrap();
        *bytes.last_mut().unwrap() = 1;
        bytes
    });
    assert!(text.starts_with("the jobFinished message is malformed"), "{text}");
}

#[test]
fn a_job_that_is_scheduled_anew_has_lost_no_worker_yet() {
    let mut rig = Rig::new();
    for is_anew in [false, true] {
        if is_anew {
            rig.done(unschedule("a"));
        }
        rig.done(daily("a", "p"));
        for _ in 1..LOSSES_IN_A_ROW {
            let (worker, _) = rig.patient_build("p");
            rig.print(worker, "one");
            rig.lose(worker);
            assert_eq!(rig.queue("p"), ["a"], "{is_anew}");
        }
    }
}

#[test]
fn lines_that_come_with_a_bad_message_are_kept() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    let line = Command::Output { uuid, line: "one".into(), timestamp: None };
    rig.say_bytes(worker, &[line, Command::Info].map(|message| message.to_frame().unwrap()).concat());
    rig.end_turn();
    assert_eq!(rig.failure(worker), "unexpected info; expected output or jobFinished");
    assert_eq!(rig.stored(uuid).printed().len(), 1);
}

#[test]
fn a_line_longer_than_any_message_fails_the_build_at_once() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    let length = COMMAND_FRAME_BYTES + 1;
    rig.say_bytes(worker, &[&frame::header(length)[..], b"\xa4\x84"].concat());
    rig.end_turn();
    let text = rig.failure(worker);
    assert!(text.starts_with("a console line in a message of 16777217 bytes exceeds the limit of 16777216"));
    let stored = rig.stored(uuid);
    assert_eq!((&stored.result, stored.printed().len()), (&message(&text), 1));
    assert_eq!(rig.queue("p"), [""; 0], "it waits for its schedule");
}

#[test]
fn a_build_leaves_no_deadline_behind() {
    let mut rig = Rig::new();
    for platform in ["p", "q", "r"] {
        rig.done(schedule(Period::Never, platform, platform));
    }
    let (lost, _) = rig.build("p");
    let (finished, _) = rig.build("q");
    let (failed, uuid) = rig.build("r");
    rig.lose(lost);
    rig.finish(finished, BuildResult::Exited(0), Vec::new());
    rig.lose(finished);
    rig.hand_in(Input::SpoolFailed { uuid, error: "no space left" });
    rig.lose(failed);
    assert_eq!(rig.server.next_deadline(), None);
}

#[test]
fn output_before_a_job_is_out_of_place() {
    let mut rig = Rig::new();
    let worker = rig.worker("p");
    rig.say(worker, &Command::Output { uuid: Uuid::nil(), line: "x".into(), timestamp: None });
    rig.end_turn();
    assert_eq!(rig.failure(worker), "unexpected output; expected nothing more");
}
