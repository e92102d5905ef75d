//! Hello: versions, roles, and what is refused before and after it.

use super::rig::Rig;
use super::words::{SECOND, daily};
use crate::limits::{COMMAND_FRAME_BYTES, COMMAND_TIME, HELD_BYTES, HELLO_TIME, LINGER_TIME};
use crate::server::{Input, Role};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::frame;

fn hello(peer: PeerType, version: i64) -> Command {
    Command::ClientHello { peer, version }
}

/// What the server says to the first message of a connection.
fn first_answer(role: Role, message: &Command) -> Command {
    let mut rig = Rig::new();
    let peer = rig.connect(role);
    rig.say(peer, message);
    rig.end_turn();
    let answers = rig.heard(peer);
    assert_eq!(answers.len(), 1);
    assert_eq!(rig.peers[&peer].finished, answers[0] != Command::ServerHello);
    answers[0].clone()
}

fn refusal(role: Role, message: &Command) -> String {
    match first_answer(role, message) {
        Command::Failure(text) => text.to_string(),
        other => panic!("{other:?} is no refusal"),
    }
}

#[test]
fn clients_and_workers_of_the_right_version_are_greeted() {
    for (peer, version) in [(PeerType::Client, 13), (PeerType::Client, 14), (PeerType::Worker, 5)] {
        assert_eq!(first_answer(Role::Any, &hello(peer, version)), Command::ServerHello);
    }
    assert_eq!(first_answer(Role::Clients, &hello(PeerType::Client, 13)), Command::ServerHello);
    assert_eq!(first_answer(Role::Workers, &hello(PeerType::Worker, 5)), Command::ServerHello);
}

#[test]
fn other_versions_are_told_both() {
    assert_eq!(
        refusal(Role::Any, &hello(PeerType::Client, 12)),
        "this server speaks client version 13 or 14, the peer speaks client version 12; use programs of the same release"
    );
    assert_eq!(
        refusal(Role::Any, &hello(PeerType::Worker, 6)),
        "this server speaks worker version 5, the peer speaks worker version 6; use programs of the same release"
    );
    assert!(refusal(Role::Any, &hello(PeerType::Client, -(1 << 62))).contains("-4611686018427387904"));
}

#[test]
fn each_role_is_served_on_its_own_listener() {
    assert_eq!(
        refusal(Role::Workers, &hello(PeerType::Client, 13)),
        "this port serves workers; clients have an address of their own"
    );
    assert_eq!(
        refusal(Role::Clients, &hello(PeerType::Worker, 5)),
        "this port serves clients; workers have an address of their own"
    );
}

#[test]
fn nothing_comes_before_the_hello() {
    assert_eq!(refusal(Role::Any, &Command::Info), "unexpected info; expected clientHello");
}

#[test]
fn a_frame_before_the_hello_is_short() {
    let mut rig = Rig::new();
    let peer = rig.connect(Role::Any);
    rig.say_bytes(peer, &frame::header(65));
    rig.end_turn();
    assert_eq!(rig.failure(peer), "frame of 65 bytes; at most 64 are accepted here");
}

#[test]
fn a_frame_after_the_hello_has_a_limit_too() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.say_bytes(client, &frame::header(COMMAND_FRAME_BYTES + 1));
    rig.end_turn();
    assert_eq!(rig.failure(client), "frame of 16777217 bytes; at most 16777216 are accepted here");
}

#[test]
fn empty_frames_trailing_bytes_and_reserved_tags_are_refused() {
    for (bytes, text) in [
        (&frame::header(0)[..], "frame without a message in it"),
        (b"\0\0\0\0\0\0\0\x05\xa6\x02\x05\0\0", "info: bytes left over: 1, at byte 4"),
        (b"\0\0\0\0\0\0\0\x04\xa8\x02\x05\0", "message: tag [8] is reserved"),
        (b"\0\0\0\0\0\0\0\x02hi", "message: begins with 0x68, as no message does"),
    ] {
        let mut rig = Rig::new();
        let client = rig.client();
        rig.say_bytes(client, bytes);
        rig.end_turn();
        assert_eq!(rig.failure(client), text);
    }
}

#[test]
fn messages_of_others_are_refused_in_their_place() {
    let mut rig = Rig::new();
    assert_eq!(rig.refusal(Command::Success), "unexpected success; expected a command of a client");
    assert_eq!(
        rig.refusal(Command::JobRequested("p".into())),
        "unexpected jobRequested; expected a command of a client"
    );
    let worker = rig.connect(Role::Any);
    rig.say(worker, &hello(PeerType::Worker, 5));
    rig.say(worker, &Command::Info);
    rig.end_turn();
    assert_eq!(rig.failure(worker), "unexpected info; expected jobRequested");
    let waiting = rig.worker("p");
    rig.say(waiting, &Command::JobRequested("p".into()));
    rig.end_turn();
    assert_eq!(rig.failure(waiting), "unexpected jobRequested; expected nothing more");
}

#[test]
fn bytes_may_come_one_by_one_or_all_at_once() {
    let messages =
        [hello(PeerType::Client, 13), daily("a", "p")].map(|message| message.to_frame().unwrap()).concat();
    for size in [1, 5, messages.len()] {
        let mut rig = Rig::new();
        let client = rig.connect(Role::Any);
        for bytes in messages.chunks(size) {
            rig.say_bytes(client, bytes);
            rig.end_turn();
        }
        assert_eq!(rig.heard(client), [Command::ServerHello, Command::Success]);
        assert_eq!(rig.queue("p"), ["a"]);
    }
}

#[test]
fn only_the_first_command_of_a_connection_counts() {
    let mut rig = Rig::new();
    let client = rig.client();
    let both = [daily("a", "p"), daily("b", "p")].map(|command| command.to_frame().unwrap()).concat();
    rig.say_bytes(client, &both);
    rig.say(client, &daily("c", "p"));
    rig.end_turn();
    assert_eq!(rig.heard(client), [Command::ServerHello, Command::Success]);
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn a_silent_connection_is_ended_after_the_time_for_its_hello() {
    let mut rig = Rig::new();
    let peer = rig.connect(Role::Any);
    rig.pass(HELLO_TIME - SECOND);
    assert!(!rig.peers[&peer].finished);
    rig.pass(SECOND);
    assert_eq!(rig.failure(peer), "no clientHello within 10 seconds");
}

#[test]
fn a_client_without_command_and_a_worker_without_platform_are_ended() {
    for (kind, version) in [(PeerType::Client, 13), (PeerType::Worker, 5)] {
        let mut rig = Rig::new();
        let peer = rig.connect(Role::Any);
        rig.pass(HELLO_TIME - SECOND);
        rig.say(peer, &hello(kind, version));
        rig.pass(COMMAND_TIME - SECOND);
        assert!(!rig.peers[&peer].finished);
        rig.pass(SECOND);
        assert_eq!(rig.failure(peer), "no whole command within 300 seconds");
    }
}

#[test]
fn a_peer_that_does_not_close_is_cut_off() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.say(client, &Command::Info);
    rig.end_turn();
    rig.pass(LINGER_TIME - SECOND);
    assert!(!rig.peers[&client].dropped);
    rig.say(client, &Command::Info);
    rig.pass(SECOND);
    assert!(rig.peers[&client].dropped);
    assert_eq!(rig.server.next_deadline(), None);
    assert!(rig.server.sessions.is_empty(), "nor is anything kept of it");
}

#[test]
fn a_peer_that_closes_leaves_nothing_behind() {
    let mut rig = Rig::new();
    for messages in 0..3 {
        let peer = rig.connect(Role::Any);
        for message in [hello(PeerType::Client, 13), Command::Info].iter().take(messages) {
            rig.say(peer, message);
        }
        rig.lose(peer);
    }
    assert_eq!(rig.server.next_deadline(), None);
    assert!(rig.server.sessions.is_empty());
}

#[test]
fn bytes_of_unknown_connections_are_ignored() {
    let mut rig = Rig::new();
    rig.hand_in(Input::Received { connection: 99, bytes: b"hello" });
    rig.hand_in(Input::Closed { connection: 99, reason: "gone" });
    rig.hand_in(Input::ObserverDone { connection: 99 });
    rig.hand_in(Input::ObserverFailed { connection: 99, error: "uuid not found" });
    assert!(rig.trace.is_empty());
}

#[test]
fn incomplete_messages_share_their_room() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    let start =
        [&frame::header(COMMAND_FRAME_BYTES)[..], &vec![0xa5; COMMAND_FRAME_BYTES as usize - 1]].concat();
    let count = HELD_BYTES / COMMAND_FRAME_BYTES as usize + 1;
    let clients: Vec<_> = (0..count).map(|_| rig.client()).collect();
    for client in &clients {
        assert!(!rig.peers[client].finished);
        rig.say_bytes(*client, &start);
    }
    rig.end_turn();
    let text = "busy: 67108864 bytes of incomplete messages are being received; try again later";
    assert_eq!(rig.failure(clients[count - 1]), text);
    rig.print(worker, "small messages go on");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.stored(uuid).printed().len(), 1);
    for client in clients {
        rig.lose(client);
    }
    assert_eq!(rig.server.sessions.held_bytes(), 0);
}

#[test]
fn many_incomplete_messages_hold_no_more_than_a_few_and_cost_no_build() {
    const BYTES: usize = 64_000;
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    let line = Command::Output { uuid, line: "x".repeat(BYTES + 1).into(), timestamp: None };
    let line = line.to_frame().unwrap();
    rig.say_bytes(worker, &line[..line.len() - 1]);
    let part = [&frame::header(COMMAND_FRAME_BYTES)[..], &[0xa5; BYTES]].concat();
    let modest = rig.client();
    rig.say_bytes(modest, &part[..100]);
    let clients: Vec<_> = (0..HELD_BYTES / BYTES + 100).map(|_| rig.client()).collect();
    for client in &clients {
        rig.say_bytes(*client, &part);
        assert!(rig.server.sessions.held_bytes() <= HELD_BYTES);
    }
    rig.end_turn();
    let refused = clients.iter().filter(|client| rig.peers[*client].finished).count();
    assert_eq!(refused, 100, "all that are too many, and no others");
    assert!(!rig.peers[&modest].finished, "who holds little may go on");
    assert!(!rig.peers[&worker].finished, "a line that has not arrived as a whole costs no build");
    assert_eq!(rig.info().running[0].uuid, uuid);
}

#[test]
fn a_client_of_version_13_cannot_ask_for_the_history() {
    let answers = |version| {
        let mut rig = Rig::new();
        let peer = rig.connect(Role::Any);
        rig.say(peer, &hello(PeerType::Client, version));
        rig.say(peer, &Command::Console(Uuid::nil()));
        rig.end_turn();
        rig.heard(peer)
    };
    let refusal = Command::Failure("unexpected console; expected a command of a client".into());
    assert_eq!(answers(13), [Command::ServerHello, refusal.clone()]);
    assert!(!answers(14).contains(&refusal));
}
