//! Peers that say what they should not, stop where they should go on, or say nothing at all.

use super::{Line, Peer};
use crate::network::End;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType, append_output_frame};
use builder_proto::frame;
use builder_proto::job::File;
use builder_proto::text::Text;
use std::time::Duration;

/// A peer that breaks the rules in one way.
pub(crate) struct Rogue {
    kind: Kind,
    platform: Text,
    received: Vec<u8>,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Says nothing, ever.
    Silent,
    /// Sends bytes that mean nothing.
    Garbage,
    /// Claims a message of many bytes.
    LongFrame,
    /// Is of another version.
    OldVersion,
    /// Says hello as a worker and then gives a client's command.
    Impostor,
    /// A worker that takes a job and is not heard of again, its connection standing.
    Idle,
    /// A worker that takes a job and vanishes.
    Vanishing,
    /// A worker that prints for another build.
    WrongOutput,
    /// A worker that finishes another build.
    WrongResult,
    /// A worker that finishes twice.
    TwoResults,
    /// A worker that stops amid its result and closes, resets or keeps the connection.
    HalfResult(Option<End>),
    /// A worker whose result claims lengths that do not fit.
    LyingResult,
    /// A worker whose artifacts have no names.
    NamelessArtifact,
    /// A worker with more artifacts than it may have.
    TooManyArtifacts,
    /// A worker that prints more than it may.
    TooMuchConsole,
    /// A worker that sends garbage amid its console.
    GarbageAmidConsole,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Greeting,
    Waiting,
    Over,
}

const KINDS: [Kind; 18] = [
    Kind::Silent,
    Kind::Garbage,
    Kind::LongFrame,
    Kind::OldVersion,
    Kind::Impostor,
    Kind::Idle,
    Kind::Vanishing,
    Kind::WrongOutput,
    Kind::WrongResult,
    Kind::TwoResults,
    Kind::HalfResult(None),
    Kind::HalfResult(Some(End::Closed)),
    Kind::HalfResult(Some(End::Reset)),
    Kind::LyingResult,
    Kind::NamelessArtifact,
    Kind::TooManyArtifacts,
    Kind::TooMuchConsole,
    Kind::GarbageAmidConsole,
];

impl Rogue {
    pub(crate) fn new(line: &mut Line, platform: Text) -> Rogue {
        let kind = *line.random.pick(&KINDS);
        Rogue { kind, platform, received: Vec::new(), stage: Stage::Greeting }
    }

    /// The messages that have arrived whole.
    fn messages(&mut self, bytes: &[u8]) -> Vec<Command> {
        self.received.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(header) = self.received.first_chunk::<8>() {
            let end = 8 + u64::from_be_bytes(*header) as usize;
            let Some(payload) = self.received.get(8..end) else { break };
            messages.extend(Command::decode(payload));
            self.received.drain(..end);
        }
        messages
    }

    /// Takes a job, prints a little, and does its mischief.
    fn run(&mut self, line: &mut Line, uuid: Uuid) {
        self.stage = Stage::Over;
        let other = Uuid::from_u128(line.random.number().into());
        let mut bytes = Vec::new();
        for _ in 0..line.random.below(4) {
            let length = line.random.skewed(10) as usize;
            append_output_frame(&mut bytes, uuid, &line.random.bytes(length), None);
        }
        line.send(&bytes);
        let finished = |uuid: Uuid, data: Vec<File>| {
            Command::JobFinished { uuid, result: BuildResult::Exited(0), data }.to_frame().unwrap()
        };
        let artifact = |line: &mut Line, path: &str, bits: u64| {
            let length = line.random.skewed(bits) as usize;
            File { path: path.into(), data: line.random.bytes(length).into() }
        };
        match self.kind {
            Kind::Vanishing => line.vanish(),
            Kind::WrongOutput => {
                line.say(&Command::Output { uuid: other, line: "line".into(), timestamp: None })
            }
            Kind::WrongResult => line.send(&finished(other, Vec::new())),
            Kind::TwoResults => {
                let result = finished(uuid, vec![artifact(line, "a", 10)]);
                line.send(&result);
                line.send(&result);
            }
            Kind::HalfResult(end) => {
                let result = finished(uuid, vec![artifact(line, "a", 13), artifact(line, "b", 8)]);
                let sent = line.random.index(result.len());
                line.send(&result[..sent]);
                if let Some(end) = end {
                    line.leave(end);
                }
            }
            Kind::LyingResult => {
                let mut result = finished(uuid, vec![artifact(line, "a", 10)]);
                let at = 8 + line.random.index(result.len().min(60) - 8);
                result[at] = result[at].wrapping_add(1);
                line.send(&result);
            }
            Kind::NamelessArtifact => {
                let path = *line.random.pick(&["", "a\0b"]);
                let result = finished(uuid, vec![artifact(line, path, 5)]);
                line.send(&result);
            }
            Kind::TooManyArtifacts => {
                let limit = line.environment.plan.settings.artifact_bytes as usize;
                let result = finished(uuid, vec![File { path: "a".into(), data: vec![7; limit].into() }]);
                line.send(&result);
            }
            Kind::TooMuchConsole => {
                let mut bytes = Vec::new();
                let limit = line.environment.plan.settings.console_bytes as usize;
                while bytes.len() < 2 * limit {
                    append_output_frame(&mut bytes, uuid, &[b'x'; 1500], None);
                }
                line.send(&bytes);
            }
            Kind::GarbageAmidConsole => {
                let garbage = line.random.bytes(30);
                line.send(&frame::header(30));
                line.send(&garbage);
            }
            _ => {}
        }
    }
}

impl Peer for Rogue {
    fn connected(&mut self, line: &mut Line) {
        match self.kind {
            Kind::Silent => {}
            Kind::Garbage => {
                let length = line.random.skewed(8) as usize;
                let garbage = line.random.bytes(length);
                line.send(&garbage);
            }
            Kind::LongFrame => {
                let length = line.random.number() >> line.random.below(50);
                line.send(&frame::header(length));
                line.send(&[0xae]);
            }
            Kind::OldVersion => line.say(&Command::ClientHello { peer: PeerType::Worker, version: 3 }),
            _ => line.say_hello(PeerType::Worker),
        }
        // Whatever comes of it, it does not stay for ever.
        let patience = line.random.between(1, 300);
        line.wake_after(Duration::from_secs(patience));
    }

    fn received(&mut self, line: &mut Line, bytes: &[u8]) {
        for message in self.messages(bytes) {
            match message {
                Command::ServerHello if self.kind == Kind::Impostor => {
                    line.say(&Command::DropPlatform(self.platform.clone()));
                }
                Command::ServerHello if self.stage == Stage::Greeting => {
                    self.stage = Stage::Waiting;
                    line.say(&Command::JobRequested(self.platform.clone()));
                }
                Command::JobSchedule { uuid, .. } if self.stage == Stage::Waiting => self.run(line, uuid),
                _ => {}
            }
        }
    }

    fn ended(&mut self, line: &mut Line, _end: End) {
        line.leave(End::Closed);
    }

    fn woken(&mut self, line: &mut Line) {
        line.leave(End::Reset);
    }
}
