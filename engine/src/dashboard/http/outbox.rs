//! What waits to be sent.

use core::ops::Range;
use std::collections::VecDeque;
use std::rc::Rc;

/// Pieces up to this are copied to what stands before them, so that lines of a console leave in one write; longer ones are shared.
const COPIED_BYTES: usize = 1024;
/// Bytes that are gathered in one place by that.
const GATHERED_BYTES: usize = 16 * 1024;

/// A part of bytes that many connections may share.
#[derive(Clone, Debug)]
pub struct Piece {
    bytes: Rc<[u8]>,
    range: Range<usize>,
}

impl Piece {
    /// A part of shared bytes. What of the range is outside of them is left out.
    #[must_use]
    pub fn new(bytes: Rc<[u8]>, range: Range<usize>) -> Piece {
        let end = range.end.min(bytes.len());
        Piece { range: range.start.min(end)..end, bytes }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        self.bytes.get(self.range.clone()).unwrap_or_default()
    }
}

impl From<Vec<u8>> for Piece {
    fn from(bytes: Vec<u8>) -> Piece {
        Piece::from(Rc::from(bytes))
    }
}

impl From<Rc<[u8]>> for Piece {
    fn from(bytes: Rc<[u8]>) -> Piece {
        Piece { range: 0..bytes.len(), bytes }
    }
}

/// Bytes of this connection alone, or of many.
#[derive(Clone, Debug)]
enum Segment {
    Own(Vec<u8>),
    Shared(Piece),
}

impl Segment {
    fn bytes(&self) -> &[u8] {
        match self {
            Segment::Own(bytes) => bytes,
            Segment::Shared(piece) => piece.bytes(),
        }
    }
}

/// Bytes in the order in which they are sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Outbox {
    /// None of them is empty.
    segments: VecDeque<Segment>,
    /// Bytes of the first segment that have been sent.
    sent: usize,
    /// Bytes that have not.
    waiting: usize,
}

impl Outbox {
    pub(super) fn len(&self) -> usize {
        self.waiting
    }

    pub(super) fn is_empty(&self) -> bool {
        self.waiting == 0
    }

    /// Copies bytes.
    pub(super) fn copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.waiting += bytes.len();
        match self.segments.back_mut() {
            Some(Segment::Own(own)) if own.len() + bytes.len() <= GATHERED_BYTES => {
                own.extend_from_slice(bytes)
            }
            _ => self.segments.push_back(Segment::Own(bytes.to_vec())),
        }
    }

    /// Shares bytes, unless they are so few that a copy costs less.
    pub(super) fn share(&mut self, piece: Piece) {
        let length = piece.bytes().len();
        if length <= COPIED_BYTES {
            self.copy(piece.bytes());
        } else {
            self.waiting += length;
            self.segments.push_back(Segment::Shared(piece));
        }
    }

    /// The next bytes that stand in one place.
    pub(super) fn next(&self) -> Option<&[u8]> {
        self.segments.front()?.bytes().get(self.sent..)
    }

    /// Forgets so many bytes, which have been sent.
    pub(super) fn advance(&mut self, count: usize) {
        let mut count = count.min(self.waiting);
        self.waiting -= count;
        while let Some(first) = self.segments.front() {
            let rest = first.bytes().len() - self.sent;
            if count < rest {
                self.sent += count;
                return;
            }
            count -= rest;
            self.sent = 0;
            self.segments.pop_front();
        }
        // Thousands of connections may be idle.
        self.segments = VecDeque::new();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drain(outbox: &mut Outbox, count: usize) -> Vec<Vec<u8>> {
        let mut writes = Vec::new();
        while let Some(bytes) = outbox.next() {
            let bytes = bytes[..bytes.len().min(count)].to_vec();
            outbox.advance(bytes.len());
            writes.push(bytes);
        }
        writes
    }

    #[test]
    fn small_pieces_leave_together_and_large_ones_are_shared() {
        let mut outbox = Outbox::default();
        let large: Rc<[u8]> = vec![b'l'; COPIED_BYTES + 1].into();
        outbox.copy(b"head ");
        outbox.share(b"small ".to_vec().into());
        outbox.share(Piece::from(Rc::clone(&large)));
        outbox.copy(b" tail");
        assert_eq!(Rc::strong_count(&large), 2);
        assert_eq!(outbox.len(), 11 + large.len() + 5);
        let writes = drain(&mut outbox, usize::MAX);
        assert_eq!(writes, [&b"head small "[..], &large, b" tail"]);
        assert_eq!(Rc::strong_count(&large), 1);
        assert!(outbox.is_empty());
    }

    #[test]
    fn bytes_leave_in_any_portions() {
        for count in 1..20 {
            let mut outbox = Outbox::default();
            let bytes: Vec<u8> = (0..5000_u32).map(|number| number as u8).collect();
            outbox.copy(&bytes[..10]);
            outbox.share(Piece::new(Rc::from(&bytes[..]), 10..3000));
            outbox.copy(&bytes[3000..]);
            assert_eq!(drain(&mut outbox, count).concat(), bytes);
        }
    }

    #[test]
    fn what_is_gathered_is_bounded() {
        let mut outbox = Outbox::default();
        for _ in 0..100 {
            outbox.copy(&[b'x'; 1000]);
        }
        assert!(drain(&mut outbox, usize::MAX).iter().all(|write| write.len() <= GATHERED_BYTES));
    }

    #[test]
    fn a_piece_stays_within_its_bytes() {
        let bytes: Rc<[u8]> = Rc::from(&b"abc"[..]);
        assert_eq!(Piece::new(Rc::clone(&bytes), 1..2).bytes(), b"b");
        assert_eq!(Piece::new(Rc::clone(&bytes), 2..9).bytes(), b"c");
        assert_eq!(Piece::new(bytes, 7..9).bytes(), b"");
    }
}
