//! What has to be remembered of builds.

use super::builds::Builds;
use super::observation::Observation;
use builder_engine::history::{Entry, words};
use builder_engine::log::{Event, LogReader};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::Execution;
use builder_proto::history::Build;
use std::collections::BTreeSet;

/// Bytes of the words of a result that the history keeps.
const WORDS: usize = 1000;

/// What the history may lack.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Builds that were known when the file was damaged. They count again when the stored results have been looked at.
    forgotten: BTreeSet<Uuid>,
    /// Whether there is more that counts again then: builds of which no worker heard.
    lacks_unseen: bool,
}

impl History {
    pub(super) fn damaged(&mut self, builds: &Builds) {
        self.forgotten.extend(builds.uuids());
        self.lacks_unseen = true;
    }

    /// All stored results have been looked at.
    pub(super) fn searched(&mut self) {
        self.forgotten.clear();
        self.lacks_unseen = false;
    }

    pub(super) fn check(
        &self,
        remembered: &[Uuid],
        builds: &Builds,
        observed: &Observation,
    ) -> Result<(), String> {
        let known: BTreeSet<Uuid> = remembered.iter().copied().collect();
        if known.len() != remembered.len() {
            return Err("the history has a build twice".to_owned());
        }
        let may_lack = |uuid: &Uuid| {
            self.forgotten.contains(uuid) || (self.lacks_unseen && !builds.was_handed_out(*uuid))
        };
        let lacking = builds.settled().find(|uuid| !known.contains(uuid) && !may_lack(uuid));
        if let Some(uuid) = lacking {
            return Err(format!("the history does not have build {uuid}, whose result is stored"));
        }
        match observed.running.keys().find(|uuid| known.contains(uuid)) {
            Some(uuid) => Err(format!("the history has build {uuid}, which runs")),
            None => Ok(()),
        }
    }
}

/// Looks at the file itself, when nothing is left to do.
pub(super) fn check_file(bytes: &[u8], remembered: &[Uuid], builds: &Builds) -> Result<(), String> {
    let (mut reader, mut found) = (LogReader::new(), BTreeSet::new());
    reader.push(bytes);
    loop {
        let payload = match reader.poll() {
            Event::NeedInput => {
                reader.finish();
                continue;
            }
            Event::Frame { payload, .. } => payload,
            Event::Damage(damage) => return Err(format!("the history is still damaged: {damage:?}")),
            Event::End(_) => break,
        };
        let entry =
            Entry::decode(payload).map_err(|error| format!("the history says what is no entry: {error}"))?;
        let Entry::Build(entry) = entry else { continue };
        let uuid = entry.build.uuid();
        if !found.insert(uuid) {
            return Err(format!("the file of the history has build {uuid} twice"));
        }
        if let Some(stored) = builds.result(uuid) {
            check_build(&entry.build, &stored)
                .map_err(|problem| format!("the history says of build {uuid}: {problem}"))?;
        }
    }
    match found.iter().copied().eq(remembered.iter().copied()) {
        true => Ok(()),
        false => Err(format!("the file of the history has {} builds of {}", found.len(), remembered.len())),
    }
}

/// The words that are remembered of the end of a build, or told, are those of its result.
pub(super) fn check_words(words: &str, stored: &Execution) -> Result<(), String> {
    let said = stored.result.to_string();
    let said = said.strip_prefix("execution aborted: ").unwrap_or(&said);
    // A result that is put together by the next server says so behind its reason.
    let added = said.strip_prefix(words).is_some_and(|rest| rest.starts_with("; the server stopped"));
    match said.get(..WORDS).unwrap_or(said) == words || added {
        true => Ok(()),
        false => Err(format!("{words} instead of {said}")),
    }
}

/// A build is remembered as its result says.
pub(super) fn check_build(build: &Build, stored: &Execution) -> Result<(), String> {
    let Some(end) = &build.end else { return Err("it has not ended".to_owned()) };
    if (&build.job, &build.platform, build.started)
        != (&stored.job.name, &stored.job.platform, stored.started)
    {
        return Err(format!("it is another one: {build:?}"));
    }
    check_words(&words(&end.cause).to_string(), stored)?;
    let bytes: usize = stored.output.iter().map(|file| file.data.as_bytes().len()).sum();
    let artifacts = (stored.output.len() as u64, bytes as u64);
    if (end.artifacts, end.artifact_bytes) != artifacts {
        return Err(format!(
            "{} artifacts of {} bytes instead of {artifacts:?}",
            end.artifacts, end.artifact_bytes
        ));
    }
    // What is counted was received. If the result is not the worker's own, what is left of that is stored.
    if matches!(stored.result, BuildResult::Message(_)) {
        return Ok(());
    }
    match end.console_lines == stored.printed().len() as u64 {
        true => Ok(()),
        false => Err(format!("{} lines instead of {}", end.console_lines, stored.printed().len())),
    }
}
