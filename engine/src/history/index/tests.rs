//! Builds in the index: by job, by start and by uuid.

use super::*;
use builder_proto::history::{BuildEnd, Cause};
use builder_proto::wire::RawUuid;

fn build(number: u128, started: i64, job: &str, code: i64) -> Build {
    Build {
        uuid: RawUuid(Uuid::from_u128(number)),
        job: job.into(),
        platform: "p".into(),
        started: Time::from_unix_milliseconds(started),
        queued: None,
        host: None,
        end: Some(BuildEnd::new(Time::from_unix_milliseconds(started + 1), Cause::Exited(code))),
    }
}

/// What fits a query, as the numbers of builds.
fn found(index: &Index, query: &HistoryQuery) -> Vec<u128> {
    let (mut query, mut found) = (index.search(query), Vec::new());
    loop {
        match index.next(&mut query) {
            Found::Build(listed) => {
                found.push(listed.uuid.as_u128());
                query.advance(&listed);
            }
            Found::NotYet => {}
            Found::End => return found,
        }
    }
}

fn count(index: &Index) -> u64 {
    index.summary(&"a".into(), &"p".into()).unwrap().results().count
}

#[test]
fn builds_that_come_in_any_order_and_more_than_once_are_there_once() {
    let all = HistoryQuery::default();
    let of_job = HistoryQuery { job: Some("a".into()), ..all.clone() };
    let mut index = Index::default();
    assert!(index.insert(&build(5, 50, "a", 0), Place::Memory));
    for (number, place) in [(4, 1), (9, 2), (1, 3), (4, 4), (7, 5), (9, 6)] {
        index.push(&build(number, number as i64 * 10, "a", 0), Place::File(place));
    }
    index.sort();
    assert_eq!(index.uuids().map(|uuid| uuid.as_u128()).collect::<Vec<_>>(), [1, 4, 5, 7, 9]);
    for query in [all, of_job] {
        assert_eq!(found(&index, &query), [9, 7, 5, 4, 1], "{query:?}");
    }
    assert_eq!((index.len(), count(&index)), (5, 5));
    let place = |number| index.get(Uuid::from_u128(number)).map(|listed| listed.place);
    assert_eq!((place(4), place(9)), (Some(Place::File(1)), Some(Place::File(2))), "the first counts");
    assert!(!index.insert(&build(7, 70, "a", 0), Place::Memory));
}

#[test]
fn of_builds_whose_uuids_begin_alike_those_that_fit_are_found_the_latest_first() {
    let mut index = Index::default();
    for (number, started, job, code) in
        [(1, 30, "a", 1), (2, 10, "b", 1), (3, 40, "a", 0), (4, 20, "a", 1), (5, 50, "b", 0)]
    {
        index.insert(&build(number, started, job, code), Place::Memory);
    }
    let any = HistoryQuery { uuid: Some("0".into()), ..HistoryQuery::default() };
    assert_eq!(found(&index, &any), [5, 3, 1, 4, 2]);
    assert_eq!(found(&index, &HistoryQuery { failed: true, ..any.clone() }), [1, 4, 2]);
    assert_eq!(found(&index, &HistoryQuery { job: Some("a".into()), ..any }), [3, 1, 4]);
}
