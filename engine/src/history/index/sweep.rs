//! Which results of a job need not be kept.

use super::{FAILED, Index, Key, NEVER, ROWS_PER_STEP, key};
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::collections::BTreeMap;

/// Which results of a job are kept: what either of the two keeps. The newest success and the newest failure of each platform are
/// kept in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// So many of each platform, the newest ones.
    pub builds: Option<u64>,
    /// Those of builds that started then or later.
    pub since: Option<Time>,
}

/// A look at all results of a job, from the newest to the oldest, for those that need not be kept.
#[derive(Debug)]
pub struct Sweep {
    job: Text,
    before: Option<Key>,
    platforms: BTreeMap<u32, Seen>,
}

/// What was seen of the results of a platform.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    results: u64,
    success: bool,
    failure: bool,
}

impl Keep {
    /// Whether all that was not kept so far is not kept under these rules either.
    #[must_use]
    pub fn is_no_longer_than(&self, former: &Keep) -> bool {
        let ages = (self.since, former.since);
        let is_no_earlier =
            matches!(ages, (None, None)) || matches!(ages, (Some(now), Some(then)) if now >= then);
        self.builds == former.builds && is_no_earlier
    }

    fn keeps(self, newer: u64, started: i64) -> bool {
        self.builds.is_some_and(|builds| newer < builds)
            || self.since.is_some_and(|since| started >= since.unix_milliseconds())
    }
}

impl Sweep {
    /// Begins with the newest result of a job.
    #[must_use]
    pub fn new(job: Text) -> Sweep {
        Sweep { job, before: None, platforms: BTreeMap::new() }
    }

    /// The job.
    #[must_use]
    pub fn job(&self) -> &Text {
        &self.job
    }
}

impl Index {
    /// Takes a step of a sweep: gives builds whose results are there and need not be kept, and whether there is more to look at.
    /// Builds that end meanwhile make no difference, as they are newer.
    pub fn sweep(&self, sweep: &mut Sweep, keep: Keep) -> (Vec<Uuid>, bool) {
        let number = self.jobs.get(&sweep.job);
        let Some(list) = number.and_then(|number| self.by_job.get(number as usize)) else {
            return (Vec::new(), false);
        };
        let end = sweep
            .before
            .map_or(list.len(), |before| list.partition_point(|number| key(&self.rows, *number) < before));
        let start = end.saturating_sub(ROWS_PER_STEP);
        let step = list.get(start..end).unwrap_or_default();
        let mut found = Vec::new();
        for number in step.iter().rev() {
            let row = self.row(*number);
            if row.removed != NEVER {
                continue;
            }
            let seen = sweep.platforms.entry(row.platform & !FAILED).or_default();
            let newest = if row.platform & FAILED != 0 { &mut seen.failure } else { &mut seen.success };
            let is_newest = !core::mem::replace(newest, true);
            if !is_newest && !keep.keeps(seen.results, row.started) {
                found.push(row.uuid);
            }
            seen.results += 1;
        }
        if let Some(first) = step.first() {
            sweep.before = Some(key(&self.rows, *first));
        }
        (found, start > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Place;
    use super::*;
    use builder_proto::history::{Build, BuildEnd, Cause};
    use builder_proto::wire::RawUuid;

    fn uuid(number: u64) -> Uuid {
        Uuid::from_u128(u128::from(number))
    }

    /// A build of job `a` that starts at the second of its number.
    fn insert(index: &mut Index, number: u64, platform: &str, code: i64) {
        let started = Time::from_unix_milliseconds(number as i64 * 1000);
        index.insert(
            &Build {
                uuid: RawUuid(uuid(number)),
                job: "a".into(),
                platform: platform.into(),
                started,
                queued: None,
                host: None,
                end: Some(BuildEnd::new(started, Cause::Exited(code))),
            },
            Place::Memory,
        );
    }

    fn sweep(index: &Index, builds: Option<u64>, since: Option<i64>) -> Vec<u64> {
        let since = since.map(|second| Time::from_unix_milliseconds(second * 1000));
        let (mut sweep, mut all) = (Sweep::new("a".into()), Vec::new());
        loop {
            let (found, has_more) = index.sweep(&mut sweep, Keep { builds, since });
            all.extend(found.into_iter().map(|uuid| uuid.as_u128() as u64));
            if !has_more {
                return all;
            }
        }
    }

    #[test]
    fn what_either_of_the_two_keeps_is_kept() {
        let mut index = Index::default();
        (1..=6).for_each(|number| insert(&mut index, number, "p", 0));
        assert_eq!(sweep(&index, Some(2), None), [4, 3, 2, 1]);
        assert_eq!(sweep(&index, None, Some(4)), [3, 2, 1]);
        assert_eq!(sweep(&index, Some(2), Some(4)), [3, 2, 1]);
        assert_eq!(sweep(&index, Some(4), Some(6)), [2, 1]);
        assert_eq!(sweep(&index, Some(9), None), [0; 0]);
    }

    #[test]
    fn the_newest_success_and_the_newest_failure_are_kept_on_each_platform() {
        let mut index = Index::default();
        for (number, platform, code) in
            [(1, "p", 0), (2, "p", 1), (3, "q", 0), (4, "p", 0), (5, "p", 2), (6, "p", 3), (7, "q", 1)]
        {
            insert(&mut index, number, platform, code);
        }
        assert_eq!(sweep(&index, Some(1), None), [5, 2, 1]);
        assert_eq!(sweep(&index, None, Some(100)), [5, 2, 1]);
        assert_eq!(sweep(&index, Some(2), None), [2, 1], "5 is the second, and 4 the newest success");
    }

    #[test]
    fn what_is_gone_does_not_count() {
        let mut index = Index::default();
        (1..=4).for_each(|number| insert(&mut index, number, "p", 0));
        index.set_removed(uuid(4), Time::UNIX_EPOCH);
        assert_eq!(sweep(&index, Some(2), None), [1]);
        index.set_removed(uuid(3), Time::UNIX_EPOCH);
        assert_eq!(sweep(&index, Some(1), None), [1], "2 is the newest that is left");
    }

    #[test]
    fn a_long_history_is_looked_at_in_steps() {
        let mut index = Index::default();
        let count = ROWS_PER_STEP as u64 * 2 + 1;
        (0..count).for_each(|number| insert(&mut index, number, "p", 0));
        let mut first = Sweep::new("a".into());
        let (found, has_more) = index.sweep(&mut first, Keep { builds: Some(1), since: None });
        assert_eq!((found.len(), has_more), (ROWS_PER_STEP - 1, true));
        insert(&mut index, count, "p", 0);
        let (found, has_more) = index.sweep(&mut first, Keep { builds: Some(1), since: None });
        assert_eq!((found.len(), has_more), (ROWS_PER_STEP, true));
        assert_eq!(sweep(&index, Some(1), None).len() as u64, count);
    }

    #[test]
    fn rules_that_keep_more_are_noticed() {
        let rules =
            |builds, since: Option<i64>| Keep { builds, since: since.map(Time::from_unix_milliseconds) };
        let former = rules(Some(2), Some(5));
        assert!(rules(Some(2), Some(5)).is_no_longer_than(&former));
        assert!(rules(Some(2), Some(6)).is_no_longer_than(&former), "time passes");
        for keep in
            [rules(Some(2), Some(4)), rules(Some(2), None), rules(Some(3), Some(5)), rules(None, Some(5))]
        {
            assert!(!keep.is_no_longer_than(&former), "{keep:?}");
        }
        assert!(!former.is_no_longer_than(&rules(Some(2), None)), "what is young is kept now");
    }

    #[test]
    fn a_job_without_builds_has_nothing_to_remove() {
        let mut index = Index::default();
        assert_eq!(sweep(&index, Some(1), None), [0; 0]);
        insert(&mut index, 1, "p", 0);
        let (found, has_more) =
            index.sweep(&mut Sweep::new("b".into()), Keep { builds: Some(1), since: None });
        assert_eq!((found.len(), has_more), (0, false));
    }
}
