//! What the server says of itself: its platforms, and what waits there for what reason. In order and from any place on, as nobody
//! is told everything at once.

use crate::Now;
use crate::server::Server;
use crate::server::dispatcher::Circumstances;
use crate::server::schedule::Item;
use builder_proto::overview::{PlatformStatus, QueueStatus, Reason, UploadsStatus};
use builder_proto::text::Text;
use builder_proto::time::Time;
use core::ops::Bound;
use std::collections::{BTreeMap, BTreeSet};

/// The server at one moment.
pub(crate) struct View<'a> {
    server: &'a Server,
    now: Now,
    /// How many builds run on each platform.
    busy: BTreeMap<&'a Text, usize>,
    under_way: usize,
}

/// The place of a job in its queue: the platform, and a position that stays the same.
pub(crate) type QueuePlace = (Text, i64);

impl Server {
    /// Why a job waits in the queue of a platform; none when it does not wait there.
    pub fn reason(&self, now: Now, platform: &Text, job: &Text) -> Option<Reason> {
        let job = self.state().queues.get(platform)?.get(job)?;
        let has_template = self.templates.contains_key(platform);
        Some(View::new(self, now).circumstances(platform).reason(job, has_template))
    }
}

impl<'a> View<'a> {
    /// Looks at every build that runs.
    pub(crate) fn new(server: &'a Server, now: Now) -> View<'a> {
        let mut busy = BTreeMap::new();
        for build in server.state().running.values() {
            *busy.entry(&build.platform).or_default() += 1;
        }
        View { server, now, busy, under_way: server.builds.under_way(server.state()) }
    }

    /// When the server was started.
    pub(crate) fn started(&self) -> Time {
        self.server.started
    }

    /// How many builds are under way, and how many may be.
    pub(crate) fn builds(&self) -> (usize, usize) {
        (self.under_way, self.server.dispatcher.limit())
    }

    /// Whether the disk has no room for another build.
    pub(crate) fn is_full(&self) -> bool {
        !self.server.journal.has_room(0)
    }

    /// Whether somebody wants no jobs handed out anywhere.
    pub(crate) fn is_draining(&self) -> bool {
        self.server.state().pauses.is_draining()
    }

    /// What waits to be uploaded.
    pub(crate) fn uploads(&self) -> Option<UploadsStatus> {
        self.server.uploads.status(self.server.state())
    }

    /// Of how many builds a program is still to be told; none when there is nothing to tell.
    pub(crate) fn notices(&self) -> Option<u64> {
        Some(self.server.state().waiting_notices() as u64).filter(|waiting| *waiting > 0)
    }

    /// The platforms behind that one, or all: those that have a queue or workers, and those that were dropped.
    pub(crate) fn platforms(&self, last: Option<&Text>) -> impl Iterator<Item = PlatformStatus> {
        let state = self.server.state();
        let queues = state.queues.keys().chain(&state.dropped);
        let waiting = self.server.dispatcher.waiting().map(|(platform, _)| platform);
        let workers = self.busy.keys().copied().chain(waiting);
        let is_behind = |name: &&Text| last.is_none_or(|last| *name > last);
        let names: BTreeSet<&Text> = queues.chain(workers).filter(is_behind).collect();
        names.into_iter().map(move |platform| {
            let circumstances = self.circumstances(platform);
            PlatformStatus {
                platform: platform.clone(),
                idle: circumstances.idle as u64,
                busy: circumstances.busy as u64,
                queued: state.queues.get(platform).map_or(0, |queue| queue.len() as u64),
                has_template: self.server.templates.contains_key(platform),
                is_dropped: state.dropped.contains(platform),
                is_paused: circumstances.is_paused,
                pace: circumstances.pace,
            }
        })
    }

    /// The jobs that wait behind that place, or all.
    pub(crate) fn queued<'b>(
        &'b self,
        last: Option<&'b QueuePlace>,
    ) -> impl Iterator<Item = (QueuePlace, QueueStatus)> + 'b {
        let state = self.server.state();
        let first = last.map_or(Bound::Unbounded, |(platform, _)| Bound::Included(platform));
        let queues = state.queues.range::<Text, _>((first, Bound::Unbounded));
        queues.flat_map(move |(platform, queue)| {
            let position = last.filter(|(last, _)| last == platform).map(|(_, position)| *position);
            let circumstances = self.circumstances(platform);
            let has_template = self.server.templates.contains_key(platform);
            queue.behind(position).map(move |(position, job, since)| {
                let status = QueueStatus {
                    platform: platform.clone(),
                    job: job.name().clone(),
                    reason: circumstances.reason(job, has_template),
                    losses: u64::from(state.losses(job.name(), platform)),
                    since,
                };
                ((platform.clone(), position), status)
            })
        })
    }

    /// The job of that name, if there is one, and those with later names.
    pub(crate) fn jobs(&self, from: &Text) -> impl Iterator<Item = &'a Item> {
        self.server.state().schedule.from(from)
    }

    /// Whether a platform has a queue.
    pub(crate) fn has_queue(&self, platform: &Text) -> bool {
        self.server.state().queues.contains_key(platform)
    }

    fn circumstances(&self, platform: &Text) -> Circumstances {
        let busy = self.busy.get(platform).copied().unwrap_or(0);
        let journal = &self.server.journal;
        self.server.dispatcher.circumstances(self.now, platform, self.under_way, busy, journal)
    }
}
