//! The way of a result into its file: from the worker, or from the server itself for a build that was aborted.

use crate::Now;
use crate::limits::{
    ARTIFACT_FILES, ARTIFACT_PATH_BYTES, ARTIFACT_PROGRESS_TIME, RESULT_MESSAGE_BYTES, RETRY_TIME,
};
use crate::server::action::{Action, Deferred, Immediate, OutputSource, ResultHead, closing_messages};
use crate::server::build_log::log_end;
use crate::server::builds::{Build, Ending, Stage};
use crate::server::connection::Phase;
use crate::server::conversation::Step;
use crate::server::deadlines::Subject;
use crate::server::record::{Contents, Finished, Record};
use crate::server::state::Running;
use crate::server::{Server, UnsettledResult};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::finished::{ArtifactLimits, FinishedError, FinishedEvent, FinishedHead, FinishedWalker};
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;

/// What the walker refuses. The octets of all artifacts are judged here instead, when the head is known, so that the
/// refusal can say how the job ended.
const WALKER_LIMITS: ArtifactLimits = ArtifactLimits {
    total_bytes: u64::MAX,
    files: ARTIFACT_FILES,
    path_bytes: ARTIFACT_PATH_BYTES,
    message_bytes: RESULT_MESSAGE_BYTES,
};

/// What the result of an aborted build says in addition when a server stopped before it was stored: nobody syncs a
/// console while its build is under way.
const LEFT_OVER: &str = "; the server stopped before this was stored, so the last lines may be missing";

impl Server {
    /// A worker begins to send its result, of `length` octets.
    pub(crate) fn on_result_start(&mut self, now: Now, phase: &Phase, length: u64) -> Step {
        let Phase::Building(uuid) = *phase else { return Step::Stay };
        self.flush_console(uuid);
        if let Some(build) = self.builds.get_mut(&uuid) {
            build.stage = Stage::Receiving { result: None, last_octets: now.monotonic };
            build.has_spoken = true;
        }
        // The job is over: from here on progress counts, not the hour.
        self.deadlines.set(Subject::Build(uuid), now.monotonic.saturating_add(ARTIFACT_PROGRESS_TIME));
        Step::Enter(Phase::Finishing(uuid, Box::new(FinishedWalker::new(length, WALKER_LIMITS))))
    }

    /// Takes in octets of a result; they begin at `offset` of the input.
    pub(crate) fn on_result_bytes(
        &mut self,
        now: Now,
        phase: &mut Phase,
        bytes: &[u8],
        offset: usize,
    ) -> Step {
        let Phase::Finishing(uuid, walker) = phase else { return Step::Stay };
        let uuid = *uuid;
        if let Some(Build { stage: Stage::Receiving { last_octets, .. }, .. }) = self.builds.get_mut(&uuid) {
            *last_octets = now.monotonic;
        }
        let (mut rest, mut offset) = (bytes, offset);
        loop {
            let (taken, event) = match walker.push(rest) {
                Ok(step) => step,
                Err(error @ FinishedError::Malformed(_)) => return Step::Refuse(error.to_string()),
                Err(limit) => return self.refuse_artifacts(now, uuid, &limit),
            };
            let range = offset..offset + taken;
            rest = rest.get(taken..).unwrap_or_default();
            offset = range.end;
            let step = match event {
                FinishedEvent::More => Step::Stay,
                FinishedEvent::Head(head) => match self.on_result_head(now, uuid, head) {
                    Step::Stay => continue,
                    step => step,
                },
                FinishedEvent::Data => {
                    self.act_now(Immediate::AppendArtifacts { uuid, range });
                    continue;
                }
                FinishedEvent::End => self.complete_result(uuid),
            };
            return step;
        }
    }

    /// A result is durable: in its file, or in its contents and with the next commit.
    pub(crate) fn on_result_stored(&mut self, now: Now, uuid: Uuid, contents: Option<Contents>) {
        let Some(name) = self.state.name_of_build(uuid).cloned() else { return };
        let running = self.state.running.get(&uuid).cloned();
        self.finish_record(uuid, contents.clone());
        if let Some(contents) = contents {
            self.actions.push_back(Action::Publish(UnsettledResult { uuid, name, contents }));
        }
        self.deadlines.clear(Subject::Storing(uuid));
        self.left_over.remove(&uuid);
        self.unstorable.remove(&uuid);
        if let Some(build) = self.builds.remove(&uuid) {
            self.deadlines.clear(Subject::Build(uuid));
            if let Stage::Storing { result } = build.stage {
                let elapsed = now.monotonic.saturating_sub(build.started);
                if let Some(Running { script, platform, .. }) = &running {
                    log_end(uuid, script, platform, elapsed, &result);
                }
                let closing = closing_messages(uuid, &result, elapsed);
                self.act_after_commit(Deferred::Seal { uuid, closing });
            }
            self.step_by_id(now, build.connection, Step::Finish);
        } else if let Some(Running { script, platform, .. }) = running {
            let name = script.name();
            ::log::info!(
                "job {name} on {platform} ended when the server did; its result is stored (build {uuid})"
            );
        }
        self.act_after_commit(Deferred::RemoveSpool { uuid });
    }

    /// A result could not be written. That of a worker gives way to one that says so; that one is tried again and again.
    pub(crate) fn on_result_failed(&mut self, now: Now, uuid: Uuid, error: &str) {
        if let Some(build) = self.builds.get(&uuid) {
            let result = build.stage.result().map_or_else(String::new, |result| format!(" ({result})"));
            let reason = format!("the server could not store the result{result}: {error}");
            self.fail_build(now, uuid, &reason);
        } else if self.state.aborted.contains_key(&uuid) {
            let pause = RETRY_TIME.as_secs();
            ::log::error!(
                "cannot store the result of build {uuid}: {error}; next attempt in {pause} seconds"
            );
            self.unstorable.insert(uuid);
            self.deadlines.set(Subject::Storing(uuid), now.monotonic.saturating_add(RETRY_TIME));
        }
    }

    /// Starts to store the result of an aborted build: what there is of its console, and why it ended.
    pub(crate) fn store_aborted(&mut self, uuid: Uuid) {
        let Some(build) = self.state.aborted.get(&uuid) else { return };
        let head = ResultHead::new(
            build.script.to_job(),
            build.started,
            build.finished,
            self.aborted_result(uuid, &build.reason),
            OutputSource::Empty,
        );
        self.act_now(Immediate::BeginResult { uuid, head: Box::new(head) });
        self.act_now(Immediate::CompleteResult { uuid });
    }

    /// Tells observers of an aborted build how it ended.
    pub(crate) fn seal_aborted(&mut self, uuid: Uuid) {
        let Some(build) = self.state.aborted.get(&uuid) else { return };
        let elapsed = build.finished.duration_since(build.started);
        let closing = closing_messages(uuid, &self.aborted_result(uuid, &build.reason), elapsed);
        self.act_after_commit(Deferred::Seal { uuid, closing });
    }

    /// Takes back what was to be done for the result of a build, as far as it is not done yet.
    pub(crate) fn abandon_result(&mut self, uuid: Uuid) {
        self.actions.retain(|action| !matches!(action, Action::Now(step) if step.is_step_of_result(uuid)));
        self.act_now(Immediate::AbandonResult { uuid });
    }

    pub(crate) fn finish_record(&mut self, uuid: Uuid, contents: Option<Contents>) {
        self.queue_upload(uuid);
        self.commit(Record::Finished(Finished { uuid: RawUuid(uuid), contents }));
    }

    fn aborted_result(&self, uuid: Uuid, reason: &Text) -> BuildResult {
        let mut reason = reason.as_bytes().to_vec();
        if self.left_over.contains(&uuid) {
            reason.extend_from_slice(LEFT_OVER.as_bytes());
        }
        BuildResult::Message(Text::from(reason))
    }

    /// Everything before the artifacts is known.
    fn on_result_head(&mut self, now: Now, uuid: Uuid, head: FinishedHead) -> Step {
        if head.uuid != uuid {
            let text = format!("result of build {}, but the worker runs build {uuid}", head.uuid);
            return Step::Refuse(text);
        }
        if let Some(Build { stage: Stage::Receiving { result, .. }, .. }) = self.builds.get_mut(&uuid) {
            *result = Some(head.result.clone());
        }
        let limit = self.settings.artifact_bytes;
        if head.data_length > limit {
            let error = FinishedError::ArtifactsTooLong { length: head.data_length, limit };
            return self.refuse_artifacts(now, uuid, &error);
        }
        let Some(running) = self.state.running.get(&uuid) else { return Step::Stay };
        let head = ResultHead::new(
            running.script.to_job(),
            running.started,
            now.wall.max(running.started),
            head.result,
            OutputSource::Streamed(head.data_length),
        );
        self.act_now(Immediate::BeginResult { uuid, head: Box::new(head) });
        Step::Stay
    }

    fn complete_result(&mut self, uuid: Uuid) -> Step {
        if let Some(build) = self.builds.get_mut(&uuid)
            && let Stage::Receiving { result: Some(result), .. } = &build.stage
        {
            build.stage = Stage::Storing { result: result.clone() };
        }
        self.deadlines.clear(Subject::Build(uuid));
        self.note_delivery(uuid);
        self.act_now(Immediate::CompleteResult { uuid });
        Step::Enter(Phase::Storing)
    }

    /// The worker sends more than is stored. That is for the job to mend, so it is not run again at once.
    fn refuse_artifacts(&mut self, now: Now, uuid: Uuid, limit: &FinishedError) -> Step {
        let result = self.builds.get(&uuid).and_then(|build| build.stage.result());
        let result = result.map_or_else(String::new, |result| format!("; the job itself: {result}"));
        let reason = format!("{limit}; the artifacts were not kept{result}");
        self.end_build(now, uuid, Ending::Failed(&reason));
        Step::Close(reason)
    }
}

impl Stage {
    /// How the job ended, as far as that is known.
    fn result(&self) -> Option<&BuildResult> {
        match self {
            Stage::Running => None,
            Stage::Receiving { result, .. } => result.as_ref(),
            Stage::Storing { result } => Some(result),
        }
    }
}
