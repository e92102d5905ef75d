//! Running builds: their console, their time limit, and how they end without their worker's result.

use crate::Now;
use crate::limits::{ARTIFACT_PROGRESS_TIME, LOSSES_IN_A_ROW, TIMEOUT_GRACE};
use crate::server::action::{Action, nanoseconds};
use crate::server::build_log::log_end;
use crate::server::conversation::Step;
use crate::server::deadlines::Subject;
use crate::server::record::{Aborted, Record, Requeue};
use crate::server::{ConnectionId, Server};
use crate::spool;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::OutputRef;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::time::Duration;

/// What a running build is besides its durable record.
#[derive(Debug)]
pub(crate) struct Build {
    pub(crate) connection: ConnectionId,
    /// When it started, by the monotonic clock.
    pub(crate) started: Duration,
    /// Octets that the console takes in the stored result.
    console_octets: u64,
    /// Console entries not handed out yet.
    entries: Vec<u8>,
    pub(crate) stage: Stage,
}

/// How far a running build has come.
#[derive(Debug)]
pub(crate) enum Stage {
    /// The worker runs it.
    Running,
    /// The worker sends its result, of which octets last came in at that time. How the job ended is known once the
    /// head of the result is there.
    Receiving { result: Option<BuildResult>, last_octets: Duration },
    /// The result is complete.
    Storing { result: BuildResult },
}

/// Why a build ends without its worker's result.
pub(crate) enum Ending<'a> {
    /// Its worker is gone; the job runs again unless that happens too often.
    Lost(&'a str),
    /// The job itself is to blame, or nothing can be done; it waits for its schedule.
    Failed(&'a str),
}

impl Server {
    pub(crate) fn add_build(&mut self, now: Now, uuid: Uuid, connection: ConnectionId) {
        let patience = self.settings.job_time.saturating_add(TIMEOUT_GRACE);
        self.deadlines.set(Subject::Build(uuid), now.monotonic.saturating_add(patience));
        let build = Build {
            connection,
            started: now.monotonic,
            console_octets: 0,
            entries: Vec::new(),
            stage: Stage::Running,
        };
        self.builds.insert(uuid, build);
    }

    /// Takes in one line of the console.
    pub(crate) fn on_output(&mut self, now: Now, uuid: Uuid, output: &OutputRef<'_>) -> Step {
        if output.uuid != uuid {
            let text = format!("output for build {}, but the worker runs build {uuid}", output.uuid);
            return Step::Refuse(text);
        }
        let Some(build) = self.builds.get_mut(&uuid) else { return Step::Stay };
        let delta = nanoseconds(now.monotonic.saturating_sub(build.started));
        let limit = self.settings.console_bytes;
        if build.append_line(delta, output.line, limit) {
            return Step::Stay;
        }
        let reason = format!("the console exceeds the limit of {limit} bytes (--console-limit)");
        self.end_build(now, uuid, Ending::Failed(&reason));
        Step::Close(reason)
    }

    /// A worker of builder 0.4.0, which splits no lines, begins to send one that is not received. The job would print it
    /// again, so it is not run again at once.
    pub(crate) fn on_long_line(&mut self, now: Now, uuid: Uuid, length: u64, limit: u64) -> Step {
        let reason = format!(
            "a console line in a message of {length} bytes exceeds the limit of {limit} bytes; let the job print \
             shorter lines, or use a builder-worker that splits them"
        );
        self.end_build(now, uuid, Ending::Failed(&reason));
        Step::Close(reason)
    }

    /// Hands out the console entries that came in since the last time.
    pub(crate) fn flush_console(&mut self, uuid: Uuid) {
        let Some(build) = self.builds.get_mut(&uuid) else { return };
        if !build.entries.is_empty() {
            let entries = core::mem::take(&mut build.entries);
            let console_octets = build.console_octets;
            self.actions.push_back(Action::Spool { uuid, entries, console_octets });
        }
    }

    pub(crate) fn expire_build(&mut self, now: Now, uuid: Uuid) {
        let Some(build) = self.builds.get(&uuid) else { return };
        let connection = build.connection;
        match build.stage {
            Stage::Running => self.fail_build(now, uuid, "timeout"),
            Stage::Receiving { last_octets, .. } => {
                let patience = last_octets.saturating_add(ARTIFACT_PROGRESS_TIME);
                if patience > now.monotonic {
                    self.deadlines.set(Subject::Build(uuid), patience);
                    return;
                }
                let text = format!("no byte of the result for {} seconds", ARTIFACT_PROGRESS_TIME.as_secs());
                self.refuse_by_id(now, connection, &text);
            }
            Stage::Storing { .. } => {}
        }
    }

    /// Ends a build that will have no result of its worker, and the conversation with that worker.
    pub(crate) fn fail_build(&mut self, now: Now, uuid: Uuid, reason: &str) {
        let Some(connection) = self.builds.get(&uuid).map(|build| build.connection) else { return };
        self.end_build(now, uuid, Ending::Failed(reason));
        self.step_by_id(now, connection, Step::Close(reason.to_owned()));
    }

    /// Ends a running build without its worker's result. What its console holds is stored.
    pub(crate) fn end_build(&mut self, now: Now, uuid: Uuid, ending: Ending<'_>) {
        self.flush_console(uuid);
        let Some(build) = self.builds.remove(&uuid) else { return };
        self.deadlines.clear(Subject::Build(uuid));
        if !matches!(build.stage, Stage::Running) {
            self.abandon_result(uuid);
        }
        let (reason, requeue) = match ending {
            Ending::Failed(reason) => (reason.to_owned(), Requeue::No),
            Ending::Lost(reason) => self.judge_loss(uuid, reason),
        };
        self.abort(now, uuid, &reason, requeue);
    }

    /// Ends a build that no worker has; its job waits for its schedule.
    pub(crate) fn fail_unassigned(&mut self, now: Now, uuid: Uuid, reason: &str) {
        self.abort(now, uuid, reason, Requeue::No);
    }

    fn abort(&mut self, now: Now, uuid: Uuid, reason: &str, requeue: Requeue) {
        self.abort_record(now, uuid, reason, requeue);
        self.seal_aborted(uuid);
        self.store_aborted(uuid);
    }

    /// Ends a build that was running when the server stopped.
    pub(crate) fn abort_interrupted(&mut self, now: Now, uuid: Uuid) {
        let Some(build) = self.state.running.get(&uuid) else { return };
        let platform = &build.platform;
        let (outcome, requeue) = match self.state.runnable(build.script.name(), platform) {
            Some(_) => ("it was queued again".to_owned(), Requeue::Front),
            None => (format!("it is no longer scheduled on {platform}"), Requeue::No),
        };
        let reason = format!("the server stopped while the job was running; {outcome}");
        self.abort_record(now, uuid, &reason, requeue);
    }

    fn abort_record(&mut self, now: Now, uuid: Uuid, reason: &str, requeue: Requeue) {
        let Some(build) = self.state.running.get(&uuid) else { return };
        let finished = now.wall.max(build.started);
        if requeue != Requeue::No {
            self.undispatched.insert(build.platform.clone());
        }
        let (reason, elapsed) = (Text::from(reason), finished.duration_since(build.started));
        log_end(uuid, &build.script, &build.platform, elapsed, &BuildResult::Message(reason.clone()));
        self.commit(Record::Aborted(Aborted { uuid: RawUuid(uuid), finished, reason, requeue }));
    }

    /// Whether the job of a lost build runs again, and what people are told.
    fn judge_loss(&self, uuid: Uuid, reason: &str) -> (String, Requeue) {
        let Some(build) = self.state.running.get(&uuid) else { return (reason.to_owned(), Requeue::No) };
        let (name, platform) = (build.script.name(), &build.platform);
        if self.state.runnable(name, platform).is_none() {
            let text = format!("worker lost: {reason}; the job is no longer scheduled on {platform}");
            return (text, Requeue::No);
        }
        match self.state.losses(name, platform) + 1 {
            losses @ LOSSES_IN_A_ROW.. => {
                (format!("worker lost {losses} times in a row, last: {reason}"), Requeue::No)
            }
            _ => (format!("worker lost: {reason}; the job was queued again"), Requeue::FrontAfterLoss),
        }
    }
}

impl Build {
    /// Takes in a line unless the console would exceed the limit with it.
    fn append_line(&mut self, delta: i64, line: &[u8], limit: u64) -> bool {
        let before = self.entries.len();
        let octets = self.console_octets.saturating_add(spool::append_line(&mut self.entries, delta, line));
        if octets > limit {
            self.entries.truncate(before);
            return false;
        }
        self.console_octets = octets;
        true
    }
}
