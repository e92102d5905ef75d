//! A server in a world of values, driven the way the real one is: inputs, a tick at the end of each turn, a commit, and
//! only then what others can see.
//!
//! After every turn the records appended so far are recovered, and have to give the state of the running server.

mod actions;

use super::words::SECOND;
use super::world::{Log, Peer, Results, Spool};
use crate::Now;
use crate::server::Selection;
use crate::server::record::Record;
use crate::server::{
    ConnectionId, Deferred, Input, Origin, PendingResult, Role, Server, Settings, Start, State, Templates,
};
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::job_settings::JobSettings;
use builder_proto::text::Text;
use builder_proto::time::Time;
use core::cell::Cell;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

pub(super) const SETTINGS: Settings = Settings {
    job_time: Duration::from_secs(3600),
    defaults: JobSettings::NONE,
    artifact_bytes: 10_000,
    console_bytes: 1000,
    builds: 100,
    observers: 100,
};

/// What becomes of complete results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storing {
    /// They go into the log at once.
    InLog,
    /// They go into their files after the commit.
    InFile,
    /// They cannot be written.
    Failing,
    /// The disk takes its time.
    Held,
}

pub(super) struct Rig {
    pub(super) server: Server,
    pub(super) now: Now,
    pub(super) log: Log,
    pub(super) results: Results,
    pub(super) spools: BTreeMap<Uuid, Spool>,
    pub(super) peers: BTreeMap<ConnectionId, Peer>,
    pub(super) storing: Storing,
    /// Whether consoles cannot be written.
    pub(super) spools_fail: bool,
    /// Every action so far, as text.
    pub(super) trace: Vec<String>,
    pub(super) halted: Option<String>,
    pub(super) settings: Settings,
    templates: Templates,
    uuids: Rc<Cell<u128>>,
    next_connection: ConnectionId,
    published: Vec<PendingResult>,
    deferred: Vec<Deferred>,
    followers: BTreeMap<ConnectionId, Follower>,
    /// Clients that are to be sent artifacts.
    pub(super) fetches: Vec<(ConnectionId, Selection)>,
    outcomes: Vec<Outcome>,
}

/// An observer of a spool, and how much of it that was sent.
struct Follower {
    uuid: Uuid,
    sent: usize,
    waits: bool,
    closes: bool,
}

/// What the world has to tell the server in the next turn.
enum Outcome {
    Stored(Uuid),
    Failed(Uuid),
    ObserverDone(ConnectionId),
    ReplayMissing(ConnectionId),
    PartSent(ConnectionId),
}

impl Rig {
    pub(super) fn new() -> Rig {
        Rig::with(SETTINGS, State::default())
    }

    pub(super) fn with(settings: Settings, state: State) -> Rig {
        let wall = Time::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let now = Now { wall, monotonic: 1000 * SECOND };
        let uuids = Rc::new(Cell::new(0));
        let mut log = Log::default();
        log.rotate(state.snapshot().collect());
        let start = Start { settings, ..fresh(state, uuids_from(&uuids)) };
        Rig {
            server: Server::start(now, start),
            now,
            log,
            results: Results::default(),
            spools: BTreeMap::new(),
            peers: BTreeMap::new(),
            storing: Storing::InLog,
            spools_fail: false,
            trace: Vec::new(),
            halted: None,
            settings,
            templates: Templates::new(),
            uuids,
            next_connection: 0,
            published: Vec::new(),
            deferred: Vec::new(),
            followers: BTreeMap::new(),
            fetches: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    /// Hands in an input and carries out what need not wait. The turn goes on.
    pub(super) fn hand_in(&mut self, input: Input<'_>) {
        let received = match &input {
            Input::Received { bytes, .. } => bytes.to_vec(),
            _ => Vec::new(),
        };
        self.server.handle(self.now, input);
        self.drain(&received);
    }

    /// Ends the turn, and those that follow from it at once.
    pub(super) fn end_turn(&mut self) {
        loop {
            self.hand_in(Input::Tick);
            self.log.commit();
            for result in core::mem::take(&mut self.published) {
                self.results.publish(result);
            }
            for action in core::mem::take(&mut self.deferred) {
                self.perform_deferred(action);
            }
            self.feed_followers();
            self.check();
            if self.outcomes.is_empty() {
                return;
            }
            for outcome in core::mem::take(&mut self.outcomes) {
                self.report(outcome);
            }
        }
    }

    /// Lets time pass and wakes the server whenever it asked for that.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        let mut turns = 0;
        while let Some(deadline) = self.server.next_deadline().filter(|deadline| *deadline < end) {
            self.set_clock(deadline.max(self.now.monotonic));
            self.end_turn();
            turns += 1;
            assert!(turns < 10_000, "the server wakes for nothing");
        }
        self.set_clock(end);
        self.end_turn();
    }

    /// Lets time pass unnoticed.
    pub(super) fn set_clock(&mut self, monotonic: Duration) {
        self.now.wall = self.now.wall.saturating_add(monotonic - self.now.monotonic);
        self.now.monotonic = monotonic;
    }

    pub(super) fn connect(&mut self, role: Role) -> ConnectionId {
        let connection = self.next_connection;
        self.next_connection += 1;
        self.peers.insert(connection, Peer::new());
        let origin = Origin { host: Some("10.0.0.1".into()), user: None };
        self.hand_in(Input::Connected { connection, role, origin });
        connection
    }

    pub(super) fn say(&mut self, connection: ConnectionId, command: &Command) {
        self.say_bytes(connection, &command.to_frame().unwrap());
    }

    pub(super) fn say_bytes(&mut self, connection: ConnectionId, bytes: &[u8]) {
        self.hand_in(Input::Received { connection, bytes });
    }

    /// What an observer is sent cannot be read any further.
    pub(super) fn fail_observer(&mut self, connection: ConnectionId, error: &str) {
        self.followers.remove(&connection);
        self.hand_in(Input::ObserverFailed { connection, error });
    }

    /// The peer closes, or is gone.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        self.followers.remove(&connection);
        self.hand_in(Input::Closed { connection, reason: "the peer closed the connection" });
    }

    pub(super) fn set_templates(&mut self, platforms: &[&str]) {
        let template = |platform: &&str| (Text::from(*platform), b"build %%OPAM_PACKAGE%%".to_vec());
        self.templates = platforms.iter().map(template).collect();
        self.hand_in(Input::Templates(self.templates.clone()));
        self.end_turn();
    }

    /// The server stops at once and starts again with what is on disk, and with so many records that were on their way.
    pub(super) fn crash(&mut self, surviving: usize) {
        self.log.crash(surviving);
        self.published.clear();
        self.deferred.clear();
        self.outcomes.clear();
        self.followers.clear();
        self.results.crash();
        for peer in self.peers.values_mut() {
            peer.dropped = true;
        }
        let recovered = self.log.recover();
        for result in recovered.pending {
            self.results.publish(result);
        }
        let state = recovered.state;
        let unfinished: BTreeSet<Uuid> = state.unfinished().map(|(uuid, _)| uuid).collect();
        self.spools.retain(|uuid, _| unfinished.contains(uuid));
        self.spools.values_mut().for_each(|spool| spool.closing = None);
        let stored = unfinished.into_iter().filter(|uuid| self.results.in_place.contains_key(uuid)).collect();
        let (settings, templates) = (self.settings, self.templates.clone());
        let start = Start { settings, templates, stored, ..fresh(state, uuids_from(&self.uuids)) };
        self.server = Server::start(self.now, start);
        self.drain(&[]);
        self.end_turn();
    }

    /// What recovery makes of the records appended so far is what the server has in memory.
    pub(super) fn check(&self) {
        if self.halted.is_some() {
            return;
        }
        let live = self.server.state();
        let recovered = self.log.recover();
        assert_eq!(picture(&recovered.state), picture(live), "recovered from all records");
        let pending: Vec<_> = self.results.pending.values().cloned().collect();
        assert_eq!(pending, recovered.pending, "results that only the log is sure to hold");
        let mut snapshot = Log::default();
        snapshot.rotate(live.snapshot().collect());
        assert_eq!(picture(&snapshot.recover().state), picture(live), "recovered from a snapshot");
    }

    /// So many of the results that the log holds become durable in their files.
    pub(super) fn write_back(&mut self, count: usize) {
        let written_back: Vec<Uuid> = self.results.pending.keys().rev().take(count).copied().collect();
        self.results.pending.retain(|uuid, _| !written_back.contains(uuid));
        self.hand_in(Input::ResultsWrittenBack(written_back));
        self.end_turn();
    }

    /// A new log takes the place of the old one.
    pub(super) fn rotate(&mut self) {
        let pending = self.results.pending.values().cloned().map(Record::from);
        self.log.rotate(self.server.state().snapshot().chain(pending).collect());
    }
}

/// What a server starts with that has nothing besides its state.
pub(super) fn fresh(state: State, uuids: Box<dyn Iterator<Item = Uuid>>) -> Start {
    Start {
        settings: SETTINGS,
        state,
        uuids,
        templates: Templates::new(),
        uploads: None,
        notices: false,
        stored: BTreeSet::new(),
        written_back: Vec::new(),
    }
}

/// All of a state, except where in memory things are.
fn picture(state: &State) -> String {
    let State { schedule, queues, running, aborted, dropped, losses, outbox, notices, pauses, unremembered } =
        state;
    let outbox = (outbox.waiting().collect::<Vec<_>>(), outbox.leaving().collect::<Vec<_>>());
    let notices: Vec<_> = notices.waiting().collect();
    let queues: Vec<_> =
        queues.iter().map(|(platform, queue)| (platform, queue.places().collect::<Vec<_>>())).collect();
    let schedule = schedule.without_bound();
    format!(
        "{schedule:?} {queues:?} {running:?} {aborted:?} {dropped:?} {losses:?} {outbox:?} {notices:?} {pauses:?} {unremembered:?}"
    )
}

/// Uuids that are never the same, over restarts too.
fn uuids_from(last: &Rc<Cell<u128>>) -> Box<dyn Iterator<Item = Uuid>> {
    let last = Rc::clone(last);
    Box::new(core::iter::from_fn(move || {
        last.set(last.get() + 1);
        Some(Uuid::from_u128(last.get()))
    }))
}
