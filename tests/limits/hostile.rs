//! Peers that speak well-formed messages with bad intentions.

use crate::{assert_well, site};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::File;
use builder_proto::time::Period;
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use builder_tests::{Peer, Server, Site, framed, header, peak_memory, script, stored, tlv, wait_for};
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

/// A worker that runs a build of a job made for it.
fn building(server: &Server, name: &str) -> (Peer, Uuid) {
    server.schedule(name, name);
    let mut worker = Peer::worker(server, name);
    let (uuid, _) = worker.receive_job();
    (worker, uuid)
}

fn finished(uuid: Uuid, data: Vec<File>) -> Command {
    Command::JobFinished { uuid, result: BuildResult::Exited(0), data }
}

fn file(path: &[u8]) -> File {
    File { path: path.into(), data: "data".into() }
}

/// Everything below the site but what the server keeps for itself and the results of a job.
fn unexpected_files(site: &Site, job: &str) -> Vec<String> {
    let list =
        |path| fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let outside =
        list(site.data().parent().unwrap().to_owned()).filter(|name| name != "data" && name != "config");
    let inside = list(site.data()).filter(|name| name != ".builder" && name != job);
    outside.chain(inside).collect()
}

#[test]
fn a_peer_that_does_not_say_hello_in_time_is_sent_away() {
    let site = site();
    let server = site.start();
    let hello = Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION }.to_frame().unwrap();
    let start = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            let failure = Peer::connect(&server).receive_failure();
            assert_eq!(failure, "no clientHello within 10 seconds");
            assert!(start.elapsed() >= Duration::from_secs(10), "{:?}", start.elapsed());
        });
        scope.spawn(|| {
            let mut slow = Peer::connect(&server);
            // One byte a second, which would take longer.
            for byte in &hello {
                if slow.try_send_bytes(&[*byte]).is_err() {
                    break;
                }
                thread::sleep(Duration::from_secs(1));
                if start.elapsed() > Duration::from_secs(11) {
                    break;
                }
            }
            assert_eq!(slow.receive_failure(), "no clientHello within 10 seconds");
        });
    });
    assert_well(&server);
}

#[test]
fn a_peer_that_has_said_all_it_has_to_say_is_answered_all_the_same() {
    let site = site();
    let server = site.start();
    let mut client = Peer::client(&server);
    client.send(&Command::Schedule { period: Period::Never, job: script("job", "linux") });
    client.close_sending();
    assert_eq!(client.receive_all(), [Command::Success]);

    // A worker that can say nothing more is lost, whether it waits or builds.
    let waiting = Peer::worker(&server, "bsd");
    waiting.close_sending();
    server.schedule("other", "bsd");
    assert_eq!(server.queue("bsd").unwrap(), ["other"]);
    let mut building = Peer::worker(&server, "linux");
    building.receive_job();
    building.close_sending();
    wait_for("the job to be queued", || server.queue("linux").unwrap() == ["job"]);
    assert_well(&server);
}

#[test]
fn peers_that_reset_their_connection_are_forgotten() {
    let site = site();
    let server = site.start();
    for round in 0..50 {
        let name = format!("job-{round}");
        let (builder, uuid) = building(&server, &name);
        let mut observer = Peer::client(&server);
        observer.send(&Command::Observe(uuid));
        for peer in
            [builder, observer, Peer::connect(&server), Peer::client(&server), Peer::worker(&server, "vax")]
        {
            let _ = rustix::net::sockopt::set_socket_linger(peer.stream(), Some(Duration::ZERO));
        }
        wait_for("the job to be queued", || server.queue(&name).unwrap() == [name.as_str()]);
    }
    assert_eq!(server.info().running, []);
    assert_well(&server);
}

#[test]
fn a_worker_can_speak_of_its_own_build_only() {
    let site = site();
    let server = site.start();
    let (mut victim, uuid) = building(&server, "victim");
    victim.print(uuid, "one");
    for number in 0..4 {
        let name = format!("attacker-{number}");
        let (mut attacker, own) = building(&server, &name);
        let foreign = if number % 2 == 0 { uuid } else { Uuid::from_bytes([7; 16]) };
        let (command, what) = match number {
            0 | 1 => {
                (Command::Output { uuid: foreign, line: "lie".into(), timestamp: None }, "output for build")
            }
            _ => (finished(foreign, vec![file(b"lie")]), "result of build"),
        };
        attacker.send(&command);
        let failure = attacker.receive_failure();
        assert_eq!(failure, format!("{what} {foreign}, but the worker runs build {own}"));
        assert_eq!(server.queue(&name).unwrap(), [name.as_str()], "its job is for another worker");
    }
    victim.finish(uuid, BuildResult::Exited(0), vec![file(b"truth")]);
    let result = stored(&site.wait_for_results("victim", 1)[0]);
    assert_eq!(result.console.len(), 1);
    assert_eq!(result.output, [file(b"truth")]);
    assert_well(&server);
}

#[test]
fn nobody_reports_a_build_without_having_one() {
    let site = site();
    let server = site.start();
    let (_victim, uuid) = building(&server, "victim");
    let output = Command::Output { uuid, line: "lie".into(), timestamp: None };
    for command in [output, finished(uuid, vec![])] {
        for stage in 0..4 {
            let mut peer = match stage {
                0 => Peer::connect(&server),
                1 => Peer::client(&server),
                2 => Peer::unasked_worker(&server),
                _ => Peer::worker(&server, "vax"),
            };
            server.info();
            peer.send(&command);
            let failure = peer.receive_failure();
            assert!(failure.contains(&format!("unexpected {}", command.name())), "{failure}");
        }
    }
    assert_eq!(server.info().running.len(), 1);
    assert_eq!(site.results("victim").len(), 0);
    assert_well(&server);
}

#[test]
fn the_first_result_counts() {
    let site = site();
    let server = site.start();
    for name in ["small", "large"] {
        let (mut worker, uuid) = building(&server, name);
        let data = |byte| {
            vec![File {
                path: "file".into(),
                data: vec![byte; if name == "small" { 10 } else { 100_000 }].into(),
            }]
        };
        let both = [finished(uuid, data(1)).to_frame().unwrap(), finished(uuid, data(2)).to_frame().unwrap()]
            .concat();
        worker.send_bytes(&both);
        assert_eq!(worker.receive_all(), []);
        assert_eq!(stored(&site.wait_for_results(name, 1)[0]).output, data(1));
        assert_eq!(server.queue(name).unwrap(), [""; 0]);
    }
    assert_eq!(server.info().running, []);
    assert_well(&server);
}

#[test]
fn paths_of_artifacts_lead_nowhere_in_the_server() {
    let site = site();
    let server = site.start();
    let absolute = site.data().join("absolute");
    let long = vec![b'a'; 4096];
    let paths: Vec<&[u8]> = vec![
        b"../up",
        b"../../../../../../../tmp/builder-escaped",
        absolute.to_str().unwrap().as_bytes(),
        b"/",
        b".",
        b"..",
        b"a//b",
        b"a/../../b",
        b"-rf",
        b"\x1b[2J\n\xff",
        &long,
    ];
    let data: Vec<File> = paths.into_iter().map(file).collect();
    let (worker, uuid) = building(&server, "job");
    worker.finish(uuid, BuildResult::Exited(0), data.clone());
    let path = site.wait_for_results("job", 1).remove(0);
    assert_eq!(stored(&path).output, data, "they are kept as they are, and mean nothing here");
    assert_eq!(unexpected_files(&site, "job"), [""; 0]);

    // Taking them out again is where they could matter.
    let output = site.data().join("output");
    let inspect = site.inspect_command().arg("--output").arg(&output).arg(&path).output().unwrap();
    assert_eq!(inspect.status.code(), Some(1), "{inspect:?}");
    fs::remove_dir_all(&output).unwrap();
    assert_eq!(unexpected_files(&site, "job"), [""; 0]);
    assert_well(&server);
}

#[test]
fn paths_of_artifacts_that_are_none_are_refused() {
    let site = site();
    let server = site.start();
    for (number, path) in [&b""[..], b"a\0b", &[b'a'; 4097], &[b'a'; 64 * 1024]].into_iter().enumerate() {
        let (mut worker, uuid) = building(&server, &format!("job-{number}"));
        let files = tlv(0x30, &tlv(0x30, &[tlv(0x0c, path), tlv(0x0c, b"data")].concat()));
        let head = [tlv(0x0c, uuid.as_bytes()), tlv(0xa0, &tlv(2, &[0]))].concat();
        worker.send_bytes(&framed(&tlv(0xa3, &tlv(0x30, &[head, files].concat()))));
        let failure = worker.receive_failure();
        assert!(failure.contains("path"), "{failure}");
    }
    assert_well(&server);
}

#[test]
fn more_than_a_million_artifacts_are_refused() {
    let site = site();
    let server = site.start();
    let (mut worker, uuid) = building(&server, "job");
    let files = tlv(0x30, &tlv(0x30, &[tlv(0x0c, b"a"), tlv(0x0c, b"")].concat()).repeat(1_000_001));
    let head = [tlv(0x0c, uuid.as_bytes()), tlv(0xa0, &tlv(2, &[0]))].concat();
    let _ = worker.try_send_bytes(&framed(&tlv(0xa3, &tlv(0x30, &[head, files].concat()))));
    let failure = worker.receive_failure();
    assert!(failure.contains("1000000"), "{failure}");
    assert_well(&server);
}

#[test]
fn a_result_that_is_longer_than_its_parts_say_is_refused() {
    let site = site();
    let server = site.start();
    let head = |uuid: Uuid| [tlv(0x0c, uuid.as_bytes()), tlv(0xa0, &tlv(2, &[0]))].concat();
    let (mut frame_longer, uuid) = building(&server, "frame-longer");
    let mut bytes = tlv(0xa3, &tlv(0x30, &[head(uuid), tlv(0x30, b"")].concat()));
    bytes.push(0);
    frame_longer.send_bytes(&framed(&bytes));
    assert_ne!(frame_longer.receive_failure(), "");

    let (mut part_longer, uuid) = building(&server, "part-longer");
    let files = [header(0x30, 10), tlv(0x30, &[tlv(0x0c, b"a"), header(0x0c, 1 << 40)].concat())].concat();
    part_longer.send_bytes(&framed(&tlv(0xa3, &tlv(0x30, &[head(uuid), files].concat()))));
    assert_ne!(part_longer.receive_failure(), "");

    let (mut endless, uuid) = building(&server, "endless");
    let files = [header(0x30, 1 << 40), header(0x30, (1 << 40) - 6), tlv(0x0c, b"a")].concat();
    let body = [head(uuid), files].concat();
    let outer = [header(0xa3, (1 << 40) + 100), header(0x30, (1 << 40) + 90), body].concat();
    endless.send_bytes(&[&((1u64 << 40) + 200).to_be_bytes()[..], &outer].concat());
    assert_ne!(endless.receive_failure(), "");
    assert_well(&server);
}

#[test]
fn a_line_of_many_megabytes_is_kept_in_pieces() {
    let site = site();
    let server = site.start();
    let (mut worker, uuid) = building(&server, "job");
    worker.send(&Command::Output { uuid, line: vec![b'x'; 8 << 20].into(), timestamp: None });
    worker.finish(uuid, BuildResult::Exited(0), vec![]);
    let result = stored(&site.wait_for_results("job", 1)[0]);
    assert_eq!(result.console.iter().map(|line| line.line.as_bytes().len()).sum::<usize>(), 8 << 20);
    assert!(result.console.iter().all(|line| line.line.as_bytes().len() <= 64 * 1024));
    assert_well(&server);
}

#[test]
fn observers_that_never_read_cost_no_memory_and_hold_up_nobody() {
    let site = site();
    let server = site.start();
    let (mut worker, uuid) = building(&server, "job");
    let lazy: Vec<Peer> = (0..50)
        .map(|_| {
            let mut peer = Peer::client(&server);
            peer.send(&Command::Observe(uuid));
            peer
        })
        .collect();
    let line = "x".repeat(10_000);
    for _ in 0..2000 {
        worker.print(uuid, &line);
    }
    worker.finish(uuid, BuildResult::Exited(0), vec![]);
    site.wait_for_results("job", 1);
    let mut diligent = Peer::client(&server);
    diligent.send(&Command::Observe(uuid));
    assert_eq!(diligent.receive_all().len(), 2002);
    // What each of them has not read is twenty megabytes.
    let peak = peak_memory(server.pid()).unwrap();
    assert!(peak < 32 * 1024 * 1024, "{peak} bytes of memory");
    assert_well(&server);
    drop(lazy);
    assert_well(&server);
}

#[test]
fn messages_that_never_end_are_held_up_to_a_limit() {
    let site = site();
    let server = site.start();
    let part = vec![b'x'; 2 << 20];
    let mut unfinished: Vec<Peer> = (0..100)
        .map(|_| {
            let mut peer = Peer::client(&server);
            peer.send_bytes(&(16u64 << 20).to_be_bytes());
            // Those that are too many are sent away while they send.
            let _ = peer.try_send_bytes(&[&[0xa5], part.as_slice()].concat());
            peer
        })
        .collect();
    assert_well(&server);
    let refused = unfinished.iter_mut().rev().find_map(Peer::try_receive);
    let Some(Command::Failure(text)) = refused else { panic!("nobody was refused: {refused:?}") };
    assert!(text.to_string().starts_with("busy: "), "{text}");
    server.schedule("job", "linux");
    assert_well(&server);
}

#[test]
fn random_bytes_end_no_server() {
    let site = site();
    let server = site.start();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = move || {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    };
    for round in 0..300 {
        let mut peer = match round % 3 {
            0 => Peer::connect(&server),
            1 => Peer::client(&server),
            _ => Peer::unasked_worker(&server),
        };
        let mut bytes: Vec<u8> = (0..random() % 100).flat_map(|_| random().to_be_bytes()).collect();
        if round % 2 == 0 {
            // A good length, and a first byte that is one, so that more of it is looked at.
            bytes.insert(0, 0xa0 | (random() % 32) as u8);
            bytes = framed(&bytes);
        }
        let _ = peer.try_send_bytes(&bytes);
    }
    assert_well(&server);
}

#[test]
fn what_peers_say_cannot_control_a_terminal_through_the_log() {
    let site = site();
    let server = site.start();
    let evil = "\x1b[2J\x07evil";
    let mut worker = Peer::unasked_worker(&server);
    worker.send(&Command::JobRequested(evil.into()));
    assert!(!worker.receive_failure().contains('\x1b'));
    for command in [
        Command::Unschedule(evil.into()),
        Command::DropPlatform(evil.into()),
        Command::Schedule { period: Period::Never, job: script(evil, "linux") },
    ] {
        let Command::Failure(text) = server.ask(&command) else { panic!("{command:?} was accepted") };
        assert!(!text.as_str().unwrap().contains('\x1b'), "{text}");
    }
    let (worker, uuid) = building(&server, "job");
    worker.finish(uuid, BuildResult::Message(evil.into()), vec![]);
    site.wait_for_results("job", 1);
    server.wait_for_log("evil (build ");
    assert!(!server.log().contains('\x1b') && !server.log().contains('\x07'), "{}", server.log());
}

#[test]
fn a_connection_says_hello_once() {
    let site = site();
    let server = site.start();
    let mut client = Peer::client(&server);
    client.send(&Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION });
    assert_eq!(client.receive_failure(), "unexpected clientHello; expected a command of a client");
    assert_well(&server);
}
