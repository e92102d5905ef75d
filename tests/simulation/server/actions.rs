//! What the machine wants done, as in `bin/src/server/actions.rs`.

use super::observers::Observer;
use super::results::{self, Staged};
use super::tasks::Task;
use super::{Awaited, Server, Stop, Waiting};
use crate::environment::{Environment, say};
use crate::variant::Variant;
use builder_engine::driver::ResultWork;
use builder_engine::server::record::{Aborted, Contents, Record, Requeue};
use builder_engine::server::{Action, BuildOfJob, ConnectionId, Deferred, Immediate, Input, ResultHead};
use builder_proto::Uuid;
use builder_proto::build_result::BuildResult;
use std::io;
use std::ops::Range;
use std::sync::Arc;

impl Server {
    /// Carries out what the machine wants, or puts it off until the commit.
    pub(super) fn drain(&mut self, received: &[u8]) -> Result<(), Stop> {
        while let Some(action) = self.machine.poll_action() {
            match action {
                Action::Publish(result) if self.environment.variant == Variant::PublishBeforeCommit => {
                    let uuid = result.uuid;
                    self.settling.publish(result.clone());
                    let outcome = results::write(
                        &mut self.environment.disk.borrow_mut(),
                        &result,
                        self.environment.variant,
                    );
                    self.settling.written(self.environment.host.time(), [(uuid, outcome)]);
                }
                Action::Append(record) => self.append(&record)?,
                Action::Now(action) => self.perform_now(action, received)?,
                Action::Publish(result) => self.release_queue.defer_result(result),
                Action::AfterCommit(action) => self.defer(action, self.order.appended),
            }
        }
        Ok(())
    }

    fn perform_now(&mut self, action: Immediate, received: &[u8]) -> Result<(), Stop> {
        match action {
            Immediate::Spool { uuid, entries, console_octets } => self.spool(uuid, &entries, console_octets),
            Immediate::BeginResult { uuid, head } => self.begin_result(uuid, *head),
            Immediate::AppendArtifacts { uuid, range } => self.append_artifacts(uuid, range, received),
            Immediate::CompleteResult { uuid } => self.complete_result(uuid),
            Immediate::AbandonResult { uuid } => self.abandon_result(uuid),
            Immediate::Halt { reason } => return Err(Stop::Contradiction(reason)),
        }
        Ok(())
    }

    /// Does what others can see; the records it depends on are on disk.
    pub(super) fn perform(&mut self, action: Deferred, depends_on: u64) {
        match action {
            Deferred::Seal { uuid, closing } => {
                self.spools.get(uuid).borrow_mut().seal(closing);
                self.activate_followers(uuid);
            }
            Deferred::Upload { uuid, name } => {
                if let Some(uploader) = &mut self.uploader {
                    uploader.want(uuid, name);
                }
            }
            Deferred::RemoveResult { uuid, name } => self.submit(Task::remove(uuid, name)),
            Deferred::RemoveSpool { uuid } => {
                self.spools.remove(&mut self.environment.disk.borrow_mut(), uuid);
                self.followers.remove(&uuid);
            }
            Deferred::Follow { connection, .. } | Deferred::Replay { connection, .. }
                if !self.sockets.has(connection) => {}
            Deferred::Follow { connection, uuid } => {
                self.observers.insert(connection, Observer::following(uuid, self.spools.get(uuid)));
                self.followers.entry(uuid).or_default().insert(connection);
                self.active_observers.insert(connection);
            }
            Deferred::Replay { connection, uuid } => {
                self.observers.insert(connection, Observer::Searching);
                self.submit(Task::Find { connection, uuid });
            }
            Deferred::Send { connection, bytes } => {
                if let Some(socket) = self.sockets.sending(connection) {
                    socket.send(&bytes, depends_on);
                }
            }
            Deferred::SendPart { connection, bytes } => {
                if let Some(socket) = self.sockets.sending(connection) {
                    socket.send(&bytes, depends_on);
                }
                self.sockets.report_when_sent(connection);
            }
            Deferred::Finish { connection } => {
                self.forget_observer(connection);
                if let Some(socket) = self.sockets.sending(connection) {
                    socket.finish(depends_on);
                }
            }
            Deferred::Drop { connection } => {
                self.forget_observer(connection);
                self.sockets.close(&self.environment, connection);
            }
        }
    }

    /// Puts a large result in place; the records that say how its build ended are on disk.
    pub(super) fn store_result(&mut self, uuid: Uuid) {
        if let Some(Staged::Large(result)) = self.staged.remove(&uuid) {
            self.submit(Task::store(result));
        }
    }

    /// Syncs results at once.
    pub(super) fn sync_results(environment: &Environment, builds: &[BuildOfJob]) -> io::Result<()> {
        if builds.is_empty() {
            return Ok(());
        }
        let mut disk = environment.disk.borrow_mut();
        environment.host.spend(disk.sync_time());
        match environment.plan.syncs_everything {
            true => disk.sync_everything(),
            false => builds.iter().try_for_each(|(uuid, name)| {
                results::sync(&mut disk, ResultWork::sync_if_there(), name, *uuid, environment.variant)
            }),
        }
    }

    fn append(&mut self, record: &Record) -> Result<(), Stop> {
        self.order.appended += 1;
        if let Record::Started(started) = record {
            self.environment.model.borrow_mut().decided(self.environment.host.time(), started.uuid.0);
        }
        match (self.environment.variant, record) {
            (Variant::DispatchNotRecorded, Record::Started(_))
            | (Variant::UnscheduleNotRecorded, Record::Unscheduled(_)) => return Ok(()),
            (Variant::LossNotRequeued, Record::Aborted(aborted)) if aborted.requeue != Requeue::No => {
                let forgotten = Record::Aborted(Aborted { requeue: Requeue::No, ..aborted.clone() });
                return self.append_to_log(&forgotten);
            }
            _ => {}
        }
        self.append_to_log(record)
    }

    fn append_to_log(&mut self, record: &Record) -> Result<(), Stop> {
        say!(self.environment, "append {record:?}");
        self.record.clear();
        record.append_to(&mut self.record).map_err(|error| Stop::Encoding(error.to_string()))?;
        self.log.append(&self.record).map_err(Stop::Log)
    }

    fn spool(&mut self, uuid: Uuid, entries: &[u8], console_octets: u64) {
        let environment = self.environment.clone();
        let appended = self.spools.append(&mut environment.disk.borrow_mut(), uuid, entries, console_octets);
        if let Err(error) = appended {
            say!(environment, "the console of {uuid} cannot be written: {error}");
            let error = error.to_string();
            self.machine.handle(environment.host.now(), Input::SpoolFailed { uuid, error: &error });
        }
        self.activate_followers(uuid);
    }

    fn begin_result(&mut self, uuid: Uuid, mut head: ResultHead) {
        if self.environment.variant == Variant::SilenceTakenForTimeout
            && head.result.to_string().contains("nothing came from the worker")
        {
            head.result = BuildResult::Message("timeout".into());
        }
        say!(self.environment, "begin the result of {uuid}: {:?}", head.result);
        let small_octets = self.environment.plan.small_result_octets;
        let begun = {
            let disk = &mut self.environment.disk.borrow_mut();
            Staged::begin(disk, uuid, head, &self.spools.get(uuid).borrow(), small_octets)
        };
        match begun {
            Ok(staged) => {
                self.staged.insert(uuid, staged);
            }
            Err(error) => self.refuse_result(uuid, &error),
        }
    }

    fn append_artifacts(&mut self, uuid: Uuid, range: Range<usize>, received: &[u8]) {
        let Some(staged) = self.staged.get_mut(&uuid) else { return };
        let appended = staged.append(&mut self.environment.disk.borrow_mut(), &received[range]);
        if let Err(error) = appended {
            self.refuse_result(uuid, &error);
        }
    }

    fn complete_result(&mut self, uuid: Uuid) {
        match self.staged.remove(&uuid) {
            Some(Staged::Small(contents)) => {
                let contents = Some(Contents(Arc::new(contents)));
                self.machine.handle(self.environment.host.now(), Input::ResultStored { uuid, contents });
            }
            Some(Staged::Large(result)) if self.environment.variant == Variant::PlaceBeforeCommit => {
                self.submit(Task::store(result));
            }
            Some(large) => {
                self.staged.insert(uuid, large);
                let depends_on = self.order.appended;
                self.release_queue.defer(Waiting { what: Awaited::Store { uuid }, depends_on });
            }
            None => {}
        }
    }

    fn abandon_result(&mut self, uuid: Uuid) {
        say!(self.environment, "abandon the result of {uuid}");
        let staged = self.staged.remove(&uuid);
        if let (Some(staged), Variant::ArtifactsNotCounted) = (staged, self.environment.variant) {
            self.staged.insert(uuid, staged);
            return self.complete_result(uuid);
        }
        results::abandon(&mut self.environment.disk.borrow_mut(), uuid);
    }

    fn refuse_result(&mut self, uuid: Uuid, error: &io::Error) {
        self.abandon_result(uuid);
        let error = error.to_string();
        self.machine.handle(self.environment.host.now(), Input::ResultFailed { uuid, error: &error });
    }

    fn activate_followers(&mut self, uuid: Uuid) {
        if let Some(followers) = self.followers.get(&uuid) {
            self.active_observers.extend(followers);
        }
    }

    pub(super) fn forget_observer(&mut self, connection: ConnectionId) {
        self.active_observers.remove(&connection);
        if let Some(Observer::Following(following)) = self.observers.remove(&connection)
            && let Some(followers) = self.followers.get_mut(&following.uuid())
        {
            followers.remove(&connection);
        }
    }
}
