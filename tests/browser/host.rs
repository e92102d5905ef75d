//! A build host with a dashboard.

use builder_tests::dashboard::Dashboard;
use builder_tests::{Server, Site, is_alive, programs, signal, wait_for};
use std::fs;
use std::path::PathBuf;
use std::process::{Child, Stdio};

/// A server, its workers and its dashboard; all of them end when it is dropped.
pub(crate) struct Host {
    pub(crate) site: Site,
    server: Option<Server>,
    dashboard: Dashboard,
    workers: Vec<Child>,
}

/// The platform of all jobs that are not hostile.
pub(crate) const PLATFORM: &str = "linux";

impl Host {
    /// Starts them, without workers.
    pub(crate) fn start() -> Host {
        let mut site = Site::new(programs!());
        // A server that is started again is found where it was.
        let viewers = format!("unix:{}", site.config().join("viewers").display());
        site.options = vec!["--viewer-listen".to_owned(), viewers.clone()];
        let server = Some(site.start());
        let options = ["--listen", "127.0.0.1:0", "--remote", &viewers];
        let dashboard = Dashboard::start(&site, env!("CARGO_BIN_EXE_builder-dashboard"), &options);
        Host { site, server, dashboard, workers: Vec::new() }
    }

    /// The address of a page.
    pub(crate) fn page(&self, path: &str) -> String {
        format!("{}{path}", self.dashboard.said().trim_end_matches('/'))
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

    /// Part of a script: waits until the test [opens](Host::open) a gate. Once the test is gone, nobody does any more.
    pub(crate) fn gate(&self, name: &str) -> String {
        let test = std::process::id();
        format!(
            "until [ -e '{}' ] || ! kill -0 {test}; do sleep 0.02; done\n",
            self.gate_file(name).display()
        )
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
        // A job may wait at a gate. A worker that is killed leaves it behind; one that is told to end does not.
        for worker in &mut self.workers {
            signal(worker.id(), "TERM");
            let _ = worker.wait();
        }
    }
}

#[test]
fn a_job_that_waits_at_a_gate_ends_with_its_host() {
    let mut host = Host::start();
    let file = host.site.config().join("pid");
    host.schedule("waits", &format!("echo $$ > '{}'\n{}", file.display(), host.gate("never")));
    host.work();
    let pid = || fs::read_to_string(&file).ok()?.strip_suffix('\n')?.parse().ok();
    wait_for("the job to run", || pid().is_some());
    let pid: u32 = pid().unwrap();
    assert!(is_alive(pid));
    drop(host);
    assert!(!is_alive(pid), "{pid} is left behind");
}
