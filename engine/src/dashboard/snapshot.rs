//! How all is: what the overview shows, as of one moment.

use builder_proto::Uuid;
use builder_proto::history::{Build, Cause};
use builder_proto::overview::{JobStatus, PlatformStatus, QueueStatus, ServerStatus};
use builder_proto::time::Time;
use core::time::Duration;

/// What the server says of itself, its platforms and its jobs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// When it said so.
    pub taken: Time,
    /// Another number for each that differs in something that people want to see.
    pub revision: u64,
    /// Why nothing later is known, if the server could not be asked again since. In words.
    pub trouble: Option<String>,
    /// The server itself.
    pub server: ServerStatus,
    /// By name.
    pub platforms: Vec<PlatformStatus>,
    /// In the order of each queue.
    pub queued: Vec<QueueStatus>,
    /// Who started last comes last.
    pub running: Vec<Build>,
    /// By name and platform.
    pub jobs: Vec<Job>,
}

/// A job of the schedule, on one platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What the server says of it.
    pub status: JobStatus,
    /// Its last builds there that have ended, those that started first first. At most [`RECENT`].
    pub recent: Vec<Recent>,
}

/// A build that has ended, in short.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recent {
    /// The build.
    pub uuid: Uuid,
    /// When a worker got it.
    pub started: Time,
    /// When its result was known.
    pub finished: Time,
    /// Why it ended.
    pub cause: Cause,
}

/// Builds of each job, on each platform, that a snapshot has.
pub const RECENT: usize = 20;

impl Snapshot {
    /// How long builds like this one usually take: those of its job on its platform.
    #[must_use]
    pub fn usual(&self, build: &Build) -> Option<Duration> {
        let is_like =
            |job: &&Job| job.status.job == build.job && job.status.platform.as_ref() == Some(&build.platform);
        let results = self.jobs.iter().find(is_like)?.status.results.as_ref()?;
        results.usual.map(Duration::from_millis)
    }

    /// A build of the job that runs where its status is about, as far as that is known.
    #[must_use]
    pub fn running_build(&self, status: &JobStatus) -> Option<&Build> {
        let is_meant = |build: &&Build| {
            build.job == status.job
                && status.platform.as_ref().is_none_or(|platform| *platform == build.platform)
        };
        self.running.iter().find(is_meant)
    }
}

impl Recent {
    /// What is kept of a build that has ended.
    #[must_use]
    pub fn of(build: &Build) -> Option<Recent> {
        let end = build.end.as_ref()?;
        let (started, finished) = (build.started, end.finished);
        Some(Recent { uuid: build.uuid(), started, finished, cause: end.cause.clone() })
    }
}
