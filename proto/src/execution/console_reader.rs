//! A stored console, read from its oldest line to its newest in bounded memory.
//!
//! The newest line is stored first, and entries can only be found from the front. So the console is scanned
//! once from the front, noting where entries start, one for each 32 KiB of console, about. Then the
//! chunks between those checkpoints are read from the back. Where a console is so large that the checkpoints
//! had to be thinned out, the wide chunks between them are scanned once more when their turn comes.

use super::console::{ENTRY_PREFIX_BYTES, Entry};
use super::source::{BlockReader, ReadAt, ReadError};
use crate::malformed::Malformed;
use core::ops::Range;

/// Bytes of the longest line that comes whole; a longer one comes in pieces of this length. Workers of this project
/// split lines there, those of builder 0.4.0 do not.
pub const PIECE_BYTES: usize = 64 * 1024;

/// Bytes of short lines that are held at once. There may be a reader for each of many observers.
const CHUNK_BYTES: usize = 32 * 1024;

/// What a reader may hold. Tests use less.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sizes {
    /// [`CHUNK_BYTES`].
    pub(super) chunk_bytes: usize,
    /// [`PIECE_BYTES`].
    pub(super) piece_bytes: usize,
    /// Checkpoints of one scan.
    pub(super) checkpoints: usize,
}

/// The checkpoints are enough for 128 MiB of console without scanning anything twice.
const SIZES: Sizes = Sizes { chunk_bytes: CHUNK_BYTES, piece_bytes: PIECE_BYTES, checkpoints: 4095 };

const PART: &str = "console entry";

/// Yields the lines of a stored console, the oldest first.
#[derive(Debug)]
pub struct ConsoleReader<S> {
    blocks: BlockReader<S>,
    /// Where chunks start, front to back; the last of them is read next.
    checkpoints: Vec<u64>,
    /// Where the chunk that is read next ends.
    end: u64,
    scan: Option<Scan>,
    chunk: Chunk,
    sizes: Sizes,
    long_line: Option<LongLine>,
}

/// One line of a console, or a piece of a long one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsoleEntry<'a> {
    /// When the line was printed, in nanoseconds since the start of the job.
    pub delta_nanoseconds: i64,
    /// The bytes of the line, without a newline.
    pub line: &'a [u8],
    /// Whether the same line goes on in the next entry.
    pub continues: bool,
}

/// What one [step](ConsoleReader::step) led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleStep<'a> {
    /// The next line.
    Entry(ConsoleEntry<'a>),
    /// Something was read, but no line is there yet: step again.
    Working,
    /// All lines were yielded.
    End,
}

impl<S: ReadAt> ConsoleReader<S> {
    /// Reads the entries that `source` holds in the bytes `console`, as [`StoredExecution`] names them.
    ///
    /// [`StoredExecution`]: super::StoredExecution
    pub fn new(source: S, console: Range<u64>) -> Self {
        Self::with_sizes(source, console, SIZES)
    }

    pub(super) fn with_sizes(source: S, console: Range<u64>, sizes: Sizes) -> Self {
        Self {
            sizes,
            blocks: BlockReader::new(source, console.end),
            checkpoints: Vec::new(),
            end: console.end,
            scan: Some(Scan::new(0, console, sizes)),
            chunk: Chunk::default(),
            long_line: None,
        }
    }

    /// Takes a small step: yields a line that is at hand, or reads one block of the source.
    ///
    /// This is for those who have other work between two blocks; everybody else calls
    /// [`next_entry`](Self::next_entry).
    ///
    /// # Errors
    ///
    /// When the source fails, or an entry is malformed. The reader is of no further use then.
    pub fn step(&mut self) -> Result<ConsoleStep<'_>, ReadError<S::Error>> {
        if !self.has_entry() && self.advance()? {
            return Ok(ConsoleStep::Working);
        }
        Ok(self.take_entry()?.map_or(ConsoleStep::End, ConsoleStep::Entry))
    }

    /// The next line, or `None` after the newest.
    ///
    /// # Errors
    ///
    /// When the source fails, or an entry is malformed. The reader is of no further use then.
    pub fn next_entry(&mut self) -> Result<Option<ConsoleEntry<'_>>, ReadError<S::Error>> {
        while !self.has_entry() && self.advance()? {}
        self.take_entry()
    }

    /// Gives back the memory of what was read ahead; the next step reads it again. For those who have to wait before
    /// they can take more: only the checkpoints stay, 32 KiB of them at most and some more in consoles of gigabytes.
    /// Lines that are at hand have to be found again, so whoever never takes one before does not get on.
    pub fn release(&mut self) {
        if let Some(rest) = self.chunk.release() {
            self.checkpoints.push(rest.start);
            self.end = rest.end;
        }
        self.blocks.release();
    }

    #[cfg(test)]
    pub(super) fn checkpoints(&self) -> usize {
        self.checkpoints.len()
    }

    /// Bytes of memory that depend on what is read.
    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        let numbers = self.checkpoints.capacity() * size_of::<u64>()
            + self.chunk.starts.capacity() * size_of::<usize>();
        numbers + self.chunk.bytes.capacity() + self.blocks.held_bytes()
    }

    fn has_entry(&self) -> bool {
        !self.chunk.starts.is_empty() || self.long_line.is_some()
    }

    /// Reads something; false when nothing is left to read.
    fn advance(&mut self) -> Result<bool, ReadError<S::Error>> {
        if let Some(scan) = &mut self.scan {
            if scan.advance(&mut self.blocks, &mut self.checkpoints)? {
                self.scan = None;
                // Chunks are read without it.
                self.blocks.release();
            }
            return Ok(true);
        }
        let Some(start) = self.checkpoints.pop() else { return Ok(false) };
        let range = start..self.end;
        if range.end - range.start <= self.sizes.chunk_bytes as u64 {
            self.chunk.load(&self.blocks, range)?;
            self.end = start;
            return Ok(true);
        }
        let entry = entry_at(&mut self.blocks, &range)?;
        let line_start = start.saturating_add(entry.prefix_length as u64);
        if start.saturating_add(entry.length()) == range.end {
            self.long_line =
                Some(LongLine { delta_nanoseconds: entry.delta_nanoseconds, rest: line_start..range.end });
            self.end = start;
        } else {
            self.scan = Some(Scan::new(self.checkpoints.len(), range, self.sizes));
        }
        Ok(true)
    }

    fn take_entry(&mut self) -> Result<Option<ConsoleEntry<'_>>, ReadError<S::Error>> {
        let Some(line) = &mut self.long_line else { return Ok(self.chunk.pop()?) };
        let piece = line.take_piece(self.sizes.piece_bytes);
        let delta_nanoseconds = line.delta_nanoseconds;
        let continues = !line.rest.is_empty();
        if !continues {
            self.long_line = None;
        }
        let count = usize::try_from(piece.end - piece.start).unwrap_or(usize::MAX);
        self.blocks.read_into(&mut self.chunk.bytes, piece.start, count)?;
        Ok(Some(ConsoleEntry { delta_nanoseconds, line: &self.chunk.bytes, continues }))
    }
}

/// A line that is longer than a chunk: when it was printed, and which bytes are still to be yielded.
#[derive(Debug)]
struct LongLine {
    delta_nanoseconds: i64,
    rest: Range<u64>,
}

impl LongLine {
    fn take_piece(&mut self, length: usize) -> Range<u64> {
        let start = self.rest.start;
        self.rest.start = start.saturating_add(length as u64).min(self.rest.end);
        start..self.rest.start
    }
}

/// A walk over entries from front to back that leaves checkpoints.
#[derive(Debug)]
struct Scan {
    /// The entry to look at next, and where the last one ends.
    rest: Range<u64>,
    /// How many checkpoints are those of earlier scans.
    base: usize,
    /// Bytes between two checkpoints, about.
    spacing: u64,
    most_checkpoints: usize,
}

impl Scan {
    fn new(base: usize, range: Range<u64>, sizes: Sizes) -> Self {
        let Sizes { chunk_bytes, checkpoints, .. } = sizes;
        Self { rest: range, base, spacing: chunk_bytes as u64, most_checkpoints: checkpoints }
    }

    /// Looks at the entries of one block; true when all are done.
    fn advance<S: ReadAt>(
        &mut self,
        blocks: &mut BlockReader<S>,
        checkpoints: &mut Vec<u64>,
    ) -> Result<bool, ReadError<S::Error>> {
        let mut may_read = true;
        while !self.rest.is_empty() {
            if !blocks.holds(self.rest.start, ENTRY_PREFIX_BYTES) && !core::mem::take(&mut may_read) {
                return Ok(false);
            }
            let start = self.rest.start;
            self.rest.start = start.saturating_add(entry_at(blocks, &self.rest)?.length());
            self.note(start, checkpoints);
        }
        Ok(true)
    }

    /// Makes the entry from `start` to the present place a checkpoint when the chunk before would become too
    /// long with it. So a chunk is never longer than the spacing, unless it is a single entry.
    fn note(&mut self, start: u64, checkpoints: &mut Vec<u64>) {
        let last = checkpoints.get(self.base..).and_then(<[u64]>::last);
        if last.is_some_and(|last| self.rest.start - last <= self.spacing) {
            return;
        }
        checkpoints.push(start);
        if checkpoints.len() - self.base > self.most_checkpoints {
            let mut number = 0_usize;
            checkpoints.retain(|_| {
                number += 1;
                number <= self.base || (number - self.base) % 2 == 1
            });
            self.spacing = self.spacing.saturating_mul(2);
        }
    }
}

/// Whole entries in memory, and where each of them starts.
#[derive(Debug, Default)]
struct Chunk {
    offset: u64,
    bytes: Vec<u8>,
    /// Of the entries that were not taken yet, front to back.
    starts: Vec<usize>,
    /// Where the last of them ends.
    end: usize,
}

impl Chunk {
    fn load<S: ReadAt>(
        &mut self,
        blocks: &BlockReader<S>,
        range: Range<u64>,
    ) -> Result<(), ReadError<S::Error>> {
        let count = usize::try_from(range.end - range.start).unwrap_or(usize::MAX);
        blocks.read_into(&mut self.bytes, range.start, count)?;
        self.offset = range.start;
        let mut start = 0;
        while start < self.bytes.len() {
            let (entry, _) = self.entry(start)?;
            self.starts.push(start);
            start = start.saturating_add(usize::try_from(entry.length()).unwrap_or(usize::MAX));
        }
        self.end = start;
        Ok(())
    }

    /// Forgets everything, and says where the entries are that were not taken yet.
    fn release(&mut self) -> Option<Range<u64>> {
        let Chunk { offset, starts, end, .. } = core::mem::take(self);
        (!starts.is_empty()).then(|| offset..offset.saturating_add(end as u64))
    }

    /// The last entry that was not taken yet.
    fn pop(&mut self) -> Result<Option<ConsoleEntry<'_>>, Malformed> {
        let Some(start) = self.starts.pop() else { return Ok(None) };
        self.end = start;
        let (entry, line) = self.entry(start)?;
        Ok(Some(ConsoleEntry { delta_nanoseconds: entry.delta_nanoseconds, line, continues: false }))
    }

    fn entry(&self, start: usize) -> Result<(Entry, &[u8]), Malformed> {
        let bytes = self.bytes.get(start..).unwrap_or_default();
        let entry = Entry::parse(bytes, bytes.len() as u64)
            .map_err(|problem| Malformed::new(self.offset.saturating_add(start as u64), PART, problem))?;
        let end = usize::try_from(entry.length()).unwrap_or(usize::MAX);
        Ok((entry, bytes.get(entry.prefix_length..end).unwrap_or_default()))
    }
}

/// The entry at the start of `range`, which ends with the last entry.
fn entry_at<S: ReadAt>(
    blocks: &mut BlockReader<S>,
    range: &Range<u64>,
) -> Result<Entry, ReadError<S::Error>> {
    let room = range.end.saturating_sub(range.start);
    let count = usize::try_from(room).map_or(ENTRY_PREFIX_BYTES, |room| room.min(ENTRY_PREFIX_BYTES));
    let prefix = blocks.peek(range.start, count)?;
    Entry::parse(prefix, room).map_err(|problem| Malformed::new(range.start, PART, problem).into())
}
