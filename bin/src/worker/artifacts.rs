//! What a job leaves behind for the server: its artifacts, listed in little memory, as lengths come first on the wire, and then
//! sent with memory for one piece of one file.

use crate::worker::tree::{Target, Tree, open_file, open_subdirectory, split};
use builder_engine::limits::{ARTIFACT_FILES, ARTIFACT_LIST_BYTES};
use builder_proto::finished_frame::FileHead;
use builder_proto::text::Text;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// Artifacts in the order of their paths.
#[derive(Debug, Default)]
pub(crate) struct ArtifactList {
    /// All paths, one after the other.
    paths: Vec<u8>,
    items: Vec<Item>,
    length: u64,
}

#[derive(Clone, Copy, Debug)]
struct Item {
    /// Where in `paths` the path begins.
    start: u32,
    path_length: u16,
    /// Of the path without links, which follows; zero when it is the same.
    real_length: u16,
    size: u64,
}

/// One artifact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Artifact<'a> {
    /// The path by which the server knows it.
    pub(crate) path: &'a [u8],
    /// The path below the job's directory on which there are no links.
    pub(crate) real: &'a [u8],
    /// Bytes when it was listed.
    pub(crate) size: u64,
}

/// What there is too much of, so that the artifacts of a build are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListError {
    Files,
    Entries { limit: u64 },
    Lookups { limit: u64 },
    Paths,
    Bytes,
}

impl fmt::Display for ListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files => {
                write!(f, "the job made more than {ARTIFACT_FILES} artifacts; pack them into an archive")
            }
            Self::Entries { limit } => {
                write!(
                    f,
                    "the job's directory has more than {limit} entries; remove files that are not artifacts"
                )
            }
            Self::Lookups { limit } => write!(
                f,
                "finding the artifacts takes more than {limit} steps, as directories lie too deep or links lead too far; pack \
                 the artifacts into an archive"
            ),
            Self::Paths => {
                write!(
                    f,
                    "the paths of the artifacts take more than {ARTIFACT_LIST_BYTES} bytes; pack them into an archive"
                )
            }
            Self::Bytes => write!(f, "the artifacts take more bytes than 64 bits can count"),
        }
    }
}

impl ArtifactList {
    /// Adds an artifact. Both paths are shorter than 64 KiB.
    pub(super) fn push(&mut self, path: &[u8], target: &Target, size: u64) -> Result<(), ListError> {
        let real: &[u8] = if target.real == path { &[] } else { &target.real };
        if self.items.len() as u64 >= ARTIFACT_FILES {
            return Err(ListError::Files);
        }
        let item = Item {
            start: u32::try_from(self.paths.len()).map_err(|_| ListError::Paths)?,
            path_length: u16::try_from(path.len()).map_err(|_| ListError::Paths)?,
            real_length: u16::try_from(real.len()).map_err(|_| ListError::Paths)?,
            size,
        };
        let length = FileHead { path, data_length: size }.total_length();
        let length = length.and_then(|length| self.length.checked_add(length));
        self.length = length.ok_or(ListError::Bytes)?;
        self.paths.extend_from_slice(path);
        self.paths.extend_from_slice(real);
        self.items.push(item);
        Ok(())
    }

    /// Brings the artifacts into the order of their paths, so that the same files always give the same message.
    pub(super) fn sort(&mut self) {
        let paths = &self.paths;
        self.items.sort_unstable_by(|one, other| path_of(paths, one).cmp(path_of(paths, other)));
    }

    pub(crate) fn get(&self, index: usize) -> Option<Artifact<'_>> {
        let item = self.items.get(index)?;
        let path = path_of(&self.paths, item);
        let real = match usize::from(item.real_length) {
            0 => path,
            length => {
                let start = item.start as usize + path.len();
                self.paths.get(start..start + length).unwrap_or_default()
            }
        };
        Some(Artifact { path, real, size: item.size })
    }

    /// Number of artifacts.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Bytes that the artifacts take in the message, with what precedes each.
    pub(crate) fn encoded_length(&self) -> u64 {
        self.length
    }

    /// Bytes of memory in the paths.
    pub(super) fn path_bytes(&self) -> u64 {
        self.paths.len() as u64
    }
}

fn path_of<'a>(paths: &'a [u8], item: &Item) -> &'a [u8] {
    let start = item.start as usize;
    paths.get(start..start + usize::from(item.path_length)).unwrap_or_default()
}

/// Bytes that are read before they are sent.
const CHUNK: u64 = 256 * 1024;

/// The artifacts of a build on their way to the server.
///
/// Nobody changes them meanwhile, since every process of the job is gone. If someone does, the lengths
/// that the server was told are wrong, and nothing can mend that: the build is given up.
#[derive(Debug)]
pub(crate) struct ArtifactStream {
    list: ArtifactList,
    next: usize,
    current: Option<OpenFile>,
    opener: Opener,
}

#[derive(Debug)]
struct OpenFile {
    file: File,
    left: u64,
}

/// An artifact is no longer what was listed.
#[derive(Debug)]
pub(crate) struct StreamError {
    path: Text,
    change: Change,
}

#[derive(Debug)]
enum Change {
    Unreadable(io::Error),
    Size,
}

impl fmt::Display for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "artifact {} ", self.path)?;
        match &self.change {
            Change::Unreadable(error) => write!(f, "could not be read while it was sent: {error}"),
            Change::Size => write!(f, "changed while it was sent"),
        }
    }
}

impl ArtifactStream {
    pub(crate) fn new(list: ArtifactList) -> Self {
        Self { list, next: 0, current: None, opener: Opener::default() }
    }

    /// Appends the next bytes of the message to `output`: about as many as fit well into one write.
    ///
    /// Says whether there is more.
    ///
    /// # Errors
    ///
    /// An artifact that vanished, cannot be read any more, or has another size than when it was listed.
    pub(crate) fn fill(&mut self, tree: &Tree, output: &mut Vec<u8>) -> Result<bool, StreamError> {
        let start = output.len();
        while ((output.len() - start) as u64) < CHUNK {
            let Some(artifact) = self.list.get(self.next) else { return Ok(false) };
            let failed = |change| StreamError { path: artifact.path.into(), change };
            let mut file = match self.current.take() {
                Some(file) => file,
                None => {
                    FileHead { path: artifact.path, data_length: artifact.size }.append_to(output);
                    let opened = open_artifact(tree, &mut self.opener, &artifact);
                    let descriptor = opened.map_err(|error| failed(Change::Unreadable(error.into())))?;
                    OpenFile { file: File::from(descriptor), left: artifact.size }
                }
            };
            file.append_to(&artifact, output, CHUNK).map_err(failed)?;
            if file.left == 0 {
                self.next += 1;
            } else {
                self.current = Some(file);
            }
        }
        Ok(self.next < self.list.len())
    }
}

impl OpenFile {
    fn append_to(&mut self, artifact: &Artifact<'_>, output: &mut Vec<u8>, most: u64) -> Result<(), Change> {
        if self.left == artifact.size {
            let status = self.file.metadata().map_err(Change::Unreadable)?;
            if !status.is_file() || status.len() != artifact.size {
                return Err(Change::Size);
            }
        }
        let count = self.left.min(most);
        let start = output.len();
        output.resize(start + count as usize, 0);
        // A file that grew gives no more than was promised.
        match self.file.read_exact(output.get_mut(start..).unwrap_or_default()) {
            Ok(()) => self.left -= count,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Err(Change::Size),
            Err(error) => return Err(Change::Unreadable(error)),
        }
        Ok(())
    }
}

fn open_artifact(tree: &Tree, opener: &mut Opener, artifact: &Artifact<'_>) -> Result<OwnedFd, Errno> {
    let (directory, name) = split(artifact.real);
    open_file(opener.open(tree, directory)?, name)
}

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
