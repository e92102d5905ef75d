//! What becomes of the artifacts of a stored result: they are written below a directory, or their SHA-256 is printed.
//!
//! Each file is created below the directory, never opened: so nothing outside of it is touched, and nothing that was there
//! before is changed. `sha256sum -c` reads the digests there, so an artifact that is not written has no line. Contents are read
//! once and never held.

use super::output::{Complaints, InspectError, PrintError, Printer};
use crate::artifact_writing::{
    ArtifactPath, DIRECTORY, FILE_MODE, PathError, Progress, WayError, open_parent,
};
use crate::result_file::ResultFile;
use builder_proto::artifacts::ArtifactVisitor;
use builder_proto::execution::{ArtifactsReader, ReadAt, ReadError, StoredExecution, StoredFile};
use builder_proto::history::{Artifact, Sha256};
use builder_proto::text::Text;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, openat, unlinkat};
use rustix::io::Errno;
use sha2::Digest;
use std::fmt;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
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

/// Computes the digests of one artifact after the other.
pub(super) fn for_each_digest<E: From<ReadError<io::Error>>>(
    file: &ResultFile,
    stored: &StoredExecution,
    each: impl FnMut(Artifact) -> Result<(), E>,
) -> Result<(), E> {
    let mut artifacts = ArtifactsReader::new(file, stored.output.clone());
    let mut digests =
        Digests { path: Text::default(), size: 0, hasher: sha2::Sha256::default(), each, outcome: Ok(()) };
    loop {
        let more = artifacts.step(&mut digests)?;
        mem::replace(&mut digests.outcome, Ok(()))?;
        if !more {
            return Ok(());
        }
    }
}

/// Computes the digest of the artifact that passes by.
struct Digests<F, E> {
    path: Text,
    size: u64,
    hasher: sha2::Sha256,
    /// What becomes of each artifact.
    each: F,
    /// What went wrong with that. Nothing more becomes of the others then.
    outcome: Result<(), E>,
}

impl<F: FnMut(Artifact) -> Result<(), E>, E> ArtifactVisitor for Digests<F, E> {
    fn begin(&mut self, path: &[u8], size: u64) {
        (self.path, self.size) = (path.into(), size);
    }

    fn content(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    fn end(&mut self) {
        let sha256 = Some(Sha256(self.hasher.finalize_reset().into()));
        let artifact = Artifact { path: mem::take(&mut self.path), size: self.size, sha256 };
        if self.outcome.is_ok() {
            self.outcome = (self.each)(artifact);
        }
    }
}

/// Prints a line for each artifact that `--output` would write, and complains about the others.
pub(super) fn print_sums<W: Write>(
    printer: &mut Printer<W>,
    file: &ResultFile,
    stored: &StoredExecution,
    complaints: &mut Complaints,
) -> Result<(), PrintError> {
    let mut unlisted = 0;
    for_each_digest(file, stored, |Artifact { path, sha256, .. }| {
        let name = path.as_bytes();
        if let Err(error) = ArtifactPath::parse(name) {
            complaints.add(&format_args!("artifact {path}: {error}"));
            unlisted += 1;
            return Ok(());
        }
        let Some(digest) = sha256 else { return Ok(()) };
        let line = Line::of(name);
        printer.text(format_args!("{}{digest}  ", line.mark))?;
        printer.bytes(&line.name)?;
        printer.line(format_args!(""))
    })?;
    if unlisted > 0 {
        complaints.add(&InspectError::Unlisted(unlisted));
    }
    Ok(())
}

/// A name as it stands behind a digest.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    /// In front of the digest: says whether the name is escaped.
    mark: &'static str,
    name: Vec<u8>,
}

impl Line {
    /// As GNU coreutils spells it: a backslash, a newline or a carriage return would be taken for something else.
    fn of(name: &[u8]) -> Line {
        // By itself, it would stand for the standard input.
        if name == b"-" {
            return Line { mark: "", name: b"./-".to_vec() };
        }
        let mut escaped = Vec::with_capacity(name.len());
        for &byte in name {
            match byte {
                b'\\' => escaped.extend_from_slice(br"\\"),
                b'\n' => escaped.extend_from_slice(br"\n"),
                b'\r' => escaped.extend_from_slice(br"\r"),
                byte => escaped.push(byte),
            }
        }
        let mark = if escaped == name { "" } else { "\\" };
        Line { mark, name: escaped }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_spelled_so_that_they_are_read_as_what_they_are() {
        for (name, mark, spelled) in [
            (&b"bin/a b"[..], "", &b"bin/a b"[..]),
            (b" *\t\xff\x1b", "", b" *\t\xff\x1b"),
            (b"a\nb", "\\", br"a\nb"),
            (b"a\rb", "\\", br"a\rb"),
            (br"a\nb", "\\", br"a\\nb"),
            (b"-", "", b"./-"),
            (b"--", "", b"--"),
        ] {
            assert_eq!(Line::of(name), Line { mark, name: spelled.to_vec() });
        }
    }
}
