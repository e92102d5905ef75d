//! What the server is to do with jobs, said once more and as simply as possible: lists, loops, and no records.

use crate::limits::LOSSES_IN_A_ROW;
use builder_proto::time::{Period, Time};
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// None for an orb-build job.
    pub(super) platform: Option<String>,
    pub(super) period: Period,
    pub(super) next: Time,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Build {
    pub(super) name: String,
    pub(super) platform: String,
    pub(super) started: Time,
    /// Whether its worker is done and only the disk is waited for.
    pub(super) is_complete: bool,
}

/// Builds are known by the number of their worker.
pub(super) type Worker = u64;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Model {
    pub(super) jobs: BTreeMap<String, Job>,
    pub(super) queues: BTreeMap<String, Vec<String>>,
    pub(super) dropped: BTreeSet<String>,
    pub(super) templates: BTreeSet<String>,
    pub(super) waiting: Vec<(Worker, String)>,
    pub(super) running: BTreeMap<Worker, Build>,
    pub(super) losses: BTreeMap<(String, String), u32>,
}

/// The longest that a build takes before the server gives it up.
pub(super) const BUILD_TIME: Duration = Duration::from_secs(61 * 60);

impl Model {
    /// Whether the job may enter the schedule; then it does.
    pub(super) fn schedule(&mut self, name: &str, platform: Option<&str>, period: Period, now: Time) -> bool {
        let dropped = platform.is_some_and(|platform| self.dropped.contains(platform));
        if self.jobs.contains_key(name) || dropped {
            return false;
        }
        let next = period.duration().map_or(Time::NEVER, |step| now.saturating_add(step));
        let job = Job { platform: platform.map(str::to_owned), period, next };
        self.jobs.insert(name.to_owned(), job);
        if let Some(platform) = platform {
            self.add_platform(platform);
        }
        self.enqueue(name);
        true
    }

    pub(super) fn unschedule(&mut self, name: &str) -> bool {
        self.queues.values_mut().for_each(|queue| queue.retain(|queued| queued != name));
        self.losses.retain(|(lost, _), _| lost != name);
        self.jobs.remove(name).is_some()
    }

    pub(super) fn execute(&mut self, name: &str, platform: Option<&str>) -> bool {
        let mut platforms = self.platforms_of(name);
        if let Some(platform) = platform {
            platforms.retain(|fitting| fitting == platform);
        }
        for platform in &platforms {
            self.move_to_front(platform, name);
        }
        !platforms.is_empty()
    }

    pub(super) fn reschedule(&mut self, name: &str, next: Time, period: Option<Period>) -> bool {
        let Some(job) = self.jobs.get_mut(name) else { return false };
        job.next = next;
        job.period = period.unwrap_or(job.period);
        true
    }

    pub(super) fn drop_platform(&mut self, platform: &str) -> bool {
        if self.queues.remove(platform).is_none() {
            return false;
        }
        self.jobs.retain(|_, job| job.platform.as_deref() != Some(platform));
        self.losses.retain(|(_, lost_on), _| lost_on != platform);
        self.dropped.insert(platform.to_owned())
    }

    pub(super) fn undrop_platform(&mut self, platform: &str) -> bool {
        self.dropped.remove(platform)
    }

    pub(super) fn finish(&mut self, worker: Worker) {
        let build = self.running.remove(&worker).expect("a running build");
        self.losses.remove(&(build.name, build.platform));
    }

    pub(super) fn lose(&mut self, worker: Worker) {
        self.waiting.retain(|(waiting, _)| *waiting != worker);
        if self.running.get(&worker).is_none_or(|build| build.is_complete) {
            return;
        }
        let Build { name, platform, .. } = self.running.remove(&worker).expect("a running build");
        let key = (name.clone(), platform.clone());
        let losses = self.losses.remove(&key).unwrap_or(0) + 1;
        if self.may_queue(&name, &platform) && losses < LOSSES_IN_A_ROW {
            self.losses.insert(key, losses);
            self.move_to_front(&platform, &name);
        }
    }

    /// The server stops and starts again: what ran goes to the front, the longest running first.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        let mut builds: Vec<_> = core::mem::take(&mut self.running).into_iter().collect();
        // Builds start in the order in which their uuids are drawn, and uuids of the tests ascend.
        builds.sort_by_key(|(_, build)| build.started);
        for (_, build) in builds.into_iter().rev() {
            if self.may_queue(&build.name, &build.platform) {
                self.move_to_front(&build.platform, &build.name);
            } else {
                self.losses.remove(&(build.name, build.platform));
            }
        }
    }

    /// The end of a turn; answers which workers get which jobs.
    pub(super) fn tick(&mut self, now: Time) -> Vec<(Worker, String)> {
        let is_over = |build: &Build| !build.is_complete && now.duration_since(build.started) >= BUILD_TIME;
        let over: Vec<Worker> =
            self.running.iter().filter(|(_, build)| is_over(build)).map(|(worker, _)| *worker).collect();
        over.into_iter().for_each(|worker| self.finish(worker));
        let mut due: Vec<(Time, String)> = self
            .jobs
            .iter()
            .map(|(name, job)| (job.next, name.clone()))
            .filter(|(next, _)| *next <= now)
            .collect();
        due.sort();
        for (_, name) in due {
            self.enqueue(&name);
            let job = self.jobs.get_mut(&name).expect("a due job");
            while job.next <= now {
                job.next = job.period.duration().map_or(Time::NEVER, |step| job.next.saturating_add(step));
            }
        }
        self.dispatch(now)
    }

    fn dispatch(&mut self, now: Time) -> Vec<(Worker, String)> {
        let mut handed_out = Vec::new();
        let mut platforms: BTreeSet<String> =
            self.waiting.iter().map(|(_, platform)| platform.clone()).collect();
        platforms.retain(|platform| !self.dropped.contains(platform));
        for platform in &platforms {
            self.add_platform(platform);
            while let Some(place) = self.waiting.iter().position(|(_, waiting_for)| waiting_for == platform) {
                let has_template = self.templates.contains(platform);
                let queue = self.queues.get_mut(platform).expect("a queue");
                let runs = |name: &String| has_template || self.jobs[name].platform.is_some();
                let Some(first) = queue.iter().position(runs) else { break };
                let name = queue.remove(first);
                let (worker, platform) = self.waiting.remove(place);
                let build = Build { name: name.clone(), platform, started: now, is_complete: false };
                self.running.insert(worker, build);
                handed_out.push((worker, name));
            }
        }
        handed_out
    }

    /// A new queue gets what runs there of itself.
    fn add_platform(&mut self, platform: &str) {
        if self.queues.contains_key(platform) {
            return;
        }
        let jobs = || self.jobs.iter().filter(|(_, job)| job.period != Period::Never);
        let scripts = jobs().filter(|(_, job)| job.platform.as_deref() == Some(platform));
        let has_template = self.templates.contains(platform);
        let orb_builds = jobs().filter(|(_, job)| job.platform.is_none() && has_template);
        let queue = scripts.chain(orb_builds).map(|(name, _)| name.clone()).collect();
        self.queues.insert(platform.to_owned(), queue);
    }

    fn enqueue(&mut self, name: &str) {
        for platform in self.platforms_of(name) {
            let queue = self.queues.get_mut(&platform).expect("a queue");
            if !queue.iter().any(|queued| queued == name) {
                queue.push(name.to_owned());
            }
        }
    }

    fn move_to_front(&mut self, platform: &str, name: &str) {
        let queue = self.queues.get_mut(platform).expect("a queue");
        queue.retain(|queued| queued != name);
        queue.insert(0, name.to_owned());
    }

    /// The queues that a job goes to.
    fn platforms_of(&self, name: &str) -> Vec<String> {
        let Some(job) = self.jobs.get(name) else { return Vec::new() };
        let fits = |platform: &&String| match &job.platform {
            Some(own) => own == *platform,
            None => self.templates.contains(*platform),
        };
        self.queues.keys().filter(fits).cloned().collect()
    }

    /// Whether a job that ran on the platform may be queued there again.
    fn may_queue(&self, name: &str, platform: &str) -> bool {
        let Some(job) = self.jobs.get(name) else { return false };
        self.queues.contains_key(platform) && job.platform.as_deref().is_none_or(|own| own == platform)
    }
}
