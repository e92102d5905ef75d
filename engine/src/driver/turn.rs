//! One turn of the server: what happened goes in, what it led to is made durable, and only then others learn of it.

use super::connections::Connections;
use super::files::Files;
use super::history::History;
use super::metrics_file::MetricsFile;
use super::notice_slots::NoticeSlots;
use super::observers::Observers;
use super::platform::{ListenerId, Look, NoticeEnd, Platform, UploadEnd};
use super::reasons::StopReason;
use super::release::{ReleaseQueue, Waiting};
use super::retention::Retention;
use super::rotation::Rotation;
use super::settings::Limits;
use super::spools::Spools;
use super::staged::Staged;
use super::tasks::{Done, Outcome};
use super::upload_slot::UploadSlot;
use crate::limits::RETRY_TIME;
use crate::log::LogFile;
use crate::server::{ConnectionId, Input, Server, WriteBack};
use builder_proto::Uuid;
use core::time::Duration;
use std::collections::{BTreeMap, VecDeque};

/// Time between two thorough looks at the templates, when no job needs them.
const TEMPLATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// Something that happened outside. It is looked at in the next [turn](Driver::turn).
#[derive(Debug)]
pub enum Event<F: Files> {
    /// Connections may wait at a listener.
    Pending(ListenerId),
    /// There is something to read from a connection.
    Readable {
        /// Which.
        connection: ConnectionId,
        /// Whether no further event will tell of the end.
        is_end: bool,
    },
    /// A connection takes more.
    Writable(ConnectionId),
    /// A [task](super::Task) is done.
    TaskDone(Outcome<F>),
    /// The process that uploads has ended.
    UploadEnded(UploadEnd),
    /// A program that was told of a build has ended.
    NoticeEnded {
        /// Which build.
        uuid: Uuid,
        /// How.
        end: NoticeEnd,
    },
    /// Somebody wants the templates read again, and uploads and notices resumed.
    Reload,
    /// Somebody wants the server to stop.
    Stop,
}

/// How it goes on after a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// With another turn after the next event, or at that time at the latest, in monotonic time.
    Turn(Option<Duration>),
    /// Not at all: the server has stopped. Connections and what threads still do end with the program.
    Over,
}

/// The server with all that it takes to run it: what is the same in every world. What differs is the [`Platform`].
///
/// Whoever drives it waits for events, tells it of them, and has it take its turns:
///
/// ```
/// use builder_engine::driver::{Driver, Event, Next, Platform, Settings};
/// use core::time::Duration;
///
/// /// Serves until somebody wants it to stop, or until it has to.
/// fn serve<P: Platform>(
///     platform: P,
///     settings: Settings,
///     mut wait: impl FnMut(&mut P, Option<Duration>) -> Vec<Event<P::Files>>,
/// ) -> Result<(), Box<dyn std::error::Error>> {
///     let mut driver = Driver::start(platform, settings)?;
///     while let Next::Turn(deadline) = driver.turn()? {
///         // Until something happens; in monotonic time, until the deadline at the latest.
///         for event in wait(driver.platform(), deadline) {
///             driver.notice(event);
///         }
///     }
///     Ok(())
/// }
/// ```
pub struct Driver<P: Platform> {
    pub(super) platform: P,
    pub(super) files: P::Files,
    pub(super) server: Server,
    pub(super) log: LogFile<P::Storage>,
    pub(super) rotation: Rotation,
    pub(super) connections: Connections,
    pub(super) spools: Spools<P::Files>,
    pub(super) staged: BTreeMap<Uuid, Staged<P::Files>>,
    /// How many results were begun.
    pub(super) begun: u64,
    pub(super) write_back: WriteBack,
    /// None when results are not uploaded.
    pub(super) uploads: Option<UploadSlot>,
    /// None when no program is told of builds.
    pub(super) notices: Option<NoticeSlots>,
    pub(super) observers: Observers<P::Files>,
    pub(super) history: History<P::Files>,
    /// None when no metrics are written.
    pub(super) metrics: Option<MetricsFile>,
    pub(super) retention: Retention,
    /// What waits for the commit, or for the files of results.
    pub(super) release_queue: ReleaseQueue<Waiting>,
    pub(super) limits: Limits,
    /// What threads have done since the last turn.
    pub(super) outcomes: VecDeque<Done<P::Files>>,
    pub(super) templates: TemplateWatch,
    pub(super) wish: Option<Wish>,
    /// The record that is being encoded.
    pub(super) record: Vec<u8>,
    pub(super) buffer: Vec<u8>,
}

/// When the templates were looked at, and what came of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TemplateWatch {
    pub(super) looked_at: Duration,
    /// Whether one could not be read.
    pub(super) has_failed: bool,
}

/// What somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wish {
    Reload,
    Stop,
    /// Stopping is under way, until then at the latest.
    Stopping(Duration),
}

impl<P: Platform> Driver<P> {
    /// Takes note of something that happened.
    pub fn notice(&mut self, event: Event<P::Files>) {
        match event {
            Event::Pending(listener) => self.connections.on_pending(listener),
            Event::Readable { connection, is_end } => self.connections.on_readable(connection, is_end),
            Event::Writable(connection) => {
                self.connections.on_writable(connection);
                self.observers.activate(connection);
            }
            Event::TaskDone(Outcome(done)) => self.outcomes.push_back(done),
            Event::UploadEnded(end) => {
                if let Some(uploads) = &mut self.uploads {
                    uploads.on_ended(end);
                }
            }
            Event::NoticeEnded { uuid, end } => {
                if let Some(notices) = &mut self.notices {
                    notices.on_ended(uuid, end);
                }
            }
            Event::Reload => {
                self.wish.get_or_insert(Wish::Reload);
            }
            Event::Stop if matches!(self.wish, Some(Wish::Stopping(_))) => {}
            Event::Stop => self.wish = Some(Wish::Stop),
        }
    }

    /// Takes a turn:
    ///
    /// 1. accept, and read from every connection within a budget; each piece goes into the server, and what it wants written
    ///    (log records, console lines, artifacts) is written or gathered at once;
    /// 2. tell the server that the turn is over: it hands out jobs and handles what is due;
    /// 3. commit: one write and one sync for all records of the turn;
    /// 4. only now do what others can see: send, close, put results in place.
    ///
    /// Threads write the files of small results, so what is to be seen of a turn may come a moment later; the order stays
    /// what it is.
    ///
    /// # Errors
    ///
    /// When the server has to stop by itself. The program is to end without another turn.
    pub fn turn(&mut self) -> Result<Next, StopReason> {
        match self.wish {
            Some(Wish::Stop) => return self.begin_to_stop(),
            Some(Wish::Stopping(until)) => return self.go_on_stopping(until),
            Some(Wish::Reload) => self.reload()?,
            None => {}
        }
        self.update_space()?;
        self.update_templates()?;
        self.take_outcomes()?;
        self.accept()?;
        self.take_drained()?;
        self.read()?;
        self.finish_turn()?;
        self.report();
        Ok(Next::Turn(self.next_turn()))
    }

    /// The server that is driven.
    pub fn server(&self) -> &Server {
        &self.server
    }

    /// What it runs on.
    pub fn platform(&mut self) -> &mut P {
        &mut self.platform
    }

    /// Whether nothing is under way that would go on without anybody's doing.
    pub fn is_at_rest(&self) -> bool {
        self.write_back.is_written_back()
            && self.uploads.as_ref().is_none_or(UploadSlot::is_idle)
            && self.notices.as_ref().is_none_or(NoticeSlots::is_idle)
            && self.outcomes.is_empty()
            && self.release_queue.is_empty()
            && self.history.is_at_rest()
            && self.retention.is_at_rest()
            && !self.log.has_pending()
    }

    fn next_turn(&self) -> Option<Duration> {
        let unfinished = self.log.has_pending() || self.release_queue.has_uncommitted();
        if unfinished || self.connections.has_work() || self.observers.has_active() {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.server.next_deadline(),
            self.write_back.next_deadline(),
            self.history.next_deadline(),
            self.retention.next_deadline(),
            self.connections.next_deadline(),
            self.uploads.as_ref().and_then(UploadSlot::next_deadline),
            self.metrics.as_ref().and_then(MetricsFile::next_deadline),
            self.notices.as_ref().and_then(NoticeSlots::next_deadline),
            // Nothing tells when a template that could not be read is put right.
            self.templates.has_failed.then(|| self.templates.looked_at.saturating_add(RETRY_TIME)),
        ];
        deadlines.into_iter().flatten().min()
    }

    fn reload(&mut self) -> Result<(), StopReason> {
        self.wish = None;
        ::log::info!("reading the templates again, and resuming uploads and notices");
        self.look_at_templates(Look::Anew)?;
        self.input(Input::Resume, &[])
    }

    fn update_templates(&mut self) -> Result<(), StopReason> {
        let rested = self.platform.now().monotonic.saturating_sub(self.templates.looked_at);
        let is_thorough =
            rested >= TEMPLATE_CHECK_INTERVAL || self.server.has_orb_builds() || self.templates.has_failed;
        self.look_at_templates(if is_thorough { Look::Thorough } else { Look::Quick })
    }

    fn look_at_templates(&mut self, look: Look) -> Result<(), StopReason> {
        if look != Look::Quick {
            self.templates.looked_at = self.platform.now().monotonic;
        }
        let Some(reading) = self.platform.templates(look) else { return Ok(()) };
        self.templates.has_failed = reading.has_failed;
        self.input(Input::Templates(reading.templates), &[])
    }

    fn take_outcomes(&mut self) -> Result<(), StopReason> {
        let mut has_released = false;
        while let Some(done) = self.outcomes.pop_front() {
            match done {
                Done::Written { batch, outcomes } => {
                    self.on_written(batch, outcomes)?;
                    has_released = true;
                }
                Done::Stored { uuid, outcome: Ok(()) } => {
                    self.input(Input::ResultStored { uuid, contents: None }, &[])?;
                }
                Done::Stored { uuid, outcome: Err(error) } => {
                    self.input(Input::ResultFailed { uuid, error: &error.to_string() }, &[])?;
                }
                Done::Synced(outcome) => {
                    outcome.map_err(StopReason::Results)?;
                    let written_back = self.write_back.synced(self.platform.now().monotonic);
                    self.input(Input::ResultsWrittenBack(written_back), &[])?;
                }
                Done::Removed { build, outcome } => self.on_removed(build, outcome)?,
                Done::Found { connection, uuid, job } => self.on_found(connection, uuid, job)?,
                Done::Fetched { connection, fetching } => self.observers.fetched(connection, fetching),
                Done::Digested(outcome) => self.on_digested(outcome)?,
                Done::Appended { appending, outcome } => self.on_appended(appending, outcome)?,
                Done::Surveyed { found, outcome } => self.on_surveyed(found, outcome),
                Done::Read { connection, messages } => self.on_read(connection, messages)?,
                Done::Reported(outcome) => self.on_reported(outcome),
            }
        }
        // What was held back for files need not wait for this turn's commit, too.
        if has_released { self.flush() } else { Ok(()) }
    }

    fn accept(&mut self) -> Result<(), StopReason> {
        let now = self.platform.now().monotonic;
        loop {
            while let Some((connection, role)) = self.connections.accept(&mut self.platform, now) {
                let origin = self.platform.origin(connection);
                self.input(Input::Connected { connection, role, origin }, &[])?;
            }
            let evictable = self.connections.evictable();
            if evictable.is_empty() {
                return Ok(());
            }
            for connection in evictable {
                self.disconnect(connection, "others need its place")?;
            }
        }
    }

    fn take_drained(&mut self) -> Result<(), StopReason> {
        for connection in self.connections.drained() {
            let input = match self.observers.forget_served(connection) {
                true => Input::ObserverDone { connection },
                false => Input::PartSent { connection },
            };
            self.input(input, &[])?;
        }
        Ok(())
    }

    fn read(&mut self) -> Result<(), StopReason> {
        let mut buffer = core::mem::take(&mut self.buffer);
        for connection in self.connections.readable() {
            match self.connections.read(&mut self.platform, connection, &mut buffer) {
                Some(Ok(read)) => {
                    let bytes = buffer.get(..read).unwrap_or_default();
                    self.input(Input::Received { connection, bytes }, bytes)?;
                }
                Some(Err(reason)) => self.disconnect(connection, &reason)?,
                None => {}
            }
        }
        self.buffer = buffer;
        Ok(())
    }

    /// Hands in an input with the time, and carries out what need not wait.
    pub(super) fn input(&mut self, input: Input<'_>, received: &[u8]) -> Result<(), StopReason> {
        self.server.handle(self.platform.now(), input);
        self.drain(received)
    }

    /// Ends a turn: deadlines, dispatch, commit, and all that waits for it.
    pub(super) fn finish_turn(&mut self) -> Result<(), StopReason> {
        self.input(Input::Tick, &[])?;
        self.log.commit().map_err(StopReason::Log)?;
        self.release()?;
        self.feed_observers()?;
        self.write_back();
        self.carry_over()?;
        self.retain();
        self.go_on_uploading()?;
        self.go_on_notifying()?;
        self.flush()?;
        self.rotate_log()
    }

    /// Sends what can be sent.
    pub(super) fn flush(&mut self) -> Result<(), StopReason> {
        for (connection, reason) in self.connections.flush(&mut self.platform) {
            self.disconnect(connection, &reason)?;
        }
        Ok(())
    }

    fn disconnect(&mut self, connection: ConnectionId, reason: &str) -> Result<(), StopReason> {
        self.connections.close(&mut self.platform, connection, reason);
        self.observers.forget(connection);
        self.input(Input::Closed { connection, reason }, &[])
    }
}
