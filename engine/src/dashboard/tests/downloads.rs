use super::super::limits::{ANSWER_TIME, DOWNLOAD_BYTES, DOWNLOADS};
use super::*;

fn fetched(world: &World) -> u64 {
    world.asked(|command| matches!(command, Command::Fetch { .. }))
}

fn began(world: &mut World, size: u64) -> (u64, u64) {
    world.answer_overview(false);
    let browser = world.get("/artifact");
    let question = fetched(world);
    world.answer(question, &[Command::Artifact(artifact("bin/program", size))]);
    (browser, question)
}

#[test]
fn an_artifact_passes_by_as_it_is() {
    let mut world = World::new();
    let (browser, question) = began(&mut world, 8);
    world.send_content(question, b"one ");
    world.send_content(question, b"more");
    world.answer(question, &[Command::Success]);
    let (head, body) = world.take(browser);
    assert_eq!(body, "one more");
    for header in
        ["Content-Length: 8", "Content-Disposition: attachment; filename=\"program\"", "octet-stream"]
    {
        assert!(head.contains(header), "{head}");
    }
    world.ask(browser, "/next", "");
    assert_eq!(world.body(browser), "/next");
}

#[test]
fn content_may_arrive_byte_by_byte() {
    let mut world = World::new();
    let (browser, question) = began(&mut world, 300);
    let mut bytes = Vec::new();
    append_data_frame(&mut bytes, &[b'x'; 300]);
    bytes.extend(Command::Success.to_frame().unwrap());
    for byte in bytes {
        world.handle(Input::Answered { question, bytes: &[byte] });
    }
    assert_eq!(world.body(browser), "x".repeat(300));
}

#[test]
fn the_server_waits_for_a_slow_browser_and_for_as_long_as_it_takes() {
    let mut world = World::new();
    let (browser, question) = began(&mut world, 1 << 20);
    world.stalled.push(browser);
    let mut count = 0;
    while world.dashboard.wants_answer(question) {
        world.send_content(question, &[b'x'; 10_000]);
        count += 1;
        assert!(count < 100, "the server does not wait");
    }
    assert!(count * 10_000 < DOWNLOAD_BYTES + 20_000, "{count}");
    world.pass(ANSWER_TIME);
    assert_eq!(world.questions(), 1, "it is not the server that is slow");
    world.release(browser);
    assert!(world.dashboard.wants_answer(question));
}

#[test]
fn a_browser_that_leaves_takes_its_question_along() {
    let mut world = World::new();
    let (browser, _) = began(&mut world, 1 << 20);
    world.handle(Input::Gone { connection: browser });
    assert_eq!(world.questions(), 0);
}

#[test]
fn what_cannot_be_completed_is_cut_off() {
    for end in [Some(Command::Failure("damaged".into())), None] {
        let mut world = World::new();
        let (browser, question) = began(&mut world, 8);
        world.send_content(question, b"one ");
        match end {
            Some(end) => world.answer(question, &[end]),
            None => world.handle(Input::Broken { question, reason: "gone".to_owned() }),
        }
        assert_eq!(world.body(browser), "one ");
        assert!(world.dashboard.is_over(browser));
    }
}

#[test]
fn what_is_not_there_is_refused_with_a_page() {
    let answers = [
        (vec![Command::Failure("no such artifact".into())], "no such artifact"),
        (vec![Command::Artifact(artifact("bin/program/x", 1))], "this is a directory"),
        (vec![Command::Success], "there is no such artifact"),
    ];
    for (answer, reason) in answers {
        let mut world = World::new();
        world.answer_overview(false);
        let browser = world.get("/artifact");
        let question = fetched(&world);
        world.answer(question, &answer);
        let (head, body) = world.take(browser);
        assert!(head.starts_with("HTTP/1.1 503") && body.contains(reason), "{head} {body}");
    }
}

#[test]
fn a_console_passes_by_without_the_result_of_a_build_that_has_ended() {
    for (has_ended, text) in [(true, "a\n\u{1b}[1mb\n"), (false, "a\n\u{1b}[1mb\nexited 0\n")] {
        let mut world = World::new();
        world.answer_overview(false);
        let browser = world.get("/text");
        world.answer_has_ended(has_ended);
        let question = world.asked(|command| *command == Command::Console(UUID));
        world.answer(question, &[line("a"), line("\u{1b}[1mb"), line("exited 0"), Command::Success]);
        let (head, body) = world.take(browser);
        assert!(head.contains("text/plain; charset=utf-8"), "{head}");
        let lines: String = body.split("\r\n").skip(1).step_by(2).collect();
        assert_eq!(lines, text);
    }
}

#[test]
fn a_console_that_is_cut_off_does_not_look_whole() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/text");
    world.answer_has_ended(false);
    let question = world.asked(|command| *command == Command::Console(UUID));
    world.answer(question, &[line("a")]);
    world.handle(Input::Broken { question, reason: "gone".to_owned() });
    let text = world.body(browser);
    assert!(text.contains("a\n") && !text.ends_with("0\r\n\r\n"), "{text}");
    assert!(world.dashboard.is_over(browser));
}

#[test]
fn an_empty_console_is_an_empty_text() {
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/text");
    world.answer_has_ended(true);
    let question = world.asked(|command| *command == Command::Console(UUID));
    world.answer(question, &[Command::Success]);
    let (head, body) = world.take(browser);
    assert_eq!((head.starts_with("HTTP/1.1 200"), body.as_str()), (true, "0\r\n\r\n"));
}

#[test]
fn others_wait_until_there_is_room() {
    let mut world = World::new();
    world.answer_overview(false);
    let browsers: Vec<u64> = (0..=DOWNLOADS).map(|_| world.get("/artifact")).collect();
    assert_eq!((world.questions(), world.dashboard.figures().downloads), (DOWNLOADS, DOWNLOADS + 1));
    world.handle(Input::Gone { connection: browsers[0] });
    assert_eq!(world.questions(), DOWNLOADS, "the last one has its turn");
    world.handle(Input::Gone { connection: browsers[DOWNLOADS] });
    assert_eq!(world.questions(), DOWNLOADS - 1);
}

#[test]
fn what_the_browser_does_not_want_is_not_fetched_and_not_mixed_with_what_it_asks_next() {
    let head = "HEAD /artifact HTTP/1.1\r\nHost: h\r\n\r\nGET /live HTTP/1.1\r\nHost: h\r\n\r\n";
    let mut world = World::new();
    world.answer_overview(false);
    let browser = world.get("/idle");
    world.take(browser);
    world.handle(Input::Received { connection: browser, bytes: head.as_bytes() });
    let question = fetched(&world);
    let mut bytes = Command::Artifact(artifact("bin/program", 8)).to_frame().unwrap();
    append_data_frame(&mut bytes, b"one more");
    world.handle(Input::Answered { question, bytes: &bytes });
    assert_eq!(world.all_asked(|command| matches!(command, Command::Fetch { .. })), []);
    let observed = world.asked(|command| *command == Command::Observe(UUID));
    world.answer(observed, &[line("a"), line("exited 0"), Command::Success]);
    let got = world.take(browser);
    assert!(!got.1.contains("one more") && got.1.contains("[1,\"a\"]"), "{got:?}");
}
