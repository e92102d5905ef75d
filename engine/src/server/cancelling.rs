//! Builds that somebody ends.

use crate::Now;
use crate::names::shown;
use crate::server::Server;
use crate::server::peer::ConnectionId;
use crate::server::queue::Queue;
use crate::server::record::{Dequeued, Record};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Cause;
use builder_proto::text::Text;

/// What whoever cancels a build has to know of its worker: nobody can tell from here which version it is.
const AT_THE_WORKER: &str =
    "its worker ends the job now; one of builder 0.4.0, when the job prints its next line";

impl Server {
    /// Ends a build for a client.
    pub(super) fn cancel(&mut self, now: Now, client: ConnectionId, uuid: Uuid) -> Result<(), String> {
        let state = self.journal.state();
        if !state.running.contains_key(&uuid) {
            return Err(match state.aborted.contains_key(&uuid) {
                true => format!("build {uuid} has ended"),
                false => format!("build {uuid} does not run; it has ended, or there was none"),
            });
        }
        if let Some(result) = self.builds.finished_result(uuid) {
            return Err(format!("build {uuid} has ended: {result}; its result is being stored"));
        }
        self.cancel_running(now, client, uuid);
        Ok(())
    }

    /// Ends all builds of a job for a client, and takes it out of all queues.
    pub(super) fn cancel_job(&mut self, now: Now, client: ConnectionId, name: &Text) -> Result<(), String> {
        let state = self.journal.state();
        let is_queued = |(platform, queue): (&Text, &Queue)| queue.get(name).map(|_| platform.clone());
        let queued: Vec<Text> = state.queues.iter().filter_map(is_queued).collect();
        let mut builds: Vec<Uuid> = state
            .running
            .iter()
            .filter(|(_, build)| build.script.name() == name)
            .map(|(uuid, _)| *uuid)
            .collect();
        builds.retain(|uuid| self.builds.finished_result(*uuid).is_none());
        if queued.is_empty() && builds.is_empty() {
            return Err(match self.journal.state().schedule.get(name) {
                Some(_) => format!("job {} neither runs nor waits", shown(name)),
                None => format!("unknown job {}", shown(name)),
            });
        }
        for platform in queued {
            let text = format!("job {name} is taken out of the queue of {platform}");
            self.journal.commit(Record::Dequeued(Dequeued { platform, name: name.clone() }));
            self.journal.send(client, &Command::Remark(Text::from(text)));
        }
        for uuid in builds {
            self.cancel_running(now, client, uuid);
        }
        Ok(())
    }

    fn cancel_running(&mut self, now: Now, client: ConnectionId, uuid: Uuid) {
        let Some(build) = self.journal.state().running.get(&uuid) else { return };
        let (name, platform) = (build.script.name(), &build.platform);
        let text =
            Text::from(format!("build {uuid} of job {name} on {platform} is cancelled; {AT_THE_WORKER}"));
        let who = self.sessions.who(client);
        self.fail_build(now, uuid, Cause::Cancelled(who));
        self.journal.send(client, &Command::Remark(text));
    }
}
