//! Workers from which nothing comes: those that are frozen, and those that take one job after the other and end.

use super::rig::{Rig, SETTINGS};
use super::words::{DAY, MINUTE, SECOND, daily, drop_platform, message, schedule, undrop_platform};
use crate::limits::{LOSS_LONGEST_DELAY, LOSSES_IN_A_ROW, RETRY_TIME, TIMEOUT_GRACE};
use crate::server::Input;
use builder_proto::build_result::BuildResult;
use builder_proto::time::Period;

const UNHEARD: &str = "nothing came from the worker within 3660 seconds, the time limit of a job";

#[test]
fn a_job_whose_worker_says_nothing_in_all_its_time_goes_back() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Never, "a", "p"));
    rig.done(schedule(Period::Never, "b", "p"));
    let (frozen, uuid) = rig.build("p");
    rig.pass(SETTINGS.job_time + TIMEOUT_GRACE - SECOND);
    assert!(rig.is_running(uuid));
    rig.pass(SECOND);
    assert_eq!(rig.failure(frozen), UNHEARD);
    assert_eq!(
        rig.stored(uuid).result,
        message(&format!("worker lost: {UNHEARD}; the job was queued again"))
    );
    assert_eq!(rig.queue("p"), ["a", "b"], "at the front");
    // It wakes up, too late.
    rig.print(frozen, "a line");
    rig.lose(frozen);
    let worker = rig.worker("p");
    assert_eq!(rig.job_name(worker), "a");
}

#[test]
fn the_third_worker_that_says_nothing_is_the_last() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Never, "a", "p"));
    rig.done(schedule(Period::Never, "b", "p"));
    for time in 1..=LOSSES_IN_A_ROW {
        let (_, uuid) = rig.patient_build("p");
        rig.pass(SETTINGS.job_time + TIMEOUT_GRACE);
        let text = match time {
            LOSSES_IN_A_ROW => format!("worker lost 3 times in a row, last: {UNHEARD}"),
            _ => format!("worker lost: {UNHEARD}; the job was queued again"),
        };
        assert_eq!(rig.stored(uuid).result, message(&text));
    }
    assert_eq!(rig.queue("p"), ["b"]);
}

#[test]
fn one_byte_makes_it_a_timeout() {
    let mut rig = Rig::new();
    rig.done(schedule(Period::Never, "a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.say_bytes(worker, &[0]);
    rig.pass(SETTINGS.job_time + TIMEOUT_GRACE);
    assert_eq!(rig.stored(uuid).result, message("timeout"));
    assert_eq!(rig.queue("p"), [""; 0]);
}

/// Workers of one platform take a job each and end without a word, one after the other, for as long as told. How many
/// jobs left the queue.
fn drop_jobs_for(rig: &mut Rig, time: core::time::Duration) -> u32 {
    let end = rig.now.monotonic + time;
    let mut jobs = 0;
    while rig.now.monotonic < end {
        let worker = rig.worker("p");
        while rig.job(worker).is_none() {
            let deadline = rig.server.next_deadline().unwrap().min(end);
            if deadline == end {
                rig.lose(worker);
                rig.pass(end - rig.now.monotonic);
                return jobs;
            }
            rig.pass(deadline - rig.now.monotonic);
        }
        rig.lose(worker);
        jobs += 1;
    }
    jobs
}

#[test]
fn workers_that_drop_every_job_get_few_and_none_is_stored_as_failed() {
    let mut rig = Rig::new();
    for number in 0..50 {
        rig.done(schedule(Period::Never, &format!("job-{number:02}"), "p"));
    }
    assert_eq!(drop_jobs_for(&mut rig, MINUTE), 7, "with pauses of 0, 0, 1, 2, 4, 8 and 16 seconds");
    let jobs = drop_jobs_for(&mut rig, DAY);
    assert!(jobs <= 5 + 24 * 12, "{jobs}: one in five minutes");
    assert_eq!(rig.queue("p").len(), 50, "nobody knows whether they have run");
}

#[test]
fn after_a_start_the_first_losses_on_a_platform_show_nothing() {
    let mut rig = Rig::new();
    for number in 0..4 {
        rig.done(schedule(Period::Never, &format!("job-{number:02}"), "p"));
    }
    drop_jobs_for(&mut rig, DAY);
    rig.crash(0);
    // Each was lost twice and more, and their platform seems to be well.
    let workers: Vec<_> = (0..3).map(|_| rig.build("p").0).collect();
    workers.into_iter().for_each(|worker| rig.lose(worker));
    assert_eq!(rig.queue("p").len(), 4, "nobody knows whether they have run");

    // A platform that has delivered something since is well.
    let (worker, _) = rig.patient_build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let (worker, uuid) = rig.build("p");
    rig.lose(worker);
    assert!(rig.stored(uuid).result.to_string().contains("worker lost 3 times in a row"));
    assert_eq!(rig.queue("p").len(), 2);
}

#[test]
fn workers_that_wait_get_the_next_job_when_its_time_has_come() {
    let mut rig = Rig::new();
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
    }
    for _ in 0..4 {
        let (worker, _) = rig.patient_build("p");
        rig.lose(worker);
    }
    let lost_at = rig.now.monotonic;
    let workers = [rig.worker("p"), rig.worker("p")];
    assert_eq!(workers.map(|worker| rig.job_name(worker)), ["", ""]);
    assert_eq!(rig.server.next_deadline(), Some(lost_at + 4 * SECOND));
    rig.pass(4 * SECOND - SECOND / 1000);
    assert_eq!(workers.map(|worker| rig.job_name(worker)), ["", ""]);
    rig.pass(SECOND / 1000);
    assert_eq!(workers.map(|worker| rig.job_name(worker)), ["b", ""], "one of them");
    rig.finish(workers[0], BuildResult::Exited(1), Vec::new());
    assert_eq!(rig.job_name(workers[1]), "c", "a result ends the wait");
}

#[test]
fn other_platforms_do_not_wait() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.done(daily("b", "q"));
    for _ in 0..2 {
        let (worker, _) = rig.build("p");
        rig.lose(worker);
    }
    let workers = [rig.worker("p"), rig.worker("q")];
    assert_eq!(workers.map(|worker| rig.job_name(worker)), ["", "b"]);
}

#[test]
fn a_job_that_gave_way_runs_when_the_workers_are_well_again() {
    let mut rig = Rig::new();
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
    }
    for loss in 1..=LOSSES_IN_A_ROW {
        let (worker, uuid) = rig.patient_build("p");
        rig.lose(worker);
        if loss == LOSSES_IN_A_ROW {
            let stored = rig.stored(uuid).result.to_string();
            assert!(stored.ends_with("so the job was queued again behind the others"), "{stored}");
        }
    }
    assert_eq!(rig.queue("p"), ["b", "a"]);
    assert_eq!(rig.server.state().losses(&"a".into(), &"p".into()), LOSSES_IN_A_ROW - 1);
    for name in ["b", "a"] {
        let (worker, _) = rig.patient_build("p");
        assert_eq!(rig.job_name(worker), name);
        rig.finish(worker, BuildResult::Exited(0), Vec::new());
    }
    assert_eq!(rig.queue("p"), [""; 0]);
}

#[test]
fn a_job_that_is_lost_while_others_run_is_to_blame() {
    let mut rig = Rig::new();
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
    }
    for _ in 0..LOSSES_IN_A_ROW {
        let (worker, _) = rig.patient_build("p");
        rig.lose(worker);
    }
    let (worker, _) = rig.patient_build("p");
    rig.finish(worker, BuildResult::Exited(0), Vec::new());
    let (worker, uuid) = rig.build("p");
    assert_eq!(rig.job_name(worker), "a");
    rig.lose(worker);
    let text = "worker lost 3 times in a row, last: the peer closed the connection";
    assert_eq!(rig.stored(uuid).result, message(text));
    assert_eq!(rig.queue("p"), [""; 0]);
}

#[test]
fn a_job_that_printed_before_each_loss_is_to_blame_whatever_else_waits() {
    let mut rig = Rig::new();
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
    }
    for _ in 0..LOSSES_IN_A_ROW {
        let (worker, _) = rig.patient_build("p");
        assert_eq!(rig.job_name(worker), "a");
        rig.print(worker, "a line");
        rig.lose(worker);
    }
    assert_eq!(rig.queue("p"), ["b"]);
}

#[test]
fn a_platform_that_is_dropped_forgets_its_losses() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    for _ in 0..2 {
        let (worker, _) = rig.build("p");
        rig.lose(worker);
    }
    let waiting = rig.worker("p");
    rig.done(drop_platform("p"));
    rig.done(undrop_platform("p"));
    rig.done(daily("b", "p"));
    assert_eq!(rig.job_name(waiting), "b");
    rig.done(drop_platform("p"));
    rig.lose(waiting);
    rig.done(undrop_platform("p"));
    rig.done(daily("c", "p"));
    let (worker, _) = rig.build("p");
    rig.lose(worker);
    rig.build("p");
}

#[test]
fn a_full_disk_and_losses_do_not_keep_the_server_awake() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    for _ in 0..3 {
        let (worker, _) = rig.patient_build("p");
        rig.print(worker, "a line");
        rig.lose(worker);
    }
    rig.done(daily("b", "p"));
    let worker = rig.worker("p");
    rig.hand_in(Input::LogSpace(0));
    rig.pass(LOSS_LONGEST_DELAY);
    assert_eq!(rig.job(worker), None);
    let deadline = rig.server.next_deadline().unwrap();
    assert!(deadline > rig.now.monotonic && deadline <= rig.now.monotonic + RETRY_TIME);
    rig.hand_in(Input::LogSpace(u64::MAX));
    rig.pass(RETRY_TIME);
    assert_eq!(rig.job_name(worker), "b");
}
