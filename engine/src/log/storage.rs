//! The one seam between the log and a disk.

use core::fmt;
use std::io;

/// The log in use.
pub(super) const LOG: &str = "log";
/// A file in the making: a log, or a part of one to be saved. It never counts, and goes with the next start.
pub(super) const DRAFT: &str = "log.new";
/// Space for a full disk.
pub(super) const RESERVE: &str = "reserve";

/// A directory of files: the real one, or a simulated one that crashes, fills up and forgets what was not synced.
///
/// Every operation may fail. Names are single path components.
pub trait Storage {
    /// An open file. It stays open when the file is renamed or removed.
    type File;

    /// Opens a file for reading and writing; `None` when there is none of this name.
    ///
    /// # Errors
    ///
    /// What the disk says, other than that there is no such file.
    fn open(&self, name: &str) -> io::Result<Option<Self::File>>;

    /// Creates an empty file, or empties the one that is there.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    /// Reads bytes at `offset`; as few as it likes, but none only at the end of the file.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn read_at(&self, file: &Self::File, offset: u64, buffer: &mut [u8]) -> io::Result<usize>;

    /// Writes bytes at `offset`, as few as it likes, and says how many.
    ///
    /// # Errors
    ///
    /// `StorageFull`, `QuotaExceeded` and `FileTooLarge` mean that there is no room; anything else that the
    /// disk is broken. Bytes may have been written all the same.
    fn write_at(&self, file: &Self::File, offset: u64, bytes: &[u8]) -> io::Result<usize>;

    /// Cuts a file to `length` bytes.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn set_length(&self, file: &Self::File, length: u64) -> io::Result<()>;

    /// Returns once the contents and the length of a file are durable.
    ///
    /// # Errors
    ///
    /// After one, nothing is known about what is durable.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Returns once the contents of a file are durable, as far as its durable length goes: what was written beyond
    /// the length that the last [`Storage::sync`] saw may still be lost. Often far cheaper, as nothing but the
    /// contents has to be written.
    ///
    /// # Errors
    ///
    /// After one, nothing is known about what is durable.
    fn sync_contents(&self, file: &Self::File) -> io::Result<()>;

    /// Gives a file another name, atomically; a file that has that name already is replaced.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Removes a file; it is no error when there is none.
    ///
    /// # Errors
    ///
    /// What the disk says.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns once all names are durable: what was created, renamed and removed.
    ///
    /// # Errors
    ///
    /// After one, nothing is known about what is durable.
    fn sync_names(&self) -> io::Result<()>;

    /// How messages call a file, usually its whole path. `.` stands for the directory.
    fn describe(&self, name: &str) -> String;
}

/// An operation on a file that failed.
#[derive(Debug)]
pub struct StorageError {
    action: Action,
    /// The file, as messages call it.
    file: String,
    error: io::Error,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Open,
    Create,
    Read,
    Write,
    Cut,
    Sync,
    Rename,
    Remove,
}

impl fmt::Display for StorageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let action = match self.action {
            Action::Open => "open",
            Action::Create => "create",
            Action::Read => "read",
            Action::Write => "write to",
            Action::Cut => "cut",
            Action::Sync => "sync",
            Action::Rename => "rename",
            Action::Remove => "remove",
        };
        write!(f, "cannot {action} {}: {}", self.file, self.error)
    }
}

impl core::error::Error for StorageError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        Some(&self.error)
    }
}

impl StorageError {
    /// Whether there was no room, and nothing worse: a sync that fails for want of room still leaves unknown what
    /// is durable.
    pub fn is_full(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        matches!(self.action, Action::Create | Action::Write | Action::Rename)
            && full.contains(&self.error.kind())
    }

    /// Whether there would be room if other files were smaller.
    pub(super) fn is_full_disk(&self) -> bool {
        self.is_full() && self.error.kind() != io::ErrorKind::FileTooLarge
    }
}

/// A storage whose errors say what was done to which file, and whose writes are complete.
#[derive(Debug)]
pub(super) struct Files<S>(pub(super) S);

/// An open file that knows its name.
#[derive(Debug)]
pub(super) struct NamedFile<F> {
    handle: F,
    name: String,
}

impl<S: Storage> Files<S> {
    pub(super) fn open(&self, name: &str) -> Result<Option<NamedFile<S::File>>, StorageError> {
        let handle = self.0.open(name).map_err(self.failed(Action::Open, name))?;
        Ok(handle.map(|handle| NamedFile { handle, name: name.to_owned() }))
    }

    pub(super) fn create(&self, name: &str) -> Result<NamedFile<S::File>, StorageError> {
        let handle = self.0.create(name).map_err(self.failed(Action::Create, name))?;
        Ok(NamedFile { handle, name: name.to_owned() })
    }

    pub(super) fn read_at(
        &self,
        file: &NamedFile<S::File>,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<usize, StorageError> {
        self.0.read_at(&file.handle, offset, buffer).map_err(self.failed(Action::Read, &file.name))
    }

    /// Writes all of `bytes`, however many writes that takes.
    pub(super) fn write_all_at(
        &self,
        file: &NamedFile<S::File>,
        mut offset: u64,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = match self.0.write_at(&file.handle, offset, rest) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                result => result,
            };
            let written = written.map_err(self.failed(Action::Write, &file.name))?;
            offset += written as u64;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    pub(super) fn set_length(&self, file: &NamedFile<S::File>, length: u64) -> Result<(), StorageError> {
        self.0.set_length(&file.handle, length).map_err(self.failed(Action::Cut, &file.name))
    }

    pub(super) fn sync(&self, file: &NamedFile<S::File>) -> Result<(), StorageError> {
        self.0.sync(&file.handle).map_err(self.failed(Action::Sync, &file.name))
    }

    pub(super) fn sync_contents(&self, file: &NamedFile<S::File>) -> Result<(), StorageError> {
        self.0.sync_contents(&file.handle).map_err(self.failed(Action::Sync, &file.name))
    }

    /// Makes what was written to `file` durable and then gives it another name, durably.
    pub(super) fn publish(
        &self,
        mut file: NamedFile<S::File>,
        name: &str,
    ) -> Result<NamedFile<S::File>, StorageError> {
        self.sync(&file)?;
        self.0.rename(&file.name, name).map_err(self.failed(Action::Rename, &file.name))?;
        name.clone_into(&mut file.name);
        self.sync_names()?;
        Ok(file)
    }

    pub(super) fn remove(&self, name: &str) -> Result<(), StorageError> {
        self.0.remove(name).map_err(self.failed(Action::Remove, name))
    }

    pub(super) fn sync_names(&self) -> Result<(), StorageError> {
        self.0.sync_names().map_err(self.failed(Action::Sync, "."))
    }

    pub(super) fn describe(&self, name: &str) -> String {
        self.0.describe(name)
    }

    fn failed(&self, action: Action, name: &str) -> impl FnOnce(io::Error) -> StorageError {
        move |error| StorageError { action, file: self.0.describe(name), error }
    }
}
