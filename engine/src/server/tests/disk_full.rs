//! A disk that is full: what would need more is refused, what frees something still works.

use super::rig::Rig;
use super::waiting::run;
use super::words::{
    DAY, HOUR, daily, drop_platform, execute, reschedule, schedule, schedule_orb_build, script,
    undrop_platform, unschedule,
};
use crate::limits::{DISK_MARGIN, RETRY_TIME};
use crate::server::Input;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;

const FULL: &str = "disk full: the server cannot keep more jobs; free space there, then try again";

fn set_space(rig: &mut Rig, bytes: u64) {
    rig.hand_in(Input::LogSpace(bytes));
}

#[test]
fn what_grows_is_refused_and_what_shrinks_is_not() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "p"));
    rig.done(daily("c", "q"));
    set_space(&mut rig, DISK_MARGIN);
    for command in [
        daily("d", "p"),
        schedule_orb_build(Period::Daily, "orb"),
        execute("a"),
        Command::ExecuteOld("a".into()),
        run("a", "", false),
        reschedule("a", rig.now.wall, None),
    ] {
        assert_eq!(rig.refusal(command), FULL);
    }
    rig.done(unschedule("a"));
    rig.done(drop_platform("q"));
    rig.done(undrop_platform("q"));
    let info = rig.info();
    assert_eq!(info.schedule.len(), 1);
    assert_eq!(rig.queue("p"), ["b"]);
    set_space(&mut rig, u64::MAX);
    rig.done(daily("d", "p"));
}

#[test]
fn a_build_finishes_and_a_lost_one_is_queued_again() {
    let mut rig = Rig::new();
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
    }
    let (finishing, first) = rig.build("p");
    let (dying, second) = rig.build("p");
    set_space(&mut rig, 0);
    rig.finish(finishing, BuildResult::Exited(0), Vec::new());
    rig.lose(dying);
    assert_eq!(rig.stored(first).result, BuildResult::Exited(0));
    assert!(matches!(rig.stored(second).result, BuildResult::Message(_)));
    assert_eq!(rig.queue("p"), ["b"]);
}

#[test]
fn waiting_workers_and_due_jobs_wait_for_space() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "a", "p"));
    rig.done(daily("b", "p"));
    let (_, _) = rig.build("p");
    set_space(&mut rig, DISK_MARGIN - 1);
    let known = rig.worker("p");
    let new = rig.worker("q");
    let due = rig.next_run("a");
    rig.set_clock(rig.now.monotonic + HOUR);
    rig.end_turn();
    assert_eq!((rig.job(known), rig.job(new)), (None, None));
    assert!(!rig.has_queue("q"));
    assert_eq!((rig.queue("p"), rig.next_run("a")), (vec!["b".to_owned()], due));
    assert_eq!(rig.server.next_deadline(), Some(rig.now.monotonic + RETRY_TIME), "the driver looks again");
    set_space(&mut rig, u64::MAX);
    rig.pass(RETRY_TIME);
    assert_eq!(rig.job_name(known), "b");
    assert_eq!(rig.queue("p"), ["a"]);
    assert!(rig.has_queue("q"));
}

#[test]
fn the_commands_of_one_turn_share_the_space() {
    let mut rig = Rig::new();
    let big = |name: &str| {
        let job = ScriptJob { script: "x".repeat(100_000).into(), ..script(name, "p") };
        Command::Schedule { period: Period::Never, job }
    };
    set_space(&mut rig, DISK_MARGIN + 300_000);
    let clients: Vec<_> = (0..3).map(|_| rig.client()).collect();
    for (client, name) in clients.iter().zip(["a", "b", "c"]) {
        rig.say(*client, &big(name));
    }
    rig.end_turn();
    let accepted = clients.iter().filter(|client| rig.heard(**client).contains(&Command::Success));
    assert_eq!(accepted.count(), 1, "each needs twice its size, which is left only once");
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn jobs_that_are_dispatched_in_one_turn_share_the_space() {
    let mut rig = Rig::new();
    let template = vec![b'x'; 100_000];
    rig.done(daily("a", "p"));
    rig.hand_in(Input::Templates([("p".into(), template)].into()));
    for name in ["orb1", "orb2"] {
        rig.done(schedule_orb_build(Period::Never, name));
    }
    rig.done(unschedule("a"));
    set_space(&mut rig, 0);
    let workers = [rig.worker("p"), rig.worker("p")];
    set_space(&mut rig, DISK_MARGIN + 250_000);
    rig.end_turn();
    assert_eq!(workers.map(|worker| rig.job_name(worker)), ["orb1", ""]);
    set_space(&mut rig, DISK_MARGIN + 250_000);
    rig.pass(DAY);
    assert_eq!(rig.job_name(workers[1]), "orb2");
}
