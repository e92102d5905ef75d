//! Reading a stored result from wherever it is stored, a block at a time.

use crate::header::{HEADER_BYTES, Header};
use crate::malformed::{Fit, Malformed, Problem, check_header};
use core::convert::Infallible;
use core::fmt;
use core::ops::Range;

/// Bytes that can be read from any position, such as a file.
pub trait ReadAt {
    /// Why reading failed.
    type Error;

    /// Reads at `offset` into the front of `buffer` and says how many bytes; 0 only at the end.
    ///
    /// # Errors
    ///
    /// Whatever the medium reports. An interrupted read is repeated by the implementation.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Self::Error>;
}

impl ReadAt for [u8] {
    type Error = Infallible;

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let rest = usize::try_from(offset).ok().and_then(|offset| self.get(offset..)).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        for (to, from) in buffer.iter_mut().zip(rest) {
            *to = *from;
        }
        Ok(count)
    }
}

impl<S: ReadAt + ?Sized> ReadAt for &S {
    type Error = S::Error;

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Self::Error> {
        (**self).read_at(offset, buffer)
    }
}

/// Why a stored result could not be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReadError<E> {
    /// The medium failed.
    Source(E),
    /// The bytes are no stored result.
    Malformed(Malformed),
}

impl<E: fmt::Display> fmt::Display for ReadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(error) => write!(f, "cannot be read: {error}"),
            Self::Malformed(malformed) => write!(f, "is damaged or no stored result: {malformed}"),
        }
    }
}

impl<E: core::error::Error + 'static> core::error::Error for ReadError<E> {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        match self {
            Self::Source(error) => Some(error),
            Self::Malformed(malformed) => Some(malformed),
        }
    }
}

impl<E> From<Malformed> for ReadError<E> {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

/// Bytes read at once, so that small values cost no call each.
pub(super) const BLOCK_BYTES: usize = 64 * 1024;

/// One block of a source, moved to wherever it is needed.
#[derive(Debug)]
pub(crate) struct BlockReader<S> {
    source: S,
    /// Nothing is read from here on.
    end: u64,
    start: u64,
    block: Vec<u8>,
    block_bytes: usize,
}

impl<S: ReadAt> BlockReader<S> {
    pub(crate) fn new(source: S, end: u64) -> Self {
        Self::with_blocks_of(BLOCK_BYTES, source, end)
    }

    /// Reads so many bytes at once, for those who look at few places of a long source.
    pub(crate) fn with_blocks_of(block_bytes: usize, source: S, end: u64) -> Self {
        Self { source, end, start: 0, block: Vec::new(), block_bytes }
    }

    /// Gives back the memory of the block.
    pub(crate) fn release(&mut self) {
        self.block = Vec::new();
    }

    /// Whether [`peek`](Self::peek) can answer without reading.
    pub(crate) fn holds(&self, offset: u64, count: usize) -> bool {
        self.held(offset, self.clip(offset, count)).is_some()
    }

    /// `count` bytes at `offset`; fewer only where the end is near. `count` is at most the size of a block.
    pub(crate) fn peek(&mut self, offset: u64, count: usize) -> Result<&[u8], ReadError<S::Error>> {
        let count = self.clip(offset, count);
        if self.held(offset, count).is_none() {
            let mut block = core::mem::take(&mut self.block);
            self.read_into(&mut block, offset, self.clip(offset, self.block_bytes))?;
            self.block = block;
            self.start = offset;
        }
        Ok(self.held(offset, count).unwrap_or_default())
    }

    /// Replaces the content of `buffer` with exactly `count` bytes at `offset`.
    pub(crate) fn read_into(
        &self,
        buffer: &mut Vec<u8>,
        offset: u64,
        count: usize,
    ) -> Result<(), ReadError<S::Error>> {
        buffer.resize(count, 0);
        let mut at = offset;
        let mut rest = buffer.as_mut_slice();
        while !rest.is_empty() {
            let read = self.source.read_at(at, rest).map_err(ReadError::Source)?;
            at = at.saturating_add(read as u64);
            rest = match rest.get_mut(read..) {
                Some(rest) if read > 0 => rest,
                _ => return Err(Malformed::new(at, "the file", Problem::EndsEarly).into()),
            };
        }
        Ok(())
    }

    /// The header at `from.start`, checked against the room that ends with `from`, and the range of its content.
    pub(crate) fn header(
        &mut self,
        part: &'static str,
        tag: u8,
        from: Range<u64>,
        fit: Fit,
    ) -> Result<Range<u64>, ReadError<S::Error>> {
        let header = self.any_header(part, from.clone())?;
        let room = from.end.saturating_sub(from.start);
        check_header(header, tag, room, fit).map_err(|problem| Malformed::new(from.start, part, problem))?;
        let start = from.start.saturating_add(header.encoded_length());
        Ok(start..start.saturating_add(header.length))
    }

    /// The header at `from.start`, whatever it is.
    pub(crate) fn any_header(
        &mut self,
        part: &'static str,
        from: Range<u64>,
    ) -> Result<Header, ReadError<S::Error>> {
        let room = usize::try_from(from.end.saturating_sub(from.start)).unwrap_or(usize::MAX);
        let prefix = self.peek(from.start, room.min(HEADER_BYTES))?;
        let problem = match Header::parse(prefix) {
            Ok(Some((header, _))) => return Ok(header),
            Ok(None) => Problem::EndsEarly,
            Err(error) => Problem::Header(error),
        };
        Err(Malformed::new(from.start, part, problem).into())
    }

    #[cfg(test)]
    pub(super) fn held_bytes(&self) -> usize {
        self.block.capacity()
    }

    fn clip(&self, offset: u64, count: usize) -> usize {
        usize::try_from(self.end.saturating_sub(offset)).map_or(count, |room| room.min(count))
    }

    fn held(&self, offset: u64, count: usize) -> Option<&[u8]> {
        let from = usize::try_from(offset.checked_sub(self.start)?).ok()?;
        self.block.get(from..from.checked_add(count)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A medium that gives one byte a call.
    struct Slow(Vec<u8>);

    impl ReadAt for Slow {
        type Error = Infallible;

        fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<usize, Infallible> {
            self.0.as_slice().read_at(offset, buffer.get_mut(..1).unwrap_or_default())
        }
    }

    #[test]
    fn short_reads_are_continued() {
        let mut blocks = BlockReader::new(Slow((0..100).collect()), 100);
        assert_eq!(blocks.peek(90, 20).unwrap(), (90..100).collect::<Vec<u8>>());
        assert_eq!(blocks.peek(10, 3).unwrap(), [10, 11, 12]);
        assert!(blocks.holds(50, 4));
        assert!(!blocks.holds(9, 1));
    }

    #[test]
    fn a_file_shorter_than_it_said_is_an_error() {
        let mut blocks = BlockReader::new(Slow(vec![0; 10]), 20);
        let error = blocks.peek(5, 3).unwrap_err();
        assert_eq!(
            error.to_string(),
            "is damaged or no stored result: the file at byte 10: the data ends in the middle of it"
        );
    }

    #[test]
    fn nothing_is_held_beyond_the_end() {
        let mut blocks = BlockReader::new(&[1, 2, 3][..], 3);
        assert_eq!(blocks.peek(3, 4).unwrap(), []);
        assert_eq!(blocks.peek(u64::MAX, 4).unwrap(), []);
    }
}
