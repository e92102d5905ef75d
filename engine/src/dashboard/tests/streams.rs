use super::super::limits::{BEAT_TIME, EVENT_TIME, FEED_LINGER_TIME, FEED_MOST_BYTES, RESULT_TIME};
use super::*;

/// The numbers of the lines in events, in their order.
fn numbers(events: &str) -> Vec<u64> {
    let starts = events.match_indices("\"]").map(|(end, _)| &events[..end]);
    let fronts = starts.map(|front| &front[front.rfind('[').unwrap() + 1..]);
    fronts.map(|front| front.split_once(',').unwrap().0.parse().unwrap()).collect()
}

fn observed(world: &World) -> u64 {
    world.asked(|command| *command == Command::Observe(UUID))
}

#[test]
fn all_who_follow_a_console_get_every_line_of_one_answer() {
    let mut world = World::new();
    world.answer_overview(false);
    let viewers: Vec<u64> = (0..3).map(|_| world.get("/live")).collect();
    let question = observed(&world);
    world.answer(question, &[line("a"), line("b")]);
    world.pass(EVENT_TIME);
    let late = world.get("/live");
    world.answer(question, &[line("c"), line("exited 0"), Command::Success]);
    for viewer in viewers.into_iter().chain([late]) {
        let events = world.body(viewer);
        assert_eq!(numbers(&events), [1, 2, 3], "{events}");
        assert!(events.contains("event: end\n"), "{events}");
    }
    assert_eq!(world.questions(), 0);
}

#[test]
fn who_comes_back_goes_on_where_it_was() {
    let mut world = World::new();
    world.answer_overview(false);
    let first = world.get("/live");
    let question = observed(&world);
    world.answer(question, &[line("a"), line("b"), line("c")]);
    world.pass(EVENT_TIME);
    assert_eq!(numbers(&world.body(first)), [1, 2, 3]);
    let browser = world.get("/elsewhere");
    world.take(browser);
    world.ask(browser, "/live", "Last-Event-ID: 2\r\n");
    assert_eq!(numbers(&world.body(browser)), [3]);
}

#[test]
fn who_takes_nothing_holds_up_nobody_and_loses_no_line() {
    let mut world = World::new();
    world.answer_overview(false);
    let (slow, fast) = (world.get("/live"), world.get("/live"));
    let first = observed(&world);
    world.stalled.push(slow);
    let long = "x".repeat(60_000);
    let count = (3 * FEED_MOST_BYTES / long.len()) as u64;
    for _ in 0..count {
        assert!(world.dashboard.wants_answer(first), "somebody has got everything");
        world.answer(first, &[line(&long)]);
    }
    assert_eq!(numbers(&world.body(fast)), (1..=count).collect::<Vec<u64>>());
    world.release(slow);
    // What it has not got is not held any more, so it has a question of its own, which begins at the beginning.
    let all = world.all_asked(|command| *command == Command::Observe(UUID));
    let [_, second] = all[..] else { panic!("{all:?}") };
    for _ in 0..count {
        world.answer(second, &[line(&long)]);
    }
    world.answer(second, &[line("exited 0"), Command::Success]);
    assert_eq!(numbers(&world.body(slow)), (1..=count).collect::<Vec<u64>>());
}

#[test]
fn nothing_is_read_that_nobody_takes() {
    let mut world = World::new();
    world.answer_overview(false);
    let slow = world.get("/live");
    let question = observed(&world);
    world.stalled.push(slow);
    let long = "x".repeat(60_000);
    let mut count = 0;
    while world.dashboard.wants_answer(question) {
        world.answer(question, &[line(&long)]);
        count += 1;
        assert!(count < 1000, "it is read for ever");
    }
    assert!(count * long.len() < FEED_MOST_BYTES + 200_000, "{count}");
    world.release(slow);
    assert!(world.dashboard.wants_answer(question));
    assert_eq!(numbers(&world.body(slow)).len(), count);
}

#[test]
fn a_line_that_may_be_the_result_is_kept_back_for_a_moment() {
    let mut world = World::new();
    world.answer_overview(false);
    let viewer = world.get("/live");
    let question = observed(&world);
    world.answer(question, &[line("exited 0")]);
    world.pass(EVENT_TIME);
    assert_eq!(numbers(&world.body(viewer)), []);
    world.pass(RESULT_TIME);
    world.pass(EVENT_TIME);
    assert_eq!(numbers(&world.body(viewer)), [1]);
}

#[test]
fn a_console_that_cannot_be_followed_says_why_and_a_server_that_went_away_nothing() {
    let mut world = World::new();
    world.answer_overview(false);
    let viewer = world.get("/live");
    let question = observed(&world);
    world.answer(question, &[Command::Failure("no such build".into())]);
    assert!(world.body(viewer).contains("event: refused\ndata: no such build\n\n"));
    let viewer = world.get("/live");
    let question = observed(&world);
    world.answer(question, &[line("a")]);
    world.handle(Input::Broken { question, reason: "gone".to_owned() });
    let events = world.body(viewer);
    assert_eq!(numbers(&events), [1]);
    assert!(events.ends_with("0\r\n\r\n") && !events.contains("event: "), "the browser comes back: {events}");
    // However often that is, and however soon.
    for _ in 0..3 {
        world.pass(FEED_LINGER_TIME / 3);
        world.ask(viewer, "/live", "Last-Event-ID: 1\r\n");
        let question = observed(&world);
        world.handle(Input::Broken { question, reason: "gone".to_owned() });
        world.take(viewer);
    }
    world.ask(viewer, "/live", "Last-Event-ID: 1\r\n");
    let question = observed(&world);
    world.answer(question, &[line("a"), line("b")]);
    world.pass(EVENT_TIME);
    assert_eq!(numbers(&world.body(viewer)), [2]);
    world.handle(Input::Gone { connection: viewer });
    world.pass(FEED_LINGER_TIME);
    assert_eq!(world.questions(), 0, "nobody follows");
}

#[test]
fn a_stream_shows_that_it_is_alive() {
    let mut world = World::new();
    world.answer_overview(false);
    let viewer = world.get("/live");
    world.take(viewer);
    for _ in 0..3 {
        world.pass(BEAT_TIME);
        assert!(world.body(viewer).contains(":\n\n"));
    }
    let question = observed(&world);
    assert!(world.dashboard.wants_answer(question), "a build may be silent for long");
}
