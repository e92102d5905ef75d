//! A line on the terminal while an upload takes its time.

use crate::terminal::StatusLine;
use crate::wording::Span;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

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
