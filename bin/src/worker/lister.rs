//! Finding the artifacts of a job.

use super::artifacts::{ArtifactList, ListError, Opener};
use crate::worker::directory::SCRIPT_NAME;
use crate::worker::tree::{LinkError, Target, Tree, join, kind_of, open_file, split};
use builder_engine::limits::{ARTIFACT_ENTRIES, ARTIFACT_LIST_BYTES, ARTIFACT_LOOKUPS, ARTIFACT_PATH_BYTES};
use builder_engine::worker::Remarks;
use builder_proto::text::Text;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, DirEntry, FileType, fstat, readlinkat};
use rustix::io::Errno;
use std::rc::Rc;
use std::time::Instant;

/// Lists the regular files of a job: not its script, nothing whose name or directory begins with a dot, and links
/// only where they stay inside. Also says what was left out that one might expect.
///
/// That can take long, and there are signals to be answered meanwhile. So it goes [step](Self::step) by step.
#[derive(Debug)]
pub(crate) struct Lister {
    opener: Opener,
    list: ArtifactList,
    remarks: Remarks,
    /// The directory that is being read.
    current: Option<(Directory, Dir)>,
    pending: Vec<Directory>,
    /// Memory in `pending`.
    pending_bytes: u64,
    /// Entries looked at.
    entries: u64,
    limits: Limits,
}

/// How much a job may leave to look at.
#[derive(Clone, Copy, Debug)]
struct Limits {
    entries: u64,
    lookups: u64,
}

/// A directory to be read.
#[derive(Debug)]
struct Directory {
    /// As the server sees it.
    path: Vec<u8>,
    /// Without links.
    real: Vec<u8>,
    chain: Chain,
}

impl Directory {
    fn bytes(&self) -> u64 {
        (size_of::<Self>() + self.path.capacity() + self.real.capacity()) as u64
    }
}

impl Lister {
    pub(crate) fn new() -> Self {
        Self::with_limits(Limits { entries: ARTIFACT_ENTRIES, lookups: ARTIFACT_LOOKUPS })
    }

    fn with_limits(limits: Limits) -> Self {
        let root = Directory { path: Vec::new(), real: Vec::new(), chain: Chain::root() };
        Self {
            opener: Opener::default(),
            list: ArtifactList::default(),
            remarks: Remarks::default(),
            current: None,
            pending: vec![root],
            pending_bytes: 0,
            entries: 0,
            limits,
        }
    }

    /// Goes on until about `until`, and says whether there is more to do.
    ///
    /// # Errors
    ///
    /// When there is too much of something.
    pub(crate) fn step(&mut self, tree: &Tree, until: Instant) -> Result<bool, ListError> {
        loop {
            if let Some((directory, entries)) = self.current.take() {
                self.read_on(tree, directory, entries, until)?;
            } else if let Some(directory) = self.pending.pop() {
                self.pending_bytes = self.pending_bytes.saturating_sub(directory.bytes());
                self.open(tree, directory);
            } else {
                return Ok(false);
            }
            self.check_work(tree)?;
            if Instant::now() >= until {
                return Ok(true);
            }
        }
    }

    /// What was found, once no [step](Self::step) is left.
    pub(crate) fn finish(mut self) -> (ArtifactList, Remarks) {
        self.list.sort();
        (self.list, self.remarks)
    }

    fn open(&mut self, tree: &Tree, directory: Directory) {
        match self.opener.open(tree, &directory.real).and_then(Dir::read_from) {
            Ok(entries) => self.current = Some((directory, entries)),
            Err(error) => {
                let path: &[u8] = if directory.path.is_empty() { b"." } else { &directory.path };
                self.leave_out(path, &unreadable(error));
            }
        }
    }

    fn read_on(
        &mut self,
        tree: &Tree,
        directory: Directory,
        mut entries: Dir,
        until: Instant,
    ) -> Result<(), ListError> {
        while let Some(entry) = entries.read() {
            match entry.and_then(|entry| Ok((entry, entries.fd()?))) {
                Ok((entry, place)) => self.look_at(tree, &directory, place, &entry)?,
                Err(error) => {
                    self.leave_out(&directory.path, &unreadable(error));
                    break;
                }
            }
            if Instant::now() >= until {
                self.current = Some((directory, entries));
                break;
            }
        }
        Ok(())
    }

    fn look_at(
        &mut self,
        tree: &Tree,
        directory: &Directory,
        place: impl AsFd,
        entry: &DirEntry,
    ) -> Result<(), ListError> {
        let name = entry.file_name().to_bytes();
        if name.starts_with(b".") || (directory.path.is_empty() && name == SCRIPT_NAME.as_bytes()) {
            return Ok(());
        }
        self.entries += 1;
        self.check_work(tree)?;
        let path = join(&directory.path, name);
        if path.len() as u64 > ARTIFACT_PATH_BYTES {
            self.remarks.add(|| format!("a path of more than {ARTIFACT_PATH_BYTES} bytes is left out"));
            return Ok(());
        }
        let place = place.as_fd();
        let kind = match entry.file_type() {
            FileType::Unknown => kind_of(place, name),
            kind => Ok(kind),
        };
        match kind {
            Ok(FileType::RegularFile) => {
                let target = Target { real: join(&directory.real, name), kind: FileType::RegularFile };
                self.add_file(&path, &target, open_file(place, name))
            }
            Ok(FileType::Symlink) => {
                let target = readlinkat(place, name, Vec::new())
                    .map_err(LinkError::from)
                    .and_then(|link| tree.follow(&directory.real, link.as_bytes()));
                self.add_link(tree, directory, path, target)
            }
            Ok(FileType::Directory) => self.enter_below(directory, path, name),
            Ok(kind) => {
                self.leave_out(&path, describe(kind));
                Ok(())
            }
            Err(error) => {
                self.leave_out(&path, &unreadable(error));
                Ok(())
            }
        }
    }

    fn enter_below(&mut self, directory: &Directory, path: Vec<u8>, name: &[u8]) -> Result<(), ListError> {
        let real = join(&directory.real, name);
        // Behind a link, the walk may come down to where it started.
        if directory.chain.contains(&directory.real, &real) {
            return Ok(());
        }
        self.enter(path, real, directory.chain.clone())
    }

    fn add_link(
        &mut self,
        tree: &Tree,
        directory: &Directory,
        path: Vec<u8>,
        target: Result<Target, LinkError>,
    ) -> Result<(), ListError> {
        match target {
            Ok(target) if target.real.len() as u64 > ARTIFACT_PATH_BYTES => {
                self.leave_out(&path, "is a link whose target has too long a path");
            }
            Ok(target) if target.kind == FileType::RegularFile => {
                let (above, name) = split(&target.real);
                let opened = tree.open_directory(above).and_then(|above| open_file(above, name));
                return self.add_file(&path, &target, opened);
            }
            Ok(target) if target.kind == FileType::Directory => {
                if directory.chain.contains(&directory.real, &target.real) {
                    self.leave_out(&path, "is a link to a directory above it");
                } else {
                    let chain = directory.chain.through_link(&directory.real, &target.real);
                    return self.enter(path, target.real, chain);
                }
            }
            Ok(target) => self.leave_out(&path, describe(target.kind)),
            Err(error) => self.leave_out(&path, &error.to_string()),
        }
        Ok(())
    }

    fn add_file(
        &mut self,
        path: &[u8],
        target: &Target,
        opened: Result<OwnedFd, Errno>,
    ) -> Result<(), ListError> {
        match opened.and_then(fstat) {
            Ok(status) if FileType::from_raw_mode(status.st_mode) == FileType::RegularFile => {
                self.list.push(path, target, u64::try_from(status.st_size).unwrap_or_default())?;
            }
            Ok(status) => self.leave_out(path, describe(FileType::from_raw_mode(status.st_mode))),
            Err(error) => self.leave_out(path, &unreadable(error)),
        }
        self.check_memory()
    }

    fn enter(&mut self, path: Vec<u8>, real: Vec<u8>, chain: Chain) -> Result<(), ListError> {
        let directory = Directory { path, real, chain };
        self.pending_bytes += directory.bytes();
        self.pending.push(directory);
        self.check_memory()
    }

    fn check_work(&self, tree: &Tree) -> Result<(), ListError> {
        let Limits { entries, lookups } = self.limits;
        if self.entries > entries {
            return Err(ListError::Entries { limit: entries });
        }
        if tree.lookups() > lookups {
            return Err(ListError::Lookups { limit: lookups });
        }
        Ok(())
    }

    fn check_memory(&self) -> Result<(), ListError> {
        if self.list.path_bytes() + self.pending_bytes > ARTIFACT_LIST_BYTES {
            return Err(ListError::Paths);
        }
        Ok(())
    }

    fn leave_out(&mut self, path: &[u8], reason: &str) {
        self.remarks.add(|| format!("{} {reason}; left out", Text::from(path)));
    }
}

fn unreadable(error: Errno) -> String {
    format!("cannot be read: {error}")
}

fn describe(kind: FileType) -> &'static str {
    match kind {
        FileType::Fifo => "is a FIFO",
        FileType::Socket => "is a socket",
        FileType::CharacterDevice | FileType::BlockDevice => "is a device",
        _ => "is not a regular file",
    }
}

/// The directories above the present one, as the walk saw them.
///
/// Without links, these are the prefixes of the path. Each link to a directory begins a new piece: from where the
/// link led to down to where the next link was.
#[derive(Clone, Debug)]
struct Chain(Rc<Piece>);

#[derive(Debug)]
struct Piece {
    /// The real path with which the piece begins.
    entered: Vec<u8>,
    /// The piece before, and the real path of the directory that held the link.
    before: Option<(Chain, Vec<u8>)>,
}

impl Chain {
    /// The chain of the root.
    fn root() -> Self {
        Self(Rc::new(Piece { entered: Vec::new(), before: None }))
    }

    /// The chain below a link in the directory at `left` that leads to `entered`.
    fn through_link(&self, left: &[u8], entered: &[u8]) -> Self {
        let before = Some((self.clone(), left.to_vec()));
        Self(Rc::new(Piece { entered: entered.to_vec(), before }))
    }

    /// Whether the directory at `candidate` lies above or at `current`, to which this chain belongs.
    fn contains(&self, current: &[u8], candidate: &[u8]) -> bool {
        let mut piece = &self.0;
        let mut last = current;
        loop {
            if is_at_or_above(candidate, last) && is_at_or_above(&piece.entered, candidate) {
                return true;
            }
            let Some((before, left)) = &piece.before else { return false };
            piece = &before.0;
            last = left;
        }
    }
}

fn is_at_or_above(upper: &[u8], lower: &[u8]) -> bool {
    upper.is_empty()
        || lower.strip_prefix(upper).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests;
