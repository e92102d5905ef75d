//! What is sent of a stored result, and a line on the terminal while that takes its time.

use crate::result_file::ResultFile;
use crate::terminal::StatusLine;
use crate::wording::Span;
use builder_engine::server::UploadFilter;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::{Excerpt, ReadAt, ReadError, StoredExecution};
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The body of an upload.
#[derive(Debug)]
pub(super) struct Body {
    pub(super) bytes: Vec<u8>,
    /// None when everything is sent.
    pub(super) held_back: Option<HeldBack>,
}

/// Artifacts that are not sent, and the result that is the reason.
#[derive(Debug)]
pub(super) struct HeldBack {
    pub(super) count: u64,
    pub(super) result: BuildResult,
}

/// Why a file is not sent.
#[derive(Debug)]
pub(super) enum BodyError {
    Open(io::Error),
    Read(ReadError<io::Error>),
}

impl Body {
    /// Reads a file, but for what the filter holds back.
    ///
    /// What is no stored result at all is read as it is: no server takes it for one. What begins like one and is damaged may
    /// hold anything, and so it is not sent.
    pub(super) fn read(path: &Path, filter: UploadFilter) -> Result<Body, BodyError> {
        let file = ResultFile::open(path).map_err(BodyError::Open)?;
        let mut first = [0];
        let count = file.read_at(0, &mut first).map_err(BodyError::Open)?;
        if !StoredExecution::begins(first.get(..count).unwrap_or_default()) {
            return Ok(Body { bytes: std::fs::read(path).map_err(BodyError::Open)?, held_back: None });
        }
        let stored = StoredExecution::open(&file, file.length())?;
        let excerpt = Excerpt::new(&file, &stored, |path| filter.lets_through(&stored.result, path))?;
        let mut bytes = Vec::with_capacity(usize::try_from(excerpt.length).unwrap_or_default());
        excerpt.read::<_, ReadError<io::Error>>(&file, |block| {
            bytes.extend_from_slice(block);
            Ok(())
        })?;
        let count = excerpt.left_out;
        let held_back = (count > 0).then_some(HeldBack { count, result: stored.result });
        Ok(Body { bytes, held_back })
    }
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::Open(error) => write!(f, "cannot read it: {error}"),
            BodyError::Read(error) => write!(f, "it {error}"),
        }
    }
}

impl std::error::Error for BodyError {}

impl From<ReadError<io::Error>> for BodyError {
    fn from(error: ReadError<io::Error>) -> BodyError {
        BodyError::Read(error)
    }
}

/// Time between two changes of the line; also the time before it appears, as what is quick needs none.
const INTERVAL: Duration = Duration::from_secs(1);

/// The line; gone when dropped. How much is sent cannot be told, since the library that sends does not.
#[derive(Debug)]
pub(super) struct Progress {
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Begins to show how long `what` has taken, if stderr is a terminal and `quiet` does not forbid it.
    pub(super) fn start(what: String, quiet: bool) -> Progress {
        let mut line = StatusLine::new(quiet);
        if !line.is_enabled() {
            return Progress { thread: None };
        }
        let (stop, stopped) = mpsc::channel();
        let show = move || {
            let start = Instant::now();
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                line.show(format_args!("{what}: {}", Span(start.elapsed())));
            }
        };
        let thread = thread::Builder::new().spawn(show).ok().map(|thread| (stop, thread));
        Progress { thread }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.thread.take() {
            drop(stop);
            // It has nothing to report, and without the line all goes on as well.
            let _ = thread.join();
        }
    }
}
