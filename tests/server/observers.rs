//! Observers that do not keep up.

use crate::site;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, append_output_frame};
use builder_proto::execution::{ExecutionHead, NO_ARTIFACTS, append_console_entry};
use builder_proto::time::Time;
use builder_tests::{Peer, Server, peak_memory, script, wait_for};
use std::io::Read;
use std::path::Path;
use std::time::Duration;
use std::{fs, thread};

/// More bytes than the sockets between server and observer hold.
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
    worker.send_bytes(&frames);
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

/// The console of a finished build is read from its stored result, where finding the lines takes more memory than
/// sending them.
#[test]
fn observers_of_a_finished_build_that_do_not_read_cost_little() {
    const OBSERVERS: u64 = 40;
    const MOST_EACH: u64 = 256 * 1024;
    let site = site();
    let uuid = Uuid::from_u128(7);
    store(&site.data().join("wordy").join(uuid.to_string()), uuid);
    let server = site.start();
    let memory = || peak_memory(server.pid()).unwrap();
    let before = memory();
    let observers: Vec<Peer> = (0..OBSERVERS).map(|_| begin_to_observe(&server, uuid)).collect();
    for mut observer in observers.iter().map(|observer| observer.stream()) {
        observer.read_exact(&mut [0]).unwrap();
    }
    let mut grown = 0;
    wait_for("the sockets to be full", || {
        thread::sleep(Duration::from_millis(300));
        let now = memory().saturating_sub(before);
        core::mem::replace(&mut grown, now) == now
    });
    assert!(grown / OBSERVERS <= MOST_EACH, "{} bytes for each observer", grown / OBSERVERS);
}

/// Stores a result with more lines than the sockets hold, and empty ones, as they are the most work.
fn store(directory: &Path, uuid: Uuid) {
    let mut console = Vec::new();
    for number in (0..400_000).rev() {
        append_console_entry(&mut console, number, b"");
    }
    let time = Time::from_unix_milliseconds(0);
    let layout = ExecutionHead {
        job: script("wordy", "linux"),
        uuid,
        console_length: console.len() as u64,
        started: time,
        finished: time,
        result: BuildResult::Exited(0),
        last_line: None,
        output_length: NO_ARTIFACTS.len() as u64,
    }
    .layout()
    .unwrap();
    fs::create_dir_all(directory).unwrap();
    let parts = [&layout.before_console[..], &console, &layout.after_console, &NO_ARTIFACTS];
    fs::write(directory.join("full"), parts.concat()).unwrap();
}

fn begin_to_observe(server: &Server, uuid: Uuid) -> Peer {
    let mut observer = Peer::client(server);
    observer.send(&Command::Observe(uuid));
    observer
}

fn line(number: usize) -> Vec<u8> {
    format!("{number:0LINE_BYTES$}").into_bytes()
}
