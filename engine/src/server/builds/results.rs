//! Results that workers send: checked as they come, and handed on into their files.

use crate::Now;
use crate::limits::{ARTIFACT_FILES, ARTIFACT_PATH_BYTES, ARTIFACT_PROGRESS_TIME, RESULT_MESSAGE_BYTES};
use crate::manifest::ManifestBuilder;
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
            let artifacts = Box::new(ManifestBuilder::default());
            build.stage = Stage::Receiving { result: None, last_bytes: now.monotonic, artifacts };
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
            let (taken, event) = match self.walk(uuid, walker, rest) {
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
                    self.complete_result(now, uuid, journal);
                    return Progress::Complete;
                }
            }
        }
    }

    /// Lets the walker take what it can; the manifest of the build sees the artifacts.
    fn walk(
        &mut self,
        uuid: Uuid,
        walker: &mut FinishedWalker,
        bytes: &[u8],
    ) -> Result<(usize, FinishedEvent), FinishedError> {
        match self.running.get_mut(&uuid) {
            Some(Build { stage: Stage::Receiving { artifacts, .. }, .. }) => {
                walker.push_to(bytes, artifacts.as_mut())
            }
            _ => walker.push(bytes),
        }
    }

    /// Everything before the artifacts is known.
    fn on_result_head(&mut self, now: Now, uuid: Uuid, head: FinishedHead, journal: &mut Journal) -> Step {
        if head.uuid != uuid {
            let text = format!("result of build {}, but the worker runs build {uuid}", head.uuid);
            return Step::Refuse(text);
        }
        if let Some(Build { stage: Stage::Receiving { result, .. }, .. }) = self.running.get_mut(&uuid) {
            *result = Some(head.result.clone());
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
            now.wall.max(running.started),
            head.result,
            OutputSource::Streamed(head.data_length),
        );
        journal.act_now(Immediate::BeginResult { uuid, head: Box::new(head) });
        Step::Stay
    }

    fn complete_result(&mut self, now: Now, uuid: Uuid, journal: &mut Journal) {
        if let Some(build) = self.running.get_mut(&uuid)
            && let Stage::Receiving { result: Some(result), artifacts, .. } = &mut build.stage
        {
            let manifest = core::mem::take(artifacts.as_mut()).finish();
            build.stage = Stage::Storing { result: result.clone(), manifest };
        }
        self.record_end(now, uuid, journal);
        self.deadlines.clear(Due::Result(uuid));
        journal.act_now(Immediate::CompleteResult { uuid });
    }

    /// Records how a build ended whose result its worker has sent. It comes before the result is put in place, so that no crash
    /// leaves a result of which the history does not know.
    fn record_end(&self, now: Now, uuid: Uuid, journal: &mut Journal) {
        let Some(build) = self.running.get(&uuid) else { return };
        let Stage::Storing { result, manifest } = &build.stage else { return };
        let Some(running) = journal.state().running.get(&uuid) else { return };
        let finished = now.wall.max(running.started);
        let ended =
            ended_build(uuid, running, finished, Cause::from(result), build.printed, manifest.clone());
        journal.commit(Record::Ended(ended));
    }

    /// What the complete result of a running build holds.
    #[cfg(test)]
    pub(crate) fn manifest(&self, uuid: Uuid) -> Option<&crate::manifest::Manifest> {
        match &self.running.get(&uuid)?.stage {
            Stage::Storing { manifest, .. } => Some(manifest),
            _ => None,
        }
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
