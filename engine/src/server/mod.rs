//! The server: schedule, queues, dispatch, builds and the conversations about them.
//!
//! One turn of its driver: hand in everything that happened, then [`Input::Tick`] once, and carry out the
//! actions as they come. What comes [after the commit](Action::AfterCommit) is carried out only when every record appended
//! before it is on disk; so nobody is told what a crash could still undo.
//!
//! The server is made of parts that own what they decide about. Each takes the `journal`, where facts become records and
//! decisions become actions, and gives back what concerns the others; only the server itself knows all of them.
//!
//! | module | holds |
//! |---|---|
//! | [`start`](Start), [`input`](Input), [`action`](Action), `settings`, `peer` | what goes in and comes out |
//! | `conversation`, `endings` | which part a message goes to, and what the end of a build means for the others |
//! | `sessions` | a part: who may say what, how much, and until when; long answers |
//! | `selection` | which artifacts a client fetches |
//! | `dispatcher` | a part: workers that wait, and how fast they get jobs |
//! | `builds` | a part: what workers run, and the results of that |
//! | `uploads` | a part: results on their way to an upload server |
//! | `notices` | a part: builds of which a program is to be told |
//! | `waiters`, `waiting` | a part: clients that wait for a run of a job, and what they are told |
//! | `jobs`, `commands`, `entering`, `cancelling`, `admission` | how jobs get into queues, what clients ask for, how jobs enter the schedule, and which jobs can be kept at all |
//! | `journal`, `departed` | the state with what is to be done, and what answers still hold of it |
//! | [`record`], [`state`](State), [`recovery`](Recovery) | what is durable, and how it is rebuilt |
//! | `schedule`, `queue`, `script`, `outbox`, `pauses`, `unremembered` | the parts of the state |
//! | `scheduling` | what records make of the schedule and the queues |
//! | `history`, `overview` | what the history is told of the state, and clients of all |
//! | `figures` | what the metrics say of the server |
//! | [`write_back`](WriteBack) | which results the log still has to keep |
//! | `deadlines` | times, each with what it is about |
//! | [`migration`] | the state file of builder 0.4.0 |

mod action;
mod admission;
mod builds;
mod cancelling;
mod commands;
mod conversation;
mod deadlines;
mod departed;
mod dispatcher;
mod endings;
mod entering;
mod figures;
mod history;
mod inconsistency;
mod input;
mod jobs;
mod journal;
pub mod migration;
mod notices;
mod outbox;
pub(crate) mod overview;
mod pauses;
mod peer;
mod queue;
pub mod record;
mod recovery;
pub(crate) mod schedule;
mod scheduling;
mod script;
mod selection;
mod sessions;
mod settings;
mod start;
mod state;
#[cfg(test)]
mod tests;
mod unremembered;
mod uploads;
mod waiters;
mod waiting;
mod write_back;

pub use action::{Action, Deferred, Immediate, OutputSource, ResultHead, closing_messages};
pub use inconsistency::Inconsistency;
pub use input::Input;
pub use notices::{NoticeOutcome, notice_variables};
pub use peer::{ConnectionId, Origin, Role};
pub use recovery::{PendingResult, Recovered, Recovery, RecoveryError};
pub use selection::Selection;
pub use settings::{Settings, Templates};
pub use start::Start;
pub use state::State;
pub use uploads::{UploadFilter, UploadOutcome, UploadSettings};
pub use write_back::{BuildOfJob, Durability, WriteBack};

use crate::Now;
use crate::history::Keep;
use crate::limits::CLOCK_PATIENCE;
use crate::server::builds::Builds;
use crate::server::dispatcher::{Assignment, Dispatcher};
use crate::server::jobs::Jobs;
use crate::server::journal::Journal;
use crate::server::notices::Notices;
use crate::server::record::{Record, Remembered, WrittenBack};
use crate::server::sessions::{Phase, Sessions, Step};
use crate::server::uploads::{Uploads, remember_removal};
use crate::server::waiters::Waiters;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::history::Cause;
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::Time;
use builder_proto::wire::RawUuid;
use core::time::Duration;

/// The server without its sockets, files and clocks.
pub struct Server {
    journal: Journal,
    templates: Templates,
    sessions: Sessions,
    dispatcher: Dispatcher,
    builds: Builds,
    uploads: Uploads,
    notices: Notices,
    waiters: Waiters,
    /// What the history has, and the log need not hold any longer.
    remembered: Remembered,
    /// When a wall clock that is behind the schedule is taken to be right, in monotonic time.
    trusts_clock_at: Duration,
    last: Now,
    /// When it was started.
    started: Time,
}

impl Server {
    /// A server that goes on from where the log ends. The first actions are there already: carry them out, then end the turn.
    ///
    /// Clears up what a crash or a stop left behind. Builds that were running go back to the front of their queues, the
    /// longest running first. What is left of their consoles, and of those of builds that had been aborted, is stored; the
    /// results say that it may not be all.
    pub fn start(now: Now, start: Start) -> Server {
        let Start { settings, state, uuids, templates, uploads, notices, stored, written_back } = start;
        let uploads = Uploads::start(uploads, &state);
        let notices = Notices::start(notices, &state);
        let mut server = Server {
            journal: Journal::new(state),
            templates,
            sessions: Sessions::new(settings.observers),
            dispatcher: Dispatcher::new(uuids, settings.builds),
            builds: Builds::new(settings),
            uploads,
            notices,
            waiters: Waiters::default(),
            remembered: Remembered::default(),
            trusts_clock_at: now.monotonic.saturating_add(CLOCK_PATIENCE),
            last: now,
            started: now.wall,
        };
        server.on_written_back(written_back);
        for uuid in stored {
            server.on_result_stored(now, uuid, None);
        }
        server.builds.recover(now, &mut server.journal);
        Uploads::remove_leftovers(&server.notices, &mut server.journal);
        server
    }

    /// Takes in what happened. Never fails: what is wrong with an input is answered to whom it came from.
    pub fn handle(&mut self, now: Now, input: Input<'_>) {
        if self.journal.is_halted() {
            return;
        }
        self.last = now;
        match input {
            Input::Connected { connection, role, origin } => {
                self.sessions.connect(now, connection, role, origin);
            }
            Input::Received { connection, bytes } => self.receive(now, connection, bytes),
            Input::Closed { connection, reason } => self.disconnect(now, connection, reason),
            Input::ObserverDone { connection } if self.waiters.contains(connection) => {
                self.on_console_sent(now, connection);
            }
            Input::ObserverDone { connection } => self.step_by_id(now, connection, Step::Finish),
            Input::ObserverFailed { connection, error } if self.waiters.contains(connection) => {
                self.on_console_unsent(now, connection, error);
            }
            Input::ObserverFailed { connection, error } => self.refuse_by_id(now, connection, error),
            Input::PartSent { connection } if self.waiters.contains(connection) => {
                self.waiters.on_told(connection);
            }
            Input::PartSent { connection } => self.inform_further(now, connection),
            Input::Tick => self.tick(now),
            Input::Templates(templates) => {
                self.templates = templates;
                self.dispatcher.look_at_all();
            }
            Input::SpoolFailed { uuid, error } => {
                let reason = format!("the server could not keep the console: {error}");
                self.fail_build(now, uuid, Cause::CannotRun(Text::from(reason)));
            }
            Input::ResultDigested { uuid, manifest } => {
                self.builds.on_result_digested(uuid, manifest, &mut self.journal);
            }
            Input::ResultStored { uuid, contents } => self.on_result_stored(now, uuid, contents),
            Input::ResultFailed { uuid, error } => self.on_result_failed(now, uuid, error),
            Input::ResultsWrittenBack(uuids) => self.on_written_back(uuids),
            Input::UploadEnded { uuid, outcome } => {
                self.uploads.on_ended(now, uuid, outcome, &self.notices, &mut self.journal);
            }
            Input::NoticeEnded { uuid, outcome } => {
                self.notices.on_ended(now, uuid, outcome, &mut self.journal);
            }
            Input::Resume => {
                self.uploads.resume();
                self.notices.resume();
            }
            Input::ResultRemoved { uuid } => Uploads::on_removed(now, uuid, &mut self.journal),
            Input::ResultNotKept { uuid } => remember_removal(now, uuid, &mut self.journal),
            Input::Remembered { uuids, length } => {
                self.remembered.uuids.extend(uuids.into_iter().map(RawUuid));
                self.remembered.length = length;
                self.forget_remembered();
            }
            Input::LogSpace(bytes) => self.journal.set_log_space(bytes),
        }
        self.pass_on_news(now);
    }

    /// The next thing to do, in order; none when the driver may wait.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.journal.poll_action()
    }

    /// When to hand in [`Input::Tick`] at the latest, in monotonic time; none to wait for other inputs only.
    pub fn next_deadline(&self) -> Option<Duration> {
        let rest = jobs::rest(&self.journal, self.last, self.trusts_clock(self.last));
        let deadlines = [
            self.sessions.next_deadline(),
            self.builds.next_deadline(),
            self.uploads.next_deadline(),
            self.notices.next_deadline(),
            self.dispatcher.next_deadline(self.last, &self.journal),
            self.waiters.next_deadline(),
            rest.map(|rest| self.last.monotonic.saturating_add(rest)),
        ];
        deadlines.into_iter().flatten().min()
    }

    /// The durable state, for snapshots.
    pub fn state(&self) -> &State {
        self.journal.state()
    }

    /// Which results of a job are kept; none when all are.
    pub fn keep(&self, now: Now, job: &Text) -> Option<Keep> {
        let settings = self.state().job_settings(job)?.or(*self.builds.defaults());
        let builds = settings.keep_builds;
        if builds == Some(JobSettings::ALL_BUILDS) || (builds, settings.keep_seconds) == (None, None) {
            return None;
        }
        let since = settings.keep_seconds.map(|seconds| match self.trusts_clock(now) {
            true => now.wall.saturating_sub(Duration::from_secs(seconds)),
            // The clock may be wrong, and what is removed does not come back.
            false => Time::MIN,
        });
        Some(Keep { builds, since })
    }

    /// Whether any job needs a template.
    pub fn has_orb_builds(&self) -> bool {
        self.state().schedule.orb_builds().next().is_some()
    }

    fn tick(&mut self, now: Now) {
        self.forget_remembered();
        self.expire(now);
        self.sessions.free_departed(&mut self.journal);
        self.inform_waiting(now);
        let trusts_clock = self.trusts_clock(now);
        let mut jobs = Jobs { journal: &mut self.journal, templates: &self.templates, now: now.wall };
        if trusts_clock {
            jobs.return_to_grid(now);
        }
        jobs.enqueue_due(now, self.builds.defaults());
        self.dispatch(now);
        self.answer_drained(now);
        self.pass_on_news(now);
        self.look_at_waiters(now);
        self.uploads.start_next(now, &mut self.journal);
        self.notices.start_due(now, &mut self.journal);
    }

    /// Ends what has come too late, and tries again what is to be tried again, in the order of the deadlines.
    fn expire(&mut self, now: Now) {
        loop {
            let (connection, build) = (self.sessions.next_expiry(), self.builds.next_deadline());
            if connection.is_some_and(|at| build.is_none_or(|other| at <= other)) {
                let Some(id) = self.sessions.pop_expired(now) else { return };
                self.expire_connection(now, id);
            } else {
                let Some(due) = self.builds.pop_due(now) else { return };
                self.on_due(now, due);
            }
        }
    }

    /// Hands jobs to workers that wait.
    fn dispatch(&mut self, now: Now) {
        let mut round = self.dispatcher.begin_round(
            now,
            &mut Jobs { journal: &mut self.journal, templates: &self.templates, now: now.wall },
        );
        loop {
            let under_way = self.builds.under_way(self.journal.state());
            let hosts = |worker| self.sessions.host(worker).cloned();
            let mut jobs = Jobs { journal: &mut self.journal, templates: &self.templates, now: now.wall };
            match self.dispatcher.next_assignment(now, &mut round, under_way, &hosts, &mut jobs) {
                None => break,
                Some(Assignment::Nobody { uuid, reason }) => {
                    self.builds.fail_unassigned(now, uuid, &reason, &mut self.journal);
                }
                Some(Assignment::Worker { connection, uuid, script: job }) => {
                    let (name, platform) = (&job.name, &job.platform);
                    ::log::debug!("connection {connection}: job {name} on {platform} starts as build {uuid}");
                    self.journal.send(connection, &Command::JobSchedule { uuid, job });
                    self.step_by_id(now, connection, Step::Enter(Phase::Building(uuid)));
                    self.builds.add(now, uuid, connection, self.journal.state());
                }
            }
        }
        self.dispatcher.end_round(round);
    }

    /// Tells those who wait for it that nothing runs any longer.
    fn answer_drained(&mut self, now: Now) {
        let state = self.journal.state();
        if state.running.is_empty() || !state.pauses.is_draining() {
            while let Some(id) = self.sessions.next_drainer() {
                let state = self.journal.state();
                let step = match state.pauses.is_draining() {
                    true => {
                        self.journal.send(id, &Command::Success);
                        Step::Finish
                    }
                    false => {
                        Step::Refuse("the server hands out jobs again, before all builds ended".to_owned())
                    }
                };
                self.step_by_id(now, id, step);
            }
        }
    }

    /// Says that the history has what the log holds for it. On a full disk that can wait.
    fn forget_remembered(&mut self) {
        if self.remembered.length > 0 && self.journal.has_room(0) {
            let remembered = core::mem::take(&mut self.remembered);
            self.journal.commit(Record::Remembered(remembered));
        }
    }

    /// Results that the log holds are durable in their files.
    fn on_written_back(&mut self, uuids: Vec<Uuid>) {
        if !uuids.is_empty() {
            let uuids = uuids.into_iter().map(RawUuid).collect();
            self.journal.commit(Record::WrittenBack(WrittenBack { uuids }));
        }
    }

    /// Whether the server has run so long that a clock which is wrong at the start would have been put right.
    fn trusts_clock(&self, now: Now) -> bool {
        now.monotonic >= self.trusts_clock_at
    }
}
