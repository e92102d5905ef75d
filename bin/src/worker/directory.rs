//! The private directory in which a job runs.

use super::remove::remove_contents;
use super::tree::Tree;
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
}
