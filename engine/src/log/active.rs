//! A log file with its name: frames go behind the last one.

use super::format::{Frame, Position};
use super::reserve;
use super::storage::{Files, NamedFile, Storage, StorageError};

/// A log file and where it stands.
#[derive(Debug)]
pub(super) struct ActiveLog<F> {
    pub(super) file: NamedFile<F>,
    pub(super) position: Position,
    /// Bytes of the file up to the end of the last frame.
    pub(super) length: u64,
    /// Bytes up to which the length of the file is known to be durable: a frame that ends there or before needs its
    /// contents synced, and nothing else.
    durable_length: u64,
    /// Where zeros are preallocated again: up to there some were, or there was no space for them.
    preallocated_until: u64,
}

impl<F> ActiveLog<F> {
    /// A file that ends with its last frame, and was synced so.
    pub(super) fn new(file: NamedFile<F>, position: Position, length: u64) -> ActiveLog<F> {
        ActiveLog { file, position, length, durable_length: length, preallocated_until: length }
    }

    /// Writes one frame and makes it durable. Gives up the reserve when that is what it takes. Behind a frame that ends
    /// beyond what was preallocated, `preallocated_bytes` more are.
    pub(super) fn append<S: Storage<File = F>>(
        &mut self,
        files: &Files<S>,
        reserve_available: &mut bool,
        preallocated_bytes: u64,
        frame: &mut Frame,
    ) -> Result<(), StorageError> {
        let (bytes, after) = frame.seal(self.position);
        let mut written = files.write_all_at(&self.file, self.length, bytes);
        if *reserve_available && matches!(&written, Err(error) if error.is_full_disk()) {
            // Cut first: until then the part that was written takes space, too.
            self.end_here(files)?;
            *reserve_available = false;
            reserve::give_up(files)?;
            written = files.write_all_at(&self.file, self.length, bytes);
        }
        written?;
        let length = self.length + bytes.len() as u64;
        if length <= self.durable_length {
            files.sync_contents(&self.file)?;
        } else {
            let end = if length > self.preallocated_until {
                self.preallocate(files, length, preallocated_bytes)?
            } else {
                length
            };
            files.sync(&self.file)?;
            self.durable_length = end;
        }
        (self.length, self.position) = (length, after);
        Ok(())
    }

    /// Takes back, durably, whatever stands behind the last frame that counts.
    pub(super) fn cut<S: Storage<File = F>>(&mut self, files: &Files<S>) -> Result<(), StorageError> {
        self.end_here(files)?;
        files.sync(&self.file)
    }

    /// Has the file end with the last frame that counts.
    fn end_here<S: Storage<File = F>>(&mut self, files: &Files<S>) -> Result<(), StorageError> {
        files.set_length(&self.file, self.length)?;
        self.durable_length = self.durable_length.min(self.length);
        Ok(())
    }

    /// Writes zeros from `from` on, for frames to come; the next sync makes them durable. Where there is no space for them,
    /// the file grows with every frame. Gives the length of the file.
    fn preallocate<S: Storage<File = F>>(
        &mut self,
        files: &Files<S>,
        from: u64,
        bytes: u64,
    ) -> Result<u64, StorageError> {
        self.preallocated_until = from + bytes;
        match files.write_all_at(&self.file, from, &vec![0; bytes as usize]) {
            Err(error) if error.is_full() => files.set_length(&self.file, from).map(|()| from),
            outcome => outcome.map(|()| self.preallocated_until),
        }
    }
}
