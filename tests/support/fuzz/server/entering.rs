//! How jobs enter the schedule, with what they want besides.

use super::jobs::{Jobs, next_on_grid, script_platform};
use builder_engine::job_settings::{nearest_period, next_time_of_day};
use builder_engine::limits::{LONGEST_SETTING, SHORTEST_PERIOD};
use builder_engine::server::Templates;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use core::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A job that somebody wants in the schedule.
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) period: Period,
    pub(super) settings: JobSettings,
    /// Whether it takes the place of the one of its name.
    pub(super) replaces: bool,
    /// Minutes after midnight when it runs.
    pub(super) at: Option<i64>,
}

impl Entry {
    pub(super) fn new(job: Job, period: Period) -> Entry {
        Entry { job, period, settings: JobSettings::NONE, replaces: false, at: None }
    }

    /// Whether a server takes its numbers.
    pub(super) fn makes_sense(&self) -> bool {
        let JobSettings { timeout, silence, every, keep_builds, keep_seconds, .. } = self.settings;
        let is_time = |seconds: u64| (1..=LONGEST_SETTING.as_secs()).contains(&seconds);
        [timeout, silence, keep_seconds, every].into_iter().flatten().all(is_time)
            && every.is_none_or(|every| every >= SHORTEST_PERIOD.as_secs())
            && keep_builds.is_none_or(|builds| (1..=JobSettings::ALL_BUILDS).contains(&builds))
            && !matches!((silence, timeout), (Some(silence), Some(timeout)) if silence >= timeout)
            && self.at.is_none_or(|at| (0..24 * 60).contains(&at))
    }
}

impl Jobs {
    /// A job enters the schedule, as a new one or in the place of the one of its name.
    pub(super) fn enter(&mut self, entry: Entry, now: Time, templates: &Templates) {
        let name = entry.job.name().clone();
        let period = entry.settings.every().map_or(entry.period, nearest_period);
        let step = entry.settings.every().or(period.duration());
        let former = self.schedule.get(&name).map(|item| item.next);
        let keeps_next = former.is_some() && entry.at.is_none() && self.step_of(&name) == step;
        let next = match (former, entry.at) {
            (Some(next), _) if keeps_next => next,
            (_, Some(minutes)) => next_on_grid(next_time_of_day(minutes, now), step.or(Some(DAY)), now),
            (_, None) => step.map_or(Time::NEVER, |step| now.saturating_add(step)),
        };
        if !keeps_next {
            self.appointed.remove(&name);
        }
        let waited = self.waits(&name);
        for (platform, queue) in &mut self.queues {
            if script_platform(&entry.job).is_some_and(|own| own != platform) {
                queue.retain(|queued| *queued != name);
            }
            self.losses.remove(&(platform.clone(), name.clone()));
        }
        self.schedule.insert(name.clone(), ScheduleItem { next, period, job: entry.job.clone() });
        self.set_settings(&name, entry.settings);
        let runs_now = former.is_none() && entry.at.is_none();
        if let Job::Script(job) = &entry.job
            && !self.queues.contains_key(&job.platform)
        {
            self.add_platform(&job.platform, templates);
            if !runs_now {
                self.queues.get_mut(&job.platform).expect("a queue").retain(|queued| *queued != name);
            }
        }
        if runs_now || (waited && !self.waits(&name)) {
            self.enqueue(&name, templates);
        }
    }

    /// What a job wants besides.
    pub(super) fn settings_of(&self, name: &Text) -> JobSettings {
        self.settings.get(name).copied().unwrap_or_default()
    }

    pub(super) fn set_settings(&mut self, name: &Text, settings: JobSettings) {
        match settings.is_empty() {
            true => drop(self.settings.remove(name)),
            false => drop(self.settings.insert(name.clone(), settings)),
        }
    }

    /// The time from one run to the next.
    pub(super) fn step_of(&self, name: &Text) -> Option<Duration> {
        let period = self.schedule.get(name).and_then(|item| item.period.duration());
        self.settings_of(name).every().or(period)
    }

    fn waits(&self, name: &Text) -> bool {
        self.queues.values().any(|queue| queue.contains(name))
    }
}
