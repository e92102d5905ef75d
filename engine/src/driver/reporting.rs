//! Metrics as part of the turn: when the [file](super::metrics_file) wants a page, it is put together and handed to a thread.

use super::files::{FileName, Files};
use super::platform::Platform;
use super::tasks::Task;
use super::turn::Driver;
use crate::metrics::{Figures, Single};
use std::io;

impl<P: Platform> Driver<P> {
    /// Has the metrics written when it is time.
    pub(super) fn report(&mut self) {
        let now = self.platform.now();
        if !self.metrics.as_ref().is_some_and(|metrics| metrics.is_due(now.monotonic)) {
            return;
        }
        let platforms = self.server.platform_figures(now);
        let mut singles = self.server.single_figures();
        singles.extend(self.single_figures());
        let Some(metrics) = &mut self.metrics else { return };
        let figures = Figures { tally: metrics.tally.clone(), platforms, singles };
        metrics.tally.keep(|platform| figures.platforms.contains_key(platform));
        metrics.begin(now.monotonic);
        self.platform.submit(Task::report(figures));
    }

    /// A page was written, or could not be.
    pub(super) fn on_reported(&mut self, outcome: io::Result<()>) {
        if let Some(metrics) = &mut self.metrics {
            metrics.written(outcome, &self.files.describe(FileName::Metrics));
        }
    }

    /// What the driver knows itself.
    fn single_figures(&self) -> Vec<Single> {
        let Some(metrics) = &self.metrics else { return Vec::new() };
        let (connections, limit, accepted) = self.connections.figures();
        let reserve = if self.log.reserve_available() { self.limits.rotation.reserve_bytes } else { 0 };
        let (builds, waiting, bytes) = self.history.figures();
        let free = metrics.free.map(|free| {
            Single::gauge(
                "builder_disk_free_bytes",
                "Free bytes in the file system of the data directory, without the reserve.",
                free,
            )
        });
        let others = [
            Single::start_time(metrics.started()),
            Single::count("builder_connections", "Peers that are connected.", connections),
            Single::count("builder_connections_max", "How many may be connected at once.", limit),
            Single::counter(
                "builder_connections_accepted_total",
                "Connections that were accepted.",
                accepted,
            ),
            Single::log_bytes(self.log.length()),
            Single::gauge(
                "builder_disk_reserve_bytes",
                "Bytes that are held back on the disk for when it is full; 0 when they are used up.",
                reserve,
            ),
            Single::count("builder_history_builds", "Builds that the history knows.", builds),
            Single::count(
                "builder_history_waiting",
                "Builds and removals that the log holds for the file of the history.",
                waiting,
            ),
            Single::gauge("builder_history_bytes", "Bytes of the file of the history.", bytes),
        ];
        others.into_iter().chain(free).collect()
    }
}
