//! Checks of what is left after the server was killed.

use crate::client::{Client, Promise};
use crate::ledger::{Build, Fate, Ledger};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::InfoReply;
use builder_proto::execution::Execution;
use builder_proto::text::Text;
use builder_tests::{Site, wait_for};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// Losses in a row after which the server gives a job up until its schedule or a person asks for it.
const LOSSES: usize = 3;

/// Who looks at the server from outside, and remembers every result it has seen.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    results: BTreeMap<Uuid, Seen>,
}

#[derive(Debug)]
struct Seen {
    script: Text,
    result: BuildResult,
}

impl Checker {
    /// Checks everything after a restart, before anyone else connects.
    pub(crate) fn check(
        &mut self,
        site: &Site,
        info: &InfoReply,
        clients: &mut [Client],
        ledger: &Ledger,
        workers: usize,
    ) {
        let mut expected = 0;
        for client in &mut *clients {
            client.settle(info);
            expected += client.belief().jobs.len();
        }
        assert_eq!(info.schedule.len(), expected, "a job that nobody scheduled: {info:#?}");
        assert_eq!(info.running, [], "nothing runs twice");
        self.read_results(site, ledger);
        let queues = queues(info);
        for promise in clients.iter().flat_map(|client| client.belief().jobs.values()) {
            self.check_promise(promise, &queues, ledger, workers);
        }
        for build in ledger.builds().values_mut() {
            build.fate = Fate::Settled;
        }
    }

    /// Checks everything at the end, when all queues have been worked off.
    pub(crate) fn check_end(&mut self, site: &Site, clients: &[Client], ledger: &Ledger) {
        self.results.clear();
        self.read_results(site, ledger);
        for promise in clients.iter().flat_map(|client| client.belief().jobs.values()) {
            let script = &promise.job.script;
            let (whole, lost) =
                (self.count(script, |result| *result == BuildResult::Exited(0)), self.losses(script));
            assert!(
                whole > 0 || lost >= LOSSES,
                "job {} never ran to its end: {lost} losses",
                promise.job.name
            );
        }
        for uuid in ledger.builds().keys() {
            assert!(self.results.contains_key(uuid), "build {uuid} has left no result");
        }
        for directory in ["spool", "staging"] {
            let left = fs::read_dir(site.data().join(".builder").join(directory)).unwrap().count();
            assert_eq!(left, 0, "{directory} is not empty");
        }
    }

    pub(crate) fn results(&self) -> usize {
        self.results.len()
    }

    /// Reads results that are new; each must be whole and what its worker sent.
    fn read_results(&mut self, site: &Site, ledger: &Ledger) {
        for job in fs::read_dir(site.data()).unwrap() {
            let job = job.unwrap();
            let name = job.file_name().into_string().unwrap();
            if name.starts_with('.') {
                continue;
            }
            for build in fs::read_dir(job.path()).unwrap() {
                let build = build.unwrap();
                let uuid: Uuid = build.file_name().to_str().unwrap().parse().unwrap();
                let read = || read_result(&build.path(), &name, uuid, ledger);
                self.results.entry(uuid).or_insert_with(read);
            }
        }
        for (uuid, build) in ledger.builds().iter() {
            let whole = |seen: &Seen| seen.result == BuildResult::Exited(0);
            let stored = self.results.get(uuid).is_some_and(whole);
            assert!(
                build.fate != Fate::Stored || stored,
                "the result of build {uuid} was stored, and is gone"
            );
        }
    }

    /// Whether a job is queued if, and as far as can be told only if, it is to be.
    fn check_promise(
        &self,
        promise: &Promise,
        queues: &BTreeMap<Text, Vec<Text>>,
        ledger: &Ledger,
        workers: usize,
    ) {
        let (name, platform) = (&promise.job.name, &promise.job.platform);
        let position = queues.get(platform).and_then(|queue| queue.iter().position(|queued| queued == name));
        if *platform == "real".into() {
            let ran = self.count(&promise.job.script, |_| true) > 0;
            assert!(ran || position.is_some(), "job {name} is neither queued nor has it run");
            return;
        }
        let all = ledger.builds();
        let mut builds: Vec<&Build> =
            all.values().filter(|build| build.job.script == promise.job.script).collect();
        builds.sort_by_key(|build| build.received);
        match builds.last() {
            Some(last) if last.fate == Fate::Running => {
                // Ahead of it can only be what other workers were running.
                assert!(
                    position.is_some_and(|at| at < workers),
                    "job {name} was running and is at {position:?}"
                );
            }
            Some(last) if last.received > promise.queued => match last.fate {
                Fate::Lost if self.losses(&promise.job.script) < LOSSES => {
                    assert!(position.is_some(), "job {name} was lost and is not queued again");
                }
                Fate::Stored if promise.is_queued_once && builds.len() == 1 => {
                    assert_eq!(position, None, "job {name} is stored and queued all the same");
                }
                _ => {}
            },
            _ => assert!(position.is_some(), "job {name} was queued, nobody got it, and it is not queued"),
        }
    }

    fn count(&self, script: &Text, counts: impl Fn(&BuildResult) -> bool) -> usize {
        self.results.values().filter(|seen| seen.script == *script && counts(&seen.result)).count()
    }

    fn losses(&self, script: &Text) -> usize {
        let is_loss = |result: &BuildResult| match result {
            BuildResult::Message(text) => text.to_string().starts_with("worker lost"),
            _ => false,
        };
        self.count(script, is_loss)
    }
}

/// The names in each queue; every one is there once.
fn queues(info: &InfoReply) -> BTreeMap<Text, Vec<Text>> {
    let mut queues = BTreeMap::new();
    for queue in &info.queues {
        let names: Vec<Text> = queue.jobs.iter().map(|job| job.name().clone()).collect();
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            names.len(),
            "a job is queued twice: {names:?}"
        );
        for job in &queue.jobs {
            assert!(info.schedule.iter().any(|item| item.job == *job), "{job:?} is queued, not scheduled");
        }
        assert!(queues.insert(queue.platform.clone(), names).is_none());
    }
    queues
}

fn read_result(directory: &Path, name: &str, uuid: Uuid, ledger: &Ledger) -> Seen {
    let files = || fs::read_dir(directory).unwrap().map(|file| file.unwrap().file_name()).collect::<Vec<_>>();
    // The server that runs may be between making the directory and putting the result there.
    wait_for("a result in its directory", || !files().is_empty());
    assert_eq!(files(), ["full"], "{}", directory.display());
    let bytes = fs::read(directory.join("full")).unwrap();
    let stored = Execution::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
    assert_eq!((stored.uuid, stored.job.name.to_string().as_str()), (uuid, name));
    assert_eq!(stored.printed().len() < stored.console.len(), stored.result.last_line().is_some());
    let lines: Vec<String> = stored.printed().iter().map(|line| line.line.to_string()).collect();
    match (ledger.builds().get(&uuid), &stored.result) {
        (Some(build), BuildResult::Exited(0)) => {
            assert!(matches!(build.fate, Fate::Sent | Fate::Stored | Fate::Settled), "{build:?}");
            assert_eq!((&build.job, &build.lines, &build.artifacts), (&stored.job, &lines, &stored.output));
        }
        (Some(build), BuildResult::Message(_)) => {
            assert_ne!(build.fate, Fate::Stored, "{build:?}");
            assert!(build.lines.starts_with(&lines), "{lines:?} is no part of {build:?}");
        }
        (None, BuildResult::Exited(0)) => {
            assert_eq!(stored.job.platform, "real".into(), "nobody sent this result");
            assert!(
                stored.job.script.as_str().unwrap().contains(&format!("echo {}\n", lines[0])),
                "{lines:?}"
            );
            assert_eq!((lines.len(), stored.output.len()), (1, 1));
            assert_eq!(stored.output[0].path, "artifact".into());
        }
        // It was lost before its worker knew of it, or its worker is a real one.
        (None, BuildResult::Message(_)) => {}
        (_, other) => panic!("{}: {other}", directory.display()),
    }
    Seen { script: stored.job.script, result: stored.result }
}
