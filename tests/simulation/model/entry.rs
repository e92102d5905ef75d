//! What commands make of a job.

use builder_engine::job_settings::nearest_period;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};

/// Next runs from this year on are out of reach of every clock, so they stay as they were set.
pub(crate) const OUT_OF_REACH: Time = Time::from_unix_milliseconds(3_000_000_000_000);

/// A job of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) period: Period,
    pub(super) settings: JobSettings,
    /// When it runs next, if that is known.
    pub(super) next: Option<Time>,
}

impl Entry {
    fn new(period: Period, job: Job, settings: JobSettings) -> Entry {
        let period = settings.every().map_or(period, nearest_period);
        Entry { job, period, settings, next: None }
    }

    pub(super) fn agrees_with(&self, item: &ScheduleItem, settings: JobSettings) -> bool {
        self.job == item.job
            && self.period == item.period
            && self.settings == settings
            && self.next.is_none_or(|next| next == item.next)
    }

    /// The same job with something else to do. It keeps its next run if it runs as often as before.
    fn replaced(&self, new: Entry) -> Entry {
        let step = |entry: &Entry| entry.settings.every().or(entry.period.duration());
        let next = self.next.filter(|_| step(self) == step(&new));
        Entry { next, ..new }
    }
}

/// What a command makes of a job; none when it would be refused.
pub(super) fn apply(command: &Command, before: Option<&Entry>) -> Option<Option<Entry>> {
    match (command, before) {
        (Command::Schedule { period, job }, None) => {
            Some(Some(Entry::new(*period, Job::Script(job.clone()), JobSettings::NONE)))
        }
        (Command::ScheduleOrbBuild { period, job }, None) => {
            Some(Some(Entry::new(*period, Job::OrbBuild(job.clone()), JobSettings::NONE)))
        }
        (Command::Enter { period, job, settings, replaces, .. }, before) if *replaces || before.is_none() => {
            let new = Entry::new(*period, Job::Script(job.clone()), *settings);
            Some(Some(before.map_or(new.clone(), |before| before.replaced(new))))
        }
        (Command::EnterOrbBuild { period, job, settings, replaces, .. }, before)
            if *replaces || before.is_none() =>
        {
            let new = Entry::new(*period, Job::OrbBuild(job.clone()), *settings);
            Some(Some(before.map_or(new.clone(), |before| before.replaced(new))))
        }
        (Command::Unschedule(_), Some(_)) => Some(None),
        (Command::Execute { .. } | Command::Run { .. }, Some(entry)) => Some(Some(entry.clone())),
        (Command::Reschedule { next, period, .. }, Some(entry)) => {
            let known = Some(*next).filter(|next| *next >= OUT_OF_REACH);
            let every = entry.settings.every.filter(|_| period.is_none());
            let settings = JobSettings { every, ..entry.settings };
            let (period, job) = (period.unwrap_or(entry.period), entry.job.clone());
            Some(Some(Entry { next: known, period, settings, job }))
        }
        (Command::DropPlatform(platform), before) => {
            let script = |entry: &&Entry| matches!(&entry.job, Job::Script(job) if job.platform == *platform);
            Some(before.filter(|entry| !script(entry)).cloned())
        }
        _ => None,
    }
}

/// The job that a command is about.
pub(super) fn name_of(command: &Command) -> Option<&Text> {
    match command {
        Command::Schedule { job, .. } | Command::Enter { job, .. } => Some(&job.name),
        Command::ScheduleOrbBuild { job, .. } | Command::EnterOrbBuild { job, .. } => Some(&job.name),
        Command::Unschedule(name)
        | Command::Execute { name, .. }
        | Command::Run { name, .. }
        | Command::Reschedule { name, .. } => Some(name),
        _ => None,
    }
}

/// Commands about platforms touch every job, and those that drain the server each other.
pub(super) fn touch_the_same(one: &Command, other: &Command) -> bool {
    let about_platform = |command: &Command| {
        matches!(
            command,
            Command::DropPlatform(_)
                | Command::UndropPlatform(_)
                | Command::Pause(_)
                | Command::Resume { .. }
                | Command::Drain { .. }
        )
    };
    match (name_of(one), name_of(other)) {
        (Some(one), Some(other)) => one == other,
        _ => {
            (about_platform(one) && (about_platform(other) || name_of(other).is_some()))
                || (about_platform(other) && name_of(one).is_some())
        }
    }
}
