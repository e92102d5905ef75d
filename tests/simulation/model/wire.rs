//! One connection as the network sees it.

use super::builds::Builds;
use super::overview::Survey;
use super::waiting::Wait;
use crate::plan::ARTIFACT_BYTES;
use builder_proto::Uuid;
use builder_proto::command::{Command, InfoReply, QueueInfo, UPLOADS};
use builder_proto::text::Text;
use std::collections::BTreeSet;

/// Bytes of the longest message that any simulated peer sends in earnest.
const LONGEST: u64 = 200_000;

/// What was said on a connection.
#[derive(Debug, Default)]
pub(super) struct Wire {
    pub(super) from_peer: Frames,
    pub(super) from_server: Frames,
    /// The build that was handed out here.
    pub(super) build: Option<Uuid>,
    /// Whether the server has sent a failure.
    pub(super) refused: bool,
    /// Where in the stream the result of the worker ends.
    pub(super) finished_at: Option<usize>,
    /// Bytes that the server has read.
    pub(super) read: usize,
    /// What an observer was sent: the build, how many lines, and the last one, which may be the closing words.
    observation: Option<(Uuid, usize, Text)>,
    /// Who waits for a build here.
    pub(super) wait: Option<Wait>,
    /// The overview that is being told here.
    pub(super) survey: Option<Survey>,
}

/// Cuts a stream into messages.
#[derive(Debug, Default)]
pub(super) struct Frames {
    bytes: Vec<u8>,
    end: usize,
    hopeless: bool,
}

impl Frames {
    /// Takes in bytes; gives each message that is now complete, with the place in the stream where it ends.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<(usize, Vec<u8>)> {
        let mut whole = Vec::new();
        if self.hopeless {
            return whole;
        }
        self.bytes.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(header) = self.bytes[at..].first_chunk::<8>() {
            let length = u64::from_be_bytes(*header);
            if length == 0 || length > LONGEST {
                self.hopeless = true;
                break;
            }
            let Some(payload) = self.bytes.get(at + 8..at + 8 + length as usize) else { break };
            at += 8 + payload.len();
            whole.push((self.end + at, payload.to_vec()));
        }
        self.bytes.drain(..at);
        self.end += at;
        whole
    }

    fn is_amid_message(&self) -> bool {
        self.hopeless || !self.bytes.is_empty()
    }

    /// Whether no more messages can come of this.
    pub(super) fn is_hopeless(&self) -> bool {
        self.hopeless
    }

    /// Whether all of it is so short that nobody refuses it for its length, which the header of a message tells in advance.
    fn is_short(&self) -> bool {
        let announced = self.bytes.first_chunk::<8>().map_or(0, |header| u64::from_be_bytes(*header));
        !self.hopeless && self.end as u64 + announced < ARTIFACT_BYTES
    }
}

impl Wire {
    /// The build that is lost when the connection is over. Not one that the server may have refused, as that may not have been
    /// sent: it says so only after its commit.
    pub(super) fn lost_build(&self) -> Option<Uuid> {
        self.build.filter(|_| !self.refused && self.from_peer.is_short())
    }

    /// Whether the peer may be sending its result.
    pub(super) fn is_delivering(&self) -> bool {
        self.finished_at.is_some() || self.from_peer.is_amid_message()
    }

    /// Takes in a message of the peer.
    pub(super) fn heard(&mut self, end: usize, payload: &[u8], builds: &mut Builds) {
        let Some(build) = self.build.and_then(|uuid| builds.get(uuid)) else { return };
        match Command::decode(payload) {
            Ok(Command::Output { uuid, line, .. }) if Some(uuid) == self.build => build.printed(line, end),
            Ok(Command::JobFinished { uuid, result, data }) if Some(uuid) == self.build => {
                build.finish(result, data);
                self.finished_at.get_or_insert(end);
            }
            _ => build.break_off(),
        }
    }

    /// Takes in a line that an observer was sent. The last one is not a line of the build, which only what follows shows.
    pub(super) fn observe(&mut self, uuid: Uuid, line: Text, builds: &mut Builds) -> Result<(), String> {
        if let Some(wait) = &mut self.wait {
            return wait.line(uuid, &line, builds);
        }
        match &mut self.observation {
            None => self.observation = Some((uuid, 0, line)),
            Some((_, lines, last)) => {
                if let Some(build) = builds.get(uuid) {
                    build.observed_line(*lines, last)?;
                }
                *lines += 1;
                *last = line;
            }
        }
        Ok(())
    }

    /// Who is told of a build here, which nobody is who does not wait.
    pub(super) fn wait_mut(&mut self) -> Result<&mut Wait, String> {
        self.wait.as_mut().ok_or_else(|| "somebody is told of a build who does not wait for one".to_owned())
    }

    /// The observer was told that this was all.
    pub(super) fn close_observation(&mut self, builds: &mut Builds) {
        if let Some((uuid, lines, last)) = self.observation.take()
            && let Some(build) = builds.get(uuid)
        {
            build.observed_closing(last, lines);
        }
    }
}

/// An answer to `info` must make sense in itself.
pub(super) fn check_info(
    reply: &InfoReply,
    may_be_queued_twice: impl Fn(&Text) -> bool,
) -> Result<(), String> {
    let mut builds = BTreeSet::new();
    if let Some(twice) = reply.running.iter().find(|running| !builds.insert(running.uuid)) {
        return Err(format!("build {} runs twice", twice.uuid));
    }
    let scheduled: BTreeSet<&Text> = reply.schedule.iter().map(|item| item.job.name()).collect();
    // What waits to be uploaded is shown as a queue, too.
    let uploads = |queue: &&QueueInfo| queue.platform.as_bytes().starts_with(UPLOADS.as_bytes());
    for queue in reply.queues.iter().filter(|queue| !uploads(queue)) {
        let mut names = BTreeSet::new();
        for job in &queue.jobs {
            if !names.insert(job.name()) && !may_be_queued_twice(job.name()) {
                return Err(format!("job {} is queued twice on {}", job.name(), queue.platform));
            }
            if !scheduled.contains(job.name()) {
                return Err(format!("job {} is queued, but not scheduled", job.name()));
            }
        }
        if reply.dropped_platforms.contains(&queue.platform) {
            return Err(format!("platform {} is dropped, but has a queue", queue.platform));
        }
    }
    Ok(())
}
