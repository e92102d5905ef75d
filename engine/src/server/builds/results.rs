//! Results that workers send: checked as they come, and handed on into their files.

use crate::Now;
use crate::limits::{ARTIFACT_FILES, ARTIFACT_PATH_BYTES, ARTIFACT_PROGRESS_TIME, RESULT_MESSAGE_BYTES};
use crate::manifest::Manifest;
use crate::server::action::{Immediate, OutputSource, ResultHead};
use crate::server::builds::build::{Build, Progress, Stage};
use crate::server::builds::remembering::ended_build;
use crate::server::builds::{Builds, Due};
use crate::server::journal::Journal;
use crate::server::record::Record;
use crate::server::sessions::{Phase, Step};
use builder_proto::Uuid;
use builder_proto::finished::{ArtifactLimits, FinishedError, FinishedEvent, FinishedHead, FinishedWalker};
use builder_proto::history::Cause;
use builder_proto::text::Text;

/// What the walker refuses. The bytes of all artifacts are judged here instead, when the head is known, so that the
/// refusal can say how the job ended.
const WALKER_LIMITS: ArtifactLimits = ArtifactLimits {
    total_bytes: u64::MAX,
    files: ARTIFACT_FILES,
    path_bytes: ARTIFACT_PATH_BYTES,
    message_bytes: RESULT_MESSAGE_BYTES,
};

impl Builds {
    /// A worker begins to send its result, of `length` bytes.
    pub(crate) fn on_result_start(
        &mut self,
        now: Now,
        uuid: Uuid,
        length: u64,
        journal: &mut Journal,
    ) -> Step {
        self.flush_console(uuid, journal);
        if let Some(build) = self.running.get_mut(&uuid) {
            build.stage = Stage::Receiving { result: None, last_bytes: now.monotonic };
            build.has_spoken = true;
        }
        // The job is over: from here on progress counts, not the hour.
        self.deadlines.set(Due::Result(uuid), now.monotonic.saturating_add(ARTIFACT_PROGRESS_TIME));
        Step::Enter(Phase::Finishing(uuid, Box::new(FinishedWalker::new(length, WALKER_LIMITS))))
    }

    /// Takes in bytes of a result; they begin at `offset` of the input.
    pub(crate) fn on_result_bytes(
        &mut self,
        now: Now,
        uuid: Uuid,
        walker: &mut FinishedWalker,
        bytes: &[u8],
        offset: usize,
        journal: &mut Journal,
    ) -> Progress {
        if let Some(Build { stage: Stage::Receiving { last_bytes, .. }, .. }) = self.running.get_mut(&uuid) {
            *last_bytes = now.monotonic;
        }
        let (mut rest, mut offset) = (bytes, offset);
        loop {
            let (taken, event) = match walker.push(rest) {
                Ok(step) => step,
                Err(error @ FinishedError::Malformed(_)) => {
                    return Progress::Step(Step::Refuse(error.to_string()));
                }
                Err(limit) => return Progress::Step(self.refuse_artifacts(now, uuid, &limit, journal)),
            };
            let range = offset..offset + taken;
            rest = rest.get(taken..).unwrap_or_default();
            offset = range.end;
            match event {
                FinishedEvent::More => return Progress::Step(Step::Stay),
                FinishedEvent::Head(head) => match self.on_result_head(now, uuid, head, journal) {
                    Step::Stay => {}
                    step => return Progress::Step(step),
                },
                FinishedEvent::Data => journal.act_now(Immediate::AppendArtifacts { uuid, range }),
                FinishedEvent::End => {
                    self.complete_result(uuid, journal);
                    return Progress::Complete;
                }
            }
        }
    }

    /// Everything before the artifacts is known.
    fn on_result_head(&mut self, now: Now, uuid: Uuid, head: FinishedHead, journal: &mut Journal) -> Step {
        if head.uuid != uuid {
            let text = format!("result of build {}, but the worker runs build {uuid}", head.uuid);
            return Step::Refuse(text);
        }
        let Some(running) = journal.state().running.get(&uuid) else { return Step::Stay };
        let finished = now.wall.max(running.started);
        if let Some(build) = self.running.get_mut(&uuid)
            && let Stage::Receiving { result, .. } = &mut build.stage
        {
            *result = Some(head.result.clone());
            build.finished = Some(finished);
        }
        let limit = self.settings.artifact_bytes;
        if head.data_length > limit {
            let error = FinishedError::ArtifactsTooLong { length: head.data_length, limit };
            return self.refuse_artifacts(now, uuid, &error, journal);
        }
        let Some(running) = journal.state().running.get(&uuid) else { return Step::Stay };
        let head = ResultHead::new(
            running.script.to_job(),
            running.started,
            finished,
            head.result,
            OutputSource::Streamed(head.data_length),
        );
        journal.act_now(Immediate::BeginResult { uuid, head: Box::new(head) });
        Step::Stay
    }

    fn complete_result(&mut self, uuid: Uuid, journal: &mut Journal) {
        if let Some(build) = self.running.get_mut(&uuid)
            && let Stage::Receiving { result: Some(result), .. } = &build.stage
        {
            build.stage = Stage::Storing { result: result.clone() };
        }
        self.deadlines.clear(Due::Result(uuid));
        journal.act_now(Immediate::CompleteResult { uuid });
    }

    /// The artifacts of a complete result have been looked at. Of one that its worker has sent, it is recorded how the build
    /// ended before it is put in place, so that no crash leaves a result of which the history does not know.
    pub(crate) fn on_result_digested(&self, uuid: Uuid, manifest: Manifest, journal: &mut Journal) {
        if let Some(build) = self.running.get(&uuid)
            && let Stage::Storing { result } = &build.stage
            && let Some(running) = journal.state().running.get(&uuid)
        {
            let finished = build.finished.unwrap_or(running.started);
            let cause = Cause::from(result);
            let ended = ended_build(uuid, running, finished, cause, build.printed, manifest);
            journal.commit(Record::Ended(ended));
        }
        journal.act_now(Immediate::StoreResult { uuid });
    }

    /// The worker sends more than is stored. That is for the job to mend, so it is not run again at once.
    fn refuse_artifacts(
        &mut self,
        now: Now,
        uuid: Uuid,
        limit: &FinishedError,
        journal: &mut Journal,
    ) -> Step {
        let result = self.running.get(&uuid).and_then(|build| build.stage.result());
        let result = result.map_or_else(String::new, |result| format!("; the job itself: {result}"));
        let reason = format!("{limit}; the artifacts were not kept{result}");
        self.fail(now, uuid, Cause::Limit(Text::from(reason.clone())), journal);
        Step::Close(reason)
    }
}
