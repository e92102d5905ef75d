//! Clients that ask for what the server has to tell, and do not read it.

use crate::crowds::connections;
use crate::{MEMORY, assert_well, site};
use builder_proto::CLIENT_VERSION;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::{Job, ScriptJob};
use builder_proto::time::Period;
use builder_tests::{Peer, Server, peak_memory, script};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Schedules a job with a script of that many bytes.
fn schedule(server: &Server, name: &str, bytes: usize) {
    let job = ScriptJob { script: vec![b'#'; bytes].into(), ..script(name, "linux") };
    assert_eq!(server.ask(&Command::Schedule { period: Period::Daily, job }), Command::Success);
}

#[test]
fn clients_that_do_not_read_a_long_answer_cost_no_memory() {
    let site = site();
    let server = site.start();
    for number in 0..20 {
        schedule(&server, &format!("job-{number}"), 1 << 20);
    }
    let lazy: Vec<Peer> = (0..100)
        .map(|_| {
            let mut peer = Peer::client(&server);
            peer.send(&Command::Info);
            peer
        })
        .collect();
    assert_well(&server);
    drop(lazy);
    assert_well(&server);
}

#[test]
fn clients_that_do_not_read_a_long_script_cost_no_memory() {
    let site = site();
    let server = site.start();
    // With what stands around it, the longest that fits into a command.
    let job = ScriptJob { script: vec![b'#'; (16 << 20) - 200].into(), ..script("job", "linux") };
    assert_eq!(server.ask(&Command::Schedule { period: Period::Daily, job: job.clone() }), Command::Success);
    let lazy: Vec<Peer> = (0..40)
        .map(|_| {
            let mut peer = Peer::client(&server);
            peer.send(&Command::Info);
            peer
        })
        .collect();
    let info = server.info();
    assert!(info.schedule[0].job == Job::Script(job), "others are told all of it");
    assert_well(&server);
    drop(lazy);
}

/// A client on a socket in the file system, for which the system keeps less than an answer.
fn ask_and_do_not_read(socket: &Path) -> UnixStream {
    let mut client = UnixStream::connect(socket).unwrap();
    let hello = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION };
    client.write_all(&hello.to_frame().unwrap()).unwrap();
    let mut answer = Command::ServerHello.to_frame().unwrap();
    client.read_exact(&mut answer).unwrap();
    client.write_all(&Command::Info.to_frame().unwrap()).unwrap();
    client
}

#[test]
fn crowds_that_do_not_read_a_short_answer_cost_no_memory() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("socket");
    for address in [format!("unix:{}", socket.display()), "127.0.0.1:0".to_owned()] {
        site.options.extend(["--client-listen".to_owned(), address]);
    }
    let server = site.start();
    // Scheduled and queued, it makes an answer of two pieces, of which the system takes the first.
    schedule(&server, "job", 127_000);
    let lazy: Vec<_> = (0..connections(3000)).map(|_| ask_and_do_not_read(&socket)).collect();
    // Whoever wants to know something has to wait until others were cut off, but nobody else has to.
    server.schedule("other", "linux");
    let peak = peak_memory(server.pid()).unwrap();
    assert!(peak < MEMORY, "{peak} bytes of memory");
    drop(lazy);
    assert_well(&server);
}

#[test]
fn answers_that_nobody_reads_keep_few_jobs_that_are_not_scheduled_any_more() {
    let site = site();
    let server = site.start();
    let lazy: Vec<Peer> = (0..20)
        .map(|_| {
            schedule(&server, "job", 15 << 20);
            let mut peer = Peer::client(&server);
            peer.send(&Command::Info);
            // It begins to read, so that the answer is on its way.
            peer.stream().read_exact(&mut [0]).unwrap();
            assert_eq!(server.ask(&Command::Unschedule("job".into())), Command::Success);
            peer
        })
        .collect();
    assert_well(&server);
    drop(lazy);
}
