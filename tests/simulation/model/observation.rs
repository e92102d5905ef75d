//! What a server knows, as told by the records of a snapshot.

use super::builds::is_queued_again;
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
    pub(super) queues: BTreeMap<Text, Vec<Text>>,
    /// Platform and name of what runs.
    pub(super) running: BTreeMap<Uuid, (Text, Text)>,
    /// Platform, name and explanation of what ended, but has no result in its place yet.
    pub(super) unstored: BTreeMap<Uuid, (Text, Text, Text)>,
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
                Record::PlatformAdded(platform) => {
                    observed.queues.entry(platform).or_default();
                }
                Record::Enqueued(entry) => {
                    observed.queues.entry(entry.platform).or_default().push(entry.name);
                }
                Record::Started(started) => {
                    observed.running.insert(started.uuid.0, (started.platform, started.name));
                }
                Record::Unstored(unstored) => {
                    let build = (unstored.job.platform, unstored.job.name, unstored.reason);
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
            && self.queues.values().all(Vec::is_empty)
    }

    pub(super) fn is_queued(&self, platform: &Text, name: &Text) -> bool {
        self.queues.get(platform).is_some_and(|queue| queue.contains(name))
    }

    pub(super) fn is_running(&self, platform: &Text, name: &Text) -> bool {
        self.running.values().any(|(on, running)| on == platform && running == name)
    }

    /// Whether a build of the job ended for good, while its result is not in its place yet.
    pub(super) fn is_over(&self, platform: &Text, name: &Text) -> bool {
        self.unstored.values().any(|(on, ended, reason)| {
            on == platform && ended == name && !is_queued_again(&reason.to_string())
        })
    }

    /// A job that stands in a queue twice.
    pub(super) fn queued_twice(&self) -> Option<&Text> {
        self.queues.values().find_map(|queue| {
            let mut seen = BTreeSet::new();
            queue.iter().find(|name| !seen.insert(*name))
        })
    }
}
