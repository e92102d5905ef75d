//! Removing what a job left in its directory, whatever it looks like.
//!
//! Links are removed, not followed. Directories without write permission get it. However deep the tree is, only
//! one of its directories is open at a time: the way back up is `..`, which is checked.

use super::tree::open_subdirectory;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, Dir, Mode, Stat, fchmod, fstat, unlinkat};
use rustix::io::Errno;
use std::ffi::{CStr, CString};

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
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

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
