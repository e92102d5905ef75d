//! A scripted server, and the worker that talks to it.

use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command as Message, PeerType};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::job::{File, ScriptJob};
use builder_tests::{PublicCopy, is_root};

use rustix::process::{Resource, Rlimit, setrlimit};
use std::collections::VecDeque;
use std::fs;
use std::io::{self, Read, Write};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const UUID: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

const PROGRAM: &str = env!("CARGO_BIN_EXE_builder-worker");

/// The shell command that runs what follows as a daemon: orphaned, and in a session and a process group of its own. What
/// takes a daemon to make one on FreeBSD has the name of another program elsewhere.
pub(crate) const DAEMON: &str = if cfg!(target_os = "freebsd") { "daemon" } else { "setsid --fork" };

/// Bytes of memory that a worker may take, whatever its job does.
pub(crate) const MOST_MEMORY: u64 = 16 * 1024 * 1024;

/// Longer than anything takes on the slowest machine; only a test that fails waits so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// How to start a worker.
pub(crate) struct Setup {
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    user: Option<OtherUser>,
    /// The most processes that the user may have.
    processes: Option<u64>,
    /// Shell commands that run before the worker in its process, which does not start when one fails.
    prelude: String,
    temporary: Option<PathBuf>,
    is_local: bool,
}

/// A worker that is connected to a scripted server.
pub(crate) struct Conversation {
    pub(crate) child: Child,
    /// Its TMPDIR.
    pub(crate) temporary: TempDir,
    /// The connection, as what can be read and written; whatever kind of socket it is.
    stream: Option<fs::File>,
    decoder: FrameDecoder,
    messages: VecDeque<Message>,
}

/// What a worker did, from start to end.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) lines: Vec<Vec<u8>>,
    pub(crate) result: BuildResult,
    pub(crate) files: Vec<File>,
    pub(crate) end: End,
}

/// How a worker ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) status: ExitStatus,
    pub(crate) stderr: String,
    /// What it left in TMPDIR.
    pub(crate) left: Vec<PathBuf>,
}

impl Setup {
    pub(crate) fn new() -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            user: None,
            processes: None,
            prelude: String::new(),
            temporary: None,
            is_local: false,
        }
    }

    /// Lets worker and server talk over a socket in the file system, whose buffers hold less than those of TCP.
    pub(crate) fn local(mut self) -> Self {
        self.is_local = true;
        self
    }

    pub(crate) fn argument(mut self, argument: &str) -> Self {
        self.arguments.push(argument.to_owned());
        self
    }

    pub(crate) fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Makes sure that permissions mean something: tests may run as root.
    pub(crate) fn unprivileged(self) -> Self {
        self.user(65_534)
    }

    pub(crate) fn user(mut self, user: u32) -> Self {
        self.user = is_root().then(|| OtherUser { number: user, program: PublicCopy::of(PROGRAM) });
        self
    }

    pub(crate) fn prelude(mut self, commands: &str) -> Self {
        self.prelude = format!("set -e\n{commands}\n");
        self
    }

    /// Lets the job have no more than this many processes, worker included. Such a limit counts all processes of one
    /// user, so the user must not be used by anyone else; `None` when the tests do not run as root.
    pub(crate) fn at_most_processes(self, count: u64, user: u32) -> Option<Self> {
        let mut limited = is_root().then(|| self.user(user))?;
        limited.processes = Some(count);
        Some(limited)
    }

    pub(crate) fn temporary(mut self, path: &str) -> Self {
        self.temporary = Some(path.into());
        self
    }

    pub(crate) fn command(&self, remote: &str, temporary: &Path) -> Command {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(format!("{}exec \"$0\" \"$@\"", self.prelude));
        command.arg(self.user.as_ref().map_or(PROGRAM.as_ref(), |user| user.program.path()));
        command.args(["--remote", remote]).args(&self.arguments).arg("amiga");
        command.env("TMPDIR", self.temporary.as_deref().unwrap_or(temporary));
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        if let Some(user) = &self.user {
            command.uid(user.number).gid(user.number);
        }
        let processes = self.processes;
        // SAFETY: between fork and exec, this calls only what may be called there.
        unsafe {
            command.pre_exec(move || {
                // The tests may run below `nohup`, and what is ignored is inherited.
                if libc::signal(libc::SIGHUP, libc::SIG_DFL) == libc::SIG_ERR {
                    return Err(io::Error::last_os_error());
                }
                // Not a matter for the shell: its `ulimit` has other letters for this elsewhere.
                let limit = Rlimit { current: processes, maximum: processes };
                if processes.is_some() { Ok(setrlimit(Resource::Nproc, limit)?) } else { Ok(()) }
            });
        }
        command
    }

    /// Starts the worker and accepts its connection.
    pub(crate) fn connect(&self) -> Conversation {
        let place = tempfile::tempdir().unwrap();
        let listener = Listener::bind(self.is_local.then_some(place.path()));
        let temporary = tempfile::tempdir().unwrap();
        fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let mut child = self.command(&listener.name(), temporary.path()).spawn().unwrap();
        let mut stream = None;
        wait_until("the worker connects", || {
            // In this order, as it may end as soon as it has connected.
            let ended = child.try_wait().unwrap();
            stream = listener.accept().ok();
            assert!(stream.is_some() || ended.is_none(), "the worker ended before it connected");
            stream.is_some()
        });
        Conversation {
            child,
            temporary,
            stream: stream.map(fs::File::from),
            decoder: FrameDecoder::new(u64::MAX),
            messages: VecDeque::new(),
        }
    }

    /// Has the worker ask for a job and gives it this one.
    pub(crate) fn start(&self, script: &str) -> Conversation {
        let mut conversation = self.connect();
        conversation.greet();
        conversation.send(&Message::JobSchedule { uuid: UUID, job: job(script) });
        conversation
    }

    /// Has the worker run this script to its end.
    pub(crate) fn run(&self, script: &str) -> Report {
        self.start(script).finish()
    }
}

/// Somebody who may do less than root, and a program that they can run.
struct OtherUser {
    number: u32,
    program: PublicCopy,
}

/// Has a worker run a script to its end.
pub(crate) fn run(script: &str) -> Report {
    Setup::new().run(script)
}

pub(crate) fn job(script: &str) -> ScriptJob {
    ScriptJob { name: "hello".into(), script: script.into(), platform: "amiga".into() }
}

impl Conversation {
    /// The conversation up to where the worker waits for a job.
    pub(crate) fn greet(&mut self) {
        assert_eq!(self.receive(), Some(Message::ClientHello { peer: PeerType::Worker, version: 5 }));
        self.send(&Message::ServerHello);
        assert_eq!(self.receive(), Some(Message::JobRequested("amiga".into())));
    }

    pub(crate) fn send(&mut self, message: &Message) {
        self.stream().write_all(&message.to_frame().unwrap()).unwrap();
    }

    /// The next message; `None` when the worker closed the connection.
    pub(crate) fn receive(&mut self) -> Option<Message> {
        let mut buffer = vec![0; 1 << 16];
        while self.messages.is_empty() {
            let count = match self.stream().read(&mut buffer) {
                // With a limit to its time, a call ends early when the tests are stopped and go on.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                outcome => outcome.expect("the worker neither speaks nor leaves"),
            };
            if count == 0 {
                return None;
            }
            let mut bytes = &buffer[..count];
            while let Some(event) = self.decoder.next(&mut bytes).unwrap() {
                match event {
                    FrameEvent::Frame(payload) => self.messages.push_back(Message::decode(payload).unwrap()),
                    event => panic!("unexpected {event:?}"),
                }
            }
        }
        self.messages.pop_front()
    }

    /// The next console line.
    pub(crate) fn line(&mut self) -> String {
        match self.receive() {
            Some(Message::Output { uuid: UUID, line, timestamp: None }) => line.to_string(),
            message => panic!("no line but {message:?}"),
        }
    }

    /// The raw connection, for those who count bytes.
    pub(crate) fn stream(&mut self) -> &mut fs::File {
        self.stream.as_mut().unwrap()
    }

    pub(crate) fn close(&mut self) {
        self.stream = None;
    }

    /// Takes in all lines and the result, closes as the server does, and waits for the worker to end.
    pub(crate) fn finish(mut self) -> Report {
        let mut lines = Vec::new();
        loop {
            match self.receive() {
                Some(Message::Output { uuid: UUID, line, timestamp: None }) => {
                    lines.push(line.as_bytes().to_vec())
                }
                Some(Message::JobFinished { uuid: UUID, result, data }) => {
                    self.close();
                    return Report { lines, result, files: data, end: self.end() };
                }
                message => {
                    panic!("unexpected {message:?} after {} lines; {}", lines.len(), self.end().stderr)
                }
            }
        }
    }

    /// Waits for the worker to end.
    pub(crate) fn end(mut self) -> End {
        let mut status = None;
        wait_until("the worker ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        let mut stderr = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        let left = fs::read_dir(self.temporary.path()).unwrap();
        let left = left.map(|entry| entry.unwrap().path()).collect();
        End { status: status.unwrap(), stderr, left }
    }

    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, signal).unwrap();
    }

    /// Bytes of memory that the worker took at most.
    pub(crate) fn peak_memory(&self) -> u64 {
        builder_tests::peak_memory(self.child.id()).unwrap()
    }
}

impl Report {
    /// The console as text; every line must be UTF-8.
    pub(crate) fn text(&self) -> Vec<&str> {
        self.lines.iter().map(|line| std::str::from_utf8(line).unwrap()).collect()
    }

    pub(crate) fn paths(&self) -> Vec<String> {
        self.files.iter().map(|file| file.path.to_string()).collect()
    }

    pub(crate) fn file(&self, path: &str) -> &[u8] {
        let file = self.files.iter().find(|file| file.path.as_bytes() == path.as_bytes());
        file.unwrap_or_else(|| panic!("no {path} in {:?}", self.paths())).data.as_bytes()
    }

    /// Nothing is left of the job, and the worker is content.
    pub(crate) fn assert_clean(&self) {
        assert!(self.end.status.success(), "{:?}", self.end);
        assert_eq!(self.end.left, Vec::<PathBuf>::new());
        assert_eq!(self.end.stderr, "");
    }
}

impl End {
    /// The worker complains with this text, and nothing is left of the job.
    pub(crate) fn assert_failed(&self, complaint: &str) {
        assert_eq!(self.status.code(), Some(1), "{self:?}");
        assert!(self.stderr.contains(complaint), "{}", self.stderr);
        assert_eq!(self.left, Vec::<PathBuf>::new());
    }
}

/// Where a scripted server waits for its worker.
enum Listener {
    Tcp(TcpListener),
    Local(UnixListener),
}

impl Listener {
    /// Listens on a socket in `place`, or on a port when there is none.
    fn bind(place: Option<&Path>) -> Self {
        match place {
            Some(place) => Self::Local(UnixListener::bind(place.join("socket")).unwrap()),
            None => Self::Tcp(TcpListener::bind("127.0.0.1:0").unwrap()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Tcp(listener) => listener.local_addr().unwrap().to_string(),
            Self::Local(listener) => {
                format!("unix:{}", listener.local_addr().unwrap().as_pathname().unwrap().display())
            }
        }
    }

    /// A connection that waits, if there is one. Reading from it gives up after a while.
    fn accept(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(listener) => {
                listener.set_nonblocking(true)?;
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(stream.into())
            }
            Self::Local(listener) => {
                listener.set_nonblocking(true)?;
                let (stream, _) = listener.accept()?;
                stream.set_nonblocking(false)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                Ok(stream.into())
            }
        }
    }
}

/// Waits for something that happens outside of this process.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "still waiting until {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}
