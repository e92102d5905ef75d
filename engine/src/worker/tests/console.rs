use super::*;

#[test]
fn a_lone_line_is_sent_at_once() {
    let mut world = World::building();
    world.job(JobInput::Console(b"one\n"));
    assert_eq!(world.lines(), ["one"]);
}

#[test]
fn the_lines_of_a_turn_leave_in_one_write() {
    let mut world = World::building();
    let before = world.sends;
    for _ in 0..1000 {
        world.worker.handle(world.now, Input::Job(JobInput::Console(b"one\ntwo\n")));
    }
    world.handle(Input::Tick);
    assert_eq!((world.lines().len(), world.sends), (2000, before + 1));
}

#[test]
fn a_last_line_without_newline_is_sent_before_the_result() {
    let mut world = World::building();
    world.job(JobInput::Console(b"one\ntwo"));
    assert_eq!(world.lines(), ["one"]);
    world.end_script(BuildResult::Exited(0));
    assert_eq!(world.lines(), ["one", "two"]);
}

#[test]
fn what_was_written_before_the_end_is_read_to_its_end() {
    let mut world = World::building();
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    assert_eq!(world.job(JobInput::DescendantsGone), [Action::DrainConsole]);
    assert!(world.worker.wants_console());
    assert_eq!(world.job(JobInput::Console(b"late\n")), []);
    assert_eq!(world.job(JobInput::ConsoleDrained), [Action::ListArtifacts]);
    assert_eq!(world.lines(), ["late"]);
    assert!(!world.worker.wants_console());
}

#[test]
fn a_console_that_never_ends_is_cut() {
    let mut world = World::building();
    world.job(JobInput::Ended(BuildResult::Exited(0)));
    world.job(JobInput::DescendantsGone);
    let endless = vec![b'x'; DRAIN_BYTES];
    assert_eq!(world.job(JobInput::Console(&endless)), [Action::ListArtifacts]);
}

#[test]
fn a_server_that_is_behind_stops_the_console() {
    let mut world = World::building();
    world.handle(Input::Sent(usize::MAX));
    assert!(world.worker.wants_console());
    world.job(JobInput::Console(&vec![b'x'; 2 * WORKER_OUTBOX_BYTES]));
    assert!(!world.worker.wants_console());
    world.handle(Input::Sent(WORKER_OUTBOX_BYTES));
    assert!(world.worker.wants_console());
}
