//! Before the worker asks for a job, it sees to it that one could run.

use super::*;
use crate::limits::REHEARSAL_TIME;

/// A worker whose server has said hello, while its script runs.
fn rehearsing() -> World {
    let mut world = World::new();
    world.handle(Input::Connected);
    world.serve(&Command::ServerHello);
    world
}

#[test]
fn a_worker_that_cannot_run_a_script_asks_for_no_job() {
    for input in [JobInput::NotStarted, JobInput::Unable] {
        let mut world = rehearsing();
        let actions = world.job(input("disk full".to_owned()));
        let complaint = Err("no job can run here: disk full".to_owned());
        assert_eq!(actions, [Action::CleanUp, Action::Exit(complaint)]);
        assert_eq!(world.received.len(), 1, "no job is asked for");
    }
}

#[test]
fn a_script_that_fails_is_told_with_what_it_printed() {
    let mut world = rehearsing();
    assert_eq!(world.job(JobInput::Ended(BuildResult::Exited(2))), []);
    assert_eq!(world.job(JobInput::DescendantsGone), [Action::DrainConsole]);
    assert!(world.worker.wants_console());
    world.job(JobInput::Console(b"sh: Cannot "));
    world.job(JobInput::Console(b"fork\n"));
    let actions = world.job(JobInput::ConsoleDrained);
    assert_eq!(actions[0], Action::CleanUp);
    let text = "no job can run here: a script that does nothing exited 2: sh: Cannot fork";
    assert_eq!(complaint(&actions), text);
    assert_eq!(world.received.len(), 1);
}

#[test]
fn what_is_kept_of_its_words_is_little() {
    let mut world = rehearsing();
    world.job(JobInput::Ended(BuildResult::Signalled(9)));
    world.job(JobInput::DescendantsGone);
    for _ in 0..1000 {
        world.job(JobInput::Console(&[b'x'; 1000]));
    }
    assert!(complaint(&world.job(JobInput::ConsoleDrained)).len() < 1200);
}

#[test]
fn a_script_that_hangs_is_killed() {
    let mut world = rehearsing();
    assert_eq!(world.worker.next_deadline(), Some(world.now + REHEARSAL_TIME));
    assert_eq!(world.pass(REHEARSAL_TIME), [Action::KillDescendants]);
    let actions = world.job(JobInput::DescendantsGone);
    assert_eq!(actions[0], Action::CleanUp);
    let text = "no job can run here: a script that does nothing has not ended in 60 seconds";
    assert_eq!(complaint(&actions), text);
}

#[test]
fn it_is_killed_when_the_worker_is_to_end() {
    for input in [Input::Terminated("SIGTERM"), Input::Disconnected(None)] {
        let mut world = rehearsing();
        assert_eq!(world.handle(input), [Action::KillDescendants]);
        let actions = world.job(JobInput::DescendantsGone);
        assert_eq!(actions[0], Action::CleanUp);
        complaint(&actions);
    }
}

#[test]
fn what_fails_on_the_side_of_the_worker_later_is_no_result() {
    let mut world = World::building();
    assert_eq!(world.job(JobInput::Unable("disk full".to_owned())), [Action::KillDescendants]);
    let actions = world.job(JobInput::DescendantsGone);
    assert_eq!(actions, [Action::CleanUp, Action::Exit(Err("disk full".to_owned()))]);
    assert_eq!(world.received, [], "the server puts the job back");
}
