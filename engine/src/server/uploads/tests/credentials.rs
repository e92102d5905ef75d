//! What the upload server says about the user, and what it does not.

use super::*;

#[test]
fn a_result_that_this_user_may_not_upload_does_not_hold_up_the_others() {
    let mut bench = Bench::with_results(&[1, 2, 3]);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, UploadOutcome::Forbidden("403")), [Wish::Upload(2)]);
    assert_eq!(bench.end(START, 2, UploadOutcome::Forbidden("403")), [Wish::Upload(3)]);
    assert!(!bench.title().contains("paused"), "{}", bench.title());
    assert_eq!(bench.end(START, 3, UploadOutcome::Done), [Wish::Remove(3)]);
    assert!(bench.title().contains("403"), "{}", bench.title());
    assert_eq!(bench.turn(after(SECOND)), [Wish::Upload(1)]);
    let forbidden = UploadOutcome::Forbidden("403");
    assert_eq!(bench.end(after(SECOND), 1, forbidden), [Wish::Upload(2)], "the row was broken");
    assert_eq!(bench.end(after(SECOND), 2, forbidden), [], "each waits for itself");
    assert_eq!(bench.server.next_deadline(), Some(3 * SECOND));
}

#[test]
fn several_jobs_in_a_row_that_this_user_may_not_upload_pause_all_for_an_hour() {
    let mut bench = Bench::with_results(&[1, 2, 3, 4]);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, UploadOutcome::Forbidden("403")), [Wish::Upload(2)]);
    assert_eq!(bench.end(START, 2, UploadOutcome::Forbidden("403")), [Wish::Upload(3)]);
    assert_eq!(bench.end(START, 3, UploadOutcome::Forbidden("403")), []);
    assert!(
        bench.title().contains("3 jobs in a row, uploads are paused; next attempt at"),
        "{}",
        bench.title()
    );
    let hour = 3600 * SECOND;
    assert_eq!(bench.turn(after(hour - SECOND)), []);
    assert_eq!(bench.turn(after(hour)), [Wish::Upload(4)], "what was not tried so far comes first");
    assert_eq!(bench.end(after(hour), 4, UploadOutcome::Forbidden("403")), []);
    assert_eq!(bench.turn(after(2 * hour)), [Wish::Upload(1)], "one attempt an hour");
    assert_eq!(bench.end(after(2 * hour), 1, UploadOutcome::Done), [Wish::Remove(1), Wish::Upload(2)]);
    assert_eq!(bench.end(after(2 * hour), 2, UploadOutcome::Done), [Wish::Remove(2), Wish::Upload(3)]);
}

#[test]
fn a_server_that_takes_a_result_knows_the_user_whatever_it_forbade_before() {
    let mut bench = Bench::with_results(&[1, 2, 3, 4, 5, 6, 7]);
    bench.turn(START);
    for number in 1..=6 {
        let (outcome, removed) = match number {
            3 => (UploadOutcome::Done, Some(Wish::Remove(3))),
            _ => (UploadOutcome::Forbidden("403"), None),
        };
        let next = (number < 6).then_some(Wish::Upload(number + 1));
        let wishes: Vec<Wish> = removed.into_iter().chain(next).collect();
        assert_eq!(bench.end(START, number, outcome), wishes, "three in a row are 4, 5 and 6");
    }
}

#[test]
fn a_person_ends_the_pause_at_once() {
    let mut bench = Bench::with_results(&[1, 2, 3]);
    bench.turn(START);
    for number in 1..=3 {
        bench.end(START, number, UploadOutcome::Forbidden("403"));
    }
    assert_eq!(bench.turn(after(SECOND)), []);
    bench.server.handle(START, Input::Resume);
    assert_eq!(bench.turn(after(SECOND)), [Wish::Upload(1)]);
    assert_eq!(bench.end(after(SECOND), 1, UploadOutcome::Forbidden("403")), [Wish::Upload(2)]);
}

#[test]
fn a_server_that_judges_a_result_by_itself_knows_the_user() {
    let mut bench = Bench::with_results(&[1, 2, 3, 4]);
    bench.turn(START);
    bench.end(START, 1, UploadOutcome::Forbidden("403"));
    bench.end(START, 2, UploadOutcome::Forbidden("403"));
    assert_eq!(bench.end(START, 3, UploadOutcome::Refused("400")), [Wish::Upload(4)]);
    assert_eq!(bench.end(START, 4, UploadOutcome::Forbidden("403")), []);
    assert!(!bench.title().contains("paused"), "{}", bench.title());
}

#[test]
fn many_results_of_one_job_say_nothing_of_the_credentials() {
    let mut state = State::default();
    for number in 1..=5 {
        let queued = UploadQueued { uuid: RawUuid(uuid(number)), name: "same".into() };
        state.apply(&Record::UploadQueued(queued)).unwrap();
    }
    let mut server = Bench::recovered(state, &[], false).server;
    for number in 1..=5 {
        server.handle(START, Input::Tick);
        let outcome = UploadOutcome::Forbidden("403");
        server.handle(START, Input::UploadEnded { uuid: uuid(number), outcome });
    }
    let title = server.uploads.queue_info(server.state()).unwrap().platform.to_string();
    assert!(title.contains("403") && !title.contains("paused"), "{title}");
}

#[test]
fn refused_credentials_pause_until_told_to_go_on() {
    let mut bench = Bench::with_results(&[1, 2]);
    bench.turn(START);
    assert_eq!(bench.end(START, 1, UploadOutcome::Unauthorized("401")), []);
    assert_eq!(bench.turn(after(100 * 3600 * SECOND)), []);
    assert_eq!(bench.server.next_deadline(), None);
    assert!(bench.title().contains("paused"), "{}", bench.title());
    bench.server.handle(START, Input::Resume);
    assert_eq!(bench.turn(START), [Wish::Upload(1)]);
}
