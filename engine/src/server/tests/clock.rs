//! The schedule when the wall clock is wrong, or is put right.

use super::rig::{Rig, SETTINGS};
use super::words::{HOUR, SECOND, daily, reschedule, schedule, script};
use crate::limits::{CLOCK_PATIENCE, DUE_ITEMS_PER_CALL};
use crate::server::record::{Record, Rescheduled};
use crate::server::{Input, State};
use builder_proto::build_result::BuildResult;
use builder_proto::job::{Job, ScheduleItem};
use builder_proto::time::{Period, Time};

#[test]
fn a_wall_clock_that_is_corrected_runs_nothing_twice() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "a", "p"));
    let (worker, uuid) = rig.build("p");
    let next = rig.next_run("a");
    set_back(&mut rig, 60);
    rig.pass(HOUR);
    assert!(rig.queue("p").is_empty());
    assert_eq!(rig.next_run("a"), next);
    set_back(&mut rig, 7200);
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let stored = rig.stored(uuid);
    assert_eq!(stored.finished, stored.started, "a build does not end before it starts");
}

/// The wall clock is set back by so many seconds, while time goes on.
fn set_back(rig: &mut Rig, seconds: i64) {
    rig.now.wall = Time::from_unix_milliseconds(rig.now.wall.unix_milliseconds() - seconds * 1000);
    rig.end_turn();
}

const MILLENNIUM: i64 = 31_556_952_000;

#[test]
fn a_clock_that_was_wrong_for_a_while_leaves_every_job_on_its_grid() {
    let mut rig = Rig::new();
    rig.pass(CLOCK_PATIENCE);
    rig.done(schedule(Period::Hourly, "hourly", "p"));
    rig.done(daily("daily", "p"));
    rig.done(schedule(Period::Never, "never", "p"));
    rig.done(daily("appointed", "p"));
    let far = Time::parse_rfc3339("5000-01-01T00:00:00Z").unwrap();
    rig.done(reschedule("appointed", far, None));
    let before = ["hourly", "daily", "never"].map(|name| rig.next_run(name));
    set_back(&mut rig, -MILLENNIUM);
    rig.done(schedule(Period::Hourly, "new", "p"));
    let year = |time: Time| time.to_string()[..4].to_owned();
    assert_eq!(["hourly", "daily", "new"].map(|name| year(rig.next_run(name))), ["3026"; 3]);
    set_back(&mut rig, MILLENNIUM);
    assert_eq!(["hourly", "daily", "never"].map(|name| rig.next_run(name)), before);
    assert!(rig.next_run("new") <= rig.now.wall.saturating_add(HOUR));
    assert_eq!(rig.next_run("appointed"), far);
    assert!(rig.server.next_deadline() > Some(rig.now.monotonic), "there is nothing more to do");
}

#[test]
fn a_clock_that_starts_in_the_past_and_is_set_right_soon_runs_nothing_early() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let before = rig.next_run("a");
    let (worker, _) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.now.wall = Time::from_unix_milliseconds(rig.now.wall.unix_milliseconds() - MILLENNIUM * 10);
    rig.crash(0);
    rig.pass(CLOCK_PATIENCE - SECOND);
    set_back(&mut rig, -MILLENNIUM / 100);
    assert_eq!((rig.next_run("a"), rig.queue("p").len()), (before, 0));
    rig.pass(2 * SECOND);
    assert_eq!(rig.next_run("a"), before);
}

#[test]
fn a_server_that_starts_after_the_clock_was_set_right_puts_jobs_back_on_their_grid() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "hourly", "p"));
    rig.done(daily("appointed", "p"));
    let before = rig.next_run("hourly");
    set_back(&mut rig, -MILLENNIUM);
    let far = rig.now.wall.saturating_add(400 * 24 * HOUR);
    rig.done(reschedule("appointed", far, Some(Period::Weekly)));
    for rotated in [false, true] {
        if rotated {
            rig.rotate();
        }
        rig.now.wall = Time::from_unix_milliseconds(rig.now.wall.unix_milliseconds() - MILLENNIUM * 1000);
        rig.crash(0);
        rig.pass(CLOCK_PATIENCE);
        assert_eq!(rig.next_run("hourly"), before);
        assert_eq!(rig.next_run("appointed"), far, "what a person chose stands");
        set_back(&mut rig, -MILLENNIUM);
    }
}

#[test]
fn what_earlier_versions_left_in_the_log_stands_until_the_job_has_run() {
    let mut rig = Rig::with(SETTINGS, State::default());
    let far = rig.now.wall.saturating_add(5 * HOUR);
    let mut state = State::default();
    state.apply(&Record::PlatformAdded("p".into())).unwrap();
    for name in ["a", "b"] {
        let job = Job::Script(script(name, "p"));
        let item = ScheduleItem { next: rig.now.wall, period: Period::Hourly, job };
        state.apply(&Record::Scheduled(item)).unwrap();
        let to = Rescheduled { name: name.into(), next: far, period: Period::Hourly, every: None };
        state.apply(&Record::Rescheduled(to)).unwrap();
    }
    rig = Rig::with(SETTINGS, state);
    rig.end_turn();
    assert_eq!(rig.next_run("a"), far);
    rig.pass(5 * HOUR);
    assert_eq!(rig.next_run("a"), far.saturating_add(HOUR));
    set_back(&mut rig, 3 * 3600);
    assert_eq!(rig.next_run("a"), Time::from_unix_milliseconds(far.unix_milliseconds() - 2 * 3_600_000));
}

#[test]
fn many_jobs_are_put_back_on_their_grid_in_portions() {
    let mut state = State::default();
    state.apply(&Record::PlatformAdded("p".into())).unwrap();
    let next = Time::parse_rfc3339("3026-01-01T00:00:00Z").unwrap();
    for number in 0..=DUE_ITEMS_PER_CALL {
        let job = Job::Script(script(&format!("job{number:04}"), "p"));
        state.apply(&Record::ScheduledOnGrid(ScheduleItem { next, period: Period::Hourly, job })).unwrap();
    }
    let mut rig = Rig::with(SETTINGS, state);
    let displaced = |rig: &mut Rig| rig.info().schedule.iter().filter(|item| item.next == next).count();
    rig.now.monotonic += CLOCK_PATIENCE;
    rig.hand_in(Input::Tick);
    assert_eq!(rig.server.next_deadline(), Some(rig.now.monotonic), "the rest follows at once");
    rig.hand_in(Input::Tick);
    assert!(rig.server.next_deadline() > Some(rig.now.monotonic));
    assert_eq!(displaced(&mut rig), 0);
}
