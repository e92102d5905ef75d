//! The way down: what a server does between being told to stop and its end.

use super::metrics_file::MetricsFile;
use super::platform::Platform;
use super::reasons::StopReason;
use super::tasks::Done;
use super::turn::{Driver, Next, Wish};
use core::time::Duration;

/// Time that results have to get into their files when the server is to stop. The log holds them anyway.
const STOP_TIME: Duration = Duration::from_millis(300);

impl<P: Platform> Driver<P> {
    /// Accepts nobody any more, and makes durable what is under way.
    pub(super) fn begin_to_stop(&mut self) -> Result<Next, StopReason> {
        self.platform.stop_listening();
        self.log.commit().map_err(StopReason::Log)?;
        self.release()?;
        let until = self.platform.now().monotonic.saturating_add(STOP_TIME);
        self.wish = Some(Wish::Stopping(until));
        if let Some(metrics) = &mut self.metrics {
            metrics.end();
        }
        self.go_on_stopping(until)
    }

    /// Waits a moment for files of results, so that nobody has to learn from the next server what is already certain, and for the
    /// last page of metrics. Nothing else is looked at any more.
    pub(super) fn go_on_stopping(&mut self, until: Duration) -> Result<Next, StopReason> {
        while let Some(done) = self.outcomes.pop_front() {
            match done {
                Done::Written { batch, outcomes } => self.on_written(batch, outcomes)?,
                Done::Reported(outcome) => self.on_reported(outcome),
                _ => {}
            }
        }
        self.report();
        // Whoever cannot be sent anything any more needs nothing else either.
        let _ = self.connections.flush(&mut self.platform);
        let is_done = self.release_queue.is_empty() && self.metrics.as_ref().is_none_or(MetricsFile::is_over);
        let is_over = is_done || self.platform.now().monotonic >= until;
        Ok(if is_over { Next::Over } else { Next::Turn(Some(until)) })
    }
}
