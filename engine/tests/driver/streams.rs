//! Consoles and artifacts on their way to clients: what is sent when, and what is left of a client that leaves.

use crate::site::{Site, large_results, settings};
use builder_engine::driver::Event;
use builder_engine::limits::{FETCH_PIECE_BYTES, FETCHES};
use builder_engine::server::ConnectionId;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::HistoryQuery;
use builder_proto::job::File;
use builder_proto::text::Text;
use builder_tests::world::{SPOOLS, STAGINGS};
use std::io::ErrorKind;

/// The lines that a client was sent.
fn lines(heard: &[Command]) -> Vec<String> {
    let line = |command: &Command| match command {
        Command::Output { line, .. } => Some(line.to_string()),
        _ => None,
    };
    heard.iter().filter_map(line).collect()
}

fn make_room(site: &mut Site, connection: ConnectionId, bytes: usize) {
    site.machine().lines.get_mut(&connection).unwrap().room = bytes;
    site.tell(Event::Writable(connection));
    site.rest();
}

#[test]
fn a_console_ends_where_it_was_when_somebody_asked() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    let long = "x".repeat(60_000);
    for _ in 0..20 {
        site.print(build, long.as_bytes());
    }
    let reader = site.client(Command::Console(build.1));
    site.turn();
    make_room(&mut site, reader, 0);
    // The job goes on to print, faster than the client reads.
    for _ in 0..100 {
        site.print(build, b"later");
        make_room(&mut site, reader, 50_000);
    }
    let heard = site.heard(reader);
    assert_eq!(lines(&heard), vec![long; 20]);
    assert_eq!(heard.last(), Some(&Command::Success));
    assert!(site.machine().lines[&reader].sent.len() < 1_210_000);
}

#[test]
fn who_observes_a_build_is_told_of_each_line_when_it_comes() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    let observer = site.client(Command::Observe(build.1));
    site.rest();
    for (number, line) in ["first", "second", "third"].into_iter().enumerate() {
        site.print(build, line.as_bytes());
        assert_eq!(lines(&site.heard(observer)).len(), number + 1, "{line}");
    }
}

#[test]
fn who_observes_what_cannot_be_read_is_told_so_and_keeps_no_place() {
    let mut settings = settings();
    settings.server.observers = 1;
    let mut site = Site::new(settings);
    let build = site.build("job");
    site.print(build, b"a line");
    site.machine().files.fail("read", SPOOLS, ErrorKind::Other);
    let observer = site.client(Command::Observe(build.1));
    site.rest();
    let heard = site.heard(observer);
    let Some(Command::Failure(text)) = heard.last() else { panic!("{heard:?}") };
    assert!(text.to_string().contains("the console cannot be read"), "{text}");
    site.machine().files.mend();
    let observer = site.client(Command::Observe(build.1));
    site.rest();
    assert_eq!(lines(&site.heard(observer)), ["a line"]);
}

#[test]
fn a_stored_console_that_is_damaged_fails_behind_what_could_be_read() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    for line in ["first", "second"] {
        site.print(build, line.as_bytes());
    }
    site.complete(build);
    let place = format!("job/{}/full", build.1);
    let mut stored = site.machine().files.read(&place);
    // A result holds the latest line first. What precedes a line says how long it is, and what follows.
    let second = stored.windows(6).position(|bytes| bytes == b"second").unwrap();
    stored[second - 1] = 0x7f;
    site.machine().files.put(&place, &stored);
    let observer = site.client(Command::Observe(build.1));
    site.rest();
    let heard = site.heard(observer);
    let Some(Command::Failure(text)) = heard.last() else { panic!("{heard:?}") };
    assert!(text.to_string().starts_with(&format!("the stored result of build {}", build.1)), "{text}");
}

#[test]
fn the_console_of_a_finished_build_says_how_it_ended() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    let (running, observed) =
        (site.client(Command::Console(build.1)), site.client(Command::Observe(build.1)));
    site.rest();
    assert_eq!(lines(&site.heard(running)), ["a line"]);
    site.complete(build);
    let finished = site.client(Command::Console(build.1));
    site.rest();
    assert_eq!(lines(&site.heard(finished)), ["a line", "exited 0"]);
    assert_eq!(site.heard(finished), site.heard(observed), "whenever one asks");
}

#[test]
fn who_asks_in_the_turn_in_which_the_result_comes_is_answered_as_ever() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.print(build, b"a line");
    let ask = |site: &mut Site| {
        let history = Command::History(HistoryQuery::default());
        [Command::Console(build.1), Command::Details(build.1), history].map(|command| site.client(command))
    };
    site.finish(build);
    let clients = ask(&mut site);
    site.turn();
    site.rest();
    let answers = clients.map(|client| site.heard(client));
    assert_eq!(lines(&answers[0]), ["a line", "exited 0"]);
    let later = ask(&mut site);
    site.rest();
    assert_eq!(later.map(|client| site.heard(client)), answers);
}

/// A build that has ended with these artifacts.
fn built(site: &mut Site, name: &str, files: Vec<File>) -> Uuid {
    let (worker, uuid) = site.build(name);
    let finished = Command::JobFinished { uuid, result: BuildResult::Exited(0), data: files };
    site.say(worker, &finished.to_frame().unwrap());
    site.rest();
    uuid
}

fn file(path: &str, data: Vec<u8>) -> File {
    File { path: path.into(), data: data.into() }
}

fn fetch(uuid: Uuid, path: Option<&str>, skip: i64, offset: i64) -> Command {
    Command::Fetch { uuid, path: path.map(Text::from), skip, offset }
}

/// The artifacts that a client was sent, each with its whole size and the content that came, and the last message.
fn artifacts(heard: &[Command]) -> (Vec<(String, u64, Vec<u8>)>, Command) {
    let [Command::ServerHello, messages @ .., last] = heard else { panic!("no answer: {heard:?}") };
    let mut artifacts = Vec::new();
    for message in messages {
        match (message, artifacts.last_mut()) {
            (Command::Artifact(artifact), _) => {
                artifacts.push((artifact.path.to_string(), artifact.size, Vec::new()));
            }
            (Command::Data(bytes), Some((_, _, content))) => content.extend_from_slice(bytes.as_bytes()),
            (other, _) => panic!("{} between artifacts", other.name()),
        }
    }
    (artifacts, last.clone())
}

fn fetched(site: &mut Site, command: Command) -> (Vec<(String, u64, Vec<u8>)>, Command) {
    let client = site.client(command);
    site.rest();
    artifacts(&site.heard(client))
}

fn refusal(site: &mut Site, command: Command) -> String {
    match fetched(site, command) {
        (artifacts, Command::Failure(text)) if artifacts.is_empty() => text.to_string(),
        other => panic!("{other:?} is no refusal"),
    }
}

/// Content that shows where it was cut.
fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 7 + at / 1000) as u8).collect()
}

#[test]
fn artifacts_are_sent_whole_or_from_where_the_client_has_them() {
    // In the log, and in files of their own.
    for small in [settings(), large_results()] {
        let mut site = Site::new(small);
        let long = content(700_000);
        let files = vec![
            file("d/empty", Vec::new()),
            file("d/long", long.clone()),
            file("dx", b"another".to_vec()),
            file("d", b"a file".to_vec()),
        ];
        let expected: Vec<_> = files
            .iter()
            .map(|file| {
                (file.path.to_string(), file.data.as_bytes().len() as u64, file.data.as_bytes().to_vec())
            })
            .collect();
        let uuid = built(&mut site, "job", files);
        assert_eq!(fetched(&mut site, fetch(uuid, None, 0, 0)), (expected.clone(), Command::Success));
        let below: Vec<_> = [0, 1, 3].map(|number| expected[number].clone()).to_vec();
        assert_eq!(fetched(&mut site, fetch(uuid, Some("./d/"), 0, 0)), (below, Command::Success));
        let (rest, last) = fetched(&mut site, fetch(uuid, Some("d"), 1, 300_001));
        assert_eq!(last, Command::Success);
        assert_eq!(rest[0], ("d/long".to_owned(), 700_000, long[300_001..].to_vec()));
        assert_eq!(rest[1..], expected[3..]);
        let (rest, _) = fetched(&mut site, fetch(uuid, Some("d/long"), 0, 700_000));
        assert_eq!(rest, [("d/long".to_owned(), 700_000, Vec::new())]);
        assert_eq!(fetched(&mut site, fetch(uuid, None, 4, 0)), (Vec::new(), Command::Success));
    }
}

#[test]
fn a_small_result_is_fetched_while_only_the_log_holds_it() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    // What is in its place may be what a power failure has left there.
    site.machine().files.put(&format!("job/{}/full", build.1), b"half of it");
    site.machine().files.fail("rename", STAGINGS, ErrorKind::StorageFull);
    site.finish(build);
    site.rest();
    let (artifacts, last) = fetched(&mut site, fetch(build.1, None, 0, 0));
    assert_eq!(artifacts, [("bin/artifact".to_owned(), 8, b"artifact".to_vec())]);
    assert_eq!(last, Command::Success);
}

#[test]
fn what_cannot_be_fetched_is_refused_with_the_reason() {
    let mut site = Site::new(settings());
    let uuid = built(&mut site, "job", vec![file("a", b"12345".to_vec())]);
    for (command, expected) in [
        (
            fetch(uuid, Some("b"), 0, 0),
            format!("build {uuid} has no artifact b, and none below a directory of that name"),
        ),
        (fetch(uuid, None, 2, 0), "1 artifacts are selected, so 2 cannot be left out".to_owned()),
        (fetch(uuid, None, 1, 1), "no artifact is left of which 1 bytes could be left out".to_owned()),
        (fetch(uuid, None, 0, 6), "artifact a has 5 bytes, so 6 cannot be left out".to_owned()),
        (fetch(uuid, None, -1, 0), "a number of artifacts or bytes to leave out is negative".to_owned()),
        (
            fetch(Uuid::from_u128(7), None, 0, 0),
            format!(
                "no result of build {} is on this server: it was removed or uploaded, or there never was one",
                Uuid::from_u128(7)
            ),
        ),
    ] {
        assert_eq!(refusal(&mut site, command), expected);
    }
    let empty = built(&mut site, "empty", Vec::new());
    assert_eq!(fetched(&mut site, fetch(empty, None, 0, 0)), (Vec::new(), Command::Success));
    let (_, running) = site.build("other");
    let text = format!("build {running} still runs; its artifacts are there when it has ended");
    assert_eq!(refusal(&mut site, fetch(running, None, 0, 0)), text);
}

#[test]
fn a_damaged_result_fails_behind_what_could_be_read() {
    for is_read_from in [false, true] {
        let mut site = Site::new(large_results());
        let truth = [content(600_000), content(300_000)];
        let files = vec![file("a", truth[0].clone()), file("b", truth[1].clone())];
        let uuid = built(&mut site, "job", files);
        let client = site.client(fetch(uuid, None, 0, 0));
        site.turn();
        if is_read_from {
            make_room(&mut site, client, 0);
        }
        // Something cuts the file off.
        let place = format!("job/{uuid}/full");
        let whole = site.machine().files.read(&place);
        site.machine().files.put(&place, &whole[..whole.len() - 100]);
        make_room(&mut site, client, usize::MAX);
        let heard = site.heard(client);
        let (artifacts, last) = artifacts(&heard);
        let Command::Failure(text) = last else { panic!("{last:?}") };
        let says = if is_read_from { "cannot be read: unexpected end of file" } else { "is damaged" };
        assert!(text.to_string().starts_with(&format!("the stored result of build {uuid} {says}")), "{text}");
        assert_eq!(artifacts.len(), if is_read_from { 2 } else { 0 });
        for ((path, _, came), truth) in artifacts.iter().zip(truth) {
            assert!(truth.starts_with(came), "what came of {path} is not what it holds");
        }
    }
}

#[test]
fn pieces_are_read_by_threads_and_one_at_a_time_ahead_of_the_client() {
    let mut site = Site::new(large_results());
    let long = content(900_000);
    let uuid = built(&mut site, "job", vec![file("a", long.clone())]);
    let client = site.client(fetch(uuid, None, 0, 0));
    site.turns();
    make_room(&mut site, client, 0);
    let (sent, tasks) = (site.machine().lines[&client].sent.len(), site.machine().tasks.len());
    assert!(sent < 100, "nothing of the artifact was sent, {sent} bytes");
    assert_eq!(tasks, 0, "the next piece waits for room");
    for room in [1, 1000, 100_000, 200_000, 300_000] {
        make_room(&mut site, client, room);
        assert_eq!(site.machine().lines[&client].room, 0, "there is always something to send");
    }
    make_room(&mut site, client, usize::MAX);
    let heard = site.heard(client);
    assert_eq!(artifacts(&heard), (vec![("a".to_owned(), 900_000, long)], Command::Success));
    let longest = heard.iter().map(|message| message.to_frame().unwrap().len()).max().unwrap();
    assert!(longest <= FETCH_PIECE_BYTES + 64, "a piece of {longest} bytes");
}

#[test]
fn artifacts_come_behind_what_the_client_has_not_taken_yet() {
    let mut site = Site::new(large_results());
    let uuid = built(&mut site, "job", vec![file("a", content(5000))]);
    let client = site.client(fetch(uuid, None, 0, 0));
    site.machine().waiting.back_mut().unwrap().room = 0;
    site.rest();
    make_room(&mut site, client, usize::MAX);
    let expected = vec![("a".to_owned(), 5000, content(5000))];
    assert_eq!(artifacts(&site.heard(client)), (expected, Command::Success));
}

#[test]
fn going_over_many_artifacts_lets_others_have_their_turn() {
    let mut site = Site::new(large_results());
    let files: Vec<_> = (0..5000).map(|number| file(&format!("f/{number}"), vec![b'x'])).collect();
    let uuid = built(&mut site, "job", files);
    let client = site.client(fetch(uuid, None, 4999, 0));
    site.turns();
    let mut tasks = 0;
    while !site.machine().tasks.is_empty() {
        assert_eq!(site.machine().tasks.len(), 1, "one at a time");
        tasks += 1;
        site.finish_tasks();
        site.turns();
    }
    assert_eq!(tasks, 20, "256 at once");
    assert_eq!(artifacts(&site.heard(client)).0, [("f/4999".to_owned(), 1, b"x".to_vec())]);
}

#[test]
fn a_client_that_leaves_takes_nothing_along() {
    for leaves_while_reading in [true, false] {
        let mut site = Site::new(large_results());
        let uuid = built(&mut site, "job", vec![file("a", content(900_000))]);
        let client = site.client(fetch(uuid, None, 0, 0));
        site.turns();
        site.machine().lines.get_mut(&client).unwrap().room = 0;
        if !leaves_while_reading {
            site.rest();
        }
        site.machine().lines.get_mut(&client).unwrap().has_ended = true;
        site.tell(Event::Readable { connection: client, is_end: true });
        assert!(!site.machine().lines.contains_key(&client));
        if leaves_while_reading {
            site.finish_tasks();
            site.turns();
        }
        assert_eq!(
            site.machine().tasks.len(),
            1,
            "a thread closes the file, which may have no name any more"
        );
        site.rest();
        assert!(site.machine().tasks.is_empty());
        let (again, last) = fetched(&mut site, fetch(uuid, None, 0, 899_999));
        assert_eq!((again[0].2.len(), last), (1, Command::Success));
    }
}

#[test]
fn no_more_clients_fetch_than_there_is_memory_for() {
    let mut settings = large_results();
    (settings.connections, settings.server.observers) = (1000, 1000);
    let mut site = Site::new(settings);
    let uuid = built(&mut site, "job", vec![file("a", b"12345".to_vec())]);
    for _ in 0..FETCHES {
        site.client(fetch(uuid, None, 0, 0));
        site.turns();
    }
    let text = format!("busy: {FETCHES} clients fetch artifacts, the limit; try again later");
    let late = site.client(fetch(uuid, None, 0, 0));
    site.turns();
    assert_eq!(artifacts(&site.heard(late)).1, Command::Failure(text.into()));
    let observer = site.client(Command::Observe(uuid));
    site.rest();
    assert_eq!(site.heard(observer).last(), Some(&Command::Success), "others are served");
    assert_eq!(fetched(&mut site, fetch(uuid, None, 0, 0)).0.len(), 1, "there is room again");
}
