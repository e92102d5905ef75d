//! The worker as a whole: its connection to the server, and when it ends.

use super::build::{Build, Progress};
use super::interface::{Action, Ending, Input, JobInput, Settings};
use super::kill::Killing;
use super::queue::ActionQueue;
use super::rehearsal::{Rehearsal, Verdict};
use crate::limits::{JOB_FRAME_BYTES, SERVER_HELLO_TIME};
use crate::reconnecting::Reconnecting;
use builder_proto::command::{Command, PeerType};
use builder_proto::frame::{FrameDecoder, FrameEvent};
use builder_proto::{Uuid, WORKER_VERSION, job::ScriptJob};
use core::time::Duration;

/// Decides what the worker does next; see the [module](super) for how to drive it.
///
/// Time is the time since an arbitrary start that never goes back. Nothing here fails: what goes wrong ends in a
/// build result or in [`Action::Exit`].
#[derive(Debug)]
pub struct Worker {
    settings: Settings,
    decoder: FrameDecoder,
    phase: Phase,
    queue: ActionQueue,
    reconnecting: Reconnecting,
}

#[derive(Debug)]
enum Phase {
    Connecting,
    /// The connection broke before the hello; there is to be another.
    Pausing {
        until: Duration,
    },
    AwaitingHello {
        until: Duration,
    },
    /// The server has said hello, and a script that does nothing runs.
    Rehearsing(Rehearsal),
    AwaitingJob,
    Building(Build),
    /// The server has everything, or will have; it closes the connection once the result is stored. The directory of the
    /// job is removed meanwhile, but not before the result has left: with many files in it that takes long.
    AwaitingClose {
        directory: Directory,
    },
    /// The script is being killed; afterwards the program ends like this.
    Aborting {
        killing: Killing,
        outcome: Result<Ending, String>,
    },
    Ended,
}

/// The directory of a job whose result has been handed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Directory {
    /// It goes once the result has left.
    ToRemove,
    /// It stays, unless the result gets lost: then the job runs again.
    ToKeep,
    /// It is gone.
    Removed,
}

impl Worker {
    /// A worker whose connection does not stand yet.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            reconnecting: Reconnecting::new(settings.spread),
            settings,
            decoder: FrameDecoder::new(JOB_FRAME_BYTES),
            phase: Phase::Connecting,
            queue: ActionQueue::default(),
        }
    }

    /// Takes in what happened. Call [`Worker::poll_action`] afterwards until it returns `None`.
    pub fn handle(&mut self, now: Duration, input: Input<'_>) {
        match input {
            Input::Connected => self.say_hello(now),
            Input::Received(bytes) => self.receive(now, bytes),
            Input::Sent(count) => {
                self.queue.sent(count);
                self.clean_up_when_sent();
            }
            Input::NotConnected(complaint) => self.abort(now, complaint),
            Input::Disconnected(reason) => self.disconnected(now, reason.as_deref()),
            Input::Terminated(signal) => self.abort(now, format!("ended by {signal}")),
            Input::AskedToLeave => self.leave(now),
            Input::Job(input) => self.handle_job(now, input),
            Input::Tick => self.tick(now),
        }
    }

    /// The next thing to do. After `None`, there is nothing until the next [`Worker::handle`].
    pub fn poll_action(&mut self) -> Option<Action> {
        self.queue.pop()
    }

    /// When to call [`Worker::handle`] with [`Input::Tick`] at the latest; earlier does no harm.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Duration> {
        match &self.phase {
            Phase::AwaitingHello { until } | Phase::Pausing { until } => Some(*until),
            Phase::Rehearsing(rehearsal) => Some(rehearsal.deadline()),
            Phase::Building(build) => build.deadline(),
            Phase::Aborting { killing, .. } => Some(killing.deadline()),
            Phase::Connecting | Phase::AwaitingJob | Phase::AwaitingClose { .. } | Phase::Ended => None,
        }
    }

    /// Whether to read the console: not while the server is behind, nor when there is no job.
    #[must_use]
    pub fn wants_console(&self) -> bool {
        match &self.phase {
            Phase::Building(build) => build.reads_console() && self.queue.has_room(),
            Phase::Rehearsing(_) => true,
            Phase::Connecting
            | Phase::Pausing { .. }
            | Phase::AwaitingHello { .. }
            | Phase::AwaitingJob
            | Phase::AwaitingClose { .. }
            | Phase::Aborting { .. }
            | Phase::Ended => false,
        }
    }

    fn say_hello(&mut self, now: Duration) {
        if let Phase::Connecting = self.phase {
            self.phase = Phase::AwaitingHello { until: now.saturating_add(SERVER_HELLO_TIME) };
            self.send(now, &Command::ClientHello { peer: PeerType::Worker, version: WORKER_VERSION });
        }
    }

    fn receive(&mut self, now: Duration, mut bytes: &[u8]) {
        while !matches!(self.phase, Phase::Aborting { .. } | Phase::Ended) {
            let mut rest = bytes;
            let command = match self.decoder.next(&mut rest) {
                Ok(None) => return,
                Ok(Some(FrameEvent::Frame(payload))) => {
                    Command::decode(payload).map_err(|error| error.to_string())
                }
                // Streaming is not switched on for what a worker receives.
                Ok(Some(_)) => Err("a streamed message".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            bytes = rest;
            match command {
                Ok(command) => self.obey(now, command),
                Err(error) => self.abort(now, format!("the server sent an invalid message: {error}")),
            }
        }
    }

    fn obey(&mut self, now: Duration, command: Command) {
        match (&self.phase, command) {
            (_, Command::Failure(text)) => self.abort(now, format!("the server refused: {text}")),
            (Phase::AwaitingHello { .. }, Command::ServerHello) => {
                self.phase = Phase::Rehearsing(Rehearsal::start(now, &mut self.queue));
            }
            (Phase::AwaitingJob, Command::JobSchedule { uuid, job }) => self.start(now, uuid, job),
            (phase, command) => {
                let expectation = match phase {
                    Phase::AwaitingHello { .. } => "its hello",
                    Phase::AwaitingJob => "a job",
                    Phase::Connecting
                    | Phase::Pausing { .. }
                    | Phase::Rehearsing(_)
                    | Phase::Building(_)
                    | Phase::AwaitingClose { .. }
                    | Phase::Aborting { .. }
                    | Phase::Ended => "nothing more",
                };
                let name = command.name();
                self.abort(now, format!("the server sent {name} where {expectation} was expected"));
            }
        }
    }

    fn start(&mut self, now: Duration, uuid: Uuid, job: ScriptJob) {
        self.phase = Phase::Building(Build::start(now, &self.settings, uuid, job, &mut self.queue));
    }

    fn handle_job(&mut self, now: Duration, input: JobInput<'_>) {
        match (&mut self.phase, input) {
            (Phase::Building(build), input) => match build.handle(now, input, &mut self.queue) {
                Progress::Going => {}
                Progress::Done => {
                    let is_kept = self.settings.keep_failed && build.has_failed();
                    let directory = if is_kept { Directory::ToKeep } else { Directory::ToRemove };
                    self.phase = Phase::AwaitingClose { directory };
                    self.clean_up_when_sent();
                }
                Progress::Broken(reason) => self.abort(now, reason),
            },
            (Phase::Rehearsing(rehearsal), input) => match rehearsal.handle(input, &mut self.queue) {
                Verdict::Open => {}
                Verdict::Passed => {
                    self.queue.push(Action::CleanUp);
                    self.phase = Phase::AwaitingJob;
                    self.send(now, &Command::JobRequested(self.settings.platform.clone()));
                }
                Verdict::Failed(reason) => {
                    self.queue.push(Action::CleanUp);
                    self.exit(Err(unable(&reason)));
                }
            },
            (Phase::Aborting { .. }, JobInput::DescendantsGone) => self.finish_abort(),
            // What is left of a job that is over.
            (
                Phase::Connecting
                | Phase::Pausing { .. }
                | Phase::AwaitingHello { .. }
                | Phase::AwaitingJob
                | Phase::AwaitingClose { .. }
                | Phase::Aborting { .. }
                | Phase::Ended,
                _,
            ) => {}
        }
    }

    fn tick(&mut self, now: Duration) {
        match &mut self.phase {
            Phase::AwaitingHello { until } if now >= *until => {
                self.abort(now, "the server did not say hello; is it a builder-server?".to_owned());
            }
            Phase::Pausing { until } if now >= *until => {
                self.decoder = FrameDecoder::new(JOB_FRAME_BYTES);
                self.queue = ActionQueue::default();
                self.phase = Phase::Connecting;
                self.queue.push(Action::Connect);
            }
            Phase::Rehearsing(rehearsal) => {
                if let Some(reason) = rehearsal.is_late(now) {
                    self.abort(now, unable(&reason));
                }
            }
            Phase::Building(build) => build.tick(now, &mut self.queue),
            Phase::Aborting { killing, .. } => {
                let given_up = killing.tick(now, &mut self.queue);
                if given_up {
                    self.finish_abort();
                }
            }
            Phase::Connecting
            | Phase::Pausing { .. }
            | Phase::AwaitingHello { .. }
            | Phase::AwaitingJob
            | Phase::AwaitingClose { .. }
            | Phase::Ended => {}
        }
    }

    fn disconnected(&mut self, now: Duration, reason: Option<&str>) {
        let event = match &self.phase {
            Phase::Connecting | Phase::AwaitingHello { .. } if reason.is_some() => {
                match self.reconnecting.next_delay() {
                    Some(delay) => {
                        self.phase = Phase::Pausing { until: now.saturating_add(delay) };
                        return;
                    }
                    None => format!(
                        "{} connections in a row broke before the server said hello, so it is overloaded, or no \
                         builder-server",
                        Reconnecting::attempts()
                    ),
                }
            }
            Phase::AwaitingClose { directory } if reason.is_none() && self.queue.is_sent() => {
                let is_kept = *directory == Directory::ToKeep;
                return self.exit(Ok(if is_kept { Ending::Kept } else { Ending::Reported }));
            }
            Phase::Connecting | Phase::AwaitingHello { .. } => format!(
                "the server closed the connection without a hello; is it a builder-server that speaks \
                 version {WORKER_VERSION} of the worker protocol?"
            ),
            Phase::Rehearsing(_) | Phase::AwaitingJob => {
                "the server closed the connection before it had a job".to_owned()
            }
            Phase::AwaitingClose { .. } => "the connection ended before the server had the result".to_owned(),
            Phase::Building(_) => "the server went away during the build".to_owned(),
            Phase::Pausing { .. } | Phase::Aborting { .. } | Phase::Ended => return,
        };
        self.abort(now, reason.map_or_else(|| event.clone(), |reason| format!("{event}: {reason}")));
    }

    /// Ends the program unless there is a job, of which the first byte is enough: the server counts on this worker then.
    /// After a job the program ends in any case.
    fn leave(&mut self, now: Duration) {
        match &self.phase {
            Phase::AwaitingJob if !self.decoder.is_between_frames() => {}
            Phase::Connecting | Phase::Pausing { .. } | Phase::AwaitingHello { .. } | Phase::AwaitingJob => {
                self.exit(Ok(Ending::Left));
            }
            Phase::Rehearsing(_) => self.kill(now, Ok(Ending::Left)),
            Phase::Building(_) | Phase::AwaitingClose { .. } | Phase::Aborting { .. } | Phase::Ended => {}
        }
    }

    /// Kills the script that runs, and then ends the program.
    fn kill(&mut self, now: Duration, outcome: Result<Ending, String>) {
        let killing = Killing::begin(now, &mut self.queue);
        self.phase = Phase::Aborting { killing, outcome };
    }

    /// Ends the program with a complaint, after the script if one runs.
    fn abort(&mut self, now: Duration, complaint: String) {
        match &self.phase {
            Phase::Aborting { .. } | Phase::Ended => {}
            Phase::Building(_) | Phase::Rehearsing(_) => self.kill(now, Err(complaint)),
            Phase::AwaitingClose { directory: Directory::ToRemove | Directory::ToKeep } => {
                self.queue.push(Action::CleanUp);
                self.exit(Err(complaint));
            }
            Phase::Connecting
            | Phase::Pausing { .. }
            | Phase::AwaitingHello { .. }
            | Phase::AwaitingJob
            | Phase::AwaitingClose { directory: Directory::Removed } => self.exit(Err(complaint)),
        }
    }

    fn clean_up_when_sent(&mut self) {
        if let Phase::AwaitingClose { directory } = &mut self.phase
            && *directory == Directory::ToRemove
            && self.queue.is_sent()
        {
            *directory = Directory::Removed;
            self.queue.push(Action::CleanUp);
        }
    }

    fn finish_abort(&mut self) {
        if let Phase::Aborting { outcome, .. } = core::mem::replace(&mut self.phase, Phase::Ended) {
            self.queue.push(Action::CleanUp);
            self.queue.push(Action::Exit(outcome));
        }
    }

    fn exit(&mut self, outcome: Result<Ending, String>) {
        self.phase = Phase::Ended;
        self.queue.push(Action::Exit(outcome));
    }

    fn send(&mut self, now: Duration, command: &Command) {
        if let Err(error) = self.queue.send_command(command) {
            self.abort(now, format!("{} cannot be sent: {error}", command.name()));
        }
    }
}

fn unable(reason: &str) -> String {
    format!("no job can run here: {reason}")
}
