//! Builds: what their workers send, and how they end.

use super::{Model, Stage};
use crate::fuzz::server::jobs::Jobs;
use crate::fuzz::server::peers::{Peer, Phase, Verdict};
use builder_engine::Now;
use builder_engine::limits::{ARTIFACT_PROGRESS_TIME, RETRY_TIME};
use builder_engine::server::ConnectionId;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::execution::console_entry_length;
use builder_proto::finished::{FinishedError, FinishedEvent};
use builder_proto::text::Text;
use builder_proto::time::Time;

impl Model {
    /// How a build whose result is being stored ended, if that was its worker's to say.
    pub(in crate::fuzz::server) fn result_of(&self, uuid: Uuid) -> Option<&BuildResult> {
        match &self.builds.get(&uuid)?.stage {
            Stage::Storing { result } => Some(result),
            Stage::Running | Stage::Receiving { .. } => None,
        }
    }

    /// A worker that runs a build, and the build.
    pub(in crate::fuzz::server) fn builders(&self) -> Vec<(ConnectionId, Uuid)> {
        let running = self.builds.iter().filter(|(_, build)| matches!(build.stage, Stage::Running));
        running.map(|(uuid, build)| (build.connection, *uuid)).collect()
    }

    pub(super) fn expire_build(&mut self, now: Now, uuid: Uuid) {
        let build = self.builds.get_mut(&uuid).expect("a build");
        let connection = build.connection;
        match build.stage {
            Stage::Receiving { last_bytes } if last_bytes + ARTIFACT_PROGRESS_TIME > now.monotonic => {
                build.deadline = last_bytes + ARTIFACT_PROGRESS_TIME;
            }
            Stage::Receiving { .. } => self.end_by_id(now, connection, Verdict::Refused),
            // It prints nothing for too long.
            Stage::Running if build.end > now.monotonic => self.fail_build(now, uuid),
            Stage::Running
                if !build.has_own_end
                    && !build.has_spoken
                    && self.peers[&connection].decoder.is_between_frames() =>
            {
                self.lose_build(now, uuid, true);
                self.end_by_id(now, connection, Verdict::Told);
            }
            Stage::Running | Stage::Storing { .. } => self.fail_build(now, uuid),
        }
    }

    /// A build that runs has time to print its next line.
    pub(super) fn give_time(&mut self, now: Now, uuid: Uuid) {
        if let Some(build) = self.builds.get_mut(&uuid) {
            let silence = build.silence.map(|silence| now.monotonic + silence);
            build.deadline = silence.map_or(build.end, |silence| silence.min(build.end));
        }
    }

    /// A build is lost, be it that its worker is gone or that its time is up and nothing came.
    pub(super) fn lose_build(&mut self, now: Now, uuid: Uuid, time_is_up: bool) {
        let Some(build) = self.builds.remove(&uuid) else { return };
        let platform = self.jobs.running[&uuid].platform.clone();
        let has_queue = self.jobs.queues.contains_key(&platform);
        let row = if has_queue { self.pacing.lost(now.monotonic, &platform, build.started) } else { 1 };
        let may_not_have_run = !build.has_spoken && !time_is_up;
        self.jobs.lose(uuid, now.wall, may_not_have_run.then_some(row), &self.templates);
    }

    pub(super) fn on_output(&mut self, now: Now, uuid: Uuid, line: Text) -> Verdict {
        let build = self.builds.get_mut(&uuid).expect("a build");
        build.has_spoken = true;
        self.give_time(now, uuid);
        let build = self.builds.get_mut(&uuid).expect("a build");
        let delta = i64::try_from((now.monotonic - build.started).as_nanos()).expect("a short build");
        build.console_bytes += console_entry_length(delta, line.as_bytes().len() as u64);
        if build.console_bytes > self.settings.console_bytes {
            self.end_build(now, uuid, Jobs::fail);
            return Verdict::Told;
        }
        self.consoles.get_mut(&uuid).expect("a console").push((delta, line.as_bytes().to_vec()));
        Verdict::GoesOn
    }

    pub(super) fn on_result_bytes(&mut self, now: Now, peer: &mut Peer, mut bytes: &[u8]) -> Verdict {
        let Phase::Finishing { uuid, walker, result } = &mut peer.phase else { panic!("no result") };
        let uuid = *uuid;
        let build = self.builds.get_mut(&uuid).expect("a build");
        build.stage = Stage::Receiving { last_bytes: now.monotonic };
        loop {
            let (taken, event) = match walker.push(bytes) {
                Ok(step) => step,
                Err(FinishedError::Malformed(_)) => return Verdict::Refused,
                Err(_) => {
                    self.end_build(now, uuid, Jobs::fail);
                    return Verdict::Told;
                }
            };
            bytes = &bytes[taken..];
            match event {
                FinishedEvent::More => return Verdict::GoesOn,
                FinishedEvent::Head(head) if head.uuid != uuid => return Verdict::Refused,
                FinishedEvent::Head(head) if head.data_length > self.settings.artifact_bytes => {
                    self.end_build(now, uuid, Jobs::fail);
                    return Verdict::Told;
                }
                FinishedEvent::Head(head) => *result = Some(head.result),
                FinishedEvent::Data => {}
                FinishedEvent::End => {
                    let result = result.take().expect("a head");
                    self.builds.get_mut(&uuid).expect("a build").stage = Stage::Storing { result };
                    self.pacing.delivered(&self.jobs.running[&uuid].platform);
                    peer.enter(Phase::Storing, None);
                    return Verdict::GoesOn;
                }
            }
        }
    }

    pub(super) fn on_result_stored(&mut self, now: Now, uuid: Uuid) {
        if self.jobs.name_of(uuid).is_none() {
            return;
        }
        self.finish(uuid);
        self.retries.remove(&uuid);
        if let Some(build) = self.builds.remove(&uuid) {
            self.end_by_id(now, build.connection, Verdict::Done);
        }
    }

    pub(super) fn on_result_failed(&mut self, now: Now, uuid: Uuid) {
        if self.builds.contains_key(&uuid) {
            self.fail_build(now, uuid);
        } else if self.jobs.aborted.contains_key(&uuid) {
            self.retries.insert(uuid, now.monotonic + RETRY_TIME);
        }
    }

    pub(super) fn finish(&mut self, uuid: Uuid) {
        if self.uploads.is_some() {
            self.jobs.queue_upload(uuid);
        }
        self.jobs.finish(uuid);
    }

    /// A build ends, through no fault of its worker's, who is told.
    pub(super) fn fail_build(&mut self, now: Now, uuid: Uuid) {
        let Some(connection) = self.builds.get(&uuid).map(|build| build.connection) else { return };
        self.end_build(now, uuid, Jobs::fail);
        self.end_by_id(now, connection, Verdict::Told);
    }

    pub(super) fn end_build(&mut self, now: Now, uuid: Uuid, end: fn(&mut Jobs, Uuid, Time)) {
        if self.builds.remove(&uuid).is_some() {
            end(&mut self.jobs, uuid, now.wall);
        }
    }
}
