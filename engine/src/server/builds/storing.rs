//! The way of results into their files: those of workers, and those that the server writes itself for builds that were aborted.

use crate::Now;
use crate::limits::RETRY_TIME;
use crate::server::action::{Deferred, Immediate, OutputSource, ResultHead, closing_messages};
use crate::server::builds::build::Stage;
use crate::server::builds::log::log_end;
use crate::server::builds::{Builds, Due};
use crate::server::journal::Journal;
use crate::server::peer::ConnectionId;
use crate::server::record::{Contents, Finished, Record};
use crate::server::recovery::PendingResult;
use crate::server::state::Running;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::history::Cause;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;

/// What the result of an aborted build says in addition when a server stopped before it was stored: nobody syncs a
/// console while its build is under way.
const LEFT_OVER: &str = "; the server stopped before this was stored, so the last lines may be missing";

impl Builds {
    /// A result is durable: in its file, or in its contents and with the next commit. Gives the worker that sent it, whose
    /// conversation is to end. After that nobody needs the spool any longer.
    pub(crate) fn finish(
        &mut self,
        now: Now,
        uuid: Uuid,
        contents: Option<Contents>,
        journal: &mut Journal,
    ) -> Option<ConnectionId> {
        let name = journal.state().name_of_build(uuid)?.clone();
        let running = journal.state().running.get(&uuid).cloned();
        journal.commit(Record::Finished(Finished { uuid: RawUuid(uuid), contents: contents.clone() }));
        journal.act_after_commit(Deferred::Remember { uuid });
        if let Some(contents) = contents {
            journal.publish(PendingResult { uuid, name, contents });
        }
        self.deadlines.clear(Due::Storing(uuid));
        self.left_over.remove(&uuid);
        self.unstorable.remove(&uuid);
        let Some(build) = self.running.remove(&uuid) else {
            if let Some(Running { script, platform, .. }) = running {
                let name = script.name();
                ::log::info!(
                    "job {name} on {platform} ended when the server did; its result is stored (build {uuid})"
                );
            }
            return None;
        };
        self.deadlines.clear(Due::Result(uuid));
        if let Stage::Storing { result, .. } = build.stage {
            let elapsed = now.monotonic.saturating_sub(build.started);
            if let Some(Running { script, platform, .. }) = &running {
                log_end(uuid, script, platform, elapsed, &result);
            }
            let closing = closing_messages(uuid, &result, elapsed);
            journal.act_after_commit(Deferred::Seal { uuid, closing });
        }
        Some(build.connection)
    }

    /// A result could not be written. That of a worker gives way to one that says so: gives the reason for which the build is
    /// to fail. The server's own is tried again and again.
    pub(crate) fn on_result_failed(
        &mut self,
        now: Now,
        uuid: Uuid,
        error: &str,
        journal: &Journal,
    ) -> Option<Cause> {
        if let Some(build) = self.running.get(&uuid) {
            let result = build.stage.result().map_or_else(String::new, |result| format!(" ({result})"));
            let reason = format!("the server could not store the result{result}: {error}");
            return Some(Cause::CannotRun(Text::from(reason)));
        }
        if journal.state().aborted.contains_key(&uuid) {
            let pause = RETRY_TIME.as_secs();
            ::log::error!(
                "cannot store the result of build {uuid}: {error}; next attempt in {pause} seconds"
            );
            self.unstorable.insert(uuid);
            self.deadlines.set(Due::Storing(uuid), now.monotonic.saturating_add(RETRY_TIME));
        }
        None
    }

    /// Starts to store the result of an aborted build: what there is of its console, and why it ended.
    pub(crate) fn store_aborted(&self, uuid: Uuid, journal: &mut Journal) {
        let Some(build) = journal.state().aborted.get(&uuid) else { return };
        let head = ResultHead::new(
            build.script.to_job(),
            build.started,
            build.finished,
            self.aborted_result(uuid, &build.reason),
            OutputSource::Empty,
        );
        journal.act_now(Immediate::BeginResult { uuid, head: Box::new(head) });
        journal.act_now(Immediate::CompleteResult { uuid });
    }

    /// Tells observers of an aborted build how it ended.
    pub(super) fn seal_aborted(&self, uuid: Uuid, journal: &mut Journal) {
        let Some(build) = journal.state().aborted.get(&uuid) else { return };
        let elapsed = build.finished.duration_since(build.started);
        let closing = closing_messages(uuid, &self.aborted_result(uuid, &build.reason), elapsed);
        journal.act_after_commit(Deferred::Seal { uuid, closing });
    }

    fn aborted_result(&self, uuid: Uuid, reason: &Text) -> BuildResult {
        let mut reason = reason.as_bytes().to_vec();
        if self.left_over.contains(&uuid) {
            reason.extend_from_slice(LEFT_OVER.as_bytes());
        }
        BuildResult::Message(Text::from(reason))
    }
}
