//! One turn of the server, as in `bin/src/server/reactor.rs`.

use super::tasks::{Outcome, Task};
use super::{Server, Stop};
use crate::environment::say;
use crate::queue::Event;
use crate::variant::Variant;
use builder_engine::server::record::Record;
use builder_engine::server::{ConnectionId, Input, Role};
use std::time::Duration;

/// Octets read from one connection before others have their turn.
const READ_BUDGET: usize = 4096;

impl Server {
    /// Takes a turn. Says when the next one is due, if nothing happens before.
    pub(crate) fn turn(&mut self) -> Result<Option<Duration>, Stop> {
        let environment = self.environment.clone();
        self.sockets.take_events(&environment, &mut self.active_observers);
        self.update_space()?;
        self.take_outcomes()?;
        while let Some(connection) = self.sockets.accept(&environment) {
            self.input(Input::Connected { connection, role: Role::Any }, &[])?;
        }
        for connection in self.sockets.drained() {
            let input = match self.observers.remove(&connection) {
                Some(_) => Input::ObserverDone { connection },
                None => Input::PartSent { connection },
            };
            self.input(input, &[])?;
        }
        self.read()?;
        self.finish_turn()?;
        Ok(self.next_turn())
    }

    /// Goes on with a task of a thread.
    pub(crate) fn step(&mut self, task: u64) -> bool {
        let next = self.tasks.step(&mut self.environment.disk.borrow_mut(), task, self.environment.variant);
        for task in next {
            self.schedule_step(task);
        }
        self.tasks.has_outcome()
    }

    /// Hands in an input with the time, and carries out what need not wait.
    pub(super) fn input(&mut self, input: Input<'_>, received: &[u8]) -> Result<(), Stop> {
        self.machine.handle(self.environment.host.now(), input);
        self.drain(received)
    }

    /// Ends a turn: deadlines, dispatch, commit, and all that waits for it.
    pub(super) fn finish_turn(&mut self) -> Result<(), Stop> {
        self.input(Input::Tick, &[])?;
        let environment = self.environment.clone();
        if environment.variant == Variant::ReplyBeforeSync {
            self.release();
            self.flush()?;
        }
        self.commit()?;
        self.release();
        self.feed_observers()?;
        self.settle()?;
        self.go_on_uploading()?;
        self.flush()?;
        self.rotate_log()
    }

    pub(super) fn submit(&mut self, task: Task) {
        if let Some(task) = self.tasks.submit(task) {
            self.schedule_step(task);
        }
    }

    fn schedule_step(&mut self, task: u64) {
        let delay = Duration::from_micros(self.random.skewed(13));
        let at = self.environment.host.time() + delay;
        self.environment.enter(at, Event::Step { life: self.life, task });
    }

    fn next_turn(&self) -> Option<Duration> {
        let unfinished = self.log.has_pending() || self.release_queue.has_uncommitted();
        if unfinished || self.sockets.has_work() || !self.active_observers.is_empty() {
            return Some(Duration::ZERO);
        }
        let uploads_go_on = self.uploader.as_ref().and_then(|uploader| uploader.next_deadline());
        let deadlines = [self.machine.next_deadline(), self.settling.next_deadline(), uploads_go_on];
        deadlines.into_iter().flatten().min()
    }

    fn take_outcomes(&mut self) -> Result<(), Stop> {
        let mut has_released = false;
        while let Some(outcome) = self.tasks.next_outcome() {
            match outcome {
                Outcome::Written { batch, outcomes } => {
                    self.on_written(batch, outcomes);
                    has_released = true;
                }
                Outcome::Stored { uuid, outcome: Ok(()) } => {
                    self.input(Input::ResultStored { uuid, contents: None }, &[])?;
                }
                Outcome::Stored { uuid, outcome: Err(error) } => {
                    say!(self.environment, "storing {uuid} failed: {error}");
                    self.input(Input::ResultFailed { uuid, error: &error.to_string() }, &[])?;
                }
                Outcome::Synced(Err(_)) if self.environment.variant == Variant::FailedSyncRetried => {
                    self.submit(Task::SyncAll);
                }
                Outcome::Synced(outcome) => {
                    outcome.map_err(Stop::Results)?;
                    let settled = self.settling.synced(self.environment.host.time());
                    self.input(Input::ResultsSettled(settled), &[])?;
                }
                Outcome::Removed { uuid, outcome: Ok(()) } => {
                    self.input(Input::ResultRemoved { uuid }, &[])?
                }
                Outcome::Removed { uuid, outcome: Err(error) } => {
                    say!(self.environment, "removing {uuid} failed: {error}");
                }
                Outcome::Found { connection, uuid, path } => self.on_found(connection, uuid, path)?,
            }
        }
        if has_released { self.flush() } else { Ok(()) }
    }

    fn read(&mut self) -> Result<(), Stop> {
        let environment = self.environment.clone();
        for connection in self.sockets.readable() {
            match self.sockets.read(&environment, connection, READ_BUDGET) {
                Some(Ok(bytes)) => {
                    environment.trace.note(b'r', &[connection], &bytes);
                    environment.model.borrow_mut().server_read(connection, bytes.len());
                    self.input(Input::Received { connection, bytes: &bytes }, &bytes)?;
                }
                Some(Err(reason)) => self.disconnect(connection, reason)?,
                None => {}
            }
        }
        Ok(())
    }

    pub(super) fn flush(&mut self) -> Result<(), Stop> {
        let environment = self.environment.clone();
        // A machine that is gone sends nothing more; the next operation on the disk says so.
        let over = self.sockets.flush(&environment, self.order.durable).unwrap_or_default();
        for connection in over {
            self.disconnect(connection, "the connection failed: broken")?;
        }
        Ok(())
    }

    fn disconnect(&mut self, connection: ConnectionId, reason: &str) -> Result<(), Stop> {
        say!(self.environment, "connection {connection}: {reason}");
        self.sockets.close(&self.environment, connection);
        self.forget_observer(connection);
        self.input(Input::Closed { connection, reason }, &[])
    }
}

/// Records as the log takes them.
pub(super) fn encode_all(
    records: impl Iterator<Item = Record>,
) -> impl Iterator<Item = Result<Vec<u8>, std::convert::Infallible>> {
    records.map(|record| {
        let mut octets = Vec::new();
        record.append_to(&mut octets).expect("records have an encoding");
        Ok(octets)
    })
}
