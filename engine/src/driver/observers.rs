//! Observers: what each is sent next, and when. They are an offset into a spool or a stored result, and take bytes when their
//! connection has room.

use super::consoles::{Filling, Following, Manner, Replaying, append_message};
use super::fetching::Fetching;
use super::files::{FileName, Files, StoredResult};
use super::listing::Listing;
use super::overview::Overview;
use super::spools::SharedSpool;
use super::tasks::Task;
use crate::server::ConnectionId;
use crate::server::record::Contents;
use builder_proto::Uuid;
use builder_proto::command::Command;
use builder_proto::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::io;

/// All observers by connection.
#[derive(Debug)]
pub(crate) struct Observers<F: Files> {
    observers: BTreeMap<ConnectionId, Observer<F>>,
    /// Those that may have something to send.
    active: BTreeSet<ConnectionId>,
    /// Those of each spool.
    followers: BTreeMap<Uuid, BTreeSet<ConnectionId>>,
    /// What threads are to do.
    tasks: Vec<Task<F>>,
    /// Bytes of an outbox up to which it is filled.
    outbox_bytes: usize,
    block: Vec<u8>,
}

/// A client that follows a build.
#[derive(Debug)]
enum Observer<F: Files> {
    /// The stored result is being looked for; whether the closing messages are to be sent.
    Searching(bool),
    /// The build runs, or its result is not stored yet.
    Following(Following<F>),
    /// The result is stored.
    Replaying(Box<Replaying<F>>),
    /// Artifacts are sent; none while a thread reads.
    Fetching(Option<Box<Fetching<F>>>),
    /// It is told of builds or of all, a few messages at a time.
    Listing(Box<Telling>),
    /// All is in the outbox.
    Served,
}

/// What a client is told that is put together elsewhere.
#[derive(Debug)]
pub(crate) struct Telling {
    /// What comes after that; none when it is all.
    rest: Option<Rest>,
    /// Whole messages, of which some bytes are in the outbox.
    messages: Vec<u8>,
    sent: usize,
    /// Whether more is being put together.
    is_asked: bool,
}

/// What a client is to be told further.
#[derive(Debug)]
pub(crate) enum Rest {
    /// Builds.
    Listing(Listing),
    /// How all is.
    Overview(Overview),
}

impl<F: Files> Observers<F> {
    /// Outboxes are filled up to so many bytes, and again when half of that is sent.
    pub(crate) fn new(outbox_bytes: usize) -> Self {
        Observers {
            observers: BTreeMap::new(),
            active: BTreeSet::new(),
            followers: BTreeMap::new(),
            tasks: Vec::new(),
            outbox_bytes,
            block: Vec::new(),
        }
    }

    /// The build runs, or its result is not stored yet. The observer waits for the lines to come, or gets those so far, as
    /// `manner` says.
    pub(crate) fn follow(
        &mut self,
        connection: ConnectionId,
        uuid: Uuid,
        spool: &SharedSpool<F>,
        manner: Manner,
    ) {
        let following = Following::new(uuid, spool, manner);
        self.observers.insert(connection, Observer::Following(following));
        self.followers.entry(uuid).or_default().insert(connection);
        self.active.insert(connection);
    }

    /// The stored result of the build is being looked for.
    pub(crate) fn search(&mut self, connection: ConnectionId, closes: bool) {
        self.observers.insert(connection, Observer::Searching(closes));
    }

    /// The stored result is held in memory.
    ///
    /// # Errors
    ///
    /// What the observer is to be told.
    pub(crate) fn replay(
        &mut self,
        connection: ConnectionId,
        uuid: Uuid,
        contents: Contents,
        closes: bool,
    ) -> Result<(), String> {
        let replaying = Replaying::of(StoredResult::Held(contents), uuid, closes)
            .map_err(|error| format!("the stored result of build {uuid} {error}"))?;
        self.begin_replay(connection, replaying);
        Ok(())
    }

    /// The stored result is there, or none is.
    ///
    /// # Errors
    ///
    /// What the observer is to be told. The connection may have left, and then there is none.
    pub(crate) fn found(
        &mut self,
        connection: ConnectionId,
        uuid: Uuid,
        job: Option<Text>,
        files: &F,
    ) -> Result<(), String> {
        let closes = match self.observers.get(&connection) {
            Some(Observer::Searching(closes)) => *closes,
            _ => return Ok(()),
        };
        let job = job.ok_or_else(|| "uuid not found".to_owned())?;
        let name = FileName::Result { job: &job, uuid };
        match Replaying::open(files, name, uuid, closes) {
            Ok(replaying) => {
                self.begin_replay(connection, replaying);
                Ok(())
            }
            Err(error) => {
                ::log::error!("{}: {error}", files.describe(name));
                Err(format!("the stored result of build {uuid} {error}"))
            }
        }
    }

    /// The client is to be told something; more is asked for when there is room.
    pub(crate) fn tell(&mut self, connection: ConnectionId, rest: Option<Rest>) {
        let is_asked = rest.is_none();
        let telling = Telling { rest, messages: Vec::new(), sent: 0, is_asked };
        self.observers.insert(connection, Observer::Listing(Box::new(telling)));
        self.active.insert(connection);
    }

    /// What a client is to be told further.
    pub(crate) fn rest(&mut self, connection: ConnectionId) -> Option<&mut Rest> {
        match self.observers.get_mut(&connection) {
            Some(Observer::Listing(telling)) => telling.rest.as_mut(),
            _ => None,
        }
    }

    /// More is being put together for a client.
    pub(crate) fn asked(&mut self, connection: ConnectionId) {
        if let Some(Observer::Listing(telling)) = self.observers.get_mut(&connection) {
            telling.is_asked = true;
        }
    }

    /// Messages for a client are there. With `is_last` there are no more.
    pub(crate) fn told(&mut self, connection: ConnectionId, messages: Vec<u8>, is_last: bool) {
        if let Some(Observer::Listing(telling)) = self.observers.get_mut(&connection) {
            telling.messages = messages;
            telling.is_asked = false;
            if is_last {
                telling.rest = None;
            }
            self.active.insert(connection);
        }
    }

    /// Bytes that are held for clients.
    pub(crate) fn told_bytes(&self) -> usize {
        let bytes = |observer: &Observer<F>| match observer {
            Observer::Listing(telling) => telling.messages.len(),
            _ => 0,
        };
        self.observers.values().map(bytes).sum()
    }

    fn begin_replay(&mut self, connection: ConnectionId, replaying: Replaying<F>) {
        self.observers.insert(connection, Observer::Replaying(Box::new(replaying)));
        self.active.insert(connection);
    }

    /// Artifacts are to be sent.
    pub(crate) fn fetch(&mut self, connection: ConnectionId, fetching: Fetching<F>) {
        self.observers.insert(connection, Observer::Fetching(None));
        self.tasks.push(Task::fetch(connection, Box::new(fetching)));
    }

    /// A thread has read some of them. The client may have left meanwhile.
    pub(crate) fn fetched(&mut self, connection: ConnectionId, fetching: Box<Fetching<F>>) {
        match self.observers.get_mut(&connection) {
            Some(Observer::Fetching(read)) => {
                *read = Some(fetching);
                self.active.insert(connection);
            }
            _ => self.abandon(&fetching),
        }
    }

    fn abandon(&mut self, fetching: &Fetching<F>) {
        self.tasks.extend(fetching.file().map(Task::close));
    }

    /// What threads are to do.
    pub(crate) fn take_tasks(&mut self) -> Vec<Task<F>> {
        core::mem::take(&mut self.tasks)
    }

    /// There may be room for more.
    pub(crate) fn activate(&mut self, connection: ConnectionId) {
        if self.observers.contains_key(&connection) {
            self.active.insert(connection);
        }
    }

    /// There is more in the spool of a build.
    pub(crate) fn activate_followers(&mut self, uuid: Uuid) {
        if let Some(followers) = self.followers.get(&uuid) {
            self.active.extend(followers);
        }
    }

    /// The spool is removed. Those who still read it go on.
    pub(crate) fn forget_spool(&mut self, uuid: Uuid) {
        self.followers.remove(&uuid);
    }

    pub(crate) fn has_active(&self) -> bool {
        !self.active.is_empty()
    }

    pub(crate) fn take_active(&mut self) -> BTreeSet<ConnectionId> {
        core::mem::take(&mut self.active)
    }

    /// Fills the outbox of an observer, of which `unsent` bytes wait to be sent.
    ///
    /// # Errors
    ///
    /// When the console cannot be read.
    pub(crate) fn fill(
        &mut self,
        connection: ConnectionId,
        outbox: &mut Vec<u8>,
        unsent: usize,
        files: &F,
    ) -> io::Result<Filling> {
        if unsent > self.outbox_bytes / 2 {
            return Ok(Filling::Waiting);
        }
        let full = outbox.len() + self.outbox_bytes - unsent;
        match self.observers.get_mut(&connection) {
            None | Some(Observer::Searching(_) | Observer::Served) => Ok(Filling::Waiting),
            Some(Observer::Following(following)) => {
                following.fill(outbox, full, self.outbox_bytes, &mut self.block, files)
            }
            Some(Observer::Replaying(replaying)) => Ok(replaying.fill(outbox, full)),
            Some(Observer::Fetching(read)) => {
                let Some(mut fetching) = read.take() else { return Ok(Filling::Waiting) };
                let Some(outcome) = fetching.take_piece(outbox) else {
                    // The next piece is read while this one is sent.
                    self.tasks.push(Task::fetch(connection, fetching));
                    return Ok(Filling::Waiting);
                };
                let message =
                    outcome.map_or_else(|text| Command::Failure(Text::from(text)), |()| Command::Success);
                append_message(outbox, &message);
                Ok(Filling::Done)
            }
            Some(Observer::Listing(telling)) => Ok(telling.fill(outbox, full)),
        }
    }

    /// All is in the outbox of an observer; it remains one until that is sent.
    pub(crate) fn served(&mut self, connection: ConnectionId) {
        self.forget(connection);
        self.observers.insert(connection, Observer::Served);
    }

    /// Forgets an observer that has been sent everything; says whether it was one.
    pub(crate) fn forget_served(&mut self, connection: ConnectionId) -> bool {
        matches!(self.observers.get(&connection), Some(Observer::Served)) && self.forget(connection)
    }

    /// Forgets an observer; says whether it was one.
    pub(crate) fn forget(&mut self, connection: ConnectionId) -> bool {
        self.active.remove(&connection);
        let observer = self.observers.remove(&connection);
        if let Some(Observer::Following(following)) = &observer
            && let Some(followers) = self.followers.get_mut(&following.uuid)
        {
            followers.remove(&connection);
        }
        if let Some(Observer::Fetching(Some(fetching))) = &observer {
            self.abandon(fetching);
        }
        observer.is_some()
    }
}

impl Telling {
    fn fill(&mut self, outbox: &mut Vec<u8>, full: usize) -> Filling {
        let rest = self.messages.get(self.sent..).unwrap_or_default();
        let piece = rest.get(..full.saturating_sub(outbox.len())).unwrap_or(rest);
        outbox.reserve_exact(piece.len());
        outbox.extend_from_slice(piece);
        self.sent += piece.len();
        if self.sent < self.messages.len() {
            return Filling::Ready;
        }
        (self.messages, self.sent) = (Vec::new(), 0);
        match self.rest {
            None if self.is_asked => Filling::Waiting,
            None => Filling::Done,
            Some(_) if self.is_asked => Filling::Waiting,
            Some(_) => Filling::Hungry,
        }
    }
}
