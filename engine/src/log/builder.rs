//! A log file in the making, beside the one in use. A crash leaves it without its name, so it never counts.

use super::active::ActiveLog;
use super::format::{Frame, HEADER_LENGTH, Position, Salt};
use super::storage::{DRAFT, Files, LOG, NamedFile, Storage, StorageError};

/// Bytes after which a frame of a snapshot is written: large enough to make headers cheap, small enough that
/// reading holds little.
const SNAPSHOT_FRAME_BYTES: usize = 1024 * 1024;

/// A new log, before it replaces the old one.
pub(super) struct LogBuilder<'a, S: Storage> {
    files: &'a Files<S>,
    file: NamedFile<S::File>,
    frame: Frame,
    position: Position,
    length: u64,
}

impl<'a, S: Storage> LogBuilder<'a, S> {
    /// Begins a log with nothing but the file header. What another one in the making has left is overwritten.
    pub(super) fn new(files: &'a Files<S>, salt: Salt) -> Result<LogBuilder<'a, S>, StorageError> {
        let (position, header) = Position::start(salt);
        let file = files.create(DRAFT)?;
        files.write_all_at(&file, 0, &header)?;
        Ok(LogBuilder { files, file, frame: Frame::new(), position, length: header.len() as u64 })
    }

    /// Adds records; frames are written as they fill up.
    pub(super) fn append(&mut self, records: &[u8]) -> Result<(), StorageError> {
        if !self.frame.has_room(records.len()) {
            self.write_frame()?;
        }
        self.frame.append(records);
        if self.frame.payload_length() >= SNAPSHOT_FRAME_BYTES {
            self.write_frame()?;
        }
        Ok(())
    }

    /// Whether it holds no record.
    pub(super) fn is_empty(&self) -> bool {
        self.length == HEADER_LENGTH as u64 && self.frame.payload_length() == 0
    }

    /// Makes it the log in use. It has to hold a record.
    pub(super) fn publish(mut self) -> Result<ActiveLog<S::File>, StorageError> {
        self.write_frame()?;
        let file = self.files.publish(self.file, LOG)?;
        Ok(ActiveLog::new(file, self.position, self.length))
    }

    /// Unlike those of a log in use, the frames of a log in the making need no sync in between: no part of it counts before
    /// all of it is durable.
    fn write_frame(&mut self) -> Result<(), StorageError> {
        if self.frame.payload_length() == 0 {
            return Ok(());
        }
        let (bytes, position) = self.frame.seal(self.position);
        self.files.write_all_at(&self.file, self.length, bytes)?;
        self.length += bytes.len() as u64;
        self.position = position;
        self.frame = Frame::new();
        Ok(())
    }
}
