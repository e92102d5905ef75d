use super::*;

#[test]
fn a_signal_ends_a_worker_without_a_job_at_once() {
    let actions = World::waiting_for_a_job().handle(Input::Terminated("SIGTERM"));
    assert_eq!(actions, [Action::Exit(Err("ended by SIGTERM".to_owned()))]);
}

#[test]
fn a_signal_kills_the_job_before_it_ends_the_worker() {
    let mut world = World::building();
    assert_eq!(world.handle(Input::Terminated("SIGINT")), [Action::KillDescendants]);
    assert_eq!(world.job(JobInput::Ended(BuildResult::Signalled(9))), []);
    let actions = world.job(JobInput::DescendantsGone);
    assert_eq!(actions, [Action::CleanUp, Action::Exit(Err("ended by SIGINT".to_owned()))]);
}

#[test]
fn the_job_dies_with_the_connection() {
    let mut world = World::building();
    let actions = world.handle(Input::Disconnected(Some("broken pipe".to_owned())));
    assert_eq!(actions, [Action::KillDescendants]);
    assert_eq!(world.pass(KILL_RETRY_TIME), [Action::KillDescendants]);
    let actions = world.job(JobInput::DescendantsGone);
    assert_eq!(complaint(&actions), "the server went away during the build: broken pipe");
}

#[test]
fn the_worker_ends_even_when_the_job_cannot_be_killed() {
    let mut world = World::building();
    world.handle(Input::Disconnected(None));
    let actions = world.pass(KILL_TIME);
    assert_eq!(actions[0], Action::CleanUp);
    assert_eq!(complaint(&actions), "the server went away during the build");
}
