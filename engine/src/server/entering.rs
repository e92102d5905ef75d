//! How jobs enter the schedule: as new ones, or in the place of those that have their names.

use crate::environment::Environment;
use crate::job_settings::{check_settings, check_time_of_day, nearest_period, next_time_of_day};
use crate::server::admission::check_job;
use crate::server::jobs::{Jobs, check_platform_count};
use crate::server::record::{Configured, Record};
use crate::server::schedule::{Item, earlier_run};
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use core::time::Duration;

/// A job that a client wants in the schedule.
pub(crate) struct Entry {
    pub(crate) period: Period,
    pub(crate) job: Job,
    pub(crate) settings: JobSettings,
    /// Whether it takes the place of the one of its name.
    pub(crate) replaces: bool,
    /// Minutes after midnight when it runs.
    pub(crate) at: Option<i64>,
}

impl Entry {
    /// A job without settings.
    pub(crate) fn new(period: Period, job: Job) -> Entry {
        Entry { period, job, settings: JobSettings::default(), replaces: false, at: None }
    }

    /// Enters the job, or says for people why not.
    pub(crate) fn enter(self, jobs: &mut Jobs<'_>) -> Result<(), String> {
        self.check(jobs)?;
        let (name, state) = (self.job.name(), jobs.journal.state());
        let former = state.schedule.get(name).cloned();
        let waited = !state.waiting_on(name).is_empty();
        self.commit(former.as_ref(), jobs);
        let runs_now = former.is_none() && self.at.is_none();
        if let Some(platform) = self.platform()
            && !jobs.journal.state().queues.contains_key(platform)
        {
            jobs.add_platform(platform, (!runs_now).then_some(name));
        }
        // A run that waited is not lost because the job moves to other platforms.
        if runs_now || waited && jobs.journal.state().waiting_on(name).is_empty() {
            for platform in jobs.platforms_of(&self.job) {
                jobs.enqueue(&platform, name, &Environment::default(), false);
            }
        }
        Ok(())
    }

    fn check(&self, jobs: &Jobs<'_>) -> Result<(), String> {
        check_job(&self.job)?;
        check_settings(&self.settings)?;
        self.at.map_or(Ok(()), check_time_of_day)?;
        let state = jobs.journal.state();
        if state.schedule.get(self.job.name()).is_some() && !self.replaces {
            return Err("job name already used".to_owned());
        }
        let Some(platform) = self.platform() else { return Ok(()) };
        if state.dropped.contains(platform) {
            return Err("platform dropped; can't schedule jobs".to_owned());
        }
        check_platform_count(state, platform)
    }

    fn platform(&self) -> Option<&Text> {
        match &self.job {
            Job::Script(script) => Some(&script.platform),
            Job::OrbBuild(_) => None,
        }
    }

    /// Makes it part of the schedule, in one record, so that a crash leaves the one job or the other.
    fn commit(&self, former: Option<&Item>, jobs: &mut Jobs<'_>) {
        let (settings, job) = (self.settings, self.job.clone());
        let period = settings.every().map_or(self.period, nearest_period);
        let (next, appointed) = self.next_run(settings.every().or(period.duration()), former, jobs.now);
        let item = ScheduleItem { next, period, job };
        jobs.journal.commit(match former.is_none() && settings.is_empty() {
            true => Record::ScheduledOnGrid(item),
            false => Record::Configured(Configured { item, appointed, settings }),
        });
    }

    /// When it runs next, and whether a person chose that.
    fn next_run(&self, step: Option<Duration>, former: Option<&Item>, now: Time) -> (Time, bool) {
        match (self.at, former) {
            (Some(at), _) => (earlier_run(next_time_of_day(at, now), step, now), false),
            (None, Some(former)) if former.step() == step => (former.next, former.appointed),
            (None, _) => (step.map_or(Time::NEVER, |step| now.saturating_add(step)), false),
        }
    }
}
