//! A line on the terminal while artifacts are written.

use crate::terminal::StatusLine;
use crate::wording::Size;
use builder_proto::text::Text;
use std::time::{Duration, Instant};

/// Time between two changes of the line; also the time before it appears, as what is quick needs none.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much of how much is written. Gone from the terminal when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    line: StatusLine,
    written: u64,
    total: u64,
    next_change: Instant,
}

impl Progress {
    /// Begins with none of `total` bytes, shown if stderr is a terminal and `quiet` does not forbid it.
    pub(super) fn new(total: u64, quiet: bool) -> Progress {
        Progress { line: StatusLine::new(quiet), written: 0, total, next_change: Instant::now() + INTERVAL }
    }

    /// More bytes of the artifact at `path` are written.
    pub(super) fn advance(&mut self, path: &Text, bytes: u64) {
        self.written += bytes;
        if self.line.is_enabled() && Instant::now() >= self.next_change {
            self.next_change = Instant::now() + INTERVAL;
            let (written, total) = (Size(self.written), Size(self.total));
            let percent = u128::from(self.written) * 100 / u128::from(self.total).max(1);
            self.line.show(format_args!("{percent}%, {written} of {total}: writing {path}"));
        }
    }

    /// Removes the line, so that something else can be printed.
    pub(super) fn clear(&mut self) {
        self.line.clear();
    }
}
