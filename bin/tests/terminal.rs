//! What client and inspect show on a terminal only.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, InfoReply, RunningInfo};
use builder_proto::execution::{ConsoleLine, Execution};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::job::ScriptJob;
use builder_proto::time::Time;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{self, Child};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

const CLIENT: &str = env!("CARGO_BIN_EXE_builder-client");
const INSPECT: &str = env!("CARGO_BIN_EXE_builder-inspect");

/// A terminal, and the program that runs on it.
struct Terminal {
    screen: File,
    program: Child,
    seen: String,
}

impl Terminal {
    fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let inner = File::options().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&inner, Winsize { ws_row: 24, ws_col: 60, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
        let mut command = process::Command::new(program);
        command
            .args(arguments)
            .env_remove("NO_COLOR")
            .env_remove("RUST_LOG")
            .env("TERM", "xterm")
            .env("LC_ALL", "C");
        command.envs(environment.iter().copied());
        command.stdin(inner.try_clone().unwrap()).stdout(inner.try_clone().unwrap()).stderr(inner);
        let program = command.spawn().unwrap();
        // The last end within this process goes with the command, so that the screen ends with the program.
        drop(command);
        Terminal { screen: screen.into(), program, seen: String::new() }
    }

    /// Reads until this text has appeared.
    fn wait_for(&mut self, text: &str) {
        while !self.seen.contains(text) {
            assert!(self.read_more(), "{text:?} is not in {:?}", self.seen);
        }
    }

    /// Everything that was on the screen, once the program has ended well.
    fn end(mut self) -> String {
        while self.read_more() {}
        assert!(self.program.wait().unwrap().success(), "{:?}", self.seen);
        self.seen.replace("\r\n", "\n")
    }

    fn read_more(&mut self) -> bool {
        let mut block = [0; 4096];
        // Linux tells the end of a terminal by an error.
        let length = self.screen.read(&mut block).unwrap_or(0);
        self.seen += str::from_utf8(&block[..length]).unwrap();
        length > 0
    }
}

fn receive(stream: &mut TcpStream) -> Command {
    let mut decoder = FrameDecoder::new(1 << 24);
    loop {
        let mut octet = [0];
        stream.read_exact(&mut octet).unwrap();
        if let Some(FrameEvent::Frame(payload)) = decoder.next(&mut octet.as_slice()).unwrap() {
            return Command::decode(payload).unwrap();
        }
    }
}

fn send(stream: &mut TcpStream, command: &Command) {
    stream.write_all(&command.to_frame().unwrap()).unwrap();
}

/// Takes a connection, greets, and returns it with the command that came.
fn accept(listener: &TcpListener) -> (TcpStream, Command) {
    let mut stream = listener.accept().unwrap().0;
    receive(&mut stream);
    send(&mut stream, &Command::ServerHello);
    let command = receive(&mut stream);
    (stream, command)
}

fn info_reply() -> InfoReply {
    let job = ScriptJob { name: "hello".into(), script: "".into(), platform: "linux".into() };
    InfoReply {
        running: vec![RunningInfo { started: Time::UNIX_EPOCH, uuid: Uuid::nil(), job }],
        ..InfoReply::default()
    }
}

/// A server in which one build runs, which prints what it is told to, and ends with that.
fn serve() -> (String, Sender<&'static str>, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    let (lines, told): (Sender<&'static str>, Receiver<&'static str>) = mpsc::channel();
    let server = thread::spawn(move || {
        let (mut stream, mut command) = accept(&listener);
        if command == Command::Info {
            send(&mut stream, &Command::InfoReply(info_reply()));
            send(&mut stream, &Command::Success);
            if told.recv().is_err() {
                return;
            }
            (stream, command) = accept(&listener);
        }
        assert_eq!(command, Command::Observe(Uuid::nil()));
        for line in told {
            let line = line.into();
            send(&mut stream, &Command::Output { uuid: Uuid::nil(), line, timestamp: Some(1_500_000_000) });
        }
        send(&mut stream, &Command::Success);
    });
    (remote, lines, server)
}

#[test]
fn tables_have_coloured_heads_unless_colours_are_unwanted() {
    let info = |environment: &[(&str, &str)]| {
        let (remote, lines, server) = serve();
        drop(lines);
        let screen = Terminal::run(CLIENT, &["-r", &remote, "info"], environment).end();
        server.join().unwrap();
        screen
    };
    assert!(
        info(&[]).starts_with("\x1b[1mSchedule (0)\x1b[0m\n\n\x1b[1mRunning (1)\x1b[0m\n\x1b[2m  STARTED")
    );
    for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let screen = info(&[unwanted]);
        assert!(screen.starts_with("Schedule (0)\n\nRunning (1)\n  STARTED"), "{screen}");
        assert!(!screen.contains('\x1b'), "{screen}");
    }
    assert!(info(&[("NO_COLOR", "")]).contains('\x1b'), "an empty NO_COLOR is none");
}

#[test]
fn a_silent_build_is_told_about_until_it_speaks() {
    let (remote, lines, server) = serve();
    let uuid = Uuid::nil().to_string();
    let mut terminal = Terminal::run(CLIENT, &["-r", &remote, "observe", &uuid], &[("NO_COLOR", "1")]);
    lines.send("").unwrap();
    terminal.wait_for("silent so far");
    assert!(terminal.seen.contains("\r\x1b[Khello on linux: running for "), "{:?}", terminal.seen);
    lines.send("\x1b[31mred").unwrap();
    terminal.wait_for(", silent for");
    lines.send("exited 0").unwrap();
    drop(lines);
    let screen = terminal.end();
    // The line about the silence is gone before something else is printed.
    assert!(screen.contains("\r\x1b[K1.500s red\n"), "{screen:?}");
    assert!(screen.ends_with("\r\x1b[K1.500s exited 0\n"), "{screen:?}");
    server.join().unwrap();
}

#[test]
fn quiet_keeps_the_line_about_silence_away() {
    let (remote, lines, server) = serve();
    let uuid = Uuid::nil().to_string();
    let terminal = Terminal::run(CLIENT, &["-q", "-r", &remote, "observe", &uuid], &[]);
    thread::sleep(std::time::Duration::from_millis(1500));
    lines.send("exited 0").unwrap();
    drop(lines);
    assert_eq!(terminal.end(), "\x1b[2m1.500s\x1b[0m exited 0\n");
    server.join().unwrap();
}

/// A directory with a stored result in it.
fn store(result: BuildResult) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("full");
    let execution = Execution {
        job: ScriptJob { name: "hello".into(), script: "".into(), platform: "linux".into() },
        uuid: Uuid::nil(),
        console: vec![ConsoleLine { delta_nanoseconds: 0, line: "\x1b[31mred".into() }],
        started: Time::UNIX_EPOCH,
        finished: Time::UNIX_EPOCH,
        result,
        output: Vec::new(),
    };
    fs::write(&path, execution.encode().unwrap()).unwrap();
    (directory, path)
}

#[test]
fn a_result_is_green_or_red() {
    let summary = |result, environment: &[(&str, &str)]| {
        let (_directory, path) = store(result);
        Terminal::run(INSPECT, &[path.to_str().unwrap()], environment).end()
    };
    assert!(summary(BuildResult::Exited(0), &[]).contains("result    \x1b[32mexited 0\x1b[0m\n"));
    assert!(summary(BuildResult::Exited(1), &[]).contains("result    \x1b[31mexited 1\x1b[0m\n"));
    assert!(summary(BuildResult::Exited(1), &[("NO_COLOR", "1")]).contains("result    exited 1\n"));
    let utf8 = ("LC_ALL", "C.UTF-8");
    assert!(summary(BuildResult::Exited(0), &[utf8]).contains("result    \x1b[32m✓ exited 0\x1b[0m\n"));
    let uncoloured = summary(BuildResult::Signalled(9), &[utf8, ("NO_COLOR", "1")]);
    assert!(uncoloured.contains("result    ✗ signalled SIGKILL\n"), "{uncoloured}");
}

#[test]
fn the_colours_of_a_job_are_left_out_when_colours_are_unwanted() {
    let (_directory, path) = store(BuildResult::Exited(0));
    let console = |environment: &[(&str, &str)]| {
        Terminal::run(INSPECT, &["--console", path.to_str().unwrap()], environment).end()
    };
    assert!(console(&[]).contains("\x1b[2m0.000s\x1b[0m \x1b[31mred\x1b[0m\n"));
    assert!(console(&[("NO_COLOR", "1")]).contains("\n0.000s red\n"));
}

#[test]
fn a_console_ends_with_the_result_in_its_colour() {
    let (_directory, path) = store(BuildResult::Exited(1));
    let console = Terminal::run(INSPECT, &["--console", path.to_str().unwrap()], &[]).end();
    assert!(console.ends_with("\n\x1b[31mexited 1\x1b[0m\nstopped 1970-01-01T00:00:00Z\n"), "{console:?}");
}

#[test]
fn who_looks_for_failures_in_vain_is_told_so() {
    let (directory, path) = store(BuildResult::Exited(0));
    let failed = |words: &[&str]| Terminal::run(INSPECT, words, &[]).end();
    let path = path.to_str().unwrap();
    let only = failed(&["--failed", directory.path().to_str().unwrap()]);
    assert_eq!(only, "the only result is that of a build that did not fail\n");
    assert_eq!(failed(&["--failed", "--json", path]), "");
}
