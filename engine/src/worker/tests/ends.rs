use super::*;

#[test]
fn codes_and_signals_are_reported() {
    for result in [BuildResult::Exited(0), BuildResult::Exited(255), BuildResult::Signalled(9)] {
        let mut world = World::building();
        world.end_script(result.clone());
        let listed = JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() };
        assert_eq!(world.job(listed), [Action::SendArtifacts], "{result}");
        assert_eq!(world.result(), Some(&result));
    }
}

#[test]
fn the_announced_length_covers_the_artifacts() {
    let mut world = World::building();
    world.end_script(BuildResult::Exited(0));
    world.job(JobInput::ArtifactsListed { length: 1000, remarks: Remarks::default() });
    assert_eq!(world.result(), None, "the message is not complete without its artifacts");
}

#[test]
fn a_job_that_cannot_be_started_is_reported_with_the_reason() {
    let mut world = World::building();
    world.job(JobInput::NotStarted("disk full".to_owned()));
    assert_eq!(world.result(), Some(&BuildResult::Message("disk full".into())));
    world.handle(Input::Sent(usize::MAX));
    assert_eq!(world.handle(Input::Disconnected(None)), [Action::Exit(Ok(Ending::Reported))]);
}

#[test]
fn remarks_about_artifacts_go_to_the_console() {
    let mut world = World::building();
    world.end_script(BuildResult::Exited(0));
    let mut remarks = Remarks::default();
    remarks.add(|| "pipe is a FIFO; left out".to_owned());
    world.job(JobInput::ArtifactsListed { length: 0, remarks });
    assert_eq!(world.lines(), ["builder-worker: pipe is a FIFO; left out"]);
    assert_eq!(world.result(), Some(&BuildResult::Exited(0)));
}

#[test]
fn a_good_build_without_its_artifacts_is_no_good_build() {
    let mut world = World::building();
    world.end_script(BuildResult::Exited(0));
    world.job(JobInput::ArtifactsRefused("too many".to_owned()));
    assert_eq!(world.lines(), ["builder-worker: no artifacts are kept: too many"]);
    assert_eq!(world.result(), Some(&BuildResult::Message("too many".into())));
}

#[test]
fn a_failed_build_stays_what_it_is_without_its_artifacts() {
    let mut world = World::building();
    world.end_script(BuildResult::Exited(3));
    world.job(JobInput::ArtifactsRefused("too many".to_owned()));
    assert_eq!(world.result(), Some(&BuildResult::Exited(3)));
}

#[test]
fn artifacts_beyond_all_lengths_are_refused() {
    let mut world = World::building();
    world.end_script(BuildResult::Exited(0));
    world.job(JobInput::ArtifactsListed { length: u64::MAX, remarks: Remarks::default() });
    assert_eq!(world.result(), Some(&BuildResult::Message("the artifacts are too large to be sent".into())));
}

#[test]
fn an_artifact_that_changes_while_it_is_sent_ends_the_worker() {
    let mut world = World::finished();
    let actions = world.job(JobInput::ArtifactsBroken("artifact a changed".to_owned()));
    assert_eq!(actions, [Action::KillDescendants]);
    assert_eq!(complaint(&world.job(JobInput::DescendantsGone)), "artifact a changed");
}
