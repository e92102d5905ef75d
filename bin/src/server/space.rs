//! Room on the disk: what the machine is told of it, and making some, as the [rotation](builder_engine::driver::Rotation) says.

use crate::directory::{file_size_limit, free_octets};
use crate::log_file::fresh_salt;
use crate::server::reactor::{Reactor, encode_all};
use crate::server::stop::StopReason;
use builder_engine::log::WriteError;
use builder_engine::server::Input;

impl Reactor {
    /// Tells the machine how much room there is.
    pub(crate) fn update_space(&mut self) -> Result<(), StopReason> {
        let on_disk = match free_octets(self.paths.private()) {
            Ok(octets) => octets,
            Err(error) => {
                log::warn!(
                    "cannot find out how much space is left in {}: {error}",
                    self.paths.private().display()
                );
                return Ok(());
            }
        };
        let largest = file_size_limit().unwrap_or(u64::MAX);
        let now = self.clock.now().monotonic;
        if !self.log.reserve_available() && self.rotation.restores_reserve(now, on_disk, largest) {
            self.restore_reserve()?;
        }
        let room = on_disk.min(largest.saturating_sub(self.log.length()));
        self.rotation.set_room(room);
        self.input(Input::LogSpace(room), &[])
    }

    /// Replaces the log by a snapshot when it has grown well beyond one.
    pub(crate) fn rotate_log(&mut self) -> Result<(), StopReason> {
        // What still waits for a commit may include a result that neither state nor settling know of.
        if self.release_queue.has_uncommitted() {
            return Ok(());
        }
        let now = self.clock.now().monotonic;
        let snapshot_bytes = || {
            let snapshot = self.machine.state().snapshot().chain(self.settling.snapshot());
            snapshot.map(|record| record.octets()).sum()
        };
        let due = self.log.needs_rotation(self.rotation.snapshot_bytes())
            || self.rotation.could_make_room(now, self.log.length(), snapshot_bytes);
        if !due {
            return Ok(());
        }
        self.rotation.attempted(now);
        let salt = fresh_salt().map_err(StopReason::Randomness)?;
        let snapshot = self.machine.state().snapshot().chain(self.settling.snapshot());
        match self.log.rotate(salt, encode_all(snapshot)) {
            Ok(()) => {
                self.rotation.rotated(self.log.length());
                log::debug!(
                    "rotated the log: {} bytes, {}",
                    self.log.length(),
                    self.machine.state().summary()
                );
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(StopReason::Log(WriteError::Failed(reason))),
            Err(error) => {
                log::error!("cannot rotate the log: {error}; it keeps growing");
                Ok(())
            }
        }
    }

    /// Holds space back again once there is enough of it.
    fn restore_reserve(&mut self) -> Result<(), StopReason> {
        match self.log.restore_reserve() {
            Ok(()) => {
                log::info!("space for a full disk is reserved again");
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(StopReason::Log(WriteError::Failed(reason))),
            Err(error) => {
                log::warn!("cannot reserve space for a full disk: {error}");
                self.rotation.attempted(self.clock.now().monotonic);
                Ok(())
            }
        }
    }
}
