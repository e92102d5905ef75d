//! The schedule: every job by name, and which is due next.

use builder_proto::job::{Job, ScheduleItem};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use core::time::Duration;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// One job of the schedule.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) next: Time,
    pub(crate) period: Period,
    pub(crate) job: Arc<Job>,
}

impl Item {
    pub(crate) fn to_schedule_item(&self) -> ScheduleItem {
        ScheduleItem { next: self.next, period: self.period, job: (*self.job).clone() }
    }
}

/// All jobs that run again and again. Every operation takes logarithmic time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Schedule {
    items: BTreeMap<Text, Item>,
    /// The jobs again, by their next run. Whoever wants all of them in this order need not look up each by its name.
    due: BTreeMap<(Time, Text), (Period, Arc<Job>)>,
    /// Script jobs by platform and name.
    scripts: BTreeSet<(Text, Text)>,
    orb_builds: BTreeSet<Text>,
}

impl Schedule {
    pub(crate) fn get(&self, name: &Text) -> Option<&Item> {
        self.items.get(name)
    }

    /// Takes in a job; false when there is one of that name.
    pub(crate) fn insert(&mut self, item: Item) -> bool {
        let Entry::Vacant(place) = self.items.entry(item.job.name().clone()) else { return false };
        let name = place.key();
        self.due.insert((item.next, name.clone()), (item.period, Arc::clone(&item.job)));
        match &*item.job {
            Job::Script(job) => self.scripts.insert((job.platform.clone(), name.clone())),
            Job::OrbBuild(_) => self.orb_builds.insert(name.clone()),
        };
        place.insert(item);
        true
    }

    pub(crate) fn remove(&mut self, name: &Text) -> Option<Item> {
        let item = self.items.remove(name)?;
        self.due.remove(&(item.next, name.clone()));
        match &*item.job {
            Job::Script(job) => self.scripts.remove(&(job.platform.clone(), name.clone())),
            Job::OrbBuild(_) => self.orb_builds.remove(name),
        };
        Some(item)
    }

    /// Sets the next run; false when there is no such job.
    pub(crate) fn reschedule(&mut self, name: &Text, next: Time, period: Period) -> bool {
        let Some(item) = self.items.get_mut(name) else { return false };
        self.due.remove(&(item.next, name.clone()));
        self.due.insert((next, name.clone()), (period, Arc::clone(&item.job)));
        (item.next, item.period) = (next, period);
        true
    }

    /// The earliest next run of all jobs. `Time::NEVER` is never due, whatever the clock says.
    pub(crate) fn next_due(&self) -> Option<(Time, &Text)> {
        let ((next, name), _) = self.due.first_key_value()?;
        (*next < Time::NEVER).then_some((*next, name))
    }

    /// All jobs, by name.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.items.values()
    }

    /// All jobs, the next to run first.
    pub(crate) fn by_next_run(&self) -> impl Iterator<Item = Item> {
        self.due.iter().map(|((next, _), (period, job))| Item {
            next: *next,
            period: *period,
            job: Arc::clone(job),
        })
    }

    /// The script jobs that name the platform, by name.
    pub(crate) fn scripts_for(&self, platform: &Text) -> impl Iterator<Item = &Item> {
        let platform = platform.clone();
        self.scripts
            .range((platform.clone(), Text::default())..)
            .take_while(move |(named, _)| *named == platform)
            .filter_map(|(_, name)| self.items.get(name))
    }

    /// The orb-build jobs, by name.
    pub(crate) fn orb_builds(&self) -> impl Iterator<Item = &Item> {
        self.orb_builds.iter().filter_map(|name| self.items.get(name))
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

/// The first time after `now` on the grid `due`, `due` + period, `due` + 2 periods …, so that runs do not drift and
/// missed runs collapse into one.
pub(crate) fn next_run(due: Time, period: Period, now: Time) -> Time {
    let Some(step) = period.duration() else { return Time::NEVER };
    let missed = now.duration_since(due).as_millis() / step.as_millis().max(1);
    let ahead = step.as_millis().saturating_mul(missed + 1);
    due.saturating_add(Duration::from_millis(u64::try_from(ahead).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3_600_000;

    fn at(hours: i64) -> Time {
        Time::from_unix_milliseconds(hours * HOUR)
    }

    #[test]
    fn the_next_run_stays_on_the_grid() {
        let late = at(10).saturating_add(Duration::from_secs(7));
        assert_eq!(next_run(at(10), Period::Hourly, late), at(11));
        assert_eq!(next_run(at(10), Period::Daily, late), at(34));
        assert_eq!(next_run(at(10), Period::Weekly, late), at(10 + 7 * 24));
    }

    #[test]
    fn missed_runs_collapse_into_one() {
        assert_eq!(next_run(at(10), Period::Hourly, at(15).saturating_add(Duration::from_secs(1))), at(16));
    }

    #[test]
    fn the_next_run_is_in_the_future_even_when_now_is_on_the_grid() {
        assert_eq!(next_run(at(10), Period::Hourly, at(10)), at(11));
        assert_eq!(next_run(at(10), Period::Hourly, at(12)), at(13));
    }

    #[test]
    fn a_job_that_never_repeats_is_due_once() {
        assert_eq!(next_run(at(10), Period::Never, at(10)), Time::NEVER);
    }

    #[test]
    fn the_end_of_time_is_never_due() {
        let mut schedule = Schedule::default();
        let job =
            Job::OrbBuild(builder_proto::job::OrbBuildJob { name: "a".into(), opam_package: "b".into() });
        let item = Item { next: Time::NEVER, period: Period::Never, job: Arc::new(job) };
        assert!(schedule.insert(item.clone()));
        assert!(!schedule.insert(item));
        assert!(schedule.next_due().is_none());
        assert!(schedule.reschedule(&"a".into(), at(1), Period::Never));
        assert_eq!(schedule.next_due().map(|(next, _)| next), Some(at(1)));
    }
}
