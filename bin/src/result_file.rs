//! A stored result on disk.

use builder_proto::execution::ReadAt;
use rustix::fs::OFlags;
use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

/// A stored result on disk, open for reading.
#[derive(Debug)]
pub struct ResultFile {
    file: File,
    length: u64,
}

impl ResultFile {
    /// Opens the file at `path`.
    ///
    /// # Errors
    ///
    /// When it cannot be opened, or is no regular file: a stored result is read from both ends.
    pub fn open(path: &Path) -> io::Result<Self> {
        // Without O_NONBLOCK, opening a FIFO would wait for a writer.
        let flags = OFlags::NONBLOCK.bits().cast_signed();
        Self::new(File::options().read(true).custom_flags(flags).open(path)?)
    }

    /// Takes a file that is open for reading.
    ///
    /// # Errors
    ///
    /// When it is no regular file.
    pub fn new(file: File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::other("it is not a regular file"));
        }
        Ok(Self { file, length: metadata.len() })
    }

    /// The file itself.
    #[must_use]
    pub fn into_file(self) -> File {
        self.file
    }

    /// Bytes of the file when it was opened.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl ReadAt for ResultFile {
    type Error = io::Error;

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        until_uninterrupted(|| self.file.read_at(buffer, offset))
    }
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
mod tests {
    use super::*;
    use std::process::Command;
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    #[test]
    fn what_has_no_two_ends_is_refused_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("full");
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
        let (sender, opened) = mpsc::channel();
        thread::spawn(move || {
            sender.send(ResultFile::open(&path).map(|_| ()).map_err(|error| error.to_string()))
        });
        let opened = opened.recv_timeout(Duration::from_secs(60)).expect("nobody waits for a writer");
        assert_eq!(opened, Err("it is not a regular file".to_owned()));
        ResultFile::open(directory.path()).unwrap_err();
    }
}
