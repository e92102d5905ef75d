//! The write-ahead log on a real disk. Everything that decides is in [`builder_engine::log`]; this is its storage.

use crate::directory::file_size_limit;
use crate::durable;
use builder_engine::log::{Salt, Storage};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The log of a server. Open it with [`Disk::open`] on the server's own directory.
pub type LogFile = builder_engine::log::LogFile<Disk>;

/// A directory on a real disk. Its files are for this user alone.
#[derive(Debug)]
pub struct Disk {
    path: PathBuf,
    directory: File,
}

impl Disk {
    /// Opens a directory.
    ///
    /// # Errors
    ///
    /// What the system says.
    pub fn open(path: &Path) -> io::Result<Disk> {
        Ok(Disk { path: path.to_owned(), directory: File::open(path)? })
    }
}

impl Storage for Disk {
    type File = File;

    fn open(&self, name: &str) -> io::Result<Option<File>> {
        match OpenOptions::new().read(true).write(true).open(self.path.join(name)) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn create(&self, name: &str) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(true).mode(0o600);
        options.open(self.path.join(name))
    }

    fn read_at(&self, file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        until_uninterrupted(|| file.read_at(buffer, offset))
    }

    fn write_at(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        // The kernel would send SIGXFSZ before it said so itself. A write across the limit is merely short.
        if file_size_limit().is_some_and(|limit| offset >= limit) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        until_uninterrupted(|| file.write_at(bytes, offset))
    }

    fn set_length(&self, file: &File, length: u64) -> io::Result<()> {
        file.set_len(length)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        durable::sync_file(file)
    }

    fn sync_contents(&self, file: &File) -> io::Result<()> {
        durable::sync_contents(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        std::fs::rename(self.path.join(from), self.path.join(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed,
        }
    }

    fn sync_names(&self) -> io::Result<()> {
        durable::sync_file(&self.directory)
    }

    fn describe(&self, name: &str) -> String {
        match name {
            "." => self.path.display().to_string(),
            _ => self.path.join(name).display().to_string(),
        }
    }
}

/// A salt for a new log file, from the system's randomness.
///
/// # Errors
///
/// What the system says.
pub fn fresh_salt() -> Result<Salt, getrandom::Error> {
    let mut salt = [0; 16];
    getrandom::fill(&mut salt)?;
    Ok(Salt(salt))
}

/// Repeats an operation that a signal has interrupted.
pub(crate) fn until_uninterrupted(mut operation: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match operation() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests;
