//! What a server knows, as told by the records of a snapshot.

use super::build::is_queued_again;
use super::places::Place;
use builder_engine::server::State;
use builder_engine::server::record::Record;
use builder_proto::Uuid;
use builder_proto::job::ScheduleItem;
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};

/// The state of a server in values that the model understands.
#[derive(Debug, Default)]
pub(crate) struct Observation {
    pub(super) schedule: BTreeMap<Text, ScheduleItem>,
    /// Jobs that wait, and where.
    pub(super) queued: Vec<(Text, Place)>,
    /// What runs, and where.
    pub(super) running: BTreeMap<Uuid, (Text, Place)>,
    /// What ended, but has no result in its place yet: the job, where it ran, and why it ended.
    pub(super) unstored: BTreeMap<Uuid, (Text, Place, Text)>,
    /// The settings of jobs that have some.
    pub(super) settings: BTreeMap<Text, JobSettings>,
    pub(super) dropped: BTreeSet<Text>,
    /// Paused platforms, and none if all of them are.
    pub(super) paused: BTreeSet<Option<Text>>,
    /// What is to be uploaded, or was and is to be removed.
    pub(super) outbox: BTreeSet<Uuid>,
    /// Of what a program is still to be told.
    pub(super) notices: BTreeSet<Uuid>,
}

impl Observation {
    pub(crate) fn new(state: &State) -> Observation {
        let mut observed = Observation::default();
        for record in state.snapshot() {
            match record {
                Record::Scheduled(item) | Record::ScheduledOnGrid(item) => {
                    observed.schedule.insert(item.job.name().clone(), item);
                }
                Record::Configured(configured) => {
                    let name = configured.item.job.name().clone();
                    observed.settings.insert(name.clone(), configured.settings);
                    observed.schedule.insert(name, configured.item);
                }
                Record::Enqueued(entry) => {
                    let place = Place::new(&entry.platform, &entry.environment.unwrap_or_default());
                    observed.queued.push((entry.name, place));
                }
                Record::Started(started) => {
                    let place = Place::new(&started.platform, &started.environment.unwrap_or_default());
                    observed.running.insert(started.uuid.0, (started.name, place));
                }
                Record::Unstored(unstored) => {
                    let place = Place::of_script(&unstored.job);
                    let build = (unstored.job.name, place, unstored.reason);
                    observed.unstored.insert(unstored.uuid.0, build);
                }
                Record::UploadQueued(queued) => {
                    observed.outbox.insert(queued.uuid.0);
                }
                Record::NoticeQueued(queued) => {
                    observed.notices.insert(queued.build.uuid());
                }
                Record::Dropped(platform) => {
                    observed.dropped.insert(platform);
                }
                Record::Paused(pause) => {
                    observed.paused.insert(pause.platform);
                }
                _ => {}
            }
        }
        observed
    }

    /// The names of all jobs.
    pub(crate) fn names(&self) -> BTreeSet<&Text> {
        self.schedule.keys().collect()
    }

    /// Whether nothing waits, runs, or is still to be stored or told.
    pub(crate) fn is_idle(&self) -> bool {
        self.running.is_empty()
            && self.unstored.is_empty()
            && self.outbox.is_empty()
            && self.notices.is_empty()
            && self.queued.is_empty()
    }

    pub(super) fn is_queued(&self, place: &Place, name: &Text) -> bool {
        self.queued.iter().any(|(queued, at)| at == place && queued == name)
    }

    pub(super) fn is_running(&self, place: &Place, name: &Text) -> bool {
        self.running.values().any(|(running, at)| at == place && running == name)
    }

    /// Whether a build of the job ended for good, while its result is not in its place yet.
    pub(super) fn is_over(&self, place: &Place, name: &Text) -> bool {
        self.unstored
            .values()
            .any(|(ended, at, reason)| at == place && ended == name && !is_queued_again(&reason.to_string()))
    }

    /// A job that stands in a queue twice, to run in the same environment.
    pub(super) fn queued_twice(&self) -> Option<&Text> {
        let mut seen = BTreeSet::new();
        self.queued.iter().find(|place| !seen.insert(*place)).map(|(name, _)| name)
    }
}
