//! Running a job and waiting for its end: what a client is told, in which order, and that it is the truth.

use super::rig::{Rig, SETTINGS, Storing};
use super::words::{SECOND, daily, drop_platform, execute, unschedule};
use crate::limits::WAITING_RECHECK;
use crate::server::{ConnectionId, Input, Role, Settings, State};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::environment::Variable;
use builder_proto::history::Build;
use builder_proto::{HISTORY_VERSION, Uuid};

pub(super) fn run(name: &str, value: &str, waits: bool) -> Command {
    let variable = Variable { name: "A".into(), value: value.into() };
    let environment = if value.is_empty() { Vec::new() } else { vec![variable] };
    Command::Run { name: name.into(), platform: None, environment, waits, joins: false }
}

fn join(name: &str) -> Command {
    Command::Run { name: name.into(), platform: None, environment: Vec::new(), waits: true, joins: true }
}

/// Somebody who gives this command and waits.
pub(super) fn waiter(rig: &mut Rig, command: &Command) -> ConnectionId {
    let waiter = rig.versed_client();
    rig.say(waiter, command);
    rig.end_turn();
    assert_eq!(rig.peers.get_mut(&waiter).unwrap().inbox.remove(0), Command::ServerHello);
    waiter
}

/// What a client was told since the last time, a line each.
pub(super) fn told(rig: &mut Rig, waiter: ConnectionId) -> Vec<String> {
    let line = |command| match command {
        Command::Waiting(reason) => format!("waiting: {reason}"),
        Command::Build(Build { uuid, end: None, .. }) => format!("build {}", uuid.0.as_u128()),
        Command::Build(Build { uuid, end: Some(end), .. }) => {
            format!("build {} {}", uuid.0.as_u128(), end.cause)
        }
        Command::Output { line, .. } => line.to_string(),
        Command::Success => "success".to_owned(),
        Command::Failure(reason) => format!("failure: {reason}"),
        other => panic!("{other:?} is nothing for somebody who waits"),
    };
    rig.heard(waiter).into_iter().map(line).collect()
}

/// A job that ran once.
pub(super) fn rig_with_job() -> Rig {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, _) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig
}

const NO_WORKER: &str = "waiting: job a waits on p: the platform has no worker";

#[test]
fn who_waits_is_told_why_then_of_the_build_its_lines_and_its_end() {
    for storing in [Storing::InLog, Storing::InFile] {
        let mut rig = rig_with_job();
        rig.storing = storing;
        let waiter = waiter(&mut rig, &run("a", "", true));
        assert_eq!(told(&mut rig, waiter), [NO_WORKER]);
        let (worker, _) = rig.build("p");
        assert_eq!(told(&mut rig, waiter), ["build 2"]);
        rig.print(worker, "one");
        rig.end_turn();
        assert_eq!(told(&mut rig, waiter), ["one"]);
        rig.print(worker, "two");
        rig.finish(worker, BuildResult::Exited(3), Vec::new());
        assert_eq!(told(&mut rig, waiter), ["two", "build 2 exited 3", "success"]);
        assert!(rig.peers[&waiter].finished);
        assert!(rig.server.waiters.is_empty());
    }
}

#[test]
fn a_job_that_is_handed_out_at_once_does_not_wait() {
    let mut rig = rig_with_job();
    rig.worker("p");
    let waiter = waiter(&mut rig, &run("a", "", true));
    assert_eq!(told(&mut rig, waiter), ["build 2"]);
}

#[test]
fn who_runs_a_job_and_does_not_wait_is_answered_at_once() {
    let mut rig = rig_with_job();
    let client = waiter(&mut rig, &run("a", "", false));
    assert_eq!(told(&mut rig, client), ["success"]);
    assert!(rig.peers[&client].finished);
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn a_reason_is_told_again_when_it_changes_and_not_too_often() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    assert_eq!(told(&mut rig, waiter), [NO_WORKER]);
    rig.pass(10 * WAITING_RECHECK);
    assert_eq!(told(&mut rig, waiter), [""; 0], "it has not changed");
    rig.done(daily("b", "p"));
    rig.done(execute("b"));
    rig.build("p");
    assert_eq!(told(&mut rig, waiter), [""; 0], "it changed just now");
    rig.pass(WAITING_RECHECK);
    assert_eq!(told(&mut rig, waiter), ["waiting: job a waits on p: the only worker is busy"]);
}

#[test]
fn who_does_not_read_is_told_one_reason() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    told(&mut rig, waiter);
    rig.peers.get_mut(&waiter).unwrap().slow = true;
    for _ in 0..5 {
        rig.hand_in(Input::LogSpace(0));
        rig.pass(WAITING_RECHECK);
        rig.hand_in(Input::LogSpace(u64::MAX));
        rig.pass(WAITING_RECHECK);
    }
    rig.read_part(waiter);
    assert_eq!(told(&mut rig, waiter), ["waiting: job a waits on p: the disk of the server is full"]);
}

#[test]
fn a_build_that_ends_without_its_worker_is_told_with_its_cause() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    told(&mut rig, waiter);
    rig.build("p");
    rig.pass(SETTINGS.job_time + 61 * SECOND);
    rig.pass(20 * SECOND);
    let told = told(&mut rig, waiter);
    assert_eq!(told[0], "build 2");
    assert!(
        told[1].starts_with("waiting: build 00000000-0000-0000-0000-000000000002: worker lost: nothing"),
        "{told:?}"
    );
}

#[test]
fn who_waits_for_a_build_that_is_lost_goes_on_with_the_next() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    told(&mut rig, waiter);
    let (worker, _) = rig.build("p");
    rig.print(worker, "one");
    rig.lose(worker);
    assert_eq!(told(&mut rig, waiter), ["build 2", "one", &told_lost(2)]);
    let (worker, _) = rig.build("p");
    rig.print(worker, "one");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(told(&mut rig, waiter), ["build 3", "one", "build 3 exited 0", "success"]);
}

#[test]
fn a_job_that_is_lost_too_often_ends_for_those_who_wait() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    for number in 2..=4 {
        let (worker, _) = rig.patient_build("p");
        rig.print(worker, "one");
        rig.lose(worker);
        let told = told(&mut rig, waiter);
        let last = told.last().unwrap();
        match number {
            4 => assert_eq!(last, "success", "{told:?}"),
            _ => assert!(last.ends_with("the job was queued again"), "{told:?}"),
        }
    }
}

#[test]
fn a_job_that_goes_to_the_end_of_its_queue_is_waited_for_further() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    rig.done(daily("b", "p"));
    let mut last = String::new();
    for _ in 0..3 {
        let (worker, _) = rig.patient_build("p");
        rig.lose(worker);
        last = told(&mut rig, waiter).pop().unwrap();
    }
    assert!(last.starts_with("waiting: ") && last.ends_with("queued again behind the others"), "{last}");
    assert_eq!(rig.queue("p"), ["b", "a"]);
}

#[test]
fn who_reads_slowly_is_told_of_the_next_build_when_it_has_the_console_of_the_first() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    let (worker, _) = rig.build("p");
    told(&mut rig, waiter);
    rig.peers.get_mut(&waiter).unwrap().slow = true;
    rig.print(worker, "one");
    rig.lose(worker);
    let (worker, _) = rig.build("p");
    rig.print(worker, "two");
    rig.finish(worker, BuildResult::Exited(7), Vec::new());
    assert_eq!(told(&mut rig, waiter), [""; 0]);
    rig.peers.get_mut(&waiter).unwrap().slow = false;
    rig.end_turn();
    let told = told(&mut rig, waiter);
    assert_eq!(told[0], "one");
    assert_eq!(told[1], told_lost(2));
    assert_eq!(told[2..], ["build 3", "two", "build 3 exited 7", "success"]);
}

#[test]
fn a_job_that_is_removed_from_its_queue_is_no_longer_waited_for() {
    for command in [unschedule("a"), drop_platform("p"), Command::CancelJob("a".into())] {
        let mut rig = rig_with_job();
        let waiter = waiter(&mut rig, &run("a", "", true));
        told(&mut rig, waiter);
        let client = rig.versed_client();
        rig.say(client, &command);
        rig.end_turn();
        assert_eq!(told(&mut rig, waiter), ["failure: job a was taken out of the queue of p"]);
        assert!(rig.peers[&waiter].finished);
        assert!(rig.server.waiters.is_empty());
    }
}

#[test]
fn a_build_that_is_cancelled_is_told_as_such() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    rig.end_turn();
    told(&mut rig, waiter);
    let client = rig.versed_client();
    rig.say(client, &Command::Cancel(uuid));
    rig.end_turn();
    let told = told(&mut rig, waiter);
    assert!(told[0].starts_with("build 2 cancelled by ") && told[1] == "success", "{told:?}");
}

#[test]
fn a_build_goes_on_when_nobody_waits_any_more() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    let (worker, uuid) = rig.build("p");
    rig.close(waiter);
    rig.end_turn();
    assert!(rig.is_running(uuid) && rig.server.waiters.is_empty());
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(0));
}

#[test]
fn who_joins_waits_for_what_is_queued_or_runs_and_queues_nothing() {
    let mut rig = rig_with_job();
    let early = waiter(&mut rig, &join("a"));
    let refusal = "failure: nothing to wait for: job a is not queued on p, and does not run";
    assert_eq!(told(&mut rig, early), [refusal]);
    assert_eq!(rig.queue("p"), [""; 0]);
    rig.done(execute("a"));
    let queued = waiter(&mut rig, &join("a"));
    assert_eq!(told(&mut rig, queued), [NO_WORKER]);
    let (worker, _) = rig.build("p");
    rig.print(worker, "one");
    rig.end_turn();
    let running = waiter(&mut rig, &join("a"));
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    for waiter in [queued, running] {
        assert_eq!(told(&mut rig, waiter), ["build 2", "one", "build 2 exited 0", "success"]);
    }
    assert_eq!(rig.queue("p"), [""; 0]);
}

pub(super) fn told_lost(number: u128) -> String {
    format!(
        "waiting: build {}: worker lost: the peer closed the connection; the job was queued again",
        Uuid::from_u128(number)
    )
}

#[test]
fn who_waits_counts_among_the_observers_and_is_refused_before_anything_is_queued() {
    let mut rig = Rig::with(Settings { observers: 1, ..SETTINGS }, State::default());
    rig.done(daily("a", "p"));
    let first = waiter(&mut rig, &join("a"));
    assert_eq!(told(&mut rig, first), [NO_WORKER]);
    let (worker, _) = rig.build("p");
    let second = waiter(&mut rig, &run("a", "", true));
    assert_eq!(told(&mut rig, second), ["failure: busy: 1 observers, the limit; try again later"]);
    assert_eq!(rig.queue("p"), [""; 0]);
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let third = waiter(&mut rig, &run("a", "", true));
    assert_eq!(told(&mut rig, third), [NO_WORKER], "the first has gone");
}

#[test]
fn a_console_that_cannot_be_sent_does_not_hide_the_end() {
    let mut rig = rig_with_job();
    let waiter = waiter(&mut rig, &run("a", "", true));
    let (worker, _) = rig.build("p");
    told(&mut rig, waiter);
    rig.fail_observer(waiter, "the disk is sick");
    rig.finish(worker, BuildResult::Exited(5), Vec::new());
    let told = told(&mut rig, waiter);
    assert_eq!(told[0], "waiting: its console cannot be sent: the disk is sick");
    assert!(told.ends_with(&["build 2 exited 5".to_owned(), "success".to_owned()]), "{told:?}");
}

#[test]
fn viewers_run_nothing() {
    let mut rig = rig_with_job();
    let viewer = rig.connect(Role::Viewers);
    rig.say(viewer, &Command::ClientHello { peer: PeerType::Client, version: HISTORY_VERSION });
    rig.say(viewer, &run("a", "", true));
    rig.end_turn();
    assert!(rig.failure(viewer).starts_with("this port serves viewers"));
}

#[test]
fn who_speaks_version_13_cannot_run_a_job_so() {
    let mut rig = rig_with_job();
    let client = rig.client();
    rig.say(client, &run("a", "", true));
    rig.end_turn();
    assert_eq!(rig.failure(client), "unexpected run; expected a command of a client");
}
