//! The last line of a stored console: it says what otherwise only the result would say, as builder-web does not show that.

use super::rig::{Rig, SETTINGS};
use super::words::{SECOND, daily};
use crate::limits::TIMEOUT_GRACE;
use crate::server::ConnectionId;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;

fn started(rig: &mut Rig) -> (ConnectionId, Uuid) {
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "one");
    rig.pass(SECOND);
    (worker, uuid)
}

/// The stored console: seconds and lines.
fn console(rig: &Rig, uuid: Uuid) -> Vec<String> {
    let seconds = |nanoseconds: i64| nanoseconds / 1_000_000_000;
    let stored = rig.stored(uuid);
    stored.console.iter().map(|line| format!("{} {}", seconds(line.delta_nanoseconds), line.line)).collect()
}

#[test]
fn a_lost_worker_is_told_of() {
    let mut rig = Rig::new();
    let (worker, uuid) = started(&mut rig);
    rig.lose(worker);
    let last = "1 execution aborted: worker lost: the peer closed the connection; the job was queued again";
    assert_eq!(console(&rig, uuid), ["0 one", last]);
}

#[test]
fn a_timeout_of_the_server_is_told_of() {
    let mut rig = Rig::new();
    let (_, uuid) = started(&mut rig);
    rig.pass(SETTINGS.job_time + TIMEOUT_GRACE);
    assert_eq!(console(&rig, uuid).last().unwrap(), "3660 execution aborted: timeout");
}

#[test]
fn what_the_worker_says_is_told_as_well() {
    let mut rig = Rig::new();
    let (worker, uuid) = started(&mut rig);
    rig.finish(worker, BuildResult::Message("timeout after 1h".into()), Vec::new());
    assert_eq!(console(&rig, uuid), ["0 one", "1 execution aborted: timeout after 1h"]);
}

#[test]
fn a_limit_is_told_of_beyond_the_limit() {
    let mut rig = Rig::new();
    let (worker, uuid) = started(&mut rig);
    rig.print(worker, &"x".repeat(2000));
    rig.end_turn();
    let last = "1 execution aborted: the console exceeds the limit of 1000 bytes (--console-limit)";
    assert_eq!(console(&rig, uuid), ["0 one", last]);
}

#[test]
fn what_every_reader_shows_needs_no_line() {
    for result in [BuildResult::Exited(0), BuildResult::Exited(3), BuildResult::Signalled(9)] {
        let mut rig = Rig::new();
        let (worker, uuid) = started(&mut rig);
        rig.finish(worker, result, Vec::new());
        assert_eq!(console(&rig, uuid), ["0 one"]);
    }
}
