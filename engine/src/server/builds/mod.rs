//! Builds: what workers run, how it ends, and what is stored of it.
//!
//! | module | holds |
//! |---|---|
//! | `build` | one build that a worker runs |
//! | `results` | results that workers send |
//! | `remembering` | what the history is to say |
//! | `storing` | results on their way into their files |
//! | `losses` | what becomes of jobs whose workers are lost |
//! | `log` | the line for each build that has ended |

mod build;
mod log;
mod losses;
mod remembering;
mod results;
mod storing;

pub(crate) use build::Progress;
pub(crate) use losses::Loss;

use crate::Now;
use crate::history::words;
use crate::limits::{ARTIFACT_PROGRESS_TIME, LOSSES_IN_A_ROW, TIMEOUT_GRACE};
use crate::manifest::ManifestBuilder;
use crate::server::action::{Immediate, nanoseconds};
use crate::server::builds::build::{Build, Printed, Stage, TimeLimits};
use crate::server::builds::log::log_end;
use crate::server::builds::losses::{Fate, judge};
use crate::server::builds::remembering::ended_build;
use crate::server::deadlines::Deadlines;
use crate::server::dispatcher::Row;
use crate::server::journal::Journal;
use crate::server::peer::ConnectionId;
use crate::server::record::{Aborted, Enqueued, Losses, Record, Requeue};
use crate::server::sessions::Step;
use crate::server::settings::{Settings, Templates};
use crate::server::state::State;
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use builder_proto::command::OutputRef;
use builder_proto::history::Cause;
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// The builds under way, and the results that are not stored yet.
pub(crate) struct Builds {
    settings: Settings,
    /// Those that a worker has.
    running: BTreeMap<Uuid, Build>,
    /// Aborted builds that an earlier server left without a stored result.
    left_over: BTreeSet<Uuid>,
    /// Aborted builds whose results could not be stored so far, and wait for another attempt.
    unstorable: BTreeSet<Uuid>,
    deadlines: Deadlines<Due>,
}

/// What is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Due {
    /// The worker of this running build was to send the result, or more of it, by now.
    Result(Uuid),
    /// The result of this aborted build is to be stored now.
    Storing(Uuid),
}

/// What a worker has not done in time, for people.
pub(crate) enum Overdue {
    /// It has said nothing at all.
    Unheard(String),
    /// Its job has not ended.
    Timeout,
    /// Its job has printed nothing for too long.
    Silence,
    /// It has stopped sending the result.
    Stalled(String),
}

impl Builds {
    pub(crate) fn new(settings: Settings) -> Builds {
        Builds {
            settings,
            running: BTreeMap::new(),
            left_over: BTreeSet::new(),
            unstorable: BTreeSet::new(),
            deadlines: Deadlines::default(),
        }
    }

    /// A worker has a build to run.
    pub(crate) fn add(&mut self, now: Now, uuid: Uuid, connection: ConnectionId, state: &State) {
        let build = Build::new(connection, now.monotonic, self.time_limits(uuid, state));
        self.deadlines.set(Due::Result(uuid), build.deadline());
        self.running.insert(uuid, build);
    }

    /// What a job has chosen counts to the second: its worker, which does not know of it, reports no end of its own then.
    fn time_limits(&self, uuid: Uuid, state: &State) -> TimeLimits {
        let job = state.running.get(&uuid).and_then(|build| state.job_settings(build.script.name()));
        let settings = job.copied().unwrap_or_default().or(self.settings.defaults);
        let usual = self.settings.job_time.saturating_add(TIMEOUT_GRACE);
        TimeLimits {
            job: settings.timeout().unwrap_or(usual),
            is_chosen: settings.timeout.is_some(),
            silence: settings.silence(),
        }
    }

    /// What counts for jobs that do not say it themselves.
    pub(crate) fn defaults(&self) -> &JobSettings {
        &self.settings.defaults
    }

    /// Builds whose console and result may be open.
    pub(crate) fn under_way(&self, state: &State) -> usize {
        self.running.len() + state.aborted.len() - self.unstorable.len()
    }

    /// The worker of a running build.
    pub(crate) fn worker(&self, uuid: Uuid) -> Option<ConnectionId> {
        self.running.get(&uuid).map(|build| build.connection)
    }

    /// How a build ended whose result is complete, and not stored yet.
    pub(crate) fn finished_result(&self, uuid: Uuid) -> Option<&BuildResult> {
        match &self.running.get(&uuid)?.stage {
            Stage::Storing { result } => Some(result),
            Stage::Running | Stage::Receiving { .. } => None,
        }
    }

    /// When a running build was handed out, in monotonic time.
    pub(crate) fn started(&self, uuid: Uuid) -> Option<Duration> {
        self.running.get(&uuid).map(|build| build.started)
    }

    /// Takes in one line of the console.
    pub(crate) fn on_output(
        &mut self,
        now: Now,
        uuid: Uuid,
        output: &OutputRef<'_>,
        journal: &mut Journal,
    ) -> Step {
        if output.uuid != uuid {
            let text = format!("output for build {}, but the worker runs build {uuid}", output.uuid);
            return Step::Refuse(text);
        }
        let Some(build) = self.running.get_mut(&uuid) else { return Step::Stay };
        build.has_spoken = true;
        // The deadline stays; when it comes, it is found to be too early.
        build.last_line = now.monotonic;
        let delta = nanoseconds(now.monotonic.saturating_sub(build.started));
        let limit = self.settings.console_bytes;
        if build.append_line(delta, output.line, limit) {
            return Step::Stay;
        }
        let reason = format!("the console exceeds the limit of {limit} bytes (--console-limit)");
        self.fail(now, uuid, Cause::Limit(Text::from(reason.clone())), journal);
        Step::Close(reason)
    }

    /// A worker of builder 0.4.0, which splits no lines, begins to send one that is not received. The job would print it
    /// again, so it is not run again at once.
    pub(crate) fn on_long_line(
        &mut self,
        now: Now,
        uuid: Uuid,
        length: u64,
        limit: u64,
        journal: &mut Journal,
    ) -> Step {
        let reason = format!(
            "a console line in a message of {length} bytes exceeds the limit of {limit} bytes; let the job print \
             shorter lines, or use a builder-worker that splits them"
        );
        self.fail(now, uuid, Cause::Limit(Text::from(reason.clone())), journal);
        Step::Close(reason)
    }

    /// Hands out the console entries that came in since the last time.
    pub(crate) fn flush_console(&mut self, uuid: Uuid, journal: &mut Journal) {
        let Some(build) = self.running.get_mut(&uuid) else { return };
        if !build.entries.is_empty() {
            let entries = core::mem::take(&mut build.entries);
            let console_bytes = build.console_bytes;
            journal.act_now(Immediate::Spool { uuid, entries, console_bytes });
        }
    }

    /// What is due next, once its time has come.
    pub(crate) fn pop_due(&mut self, now: Now) -> Option<Due> {
        self.deadlines.pop_expired(now.monotonic)
    }

    /// When [`Builds::pop_due`] gives something, in monotonic time.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.deadlines.next()
    }

    /// What the worker of a running build has to answer for, now that its time has come. It may be in the middle of a message.
    pub(crate) fn overdue(&mut self, now: Now, uuid: Uuid, is_amid_message: bool) -> Option<Overdue> {
        let build = self.running.get(&uuid)?;
        match build.stage {
            Stage::Running if build.deadline() > now.monotonic => {
                self.deadlines.set(Due::Result(uuid), build.deadline());
                None
            }
            Stage::Running if build.started.saturating_add(build.limits.job) > now.monotonic => {
                Some(Overdue::Silence)
            }
            // A worker's own clock runs out before: one that says nothing at all is frozen, or never got the job.
            Stage::Running if !build.has_spoken && !build.limits.is_chosen && !is_amid_message => {
                let time = self.settings.job_time.saturating_add(TIMEOUT_GRACE).as_secs();
                Some(Overdue::Unheard(format!(
                    "nothing came from the worker within {time} seconds, the time limit of a job"
                )))
            }
            Stage::Running => Some(Overdue::Timeout),
            Stage::Receiving { last_bytes, .. } => {
                let patience = last_bytes.saturating_add(ARTIFACT_PROGRESS_TIME);
                if patience > now.monotonic {
                    self.deadlines.set(Due::Result(uuid), patience);
                    return None;
                }
                let seconds = ARTIFACT_PROGRESS_TIME.as_secs();
                Some(Overdue::Stalled(format!("no byte of the result for {seconds} seconds")))
            }
            Stage::Storing { .. } => None,
        }
    }

    /// Ends a running build that will have no result of its worker: the job itself is to blame, or nothing can be done, and it
    /// waits for its schedule. What its console holds is stored. Gives the worker, whose conversation is to end.
    pub(crate) fn fail(
        &mut self,
        now: Now,
        uuid: Uuid,
        cause: Cause,
        journal: &mut Journal,
    ) -> Option<ConnectionId> {
        let build = self.take(uuid, journal)?;
        self.abort(now, uuid, cause, build.printed, Requeue::No, journal);
        Some(build.connection)
    }

    /// Ends a build that no worker has; its job waits for its schedule.
    pub(crate) fn fail_unassigned(&mut self, now: Now, uuid: Uuid, reason: &str, journal: &mut Journal) {
        let cause = Cause::CannotRun(Text::from(reason));
        self.abort(now, uuid, cause, Printed::default(), Requeue::No, journal);
    }

    /// Ends a running build whose worker is lost; `row` is what that means for its platform, if that is still there. What its
    /// console holds is stored.
    pub(crate) fn lose(
        &mut self,
        now: Now,
        uuid: Uuid,
        loss: Loss<'_>,
        row: Option<Row>,
        templates: &Templates,
        journal: &mut Journal,
    ) {
        let Some(build) = self.take(uuid, journal) else { return };
        let Some(running) = journal.state().running.get(&uuid) else { return };
        let (platform, name) = (running.platform.clone(), running.script.name().clone());
        let environment = running.environment.to_stored();
        // Whether the job has run at all is not known when nothing came from the worker.
        let (reason, may_be_to_blame) = match loss {
            Loss::Gone(reason) => (reason, !build.has_spoken),
            Loss::Unheard(reason) => (reason, false),
        };
        let row = row.filter(|_| may_be_to_blame);
        let (reason, fate) = judge(journal.state(), templates, uuid, reason, row);
        let (cause, printed) = (Cause::Lost(Text::from(reason)), build.printed);
        match fate {
            Fate::Fails => self.abort(now, uuid, cause, printed, Requeue::No, journal),
            Fate::RunsAgain => self.abort(now, uuid, cause, printed, Requeue::FrontAfterLoss, journal),
            Fate::RunsAgainLater => {
                // In this order, so that a crash in between finds the job in its queue.
                let at = Some(now.wall);
                let (on, of) = (platform.clone(), name.clone());
                let entry = Enqueued { platform: on, name: of, front: false, at, environment };
                journal.commit(Record::Enqueued(entry));
                journal.note_requeued(uuid);
                self.abort(now, uuid, cause, printed, Requeue::No, journal);
                journal.commit(Record::Losses(Losses { name, platform, count: LOSSES_IN_A_ROW - 1 }));
            }
        }
    }

    /// Clears up what an earlier server left behind, among it builds that were running: those go back to the front of their
    /// queues, the longest running first.
    pub(crate) fn recover(&mut self, now: Now, journal: &mut Journal) {
        self.left_over = journal.state().aborted.keys().copied().collect();
        let mut running: Vec<_> =
            journal.state().running.iter().map(|(uuid, build)| (build.started, *uuid)).collect();
        // Each goes to the very front, so the one that is to be first comes last.
        running.sort_by(|a, b| b.cmp(a));
        for (_, uuid) in running {
            abort_interrupted(now, uuid, journal);
        }
        let aborted: Vec<Uuid> = journal.state().aborted.keys().copied().collect();
        for uuid in aborted {
            self.seal_aborted(uuid, journal);
            self.store_aborted(uuid, journal);
        }
    }

    /// Takes a running build away from its worker.
    fn take(&mut self, uuid: Uuid, journal: &mut Journal) -> Option<Build> {
        self.flush_console(uuid, journal);
        let build = self.running.remove(&uuid)?;
        self.deadlines.clear(Due::Result(uuid));
        if !matches!(build.stage, Stage::Running) {
            journal.abandon_result(uuid);
        }
        Some(build)
    }

    fn abort(
        &mut self,
        now: Now,
        uuid: Uuid,
        cause: Cause,
        printed: Printed,
        requeue: Requeue,
        journal: &mut Journal,
    ) {
        record_abort(now, uuid, cause, printed, requeue, journal);
        self.seal_aborted(uuid, journal);
        self.store_aborted(uuid, journal);
    }
}

/// Ends a build that was running when the server stopped.
fn abort_interrupted(now: Now, uuid: Uuid, journal: &mut Journal) {
    let Some(build) = journal.state().running.get(&uuid) else { return };
    let platform = &build.platform;
    let (outcome, requeue) = match journal.state().runnable(build.script.name(), platform) {
        Some(_) => ("it was queued again".to_owned(), Requeue::Front),
        None => (format!("it is no longer scheduled on {platform}"), Requeue::No),
    };
    let reason = format!("the server stopped while the job was running; {outcome}");
    // What it had printed is not known: the spool is read only now.
    record_abort(now, uuid, Cause::Lost(Text::from(reason)), Printed::default(), requeue, journal);
}

fn record_abort(
    now: Now,
    uuid: Uuid,
    cause: Cause,
    printed: Printed,
    requeue: Requeue,
    journal: &mut Journal,
) {
    let Some(build) = journal.state().running.get(&uuid) else { return };
    let finished = now.wall.max(build.started);
    let (reason, elapsed) = (words(&cause), finished.duration_since(build.started));
    log_end(uuid, &build.script, &build.platform, elapsed, &BuildResult::Message(reason.clone()));
    let ended = ended_build(uuid, build, finished, cause, printed, ManifestBuilder::default().finish());
    journal.commit(Record::Ended(ended));
    journal.commit(Record::Aborted(Aborted { uuid: RawUuid(uuid), finished, reason, requeue }));
}
