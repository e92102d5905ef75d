//! What commands make of a job.

use builder_engine::job_settings::nearest_period;
use builder_proto::command::Command;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use std::time::Duration;

/// Next runs from this year on are out of reach of every clock, so they stay as they were set.
pub(crate) const OUT_OF_REACH: Time = Time::from_unix_milliseconds(3_000_000_000_000);

/// Milliseconds.
const DAY: i64 = 24 * 60 * 60 * 1000;

/// A job of the schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) job: Job,
    pub(super) period: Period,
    pub(super) settings: JobSettings,
    /// When it runs next, if that is known.
    pub(super) next: Option<Time>,
    /// Minutes after midnight when it runs, or from which on, if somebody said so.
    pub(super) at: Option<i64>,
}

impl Entry {
    fn new(period: Period, job: Job, settings: JobSettings) -> Entry {
        let period = settings.every().map_or(period, nearest_period);
        Entry { job, period, settings, next: None, at: None }
    }

    /// The same, to run at a time of day.
    fn at(self, at: Option<i64>) -> Entry {
        Entry { at, ..self }
    }

    pub(super) fn agrees_with(&self, item: &ScheduleItem, settings: JobSettings) -> bool {
        self.job == item.job
            && self.period == item.period
            && self.settings == settings
            && self.next.is_none_or(|next| next == item.next)
            && self.at.is_none_or(|at| self.is_on_grid(at, item.next))
    }

    /// Whether it may run then, which is at the time of day, or whole steps before or after it.
    fn is_on_grid(&self, at: i64, next: Time) -> bool {
        let step = self.step();
        let grid = step.map_or(DAY, |step| common_divisor(step.as_millis() as i64, DAY));
        // What runs once does not run again after that.
        (next.unix_milliseconds() - at * 60_000).rem_euclid(grid) == 0
            || (step.is_none() && next == Time::NEVER)
    }

    /// The time from one run to the next.
    fn step(&self) -> Option<Duration> {
        self.settings.every().or(self.period.duration())
    }

    /// The same job with something else to do. It keeps its next run if it runs as often as before.
    fn replaced(&self, new: Entry) -> Entry {
        match new.at.is_none() && self.step() == new.step() {
            true => Entry { next: self.next, at: self.at, ..new },
            false => new,
        }
    }
}

fn common_divisor(one: i64, other: i64) -> i64 {
    if other == 0 { one } else { common_divisor(other, one % other) }
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
        (Command::Enter { period, job, settings, replaces, at }, before) if *replaces || before.is_none() => {
            let new = Entry::new(*period, Job::Script(job.clone()), *settings).at(*at);
            Some(Some(before.map_or(new.clone(), |before| before.replaced(new))))
        }
        (Command::EnterOrbBuild { period, job, settings, replaces, at }, before)
            if *replaces || before.is_none() =>
        {
            let new = Entry::new(*period, Job::OrbBuild(job.clone()), *settings).at(*at);
            Some(Some(before.map_or(new.clone(), |before| before.replaced(new))))
        }
        (Command::Unschedule(_), Some(_)) => Some(None),
        (Command::Execute { .. } | Command::Run { .. }, Some(entry)) => Some(Some(entry.clone())),
        (Command::Reschedule { next, period, .. }, Some(entry)) => {
            let known = Some(*next).filter(|next| *next >= OUT_OF_REACH);
            let every = entry.settings.every.filter(|_| period.is_none());
            let settings = JobSettings { every, ..entry.settings };
            let (period, job) = (period.unwrap_or(entry.period), entry.job.clone());
            Some(Some(Entry { next: known, period, settings, job, at: None }))
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
