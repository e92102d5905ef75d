//! Of which builds a program was told.

use super::builds::Builds;
use super::history::check_words;
use super::observation::Observation;
use builder_proto::Uuid;
use std::collections::{BTreeMap, BTreeSet};

/// What programs were told, and what they have taken note of.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// How each build ended, as a program was told last.
    told: BTreeMap<Uuid, String>,
    taken: BTreeSet<Uuid>,
}

impl Notices {
    pub(super) fn begun(&mut self, uuid: Uuid, reason: &str) {
        self.told.insert(uuid, reason.to_owned());
    }

    pub(super) fn taken(&mut self, uuid: Uuid) {
        self.taken.insert(uuid);
    }

    pub(super) fn len(&self) -> usize {
        self.taken.len()
    }

    /// No server finds a build unfinished of which a program was told before.
    pub(super) fn check_finished(&self, observed: &Observation) -> Result<(), String> {
        let is_unfinished =
            |uuid: &&Uuid| observed.running.contains_key(uuid) || observed.unstored.contains_key(uuid);
        match self.told.keys().find(is_unfinished) {
            Some(uuid) => Err(format!("a program was told of build {uuid}, which has not finished")),
            None => Ok(()),
        }
    }

    /// Programs were told what the results say.
    pub(super) fn check_words(&self, builds: &Builds) -> Result<(), String> {
        for (uuid, reason) in &self.told {
            let Some(stored) = builds.result(*uuid) else {
                if builds.retention.may_be_gone(*uuid) {
                    continue;
                }
                return Err(format!("a program was told of build {uuid}, of which there is no result"));
            };
            // What the server says of itself has a word before it.
            let words = ["lost: ", "limit: ", "cannot run: "];
            let said = words.iter().find_map(|word| reason.strip_prefix(word)).unwrap_or(reason);
            check_words(said, &stored)
                .map_err(|problem| format!("a program was told of build {uuid}: {problem}"))?;
        }
        Ok(())
    }

    /// When nothing is left to do, programs have taken note of everything.
    pub(super) fn check_complete(&self, builds: &Builds) -> Result<(), String> {
        match builds.settled().find(|uuid| !self.taken.contains(uuid)) {
            Some(uuid) => Err(format!("no program has taken note of build {uuid}, which has finished")),
            None => Ok(()),
        }
    }
}
