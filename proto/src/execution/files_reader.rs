//! The artifacts of a stored result, one after the other, without their content.

use super::source::{BLOCK_BYTES, BlockReader, ReadAt, ReadError};
use crate::header::{SEQUENCE, UTF8_STRING};
use crate::malformed::{Fit, Malformed, Problem};
use crate::text::Text;
use core::ops::Range;

/// Bytes of a path that is read; Linux and FreeBSD have room for 4096 and 1024.
const PATH_BYTES: u64 = 64 * 1024;
// A path is looked at in one block.
const _: () = assert!(PATH_BYTES <= BLOCK_BYTES as u64);

/// Yields the artifacts of a stored result in the order in which the worker sent them.
#[derive(Debug)]
pub struct FilesReader<S> {
    blocks: BlockReader<S>,
    rest: Range<u64>,
}

/// An artifact, and where in the stored result its content is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Where the job left it. Not empty and without NUL; nothing else is certain.
    pub path: Text,
    /// The bytes of the source that are its content.
    pub data: Range<u64>,
}

impl<S: ReadAt> FilesReader<S> {
    /// Reads the artifacts that `source` holds in the bytes `output`, as [`StoredExecution`] names them.
    ///
    /// [`StoredExecution`]: super::StoredExecution
    pub fn new(source: S, output: Range<u64>) -> Self {
        Self { blocks: BlockReader::new(source, output.end), rest: output }
    }

    /// Gives back the memory of the block that was read last, for those who go on later.
    pub fn release(&mut self) {
        self.blocks.release();
    }

    /// The next artifact, or `None` after the last.
    ///
    /// # Errors
    ///
    /// When the source fails, or the artifact is malformed. The reader is of no further use then.
    pub fn next_file(&mut self) -> Result<Option<StoredFile>, ReadError<S::Error>> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let file = self.blocks.header("artifact", SEQUENCE, self.rest.clone(), Fit::Within)?;
        let path_range = self.blocks.header("artifact path", UTF8_STRING, file.clone(), Fit::Within)?;
        let data =
            self.blocks.header("artifact data", UTF8_STRING, path_range.end..file.end, Fit::Exactly)?;
        let path = self.path(path_range)?;
        self.rest.start = file.end;
        Ok(Some(StoredFile { path, data }))
    }

    /// Bytes of the artifacts; see [`BlockReader::peek`].
    pub(super) fn peek(&mut self, offset: u64, count: usize) -> Result<&[u8], ReadError<S::Error>> {
        self.blocks.peek(offset, count)
    }

    fn path(&mut self, range: Range<u64>) -> Result<Text, ReadError<S::Error>> {
        let malformed = |problem| Malformed::new(range.start, "artifact path", problem);
        let length = range.end - range.start;
        let count = match usize::try_from(length) {
            Ok(0) => return Err(malformed(Problem::EmptyPath).into()),
            Ok(count) if length <= PATH_BYTES => count,
            _ => return Err(malformed(Problem::TooLong { length, limit: PATH_BYTES }).into()),
        };
        let path = self.blocks.peek(range.start, count)?;
        if path.contains(&0) {
            return Err(malformed(Problem::NulInPath).into());
        }
        Ok(Text::from(path))
    }
}
