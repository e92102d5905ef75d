//! Sending listed artifacts, with memory for one piece of one file.

use super::list::{Artifact, ArtifactList};
use crate::worker::opener::Opener;
use crate::worker::tree::{Tree, open_file, split};
use builder_proto::finished_frame::FileHead;
use builder_proto::text::Text;
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};

/// Bytes that are read before they are sent.
const CHUNK: u64 = 256 * 1024;

/// The artifacts of a build on their way to the server.
///
/// Nobody changes them meanwhile, since every process of the job is gone. If someone does, the lengths
/// that the server was told are wrong, and nothing can mend that: the build is given up.
#[derive(Debug)]
pub(in super::super) struct ArtifactStream {
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
pub(in super::super) struct StreamError {
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
    pub(in super::super) fn new(list: ArtifactList) -> Self {
        Self { list, next: 0, current: None, opener: Opener::default() }
    }

    /// Appends the next bytes of the message to `output`: about as many as fit well into one write.
    ///
    /// Says whether there is more.
    ///
    /// # Errors
    ///
    /// An artifact that vanished, cannot be read any more, or has another size than when it was listed.
    pub(in super::super) fn fill(&mut self, tree: &Tree, output: &mut Vec<u8>) -> Result<bool, StreamError> {
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
