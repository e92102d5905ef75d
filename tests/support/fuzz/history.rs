//! What is remembered of builds: an entry that was read can be written and is the same bytes again, and a search in the index
//! gives what a look at every build gives.

use super::choices::Choices;
use builder_engine::history::{
    ArtifactsEntry, BuildEntry, EndedBuild, Entry, Found, Gone, Index, Place, range_of_uuids,
};
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Build, BuildEnd, Cause, HistoryQuery, Sha256};
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;

/// Takes builds and queries off the front of the input, and the rest for an entry.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (mut index, mut builds) = (Index::default(), Vec::new());
    let (first, later) = (choices.byte() % 8, choices.byte() % 8);
    for number in 0..first {
        let build = take_build(&mut choices);
        index.push(&build, Place::File(u64::from(number)));
        remember(&mut builds, build);
    }
    index.sort();
    for _ in 0..later {
        let build = take_build(&mut choices);
        assert_eq!(index.insert(&build, Place::Memory), remember(&mut builds, build));
    }
    for _ in 0..choices.byte() % 4 {
        if let Some(build) = builds.get(choices.below(builds.len())) {
            index.set_removed(build.uuid(), Time::UNIX_EPOCH);
            index.set_place(build.uuid(), Place::File(7));
            let listed = index.get(build.uuid()).expect("it was taken in");
            assert_eq!((listed.removed, listed.place), (Some(Time::UNIX_EPOCH), Place::File(7)));
        }
    }
    assert_eq!(index.len(), builds.len());
    builds.iter().for_each(|build| assert_eq!(index.job(build.uuid()), Some(&build.job)));
    for _ in 0..choices.byte() % 4 {
        check_search(&index, &builds, &take_query(&mut choices));
    }
    let rest = choices.rest();
    if let Ok(entry) = Entry::decode(rest) {
        assert_eq!(entry.encode().expect("it was read"), rest);
    }
}

/// Entries of each kind, behind a few builds and queries.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let mut choices = Choices::new(&[3, 1, 2, 0, 1]);
    let build = take_build(&mut choices);
    let artifact = Artifact { path: "a".into(), size: 1, sha256: Some(Sha256([7; 32])) };
    let entries = [
        Entry::Build(BuildEntry { build: build.clone(), artifacts_before: 80 }),
        Entry::Artifacts(ArtifactsEntry { uuid: build.uuid, artifacts: vec![artifact] }),
        Entry::Gone(Gone { uuid: build.uuid, at: Time::UNIX_EPOCH }),
        Entry::IsWhole(true),
    ];
    let builds =
        b"\x03\x02\x01\x02\0\x01\0\x02\x01\x01\0\x01\x03\x03\x02\x02\0\x01\x01\0\0\0\x02\x02\x02\x01\x01";
    let queries = b"\x01\0\x03\0\x01\x01\x02\x01\x02\x01\x01\x01\x02\x03";
    entries.iter().map(|entry| [&builds[..], queries, &entry.encode().unwrap_or_default()].concat()).collect()
}

/// Says whether the build is new, and keeps it then.
fn remember(builds: &mut Vec<Build>, build: Build) -> bool {
    let is_new = builds.iter().all(|other| other.uuid() != build.uuid());
    if is_new {
        builds.push(build);
    }
    is_new
}

/// One of few, so that some have much in common.
fn take_build(choices: &mut Choices<'_>) -> Build {
    let cause = Cause::Exited(i64::from(choices.byte() % 2));
    let ended = EndedBuild {
        build: Build {
            uuid: RawUuid(Uuid::from_u128(u128::from(choices.byte() % 16) << 120)),
            job: name(choices),
            platform: name(choices),
            started: Time::from_unix_milliseconds(i64::from(choices.byte() % 8)),
            queued: None,
            host: None,
            end: Some(BuildEnd::new(Time::UNIX_EPOCH, cause)),
        },
        artifacts: None,
    };
    ended.shortened().build
}

fn name(choices: &mut Choices<'_>) -> Text {
    ["a", "b", "c"][choices.below(3)].into()
}

fn take_query(choices: &mut Choices<'_>) -> HistoryQuery {
    HistoryQuery {
        failed: choices.flag(),
        job: choices.flag().then(|| name(choices)),
        platform: choices.flag().then(|| name(choices)),
        uuid: choices.flag().then(|| ["", "0", "0a", "1", "zz", "0-0"][choices.below(6)].into()),
        since: choices.flag().then(|| Time::from_unix_milliseconds(i64::from(choices.byte() % 8))),
        limit: None,
    }
}

fn check_search(index: &Index, builds: &[Build], query: &HistoryQuery) {
    let range = query.uuid.as_ref().map(range_of_uuids);
    let fits = |build: &&Build| {
        (!query.failed || build.has_failed())
            && query.job.as_ref().is_none_or(|job| *job == build.job)
            && query.platform.as_ref().is_none_or(|platform| *platform == build.platform)
            && query.since.is_none_or(|since| build.started >= since)
            && range
                .is_none_or(|range| range.is_some_and(|(first, last)| (first..=last).contains(&build.uuid())))
    };
    let mut expected: Vec<_> =
        builds.iter().filter(fits).map(|build| (build.started, build.uuid())).collect();
    expected.sort_by(|a, b| b.cmp(a));
    let (mut search, mut found) = (index.search(query), Vec::new());
    loop {
        match index.next(&mut search) {
            Found::Build(listed) => {
                search.advance(&listed);
                found.push(listed.uuid);
            }
            Found::NotYet => {}
            Found::End => break,
        }
    }
    assert_eq!(found, expected.into_iter().map(|(_, uuid)| uuid).collect::<Vec<_>>(), "{query:?}");
}
