//! What client and inspect show on a terminal only.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "all of this is test code")]

mod builds;

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, InfoReply, QueueInfo, RunningInfo};
use builder_proto::execution::{ConsoleLine, Execution};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::job::{File as Artifact, Job, ScheduleItem, ScriptJob};
use builder_proto::time::{Period, Time};
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
const WORKER: &str = env!("CARGO_BIN_EXE_builder-worker");

/// A terminal, and the program that runs on it.
struct Terminal {
    screen: File,
    program: Child,
    seen: String,
}

impl Terminal {
    fn run(program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        Terminal::run_on(60, program, arguments, environment)
    }

    fn run_on(columns: u16, program: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Terminal {
        let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&screen).unwrap();
        unlockpt(&screen).unwrap();
        let name = ptsname(&screen, Vec::new()).unwrap().into_string().unwrap();
        let inner = File::options().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&inner, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
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
    fn end(self) -> String {
        self.end_with(0)
    }

    /// The same, once it has ended with this exit code.
    fn end_with(mut self, code: i32) -> String {
        while self.read_more() {}
        assert_eq!(self.program.wait().unwrap().code(), Some(code), "{:?}", self.seen);
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
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        if let Some(FrameEvent::Frame(payload)) = decoder.next(&mut byte.as_slice()).unwrap() {
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

/// The same of a client that says this version first, to a server that closes then, as 0.4.0 does.
fn accept_older(listener: &TcpListener) -> (TcpStream, Command) {
    let hello = receive(&mut listener.accept().unwrap().0);
    assert!(matches!(hello, Command::ClientHello { version: 14, .. }), "{hello:?}");
    accept(listener)
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
        let (remote, server) = serve_older(Command::InfoReply(info_reply()));
        let screen = Terminal::run(CLIENT, &["-r", &remote, "info"], environment).end();
        server.join().unwrap();
        screen
    };
    assert!(info(&[]).starts_with("\x1b[1mRunning (1)\x1b[0m\n\x1b[2m  JOB  "));
    for unwanted in [("NO_COLOR", "1"), ("TERM", "dumb")] {
        let screen = info(&[unwanted]);
        assert!(screen.starts_with("Running (1)\n  JOB  "), "{screen}");
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
    assert_eq!(terminal.end(), "\x1b[2m1.500s\x1b[0m \x1b[32mexited 0\x1b[0m\n");
    server.join().unwrap();
}

/// A server of an earlier version that answers one question.
fn serve_older(answer: Command) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    (remote, thread::spawn(move || send(&mut accept_older(&listener).0, &answer)))
}

/// A server that answers a connection after the other, and returns what it was asked.
fn serve_all(answers: Vec<Command>) -> (String, JoinHandle<Vec<Command>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    let answer = move |answer| {
        let (mut stream, question) = accept(&listener);
        send(&mut stream, &answer);
        question
    };
    (remote, thread::spawn(move || answers.into_iter().map(answer).collect()))
}

/// A job that is scheduled, and waits on a platform where nothing runs.
fn waiting() -> InfoReply {
    let job = Job::Script(ScriptJob { name: "hello".into(), script: "".into(), platform: "linux".into() });
    InfoReply {
        schedule: vec![ScheduleItem { next: Time::NEVER, period: Period::Never, job: job.clone() }],
        queues: vec![QueueInfo { platform: "linux".into(), jobs: vec![job] }],
        ..InfoReply::default()
    }
}

#[test]
fn who_schedules_is_told_where_the_job_waits() {
    let (remote, server) = serve_all(vec![Command::Success, Command::InfoReply(waiting())]);
    let screen =
        Terminal::run(CLIENT, &["-r", &remote, "schedule", "hello", "linux", "/dev/null"], &[]).end();
    assert_eq!(
        screen,
        "hello is scheduled, and has no next run\n\
         it is the next one on linux; if no worker takes it, start one:\n    builder-worker linux\n"
    );
    assert_eq!(server.join().unwrap()[1], Command::Info);
}

#[test]
fn who_drops_a_platform_is_told_which_jobs_went_with_it() {
    let (remote, server) = serve_all(vec![Command::InfoReply(waiting()), Command::Success]);
    let screen = Terminal::run(CLIENT, &["-r", &remote, "drop-platform", "linux"], &[]).end();
    assert_eq!(screen, "linux is dropped, and with it the job hello\n");
    assert_eq!(server.join().unwrap(), [Command::Info, Command::DropPlatform("linux".into())]);

    let (remote, server) = serve_all(vec![Command::Success]);
    let screen = Terminal::run(CLIENT, &["-r", &remote, "undrop-platform", "linux"], &[]).end();
    assert!(screen.contains("do not come back, so schedule them again"), "{screen}");
    server.join().unwrap();
}

#[test]
fn quiet_keeps_away_what_was_done_and_no_refusal() {
    let (remote, server) = serve_all(vec![Command::Success]);
    assert_eq!(Terminal::run(CLIENT, &["-q", "-r", &remote, "execute", "hello"], &[]).end(), "");
    server.join().unwrap();

    let (remote, server) = serve_all(vec![Command::Failure("busy".into())]);
    let refused = Terminal::run(CLIENT, &["-q", "-r", &remote, "execute", "hello"], &[]).end_with(1);
    assert_eq!(refused, "builder-client: busy\n");
    server.join().unwrap();
}

#[test]
fn each_job_of_info_has_a_line_that_fits_the_terminal() {
    let mut info = waiting();
    info.schedule = (0..40)
        .map(|number| {
            let name = format!("a-job-with-a-name-that-is-rather-long-{number:02}");
            let job = ScriptJob { name: name.into(), script: "".into(), platform: "freebsd-14-amd64".into() };
            ScheduleItem { next: Time::UNIX_EPOCH, period: Period::Weekly, job: Job::Script(job) }
        })
        .collect();
    for columns in [80, 200] {
        let (remote, server) = serve_older(Command::InfoReply(info.clone()));
        let environment = [("NO_COLOR", "1"), ("LC_ALL", "C.UTF-8")];
        let screen = Terminal::run_on(columns, CLIENT, &["-r", &remote, "info"], &environment).end();
        server.join().unwrap();
        let longest = screen.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= usize::from(columns), "{screen}");
        let lines = screen.lines().filter(|line| line.starts_with("  a-job-") && line.ends_with("weekly"));
        assert_eq!(lines.count(), 40, "{screen}");
        assert_eq!(screen.contains("…"), columns == 80, "{screen}");
    }
}

#[test]
fn a_worker_that_waits_says_for_what_and_whom() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let remote = listener.local_addr().unwrap().to_string();
    let mut terminal = Terminal::run(WORKER, &["linux"], &[("BUILDER_REMOTE", &remote)]);
    let (stream, command) = accept(&listener);
    assert_eq!(command, Command::JobRequested("linux".into()));
    terminal.wait_for(&format!("waiting for a job for linux from {remote}"));
    drop(stream);
    let screen = terminal.end_with(1);
    assert!(
        screen.contains("\r\x1b[Kbuilder-worker: "),
        "the line is gone before something else is printed: {screen:?}"
    );
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
        output: vec![Artifact { path: "bin/made".into(), data: "made".into() }],
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
fn who_takes_artifacts_out_is_told_how_many_there_were() {
    let (directory, path) = store(BuildResult::Exited(0));
    let out = directory.path().join("out").to_str().unwrap().to_owned();
    let screen = Terminal::run(INSPECT, &["--output", &out, path.to_str().unwrap()], &[]).end();
    assert_eq!(screen, format!("wrote one artifact (4 bytes) below {out}\n"));
    let again = Terminal::run(INSPECT, &["--output", &out, path.to_str().unwrap()], &[]).end_with(1);
    assert!(!again.contains("wrote"), "{again}");
}

#[test]
fn who_looks_for_failures_in_vain_is_told_so() {
    let (directory, path) = store(BuildResult::Exited(0));
    let failed = |words: &[&str]| Terminal::run(INSPECT, words, &[]).end();
    let path = path.to_str().unwrap();
    let only = failed(&["--failed", directory.path().to_str().unwrap()]);
    assert_eq!(only, "the build of the only result did not fail\n");
    assert_eq!(failed(&["--failed", "--json", path]), "");
}
