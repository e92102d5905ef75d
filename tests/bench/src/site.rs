//! Real servers on directories of their own, and dashboards of them.

use crate::failure::{During, Failure, Outcome};
use crate::process::Process;
use crate::programs::Programs;
use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A data directory and room beside it.
#[derive(Debug)]
pub(crate) struct Site {
    programs: Programs,
    root: PathBuf,
}

/// A running server; killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    address: SocketAddr,
}

/// A running dashboard of it; killed when dropped.
#[derive(Debug)]
pub(crate) struct Dashboard {
    child: Child,
    address: SocketAddr,
}

impl Site {
    /// Makes one, which stays: file systems are slow for minutes after so many files were removed.
    pub(crate) fn new(programs: &Programs, parent: &Path) -> Outcome<Site> {
        let root = tempfile::Builder::new().prefix("site-").tempdir_in(parent);
        let root = root.during("make a directory for a server")?.keep();
        let site = Site { programs: programs.clone(), root };
        for directory in [site.data(), site.path("config"), site.path("jobs")] {
            fs::create_dir(&directory).during(format_args!("create {}", directory.display()))?;
        }
        Ok(site)
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// A place outside of the data directory, on the same file system.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Starts a server with one listener, which may have all connections, and waits until it listens.
    pub(crate) fn start(&self) -> Outcome<Server> {
        self.start_by(self.server_command())
    }

    /// Starts a server that viewers reach through a socket of the file system, besides.
    pub(crate) fn start_for_viewers(&self) -> Outcome<Server> {
        let mut command = self.server_command();
        command.arg("--viewer-listen").arg(self.viewer_address());
        self.start_by(command)
    }

    fn server_command(&self) -> Command {
        let mut command = Command::new(&self.programs.server);
        command.args(["--port", "0", "--dir"]).arg(self.data()).arg("--config-dir").arg(self.path("config"));
        // An artifact of 4 GiB is a little too long for the usual limit.
        command.args(["--artifact-limit", "5GiB"]);
        command
    }

    fn start_by(&self, command: Command) -> Outcome<Server> {
        let (child, address) = listen(command, &self.path("server.log"), "server")?;
        Ok(Server { child, address })
    }

    /// Starts a dashboard and waits until it listens.
    pub(crate) fn start_dashboard(&self) -> Outcome<Dashboard> {
        let mut command = Command::new(&self.programs.dashboard);
        command.args(["--listen", "127.0.0.1:0", "--remote", &self.viewer_address()]);
        let (child, address) = listen(command, &self.path("dashboard.log"), "dashboard")?;
        Ok(Dashboard { child, address })
    }

    fn viewer_address(&self) -> String {
        format!("unix:{}", self.socket().display())
    }

    /// Where the server listens for viewers, besides.
    pub(crate) fn socket(&self) -> PathBuf {
        self.path("clients")
    }

    /// The command that runs a client, through a socket of this system.
    pub(crate) fn client_command(&self) -> Command {
        let mut command = Command::new(&self.programs.client);
        command.env("BUILDER_REMOTE", self.viewer_address()).stdin(Stdio::null());
        command
    }

    /// The command that runs a worker of `platform`; its job directories are on this site.
    pub(crate) fn worker_command(&self, server: &Server, platform: &str) -> Command {
        let mut command = Command::new(&self.programs.worker);
        command.args(["--remote", &server.address.to_string(), platform]).env("TMPDIR", self.path("jobs"));
        command.stdin(Stdio::null());
        command
    }
}

impl Server {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(mut self) -> Outcome<()> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            rustix::process::kill_process(pid, rustix::process::Signal::TERM).during("stop the server")?;
        }
        let status = self.child.wait().during("wait for the server")?;
        match status.success() {
            true => Ok(()),
            false => Err(Failure::new(format_args!("the server ended with {status}"))),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Dashboard {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn process(&self) -> Process {
        Process(self.child.id())
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts a program and waits until it says where it listens. What it complains of goes to the log.
fn listen(mut command: Command, log: &Path, name: &str) -> Outcome<(Child, SocketAddr)> {
    let stderr = File::create(log).during(format_args!("create the log of the {name}"))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr);
    let mut child = command.spawn().during(format_args!("start the {name}"))?;
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line).during(format_args!("read what the {name} prints"))?;
    }
    let place = line.trim().strip_prefix("listening on ").map(|place| place.trim_start_matches("http://"));
    match place.and_then(|place| place.trim_end_matches('/').parse().ok()) {
        Some(address) => Ok((child, address)),
        None => {
            let _ = child.kill();
            let _ = child.wait();
            let complaint = fs::read_to_string(log).unwrap_or_default();
            Err(Failure::new(format_args!("the {name} does not start: {complaint}")))
        }
    }
}
