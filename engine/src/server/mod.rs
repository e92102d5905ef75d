//! The server's machine: schedule, queues, dispatch, builds and the conversations about them.
//!
//! One turn of its driver: hand in everything that happened, then [`Input::Tick`] once, and carry out the
//! actions as they come. What comes [after the commit](Action::AfterCommit) is carried out only when every record appended
//! before it is on disk; so nobody is told what a crash could still undo.
//!
//! | module | holds |
//! |---|---|
//! | [`record`], [`state`](State), [`recovery`](Recovery) | what is durable, and how it is rebuilt |
//! | [`settling`](Settling) | which results the log still has to keep |
//! | `schedule`, `queue`, `template` | the parts of the state |
//! | `admission` | which jobs can be kept at all |
//! | `commands`, `info`, `departed` | what clients ask for, and what their answers hold |
//! | `queueing`, `dispatch`, `builds`, `results` | jobs that wait, workers that wait, workers that build, and what comes of it |
//! | `pacing` | how fast jobs leave the queue of a platform whose workers lose them |
//! | `outbox`, `uploads` | results on their way to an upload server |
//! | [`start`](Start) | the beginning |
//! | `connection`, `conversation`, `incomplete`, `deadlines` | who may say what, how much, and until when |
//! | [`migration`] | the state file of builder 0.4.0 |

mod action;
mod admission;
mod build_log;
mod builds;
mod commands;
mod connection;
mod conversation;
mod deadlines;
mod departed;
mod dispatch;
mod incomplete;
mod inconsistency;
mod info;
mod input;
pub mod migration;
mod outbox;
mod pacing;
mod peer;
mod queue;
mod queueing;
pub mod record;
mod recovery;
mod results;
mod schedule;
mod settings;
mod settling;
mod start;
mod state;
mod template;
#[cfg(test)]
mod tests;
mod uploads;

pub use action::{Action, Deferred, Immediate, OutputSource, ResultHead, closing_messages};
pub use inconsistency::Inconsistency;
pub use input::Input;
pub use peer::{ConnectionId, Role};
pub use recovery::{Recovered, Recovery, RecoveryError, UnsettledResult};
pub use settings::{Settings, Templates};
pub use settling::{BuildOfJob, Safety, Settling};
pub use start::Start;
pub use state::State;
pub use uploads::{UploadFilter, UploadOutcome, UploadSettings};

use crate::Now;
use crate::limits::{DISK_MARGIN, RETRY_TIME, WALL_CLOCK_RECHECK};
use crate::server::builds::Build;
use crate::server::connection::Connection;
use crate::server::deadlines::{Deadlines, Subject};
use crate::server::incomplete::Incomplete;
use crate::server::info::Answers;
use crate::server::pacing::Pacing;
use crate::server::record::{Record, Settled};
use crate::server::uploads::Uploads;
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// The server without its sockets, files and clocks.
pub struct Server {
    settings: Settings,
    uuids: Box<dyn Iterator<Item = Uuid>>,
    state: State,
    templates: Templates,
    connections: BTreeMap<ConnectionId, Connection>,
    /// Workers that wait, by platform and turn.
    waiting: BTreeMap<Text, BTreeMap<u64, ConnectionId>>,
    next_turn: u64,
    builds: BTreeMap<Uuid, Build>,
    /// Aborted builds that an earlier server left without a stored result.
    left_over: BTreeSet<Uuid>,
    /// Aborted builds whose results could not be stored so far, and wait for another attempt.
    unstorable: BTreeSet<Uuid>,
    /// Platforms whose queue or waiting workers changed since the last dispatch.
    undispatched: BTreeSet<Text>,
    /// Whether the last dispatch left some of them, for want of disk space or of randomness.
    dispatch_paused: bool,
    /// Whether the last dispatch left some of them, because enough builds are under way.
    is_busy: bool,
    /// Platforms whose jobs have to wait, because their workers lose one after the other.
    pacing: Pacing,
    /// Connections that observe a build.
    observers: BTreeSet<ConnectionId>,
    deadlines: Deadlines,
    uploads: Uploads,
    incomplete: Incomplete,
    answers: Answers,
    /// What the driver said last, less what was appended since.
    log_space: u64,
    /// When a wall clock that is behind the schedule is taken to be right, in monotonic time.
    trusts_clock_at: Duration,
    last: Now,
    actions: VecDeque<Action>,
    halted: bool,
}

impl Server {
    /// Takes in what happened. Never fails: what is wrong with an input is answered to whom it came from.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.halted {
            return;
        }
        self.last = now;
        match input {
            Input::Connected { connection, role } => self.connect(now, connection, role),
            Input::Received { connection, bytes } => self.receive(now, connection, bytes),
            Input::Closed { connection, reason } => self.disconnect(now, connection, reason),
            Input::ObserverDone { connection } => self.finish_observer(now, connection),
            Input::ObserverFailed { connection, error } => self.refuse_by_id(now, connection, error),
            Input::PartSent { connection } => self.inform_further(now, connection),
            Input::Tick => self.tick(now),
            Input::Templates(templates) => self.set_templates(templates),
            Input::SpoolFailed { uuid, error } => {
                self.fail_build(now, uuid, &format!("the server could not keep the console: {error}"));
            }
            Input::ResultStored { uuid, contents } => self.on_result_stored(now, uuid, contents),
            Input::ResultFailed { uuid, error } => self.on_result_failed(now, uuid, error),
            Input::ResultsSettled(uuids) => self.record_settled(uuids),
            Input::UploadEnded { uuid, outcome } => self.on_upload_ended(now, uuid, outcome),
            Input::ResumeUploads => self.resume_uploads(),
            Input::ResultRemoved { uuid } => self.on_result_removed(uuid),
            Input::LogSpace(octets) => self.log_space = octets,
        }
    }

    /// The next thing to do, in order; none when the driver may wait.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if matches!(action, Some(Action::Now(Immediate::Halt { .. }))) {
            // What the same input led to after the contradiction rests on it.
            self.actions.clear();
        }
        action
    }

    /// When to hand in [`Input::Tick`] at the latest, in monotonic time; none to wait for other inputs only.
    pub fn next_deadline(&self) -> Option<Duration> {
        // While enough builds are under way, the end of one is the event to wait for.
        let undispatched = (!self.undispatched.is_empty() && !self.is_busy)
            .then_some(if self.dispatch_paused { RETRY_TIME } else { Duration::ZERO });
        let is_displaced = self.state.schedule.may_be_displaced(self.last.wall);
        let due = self.state.schedule.next_due().map(|(due, _)| match self.has_room(0) {
            true if is_displaced && self.trusts_clock(self.last) => Duration::ZERO,
            true => due.duration_since(self.last.wall).min(WALL_CLOCK_RECHECK),
            false => RETRY_TIME,
        });
        let ahead =
            undispatched.into_iter().chain(due).min().map(|ahead| self.last.monotonic.saturating_add(ahead));
        let deadlines = [self.deadlines.next(), self.uploads.next_deadline(), self.answers.next_deadline()];
        let paced = self.pacing.next_deadline();
        deadlines.into_iter().flatten().chain(paced).chain(ahead).min()
    }

    /// The durable state, for snapshots.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Whether any job needs a template.
    pub fn has_orb_builds(&self) -> bool {
        self.state.schedule.orb_builds().next().is_some()
    }

    fn record_settled(&mut self, uuids: Vec<Uuid>) {
        if !uuids.is_empty() {
            let uuids = uuids.into_iter().map(RawUuid).collect();
            self.commit(Record::Settled(Settled { uuids }));
        }
    }

    fn tick(&mut self, now: Now) {
        while let Some(subject) = self.deadlines.pop_expired(now.monotonic) {
            match subject {
                Subject::Connection(id) => self.expire_connection(now, id),
                Subject::Build(uuid) => self.expire_build(now, uuid),
                Subject::Storing(uuid) => self.store_aborted(uuid),
            }
        }
        self.free_departed();
        self.inform_waiting(now);
        self.return_to_grid(now);
        self.enqueue_due(now);
        self.dispatch(now);
        self.start_upload(now);
    }

    /// Makes a fact part of the state and has it appended to the log.
    fn commit(&mut self, record: Record) {
        if self.halted {
            return;
        }
        let leaving = if self.answers.any() { self.state.leaving(&record) } else { Vec::new() };
        if let Err(problem) = self.state.apply(&record) {
            self.halted = true;
            self.act_now(Immediate::Halt { reason: problem.to_string() });
            return;
        }
        self.note_departed(&leaving);
        match &record {
            Record::Enqueued(enqueued) => {
                self.undispatched.insert(enqueued.platform.clone());
            }
            Record::Undropped(platform) => {
                self.undispatched.insert(platform.clone());
            }
            Record::Dropped(platform) => {
                self.pacing.forget(platform);
                // Platforms that were one too many may have a place now.
                self.undispatched.extend(self.waiting.keys().cloned());
            }
            _ => {}
        }
        self.log_space = self.log_space.saturating_sub(record.octets());
        self.actions.push_back(Action::Append(record));
    }

    /// Has something done without waiting for a commit.
    fn act_now(&mut self, action: Immediate) {
        self.actions.push_back(Action::Now(action));
    }

    /// Has something done that rests on the records so far.
    fn act_after_commit(&mut self, action: Deferred) {
        self.actions.push_back(Action::AfterCommit(action));
    }

    /// Whether the log has room for a command of that many octets, and for what running builds still need.
    fn has_room(&self, octets: u64) -> bool {
        self.log_space >= octets.saturating_mul(2).saturating_add(DISK_MARGIN)
    }
}
