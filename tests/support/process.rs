//! The real programs, started on directories and ports of their own.

use crate::Peer;
use builder_proto::command::{Command as Message, InfoReply};
use builder_proto::execution::Execution;
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// The longest that anything awaited may take, on a machine under load: a minute, or as many seconds as `BUILDER_PATIENCE` says.
///
/// Wrong servers let tests wait in vain, so that less is enough for them.
///
/// # Panics
///
/// When that is no number of seconds.
pub fn patience() -> Duration {
    static SECONDS: OnceLock<u64> = OnceLock::new();
    Duration::from_secs(*SECONDS.get_or_init(|| match std::env::var("BUILDER_PATIENCE") {
        Ok(text) => {
            text.parse().unwrap_or_else(|_| panic!("BUILDER_PATIENCE={text} is no number of seconds"))
        }
        Err(_) => 60,
    }))
}

/// Where the programs are; a test fills it in, because only it is told by cargo.
#[derive(Clone, Copy, Debug)]
pub struct Programs {
    /// `builder-server`.
    pub server: &'static str,
    /// `builder-worker`.
    pub worker: &'static str,
    /// `builder-client`.
    pub client: &'static str,
    /// `builder-inspect`.
    pub inspect: &'static str,
}

/// The paths of the programs, inside an integration test of the package that builds them.
#[macro_export]
macro_rules! programs {
    () => {
        $crate::Programs {
            server: env!("CARGO_BIN_EXE_builder-server"),
            worker: env!("CARGO_BIN_EXE_builder-worker"),
            client: env!("CARGO_BIN_EXE_builder-client"),
            inspect: env!("CARGO_BIN_EXE_builder-inspect"),
        }
    };
}

/// A data directory, a configuration directory and room for scripts, removed at the end.
#[derive(Debug)]
pub struct Site {
    programs: Programs,
    root: TempDir,
    /// Further options for every server on this site.
    pub options: Vec<String>,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub struct Server {
    child: Child,
    for_clients: String,
    for_workers: String,
    for_viewers: String,
    log: Arc<Mutex<String>>,
}

impl Site {
    /// An empty site.
    pub fn new(programs: Programs) -> Site {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("data")).unwrap();
        fs::create_dir(root.path().join("config")).unwrap();
        Site { programs, root, options: Vec::new() }
    }

    /// The data directory.
    pub fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// The log of the server.
    pub fn log_file(&self) -> PathBuf {
        self.data().join(".builder/log")
    }

    /// The configuration directory.
    pub fn config(&self) -> PathBuf {
        self.root.path().join("config")
    }

    /// Writes a file outside of both directories.
    pub fn file(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root.path().join(name);
        fs::write(&path, contents).unwrap();
        path
    }

    /// Writes the orb-build template of a platform.
    pub fn template(&self, platform: &str, contents: &str) {
        // Written elsewhere first: a server that runs may look at any time.
        let draft = self.file("template.new", contents);
        fs::rename(draft, self.config().join(format!("orb-build.template.{platform}"))).unwrap();
    }

    /// The command that starts a server here, on any free port, and that logs more than usual.
    pub fn server_command(&self) -> Command {
        let mut command = self.usual_server_command();
        command.arg("-v");
        command
    }

    /// The same without what makes it log more.
    pub fn usual_server_command(&self) -> Command {
        let mut command = Command::new(self.programs.server);
        command.env_remove("RUST_LOG").env_remove("JOURNAL_STREAM");
        command.args(["--port", "0", "--dir"]).arg(self.data()).arg("--config-dir").arg(self.config());
        command.args(&self.options).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts a server and waits until it listens.
    pub fn start(&self) -> Server {
        self.start_with(self.server_command())
    }

    /// Starts a server with a command made from [`Site::server_command`], and waits until it listens.
    pub fn start_with(&self, mut command: Command) -> Server {
        let count = |name: &str| self.options.iter().filter(|option| *option == name).count();
        let listeners = match (count("--worker-listen"), count("--client-listen")) {
            (0, 0) => 1,
            (workers, clients) => workers.max(1) + clients.max(1),
        };
        Server::wait_for(command.spawn().unwrap(), listeners + count("--viewer-listen"))
    }

    /// Runs a server that is expected to refuse to start.
    pub fn refused_start(&self) -> Output {
        let mut child = self.server_command().spawn().unwrap();
        wait_for("the server to give up", || child.try_wait().unwrap().is_some());
        child.wait_with_output().unwrap()
    }

    /// Runs a server that is expected to refuse to start; gives what it says.
    pub fn complaint(&self) -> String {
        let output = self.refused_start();
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// Runs a client against a server.
    pub fn client<A: AsRef<OsStr>>(&self, server: &Server, arguments: impl IntoIterator<Item = A>) -> Output {
        self.client_command(server).args(arguments).output().unwrap()
    }

    /// Runs a client that is expected to succeed; gives what it prints.
    pub fn succeed<A: AsRef<OsStr>>(
        &self,
        server: &Server,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        let output = self.client(server, arguments);
        assert!(output.status.success(), "{output:?}\n{}", server.log());
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a client that is expected to be refused; gives what it says.
    pub fn refused<A: AsRef<OsStr>>(
        &self,
        server: &Server,
        arguments: impl IntoIterator<Item = A>,
    ) -> String {
        let output = self.client(server, arguments);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    /// The command that runs a client against a server.
    pub fn client_command(&self, server: &Server) -> Command {
        self.client_command_at(&server.for_clients)
    }

    /// The command that runs a client against a server at this address, as the client is told.
    pub fn client_command_at(&self, remote: &str) -> Command {
        let mut command = Command::new(self.programs.client);
        command.args(["--remote", remote]).stdin(Stdio::null());
        command
    }

    /// Schedules a script, once unless the arguments say otherwise.
    pub fn schedule(&self, server: &Server, name: &str, platform: &str, script: &str) {
        let path = self.file(&format!("{name}.script"), script);
        self.succeed(server, ["schedule", name, platform, path.to_str().unwrap(), "--period", "never"]);
    }

    /// Starts a worker; its job directories are on this site.
    pub fn worker(&self, server: &Server, platform: &str) -> Child {
        self.worker_command(server, platform).spawn().unwrap()
    }

    /// The command that starts a worker.
    pub fn worker_command(&self, server: &Server, platform: &str) -> Command {
        self.worker_command_at(&server.for_workers, platform)
    }

    /// The command that starts a worker of a server at this address, as the worker is told.
    pub fn worker_command_at(&self, remote: &str, platform: &str) -> Command {
        let mut command = Command::new(self.programs.worker);
        command.args(["--remote", remote, platform]).env("TMPDIR", self.root.path());
        command.stdin(Stdio::null()).stderr(Stdio::piped());
        command
    }

    /// Runs a worker until it has finished a job.
    pub fn work(&self, server: &Server, platform: &str) {
        let output = self.worker(server, platform).wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}\n{}", server.log());
    }

    /// The command that runs `builder-inspect`.
    pub fn inspect_command(&self) -> Command {
        Command::new(self.programs.inspect)
    }

    /// Runs `builder-inspect`; gives what it prints.
    pub fn inspect<A: AsRef<OsStr>>(&self, arguments: impl IntoIterator<Item = A>) -> String {
        let output = self.inspect_command().args(arguments).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The stored results of a job, in no particular order.
    pub fn results(&self, job: &str) -> Vec<PathBuf> {
        let Ok(builds) = fs::read_dir(self.data().join(job)) else { return Vec::new() };
        builds.map(|build| build.unwrap().path().join("full")).filter(|path| path.exists()).collect()
    }

    /// Waits until a job has so many stored results, and gives them.
    pub fn wait_for_results(&self, job: &str, count: usize) -> Vec<PathBuf> {
        wait_for(&format!("{count} results of {job}"), || self.results(job).len() >= count);
        self.results(job)
    }
}

impl Server {
    fn wait_for(mut child: Child, listeners: usize) -> Server {
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            gather(stderr, Arc::clone(&log));
        }
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (mut for_clients, mut for_workers, mut for_viewers) =
            (String::new(), String::new(), String::new());
        for _ in 0..listeners {
            let line = lines.next().and_then(Result::ok).unwrap_or_default();
            let Some(words) = line.strip_prefix("listening on ") else {
                let status = child.wait().unwrap();
                panic!("the server did not start: {status}, {line:?}\n{}", log.lock().unwrap());
            };
            match words.split_once(' ') {
                None => (for_clients, for_workers) = (words.to_owned(), words.to_owned()),
                Some((address, "for clients")) => for_clients = address.to_owned(),
                Some((address, "for workers")) => for_workers = address.to_owned(),
                Some((address, "for viewers")) => for_viewers = address.to_owned(),
                Some(_) => panic!("{line}"),
            }
        }
        Server { child, for_clients, for_workers, for_viewers, log }
    }

    /// Where it listens for clients, and for workers unless these have an address of their own.
    ///
    /// # Panics
    ///
    /// When that is a socket in the file system.
    pub fn address(&self) -> SocketAddr {
        self.for_clients.parse().unwrap()
    }

    /// Where it listens for workers.
    ///
    /// # Panics
    ///
    /// When that is a socket in the file system.
    pub fn address_for_workers(&self) -> SocketAddr {
        self.for_workers.parse().unwrap()
    }

    /// Where it listens for clients, as a client is told.
    pub fn remote_for_clients(&self) -> &str {
        &self.for_clients
    }

    /// Where it listens for viewers, as a client is told; empty if it does not.
    pub fn remote_for_viewers(&self) -> &str {
        &self.for_viewers
    }

    /// Gives a command on a connection of its own; gives the first answer.
    pub fn ask(&self, command: &Message) -> Message {
        let mut client = Peer::client(self);
        client.send(command);
        client.receive()
    }

    /// Schedules [`script`], to run once.
    pub fn schedule(&self, name: &str, platform: &str) {
        let job = script(name, platform);
        assert_eq!(self.ask(&Message::Schedule { period: Period::Never, job }), Message::Success);
    }

    /// Asks what is going on.
    pub fn info(&self) -> InfoReply {
        match self.ask(&Message::Info) {
            Message::InfoReply(info) => info,
            other => panic!("unexpected {other:?}"),
        }
    }

    /// The names of the jobs in a queue; none when there is no such queue.
    pub fn queue(&self, platform: &str) -> Option<Vec<String>> {
        let queues = self.info().queues;
        let queue = queues.iter().find(|queue| queue.platform == platform.into())?;
        Some(queue.jobs.iter().map(|job| job.name().to_string()).collect())
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has logged so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    /// Waits until it has logged something.
    pub fn wait_for_log(&self, text: &str) {
        wait_for(&format!("{text:?} in the log"), || self.log().contains(text));
    }

    /// Ends it without warning.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, and waits until it has.
    pub fn terminate(&mut self) -> ExitStatus {
        signal(self.child.id(), "TERM");
        self.child.wait().unwrap()
    }

    /// How it ended; waits until it has.
    pub fn status(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal, by name without `SIG`.
pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// Waits until something is so.
///
/// # Panics
///
/// When it takes longer than [`patience`] permits.
pub fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < patience(), "waited in vain for {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// A job that says hello.
pub fn script(name: &str, platform: &str) -> ScriptJob {
    ScriptJob { name: name.into(), script: "#!/bin/sh\necho hello\n".into(), platform: platform.into() }
}

/// Reads a stored result, which must be whole and where it belongs.
pub fn stored(path: &Path) -> Execution {
    let stored = Execution::decode(&fs::read(path).unwrap()).unwrap();
    assert_eq!(stored.uuid.to_string(), uuid_of(path));
    stored
}

/// The name of the directory below which a stored result lies: the uuid of its build.
pub fn uuid_of(result: &Path) -> String {
    result.parent().unwrap().file_name().unwrap().to_str().unwrap().to_owned()
}

fn gather(mut stderr: ChildStderr, log: Arc<Mutex<String>>) {
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(bytes @ 1..) = stderr.read(&mut buffer) {
            log.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..bytes]));
        }
    });
}
