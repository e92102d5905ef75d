//! What a list of stored results says of each: little, and read from little.

use super::source::{BlockReader, ReadAt, ReadError};
use super::stored::{open_whole, take_value};
use super::timestamps::Timestamps;
use crate::build_result::BuildResult;
use crate::header::SEQUENCE;
use crate::malformed::Fit;
use crate::time::Time;

/// When a stored result came about, and how its build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredSummary {
    /// When the result was known.
    pub finished: Time,
    /// How the build ended.
    pub result: BuildResult,
}

/// Bytes read at a time. A result has three places that matter here, and most results are not longer than this.
const SUMMARY_BLOCK_BYTES: usize = 4096;

impl StoredSummary {
    /// Reads a stored result of `length` bytes in passing: script, console and artifacts are skipped, however long they are.
    ///
    /// # Errors
    ///
    /// When the source fails, or what is read here is not what stands there in a stored result. The rest is not looked at,
    /// so [`StoredExecution::open`](super::StoredExecution::open) may refuse what was accepted here.
    pub fn open<S: ReadAt + ?Sized>(source: &S, length: u64) -> Result<Self, ReadError<S::Error>> {
        let mut blocks = BlockReader::with_blocks_of(SUMMARY_BLOCK_BYTES, source, length);
        let whole = open_whole(&mut blocks, length)?;
        let mut rest = blocks.header("execution", SEQUENCE, whole, Fit::Exactly)?;
        rest.start = blocks.header("job", SEQUENCE, rest.clone(), Fit::Within)?.end;
        let uuid = blocks.any_header("uuid", rest.clone())?;
        rest.start = rest.start.saturating_add(uuid.total_length().unwrap_or(u64::MAX));
        rest.start = blocks.header("console", SEQUENCE, rest.clone(), Fit::Within)?.end;
        let Timestamps { finished, .. } = take_value(&mut blocks, "timestamps", &mut rest)?;
        let result = take_value(&mut blocks, "result", &mut rest)?;
        Ok(Self { finished, result })
    }
}
