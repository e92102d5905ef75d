//! What is known of each job on each platform, kept up with every build that ends, so that nobody has to look at all of them.

use super::key::Key;
use builder_proto::Uuid;
use builder_proto::history::{Build, Cause};
use builder_proto::overview::{LastBuild, Results};
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

/// So many of the last successful builds say how long a job usually takes.
pub const COUNTED: usize = 10;

/// How the builds of a job ended on a platform. Builds are in the order of their starts, whenever they end.
#[derive(Clone, Debug)]
pub struct Summary {
    last: Key,
    finished: Time,
    cause: Cause,
    /// So many in a row ended like the last one.
    count: u64,
    /// When the first of these started, in milliseconds since 1970.
    since: i64,
    /// How long the last ones took that succeeded, in the order of their starts.
    times: Vec<(Key, u32)>,
}

/// How a build ended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Outcome {
    pub(super) platform: u32,
    pub(super) failed: bool,
    /// Milliseconds since 1970.
    pub(super) started: i64,
}

/// By the numbers of job and platform.
#[derive(Debug, Default)]
pub(super) struct Summaries(BTreeMap<(u32, u32), Summary>);

impl Summary {
    /// As clients are told of it.
    #[must_use]
    pub fn results(&self) -> Results {
        let Key(started, uuid) = self.last;
        let (uuid, started) = (RawUuid(uuid), Time::from_unix_milliseconds(started));
        Results {
            last: LastBuild { uuid, started, finished: self.finished, cause: self.cause.clone() },
            count: self.count,
            since: Time::from_unix_milliseconds(self.since),
            usual: self.usual().map(|usual| u64::try_from(usual.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    /// How long a build usually takes, if any has succeeded.
    #[must_use]
    pub fn usual(&self) -> Option<Duration> {
        median(self.times.iter().map(|(_, took)| Duration::from_millis(u64::from(*took))).collect())
    }

    fn add_time(&mut self, key: Key, took: Duration) {
        let Err(at) = self.times.binary_search_by_key(&key, |(key, _)| *key) else { return };
        if self.times.len() == COUNTED {
            if at == 0 {
                return;
            }
            self.times.remove(0);
            self.times.insert(at - 1, (key, milliseconds(took)));
        } else {
            self.times.reserve_exact(1);
            self.times.insert(at, (key, milliseconds(took)));
        }
    }
}

impl Summaries {
    pub(super) fn get(&self, job: u32, platform: u32) -> Option<&Summary> {
        self.0.get(&(job, platform))
    }

    /// By platform.
    pub(super) fn of_job(&self, job: u32) -> impl Iterator<Item = (u32, &Summary)> {
        self.0.range((job, 0)..=(job, u32::MAX)).map(|((_, platform), summary)| (*platform, summary))
    }

    /// Takes in a build that has ended, but for how many there are in a row.
    pub(super) fn add(&mut self, place: (u32, u32), build: &Build) {
        let Some(end) = &build.end else { return };
        let key = Key::of(build);
        let summary = match self.0.entry(place) {
            Entry::Occupied(place) => place.into_mut(),
            Entry::Vacant(place) => place.insert(Summary {
                last: Key(i64::MIN, Uuid::nil()),
                finished: end.finished,
                cause: end.cause.clone(),
                count: 0,
                since: build.started.unix_milliseconds(),
                times: Vec::new(),
            }),
        };
        if summary.last < key {
            let ends_like_it = summary.cause.is_success() == end.cause.is_success();
            if !ends_like_it {
                (summary.count, summary.since) = (0, build.started.unix_milliseconds());
            }
            (summary.last, summary.finished, summary.cause) = (key, end.finished, end.cause.clone());
        }
        if end.cause.is_success() {
            summary.add_time(key, end.finished.duration_since(build.started));
        }
    }

    /// Counts how many in a row ended alike, after this build was added. `outcomes` are those of the job on all platforms, the
    /// last one first; they are looked at only if the build is not the last one there.
    pub(super) fn count<I: Iterator<Item = Outcome>>(
        &mut self,
        place: (u32, u32),
        added: Key,
        outcomes: impl FnOnce() -> I,
    ) {
        let Some(summary) = self.0.get_mut(&place) else { return };
        if summary.last == added {
            summary.count += 1;
            return;
        }
        let failed = !summary.cause.is_success();
        let here = outcomes().filter(|outcome| outcome.platform == place.1);
        summary.count = 0;
        for outcome in here.take_while(|outcome| outcome.failed == failed) {
            (summary.count, summary.since) = (summary.count + 1, outcome.started);
        }
    }

    /// The same for all platforms of a job, after any number of builds.
    pub(super) fn count_all(&mut self, job: u32, outcomes: impl Iterator<Item = Outcome>) {
        // Of each platform, whether the row goes on.
        let mut rows: BTreeMap<u32, bool> = BTreeMap::new();
        for outcome in outcomes {
            let Some(summary) = self.0.get_mut(&(job, outcome.platform)) else { continue };
            let goes_on = rows.entry(outcome.platform).or_insert_with(|| {
                summary.count = 0;
                true
            });
            *goes_on &= outcome.failed != summary.cause.is_success();
            if *goes_on {
                (summary.count, summary.since) = (summary.count + 1, outcome.started);
            }
        }
    }
}

fn milliseconds(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

/// Half of the times are shorter; of an even number, the middle between the two in the middle.
#[must_use]
pub fn median(mut times: Vec<Duration>) -> Option<Duration> {
    times.sort();
    let upper = *times.get(times.len() / 2)?;
    match times.len() % 2 {
        0 => times.get(times.len() / 2 - 1).map(|lower| (*lower + upper) / 2),
        _ => Some(upper),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Index, Place};
    use super::*;
    use builder_proto::history::BuildEnd;

    /// A build that started at that second and took as many, or failed.
    fn build(number: u8, platform: &str, started: i64, succeeds: bool) -> Build {
        let start = Time::from_unix_milliseconds(started * 1000);
        let cause = Cause::Exited(if succeeds { 0 } else { 1 });
        let finished = start.saturating_add(Duration::from_secs(started.unsigned_abs()));
        Build {
            uuid: RawUuid(Uuid::from_bytes([number; 16])),
            job: "j".into(),
            platform: platform.into(),
            started: start,
            queued: None,
            host: None,
            end: Some(BuildEnd::new(finished, cause)),
        }
    }

    /// Start of the last one, how many in a row, since when, and what is usual; in seconds.
    fn summary(index: &Index, platform: &str) -> (i64, u64, i64, Option<u64>) {
        let results = index.summary(&"j".into(), &platform.into()).unwrap().results();
        let seconds = |time: Time| time.unix_milliseconds() / 1000;
        (seconds(results.last.started), results.count, seconds(results.since), results.usual)
    }

    #[test]
    fn rows_are_counted_and_only_successes_are_usual() {
        let mut index = Index::default();
        let mut add = |number, started, succeeds| {
            assert!(index.insert(&build(number, "p", started, succeeds), Place::Memory));
            summary(&index, "p")
        };
        assert_eq!(add(1, 10, true), (10, 1, 10, Some(10_000)));
        assert_eq!(add(2, 20, true), (20, 2, 10, Some(15_000)));
        assert_eq!(add(3, 30, false), (30, 1, 30, Some(15_000)));
        assert_eq!(add(4, 40, false), (40, 2, 30, Some(15_000)));
        assert_eq!(add(5, 50, true), (50, 1, 50, Some(20_000)));
        assert!(!index.insert(&build(5, "p", 50, true), Place::Memory));
        assert_eq!(summary(&index, "p"), (50, 1, 50, Some(20_000)), "one that is known changes nothing");
        assert!(index.summary(&"j".into(), &"q".into()).is_none());
    }

    #[test]
    fn builds_that_end_late_are_counted_where_they_started() {
        let mut index = Index::default();
        let mut add = |number, started, succeeds| {
            index.insert(&build(number, "p", started, succeeds), Place::Memory);
            summary(&index, "p")
        };
        add(1, 50, false);
        assert_eq!(add(2, 30, false), (50, 2, 30, None));
        assert_eq!(add(3, 40, true), (50, 1, 50, Some(40_000)), "it breaks the row");
        assert_eq!(add(4, 20, false), (50, 1, 50, Some(40_000)));
        assert_eq!(add(5, 45, false), (50, 2, 45, Some(40_000)));
    }

    #[test]
    fn the_order_in_which_builds_come_does_not_matter() {
        let mut builds: Vec<Build> = (0..40_u8)
            .map(|number| {
                let platform = ["p", "q"][usize::from(number % 3 == 0)];
                build(number, platform, i64::from(number) * 7 % 41, number % 5 < 3)
            })
            .collect();
        builds.push(builds[3].clone());
        let mut loaded = Index::default();
        for build in &builds {
            loaded.push(build, Place::Memory);
        }
        loaded.sort();
        for turn in 0..builds.len() {
            builds.rotate_left(1);
            let mut index = Index::default();
            for build in &builds {
                index.insert(build, Place::Memory);
            }
            for platform in ["p", "q"] {
                assert_eq!(summary(&index, platform), summary(&loaded, platform), "{platform} {turn}");
            }
        }
        let of_job: Vec<String> =
            loaded.summaries(&"j".into()).map(|(platform, _)| platform.to_string()).collect();
        assert_eq!(of_job.len(), 2);
    }

    #[test]
    fn only_the_last_successes_are_usual() {
        let mut index = Index::default();
        for number in 1..=30_u8 {
            index.insert(&build(number, "p", i64::from(number), true), Place::Memory);
        }
        // From 21 to 30.
        assert_eq!(summary(&index, "p"), (30, 30, 1, Some(25_500)));
        index.insert(&build(99, "p", 0, true), Place::Memory);
        assert_eq!(summary(&index, "p"), (30, 31, 0, Some(25_500)), "an old one changes nothing");
    }

    #[test]
    fn what_is_usual_does_not_depend_on_the_order_of_times() {
        let median_of = |times: &[u64]| median(times.iter().copied().map(Duration::from_secs).collect());
        assert_eq!(median_of(&[]), None);
        assert_eq!(median_of(&[9, 1, 5]), Some(Duration::from_secs(5)));
        assert_eq!(median_of(&[9, 1, 7, 3]), Some(Duration::from_secs(5)));
    }
}
