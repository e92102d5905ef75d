//! The machine and its model side by side, in a world that is made of values: each input goes to both, and the machine's
//! actions are carried out the way the real driver does.

mod actions;

use super::jobs::Jobs;
use super::model::Model;
use super::peers::Said;
use super::stores::{Log, Results, Spool};
use builder_engine::Now;
use builder_engine::server::{
    Action, ConnectionId, Deferred, Input, Origin, PendingResult, Role, Server, Settings, Start, State,
    Templates, UploadOutcome, UploadSettings,
};
use builder_proto::Uuid;
use builder_proto::job_settings::JobSettings;
use core::cell::Cell;
use core::time::Duration;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

const SETTINGS: Settings = Settings {
    job_time: Duration::from_secs(3600),
    defaults: JobSettings::NONE,
    artifact_bytes: 300,
    console_bytes: 1000,
    builds: 100,
    observers: 100,
};

/// Turns that may follow from one another while no time passes.
const MOST_TURNS: usize = 16;

/// What becomes of results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Storing {
    /// The log takes them at once.
    InLog,
    /// They are written to their files, which is known in the next turn.
    InFile,
    /// The disk takes its time.
    Held,
    /// Their files cannot be begun.
    FailsAtOnce,
    /// Their files cannot be completed.
    FailsInTheEnd,
}

pub(super) struct World {
    pub(super) now: Now,
    pub(super) model: Model,
    pub(super) storing: Storing,
    /// Whether consoles can be kept.
    pub(super) spools_fail: bool,
    /// Who can still send something.
    pub(super) peers: BTreeSet<ConnectionId>,
    server: Server,
    uploads: Option<UploadSettings>,
    /// The result that is being uploaded.
    uploading: Option<Uuid>,
    log: Log,
    results: Results,
    spools: BTreeMap<Uuid, Spool>,
    /// Complete results on their way to the disk.
    held: Vec<Uuid>,
    templates: Templates,
    uuids: Rc<Uuids>,
    next_connection: ConnectionId,
    said: BTreeMap<ConnectionId, Vec<Said>>,
    closed: BTreeSet<ConnectionId>,
    followers: BTreeMap<ConnectionId, Uuid>,
    /// Results whose files are to be written.
    published: Vec<PendingResult>,
    deferred: Vec<Deferred>,
    outcomes: Vec<Outcome>,
}

/// What the world has to tell the machine in the next turn.
enum Outcome {
    Stored(Uuid),
    Failed(Uuid),
    ObserverDone(ConnectionId),
    ObserverFailed(ConnectionId),
    Removed(Uuid),
    Remembered(Uuid),
    PartSent(ConnectionId),
}

/// Names of builds, never the same twice.
#[derive(Default)]
struct Uuids {
    last: Cell<u128>,
    run_dry: Cell<bool>,
}

impl World {
    pub(super) fn new(now: Now, uploads: Option<UploadSettings>) -> World {
        let uuids = Rc::new(Uuids::default());
        let mut log = Log::default();
        log.rotate(&State::default());
        World {
            now,
            model: Model::new(SETTINGS, uploads.clone(), now),
            storing: Storing::InLog,
            spools_fail: false,
            peers: BTreeSet::new(),
            server: Server::start(
                now,
                Start {
                    settings: SETTINGS,
                    state: State::default(),
                    uuids: uuids_from(&uuids),
                    templates: Templates::new(),
                    uploads: uploads.clone(),
                    notices: false,
                    stored: BTreeSet::new(),
                    written_back: Vec::new(),
                },
            ),
            uploads,
            uploading: None,
            log,
            results: Results::default(),
            spools: BTreeMap::new(),
            held: Vec::new(),
            templates: Templates::new(),
            uuids,
            next_connection: 0,
            said: BTreeMap::new(),
            closed: BTreeSet::new(),
            followers: BTreeMap::new(),
            published: Vec::new(),
            deferred: Vec::new(),
            outcomes: Vec::new(),
        }
    }

    pub(super) fn connect(&mut self, role: Role) -> ConnectionId {
        let connection = self.next_connection;
        self.next_connection += 1;
        self.peers.insert(connection);
        self.hand_in(Input::Connected { connection, role, origin: Origin::default() });
        connection
    }

    pub(super) fn say(&mut self, connection: ConnectionId, bytes: &[u8]) {
        if self.peers.contains(&connection) {
            self.hand_in(Input::Received { connection, bytes });
        }
    }

    /// The peer closes, or is gone.
    pub(super) fn close(&mut self, connection: ConnectionId) {
        if self.peers.remove(&connection) {
            self.followers.remove(&connection);
            self.hand_in(Input::Closed { connection, reason: "the peer closed the connection" });
        }
    }

    pub(super) fn set_templates(&mut self, templates: Templates) {
        self.templates.clone_from(&templates);
        self.hand_in(Input::Templates(templates));
    }

    pub(super) fn set_free_space(&mut self, has_room: bool) {
        self.hand_in(Input::LogSpace(if has_room { u64::MAX } else { 0 }));
    }

    pub(super) fn set_uuids(&mut self, available: bool) {
        self.uuids.run_dry.set(!available);
        self.model.set_uuids(available);
    }

    /// The disk has caught up with everything, for better or for worse.
    pub(super) fn release(&mut self, succeeds: bool) {
        for uuid in core::mem::take(&mut self.held) {
            self.outcomes.push(if succeeds { Outcome::Stored(uuid) } else { Outcome::Failed(uuid) });
        }
        self.end_turn();
    }

    /// So many of the results that the log holds become durable in their files.
    pub(super) fn write_back(&mut self, count: usize) {
        self.end_turn();
        let written_back: Vec<Uuid> = self.results.pending.keys().rev().take(count).copied().collect();
        self.results.pending.retain(|uuid, _| !written_back.contains(uuid));
        self.hand_in(Input::ResultsWrittenBack(written_back));
        self.end_turn();
    }

    /// The upload that is under way comes to an end.
    pub(super) fn end_upload(&mut self, outcome: UploadOutcome<'_>) {
        if let Some(uuid) = self.uploading.take() {
            self.hand_in(Input::UploadEnded { uuid, outcome });
        }
    }

    /// Uploads that wait are tried at once.
    pub(super) fn resume_uploads(&mut self) {
        self.hand_in(Input::Resume);
    }

    /// The log is replaced by a snapshot.
    pub(super) fn rotate(&mut self) {
        self.write_back(usize::MAX);
        self.check_log();
        self.log.rotate(self.server.state());
    }

    /// Lets time pass, and wakes the machine whenever it asked for that.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now.monotonic + time;
        while let Some(deadline) = self.server.next_deadline().filter(|deadline| *deadline < end) {
            self.sleep(deadline.saturating_sub(self.now.monotonic));
            self.end_turn();
        }
        self.sleep(end - self.now.monotonic);
        self.end_turn();
    }

    /// Lets time pass unnoticed.
    pub(super) fn sleep(&mut self, time: Duration) {
        self.now.monotonic += time;
        self.now.wall = self.now.wall.saturating_add(time);
    }

    /// Ends the turn, and those that follow from it at once. Machine and model have to agree then.
    pub(super) fn end_turn(&mut self) {
        for _ in 0..MOST_TURNS {
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
            let may_sleep = self.server.next_deadline().is_none_or(|deadline| deadline > self.now.monotonic);
            if self.outcomes.is_empty() && may_sleep {
                return;
            }
            for outcome in core::mem::take(&mut self.outcomes) {
                self.report(outcome);
            }
        }
        panic!("the server would never sleep");
    }

    /// The server stops at once and starts again with what is on disk, and with so many records that were on their way.
    pub(super) fn crash(&mut self, surviving: usize) {
        self.check_log();
        self.log.crash(surviving);
        self.peers.clear();
        self.followers.clear();
        self.published.clear();
        self.deferred.clear();
        self.outcomes.clear();
        self.held.clear();
        self.said.clear();
        self.results.crash();
        let recovered = self.log.recover();
        for result in recovered.pending {
            self.results.publish(result);
        }
        let unfinished: BTreeSet<Uuid> = recovered.state.unfinished().map(|(uuid, _)| uuid).collect();
        self.spools.retain(|uuid, _| unfinished.contains(uuid));
        self.spools.values_mut().for_each(Spool::reopen);
        let stored = unfinished.into_iter().filter(|uuid| self.results.in_place.contains_key(uuid)).collect();
        self.model.restart(self.now, Jobs::of(&recovered.state), &stored);
        self.model.handle(self.now, &Input::Templates(self.templates.clone()));
        let start = Start {
            settings: SETTINGS,
            state: recovered.state,
            uuids: uuids_from(&self.uuids),
            templates: self.templates.clone(),
            uploads: self.uploads.clone(),
            notices: false,
            stored,
            written_back: Vec::new(),
        };
        self.server = Server::start(self.now, start);
        self.uploading = None;
        self.drain(&[]);
        self.end_turn();
    }

    /// What recovery makes of all records is what the machine has in memory, and a snapshot says the same.
    fn check_log(&self) {
        let recovered = self.log.recover();
        assert_eq!(Jobs::of(&recovered.state), self.model.jobs, "recovered from all records");
        // Amid a turn, results may be in the log that are not published yet.
        if self.published.is_empty() {
            let pending: Vec<_> = self.results.pending.values().cloned().collect();
            assert_eq!(recovered.pending, pending, "results that only the log is sure to hold");
        }
        let mut snapshot = Log::default();
        snapshot.rotate(self.server.state());
        assert_eq!(Jobs::of(&snapshot.recover().state), self.model.jobs, "recovered from a snapshot");
    }

    fn hand_in(&mut self, input: Input<'_>) {
        let received = if let Input::Received { bytes, .. } = &input { bytes } else { &[][..] };
        self.model.handle(self.now, &input);
        self.server.handle(self.now, input);
        self.drain(received);
    }

    fn drain(&mut self, received: &[u8]) {
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Append(record) => self.log.append(&record),
                Action::Now(action) => self.perform_now(action, received),
                Action::Publish(result) => self.published.push(result),
                Action::AfterCommit(action) => self.deferred.push(action),
            }
        }
    }

    /// Machine and model agree.
    fn check(&mut self) {
        if self.model.is_out_of_its_depth {
            return;
        }
        assert_eq!(Jobs::of(self.server.state()), self.model.jobs);
        let (said, expected) = (core::mem::take(&mut self.said), core::mem::take(&mut self.model.said));
        assert_eq!(said, expected, "what was said");
        if let Some(expected) = self.model.next_deadline() {
            let deadline = self.server.next_deadline();
            assert!(deadline.is_some_and(|deadline| deadline <= expected), "it would oversleep");
        }
    }
}

fn uuids_from(uuids: &Rc<Uuids>) -> Box<dyn Iterator<Item = Uuid>> {
    let uuids = Rc::clone(uuids);
    Box::new(core::iter::from_fn(move || {
        if uuids.run_dry.get() {
            return None;
        }
        uuids.last.set(uuids.last.get() + 1);
        Some(Uuid::from_u128(uuids.last.get()))
    }))
}
