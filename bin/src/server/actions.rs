//! What the machine wants done, done.

use crate::server::disk::{Search, Task};
use crate::server::observer::{Observer, Progress};
use crate::server::reactor::Reactor;
use crate::server::release::Waiting;
use crate::server::result::{self, Staged};
use crate::server::stop::StopReason;
use builder_engine::server::record::{Contents, Record};
use builder_engine::server::{Action, ConnectionId, Deferred, Immediate, Input, ResultHead};
use builder_proto::Uuid;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

impl Reactor {
    /// Carries out what the machine wants, or puts it off until the commit. `received` is the input just handed in.
    pub(crate) fn drain(&mut self, received: &[u8]) -> Result<(), StopReason> {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Append(record) => self.append(&record)?,
                Action::Now(action) => self.perform_now(action, received)?,
                Action::AfterCommit(action) => self.defer(action),
            }
        }
        Ok(())
    }

    fn perform_now(&mut self, action: Immediate, received: &[u8]) -> Result<(), StopReason> {
        match action {
            Immediate::Spool { uuid, entries, console_octets } => self.spool(uuid, &entries, console_octets),
            Immediate::BeginResult { uuid, head } => self.begin_result(uuid, *head),
            Immediate::AppendArtifacts { uuid, range } => self.append_artifacts(uuid, range, received),
            Immediate::CompleteResult { uuid } => self.complete_result(uuid),
            Immediate::AbandonResult { uuid } => self.abandon_result(uuid),
            Immediate::Halt { reason } => return Err(StopReason::Contradiction(reason)),
        }
        Ok(())
    }

    /// Does what others can see; the records it depends on are on disk.
    pub(crate) fn perform(&mut self, action: Deferred) {
        match action {
            Deferred::Seal { uuid, closing } => {
                self.spools.get(uuid).borrow_mut().seal(closing);
                self.activate_followers(uuid);
            }
            Deferred::RemoveSpool { uuid } => {
                if let Some(file) = self.spools.remove(uuid) {
                    self.disk.submit(Task::Close(file));
                }
                self.followers.remove(&uuid);
            }
            Deferred::Upload { uuid, name } => self.upload(uuid, name),
            Deferred::RemoveResult { uuid, name } => self.remove_result(uuid, name),
            // An observer may have left since it asked.
            Deferred::Follow { connection, .. } | Deferred::Replay { connection, .. }
                if !self.network.has(connection) => {}
            Deferred::Follow { connection, uuid } => {
                self.observers.insert(connection, Observer::following(uuid, self.spools.get(uuid)));
                self.followers.entry(uuid).or_default().insert(connection);
                self.active_observers.insert(connection);
            }
            Deferred::Replay { connection, uuid } => {
                self.observers.insert(connection, Observer::Searching);
                self.disk.search(Search { connection, uuid });
            }
            Deferred::Send { connection, bytes } => {
                if let Some(peer) = self.network.sending(connection) {
                    peer.send(&bytes);
                }
            }
            Deferred::SendPart { connection, bytes } => {
                if let Some(peer) = self.network.sending(connection) {
                    peer.send(&bytes);
                }
                self.network.report_when_sent(connection);
            }
            Deferred::Finish { connection } => {
                self.forget_observer(connection);
                if let Some(peer) = self.network.sending(connection) {
                    peer.finish();
                }
            }
            Deferred::Drop { connection } => {
                self.forget_observer(connection);
                self.network.close(connection, "the peer did not close it in time");
            }
            // Its file was written before this.
            Deferred::Publish { .. } => {}
        }
    }

    /// Puts a large result in place; the records that say how its build ended are on disk.
    pub(crate) fn store_result(&mut self, uuid: Uuid) {
        if let Some(Staged::Large(result)) = self.staged.remove(&uuid) {
            self.disk.submit(Task::Store(result));
        }
    }

    /// Fills the outboxes of observers that have room, with what is new.
    pub(crate) fn feed_observers(&mut self) -> Result<(), StopReason> {
        for connection in std::mem::take(&mut self.active_observers) {
            let (Some(observer), Some(peer)) =
                (self.observers.get_mut(&connection), self.network.sending(connection))
            else {
                continue;
            };
            // First, so that what still waits after it waits for the socket, and an event will tell.
            if peer.flush().is_err() {
                // The flush at the end of the turn fails in the same way, and takes care of it.
                continue;
            }
            let unsent = peer.unsent();
            match observer.fill(peer.outbox(), unsent, &mut self.block) {
                Ok(Progress::Waiting) => {}
                Ok(Progress::Ready) => {
                    // When the socket is full, an event will say that it has room again.
                    if peer.flush().is_ok() && peer.is_writable() {
                        self.active_observers.insert(connection);
                    }
                }
                Ok(Progress::Done) => {
                    // The machine hears of it when all is sent, however long that takes.
                    self.forget_observer(connection);
                    self.observers.insert(connection, Observer::Served);
                    self.network.report_when_sent(connection);
                }
                Err(error) => {
                    self.observers.remove(&connection);
                    let reason = format!("the console cannot be read: {error}");
                    log::error!("connection {connection}: {reason}");
                    self.input(Input::ObserverFailed { connection, error: &reason }, &[])?;
                }
            }
        }
        Ok(())
    }

    pub(crate) fn on_found(
        &mut self,
        connection: ConnectionId,
        uuid: Uuid,
        result: Option<PathBuf>,
    ) -> Result<(), StopReason> {
        if !self.observers.contains_key(&connection) {
            return Ok(());
        }
        let Some(path) = result else {
            return self.input(Input::ObserverFailed { connection, error: "uuid not found" }, &[]);
        };
        match Observer::replaying(uuid, &path) {
            Ok(observer) => {
                self.observers.insert(connection, observer);
                self.active_observers.insert(connection);
                Ok(())
            }
            Err(error) => {
                let reason = format!("the stored result of build {uuid} {error}");
                log::error!("{}: {error}", path.display());
                self.input(Input::ObserverFailed { connection, error: &reason }, &[])
            }
        }
    }

    pub(crate) fn forget_observer(&mut self, connection: ConnectionId) {
        self.active_observers.remove(&connection);
        if let Some(Observer::Following(following)) = self.observers.remove(&connection)
            && let Some(followers) = self.followers.get_mut(&following.uuid())
        {
            followers.remove(&connection);
        }
    }

    pub(crate) fn result_failed(&mut self, uuid: Uuid, error: &io::Error) -> Result<(), StopReason> {
        self.input(Input::ResultFailed { uuid, error: &error.to_string() }, &[])
    }

    fn append(&mut self, record: &Record) -> Result<(), StopReason> {
        self.record.clear();
        record.append_to(&mut self.record).map_err(|error| StopReason::Encoding(error.to_string()))?;
        self.log.append(&self.record).map_err(StopReason::Log)
    }

    fn spool(&mut self, uuid: Uuid, entries: &[u8], console_octets: u64) {
        if let Err(error) = self.spools.append(uuid, entries, console_octets) {
            let error = format!("{}: {error}", self.paths.spool(uuid).display());
            self.machine.handle(self.clock.now(), Input::SpoolFailed { uuid, error: &error });
        }
        self.activate_followers(uuid);
    }

    fn begin_result(&mut self, uuid: Uuid, head: ResultHead) {
        let begun = Staged::begin(&self.paths, uuid, head, &self.spools.get(uuid).borrow());
        match begun {
            Ok(staged) => {
                self.staged.insert(uuid, staged);
            }
            Err(error) => self.refuse_result(uuid, &error),
        }
    }

    fn append_artifacts(&mut self, uuid: Uuid, range: Range<usize>, received: &[u8]) {
        let Some(staged) = self.staged.get_mut(&uuid) else { return };
        if let Err(error) = staged.append(received.get(range).unwrap_or_default()) {
            self.refuse_result(uuid, &error);
        }
    }

    fn complete_result(&mut self, uuid: Uuid) {
        match self.staged.remove(&uuid) {
            Some(Staged::Small(contents)) => {
                let contents = Some(Contents(Arc::new(contents)));
                self.machine.handle(self.clock.now(), Input::ResultStored { uuid, contents });
            }
            Some(large) => {
                // A file in place says that its build has finished: the records that say how come first.
                self.staged.insert(uuid, large);
                self.release_queue.defer(Waiting::Store { uuid });
            }
            // It failed earlier, and the machine was told.
            None => {}
        }
    }

    fn abandon_result(&mut self, uuid: Uuid) {
        let staged = self.staged.remove(&uuid);
        result::abandon(&self.paths, uuid);
        if let Some(Staged::Large(result)) = staged {
            self.disk.submit(Task::Close(Arc::new(result.into_file())));
        }
    }

    fn refuse_result(&mut self, uuid: Uuid, error: &io::Error) {
        self.abandon_result(uuid);
        let error = format!("{}: {error}", self.paths.staging(uuid).display());
        self.machine.handle(self.clock.now(), Input::ResultFailed { uuid, error: &error });
    }

    fn activate_followers(&mut self, uuid: Uuid) {
        if let Some(followers) = self.followers.get(&uuid) {
            self.active_observers.extend(followers);
        }
    }
}
