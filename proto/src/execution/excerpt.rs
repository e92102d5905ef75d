//! A stored result without some of its artifacts, which is a stored result again.
//!
//! Only the lengths in the headers around the artifacts change. So an excerpt is a list of new headers and of ranges of the
//! original, and neither making nor reading it takes memory for artifacts.

use super::files_reader::FilesReader;
use super::source::{BLOCK_BYTES, BlockReader, ReadAt, ReadError};
use super::stored::StoredExecution;
use super::whole::EXECUTION_TAG;
use crate::header::{Header, SEQUENCE};
use crate::text::Text;
use core::ops::Range;

/// What a stored result without some artifacts consists of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    parts: Vec<Part>,
    /// Bytes of the excerpt.
    pub length: u64,
    /// Artifacts that are left out.
    pub left_out: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    /// These bytes.
    New(Vec<u8>),
    /// These bytes of the original.
    Kept(Range<u64>),
}

impl Excerpt {
    /// Lays out the result in `source`, which was opened as `stored`, with those artifacts whose paths satisfy `keep`.
    /// Takes memory for each place where artifacts are left out, and none for those that are kept.
    ///
    /// # Errors
    ///
    /// When the source fails, or an artifact is malformed.
    pub fn new<S: ReadAt>(
        source: &S,
        stored: &StoredExecution,
        keep: impl Fn(&Text) -> bool,
    ) -> Result<Self, ReadError<S::Error>> {
        let mut kept: Vec<Range<u64>> = Vec::new();
        let (mut start, mut left_out) = (stored.output.start, 0);
        let mut files = FilesReader::new(source, stored.output.clone());
        while let Some(file) = files.next_file()? {
            let end = file.data.end;
            match kept.last_mut() {
                _ if !keep(&file.path) => left_out += 1,
                Some(last) if last.end == start => last.end = end,
                _ => kept.push(start..end),
            }
            start = end;
        }
        let output = Header { tag: SEQUENCE, length: kept.iter().map(|range| range.end - range.start).sum() };
        let before = stored.before_output(source)?;
        let fields = Header { length: before.end - before.start + total(output), ..SEQUENCE_OF_FIELDS };
        let whole = Header { length: total(fields), ..EXECUTION };
        let mut head = Vec::new();
        whole.append_to(&mut head);
        fields.append_to(&mut head);
        let mut output_head = Vec::new();
        output.append_to(&mut output_head);
        let mut parts = vec![Part::New(head), Part::Kept(before), Part::New(output_head)];
        parts.extend(kept.into_iter().map(Part::Kept));
        Ok(Self { parts, length: total(whole), left_out })
    }

    /// Hands the excerpt out in order, a block at a time, until `take` fails.
    ///
    /// # Errors
    ///
    /// When the source fails or has become shorter, and what `take` fails with.
    pub fn read<S: ReadAt, E: From<ReadError<S::Error>>>(
        &self,
        source: &S,
        mut take: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut block = Vec::new();
        for part in &self.parts {
            match part {
                Part::New(bytes) => take(bytes)?,
                Part::Kept(range) => {
                    let blocks = BlockReader::new(source, range.end);
                    let mut at = range.start;
                    while at < range.end {
                        let count = (range.end - at).min(BLOCK_BYTES as u64);
                        blocks.read_into(&mut block, at, count as usize)?;
                        take(&block)?;
                        at += count;
                    }
                }
            }
        }
        Ok(())
    }
}

const SEQUENCE_OF_FIELDS: Header = Header { tag: SEQUENCE, length: 0 };
const EXECUTION: Header = Header { tag: EXECUTION_TAG, length: 0 };

/// Bytes of a value that is shorter than one that exists.
fn total(header: Header) -> u64 {
    header.total_length().unwrap_or(u64::MAX)
}
