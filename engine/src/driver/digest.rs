//! The digests of large results: computed by a thread, from what is in the file already, while the rest still arrives.

use super::files::{Files, read_exact};
use crate::manifest::ManifestWalker;
use builder_proto::Uuid;
use core::ops::Range;
use std::io::{self, ErrorKind};

/// Bytes that have to be there before it is worth a thread's while.
const WORTHWHILE_BYTES: u64 = 8 * 1024 * 1024;
/// Bytes that are read at a time.
const BLOCK_BYTES: usize = 256 * 1024;

/// How far the artifacts of a large result have been looked at.
#[derive(Debug)]
pub(crate) struct DigestProgress {
    /// None while a thread has it.
    walker: Option<Box<ManifestWalker>>,
    /// Tells this result from an earlier one of the same build.
    number: u64,
    /// Where in the file the first byte is that was not given to a thread.
    next: u64,
}

/// Something for a thread to look at.
#[derive(Debug)]
pub(crate) struct Digesting<F: Files> {
    uuid: Uuid,
    number: u64,
    file: F::File,
    range: Range<u64>,
    walker: Option<Box<ManifestWalker>>,
}

/// What a thread has looked at.
#[derive(Debug)]
pub(crate) struct Digested {
    pub(super) uuid: Uuid,
    number: u64,
    walker: Box<ManifestWalker>,
}

impl DigestProgress {
    /// Nothing of `artifacts`, which is their place in the file, has been looked at.
    pub(super) fn new(number: u64, artifacts: Range<u64>) -> DigestProgress {
        let walker = Some(Box::new(ManifestWalker::new(artifacts.end - artifacts.start)));
        DigestProgress { walker, number, next: artifacts.start }
    }

    /// What a thread is to look at of what is written up to `written`; the last of it, if that is all.
    pub(super) fn next<F: Files>(
        &mut self,
        uuid: Uuid,
        file: &F::File,
        written: u64,
        is_all: bool,
    ) -> Option<Digesting<F>> {
        let range = self.next..written;
        if range.is_empty() || (!is_all && written - self.next < WORTHWHILE_BYTES) {
            return None;
        }
        let walker = Some(self.walker.take()?);
        self.next = written;
        Some(Digesting { uuid, number: self.number, file: file.clone(), range, walker })
    }

    /// Takes back what a thread has looked at; false when that is not of this result.
    pub(super) fn take_back(&mut self, digested: Digested) -> bool {
        let is_mine = digested.number == self.number;
        if is_mine {
            self.walker = Some(digested.walker);
        }
        is_mine
    }

    /// Whether this is the number of the result.
    pub(super) fn is_number(&self, number: u64) -> bool {
        self.number == number
    }

    /// Everything up to `end` has been looked at: gives what looked at it. None while a thread has it.
    pub(super) fn finish(&mut self, end: u64) -> Option<Box<ManifestWalker>> {
        self.walker.take_if(|_| self.next == end)
    }
}

impl<F: Files> Digesting<F> {
    /// Looks at the next bytes. Gives what came of all, after the last.
    pub(super) fn step(&mut self, files: &F) -> Option<Result<Digested, (Uuid, u64, io::Error)>> {
        let (uuid, number) = (self.uuid, self.number);
        let length = usize::try_from(self.range.end - self.range.start).unwrap_or(BLOCK_BYTES);
        let mut block = vec![0; length.min(BLOCK_BYTES)];
        let walker = self.walker.as_mut()?;
        let outcome = read_exact(files, &self.file, self.range.start, &mut block).and_then(|()| {
            walker.push(&block).map_err(|error| io::Error::new(ErrorKind::InvalidData, error.to_string()))
        });
        if let Err(error) = outcome {
            return Some(Err((uuid, number, error)));
        }
        self.range.start += block.len() as u64;
        let walker = self.walker.take_if(|_| self.range.is_empty())?;
        Some(Ok(Digested { uuid, number, walker }))
    }
}
