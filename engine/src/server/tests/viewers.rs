//! Viewers: clients on a listener of their own, who look and change nothing.

use super::rig::{Rig, SETTINGS};
use super::words::{daily, script};
use crate::limits::{COMMAND_FRAME_BYTES, LOOK_FRAME_BYTES};
use crate::server::pauses::Pauses;
use crate::server::{ConnectionId, Role, Settings, State};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, Kind, PeerType, Sender};
use builder_proto::frame;
use builder_proto::job::{OrbBuildJob, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::{Period, Time};

/// A viewer that has been greeted.
fn viewer(rig: &mut Rig, version: i64) -> ConnectionId {
    let viewer = rig.connect(Role::Viewers);
    rig.say(viewer, &Command::ClientHello { peer: PeerType::Client, version });
    rig.end_turn();
    assert_eq!(rig.heard(viewer), [Command::ServerHello]);
    viewer
}

/// Every command that changes something; one that is missing here fails the test that uses them.
fn changes() -> Vec<Command> {
    let job = OrbBuildJob { name: "web".into(), opam_package: "mirage-web".into() };
    let (settings, replaces, at) = (JobSettings::NONE, false, None);
    let commands = vec![
        Command::Enter { period: Period::Daily, job: script("b", "p"), settings, replaces, at },
        Command::EnterOrbBuild { period: Period::Daily, job: job.clone(), settings, replaces, at },
        daily("b", "p"),
        Command::ScheduleOrbBuild { period: Period::Daily, job },
        Command::Unschedule("a".into()),
        Command::ExecuteOld("a".into()),
        Command::Execute { name: "a".into(), platform: None },
        Command::Reschedule { name: "a".into(), next: Time::NEVER, period: Some(Period::Never) },
        Command::DropPlatform("p".into()),
        Command::UndropPlatform("q".into()),
        Command::Cancel(Uuid::nil()),
        Command::CancelJob("a".into()),
        Command::Pause("p".into()),
        Command::Resume { platform: Some("p".into()) },
        Command::Drain { wait: false },
        Command::Run {
            name: "a".into(),
            platform: None,
            environment: Vec::new(),
            waits: false,
            joins: false,
        },
    ];
    let has = |kind: &Kind| commands.iter().any(|command| command.kind() == *kind);
    let missing = Kind::ALL.iter().filter(|kind| kind.sender() == Sender::ClientChanges && !has(kind));
    assert_eq!(missing.map(|kind| kind.name()).collect::<Vec<_>>(), [""; 0]);
    commands
}

/// A server with a job, and a platform that was dropped.
fn rig() -> Rig {
    let mut rig = Rig::new();
    rig.done(daily("old", "q"));
    rig.done(Command::DropPlatform("q".into()));
    rig.done(daily("a", "p"));
    rig
}

#[test]
fn viewers_change_nothing() {
    for version in [13, 14] {
        for command in changes().into_iter().filter(|command| command.kind().client_version() <= version) {
            let mut rig = rig();
            let before = rig.info();
            let viewer = viewer(&mut rig, version);
            rig.say(viewer, &command);
            rig.end_turn();
            let expected = "this port serves viewers, who change nothing; use the address of the clients";
            assert_eq!(rig.failure(viewer), expected, "{}", command.name());
            assert_eq!(rig.info(), before, "{}", command.name());
            assert_eq!(rig.server.state().pauses, Pauses::default(), "{}", command.name());
        }
    }
}

#[test]
fn a_command_that_changes_something_is_told_so_however_long_it_is() {
    let mut rig = rig();
    let script = "x".repeat(LOOK_FRAME_BYTES as usize).into();
    let job = ScriptJob { name: "long".into(), script, platform: "p".into() };
    let viewer = viewer(&mut rig, 13);
    rig.say(viewer, &Command::Schedule { period: Period::Daily, job });
    rig.end_turn();
    let failure = rig.failure(viewer);
    assert!(failure.ends_with("use the address of the clients"), "{failure}");
}

#[test]
fn viewers_are_given_no_more_room_for_a_command_than_it_needs() {
    let mut rig = rig();
    let viewer = viewer(&mut rig, 14);
    rig.say_bytes(viewer, &frame::header(COMMAND_FRAME_BYTES));
    rig.end_turn();
    assert_eq!(rig.failure(viewer), "frame of 16777216 bytes; at most 8192 are accepted here");
}

#[test]
fn the_longest_path_of_an_artifact_is_no_longer_than_what_a_viewer_may_say() {
    let path = "x".repeat(crate::limits::ARTIFACT_PATH_BYTES as usize);
    let command =
        Command::Fetch { uuid: Uuid::nil(), path: Some(path.into()), skip: 1 << 61, offset: 1 << 61 };
    assert!(command.encode().unwrap().len() as u64 <= LOOK_FRAME_BYTES);
}

#[test]
fn viewers_see_what_clients_see() {
    let mut rig = rig();
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "hello");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let info = rig.info();
    for command in [Command::Info, Command::Observe(uuid), Command::Console(uuid)] {
        let (viewer, client) = (viewer(&mut rig, 14), rig.versed_client());
        for peer in [viewer, client] {
            rig.say(peer, &command);
        }
        rig.end_turn();
        let (seen, expected) = (rig.heard(viewer), rig.heard(client));
        assert_eq!(seen, expected[1..], "{}: all but the answer to the hello", command.name());
        assert!(seen.contains(&Command::Success));
    }
    assert_eq!(rig.info(), info);
}

#[test]
fn workers_and_other_versions_are_not_viewers() {
    let answer = |peer, version| {
        let mut rig = Rig::new();
        let stranger = rig.connect(Role::Viewers);
        rig.say(stranger, &Command::ClientHello { peer, version });
        rig.end_turn();
        rig.failure(stranger)
    };
    let refusal = "this port serves viewers; workers have an address of their own";
    assert_eq!(answer(PeerType::Worker, 5), refusal);
    assert!(answer(PeerType::Client, 12).starts_with("this server speaks client version 13 or 14, "));
}

#[test]
fn viewers_leave_half_of_the_places_for_observers_to_clients() {
    let mut rig = Rig::with(Settings { observers: 4, ..SETTINGS }, State::default());
    rig.done(daily("a", "p"));
    let (_worker, uuid) = rig.build("p");
    let observe = |rig: &mut Rig, role| {
        let observer = rig.connect(role);
        rig.say(observer, &Command::ClientHello { peer: PeerType::Client, version: 13 });
        rig.say(observer, &Command::Observe(uuid));
        rig.end_turn();
        let refused = rig.heard(observer).into_iter().find_map(|answer| match answer {
            Command::Failure(text) => Some(text.to_string()),
            _ => None,
        });
        (observer, refused)
    };
    let (first, none) = observe(&mut rig, Role::Viewers);
    assert_eq!(none, None);
    assert_eq!(observe(&mut rig, Role::Viewers).1, None);
    let busy = |limit| Some(format!("busy: {limit} observers, the limit; try again later"));
    assert_eq!(observe(&mut rig, Role::Viewers).1, busy(2));
    assert_eq!(observe(&mut rig, Role::Clients).1, None);
    rig.close(first);
    assert_eq!(observe(&mut rig, Role::Viewers).1, None, "a place that was given back");
    assert_eq!(observe(&mut rig, Role::Any).1, None);
    assert_eq!(observe(&mut rig, Role::Clients).1, busy(4), "all places are taken");
    assert_eq!(observe(&mut rig, Role::Viewers).1, busy(4));
}

#[test]
fn a_viewer_may_have_the_only_place_for_observers() {
    let mut rig = Rig::with(Settings { observers: 1, ..SETTINGS }, State::default());
    rig.done(daily("a", "p"));
    let (_worker, uuid) = rig.build("p");
    let viewer = viewer(&mut rig, 13);
    rig.say(viewer, &Command::Observe(uuid));
    rig.end_turn();
    let heard = rig.heard(viewer);
    assert!(!heard.iter().any(|answer| matches!(answer, Command::Failure(_))), "{heard:?}");
}
