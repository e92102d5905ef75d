//! What a walk leads to, and what it may not exceed.

use crate::Uuid;
use crate::build_result::BuildResult;
use crate::command::Kind;
use crate::header::context;
use crate::malformed::Malformed;
use core::fmt;

/// First byte of the payload of a `jobFinished` message.
pub const FINISHED_TAG: u8 = context(Kind::JobFinished.number());

/// What a worker may send with a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArtifactLimits {
    /// Bytes of all artifacts as they are stored, that is with their paths and headers.
    pub total_bytes: u64,
    /// Number of artifacts.
    pub files: u64,
    /// Bytes of one path.
    pub path_bytes: u64,
    /// Bytes of the message with which a worker says why a job did not run.
    pub message_bytes: u64,
}

/// What a message says before its artifacts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FinishedHead {
    /// The build.
    pub uuid: Uuid,
    /// How it ended.
    pub result: BuildResult,
    /// Bytes that are still to come: the artifacts as one DER value, its header included.
    pub data_length: u64,
}

/// What the bytes taken by one [push](super::FinishedWalker::push) led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishedEvent {
    /// All bytes were taken and more are needed.
    More,
    /// Everything before the artifacts is known. Comes once.
    Head(FinishedHead),
    /// The bytes belong to the artifacts: they are to be stored as they are.
    Data,
    /// The message is complete. No byte was taken.
    End,
}

/// Why a message is refused. The text goes to the worker and into the result of the build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FinishedError {
    /// The bytes are no `jobFinished` message.
    Malformed(Malformed),
    /// All artifacts together are longer than the limit.
    ArtifactsTooLong {
        /// Bytes of all artifacts as they would be stored.
        length: u64,
        /// [`ArtifactLimits::total_bytes`].
        limit: u64,
    },
    /// There are more artifacts than the limit.
    TooManyArtifacts {
        /// [`ArtifactLimits::files`].
        limit: u64,
    },
    /// A path is longer than the limit.
    PathTooLong {
        /// Bytes of the path.
        length: u64,
        /// [`ArtifactLimits::path_bytes`].
        limit: u64,
    },
    /// The message of the worker is longer than the limit.
    MessageTooLong {
        /// Bytes of the message; with its header, when it is refused before it arrives.
        length: u64,
        /// [`ArtifactLimits::message_bytes`].
        limit: u64,
    },
}

impl fmt::Display for FinishedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => write!(f, "the jobFinished message is malformed: {malformed}"),
            Self::ArtifactsTooLong { length, limit } => {
                write!(
                    f,
                    "the artifacts take {length} bytes; at most {limit} bytes of artifacts are stored for a build"
                )
            }
            Self::TooManyArtifacts { limit } => {
                write!(f, "there are too many artifacts; at most {limit} are stored for a build")
            }
            Self::PathTooLong { length, limit } => {
                write!(
                    f,
                    "the path of an artifact is {length} bytes long; at most {limit} bytes are accepted"
                )
            }
            Self::MessageTooLong { length, limit } => {
                write!(
                    f,
                    "the message of the result is {length} bytes long; at most {limit} bytes are accepted"
                )
            }
        }
    }
}

impl core::error::Error for FinishedError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Malformed(malformed) => Some(malformed),
            _ => None,
        }
    }
}

impl From<Malformed> for FinishedError {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}
