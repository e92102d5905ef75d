//! Writing artifacts below a directory.
//!
//! The paths come from whatever ran in a sandbox. Each directory on the way is opened by itself, below the one
//! before and never through a link, and each file is created, never opened: so nothing outside the directory is
//! touched, and nothing that was there before is changed.

use super::artifact_path::{ArtifactPath, PathError};
use super::progress::Progress;
use crate::result_file::ResultFile;
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
