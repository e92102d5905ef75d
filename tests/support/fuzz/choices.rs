//! Decisions that a fuzzer takes: bytes at the front of its input.

use crate::world::Random;
use std::ops::Range;

/// Bytes up to which pieces are as short as they can be.
const MANY_BYTES: usize = 4096;

/// Takes decisions off the front of an input. When it is used up, every further decision is the first that there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Choices<'a> {
    rest: &'a [u8],
}

impl<'a> Choices<'a> {
    pub(super) fn new(input: &'a [u8]) -> Choices<'a> {
        Choices { rest: input }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    pub(super) fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    /// One time in `times`; never when the input is used up.
    pub(super) fn rarely(&mut self, times: u8) -> bool {
        self.byte() % times == times - 1
    }

    pub(super) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// A number below `end`, or 0 when there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let number = if end > 256 { usize::from(self.number()) } else { usize::from(self.byte()) };
        number % end.max(1)
    }

    /// A part of so many bytes, or of what is left.
    pub(super) fn part(&mut self, length: usize) -> &'a [u8] {
        let (part, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        part
    }

    /// Some bytes within the first `length`.
    pub(super) fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below(length - start + 1)
    }

    /// How to cut bytes into pieces.
    pub(super) fn cuts(&mut self) -> Cuts<'a> {
        let count = usize::from(self.byte() % 16);
        Cuts(self.part(count))
    }

    /// Decisions for someone else to take, of some bytes.
    pub(super) fn script(&mut self) -> Random {
        let length = usize::from(self.byte() % 64);
        Random::scripted(self.part(length))
    }

    /// All that is left.
    pub(super) fn rest(&mut self) -> &'a [u8] {
        core::mem::take(&mut self.rest)
    }
}

/// Lengths of pieces, over and over again.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cuts<'a>(&'a [u8]);

impl<'a> Cuts<'a> {
    /// Cuts bytes into pieces, of which some may be empty. Together they are the bytes. Many bytes are cut into longer
    /// pieces, so that there are never so many that it takes long.
    pub(super) fn pieces<'b>(self, bytes: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
        let scale = 1 + bytes.len() / MANY_BYTES;
        let mut lengths = self.0.iter().map(move |length| usize::from(*length) * scale).cycle();
        // Pieces that are all empty would lead nowhere.
        let makes_progress = self.0.iter().any(|length| *length > 0);
        let mut rest = bytes;
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let length = lengths.next().filter(|_| makes_progress).unwrap_or(rest.len());
            let (piece, behind) = rest.split_at(length.min(rest.len()));
            rest = behind;
            Some(piece)
        })
    }

    /// The number of bytes that a reader gets at once.
    pub(super) fn longest(self) -> usize {
        self.0.first().map_or(usize::MAX, |length| usize::from(*length).max(1))
    }
}
