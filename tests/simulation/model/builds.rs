//! What was handed to workers, what they sent, and what has to be stored of it.

use super::observation::Observation;
use super::places::Place;
use super::retention::Retention;
use builder_engine::server::PendingResult;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::job::{File, ScriptJob};
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

/// A build as the network saw it.
#[derive(Debug)]
pub(super) struct Build {
    job: ScriptJob,
    handed_out: Duration,
    /// Lines that the worker sent, each with the place in the stream where its message ends.
    lines: Vec<(Text, usize)>,
    /// The result that the worker sent.
    finished: Option<(BuildResult, Vec<File>)>,
    /// Whether a byte came from the worker.
    heard: bool,
    /// Whether its job may say how long it may take. Then that counts, whatever the worker does.
    may_have_limit: bool,
    /// Whether the worker said what no worker says.
    broken: bool,
    /// Bytes that the server had read when the connection ended; none while it stands.
    read_at_end: Option<usize>,
    /// Whether the server crashed after it had handed out the build.
    crashed: bool,
    /// Whether somebody was told that it is cancelled.
    cancelled: bool,
    /// Whether the server closed the connection to say that the result is stored.
    acknowledged: bool,
    /// What observers were told last, and after how many lines.
    closings: Vec<(Text, usize)>,
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
        let build = Build {
            job,
            handed_out: time,
            lines: Vec::new(),
            finished: None,
            heard: false,
            may_have_limit,
            broken: false,
            read_at_end: None,
            crashed: false,
            cancelled: false,
            acknowledged: false,
            closings: Vec::new(),
        };
        self.order.push(uuid);
        match self.builds.insert(uuid, build) {
            None => Ok(()),
            Some(_) => Err(format!("build {uuid} was handed out twice")),
        }
    }

    pub(super) fn get(&mut self, uuid: Uuid) -> Option<&mut Build> {
        self.builds.get_mut(&uuid)
    }

    pub(super) fn server_crashed(&mut self) {
        for build in self.builds.values_mut().filter(|build| build.read_at_end.is_none()) {
            build.crashed = true;
        }
    }

    /// Builds that somebody could ask for, the latest last.
    pub(super) fn uuids(&self) -> &[Uuid] {
        &self.order
    }

    /// Whether a build that was handed out since then has a result with which the job is done.
    pub(super) fn has_run(&self, name: &Text, place: &Place, since: Duration) -> bool {
        let has_run = self.results.iter().any(|(uuid, result)| {
            let handed_out = self.builds.get(uuid).map_or(result.found, |build| build.handed_out);
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
            let is_lost = build.acknowledged || !known;
            if !kept && is_lost && !self.retention.may_be_gone(*uuid) {
                return Err(format!("build {uuid} of job {} has left no trace", build.job.name));
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

impl Build {
    pub(super) fn printed(&mut self, line: Text, end: usize) {
        if !self.broken && self.finished.is_none() {
            self.lines.push((line, end));
        }
    }

    /// The server has read something that the worker said.
    pub(super) fn hear(&mut self) {
        self.heard = true;
    }

    pub(super) fn finish(&mut self, result: BuildResult, output: Vec<File>) {
        if !self.broken && self.finished.is_none() {
            self.finished = Some((result, output));
        }
    }

    pub(super) fn break_off(&mut self) {
        if self.finished.is_none() {
            self.broken = true;
        }
    }

    pub(super) fn connection_over(&mut self, read: usize) {
        self.read_at_end.get_or_insert(read);
    }

    /// Somebody was told that it is cancelled.
    pub(super) fn cancel(&mut self) {
        self.cancelled = true;
    }

    /// The server ended the conversation in order.
    pub(super) fn acknowledge(&mut self) -> Result<(), String> {
        if self.finished.is_none() {
            return Err("a worker was dismissed before it had sent its result".to_owned());
        }
        self.acknowledged = true;
        Ok(())
    }

    pub(super) fn observed_line(&self, number: usize, line: &Text) -> Result<(), String> {
        match self.lines.get(number) {
            Some((printed, _)) if printed == line => Ok(()),
            printed => Err(format!("an observer was sent {line} as line {number} instead of {printed:?}")),
        }
    }

    pub(super) fn observed_closing(&mut self, words: Text, lines: usize) {
        self.closings.push((words, lines));
    }

    /// Says whether the job is done with this result.
    fn check(&self, stored: &Execution) -> Result<bool, String> {
        if stored.job != self.job {
            return Err(format!("it ran {:?}, but was handed out as {:?}", stored.job, self.job));
        }
        if stored.result.last_line().is_some() && stored.printed().len() == stored.console.len() {
            return Err("its console does not say how it ended".to_owned());
        }
        if self.cancelled && !stored.result.to_string().contains(CANCELLED) {
            return Err(format!(
                "it says {}, although somebody was told that it is cancelled",
                stored.result
            ));
        }
        let printed = self.lines.iter().map(|(line, _)| line);
        let lines = stored.printed().iter().map(|line| &line.line);
        self.check_closings(stored)?;
        if let Some((result, output)) = &self.finished
            && (stored.result == *result && stored.output == *output)
        {
            return match lines.eq(printed) {
                true => Ok(true),
                false => Err(format!(
                    "it is complete except for its console: {} lines of {}",
                    stored.printed().len(),
                    self.lines.len()
                )),
            };
        }
        if self.acknowledged {
            return Err(format!("it says {}, but the worker's result was acknowledged", stored.result));
        }
        if !stored.output.is_empty() {
            return Err("it has artifacts that the worker did not send like this".to_owned());
        }
        if !printed.take(stored.printed().len()).eq(lines) {
            return Err("its console is not what the worker printed".to_owned());
        }
        let reason = explanation(&stored.result)?;
        if reason.starts_with("timeout") && !self.heard && !self.may_have_limit {
            return Err("it says that the time was up, though not a byte had come from its worker".to_owned());
        }
        self.check_missing_lines(stored.printed().len(), &reason)?;
        Ok(!is_queued_again(&reason))
    }

    /// What observers were told in the end is what is stored. Only a crash can have cost lines since, which it says.
    fn check_closings(&self, stored: &Execution) -> Result<(), String> {
        let (result, lines) = (stored.result.to_string(), stored.printed().len());
        for (words, seen) in &self.closings {
            let words = words.to_string();
            let lost = lines <= *seen && result.starts_with(&words) && result.contains("the server stopped");
            if !lost && (words != result || lines != *seen) {
                return Err(format!(
                    "observers were told {words} after {seen} lines, but it has {result} after {lines}"
                ));
            }
        }
        Ok(())
    }

    /// Lines that the server had are only missing when the result says why that can be.
    fn check_missing_lines(&self, stored: usize, reason: &str) -> Result<(), String> {
        let explained = ["the server stopped", "the server could not"];
        if explained.iter().any(|words| reason.contains(words)) {
            return Ok(());
        }
        let silent = ["the peer closed the connection", "the connection failed"];
        let Some(read) = self.read_at_end.filter(|_| silent.iter().any(|words| reason.contains(words)))
        else {
            return Ok(());
        };
        let received = self.lines.iter().filter(|(_, end)| *end <= read).count();
        if stored == received {
            return Ok(());
        }
        Err(format!(
            "it has {stored} of the {received} lines that had been received (crashed: {}), and says nothing but: {reason}",
            self.crashed
        ))
    }
}

/// A build whose worker never heard of it was aborted with nothing on its console.
fn check_unseen(stored: &Execution) -> Result<bool, String> {
    if !stored.printed().is_empty() || !stored.output.is_empty() {
        return Err("it holds something that no worker sent".to_owned());
    }
    Ok(!is_queued_again(&explanation(&stored.result)?))
}

/// How results of builds begin that somebody cancelled.
const CANCELLED: &str = "cancelled by ";

/// The words in which the server says why there is no more.
fn explanation(result: &BuildResult) -> Result<String, String> {
    let BuildResult::Message(reason) = result else {
        return Err(format!("it says {result}, which the worker did not say, or not with this"));
    };
    let reason = reason.to_string();
    let words = [
        "worker lost",
        "the server stopped",
        "the server could not",
        "timeout",
        "silence",
        "exceeds the limit",
        "the artifacts were not kept",
        CANCELLED,
    ];
    match words.iter().any(|words| reason.contains(words)) {
        true => Ok(reason),
        false => Err(format!("it gives no reason known to the model: {reason}")),
    }
}

/// Whether a result says that its job runs again.
pub(super) fn is_queued_again(reason: &str) -> bool {
    reason.contains("was queued again")
}
