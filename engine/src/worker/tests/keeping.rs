//! The directory of a job that has failed stays, if that is asked for.

use super::*;

/// Up to where the server has the result.
fn report(keep_failed: bool, result: BuildResult) -> (World, Vec<Action>) {
    let mut world = World::with(keep_failed).build();
    world.end_script(result);
    world.job(JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() });
    world.handle(Input::Sent(usize::MAX));
    let actions = world.job(JobInput::ArtifactsSent);
    (world, actions)
}

#[test]
fn only_a_failed_job_keeps_its_directory_and_only_when_asked() {
    for (keep_failed, result, is_kept) in [
        (true, BuildResult::Exited(3), true),
        (true, BuildResult::Signalled(9), true),
        (true, BuildResult::Exited(0), false),
        (false, BuildResult::Exited(3), false),
    ] {
        let (mut world, actions) = report(keep_failed, result.clone());
        let ending = if is_kept { Ending::Kept } else { Ending::Reported };
        assert_eq!(actions, if is_kept { vec![] } else { vec![Action::CleanUp] }, "{result}");
        assert_eq!(world.handle(Input::Disconnected(None)), [Action::Exit(Ok(ending))], "{result}");
    }
}

#[test]
fn a_job_whose_time_was_up_has_failed() {
    let mut world = World::with(true).build();
    assert_eq!(world.pass(HOUR), [Action::TerminateJob]);
    world.end_script(BuildResult::Exited(0));
    world.job(JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() });
    world.handle(Input::Sent(usize::MAX));
    assert_eq!(world.job(JobInput::ArtifactsSent), []);
    assert_eq!(world.handle(Input::Disconnected(None)), [Action::Exit(Ok(Ending::Kept))]);
}

#[test]
fn a_job_that_cannot_be_started_has_failed() {
    let mut world = World::with(true).build();
    world.job(JobInput::NotStarted("no such interpreter".to_owned()));
    assert_eq!(world.handle(Input::Sent(usize::MAX)), []);
    assert_eq!(world.handle(Input::Disconnected(None)), [Action::Exit(Ok(Ending::Kept))]);
}

#[test]
fn what_the_server_did_not_get_is_not_kept() {
    let (mut world, _) = report(true, BuildResult::Exited(3));
    let actions = world.handle(Input::Disconnected(Some("reset by peer".to_owned())));
    assert_eq!(actions[0], Action::CleanUp, "the job runs again");
    complaint(&actions);

    let mut world = World::with(true).build();
    world.handle(Input::Disconnected(None));
    assert_eq!(world.job(JobInput::DescendantsGone)[0], Action::CleanUp);

    let (mut world, _) = report(true, BuildResult::Exited(3));
    assert_eq!(world.handle(Input::Terminated("SIGTERM"))[0], Action::CleanUp);
}
