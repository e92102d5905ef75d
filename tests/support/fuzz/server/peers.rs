//! Who is connected, and what was said to them.

use builder_engine::limits::{COMMAND_FRAME_BYTES, HELLO_FRAME_BYTES, LOOK_FRAME_BYTES, REQUEST_FRAME_BYTES};
use builder_engine::server::Role;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::{Command, PeerType};
use builder_proto::finished::{FINISHED_TAG, FinishedWalker};
use builder_proto::frame::FrameDecoder;
use core::time::Duration;

/// Something that the server says or does to a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "few are held at a time")]
pub(super) enum Said {
    Message(Command),
    /// A `failure`, in whatever words.
    Refusal,
    /// From here on the lines of a build are sent.
    Follow(Uuid),
    /// From here on the lines of a stored result are sent.
    Replay(Uuid),
    Closed(Closed),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Closed {
    /// The server has nothing more to say.
    Finished,
    /// The connection is cut.
    Dropped,
}

/// How a conversation goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    GoesOn,
    /// Not further, and a build of this peer is lost.
    Refused,
    /// Not further, but a build of this peer has ended already.
    Told,
    /// Not further, as all has been said.
    Done,
}

/// Where a conversation is.
pub(super) enum Phase {
    Hello,
    /// Which version of the protocol it speaks.
    Client(i64),
    Worker,
    Waiting,
    Building(Uuid),
    Finishing {
        uuid: Uuid,
        walker: Box<FinishedWalker>,
        result: Option<BuildResult>,
    },
    Storing,
    Observing,
    Closing,
}

pub(super) struct Peer {
    role: Role,
    pub(super) phase: Phase,
    pub(super) decoder: FrameDecoder,
    pub(super) deadline: Option<Duration>,
}

impl Peer {
    pub(super) fn new(role: Role, deadline: Duration) -> Peer {
        let mut decoder = FrameDecoder::new(HELLO_FRAME_BYTES);
        decoder.set_streamed_limit(u64::MAX);
        Peer { role, phase: Phase::Hello, decoder, deadline: Some(deadline) }
    }

    pub(super) fn may_be(&self, kind: PeerType) -> bool {
        match self.role {
            Role::Any => true,
            Role::Workers => kind == PeerType::Worker,
            Role::Clients | Role::Viewers => kind == PeerType::Client,
        }
    }

    /// Whether what it asks for may change something.
    pub(super) fn may_change(&self) -> bool {
        self.role != Role::Viewers
    }

    pub(super) fn enter(&mut self, phase: Phase, deadline: Option<Duration>) {
        self.decoder.set_limit(match phase {
            Phase::Client(_) if self.role == Role::Viewers => LOOK_FRAME_BYTES,
            Phase::Client(_) | Phase::Building(_) => COMMAND_FRAME_BYTES,
            Phase::Worker => REQUEST_FRAME_BYTES,
            _ => HELLO_FRAME_BYTES,
        });
        self.decoder.set_streamed_tag(matches!(phase, Phase::Building(_)).then_some(FINISHED_TAG));
        self.phase = phase;
        self.deadline = deadline;
    }
}
