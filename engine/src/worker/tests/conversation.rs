use super::*;

#[test]
fn the_worker_says_hello_then_asks_for_a_job() {
    let mut world = World::new();
    assert_eq!(world.handle(Input::Connected), []);
    assert_eq!(world.received, [Command::ClientHello { peer: PeerType::Worker, version: 5 }]);
    assert!(matches!(*world.serve(&Command::ServerHello), [Action::Rehearse { .. }]));
    assert_eq!(world.received[1..], [], "not before a script has run");
    world.rehearse();
    assert_eq!(world.received[1..], [Command::JobRequested("amiga".into())]);
    assert_eq!(world.worker.next_deadline(), None, "a job may take as long as it takes to come");
}

#[test]
fn a_server_without_a_hello_is_left() {
    let mut world = World::new();
    world.handle(Input::Connected);
    assert_eq!(world.pass(SERVER_HELLO_TIME - Duration::from_nanos(1)), []);
    let actions = world.pass(Duration::from_nanos(1));
    assert_eq!(complaint(&actions), "the server did not say hello; is it a builder-server?");
}

#[test]
fn the_job_that_comes_is_started() {
    let mut world = World::waiting_for_a_job();
    let actions = world.serve(&Command::JobSchedule { uuid: UUID, job: script_job() });
    assert_eq!(actions, [Action::StartJob { uuid: UUID, job: script_job() }]);
}

#[test]
fn a_job_may_be_longer_than_the_command_that_scheduled_it() {
    let mut world = World::waiting_for_a_job();
    let job = ScriptJob { script: vec![b'#'; SCRIPT_BYTES as usize].into(), ..script_job() };
    let actions = world.serve(&Command::JobSchedule { uuid: UUID, job: job.clone() });
    assert!(actions == [Action::StartJob { uuid: UUID, job }]);
}

#[test]
fn messages_may_come_byte_by_byte() {
    let mut world = World::waiting_for_a_job();
    let frame = Command::JobSchedule { uuid: UUID, job: script_job() }.to_frame().unwrap();
    let actions: Vec<Action> =
        frame.iter().flat_map(|&byte| world.handle(Input::Received(&[byte]))).collect();
    assert_eq!(actions, [Action::StartJob { uuid: UUID, job: script_job() }]);
}

#[test]
fn after_the_result_the_directory_goes_and_the_end_of_the_connection_is_awaited() {
    let mut world = World::finished();
    assert_eq!(world.result(), Some(&BuildResult::Exited(0)));
    world.handle(Input::Sent(usize::MAX));
    assert_eq!(world.job(JobInput::ArtifactsSent), [Action::CleanUp]);
    assert_eq!(world.handle(Input::Disconnected(None)), [Action::Exit(Ok(Ending::Reported))]);
}

#[test]
fn the_directory_stays_until_the_result_has_left() {
    let mut world = World::building();
    assert_eq!(world.job(JobInput::NotStarted("disk full".to_owned())), []);
    assert_eq!(world.handle(Input::Sent(1)), []);
    assert_eq!(world.handle(Input::Sent(usize::MAX)), [Action::CleanUp]);
    assert_eq!(world.handle(Input::Sent(1)), [], "it goes once");
}

#[test]
fn a_result_that_did_not_reach_the_server_is_a_failure() {
    let mut world = World::finished();
    world.job(JobInput::ArtifactsSent);
    let actions = world.handle(Input::Disconnected(None));
    assert_eq!(actions[0], Action::CleanUp);
    assert!(complaint(&actions).contains("before the server had the result"));

    let mut world = World::finished();
    world.job(JobInput::ArtifactsSent);
    world.handle(Input::Sent(usize::MAX));
    let actions = world.handle(Input::Disconnected(Some("reset by peer".to_owned())));
    assert!(complaint(&actions).ends_with(": reset by peer"));
}

#[test]
fn refusals_of_the_server_are_passed_on() {
    let failure = Command::Failure("version 5, not 4".into());
    let text = "the server refused: version 5, not 4";
    let mut world = World::new();
    world.handle(Input::Connected);
    assert_eq!(complaint(&world.serve(&failure)), text);
    assert_eq!(complaint(&World::waiting_for_a_job().serve(&failure)), text);

    let mut world = World::building();
    assert_eq!(world.serve(&failure), [Action::KillDescendants]);
    let actions = world.job(JobInput::DescendantsGone);
    assert_eq!(actions, [Action::CleanUp, Action::Exit(Err(text.to_owned()))]);

    let mut world = World::finished();
    world.serve(&failure);
    assert_eq!(complaint(&world.job(JobInput::DescendantsGone)), text);
}

#[test]
fn unexpected_messages_end_the_worker() {
    let mut world = World::new();
    world.handle(Input::Connected);
    let actions = world.serve(&Command::Success);
    assert_eq!(complaint(&actions), "the server sent success where its hello was expected");

    let actions = World::waiting_for_a_job().serve(&Command::ServerHello);
    assert_eq!(complaint(&actions), "the server sent serverHello where a job was expected");

    let mut world = World::building();
    world.serve(&Command::Info);
    let actions = world.job(JobInput::DescendantsGone);
    assert_eq!(complaint(&actions), "the server sent info where nothing more was expected");
}

#[test]
fn bytes_that_are_no_message_end_the_worker() {
    let actions = World::waiting_for_a_job().handle(Input::Received(b"HTTP/1.1 400 Bad Request"));
    assert!(complaint(&actions).starts_with("the server sent an invalid message: frame of "));
    let actions = World::waiting_for_a_job().handle(Input::Received(&[0, 0, 0, 0, 0, 0, 0, 1, 0]));
    assert!(complaint(&actions).starts_with("the server sent an invalid message: "));
}

#[test]
fn a_server_that_closes_early_is_named_as_the_reason() {
    let mut world = World::new();
    world.handle(Input::Connected);
    assert!(complaint(&world.handle(Input::Disconnected(None))).contains("without a hello"));
    let actions = World::waiting_for_a_job().handle(Input::Disconnected(None));
    assert!(complaint(&actions).contains("before it had a job"));
}

#[test]
fn nothing_happens_after_the_end() {
    let mut world = World::waiting_for_a_job();
    world.handle(Input::Terminated("SIGTERM"));
    assert_eq!(world.serve(&Command::JobSchedule { uuid: UUID, job: script_job() }), []);
    assert_eq!(world.handle(Input::Disconnected(None)), []);
    assert_eq!(world.handle(Input::Terminated("SIGTERM")), []);
    assert_eq!(world.pass(HOUR * 2), []);
}
