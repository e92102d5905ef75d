//! The dispatcher: workers that wait, and the jobs they get. First come, first served.
//!
//! | module | holds |
//! |---|---|
//! | `prepared`, `template` | what a worker is given |
//! | `pacing` | how fast jobs leave the queue of a platform whose workers lose them |
//! | `reason` | why a job waits |

mod pacing;
mod prepared;
mod reason;
mod template;

pub(crate) use pacing::Row;
pub(crate) use reason::Circumstances;

use crate::Now;
use crate::limits::{PLATFORMS, RETRY_TIME};
use crate::server::dispatcher::pacing::Pacing;
use crate::server::dispatcher::prepared::Prepared;
use crate::server::dispatcher::reason::Shortage;
use crate::server::jobs::Jobs;
use crate::server::journal::Journal;
use crate::server::peer::ConnectionId;
use crate::server::record::{Record, Started};
use crate::server::state::State;
use builder_proto::Uuid;
use builder_proto::job::ScriptJob;
use builder_proto::text::Text;
use builder_proto::wire::RawUuid;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// The lines of waiting workers, and which of them are to be looked at.
pub(crate) struct Dispatcher {
    /// Names of builds. They may run dry for a while.
    uuids: Box<dyn Iterator<Item = Uuid>>,
    /// Builds that may be under way at the same time.
    limit: usize,
    /// Workers that wait, by platform and turn.
    waiting: BTreeMap<Text, BTreeMap<u64, ConnectionId>>,
    next_turn: u64,
    /// Platforms whose queue or waiting workers changed since the last round.
    undispatched: BTreeSet<Text>,
    /// For want of what the last round left some of them.
    shortage: Option<Shortage>,
    /// Whether the last round left some of them, because enough builds are under way.
    is_busy: bool,
    /// Platforms whose jobs have to wait, because their workers lose one after the other.
    pacing: Pacing,
}

/// One look at the platforms where something changed.
pub(crate) struct Round {
    /// Those that are left, by the turn of the worker that has waited longest.
    platforms: BTreeSet<(u64, Text)>,
    /// Whether enough builds were under way before.
    was_busy: bool,
}

/// A job that has left its queue, and whose start is recorded.
pub(crate) enum Assignment {
    /// It goes to this worker, which waits no longer.
    Worker {
        /// Which.
        connection: ConnectionId,
        /// The build.
        uuid: Uuid,
        /// What runs.
        script: ScriptJob,
    },
    /// No worker would take it: handed out all the same, it would cost one worker after the other.
    Nobody {
        /// The build.
        uuid: Uuid,
        /// Why, for people.
        reason: String,
    },
}

/// What became of an attempt to hand out a job.
enum HandOut {
    /// One has left its queue.
    Job(Assignment),
    /// Nobody waits, or nothing is queued, or the platform is to wait.
    Nothing,
    /// Something is wanting that may be there later.
    Later(Shortage),
    /// Enough builds are under way.
    Busy,
}

impl Dispatcher {
    /// One that names builds as `uuids` says, and lets so many be under way.
    pub(crate) fn new(uuids: Box<dyn Iterator<Item = Uuid>>, limit: usize) -> Dispatcher {
        Dispatcher {
            uuids,
            limit,
            waiting: BTreeMap::new(),
            next_turn: 0,
            undispatched: BTreeSet::new(),
            shortage: None,
            is_busy: false,
            pacing: Pacing::default(),
        }
    }

    /// Gives a worker its place behind all others.
    pub(crate) fn start_waiting(&mut self, platform: &Text, id: ConnectionId) -> u64 {
        let turn = self.next_turn;
        self.next_turn += 1;
        self.waiting.entry(platform.clone()).or_default().insert(turn, id);
        self.undispatched.insert(platform.clone());
        turn
    }

    pub(crate) fn stop_waiting(&mut self, platform: &Text, turn: u64) {
        if let Some(workers) = self.waiting.get_mut(platform) {
            workers.remove(&turn);
            if workers.is_empty() {
                self.waiting.remove(platform);
            }
        }
    }

    /// How many workers wait, by platform; none where nobody does.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = (&Text, usize)> {
        self.waiting.iter().map(|(platform, workers)| (platform, workers.len()))
    }

    /// Any platform may have a job for a worker now, as there are other templates.
    pub(crate) fn look_at_all(&mut self) {
        self.undispatched.extend(self.waiting.keys().cloned());
    }

    /// A platform is dropped. Those that were one too many may have a place now.
    pub(crate) fn forget(&mut self, platform: &Text) {
        self.pacing.forget(platform);
        self.look_at_all();
    }

    /// Begins to hand jobs to waiting workers, on every platform where something changed; whoever has waited longest goes
    /// first. What leaves its queue comes from [`Dispatcher::next_assignment`].
    ///
    /// Called once a turn and last, so that a worker whose connection ended in this turn gets nothing.
    pub(crate) fn begin_round(&mut self, now: Now, jobs: &mut Jobs<'_>) -> Round {
        self.undispatched.extend(self.pacing.take_due(now.monotonic));
        let mut round = Round { platforms: BTreeSet::new(), was_busy: self.is_busy };
        self.is_busy = false;
        self.shortage = (!jobs.journal.has_room(0)).then_some(Shortage::Disk);
        if self.shortage.is_some() {
            return round;
        }
        self.undispatched.extend(jobs.journal.take_changed());
        self.adopt_platforms(jobs);
        self.undispatched.extend(jobs.journal.take_changed());
        let changed = core::mem::take(&mut self.undispatched);
        let first_turn = |platform: Text| Some((self.first_waiting(&platform)?.0, platform));
        round.platforms = changed.into_iter().filter_map(first_turn).collect();
        round
    }

    /// The next job that leaves its queue, while so many builds are `under_way`.
    pub(crate) fn next_assignment(
        &mut self,
        now: Now,
        round: &mut Round,
        under_way: usize,
        hosts: &dyn Fn(ConnectionId) -> Option<Text>,
        jobs: &mut Jobs<'_>,
    ) -> Option<Assignment> {
        while let Some((turn, platform)) = round.platforms.pop_first() {
            match self.hand_out(now, &platform, under_way, hosts, jobs) {
                HandOut::Job(assignment) => {
                    if let Some((turn, _)) = self.first_waiting(&platform) {
                        round.platforms.insert((turn, platform));
                    }
                    return Some(assignment);
                }
                HandOut::Nothing => {}
                HandOut::Later(shortage) => {
                    self.shortage = Some(shortage);
                    self.undispatched.insert(platform);
                }
                HandOut::Busy => {
                    self.is_busy = true;
                    round.platforms.insert((turn, platform));
                    break;
                }
            }
        }
        None
    }

    /// Keeps for the next round what is left of this one.
    pub(crate) fn end_round(&mut self, round: Round) {
        self.undispatched.extend(round.platforms.into_iter().map(|(_, platform)| platform));
        if self.is_busy && !round.was_busy {
            let limit = self.limit;
            ::log::warn!("reached the limit of {limit} builds at once; other jobs wait until one ends");
        }
    }

    /// When the next round has something to do, in monotonic time; `last` is when there was something to do last.
    pub(crate) fn next_deadline(&self, last: Now, journal: &Journal) -> Option<Duration> {
        // While enough builds are under way, the end of one is the event to wait for.
        let is_due = (!self.undispatched.is_empty() || journal.has_changed()) && !self.is_busy;
        let pause = if self.shortage.is_some() { RETRY_TIME } else { Duration::ZERO };
        let next = is_due.then(|| last.monotonic.saturating_add(pause));
        next.into_iter().chain(self.pacing.next_deadline()).min()
    }

    /// What decides whether jobs of a platform are handed out, while so many builds are `under_way`, `busy` of them there.
    pub(crate) fn circumstances(
        &self,
        now: Now,
        platform: &Text,
        under_way: usize,
        busy: usize,
        journal: &Journal,
    ) -> Circumstances {
        let disk = (!journal.has_room(0)).then_some(Shortage::Disk);
        let pauses = &journal.state().pauses;
        Circumstances {
            is_draining: pauses.is_draining(),
            is_paused: pauses.is_paused(platform),
            shortage: disk.or(self.shortage),
            pace: self.pacing.pace(now, platform),
            idle: self.waiting.get(platform).map_or(0, BTreeMap::len),
            busy,
            under_way,
            limit: self.limit,
        }
    }

    /// How many builds may be under way.
    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    /// Slows the platform of a build down whose workers lose one job after the other. Says how many, in a row; nothing when the
    /// platform is gone. The build had been handed out at `started`.
    pub(crate) fn note_loss(
        &mut self,
        now: Now,
        uuid: Uuid,
        started: Duration,
        state: &State,
    ) -> Option<Row> {
        let platform = &state.running.get(&uuid)?.platform;
        if !state.queues.contains_key(platform) {
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

    /// The worker of a build has delivered a result: jobs of its platform need not wait any longer.
    pub(crate) fn note_delivery(&mut self, uuid: Uuid, state: &State) {
        let Some(platform) = state.running.get(&uuid).map(|build| &build.platform) else { return };
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

    /// Has the next job of a platform leave its queue, for the worker that has waited longest for it.
    fn hand_out(
        &mut self,
        now: Now,
        platform: &Text,
        under_way: usize,
        hosts: &dyn Fn(ConnectionId) -> Option<Text>,
        jobs: &mut Jobs<'_>,
    ) -> HandOut {
        let Some((turn, connection)) = self.first_waiting(platform) else { return HandOut::Nothing };
        let queue = jobs.journal.state().queues.get(platform);
        if queue.and_then(|queue| queue.first(jobs.templates.contains_key(platform))).is_none() {
            return HandOut::Nothing;
        }
        if jobs.journal.state().pauses.hold(platform) || !self.pacing.allows(now.monotonic, platform) {
            return HandOut::Nothing;
        }
        // Before a script is copied: this is where every turn ends while no place is free.
        if under_way >= self.limit {
            return HandOut::Busy;
        }
        let Some(Prepared { script, is_made, environment, check }) = Prepared::next(platform, jobs) else {
            return HandOut::Nothing;
        };
        // The log repeats a script only when it is not the one in the schedule.
        let bytes = if is_made { script.script.as_bytes().len() } else { 0 };
        if !jobs.journal.has_room(bytes as u64) {
            return HandOut::Later(Shortage::Disk);
        }
        let Some(uuid) = self.uuids.next() else {
            ::log::error!("no randomness for the uuid of a build; job {} stays queued", script.name);
            return HandOut::Later(Shortage::Randomness);
        };
        let queue = jobs.journal.state().queues.get(platform);
        let started = Record::Started(Started {
            uuid: RawUuid(uuid),
            started: now.wall,
            platform: platform.clone(),
            name: script.name.clone(),
            job: is_made.then(|| script.clone()),
            queued: queue.and_then(|queue| queue.since(&script.name, &environment)),
            host: hosts(connection),
            environment: environment.to_stored(),
        });
        jobs.journal.commit(started);
        HandOut::Job(match check {
            Ok(()) => {
                self.stop_waiting(platform, turn);
                self.pacing.handed_out(now.monotonic, platform);
                Assignment::Worker { connection, uuid, script }
            }
            Err(reason) => Assignment::Nobody { uuid, reason },
        })
    }

    /// Platforms that workers ask for get a queue, unless they were dropped.
    fn adopt_platforms(&mut self, jobs: &mut Jobs<'_>) {
        let State { queues, dropped, .. } = jobs.journal.state();
        let is_new = |platform: &&Text| {
            self.waiting.contains_key(*platform)
                && !queues.contains_key(*platform)
                && !dropped.contains(*platform)
        };
        let places = PLATFORMS.saturating_sub(queues.len());
        let new: Vec<Text> = self.undispatched.iter().filter(is_new).take(places).cloned().collect();
        for platform in new {
            jobs.add_platform(&platform, None);
        }
    }

    fn first_waiting(&self, platform: &Text) -> Option<(u64, ConnectionId)> {
        self.waiting.get(platform)?.first_key_value().map(|(turn, id)| (*turn, *id))
    }
}

#[cfg(test)]
impl Dispatcher {
    /// Whether nobody waits and nothing is to be looked at.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.undispatched.is_empty()
    }

    /// Exchanges the names of builds for others.
    pub(crate) fn swap_uuids(&mut self, uuids: &mut Box<dyn Iterator<Item = Uuid>>) {
        core::mem::swap(&mut self.uuids, uuids);
    }
}
