//! Entering the schedule, leaving it, changing when a job runs, and running when it is due.

use super::rig::{Rig, SETTINGS};
use super::words::{
    DAY, HOUR, MINUTE, SECOND, daily, drop_platform, orb_build, reschedule, schedule, schedule_orb_build,
    script, unschedule,
};
use crate::limits::{DUE_ITEMS_PER_CALL, PLATFORMS, WALL_CLOCK_RECHECK};
use crate::server::jobs::Jobs;
use crate::server::record::Record;
use crate::server::{Input, State};
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::job::{Job, OrbBuildJob, ScheduleItem, ScriptJob};
use builder_proto::text::Text;
use builder_proto::time::{Period, Time};

#[test]
fn a_scheduled_job_is_queued_now_and_runs_again_a_period_later() {
    for (period, later) in [(Period::Hourly, HOUR), (Period::Daily, DAY), (Period::Weekly, 7 * DAY)] {
        let mut rig = Rig::new();
        rig.done(schedule(period, "a", "p"));
        assert_eq!(rig.queue("p"), ["a"]);
        assert_eq!(rig.next_run("a"), rig.now.wall.saturating_add(later));
    }
}

#[test]
fn a_job_that_never_repeats_is_queued_once() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Never, "a", "p"));
    assert_eq!(rig.queue("p"), ["a"]);
    assert_eq!(rig.next_run("a"), Time::NEVER);
    let (worker, _) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.pass(400 * DAY);
    assert!(rig.queue("p").is_empty());
}

#[test]
fn a_name_is_used_once_among_jobs_of_both_kinds() {
    let mut rig = Rig::new();
    rig.done(daily("script", "p"));
    rig.done(schedule_orb_build(Period::Weekly, "orb"));
    for command in [
        daily("script", "q"),
        daily("orb", "p"),
        schedule_orb_build(Period::Daily, "orb"),
        schedule_orb_build(Period::Daily, "script"),
    ] {
        assert_eq!(rig.refusal(command), "job name already used");
    }
    assert!(!rig.has_queue("q"), "a refusal changes nothing");
}

#[test]
fn a_name_is_free_again_after_it_left_the_schedule() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(unschedule("a"));
    rig.done(daily("a", "q"));
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec![], vec!["a".to_owned()]));
}

#[test]
fn no_job_is_scheduled_on_a_dropped_platform() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(drop_platform("p"));
    assert_eq!(rig.refusal(daily("b", "p")), "platform dropped; can't schedule jobs");
    rig.done(schedule_orb_build(Period::Daily, "orb"));
}

#[test]
fn names_that_are_no_file_names_are_refused() {
    let mut rig = Rig::new();
    for (command, text) in [
        (daily("", "p"), "the job name is empty"),
        (daily("a/b", "p"), "job name a/b must not contain /"),
        (daily("a", "state"), "platform name state is reserved; choose another"),
        (daily("a", ".p"), "platform name .p must not start with a dot"),
        (schedule_orb_build(Period::Daily, "_cache"), "job name _cache is reserved; choose another"),
    ] {
        assert_eq!(rig.refusal(command), text);
    }
    let long = ScriptJob { name: vec![0xff; 10_000].into(), ..script("", "p") };
    assert_eq!(
        rig.refusal(Command::Schedule { period: Period::Daily, job: long }),
        "the job name is 10000 bytes long; at most 100"
    );
}

#[test]
fn an_opam_package_has_a_limit() {
    let mut rig = Rig::new();
    let package = |bytes: usize| OrbBuildJob { opam_package: "x".repeat(bytes).into(), ..orb_build("a") };
    let job = package(4097);
    assert_eq!(
        rig.refusal(Command::ScheduleOrbBuild { period: Period::Daily, job }),
        "the opam package of job a is 4097 bytes long; at most 4096"
    );
    rig.done(Command::ScheduleOrbBuild { period: Period::Daily, job: package(4096) });
}

#[test]
fn there_is_a_limit_to_the_number_of_platforms() {
    let mut rig = Rig::new();
    for number in 0..PLATFORMS {
        let platform = Text::from(format!("p{number}"));
        let (journal, templates) = (&mut rig.server.journal, &rig.server.templates);
        Jobs { journal, templates, now: Time::UNIX_EPOCH }.add_platform(&platform, None);
    }
    rig.end_turn();
    let text = "platform q is new, and the server has 1000 platforms, its limit; drop one first";
    assert_eq!(rig.refusal(daily("a", "q")), text);
    let worker = rig.worker("q");
    assert_eq!(rig.failure(worker), text);
    rig.done(daily("a", "p7"));
    rig.done(drop_platform("p7"));
    rig.done(daily("a", "q"));
}

#[test]
fn unscheduling_takes_a_job_out_of_the_schedule_and_every_queue() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    assert_eq!(
        (rig.queue("p"), rig.queue("q")),
        (vec!["a".into(), "orb".into()], vec!["b".into(), "orb".into()])
    );
    rig.done(unschedule("orb"));
    rig.done(unschedule("a"));
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec![], vec!["b".to_owned()]));
    rig.pass(2 * DAY);
    assert_eq!(rig.queue("p"), [""; 0]);
}

#[test]
fn unscheduling_lets_a_running_build_finish() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.done(unschedule("a"));
    rig.finish(worker, BuildResult::Exited(3), Vec::new());
    assert_eq!(rig.stored(uuid).result, BuildResult::Exited(3));
    assert_eq!(rig.stored(uuid).job, script("a", "p"));
}

#[test]
fn only_a_scheduled_job_can_be_unscheduled() {
    let mut rig = Rig::new();
    assert_eq!(rig.refusal(unschedule("a")), "unknown job a");
    assert_eq!(rig.refusal(unschedule("a\u{1b}[2J")), "unknown job a\\x1b[2J");
    let long = rig.refusal(unschedule(&"x".repeat(10_000)));
    assert_eq!(long, format!("unknown job {}…", "x".repeat(100)), "an answer has a limit, like every name");
}

#[test]
fn rescheduling_sets_the_next_run_and_nothing_else() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, _) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let next = rig.now.wall.saturating_add(3 * HOUR);
    rig.done(reschedule("a", next, None));
    assert_eq!(rig.next_run("a"), next);
    assert!(rig.queue("p").is_empty(), "it does not run at once");
    rig.pass(3 * HOUR);
    assert_eq!(rig.queue("p"), ["a"]);
    assert_eq!(rig.next_run("a"), next.saturating_add(DAY), "the period is the same");
}

#[test]
fn rescheduling_with_a_period_changes_the_period() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let next = rig.now.wall.saturating_add(MINUTE);
    rig.done(reschedule("a", next, Some(Period::Hourly)));
    rig.pass(MINUTE);
    assert_eq!(rig.next_run("a"), next.saturating_add(HOUR));
    rig.done(reschedule("a", next.saturating_add(HOUR), Some(Period::Never)));
    rig.pass(HOUR);
    assert_eq!(rig.next_run("a"), Time::NEVER);
}

#[test]
fn a_job_rescheduled_into_the_past_runs_once_and_goes_on_in_the_future() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, _) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    rig.done(reschedule("a", Time::MIN, None));
    assert_eq!(rig.queue("p"), ["a"]);
    let wait = rig.next_run("a").duration_since(rig.now.wall);
    assert!(!wait.is_zero() && wait <= DAY, "{wait:?}");
}

#[test]
fn only_a_scheduled_job_can_be_rescheduled() {
    let mut rig = Rig::new();
    assert_eq!(rig.refusal(reschedule("a", Time::NEVER, None)), "couldn't find job a");
}

#[test]
fn due_jobs_are_queued_on_a_fixed_grid() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "a", "p"));
    let grid = rig.next_run("a");
    // Each time the server wakes a little late.
    for run in 1..=3 {
        rig.set_clock(rig.now.monotonic + HOUR + 7 * SECOND);
        rig.end_turn();
        assert_eq!(rig.next_run("a"), grid.saturating_add(HOUR * run));
    }
}

#[test]
fn missed_runs_collapse_into_one() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "a", "p"));
    let (worker, _) = rig.build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let first = rig.next_run("a");
    rig.set_clock(rig.now.monotonic + 5 * HOUR + MINUTE);
    rig.end_turn();
    assert_eq!(rig.queue("p"), ["a"]);
    assert_eq!(rig.next_run("a"), first.saturating_add(5 * HOUR));
}

#[test]
fn a_due_job_that_is_queued_keeps_its_place() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "a", "p"));
    rig.done(daily("b", "p"));
    rig.pass(HOUR);
    assert_eq!(rig.queue("p"), ["a", "b"]);
    assert_eq!(rig.next_run("a"), rig.now.wall.saturating_add(HOUR));
}

#[test]
fn a_due_job_that_runs_is_queued_behind_its_build() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Hourly, "a", "p"));
    let (_, uuid) = rig.build("p");
    rig.pass(HOUR);
    assert!(rig.is_running(uuid));
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn a_due_orb_build_is_queued_wherever_there_is_a_template() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    rig.done(schedule_orb_build(Period::Hourly, "orb"));
    assert_eq!(rig.queue("q"), ["b"]);
    rig.set_templates(&["q", "r"]);
    rig.pass(HOUR);
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec!["a".to_owned()], vec!["b".into(), "orb".into()]));
    assert!(!rig.has_queue("r"), "a template alone makes no platform");
}

#[test]
fn the_machine_asks_to_be_woken_when_a_job_is_due() {
    let mut rig = Rig::new();
    assert_eq!(rig.server.next_deadline(), None);
    rig.done(schedule(Period::Never, "never", "p"));
    rig.done(schedule(Period::Hourly, "a", "p"));
    let deadline = rig.server.next_deadline().unwrap();
    assert_eq!(
        deadline,
        rig.now.monotonic + WALL_CLOCK_RECHECK,
        "the wall clock may be set forward meanwhile"
    );
    rig.pass(HOUR - MINUTE);
    assert_eq!(rig.server.next_deadline(), Some(rig.now.monotonic + MINUTE));
}

#[test]
fn many_due_jobs_are_queued_in_portions() {
    let mut state = State::default();
    state.apply(&Record::PlatformAdded("p".into())).unwrap();
    for number in 0..=DUE_ITEMS_PER_CALL {
        let job = Job::Script(script(&format!("job{number:04}"), "p"));
        let item = ScheduleItem { next: Time::UNIX_EPOCH, period: Period::Hourly, job };
        state.apply(&Record::Scheduled(item)).unwrap();
    }
    let mut rig = Rig::with(SETTINGS, state);
    rig.hand_in(Input::Tick);
    assert_eq!(rig.queue("p").len(), DUE_ITEMS_PER_CALL);
    assert_eq!(rig.server.next_deadline(), Some(rig.now.monotonic), "the rest is due at once");
    rig.hand_in(Input::Tick);
    assert_eq!(rig.queue("p").len(), DUE_ITEMS_PER_CALL + 1);
    assert!(rig.server.next_deadline() > Some(rig.now.monotonic));
}
