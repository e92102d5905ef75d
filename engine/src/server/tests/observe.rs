//! Following a build: every line, the result, and nothing that depends on when one asks.

use super::rig::{Rig, SETTINGS, Storing};
use super::words::{SECOND, unschedule};
use crate::server::{ConnectionId, Input, Settings, State};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;

fn observe(rig: &mut Rig, uuid: Uuid) -> ConnectionId {
    let observer = rig.client();
    rig.say(observer, &Command::Observe(uuid));
    rig.end_turn();
    assert_eq!(rig.peers.get_mut(&observer).unwrap().inbox.remove(0), Command::ServerHello);
    observer
}

/// Somebody who asks for the console as it is.
fn console(rig: &mut Rig, uuid: Uuid) -> ConnectionId {
    let reader = rig.versed_client();
    rig.say(reader, &Command::Console(uuid));
    rig.end_turn();
    assert_eq!(rig.peers.get_mut(&reader).unwrap().inbox.remove(0), Command::ServerHello);
    reader
}

/// The lines that an observer has, with the seconds since the start; `success` is a line of its own.
fn lines(rig: &mut Rig, observer: ConnectionId) -> Vec<String> {
    let lines = rig.heard(observer).into_iter().map(|command| match command {
        Command::Output { line, timestamp: Some(timestamp), .. } => {
            format!("{} {line}", timestamp / 1_000_000_000)
        }
        Command::Success => "success".to_owned(),
        other => panic!("{other:?} is nothing for an observer"),
    });
    lines.collect()
}

#[test]
fn an_observer_gets_the_lines_so_far_then_live_then_the_result() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.pass(SECOND);
    rig.print(worker, "one");
    rig.pass(SECOND);
    rig.print(worker, "two");
    rig.end_turn();
    let observer = observe(&mut rig, uuid);
    assert_eq!(lines(&mut rig, observer), ["1 one", "2 two"]);
    rig.pass(SECOND);
    rig.print(worker, "three");
    rig.end_turn();
    assert_eq!(lines(&mut rig, observer), ["3 three"]);
    rig.pass(SECOND);
    rig.print(worker, "last");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(lines(&mut rig, observer), ["4 last", "4 exited 0", "success"]);
    assert!(rig.peers[&observer].finished);
}

#[test]
fn the_console_of_a_finished_build_is_replayed() {
    for storing in [Storing::InLog, Storing::InFile] {
        let mut rig = Rig::new();
        rig.storing = storing;
        let (worker, uuid) = rig.started();
        rig.pass(SECOND);
        rig.print(worker, "one");
        rig.print(worker, "two");
        rig.finish(worker, BuildResult::Signalled(9), Vec::new());
        assert!(rig.spools[&uuid].removed);
        let observer = observe(&mut rig, uuid);
        assert_eq!(lines(&mut rig, observer), ["1 one", "1 two", "1 signalled SIGKILL", "success"]);
        assert!(rig.peers[&observer].finished);
    }
}

#[test]
fn the_console_of_a_running_build_is_sent_as_far_as_it_is_there() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    let reader = console(&mut rig, uuid);
    assert_eq!(lines(&mut rig, reader), ["success"]);
    rig.pass(SECOND);
    rig.print(worker, "one");
    rig.end_turn();
    let reader = console(&mut rig, uuid);
    assert_eq!(lines(&mut rig, reader), ["1 one", "success"]);
    assert!(rig.peers[&reader].finished);
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let reader = console(&mut rig, uuid);
    assert_eq!(lines(&mut rig, reader), ["1 one", "1 exited 0", "success"]);
    let unknown = console(&mut rig, Uuid::from_u128(99));
    assert_eq!(rig.failure(unknown), "uuid not found");
}

#[test]
fn who_speaks_version_13_cannot_ask_for_a_console() {
    let mut rig = Rig::new();
    let (_, uuid) = rig.started();
    let client = rig.client();
    rig.say(client, &Command::Console(uuid));
    rig.end_turn();
    assert_eq!(rig.failure(client), "unexpected console; expected a command of a client");
}

#[test]
fn no_more_observers_are_served_than_there_are_files_for() {
    let mut rig = Rig::with(Settings { observers: 1, ..SETTINGS }, State::default());
    let (worker, uuid) = rig.started();
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let (first, second) = (rig.client(), rig.client());
    rig.say(first, &Command::Observe(uuid));
    rig.say(second, &Command::Observe(uuid));
    rig.end_turn();
    assert!(rig.heard(first).contains(&Command::Success));
    let busy = "busy: 1 observers, the limit; try again later";
    assert!(rig.heard(second).contains(&Command::Failure(busy.into())));
    let third = observe(&mut rig, uuid);
    assert_eq!(lines(&mut rig, third), ["0 exited 0", "success"]);
    let fourth = rig.client();
    rig.say(fourth, &Command::Observe(uuid));
    rig.close(fourth);
    let fifth = observe(&mut rig, uuid);
    assert_eq!(lines(&mut rig, fifth), ["0 exited 0", "success"]);
    let (sixth, seventh) = (rig.client(), rig.versed_client());
    rig.say(sixth, &Command::Observe(uuid));
    rig.say(seventh, &Command::Console(uuid));
    rig.end_turn();
    assert!(rig.heard(seventh).contains(&Command::Failure(busy.into())));
}

#[test]
fn a_build_whose_result_is_being_stored_is_followed() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    let (worker, uuid) = rig.started();
    rig.print(worker, "one");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let observer = observe(&mut rig, uuid);
    assert_eq!(lines(&mut rig, observer), ["0 one"]);
    assert!(!rig.peers[&worker].finished, "the worker waits for its result to be safe");
    rig.finish_storing(uuid);
    rig.end_turn();
    assert_eq!(lines(&mut rig, observer), ["0 exited 0", "success"]);
    assert!(rig.peers[&worker].finished);
}

#[test]
fn an_unknown_build_cannot_be_observed() {
    let mut rig = Rig::new();
    assert_eq!(rig.refusal(Command::Observe(Uuid::from_u128(99))), "uuid not found");
}

#[test]
fn a_lost_worker_ends_the_stream() {
    let mut rig = Rig::new();
    rig.storing = Storing::Held;
    let (worker, uuid) = rig.started();
    rig.print(worker, "one");
    let before = observe(&mut rig, uuid);
    rig.pass(SECOND);
    rig.lose(worker);
    let after = observe(&mut rig, uuid);
    let end = "1 execution aborted: worker lost: the peer closed the connection; the job was queued again";
    for observer in [before, after] {
        assert_eq!(lines(&mut rig, observer), ["0 one", end, "success"]);
        assert!(rig.peers[&observer].finished);
    }
}

#[test]
fn a_build_of_an_unscheduled_job_can_be_observed_to_its_end() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    rig.done(unschedule("a"));
    let observer = observe(&mut rig, uuid);
    rig.finish(worker, BuildResult::Exited(1), Vec::new());
    assert_eq!(lines(&mut rig, observer), ["0 exited 1", "success"]);
}

#[test]
fn an_observer_that_speaks_is_sent_away() {
    let mut rig = Rig::new();
    let (_, uuid) = rig.started();
    let observer = observe(&mut rig, uuid);
    rig.say(observer, &Command::Info);
    rig.end_turn();
    assert_eq!(rig.failure(observer), "unexpected info; expected nothing more");
    // The driver may have been about to say this; it changes nothing any more.
    let actions = rig.trace.len();
    rig.hand_in(Input::ObserverDone { connection: observer });
    assert_eq!(rig.trace.len(), actions);
}

#[test]
fn observers_come_and_go_without_a_trace() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    let observer = observe(&mut rig, uuid);
    rig.lose(observer);
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.lose(worker);
    assert!(rig.server.sessions.is_empty());
}

#[test]
fn an_observer_may_watch_for_as_long_as_the_build_takes() {
    let mut rig = Rig::new();
    let (worker, uuid) = rig.started();
    let observer = observe(&mut rig, uuid);
    rig.pass(3599 * SECOND);
    rig.print(worker, "still there");
    rig.end_turn();
    assert_eq!(lines(&mut rig, observer), ["3599 still there"]);
}
