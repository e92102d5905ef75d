//! The disk: what it takes to have something on it, for certain; how much room it has; and the write-ahead log on it.
//!
//! Every sync of the programs is here. Everything that decides about the log is in [`builder_engine::log`]; this is its storage.
//!
//! Three facts about file systems decide how files are synced. The first two were found by cutting the power of FreeBSD 14.2
//! dozens of times; the simulated disk of the tests behaves like all three at once.
//!
//! * **UFS: a sync of data may leave the length behind.** `fdatasync` there need not write the inode of a file that has grown
//!   (`ffs_syncvnode` in sys/ufs/ffs/ffs_vnops.c), so after a power cut the file ends where it ended before, and what was
//!   added is gone. `fsync` writes both. POSIX, Linux and ZFS have `fdatasync` keep the length.
//! * **ZFS: a file that was not written from front to back may come back longer**, padded with zeros up to the end of a
//!   record. After a power cut the intent log writes whole records again, and a write that ended before the end of the file
//!   takes the rest of its record with it. Setting the length, even to what it is, puts the right one into the intent log
//!   behind those writes; for results that is an operation of `ResultWork` in the engine. This is OpenZFS, so it holds on
//!   Linux as well.
//! * **Linux: a sync that writes no inode is far cheaper**, as ext4 and XFS need no commit of their journals for it. So the log
//!   is made longer for many commits at once, and as long as that lasts, contents alone are synced.
//!
//! Names are durable with a sync of their directory, everywhere, and a failed sync is final: the system may take for written
//! what is not.

use crate::result_file::until_uninterrupted;
use builder_engine::log::{Salt, Storage};
use rustix::fs::StatVfs;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Returns once contents and length of a file are durable.
///
/// # Errors
///
/// What the disk says. What is durable is then unknown.
pub fn sync_file(file: &File) -> io::Result<()> {
    file.sync_all()
}

/// Returns once the contents of a file are durable whose length is durable already. Where that is not known to be cheaper
/// than [`sync_file`], and to keep its promise, it is the same.
///
/// # Errors
///
/// What the disk says. What is durable is then unknown.
pub fn sync_contents(file: &File) -> io::Result<()> {
    if cfg!(target_os = "linux") { file.sync_data() } else { file.sync_all() }
}

/// Returns once everything is durable that was written to a file system, which `directory` is on: one call for any number of
/// files and names. Only to descriptors that were open before is an error reported that somebody else has seen.
///
/// # Errors
///
/// What the disk says, since Linux 5.8. What is durable is then unknown.
#[cfg(target_os = "linux")]
pub fn sync_file_system(directory: &File) -> io::Result<()> {
    Ok(rustix::fs::syncfs(directory)?)
}

/// Makes the names in a directory durable: what was created, renamed and removed.
///
/// # Errors
///
/// What the disk says. What is durable is then unknown.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Bytes that this user may still write to the file system of `path`.
///
/// # Errors
///
/// What the system says.
pub fn free_bytes(path: &Path) -> io::Result<u64> {
    Ok(available_bytes(&rustix::fs::statvfs(path)?))
}

/// What is held back for the superuser does not count. FreeBSD counts below zero when that is used up, and the number arrives
/// here without its sign.
fn available_bytes(found: &StatVfs) -> u64 {
    if found.f_bavail > found.f_blocks { 0 } else { found.f_bavail.saturating_mul(found.f_frsize) }
}

/// Bytes that a file written by this process may have; `None` for any number. A write beyond it raises SIGXFSZ, which
/// ends a program that does not handle it.
pub fn file_size_limit() -> Option<u64> {
    rustix::process::getrlimit(rustix::process::Resource::Fsize).current
}

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
        sync_file(file)
    }

    fn sync_contents(&self, file: &File) -> io::Result<()> {
        sync_contents(file)
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
        sync_file(&self.directory)
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

    #[test]
    fn what_is_synced_is_as_it_was_written() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("file");
        let file = File::create_new(&path).unwrap();
        file.write_all_at(b"artifacts", 4).unwrap();
        file.write_all_at(b"head", 0).unwrap();
        sync_contents(&file).unwrap();
        sync_file(&file).unwrap();
        sync_directory(directory.path()).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"headartifacts");
        assert!(sync_directory(&path.join("below a file")).is_err());
    }

    #[test]
    fn fewer_blocks_than_none_are_none() {
        let disk = rustix::fs::statvfs("/").unwrap();
        let bytes = |available, blocks| {
            // As many blocks are free for the superuser.
            let found = StatVfs { f_bavail: available, f_bfree: 50, f_blocks: blocks, f_frsize: 512, ..disk };
            available_bytes(&found)
        };
        assert_eq!(bytes(3, 100), 3 * 512);
        assert_eq!(bytes(0, 100), 0);
        assert_eq!(bytes(-5_i64 as u64, 100), 0);
        assert_eq!(bytes(u64::MAX, u64::MAX), u64::MAX, "more than can be counted");
    }

    #[test]
    fn a_disk_has_some_room() {
        let data = TempDir::new().unwrap();
        assert!(free_bytes(data.path()).unwrap() > 0);
        assert!(free_bytes(&data.path().join("missing")).is_err());
    }
}
