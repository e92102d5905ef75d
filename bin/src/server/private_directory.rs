//! The part of the data directory that is the server's own, and who uses it.

use crate::server::disk::sync_directory;
use core::fmt;
use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// What the server keeps for itself below its data directory.
const PRIVATE: &str = ".builder";
const LOCK: &str = "lock";

/// Time between two attempts to take the lock, and how often there is another one.
const LOCK_PAUSE: Duration = Duration::from_millis(20);
const LOCK_PAUSES: u32 = 50;

/// Proof that no other server uses a data directory, for as long as it lives.
///
/// The kernel releases the lock when the process ends, in whatever way, so a file left behind locks nothing.
#[derive(Debug)]
pub struct DirectoryLock {
    _file: File,
}

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum DirectoryError {
    /// It does not exist.
    Missing(PathBuf),
    /// It, or the server's own directory in it, is something else.
    NotADirectory(PathBuf),
    /// Another server uses it.
    InUse {
        /// The lock file.
        lock: PathBuf,
        /// What the other server wrote into the lock file.
        process: Option<u32>,
    },
    /// An operation failed.
    Failed {
        /// The verb: what could not be done.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = rustix::process::geteuid().as_raw();
        match self {
            DirectoryError::Missing(path) => {
                let path = path.display();
                write!(
                    f,
                    "data directory {path} does not exist; create it with: mkdir -p {path} && chown {user} {path}"
                )
            }
            DirectoryError::NotADirectory(path) => {
                write!(f, "{} is not a directory; move it away, or name another with --dir", path.display())
            }
            DirectoryError::InUse { lock, process: Some(process) } => {
                write!(f, "{} is in use by process {process}; stop that one first", lock.display())
            }
            DirectoryError::InUse { lock, process: None } => {
                write!(f, "{} is in use by another process; stop that one first", lock.display())
            }
            DirectoryError::Failed { action, path, error }
                if error.kind() == io::ErrorKind::PermissionDenied =>
            {
                write!(f, "cannot {action} {}: {error}; it has to belong to user {user}", path.display())
            }
            DirectoryError::Failed { action, path, error } => {
                write!(f, "cannot {action} {}: {error}", path.display())
            }
        }
    }
}

impl core::error::Error for DirectoryError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            DirectoryError::Failed { error, .. } => Some(error),
            _ => None,
        }
    }
}

/// Gives the server's own directory below `data`, which nobody else may read. Makes it, durably, if it is not there.
///
/// # Errors
///
/// [`DirectoryError::Missing`] when `data` does not exist: a mistyped path should not begin a new life.
/// [`DirectoryError::NotADirectory`] and [`DirectoryError::Failed`].
pub fn prepare(data: &Path) -> Result<PathBuf, DirectoryError> {
    let private = private(data)?;
    match DirBuilder::new().mode(0o700).create(&private) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => close_to_others(&private)?,
        created => created.map_err(failed("create", &private))?,
    }
    sync_directory(data).map_err(failed("sync", data))?;
    Ok(private)
}

/// Where the server's own directory below `data` is, or would be.
///
/// # Errors
///
/// Those of [`prepare`] about `data` itself.
pub fn private(data: &Path) -> Result<PathBuf, DirectoryError> {
    match data.metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(DirectoryError::Missing(data.to_owned()))
        }
        Err(error) => Err(failed("use", data)(error)),
        Ok(found) if !found.is_dir() => Err(DirectoryError::NotADirectory(data.to_owned())),
        Ok(_) => Ok(data.join(PRIVATE)),
    }
}

impl DirectoryLock {
    /// Takes the lock of the server's own directory, or gives up after a second.
    ///
    /// # Errors
    ///
    /// [`DirectoryError::InUse`] when another process has it, and [`DirectoryError::Failed`].
    pub fn acquire(private: &Path) -> Result<DirectoryLock, DirectoryError> {
        let path = private.join(LOCK);
        // Not truncated: that would take the number away from whoever has the lock.
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(failed("open", &path))?;
        lock(&file, &path, thread::sleep)?;
        let written = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "{}", std::process::id()));
        // The number is for messages only, and a full disk must not keep the server from starting.
        if let Err(error) = written {
            log::warn!("cannot write to {}: {error}", path.display());
        }
        Ok(DirectoryLock { _file: file })
    }

    /// Takes the lock, without a trace, for somebody who only reads, or gives up after a second. None when no server has ever
    /// run here.
    ///
    /// # Errors
    ///
    /// Those of [`DirectoryLock::acquire`].
    pub fn acquire_to_read(private: &Path) -> Result<Option<DirectoryLock>, DirectoryError> {
        let path = private.join(LOCK);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("open", &path)(error)),
        };
        lock(&file, &path, thread::sleep)?;
        Ok(Some(DirectoryLock { _file: file }))
    }
}

/// Takes the lock. A process that a killed server was just starting has it for a moment longer, until it runs its program:
/// that much patience costs less than a start that is refused.
fn lock(file: &File, path: &Path, mut pause: impl FnMut(Duration)) -> Result<(), DirectoryError> {
    for attempt in 0.. {
        match file.try_lock() {
            Ok(()) => break,
            Err(TryLockError::WouldBlock) if attempt < LOCK_PAUSES => pause(LOCK_PAUSE),
            Err(TryLockError::WouldBlock) => {
                // The number only makes the message better; without it the directory is just as much in use.
                let process = io::read_to_string(file).ok().and_then(|holder| holder.trim().parse().ok());
                return Err(DirectoryError::InUse { lock: path.to_owned(), process });
            }
            Err(TryLockError::Error(error)) => return Err(failed("lock", path)(error)),
        }
    }
    Ok(())
}

/// Takes the permissions of others away from a directory that is there already.
fn close_to_others(private: &Path) -> Result<(), DirectoryError> {
    let found = private.symlink_metadata().map_err(failed("use", private))?;
    if !found.is_dir() {
        return Err(DirectoryError::NotADirectory(private.to_owned()));
    }
    if found.permissions().mode() & 0o077 != 0 {
        log::warn!("{} was open to other users; closing it", private.display());
        std::fs::set_permissions(private, Permissions::from_mode(0o700))
            .map_err(failed("set the permissions of", private))?;
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DirectoryError {
    move |error| DirectoryError::Failed { action, path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;
    use tempfile::TempDir;

    fn mode(path: &Path) -> u32 {
        path.metadata().unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn the_own_directory_is_closed_to_others_from_the_start_and_later() {
        let data = TempDir::new().unwrap();
        let private = prepare(data.path()).unwrap();
        assert_eq!(private, data.path().join(".builder"));
        assert_eq!(mode(&private), 0o700);

        for open in [0o755, 0o750, 0o701] {
            fs::set_permissions(&private, Permissions::from_mode(open)).unwrap();
            assert_eq!(prepare(data.path()).unwrap(), private);
            assert_eq!(mode(&private), 0o700);
        }
    }

    #[test]
    fn a_missing_data_directory_is_not_made_but_its_making_explained() {
        let parent = TempDir::new().unwrap();
        let data = parent.path().join("builder");
        let error = prepare(&data).unwrap_err().to_string();
        let path = data.display();
        assert!(error.starts_with(&format!("data directory {path} does not exist; ")), "{error}");
        assert!(error.contains(&format!("mkdir -p {path} && chown ")), "{error}");
        assert!(!data.exists());
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let parent = TempDir::new().unwrap();
        let data = parent.path().join("file");
        fs::write(&data, "").unwrap();
        assert!(matches!(prepare(&data), Err(DirectoryError::NotADirectory(path)) if path == data));

        // Nor does the server follow a link to the directory that it believes to be its own.
        symlink(parent.path(), parent.path().join(".builder")).unwrap();
        assert!(matches!(prepare(parent.path()), Err(DirectoryError::NotADirectory(_))));
    }

    #[test]
    fn a_directory_has_one_user_at_a_time_and_the_other_learns_who() {
        let data = TempDir::new().unwrap();
        fs::write(data.path().join("lock"), "a number of a process that ended long ago").unwrap();
        let lock = DirectoryLock::acquire(data.path()).unwrap();
        let error = DirectoryLock::acquire(data.path()).unwrap_err().to_string();
        let process = std::process::id();
        assert!(
            error.ends_with(&format!("/lock is in use by process {process}; stop that one first")),
            "{error}"
        );

        drop(lock);
        DirectoryLock::acquire(data.path()).unwrap();
    }

    #[test]
    fn what_a_killed_server_was_just_starting_holds_up_the_next_one_for_a_moment_only() {
        let data = TempDir::new().unwrap();
        let mut held = Some(DirectoryLock::acquire(data.path()).unwrap());
        let file = File::open(data.path().join("lock")).unwrap();
        let mut pauses = 0;
        lock(&file, data.path(), |_| {
            pauses += 1;
            if pauses == 3 {
                held = None;
            }
        })
        .unwrap();
        assert_eq!(pauses, 3);
    }
}
