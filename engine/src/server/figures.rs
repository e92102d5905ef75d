//! What the metrics say of the server at one moment.

use crate::Now;
use crate::metrics::{PlatformFigures, Single};
use crate::server::Server;
use builder_proto::text::Text;
use std::collections::BTreeMap;

impl Server {
    /// What is so on each platform that has a queue, or builds that run. This looks at every job that is queued.
    pub(crate) fn platform_figures(&self, now: Now) -> BTreeMap<Text, PlatformFigures> {
        let state = self.state();
        let of_queue = |(platform, queue): (&Text, &super::queue::Queue)| {
            let oldest = queue.oldest().map_or_else(Default::default, |since| now.wall.duration_since(since));
            let (queued, is_paused) = (queue.len(), state.pauses.is_paused(platform));
            let figures = PlatformFigures { queued, oldest, is_paused, ..PlatformFigures::default() };
            (platform.clone(), figures)
        };
        let mut figures: BTreeMap<Text, PlatformFigures> = state.queues.iter().map(of_queue).collect();
        for build in state.running.values() {
            figures.entry(build.platform.clone()).or_default().running += 1;
        }
        for (platform, workers) in self.dispatcher.waiting() {
            if let Some(figures) = figures.get_mut(platform) {
                figures.waiting = workers;
            }
        }
        figures
    }

    /// What has no platform.
    pub(crate) fn single_figures(&self) -> Vec<Single> {
        let state = self.state();
        let strays = self.dispatcher.waiting().filter(|(platform, _)| !state.queues.contains_key(*platform));
        vec![
            Single::jobs_scheduled(state.schedule.len()),
            Single::draining(state.pauses.is_draining()),
            Single::count(
                "builder_workers_without_queue",
                "Workers that wait for a platform that has no queue: it was dropped, or there are too many.",
                strays.map(|(_, workers)| workers).sum(),
            ),
            Single::count(
                "builder_results_unstored",
                "Builds that have ended without a result of their worker, and of which nothing is stored so far.",
                state.aborted.len(),
            ),
            Single::uploads_waiting(state.waiting_uploads() as u64),
            Single::notices_waiting(state.waiting_notices() as u64),
        ]
    }
}
