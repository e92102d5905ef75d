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
    items: BTreeMap<Text, Arc<Item>>,
    /// The same, by the next run, and for the same time by name.
    due: BTreeMap<(Time, Text), Arc<Item>>,
    /// Script jobs by platform and name.
    scripts: BTreeSet<(Text, Text)>,
    orb_builds: BTreeSet<Text>,
}

impl Schedule {
    pub(crate) fn get(&self, name: &Text) -> Option<&Item> {
        self.items.get(name).map(|item| &**item)
    }

    /// Takes in a job; false when there is one of that name.
    pub(crate) fn insert(&mut self, item: Item) -> bool {
        let Entry::Vacant(place) = self.items.entry(item.job.name().clone()) else { return false };
        let name = place.key().clone();
        match &*item.job {
            Job::Script(job) => self.scripts.insert((job.platform.clone(), name.clone())),
            Job::OrbBuild(_) => self.orb_builds.insert(name.clone()),
        };
        let item = place.insert(Arc::new(item));
        self.due.insert((item.next, name), Arc::clone(item));
        true
    }

    /// Takes out a job, if there is one of that name.
    pub(crate) fn remove(&mut self, name: &Text) -> Option<Arc<Item>> {
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
        *item = Arc::new(Item { next, period, job: Arc::clone(&item.job) });
        self.due.insert((next, name.clone()), Arc::clone(item));
        true
    }

    /// The earliest next run of all jobs. `Time::NEVER` is never due, whatever the clock says.
    pub(crate) fn next_due(&self) -> Option<(Time, &Text)> {
        let ((next, name), _) = self.due.first_key_value()?;
        (*next < Time::NEVER).then_some((*next, name))
    }

    /// All jobs, the next to run first.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.due.values().map(|item| &**item)
    }

    /// The script jobs that name the platform, by name.
    pub(crate) fn scripts_for(&self, platform: &Text) -> impl Iterator<Item = &Item> {
        let platform = platform.clone();
        self.scripts
            .range((platform.clone(), Text::default())..)
            .take_while(move |(named, _)| *named == platform)
            .filter_map(|(_, name)| self.get(name))
    }

    /// The orb-build jobs, by name.
    pub(crate) fn orb_builds(&self) -> impl Iterator<Item = &Item> {
        self.orb_builds.iter().filter_map(|name| self.get(name))
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
    use builder_proto::job::OrbBuildJob;

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

    fn orb_build(name: &str, next: Time) -> Item {
        let job = OrbBuildJob { name: name.into(), opam_package: "package".into() };
        Item { next, period: Period::Never, job: Arc::new(Job::OrbBuild(job)) }
    }

    #[test]
    fn the_end_of_time_is_never_due() {
        let mut schedule = Schedule::default();
        assert!(schedule.insert(orb_build("a", Time::NEVER)));
        assert!(schedule.next_due().is_none());
        assert!(schedule.reschedule(&"a".into(), at(1), Period::Never));
        assert_eq!(schedule.next_due().map(|(next, _)| next), Some(at(1)));
    }

    #[test]
    fn jobs_are_found_by_name_and_come_by_their_next_run() {
        let mut schedule = Schedule::default();
        for (name, next) in [("a", at(3)), ("b", at(1)), ("c", at(2))] {
            assert!(schedule.insert(orb_build(name, next)));
        }
        assert!(!schedule.insert(orb_build("a", at(0))), "there is one of that name");
        assert!(schedule.reschedule(&"b".into(), at(4), Period::Daily));
        assert!(!schedule.reschedule(&"d".into(), at(4), Period::Daily));
        let order = |schedule: &Schedule| -> Vec<(String, Time)> {
            schedule.items().map(|item| (item.job.name().to_string(), item.next)).collect()
        };
        let expected = [("c", at(2)), ("a", at(3)), ("b", at(4))].map(|(name, next)| (name.to_owned(), next));
        assert_eq!(order(&schedule), expected);
        assert_eq!(schedule.get(&"b".into()).unwrap().period, Period::Daily);
        assert_eq!(schedule.remove(&"a".into()).unwrap().next, at(3));
        assert!(schedule.get(&"a".into()).is_none() && schedule.remove(&"a".into()).is_none());
        assert_eq!((schedule.len(), schedule.orb_builds().count()), (2, 2));
    }
}
