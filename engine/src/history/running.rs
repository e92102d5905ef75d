//! Which of the builds that have not ended somebody wants to hear of.

use crate::history::key::Key;
use crate::history::uuid_range::range_of_uuids;
use builder_proto::history::{Build, HistoryQuery};

/// Of these builds, which have not ended, those that fit a query, the one that started first at the front.
#[must_use]
pub fn running_builds(query: &HistoryQuery, under_way: impl Iterator<Item = Build>) -> Vec<Build> {
    if query.failed {
        return Vec::new();
    }
    let range = query.uuid.as_ref().map(range_of_uuids);
    let fits = |build: &Build| {
        query.job.as_ref().is_none_or(|job| *job == build.job)
            && query.platform.as_ref().is_none_or(|platform| *platform == build.platform)
            && query.since.is_none_or(|since| build.started >= since)
            && range
                .is_none_or(|range| range.is_some_and(|(first, last)| (first..=last).contains(&build.uuid())))
    };
    let mut running: Vec<Build> = under_way.filter(fits).collect();
    running.sort_by_key(Key::of);
    running
}

#[cfg(test)]
mod tests {
    use super::*;
    use builder_proto::Uuid;
    use builder_proto::time::Time;
    use builder_proto::wire::RawUuid;

    #[test]
    fn the_build_that_started_first_is_at_the_front() {
        let build = |(number, started)| Build {
            uuid: RawUuid(Uuid::from_u128(number)),
            job: "a".into(),
            platform: "p".into(),
            started: Time::from_unix_milliseconds(started),
            queued: None,
            host: None,
            end: None,
        };
        let under_way = [(1, 30), (2, 10), (3, 20)].into_iter().map(build);
        let running = running_builds(&HistoryQuery::default(), under_way);
        assert_eq!(running.iter().map(|build| build.uuid().as_u128()).collect::<Vec<_>>(), [2, 3, 1]);
    }
}
