//! Why the server does not start, or stops.

use crate::directory::DirectoryError;
use crate::server::uploader::UploaderError;
use builder_engine::log::{OpenError, WriteError};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the server stops by itself. Nothing was answered that is not durable; the next start goes on from there.
#[derive(Debug)]
pub(crate) enum StopReason {
    /// The system does not deliver events.
    Poll(io::Error),
    /// The log takes no more.
    Log(WriteError),
    /// Results could not be synced.
    Results(io::Error),
    /// A record has no encoding.
    Encoding(String),
    /// The state contradicts itself.
    Contradiction(String),
    /// There is no randomness for a new log.
    Randomness(getrandom::Error),
}

/// Why the server does not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The data directory is missing, in use, or not ours.
    Directory(DirectoryError),
    /// The log cannot be opened.
    Log(OpenError),
    /// Something was not possible with a file or a directory.
    File { what: &'static str, path: PathBuf, error: io::Error },
    /// The state file of builder 0.4.0 cannot be understood.
    State { path: PathBuf, problem: String },
    /// The address is not to be had.
    Listen { address: String, error: io::Error },
    /// Uploads lack something.
    Upload(UploaderError),
    /// The system lacks something that every server needs.
    System { what: &'static str, error: io::Error },
    /// So few files may be open at once that nobody could be served.
    Descriptors { limit: u64, fewest: u64 },
    /// It started, and stopped by itself.
    Stopped(StopReason),
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StopReason::Poll(error) => write!(f, "cannot wait for events: {error}"),
            StopReason::Log(error) => write!(f, "{error}"),
            StopReason::Results(error) => {
                write!(
                    f,
                    "results could not be synced: {error}; check the disk, then start again: nothing that was answered \
                     is lost"
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
            StartError::Directory(error) => write!(f, "{error}"),
            StartError::Log(error) => write!(f, "{error}"),
            StartError::File { what, path, error } => write!(f, "cannot {what} {}: {error}", path.display()),
            StartError::State { path, problem } => write!(
                f,
                "{} is not a state file of builder 0.4.0: {problem}; move it away to start with an empty schedule",
                path.display()
            ),
            StartError::Listen { address, error } if error.kind() == io::ErrorKind::AddrInUse => {
                write!(
                    f,
                    "cannot listen on {address}: {error}; stop the other program, or choose another --port"
                )
            }
            StartError::Listen { address, error } => {
                write!(f, "cannot listen on {address}: {error}; choose another --ip or --port")
            }
            StartError::Upload(error) => write!(f, "{error}"),
            StartError::System { what, error } => write!(f, "cannot {what}: {error}"),
            StartError::Descriptors { limit, fewest } => write!(
                f,
                "at most {limit} files may be open at once, and a server needs at least {fewest}; raise the limit: \
                 ulimit -n 1024 in a shell, LimitNOFILE= in a unit of systemd, openfiles in login.conf(5)"
            ),
            StartError::Stopped(reason) => write!(f, "stopped: {reason}"),
        }
    }
}

impl From<StopReason> for StartError {
    fn from(reason: StopReason) -> StartError {
        StartError::Stopped(reason)
    }
}

impl From<UploaderError> for StartError {
    fn from(error: UploaderError) -> StartError {
        StartError::Upload(error)
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> StartError {
        StartError::Log(error)
    }
}

impl From<DirectoryError> for StartError {
    fn from(error: DirectoryError) -> StartError {
        StartError::Directory(error)
    }
}

/// Names what was tried with a path, for [`Result::map_err`].
pub(crate) fn file_error(what: &'static str, path: PathBuf) -> impl FnOnce(io::Error) -> StartError {
    move |error| StartError::File { what, path, error }
}
