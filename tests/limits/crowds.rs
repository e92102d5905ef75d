//! Many peers at once.

use crate::{assert_well, site};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::time::Period;
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use builder_tests::{Peer, Server, script, wait_for};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that this process keeps for other tests.
const SPARE: u64 = 600;

/// How many connections this process may have, up to a number.
pub(crate) fn connections(wanted: u64) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
    let descriptors = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX).saturating_sub(SPARE);
    // Five tests may do this at the same time. The server has the same limit, and more places than that.
    let connections = wanted.min(descriptors / 5);
    if connections < wanted {
        eprintln!("only {connections} connections, for want of descriptors");
    }
    usize::try_from(connections).unwrap()
}

/// So many connections on which nothing is said yet. The server has accepted each hundred before the next come: on FreeBSD
/// no more than 128 wait for that unless its administrator says so, and the others are reset.
fn connect(server: &Server, count: usize) -> Vec<Peer> {
    let connect = |number| {
        if number % 100 == 99 {
            assert_well(server);
        }
        Peer::connect(server)
    };
    (0..count).map(connect).collect()
}

fn hello(peer: PeerType) -> Vec<u8> {
    let version = match peer {
        PeerType::Client => CLIENT_VERSION,
        PeerType::Worker => WORKER_VERSION,
    };
    Command::ClientHello { peer, version }.to_frame().unwrap()
}

#[test]
fn a_thousand_clients_at_once_are_all_answered() {
    let site = site();
    let server = site.start();
    let count = connections(1000);
    let mut clients = connect(&server, count);
    for (number, client) in clients.iter_mut().enumerate() {
        let job = script(&format!("job-{number}"), "linux");
        let schedule = Command::Schedule { period: Period::Daily, job };
        client.send_bytes(&[hello(PeerType::Client), schedule.to_frame().unwrap()].concat());
    }
    for client in &mut clients {
        assert_eq!(client.receive_all(), [Command::ServerHello, Command::Success]);
    }
    assert_eq!(server.info().schedule.len(), count);
    server.kill();
    let server = site.start();
    assert_eq!(server.info().schedule.len(), count, "all that was answered is there");
    assert_eq!(server.queue("linux").unwrap().len(), count);
    assert_well(&server);
}

#[test]
fn what_thousands_of_clients_begin_to_say_is_held_up_to_a_limit() {
    let site = site();
    let server = site.start();
    let part = [&(16u64 << 20).to_be_bytes()[..], &[0xa5; 64_000]].concat();
    let clients: Vec<Peer> = (0..connections(6000))
        .map(|_| {
            let mut client = Peer::client(&server);
            // Those that are too many are sent away.
            let _ = client.try_send_bytes(&part);
            client
        })
        .collect();
    assert_well(&server);
    server.schedule("job", "linux");
    drop(clients);
    assert_well(&server);
}

#[test]
fn a_thousand_workers_wait_and_are_served_in_turn() {
    let site = site();
    let server = site.start();
    let count = connections(1000);
    let mut workers: Vec<Peer> = (0..count).map(|_| Peer::worker(&server, "linux")).collect();
    for number in 0..20 {
        server.schedule(&format!("job-{number}"), "linux");
    }
    // Whoever came first is served first.
    for (number, mut worker) in workers.drain(..20).enumerate() {
        let (uuid, job) = worker.receive_job();
        assert_eq!(job.name, format!("job-{number}").into());
        worker.finish(uuid, BuildResult::Exited(0), vec![]);
    }
    assert_eq!(server.info().running, []);
    assert_well(&server);
}

#[test]
fn many_programs_at_once_are_all_served() {
    let site = site();
    let server = site.start();
    let file = site.file("script", "echo hello\n");
    let clients: Vec<_> = (0..40)
        .map(|number| {
            let words = ["schedule", &format!("job-{number}"), "linux", file.to_str().unwrap()];
            site.client_command(&server).args(words).spawn().unwrap()
        })
        .collect();
    for mut client in clients {
        assert!(client.wait().unwrap().success(), "{}", server.log());
    }
    assert_eq!(server.info().schedule.len(), 40);
}

#[test]
fn ten_thousand_silent_connections_hold_up_nobody() {
    let site = site();
    let server = site.start();
    let count = connections(10_000);
    let silent = connect(&server, count);
    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.finish(uuid, BuildResult::Exited(0), vec![]);
    assert_well(&server);
    drop(silent);
    wait_for("the job", || !site.results("job").is_empty());
    assert_well(&server);
}
