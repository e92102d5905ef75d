//! The spool: the console of a running build, readable from both ends.
//!
//! ```text
//! entry = length of the line (4 bytes), nanoseconds since the start of the build (8), the line,
//!         CRC32C of all that (4), the complement of the length (4)      -- numbers are big-endian
//! spool = entries, the oldest first
//! ```
//!
//! Observers read forwards. The stored result wants the newest line first, and finds the start of each entry by the
//! length behind it. A spool is not synced, so a power failure can leave any part of what was added last, with zeros in
//! the place of the rest, even amid a line. None of that passes for an entry, and a [`Scan`] says where the whole entries
//! end.
//!
//! ```
//! use builder_engine::spool::{Found, Scan, append_line, first_entry, last_entry};
//!
//! let mut spool = Vec::new();
//! append_line(&mut spool, 0, b"checking for cc");
//! append_line(&mut spool, 1_500_000_000, b"done");
//!
//! let Found::Entry(first, _) = first_entry(&spool) else { panic!("an observer begins here") };
//! assert_eq!((first.delta, first.line), (0, &b"checking for cc"[..]));
//! let Found::Entry(last, _) = last_entry(&spool) else { panic!("the stored result begins here") };
//! assert_eq!((last.delta, last.line), (1_500_000_000, &b"done"[..]));
//!
//! // A power failure left half a line behind these. What is whole is kept, and the rest is cut off.
//! let whole = spool.len();
//! spool.extend_from_slice(&[0, 0, 0, 9, 0]);
//! let mut scan = Scan::default();
//! scan.push(&spool);
//! assert_eq!(scan.whole(), whole as u64);
//! ```

use builder_proto::execution::console_entry_length;
use crc32c::{crc32c, crc32c_append};

/// The longest line that is one entry; longer ones are split, as the worker splits them.
pub use crate::limits::LINE_BYTES;

/// Bytes of an entry besides its line.
pub const ENTRY_OVERHEAD: usize = HEADER_LENGTH + TRAILER_LENGTH;
const HEADER_LENGTH: usize = 12;
const TRAILER_LENGTH: usize = 8;

/// One line of the console.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Nanoseconds from the start of the build to the line.
    pub delta: i64,
    /// The bytes of the line, without its newline.
    pub line: &'a [u8],
}

/// What stands at one end of some bytes of a spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// An entry, of that many bytes.
    Entry(Entry<'a>, usize),
    /// Part of an entry.
    Part,
    /// No entry.
    Damage,
}

/// Appends a line, printed `delta` nanoseconds after the start of the build, and says how many bytes it takes in
/// the stored result.
pub fn append_line(spool: &mut Vec<u8>, delta: i64, line: &[u8]) -> u64 {
    if line.len() <= LINE_BYTES {
        return append_entry(spool, delta, line);
    }
    line.chunks(LINE_BYTES).map(|piece| append_entry(spool, delta, piece)).sum()
}

fn append_entry(spool: &mut Vec<u8>, delta: i64, line: &[u8]) -> u64 {
    // At most LINE_BYTES.
    let length = line.len() as u32;
    let start = spool.len();
    spool.extend_from_slice(&length.to_be_bytes());
    spool.extend_from_slice(&delta.to_be_bytes());
    spool.extend_from_slice(line);
    let checksum = crc32c(spool.get(start..).unwrap_or_default());
    spool.extend_from_slice(&checksum.to_be_bytes());
    spool.extend_from_slice(&(!length).to_be_bytes());
    console_entry_length(delta, line.len() as u64)
}

/// Looks for an entry at the start of `bytes`.
pub fn first_entry(bytes: &[u8]) -> Found<'_> {
    let Some((header, rest)) = bytes.split_first_chunk::<HEADER_LENGTH>() else { return Found::Part };
    let [l0, l1, l2, l3, delta @ ..] = *header;
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if length as usize > LINE_BYTES {
        return Found::Damage;
    }
    let Some((line, rest)) = rest.split_at_checked(length as usize) else { return Found::Part };
    let Some([c0, c1, c2, c3, n0, n1, n2, n3]) = rest.first_chunk::<TRAILER_LENGTH>() else {
        return Found::Part;
    };
    let checksum = crc32c_append(crc32c(header), line).to_be_bytes();
    if checksum != [*c0, *c1, *c2, *c3] || u32::from_be_bytes([*n0, *n1, *n2, *n3]) != !length {
        return Found::Damage;
    }
    Found::Entry(Entry { delta: i64::from_be_bytes(delta), line }, line.len() + ENTRY_OVERHEAD)
}

/// Looks for an entry at the end of `bytes`.
pub fn last_entry(bytes: &[u8]) -> Found<'_> {
    let Some(complement) = bytes.last_chunk() else { return Found::Part };
    let length = !u32::from_be_bytes(*complement);
    if length as usize > LINE_BYTES {
        return Found::Damage;
    }
    let start = bytes.len().checked_sub(length as usize + ENTRY_OVERHEAD);
    match start.and_then(|start| bytes.get(start..)) {
        None => Found::Part,
        Some(entry) => match first_entry(entry) {
            Found::Part => Found::Damage,
            found => found,
        },
    }
}

/// Finds where the whole entries of a spool end, a chunk at a time.
#[derive(Debug, Default)]
pub struct Scan {
    /// Bytes seen that are not whole entries yet.
    rest: Vec<u8>,
    whole: u64,
    console_bytes: u64,
    damaged: bool,
}

impl Scan {
    /// Takes in the next bytes of the spool.
    pub fn push(&mut self, bytes: &[u8]) {
        if self.damaged {
            return;
        }
        self.rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some(bytes) = self.rest.get(at..) {
            match first_entry(bytes) {
                Found::Entry(entry, length) => {
                    self.console_bytes += console_entry_length(entry.delta, entry.line.len() as u64);
                    self.whole += length as u64;
                    at += length;
                }
                Found::Part => break,
                Found::Damage => {
                    self.damaged = true;
                    break;
                }
            }
        }
        self.rest.drain(..at);
    }

    /// Bytes of the whole entries at the start of the spool; what follows is to be cut off.
    pub fn whole(&self) -> u64 {
        self.whole
    }

    /// Bytes that these entries take in the stored result.
    pub fn console_bytes(&self) -> u64 {
        self.console_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn spool(lines: &[&[u8]]) -> Vec<u8> {
        let mut spool = Vec::new();
        for (delta, line) in (0..).zip(lines) {
            append_line(&mut spool, delta, line);
        }
        spool
    }

    fn forwards(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Found::Entry(entry, length) = first_entry(bytes) {
            lines.push(entry.line.to_vec());
            bytes = &bytes[length..];
        }
        lines
    }

    fn backwards(mut bytes: &[u8]) -> Vec<Vec<u8>> {
        let mut lines = Vec::new();
        while let Found::Entry(entry, length) = last_entry(bytes) {
            lines.push(entry.line.to_vec());
            bytes = &bytes[..bytes.len() - length];
        }
        lines
    }

    #[test]
    fn both_ends_lead_to_the_same_lines() {
        let bytes = spool(&[b"one", b"", b"\0\xff", b"last"]);
        let lines = forwards(&bytes);
        assert_eq!(lines, [&b"one"[..], b"", b"\0\xff", b"last"]);
        assert_eq!(backwards(&bytes), lines.into_iter().rev().collect::<Vec<_>>());
    }

    #[test]
    fn a_line_beyond_the_limit_is_split() {
        let bytes = spool(&[&vec![b'x'; 2 * LINE_BYTES + 1]]);
        let lengths: Vec<usize> = forwards(&bytes).iter().map(Vec::len).collect();
        assert_eq!(lengths, [LINE_BYTES, LINE_BYTES, 1]);
    }

    #[test]
    fn a_cut_at_any_byte_leaves_the_whole_entries() {
        let bytes = spool(&[b"one", b"two", b"three"]);
        let ends = [0, 23, 46, 71];
        assert_eq!(bytes.len(), 71);
        for cut in 0..=bytes.len() {
            let mut scan = Scan::default();
            scan.push(&bytes[..cut]);
            let whole = ends.iter().rev().find(|end| **end <= cut).copied().unwrap();
            assert_eq!(scan.whole(), whole as u64, "cut at {cut}");
        }
    }

    #[test]
    fn zeros_at_the_end_are_no_entries() {
        let mut bytes = spool(&[b"one"]);
        bytes.extend_from_slice(&[0; 100]);
        let mut scan = Scan::default();
        scan.push(&bytes);
        assert_eq!(scan.whole(), 23);
        assert_eq!(last_entry(&bytes), Found::Damage);
    }

    #[test]
    fn an_entry_with_a_flipped_bit_is_none_from_either_end() {
        let whole = spool(&[b"a line"]);
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!matches!(first_entry(&bytes), Found::Entry(..)), "bit {bit}");
            assert!(!matches!(last_entry(&bytes), Found::Entry(..)), "bit {bit}");
        }
    }

    #[test]
    fn a_line_with_a_hole_is_no_entry() {
        let mut bytes = spool(&[b"before", &[b'x'; 2000], b"after"]);
        let before = b"before".len() + ENTRY_OVERHEAD;
        bytes[before + 1000..before + 1512].fill(0);
        let mut scan = Scan::default();
        scan.push(&bytes);
        assert_eq!(scan.whole(), before as u64);
    }

    proptest! {
        #[test]
        fn a_scan_does_not_depend_on_the_chunks(
            lines in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 0..20),
            chunk in 1_usize..500,
        ) {
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let bytes = spool(&lines);
            let mut scan = Scan::default();
            bytes.chunks(chunk).for_each(|chunk| scan.push(chunk));
            prop_assert_eq!(scan.whole(), bytes.len() as u64);
            let stored: u64 = (0..).zip(&lines).map(|(delta, line)| console_entry_length(delta, line.len() as u64)).sum();
            prop_assert_eq!(scan.console_bytes(), stored);
        }

        #[test]
        fn any_bytes_are_safe_to_scan(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut scan = Scan::default();
            scan.push(&bytes);
            prop_assert!(scan.whole() <= bytes.len() as u64);
            let _ = last_entry(&bytes);
        }
    }
}
