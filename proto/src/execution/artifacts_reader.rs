//! The artifacts of a stored result with their contents, a bounded step at a time.

use super::files_reader::FilesReader;
use super::source::{BLOCK_BYTES, ReadAt, ReadError};
use crate::artifacts::ArtifactVisitor;
use crate::header::HEADER_BYTES;
use core::ops::Range;

/// Bytes that one step goes through.
const STEP_BYTES: u64 = 1024 * 1024;

/// Shows a visitor the artifacts of a stored result in the order in which the worker sent them.
#[derive(Debug)]
pub struct ArtifactsReader<S> {
    files: FilesReader<S>,
    /// What is left of the artifact that has begun.
    content: Option<Range<u64>>,
    step_bytes: u64,
}

impl<S: ReadAt> ArtifactsReader<S> {
    /// Reads the artifacts that `source` holds in the bytes `output`, as [`StoredExecution`] names them.
    ///
    /// [`StoredExecution`]: super::StoredExecution
    pub fn new(source: S, output: Range<u64>) -> Self {
        Self::with_steps_of(STEP_BYTES, source, output)
    }

    pub(super) fn with_steps_of(step_bytes: u64, source: S, output: Range<u64>) -> Self {
        Self { files: FilesReader::new(source, output), content: None, step_bytes }
    }

    /// Reads at most a MiB further, and says whether there is more.
    ///
    /// # Errors
    ///
    /// When the source fails, or an artifact is malformed. The reader is of no further use then, and the visitor may have
    /// seen the beginning of an artifact.
    pub fn step(&mut self, visitor: &mut dyn ArtifactVisitor) -> Result<bool, ReadError<S::Error>> {
        let mut budget = self.step_bytes;
        while budget > 0 {
            let Some(content) = &mut self.content else {
                let Some(file) = self.files.next_file()? else { return Ok(false) };
                visitor.begin(file.path.as_bytes(), file.data.end - file.data.start);
                budget = budget.saturating_sub((file.path.as_bytes().len() + HEADER_BYTES) as u64);
                self.content = Some(file.data);
                continue;
            };
            if content.is_empty() {
                visitor.end();
                self.content = None;
                continue;
            }
            let rest = budget.min(content.end - content.start);
            let count = usize::try_from(rest).map_or(BLOCK_BYTES, |rest| rest.min(BLOCK_BYTES));
            visitor.content(self.files.peek(content.start, count)?);
            content.start += count as u64;
            budget -= count as u64;
        }
        Ok(true)
    }
}
