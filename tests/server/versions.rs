//! Old and new together: every client, worker and server of 0.4.0 and of this version, with each other.
//!
//! | | a server of 0.4.0 | of 0.5.0 | of this version |
//! |---|---|---|---|
//! | a client of 0.4.0 | | | [`a_client_that_says_13_sees_nothing_new`] |
//! | a command that 0.4.0 has | [`OLD_COMMANDS`] | [`OLD_COMMANDS`] | [`OLD_COMMANDS`] |
//! | a command that it has not | [`NEW_COMMANDS`] | [`NEW_COMMANDS`] | [`NEW_COMMANDS`] |
//! | a worker of 0.4.0 | | | [`a_worker_that_says_5_sees_nothing_new`] |
//! | a worker of this version | [`a_worker_says_to_every_server_what_one_of_0_4_0_says`] | the same | the same |
//!
//! The old ones are bytes: those of the vectors, which builder 0.4.0 wrote.

use crate::site;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::{HISTORY_VERSION, Uuid};
use builder_tests::{Peer, Site, framed, patience, uuid_of, vectors};
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};

/// Commands that 0.4.0 has: what is typed, with FILE for a script; the bytes that reach the server; what it answers.
const OLD_COMMANDS: [(&[&str], &str, &[&str]); 9] = [
    (&["schedule", "hello", "freebsd-13", "FILE", "--period=hourly"], "schedule_hourly", &["success"]),
    (&["orb-build", "robur-web", "mirage-web", "--period=weekly"], "schedule_orb_build_weekly", &["success"]),
    (&["execute", "hello"], "execute_any_platform", &["success"]),
    (&["execute", "hello", "--platform=freebsd-13"], "execute_platform", &["success"]),
    (&["reschedule", "hello", "2026-11-23T17:55:15Z"], "reschedule", &["success"]),
    (&["info"], "info", &["info_reply", "success"]),
    (&["unschedule", "hello"], "unschedule", &["success"]),
    (&["drop-platform", "freebsd-13"], "drop_platform", &["success"]),
    (&["undrop-platform", "freebsd-13"], "undrop_platform", &["success"]),
];

/// Commands that need a server of this version: what is typed, and the exit code with another one.
const NEW_COMMANDS: [(&[&str], i32); 25] = [
    (&["execute", "hello", "--wait"], 126),
    (&["execute", "hello", "--env", "A=1"], 1),
    (&["execute", "hello", "--env", "A=1", "--wait", "--json"], 126),
    (&["schedule", "hello", "freebsd-13", "FILE", "--wait"], 126),
    (&["verify", "hello"], 126),
    (&["observe", "988ad4a2-647b-4f84-9116-f936eeddac84", "--status"], 126),
    (&["observe", "988ad4a2", "--status"], 126),
    (&["observe", "988ad4a2"], 1),
    (&["history"], 1),
    (&["history", "hello", "--failed", "--json"], 1),
    (&["logs", "hello"], 1),
    (&["logs", "hello", "--grep", "error"], 1),
    (&["diff", "hello"], 2),
    (&["diff", "988ad4a2", "9f8e", "--json"], 2),
    (&["cancel", "hello"], 1),
    (&["cancel", "988ad4a2-647b-4f84-9116-f936eeddac84"], 1),
    (&["pause", "linux"], 1),
    (&["resume", "linux"], 1),
    (&["drain"], 1),
    (&["drain", "--wait"], 1),
    (&["resume"], 1),
    (&["schedule", "hello", "freebsd-13", "FILE", "--timeout=10m"], 1),
    (&["schedule", "hello", "freebsd-13", "FILE", "--period=6h", "--at=03:00", "--skip-missed"], 1),
    (&["schedule", "hello", "freebsd-13", "FILE", "--replace"], 1),
    (&["orb-build", "robur-web", "mirage-web", "--keep=10", "--silence=5m"], 1),
];

/// The last tag that 0.4.0 knows, of number 22.
const LAST_TAG: u8 = 0xb6;

fn payload(name: &str) -> Vec<u8> {
    let vectors = vectors::load("command.json");
    vectors.into_iter().find(|vector| vector.name == name).unwrap().bytes
}

fn frame(name: &str) -> Vec<u8> {
    framed(&payload(name))
}

/// The payload of the next frame; none at the end of the connection.
fn read_payload(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut length = [0; 8];
    match stream.read_exact(&mut length) {
        Err(error) if matches!(error.kind(), ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset) => {
            return None;
        }
        outcome => outcome.unwrap(),
    }
    let mut payload = vec![0; u64::from_be_bytes(length) as usize];
    stream.read_exact(&mut payload).unwrap();
    Some(payload)
}

/// How a server of before says that it does not speak a version.
#[derive(Clone, Copy, Debug)]
enum Old {
    /// It closes the connection.
    V0_4_0,
    /// It answers a failure.
    V0_5_0,
}

/// A server of before, which answers every command in the same way, and remembers what it was told on each connection.
struct OldServer {
    remote: String,
    is_over: Arc<AtomicBool>,
    heard: JoinHandle<Vec<Vec<Vec<u8>>>>,
}

impl OldServer {
    fn start(old: Old, answers: &[&str]) -> OldServer {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let remote = listener.local_addr().unwrap().to_string();
        let is_over = Arc::new(AtomicBool::new(false));
        let answers: Vec<Vec<u8>> = answers.iter().map(|name| frame(name)).collect();
        let heard = thread::spawn({
            let is_over = Arc::clone(&is_over);
            move || {
                let connections = listener.incoming().map_while(|stream| {
                    (!is_over.load(Ordering::SeqCst)).then(|| converse(stream.unwrap(), old, &answers))
                });
                connections.collect()
            }
        });
        OldServer { remote, is_over, heard }
    }

    /// What it was told on each connection.
    fn end(self) -> Vec<Vec<Vec<u8>>> {
        self.is_over.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(&self.remote).unwrap());
        self.heard.join().unwrap()
    }
}

/// Gives all that the peer says until it closes, or has been told everything.
fn converse(mut stream: TcpStream, old: Old, answers: &[Vec<u8>]) -> Vec<Vec<u8>> {
    stream.set_read_timeout(Some(patience())).unwrap();
    let Some(hello) = read_payload(&mut stream) else { return Vec::new() };
    let mut heard = vec![hello];
    if ![payload("client_hello_client"), payload("client_hello_worker")].contains(&heard[0]) {
        let failure = "this server speaks client version 13, the peer speaks client version 14; \
                       use programs of the same release";
        if matches!(old, Old::V0_5_0) {
            stream.write_all(&Command::Failure(failure.into()).to_frame().unwrap()).unwrap();
        }
        return heard;
    }
    stream.write_all(&frame("server_hello")).unwrap();
    let Some(command) = read_payload(&mut stream) else { return heard };
    let is_worker = command[0] == payload("job_requested")[0];
    heard.push(command);
    answers.iter().for_each(|answer| stream.write_all(answer).unwrap());
    // The result is the last that a worker says, and then the server closes.
    while is_worker && heard.last().unwrap()[0] != payload("job_finished_files")[0] {
        heard.push(read_payload(&mut stream).unwrap());
    }
    heard
}

fn hello_of_this_version() -> Vec<u8> {
    Command::ClientHello { peer: PeerType::Client, version: HISTORY_VERSION }.encode().unwrap()
}

/// Runs the client with these words, in which FILE stands for the script of the vectors.
fn run(site: &Site, remote: &str, words: &[&str]) -> Output {
    let Ok(Command::Schedule { job, .. }) = Command::decode(&payload("schedule_hourly")) else {
        panic!("no script")
    };
    let script = site.file("hello.sh", job.script.as_bytes());
    let words = words.iter().map(|word| if *word == "FILE" { script.to_str().unwrap() } else { word });
    site.client_command_at(remote).args(words).output().unwrap()
}

#[test]
fn a_command_that_0_4_0_has_is_said_to_every_server_as_0_4_0_says_it() {
    let site = site();
    for (words, sent, answers) in OLD_COMMANDS {
        for old in [Old::V0_4_0, Old::V0_5_0] {
            let server = OldServer::start(old, answers);
            let output = run(&site, &server.remote, words);
            let mut expected = vec![vec![payload("client_hello_client"), payload(sent)]];
            if words == ["info"] {
                // It says more where the server knows more, and so asks for that first.
                expected.insert(0, vec![hello_of_this_version()]);
            }
            assert_eq!(server.end(), expected, "{words:?} to {old:?}");
            assert!(output.status.success(), "{words:?} to {old:?}: {output:?}");
        }
    }
    let server = site.start();
    for (words, ..) in OLD_COMMANDS {
        let output = run(&site, server.remote_for_clients(), words);
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
}

#[test]
fn a_whole_uuid_is_observed_on_every_server() {
    let uuid = "988ad4a2-647b-4f84-9116-f936eeddac84";
    let site = site();
    for old in [Old::V0_4_0, Old::V0_5_0] {
        let server = OldServer::start(old, &["output_timestamped_0", "success"]);
        let output = run(&site, &server.remote, &["observe", uuid]);
        let expected = vec![vec![payload("client_hello_client"), payload("observe")]];
        assert_eq!(server.end(), expected, "{old:?}");
        assert_eq!((output.status.code(), &*output.stdout), (Some(0), &b"0.000s x\n"[..]), "{output:?}");
    }
}

#[test]
fn a_command_that_0_4_0_has_not_says_so_and_is_not_sent_there() {
    let site = site();
    for (words, code) in NEW_COMMANDS {
        for old in [Old::V0_4_0, Old::V0_5_0] {
            let server = OldServer::start(old, &["success"]);
            let remote = server.remote.clone();
            let output = run(&site, &remote, words);
            let expected = vec![vec![hello_of_this_version()], vec![payload("client_hello_client")]];
            assert_eq!(server.end(), expected, "{words:?} to {old:?}: both versions, and no command");
            let said = String::from_utf8(output.stderr).unwrap();
            assert_eq!(output.status.code(), Some(code), "{words:?} to {old:?}: {said}");
            let reason = format!("builder-client: {remote}: this server is of an earlier version, ");
            assert!(said.starts_with(&reason) && said.lines().count() == 1, "{words:?} to {old:?}: {said}");
        }
    }
    let server = site.start();
    // The first run of a job would be waited for, and there is no worker.
    for (words, _) in
        NEW_COMMANDS.into_iter().filter(|(words, _)| words[0] != "schedule" || !words.contains(&"--wait"))
    {
        let output = run(&site, server.remote_for_clients(), words);
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!said.contains("earlier version"), "{words:?}: {said}");
    }
}

/// The raw answers to a client of 0.4.0 that gives this command.
fn answers(peer: &mut Peer, command: &[u8]) -> Vec<Vec<u8>> {
    peer.send_bytes(&frame("client_hello_client"));
    let mut stream = peer.stream().try_clone().unwrap();
    assert_eq!(read_payload(&mut stream).unwrap(), payload("server_hello"));
    peer.send_bytes(&framed(command));
    std::iter::from_fn(|| read_payload(&mut stream)).collect()
}

#[test]
fn a_client_that_says_13_sees_nothing_new() {
    let site = site();
    let server = site.start();
    server.schedule("old", "linux");
    let mut worker = Peer::worker(&server, "linux");
    let (uuid, _) = worker.receive_job();
    worker.print(uuid, "hello");
    worker.finish(uuid, BuildResult::Exited(0), Vec::new());
    assert_eq!(uuid_of(&site.wait_for_results("old", 1)[0]), uuid.to_string());
    let ask = |command: &[u8]| answers(&mut Peer::connect(&server), command);

    for (_, sent, answered) in OLD_COMMANDS {
        let heard = ask(&payload(sent));
        // What there is to tell is another matter; an infoReply is looked at below.
        let expected: Vec<Vec<u8>> = answered.iter().map(|name| payload(name)).collect();
        let tags = |messages: &[Vec<u8>]| messages.iter().map(|message| message[0]).collect::<Vec<u8>>();
        assert_eq!(tags(&heard), tags(&expected), "{sent}");
        assert_eq!(heard.last(), expected.last(), "{sent}: byte for byte");
    }
    assert_eq!(ask(&payload("schedule_hourly")), [payload("success")]);
    assert_eq!(ask(&payload("schedule_hourly")), [payload("failure")], "byte for byte, as the name is used");

    let heard = ask(&payload("info"));
    let Ok(Command::InfoReply(reply)) = Command::decode(&heard[0]) else { panic!("{heard:?}") };
    assert_eq!(Command::InfoReply(reply).encode().unwrap(), heard[0], "no field that 0.4.0 does not know");

    let heard = ask(&Command::Observe(uuid).encode().unwrap());
    let line = |line: &str| Command::Output { uuid, line: line.into(), timestamp: None }.encode().unwrap();
    // The timestamps lie between the lines and the ends of their messages.
    let [first, last, success] = heard.as_slice() else { panic!("{heard:?}") };
    for (heard, line) in [(first, line("hello")), (last, line("exited 0"))] {
        assert_eq!((heard[0], &heard[4..line.len()]), (line[0], &line[4..]));
    }
    assert_eq!(*success, payload("success"));
}

#[test]
fn a_client_that_says_13_may_send_nothing_new() {
    let site = site();
    let server = site.start();
    // From 31 on, the number stands in a second byte.
    let tags = (23..=30).map(|number| vec![0xa0 | number]).chain((31..=60).map(|number| vec![0xbf, number]));
    for (number, tag) in (23..).zip(tags) {
        // Whatever is in it, it is not looked at.
        let heard = answers(&mut Peer::connect(&server), &[tag, vec![2, 5, 0]].concat());
        assert_eq!(heard.len(), 1, "message {number}");
        assert_eq!(heard[0][0], payload("failure")[0], "message {number}");
        assert!(heard.iter().all(|message| message[0] <= LAST_TAG));
    }
}

#[test]
fn a_worker_that_says_5_sees_nothing_new() {
    let site = site();
    let server = site.start();
    server.schedule("old", "freebsd-13");
    let mut worker = Peer::connect(&server);
    let mut stream = worker.stream().try_clone().unwrap();
    worker.send_bytes(&frame("client_hello_worker"));
    assert_eq!(read_payload(&mut stream).unwrap(), payload("server_hello"));
    worker.send_bytes(&frame("job_requested"));
    let heard = read_payload(&mut stream).unwrap();
    let Ok(Command::JobSchedule { uuid, job }) = Command::decode(&heard) else { panic!("{heard:?}") };
    assert_eq!(Command::JobSchedule { uuid, job }.encode().unwrap(), heard);
    let mut example = frame("job_finished_files");
    let named: Uuid = "988ad4a2-647b-4f84-9116-f936eeddac84".parse().unwrap();
    let at = example.windows(16).position(|window| window == named.as_bytes()).unwrap();
    example[at..at + 16].copy_from_slice(uuid.as_bytes());
    worker.send_bytes(&example);
    assert_eq!(read_payload(&mut stream), None, "the server closes, and says nothing");
}

#[test]
fn a_worker_says_to_every_server_what_one_of_0_4_0_says() {
    let site = site();
    let hello = [payload("client_hello_worker"), payload("job_requested")];
    for old in [Old::V0_4_0, Old::V0_5_0] {
        let server = OldServer::start(old, &["job_schedule"]);
        let mut worker = site.worker_command_at(&server.remote, "freebsd-13");
        let output = worker.stdout(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let heard = server.end();
        let [said] = heard.as_slice() else { panic!("{heard:?}") };
        assert_eq!(said[..2], hello);
        assert!(said.iter().all(|message| message[0] <= LAST_TAG), "{said:?}");
        let Ok(Command::JobFinished { result, .. }) = Command::decode(said.last().unwrap()) else {
            panic!("{said:?}")
        };
        assert_eq!(result, BuildResult::Exited(0), "{said:?}");
    }
    let server = site.start();
    server.schedule("new", "freebsd-13");
    site.work(&server, "freebsd-13");
    site.wait_for_results("new", 1);
}
