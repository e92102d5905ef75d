//! What the server has to remember, and how it changes: maps and lists, no records.

use builder_engine::limits::{CLOCK_TOLERANCE, LOSSES_IN_A_ROW, MISSED_RUN_TOLERANCE, UPLOADS_SHOWN};
use builder_engine::server::record::{Record, Requeue};
use builder_engine::server::{State, Templates};
use builder_proto::Uuid;
use builder_proto::command::{InfoReply, QueueInfo, RunningInfo, UPLOADS};
use builder_proto::job::{Job, ScheduleItem, ScriptJob};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// Schedule, queues, builds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Jobs {
    pub(super) schedule: BTreeMap<Text, ScheduleItem>,
    /// What jobs want besides; of those that want something.
    pub(super) settings: BTreeMap<Text, JobSettings>,
    /// Jobs whose next run a person chose.
    pub(super) appointed: BTreeSet<Text>,
    pub(super) queues: BTreeMap<Text, Vec<Text>>,
    pub(super) running: BTreeMap<Uuid, Running>,
    /// Builds that ended without their worker's result, until one is stored.
    pub(super) aborted: BTreeMap<Uuid, Aborted>,
    pub(super) dropped: BTreeSet<Text>,
    /// Results that wait for the upload server, the longest waiting first, and those that it has.
    pub(super) waiting: Vec<(Uuid, Text)>,
    pub(super) leaving: BTreeMap<Uuid, Text>,
    /// Losses in a row by platform and name.
    pub(super) losses: BTreeMap<(Text, Text), u32>,
}

/// A build that a worker has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Running {
    pub(super) started: Time,
    pub(super) platform: Text,
    pub(super) job: ScriptJob,
}

/// A build that ended without its worker's result. Why is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Aborted {
    pub(super) started: Time,
    pub(super) finished: Time,
    pub(super) job: ScriptJob,
}

impl Jobs {
    /// What a state amounts to.
    pub(super) fn of(state: &State) -> Jobs {
        let mut jobs = Jobs::default();
        for record in state.snapshot() {
            jobs.take(record);
        }
        jobs
    }

    /// Takes in a record of a snapshot.
    fn take(&mut self, record: Record) {
        match record {
            Record::WrittenBack(_) | Record::Ended(_) | Record::Gone(_) | Record::Remembered(_) => {}
            Record::Dropped(platform) => assert!(self.dropped.insert(platform)),
            Record::Scheduled(item) => {
                let name = item.job.name().clone();
                self.appointed.insert(name.clone());
                assert_eq!(self.schedule.insert(name, item), None);
            }
            Record::ScheduledOnGrid(item) => {
                let name = item.job.name().clone();
                assert_eq!(self.schedule.insert(name, item), None);
            }
            Record::Configured(configured) => {
                let name = configured.item.job.name().clone();
                if configured.appointed {
                    self.appointed.insert(name.clone());
                }
                assert_eq!(self.settings.insert(name.clone(), configured.settings), None);
                assert_eq!(self.schedule.insert(name, configured.item), None);
            }
            Record::PlatformAdded(platform) => assert_eq!(self.queues.insert(platform, Vec::new()), None),
            Record::Started(started) => {
                let scheduled = self.schedule.get(&started.name).map(|item| &item.job);
                let job = match (started.job, scheduled) {
                    (Some(job), _) => job,
                    (None, Some(Job::Script(job))) => job.clone(),
                    (None, other) => panic!("{other:?} runs"),
                };
                let running = Running { started: started.started, platform: started.platform, job };
                assert_eq!(self.running.insert(started.uuid.0, running), None);
            }
            Record::Unstored(build) => {
                let aborted = Aborted { started: build.started, finished: build.finished, job: build.job };
                assert_eq!(self.aborted.insert(build.uuid.0, aborted), None);
            }
            Record::Enqueued(place) => {
                self.queues.get_mut(&place.platform).expect("a queue").push(place.name);
            }
            Record::Losses(losses) => {
                assert_eq!(self.losses.insert((losses.platform, losses.name), losses.count), None);
            }
            Record::UploadQueued(queued) => self.waiting.push((queued.uuid.0, queued.name)),
            Record::Uploaded(uploaded) => {
                assert!(!uploaded.keep_local, "nothing more is to be done");
                self.upload(uploaded.uuid.0, false);
            }
            other => panic!("{other:?} in a snapshot"),
        }
    }

    /// The answer to `info`, in which what waits for the upload server is one more queue.
    pub(super) fn to_info(&self) -> InfoReply {
        let mut schedule: Vec<_> = self.schedule.values().cloned().collect();
        schedule.sort_by_key(|item| (item.next, item.job.name().clone()));
        let queues = self.queues.iter().map(|(platform, names)| QueueInfo {
            platform: platform.clone(),
            jobs: names.iter().map(|name| self.schedule[name].job.clone()).collect(),
        });
        let uploads = (!self.waiting.is_empty()).then(|| QueueInfo {
            platform: UPLOADS.into(),
            jobs: self.waiting.iter().take(UPLOADS_SHOWN).map(upload_job).collect(),
        });
        let mut running: Vec<_> = self
            .running
            .iter()
            .map(|(uuid, build)| RunningInfo { started: build.started, uuid: *uuid, job: build.job.clone() })
            .collect();
        running.sort_by_key(|build| (build.started, build.uuid));
        let dropped_platforms = self.dropped.iter().cloned().collect();
        InfoReply { schedule, queues: queues.chain(uploads).collect(), running, dropped_platforms }
    }

    pub(super) fn unschedule(&mut self, name: &Text) -> bool {
        self.queues.values_mut().for_each(|queue| queue.retain(|queued| queued != name));
        self.losses.retain(|(_, lost), _| lost != name);
        self.appointed.remove(name);
        self.settings.remove(name);
        self.schedule.remove(name).is_some()
    }

    pub(super) fn execute(&mut self, name: &Text, platform: Option<&Text>, templates: &Templates) -> bool {
        let mut platforms = self.platforms_of(name, templates);
        platforms.retain(|fitting| platform.is_none_or(|platform| platform == fitting));
        for platform in &platforms {
            self.move_to_front(platform, name);
        }
        !platforms.is_empty()
    }

    pub(super) fn reschedule(&mut self, name: &Text, next: Time, period: Option<Period>) -> bool {
        let Some(item) = self.schedule.get_mut(name) else { return false };
        item.next = next;
        item.period = period.unwrap_or(item.period);
        self.appointed.insert(name.clone());
        if period.is_some() {
            self.set_settings(name, JobSettings { every: None, ..self.settings_of(name) });
        }
        true
    }

    pub(super) fn drop_platform(&mut self, platform: &Text) -> bool {
        if self.queues.remove(platform).is_none() {
            return false;
        }
        self.schedule.retain(|_, item| script_platform(&item.job) != Some(platform));
        self.appointed.retain(|name| self.schedule.contains_key(name));
        self.settings.retain(|name, _| self.schedule.contains_key(name));
        self.losses.retain(|(lost_on, _), _| lost_on != platform);
        self.dropped.insert(platform.clone())
    }

    /// What is due is queued, once however often it was missed, and keeps to its grid.
    pub(super) fn queue_due(&mut self, now: Time, templates: &Templates) {
        let due = self.schedule.values().filter(|item| item.next <= now && item.next < Time::NEVER);
        let mut due: Vec<_> = due.map(|item| (item.next, item.job.name().clone())).collect();
        due.sort();
        for (next, name) in due {
            let is_missed = now.duration_since(next) > MISSED_RUN_TOLERANCE;
            if !is_missed || self.settings_of(&name).skip_missed != Some(true) {
                self.enqueue(&name, templates);
            }
            let step = self.step_of(&name);
            let item = self.schedule.get_mut(&name).expect("a due job");
            item.next = next_on_grid(next, step, now);
            self.appointed.remove(&name);
        }
    }

    /// What the server set when the clock was ahead is on its grid again, a period ahead at most.
    pub(super) fn return_to_grid(&mut self, now: Time) {
        let names: Vec<Text> =
            self.schedule.keys().filter(|name| !self.appointed.contains(*name)).cloned().collect();
        for name in names {
            let Some(step) = self.step_of(&name) else { continue };
            let item = self.schedule.get_mut(&name).expect("a job");
            if item.next > now.saturating_add(CLOCK_TOLERANCE).saturating_add(step) {
                item.next = next_on_grid(item.next, Some(step), now);
            }
        }
    }

    /// A new queue gets what runs there of itself.
    pub(super) fn add_platform(&mut self, platform: &Text, templates: &Templates) {
        if self.queues.contains_key(platform) {
            return;
        }
        let items = || self.schedule.values().filter(|item| item.period != Period::Never);
        let scripts = items().filter(|item| script_platform(&item.job) == Some(platform));
        let has_template = templates.contains_key(platform);
        let orb_builds = items().filter(|item| has_template && script_platform(&item.job).is_none());
        let queue = scripts.chain(orb_builds).map(|item| item.job.name().clone()).collect();
        self.queues.insert(platform.clone(), queue);
    }

    /// What the next worker of a platform is to run.
    pub(super) fn next_script(&self, platform: &Text, template: Option<&[u8]>) -> Option<ScriptJob> {
        let jobs = self.queues.get(platform)?.iter().map(|name| &self.schedule[name].job);
        jobs.filter_map(|job| match (job, template) {
            (Job::Script(job), _) => Some(job.clone()),
            (Job::OrbBuild(_), None) => None,
            (Job::OrbBuild(job), Some(template)) => {
                // Templates of this test hold one placeholder each.
                let place = template.windows(PACKAGE.len()).position(|window| window == PACKAGE);
                let (before, after) = template.split_at(place.expect("a placeholder"));
                let script = [before, job.opam_package.as_bytes(), &after[PACKAGE.len()..]].concat();
                Some(ScriptJob { name: job.name.clone(), script: script.into(), platform: platform.clone() })
            }
        })
        .next()
    }

    pub(super) fn start(&mut self, uuid: Uuid, build: Running) {
        self.queues.get_mut(&build.platform).expect("a queue").retain(|name| *name != build.job.name);
        assert_eq!(self.running.insert(uuid, build), None);
    }

    /// A result is stored.
    pub(super) fn finish(&mut self, uuid: Uuid) {
        self.aborted.remove(&uuid);
        if let Some(build) = self.running.remove(&uuid) {
            self.losses.remove(&(build.platform, build.job.name));
        }
    }

    /// The job of a build whose result is not stored.
    pub(super) fn name_of(&self, uuid: Uuid) -> Option<&Text> {
        let running = self.running.get(&uuid).map(|build| &build.job.name);
        running.or_else(|| self.aborted.get(&uuid).map(|build| &build.job.name))
    }

    /// A result is to be uploaded, if it is not yet.
    pub(super) fn queue_upload(&mut self, uuid: Uuid) {
        let Some(name) = self.name_of(uuid).cloned() else { return };
        if self.waiting.iter().all(|(waiting, _)| *waiting != uuid) {
            self.waiting.push((uuid, name));
        }
    }

    /// The upload server has a result that waited, or there is nothing to be uploaded.
    pub(super) fn upload(&mut self, uuid: Uuid, keep_local: bool) {
        let place = self.waiting.iter().position(|(waiting, _)| *waiting == uuid).expect("a waiting result");
        let (_, name) = self.waiting.remove(place);
        if !keep_local {
            self.leaving.insert(uuid, name);
        }
    }

    /// A build whose worker is lost runs again, unless that happens too often. When nothing came from the worker, `row` says
    /// how many builds its platform lost in a row: then the job may not have run, and gives way to others.
    pub(super) fn lose(&mut self, uuid: Uuid, now: Time, row: Option<u32>, templates: &Templates) {
        let build = &self.running[&uuid];
        let place = (build.platform.clone(), build.job.name.clone());
        if !self.may_queue(&place) {
            return self.abort(uuid, now, Requeue::No);
        }
        if self.losses.get(&place).copied().unwrap_or(0) + 1 < LOSSES_IN_A_ROW {
            return self.abort(uuid, now, Requeue::FrontAfterLoss);
        }
        self.abort(uuid, now, Requeue::No);
        let (platform, name) = &place;
        let has_template = templates.contains_key(platform);
        let runs = |other: &Text| has_template || script_platform(&self.schedule[other].job).is_some();
        let others_wait = self.queues[platform].iter().any(|other| other != name && runs(other));
        if row.is_some_and(|row| row > LOSSES_IN_A_ROW || (row > 1 && others_wait)) {
            let queue = self.queues.get_mut(platform).expect("a queue");
            if !queue.contains(name) {
                queue.push(name.clone());
            }
            self.losses.insert(place, LOSSES_IN_A_ROW - 1);
        }
    }

    /// A build ends for good without its worker's result.
    pub(super) fn fail(&mut self, uuid: Uuid, now: Time) {
        self.abort(uuid, now, Requeue::No);
    }

    /// The server starts again: what ran goes back to the front, the longest running first.
    pub(super) fn restart(&mut self, now: Time) {
        let mut builds: Vec<_> = self.running.iter().map(|(uuid, build)| (build.started, *uuid)).collect();
        builds.sort();
        for (_, uuid) in builds.into_iter().rev() {
            let build = &self.running[&uuid];
            let again = self.may_queue(&(build.platform.clone(), build.job.name.clone()));
            self.abort(uuid, now, if again { Requeue::Front } else { Requeue::No });
        }
    }

    fn abort(&mut self, uuid: Uuid, now: Time, requeue: Requeue) {
        let Running { started, platform, job } = self.running.remove(&uuid).expect("a running build");
        let place = (platform, job.name.clone());
        match requeue {
            Requeue::No => drop(self.losses.remove(&place)),
            Requeue::Front => {}
            Requeue::FrontAfterLoss => *self.losses.entry(place.clone()).or_default() += 1,
        }
        if requeue != Requeue::No {
            self.move_to_front(&place.0, &place.1);
        }
        self.aborted.insert(uuid, Aborted { started, finished: now.max(started), job });
    }

    pub(super) fn enqueue(&mut self, name: &Text, templates: &Templates) {
        for platform in self.platforms_of(name, templates) {
            let queue = self.queues.get_mut(&platform).expect("a queue");
            if !queue.contains(name) {
                queue.push(name.clone());
            }
        }
    }

    fn move_to_front(&mut self, platform: &Text, name: &Text) {
        let queue = self.queues.get_mut(platform).expect("a queue");
        queue.retain(|queued| queued != name);
        queue.insert(0, name.clone());
    }

    /// The queues that a job goes to.
    fn platforms_of(&self, name: &Text, templates: &Templates) -> Vec<Text> {
        let Some(item) = self.schedule.get(name) else { return Vec::new() };
        let fits = |platform: &&Text| match script_platform(&item.job) {
            Some(own) => own == *platform,
            None => templates.contains_key(*platform),
        };
        self.queues.keys().filter(fits).cloned().collect()
    }

    /// Whether a job that ran on the platform may be queued there again.
    fn may_queue(&self, (platform, name): &(Text, Text)) -> bool {
        let Some(item) = self.schedule.get(name) else { return false };
        self.queues.contains_key(platform) && script_platform(&item.job).is_none_or(|own| own == platform)
    }
}

/// What templates hold for the opam package.
pub(super) const PACKAGE: &[u8] = b"%%OPAM_PACKAGE%%";

/// A result that waits for the upload server, as the answer to `info` shows it.
fn upload_job((uuid, name): &(Uuid, Text)) -> Job {
    Job::Script(ScriptJob { name: name.clone(), script: Text::default(), platform: uuid.to_string().into() })
}

/// The platform of a script job; none for an orb-build job.
pub(super) fn script_platform(job: &Job) -> Option<&Text> {
    match job {
        Job::Script(job) => Some(&job.platform),
        Job::OrbBuild(_) => None,
    }
}

/// The first time after `now` that is whole steps after `due`.
pub(super) fn next_on_grid(due: Time, step: Option<Duration>, now: Time) -> Time {
    let Some(step) = step else { return Time::NEVER };
    let step = i64::try_from(step.as_millis()).expect("a hundred years at most");
    let late = (now.unix_milliseconds() - due.unix_milliseconds()).rem_euclid(step);
    Time::from_unix_milliseconds(now.unix_milliseconds() - late + step)
}
