//! What is read from whom, and when.

use crate::site::{Site, lose_worker, settings};
use builder_engine::driver::Event;
use builder_engine::limits::{DISK_MARGIN, LINGER_TIME, RETRY_TIME};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;
use std::time::Duration;

#[test]
fn an_end_that_was_announced_with_the_last_bytes_is_read_although_nothing_more_is_told() {
    let mut site = Site::new(settings());
    let client = site.connect(&[]);
    site.turns();
    let line = site.machine().lines.get_mut(&client).unwrap();
    line.arrived.extend_from_slice(&[0, 0]);
    line.has_ended = true;
    site.driver.notice(Event::Readable { connection: client, is_end: true });
    site.turns();
    assert!(!site.machine().lines.contains_key(&client), "it is over");
}

#[test]
fn a_peer_that_does_not_read_is_not_read_from_until_it_does() {
    let mut site = Site::new({
        let mut settings = settings();
        settings.limits.connections.outbox_bytes = 100;
        settings
    });
    site.client(filler(0));
    site.turns();
    let client = site.client(Command::Info);
    site.machine().waiting.back_mut().unwrap().room = 0;
    site.turns();
    site.say(client, b"more");
    site.turns();
    assert_eq!(site.machine().lines[&client].arrived, b"more", "its answer waits");
    site.machine().lines.get_mut(&client).unwrap().room = usize::MAX;
    site.tell(Event::Writable(client));
    site.turns();
    assert_eq!(site.machine().lines[&client].arrived, b"", "it has taken its answer");
}

#[test]
fn peers_that_were_told_everything_give_their_places_to_others_that_wait() {
    let mut site = small_site();
    // They do not close their connections, although all is said.
    let told = [site.client(filler(0)), site.client(filler(1))];
    site.rest();
    assert!(told.iter().all(|client| site.machine().lines.contains_key(client)), "there is a place left");
    let (_, late) = (site.client(filler(2)), site.client(filler(3)));
    site.rest();
    assert!(!told.iter().all(|client| site.machine().lines.contains_key(client)), "one is closed");
    assert_eq!(site.heard(late).last(), Some(&Command::Success));
}

#[test]
fn whoever_waits_for_a_place_gets_that_of_a_peer_that_is_told_everything_although_nothing_else_happens() {
    let mut site = small_site();
    let build = site.build("job");
    site.complete(build);
    site.pass(LINGER_TIME);
    site.rest();
    let _others = [site.connect(&[]), site.connect(&[])];
    let told = site.client(Command::Details(build.1));
    let late = site.connect(&[]);
    site.turns();
    assert!(!site.machine().lines.contains_key(&late), "there is no place left");
    // What it is told comes from the disk, and then nothing else happens.
    site.rest();
    let lines = &site.machine().lines;
    assert!(!lines.contains_key(&told) && lines.contains_key(&late), "one has the place of the other");
}

#[test]
fn a_peer_that_takes_its_last_words_slowly_keeps_its_place_until_it_has_them() {
    let mut site = small_site();
    let _others = [site.connect(&[]), site.connect(&[])];
    let slow = site.client(filler(0));
    site.machine().waiting.back_mut().unwrap().room = 3;
    let late = site.connect(&[]);
    site.rest();
    let lines = &site.machine().lines;
    assert!(lines.contains_key(&slow) && !lines.contains_key(&late), "it is told, but does not have it");
    site.machine().lines.get_mut(&slow).unwrap().room = usize::MAX;
    site.tell(Event::Writable(slow));
    site.turns();
    let lines = &site.machine().lines;
    assert!(!lines.contains_key(&slow) && lines.contains_key(&late), "one has the place of the other");
}

#[test]
fn peers_that_were_told_everything_have_a_while_to_close_their_connections() {
    let mut site = Site::new(settings());
    let client = site.client(filler(0));
    site.rest();
    assert_eq!(site.heard(client).last(), Some(&Command::Success));
    assert!(site.machine().lines[&client].is_shut_down, "it may wait for the end");
    site.pass(LINGER_TIME / 2);
    site.rest();
    assert!(site.machine().lines.contains_key(&client), "it may have something to read yet");
    site.pass(LINGER_TIME);
    site.rest();
    assert!(!site.machine().lines.contains_key(&client), "its place is free");
}

#[test]
fn a_peer_that_says_nothing_yet_is_heard_when_it_does() {
    let mut site = Site::new(settings());
    let client = site.connect(&[]);
    site.turns();
    assert_eq!(site.machine().lines[&client].watched, Some(false));
}

#[test]
fn a_long_answer_comes_whole() {
    let mut site = Site::new(settings());
    for number in 0..4 {
        site.client(long(number, 100_000));
        site.rest();
    }
    let client = site.client(Command::Info);
    site.rest();
    assert_eq!(site.heard(client).len(), 3, "of {} bytes", site.machine().lines[&client].sent.len());
    assert_eq!(site.heard(client).last(), Some(&Command::Success));
}

#[test]
fn a_log_that_is_mostly_past_gives_its_space_back_when_that_is_short() {
    let mut site = Site::new(settings());
    for _ in 0..10 {
        site.client(long(0, 10_000));
        site.client(Command::Unschedule("filler-0".into()));
        site.rest();
    }
    let length = |site: &mut Site| site.machine().log.read("log").len();
    let before = length(&mut site);
    site.client(filler(1));
    site.rest();
    assert!(length(&mut site) > before, "there is room");
    site.machine().free_space.free = 3 * DISK_MARGIN;
    site.pass(RETRY_TIME);
    site.client(filler(2));
    site.rest();
    assert!(length(&mut site) < before / 2);
}

#[test]
fn those_who_come_all_at_once_are_accepted_in_portions() {
    let mut site = Site::new({
        let mut settings = settings();
        settings.limits.connections.accepts = 2;
        settings
    });
    for number in 0..5 {
        site.client(filler(number));
    }
    for accepted in [2, 4, 5] {
        site.turn();
        assert_eq!(site.machine().lines.len(), accepted);
    }
}

#[test]
fn whoever_could_not_be_accepted_is_a_moment_later_although_nothing_happens() {
    let mut site = Site::new(settings());
    site.rest();
    site.machine().accepts_nobody = true;
    let client = site.client(filler(0));
    site.turns();
    let pause = site.pause().expect("nothing tells when there are descriptors again");
    assert!(pause <= Duration::from_secs(1), "in {pause:?}");
    site.machine().accepts_nobody = false;
    site.pass(pause);
    site.turns();
    assert_eq!(site.heard(client), [Command::ServerHello, Command::Success]);
}

#[test]
fn a_refusal_that_comes_after_the_commit_is_sent_although_nothing_else_happens() {
    let mut site = Site::new(settings());
    let client = site.client(Command::Details(Uuid::from_u128(7)));
    site.turns();
    assert_eq!(site.heard(client).last(), Some(&Command::Failure("uuid not found".into())));
}

#[test]
fn a_result_that_comes_of_the_end_of_a_turn_is_not_lost_in_a_rotation() {
    // One of these makes the log long enough in the very turn that ends with the result.
    for fillers in 0..24 {
        let mut site = Site::new({
            let mut settings = settings();
            settings.limits.log_rotation = 1000;
            settings
        });
        for number in 0..fillers {
            site.client(filler(number));
            site.rest();
        }
        lose_worker(&mut site);
        let mut site = site.restart();
        site.rest();
        let results = site.machine().files.paths().into_iter().filter(|path| path.ends_with("/full")).count();
        assert_eq!(results, 1, "after {fillers} other jobs");
    }
}

/// A server with three places.
fn small_site() -> Site {
    Site::new({
        let mut settings = settings();
        settings.connections = 3;
        settings
    })
}

/// A job that nobody runs here.
fn filler(number: usize) -> Command {
    let job = ScriptJob {
        name: format!("filler-{number}").into(),
        script: "true".into(),
        platform: "elsewhere".into(),
    };
    Command::Schedule { period: Period::Hourly, job }
}

/// The same with a script of so many bytes.
fn long(number: usize, bytes: usize) -> Command {
    let Command::Schedule { period, job } = filler(number) else { unreachable!() };
    Command::Schedule { period, job: ScriptJob { script: "x".repeat(bytes).as_str().into(), ..job } }
}
