//! The queue of one platform: first in, first out, at most one entry for each job in each environment.

use crate::environment::Environment;
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::Time;
use core::ops::Bound;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Jobs that wait for a worker of one platform. Operations take logarithmic time, unless they say that they look
/// at all jobs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Queue {
    /// The jobs by position. Positions grow at the back and shrink at the front; gaps mean nothing.
    jobs: BTreeMap<i64, Place>,
    positions: BTreeMap<(Text, Environment), i64>,
    /// Positions of script jobs, so that they are found behind any number of orb-build jobs without template.
    scripts: BTreeSet<i64>,
}

/// A job that waits.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) job: Arc<Job>,
    /// What this run of it finds in its environment in addition.
    pub(crate) environment: Environment,
    /// When it came, if that is known.
    pub(crate) since: Option<Time>,
}

impl Queue {
    /// Whether the job is queued to run in that environment.
    pub(crate) fn contains(&self, name: &Text, environment: &Environment) -> bool {
        self.position(name, environment).is_some()
    }

    /// Puts the job behind all others, unless it is queued already.
    pub(crate) fn push_back(&mut self, job: Arc<Job>, environment: Environment, since: Option<Time>) {
        let position = self.jobs.last_key_value().map_or(0, |(last, _)| last + 1);
        if let Entry::Vacant(place) = self.positions.entry((job.name().clone(), environment.clone())) {
            place.insert(position);
            self.insert(position, Place { job, environment, since });
        }
    }

    /// Puts the job before all others, from wherever it was. One that was queued goes on waiting.
    pub(crate) fn push_front(&mut self, job: Arc<Job>, environment: Environment, since: Option<Time>) {
        let since = self.since(job.name(), &environment).or(since);
        self.remove(job.name(), &environment);
        let position = self.jobs.first_key_value().map_or(0, |(first, _)| first - 1);
        self.positions.insert((job.name().clone(), environment.clone()), position);
        self.insert(position, Place { job, environment, since });
    }

    /// Puts a job where those of its name wait, if any does.
    pub(crate) fn replace(&mut self, job: &Arc<Job>) {
        let environments = self.environments(job.name());
        let positions: Vec<i64> =
            environments.filter_map(|environment| self.position(job.name(), environment)).collect();
        for position in positions {
            self.scripts.remove(&position);
            if let Some(place) = self.jobs.remove(&position) {
                self.insert(position, Place { job: Arc::clone(job), ..place });
            }
        }
    }

    /// Takes the job out that was to run in that environment.
    pub(crate) fn remove(&mut self, name: &Text, environment: &Environment) {
        if let Some(position) = self.positions.remove(&(name.clone(), environment.clone())) {
            self.scripts.remove(&position);
            self.jobs.remove(&position);
        }
    }

    /// Takes the job out, in whatever environment it was to run.
    pub(crate) fn remove_job(&mut self, name: &Text) {
        let environments: Vec<Environment> = self.environments(name).cloned().collect();
        environments.iter().for_each(|environment| self.remove(name, environment));
    }

    /// The environments in which the job is queued to run.
    pub(crate) fn environments(&self, name: &Text) -> impl Iterator<Item = &Environment> {
        let from = (name.clone(), Environment::default());
        let entries = self.positions.range(from..).map(|(entry, _)| entry);
        entries.take_while(move |(queued, _)| queued == name).map(|(_, environment)| environment)
    }

    /// The first job that may run: any job, or the first script job where orb-build jobs have no template.
    pub(crate) fn first(&self, orb_builds: bool) -> Option<&Place> {
        let (first, place) = self.jobs.first_key_value()?;
        if orb_builds || self.scripts.contains(first) {
            return Some(place);
        }
        self.jobs.get(self.scripts.first()?)
    }

    /// Whether there is a job besides that one which may run, as in [`Queue::first`].
    pub(crate) fn has_others(&self, name: &Text, orb_builds: bool) -> bool {
        let runs = |job: &Job| orb_builds || matches!(job, Job::Script(_));
        self.jobs().any(|job| job.name() != name && runs(job))
    }

    pub(crate) fn jobs(&self) -> impl Iterator<Item = &Arc<Job>> {
        self.places().map(|place| &place.job)
    }

    pub(crate) fn places(&self) -> impl Iterator<Item = &Place> {
        self.jobs.values()
    }

    /// The job of this name, if it is queued in any environment.
    pub(crate) fn get(&self, name: &Text) -> Option<&Arc<Job>> {
        let position = self.position(name, self.environments(name).next()?)?;
        self.jobs.get(&position).map(|place| &place.job)
    }

    /// The jobs behind a position, or all, with the position of each and when it came, if that is known.
    pub(crate) fn behind(
        &self,
        position: Option<i64>,
    ) -> impl Iterator<Item = (i64, &Arc<Job>, Option<Time>)> {
        let first = position.map_or(Bound::Unbounded, Bound::Excluded);
        let behind = self.jobs.range((first, Bound::Unbounded));
        behind.map(|(position, place)| (*position, &place.job, place.since))
    }

    /// When a queued job came, if that is known.
    pub(crate) fn since(&self, name: &Text, environment: &Environment) -> Option<Time> {
        self.jobs.get(&self.position(name, environment)?)?.since
    }

    /// When the job came that has waited longest, as far as that is known. This looks at all of them.
    pub(crate) fn oldest(&self) -> Option<Time> {
        self.jobs.values().filter_map(|place| place.since).min()
    }

    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    fn position(&self, name: &Text, environment: &Environment) -> Option<i64> {
        self.positions.get(&(name.clone(), environment.clone())).copied()
    }

    /// Puts a job where `positions` says that it is.
    fn insert(&mut self, position: i64, place: Place) {
        if matches!(*place.job, Job::Script(_)) {
            self.scripts.insert(position);
        }
        self.jobs.insert(position, place);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::environment::Variable;
    use builder_proto::job::{OrbBuildJob, ScriptJob};

    fn script(name: &str) -> Arc<Job> {
        Arc::new(Job::Script(ScriptJob { name: name.into(), script: "true".into(), platform: "p".into() }))
    }

    fn orb_build(name: &str) -> Arc<Job> {
        Arc::new(Job::OrbBuild(OrbBuildJob { name: name.into(), opam_package: "package".into() }))
    }

    fn names(queue: &Queue) -> Vec<String> {
        queue.jobs().map(|job| job.name().to_string()).collect()
    }

    #[test]
    fn the_first_in_is_the_first_out() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.push_back(script(name), Environment::default(), None);
        }
        assert_eq!(names(&queue), ["a", "b", "c"]);
        assert_eq!(queue.first(false).map(|place| place.job.name().to_string()).as_deref(), Some("a"));
    }

    #[test]
    fn a_job_is_queued_at_most_once() {
        let mut queue = Queue::default();
        for name in ["a", "b", "a"] {
            queue.push_back(script(name), Environment::default(), None);
        }
        assert_eq!(names(&queue), ["a", "b"]);
        queue.push_front(script("b"), Environment::default(), None);
        queue.push_front(script("c"), Environment::default(), None);
        assert_eq!(names(&queue), ["c", "b", "a"]);
    }

    #[test]
    fn a_removed_job_leaves_the_others_in_order() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.push_back(script(name), Environment::default(), None);
        }
        for _ in 0..2 {
            queue.remove(&"b".into(), &Environment::default());
        }
        assert_eq!(names(&queue), ["a", "c"]);
    }

    #[test]
    fn others_are_those_that_may_run() {
        let mut queue = Queue::default();
        queue.push_back(script("script"), Environment::default(), None);
        assert!(!queue.has_others(&"script".into(), true));
        queue.push_back(orb_build("orb"), Environment::default(), None);
        assert!(queue.has_others(&"script".into(), true) && !queue.has_others(&"script".into(), false));
        assert!(queue.has_others(&"orb".into(), false));
    }

    #[test]
    fn script_jobs_pass_orb_build_jobs_that_cannot_run() {
        let mut queue = Queue::default();
        queue.push_back(orb_build("orb"), Environment::default(), None);
        assert!(queue.first(false).is_none());
        queue.push_back(script("script"), Environment::default(), None);
        assert_eq!(queue.first(false).map(|place| place.job.name().to_string()).as_deref(), Some("script"));
        assert_eq!(queue.first(true).map(|place| place.job.name().to_string()).as_deref(), Some("orb"));
    }

    #[test]
    fn a_job_that_replaces_another_waits_in_its_place() {
        let mut queue = Queue::default();
        for name in ["a", "b", "c"] {
            queue.push_back(script(name), Environment::default(), Some(Time::from_unix_milliseconds(1)));
        }
        queue.replace(&orb_build("a"));
        queue.replace(&orb_build("d"));
        assert_eq!(names(&queue), ["a", "b", "c"]);
        assert_eq!(queue.since(&"a".into(), &Environment::default()), Some(Time::from_unix_milliseconds(1)));
        assert_eq!(queue.first(false).map(|place| place.job.name().to_string()).as_deref(), Some("b"));
        queue.replace(&script("a"));
        assert_eq!(queue.first(false).map(|place| place.job.name().to_string()).as_deref(), Some("a"));
    }

    #[test]
    fn a_job_waits_since_it_came_wherever_it_goes() {
        let since = |queue: &Queue| queue.since(&"a".into(), &Environment::default());
        let mut queue = Queue::default();
        let (first, later) = (Time::from_unix_milliseconds(1), Time::from_unix_milliseconds(2));
        queue.push_back(script("a"), Environment::default(), Some(first));
        queue.push_back(script("a"), Environment::default(), Some(later));
        queue.push_front(script("a"), Environment::default(), Some(later));
        assert_eq!(since(&queue), Some(first));
        queue.remove(&"a".into(), &Environment::default());
        assert_eq!(since(&queue), None);
        queue.push_front(script("a"), Environment::default(), Some(later));
        assert_eq!(since(&queue), Some(later));
    }

    #[test]
    fn a_job_has_a_place_for_each_environment() {
        let environment =
            |value: &str| Environment::new(vec![Variable { name: "A".into(), value: value.into() }]).unwrap();
        let mut queue = Queue::default();
        queue.push_back(script("a"), Environment::default(), None);
        queue.push_back(script("b"), Environment::default(), None);
        queue.push_front(script("a"), environment("1"), None);
        queue.push_front(script("a"), environment("2"), None);
        queue.push_front(script("a"), environment("1"), None);
        let values = |queue: &Queue| -> Vec<String> {
            let values = queue.places().map(|place| {
                place
                    .environment
                    .variables()
                    .first()
                    .map_or("", |first| first.value.as_str().unwrap())
                    .to_owned()
            });
            values.collect()
        };
        assert_eq!((names(&queue).concat().as_str(), values(&queue).concat().as_str()), ("aaab", "12"));
        queue.remove(&"a".into(), &environment("1"));
        assert!(!queue.contains(&"a".into(), &environment("1")));
        assert_eq!(queue.environments(&"a".into()).count(), 2);
        queue.remove_job(&"a".into());
        assert_eq!(names(&queue), ["b"]);
    }

    #[test]
    fn the_job_that_has_waited_longest_may_be_anywhere() {
        let mut queue = Queue::default();
        assert_eq!(queue.oldest(), None);
        queue.push_back(script("unknown"), Environment::default(), None);
        assert_eq!(queue.oldest(), None);
        let (first, later) = (Time::from_unix_milliseconds(1), Time::from_unix_milliseconds(2));
        queue.push_back(script("a"), Environment::default(), Some(first));
        queue.push_front(script("b"), Environment::default(), Some(later));
        assert_eq!(queue.oldest(), Some(first));
        queue.remove_job(&"a".into());
        assert_eq!(queue.oldest(), Some(later));
    }
}
