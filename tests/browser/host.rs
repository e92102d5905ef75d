//! A build host with a dashboard.

use builder_tests::{Server, Site, programs, wait_for};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A server, its workers and its dashboard; all of them end when it is dropped.
pub(crate) struct Host {
    pub(crate) site: Site,
    server: Option<Server>,
    dashboard: Child,
    /// Where pages are, without a slash in the end.
    address: String,
    workers: Vec<Child>,
}

/// The platform of all jobs that are not hostile.
pub(crate) const PLATFORM: &str = "linux";

impl Host {
    /// Starts them, without workers.
    pub(crate) fn start() -> Host {
        let mut site = Site::new(programs!());
        // A server that is started again is found where it was.
        let log = site.file("dashboard.log", "");
        let viewers = format!("unix:{}", log.with_file_name("viewers").display());
        site.options = vec!["--viewer-listen".to_owned(), viewers.clone()];
        let server = Some(site.start());
        let mut command = Command::new(env!("CARGO_BIN_EXE_builder-dashboard"));
        command.args(["--listen", "127.0.0.1:0", "--remote", &viewers]);
        command.env_remove("RUST_LOG").stdin(Stdio::null()).stdout(Stdio::piped());
        command.stderr(fs::File::create(log).unwrap());
        let mut dashboard = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(dashboard.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address =
            line.trim().strip_prefix("listening on ").expect(&line).trim_end_matches('/').to_owned();
        Host { site, server, dashboard, address, workers: Vec::new() }
    }

    /// The address of a page.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// Schedules a script, to run once.
    pub(crate) fn schedule(&self, name: &str, script: &str) {
        self.schedule_on(name, PLATFORM, script);
    }

    /// The same for another platform.
    pub(crate) fn schedule_on(&self, name: &str, platform: &str, script: &str) {
        self.site.schedule(self.server(), name, platform, &format!("#!/bin/sh\n{script}"));
    }

    /// Schedules a script, to run now and every day.
    pub(crate) fn schedule_daily(&self, name: &str, platform: &str, script: &str) {
        let path = self.site.file(&format!("{name}.script"), format!("#!/bin/sh\n{script}"));
        let path = path.to_str().unwrap();
        self.site.succeed(self.server(), ["schedule", name, platform, path, "--period", "daily"]);
    }

    /// Lets a job run again.
    pub(crate) fn execute(&self, name: &str) {
        self.site.succeed(self.server(), ["execute", name]);
    }

    /// Starts a worker that does one job.
    pub(crate) fn work(&mut self) {
        self.work_on(PLATFORM);
    }

    /// The same for another platform.
    pub(crate) fn work_on(&mut self, platform: &str) {
        let mut command = self.site.worker_command(self.server(), platform);
        self.workers.push(command.stderr(Stdio::null()).spawn().unwrap());
    }

    /// Schedules a script, runs it, and waits until its result is there; gives the uuid of its build.
    pub(crate) fn build(&mut self, name: &str, script: &str) -> String {
        self.schedule(name, script);
        self.work();
        self.finished(name, 1)
    }

    /// Waits until a job has so many results; gives the uuid of one of them.
    pub(crate) fn finished(&self, name: &str, count: usize) -> String {
        let results = self.site.wait_for_results(name, count);
        wait_for("the build to be over", || self.server().info().running.is_empty());
        builder_tests::uuid_of(&results[0])
    }

    /// Part of a script: waits until the test [opens](Host::open) a gate.
    pub(crate) fn gate(&self, name: &str) -> String {
        format!("until [ -e '{}' ]; do sleep 0.02; done\n", self.gate_file(name).display())
    }

    /// Lets the job go on that waits at a gate.
    pub(crate) fn open(&self, name: &str) {
        fs::write(self.gate_file(name), "").unwrap();
    }

    /// Shuts a gate again.
    pub(crate) fn close(&self, name: &str) {
        fs::remove_file(self.gate_file(name)).unwrap();
    }

    fn gate_file(&self, name: &str) -> PathBuf {
        self.site.config().join(format!("gate-{name}"))
    }

    /// Ends the server without warning.
    pub(crate) fn kill_server(&mut self) {
        self.server.take().unwrap().kill();
    }

    /// Starts the server again.
    pub(crate) fn start_server(&mut self) {
        self.server = Some(self.site.start());
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        for child in self.workers.iter_mut().chain([&mut self.dashboard]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
