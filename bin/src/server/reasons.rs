//! Why the server does not start, or stops.

use crate::directory::DirectoryError;
use crate::server::notifier::ProgramError;
use crate::server::uploader::UploaderError;
use builder_engine::driver;
use builder_engine::log::OpenError;
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why the server stops by itself.
#[derive(Debug)]
pub(crate) enum StopReason {
    /// The system does not deliver events.
    Poll(io::Error),
    /// The driver says so.
    Driver(driver::StopReason),
}

/// Why the server does not start.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The data directory is missing, in use, or not ours.
    Directory(DirectoryError),
    /// What is in the data directory cannot be used as it is, or there is nothing to listen on.
    Driver(driver::StartError),
    /// Something was not possible with a file or a directory.
    File { what: &'static str, path: PathBuf, error: io::Error },
    /// The state cannot be written for builder 0.4.0.
    Export { path: PathBuf, problem: String },
    /// Uploads lack something.
    Upload(UploaderError),
    /// The program that is to be told of builds cannot be run.
    OnFinish(ProgramError),
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
            StopReason::Driver(reason) => write!(f, "{reason}"),
        }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Directory(error) => write!(f, "{error}"),
            StartError::Driver(error) => write!(f, "{error}"),
            StartError::File { what, path, error } => write!(f, "cannot {what} {}: {error}", path.display()),
            StartError::Export { path, problem } => {
                write!(f, "the state cannot be written to {}: {problem}", path.display())
            }
            StartError::Upload(error) => write!(f, "{error}"),
            StartError::OnFinish(error) => write!(f, "{error}"),
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

impl From<driver::StartError> for StartError {
    fn from(error: driver::StartError) -> StartError {
        StartError::Driver(error)
    }
}

impl From<UploaderError> for StartError {
    fn from(error: UploaderError) -> StartError {
        StartError::Upload(error)
    }
}

impl From<OpenError> for StartError {
    fn from(error: OpenError) -> StartError {
        StartError::Driver(driver::StartError::Log(error))
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
