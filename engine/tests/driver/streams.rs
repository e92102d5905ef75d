//! Consoles and artifacts on their way to clients: what is sent when, and what is left of a client that leaves.

use crate::site::{Site, settings};
use builder_engine::driver::Event;
use builder_engine::server::ConnectionId;
use builder_proto::command::Command;

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
