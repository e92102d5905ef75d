//! The private directory in which a job runs, and removing what the job left in it, whatever that looks like.
//!
//! Links are removed, not followed. Directories without write permission get it. However deep the tree is, only
//! one of its directories is open at a time: the way back up is `..`, which is checked.

use super::tree::{Tree, open_subdirectory};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, Stat, fchmod, fstat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};
use std::fmt;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Name of the script in the directory.
pub(super) const SCRIPT_NAME: &str = "script.sh";

/// Names that are tried before giving up; the first is free unless someone guesses 64 random bits.
const ATTEMPTS: u32 = 16;

const REMEDY: &str = "; set TMPDIR to a directory with free space that this user may write to";

/// A directory of mode 0700 with the script in it.
#[derive(Debug)]
pub(super) struct JobDirectory {
    path: PathBuf,
    tree: Tree,
}

/// Why a job has no directory.
#[derive(Debug)]
pub(super) enum DirectoryError {
    Random(getrandom::Error),
    Create { parent: PathBuf, error: io::Error },
    Script { path: PathBuf, error: io::Error },
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Random(error) => write!(f, "no random name for the job's directory: {error}"),
            Self::Create { parent, error } => {
                write!(f, "cannot make a directory for the job in {}: {error}{REMEDY}", parent.display())
            }
            Self::Script { path, error } => write!(f, "cannot write {}: {error}{REMEDY}", path.display()),
        }
    }
}

impl JobDirectory {
    /// Makes a directory with an unpredictable name in `parent`.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being made and opened.
    pub(super) fn create(parent: &Path) -> Result<Self, DirectoryError> {
        let failed = |error| DirectoryError::Create { parent: parent.to_path_buf(), error };
        // The path is told to the job and must mean the same wherever the job goes.
        let parent = std::path::absolute(parent).map_err(failed)?;
        for _ in 0..ATTEMPTS {
            let number = getrandom::u64().map_err(DirectoryError::Random)?;
            let path = parent.join(format!("builder-{number:016x}"));
            match DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => {
                    return match Tree::open(&path) {
                        Ok(tree) => Ok(Self { path, tree }),
                        Err(error) => {
                            if let Err(error) = std::fs::remove_dir(&path) {
                                log::warn!("cannot remove {}: {error}", path.display());
                            }
                            Err(failed(error))
                        }
                    };
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
        }
        Err(failed(io::ErrorKind::AlreadyExists.into()))
    }

    /// Writes the script, readable and executable for the owner only.
    ///
    /// # Errors
    ///
    /// Whatever keeps it from being written, a full disk for example.
    pub(super) fn write_script(&self, script: &[u8]) -> Result<PathBuf, DirectoryError> {
        let path = self.path.join(SCRIPT_NAME);
        let write = || -> io::Result<()> {
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o500).open(&path)?;
            file.write_all(script)?;
            // The umask may have taken bits away that the job needs.
            file.set_permissions(Permissions::from_mode(0o500))
        };
        match write() {
            Ok(()) => Ok(path),
            Err(error) => Err(DirectoryError::Script { path, error }),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Removes it, and logs what keeps it from going. That the job removed it is as good.
    pub(super) fn discard(self) {
        let path = self.path.clone();
        if let Err(error) = self.remove()
            && error.kind() != io::ErrorKind::NotFound
        {
            log::warn!("cannot remove {}: {error}", path.display());
        }
    }

    /// Removes the directory with everything in it, and nothing else.
    ///
    /// # Errors
    ///
    /// The first thing that could not be removed; the rest is gone all the same.
    pub(super) fn remove(self) -> io::Result<()> {
        let emptied = remove_contents(self.tree.root());
        let removed = std::fs::remove_dir(&self.path);
        emptied?;
        removed
    }
}

/// Names that are held of one directory at a time.
const BATCH: usize = 1024;

/// Removes everything below `root`, but not `root` itself. What cannot be removed does not keep the rest.
///
/// # Errors
///
/// The first error that was met.
pub(super) fn remove_contents(root: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut failures = Failures::default();
    // The job may have taken its own directory's permissions away.
    failures.note(fchmod(root, Mode::RWXU));
    let top = open_subdirectory(root, c".")?;
    let mut levels = vec![Level::read(&top, CString::default())?];
    let mut current = top;
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.names.pop() {
            match unlinkat(&current, &name, AtFlags::empty()) {
                Ok(()) => level.progress = true,
                Err(refusal) => match enter(&current, &name) {
                    Ok((directory, below)) => {
                        levels.push(below);
                        current = directory;
                    }
                    // It is no directory: the reason is why it could not be unlinked.
                    Err(Errno::NOTDIR | Errno::LOOP | Errno::MLINK) => failures.note(Err(refusal)),
                    Err(error) => failures.note(Err(error)),
                },
            }
        } else if level.more && level.progress {
            failures.note(level.read_names(&current));
        } else if let Some(done) = levels.pop() {
            let Some(above) = levels.last_mut() else { break };
            current = go_up(&current, above)?;
            match unlinkat(&current, &done.name, AtFlags::REMOVEDIR) {
                Ok(()) => above.progress = true,
                Err(error) => failures.note(Err(error)),
            }
        }
    }
    failures.first.map_or(Ok(()), Err)
}

/// One directory on the way down.
struct Level {
    name: CString,
    device: u64,
    inode: u64,
    /// Entries to remove.
    names: Vec<CString>,
    /// Whether there were more entries than `names` may hold.
    more: bool,
    /// Whether anything was removed since `names` was read; otherwise reading again would go round in circles.
    progress: bool,
}

#[derive(Default)]
struct Failures {
    first: Option<Errno>,
}

impl Failures {
    fn note(&mut self, outcome: Result<(), Errno>) {
        self.first = self.first.or(outcome.err());
    }
}

impl Level {
    fn read(directory: &OwnedFd, name: CString) -> Result<Self, Errno> {
        let (device, inode) = identity(&fstat(directory)?);
        let mut level = Self { name, device, inode, names: Vec::new(), more: true, progress: true };
        level.read_names(directory)?;
        Ok(level)
    }

    fn read_names(&mut self, directory: &OwnedFd) -> Result<(), Errno> {
        self.more = false;
        self.progress = false;
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            if self.names.len() == BATCH {
                self.more = true;
                break;
            }
            self.names.push(name.to_owned());
        }
        Ok(())
    }
}

/// Opens a directory so that its entries can be removed.
fn enter(parent: &OwnedFd, name: &CStr) -> Result<(OwnedFd, Level), Errno> {
    let directory = match open_subdirectory(parent, name) {
        Err(Errno::ACCESS) => {
            allow_access(parent, name)?;
            open_subdirectory(parent, name)?
        }
        outcome => outcome?,
    };
    if !Mode::from_raw_mode(fstat(&directory)?.st_mode).contains(Mode::RWXU) {
        fchmod(&directory, Mode::RWXU)?;
    }
    let level = Level::read(&directory, name.to_owned())?;
    Ok((directory, level))
}

fn go_up(directory: &OwnedFd, above: &Level) -> Result<OwnedFd, Errno> {
    let parent = open_subdirectory(directory, c"..")?;
    if identity(&fstat(&parent)?) == (above.device, above.inode) {
        Ok(parent)
    } else {
        // Someone moved the directory meanwhile: what is above it now is not ours.
        Err(Errno::STALE)
    }
}

// The types of these fields differ between systems.
#[allow(clippy::unnecessary_cast, clippy::cast_sign_loss)]
fn identity(status: &Stat) -> (u64, u64) {
    (status.st_dev as u64, status.st_ino as u64)
}

/// Gives the owner every right to a directory that cannot be opened, without following it, should it be a link.
#[cfg(target_os = "linux")]
fn allow_access(parent: impl AsFd, name: &CStr) -> Result<(), Errno> {
    use rustix::fd::AsRawFd;
    use rustix::fs::{CWD, OFlags, chmodat, openat};

    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(parent, name, flags, Mode::empty())?;
    chmodat(CWD, format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU, AtFlags::empty())
}

/// Gives the owner every right to a directory that cannot be opened, without following it, should it be a link.
#[cfg(not(target_os = "linux"))]
fn allow_access(parent: impl AsFd, name: &CStr) -> Result<(), Errno> {
    rustix::fs::chmodat(parent, name, Mode::RWXU, AtFlags::SYMLINK_NOFOLLOW)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn directory_and_script_are_private() {
        let parent = tempfile::tempdir().unwrap();
        let directory = JobDirectory::create(parent.path()).unwrap();
        let script = directory.write_script(b"echo").unwrap();
        assert_eq!(fs::metadata(directory.path()).unwrap().permissions().mode() & 0o7777, 0o700);
        assert_eq!(fs::metadata(&script).unwrap().permissions().mode() & 0o7777, 0o500);
        assert_eq!(fs::read(&script).unwrap(), b"echo");
        directory.remove().unwrap();
        assert!(fs::read_dir(parent.path()).unwrap().next().is_none());
    }

    #[test]
    fn two_directories_have_two_names() {
        let parent = tempfile::tempdir().unwrap();
        let one = JobDirectory::create(parent.path()).unwrap();
        let other = JobDirectory::create(parent.path()).unwrap();
        assert_ne!(one.path(), other.path());
    }

    #[test]
    fn a_parent_that_is_not_there_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let error = JobDirectory::create(&parent.path().join("absent")).unwrap_err().to_string();
        assert!(error.starts_with("cannot make a directory for the job in /"), "{error}");
        assert!(error.contains("absent: "), "{error}");
    }

    #[test]
    fn what_takes_the_place_of_the_directory_is_not_touched() {
        let parent = tempfile::tempdir().unwrap();
        let directory = JobDirectory::create(parent.path()).unwrap();
        fs::write(directory.path().join("file"), "x").unwrap();
        let moved = parent.path().join("moved");
        fs::rename(directory.path(), &moved).unwrap();
        let other = parent.path().join("other");
        fs::create_dir(&other).unwrap();
        fs::write(other.join("kept"), "x").unwrap();
        std::os::unix::fs::symlink(&other, directory.path()).unwrap();

        assert!(directory.remove().is_err());
        assert!(fs::read_dir(&moved).unwrap().next().is_none(), "the contents are gone wherever they are");
        assert!(other.join("kept").exists());
    }

    fn remove(root: &Path) -> Result<(), Errno> {
        let root = open_subdirectory(rustix::fs::CWD, root).unwrap();
        remove_contents(root.as_fd())
    }

    fn is_empty(root: &Path) -> bool {
        fs::read_dir(root).unwrap().next().is_none()
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::create_dir(place.path().join("kept")).unwrap();
        fs::write(place.path().join("kept/file"), "kept").unwrap();
        symlink("../kept", root.join("link")).unwrap();
        symlink("../../kept", root.join("sub/link")).unwrap();

        assert_eq!(remove(&root), Ok(()));
        assert!(is_empty(&root));
        assert_eq!(fs::read(place.path().join("kept/file")).unwrap(), b"kept");
    }

    #[test]
    fn directories_without_permissions_are_removed() {
        let place = tempfile::tempdir().unwrap();
        let deep = place.path().join("a/b/c");
        fs::create_dir_all(&deep).unwrap();
        fs::write(deep.join("file"), "x").unwrap();
        for path in ["a/b/c", "a/b", "a"] {
            fs::set_permissions(place.path().join(path), Permissions::from_mode(0o000)).unwrap();
        }

        assert_eq!(remove(place.path()), Ok(()));
        assert!(is_empty(place.path()));
    }

    #[test]
    fn a_tree_deeper_than_paths_may_be_long_is_removed() {
        let place = tempfile::tempdir().unwrap();
        let mut current = open_subdirectory(rustix::fs::CWD, place.path()).unwrap();
        for _ in 0..3000 {
            rustix::fs::mkdirat(&current, c"deeper", Mode::RWXU).unwrap();
            current = open_subdirectory(&current, c"deeper").unwrap();
        }

        assert_eq!(remove(place.path()), Ok(()));
        assert!(is_empty(place.path()));
    }

    #[test]
    fn more_entries_than_a_batch_are_removed() {
        let place = tempfile::tempdir().unwrap();
        for number in 0..3 * BATCH {
            fs::write(place.path().join(number.to_string()), "").unwrap();
        }
        assert_eq!(remove(place.path()), Ok(()));
        assert!(is_empty(place.path()));
    }
}
