//! Observers that do not keep up.

use crate::site;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, append_output_frame};
use builder_tests::{Peer, Server};

/// More octets than the sockets between server and observer hold.
const CONSOLE_BYTES: usize = 24 * 1024 * 1024;
const LINE_BYTES: usize = 1000;

#[test]
fn observers_that_pause_get_every_line() {
    let site = site();
    let server = site.start();
    server.schedule("wordy", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    // Where each one stalls is a matter of chance, so there are several.
    let observers: Vec<Peer> = (0..8).map(|_| begin_to_observe(&server, uuid)).collect();
    let lines = CONSOLE_BYTES / LINE_BYTES;
    let mut frames = Vec::new();
    for number in 0..lines {
        append_output_frame(&mut frames, uuid, &line(number), None);
    }
    worker.send_octets(&frames);
    worker.send(&Command::JobFinished { uuid, result: BuildResult::Exited(0), data: Vec::new() });
    assert_eq!(worker.try_receive(), None);

    for mut observer in observers {
        for number in 0..lines {
            match observer.receive() {
                Command::Output { line: got, .. } => assert_eq!(got.as_bytes(), line(number)),
                other => panic!("unexpected {other:?}"),
            }
        }
        assert!(matches!(observer.receive(), Command::Output { line, .. } if line == "exited 0".into()));
        assert_eq!(observer.receive(), Command::Success);
    }
}

fn begin_to_observe(server: &Server, uuid: Uuid) -> Peer {
    let mut observer = Peer::client(server);
    observer.send(&Command::Observe(uuid));
    observer
}

fn line(number: usize) -> Vec<u8> {
    format!("{number:0LINE_BYTES$}").into_bytes()
}
