//! The way down.

use crate::site::{Site, lose_worker, schedule, settings};
use builder_engine::driver::{Event, Next, StopReason};
use builder_proto::command::Command;
use builder_tests::world::{Faults, Random};
use std::time::Duration;

/// Bytes of the log that no power failure takes away.
fn durable(site: &mut Site) -> usize {
    let log = &site.machine().log;
    log.after_power_failure(Random::scripted(&[])).read("log").len()
}

#[test]
fn what_came_of_the_last_turn_is_durable_before_others_learn_of_it() {
    let mut site = Site::new(settings());
    lose_worker(&mut site);
    let before = durable(&mut site);
    site.tell(Event::Stop);
    assert!(durable(&mut site) > before, "the loss is recorded");
}

#[test]
fn nobody_learns_of_what_cannot_be_made_durable_on_the_way_down() {
    let mut site = Site::new(settings());
    lose_worker(&mut site);
    assert_eq!(site.machine().tasks.len(), 0);
    site.machine().log.set_faults(Faults { failed_syncs: 1000, ..Faults::default() });
    site.driver.notice(Event::Stop);
    assert!(matches!(site.try_turn(), Err(StopReason::Log(_))));
    assert_eq!(site.machine().tasks.len(), 0, "the result of the lost build has been written");
}

#[test]
fn a_stop_waits_a_moment_for_the_files_of_results_and_no_longer() {
    for is_slow in [false, true] {
        let mut site = Site::new(settings());
        let build = site.build("job");
        site.finish(build);
        site.turn();
        site.tell(Event::Stop);
        let pause = site.pause().expect("the file is being written");
        assert!(pause > Duration::ZERO && pause < Duration::from_secs(1), "{pause:?}");
        match is_slow {
            true => site.pass(pause),
            false => site.finish_tasks(),
        }
        site.turn();
        assert_eq!(site.next, Next::Over);
    }
}

#[test]
fn what_waits_for_a_file_is_sent_on_the_way_down() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.finish(build);
    let client = site.client(schedule("another job", "true"));
    site.turn();
    site.tell(Event::Stop);
    assert_eq!(site.heard(client), [], "its answer waits for the file");
    site.finish_tasks();
    site.turn();
    assert_eq!(site.next, Next::Over);
    assert_eq!(site.heard(client), [Command::ServerHello, Command::Success]);
}

#[test]
fn asking_again_gives_a_server_that_stops_no_further_time() {
    let mut site = Site::new(settings());
    let build = site.build("job");
    site.finish(build);
    site.turn();
    site.tell(Event::Stop);
    let pause = site.pause().expect("the file is being written");
    site.pass(pause / 2);
    site.tell(Event::Stop);
    assert_eq!(site.pause(), Some(pause - pause / 2));
}

#[test]
fn whoever_wants_a_stop_gets_it_whatever_comes_after() {
    let mut site = Site::new(settings());
    site.driver.notice(Event::Stop);
    site.tell(Event::Reload);
    assert_eq!(site.next, Next::Over);

    let mut site = Site::new(settings());
    site.driver.notice(Event::Reload);
    site.tell(Event::Stop);
    assert_eq!(site.next, Next::Over);
}

#[test]
fn templates_are_read_again_once_each_time_that_somebody_asks_for_it() {
    let mut site = Site::new(settings());
    site.rest();
    for _ in 0..2 {
        let looks = site.machine().thorough_looks;
        site.tell(Event::Reload);
        site.rest();
        for number in 0..3 {
            site.client(schedule(&format!("job {number}"), "true"));
            site.rest();
        }
        assert_eq!(site.machine().thorough_looks, looks + 1);
    }
}
