//! One connection: which conversation it is in, and what it may send next.

use crate::limits::{COMMAND_FRAME_BYTES, HELLO_FRAME_BYTES, LOOK_FRAME_BYTES, REQUEST_FRAME_BYTES};
use crate::server::peer::Role;
use crate::server::sessions::info_item::InfoItem;
use builder_proto::Uuid;
use builder_proto::command::{InfoStream, Kind, Sender};
use builder_proto::finished::{FINISHED_TAG, FinishedWalker};
use builder_proto::frame::FrameDecoder;
use builder_proto::text::Text;

/// Where a connection is in its conversation.
#[derive(Debug)]
pub(crate) enum Phase {
    /// Nothing was said yet.
    Hello,
    /// A client that has not given its command.
    Client {
        /// What it said: what it knows of the protocol.
        version: i64,
    },
    /// A worker that has not named its platform.
    Worker,
    /// A worker that waits for a job of the platform; `turn` is its place among all that wait.
    Waiting { platform: Text, turn: u64 },
    /// A worker that runs a build.
    Building(Uuid),
    /// A worker that sends its result.
    Finishing(Uuid, Box<FinishedWalker>),
    /// A worker whose result is being stored.
    Storing,
    /// A client whose answer would be one too many of those that are on their way.
    Uninformed,
    /// A client that is being sent a long answer.
    Informing(Box<InfoStream<InfoItem>>),
    /// A client that follows a build.
    Observing,
    /// A client that waits until nothing runs.
    Draining,
    /// All has been said; the peer is to close.
    Closing,
}

#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) role: Role,
    pub(crate) phase: Phase,
    pub(crate) decoder: FrameDecoder,
}

impl Connection {
    pub(crate) fn new(role: Role) -> Connection {
        let mut decoder = FrameDecoder::new(HELLO_FRAME_BYTES);
        // A result is never held, and its walker knows the limits that count.
        decoder.set_streamed_limit(u64::MAX);
        Connection { role, phase: Phase::Hello, decoder }
    }

    pub(crate) fn enter(&mut self, phase: Phase) {
        self.decoder.set_limit(phase.frame_limit(self.role));
        self.decoder.set_streamed_tag(matches!(phase, Phase::Building(_)).then_some(FINISHED_TAG));
        if matches!(phase, Phase::Closing) {
            // Nothing of what still comes is looked at.
            self.decoder = FrameDecoder::new(HELLO_FRAME_BYTES);
        }
        self.phase = phase;
    }
}

impl Phase {
    /// Bytes of the longest frame that is collected before it is looked at. Whoever waits or watches has nothing to say
    /// and gets no room for it, as there may be many of them.
    fn frame_limit(&self, role: Role) -> u64 {
        match self {
            Phase::Client { .. } if role == Role::Viewers => LOOK_FRAME_BYTES,
            Phase::Client { .. } | Phase::Building(_) => COMMAND_FRAME_BYTES,
            Phase::Worker => REQUEST_FRAME_BYTES,
            Phase::Hello
            | Phase::Waiting { .. }
            | Phase::Finishing(..)
            | Phase::Storing
            | Phase::Uninformed
            | Phase::Informing(_)
            | Phase::Observing
            | Phase::Draining
            | Phase::Closing => HELLO_FRAME_BYTES,
        }
    }

    /// Whether the peer may send this message now. What it may not is not even decoded.
    pub(crate) fn expects(&self, kind: Kind) -> bool {
        match kind.sender() {
            Sender::Peer => matches!(self, Phase::Hello),
            Sender::ClientLooks | Sender::ClientChanges => {
                matches!(self, Phase::Client { version } if kind.client_version() <= *version)
            }
            // A jobFinished is streamed, so it never comes here.
            Sender::Worker | Sender::WorkerAndServer => matches!(
                (self, kind),
                (Phase::Worker, Kind::JobRequested) | (Phase::Building(_), Kind::Output)
            ),
            Sender::Server => false,
        }
    }

    /// What the peer may send now, for the sentence "expected …".
    pub(crate) fn expectation(&self) -> &'static str {
        match self {
            Phase::Hello => "clientHello",
            Phase::Client { .. } => "a command of a client",
            Phase::Worker => "jobRequested",
            Phase::Building(_) => "output or jobFinished",
            Phase::Waiting { .. }
            | Phase::Finishing(..)
            | Phase::Storing
            | Phase::Uninformed
            | Phase::Informing(_)
            | Phase::Observing
            | Phase::Draining
            | Phase::Closing => "nothing more",
        }
    }
}

/// The refusal of a message that has no place in the conversation.
pub(crate) fn unexpected(name: &str, phase: &Phase) -> String {
    format!("unexpected {name}; expected {}", phase.expectation())
}
