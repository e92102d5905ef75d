//! The durable state of the server, and the only way to change it: [`State::apply`].

use crate::environment::Environment;
use crate::server::admission::runs_on;
use crate::server::inconsistency::Inconsistency;
use crate::server::notices::NoticeOutbox;
use crate::server::outbox::Outbox;
use crate::server::pauses::Pauses;
use crate::server::queue::Queue;
use crate::server::record::{
    Aborted, Dequeued, Enqueued, Finished, Losses, Record, Requeue, Started, Unstored, WrittenBack,
};
use crate::server::schedule::{Item, Schedule};
use crate::server::script::Script;
use crate::server::unremembered::Unremembered;
use builder_proto::Uuid;
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Everything that must survive a crash. The same in memory while the server runs and after its log is read.
#[derive(Clone, Debug, Default)]
pub struct State {
    pub(crate) schedule: Schedule,
    pub(crate) queues: BTreeMap<Text, Queue>,
    pub(crate) running: BTreeMap<Uuid, Running>,
    /// Builds that ended without their worker's result, until that result is stored.
    pub(crate) aborted: BTreeMap<Uuid, AbortedBuild>,
    pub(crate) dropped: BTreeSet<Text>,
    /// Results that wait for the upload server, or for their removal after it.
    pub(crate) outbox: Outbox,
    /// Builds of which a program is to be told.
    pub(crate) notices: NoticeOutbox,
    /// Losses in a row by platform and job; absent means none.
    pub(crate) losses: BTreeMap<(Text, Text), u32>,
    pub(crate) pauses: Pauses,
    /// What the file of the history does not have yet.
    pub(crate) unremembered: Unremembered,
}

/// A build that a worker has, or had when the server stopped.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    pub(crate) started: Time,
    pub(crate) platform: Text,
    pub(crate) script: Script,
    /// What it finds in its environment in addition. The script sets it already.
    pub(crate) environment: Environment,
    /// When its job entered the queue, if that is known.
    pub(crate) queued: Option<Time>,
    /// The address of its worker, if it has one.
    pub(crate) host: Option<Text>,
}

/// A build that ended without its worker's result.
#[derive(Clone, Debug)]
pub(crate) struct AbortedBuild {
    pub(crate) started: Time,
    pub(crate) finished: Time,
    pub(crate) script: Script,
    pub(crate) reason: Text,
}

impl State {
    /// Makes one fact part of the state.
    ///
    /// # Errors
    ///
    /// Refuses a record that contradicts the state; the state is unchanged then.
    pub fn apply(&mut self, record: &Record) -> Result<(), Inconsistency> {
        match record {
            Record::Scheduled(item) => self.apply_scheduled(item, true),
            Record::ScheduledOnGrid(item) => self.apply_scheduled(item, false),
            Record::Configured(configured) => self.apply_configured(configured),
            Record::Unscheduled(name) => self.apply_unscheduled(name),
            Record::Rescheduled(to) => self.apply_rescheduled(to, true),
            Record::Advanced(to) => self.apply_rescheduled(to, false),
            Record::PlatformAdded(platform) => {
                self.queues.entry(platform.clone()).or_default();
                Ok(())
            }
            Record::Enqueued(enqueued) => self.apply_enqueued(enqueued),
            Record::Started(started) => self.apply_started(started),
            Record::Finished(finished) => self.apply_finished(finished),
            Record::Aborted(aborted) => self.apply_aborted(aborted),
            Record::WrittenBack(_) | Record::Pending(_) => Ok(()),
            Record::Dropped(platform) => {
                self.apply_dropped(platform);
                Ok(())
            }
            Record::Undropped(platform) => match self.dropped.remove(platform) {
                true => Ok(()),
                false => Err(unknown("platform", platform, "undropped")),
            },
            Record::Losses(Losses { name, platform, count }) => {
                self.losses.insert((platform.clone(), name.clone()), *count);
                Ok(())
            }
            Record::Unstored(unstored) => {
                self.apply_unstored(unstored);
                Ok(())
            }
            Record::Ended(ended) => {
                self.unremembered.apply_ended(ended);
                Ok(())
            }
            Record::Gone(gone) => {
                self.unremembered.apply_gone(gone);
                Ok(())
            }
            Record::Remembered(remembered) => {
                self.unremembered.apply_remembered(remembered);
                Ok(())
            }
            Record::Paused(pause) => {
                self.pauses.apply_paused(pause);
                Ok(())
            }
            Record::Resumed(pause) => {
                self.pauses.apply_resumed(pause);
                Ok(())
            }
            Record::Dequeued(dequeued) => self.apply_dequeued(dequeued),
            Record::UploadQueued(queued) => self.outbox.apply_queued(queued),
            Record::Uploaded(uploaded) => self.outbox.apply_uploaded(uploaded),
            Record::Removed(removed) => self.outbox.apply_removed(removed),
            Record::NoticeQueued(queued) => {
                self.notices.apply_queued(queued);
                Ok(())
            }
            Record::NoticeGiven(given) => self.notices.apply_given(given),
        }
    }

    /// The shortest list of records that rebuilds this state. It is never empty, so that a log without records is one
    /// that was never used.
    pub fn snapshot(&self) -> impl Iterator<Item = Record> + '_ {
        let begin = core::iter::once(Record::WrittenBack(WrittenBack::default()));
        let dropped = self.dropped.iter().cloned().map(Record::Dropped);
        let scheduled = self.schedule.items().map(Item::to_record);
        let platforms = self.queues.keys().cloned().map(Record::PlatformAdded);
        // Before the queues, because a started job leaves its queue.
        let started = self.running.iter().map(|(uuid, build)| self.started_record(*uuid, build));
        let unstored = self.aborted.iter().map(|(uuid, build)| {
            Record::Unstored(Unstored {
                uuid: RawUuid(*uuid),
                started: build.started,
                finished: build.finished,
                job: build.script.to_job(),
                reason: build.reason.clone(),
            })
        });
        let enqueued = self.queues.iter().flat_map(|(platform, queue)| {
            queue.places().map(|place| {
                Record::Enqueued(Enqueued {
                    platform: platform.clone(),
                    name: place.job.name().clone(),
                    front: false,
                    at: place.since,
                    environment: place.environment.to_stored(),
                })
            })
        });
        let losses = self.losses.iter().map(|((platform, name), count)| {
            Record::Losses(Losses { name: name.clone(), platform: platform.clone(), count: *count })
        });
        begin
            .chain(dropped)
            .chain(scheduled)
            .chain(platforms)
            .chain(started)
            .chain(unstored)
            .chain(enqueued)
            .chain(losses)
            .chain(self.pauses.snapshot())
            .chain(self.outbox.snapshot())
            .chain(self.notices.snapshot())
            .chain(self.unremembered.snapshot())
    }

    /// Builds whose result is not known to be stored, with the names of their jobs: where to look after a crash.
    pub fn unfinished(&self) -> impl Iterator<Item = (Uuid, &Text)> {
        let running = self.running.iter().map(|(uuid, build)| (*uuid, build.script.name()));
        running.chain(self.aborted.iter().map(|(uuid, build)| (*uuid, build.script.name())))
    }

    /// The job of a build whose result is not known to be stored.
    pub(crate) fn name_of_build(&self, uuid: Uuid) -> Option<&Text> {
        let running = self.running.get(&uuid).map(|build| build.script.name());
        running.or_else(|| self.aborted.get(&uuid).map(|build| build.script.name()))
    }

    /// How many results wait to be uploaded.
    pub fn waiting_uploads(&self) -> usize {
        self.outbox.len()
    }

    /// Of how many builds a program is still to be told.
    pub fn waiting_notices(&self) -> usize {
        self.notices.len()
    }

    /// How many jobs are scheduled, queued and running, for people.
    pub fn summary(&self) -> String {
        let queued: usize = self.queues.values().map(Queue::len).sum();
        format!("{} scheduled, {queued} queued, {} running", self.schedule.len(), self.running.len())
    }

    /// How often in a row builds of the job were lost on the platform.
    pub(crate) fn losses(&self, name: &Text, platform: &Text) -> u32 {
        self.losses.get(&(platform.clone(), name.clone())).copied().unwrap_or(0)
    }

    /// The scheduled job of that name, when a queue of the platform exists and may hold it.
    pub(crate) fn runnable(&self, name: &Text, platform: &Text) -> Option<&Arc<Job>> {
        let job = &self.schedule.get(name)?.job;
        (runs_on(job, platform) && self.queues.contains_key(platform)).then_some(job)
    }

    fn started_record(&self, uuid: Uuid, build: &Running) -> Record {
        let name = build.script.name();
        let scheduled = self.schedule.get(name).is_some_and(|item| build.script.is(&item.job));
        Record::Started(Started {
            uuid: RawUuid(uuid),
            started: build.started,
            platform: build.platform.clone(),
            name: name.clone(),
            job: (!scheduled).then(|| build.script.to_job()),
            queued: build.queued,
            host: build.host.clone(),
            environment: build.environment.to_stored(),
        })
    }

    fn apply_enqueued(&mut self, enqueued: &Enqueued) -> Result<(), Inconsistency> {
        let Some(job) = self.runnable(&enqueued.name, &enqueued.platform).cloned() else {
            return Err(Inconsistency(format!(
                "job {} is queued for platform {}, where it cannot run",
                enqueued.name, enqueued.platform
            )));
        };
        if let Some(queue) = self.queues.get_mut(&enqueued.platform) {
            let environment = Environment::stored(enqueued.environment.as_ref());
            match enqueued.front {
                true => queue.push_front(job, environment, enqueued.at),
                false => queue.push_back(job, environment, enqueued.at),
            }
        }
        Ok(())
    }

    fn apply_dequeued(&mut self, dequeued: &Dequeued) -> Result<(), Inconsistency> {
        let queue = self.queues.get_mut(&dequeued.platform);
        let queue = queue.filter(|queue| queue.get(&dequeued.name).is_some());
        let queue = queue.ok_or_else(|| unknown("queued job", &dequeued.name, "taken out of its queue"))?;
        queue.remove_job(&dequeued.name);
        Ok(())
    }

    fn apply_started(&mut self, started: &Started) -> Result<(), Inconsistency> {
        let uuid = started.uuid.0;
        if self.running.contains_key(&uuid) || self.aborted.contains_key(&uuid) {
            return Err(Inconsistency(format!("build {uuid} of job {} starts twice", started.name)));
        }
        let script = match &started.job {
            Some(job) => Script::new(job.clone()),
            None => self
                .schedule
                .get(&started.name)
                .and_then(|item| Script::shared(&item.job))
                .ok_or_else(|| unknown("script job", &started.name, "started"))?,
        };
        let environment = Environment::stored(started.environment.as_ref());
        if let Some(queue) = self.queues.get_mut(&started.platform) {
            queue.remove(&started.name, &environment);
        }
        let Started { started, platform, queued, host, .. } = started;
        let (platform, host) = (platform.clone(), host.clone());
        let build = Running { started: *started, platform, script, environment, queued: *queued, host };
        self.running.insert(uuid, build);
        Ok(())
    }

    fn apply_finished(&mut self, finished: &Finished) -> Result<(), Inconsistency> {
        let uuid = finished.uuid.0;
        if let Some(build) = self.running.remove(&uuid) {
            self.losses.remove(&(build.platform, build.script.name().clone()));
            return Ok(());
        }
        match self.aborted.remove(&uuid) {
            Some(_) => Ok(()),
            None => Err(Inconsistency(format!("build {uuid} finishes, but is not running"))),
        }
    }

    fn apply_aborted(&mut self, aborted: &Aborted) -> Result<(), Inconsistency> {
        let uuid = aborted.uuid.0;
        let Some(build) = self.running.remove(&uuid) else {
            return Err(Inconsistency(format!("build {uuid} is aborted, but is not running")));
        };
        let name = build.script.name();
        let loss = (build.platform.clone(), name.clone());
        match aborted.requeue {
            Requeue::No => drop(self.losses.remove(&loss)),
            Requeue::Front => {}
            Requeue::FrontAfterLoss => *self.losses.entry(loss).or_default() += 1,
        }
        if aborted.requeue != Requeue::No
            && let Some(job) = self.runnable(name, &build.platform).cloned()
            && let Some(queue) = self.queues.get_mut(&build.platform)
        {
            queue.push_front(job, build.environment, Some(aborted.finished));
        }
        let Running { started, script, .. } = build;
        let (finished, reason) = (aborted.finished, aborted.reason.clone());
        self.aborted.insert(uuid, AbortedBuild { started, finished, script, reason });
        Ok(())
    }

    fn apply_unstored(&mut self, unstored: &Unstored) {
        let build = AbortedBuild {
            started: unstored.started,
            finished: unstored.finished,
            script: Script::new(unstored.job.clone()),
            reason: unstored.reason.clone(),
        };
        self.aborted.insert(unstored.uuid.0, build);
    }

    fn apply_dropped(&mut self, platform: &Text) {
        self.queues.remove(platform);
        self.pauses.forget(platform);
        let jobs: Vec<Text> =
            self.schedule.scripts_for(platform).map(|item| item.job.name().clone()).collect();
        for name in jobs {
            self.schedule.remove(&name);
        }
        let lost = self.losses.range((platform.clone(), Text::default())..).map(|(loss, _)| loss);
        let lost: Vec<_> = lost.take_while(|(lost_on, _)| lost_on == platform).cloned().collect();
        for loss in lost {
            self.losses.remove(&loss);
        }
        self.dropped.insert(platform.clone());
    }
}

pub(super) fn unknown(kind: &str, name: &Text, what: &str) -> Inconsistency {
    Inconsistency(format!("{kind} {name} is {what}, but does not exist"))
}
