//! What an answer to `info` holds.

use builder_proto::Uuid;
use builder_proto::command::{InfoReply, QueueInfo, RunningInfo, UPLOADS};
use builder_proto::job::Job;
use builder_proto::text::Text;
use builder_proto::time::Time;

/// The build with this uuid, if it runs.
pub(super) fn find_running(reply: &InfoReply, uuid: Uuid) -> Option<&RunningInfo> {
    reply.running.iter().find(|build| build.uuid == uuid)
}

/// Where the results of this queue go, when it is not a queue of jobs; see [`UPLOADS`].
pub(super) fn upload_destination(queue: &QueueInfo) -> Option<&[u8]> {
    queue.platform.as_bytes().strip_prefix(UPLOADS.as_bytes())
}

/// The build whose result waits to be uploaded; see [`UPLOADS`].
pub(super) fn upload_uuid(job: &Job) -> &Text {
    match job {
        Job::Script(job) => &job.platform,
        Job::OrbBuild(job) => &job.opam_package,
    }
}

/// The queues of jobs.
pub(super) fn queues(reply: &InfoReply) -> impl Iterator<Item = &QueueInfo> {
    reply.queues.iter().filter(|queue| upload_destination(queue).is_none())
}

/// The platforms that have a queue.
pub(super) fn platforms(reply: &InfoReply) -> impl Iterator<Item = &Text> {
    queues(reply).map(|queue| &queue.platform)
}

/// The platforms on which this job waits, and behind how many others.
pub(super) fn queued<'a>(reply: &'a InfoReply, name: &'a Text) -> impl Iterator<Item = (&'a Text, usize)> {
    let position = move |queue: &QueueInfo| queue.jobs.iter().position(|job| job.name() == name);
    queues(reply).filter_map(move |queue| Some((&queue.platform, position(queue)?)))
}

/// The time without its milliseconds, which nobody reads.
pub(super) fn whole_seconds(time: Time) -> Time {
    let milliseconds = time.unix_milliseconds();
    Time::from_unix_milliseconds(milliseconds - milliseconds.rem_euclid(1000))
}
