use super::*;

fn timed_out() -> World {
    let mut world = World::building();
    assert_eq!(world.worker.next_deadline(), Some(world.now + HOUR));
    assert_eq!(world.pass(HOUR - Duration::from_nanos(1)), []);
    assert_eq!(world.pass(Duration::from_nanos(1)), [Action::TerminateJob]);
    world
}

fn timeout_result() -> BuildResult {
    BuildResult::Message("timeout after 1h".into())
}

#[test]
fn a_job_that_ends_when_asked_is_reported_with_its_artifacts() {
    let mut world = timed_out();
    world.end_script(BuildResult::Signalled(15));
    let listed = JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() };
    assert_eq!(world.job(listed), [Action::SendArtifacts]);
    assert_eq!(world.result(), Some(&timeout_result()));
}

#[test]
fn a_job_that_does_not_end_is_killed_after_ten_seconds() {
    let mut world = timed_out();
    assert_eq!(world.pass(STOP_TIME - Duration::from_nanos(1)), []);
    assert_eq!(world.pass(Duration::from_nanos(1)), [Action::KillDescendants]);
    world.end_script(BuildResult::Signalled(9));
    world.job(JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() });
    assert_eq!(world.result(), Some(&timeout_result()));
}

#[test]
fn descendants_have_as_long_as_the_script_to_end() {
    let mut world = timed_out();
    world.pass(STOP_TIME / 2);
    world.job(JobInput::Ended(BuildResult::Signalled(15)));
    assert_eq!(world.pass(LEFTOVER_TIME), [], "they were asked to end, and may take their time");
    assert_eq!(world.pass(STOP_TIME / 2), [Action::KillDescendants]);
}

#[test]
fn a_script_that_ended_in_time_is_not_timed_out_by_what_it_left() {
    let mut world = World::building();
    world.pass(HOUR - Duration::from_nanos(1));
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    assert_eq!(world.pass(Duration::from_nanos(1)), []);
    assert_eq!(world.pass(LEFTOVER_TIME), [Action::KillDescendants]);
}
