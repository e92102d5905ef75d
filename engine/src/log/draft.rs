//! A log file in the making, beside the one in use. A crash leaves it without its name, so it never counts.

use super::format::{Frame, HEADER_LENGTH, Position, Salt};
use super::storage::{DRAFT, Files, LOG, NamedFile, Storage, StorageError};
use super::written::Written;

/// Bytes after which a frame of a snapshot is written: large enough to make headers cheap, small enough that
/// reading holds little.
const SNAPSHOT_FRAME_BYTES: usize = 1024 * 1024;

/// A new log, before it replaces the old one.
pub(super) struct Draft<'a, S: Storage> {
    files: &'a Files<S>,
    file: NamedFile<S::File>,
    frame: Frame,
    position: Position,
    length: u64,
}

impl<'a, S: Storage> Draft<'a, S> {
    /// Begins a draft with nothing but the file header. What another draft has left is overwritten.
    pub(super) fn new(files: &'a Files<S>, salt: Salt) -> Result<Draft<'a, S>, StorageError> {
        let (position, header) = Position::start(salt);
        let file = files.create(DRAFT)?;
        files.write_all_at(&file, 0, &header)?;
        Ok(Draft { files, file, frame: Frame::new(), position, length: header.len() as u64 })
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

    /// Makes the draft the log. It has to hold a record.
    pub(super) fn publish(mut self) -> Result<Written<S::File>, StorageError> {
        self.write_frame()?;
        let file = self.files.publish(self.file, LOG)?;
        Ok(Written::new(file, self.position, self.length))
    }

    /// Unlike those of a log in use, the frames of a draft need no sync in between: no part of it counts before
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
