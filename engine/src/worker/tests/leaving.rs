//! A worker that is asked to leave does not take its job with it.

use super::*;
use crate::limits::REHEARSAL_TIME;

const LEFT: Action = Action::Exit(Ok(Ending::Left));

#[test]
fn a_worker_that_waits_for_a_job_leaves_at_once() {
    let mut world = World::waiting_for_a_job();
    assert_eq!(world.handle(Input::AskedToLeave), [LEFT]);
    assert_eq!(world.received, [], "there is nothing to tell the server");
    let job = Command::JobSchedule { uuid: UUID, job: script_job() };
    assert_eq!(world.serve(&job), [], "a job that comes now is put back by the server");
}

#[test]
fn a_worker_that_has_asked_for_nothing_yet_leaves_at_once() {
    assert_eq!(World::new().handle(Input::AskedToLeave), [LEFT]);

    let mut greeting = World::new();
    greeting.handle(Input::Connected);
    assert_eq!(greeting.handle(Input::AskedToLeave), [LEFT]);

    let mut pausing = World::new();
    pausing.handle(Input::Disconnected(Some("connection reset by peer".to_owned())));
    assert_eq!(pausing.handle(Input::AskedToLeave), [LEFT]);
    assert_eq!(pausing.pass(HOUR), [], "it does not connect again");
}

#[test]
fn the_script_that_does_nothing_is_killed_first() {
    let mut world = World::new();
    world.handle(Input::Connected);
    world.serve(&Command::ServerHello);
    assert_eq!(world.handle(Input::AskedToLeave), [Action::KillDescendants]);
    assert_eq!(world.pass(REHEARSAL_TIME.min(KILL_RETRY_TIME)), [Action::KillDescendants]);
    assert_eq!(world.job(JobInput::DescendantsGone), [Action::CleanUp, LEFT]);
    assert_eq!(world.received.len(), 1, "no job is asked for");
}

#[test]
fn a_job_is_run_to_its_end() {
    let mut world = World::building();
    assert_eq!(world.handle(Input::AskedToLeave), []);
    world.end_script(BuildResult::Exited(3));
    assert_eq!(world.handle(Input::AskedToLeave), []);
    world.job(JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() });
    assert_eq!(world.result(), Some(&BuildResult::Exited(3)));
    world.handle(Input::Sent(usize::MAX));
    assert_eq!(world.job(JobInput::ArtifactsSent), [Action::CleanUp]);
    assert_eq!(world.handle(Input::AskedToLeave), [], "the server may not have stored the result");
    assert_eq!(world.handle(Input::Disconnected(None)), [Action::Exit(Ok(Ending::Reported))]);
}

#[test]
fn a_job_of_which_the_first_byte_has_come_is_run() {
    let frame = Command::JobSchedule { uuid: UUID, job: script_job() }.to_frame().unwrap();
    for split in 1..frame.len() {
        let (begun, rest) = frame.split_at(split);
        let mut world = World::waiting_for_a_job();
        assert_eq!(world.handle(Input::Received(begun)), []);
        assert_eq!(world.handle(Input::AskedToLeave), [], "after {split} bytes");
        assert_eq!(world.handle(Input::Received(rest)), [Action::StartJob { uuid: UUID, job: script_job() }]);
    }
}

#[test]
fn a_job_whose_rest_does_not_come_keeps_nobody() {
    let frame = Command::JobSchedule { uuid: UUID, job: script_job() }.to_frame().unwrap();
    for end in [Input::Terminated("SIGTERM"), Input::Disconnected(None)] {
        let mut world = World::waiting_for_a_job();
        world.handle(Input::Received(&frame[..1]));
        world.handle(Input::AskedToLeave);
        complaint(&world.handle(end));
    }
}

#[test]
fn a_worker_that_ends_already_goes_on_ending() {
    let mut world = World::building();
    world.handle(Input::Terminated("SIGTERM"));
    assert_eq!(world.handle(Input::AskedToLeave), []);
    assert_eq!(complaint(&world.job(JobInput::DescendantsGone)), "ended by SIGTERM");
}
