//! Why the server does not start, or stops.

use crate::log::{OpenError, WriteError};
use core::fmt;
use std::io;

/// Why the server stops by itself. Nothing was answered that is not durable; the next start goes on from there.
#[derive(Debug)]
pub enum StopReason {
    /// The log takes no more.
    Log(WriteError),
    /// Results could not be synced.
    Results(io::Error),
    /// The history could not be synced.
    History(io::Error),
    /// A record has no encoding.
    Encoding(String),
    /// The state contradicts itself.
    Contradiction(String),
    /// There is no randomness for a new log.
    Randomness(io::Error),
}

/// Why the server does not start.
#[derive(Debug)]
pub enum StartError {
    /// The log cannot be opened.
    Log(OpenError),
    /// Something was not possible with a file or a directory.
    File {
        /// What, as a verb.
        what: &'static str,
        /// The path.
        path: String,
        /// Why not.
        error: io::Error,
    },
    /// The state file of builder 0.4.0 cannot be understood.
    State {
        /// The path.
        path: String,
        /// What is wrong with it.
        problem: String,
    },
    /// An address is not to be had. The error is a whole message.
    Listen(io::Error),
    /// It could not complete its first turn.
    Stopped(StopReason),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Log(error) => write!(f, "{error}"),
            StopReason::Results(error) => {
                write!(
                    f,
                    "results could not be synced: {error}; check the disk, then start again: nothing that was answered \
                     is lost"
                )
            }
            StopReason::History(error) => {
                write!(
                    f,
                    "the history could not be synced: {error}; check the disk, then start again: the log has what it \
                     is to say"
                )
            }
            StopReason::Encoding(error) => write!(f, "a record cannot be encoded: {error}"),
            StopReason::Contradiction(problem) => {
                write!(f, "the state contradicts itself: {problem}; please report this, then start again")
            }
            StopReason::Randomness(error) => write!(f, "no randomness for a new log: {error}"),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Log(error) => write!(f, "{error}"),
            StartError::File { what, path, error } => write!(f, "cannot {what} {path}: {error}"),
            StartError::State { path, problem } => write!(
                f,
                "{path} is not a state file of builder 0.4.0: {problem}; move it away to start with an empty schedule"
            ),
            StartError::Listen(error) => write!(f, "{error}"),
            StartError::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

impl core::error::Error for StopReason {}

impl core::error::Error for StartError {}

impl From<StopReason> for StartError {
    fn from(reason: StopReason) -> StartError {
        StartError::Stopped(reason)
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> StartError {
        StartError::Log(error)
    }
}
