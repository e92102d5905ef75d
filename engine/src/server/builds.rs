//! Running builds: their console, their time limit, and how they end without their worker's result.

use crate::Now;
use crate::limits::{ARTIFACT_PROGRESS_TIME, LOSSES_IN_A_ROW, TIMEOUT_GRACE};
use crate::server::action::{Immediate, nanoseconds};
use crate::server::build_log::log_end;
use crate::server::conversation::Step;
use crate::server::deadlines::Subject;
use crate::server::pacing::Row;
use crate::server::record::{Aborted, Enqueued, Losses, Record, Requeue};
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
    /// Whether its worker has said anything about it.
    pub(crate) has_spoken: bool,
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
    /// Its worker, whose connection stands, has said nothing in all the time that the job had: a loss as well, but one that
    /// takes so long that three of them have to do.
    Unheard(&'a str),
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
            has_spoken: false,
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
        build.has_spoken = true;
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
            self.act_now(Immediate::Spool { uuid, entries, console_octets });
        }
    }

    pub(crate) fn expire_build(&mut self, now: Now, uuid: Uuid) {
        let Some(build) = self.builds.get(&uuid) else { return };
        let connection = build.connection;
        match build.stage {
            // A worker's own clock runs out before: one that says nothing at all is frozen, or never got the job.
            Stage::Running if !build.has_spoken && !self.holds_bytes_of(connection) => {
                let time = self.settings.job_time.saturating_add(TIMEOUT_GRACE).as_secs();
                let text =
                    format!("nothing came from the worker within {time} seconds, the time limit of a job");
                self.end_build(now, uuid, Ending::Unheard(&text));
                self.step_by_id(now, connection, Step::Close(text));
            }
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
        match ending {
            Ending::Failed(reason) => self.abort(now, uuid, reason, Requeue::No),
            Ending::Lost(reason) => self.lose(now, uuid, &build, reason, !build.has_spoken),
            Ending::Unheard(reason) => self.lose(now, uuid, &build, reason, false),
        }
    }

    /// Ends a build whose worker is lost. Whether the job has run at all is not known when the worker `may_be_to_blame`.
    fn lose(&mut self, now: Now, uuid: Uuid, build: &Build, reason: &str, may_be_to_blame: bool) {
        let Some(platform) = self.state.running.get(&uuid).map(|build| build.platform.clone()) else {
            return;
        };
        let row = self.note_loss(now, &platform, build.started);
        let (reason, fate) = self.judge_loss(uuid, reason, row.filter(|_| may_be_to_blame));
        match fate {
            Fate::Fails => self.abort(now, uuid, &reason, Requeue::No),
            Fate::RunsAgain => self.abort(now, uuid, &reason, Requeue::FrontAfterLoss),
            Fate::RunsAgainLater => {
                let Some(name) = self.state.running.get(&uuid).map(|build| build.script.name().clone())
                else {
                    return;
                };
                // In this order, so that a crash in between finds the job in its queue.
                let entry = Enqueued { platform: platform.clone(), name: name.clone(), front: false };
                self.commit(Record::Enqueued(entry));
                self.abort(now, uuid, &reason, Requeue::No);
                self.commit(Record::Losses(Losses { name, platform, count: LOSSES_IN_A_ROW - 1 }));
            }
        }
    }

    /// Slows a platform down whose workers lose one job after the other. Says how many, in a row; nothing when the platform is
    /// gone.
    fn note_loss(&mut self, now: Now, platform: &Text, started: Duration) -> Option<Row> {
        if !self.state.queues.contains_key(platform) {
            return None;
        }
        let row = self.pacing.lost(now.monotonic, platform, started);
        if let Some(delay) = row.new_delay {
            let (losses, delay) = (row.losses, delay.as_secs());
            ::log::warn!(
                "platform {platform} lost {losses} builds in a row; now it gets a job every {delay} s, until a worker delivers a result"
            );
        }
        Some(row)
    }

    /// A worker has delivered a result: jobs of its platform need not wait any longer.
    pub(crate) fn note_delivery(&mut self, uuid: Uuid) {
        let Some(platform) = self.state.running.get(&uuid).map(|build| &build.platform) else { return };
        let relief = self.pacing.delivered(platform);
        if relief.was_slow {
            ::log::info!(
                "a worker of platform {platform} delivered a result; jobs are handed out without delay again"
            );
        }
        if relief.was_awaited {
            self.undispatched.insert(platform.clone());
        }
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

    /// What becomes of the job of a lost build, and what people are told.
    ///
    /// `row` is there when nothing came from the worker: the losses in a row on the platform. Nobody can tell then whether the
    /// job ended its worker or the worker never began, so that a job that has not run could be stored as failed. What other
    /// jobs come to shows it: the job gives way to them, once it has had its turns, unless there are none, or unless
    /// one was delivered just before. After a start nothing was delivered yet, so that the first loss shows nothing at all.
    fn judge_loss(&self, uuid: Uuid, reason: &str, row: Option<Row>) -> (String, Fate) {
        let Some(build) = self.state.running.get(&uuid) else { return (reason.to_owned(), Fate::Fails) };
        let (name, platform) = (build.script.name(), &build.platform);
        if self.state.runnable(name, platform).is_none() {
            let text = format!("worker lost: {reason}; the job is no longer scheduled on {platform}");
            return (text, Fate::Fails);
        }
        let losses = self.state.losses(name, platform) + 1;
        if losses < LOSSES_IN_A_ROW {
            return (format!("worker lost: {reason}; the job was queued again"), Fate::RunsAgain);
        }
        let has_template = self.templates.contains_key(platform);
        let queue = self.state.queues.get(platform);
        let others_wait = || queue.is_some_and(|queue| queue.has_others(name, has_template));
        let is_undecided = |row: Row| match row.losses {
            0 | 1 => row.is_unproven,
            losses => losses > LOSSES_IN_A_ROW || others_wait(),
        };
        if row.is_some_and(is_undecided) {
            let text = format!(
                "worker lost: {reason}; nothing shows whether the job or the workers of {platform} are to blame, so the \
                 job was queued again behind the others"
            );
            return (text, Fate::RunsAgainLater);
        }
        (format!("worker lost {losses} times in a row, last: {reason}"), Fate::Fails)
    }
}

/// What becomes of the job of a lost build.
enum Fate {
    /// It waits for its schedule.
    Fails,
    /// It goes to the front of its queue.
    RunsAgain,
    /// It goes to the end of its queue.
    RunsAgainLater,
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
