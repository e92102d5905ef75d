//! The artifacts of a stored result with the digests of their contents, which are read once and never held.

use crate::result_file::ResultFile;
use builder_proto::artifacts::ArtifactVisitor;
use builder_proto::execution::{ArtifactsReader, ReadError, StoredExecution};
use builder_proto::history::{Artifact, Sha256};
use builder_proto::text::Text;
use sha2::Digest;
use std::io;
use std::mem;

/// Computes the digests of one artifact after the other.
pub(super) fn for_each<E: From<ReadError<io::Error>>>(
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
