//! Results that are not kept: which job is looked at when, and which of its results go, one at a time.

use crate::history::{Index, Keep, Sweep};
use crate::limits::{RETENTION_INTERVAL, WRITE_BACK_TIME};
use crate::server::{BuildOfJob, State};
use builder_proto::Uuid;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::BTreeSet;

/// Jobs of the schedule that are passed over at a time, as they keep everything.
const JOBS_PER_STEP: usize = 1000;

/// What is to be looked at, and what is under way.
#[derive(Debug)]
pub(crate) struct Retention {
    /// Jobs of which a result was stored, or which were changed.
    wanted: BTreeSet<Text>,
    /// Jobs with a result that may go once the log need not hold it any longer.
    postponed: BTreeSet<Text>,
    postponed_until: Duration,
    round: Round,
    /// Whether the round has come to a job that does not keep everything.
    round_finds: bool,
    sweep: Option<(Sweep, Keep)>,
    /// What the last step of the sweep has found, the next one last.
    found: Vec<Uuid>,
    /// The result that a thread removes.
    removing: Option<Uuid>,
}

/// A look at all scheduled jobs: ages come without anything happening.
#[derive(Debug)]
enum Round {
    /// None, as all jobs keep everything.
    Idle,
    /// The next one begins then, in monotonic time.
    At(Duration),
    /// It goes on behind this job, or begins.
    Behind(Option<Text>),
}

/// What retention asks about the rest of the server.
pub(super) struct Surroundings<'a> {
    pub(super) now: Duration,
    pub(super) index: &'a Index,
    pub(super) state: &'a State,
    pub(super) keep: &'a dyn Fn(&Text) -> Option<Keep>,
    /// Whether the log still holds a result.
    pub(super) is_held: &'a dyn Fn(Uuid) -> bool,
}

impl Retention {
    pub(super) fn new() -> Retention {
        Retention {
            wanted: BTreeSet::new(),
            postponed: BTreeSet::new(),
            postponed_until: Duration::ZERO,
            round: Round::Behind(None),
            round_finds: false,
            sweep: None,
            found: Vec::new(),
            removing: None,
        }
    }

    /// A job is to be looked at.
    pub(super) fn want(&mut self, job: &Text) {
        self.wanted.insert(job.clone());
    }

    /// When there is something to do, in monotonic time; none while a thread is at it.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        if self.removing.is_some() {
            return None;
        }
        let is_busy = !self.found.is_empty() || self.sweep.is_some() || !self.wanted.is_empty();
        let round = match self.round {
            Round::Idle => Duration::MAX,
            Round::At(at) => at,
            Round::Behind(_) => Duration::ZERO,
        };
        let postponed = if self.postponed.is_empty() { Duration::MAX } else { self.postponed_until };
        let deadline = if is_busy { Duration::ZERO } else { round.min(postponed) };
        Some(deadline).filter(|at| *at < Duration::MAX)
    }

    /// Whether nothing is under way, and nothing waits for anything but time to pass.
    pub(super) fn is_at_rest(&self) -> bool {
        let is_round_over = matches!(self.round, Round::Idle | Round::At(_));
        self.removing.is_none()
            && self.found.is_empty()
            && self.sweep.is_none()
            && self.wanted.is_empty()
            && self.postponed.is_empty()
            && is_round_over
    }

    /// The next result to remove. Takes a step, so that others have their turn; what it finds may come in later ones.
    pub(super) fn next(&mut self, around: &Surroundings<'_>) -> Option<BuildOfJob> {
        if self.removing.is_some() {
            return None;
        }
        if self.sweep.is_none() {
            let job = self.next_job(around)?;
            let keep = (around.keep)(&job)?;
            if matches!(self.round, Round::Idle) {
                self.round = Round::At(around.now.saturating_add(RETENTION_INTERVAL));
            }
            self.sweep = Some((Sweep::new(job), keep));
        }
        let (sweep, keep) = self.sweep.as_mut()?;
        let job = sweep.job().clone();
        // What was found under settings that have changed since may have to stay.
        if (around.keep)(&job).is_none_or(|now| !now.is_no_longer_than(keep)) {
            self.found.clear();
            self.sweep = None;
            return None;
        }
        if self.found.is_empty() {
            let (found, has_more) = around.index.sweep(sweep, *keep);
            self.found = found.into_iter().rev().collect();
            if !has_more && self.found.is_empty() {
                self.sweep = None;
                return None;
            }
        }
        while let Some(uuid) = self.found.pop() {
            if around.state.is_awaited(uuid) {
                continue;
            }
            if (around.is_held)(uuid) {
                if self.postponed.is_empty() {
                    self.postponed_until = around.now.saturating_add(2 * WRITE_BACK_TIME);
                }
                self.postponed.insert(job.clone());
                continue;
            }
            self.removing = Some(uuid);
            return Some((uuid, job));
        }
        None
    }

    /// A thread has removed a result, or could not. Whether it is the one that was to go.
    pub(super) fn removed(&mut self, uuid: Uuid) -> bool {
        self.removing.take_if(|removing| *removing == uuid).is_some()
    }

    /// The next job to look at.
    fn next_job(&mut self, around: &Surroundings<'_>) -> Option<Text> {
        if !self.postponed.is_empty() && self.postponed_until <= around.now {
            self.wanted.append(&mut self.postponed);
        }
        if let Some(job) = self.wanted.pop_first() {
            return Some(job);
        }
        if matches!(self.round, Round::At(at) if at <= around.now) {
            (self.round, self.round_finds) = (Round::Behind(None), false);
        }
        let Round::Behind(last) = &mut self.round else { return None };
        for _ in 0..JOBS_PER_STEP {
            let Some(job) = around.state.job_behind(last.as_ref()).cloned() else {
                self.round = match self.round_finds {
                    true => Round::At(around.now.saturating_add(RETENTION_INTERVAL)),
                    false => Round::Idle,
                };
                return None;
            };
            *last = Some(job.clone());
            if (around.keep)(&job).is_some() {
                self.round_finds = true;
                return Some(job);
            }
        }
        None
    }
}
