//! Waiters: clients that wait for a run of a job, and what they are to be told of it.

use crate::Now;
use crate::environment::Environment;
use crate::limits::WAITING_RECHECK;
use crate::server::deadlines::Deadlines;
use crate::server::peer::ConnectionId;
use builder_proto::Uuid;
use builder_proto::environment::Variable;
use builder_proto::history::Build;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// Builds that are held for one waiter: one whose console it is sent, and the latest after that.
const BUILDS_HELD: usize = 2;

/// All who wait for a run of a job.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    waiters: BTreeMap<ConnectionId, Waiter>,
    /// When to look why the job is queued.
    looks: Deadlines<ConnectionId>,
}

/// What a client wants to run.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) name: Text,
    pub(crate) platform: Option<Text>,
    pub(crate) environment: Vec<Variable>,
    pub(crate) waits: bool,
    pub(crate) joins: bool,
}

/// A place in a queue that somebody waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    pub(crate) platform: Text,
    pub(crate) name: Text,
    pub(crate) environment: Environment,
}

/// What becomes of a build, for those who wait.
#[derive(Clone, Debug)]
pub(crate) enum Fate {
    /// It is lost, for this reason, and the job is queued again.
    RunsAgain(Text),
    /// This is how it ended for good.
    Over(Box<Build>),
}

#[derive(Debug)]
struct Waiter {
    run: Run,
    /// The builds of it: first the one whose console is being sent. None while the job is queued.
    builds: VecDeque<Watched>,
    /// Whether the whole console of the first was sent.
    has_console: bool,
    /// Why the job is queued, as it was told last.
    told: Option<Text>,
    /// Whether that is on its way.
    is_telling: bool,
}

#[derive(Debug)]
struct Watched {
    uuid: Uuid,
    fate: Option<Fate>,
}

impl Waiters {
    pub(crate) fn is_empty(&self) -> bool {
        self.waiters.is_empty()
    }

    pub(crate) fn contains(&self, id: ConnectionId) -> bool {
        self.waiters.contains_key(&id)
    }

    /// Somebody waits for a job that is queued.
    pub(crate) fn add(&mut self, now: Now, id: ConnectionId, run: Run) {
        let builds = VecDeque::new();
        let waiter = Waiter { run, builds, has_console: false, told: None, is_telling: false };
        self.waiters.insert(id, waiter);
        self.looks.set(id, now.monotonic);
    }

    /// The same of a build that runs.
    pub(crate) fn add_to_build(&mut self, now: Now, id: ConnectionId, run: Run, uuid: Uuid) {
        self.add(now, id, run);
        self.begin(id, uuid);
    }

    pub(crate) fn remove(&mut self, id: ConnectionId) {
        self.waiters.remove(&id);
        self.looks.clear(id);
    }

    /// What a waiter waits for, while it is queued.
    pub(crate) fn queued(&self, id: ConnectionId) -> Option<&Run> {
        self.waiters.get(&id).filter(|waiter| waiter.builds.is_empty()).map(|waiter| &waiter.run)
    }

    /// All whose job is queued.
    pub(crate) fn all_queued(&self) -> Vec<ConnectionId> {
        let queued = self.waiters.iter().filter(|(_, waiter)| waiter.builds.is_empty());
        queued.map(|(id, _)| *id).collect()
    }

    /// The next whose job is to be looked at, as it has been queued for a while.
    pub(crate) fn pop_look(&mut self, now: Now) -> Option<ConnectionId> {
        let id = self.looks.pop_expired(now.monotonic)?;
        self.looks.set(id, now.monotonic.saturating_add(WAITING_RECHECK));
        Some(id)
    }

    /// When [`Waiters::pop_look`] gives something, in monotonic time.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        self.looks.next()
    }

    /// Whether to tell a waiter this reason now: not while one is on its way to it, and none twice.
    pub(crate) fn wants(&mut self, id: ConnectionId, reason: &Text) -> bool {
        let Some(waiter) = self.waiters.get_mut(&id) else { return false };
        let wants = !waiter.is_telling && waiter.told.as_ref() != Some(reason);
        if wants {
            waiter.told = Some(reason.clone());
            waiter.is_telling = true;
        }
        wants
    }

    /// What was on its way has been sent.
    pub(crate) fn on_told(&mut self, id: ConnectionId) {
        if let Some(waiter) = self.waiters.get_mut(&id) {
            waiter.is_telling = false;
        }
    }

    /// A job has left its queue as a build. Gives those who are to follow it.
    pub(crate) fn on_started(&mut self, uuid: Uuid, run: &Run) -> Vec<ConnectionId> {
        let mut followers = Vec::new();
        for (id, waiter) in self.waiters.iter_mut().filter(|(_, waiter)| waiter.run == *run) {
            if waiter.builds.is_empty() {
                followers.push(*id);
            } else if let Some(Watched { fate: Some(Fate::RunsAgain(_)), .. }) = waiter.builds.back() {
                // It is still being sent the console of one before.
                waiter.builds.truncate(BUILDS_HELD - 1);
                waiter.builds.push_back(Watched { uuid, fate: None });
            }
        }
        for id in &followers {
            self.begin(*id, uuid);
        }
        followers
    }

    /// It is known what becomes of a build. Gives those who have had all of its console.
    pub(crate) fn on_over(&mut self, uuid: Uuid, fate: &Fate) -> Vec<ConnectionId> {
        let mut ready = Vec::new();
        for (id, waiter) in &mut self.waiters {
            for (place, build) in waiter.builds.iter_mut().enumerate() {
                if build.uuid == uuid && build.fate.is_none() {
                    build.fate = Some(fate.clone());
                    if place == 0 && waiter.has_console {
                        ready.push(*id);
                    }
                }
            }
        }
        ready
    }

    /// A waiter has been sent all of a console.
    pub(crate) fn on_console_sent(&mut self, id: ConnectionId) {
        if let Some(waiter) = self.waiters.get_mut(&id) {
            waiter.has_console = true;
            waiter.is_telling = false;
        }
    }

    /// The build whose console a waiter has had, and what became of it, if that is known. The waiter goes on to the next, or to
    /// its place in the queue.
    pub(crate) fn take_fate(&mut self, now: Now, id: ConnectionId) -> Option<(Uuid, Fate)> {
        let waiter = self.waiters.get_mut(&id)?;
        if !waiter.has_console || waiter.builds.front()?.fate.is_none() {
            return None;
        }
        let build = waiter.builds.pop_front()?;
        waiter.has_console = false;
        waiter.told = None;
        if waiter.builds.is_empty() {
            self.looks.set(id, now.monotonic.saturating_add(WAITING_RECHECK));
        }
        build.fate.map(|fate| (build.uuid, fate))
    }

    /// The build that a waiter goes on with.
    pub(crate) fn build(&self, id: ConnectionId) -> Option<Uuid> {
        self.waiters.get(&id)?.builds.front().map(|build| build.uuid)
    }

    fn begin(&mut self, id: ConnectionId, uuid: Uuid) {
        if let Some(waiter) = self.waiters.get_mut(&id) {
            waiter.builds.push_back(Watched { uuid, fate: None });
            self.looks.clear(id);
        }
    }
}

#[cfg(test)]
impl Waiters {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.waiters.len().max(self.looks.len())
    }
}
