use super::*;
use crate::limits::{LONGEST_RECONNECT_TIME, RECONNECT_TIME, RECONNECTS};

fn reset() -> Input<'static> {
    Input::Disconnected(Some("reset by peer".to_owned()))
}

#[test]
fn a_connection_that_is_reset_before_the_hello_is_made_again_after_a_pause() {
    let mut world = World::new();
    world.handle(Input::Connected);
    // Some of the hello may have come.
    world.handle(Input::Received(&Command::ServerHello.to_frame().unwrap()[..3]));
    assert_eq!(world.handle(reset()), []);
    let pause = world.worker.next_deadline().unwrap() - world.now;
    assert_eq!(pause, RECONNECT_TIME / 2);
    assert_eq!(world.pass(pause - Duration::from_nanos(1)), []);
    assert_eq!(world.pass(Duration::from_nanos(1)), [Action::Connect]);

    world.received.clear();
    world.handle(Input::Connected);
    assert_eq!(world.received, [Command::ClientHello { peer: PeerType::Worker, version: 5 }]);
    world.serve(&Command::ServerHello);
    world.rehearse();
    assert_eq!(world.received[1..], [Command::JobRequested("amiga".into())]);
}

#[test]
fn a_connection_may_be_reset_before_it_stands() {
    let mut world = World::new();
    assert_eq!(world.handle(reset()), []);
    assert_eq!(world.pass(RECONNECT_TIME), [Action::Connect]);
    let complaint_of_system = "cannot connect to the server at A: refused";
    let actions = world.handle(Input::NotConnected(complaint_of_system.to_owned()));
    assert_eq!(complaint(&actions), complaint_of_system);
}

#[test]
fn a_server_that_resets_for_ever_is_left() {
    let mut world = World::new();
    world.handle(Input::Connected);
    for _ in 0..RECONNECTS {
        assert_eq!(world.handle(reset()), []);
        assert_eq!(world.pass(LONGEST_RECONNECT_TIME), [Action::Connect]);
        world.handle(Input::Connected);
    }
    let actions = world.handle(reset());
    let expected = "10 connections in a row broke before the server said hello, so it is overloaded, or no \
                    builder-server: reset by peer";
    assert_eq!(complaint(&actions), expected);
}

#[test]
fn a_worker_that_pauses_ends_when_asked() {
    let mut world = World::new();
    world.handle(Input::Connected);
    world.handle(reset());
    assert_eq!(complaint(&world.handle(Input::Terminated("SIGTERM"))), "ended by SIGTERM");
    assert_eq!(world.pass(HOUR), []);
}

#[test]
fn after_the_hello_nothing_is_made_again() {
    let mut world = World::waiting_for_a_job();
    assert!(complaint(&world.handle(reset())).contains("before it had a job"));
}
