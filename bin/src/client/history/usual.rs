//! How long jobs usually take.

use builder_engine::history::{COUNTED, median};
use builder_proto::history::Build;
use builder_proto::text::Text;
use builder_proto::time::Time;
use std::collections::BTreeMap;
use std::time::Duration;

/// Less than this makes no build slow or fast.
const LEAST_DIFFERENCE: Duration = Duration::from_secs(10);

/// For each job, on each platform, the median of the last builds that succeeded.
pub(super) struct Usual(BTreeMap<(Text, Text), Duration>);

/// How far a build is from what is usual.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// About the usual.
    Usual,
    /// Longer by half, and by ten seconds at least.
    Slow,
    /// The usual is longer by as much. Only builds that succeeded: others end when they fail.
    Fast,
}

impl Usual {
    /// Looks at these builds, of which those that started last come first.
    pub(super) fn new(builds: &[Build]) -> Usual {
        let mut times: BTreeMap<(Text, Text), Vec<Duration>> = BTreeMap::new();
        for build in builds {
            let Some(end) = build.end.as_ref().filter(|end| end.cause.is_success()) else { continue };
            let times = times.entry((build.job.clone(), build.platform.clone())).or_default();
            if times.len() < COUNTED {
                times.push(end.finished.duration_since(build.started));
            }
        }
        Usual(times.into_iter().filter_map(|(key, times)| Some((key, median(times)?))).collect())
    }

    /// How long builds of the same job take on the same platform, if any of them has succeeded.
    pub(super) fn of(&self, build: &Build) -> Option<Duration> {
        self.0.get(&(build.job.clone(), build.platform.clone())).copied()
    }

    /// How a build compares with that; one that runs, with the time that it has taken so far.
    pub(super) fn pace(&self, build: &Build, now: Time) -> Pace {
        let Some(usual) = self.of(build) else { return Pace::Usual };
        let took = time_taken(build, now);
        let is_success = build.end.is_some() && !build.has_failed();
        if exceeds(took, usual) {
            Pace::Slow
        } else if is_success && exceeds(usual, took) {
            Pace::Fast
        } else {
            Pace::Usual
        }
    }
}

/// How long a build took, or has taken so far.
pub(crate) fn time_taken(build: &Build, now: Time) -> Duration {
    build.end.as_ref().map_or(now, |end| end.finished).duration_since(build.started)
}

/// By half, and by ten seconds.
pub(crate) fn exceeds(one: Duration, other: Duration) -> bool {
    let difference = one.saturating_sub(other);
    difference > LEAST_DIFFERENCE && difference > other / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::builds::samples::{build, ended};
    use builder_proto::history::Cause;

    /// Builds that succeeded after so many seconds.
    fn successes(seconds: &[u64]) -> Vec<Build> {
        seconds.iter().map(|seconds| ended(build(1, "hello", 0), *seconds, Cause::Exited(0))).collect()
    }

    fn usual(builds: &[Build]) -> Option<u64> {
        Usual::new(builds).of(&build(2, "hello", 0)).map(|duration| duration.as_secs())
    }

    #[test]
    fn the_usual_is_the_median_of_the_last_successes_there() {
        assert_eq!(usual(&[]), None);
        assert_eq!(usual(&successes(&[10, 1000, 20])), Some(20));
        assert_eq!(usual(&successes(&[10, 20])), Some(15));
        let mut builds = successes(&[60; COUNTED]);
        builds.extend(successes(&[1000; 2 * COUNTED]));
        assert_eq!(usual(&builds), Some(60), "those before do not count");
        let mut others = vec![ended(build(1, "hello", 0), 5, Cause::Exited(1)), build(1, "hello", 0)];
        others.extend(successes(&[30]));
        let elsewhere = Build { platform: "q".into(), ..successes(&[900]).remove(0) };
        others.push(elsewhere);
        assert_eq!(usual(&others), Some(30));
    }

    #[test]
    fn far_off_is_by_half_and_by_ten_seconds() {
        let pace = |usual: u64, took: u64, cause: Option<Cause>| {
            let mut one = build(3, "hello", 0);
            if let Some(cause) = cause {
                one = ended(one, took, cause);
            }
            Usual::new(&successes(&[usual])).pace(&one, Time::from_unix_milliseconds(took as i64 * 1000))
        };
        let success = || Some(Cause::Exited(0));
        assert_eq!(pace(100, 151, success()), Pace::Slow);
        assert_eq!(pace(100, 150, success()), Pace::Usual);
        assert_eq!(pace(5, 15, success()), Pace::Usual, "seconds are nothing");
        assert_eq!(pace(5, 16, success()), Pace::Slow);
        assert_eq!(pace(100, 151, Some(Cause::Exited(1))), Pace::Slow);
        assert_eq!(pace(100, 151, None), Pace::Slow, "it still runs");
        assert_eq!(pace(100, 66, success()), Pace::Fast);
        assert_eq!(pace(100, 67, success()), Pace::Usual);
        assert_eq!(pace(100, 1, Some(Cause::Exited(1))), Pace::Usual, "it failed early");
        assert_eq!(pace(100, 1, None), Pace::Usual);
    }
}
