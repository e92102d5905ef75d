//! The programs of the copy, and what they say with one mistake or with none.

use crate::copy::Copy;
use builder_tests::wrong_servers::{Finder, WrongServer};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that one test program may run.
const PATIENCE: Duration = Duration::from_secs(240);
/// How many seconds a test waits in vain. Most of them take less than one to pass.
const VAIN_SECONDS: &str = "15";
/// Crashes within which the simulation is to find each mistake.
const CRASHES: &str = "20000";
/// Worlds in which the right server is to lose nothing, for each plan. The simulation tries many more by itself.
const SEEDS: &str = "10";
/// What the simulation prints about a mistake.
const FOUND: &str = "found: ";

/// Test programs by package and target.
pub(crate) struct Programs(BTreeMap<(String, Option<String>), Program>);

struct Program {
    path: PathBuf,
    /// Where cargo runs it.
    directory: PathBuf,
}

impl Programs {
    /// Builds the tests that are to find mistakes, and the programs that they run. Without TLS, as no mistake is about that, and
    /// without lines for backtraces, as nobody looks at them.
    pub(crate) fn build(copy: &Copy, finders: &BTreeSet<&Finder>) -> Programs {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["test", "--no-run", "--locked", "--no-default-features", "--message-format=json"]);
        cargo.args(["-p", "builder-proto", "-p", "builder-engine", "-p", "builder", "-p", "builder-tests"]);
        let targets: BTreeSet<Option<&str>> = finders.iter().map(|finder| finder.target()).collect();
        for target in targets {
            match target {
                Some(target) => cargo.args(["--test", target]),
                None => cargo.arg("--lib"),
            };
        }
        cargo
            .current_dir(&copy.tree)
            .env("CARGO_TARGET_DIR", &copy.build)
            .env("CARGO_PROFILE_DEV_DEBUG", "0");
        let output = cargo.output().unwrap();
        let messages = String::from_utf8_lossy(&output.stdout);
        let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let mut programs = BTreeMap::new();
        for message in messages {
            if let Some(error) = message["message"]["rendered"].as_str()
                && message["message"]["level"] == "error"
            {
                println!("{error}");
            }
            if let (Some(path), Some(key)) = (message["executable"].as_str(), key(&message)) {
                let manifest = Path::new(message["manifest_path"].as_str().unwrap());
                let directory = manifest.parent().unwrap().to_owned();
                programs.insert(key, Program { path: path.into(), directory });
            }
        }
        assert!(output.status.success(), "the copy in {} cannot be built", copy.tree.display());
        Programs(programs)
    }

    /// Runs a finder with no mistake switched on; it must find nothing.
    ///
    /// # Errors
    ///
    /// When it did, and all that it said of it.
    pub(crate) fn run_right(&self, finder: &Finder, plan: &str) -> Result<(), String> {
        let (mut command, _) = self.command(finder, "nothing_is_lost_with_the_fixed_seeds");
        command.env("SIMULATION_PLAN", plan).env("SIMULATION_SEEDS", SEEDS);
        let (is_success, output) = run(&mut command)?;
        match is_success {
            true if output.contains("\nrunning 0 tests\n") => Err("no test is called so".to_owned()),
            true => Ok(()),
            false => Err(output),
        }
    }

    /// Runs what is to find a mistake. Gives what it said about it.
    ///
    /// # Errors
    ///
    /// When it did not find it, and what it said instead.
    pub(crate) fn run_wrong(&self, server: &WrongServer) -> Result<String, String> {
        let (mut command, is_simulation) = self.command(&server.found_by, "something_is_found");
        command.env("BUILDER_PLANTED", &server.name).env("SIMULATION_PLAN", &server.plan);
        command.env("SIMULATION_CRASHES", CRASHES).env("BUILDER_PATIENCE", VAIN_SECONDS);
        let (is_success, output) = run(&mut command)?;
        if is_simulation {
            let found = output.lines().find_map(|line| line.strip_prefix(FOUND));
            return found.map(str::to_owned).ok_or_else(|| first_panic(&output));
        }
        match is_success {
            true => Err("the tests pass".to_owned()),
            false => Ok(first_panic(&output)),
        }
    }

    fn command(&self, finder: &Finder, test_of_simulation: &str) -> (Command, bool) {
        let (package, filter, is_simulation) = match finder {
            Finder::Simulation => ("builder-tests", test_of_simulation, true),
            Finder::Tests { package, filter, .. } => (package.as_str(), filter.as_str(), false),
        };
        let target = finder.target();
        let program = self.0.get(&(package.to_owned(), target.map(str::to_owned)));
        let program = program.unwrap_or_else(|| panic!("there is no {package} {target:?}"));
        let mut command = Command::new(&program.path);
        command.arg(filter).arg("--nocapture").current_dir(&program.directory);
        (command, is_simulation)
    }
}

/// The package and the target of a test program, from what cargo says of it; none when it is another program.
fn key(message: &Value) -> Option<(String, Option<String>)> {
    if message["profile"]["test"] != true {
        return None;
    }
    let manifest = Path::new(message["manifest_path"].as_str()?);
    let package = match manifest.parent()?.file_name()?.to_str()? {
        "bin" => "builder".to_owned(),
        directory => format!("builder-{directory}"),
    };
    match message["target"]["kind"][0].as_str()? {
        "lib" => Some((package, None)),
        "test" => Some((package, Some(message["target"]["name"].as_str()?.to_owned()))),
        _ => None,
    }
}

/// Runs a command to its end, in a process group that does not outlive it. Gives whether it succeeded, and all that it said.
fn run(command: &mut Command) -> Result<(bool, String), String> {
    let log = tempfile::NamedTempFile::new().unwrap();
    let both = log.reopen().unwrap();
    command.stdin(Stdio::null()).stdout(both.try_clone().unwrap()).stderr(both);
    let mut child = command.env("RUST_BACKTRACE", "0").process_group(0).spawn().unwrap();
    let start = Instant::now();
    let status = loop {
        match child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if start.elapsed() > PATIENCE => break None,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    let group = Pid::from_raw(child.id() as i32).unwrap();
    // What a failed test has left behind; there may be nothing.
    let _ = kill_process_group(group, Signal::KILL);
    if status.is_none() {
        child.wait().unwrap();
        return Err(format!("it runs for more than {} s", PATIENCE.as_secs()));
    }
    let output = std::fs::read(log.path()).unwrap();
    Ok((status.unwrap().success(), String::from_utf8_lossy(&output).into_owned()))
}

/// What the first test that failed said, in one line.
fn first_panic(output: &str) -> String {
    let mut lines = output.lines().skip_while(|line| !line.contains(" panicked at "));
    let place = lines.next().unwrap_or("it did not say why it failed");
    match lines.next() {
        Some(words) if !words.is_empty() => words.to_owned(),
        _ => place.to_owned(),
    }
}
