//! Why a job waits, as the server says it while it does.

use super::rig::{Rig, SETTINGS};
use super::words::{SECOND, daily, schedule_orb_build};
use crate::server::{Input, Settings, State};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::overview::{Pace, Reason};
use builder_proto::time::Period;
use der::asn1::Null;

fn reason(rig: &Rig, job: &str) -> Option<Reason> {
    rig.server.reason(rig.now, &"p".into(), &job.into())
}

#[test]
fn a_job_waits_for_a_worker_and_then_for_a_busy_one() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "p"));
    assert_eq!(reason(&rig, "a"), Some(Reason::NoWorker(Null)));
    let (worker, _) = rig.build("p");
    assert_eq!(reason(&rig, "a"), None, "it runs");
    assert_eq!(reason(&rig, "b"), Some(Reason::Busy(1)));
    assert_eq!(rig.server.reason(rig.now, &"q".into(), &"b".into()), None, "there is no such queue");
    rig.lose(worker);
    assert_eq!(reason(&rig, "b"), Some(Reason::NoWorker(Null)));
}

#[test]
fn a_job_waits_while_enough_builds_are_under_way() {
    let mut rig = Rig::with(Settings { builds: 1, ..SETTINGS }, State::default());
    rig.done(daily("a", "q"));
    rig.done(daily("b", "p"));
    rig.build("q");
    assert_eq!(reason(&rig, "b"), Some(Reason::NoWorker(Null)), "the limit would not matter yet");
    rig.worker("p");
    assert_eq!(reason(&rig, "b"), Some(Reason::Limit(1)));
}

#[test]
fn a_job_waits_for_the_disk_for_randomness_and_for_a_template() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    rig.set_templates(&[]);
    assert_eq!(reason(&rig, "orb"), Some(Reason::NoTemplate(Null)));
    rig.hand_in(Input::LogSpace(0));
    rig.worker("p");
    assert_eq!(reason(&rig, "a"), Some(Reason::DiskFull(Null)));
    let mut uuids: Box<dyn Iterator<Item = Uuid>> = Box::new(core::iter::empty());
    rig.server.dispatcher.swap_uuids(&mut uuids);
    rig.hand_in(Input::LogSpace(u64::MAX));
    rig.pass(10 * SECOND);
    assert_eq!(reason(&rig, "a"), Some(Reason::NoRandomness(Null)));
}

#[test]
fn a_job_waits_because_of_losses_until_the_next_try() {
    let mut rig = Rig::new();
    for job in ["a", "b", "c", "d"] {
        rig.done(daily(job, "p"));
    }
    for _ in 0..3 {
        let worker = rig.worker("p");
        rig.pass(2 * SECOND);
        rig.lose(worker);
    }
    let next = rig.now.wall.saturating_add(2 * SECOND);
    assert_eq!(reason(&rig, "d"), Some(Reason::Losses(Pace { losses: 3, next })));
    rig.pass(SECOND);
    assert_eq!(reason(&rig, "d"), Some(Reason::Losses(Pace { losses: 3, next })), "the time stays the same");
    rig.pass(SECOND);
    assert_eq!(reason(&rig, "d"), Some(Reason::NoWorker(Null)), "it would be handed out now");
}

#[test]
fn a_job_waits_while_somebody_wants_it_to() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.worker("q");
    let mut expect = |command: Command, expected: Reason| {
        let client = rig.versed_client();
        rig.say(client, &command);
        rig.end_turn();
        assert_eq!(rig.heard(client).last(), Some(&Command::Success));
        assert_eq!(reason(&rig, "a"), Some(expected));
    };
    expect(Command::Pause("p".into()), Reason::Paused(Null));
    expect(Command::Drain { wait: false }, Reason::Draining(Null));
    expect(Command::Resume { platform: Some("p".into()) }, Reason::Draining(Null));
    expect(Command::Resume { platform: None }, Reason::NoWorker(Null));
}
