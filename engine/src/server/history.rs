//! What the history is told of the state: builds that are under way, and what only the log says of those that have ended.

use crate::history::EndedBuild;
use crate::server::script::Script;
use crate::server::state::{AbortedBuild, Running, State};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::history::{Build, BuildEnd, Cause};
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;

impl State {
    /// Whether it is known of a build how it ended, and that its result is stored, but the file of the history need not have it.
    pub(crate) fn awaits_history(&self, uuid: Uuid) -> bool {
        self.unremembered.ended(uuid).is_some() && self.name_of_build(uuid).is_none()
    }

    /// How builds ended about which the file of the history need not say anything yet.
    pub fn ended_builds(&self) -> impl Iterator<Item = &EndedBuild> {
        self.unremembered.all_ended()
    }

    /// How a build ended, as far as the log has to know.
    pub fn ended_build(&self, uuid: Uuid) -> Option<&EndedBuild> {
        self.unremembered.ended(uuid)
    }

    /// Results that were removed, and when; the file of the history need not say so yet.
    pub fn removed_results(&self) -> impl Iterator<Item = (Uuid, Time)> + '_ {
        self.unremembered.all_gone()
    }

    /// Bytes that the file of the history has at least.
    pub(crate) fn history_length(&self) -> u64 {
        self.unremembered.length()
    }

    /// Builds that are not finished, as the history tells of them.
    pub(crate) fn builds_under_way(&self) -> impl Iterator<Item = Build> + '_ {
        let running = self.running.iter().map(|(uuid, build)| running_build(*uuid, build));
        running.chain(self.aborted.iter().map(|(uuid, build)| aborted_build(*uuid, build)))
    }

    /// A build that is not finished, as the history tells of it.
    pub(crate) fn build_under_way(&self, uuid: Uuid) -> Option<Build> {
        let running = self.running.get(&uuid).map(|build| running_build(uuid, build));
        running.or_else(|| self.aborted.get(&uuid).map(|build| aborted_build(uuid, build)))
    }

    /// What is known of a build that is about to be recorded as finished. Of one that ended under an earlier version, only its
    /// result may say how.
    pub(crate) fn finishing_build(&self, uuid: Uuid) -> Option<Build> {
        if let Some(ended) = self.ended_build(uuid) {
            return Some(ended.build.clone());
        }
        let build = self.builds_under_way().find(|build| build.uuid() == uuid)?;
        let end = self.aborted.get(&uuid).map(|aborted| {
            let result = BuildResult::Message(aborted.reason.clone());
            BuildEnd::new(aborted.finished, Cause::from(&result))
        });
        Some(Build { end, ..build })
    }

    /// What a build runs that is not finished.
    pub(crate) fn script_under_way(&self, uuid: Uuid) -> Option<ScriptJob> {
        let running = self.running.get(&uuid).map(|build| &build.script);
        running.or_else(|| self.aborted.get(&uuid).map(|build| &build.script)).map(Script::to_job)
    }
}

fn running_build(uuid: Uuid, build: &Running) -> Build {
    let started = under_way(uuid, build.script.name(), &build.platform, build.started);
    Build { queued: build.queued, host: build.host.clone(), ..started }
}

fn aborted_build(uuid: Uuid, build: &AbortedBuild) -> Build {
    under_way(uuid, build.script.name(), &build.script.job().platform, build.started)
}

fn under_way(uuid: Uuid, job: &Text, platform: &Text, started: Time) -> Build {
    let (job, platform) = (job.clone(), platform.clone());
    Build { uuid: RawUuid(uuid), job, platform, started, queued: None, host: None, end: None }
}
