//! Writing artifacts below a directory.
//!
//! Each file is created below the directory, never opened: so nothing outside of it is touched, and nothing that was there
//! before is changed.

use crate::artifact_writing::{
    ArtifactPath, DIRECTORY, FILE_MODE, PathError, Progress, WayError, open_parent,
};
use crate::result_file::ResultFile;
use builder_proto::execution::{ReadAt, StoredFile};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
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
    Way(WayError),
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
        let parent = open_parent(self.directory.as_fd(), &path).map_err(ExtractionError::Way)?;
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

fn create_file(parent: BorrowedFd<'_>, name: &[u8]) -> Result<File, ExtractionError> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    openat(parent, name, flags, FILE_MODE).map(File::from).map_err(|error| match error {
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
            Self::Way(error) => error.fmt(f),
            Self::Exists => f.write_str("a file of this name exists already; it was not changed"),
            Self::Create(error) => write!(f, "cannot be created: {error}"),
            Self::Read(error) => write!(f, "the stored result cannot be read: {error}"),
            Self::CutOff => f.write_str("the stored result ends in the middle of it"),
            Self::Write(error) => write!(f, "cannot be written: {error}"),
        }
    }
}

impl std::error::Error for ExtractionError {}
