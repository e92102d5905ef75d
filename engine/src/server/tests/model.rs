//! What the server is to do with jobs, said once more and as simply as possible: lists, loops, and no records.

use crate::limits::{LOSS_FIRST_DELAY, LOSS_LONGEST_DELAY, LOSSES_IN_A_ROW};
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
    /// Whether anything came from its worker.
    pub(super) has_spoken: bool,
    /// Whether its worker is done and only the disk is waited for.
    pub(super) is_complete: bool,
}

/// Losses in a row on a platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    losses: u32,
    /// When the last of them was, and when the next job may leave the queue.
    last: Time,
    next: Time,
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
    pub(super) rows: BTreeMap<String, Row>,
    /// Platforms of which a worker has delivered something since the start.
    pub(super) proven: BTreeSet<String>,
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
        self.rows.remove(platform);
        self.proven.remove(platform);
        self.dropped.insert(platform.to_owned())
    }

    pub(super) fn undrop_platform(&mut self, platform: &str) -> bool {
        self.dropped.remove(platform)
    }

    pub(super) fn finish(&mut self, worker: Worker) {
        let build = self.running.remove(&worker).expect("a running build");
        self.losses.remove(&(build.name, build.platform));
    }

    /// The worker of a build has sent the whole result.
    pub(super) fn deliver(&mut self, worker: Worker) {
        let platform = &self.running[&worker].platform;
        self.rows.remove(platform);
        self.proven.insert(platform.clone());
    }

    pub(super) fn lose(&mut self, worker: Worker, now: Time) {
        self.waiting.retain(|(waiting, _)| *waiting != worker);
        if self.running.get(&worker).is_some_and(|build| !build.is_complete) {
            self.lose_build(worker, now, false);
        }
    }

    /// A build is lost, be it that its worker is gone or that its time is up and nothing came.
    fn lose_build(&mut self, worker: Worker, now: Time, time_is_up: bool) {
        let build = self.running.remove(&worker).expect("a running build");
        let row = self.lengthen_row(&build, now);
        let Build { name, platform, has_spoken, .. } = build;
        let key = (name.clone(), platform.clone());
        let losses = self.losses.remove(&key).unwrap_or(0) + 1;
        if !self.may_queue(&name, &platform) {
            return;
        }
        if losses < LOSSES_IN_A_ROW {
            self.losses.insert(key, losses);
            return self.move_to_front(&platform, &name);
        }
        let has_template = self.templates.contains(&platform);
        let runs = |other: &String| has_template || self.jobs[other].platform.is_some();
        let queue = &self.queues[&platform];
        let others_wait = queue.iter().any(|other| *other != name && runs(other));
        let may_not_have_run = !has_spoken && !time_is_up;
        let shows_nothing = match row {
            1 => !self.proven.contains(&platform) && self.rows.contains_key(&platform),
            row => row > 3 || others_wait,
        };
        if may_not_have_run && shows_nothing {
            if !queue.contains(&name) {
                self.queues.get_mut(&platform).expect("a queue").push(name);
            }
            self.losses.insert(key, LOSSES_IN_A_ROW - 1);
        }
    }

    /// Says how many builds of the platform were lost in a row. Those that ran side by side count once.
    fn lengthen_row(&mut self, build: &Build, now: Time) -> u32 {
        if !self.queues.contains_key(&build.platform) {
            return 1;
        }
        let row = self.rows.entry(build.platform.clone()).or_insert(Row { losses: 0, last: now, next: now });
        if row.losses == 0 || build.started >= row.last {
            row.losses += 1;
            row.last = now;
            row.next = now.saturating_add(row.delay());
        }
        row.losses
    }

    /// The server stops and starts again: what ran goes to the front, the longest running first.
    pub(super) fn restart(&mut self) {
        self.waiting.clear();
        self.rows.clear();
        self.proven.clear();
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
        let over = self.running.iter().filter(|(_, build)| is_over(build));
        let mut over: Vec<_> =
            over.map(|(worker, build)| (build.started, *worker, build.has_spoken)).collect();
        over.sort();
        for (_, worker, has_spoken) in over {
            match has_spoken {
                true => self.finish(worker),
                false => self.lose_build(worker, now, true),
            }
        }
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

    /// When something happens by itself, after `now`.
    pub(super) fn next_event(&self, now: Time) -> Option<Time> {
        let due = self.jobs.values().map(|job| job.next);
        let over = self.running.values().map(|build| build.started.saturating_add(BUILD_TIME));
        let paced = self.rows.values().map(|row| row.next);
        due.chain(over).chain(paced).filter(|event| *event > now).min()
    }

    fn dispatch(&mut self, now: Time) -> Vec<(Worker, String)> {
        let mut handed_out = Vec::new();
        let mut platforms: BTreeSet<String> =
            self.waiting.iter().map(|(_, platform)| platform.clone()).collect();
        platforms.retain(|platform| !self.dropped.contains(platform));
        for platform in &platforms {
            self.add_platform(platform);
            while self.rows.get(platform).is_none_or(|row| row.next <= now)
                && let Some(place) = self.waiting.iter().position(|(_, waiting_for)| waiting_for == platform)
            {
                let has_template = self.templates.contains(platform);
                let queue = self.queues.get_mut(platform).expect("a queue");
                let runs = |name: &String| has_template || self.jobs[name].platform.is_some();
                let Some(first) = queue.iter().position(runs) else { break };
                let name = queue.remove(first);
                let (worker, platform) = self.waiting.remove(place);
                if let Some(row) = self.rows.get_mut(&platform) {
                    row.next = now.saturating_add(row.delay());
                }
                let (started, name_of_build) = (now, name.clone());
                let build =
                    Build { name: name_of_build, platform, started, has_spoken: false, is_complete: false };
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

impl Row {
    /// Time between two jobs.
    fn delay(&self) -> Duration {
        let doublings = (2..self.losses).fold(LOSS_FIRST_DELAY, |delay, _| LOSS_LONGEST_DELAY.min(delay * 2));
        if self.losses < 2 { Duration::ZERO } else { doublings }
    }
}
