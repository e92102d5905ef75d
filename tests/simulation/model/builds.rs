//! What was handed to workers, what they sent, and what has to be stored of it.

use super::build::{Build, check_unseen};
use super::observation::Observation;
use super::places::Place;
use super::retention::Retention;
use builder_engine::server::PendingResult;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_tests::world::{Disk, PRIVATE, ROOT, result_path};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// All builds that left the server, and all results that were found.
#[derive(Debug, Default)]
pub(super) struct Builds {
    builds: BTreeMap<Uuid, Build>,
    /// In the order in which they were handed out.
    order: Vec<Uuid>,
    results: BTreeMap<Uuid, Stored>,
    /// What the upload server has.
    uploaded: BTreeMap<Uuid, Vec<u8>>,
    pub(super) retention: Retention,
}

/// A stored result.
#[derive(Debug)]
struct Stored {
    name: Text,
    place: Place,
    started: Time,
    failed: bool,
    contents: Vec<u8>,
    /// Whether the job need not run again.
    is_final: bool,
    found: Duration,
    /// Whether it has to stay as it is.
    settled: bool,
}

impl Builds {
    /// A build was handed out, whose job may say how long it may take, or does not.
    pub(super) fn hand_out(
        &mut self,
        time: Duration,
        uuid: Uuid,
        job: ScriptJob,
        may_have_limit: bool,
    ) -> Result<(), String> {
        if self.results.contains_key(&uuid) {
            return Err(format!("build {uuid} was handed out after its result was stored"));
        }
        self.order.push(uuid);
        match self.builds.insert(uuid, Build::new(time, job, may_have_limit)) {
            None => Ok(()),
            Some(_) => Err(format!("build {uuid} was handed out twice")),
        }
    }

    pub(super) fn get(&mut self, uuid: Uuid) -> Option<&mut Build> {
        self.builds.get_mut(&uuid)
    }

    pub(super) fn server_crashed(&mut self) {
        self.builds.values_mut().for_each(Build::server_crashed);
    }

    /// Builds that somebody could ask for, the latest last.
    pub(super) fn uuids(&self) -> &[Uuid] {
        &self.order
    }

    /// Whether a build that was handed out since then has a result with which the job is done.
    pub(super) fn has_run(&self, name: &Text, place: &Place, since: Duration) -> bool {
        let has_run = self.results.iter().any(|(uuid, result)| {
            let handed_out = self.builds.get(uuid).map_or(result.found, Build::handed_out);
            result.is_final && result.name == *name && result.place == *place && handed_out >= since
        });
        has_run || self.retention.may_have_run(name, place, since)
    }

    /// Looks at every result on the disk of a server that was just recovered, and at those that only its log holds.
    pub(super) fn check_results(
        &mut self,
        time: Duration,
        disk: &Disk,
        pending: &[PendingResult],
        observed: &Observation,
    ) -> Result<(), String> {
        let mut present = BTreeSet::new();
        for result in pending {
            present.insert(result.uuid);
            self.check_result(time, &result.name, result.uuid, &result.contents.0)?;
        }
        for job in disk.list(ROOT).iter().filter(|name| *name != PRIVATE) {
            let name = Text::from(job.as_str());
            for directory in disk.list(job) {
                let uuid =
                    Uuid::parse_str(&directory).map_err(|_| format!("{job}/{directory} is no build"))?;
                if present.contains(&uuid) {
                    continue;
                }
                let Some(contents) = disk.read(&result_path(&name, uuid)) else { continue };
                present.insert(uuid);
                self.check_result(time, &name, uuid, contents)?;
            }
        }
        let is_gone = |uuid: &Uuid, result: &Stored| {
            result.settled && !present.contains(uuid) && self.uploaded.get(uuid) != Some(&result.contents)
        };
        for (uuid, result) in self.results.iter().filter(|(uuid, result)| is_gone(uuid, result)) {
            self.check_gone(*uuid, result)?;
        }
        for (uuid, result) in self.results.iter_mut().filter(|(uuid, _)| present.contains(uuid)) {
            result.settled = !observed.running.contains_key(uuid) && !observed.unstored.contains_key(uuid);
        }
        for (uuid, build) in &self.builds {
            let known = observed.running.contains_key(uuid) || observed.unstored.contains_key(uuid);
            let kept = present.contains(uuid) || self.uploaded.contains_key(uuid);
            let is_lost = build.is_acknowledged() || !known;
            if !kept && is_lost && !self.retention.may_be_gone(*uuid) {
                return Err(format!("build {uuid} of job {} has left no trace", build.job().name));
            }
        }
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.builds.len()
    }

    /// Whether a worker heard of it.
    pub(super) fn was_handed_out(&self, uuid: Uuid) -> bool {
        self.builds.contains_key(&uuid)
    }

    /// Builds whose results are in their places for good, or were.
    pub(super) fn settled(&self) -> impl Iterator<Item = Uuid> + '_ {
        self.results.iter().filter(|(_, result)| result.settled).map(|(uuid, _)| *uuid)
    }

    /// The result of a build, if one was found.
    pub(super) fn result(&self, uuid: Uuid) -> Option<Execution> {
        Execution::decode(&self.results.get(&uuid)?.contents).ok()
    }

    pub(super) fn results(&self) -> usize {
        self.results.len()
    }

    pub(super) fn uploads(&self) -> usize {
        self.uploaded.len()
    }

    /// Takes note of what the upload server has; it keeps what it got first.
    pub(super) fn uploaded(&mut self, time: Duration, uuid: Uuid, bytes: Vec<u8>) -> Result<(), String> {
        let stored = Execution::decode(&bytes)
            .map_err(|error| format!("the upload of build {uuid} is broken: {error}"))?;
        self.check_result(time, &stored.job.name, uuid, &bytes)?;
        match self.uploaded.get(&uuid) {
            Some(first) if *first != bytes => Err(format!("build {uuid} was uploaded twice, and not alike")),
            _ => {
                self.uploaded.insert(uuid, bytes);
                Ok(())
            }
        }
    }

    /// A result may be gone when its job keeps so many and there are newer ones, among them one that ended as well or as badly.
    fn check_gone(&self, uuid: Uuid, gone: &Stored) -> Result<(), String> {
        let Some(fewest) = self.retention.fewest(&gone.name) else {
            return Err(format!("the result of build {uuid} of job {} is gone", gone.name));
        };
        let newer = |(other, result): &(&Uuid, &Stored)| {
            (result.started, **other) > (gone.started, uuid)
                && result.name == gone.name
                && result.place.platform == gone.place.platform
        };
        let newer: Vec<&Stored> = self.results.iter().filter(newer).map(|(_, result)| result).collect();
        let is_newest = newer.iter().all(|result| result.failed != gone.failed);
        match is_newest || (newer.len() as u64) < fewest {
            true => Err(format!(
                "the result of build {uuid} of job {} is gone, although only {} of {fewest} are newer (newest of its kind: {is_newest})",
                gone.name,
                newer.len()
            )),
            false => Ok(()),
        }
    }

    fn check_result(
        &mut self,
        time: Duration,
        name: &Text,
        uuid: Uuid,
        contents: &[u8],
    ) -> Result<(), String> {
        match self.results.get(&uuid) {
            Some(known) if known.contents == contents => return Ok(()),
            Some(known) if known.settled => {
                return Err(format!("the stored result of build {uuid} of job {name} has changed"));
            }
            _ => {}
        }
        let stored = Execution::decode(contents)
            .map_err(|error| format!("the stored result of build {uuid} of job {name} is broken: {error}"))?;
        if stored.uuid != uuid || stored.job.name != *name || stored.finished < stored.started {
            return Err(format!(
                "the stored result of build {uuid} of job {name} is that of another: {stored:?}"
            ));
        }
        let is_final = match self.builds.get(&uuid) {
            Some(build) => build.check(&stored),
            None => check_unseen(&stored),
        };
        let is_final = is_final.map_err(|problem| format!("the stored result of build {uuid}: {problem}"))?;
        let place = Place::of_script(&stored.job);
        let result = Stored {
            name: name.clone(),
            place,
            started: stored.started,
            failed: stored.result != BuildResult::Exited(0),
            contents: contents.to_vec(),
            is_final,
            found: time,
            settled: false,
        };
        self.results.insert(uuid, result);
        Ok(())
    }
}
