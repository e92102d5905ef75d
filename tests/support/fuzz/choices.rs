//! Decisions that a fuzzer takes: octets at the front of its input.

use crate::world::Random;
use std::ops::Range;

/// Octets up to which pieces are as short as they can be.
const MANY_OCTETS: usize = 4096;

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

    pub(super) fn octet(&mut self) -> u8 {
        let Some((first, rest)) = self.rest.split_first() else { return 0 };
        self.rest = rest;
        *first
    }

    pub(super) fn flag(&mut self) -> bool {
        self.octet() % 2 == 1
    }

    /// One time in `times`; never when the input is used up.
    pub(super) fn rarely(&mut self, times: u8) -> bool {
        self.octet() % times == times - 1
    }

    pub(super) fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.octet(), self.octet()])
    }

    /// A number below `end`, or 0 when there is none.
    pub(super) fn below(&mut self, end: usize) -> usize {
        let number = if end > 256 { usize::from(self.number()) } else { usize::from(self.octet()) };
        number % end.max(1)
    }

    /// A part of so many octets, or of what is left.
    pub(super) fn part(&mut self, length: usize) -> &'a [u8] {
        let (part, rest) = self.rest.split_at(length.min(self.rest.len()));
        self.rest = rest;
        part
    }

    /// Some octets within the first `length`.
    pub(super) fn range(&mut self, length: usize) -> Range<usize> {
        let start = self.below(length + 1);
        start..start + self.below(length - start + 1)
    }

    /// How to cut octets into pieces.
    pub(super) fn cuts(&mut self) -> Cuts<'a> {
        let count = usize::from(self.octet() % 16);
        Cuts(self.part(count))
    }

    /// Decisions for someone else to take, of some bytes.
    pub(super) fn script(&mut self) -> Random {
        let length = usize::from(self.octet() % 64);
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
    /// Cuts octets into pieces, of which some may be empty. Together they are the octets. Many octets are cut into longer
    /// pieces, so that there are never so many that it takes long.
    pub(super) fn pieces<'b>(self, octets: &'b [u8]) -> impl Iterator<Item = &'b [u8]> + use<'a, 'b> {
        let scale = 1 + octets.len() / MANY_OCTETS;
        let mut lengths = self.0.iter().map(move |length| usize::from(*length) * scale).cycle();
        // Pieces that are all empty would lead nowhere.
        let makes_progress = self.0.iter().any(|length| *length > 0);
        let mut rest = octets;
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

    /// The number of octets that a reader gets at once.
    pub(super) fn longest(self) -> usize {
        self.0.first().map_or(usize::MAX, |length| usize::from(*length).max(1))
    }
}
