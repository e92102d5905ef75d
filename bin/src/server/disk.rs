//! The write-ahead log on a real disk. Everything that decides is in [`builder_engine::log`]; this is its storage.

use crate::durable;
use crate::server::private_directory::file_size_limit;
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
mod tests {
    use super::*;
    use builder_engine::log::{OpenError, RecoveryReport, Settings, WriteError};
    use std::convert::Infallible;
    use std::fs;
    use std::os::unix::fs::MetadataExt;
    use std::process::Command;
    use tempfile::TempDir;

    /// Tells a test that it runs as a child with a limit on the length of files, and where.
    const LIMITED: &str = "BUILDER_TEST_LIMITED_FILES";

    fn open(path: &Path, salvage: bool) -> Result<(LogFile, RecoveryReport, Vec<Vec<u8>>), OpenError> {
        let settings = Settings { salvage, ..Settings::new(fresh_salt().unwrap()) };
        let mut payloads = Vec::new();
        let (log, recovery) = LogFile::open(Disk::open(path).unwrap(), settings, |payload| {
            payloads.push(payload.to_vec());
            Ok::<(), Infallible>(())
        })?;
        Ok((log, recovery, payloads))
    }

    fn commit(log: &mut LogFile, record: &[u8]) -> Result<(), WriteError> {
        log.append(record)?;
        log.commit()
    }

    fn names(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_log_is_written_rotated_and_read_back() {
        let directory = TempDir::new().unwrap();
        let (mut log, recovery, _) = open(directory.path(), false).unwrap();
        assert!(recovery.created);
        commit(&mut log, b"one").unwrap();
        log.rotate(fresh_salt().unwrap(), [Ok::<_, Infallible>(b"snapshot")]).unwrap();
        commit(&mut log, b"two").unwrap();
        drop(log);

        let (_, recovery, payloads) = open(directory.path(), false).unwrap();
        assert_eq!(payloads, [&b"snapshot"[..], b"two"]);
        assert_eq!(recovery.to_string(), "replayed 2 commits");
        assert_eq!(names(directory.path()), ["log", "reserve"]);
    }

    #[test]
    fn files_are_private_and_the_reserve_takes_its_space() {
        let directory = TempDir::new().unwrap();
        let (mut log, ..) = open(directory.path(), false).unwrap();
        commit(&mut log, b"one").unwrap();
        let metadata = |name| directory.path().join(name).metadata().unwrap();
        assert_eq!(metadata("log").mode() & 0o777, 0o600);
        assert_eq!(metadata("reserve").mode() & 0o777, 0o600);
        // Blocks are counted in 512 bytes, whatever the file system's are.
        assert!(metadata("reserve").blocks() * 512 >= 8 * 1024 * 1024);
    }

    #[test]
    fn a_torn_end_is_saved_and_cut_and_damage_is_refused_by_its_path() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("log");
        let (mut log, ..) = open(directory.path(), false).unwrap();
        for record in [b"one", b"two", b"six"] {
            commit(&mut log, record).unwrap();
        }
        let length = log.length() as usize;
        drop(log);

        let mut bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..length - 1]).unwrap();
        let (_, recovery, payloads) = open(directory.path(), false).unwrap();
        assert_eq!(payloads, [b"one", b"two"]);
        let torn = directory.path().join("log.torn-1");
        assert_eq!(recovery.torn.unwrap().file, torn.display().to_string());
        assert_eq!(torn.metadata().unwrap().len(), 38);

        bytes[40] ^= 1;
        fs::write(&path, &bytes).unwrap();
        let refusal = open(directory.path(), false).unwrap_err().to_string();
        assert!(refusal.starts_with(&format!("{} is damaged at byte 32", path.display())), "{refusal}");
        assert_eq!(open(directory.path(), true).unwrap().2, [b"two", b"six"]);
        assert_eq!(fs::read(directory.path().join("log.damaged-1")).unwrap(), bytes);
    }

    #[test]
    fn a_limit_on_the_length_of_files_is_a_full_disk_and_not_the_end() {
        let directory = TempDir::new().unwrap();
        // Blocks of 512 bytes: 2048 in all.
        let child = Command::new("/bin/sh")
            .args(["-c", "ulimit -f 4 && exec \"$0\" \"$@\""])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "server::disk::tests::child_with_limited_files", "--nocapture"])
            .env(LIMITED, directory.path())
            .output()
            .unwrap();
        assert!(child.status.success(), "{child:?}");
        assert_eq!(open(directory.path(), false).unwrap().2, [b"one", b"two"]);
    }

    /// Not a test of its own: the child of the one above. Without a directory it does nothing.
    #[test]
    fn child_with_limited_files() {
        let Some(directory) = std::env::var_os(LIMITED) else { return };
        let (mut log, recovery, _) = open(Path::new(&directory), false).unwrap();
        assert!(recovery.no_reserve.is_some());
        commit(&mut log, b"one").unwrap();
        log.append(&[b'x'; 4096]).unwrap();
        assert!(matches!(log.commit(), Err(WriteError::Full(_))));
        assert!(matches!(
            log.rotate(fresh_salt().unwrap(), [Ok::<_, Infallible>([0; 4096])]),
            Err(WriteError::Full(_))
        ));
        drop(log);
        let (mut log, ..) = open(Path::new(&directory), false).unwrap();
        commit(&mut log, b"two").unwrap();
    }
}
