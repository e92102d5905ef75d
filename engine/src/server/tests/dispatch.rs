//! Workers that wait, and what they get.

use super::rig::{Rig, SETTINGS, Storing};
use super::words::{daily, drop_platform, schedule_orb_build, script, undrop_platform};
use crate::limits::{PLATFORMS, RETRY_TIME};
use crate::server::{Role, Server, Settings, State};
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::job::ScriptJob;
use builder_proto::time::Period;
use builder_proto::{Uuid, WORKER_VERSION};

#[test]
fn jobs_leave_the_queue_in_the_order_in_which_they_came() {
    let mut rig = Rig::new();
    for name in ["b", "c", "a"] {
        rig.done(daily(name, "p"));
    }
    let workers: Vec<_> = (0..4).map(|_| rig.worker("p")).collect();
    let names: Vec<_> = workers.iter().map(|worker| rig.job_name(*worker)).collect();
    assert_eq!(names, ["b", "c", "a", ""]);
}

#[test]
fn workers_are_served_first_come_first_served() {
    let mut rig = Rig::new();
    let workers: Vec<_> = (0..3).map(|_| rig.worker("p")).collect();
    let other = rig.worker("q");
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
    }
    let names: Vec<_> = workers.iter().map(|worker| rig.job_name(*worker)).collect();
    assert_eq!(names, ["a", "b", "c"]);
    assert_eq!(rig.job(other), None);
}

#[test]
fn a_worker_is_handed_its_job_as_it_was_scheduled() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let worker = rig.worker("p");
    let (uuid, job) = rig.job(worker).unwrap();
    assert_eq!(job, script("a", "p"));
    assert_eq!(rig.heard(worker), [Command::ServerHello, Command::JobSchedule { uuid, job }]);
    assert!(rig.queue("p").is_empty());
    assert!(!rig.peers[&worker].finished);
}

#[test]
fn a_template_is_expanded_when_the_job_is_handed_out() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    rig.set_templates(&["p"]);
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    let template = "%%OPAM_PACKAGE%% on %%PLATFORM%%".into();
    rig.hand_in(crate::server::Input::Templates([("p".into(), template)].into()));
    rig.build("p");
    let worker = rig.worker("p");
    let expected = ScriptJob { name: "orb".into(), script: "package-orb on p".into(), platform: "p".into() };
    assert_eq!(rig.job(worker).map(|(_, job)| job), Some(expected));
}

#[test]
fn an_orb_build_waits_for_a_template_while_script_jobs_pass() {
    let mut rig = Rig::new();
    rig.set_templates(&["p"]);
    rig.done(daily("a", "p"));
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    rig.done(daily("b", "p"));
    rig.set_templates(&[]);
    let workers: Vec<_> = (0..3).map(|_| rig.worker("p")).collect();
    let names: Vec<_> = workers.iter().map(|worker| rig.job_name(*worker)).collect();
    assert_eq!(names, ["a", "b", ""]);
    assert_eq!(rig.queue("p"), ["orb"], "it is not thrown away");
    rig.set_templates(&["p"]);
    assert_eq!(rig.job_name(workers[2]), "orb");
}

#[test]
fn a_dead_worker_is_handed_nothing() {
    let mut rig = Rig::new();
    let dead = rig.worker("p");
    let alive = rig.worker("p");
    rig.lose(dead);
    rig.done(daily("a", "p"));
    assert_eq!(rig.job(dead), None);
    assert_eq!(rig.job_name(alive), "a");
}

#[test]
fn a_worker_that_dies_in_the_turn_of_the_schedule_is_handed_nothing() {
    for close_first in [true, false] {
        let mut rig = Rig::new();
        let dying = rig.worker("p");
        let client = rig.client();
        if close_first {
            rig.close(dying);
        }
        rig.say(client, &daily("a", "p"));
        if !close_first {
            rig.close(dying);
        }
        rig.end_turn();
        assert_eq!(rig.job(dying), None);
        assert_eq!(rig.queue("p"), ["a"]);
    }
}

#[test]
fn a_waiting_worker_that_speaks_loses_its_place() {
    let mut rig = Rig::new();
    let talkative = rig.worker("p");
    rig.say(talkative, &Command::Info);
    rig.end_turn();
    assert_eq!(rig.failure(talkative), "unexpected info; expected nothing more");
    rig.done(daily("a", "p"));
    assert_eq!(rig.queue("p"), ["a"]);
}

#[test]
fn a_worker_waits_as_long_as_it_takes() {
    let mut rig = Rig::new();
    let worker = rig.worker("p");
    assert_eq!(rig.server.next_deadline(), None);
    rig.pass(super::words::DAY);
    rig.done(daily("a", "p"));
    assert_eq!(rig.job_name(worker), "a");
}

#[test]
fn a_worker_with_a_bad_platform_is_refused() {
    let mut rig = Rig::new();
    let worker = rig.worker("a/b");
    assert_eq!(rig.failure(worker), "platform name a/b must not contain /");
    let long = rig.worker(&"p".repeat(1000));
    assert_eq!(rig.failure(long), "the platform name is 1000 bytes long; at most 100");
    let huge = rig.worker(&"p".repeat(10_000));
    assert!(rig.failure(huge).ends_with("at most 4096 are accepted here"));
    assert!(rig.server.state().queues.is_empty());
}

#[test]
fn jobs_stay_queued_while_there_is_no_randomness_for_their_uuids() {
    let mut rig = Rig::new();
    let mut uuids: Box<dyn Iterator<Item = Uuid>> = Box::new(core::iter::empty());
    rig.server.dispatcher.swap_uuids(&mut uuids);
    let worker = rig.worker("p");
    rig.done(daily("a", "p"));
    assert_eq!(rig.job(worker), None);
    assert_eq!(rig.queue("p"), ["a"]);
    assert_eq!(rig.server.next_deadline(), Some(rig.now.monotonic + RETRY_TIME));
    rig.server.dispatcher.swap_uuids(&mut uuids);
    rig.pass(RETRY_TIME);
    assert_eq!(rig.job_name(worker), "a");
}

#[test]
fn a_worker_listener_serves_workers_like_any_other() {
    let mut rig = Rig::new();
    rig.done(daily("a", "p"));
    let worker = rig.connect(Role::Workers);
    rig.say(worker, &Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION });
    rig.say(worker, &Command::JobRequested("p".into()));
    rig.end_turn();
    assert_eq!(rig.job_name(worker), "a");
}

#[test]
fn nothing_waits_behind_when_all_connections_are_gone() {
    let mut rig = Rig::new();
    let workers: Vec<_> = (0..5).map(|number| rig.worker(&format!("p{}", number % 2))).collect();
    for worker in workers {
        rig.lose(worker);
    }
    let Server { dispatcher, sessions, builds, journal, .. } = &rig.server;
    assert!(dispatcher.is_empty() && sessions.is_empty() && builds.under_way(journal.state()) == 0);
    assert!(!journal.has_changed());
}

#[test]
fn no_more_builds_are_under_way_than_there_are_files_for() {
    let mut rig = Rig::with(Settings { builds: 2, ..SETTINGS }, State::default());
    for name in ["a", "b", "c"] {
        rig.done(daily(name, "p"));
    }
    let workers: Vec<_> = (0..3).map(|_| rig.worker("p")).collect();
    assert_eq!(workers.iter().map(|worker| rig.job_name(*worker)).collect::<Vec<_>>(), ["a", "b", ""]);
    assert_eq!(rig.queue("p"), ["c"]);
    let soon = rig.now.monotonic + RETRY_TIME;
    assert!(rig.server.next_deadline().is_none_or(|at| at > soon), "nothing is tried before a build ends");
    rig.finish(workers[1], BuildResult::Exited(0), Vec::new());
    assert_eq!(rig.job_name(workers[2]), "c");
}

#[test]
fn a_build_that_was_aborted_has_its_place_until_its_result_is_stored() {
    let mut rig = Rig::with(Settings { builds: 1, ..SETTINGS }, State::default());
    rig.storing = Storing::Held;
    rig.done(daily("a", "p"));
    let (worker, uuid) = rig.build("p");
    rig.done(daily("b", "p"));
    let next = rig.worker("p");
    rig.lose(worker);
    assert_eq!(rig.job(next), None, "its console is open, and its result is being written");
    rig.storing = Storing::InLog;
    rig.finish_storing(uuid);
    rig.end_turn();
    assert!(rig.job(next).is_some());
}

#[test]
fn a_place_that_becomes_free_goes_to_the_worker_that_has_waited_longest() {
    let mut rig = Rig::with(Settings { builds: 1, ..SETTINGS }, State::default());
    for (name, platform) in [("a", "p"), ("b", "p"), ("c", "q")] {
        rig.done(daily(name, platform));
    }
    let workers = [rig.worker("p"), rig.worker("q"), rig.worker("p")];
    assert_eq!(workers.map(|worker| rig.job_name(worker)), ["a", "", ""]);
    rig.finish(workers[0], BuildResult::Exited(0), Vec::new());
    assert_eq!(workers[1..].iter().map(|worker| rig.job_name(*worker)).collect::<Vec<_>>(), ["c", ""]);
    // A platform that is new gets its queue all the same.
    rig.worker("r");
    assert!(rig.queue("r").is_empty() && rig.server.state().queues.contains_key("r".as_bytes()));
}

#[test]
fn a_result_that_cannot_be_stored_takes_no_place() {
    let mut rig = Rig::with(Settings { builds: 1, ..SETTINGS }, State::default());
    for name in ["a", "b"] {
        rig.done(daily(name, "p"));
    }
    let workers = [rig.worker("p"), rig.worker("p")];
    rig.storing = Storing::Failing;
    rig.finish(workers[0], BuildResult::Exited(0), Vec::new());
    rig.end_turn();
    assert_eq!(rig.server.state().aborted.len(), 1);
    assert_eq!(rig.job_name(workers[1]), "b");
}

#[test]
fn a_platform_that_was_one_too_many_gets_a_queue_when_another_is_dropped() {
    let mut rig = Rig::new();
    rig.done(daily("job", "late"));
    rig.done(drop_platform("late"));
    let late = rig.worker("late");
    for number in 0..PLATFORMS {
        rig.done(daily(&format!("job-{number}"), &format!("platform-{number}")));
    }
    rig.done(undrop_platform("late"));
    rig.set_templates(&["late"]);
    rig.done(schedule_orb_build(Period::Daily, "orb"));
    assert_eq!(rig.job(late), None);
    rig.done(drop_platform("platform-7"));
    rig.end_turn();
    assert_eq!(rig.job_name(late), "orb");
}
