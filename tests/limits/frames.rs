//! Frames and messages that are none, at every point of a conversation.

use crate::{assert_well, site};
use builder_proto::command::{Command, PeerType};
use builder_proto::{CLIENT_VERSION, WORKER_VERSION};
use builder_tests::{Peer, Server, framed, header, tlv, vectors};

/// Where in a conversation a peer misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Point {
    Hello,
    Client,
    Worker,
    Waiting,
    Building,
}

const POINTS: [Point; 5] = [Point::Hello, Point::Client, Point::Worker, Point::Waiting, Point::Building];

/// A peer that has behaved so far.
fn peer_at(point: Point, server: &Server) -> Peer {
    match point {
        Point::Hello => Peer::connect(server),
        Point::Client => Peer::client(server),
        Point::Worker => Peer::unasked_worker(server),
        Point::Waiting => {
            let peer = Peer::worker(server, "nothing to do here");
            server.info();
            peer
        }
        Point::Building => {
            server.schedule("job", "linux");
            let mut peer = Peer::worker(server, "linux");
            peer.receive_job();
            peer
        }
    }
}

/// The refusal that these bytes get; nothing has come of them.
fn refusal(server: &Server, point: Point, bytes: &[u8]) -> String {
    let mut peer = peer_at(point, server);
    let before = server.info();
    // The server may have had enough before all is sent.
    let _ = peer.try_send_bytes(bytes);
    let refusal = peer.receive_failure();
    if point == Point::Building {
        assert_eq!(server.queue("linux").unwrap(), ["job"], "the job is to run again");
        // With its platform goes what the server has against its workers: the next one would have to wait longer and longer.
        assert_eq!(server.ask(&Command::DropPlatform("linux".into())), Command::Success);
        assert_eq!(server.ask(&Command::UndropPlatform("linux".into())), Command::Success);
    } else {
        assert_eq!(server.info(), before);
    }
    refusal
}

#[test]
fn a_length_that_is_wrong_is_refused_before_its_bytes_come() {
    let site = site();
    let server = site.start();
    for point in POINTS {
        for length in [64 + 1, 16 * 1024 * 1024 + 1, u64::from(u32::MAX), 1 << 63, u64::MAX] {
            if length == 65 && !matches!(point, Point::Hello | Point::Waiting) {
                continue;
            }
            // One byte more, because results, which may be long, and console lines, which end the build, are told by it.
            let refusal = refusal(&server, point, &[&length.to_be_bytes()[..], &[0xa5]].concat());
            assert!(refusal.contains(&length.to_string()), "{point:?}: {refusal}");
        }
        let refusal = refusal(&server, point, &0u64.to_be_bytes());
        assert!(refusal.contains("frame without a message in it"), "{point:?}: {refusal}");
    }
    assert_well(&server);
}

#[test]
fn what_is_no_message_is_refused_with_the_reason() {
    let site = site();
    let server = site.start();
    let null = tlv(5, b"");
    for point in POINTS {
        for (bytes, reason) in [
            (tlv(0xa0, &null), "tag [0] is reserved"),
            (tlv(0xa1, &null), "tag [1] is reserved"),
            (tlv(0xa8, &null), "tag [8] is reserved"),
            (b"\xbf\x7f\x02\x05\0".to_vec(), "tag [127] is unknown"),
            (tlv(0x30, b""), "0x30"),
            (tlv(0x86, &null), "0x86"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "0x47"),
        ] {
            let refusal = refusal(&server, point, &framed(&bytes));
            assert!(refusal.contains(reason), "{point:?}: {refusal}");
        }
    }
    assert_well(&server);
}

#[test]
fn no_example_of_what_must_be_refused_does_any_harm() {
    let site = site();
    let server = site.start();
    for vector in vectors::load("command.json").iter().filter(|vector| vector.decoded.is_none()) {
        for point in POINTS {
            assert_ne!(refusal(&server, point, &framed(&vector.bytes)), "", "{}", vector.name);
        }
    }
    assert_well(&server);
}

#[test]
fn no_message_is_taken_where_it_has_no_place() {
    let site = site();
    let server = site.start();
    for vector in vectors::load("command.json").iter().filter(|vector| vector.decoded.is_some()) {
        let name = Command::decode(&vector.bytes).unwrap().name();
        for point in POINTS {
            let has_its_place = match point {
                Point::Hello => name == "clientHello",
                Point::Client => !matches!(
                    name,
                    "clientHello"
                        | "serverHello"
                        | "jobRequested"
                        | "jobSchedule"
                        | "jobFinished"
                        | "output"
                        | "success"
                        | "failure"
                        | "infoReply"
                        | "infoReplyOld"
                ),
                Point::Worker => name == "jobRequested",
                Point::Waiting => false,
                // These are refused for naming another build.
                Point::Building => false,
            };
            if !has_its_place {
                assert_ne!(refusal(&server, point, &framed(&vector.bytes)), "", "{point:?}: {}", vector.name);
            }
        }
    }
    assert_well(&server);
}

#[test]
fn every_conversation_may_come_byte_by_byte() {
    let site = site();
    let server = site.start();
    let hello = |peer, version| Command::ClientHello { peer, version }.to_frame().unwrap();
    let mut client = Peer::connect(&server);
    let job = builder_tests::script("job", "linux");
    let schedule = Command::Schedule { period: builder_proto::time::Period::Never, job };
    for byte in [hello(PeerType::Client, CLIENT_VERSION), schedule.to_frame().unwrap()].concat() {
        client.send_bytes(&[byte]);
    }
    assert_eq!(client.receive_all(), [Command::ServerHello, Command::Success]);

    let mut worker = Peer::connect(&server);
    let request = Command::JobRequested("linux".into()).to_frame().unwrap();
    for byte in [hello(PeerType::Worker, WORKER_VERSION), request].concat() {
        worker.send_bytes(&[byte]);
    }
    assert_eq!(worker.receive(), Command::ServerHello);
    let (uuid, _) = worker.receive_job();
    let line = Command::Output { uuid, line: "line".into(), timestamp: None };
    let data = vec![builder_proto::job::File { path: "path".into(), data: vec![1; 500].into() }];
    let result = builder_proto::build_result::BuildResult::Exited(0);
    let finished = Command::JobFinished { uuid, result, data: data.clone() };
    for byte in [line.to_frame().unwrap(), finished.to_frame().unwrap()].concat() {
        worker.send_bytes(&[byte]);
    }
    assert_eq!(worker.try_receive(), None);
    let stored = builder_tests::stored(&site.wait_for_results("job", 1)[0]);
    assert_eq!((stored.console[0].line.clone(), stored.output), ("line".into(), data));
}

#[test]
fn deep_nesting_ends_no_server() {
    let site = site();
    let server = site.start();
    let mut nested = Vec::new();
    for _ in 0..200_000 {
        // Each level is written behind what it holds, backwards, and the whole is turned around at the end.
        nested.extend(header(0x30, nested.len()).iter().rev());
    }
    nested.reverse();
    for (point, tag) in
        [(Point::Client, 0xa5), (Point::Client, 0xb6), (Point::Building, 0xa4), (Point::Building, 0xa3)]
    {
        assert_ne!(refusal(&server, point, &framed(&tlv(tag, &nested))), "");
    }
    assert_well(&server);
}

#[test]
fn a_million_empty_items_take_no_memory() {
    let site = site();
    let server = site.start();
    let items = tlv(0x30, &tlv(0x30, b"").repeat(1_000_000));
    let texts = tlv(0x30, &tlv(0x0c, b"").repeat(1_000_000));
    let job = |files: &[u8]| {
        let period = tlv(0xa3, &tlv(5, b""));
        let fields = [&tlv(0x0c, b"name"), &tlv(0x0c, b"script"), files, &tlv(0x0c, b"platform")].concat();
        tlv(0xa5, &tlv(0x30, &[period, tlv(0x30, &fields)].concat()))
    };
    for bytes in [job(&items), job(&texts), tlv(0xb6, &tlv(0x30, &[items.clone(), texts.clone()].concat()))] {
        let mut client = Peer::client(&server);
        client.send_bytes(&framed(&bytes));
        // The files of a script job are not looked at, so a million of them are no mistake; memory is what counts.
        assert_eq!(client.receive_all().len(), 1);
        assert_well(&server);
    }
    let _ = server.ask(&Command::Unschedule("name".into()));

    server.schedule("job", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    let head = [tlv(0x0c, uuid.as_bytes()), tlv(0xa0, &tlv(2, &[0]))].concat();
    let _ = worker.try_send_bytes(&framed(&tlv(0xa3, &tlv(0x30, &[head, items].concat()))));
    assert_ne!(worker.receive_failure(), "");
    assert_well(&server);
}
