//! The directory of a job, opened piece by piece so that no link leads out of it.
//!
//! Jobs are hostile: a path inside their directory can be a link to anywhere. Nothing here hands a path of more than
//! one component to the system, and every component is opened with `O_NOFOLLOW`. Links are followed by
//! reading them.

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, openat, readlinkat, statat};
use rustix::io::Errno;
use std::cell::Cell;
use std::fmt;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Links that may lie on the way to one file; more than that are taken for a loop, as systems do.
const LINKS_ON_THE_WAY: usize = 40;

/// Names that may be looked up to follow one link: what takes a fraction of a second. Without it, forty links with two
/// thousand times `x/..` in each keep the worker busy for hours.
const LOOKUPS_ON_THE_WAY: u64 = 100_000;

const OPEN_DIRECTORY: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// Neither waits for the other end of a FIFO nor makes a terminal the controlling one, should the file have been
/// exchanged since it was looked at.
const OPEN_FILE: OFlags = OFlags::RDONLY
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::NOCTTY)
    .union(OFlags::CLOEXEC);

/// A directory that stays the same whatever happens to its path.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    /// Paths by which links may name the root: as it was made, and without links.
    names: Vec<Vec<u8>>,
    /// Names that were looked up in directories until now.
    lookups: Cell<u64>,
}

/// What a link leads to. `real` is the path below the root on which there are no links.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) real: Vec<u8>,
    pub(super) kind: FileType,
}

/// Why a link leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    LeadsOut,
    TooManyLinks,
    TooFar,
    Broken(Errno),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LeadsOut => f.write_str("is a link that leads out of the job's directory"),
            Self::TooManyLinks => write!(f, "is a link with more than {LINKS_ON_THE_WAY} links behind it"),
            Self::TooFar => write!(f, "is a link that takes more than {LOOKUPS_ON_THE_WAY} steps to follow"),
            Self::Broken(error) => write!(f, "is a link that leads nowhere: {error}"),
        }
    }
}

impl From<Errno> for LinkError {
    fn from(error: Errno) -> Self {
        Self::Broken(error)
    }
}

impl Tree {
    /// Opens the directory at `path`, whose last component must not be a link.
    pub(super) fn open(path: &Path) -> std::io::Result<Self> {
        let root = openat(CWD, path, OPEN_DIRECTORY, Mode::empty())?;
        let mut names = vec![path.as_os_str().as_bytes().to_vec()];
        names.push(path.canonicalize()?.as_os_str().as_bytes().to_vec());
        Ok(Self { root, names, lookups: Cell::new(0) })
    }

    /// How many names were looked up in directories until now: the measure of the work that a job caused.
    pub(super) fn lookups(&self) -> u64 {
        self.lookups.get()
    }

    fn count_lookup(&self) {
        self.lookups.set(self.lookups.get().saturating_add(1));
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// Opens the directory at `real`, a path below the root without links.
    pub(super) fn open_directory(&self, real: &[u8]) -> Result<OwnedFd, Errno> {
        let mut directory = openat(&self.root, c".", OPEN_DIRECTORY, Mode::empty())?;
        for name in components(real) {
            self.count_lookup();
            directory = openat(&directory, name, OPEN_DIRECTORY, Mode::empty())?;
        }
        Ok(directory)
    }

    /// Finds where a link in the directory at `real` leads, when it was read as `target`.
    pub(super) fn follow(&self, real: &[u8], target: &[u8]) -> Result<Target, LinkError> {
        let most_lookups = self.lookups().saturating_add(LOOKUPS_ON_THE_WAY);
        let mut way = Way { tree: self, real: real.to_vec(), ahead: Vec::new(), links: 0, most_lookups };
        way.take_link(target)?;
        way.walk()
    }

    /// What `target` means below the root when it names the root from outside.
    fn strip_root<'a>(&self, target: &'a [u8]) -> Option<&'a [u8]> {
        self.names.iter().find_map(|name| {
            target.strip_prefix(name.as_slice()).filter(|rest| rest.is_empty() || rest.starts_with(b"/"))
        })
    }
}

/// Opens a file without following it, should it be a link.
pub(super) fn open_file(directory: impl AsFd, name: impl rustix::path::Arg) -> Result<OwnedFd, Errno> {
    openat(directory, name, OPEN_FILE, Mode::empty())
}

/// Opens a directory without following it, should it be a link.
pub(super) fn open_subdirectory(
    directory: impl AsFd,
    name: impl rustix::path::Arg,
) -> Result<OwnedFd, Errno> {
    openat(directory, name, OPEN_DIRECTORY, Mode::empty())
}

/// `directory/name`, or `name` alone at the root.
pub(super) fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    let mut path = Vec::with_capacity(directory.len() + 1 + name.len());
    if !directory.is_empty() {
        path.extend_from_slice(directory);
        path.push(b'/');
    }
    path.extend_from_slice(name);
    path
}

/// The directory and the last component of a path; the directory is empty at the root.
pub(super) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match path.iter().rposition(|&byte| byte == b'/') {
        Some(slash) => (&path[..slash], &path[slash + 1..]),
        None => (b"", path),
    }
}

fn components(path: &[u8]) -> impl DoubleEndedIterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/').filter(|name| !name.is_empty() && *name != b".")
}

/// A walk along links.
struct Way<'a> {
    tree: &'a Tree,
    /// Where the walk is; no component is a link.
    real: Vec<u8>,
    /// Components still to go, the next one last.
    ahead: Vec<Vec<u8>>,
    links: usize,
    /// Where the count of the tree may get to.
    most_lookups: u64,
}

impl Way<'_> {
    fn take_link(&mut self, target: &[u8]) -> Result<(), LinkError> {
        self.links += 1;
        if self.links > LINKS_ON_THE_WAY {
            return Err(LinkError::TooManyLinks);
        }
        let below = if target.starts_with(b"/") {
            self.real.clear();
            self.tree.strip_root(target).ok_or(LinkError::LeadsOut)?
        } else {
            target
        };
        self.ahead.extend(components(below).rev().map(<[u8]>::to_vec));
        Ok(())
    }

    fn walk(mut self) -> Result<Target, LinkError> {
        // Opened when a name is looked up in it, so that going up several times in a row costs one walk from the root.
        let mut place = None;
        while let Some(name) = self.ahead.pop() {
            if self.tree.lookups() > self.most_lookups {
                return Err(LinkError::TooFar);
            }
            if name == b".." {
                if self.real.is_empty() {
                    return Err(LinkError::LeadsOut);
                }
                self.real.truncate(split(&self.real).0.len());
                place = None;
                continue;
            }
            let directory = match place.take() {
                Some(directory) => directory,
                None => self.tree.open_directory(&self.real)?,
            };
            self.tree.count_lookup();
            let kind = kind_of(&directory, &name)?;
            match kind {
                FileType::Symlink => {
                    let target = readlinkat(&directory, name, Vec::new())?;
                    self.take_link(target.as_bytes())?;
                }
                FileType::Directory => {
                    place = Some(open_subdirectory(&directory, &name[..])?);
                    self.real = join(&self.real, &name);
                }
                _ if self.ahead.is_empty() => return Ok(Target { real: join(&self.real, &name), kind }),
                _ => return Err(LinkError::Broken(Errno::NOTDIR)),
            }
        }
        // What was left last may have vanished, or may not be entered.
        if place.is_none() {
            self.tree.open_directory(&self.real)?;
        }
        Ok(Target { real: self.real, kind: FileType::Directory })
    }
}

/// The kind of a directory entry, of the link itself when it is one.
pub(super) fn kind_of(directory: impl AsFd, name: impl rustix::path::Arg) -> Result<FileType, Errno> {
    let status = statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
    Ok(FileType::from_raw_mode(status.st_mode))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{mkdirat, symlinkat};
    use std::fs;
    use std::os::unix::fs::symlink;

    fn follow(build: impl FnOnce(&Path), directory: &str, target: &str) -> Result<Target, LinkError> {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        fs::write(place.path().join("outside"), "secret").unwrap();
        build(&root);
        let target = target.replace("ROOT", root.to_str().unwrap());
        Tree::open(&root).unwrap().follow(directory.as_bytes(), target.as_bytes())
    }

    fn found(real: &str, kind: FileType) -> Result<Target, LinkError> {
        Ok(Target { real: real.as_bytes().to_vec(), kind })
    }

    fn make_files(root: &Path) {
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::write(root.join("a/file"), "x").unwrap();
        symlink("a/b", root.join("to-b")).unwrap();
        symlink("loop", root.join("loop")).unwrap();
        symlink("/", root.join("slash")).unwrap();
        symlink("../outside", root.join("out")).unwrap();
    }

    #[test]
    fn links_inside_are_followed() {
        assert_eq!(follow(make_files, "", "a/file"), found("a/file", FileType::RegularFile));
        assert_eq!(follow(make_files, "a/b", "../file"), found("a/file", FileType::RegularFile));
        assert_eq!(follow(make_files, "a", ".."), found("", FileType::Directory));
        assert_eq!(follow(make_files, "", "to-b/../file"), found("a/file", FileType::RegularFile));
        assert_eq!(follow(make_files, "a", "./b//"), found("a/b", FileType::Directory));
    }

    #[test]
    fn absolute_links_inside_are_followed() {
        assert_eq!(follow(make_files, "a/b", "ROOT/a/file"), found("a/file", FileType::RegularFile));
        assert_eq!(follow(make_files, "a/b", "ROOT"), found("", FileType::Directory));
    }

    #[test]
    fn links_that_lead_out_are_refused() {
        for target in [
            "../outside",
            "a/../../root/a/file",
            "/etc/passwd",
            "ROOT-not/a",
            "slash/etc/passwd",
            "out",
            "..",
            "ROOT/..",
        ] {
            assert_eq!(follow(make_files, "", target), Err(LinkError::LeadsOut), "{target}");
        }
    }

    #[test]
    fn links_that_lead_nowhere_are_refused() {
        assert_eq!(follow(make_files, "", "loop"), Err(LinkError::TooManyLinks));
        assert_eq!(follow(make_files, "", "absent"), Err(LinkError::Broken(Errno::NOENT)));
        assert_eq!(follow(make_files, "", "a/file/x"), Err(LinkError::Broken(Errno::NOTDIR)));
    }

    /// Makes so many directories, each in the one before, and gives the path to the innermost and the directory itself. The
    /// path may be longer than any that the system takes, which on FreeBSD has 1024 bytes.
    fn make_deep(root: &Path, depth: usize) -> (String, OwnedFd) {
        let mut directory = openat(CWD, root, OPEN_DIRECTORY, Mode::empty()).unwrap();
        for _ in 0..depth {
            mkdirat(&directory, "d", Mode::RWXU).unwrap();
            directory = open_subdirectory(&directory, "d").unwrap();
        }
        (vec!["d"; depth].join("/"), directory)
    }

    #[test]
    fn a_link_costs_no_more_than_it_may() {
        let place = tempfile::tempdir().unwrap();
        let (deep, directory) = make_deep(place.path(), 500);
        mkdirat(&directory, "x", Mode::RWXU).unwrap();
        for link in 0..20 {
            let target = format!("{}link{}", "x/../".repeat(200), link + 1);
            symlinkat(target, &directory, format!("link{link}")).unwrap();
        }
        let tree = Tree::open(place.path()).unwrap();
        assert_eq!(tree.follow(deep.as_bytes(), b"link0"), Err(LinkError::TooFar));
        assert!(tree.lookups() < 2 * LOOKUPS_ON_THE_WAY, "{}", tree.lookups());
    }

    #[test]
    fn going_up_many_times_costs_little() {
        let place = tempfile::tempdir().unwrap();
        let (deep, _) = make_deep(place.path(), 1000);
        fs::write(place.path().join("file"), "x").unwrap();
        let tree = Tree::open(place.path()).unwrap();
        let target = format!("{}file", "../".repeat(1000));
        let expected = Target { real: b"file".to_vec(), kind: FileType::RegularFile };
        assert_eq!(tree.follow(deep.as_bytes(), target.as_bytes()), Ok(expected));
        assert!(tree.lookups() < 10, "{}", tree.lookups());
    }

    #[test]
    fn directories_are_not_opened_through_links() {
        let place = tempfile::tempdir().unwrap();
        make_files(place.path());
        let tree = Tree::open(place.path()).unwrap();
        assert!(tree.open_directory(b"a/b").is_ok());
        assert!(tree.open_directory(b"to-b").is_err());
        assert!(tree.open_directory(b"slash/etc").is_err());
    }
}
