//! Builds that somebody cancels, and platforms that somebody pauses.

use super::rig::{Rig, Storing};
use super::words::{
    SECOND, daily, drop_platform, execute, file, schedule_orb_build, undrop_platform, unschedule,
};
use crate::server::ConnectionId;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::time::Period;

/// What is answered to a command of version 14.
fn answers(rig: &mut Rig, command: &Command) -> Vec<Command> {
    let client = ask(rig, command);
    rig.heard(client)
}

/// Gives a command of version 14.
fn ask(rig: &mut Rig, command: &Command) -> ConnectionId {
    let client = rig.versed_client();
    rig.end_turn();
    assert_eq!(rig.heard(client), [Command::ServerHello]);
    rig.say(client, command);
    rig.end_turn();
    client
}

fn refusal(rig: &mut Rig, command: &Command) -> String {
    match answers(rig, command).as_slice() {
        [Command::Failure(reason)] => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

fn cancelled() -> BuildResult {
    BuildResult::Message("cancelled by a client at 10.0.0.1".into())
}

fn pause(platform: &str) -> Command {
    Command::Pause(platform.into())
}

fn resume(platform: Option<&str>) -> Command {
    Command::Resume { platform: platform.map(Into::into) }
}

const DRAIN: Command = Command::Drain { wait: false };

#[test]
fn a_cancelled_build_ends_is_stored_as_cancelled_and_does_not_come_back() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    let answers = answers(&mut rig, &Command::Cancel(uuid));
    let [Command::Remark(remark), Command::Success] = answers.as_slice() else { panic!("{answers:?}") };
    let remark = remark.to_string();
    assert!(remark.starts_with(&format!("build {uuid} of job a on p is cancelled; its worker ")), "{remark}");
    assert!(rig.peers[&worker].finished, "the end of its connection tells the worker");
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, cancelled());
    assert_eq!(stored.console[0].line, "one".into());
    assert!(rig.queue("p").is_empty());
    let next = rig.worker("p");
    assert_eq!(rig.job(next), None);
    rig.crash(usize::MAX);
    assert!(rig.queue("p").is_empty(), "a start does not bring it back, either");
}

#[test]
fn what_its_worker_still_sends_of_a_cancelled_build_is_not_stored() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    let result =
        Command::JobFinished { uuid, result: BuildResult::Exited(0), data: vec![file("a", "artifact")] };
    let frame = result.to_frame().unwrap();
    let (begin, rest) = frame.split_at(frame.len() - 3);
    rig.say_bytes(worker, begin);
    rig.end_turn();
    assert!(matches!(answers(&mut rig, &Command::Cancel(uuid)).as_slice(), [_, Command::Success]));
    rig.say_bytes(worker, rest);
    rig.end_turn();
    let stored = rig.stored(uuid);
    assert_eq!(stored.result, cancelled());
    assert!(stored.output.is_empty(), "the artifacts are no success");
}

#[test]
fn what_has_ended_cannot_be_cancelled() {
    let mut rig = Rig::new();
    let unknown = Uuid::from_u128(77);
    assert_eq!(
        refusal(&mut rig, &Command::Cancel(unknown)),
        format!("build {unknown} does not run; it has ended, or there was none")
    );
    rig.done(daily("a", "p"));
    rig.storing = Storing::Held;
    let (worker, uuid) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(3), Vec::new());
    assert_eq!(
        refusal(&mut rig, &Command::Cancel(uuid)),
        format!("build {uuid} has ended: exited 3; its result is being stored")
    );
    assert_eq!(refusal(&mut rig, &Command::CancelJob("a".into())), "job a neither runs nor waits");
    assert_eq!(refusal(&mut rig, &Command::CancelJob("b".into())), "unknown job b");
}

#[test]
fn a_cancelled_job_runs_and_waits_nowhere() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    rig.done(daily("other", "q"));
    rig.done(daily("first", "p"));
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    let (other, _) = rig.build("q");
    rig.finish(other, BuildResult::Exited(0), Vec::new());
    let (_, uuid) = rig.build("q");
    rig.done(execute("orb"));
    assert_eq!((rig.queue("p").len(), rig.queue("q").len()), (2, 1));
    let answers = answers(&mut rig, &Command::CancelJob("orb".into()));
    let [Command::Remark(p), Command::Remark(q), Command::Remark(build), Command::Success] =
        answers.as_slice()
    else {
        panic!("{answers:?}")
    };
    assert_eq!(p.to_string(), "job orb is taken out of the queue of p");
    assert_eq!(q.to_string(), "job orb is taken out of the queue of q");
    assert!(build.to_string().starts_with(&format!("build {uuid} of job orb on q is cancelled")), "{build}");
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec!["first".to_owned()], vec![]));
    rig.crash(usize::MAX);
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec!["first".to_owned()], vec![]));
}

#[test]
fn a_job_that_left_the_schedule_can_be_cancelled_while_it_runs() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (_, uuid) = rig.build("p");
    rig.done(unschedule("a"));
    assert!(matches!(
        answers(&mut rig, &Command::CancelJob("a".into())).as_slice(),
        [Command::Remark(_), Command::Success]
    ));
    assert_eq!(rig.stored(uuid).result, cancelled());
}

#[test]
fn a_paused_platform_hands_nothing_out_until_it_is_resumed() {
    let mut rig = Rig::new();
    for (name, platform) in [("a", "p"), ("b", "q")] {
        rig.done(daily(name, platform));
    }
    for _ in 0..2 {
        assert_eq!(answers(&mut rig, &pause("p")), [Command::Success], "twice is not too often");
    }
    let (on_p, on_q) = (rig.worker("p"), rig.worker("q"));
    assert_eq!(rig.job(on_p), None);
    assert_eq!(rig.job_name(on_q), "b");
    rig.done(execute("a"));
    rig.rotate();
    rig.crash(usize::MAX);
    let on_p = rig.worker("p");
    assert_eq!(rig.job(on_p), None, "a start does not resume it");
    assert_eq!(answers(&mut rig, &resume(Some("p"))), [Command::Success]);
    assert_eq!(rig.job_name(on_p), "a");
    assert_eq!(refusal(&mut rig, &resume(Some("p"))), "platform p is not paused");
    assert_eq!(refusal(&mut rig, &resume(Some("r"))), "unknown platform r");
    assert_eq!(refusal(&mut rig, &pause("r")), "unknown platform r");
}

#[test]
fn a_platform_that_was_dropped_is_not_paused_when_it_comes_back() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    assert_eq!(answers(&mut rig, &pause("p")), [Command::Success]);
    rig.done(drop_platform("p"));
    rig.done(undrop_platform("p"));
    rig.done(daily("a", "p"));
    let worker = rig.worker("p");
    assert_eq!(rig.job_name(worker), "a");
}

#[test]
fn a_drained_server_hands_nothing_out_anywhere_until_it_is_resumed() {
    let mut rig = Rig::new();
    for (name, platform) in [("a", "p"), ("b", "q")] {
        rig.done(daily(name, platform));
    }
    assert_eq!(
        refusal(&mut rig, &resume(None)),
        "the server is not draining; name the platform that is paused"
    );
    assert_eq!(answers(&mut rig, &pause("q")), [Command::Success]);
    assert_eq!(answers(&mut rig, &DRAIN), [Command::Success]);
    rig.rotate();
    rig.crash(usize::MAX);
    let (on_p, on_q) = (rig.worker("p"), rig.worker("q"));
    assert_eq!((rig.job(on_p), rig.job(on_q)), (None, None));
    assert_eq!(answers(&mut rig, &resume(None)), [Command::Success]);
    assert_eq!(rig.job_name(on_p), "a");
    assert_eq!(rig.job(on_q), None, "that is paused for itself");
}

#[test]
fn whoever_waits_for_a_drained_server_hears_when_nothing_runs() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "p"));
    let (worker, uuid) = rig.build("p");
    let client = ask(&mut rig, &Command::Drain { wait: true });
    rig.pass(1000 * SECOND);
    rig.worker("p");
    assert_eq!(rig.heard(client), [], "nothing is said before");
    rig.storing = Storing::Held;
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.heard(client), [], "a result that is not stored may be lost");
    rig.finish_storing(uuid);
    rig.end_turn();
    assert_eq!(rig.heard(client), [Command::Success]);
    assert_eq!(rig.queue("p"), ["b"]);
    assert_eq!(answers(&mut rig, &Command::Drain { wait: true }), [Command::Success], "at once");
}

#[test]
fn whoever_waits_for_a_drained_server_hears_that_it_goes_on() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.build("p");
    let client = ask(&mut rig, &Command::Drain { wait: true });
    assert_eq!(answers(&mut rig, &resume(None)), [Command::Success]);
    assert_eq!(
        rig.heard(client),
        [Command::Failure("the server hands out jobs again, before all builds ended".into())]
    );
}
