//! The file of metrics: when it is written, and how a page gets into it. What it says is decided in [`metrics`](crate::metrics).
//!
//! Whoever reads the file finds a whole page, as each is written beside the file and takes its place. Nothing is synced: after a
//! power failure, the next start writes another page anyway. A thread of its own does all that, so that a disk that is slow or full
//! holds nobody up.

use super::files::{FileName, Files, write_all};
use crate::Now;
use crate::limits::METRICS_INTERVAL;
use crate::metrics::{Figures, Tally};
use builder_proto::time::Time;
use core::time::Duration;
use std::io::{self, ErrorKind};

/// What is counted for the file, and when it is written next.
#[derive(Debug)]
pub(crate) struct MetricsFile {
    pub(super) tally: Tally,
    started: Time,
    /// Free bytes in the file system of the data directory, if that is known.
    pub(super) free: Option<u64>,
    /// When to begin to write, in monotonic time; none when it was written for the last time.
    next: Option<Duration>,
    is_writing: bool,
    /// Whether the server stops, and the next page is the last one.
    is_ending: bool,
    /// Whether the last attempt failed.
    has_failed: bool,
}

impl MetricsFile {
    /// The first page is written at once.
    pub(super) fn new(now: Now) -> MetricsFile {
        MetricsFile {
            tally: Tally::default(),
            started: now.wall,
            free: None,
            next: Some(Duration::ZERO),
            is_writing: false,
            is_ending: false,
            has_failed: false,
        }
    }

    /// When the server started.
    pub(super) fn started(&self) -> Time {
        self.started
    }

    /// When there is something to do without anything happening, in monotonic time.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        self.next.filter(|_| !self.is_writing)
    }

    pub(super) fn is_due(&self, now: Duration) -> bool {
        self.next_deadline().is_some_and(|at| at <= now)
    }

    /// A thread begins to write.
    pub(super) fn begin(&mut self, now: Duration) {
        self.is_writing = true;
        self.next = (!self.is_ending).then(|| now.saturating_add(METRICS_INTERVAL));
    }

    /// Another page is written as soon as possible, and then no more.
    pub(super) fn end(&mut self) {
        self.is_ending = true;
        self.next = Some(Duration::ZERO);
    }

    /// Whether the last page is written, or could not be.
    pub(super) fn is_over(&self) -> bool {
        self.next.is_none() && !self.is_writing
    }

    /// Takes note of what came of an attempt. Of those that fail in a row, only the first one is logged.
    pub(super) fn written(&mut self, outcome: io::Result<()>, path: &str) {
        self.is_writing = false;
        let had_failed = core::mem::replace(&mut self.has_failed, outcome.is_err());
        match outcome {
            Ok(()) if had_failed => ::log::info!("the metrics can be written to {path} again"),
            Err(error) if !had_failed => {
                let pause = METRICS_INTERVAL.as_secs();
                ::log::error!(
                    "cannot write the metrics to {path}: {error}; let the server create files in that directory; it tries again every {pause} seconds, and says when that has worked"
                );
            }
            _ => {}
        }
    }
}

/// A page on its way into the file.
#[derive(Debug)]
pub(super) struct Page<F: Files> {
    figures: Figures,
    step: Step<F>,
}

#[derive(Debug)]
enum Step<F: Files> {
    /// Of an attempt that was cut off, or has failed, something may be there.
    Clear,
    Create,
    Write(F::File),
    Replace,
}

impl<F: Files> Page<F> {
    pub(super) fn new(figures: Figures) -> Self {
        Page { figures, step: Step::Clear }
    }

    /// Takes the next step; gives what came of all, after the last.
    pub(super) fn step(&mut self, files: &F) -> Option<io::Result<()>> {
        match self.try_step(files) {
            Ok(Some(next)) => {
                self.step = next;
                None
            }
            Ok(None) => Some(Ok(())),
            Err(error) => {
                // What is there of it takes space. The next attempt begins with this, too.
                let _ = files.remove(FileName::MetricsDraft);
                Some(Err(error))
            }
        }
    }

    fn try_step(&self, files: &F) -> io::Result<Option<Step<F>>> {
        match &self.step {
            Step::Clear => match files.remove(FileName::MetricsDraft) {
                Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
                _ => Ok(Some(Step::Create)),
            },
            Step::Create => Ok(Some(Step::Write(files.create(FileName::MetricsDraft)?))),
            Step::Write(file) => {
                write_all(files, file, 0, self.figures.to_text().as_bytes())?;
                Ok(Some(Step::Replace))
            }
            Step::Replace => {
                files.rename(FileName::MetricsDraft, FileName::Metrics)?;
                Ok(None)
            }
        }
    }
}
