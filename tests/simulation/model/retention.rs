//! Which results may be gone, as their jobs do not keep all of them.

use super::places::Place;
use builder_engine::server::record::{Aborted, Record, Requeue};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Jobs that do not keep everything, or did not once, and their builds.
#[derive(Debug, Default)]
pub(super) struct Retention {
    /// The fewest results that each such job was ever to keep on each platform.
    fewest: BTreeMap<Text, u64>,
    /// All builds that were recorded.
    started: BTreeMap<Uuid, Started>,
    /// Builds whose result was recorded to be stored.
    finished: BTreeSet<Uuid>,
    /// Builds whose job runs again.
    again: BTreeSet<Uuid>,
}

#[derive(Debug)]
struct Started {
    time: Duration,
    name: Text,
    place: Place,
}

impl Retention {
    /// Takes note of a command that is about to be given.
    pub(super) fn begin(&mut self, command: &Command) {
        let (name, settings) = match command {
            Command::Enter { job, settings, .. } => (&job.name, settings),
            Command::EnterOrbBuild { job, settings, .. } => (&job.name, settings),
            _ => return,
        };
        if settings.keep_builds.is_some() || settings.keep_seconds.is_some() {
            let fewest = self.fewest.entry(name.clone()).or_insert(u64::MAX);
            *fewest = settings.keep_builds.unwrap_or(1).min(*fewest);
        }
    }

    pub(super) fn recorded(&mut self, time: Duration, record: &Record) {
        match record {
            Record::Started(started) => {
                let place = Place::new(&started.platform, started.environment.as_deref().unwrap_or_default());
                let name = started.name.clone();
                self.started.insert(started.uuid.0, Started { time, name, place });
            }
            Record::Finished(finished) => drop(self.finished.insert(finished.uuid.0)),
            Record::Aborted(Aborted { requeue: Requeue::No, .. }) => {}
            Record::Aborted(aborted) => drop(self.again.insert(aborted.uuid.0)),
            _ => {}
        }
    }

    /// How many newer results there have to be of a job for one to be gone; none if all are kept.
    pub(super) fn fewest(&self, name: &Text) -> Option<u64> {
        self.fewest.get(name).copied()
    }

    /// Whether the result of a build may have come and gone before anybody saw it.
    pub(super) fn may_be_gone(&self, uuid: Uuid) -> bool {
        let started = self.started.get(&uuid).filter(|_| self.finished.contains(&uuid));
        started.is_some_and(|started| self.fewest.contains_key(&started.name))
    }

    /// Whether such a build may be the one with which a job is done.
    pub(super) fn may_have_run(&self, name: &Text, place: &Place, since: Duration) -> bool {
        self.fewest.contains_key(name)
            && self.started.iter().any(|(uuid, started)| {
                let is_it = started.name == *name && started.place == *place && started.time >= since;
                is_it && self.finished.contains(uuid) && !self.again.contains(uuid)
            })
    }
}
