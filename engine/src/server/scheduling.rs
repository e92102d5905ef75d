//! What records about the schedule make of the state.

use crate::server::admission::runs_on;
use crate::server::inconsistency::Inconsistency;
use crate::server::record::{Configured, Rescheduled};
use crate::server::schedule::Item;
use crate::server::state::{State, unknown};
use builder_proto::Uuid;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use std::sync::Arc;

impl State {
    /// What a scheduled job wants besides; what is absent is as the server has it for all jobs.
    pub fn job_settings(&self, name: &Text) -> Option<&JobSettings> {
        self.schedule.get(name).map(|item| &item.settings)
    }

    /// The first scheduled job, or the one that follows this one by name.
    pub(crate) fn job_behind(&self, last: Option<&Text>) -> Option<&Text> {
        self.schedule.name_behind(last)
    }

    /// Whether a result is on its way to the upload server or is removed after that, or a program is to be told of it.
    pub(crate) fn is_awaited(&self, uuid: Uuid) -> bool {
        self.outbox.contains(uuid) || self.outbox.is_leaving(uuid) || self.notices.contains(uuid)
    }

    /// The scheduled jobs that have settings of their own, by their next runs.
    pub fn jobs_with_settings(&self) -> impl Iterator<Item = &Text> {
        self.schedule.items().filter(|item| !item.settings.is_empty()).map(|item| item.job.name())
    }

    /// The platforms in whose queues a job of this name waits.
    pub(super) fn waiting_on(&self, name: &Text) -> Vec<Text> {
        let queues = self.queues.iter().filter(|(_, queue)| queue.get(name).is_some());
        queues.map(|(platform, _)| platform.clone()).collect()
    }

    pub(super) fn apply_scheduled(
        &mut self,
        item: &ScheduleItem,
        appointed: bool,
    ) -> Result<(), Inconsistency> {
        match self.schedule.insert(item_of(item, appointed, JobSettings::default())) {
            true => Ok(()),
            false => Err(Inconsistency(format!("job {} is scheduled twice", item.job.name()))),
        }
    }

    pub(super) fn apply_unscheduled(&mut self, name: &Text) -> Result<(), Inconsistency> {
        let item = self.schedule.remove(name).ok_or_else(|| unknown("job", name, "unscheduled"))?;
        match &*item.job {
            Job::Script(job) => {
                if let Some(queue) = self.queues.get_mut(&job.platform) {
                    queue.remove_job(name);
                }
                self.losses.remove(&(job.platform.clone(), name.clone()));
            }
            Job::OrbBuild(_) => {
                for (platform, queue) in &mut self.queues {
                    queue.remove_job(name);
                    self.losses.remove(&(platform.clone(), name.clone()));
                }
            }
        }
        Ok(())
    }

    pub(super) fn apply_rescheduled(
        &mut self,
        to: &Rescheduled,
        appointed: bool,
    ) -> Result<(), Inconsistency> {
        match self.schedule.reschedule(to, appointed) {
            true => Ok(()),
            false => Err(unknown("job", &to.name, "rescheduled")),
        }
    }

    pub(super) fn apply_configured(&mut self, configured: &Configured) -> Result<(), Inconsistency> {
        let Configured { item, appointed, settings } = configured;
        let item = item_of(item, *appointed, *settings);
        let (job, name) = (Arc::clone(&item.job), item.job.name());
        self.schedule.remove(name);
        for (platform, queue) in &mut self.queues {
            match runs_on(&job, platform) {
                true => queue.replace(&job),
                false => queue.remove_job(name),
            }
            // Losses are those of the job that is gone.
            self.losses.remove(&(platform.clone(), name.clone()));
        }
        match self.schedule.insert(item) {
            true => Ok(()),
            false => Err(Inconsistency(format!("job {} is scheduled twice", job.name()))),
        }
    }
}

fn item_of(item: &ScheduleItem, appointed: bool, settings: JobSettings) -> Item {
    Item { next: item.next, period: item.period, job: Arc::new(item.job.clone()), appointed, settings }
}
