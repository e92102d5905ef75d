//! One artifact on its way into its place: a file of its own until all of it has come and is what the build left. Its digest
//! is computed beside the writing: of a long artifact by a thread, as that takes half as long as all the rest.

use crate::artifact_writing::{ArtifactPath, DIRECTORY, FILE_MODE, PathError, WayError, open_parent};
use builder_proto::Uuid;
use builder_proto::history::{Artifact, Sha256};
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, linkat, openat, renameat, statat, unlinkat};
use rustix::io::Errno;
use sha2::Digest;
use std::fmt;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use std::thread::{Builder, JoinHandle};

/// Bytes that are read at once of what is there.
const BLOCK_BYTES: usize = 256 * 1024;
/// Bytes from which on it is worth a thread to compute a digest.
const THREAD_BYTES: u64 = 1024 * 1024;
/// Pieces that wait for the thread. Whoever brings more waits, too.
const PIECES: usize = 4;

/// The directory that the artifacts of one build are written to.
#[derive(Debug)]
pub(super) struct Place {
    top: OwnedFd,
    uuid: Uuid,
}

/// What there is of an artifact.
#[derive(Debug)]
pub(super) enum Found {
    /// All of it, and whether its digest says so, too.
    Whole { is_verified: bool },
    /// A part of it, or nothing.
    Part(Box<Part>),
}

/// The part of an artifact that has come.
#[derive(Debug)]
pub(super) struct Part {
    file: File,
    name: String,
    digest: Digesting,
    length: u64,
}

/// Why an artifact is not in its place.
#[derive(Debug)]
pub(super) enum PlaceError {
    Path(PathError),
    Way(WayError),
    /// Something else has its place.
    Exists,
    /// Something else has the place of what has come so far.
    Occupied(String),
    /// Another program is at it.
    Locked(String),
    Create(io::Error),
    Read(io::Error),
    Write(io::Error),
    /// What has come is not what the build left.
    Digest {
        found: Sha256,
        expected: Sha256,
    },
}

impl PlaceError {
    /// Whether it concerns all artifacts, and not only this one.
    pub(super) fn is_fatal(&self) -> bool {
        matches!(self, PlaceError::Write(_) | PlaceError::Locked(_))
    }
}

impl Place {
    /// Opens the directory, which may be a link as the user named it, and creates it when there is none.
    pub(super) fn open(path: &Path, uuid: Uuid) -> io::Result<Place> {
        std::fs::create_dir_all(path)?;
        Ok(Place { top: openat(CWD, path, DIRECTORY, Mode::empty())?, uuid })
    }

    /// Looks what there is of an artifact that is to be at `path`.
    pub(super) fn find(&self, path: &[u8], artifact: &Artifact) -> Result<Found, PlaceError> {
        let path = ArtifactPath::parse(path).map_err(PlaceError::Path)?;
        let parent = open_parent(self.top.as_fd(), &path).map_err(PlaceError::Way)?;
        let parent = parent.as_ref().map_or(self.top.as_fd(), AsFd::as_fd);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(parent, path.name, flags, Mode::empty()) {
            Err(Errno::NOENT) => self
                .open_part(artifact.path.as_bytes(), artifact.size)
                .map(|part| Found::Part(Box::new(part))),
            Err(_) => Err(PlaceError::Exists),
            Ok(file) => check_whole(&File::from(file), artifact),
        }
    }

    /// What has come of an artifact is in a file of this name: it fits wherever the artifact's own name fits, and belongs to
    /// this artifact of this build only.
    fn part_name(&self, path: &[u8]) -> String {
        let uuid = self.uuid.simple().to_string();
        let digest = Sha256(sha2::Sha256::digest(path).into()).to_string();
        format!(".{}-{}.part", uuid.get(..8).unwrap_or_default(), digest.get(..24).unwrap_or_default())
    }

    fn open_part(&self, path: &[u8], size: u64) -> Result<Part, PlaceError> {
        let name = self.part_name(path);
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.top, name.as_str(), flags, FILE_MODE) {
            Ok(file) => File::from(file),
            Err(Errno::LOOP | Errno::MLINK | Errno::ISDIR | Errno::NXIO) => {
                return Err(PlaceError::Occupied(name));
            }
            Err(error) => return Err(PlaceError::Create(error.into())),
        };
        // Whoever can write here could have given it the name of another file, too.
        let links = rustix::fs::fstat(&file).map_err(|error| PlaceError::Read(error.into()))?.st_nlink;
        let metadata = file.metadata().map_err(PlaceError::Read)?;
        if !metadata.is_file() || links != 1 {
            return Err(PlaceError::Occupied(name));
        }
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(PlaceError::Locked(name)),
            Err(TryLockError::Error(error)) => return Err(PlaceError::Create(error)),
        }
        let mut length = metadata.len();
        if length > size {
            file.set_len(0).map_err(PlaceError::Write)?;
            length = 0;
        }
        let hasher = hash(&file, length).map_err(PlaceError::Read)?;
        Ok(Part { file, name, digest: Digesting::new(hasher, size - length), length })
    }

    /// Puts an artifact into its place, at `path`, if it is what it should be. If not, nothing of it is left.
    pub(super) fn finish(&self, path: &[u8], part: Part, artifact: &Artifact) -> Result<Sha256, PlaceError> {
        let found = part.digest.finish().map_err(PlaceError::Create)?;
        if let Some(expected) = artifact.sha256
            && found != expected
        {
            self.remove(&part.name)?;
            return Err(PlaceError::Digest { found, expected });
        }
        let path = ArtifactPath::parse(path).map_err(PlaceError::Path)?;
        let parent = open_parent(self.top.as_fd(), &path).map_err(PlaceError::Way)?;
        let parent = parent.as_ref().map_or(self.top.as_fd(), AsFd::as_fd);
        // A rename would replace what may have come there meanwhile.
        match linkat(&self.top, part.name.as_str(), parent, path.name, AtFlags::empty()) {
            Ok(()) => self.remove(&part.name)?,
            Err(Errno::EXIST) => return Err(PlaceError::Exists),
            // Some file systems have no links.
            Err(Errno::PERM | Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL | Errno::MLINK) => {
                match statat(parent, path.name, AtFlags::SYMLINK_NOFOLLOW) {
                    Err(Errno::NOENT) => renameat(&self.top, part.name.as_str(), parent, path.name)
                        .map_err(|error| PlaceError::Create(error.into()))?,
                    _ => return Err(PlaceError::Exists),
                }
            }
            Err(error) => return Err(PlaceError::Create(error.into())),
        }
        Ok(found)
    }

    fn remove(&self, name: &str) -> Result<(), PlaceError> {
        unlinkat(&self.top, name, AtFlags::empty()).map_err(|error| PlaceError::Write(error.into()))
    }
}

impl Part {
    /// Bytes that have come.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Appends what has come.
    pub(super) fn append(&mut self, bytes: &[u8]) -> Result<(), PlaceError> {
        self.file.write_all(bytes).map_err(PlaceError::Write)?;
        self.digest.update(bytes).map_err(PlaceError::Create)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

/// Whether a file that is there already is the artifact. Without a digest, its size has to do: it got there whole.
fn check_whole(file: &File, artifact: &Artifact) -> Result<Found, PlaceError> {
    let metadata = file.metadata().map_err(PlaceError::Read)?;
    if !metadata.is_file() || metadata.len() != artifact.size {
        return Err(PlaceError::Exists);
    }
    let Some(expected) = artifact.sha256 else { return Ok(Found::Whole { is_verified: false }) };
    let hasher = hash(file, artifact.size).map_err(PlaceError::Read)?;
    match Sha256(hasher.finalize().into()) == expected {
        true => Ok(Found::Whole { is_verified: true }),
        false => Err(PlaceError::Exists),
    }
}

/// Reads so many bytes, after which the file stands then.
fn hash(mut file: &File, length: u64) -> io::Result<sha2::Sha256> {
    let mut hasher = sha2::Sha256::default();
    let mut block = vec![0; usize::try_from(length).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES)];
    let mut left = length;
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(block.len());
        let buffer = block.get_mut(..most).unwrap_or_default();
        file.read_exact(buffer)?;
        hasher.update(&*buffer);
        left -= buffer.len() as u64;
    }
    Ok(hasher)
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => error.fmt(f),
            Self::Way(error) => error.fmt(f),
            Self::Exists => f.write_str("something else of this name exists already; it was not changed"),
            Self::Occupied(name) => {
                write!(f, "{name} is not a file of an earlier fetch; remove it, or name another directory")
            }
            Self::Locked(name) => write!(f, "another program writes {name}; wait for it"),
            Self::Create(error) => write!(f, "cannot be created: {error}"),
            Self::Read(error) => write!(f, "what is there cannot be read: {error}"),
            Self::Write(error) => write!(f, "cannot be written: {error}"),
            Self::Digest { found, expected } => write!(
                f,
                "what came is not what the build left: its SHA-256 is {found} instead of {expected}; it was \
                 removed, so fetch it again"
            ),
        }
    }
}

/// A digest that is being computed.
#[derive(Debug)]
enum Digesting {
    Here(sha2::Sha256),
    Beside(Thread),
}

/// A thread that computes one.
#[derive(Debug)]
struct Thread {
    pieces: SyncSender<Vec<u8>>,
    /// Buffers of pieces that were taken in, for the next ones.
    empty: Receiver<Vec<u8>>,
    handle: JoinHandle<sha2::Sha256>,
}

impl Digesting {
    /// Goes on with a digest, of which `left` bytes are to come.
    fn new(hasher: sha2::Sha256, left: u64) -> Digesting {
        if left < THREAD_BYTES {
            return Digesting::Here(hasher);
        }
        match Thread::start(hasher.clone()) {
            Ok(thread) => Digesting::Beside(thread),
            Err(error) => {
                log::info!("digests are computed without a thread: {error}");
                Digesting::Here(hasher)
            }
        }
    }

    /// Takes in the next bytes.
    fn update(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Digesting::Here(hasher) => {
                hasher.update(bytes);
                Ok(())
            }
            Digesting::Beside(thread) => {
                let mut piece = thread.empty.try_recv().unwrap_or_default();
                piece.clear();
                piece.extend_from_slice(bytes);
                thread.pieces.send(piece).map_err(|_| gone())
            }
        }
    }

    /// The digest of all bytes.
    fn finish(self) -> io::Result<Sha256> {
        let hasher = match self {
            Digesting::Here(hasher) => hasher,
            Digesting::Beside(Thread { pieces, handle, .. }) => {
                // That there are no more is what ends it.
                drop(pieces);
                handle.join().map_err(|_| gone())?
            }
        };
        Ok(Sha256(hasher.finalize().into()))
    }
}

impl Thread {
    fn start(mut hasher: sha2::Sha256) -> io::Result<Thread> {
        let (pieces, next) = sync_channel::<Vec<u8>>(PIECES);
        let (used, empty) = channel();
        let handle = Builder::new().name("digest".to_owned()).spawn(move || {
            for piece in next {
                hasher.update(&piece);
                // The other side may be about to end.
                let _ = used.send(piece);
            }
            hasher
        })?;
        Ok(Thread { pieces, empty, handle })
    }
}

fn gone() -> io::Error {
    io::Error::other("the thread that computes digests has ended")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_computes_the_same_digest() {
        let content: Vec<u8> = (0..3_000_000_u32).map(|at| (at / 3) as u8).collect();
        let expected = Sha256(sha2::Sha256::digest(&content).into());
        for already in [0, 7, 2_500_000] {
            let (there, rest) = content.split_at(already);
            let mut digest = Digesting::new(sha2::Sha256::new_with_prefix(there), rest.len() as u64);
            assert_eq!(matches!(digest, Digesting::Beside(_)), rest.len() as u64 >= THREAD_BYTES);
            rest.chunks(77_777).for_each(|piece| digest.update(piece).unwrap());
            assert_eq!(digest.finish().unwrap(), expected);
        }
    }
}
