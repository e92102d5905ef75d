//! What it takes to have something on disk, for certain: every sync of the programs is here.
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

use std::fs::File;
use std::io;
use std::path::Path;

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::FileExt;

    #[test]
    fn what_is_synced_is_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
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
}
