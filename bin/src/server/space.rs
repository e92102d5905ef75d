//! Room on the disk: what the machine is told of it, and making some.

use crate::directory::{file_size_limit, free_octets};
use crate::log_file::fresh_salt;
use crate::server::reactor::{Reactor, encode_all};
use crate::server::stop::StopReason;
use builder_engine::limits::{COMMAND_FRAME_BYTES, DISK_MARGIN, LOG_RESERVE_BYTES, RETRY_TIME};
use builder_engine::log::WriteError;
use builder_engine::server::Input;
use std::time::Duration;

/// Octets of room below which some command could be refused: the log repeats what a command says.
const SHORT: u64 = 2 * COMMAND_FRAME_BYTES + DISK_MARGIN;
/// Octets that a log may have in any case before it is written anew because space is short.
const WORTHWHILE: u64 = 64 * 1024;

/// What is known of the room for the log.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Space {
    /// Octets by which the log can grow.
    room: u64,
    /// Octets of the log after its last rotation: about the size of a snapshot.
    snapshot: u64,
    /// Octets of the log when it was last looked at for what could be left out.
    examined: u64,
    /// When the next attempt to make room may be made: they take long.
    next_attempt: Duration,
}

impl Space {
    pub(crate) fn unknown() -> Space {
        Space { room: u64::MAX, snapshot: 0, examined: 0, next_attempt: Duration::ZERO }
    }
}

impl Reactor {
    /// Tells the machine how much room there is.
    pub(crate) fn update_space(&mut self) -> Result<(), StopReason> {
        let on_disk = match free_octets(self.paths.private()) {
            Ok(octets) => octets,
            Err(error) => {
                log::warn!(
                    "cannot ask how much space is left in {}: {error}",
                    self.paths.private().display()
                );
                return Ok(());
            }
        };
        let largest = file_size_limit().unwrap_or(u64::MAX);
        if !self.log.reserve_available() && on_disk > LOG_RESERVE_BYTES * 4 && largest >= LOG_RESERVE_BYTES {
            self.restore_reserve()?;
        }
        self.space.room = on_disk.min(largest.saturating_sub(self.log.length()));
        self.input(Input::LogSpace(self.space.room), &[])
    }

    /// Replaces the log by a snapshot when it has grown well beyond one.
    pub(crate) fn rotate_log(&mut self) -> Result<(), StopReason> {
        if !self.log.needs_rotation(self.space.snapshot) && !self.could_make_room() {
            return Ok(());
        }
        // What still waits for a commit may include a result that neither state nor settling know of.
        if !self.deferred.is_empty() {
            return Ok(());
        }
        self.delay_attempts();
        let salt = fresh_salt().map_err(StopReason::Randomness)?;
        let snapshot = self.machine.state().snapshot().chain(self.settling.snapshot());
        match self.log.rotate(salt, encode_all(snapshot)) {
            Ok(()) => {
                self.space.snapshot = self.log.length();
                log::debug!(
                    "rotated the log: {} bytes, {}",
                    self.space.snapshot,
                    self.machine.state().summary()
                );
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(StopReason::Log(WriteError::Failed(reason))),
            Err(error) => {
                log::error!("cannot rotate the log: {error}; it goes on growing");
                Ok(())
            }
        }
    }

    /// Whether space is short, and most of what the log takes is history.
    fn could_make_room(&mut self) -> bool {
        let length = self.log.length();
        let has_changed = length != self.space.examined && length > WORTHWHILE;
        if self.space.room >= SHORT || !has_changed || self.clock.now().monotonic < self.space.next_attempt {
            return false;
        }
        self.delay_attempts();
        self.space.examined = length;
        let snapshot = self.machine.state().snapshot().chain(self.settling.snapshot());
        let snapshot: u64 = snapshot.map(|record| record.octets()).sum();
        length > snapshot.saturating_mul(2)
    }

    /// Holds space back again once there is enough of it.
    fn restore_reserve(&mut self) -> Result<(), StopReason> {
        if self.clock.now().monotonic < self.space.next_attempt {
            return Ok(());
        }
        match self.log.restore_reserve() {
            Ok(()) => {
                log::info!("space for a full disk is held back again");
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(StopReason::Log(WriteError::Failed(reason))),
            Err(error) => {
                log::warn!("cannot hold back space for a full disk: {error}");
                self.delay_attempts();
                Ok(())
            }
        }
    }

    fn delay_attempts(&mut self) {
        self.space.next_attempt = self.clock.now().monotonic.saturating_add(RETRY_TIME);
    }
}
