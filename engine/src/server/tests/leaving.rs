//! Whoever leaves leaves nothing behind, wherever the conversation was, and whichever side ended it.

use super::rig::{Rig, Storing};
use super::waiting::{run, waiter};
use super::words::{daily, execute, unschedule};
use crate::limits::LINGER_TIME;
use crate::server::{ConnectionId, Input, Role, Server};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::{Uuid, WORKER_VERSION};
use std::collections::BTreeMap;

/// What a client may be doing when it leaves. One build runs, and job `b` waits.
fn asked(running: Uuid, ended: Uuid) -> Vec<Command> {
    vec![
        Command::Info,
        Command::Observe(running),
        Command::Console(running),
        Command::Observe(Uuid::from_u128(99)),
        Command::Fetch { uuid: ended, path: None, skip: 0, offset: 0 },
        Command::Drain { wait: true },
        run("a", "", true),
        run("b", "", true),
        run("nothing", "", true),
        execute("nothing"),
    ]
}

/// A server with a build that runs, one that has ended, and a job that waits.
fn busy() -> (Rig, ConnectionId, Vec<Command>) {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, ended) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.lose(worker);
    rig.done(execute("a"));
    let (worker, running) = rig.build("p");
    rig.done(daily("b", "q"));
    (rig, worker, asked(running, ended))
}

/// How much the server holds of connections, by what it is.
fn holdings(server: &Server) -> BTreeMap<&'static str, usize> {
    let Server { sessions, waiters, dispatcher, .. } = server;
    let mut holdings = sessions.holdings();
    holdings.insert("waiters", waiters.len());
    holdings.insert("workers", dispatcher.waiting().map(|(_, count)| count).sum());
    holdings
}

fn check_empty(server: &Server) {
    let mut holdings = holdings(server);
    holdings.retain(|_, count| *count > 0);
    assert_eq!(holdings, BTreeMap::new());
}

#[test]
fn clients_that_close_leave_nothing_behind() {
    let (mut rig, worker, asked) = busy();
    rig.storing = Storing::Held;
    let before = holdings(&rig.server);
    for command in &asked {
        let client = waiter(&mut rig, command);
        rig.lose(client);
        assert_eq!(holdings(&rig.server), before, "after {command:?}");
        // Before it is told anything, too.
        let client = rig.versed_client();
        rig.say(client, command);
        rig.lose(client);
        assert_eq!(holdings(&rig.server), before, "amid {command:?}");
    }
    rig.lose(worker);
    check_empty(&rig.server);
}

#[test]
fn clients_that_are_answered_and_do_not_close_leave_nothing_behind() {
    let (mut rig, worker, asked) = busy();
    for command in &asked {
        waiter(&mut rig, command);
    }
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    // Who fetches artifacts has them.
    for (connection, _) in core::mem::take(&mut rig.fetches) {
        rig.hand_in(Input::ObserverDone { connection });
    }
    rig.done(unschedule("a"));
    rig.done(unschedule("b"));
    rig.pass(LINGER_TIME);
    check_empty(&rig.server);
}

#[test]
fn workers_leave_nothing_behind() {
    let (mut rig, running, _) = busy();
    let greeted = rig.connect(Role::Any);
    rig.say(greeted, &Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION });
    let waiting = rig.worker("p");
    let silent = rig.connect(Role::Any);
    for worker in [running, greeted, waiting, silent] {
        rig.lose(worker);
    }
    check_empty(&rig.server);
}
