//! Opening many directories of a job, one after the other, without walking down from its root each time.

use super::tree::{Tree, open_subdirectory, split};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;

/// Keeps the directory that was opened last, and the one above it. Whoever goes through a tree in order needs next what
/// is in one of the two, so a deep tree takes one step a directory instead of as many as it is deep.
#[derive(Debug, Default)]
pub(super) struct Opener {
    above: Option<Place>,
    last: Option<Place>,
}

#[derive(Debug)]
struct Place {
    /// The path below the root, without links.
    real: Vec<u8>,
    directory: OwnedFd,
}

impl Opener {
    /// Opens the directory at `real`, a path below the root without links.
    pub(super) fn open(&mut self, tree: &Tree, real: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        if self.last.as_ref().is_none_or(|last| last.real != real) {
            let directory = if real.is_empty() {
                tree.open_directory(real)?
            } else {
                let (above, name) = split(real);
                open_subdirectory(self.open_above(tree, above)?, name)?
            };
            self.last = Some(Place { real: real.to_vec(), directory });
        }
        self.last.as_ref().map(|last| last.directory.as_fd()).ok_or(Errno::NOENT)
    }

    fn open_above(&mut self, tree: &Tree, real: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        if let Some(last) = self.last.take_if(|last| last.real == real) {
            self.above = Some(last);
        }
        let place = match self.above.take_if(|above| above.real == real) {
            Some(place) => place,
            None => Place { real: real.to_vec(), directory: tree.open_directory(real)? },
        };
        Ok(self.above.insert(place).directory.as_fd())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::fstat;
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    #[test]
    fn a_walk_through_a_tree_takes_few_lookups() {
        let place = tempfile::tempdir().unwrap();
        let mut paths: Vec<String> = (1..400).map(|depth| vec!["d"; depth].join("/")).collect();
        let deepest = paths.last().unwrap().clone();
        paths.extend((0..500).map(|number| format!("{deepest}/{number}")));
        for path in &paths {
            fs::create_dir(place.path().join(path)).unwrap();
        }
        paths.push("d/d".to_owned());
        let tree = Tree::open(place.path()).unwrap();
        let mut opener = Opener::default();
        for path in &paths {
            let directory = opener.open(&tree, path.as_bytes()).unwrap();
            let status = fstat(directory).unwrap();
            assert_eq!(status.st_ino, fs::metadata(place.path().join(path)).unwrap().ino(), "{path}");
        }
        assert!(tree.lookups() < 10, "{}", tree.lookups());
    }

    #[test]
    fn no_link_is_followed_and_an_error_is_not_kept() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir_all(place.path().join("a/b")).unwrap();
        symlink("b", place.path().join("a/link")).unwrap();
        let tree = Tree::open(place.path()).unwrap();
        let mut opener = Opener::default();
        assert!(opener.open(&tree, b"a/link").is_err());
        assert!(opener.open(&tree, b"a/absent").is_err());
        assert!(opener.open(&tree, b"a/b").is_ok());
        assert!(opener.open(&tree, b"a").is_ok());
        assert!(opener.open(&tree, b"").is_ok());
    }
}
