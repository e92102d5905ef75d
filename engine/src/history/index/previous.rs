//! How the build before a build ended.

use super::{FAILED, Index, Key, key};
use builder_proto::history::Build;

/// Builds of a job that are looked at for one on the right platform, as a job may run on many.
const ROWS: usize = 10_000;

impl Index {
    /// Whether the build before this one failed: of those of the same job on the same platform that have ended, the one that
    /// started last before it. None when there is none.
    #[must_use]
    pub fn previous_failed(&self, build: &Build) -> Option<bool> {
        let job = self.jobs.get(&build.job)?;
        let platform = self.platforms.get(&build.platform)?;
        let of_job = self.by_job.get(job as usize)?;
        let end = of_job.partition_point(|number| key(&self.rows, *number) < Key::of(build));
        let before = of_job.get(..end)?.iter().rev().take(ROWS).map(|number| self.row(*number).platform);
        before
            .map(|other| (other & !FAILED, other & FAILED != 0))
            .find_map(|(other, failed)| (other == platform).then_some(failed))
    }
}

#[cfg(test)]
mod tests {
    use crate::history::{Index, Place};
    use builder_proto::Uuid;
    use builder_proto::history::{Build, BuildEnd, Cause};
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;

    fn build(number: u128, started: i64, job: &str, platform: &str, code: i64) -> Build {
        Build {
            uuid: RawUuid(Uuid::from_u128(number)),
            job: job.into(),
            platform: platform.into(),
            started: Time::from_unix_milliseconds(started),
            queued: None,
            host: None,
            end: Some(BuildEnd::new(Time::from_unix_milliseconds(started + 1), Cause::Exited(code))),
        }
    }

    #[test]
    fn it_is_the_one_that_started_last_before_it_of_the_same_job_and_platform() {
        let mut index = Index::default();
        for (number, started, job, platform, code) in [
            (1, 10, "a", "x", 1),
            (2, 20, "a", "y", 0),
            (3, 30, "b", "x", 0),
            (4, 40, "a", "x", 0),
            (5, 50, "a", "x", 7),
        ] {
            index.insert(&build(number, started, job, platform, code), Place::Memory);
        }
        let previous = |number, started, job: &str, platform: &str| {
            index.previous_failed(&build(number, started, job, platform, 0))
        };
        assert_eq!(previous(1, 10, "a", "x"), None, "the first");
        assert_eq!(previous(4, 40, "a", "x"), Some(true));
        assert_eq!(previous(5, 50, "a", "x"), Some(false));
        assert_eq!(previous(9, 60, "a", "x"), Some(true), "one that is not there yet");
        assert_eq!(previous(9, 60, "a", "y"), Some(false));
        assert_eq!(previous(3, 30, "b", "x"), None);
        assert_eq!(previous(9, 60, "b", "y"), None, "never on that platform");
        assert_eq!(previous(9, 60, "c", "x"), None, "never heard of");
        assert_eq!(previous(9, 60, "a", "z"), None);
    }
}
