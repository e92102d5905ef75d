//! The schedule: every job by name, and which is due next.

use crate::limits::CLOCK_TOLERANCE;
use crate::server::record::{Configured, Record, Rescheduled};
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};
use core::ops::Bound;
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
    /// Whether a person chose the next run, or may have done so in an earlier version; it stands then, whatever the clock
    /// shows. Otherwise the server set it, one period ahead at most.
    pub(crate) appointed: bool,
    pub(crate) settings: JobSettings,
}

impl Item {
    /// A time that the clock showed or had passed when the server set the next run: one period before that.
    fn set_after(&self) -> Option<Time> {
        let step = self.step().filter(|_| !self.appointed)?;
        let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
        Some(Time::from_unix_milliseconds(self.next.unix_milliseconds().saturating_sub(step)))
    }

    /// The time between two runs; none when it does not run again by itself.
    pub(crate) fn step(&self) -> Option<Duration> {
        self.settings.every().or(self.period.duration())
    }

    /// The record that puts it into an empty schedule.
    pub(crate) fn to_record(&self) -> Record {
        let (item, appointed, settings) = (self.to_schedule_item(), self.appointed, self.settings);
        match (settings.is_empty(), appointed) {
            (true, true) => Record::Scheduled(item),
            (true, false) => Record::ScheduledOnGrid(item),
            (false, _) => Record::Configured(Configured { item, appointed, settings }),
        }
    }

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
    /// No next run that the server set was set after a later time. A bound only, so that nobody has to look at every job
    /// in every turn.
    latest_set_after: Option<Time>,
}

impl Schedule {
    pub(crate) fn get(&self, name: &Text) -> Option<&Item> {
        self.items.get(name).map(|item| &**item)
    }

    /// The first name, or the one that follows this one.
    pub(crate) fn name_behind(&self, last: Option<&Text>) -> Option<&Text> {
        let from = last.map_or(Bound::Unbounded, Bound::Excluded);
        self.items.range::<Text, _>((from, Bound::Unbounded)).next().map(|(name, _)| name)
    }

    /// Takes in a job; false when there is one of that name.
    pub(crate) fn insert(&mut self, item: Item) -> bool {
        let Entry::Vacant(place) = self.items.entry(item.job.name().clone()) else { return false };
        let name = place.key().clone();
        match &*item.job {
            Job::Script(job) => self.scripts.insert((job.platform.clone(), name.clone())),
            Job::OrbBuild(_) => self.orb_builds.insert(name.clone()),
        };
        self.latest_set_after = self.latest_set_after.max(item.set_after());
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

    /// Sets the next run, and how often the job runs from then on; false when there is no such job.
    pub(crate) fn reschedule(&mut self, to: &Rescheduled, appointed: bool) -> bool {
        let Rescheduled { name, next, period, every } = to;
        let (next, period) = (*next, *period);
        let Some(item) = self.items.get_mut(name) else { return false };
        self.due.remove(&(item.next, name.clone()));
        let settings = JobSettings { every: *every, ..item.settings };
        *item = Arc::new(Item { next, period, job: Arc::clone(&item.job), appointed, settings });
        self.latest_set_after = self.latest_set_after.max(item.set_after());
        self.due.insert((next, name.clone()), Arc::clone(item));
        true
    }

    /// The earliest next run of all jobs. `Time::NEVER` is never due, whatever the clock says.
    pub(crate) fn next_due(&self) -> Option<(Time, &Text)> {
        let ((next, name), _) = self.due.first_key_value()?;
        (*next < Time::NEVER).then_some((*next, name))
    }

    /// Whether [`Schedule::displaced`] may find something. Costs nothing, and is right once the bound is tight.
    pub(crate) fn may_be_displaced(&self, now: Time) -> bool {
        self.latest_set_after > Some(now.saturating_add(CLOCK_TOLERANCE))
    }

    /// Jobs whose next run the server set when the clock showed a later time than now: it has gone back since.
    pub(crate) fn displaced(&self, now: Time) -> Vec<Text> {
        let limit = now.saturating_add(CLOCK_TOLERANCE);
        let items = self.items.iter().filter(|(_, item)| item.set_after() > Some(limit));
        items.map(|(name, _)| name.clone()).collect()
    }

    /// Looks at every job.
    pub(crate) fn tighten_bound(&mut self) {
        self.latest_set_after = self.items.values().filter_map(|item| item.set_after()).max();
    }

    /// All jobs, the next to run first.
    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.due.values().map(|item| &**item)
    }

    /// The job of that name, if there is one, and those with later names.
    pub(crate) fn from(&self, name: &Text) -> impl Iterator<Item = &Item> {
        self.items.range(name.clone()..).map(|(_, item)| &**item)
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

    /// The same without what depends on how it came about.
    #[cfg(test)]
    pub(crate) fn without_bound(&self) -> Schedule {
        Schedule { latest_set_after: None, ..self.clone() }
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}

/// The first time after `now` on the grid `due`, `due` + period, `due` + 2 periods …, so that runs do not drift and
/// missed runs collapse into one.
pub(crate) fn next_run(due: Time, step: Option<Duration>, now: Time) -> Time {
    let Some(step) = step else { return Time::NEVER };
    let missed = now.duration_since(due).as_millis() / step.as_millis().max(1);
    let ahead = step.as_millis().saturating_mul(missed + 1);
    due.saturating_add(Duration::from_millis(u64::try_from(ahead).unwrap_or(u64::MAX)))
}

/// The first time after `now` on the same grid as `next`, which is later.
pub(crate) fn earlier_run(next: Time, step: Option<Duration>, now: Time) -> Time {
    let Some(step) = step else { return next };
    let (step, ahead) = (step.as_millis().max(1), next.duration_since(now).as_millis());
    let back = i64::try_from(ahead.saturating_sub(1) / step * step).unwrap_or(i64::MAX);
    Time::from_unix_milliseconds(next.unix_milliseconds().saturating_sub(back))
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
        assert_eq!(next_run(at(10), Period::Hourly.duration(), late), at(11));
        assert_eq!(next_run(at(10), Period::Daily.duration(), late), at(34));
        assert_eq!(next_run(at(10), Period::Weekly.duration(), late), at(10 + 7 * 24));
    }

    #[test]
    fn missed_runs_collapse_into_one() {
        assert_eq!(
            next_run(at(10), Period::Hourly.duration(), at(15).saturating_add(Duration::from_secs(1))),
            at(16)
        );
    }

    #[test]
    fn the_next_run_is_in_the_future_even_when_now_is_on_the_grid() {
        assert_eq!(next_run(at(10), Period::Hourly.duration(), at(10)), at(11));
        assert_eq!(next_run(at(10), Period::Hourly.duration(), at(12)), at(13));
    }

    #[test]
    fn a_job_that_never_repeats_is_due_once() {
        assert_eq!(next_run(at(10), Period::Never.duration(), at(10)), Time::NEVER);
    }

    #[test]
    fn an_earlier_run_is_on_the_grid_and_in_the_future() {
        for (now, expected) in [(9, 10), (10, 11), (23, 24), (24, 25)] {
            assert_eq!(earlier_run(at(100), Period::Hourly.duration(), at(now)), at(expected));
        }
        let late = at(10).saturating_add(Duration::from_millis(1));
        assert_eq!(
            earlier_run(late, Period::Hourly.duration(), at(1)),
            at(1).saturating_add(Duration::from_millis(1))
        );
        assert_eq!(earlier_run(at(100), Period::Daily.duration(), at(10)), at(28));
        assert_eq!(earlier_run(at(10), Period::Daily.duration(), at(9)), at(10));
    }

    fn to(name: &str, next: Time, period: Period) -> Rescheduled {
        Rescheduled { name: name.into(), next, period, every: None }
    }

    fn orb_build(name: &str, next: Time) -> Item {
        let job = OrbBuildJob { name: name.into(), opam_package: "package".into() };
        Item {
            next,
            period: Period::Never,
            job: Arc::new(Job::OrbBuild(job)),
            appointed: true,
            settings: JobSettings::default(),
        }
    }

    #[test]
    fn what_the_server_set_is_displaced_once_it_is_more_than_a_period_ahead() {
        let mut schedule = Schedule::default();
        let item = |name, next, period, appointed| Item { period, appointed, ..orb_build(name, next) };
        assert!(schedule.insert(item("hourly", at(11), Period::Hourly, false)));
        assert!(schedule.insert(item("daily", at(30), Period::Daily, false)));
        assert!(schedule.insert(item("appointed", at(1000), Period::Daily, true)));
        assert!(schedule.insert(item("never", Time::NEVER, Period::Never, false)));
        for (now, expected) in [(10, &[][..]), (8, &["hourly"]), (5, &["daily", "hourly"]), (7, &["hourly"])]
        {
            let displaced = schedule.displaced(at(now));
            schedule.tighten_bound();
            assert_eq!(displaced, expected.iter().map(|name| (*name).into()).collect::<Vec<Text>>(), "{now}");
            assert_eq!(schedule.may_be_displaced(at(now)), !expected.is_empty());
        }
        let little = Time::from_unix_milliseconds(at(10).unix_milliseconds() - 60_000);
        assert!(schedule.displaced(little).is_empty(), "a clock may be corrected");
        assert!(schedule.reschedule(&to("hourly", at(11), Period::Hourly), true));
        assert!(schedule.reschedule(&to("daily", at(25), Period::Daily), false));
        assert!(schedule.displaced(at(1)).is_empty());
        assert!(schedule.may_be_displaced(at(1)), "as far as is known without a look");
        schedule.tighten_bound();
        assert!(!schedule.may_be_displaced(at(1)), "the bound follows");
    }

    #[test]
    fn the_end_of_time_is_never_due() {
        let mut schedule = Schedule::default();
        assert!(schedule.insert(orb_build("a", Time::NEVER)));
        assert!(schedule.next_due().is_none());
        assert!(schedule.reschedule(&to("a", at(1), Period::Never), true));
        assert_eq!(schedule.next_due().map(|(next, _)| next), Some(at(1)));
    }

    #[test]
    fn jobs_are_found_by_name_and_come_by_their_next_run() {
        let mut schedule = Schedule::default();
        for (name, next) in [("a", at(3)), ("b", at(1)), ("c", at(2))] {
            assert!(schedule.insert(orb_build(name, next)));
        }
        assert!(!schedule.insert(orb_build("a", at(0))), "there is one of that name");
        assert!(schedule.reschedule(&to("b", at(4), Period::Daily), true));
        assert!(!schedule.reschedule(&to("d", at(4), Period::Daily), true));
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
