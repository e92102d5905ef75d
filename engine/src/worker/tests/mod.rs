//! Every decision of the worker, with time as an argument.

mod aborts;
mod console;
mod conversation;
mod ends;
mod keeping;
mod leaving;
mod leftovers;
mod reconnects;
mod rehearsal;
mod timeout;

use super::*;
use crate::limits::{
    DRAIN_BYTES, KILL_RETRY_TIME, KILL_TIME, LEFTOVER_TIME, SCRIPT_BYTES, SERVER_HELLO_TIME, STOP_TIME,
    WORKER_OUTBOX_BYTES,
};
use builder_proto::command::{Command, PeerType};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::job::ScriptJob;
use builder_proto::{Uuid, build_result::BuildResult};
use core::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);
const UUID: Uuid = Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef);

/// A worker, the clock it is shown, and what the server has got from it.
struct World {
    worker: Worker,
    now: Duration,
    decoder: FrameDecoder,
    received: Vec<Command>,
    sends: usize,
}

impl World {
    fn new() -> Self {
        Self::with(false)
    }

    fn with(keep_failed: bool) -> Self {
        let timeout_text = "1h".to_owned();
        let settings =
            Settings { platform: "amiga".into(), timeout: HOUR, timeout_text, keep_failed, spread: 0 };
        Self {
            worker: Worker::new(settings),
            now: Duration::from_secs(77),
            decoder: FrameDecoder::new(u64::MAX),
            received: Vec::new(),
            sends: 0,
        }
    }

    fn waiting_for_a_job() -> Self {
        Self::new().wait_for_a_job()
    }

    fn wait_for_a_job(self) -> Self {
        let mut world = self;
        world.handle(Input::Connected);
        world.serve(&Command::ServerHello);
        world.rehearse();
        world.received.clear();
        world
    }

    fn building() -> Self {
        Self::new().build()
    }

    fn build(self) -> Self {
        let mut world = self.wait_for_a_job();
        world.serve(&Command::JobSchedule { uuid: UUID, job: script_job() });
        world
    }

    /// Up to where result and artifacts have been handed out.
    fn finished() -> Self {
        let mut world = Self::building();
        world.end_script(BuildResult::Exited(0));
        world.job(JobInput::ArtifactsListed { length: 0, remarks: Remarks::default() });
        world
    }

    /// The script that does nothing has run.
    fn rehearse(&mut self) {
        assert_eq!(self.job(JobInput::Ended(BuildResult::Exited(0))), []);
        assert_eq!(self.job(JobInput::DescendantsGone), [Action::CleanUp]);
    }

    /// Hands in what happened and returns the actions, except for what is sent.
    fn handle(&mut self, input: Input<'_>) -> Vec<Action> {
        self.worker.handle(self.now, input);
        let mut actions = Vec::new();
        while let Some(action) = self.worker.poll_action() {
            match action {
                Action::Send(bytes) => self.receive(&bytes),
                action => actions.push(action),
            }
        }
        actions
    }

    fn receive(&mut self, mut bytes: &[u8]) {
        self.sends += 1;
        while let Some(event) = self.decoder.next(&mut bytes).unwrap() {
            match event {
                FrameEvent::Frame(payload) => self.received.push(Command::decode(payload).unwrap()),
                event => panic!("unexpected {event:?}"),
            }
        }
    }

    fn serve(&mut self, command: &Command) -> Vec<Action> {
        self.handle(Input::Received(&command.to_frame().unwrap()))
    }

    fn job(&mut self, input: JobInput<'_>) -> Vec<Action> {
        self.handle(Input::Job(input))
    }

    fn pass(&mut self, time: Duration) -> Vec<Action> {
        self.now += time;
        self.handle(Input::Tick)
    }

    /// The script ends, and nothing is left of it.
    fn end_script(&mut self, result: BuildResult) {
        assert_eq!(self.job(JobInput::Ended(result)), []);
        assert_eq!(self.job(JobInput::DescendantsGone), [Action::DrainConsole]);
        assert_eq!(self.job(JobInput::ConsoleDrained), [Action::ListArtifacts]);
    }

    fn lines(&self) -> Vec<String> {
        let line = |command: &Command| match command {
            Command::Output { uuid: UUID, line, timestamp: None } => Some(line.to_string()),
            _ => None,
        };
        self.received.iter().filter_map(line).collect()
    }

    fn result(&self) -> Option<&BuildResult> {
        match self.received.last() {
            Some(Command::JobFinished { uuid: UUID, result, .. }) => Some(result),
            _ => None,
        }
    }
}

fn script_job() -> ScriptJob {
    ScriptJob { name: "hello".into(), script: "echo".into(), platform: "amiga".into() }
}

fn complaint(actions: &[Action]) -> &str {
    match actions {
        [.., Action::Exit(Err(complaint))] => complaint,
        _ => panic!("no complaint in {actions:?}"),
    }
}

fn leftover(pid: i64) -> JobInput<'static> {
    JobInput::Leftover(Leftover { pid, name: Some("sleep".into()), refusal: None })
}
