//! The event loop: moves octets between sockets, log, spools and results, as the machine says.
//!
//! One turn:
//!
//! 1. wait for events, at most until the next deadline;
//! 2. accept, and read from every ready socket within a budget; each piece goes into the machine, and what the machine
//!    wants written (log records, console lines, artifacts) is written or gathered at once;
//! 3. tell the machine that the turn is over: it hands out jobs and handles what is due;
//! 4. commit: one write and one sync for all records of the turn;
//! 5. only now do what others can see: send, close, put results in place.
//!
//! Threads write the files of small results, so what is to be seen of a turn may come a moment later, see
//! [`ReleaseQueue`]; the order stays what it is.
//!
//! While the disk is busy in step 4, the next batch gathers in the sockets.

use crate::log_file::LogFile;
use crate::server::clock::Clock;
use crate::server::disk::{Disk, Outcome};
use crate::server::network::Network;
use crate::server::observer::Observer;
use crate::server::paths::Paths;
use crate::server::release::Waiting;
use crate::server::result::Staged;
use crate::server::spool::Spools;
use crate::server::stop::StopReason;
use crate::server::template::TemplateDirectory;
use crate::server::uploader::Uploader;
use builder_engine::driver::{ReleaseQueue, Rotation};
use builder_engine::limits::RETRY_TIME;
use builder_engine::server::record::Record;
use builder_engine::server::{ConnectionId, Input, Server, Settling};
use builder_proto::Uuid;
use mio::{Events, Poll, Token};
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM};
use signal_hook_mio::v1_0::Signals;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;
use std::io::ErrorKind;
use std::time::Duration;

/// Octets read from one socket before others have their turn; also the size of the buffer they are read into.
pub(crate) const READ_BUDGET: usize = 256 * 1024;
/// Events taken in one turn.
pub(crate) const EVENTS: usize = 1024;
/// Time between two thorough looks at the templates, when no job needs them.
const TEMPLATE_CHECK_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) const SIGNALS: Token = Token(0);
pub(crate) const WAKER: Token = Token(1);
/// Listeners have the tokens from here on.
pub(crate) const FIRST_LISTENER: usize = 2;
/// Connections have the tokens from here on; a connection is known to the machine by its token.
pub(crate) const FIRST_CONNECTION: ConnectionId = 1024;

/// Everything the loop moves octets between.
pub(crate) struct Reactor {
    pub(crate) poll: Poll,
    pub(crate) signals: Signals,
    pub(crate) clock: Clock,
    pub(crate) machine: Server,
    pub(crate) log: LogFile,
    pub(crate) rotation: Rotation,
    pub(crate) paths: Paths,
    pub(crate) network: Network,
    pub(crate) spools: Spools,
    pub(crate) staged: BTreeMap<Uuid, Staged>,
    pub(crate) settling: Settling,
    pub(crate) disk: Disk,
    /// None when results are not uploaded.
    pub(crate) uploader: Option<Uploader>,
    /// Whether SIGCHLD came since the uploader was looked after.
    pub(crate) child_ended: bool,
    pub(crate) templates: TemplateDirectory,
    pub(crate) templates_checked: Duration,
    pub(crate) observers: BTreeMap<ConnectionId, Observer>,
    /// Observers that may have something to send.
    pub(crate) active_observers: BTreeSet<ConnectionId>,
    /// Observers of each spool.
    pub(crate) followers: BTreeMap<Uuid, BTreeSet<ConnectionId>>,
    pub(crate) release_queue: ReleaseQueue<Waiting>,
    /// Encoded records on their way to the log.
    pub(crate) record: Vec<u8>,
    pub(crate) block: Vec<u8>,
}

impl Reactor {
    /// Runs until a signal says to stop.
    pub(crate) fn run(&mut self) -> Result<(), StopReason> {
        let mut events = Events::with_capacity(EVENTS);
        let mut buffer = vec![0; READ_BUDGET];
        self.drain(&[])?;
        self.finish_turn()?;
        loop {
            match self.poll.poll(&mut events, self.timeout()) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                outcome => outcome.map_err(StopReason::Poll)?,
            }
            let mut signalled = false;
            for event in &events {
                match event.token() {
                    SIGNALS => signalled = true,
                    WAKER => {}
                    token => self.network.on_event(token, event, &mut self.active_observers),
                }
            }
            if signalled && self.on_signals() {
                self.network.close_doors();
                self.part();
                return Ok(());
            }
            self.update_space()?;
            self.update_templates()?;
            self.take_outcomes()?;
            self.accept()?;
            self.take_drained()?;
            self.read(&mut buffer)?;
            self.finish_turn()?;
        }
    }

    fn timeout(&self) -> Option<Duration> {
        let unfinished = self.log.has_pending() || self.release_queue.has_uncommitted();
        if unfinished || self.network.has_work() || !self.active_observers.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadlines = [
            self.machine.next_deadline(),
            self.settling.next_deadline(),
            self.network.next_deadline(),
            self.upload_deadline(),
            // Nothing tells when a template that could not be read is put right.
            self.templates.has_failed().then(|| self.templates_checked.saturating_add(RETRY_TIME)),
        ];
        deadlines.into_iter().flatten().min().map(|at| self.clock.until(at))
    }

    /// True when the program is to stop.
    fn on_signals(&mut self) -> bool {
        for signal in self.signals.pending() {
            match signal {
                SIGTERM | SIGINT => {
                    log::info!("stopped by {}", if signal == SIGTERM { "SIGTERM" } else { "SIGINT" });
                    return true;
                }
                SIGHUP => {
                    log::info!("reading the templates again, and resuming uploads");
                    let templates = self.templates.read();
                    self.machine.handle(self.clock.now(), Input::Templates(templates));
                    self.machine.handle(self.clock.now(), Input::ResumeUploads);
                }
                SIGCHLD => self.child_ended = true,
                // SIGXFSZ: the write that caused it fails with an error of its own.
                _ => {}
            }
        }
        false
    }

    fn update_templates(&mut self) -> Result<(), StopReason> {
        let now = self.clock.now();
        let rested = now.monotonic.saturating_sub(self.templates_checked) >= TEMPLATE_CHECK_INTERVAL;
        let thorough = rested || self.machine.has_orb_builds() || self.templates.has_failed();
        if thorough {
            self.templates_checked = now.monotonic;
        }
        match self.templates.read_changes(thorough) {
            Some(templates) => self.input(Input::Templates(templates), &[]),
            None => Ok(()),
        }
    }

    fn take_outcomes(&mut self) -> Result<(), StopReason> {
        let mut has_released = false;
        while let Some(outcome) = self.disk.next_outcome() {
            match outcome {
                Outcome::Written { batch, outcomes } => {
                    self.on_written(batch, outcomes);
                    has_released = true;
                }
                Outcome::Stored { uuid, outcome: Ok(()) } => {
                    self.input(Input::ResultStored { uuid, contents: None }, &[])?;
                }
                Outcome::Stored { uuid, outcome: Err(error) } => self.result_failed(uuid, &error)?,
                Outcome::Synced(outcome) => {
                    outcome.map_err(StopReason::Results)?;
                    let settled = self.settling.synced(self.clock.now().monotonic);
                    self.input(Input::ResultsSettled(settled), &[])?;
                }
                Outcome::Removed { uuid, name, outcome } => self.on_removed(uuid, &name, outcome)?,
                Outcome::Found { connection, uuid, result } => self.on_found(connection, uuid, result)?,
            }
        }
        // What was held back for files need not wait for this turn's commit, too.
        if has_released { self.flush() } else { Ok(()) }
    }

    fn take_drained(&mut self) -> Result<(), StopReason> {
        for connection in self.network.drained() {
            let input = match self.observers.remove(&connection) {
                Some(_) => Input::ObserverDone { connection },
                None => Input::PartSent { connection },
            };
            self.input(input, &[])?;
        }
        Ok(())
    }

    fn accept(&mut self) -> Result<(), StopReason> {
        let now = self.clock.now();
        loop {
            while let Some((connection, role)) = self.network.accept(now.monotonic) {
                self.input(Input::Connected { connection, role }, &[])?;
            }
            let superfluous = self.network.superfluous();
            if superfluous.is_empty() {
                return Ok(());
            }
            for connection in superfluous {
                self.disconnect(connection, "others need its place")?;
            }
        }
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<(), StopReason> {
        for connection in self.network.readable() {
            match self.network.read(connection, buffer) {
                Some(Ok(octets)) => {
                    let bytes = buffer.get(..octets).unwrap_or_default();
                    self.input(Input::Received { connection, bytes }, bytes)?;
                }
                Some(Err(reason)) => self.disconnect(connection, &reason)?,
                None => {}
            }
        }
        Ok(())
    }

    /// Hands in an input with the time, and carries out what need not wait.
    pub(crate) fn input(&mut self, input: Input<'_>, received: &[u8]) -> Result<(), StopReason> {
        self.machine.handle(self.clock.now(), input);
        self.drain(received)
    }

    /// Ends a turn: deadlines, dispatch, commit, and all that waits for it.
    fn finish_turn(&mut self) -> Result<(), StopReason> {
        self.input(Input::Tick, &[])?;
        self.log.commit().map_err(StopReason::Log)?;
        self.release();
        self.feed_observers()?;
        self.settle();
        self.go_on_uploading()?;
        self.flush()?;
        self.rotate_log()
    }

    fn flush(&mut self) -> Result<(), StopReason> {
        for (connection, reason) in self.network.flush(self.poll.registry()) {
            self.disconnect(connection, &reason)?;
        }
        Ok(())
    }

    fn disconnect(&mut self, connection: ConnectionId, reason: &str) -> Result<(), StopReason> {
        self.network.close(connection, reason);
        self.forget_observer(connection);
        self.input(Input::Closed { connection, reason }, &[])
    }
}

/// Records as the log takes them.
pub(crate) fn encode_all(
    records: impl Iterator<Item = Record>,
) -> impl Iterator<Item = Result<Vec<u8>, impl Display>> {
    records.map(|record| {
        let mut octets = Vec::new();
        record.append_to(&mut octets).map(|()| octets)
    })
}
