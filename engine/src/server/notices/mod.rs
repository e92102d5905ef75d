//! Notices: a program is told of every build that has finished, until it has taken note.
//!
//! | what becomes of an attempt | what the server does |
//! |---|---|
//! | the program exits with status 0 | records that the notice is given |
//! | it fails, hangs, or cannot be started | tries again after a delay that grows; those of the same job wait behind it |
//! | the same, and it was the last attempt | says so, and records that the notice is given, so that the next has its turn |
//!
//! What waits is part of the [`State`]: a build whose end is to be told is queued before it is recorded as finished. Whose turn
//! it is, and when, is not. So a notice may be given twice, around a crash, and never not at all.

mod outbox;
mod turns;
mod variables;

pub(crate) use outbox::NoticeOutbox;
pub use variables::notice_variables;

use crate::Now;
use crate::limits::{NOTICE_ATTEMPTS, NOTICES_WAITING};
use crate::server::action::Deferred;
use crate::server::journal::Journal;
use crate::server::notices::turns::{Turn, Turns};
use crate::server::record::{NoticeGiven, NoticeQueued, Record};
use crate::server::state::State;
use crate::wording::Span;
use builder_proto::Uuid;
use builder_proto::history::Build;
use builder_proto::wire::RawUuid;
use core::time::Duration;

/// What became of an attempt to give a notice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoticeOutcome<'a> {
    /// The program has taken note.
    Done,
    /// It has not, for this reason.
    Failed(&'a str),
}

/// What the server knows of notices besides the durable outbox.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    /// Whether there is a program to be told.
    is_enabled: bool,
    turns: Turns,
}

impl Notices {
    /// Gives what comes, and what waits since an earlier run. Without a program, what waits goes on waiting.
    pub(crate) fn start(is_enabled: bool, state: &State) -> Notices {
        let mut notices = Notices { is_enabled, turns: Turns::default() };
        let waiting = state.waiting_notices();
        if !is_enabled {
            if waiting > 0 {
                ::log::warn!("notices waiting: {waiting}; to give them, start with --on-finish PROGRAM");
            }
            return notices;
        }
        if waiting > 0 {
            ::log::warn!("notices waiting: {waiting}");
        }
        // A notice that waits although its build has not finished is the trace of a crash: it has its turn when it has.
        for build in state.notices.waiting().filter(|build| state.name_of_build(build.uuid()).is_none()) {
            notices.turns.push(build.uuid(), &build.job);
        }
        notices
    }

    /// Puts the notice of a build into the outbox; to be called just before the build is recorded as finished.
    pub(crate) fn queue(&mut self, uuid: Uuid, journal: &mut Journal) {
        let waits = journal.state().notices.contains(uuid);
        // What an earlier run said of a build that it did not finish may be wrong by now.
        if !self.is_enabled && !waits {
            return;
        }
        let Some(build) = journal.state().finishing_build(uuid) else { return };
        let job = build.job.clone();
        if !waits {
            self.make_room(journal);
        }
        journal.commit(Record::NoticeQueued(NoticeQueued { build }));
        if self.is_enabled {
            self.turns.push(uuid, &job);
        }
    }

    /// Whether the result of a build has to stay where it is, because a program is to be told of it.
    pub(crate) fn hold(&self, uuid: Uuid, state: &State) -> bool {
        self.is_enabled && state.notices.contains(uuid)
    }

    /// Starts what may be given now.
    pub(crate) fn start_due(&mut self, now: Now, journal: &mut Journal) {
        while let Some(Turn { uuid, attempt }) = self.turns.start_next(now.monotonic) {
            journal.act_after_commit(Deferred::Notify { uuid, attempt });
        }
    }

    pub(crate) fn on_ended(
        &mut self,
        now: Now,
        uuid: Uuid,
        outcome: NoticeOutcome<'_>,
        journal: &mut Journal,
    ) {
        let Some(build) = journal.state().notices.build(uuid).cloned() else { return };
        if !self.turns.is_running(uuid) {
            return;
        }
        let (job, waiting) = (&build.job, journal.state().waiting_notices());
        match outcome {
            NoticeOutcome::Done => {
                ::log::debug!(
                    "gave the notice of build {uuid} of job {job}; waiting: {}",
                    waiting.saturating_sub(1)
                );
                self.remove(&build, journal);
            }
            NoticeOutcome::Failed(reason) => match self.turns.delay(now.monotonic, uuid) {
                Some(pause) => {
                    let reason = format!("{reason}; next attempt in {}", Span(pause));
                    ::log::warn!(
                        "did not give the notice of build {uuid} of job {job}: {reason}; waiting: {waiting}"
                    );
                }
                None => {
                    let reason = format!("it failed {NOTICE_ATTEMPTS} times, the last time because {reason}");
                    self.give_up(&build, &reason, journal);
                }
            },
        }
    }

    /// Tries everything that waits at once.
    pub(crate) fn resume(&mut self) {
        self.turns.resume();
    }

    /// When [`Notices::start_due`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.turns.next_deadline()
    }

    /// The outbox takes only so many; the oldest that is not just being given has to go.
    fn make_room(&mut self, journal: &mut Journal) {
        while journal.state().waiting_notices() >= NOTICES_WAITING {
            let can_go = |build: &&Build| !self.turns.is_running(build.uuid());
            let Some(build) = journal.state().notices.waiting().find(can_go).cloned() else { return };
            let reason = format!("more than {NOTICES_WAITING} are waiting");
            self.give_up(&build, &reason, journal);
        }
    }

    fn give_up(&mut self, build: &Build, reason: &str, journal: &mut Journal) {
        let (uuid, job, platform) = (build.uuid(), &build.job, &build.platform);
        let end = build.end.as_ref().map_or_else(|| "unknown".to_owned(), |end| end.cause.to_string());
        let end = format!("which ended as: {end}");
        ::log::error!("gave up the notice of build {uuid} of job {job} on {platform}, {end}; {reason}");
        self.remove(build, journal);
    }

    /// Nothing more is to be said of a build. Its result may leave, if it only waited for that.
    fn remove(&mut self, build: &Build, journal: &mut Journal) {
        let uuid = build.uuid();
        self.turns.remove(uuid, &build.job);
        journal.commit(Record::NoticeGiven(NoticeGiven { uuid: RawUuid(uuid) }));
        if journal.state().outbox.is_leaving(uuid) {
            let name = build.job.clone();
            journal.act_after_commit(Deferred::RemoveResult { uuid, name });
        }
    }
}

#[cfg(test)]
mod tests;
