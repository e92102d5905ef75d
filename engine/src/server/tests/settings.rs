//! Jobs with settings of their own: how long they may take, when they run, and how they take the place of others.

use super::rig::{Rig, SETTINGS};
use super::words::{
    DAY, HOUR, MINUTE, SECOND, daily, drop_platform, execute_on, orb_build, reschedule, schedule_orb_build,
    script, unschedule,
};
use crate::limits::{CLOCK_PATIENCE, MISSED_RUN_TOLERANCE};
use crate::server::State;
use crate::server::record::Record;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::Command;
use builder_proto::history::Cause;
use builder_proto::job::ScriptJob;
use builder_proto::job_settings::JobSettings;
use builder_proto::time::{Period, Time};

const NONE: JobSettings = JobSettings::NONE;

fn enter(name: &str, platform: &str, settings: JobSettings) -> Command {
    Command::Enter { period: Period::Daily, job: script(name, platform), settings, replaces: false, at: None }
}

/// The same, in the place of the job of that name.
fn replace(job: ScriptJob, period: Period, settings: JobSettings) -> Command {
    Command::Enter { period, job, settings, replaces: true, at: None }
}

fn enter_at(period: Period, settings: JobSettings, at: i64) -> Command {
    Command::Enter { period, job: script("a", "p"), settings, replaces: false, at: Some(at) }
}

fn time(text: &str) -> Time {
    Time::parse_rfc3339(text).unwrap()
}

fn cause(rig: &Rig, uuid: Uuid) -> Cause {
    rig.server.state().ended_build(uuid).unwrap().build.end.clone().unwrap().cause
}

fn is_message(rig: &Rig, uuid: Uuid, text: &str) -> bool {
    rig.stored(uuid).result == BuildResult::Message(text.into())
}

#[test]
fn a_job_has_the_time_that_it_has_chosen_and_waits_for_its_schedule_then() {
    let mut rig = Rig::new();
    rig.done(enter("a", "p", JobSettings { timeout: Some(600), ..NONE }));
    let (worker, uuid) = rig.build("p");
    rig.pass(600 * SECOND - SECOND);
    assert!(rig.is_running(uuid));
    rig.pass(SECOND);
    assert!(!rig.is_running(uuid));
    assert_eq!(rig.failure(worker), "timeout", "also if it printed nothing");
    assert!(is_message(&rig, uuid, "timeout") && matches!(cause(&rig, uuid), Cause::Timeout(_)));
    assert_eq!(rig.queue("p"), [""; 0]);
}

#[test]
fn a_job_may_choose_more_time_than_others_have() {
    let mut rig = Rig::new();
    rig.done(enter("a", "p", JobSettings { timeout: Some(7200), ..NONE }));
    let (worker, uuid) = rig.build("p");
    rig.print(worker, "a line");
    rig.pass(2 * HOUR - SECOND);
    assert!(rig.is_running(uuid));
    rig.pass(SECOND);
    assert!(is_message(&rig, uuid, "timeout"));
}

#[test]
fn a_job_that_prints_nothing_for_too_long_is_ended() {
    let mut rig = Rig::new();
    rig.done(enter("a", "p", JobSettings { silence: Some(60), ..NONE }));
    let (worker, uuid) = rig.build("p");
    for _ in 0..10 {
        rig.pass(MINUTE - SECOND);
        rig.print(worker, "a line");
        rig.end_turn();
    }
    assert!(rig.is_running(uuid), "each line gives it a minute more");
    rig.pass(MINUTE - SECOND);
    assert!(rig.is_running(uuid));
    rig.pass(SECOND);
    assert_eq!(rig.failure(worker), "silence");
    assert!(is_message(&rig, uuid, "silence") && matches!(cause(&rig, uuid), Cause::Silence(_)));
    assert_eq!(rig.queue("p"), [""; 0]);
}

#[test]
fn a_job_that_prints_now_and_then_still_has_no_more_than_its_time() {
    let mut rig = Rig::new();
    rig.done(enter("a", "p", JobSettings { silence: Some(60), timeout: Some(90), ..NONE }));
    let (worker, uuid) = rig.build("p");
    rig.pass(50 * SECOND);
    rig.print(worker, "a line");
    rig.pass(40 * SECOND);
    assert!(is_message(&rig, uuid, "timeout"));
}

#[test]
fn what_the_server_has_for_all_jobs_counts_for_those_that_do_not_say() {
    let defaults = JobSettings { silence: Some(60), ..NONE };
    let mut rig = Rig::with(crate::server::Settings { defaults, ..SETTINGS }, State::default());
    rig.done(daily("a", "p"));
    rig.done(enter("b", "q", JobSettings { silence: Some(120), ..NONE }));
    let ((_, first), (_, second)) = (rig.build("p"), rig.build("q"));
    rig.pass(MINUTE);
    assert!(is_message(&rig, first, "silence") && rig.is_running(second));
    rig.pass(MINUTE);
    assert!(is_message(&rig, second, "silence"));
}

#[test]
fn a_job_runs_as_often_as_it_says() {
    let mut rig = Rig::new();
    rig.done(enter("a", "p", JobSettings { every: Some(6 * 3600), ..NONE }));
    let first = rig.next_run("a");
    assert_eq!(first, rig.now.wall.saturating_add(6 * HOUR));
    assert_eq!(rig.info().schedule[0].period, Period::Daily, "the nearest that everybody knows");
    rig.pass(6 * HOUR);
    assert_eq!(rig.next_run("a"), first.saturating_add(6 * HOUR));
    rig.pass(15 * HOUR);
    assert_eq!(rig.next_run("a"), first.saturating_add(18 * HOUR));
    rig.rotate();
    rig.crash(0);
    rig.pass(3 * HOUR);
    assert_eq!(rig.next_run("a"), first.saturating_add(24 * HOUR), "also after a start from a snapshot");
}

#[test]
fn a_period_that_somebody_sets_later_takes_the_place_of_the_former() {
    let mut rig = Rig::new();
    rig.done(enter("a", "p", JobSettings { every: Some(6 * 3600), timeout: Some(60), ..NONE }));
    let next = rig.now.wall.saturating_add(MINUTE);
    rig.done(reschedule("a", next, None));
    rig.pass(MINUTE);
    assert_eq!(rig.next_run("a"), next.saturating_add(6 * HOUR), "only the grid has moved");
    rig.done(reschedule("a", next.saturating_add(HOUR), Some(Period::Daily)));
    rig.pass(HOUR);
    assert_eq!(rig.next_run("a"), next.saturating_add(HOUR + DAY));
    let settings = *rig.server.state().job_settings(&"a".into()).unwrap();
    assert_eq!(settings, JobSettings { timeout: Some(60), ..NONE }, "the rest stays");
}

#[test]
fn a_job_with_a_time_of_day_waits_for_it() {
    // The world begins at midnight.
    for (period, every, at, next, then) in [
        (Period::Daily, None, 180, "2026-01-01T03:00:00Z", DAY),
        (Period::Daily, None, 0, "2026-01-02T00:00:00Z", DAY),
        (Period::Hourly, None, 200, "2026-01-01T00:20:00Z", HOUR),
        (Period::Weekly, None, 180, "2026-01-01T03:00:00Z", 7 * DAY),
        (Period::Daily, Some(6 * 3600), 540, "2026-01-01T03:00:00Z", 6 * HOUR),
        (Period::Daily, Some(7 * 3600), 600, "2026-01-01T03:00:00Z", 7 * HOUR),
    ] {
        let mut rig = Rig::new();
        rig.done(enter_at(period, JobSettings { every, ..NONE }, at));
        assert_eq!(rig.queue("p"), [""; 0], "{period} {at}: not yet");
        assert_eq!(rig.next_run("a"), time(next), "{period} {every:?} {at}");
        rig.pass(time(next).duration_since(rig.now.wall));
        assert_eq!(rig.queue("p"), ["a"]);
        assert_eq!(rig.next_run("a"), time(next).saturating_add(then));
    }
}

#[test]
fn a_job_without_period_runs_once_at_its_time_of_day() {
    let mut rig = Rig::new();
    rig.done(enter_at(Period::Never, NONE, 180));
    rig.pass(3 * HOUR);
    assert_eq!((rig.queue("p"), rig.next_run("a")), (vec!["a".to_owned()], Time::NEVER));
}

#[test]
fn what_makes_no_sense_is_refused_and_changes_nothing() {
    let mut rig = Rig::new();
    for (command, text) in [
        (enter_at(Period::Daily, NONE, 1440), "--at: a time of day is from 00:00 to 23:59, in UTC"),
        (enter_at(Period::Daily, NONE, -1), "--at: a time of day is from 00:00 to 23:59, in UTC"),
        (enter("a", "p", JobSettings { timeout: Some(0), ..NONE }), "--timeout 0s: the time must be longer"),
        (enter("a", "p", JobSettings { every: Some(30), ..NONE }), "--period is too short"),
        (enter("a", "p", JobSettings { keep_builds: Some(0), ..NONE }), "--keep 0: "),
        (enter("a/b", "p", NONE), "job name a/b must not contain /"),
        (replace(script("a", "x/y"), Period::Daily, NONE), "platform name x/y must not contain /"),
    ] {
        let refusal = rig.refusal(command);
        assert!(refusal.starts_with(text), "{refusal}");
    }
    rig.done(daily("a", "p"));
    assert_eq!(rig.refusal(enter("a", "q", NONE)), "job name already used");
    rig.done(daily("b", "q"));
    rig.done(drop_platform("q"));
    let gone = replace(script("a", "q"), Period::Daily, NONE);
    assert_eq!(rig.refusal(gone), "platform dropped; can't schedule jobs");
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn a_run_that_was_missed_is_left_out_if_the_job_wants_that() {
    for (late, skips, expected) in [
        (MISSED_RUN_TOLERANCE, true, 1),
        (MISSED_RUN_TOLERANCE + SECOND, true, 0),
        (MISSED_RUN_TOLERANCE + SECOND, false, 1),
        (5 * HOUR, true, 0),
    ] {
        let mut rig = Rig::new();
        rig.done(enter("a", "p", JobSettings { every: Some(7200), skip_missed: Some(skips), ..NONE }));
        let (worker, _) = rig.build("p");
        rig.finish(worker, BuildResult::Exited(0), Vec::new());
        let due = rig.next_run("a");
        // Nobody is there when the time comes.
        rig.set_clock(rig.now.monotonic + 2 * HOUR + late);
        rig.crash(0);
        assert_eq!(rig.queue("p").len(), expected, "{late:?} {skips}");
        assert!(rig.next_run("a") > rig.now.wall, "{late:?}");
        assert_eq!(rig.next_run("a").duration_since(due).as_secs() % 7200, 0, "on the same grid");
    }
}

#[test]
fn missed_runs_are_left_out_where_the_server_has_it_so_for_all_jobs() {
    let defaults = JobSettings { skip_missed: Some(true), ..NONE };
    let mut rig = Rig::with(crate::server::Settings { defaults, ..SETTINGS }, State::default());
    rig.done(daily("a", "p"));
    rig.done(enter("b", "q", JobSettings { skip_missed: Some(false), ..NONE }));
    for platform in ["p", "q"] {
        let (worker, _) = rig.build(platform);
        rig.finish(worker, BuildResult::Exited(0), Vec::new());
    }
    rig.set_clock(rig.now.monotonic + DAY + HOUR);
    rig.end_turn();
    assert_eq!((rig.queue("p").len(), rig.queue("q").len()), (0, 1));
}

#[test]
fn a_job_takes_the_place_of_another_with_its_next_run_and_its_place_in_the_queue() {
    let mut rig = Rig::new();
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
    }
    let next = rig.next_run("b");
    rig.pass(HOUR);
    let new = ScriptJob { script: "echo new".into(), ..script("b", "p") };
    rig.done(replace(new.clone(), Period::Daily, JobSettings { timeout: Some(60), ..NONE }));
    assert_eq!(rig.queue("p"), ["a", "b", "c"]);
    assert_eq!(rig.next_run("b"), next);
    rig.done(replace(new.clone(), Period::Hourly, NONE));
    assert_eq!(rig.next_run("b"), rig.now.wall.saturating_add(HOUR), "with another period, one from now");
    rig.build("p");
    let worker = rig.worker("p");
    assert_eq!(rig.job(worker).unwrap().1, new);
}

#[test]
fn a_run_that_somebody_chose_stands_when_its_job_is_replaced() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    // Further ahead than the clock would have let the server set it.
    let far = rig.now.wall.saturating_add(400 * DAY);
    rig.done(reschedule("a", far, None));
    rig.done(replace(script("a", "q"), Period::Daily, NONE));
    rig.pass(2 * CLOCK_PATIENCE);
    rig.end_turn();
    assert_eq!(rig.next_run("a"), far);
}

#[test]
fn a_job_that_is_not_scheduled_is_entered_and_runs() {
    let mut rig = Rig::new();
    rig.done(replace(script("a", "p"), Period::Daily, NONE));
    assert_eq!(rig.queue("p"), ["a"]);
    assert!(rig.trace.iter().any(|action| action.starts_with("Append(ScheduledOnGrid")));
}

#[test]
fn a_job_that_does_not_wait_does_not_run_because_it_is_replaced() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    let new = ScriptJob { script: "echo new".into(), ..script("a", "p") };
    rig.done(replace(new.clone(), Period::Daily, NONE));
    assert_eq!(rig.queue("p"), [""; 0]);
    rig.done(replace(ScriptJob { platform: "q".into(), ..new.clone() }, Period::Daily, NONE));
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec![], vec![]), "nor because its platform is new");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.stored(uuid).job, script("a", "p"), "what runs goes on as it was");
}

#[test]
fn a_lost_build_of_the_old_job_is_followed_by_the_new_one() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let (worker, _) = rig.build("p");
    let new = ScriptJob { script: "echo new".into(), ..script("a", "p") };
    rig.done(replace(new.clone(), Period::Daily, NONE));
    rig.rotate();
    rig.lose(worker);
    let worker = rig.worker("p");
    assert_eq!(rig.job(worker).unwrap().1, new);
}

#[test]
fn a_run_that_waits_is_not_lost_when_the_job_moves_to_another_platform() {
    let mut rig = Rig::new();
    rig.set_templates(&["p", "q"]);
    rig.done(daily("other", "q"));
    rig.done(daily("a", "p"));
    rig.done(replace(script("a", "q"), Period::Daily, NONE));
    assert_eq!((rig.queue("p"), rig.queue("q")), (vec![], vec!["other".to_owned(), "a".to_owned()]));
    let orb = Command::EnterOrbBuild {
        period: Period::Daily,
        job: orb_build("a"),
        settings: NONE,
        replaces: true,
        at: None,
    };
    rig.done(orb);
    assert_eq!((rig.queue("p").len(), rig.queue("q").len()), (0, 2), "where it waited, it still runs");
    rig.done(execute_on("a", "p"));
    rig.done(replace(script("a", "q"), Period::Daily, NONE));
    assert_eq!((rig.queue("p").len(), rig.queue("q").len()), (0, 2));
    rig.done(unschedule("a"));
    assert_eq!((rig.queue("p").len(), rig.queue("q").len()), (0, 1));
}

#[test]
fn a_worker_that_waits_gets_a_script_that_takes_the_place_of_a_job_without_template() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Daily, "a"));
    let worker = rig.worker("q");
    let first = rig.worker("p");
    assert_eq!(rig.job_name(first), "a");
    rig.done(execute_on("a", "p"));
    rig.set_templates(&[]);
    let second = rig.worker("p");
    assert_eq!(rig.job_name(second), "", "there is no template");
    rig.done(replace(script("a", "p"), Period::Daily, NONE));
    assert_eq!((rig.job_name(second), rig.job_name(worker)), ("a".to_owned(), String::new()));
}

#[test]
fn losses_of_the_old_job_do_not_count_against_the_new_one() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    for _ in 0..2 {
        let (worker, _) = rig.patient_build("p");
        rig.print(worker, "a line");
        rig.lose(worker);
    }
    rig.done(replace(script("a", "p"), Period::Daily, NONE));
    let (worker, _) = rig.patient_build("p");
    rig.print(worker, "a line");
    rig.lose(worker);
    assert_eq!(rig.queue("p"), ["a"], "it is its first loss");
}

#[test]
fn a_crash_leaves_the_old_job_or_the_new_one() {
    for surviving in 0..3 {
        let mut rig = Rig::new();
        rig.done(daily("a", "p"));
        let client = rig.versed_client();
        let settings = JobSettings { silence: Some(60), ..NONE };
        rig.say(client, &replace(script("a", "q"), Period::Daily, settings));
        rig.crash(surviving);
        let state = rig.server.state();
        let settings = *state.job_settings(&"a".into()).unwrap();
        let waits = state.queues.iter().filter(|(_, queue)| queue.get(&"a".into()).is_some()).count();
        match surviving {
            0 => assert_eq!((settings, rig.queue("p")), (NONE, vec!["a".to_owned()])),
            _ => assert_eq!((settings.silence, rig.queue("p")), (Some(60), vec![])),
        }
        assert!(waits <= 1);
    }
}

#[test]
fn only_a_client_that_knows_of_settings_may_send_them() {
    let mut rig = Rig::new();
    let client = rig.client();
    rig.say(client, &enter("a", "p", NONE));
    rig.end_turn();
    assert!(rig.failure(client).contains("enter"), "{}", rig.failure(client));
    assert!(
        !rig.trace.iter().any(|action| action.contains(&format!("{:?}", Record::Unscheduled("a".into()))))
    );
    assert!(!rig.has_queue("p"));
}
