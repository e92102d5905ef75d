use super::*;

#[test]
fn descendants_that_end_soon_are_left_in_peace() {
    let mut world = World::building();
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    assert_eq!(world.pass(LEFTOVER_TIME / 2), []);
    assert_eq!(world.job(JobInput::DescendantsGone), [Action::DrainConsole]);
}

#[test]
fn descendants_that_stay_are_killed_and_named() {
    let mut world = World::building();
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    assert_eq!(world.worker.next_deadline(), Some(world.now + LEFTOVER_TIME));
    assert_eq!(world.pass(LEFTOVER_TIME), [Action::KillDescendants]);
    world.job(leftover(4711));
    assert_eq!(world.job(JobInput::DescendantsGone), [Action::DrainConsole]);
    world.job(JobInput::Console(b"last words"));
    world.job(JobInput::ConsoleDrained);
    assert_eq!(
        world.lines(),
        ["last words", "builder-worker: killed process 4711 (sleep), which the script left behind"]
    );
}

#[test]
fn killing_is_repeated_until_all_are_gone() {
    let mut world = World::building();
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    world.pass(LEFTOVER_TIME);
    for _ in 0..10 {
        assert_eq!(world.worker.next_deadline(), Some(world.now + KILL_RETRY_TIME));
        assert_eq!(world.pass(KILL_RETRY_TIME / 2), []);
        assert_eq!(world.pass(KILL_RETRY_TIME / 2), [Action::KillDescendants]);
    }
    assert_eq!(world.job(JobInput::DescendantsGone), [Action::DrainConsole]);
}

#[test]
fn the_build_goes_on_without_those_that_cannot_be_killed() {
    let mut world = World::building();
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    world.pass(LEFTOVER_TIME);
    world.job(JobInput::Leftover(Leftover { pid: 8, name: None, refusal: Some("not permitted".to_owned()) }));
    assert_eq!(world.pass(KILL_TIME), [Action::DrainConsole]);
    world.job(JobInput::ConsoleDrained);
    let lines = world.lines();
    assert_eq!(
        lines[0],
        "builder-worker: could not kill process 8, which the script left behind: not permitted"
    );
    assert_eq!(lines[1], "builder-worker: processes of the job are left that cannot be killed");
}
