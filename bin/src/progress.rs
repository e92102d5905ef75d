//! How far it is with many bytes, on a terminal.

use crate::terminal::StatusLine;
use crate::wording::Size;
use builder_proto::text::Text;
use std::time::{Duration, Instant};

/// Time between two changes of the line; also the time before it appears, as what is quick needs none.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much of how much is written. Gone from the terminal when dropped.
#[derive(Debug)]
pub(crate) struct Progress {
    line: StatusLine,
    written: u64,
    total: u64,
    /// Those of the written that were there before.
    found: u64,
    started: Instant,
    next_change: Instant,
}

impl Progress {
    /// Begins with none of `total` bytes, shown if stderr is a terminal and `quiet` does not forbid it. A total of 0 is
    /// unknown.
    pub(crate) fn new(total: u64, quiet: bool) -> Progress {
        let started = Instant::now();
        let line = StatusLine::new(quiet);
        Progress { line, written: 0, total, found: 0, started, next_change: started + INTERVAL }
    }

    /// So many bytes need not be written, as they are there.
    pub(crate) fn find(&mut self, bytes: u64) {
        self.written += bytes;
        self.found += bytes;
    }

    /// More bytes of the artifact at `path` are written.
    pub(crate) fn advance(&mut self, path: &Text, bytes: u64) {
        self.written += bytes;
        let now = Instant::now();
        if !self.line.is_enabled() || now < self.next_change {
            return;
        }
        self.next_change = now + INTERVAL;
        let (written, total) = (Size(self.written), Size(self.total));
        let milliseconds = now.duration_since(self.started).as_millis().max(1);
        let rate = u128::from(self.written - self.found) * 1000 / milliseconds;
        let rate = Size(u64::try_from(rate).unwrap_or(u64::MAX));
        if self.total == 0 {
            self.line.show(format_args!("{written}, {rate}/s: writing {path}"));
        } else {
            let percent = u128::from(self.written) * 100 / u128::from(self.total);
            self.line.show(format_args!("{percent}%, {written} of {total}, {rate}/s: writing {path}"));
        }
    }

    /// Removes the line, so that something else can be printed.
    pub(crate) fn clear(&mut self) {
        self.line.clear();
    }
}
