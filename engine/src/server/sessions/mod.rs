//! Sessions: who is connected, where each conversation is, how much of a message is held, and until when more has to come.
//!
//! | module | holds |
//! |---|---|
//! | `connection` | one connection, and what it may say in which phase |
//! | `step` | how a conversation goes on |
//! | `incomplete` | how much of incomplete messages all together hold |
//! | `answers`, `info_item` | answers to `info`, which may be long |

mod answers;
mod connection;
mod incomplete;
mod info_item;
mod step;

pub(crate) use connection::{Connection, Phase, unexpected};
pub(crate) use step::Step;

use crate::Now;
use crate::limits::{COMMAND_TIME, DEPARTED_BYTES, FETCHES, HELLO_TIME, LINGER_TIME, UNREAD_ANSWERS};
use crate::server::action::Deferred;
use crate::server::deadlines::Deadlines;
use crate::server::journal::Journal;
use crate::server::peer::{ConnectionId, Origin, Role};
use crate::server::selection::Selection;
use crate::server::sessions::answers::Answers;
use crate::server::sessions::incomplete::Incomplete;
use crate::server::uploads::Uploads;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::text::Text;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};

/// All connections and what is said on them.
pub(crate) struct Sessions {
    connections: BTreeMap<ConnectionId, Connection>,
    origins: BTreeMap<ConnectionId, Origin>,
    incomplete: Incomplete,
    /// Connections that observe a build, and where they came in.
    observers: BTreeMap<ConnectionId, Role>,
    /// How many there may be.
    observer_limit: usize,
    /// Those of them that fetch artifacts.
    fetches: BTreeSet<ConnectionId>,
    /// Those of them that wait until nothing runs.
    drainers: BTreeSet<ConnectionId>,
    answers: Answers,
    /// Until when a connection has to say hello, to give its command or to close.
    deadlines: Deadlines<ConnectionId>,
}

impl Sessions {
    pub(crate) fn new(observer_limit: usize) -> Sessions {
        Sessions {
            connections: BTreeMap::new(),
            origins: BTreeMap::new(),
            incomplete: Incomplete::default(),
            observers: BTreeMap::new(),
            observer_limit,
            fetches: BTreeSet::new(),
            drainers: BTreeSet::new(),
            answers: Answers::default(),
            deadlines: Deadlines::default(),
        }
    }

    pub(crate) fn connect(&mut self, now: Now, id: ConnectionId, role: Role, origin: Origin) {
        self.deadlines.set(id, now.monotonic.saturating_add(HELLO_TIME));
        self.origins.insert(id, origin);
        self.put(id, Connection::new(role));
    }

    /// The address that a connection comes from.
    pub(crate) fn host(&self, id: ConnectionId) -> Option<&Text> {
        self.origins.get(&id)?.host.as_ref()
    }

    /// Who somebody is, for people.
    pub(crate) fn who(&self, id: ConnectionId) -> Text {
        self.origins.get(&id).map_or_else(Text::default, |origin| Text::from(origin.to_string()))
    }

    /// A client waits until nothing runs.
    pub(crate) fn await_drained(&mut self, id: ConnectionId, role: Role) -> Step {
        if let Err(refusal) = self.admit_observer(id, role) {
            return Step::Refuse(refusal);
        }
        self.drainers.insert(id);
        Step::Enter(Phase::Draining)
    }

    /// One of those who wait until nothing runs, who waits no longer.
    pub(crate) fn next_drainer(&mut self) -> Option<ConnectionId> {
        self.drainers.pop_first()
    }

    /// Forgets a connection that is gone.
    pub(crate) fn disconnect(&mut self, id: ConnectionId, journal: &mut Journal) -> Option<Connection> {
        let connection = self.take(id)?;
        self.origins.remove(&id);
        self.deadlines.clear(id);
        self.dismiss_observer(id);
        self.answers.remove(id, journal);
        Some(connection)
    }

    /// Takes a connection out, with what it holds of an incomplete frame, to be [put](Sessions::put) back after a change.
    pub(crate) fn take(&mut self, id: ConnectionId) -> Option<Connection> {
        let connection = self.connections.remove(&id)?;
        self.incomplete.remove(id, &connection);
        Some(connection)
    }

    pub(crate) fn put(&mut self, id: ConnectionId, connection: Connection) {
        self.incomplete.add(id, &connection);
        self.connections.insert(id, connection);
    }

    /// The connection that holds most of incomplete messages, while all together hold too much.
    pub(crate) fn holds_too_much(&self) -> Option<ConnectionId> {
        self.incomplete.too_much()
    }

    /// Whether part of a message came on a connection, and the rest of it has not.
    pub(crate) fn holds_bytes_of(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|connection| !connection.decoder.is_between_frames())
    }

    /// Lets a conversation go on, or ends it. What its phase had reserved elsewhere is given back before.
    pub(crate) fn step(
        &mut self,
        now: Now,
        id: ConnectionId,
        connection: &mut Connection,
        step: Step,
        journal: &mut Journal,
    ) {
        match step {
            Step::Stay => {}
            Step::Enter(phase) => {
                self.deadlines.clear(id);
                if matches!(
                    phase,
                    Phase::Client { .. } | Phase::Worker | Phase::Uninformed | Phase::Informing(_)
                ) {
                    self.deadlines.set(id, now.monotonic.saturating_add(COMMAND_TIME));
                }
                connection.enter(phase);
            }
            Step::Refuse(text) | Step::Close(text) => {
                ::log::debug!("connection {id}: refused: {text}");
                // Amid a long answer it would be taken for part of that.
                if !matches!(connection.phase, Phase::Informing(_)) {
                    journal.send(id, &Command::Failure(Text::from(text)));
                }
                self.close(now, id, connection, journal);
            }
            Step::Finish => self.close(now, id, connection, journal),
        }
    }

    /// Begins to send an observer what it asked for, unless there are too many. Of a build that runs it gets the lines to come
    /// as well, if it `waits` for them.
    pub(crate) fn observe(
        &mut self,
        id: ConnectionId,
        role: Role,
        uuid: Uuid,
        waits: bool,
        journal: &mut Journal,
    ) -> Step {
        if let Err(refusal) = self.admit_observer(id, role) {
            return Step::Refuse(refusal);
        }
        let state = journal.state();
        let known = state.running.contains_key(&uuid) || state.aborted.contains_key(&uuid);
        journal.act_after_commit(match known {
            true => Deferred::Follow { connection: id, uuid, waits, closes: true },
            false => Deferred::Replay { connection: id, uuid, closes: true },
        });
        Step::Enter(Phase::Observing)
    }

    /// Begins to send a client the artifacts that it asked for, if they are there.
    pub(crate) fn fetch(
        &mut self,
        id: ConnectionId,
        role: Role,
        selection: Result<Selection, &'static str>,
        journal: &mut Journal,
    ) -> Step {
        let selection = match selection {
            Ok(selection) => selection,
            Err(refusal) => return Step::Refuse(refusal.to_owned()),
        };
        let (uuid, state) = (selection.uuid, journal.state());
        if state.running.contains_key(&uuid) {
            return Step::Refuse(format!(
                "build {uuid} still runs; its artifacts are there when it has ended"
            ));
        }
        if state.aborted.contains_key(&uuid) {
            let text =
                format!("build {uuid} has just ended and its result is not stored yet; try again later");
            return Step::Refuse(text);
        }
        if state.outbox.is_leaving(uuid) {
            return Step::Refuse(format!("the result of build {uuid} was uploaded, and is not kept here"));
        }
        if let Err(refusal) = self.admit_fetch(role).and_then(|()| self.admit_observer(id, role)) {
            return Step::Refuse(refusal);
        }
        self.fetches.insert(id);
        journal.act_after_commit(Deferred::Fetch { connection: id, selection: Box::new(selection) });
        Step::Enter(Phase::Observing)
    }

    /// Each takes memory for what it has not read. Viewers leave half of the places to others.
    fn admit_fetch(&self, role: Role) -> Result<(), String> {
        let is_viewer = |id: &&ConnectionId| self.observers.get(id) == Some(&Role::Viewers);
        let limit = match role {
            _ if self.fetches.len() >= FETCHES => FETCHES,
            Role::Viewers if self.fetches.iter().filter(is_viewer).count() >= FETCHES / 2 => FETCHES / 2,
            Role::Any | Role::Workers | Role::Clients | Role::Viewers => return Ok(()),
        };
        Err(format!("busy: {limit} clients fetch artifacts, the limit; try again later"))
    }

    /// Begins to tell a client what it asked.
    pub(crate) fn look_up(
        &mut self,
        connection: ConnectionId,
        role: Role,
        answer: Deferred,
        journal: &mut Journal,
    ) -> Step {
        if let Err(refusal) = self.admit_observer(connection, role) {
            return Step::Refuse(refusal);
        }
        journal.act_after_commit(answer);
        Step::Enter(Phase::Observing)
    }

    /// Each may keep a file open for as long as it likes. Viewers leave half of the places to others.
    pub(crate) fn admit_observer(&mut self, id: ConnectionId, role: Role) -> Result<(), String> {
        let all = self.observer_limit;
        let for_viewers = (all / 2).max(1);
        let viewers = || self.observers.values().filter(|role| **role == Role::Viewers).count();
        let limit = match role {
            _ if self.observers.len() >= all => all,
            Role::Viewers if viewers() >= for_viewers => for_viewers,
            Role::Any | Role::Workers | Role::Clients | Role::Viewers => {
                self.observers.insert(id, role);
                return Ok(());
            }
        };
        Err(format!("busy: {limit} observers, the limit; try again later"))
    }

    fn dismiss_observer(&mut self, id: ConnectionId) {
        self.observers.remove(&id);
        self.fetches.remove(&id);
        self.drainers.remove(&id);
    }

    /// Answers `info`, at once or later.
    pub(crate) fn inform(
        &mut self,
        now: Now,
        id: ConnectionId,
        uploads: &Uploads,
        journal: &mut Journal,
    ) -> Step {
        self.answers.ask(now, id, uploads, journal)
    }

    /// Goes on with an answer of which a piece has been sent, or forgets it when that was the last.
    pub(crate) fn inform_further(
        &mut self,
        now: Now,
        id: ConnectionId,
        journal: &mut Journal,
    ) -> Option<Step> {
        let connection = self.connections.get_mut(&id)?;
        if !matches!(connection.phase, Phase::Informing(_)) {
            self.answers.remove(id, journal);
            return None;
        }
        match core::mem::replace(&mut connection.phase, Phase::Uninformed) {
            Phase::Informing(stream) => Some(self.answers.go_on(now, id, *stream, journal)),
            _ => None,
        }
    }

    /// Answers one of those who had to wait, now that others have read their answers, or do not go on reading them.
    pub(crate) fn inform_next(
        &mut self,
        now: Now,
        uploads: &Uploads,
        journal: &mut Journal,
    ) -> Option<(ConnectionId, Step)> {
        if let Some((at, id)) = self.answers.slowest()
            && at <= now.monotonic
        {
            self.cut_off(id, journal);
        }
        self.answers.begin_next(now, uploads, journal)
    }

    /// Gives up answers while they hold too much of what has left the state.
    pub(crate) fn free_departed(&mut self, journal: &mut Journal) {
        while let Some(id) = self.answers.too_much(journal) {
            ::log::debug!(
                "connection {id}: closed: it does not read its answer, and answers hold more than {DEPARTED_BYTES} bytes of jobs that are gone"
            );
            self.cut_off(id, journal);
        }
    }

    /// Takes note that the time of a connection has come. Gives the refusal that it is to hear, unless nothing can be said to
    /// it any more.
    pub(crate) fn expire(&mut self, id: ConnectionId, journal: &mut Journal) -> Option<String> {
        Some(match self.connections.get(&id)?.phase {
            // Nothing more would be read.
            Phase::Closing | Phase::Informing(_) => {
                self.cut_off(id, journal);
                return None;
            }
            Phase::Uninformed => {
                format!("busy: {UNREAD_ANSWERS} clients have not read their answers; try again later")
            }
            Phase::Hello => format!("no clientHello within {} seconds", HELLO_TIME.as_secs()),
            _ => format!("no whole command within {} seconds", COMMAND_TIME.as_secs()),
        })
    }

    /// The connection whose time has come.
    pub(crate) fn pop_expired(&mut self, now: Now) -> Option<ConnectionId> {
        self.deadlines.pop_expired(now.monotonic)
    }

    /// When [`Sessions::pop_expired`] gives something.
    pub(crate) fn next_expiry(&self) -> Option<Duration> {
        self.deadlines.next()
    }

    /// When there is something to do, in monotonic time.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let answers = self.answers.slowest().map(|(at, _)| at);
        self.next_expiry().into_iter().chain(answers).min()
    }

    /// Forgets a connection to which nothing can be said any more.
    fn cut_off(&mut self, id: ConnectionId, journal: &mut Journal) {
        self.take(id);
        self.origins.remove(&id);
        self.deadlines.clear(id);
        self.answers.remove(id, journal);
        journal.act_after_commit(Deferred::Drop { connection: id });
    }

    fn close(&mut self, now: Now, id: ConnectionId, connection: &mut Connection, journal: &mut Journal) {
        self.dismiss_observer(id);
        self.answers.end(id);
        journal.act_after_commit(Deferred::Finish { connection: id });
        connection.enter(Phase::Closing);
        self.deadlines.set(id, now.monotonic.saturating_add(LINGER_TIME));
    }
}

#[cfg(test)]
impl Sessions {
    pub(crate) fn has(&self, id: ConnectionId) -> bool {
        self.connections.contains_key(&id)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.holdings().values().all(|count| *count == 0)
    }

    /// How much is held of connections, by what it is.
    pub(crate) fn holdings(&self) -> BTreeMap<&'static str, usize> {
        BTreeMap::from([
            ("connections", self.connections.len()),
            ("origins", self.origins.len()),
            ("bytes of incomplete messages", self.incomplete.total()),
            ("observers", self.observers.len()),
            ("fetches", self.fetches.len()),
            ("drainers", self.drainers.len()),
            ("answers", self.answers.len()),
            ("deadlines", self.deadlines.len()),
        ])
    }

    /// Bytes of incomplete messages that count toward the limit for all together.
    pub(crate) fn held_bytes(&self) -> usize {
        self.incomplete.total()
    }
}
