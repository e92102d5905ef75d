//! Overviews: each is put together piece by piece while the world goes on, and says nothing that was wrong all the time.

use super::jobs::Jobs;
use super::pauses::Pauses;
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Build;
use builder_proto::overview::{JobStatus, PlatformStatus, QueueStatus, Reason, ServerStatus};
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// What was recorded of builds, in numbers that grow.
#[derive(Debug, Default)]
pub(super) struct Recorded {
    count: u64,
    started: BTreeMap<Uuid, u64>,
    /// Builds that the history has. Until then a build counts as one that runs, as nobody may have heard how it ended.
    remembered: BTreeMap<Uuid, u64>,
}

impl Recorded {
    pub(super) fn record(&mut self, record: &Record) {
        self.count += 1;
        match record {
            Record::Started(started) => drop(self.started.insert(started.uuid.0, self.count)),
            Record::Finished(finished) => drop(self.started.remove(&finished.uuid.0)),
            Record::Aborted(aborted) => drop(self.started.remove(&aborted.uuid.0)),
            Record::Remembered(remembered) => {
                self.remembered.extend(remembered.uuids.iter().map(|uuid| (uuid.0, self.count)));
            }
            _ => {}
        }
    }

    /// Nothing runs any more. Whoever has asked for an overview may be told one by the next server.
    pub(super) fn server_crashed(&mut self) {
        self.started.clear();
        self.remembered.clear();
    }
}

/// An overview on its way.
#[derive(Debug)]
pub(super) struct Survey {
    /// How many records there were when it was asked for, and how many changes of jobs and of pauses.
    records: u64,
    jobs_clock: u64,
    pauses_clock: u64,
    stage: Stage,
    platforms: Vec<Text>,
    builds: BTreeSet<Uuid>,
    jobs: Vec<JobStatus>,
}

/// What came last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Nothing,
    Server,
    Platforms,
    Queues,
    Builds,
    Jobs,
    Success,
}

/// What an overview is held against.
pub(super) struct Known<'a> {
    pub(super) recorded: &'a Recorded,
    pub(super) jobs: &'a Jobs,
    pub(super) pauses: &'a Pauses,
}

impl Survey {
    pub(super) fn new(known: &Known<'_>) -> Survey {
        Survey {
            records: known.recorded.count,
            jobs_clock: known.jobs.clock(),
            pauses_clock: known.pauses.clock(),
            stage: Stage::Nothing,
            platforms: Vec::new(),
            builds: BTreeSet::new(),
            jobs: Vec::new(),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.stage == Stage::Success
    }

    /// Takes in a message.
    pub(super) fn hear(&mut self, message: Command, known: &Known<'_>) -> Result<(), String> {
        match message {
            Command::ServerStatus(status) => self.server(&status, known),
            Command::PlatformStatus(status) => self.platform(status, known),
            Command::QueueStatus(status) => self.queue(&status, known),
            Command::Build(build) => self.build(&build, known),
            Command::JobStatus(status) => self.job(status),
            Command::Success => self.success(known),
            other => Err(format!("{} in an overview", other.name())),
        }
    }

    fn go_on(&mut self, stage: Stage) -> Result<(), String> {
        let is_first = self.stage == Stage::Nothing;
        if is_first != (stage == Stage::Server) || self.stage > stage || self.is_over() {
            return Err(format!("{stage:?} after {:?} in an overview", self.stage));
        }
        self.stage = stage;
        Ok(())
    }

    /// Whether a place has been paused all the time, or has not, if that is known.
    fn is_paused(&self, platform: Option<&Text>, known: &Known<'_>) -> Option<bool> {
        known.pauses.known_since(platform, self.pauses_clock)
    }

    fn server(&mut self, status: &ServerStatus, known: &Known<'_>) -> Result<(), String> {
        self.go_on(Stage::Server)?;
        agree("draining", status.is_draining, self.is_paused(None, known))
    }

    fn platform(&mut self, status: PlatformStatus, known: &Known<'_>) -> Result<(), String> {
        self.go_on(Stage::Platforms)?;
        if self.platforms.last().is_some_and(|last| *last >= status.platform) {
            return Err(format!("an overview has {:?}, and then {}", self.platforms, status.platform));
        }
        agree("paused", status.is_paused, self.is_paused(Some(&status.platform), known))?;
        agree("dropped", status.is_dropped, known.jobs.is_dropped(&status.platform, self.jobs_clock))?;
        self.platforms.push(status.platform);
        Ok(())
    }

    fn queue(&mut self, status: &QueueStatus, known: &Known<'_>) -> Result<(), String> {
        self.go_on(Stage::Queues)?;
        let QueueStatus { platform, job, reason, .. } = status;
        if let Some(None) = known.jobs.entry_since(job, self.jobs_clock) {
            return Err(format!(
                "an overview has job {job} in the queue of {platform}, but it is not scheduled"
            ));
        }
        let (drains, pauses) = (self.is_paused(None, known), self.is_paused(Some(platform), known));
        let is_wrong = match reason {
            Reason::NoTemplate(_) => false,
            Reason::Draining(_) => drains == Some(false),
            Reason::Paused(_) => pauses == Some(false),
            _ => drains == Some(true) || pauses == Some(true),
        };
        match is_wrong {
            true => Err(format!("job {job} waits: {reason}, but draining: {drains:?}, paused: {pauses:?}")),
            false => Ok(()),
        }
    }

    fn build(&mut self, build: &Build, known: &Known<'_>) -> Result<(), String> {
        self.go_on(Stage::Builds)?;
        let uuid = build.uuid();
        if build.end.is_some() || !self.builds.insert(uuid) {
            return Err(format!("an overview has {build:?}, which has ended, or is there twice"));
        }
        match known.recorded.remembered.get(&uuid).is_some_and(|since| *since <= self.records) {
            true => Err(format!("an overview has build {uuid}, which had ended before")),
            false => Ok(()),
        }
    }

    fn job(&mut self, status: JobStatus) -> Result<(), String> {
        self.go_on(Stage::Jobs)?;
        let is_before = |last: &JobStatus| last.job > status.job;
        let is_same = |other: &JobStatus| (&other.job, &other.platform) == (&status.job, &status.platform);
        match self.jobs.last().is_some_and(is_before) || self.jobs.iter().any(is_same) {
            true => Err(format!("an overview has {status:?} twice, or behind one that comes later")),
            false => {
                self.jobs.push(status);
                Ok(())
            }
        }
    }

    fn success(&mut self, known: &Known<'_>) -> Result<(), String> {
        self.go_on(Stage::Success)?;
        let mut running = known.recorded.started.iter().filter(|(_, started)| **started <= self.records);
        if let Some((uuid, _)) = running.find(|(uuid, _)| !self.builds.contains(uuid)) {
            return Err(format!("build {uuid} runs, but an overview does not have it"));
        }
        for name in known.jobs.names() {
            let Some(entry) = known.jobs.entry_since(name, self.jobs_clock) else { continue };
            let found: Vec<&JobStatus> = self.jobs.iter().filter(|status| status.job == *name).collect();
            let agrees = |status: &JobStatus| {
                entry.is_some_and(|entry| {
                    status.period == entry.period && status.settings.unwrap_or_default() == entry.settings
                })
            };
            if entry.is_some() == found.is_empty() || !found.iter().all(|status| agrees(status)) {
                return Err(format!("an overview has {found:?} of job {name}, which is {entry:?}"));
            }
        }
        Ok(())
    }
}

fn agree(what: &str, said: bool, known: Option<bool>) -> Result<(), String> {
    match known.is_none_or(|known| known == said) {
        true => Ok(()),
        false => Err(format!("an overview says {what}: {said}, contrary to what was answered")),
    }
}
