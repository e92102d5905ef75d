//! Writing artifacts below a directory.
//!
//! The paths come from whatever ran in a sandbox. Each directory on the way is opened by itself, below the one
//! before and never through a link, and each file is created, never opened: so nothing outside the directory is
//! touched, and nothing that was there before is changed.

use crate::result_file::ResultFile;
use crate::terminal::StatusLine;
use crate::wording::Size;
use builder_proto::execution::{ReadAt, StoredFile};
use builder_proto::text::Text;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

/// A directory that artifacts are written to.
#[derive(Debug)]
pub(super) struct Extraction {
    directory: OwnedFd,
    block: Vec<u8>,
    progress: Progress,
}

/// Why an artifact was not written.
#[derive(Debug)]
pub(super) enum ExtractionError {
    Path(PathError),
    /// A directory on the way is a link, a file or something else.
    NoDirectory(Text),
    Directory(Text, Errno),
    Exists,
    Create(Errno),
    Read(io::Error),
    /// The stored result became shorter while it was read.
    CutOff,
    Write(io::Error),
}

/// Bytes that are copied at once.
const BLOCK_BYTES: usize = 256 * 1024;

impl Extraction {
    /// Opens a directory, which may be a link as the user named it, and creates it when there is none.
    pub(super) fn into_directory(path: &Path, progress: Progress) -> io::Result<Self> {
        std::fs::create_dir_all(path)?;
        let directory = openat(CWD, path, DIRECTORY, Mode::empty())?;
        Ok(Self { directory, block: vec![0; BLOCK_BYTES], progress })
    }

    /// Gives the terminal back, so that something else can be printed.
    pub(super) fn clear_progress(&mut self) {
        self.progress.clear();
    }

    /// Writes one artifact. Nothing of it is left when that fails.
    pub(super) fn write(
        &mut self,
        source: &ResultFile,
        artifact: &StoredFile,
    ) -> Result<(), ExtractionError> {
        let path = ArtifactPath::parse(artifact.path.as_bytes()).map_err(ExtractionError::Path)?;
        let parent = open_parent(self.directory.as_fd(), &path)?;
        let parent = parent.as_ref().map_or(self.directory.as_fd(), AsFd::as_fd);
        let file = create_file(parent, path.name)?;
        let progress = |copied| self.progress.advance(&artifact.path, copied);
        copy(source, artifact.data.clone(), &file, &mut self.block, progress).inspect_err(|_| {
            if let Err(error) = unlinkat(parent, path.name, AtFlags::empty()) {
                log::error!("{} is left behind incomplete: {error}", artifact.path);
            }
        })
    }
}

const DIRECTORY: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// The directory that the file belongs into, created where it is missing; `None` when that is `top`.
fn open_parent(top: BorrowedFd<'_>, path: &ArtifactPath<'_>) -> Result<Option<OwnedFd>, ExtractionError> {
    let mut parent: Option<OwnedFd> = None;
    for &name in &path.directories {
        let from = parent.as_ref().map_or(top, AsFd::as_fd);
        parent = Some(open_directory(from, name)?);
    }
    Ok(parent)
}

fn open_directory(parent: BorrowedFd<'_>, name: &[u8]) -> Result<OwnedFd, ExtractionError> {
    match mkdirat(parent, name, Mode::RWXU | Mode::RWXG | Mode::RWXO) {
        Ok(()) | Err(Errno::EXIST) => {}
        Err(error) => return Err(ExtractionError::Directory(name.into(), error)),
    }
    openat(parent, name, DIRECTORY | OFlags::NOFOLLOW, Mode::empty()).map_err(|error| match error {
        // What a link is called here differs between systems.
        Errno::NOTDIR | Errno::LOOP | Errno::MLINK => ExtractionError::NoDirectory(name.into()),
        error => ExtractionError::Directory(name.into(), error),
    })
}

fn create_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<File, ExtractionError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::WGRP | Mode::ROTH | Mode::WOTH;
    openat(parent, name, flags, mode).map(File::from).map_err(|error| match error {
        Errno::EXIST => ExtractionError::Exists,
        error => ExtractionError::Create(error),
    })
}

fn copy(
    source: &ResultFile,
    data: Range<u64>,
    mut file: &File,
    block: &mut [u8],
    mut progress: impl FnMut(u64),
) -> Result<(), ExtractionError> {
    let mut rest = data;
    while !rest.is_empty() {
        let wanted = usize::try_from(rest.end - rest.start).unwrap_or(usize::MAX).min(block.len());
        let buffer = block.get_mut(..wanted).unwrap_or_default();
        let read = source.read_at(rest.start, buffer).map_err(ExtractionError::Read)?;
        let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty()).ok_or(ExtractionError::CutOff)?;
        file.write_all(bytes).map_err(ExtractionError::Write)?;
        rest.start += read as u64;
        progress(read as u64);
    }
    Ok(())
}

impl fmt::Display for ExtractionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(error) => error.fmt(f),
            Self::NoDirectory(name) => {
                write!(f, "{name} in its path is a link or a file, not a directory")
            }
            Self::Directory(name, error) => write!(f, "directory {name} on the way: {error}"),
            Self::Exists => f.write_str("a file of this name exists already; it was not changed"),
            Self::Create(error) => write!(f, "cannot be created: {error}"),
            Self::Read(error) => write!(f, "the stored result cannot be read: {error}"),
            Self::CutOff => f.write_str("the stored result ends in the middle of it"),
            Self::Write(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl std::error::Error for ExtractionError {}

/// The path of an artifact, taken apart. It leads down from a directory and never out of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ArtifactPath<'a> {
    /// The directories, outermost first.
    pub(super) directories: Vec<&'a [u8]>,
    /// The name of the file.
    pub(super) name: &'a [u8],
}

/// Why nothing is written to a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PathError {
    Absolute,
    ParentDirectory,
    NoFileName,
}

impl<'a> ArtifactPath<'a> {
    /// Takes a path apart, as it came from a worker. A worker does not send NUL; the system would refuse it.
    pub(super) fn parse(path: &'a [u8]) -> Result<Self, PathError> {
        if path.starts_with(b"/") {
            return Err(PathError::Absolute);
        }
        let mut parts: Vec<_> = path.split(|&byte| byte == b'/').collect();
        if parts.contains(&&b".."[..]) {
            return Err(PathError::ParentDirectory);
        }
        let name = parts.pop().filter(|name| !is_here(name)).ok_or(PathError::NoFileName)?;
        parts.retain(|part| !is_here(part));
        Ok(Self { directories: parts, name })
    }
}

/// Whether a part of a path stays where it is: `a//b` and `a/./b` are `a/b`.
fn is_here(part: &[u8]) -> bool {
    matches!(part, b"" | b".")
}

impl fmt::Display for PathError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absolute => "the path is absolute",
            Self::ParentDirectory => "the path contains ..",
            Self::NoFileName => "the path names a directory, not a file",
        })
    }
}

/// Time between two changes of the line; also the time before it appears, as what is quick needs none.
const INTERVAL: Duration = Duration::from_secs(1);

/// How much of how much is written. Gone from the terminal when dropped.
#[derive(Debug)]
pub(super) struct Progress {
    line: StatusLine,
    written: u64,
    total: u64,
    next_change: Instant,
}

impl Progress {
    /// Begins with none of `total` bytes, shown if stderr is a terminal and `quiet` does not forbid it.
    pub(super) fn new(total: u64, quiet: bool) -> Progress {
        Progress { line: StatusLine::new(quiet), written: 0, total, next_change: Instant::now() + INTERVAL }
    }

    /// More bytes of the artifact at `path` are written.
    pub(super) fn advance(&mut self, path: &Text, bytes: u64) {
        self.written += bytes;
        if self.line.is_enabled() && Instant::now() >= self.next_change {
            self.next_change = Instant::now() + INTERVAL;
            let (written, total) = (Size(self.written), Size(self.total));
            let percent = u128::from(self.written) * 100 / u128::from(self.total).max(1);
            self.line.show(format_args!("{percent}%, {written} of {total}: writing {path}"));
        }
    }

    /// Removes the line, so that something else can be printed.
    pub(super) fn clear(&mut self) {
        self.line.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_the_directory_are_taken_apart() {
        for (path, directories, name) in [
            (&b"a"[..], &[][..], &b"a"[..]),
            (b"bin/hello.hvt", &[&b"bin"[..]], b"hello.hvt"),
            (b"./a//b/./c", &[b"a", b"b"], b"c"),
            (b"...", &[], b"..."),
            (b"a b/\xff\n", &[b"a b"], b"\xff\n"),
        ] {
            let expected = ArtifactPath { directories: directories.to_vec(), name };
            assert_eq!(ArtifactPath::parse(path), Ok(expected));
        }
    }

    #[test]
    fn paths_that_could_lead_elsewhere_are_refused() {
        for (path, error) in [
            (&b"/abs/olute"[..], PathError::Absolute),
            (b"/", PathError::Absolute),
            (b"//", PathError::Absolute),
            (b"../up", PathError::ParentDirectory),
            (b"a/../../b", PathError::ParentDirectory),
            (b"a/..", PathError::ParentDirectory),
            (b"..", PathError::ParentDirectory),
            (b".", PathError::NoFileName),
            (b"dir/", PathError::NoFileName),
            (b"dir/.", PathError::NoFileName),
            (b"", PathError::NoFileName),
        ] {
            assert_eq!(ArtifactPath::parse(path), Err(error), "{}", path.escape_ascii());
        }
    }
}
