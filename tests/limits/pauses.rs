//! Peers that stop reading, for longer than anything but their own will allows.

use crate::site;
use builder_engine::limits::LINGER_TIME;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType, append_output_frame};
use builder_proto::{CLIENT_VERSION, Uuid};
use builder_tests::Peer;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

const LINE_BYTES: usize = 1000;

/// What is left when a build ends may be in the server's memory only, where the time to read a last answer must not count.
/// Which lengths leave it there depends on the system, so there are several.
#[test]
fn an_observer_that_pauses_when_the_build_ends_gets_the_rest_later() {
    let mut site = site();
    let socket = site.data().parent().unwrap().join("socket");
    site.options = vec!["--client-listen".to_owned(), format!("unix:{}", socket.display())];
    let server = site.start();
    let file = site.file("script", "true");
    let mut observers = Vec::new();
    for lines in (100..600).step_by(20) {
        let name = format!("job-{lines}");
        site.succeed(&server, ["schedule", &name, &name, file.to_str().unwrap()]);
        let mut worker = Peer::connect_to(server.address_for_workers());
        worker.send(&Command::ClientHello { peer: PeerType::Worker, version: builder_proto::WORKER_VERSION });
        assert_eq!(worker.receive(), Command::ServerHello);
        worker.send(&Command::JobRequested(name.as_str().into()));
        let (uuid, _) = worker.receive_job();
        observers.push((lines, observe(&socket, uuid)));
        let mut frames = Vec::new();
        for _ in 0..lines {
            append_output_frame(&mut frames, uuid, &[b'x'; LINE_BYTES], None);
        }
        worker.send_bytes(&frames);
        worker.send(&Command::JobFinished { uuid, result: BuildResult::Exited(0), data: Vec::new() });
        assert_eq!(worker.try_receive(), None);
    }
    thread::sleep(LINGER_TIME + Duration::from_secs(2));
    for (lines, mut observer) in observers {
        let mut bytes = Vec::new();
        observer.read_to_end(&mut bytes).unwrap();
        let success = Command::Success.to_frame().unwrap();
        assert!(bytes.ends_with(&success), "{lines} lines: {} bytes, and no end", bytes.len());
        assert!(bytes.len() > lines * LINE_BYTES, "{lines} lines: {} bytes", bytes.len());
    }
    site.succeed(&server, ["info"]);
}

fn observe(socket: &Path, uuid: Uuid) -> UnixStream {
    let mut observer = UnixStream::connect(socket).unwrap();
    let hello = Command::ClientHello { peer: PeerType::Client, version: CLIENT_VERSION };
    observer.write_all(&hello.to_frame().unwrap()).unwrap();
    observer.write_all(&Command::Observe(uuid).to_frame().unwrap()).unwrap();
    observer
}
