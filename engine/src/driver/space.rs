//! Free space on the disk: what the server is told of it, and gaining some, as the [rotation](super::rotation) says.

use super::files::{DirectoryName, Files};
use super::platform::Platform;
use super::reasons::StopReason;
use super::start::encode_all;
use super::turn::Driver;
use crate::log::WriteError;
use crate::server::Input;

impl<P: Platform> Driver<P> {
    /// Tells the server how much space is left.
    pub(super) fn update_space(&mut self) -> Result<(), StopReason> {
        let space = match self.platform.free_space() {
            Ok(space) => space,
            Err(error) => {
                self.note_free_space(None);
                let private = self.files.describe_directory(DirectoryName::Private);
                ::log::warn!("cannot find out how much space is left in {private}: {error}");
                return Ok(());
            }
        };
        self.note_free_space(Some(space.free));
        let now = self.platform.now().monotonic;
        if !self.log.reserve_available()
            && self.rotation.restores_reserve(now, space.free, space.longest_file)
        {
            self.restore_reserve()?;
        }
        let free = space.free.min(space.longest_file.saturating_sub(self.log.length()));
        self.rotation.set_free_space(free);
        self.input(Input::LogSpace(free), &[])
    }

    /// For the metrics.
    fn note_free_space(&mut self, free: Option<u64>) {
        if let Some(metrics) = &mut self.metrics {
            metrics.free = free;
        }
    }

    /// Replaces the log by a snapshot when it has grown well beyond one.
    pub(super) fn rotate_log(&mut self) -> Result<(), StopReason> {
        // What still waits for a commit may include a result that neither the state nor the write-back knows of.
        if self.release_queue.has_uncommitted() {
            return Ok(());
        }
        let now = self.platform.now().monotonic;
        let snapshot_bytes = || {
            let snapshot = self.server.state().snapshot().chain(self.write_back.snapshot());
            snapshot.map(|record| record.bytes()).sum()
        };
        let due = self.log.needs_rotation(self.rotation.snapshot_bytes())
            || self.rotation.could_free_space(now, self.log.length(), snapshot_bytes);
        if !due {
            return Ok(());
        }
        self.rotation.attempted(now);
        let salt = self.platform.salt().map_err(StopReason::Randomness)?;
        let snapshot = self.server.state().snapshot().chain(self.write_back.snapshot());
        match self.log.rotate(salt, encode_all(snapshot)) {
            Ok(()) => {
                let (length, summary) = (self.log.length(), self.server.state().summary());
                self.rotation.rotated(length);
                ::log::debug!("rotated the log: {length} bytes, {summary}");
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(StopReason::Log(WriteError::Failed(reason))),
            Err(error) => {
                ::log::error!("cannot rotate the log: {error}; it keeps growing");
                Ok(())
            }
        }
    }

    /// Holds space back again once there is enough of it.
    fn restore_reserve(&mut self) -> Result<(), StopReason> {
        match self.log.restore_reserve() {
            Ok(()) => {
                ::log::info!("space for a full disk is reserved again");
                Ok(())
            }
            Err(WriteError::Failed(reason)) => Err(StopReason::Log(WriteError::Failed(reason))),
            Err(error) => {
                ::log::warn!("cannot reserve space for a full disk: {error}");
                self.rotation.attempted(self.platform.now().monotonic);
                Ok(())
            }
        }
    }
}
