//! How jobs get into queues: when they are due, when they are new, and when their platform is.

use crate::Now;
use crate::environment::Environment;
use crate::limits::{DUE_ITEMS_PER_CALL, MISSED_RUN_TOLERANCE, PLATFORMS, RETRY_TIME, WALL_CLOCK_RECHECK};
use crate::server::journal::Journal;
use crate::server::record::{Enqueued, Record, Rescheduled};
use crate::server::schedule::{earlier_run, next_run};
use crate::server::settings::Templates;
use crate::server::state::State;
use builder_proto::job::Job;
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use core::time::Duration;

/// The schedule and the queues, with the templates that say on which platforms orb-build jobs can run.
pub(crate) struct Jobs<'a> {
    pub(crate) journal: &'a mut Journal,
    pub(crate) templates: &'a Templates,
    /// The wall time.
    pub(crate) now: Time,
}

impl Jobs<'_> {
    /// Queues what is due, but for runs that were missed if they are to be left out. Bounded, so that a schedule of any size
    /// delays nobody; the rest is due at the next tick.
    pub(crate) fn enqueue_due(&mut self, now: Now, defaults: &JobSettings) {
        for _ in 0..DUE_ITEMS_PER_CALL {
            let Some((due, name)) = self.journal.state().schedule.next_due() else { return };
            if due > now.wall || !self.journal.has_room(0) {
                return;
            }
            let name = name.clone();
            let Some(item) = self.journal.state().schedule.get(&name) else { return };
            let (period, every, job) = (item.period, item.settings.every, item.job.clone());
            let next = next_run(due, item.step(), now.wall);
            let is_late = now.wall.duration_since(due) > MISSED_RUN_TOLERANCE;
            if is_late && item.settings.or(*defaults).skip_missed == Some(true) {
                ::log::info!(
                    "job {name} does not make up for its run of {due}, which was missed; next run: {next}"
                );
            } else {
                for platform in self.platforms_of(&job) {
                    self.enqueue(&platform, &name, &Environment::default(), false);
                }
            }
            self.journal.commit(Record::Advanced(Rescheduled { name, next, period, every }));
        }
    }

    /// Puts next runs back on their grid that are more than a period ahead. The server never sets one that far, so the clock
    /// showed a later time when it did: one that was wrong at the start of the machine, for example, and is right now.
    /// Bounded in the same way.
    pub(crate) fn return_to_grid(&mut self, now: Now) {
        if !self.journal.state().schedule.may_be_displaced(now.wall) {
            return;
        }
        let mut moved: Vec<(Text, Time, Time)> = Vec::new();
        for name in self.journal.state().schedule.displaced(now.wall).into_iter().take(DUE_ITEMS_PER_CALL) {
            if !self.journal.has_room(0) {
                break;
            }
            let Some(item) = self.journal.state().schedule.get(&name) else { continue };
            let (former, period, every) = (item.next, item.period, item.settings.every);
            let next = earlier_run(former, item.step(), now.wall);
            self.journal.commit(Record::Advanced(Rescheduled { name: name.clone(), next, period, every }));
            moved.push((name, former, next));
        }
        self.journal.tighten_schedule_bound();
        if let Some(((name, former, next), others)) = moved.split_first() {
            let others = others.len();
            ::log::warn!(
                "the clock has gone back: job {name} runs next at {next} instead of {former}; other jobs moved as well: {others}"
            );
        }
    }

    /// The queues that a job belongs to: that of its platform, or all that have a template.
    pub(crate) fn platforms_of(&self, job: &Job) -> Vec<Text> {
        match job {
            Job::Script(job) => {
                let platform =
                    self.journal.state().queues.contains_key(&job.platform).then_some(&job.platform);
                platform.into_iter().cloned().collect()
            }
            Job::OrbBuild(_) => {
                let platforms = self.journal.state().queues.keys();
                platforms.filter(|platform| self.templates.contains_key(*platform)).cloned().collect()
            }
        }
    }

    /// Queues a job to run in that environment, unless it is queued and may stay where it is.
    pub(crate) fn enqueue(&mut self, platform: &Text, name: &Text, environment: &Environment, front: bool) {
        let queue = self.journal.state().queues.get(platform);
        let queued = queue.is_some_and(|queue| queue.contains(name, environment));
        if front || !queued {
            self.journal.commit(Record::Enqueued(Enqueued {
                platform: platform.clone(),
                name: name.clone(),
                front,
                at: Some(self.now),
                environment: environment.to_stored(),
            }));
        }
    }

    /// Creates a queue and fills it with the jobs that run there of themselves, but for one that is to wait for its time.
    pub(crate) fn add_platform(&mut self, platform: &Text, but: Option<&Text>) {
        self.journal.commit(Record::PlatformAdded(platform.clone()));
        let schedule = &self.journal.state().schedule;
        let orb_builds =
            self.templates.contains_key(platform).then(|| schedule.orb_builds()).into_iter().flatten();
        let jobs = schedule.scripts_for(platform).chain(orb_builds);
        let names: Vec<Text> = jobs
            .filter(|item| item.period != Period::Never)
            .map(|item| item.job.name().clone())
            .filter(|name| but != Some(name))
            .collect();
        for name in names {
            self.enqueue(platform, &name, &Environment::default(), false);
        }
    }
}

/// Refuses one platform too many: each is a queue that stays.
pub(crate) fn check_platform_count(state: &State, platform: &Text) -> Result<(), String> {
    let known = state.queues.contains_key(platform) || state.dropped.contains(platform);
    if known || state.queues.len() < PLATFORMS {
        return Ok(());
    }
    Err(format!(
        "platform {platform} is new, and the server has {PLATFORMS} platforms, its limit; drop one first"
    ))
}

/// How long nothing has to be done about the schedule; none when nothing is scheduled. A clock that is not trusted puts no
/// run back on its grid.
pub(crate) fn rest(journal: &Journal, now: Now, trusts_clock: bool) -> Option<Duration> {
    let schedule = &journal.state().schedule;
    let is_displaced = schedule.may_be_displaced(now.wall);
    schedule.next_due().map(|(due, _)| match journal.has_room(0) {
        true if is_displaced && trusts_clock => Duration::ZERO,
        true => due.duration_since(now.wall).min(WALL_CLOCK_RECHECK),
        false => RETRY_TIME,
    })
}
