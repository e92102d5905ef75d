//! What the driver tells the server.

use crate::manifest::Manifest;
use crate::server::notices::NoticeOutcome;
use crate::server::peer::{ConnectionId, Origin, Role};
use crate::server::record::Contents;
use crate::server::settings::Templates;
use crate::server::uploads::UploadOutcome;
use builder_proto::Uuid;

/// What happened outside.
#[derive(Debug)]
pub enum Input<'a> {
    /// A peer connected to a listener of that role.
    Connected {
        /// A new number.
        connection: ConnectionId,
        /// Who may speak there.
        role: Role,
        /// Where it comes from.
        origin: Origin,
    },
    /// Bytes arrived.
    Received {
        /// From whom.
        connection: ConnectionId,
        /// What; [`Immediate::AppendArtifacts`](crate::server::Immediate::AppendArtifacts) refers to it.
        bytes: &'a [u8],
    },
    /// A connection is gone, in whichever way.
    Closed {
        /// Which.
        connection: ConnectionId,
        /// How, for people.
        reason: &'a str,
    },
    /// An observer has been sent everything, the closing messages included.
    ObserverDone {
        /// Which.
        connection: ConnectionId,
    },
    /// An observer cannot be sent what it asked for: no stored result has the uuid, or it cannot be read.
    ObserverFailed {
        /// Which.
        connection: ConnectionId,
        /// Why; it is told so.
        error: &'a str,
    },
    /// What [`Deferred::SendPart`](crate::server::Deferred::SendPart) gave has been sent.
    PartSent {
        /// To whom.
        connection: ConnectionId,
    },
    /// All inputs of this turn are handed in, or a deadline has come.
    Tick,
    /// The templates were read again.
    Templates(Templates),
    /// The console of a build could not be written.
    SpoolFailed {
        /// Which build.
        uuid: Uuid,
        /// Why, for people.
        error: &'a str,
    },
    /// The artifacts of a complete result have been looked at.
    ResultDigested {
        /// Which build.
        uuid: Uuid,
        /// What they are.
        manifest: Manifest,
    },
    /// A result is complete: durable in its file, or handed in to become durable in the log.
    ResultStored {
        /// Which build.
        uuid: Uuid,
        /// The whole file, when the log is to make it durable.
        contents: Option<Contents>,
    },
    /// A result could not be written.
    ResultFailed {
        /// Which build.
        uuid: Uuid,
        /// Why, for people.
        error: &'a str,
    },
    /// Results that the log holds are durable in their files: those of these builds.
    ResultsWrittenBack(Vec<Uuid>),
    /// An upload is over.
    UploadEnded {
        /// Which build.
        uuid: Uuid,
        /// What became of it.
        outcome: UploadOutcome<'a>,
    },
    /// What kept uploads and notices from going on may be over: try everything again at once.
    Resume,
    /// A program was told of a build, or was to be told.
    NoticeEnded {
        /// Which build.
        uuid: Uuid,
        /// What became of it.
        outcome: NoticeOutcome<'a>,
    },
    /// The result of a build is removed.
    ResultRemoved {
        /// Which build.
        uuid: Uuid,
    },
    /// The result of a build is removed, as it is not kept any longer.
    ResultNotKept {
        /// Which build.
        uuid: Uuid,
    },
    /// The file of the history has what the log says of these builds.
    Remembered {
        /// The builds.
        uuids: Vec<Uuid>,
        /// Bytes of the file.
        length: u64,
    },
    /// Bytes that the log can still grow by. What is appended later is subtracted until the next such input.
    LogSpace(u64),
}
