//! What the server wants done, done: at once, or when the commit and the files of results allow it.

use super::consoles::{Filling, Manner};
use super::digest::Digested;
use super::fetching::Fetching;
use super::files::{DirectoryName, FileName, Files};
use super::platform::Platform;
use super::reasons::StopReason;
use super::release::{BatchNumber, Waiting};
use super::staged::{self, Staged};
use super::tasks::{Task, TaskKind};
use super::turn::Driver;
use crate::manifest::Manifest;
use crate::server::record::{Configured, Contents, Record};
use crate::server::{Action, ConnectionId, Deferred, Immediate, Input, ResultHead};
use builder_proto::Uuid;
use builder_proto::execution::StoredExecution;
use builder_proto::text::Text;
use core::ops::Range;
use std::io::{self, ErrorKind};
use std::sync::Arc;

impl<P: Platform> Driver<P> {
    /// Carries out what the server wants, or puts it off until the commit. `received` is the input just handed in.
    pub(super) fn drain(&mut self, received: &[u8]) -> Result<(), StopReason> {
        while let Some(action) = self.server.poll_action() {
            match action {
                Action::Append(record) => self.append(&record)?,
                Action::Now(immediate) => self.perform_now(immediate, received)?,
                Action::Publish(result) => self.release_queue.defer_result(result),
                Action::AfterCommit(deferred) => self.release_queue.defer(Waiting::Action(deferred)),
            }
        }
        Ok(())
    }

    fn append(&mut self, record: &Record) -> Result<(), StopReason> {
        self.platform.recorded(record);
        if let (Record::Started(started), Some(metrics)) = (record, &mut self.metrics) {
            metrics.tally.started(started);
        }
        if let Record::Configured(Configured { item, .. }) | Record::ScheduledOnGrid(item) = record {
            self.retention.want(item.job.name());
        }
        self.record.clear();
        record.append_to(&mut self.record).map_err(|error| StopReason::Encoding(error.to_string()))?;
        self.log.append(&self.record).map_err(StopReason::Log)
    }

    fn perform_now(&mut self, action: Immediate, received: &[u8]) -> Result<(), StopReason> {
        match action {
            Immediate::Spool { uuid, entries, console_bytes } => self.spool(uuid, &entries, console_bytes),
            Immediate::BeginResult { uuid, head } => self.begin_result(uuid, *head),
            Immediate::AppendArtifacts { uuid, range } => self.append_artifacts(uuid, range, received),
            Immediate::CompleteResult { uuid } => self.complete_result(uuid),
            Immediate::StoreResult { uuid } => self.store_result(uuid),
            Immediate::AbandonResult { uuid } => self.abandon_result(uuid),
            Immediate::Halt { reason } => return Err(StopReason::Contradiction(reason)),
        }
        Ok(())
    }

    /// Begins to carry out what waited for the commit that has just been made.
    pub(super) fn release(&mut self) -> Result<(), StopReason> {
        for order in self.release_queue.commit(&mut self.write_back, TaskKind::Write.threads()) {
            self.platform.submit(Task::write(order));
        }
        self.perform_ready()
    }

    /// Takes note of files that were written, or could not be.
    pub(super) fn on_written(
        &mut self,
        batch: Option<BatchNumber>,
        outcomes: Vec<(Uuid, io::Result<()>)>,
    ) -> Result<(), StopReason> {
        self.write_back.written(self.platform.now().monotonic, outcomes);
        if let Some(batch) = batch {
            self.release_queue.written(batch);
        }
        self.perform_ready()
    }

    fn perform_ready(&mut self) -> Result<(), StopReason> {
        while let Some(waiting) = self.release_queue.next_ready() {
            match waiting {
                Waiting::Action(action) => self.perform(action)?,
                Waiting::Store(uuid) => {
                    // It may have been abandoned since.
                    if let Some(Staged::Large(result)) = self.staged.remove(&uuid) {
                        self.platform.submit(Task::store(result));
                    }
                }
            }
        }
        Ok(())
    }

    /// Does what others can see; the records it depends on are on disk.
    fn perform(&mut self, action: Deferred) -> Result<(), StopReason> {
        match action {
            Deferred::Seal { uuid, closing } => {
                self.spools.get(uuid).borrow_mut().seal(closing);
                self.observers.activate_followers(uuid);
            }
            Deferred::RemoveSpool { uuid } => {
                if let Some(file) = self.spools.remove(uuid) {
                    self.platform.submit(Task::close(file));
                }
                self.observers.forget_spool(uuid);
            }
            Deferred::Upload { uuid, name } => {
                // The server asks for none unless results are uploaded.
                if let Some(uploads) = &mut self.uploads {
                    uploads.want(uuid, name);
                }
            }
            Deferred::Notify { uuid, attempt } => self.want_notice(uuid, attempt),
            Deferred::RemoveResult { uuid, name } => self.platform.submit(Task::remove((uuid, name))),
            Deferred::Remember { uuid } => self.remember(uuid),
            Deferred::RememberRemoval { uuid, at } => {
                self.history.remember_removal(self.platform.now().monotonic, uuid, at);
            }
            // An observer may have left since it asked.
            Deferred::Follow { connection, .. }
            | Deferred::Replay { connection, .. }
            | Deferred::Fetch { connection, .. }
            | Deferred::List { connection, .. }
            | Deferred::Overview { connection }
            | Deferred::Describe { connection, .. }
                if !self.connections.has(connection) => {}
            Deferred::Follow { connection, uuid, waits, closes } => {
                let manner = Manner { waits, closes };
                self.observers.follow(connection, uuid, self.spools.get(uuid), manner);
            }
            Deferred::Replay { connection, uuid, closes } => self.replay(connection, uuid, closes)?,
            Deferred::Fetch { connection, selection } => {
                let likely = self.history.job(selection.uuid).cloned();
                let held = self.write_back.result(selection.uuid).map(|result| result.contents.clone());
                self.observers.fetch(connection, Fetching::new(*selection, likely, held));
            }
            Deferred::List { connection, query } => self.list(connection, &query),
            Deferred::Overview { connection } => self.survey(connection),
            Deferred::Describe { connection, uuid } => self.describe(connection, uuid)?,
            Deferred::Send { connection, bytes } => {
                if let Some(peer) = self.connections.sending(connection) {
                    peer.send(&bytes);
                }
            }
            Deferred::SendPart { connection, bytes } => {
                if let Some(peer) = self.connections.sending(connection) {
                    peer.send(&bytes);
                }
                self.connections.report_when_sent(connection);
            }
            Deferred::Finish { connection } => {
                self.observers.forget(connection);
                if let Some(peer) = self.connections.sending(connection) {
                    peer.finish();
                }
            }
            Deferred::Drop { connection } => {
                self.observers.forget(connection);
                let reason = "the peer did not close it in time";
                self.connections.close(&mut self.platform, connection, reason);
            }
        }
        Ok(())
    }

    /// Has results written again that could not be written, and synced what was written a while ago.
    pub(super) fn write_back(&mut self) {
        let now = self.platform.now().monotonic;
        let results = self.write_back.retry(now);
        if !results.is_empty() {
            self.platform.submit(Task::write_again(results));
        }
        if let Some(builds) = self.write_back.sync(now) {
            self.platform.submit(Task::sync(builds));
        }
    }

    /// Fills the outboxes of observers that have room, with what is new.
    pub(super) fn feed_observers(&mut self) -> Result<(), StopReason> {
        for connection in self.observers.take_active() {
            let Some(peer) = self.connections.sending(connection) else { continue };
            // First, so that what still waits after it waits for the connection, and an event will tell.
            if peer.flush(&mut self.platform).is_err() {
                // The flush at the end of the turn fails in the same way, and takes care of it.
                continue;
            }
            let unsent = peer.unsent();
            match self.observers.fill(connection, peer.outbox(), unsent, &self.files) {
                Ok(Filling::Waiting) => {}
                Ok(Filling::Hungry) => self.list_further(connection)?,
                Ok(Filling::Ready) => {
                    // When the connection is full, an event will say that it has room again.
                    if peer.flush(&mut self.platform).is_ok() && peer.is_writable() {
                        self.observers.activate(connection);
                    }
                }
                Ok(Filling::Done) => {
                    // The server hears of it when all is sent, however long that takes.
                    self.observers.served(connection);
                    self.connections.report_when_sent(connection);
                }
                Err(error) => {
                    self.observers.forget(connection);
                    let reason = format!("the console cannot be read: {error}");
                    ::log::error!("connection {connection}: {reason}");
                    self.input(Input::ObserverFailed { connection, error: &reason }, &[])?;
                }
            }
        }
        for task in self.observers.take_tasks() {
            self.platform.submit(task);
        }
        Ok(())
    }

    /// Has an observer sent a stored result. As long as the log holds it, its file may be what a crash left of it.
    fn replay(&mut self, connection: ConnectionId, uuid: Uuid, closes: bool) -> Result<(), StopReason> {
        let Some(result) = self.write_back.result(uuid) else {
            self.observers.search(connection, closes);
            self.platform.submit(Task::find(connection, uuid, self.history.job(uuid).cloned()));
            return Ok(());
        };
        match self.observers.replay(connection, uuid, result.contents.clone(), closes) {
            Ok(()) => Ok(()),
            Err(error) => self.input(Input::ObserverFailed { connection, error: &error }, &[]),
        }
    }

    pub(super) fn on_found(
        &mut self,
        connection: ConnectionId,
        uuid: Uuid,
        job: io::Result<Option<Text>>,
    ) -> Result<(), StopReason> {
        let job = job.unwrap_or_else(|error| {
            let root = self.files.describe_directory(DirectoryName::Root);
            ::log::error!("cannot look for build {uuid} in {root}: {error}");
            None
        });
        match self.observers.found(connection, uuid, job, &self.files) {
            Ok(()) => Ok(()),
            Err(error) => self.input(Input::ObserverFailed { connection, error: &error }, &[]),
        }
    }

    fn spool(&mut self, uuid: Uuid, entries: &[u8], console_bytes: u64) {
        if let Err(error) = self.spools.append(uuid, entries, console_bytes) {
            let error = format!("{}: {error}", self.files.describe(FileName::Spool(uuid)));
            self.server.handle(self.platform.now(), Input::SpoolFailed { uuid, error: &error });
        }
        self.observers.activate_followers(uuid);
    }

    fn begin_result(&mut self, uuid: Uuid, head: ResultHead) {
        let spool = self.spools.get(uuid).borrow();
        self.begun += 1;
        let begun = Staged::begin(&self.files, self.begun, uuid, head, &spool, self.limits.small_result);
        drop(spool);
        match begun {
            Ok(staged) => {
                self.staged.insert(uuid, staged);
            }
            Err(error) => self.refuse_result(uuid, &error),
        }
    }

    fn append_artifacts(&mut self, uuid: Uuid, range: Range<usize>, received: &[u8]) {
        let Some(staged) = self.staged.get_mut(&uuid) else { return };
        if let Err(error) = staged.append(&self.files, received.get(range).unwrap_or_default()) {
            self.refuse_result(uuid, &error);
        }
        self.digest(uuid);
    }

    /// Has a thread look at the artifacts of a large result, as far as they are there and no thread is at it.
    fn digest(&mut self, uuid: Uuid) {
        if let Some(Staged::Large(large)) = self.staged.get_mut(&uuid)
            && let Some(digesting) = large.next_to_digest()
        {
            self.platform.submit(Task::digest(digesting));
        }
    }

    /// A small result is looked at here, a large one by a thread.
    fn complete_result(&mut self, uuid: Uuid) {
        let manifest = match self.staged.get_mut(&uuid) {
            Some(Staged::Small(contents)) => manifest_of(contents),
            Some(Staged::Large(large)) => {
                large.set_complete();
                match large.take_manifest() {
                    Some(manifest) => Ok(manifest),
                    None => return self.digest(uuid),
                }
            }
            // It failed earlier, and the server was told.
            None => return,
        };
        match manifest {
            Ok(manifest) => {
                self.server.handle(self.platform.now(), Input::ResultDigested { uuid, manifest });
            }
            Err(error) => self.refuse_result(uuid, &error),
        }
    }

    /// A thread has looked at artifacts.
    pub(super) fn on_digested(
        &mut self,
        outcome: Result<Digested, (Uuid, u64, io::Error)>,
    ) -> Result<(), StopReason> {
        let uuid = match outcome {
            Ok(digested) => {
                let uuid = digested.uuid;
                let Some(Staged::Large(large)) = self.staged.get_mut(&uuid) else { return Ok(()) };
                if !large.take_back(digested) {
                    return Ok(());
                }
                uuid
            }
            Err((uuid, number, error)) => {
                if matches!(self.staged.get(&uuid), Some(Staged::Large(large)) if large.is_number(number)) {
                    self.refuse_result(uuid, &error);
                }
                return self.drain(&[]);
            }
        };
        let Some(Staged::Large(large)) = self.staged.get_mut(&uuid) else { return Ok(()) };
        match large.take_manifest() {
            Some(manifest) => self.input(Input::ResultDigested { uuid, manifest }, &[]),
            None => {
                self.digest(uuid);
                Ok(())
            }
        }
    }

    /// A small result goes into the log with the next commit, a large one into its place after that.
    fn store_result(&mut self, uuid: Uuid) {
        match self.staged.remove(&uuid) {
            Some(Staged::Small(contents)) => {
                let contents = Some(Contents(Arc::new(contents)));
                self.server.handle(self.platform.now(), Input::ResultStored { uuid, contents });
            }
            Some(large) => {
                self.staged.insert(uuid, large);
                self.release_queue.defer(Waiting::Store(uuid));
            }
            // It failed earlier, and the server was told.
            None => {}
        }
    }

    fn abandon_result(&mut self, uuid: Uuid) {
        let staged = self.staged.remove(&uuid);
        staged::abandon(&self.files, uuid);
        if let Some(Staged::Large(result)) = staged {
            self.platform.submit(Task::close(result.into_file()));
        }
    }

    fn refuse_result(&mut self, uuid: Uuid, error: &io::Error) {
        self.abandon_result(uuid);
        let error = format!("{}: {error}", self.files.describe(FileName::Staged(uuid)));
        self.server.handle(self.platform.now(), Input::ResultFailed { uuid, error: &error });
    }
}

/// What a whole result holds.
fn manifest_of(contents: &[u8]) -> io::Result<Manifest> {
    let damaged = |error: &dyn core::fmt::Display| io::Error::new(ErrorKind::InvalidData, error.to_string());
    let stored = StoredExecution::open(contents, contents.len() as u64).map_err(|error| damaged(&error))?;
    Manifest::of(contents, &stored).map_err(|error| damaged(&error))
}
