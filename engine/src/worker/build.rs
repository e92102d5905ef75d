//! One build, from the start of its script to the last byte of its artifacts.

use super::interface::{Action, JobInput, Leftover, Settings};
use super::kill::Killing;
use super::lines::LineSplitter;
use super::queue::ActionQueue;
use super::remarks::Remarks;
use crate::limits::{DRAIN_BYTES, LEFTOVER_TIME, STOP_TIME};
use builder_proto::build_result::BuildResult;
use builder_proto::finished_frame::frame_head;
use builder_proto::job::ScriptJob;
use builder_proto::{Uuid, text::Text};
use core::fmt;
use core::time::Duration;

/// One build.
#[derive(Debug)]
pub(super) struct Build {
    uuid: Uuid,
    /// How the build ended, as soon as that is known. The first reason counts.
    result: Option<BuildResult>,
    timeout_text: String,
    console: LineSplitter,
    leftovers: Remarks,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The script runs, until its time is up.
    Running { until: Duration },
    /// The script ended or was asked to; its descendants may end by themselves until then.
    Leaving { until: Duration },
    /// What is left is being killed.
    Killing(Killing),
    /// No process is left; what they wrote is read, but no more than this.
    Draining { room: usize },
    /// The artifacts are being listed.
    Listing,
    /// Result and artifacts are being sent.
    Sending,
}

/// What an input meant for the build as a whole.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Progress {
    /// It goes on.
    Going,
    /// Everything has been handed out; what remains is to hear from the server.
    Done,
    /// It cannot be brought to an end, for this reason.
    Broken(String),
}

impl Build {
    pub(super) fn start(
        now: Duration,
        settings: &Settings,
        uuid: Uuid,
        job: ScriptJob,
        queue: &mut ActionQueue,
    ) -> Self {
        queue.push(Action::StartJob { uuid, job });
        Self {
            uuid,
            result: None,
            timeout_text: settings.timeout_text.clone(),
            console: LineSplitter::default(),
            leftovers: Remarks::default(),
            stage: Stage::Running { until: now.saturating_add(settings.timeout) },
        }
    }

    pub(super) fn handle(&mut self, now: Duration, input: JobInput<'_>, queue: &mut ActionQueue) -> Progress {
        match input {
            JobInput::NotStarted(reason) => {
                self.result = Some(BuildResult::Message(reason.into()));
                return self.report(None, queue);
            }
            JobInput::Unable(reason) => return Progress::Broken(reason),
            JobInput::Console(bytes) => self.pass_on(bytes, queue),
            JobInput::ConsoleDrained => self.list_artifacts(queue),
            JobInput::Ended(result) => self.script_ended(now, result),
            JobInput::Leftover(leftover) => self.leftovers.add(|| leftover.to_string()),
            JobInput::DescendantsGone => self.drain(queue),
            JobInput::ArtifactsListed { length, remarks } => {
                self.send_remarks(&remarks, queue);
                return self.report(Some(length), queue);
            }
            JobInput::ArtifactsRefused(reason) => return self.refuse_artifacts(reason, queue),
            JobInput::ArtifactsSent => return Progress::Done,
            JobInput::ArtifactsBroken(reason) => return Progress::Broken(reason),
        }
        Progress::Going
    }

    pub(super) fn tick(&mut self, now: Duration, queue: &mut ActionQueue) {
        match &mut self.stage {
            Stage::Running { until } if now >= *until => {
                let text = format!("timeout after {}", self.timeout_text);
                self.result = Some(BuildResult::Message(text.into()));
                self.stage = Stage::Leaving { until: now.saturating_add(STOP_TIME) };
                queue.push(Action::TerminateJob);
            }
            Stage::Leaving { until } if now >= *until => {
                self.stage = Stage::Killing(Killing::begin(now, queue));
            }
            Stage::Killing(killing) => {
                let given_up = killing.tick(now, queue);
                if given_up {
                    self.leftovers.add(|| "processes of the job are left that cannot be killed".to_owned());
                    self.drain(queue);
                }
            }
            _ => {}
        }
    }

    pub(super) fn deadline(&self) -> Option<Duration> {
        match &self.stage {
            Stage::Running { until } | Stage::Leaving { until } => Some(*until),
            Stage::Killing(killing) => Some(killing.deadline()),
            Stage::Draining { .. } | Stage::Listing | Stage::Sending => None,
        }
    }

    /// Whether it ended in any other way than with success. Means something once its result has been handed out.
    pub(super) fn has_failed(&self) -> bool {
        self.result != Some(BuildResult::Exited(0))
    }

    pub(super) fn reads_console(&self) -> bool {
        !matches!(self.stage, Stage::Listing | Stage::Sending)
    }

    fn pass_on(&mut self, bytes: &[u8], queue: &mut ActionQueue) {
        let uuid = self.uuid;
        self.console.push(bytes, |line| queue.send_line(uuid, line));
        if let Stage::Draining { room } = &mut self.stage {
            *room = room.saturating_sub(bytes.len());
            if *room == 0 {
                self.list_artifacts(queue);
            }
        }
    }

    fn script_ended(&mut self, now: Duration, result: BuildResult) {
        self.result.get_or_insert(result);
        if let Stage::Running { .. } = self.stage {
            self.stage = Stage::Leaving { until: now.saturating_add(LEFTOVER_TIME) };
        }
    }

    fn drain(&mut self, queue: &mut ActionQueue) {
        if let Stage::Running { .. } | Stage::Leaving { .. } | Stage::Killing(_) = self.stage {
            self.stage = Stage::Draining { room: DRAIN_BYTES };
            queue.push(Action::DrainConsole);
        }
    }

    fn list_artifacts(&mut self, queue: &mut ActionQueue) {
        if let Stage::Draining { .. } = self.stage {
            let uuid = self.uuid;
            self.console.finish(|line| queue.send_line(uuid, line));
            let leftovers = core::mem::take(&mut self.leftovers);
            self.send_remarks(&leftovers, queue);
            self.stage = Stage::Listing;
            queue.push(Action::ListArtifacts);
        }
    }

    /// A build that went well is not reported as such when its artifacts cannot be had.
    fn refuse_artifacts(&mut self, reason: String, queue: &mut ActionQueue) -> Progress {
        let mut remarks = Remarks::default();
        remarks.add(|| format!("no artifacts are kept: {reason}"));
        self.send_remarks(&remarks, queue);
        if self.result == Some(BuildResult::Exited(0)) {
            self.result = Some(BuildResult::Message(reason.into()));
        }
        self.report(None, queue)
    }

    fn report(&mut self, artifacts: Option<u64>, queue: &mut ActionQueue) -> Progress {
        let unknown = || BuildResult::Message(Text::from("the end of the script was not seen"));
        let result = self.result.get_or_insert_with(unknown);
        let Some(head) = frame_head(self.uuid, result, artifacts.unwrap_or_default()) else {
            return match artifacts {
                Some(_) => self.refuse_artifacts("the artifacts are too large to be sent".to_owned(), queue),
                None => Progress::Broken(format!("the result cannot be sent: {result}")),
            };
        };
        queue.send_bytes(&head);
        self.stage = Stage::Sending;
        if artifacts.is_none() {
            return Progress::Done;
        }
        queue.push(Action::SendArtifacts);
        Progress::Going
    }

    fn send_remarks(&self, remarks: &Remarks, queue: &mut ActionQueue) {
        for line in remarks.lines() {
            queue.send_line(self.uuid, line.as_bytes());
        }
    }
}

impl fmt::Display for Leftover {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verb = if self.refusal.is_none() { "killed" } else { "could not kill" };
        write!(f, "{verb} process {}", self.pid)?;
        if let Some(name) = &self.name {
            write!(f, " ({name})")?;
        }
        write!(f, ", which the script left behind")?;
        match &self.refusal {
            Some(refusal) => write!(f, ": {refusal}"),
            None => Ok(()),
        }
    }
}
