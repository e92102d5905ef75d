use super::super::limits::{ANSWER_TIME, FRESH_TIME, LOOK_TIME, RETRY_TIME};
use super::*;

#[test]
fn those_who_want_to_know_the_same_are_answered_by_one_question() {
    let mut world = World::new();
    let (one, other) = (world.get("/snapshot"), world.get("/snapshot"));
    assert_eq!(world.questions(), 1, "the look that began with the dashboard");
    world.answer_overview(false);
    let (head, page) = world.take(one);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(page.contains("0.5.0"), "{page}");
    assert_eq!(world.body(other), page);
    world.ask(one, "/snapshot", "");
    assert_eq!((world.questions(), world.body(one)), (0, page), "it is fresh");
    world.pass(FRESH_TIME);
    world.ask(one, "/snapshot", "");
    assert_eq!(world.questions(), 1);
}

#[test]
fn a_page_may_need_one_thing_after_the_other() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/details");
    let details = world.asked(|command| *command == Command::Details(UUID));
    world.answer(
        details,
        &[Command::Build(build(true)), Command::Artifact(artifact("a", 1)), Command::Success],
    );
    world.answer_has_ended(true);
    let console = world.asked(|command| *command == Command::Console(UUID));
    world.answer(console, &[line("a"), line("b"), line("c"), line("exited 0"), Command::Success]);
    let page = world.body(browser);
    assert!(
        page.contains("Artifact { path: \"a\"") && page.contains("\"b\"") && page.contains("\"c\""),
        "{page}"
    );
    assert!(!page.contains("exited 0"), "{page}");
}

#[test]
fn what_the_server_refuses_is_an_answer() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/find");
    let question = world.asked(|command| matches!(command, Command::History(_)));
    world.answer(question, &[Command::Failure("no such build".into())]);
    assert!(world.body(browser).contains("Err(Refused(\"no such build\"))"));
    assert_eq!(world.questions(), 0);
}

#[test]
fn a_server_that_goes_away_and_comes_back_is_told_apart_from_one_that_never_was() {
    let mut world = World::new();
    let browser = world.get("/snapshot");
    let question = world.asked(|command| *command == Command::Overview);
    world.handle(Input::Broken { question, reason: "cannot connect".to_owned() });
    assert!(world.body(browser).contains("Err(Unreachable(\"cannot connect\"))"));
    assert_eq!(world.dashboard.trouble(), Some("cannot connect"));
    world.pass(RETRY_TIME);
    world.ask(browser, "/snapshot", "");
    world.answer_overview(false);
    assert!(world.body(browser).contains("trouble: None"));
    assert_eq!(world.dashboard.trouble(), None);
    world.pass(RETRY_TIME);
    world.ask(browser, "/snapshot", "");
    let question = world.asked(|command| *command == Command::Overview);
    world.handle(Input::Broken { question, reason: "gone".to_owned() });
    let page = world.body(browser);
    assert!(page.contains("0.5.0") && page.contains("trouble: Some(\"gone\")"), "{page}");
}

#[test]
fn nobody_waits_for_ever_for_a_server_that_says_nothing() {
    let mut world = World::new();
    let browser = world.get("/snapshot");
    world.pass(Duration::ZERO);
    assert!(world.dashboard.deadline().unwrap() > world.now.monotonic);
    world.pass(ANSWER_TIME);
    assert!(world.body(browser).contains("it has said nothing for 20 seconds"));
    assert_eq!(world.questions(), 0);
}

#[test]
fn a_server_that_says_something_else_is_none() {
    for answer in [Command::Pause("p".into()), line("a")] {
        let mut world = World::new();
        let browser = world.get("/snapshot");
        let question = world.asked(|command| *command == Command::Overview);
        world.answer(question, &[answer]);
        assert!(world.body(browser).contains("which was not asked for"));
    }
    let mut world = World::new();
    let browser = world.get("/snapshot");
    let question = world.asked(|command| *command == Command::Overview);
    world.handle(Input::Answered { question, bytes: b"\0\0\0\0\0\0\0\x02hi" });
    assert!(world.body(browser).contains("Unreachable"));
}

#[test]
fn whoever_has_a_live_page_open_is_told_of_changes_and_only_of_these() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/changes");
    let (head, events) = world.take(browser);
    assert!(head.contains("text/event-stream"), "{head}");
    assert!(events.contains("retry: 2000"), "{events}");
    world.pass(LOOK_TIME);
    world.answer_overview(false);
    assert_eq!(world.body(browser), "");
    world.pass(LOOK_TIME);
    world.answer_overview(true);
    assert!(world.body(browser).contains("event: change"));
    world.handle(Input::Gone { connection: browser });
    world.pass(LOOK_TIME * 2);
    assert_eq!(world.questions(), 0, "nobody looks");
}

#[test]
fn what_has_changed_since_a_page_was_made_is_told_at_once() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/idle");
    world.take(browser);
    let known = world.dashboard.snapshots.revision();
    world.ask(browser, "/changes", &format!("Last-Event-ID: {}\r\n", known + 1));
    let events = world.body(browser);
    assert!(
        events.contains(&format!("id: {known}\nevent: change")),
        "another one, so it is of another dashboard: {events}"
    );
    let browser = world.get("/idle");
    world.take(browser);
    world.ask(browser, "/changes", &format!("Last-Event-ID: {known}\r\n"));
    assert!(!world.body(browser).contains("event: change"));
}

#[test]
fn when_there_are_too_many_one_that_asks_for_nothing_makes_room() {
    let mut world = World::new();
    world.answer_overview(false);
    let first = world.get("/idle");
    let follower = world.get("/changes");
    for _ in 2..100 {
        assert!(world.dashboard.has_room());
        world.get("/changes");
    }
    assert!(world.dashboard.has_room());
    assert!(world.dashboard.is_over(first) && !world.dashboard.is_over(follower));
    world.get("/changes");
    assert!(!world.dashboard.has_room(), "nobody else asks for nothing");
    world.pass(Duration::ZERO);
    assert!(!world.dashboard.has_room());
    assert_eq!(world.dashboard.figures().viewers, 100);
}

#[test]
fn requests_that_come_together_are_answered_one_after_the_other() {
    let mut world = World::new();
    let browser = world.get("/snapshot");
    world.ask(browser, "/one", "");
    world.ask(browser, "/two", "");
    assert_eq!(world.body(browser), "");
    world.answer_overview(false);
    let got = world.body(browser);
    let (one, two) = (got.find("\r\n\r\n/one").unwrap(), got.find("\r\n\r\n/two").unwrap());
    assert!(got.find("0.5.0").unwrap() < one && one < two);
}

#[test]
fn an_answer_that_never_ends_is_not_held() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/history");
    let question = world.asked(|command| matches!(command, Command::History(_)));
    let long = Build { host: Some("x".repeat(1 << 19).into()), ..build(true) };
    let mut count = 0;
    while world.questions() == 1 {
        world.answer(question, &[Command::Build(long.clone())]);
        count += 1;
        assert!(count < 100, "it is held for ever");
    }
    assert!((60..70).contains(&count), "{count}");
    assert!(world.body(browser).contains("Err(TooLong)"));
}

#[test]
fn no_page_elsewhere_reads_what_is_here_under_a_name_of_its_own() {
    for (place, names, is_open) in [
        (Place::Loopback, &[][..], false),
        (Place::Loopback, &["ci.example"], false),
        (Place::Network, &[], true),
        (Place::Network, &["ci.example"], false),
        (Place::File, &[], true),
        (Place::File, &["ci.example"], true),
    ] {
        let mut world = World::with_names(names);
        world.answer_overview(false);
        for (host, is_answered) in [
            ("evil.example:8080", is_open),
            ("ci.example:8080", is_open || !names.is_empty()),
            ("localhost:8080", true),
            ("192.0.2.7:8080", true),
        ] {
            for path in ["/one", "/snapshot", "/changes", "/live", "/text", "/artifact"] {
                let browser = world.connect(place);
                world.ask_host(browser, path, host, "");
                let (head, body) = world.take(browser);
                let is_refused = head.starts_with("HTTP/1.1 421 Misdirected Request\r\n");
                assert_eq!(is_refused, !is_answered, "{place:?}, {names:?}, {host}{path}: {head}");
                assert_eq!(is_refused, body.contains("--host"), "{body}");
                world.handle(Input::Gone { connection: browser });
            }
        }
    }
}
