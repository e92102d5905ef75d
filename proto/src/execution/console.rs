//! One line of a stored console: `SEQUENCE { delta INTEGER, line Text }`.

use crate::header::{Header, INTEGER, SEQUENCE, UTF8_STRING};
use crate::malformed::{Fit, Problem, check_header};
use crate::wire::Integer;

/// Bytes from the start of an entry to the start of its line, at most.
pub(crate) const ENTRY_PREFIX_BYTES: usize = 30;

/// What builder 0.4.0 can hold: integers of 63 bits.
const DELTA_MIN: i64 = Integer::MIN.0;
const DELTA_MAX: i64 = Integer::MAX.0;

/// Appends one line as it is stored.
///
/// `delta_nanoseconds` counts from the start of the job. It is held within 63 bits, 146 years either way,
/// because builder 0.4.0 reads no more.
pub fn append_console_entry(output: &mut Vec<u8>, delta_nanoseconds: i64, line: &[u8]) {
    let delta = DeltaBytes::new(delta_nanoseconds);
    let line_header = Header { tag: UTF8_STRING, length: line.len() as u64 };
    Header { tag: SEQUENCE, length: content_length(delta, line_header) }.append_to(output);
    Header { tag: INTEGER, length: delta.count as u64 }.append_to(output);
    output.extend_from_slice(delta.as_slice());
    line_header.append_to(output);
    output.extend_from_slice(line);
}

/// Bytes that [`append_console_entry`] appends for a line of `line_length` bytes.
#[must_use]
pub fn console_entry_length(delta_nanoseconds: i64, line_length: u64) -> u64 {
    let line_header = Header { tag: UTF8_STRING, length: line_length };
    let length = content_length(DeltaBytes::new(delta_nanoseconds), line_header);
    Header { tag: SEQUENCE, length }.total_length().unwrap_or(u64::MAX)
}

fn content_length(delta: DeltaBytes, line: Header) -> u64 {
    line.total_length().unwrap_or(u64::MAX).saturating_add(2 + delta.count as u64)
}

/// The shortest two's complement form of a delta.
#[derive(Clone, Copy)]
struct DeltaBytes {
    bytes: [u8; 8],
    count: usize,
}

impl DeltaBytes {
    fn new(delta: i64) -> Self {
        let delta = delta.clamp(DELTA_MIN, DELTA_MAX);
        let magnitude_bits = u64::BITS - (delta ^ (delta >> 63)).leading_zeros();
        let count = (magnitude_bits + 1).div_ceil(u8::BITS) as usize;
        Self { bytes: delta.to_be_bytes(), count }
    }

    fn as_slice(&self) -> &[u8] {
        self.bytes.get(self.bytes.len() - self.count..).unwrap_or_default()
    }
}

/// Where the line of an entry is, and when it was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) delta_nanoseconds: i64,
    /// Bytes from the start of the entry to its line.
    pub(crate) prefix_length: usize,
    pub(crate) line_length: u64,
}

impl Entry {
    /// Reads an entry from its first [`ENTRY_PREFIX_BYTES`] bytes, or fewer where the console ends before;
    /// `room` is what is left of the console.
    pub(crate) fn parse(prefix: &[u8], room: u64) -> Result<Self, Problem> {
        let mut rest = prefix;
        let entry = take_header(&mut rest, SEQUENCE, room, Fit::Within)?;
        let delta = take_header(&mut rest, INTEGER, entry.length, Fit::Within)?;
        let room = entry.length.saturating_sub(delta.total_length().unwrap_or(u64::MAX));
        let delta_nanoseconds = take_integer(&mut rest, delta.length)?;
        let line = take_header(&mut rest, UTF8_STRING, room, Fit::Exactly)?;
        Ok(Self { delta_nanoseconds, prefix_length: prefix.len() - rest.len(), line_length: line.length })
    }

    /// Bytes of the whole entry.
    pub(crate) fn length(&self) -> u64 {
        self.line_length.saturating_add(self.prefix_length as u64)
    }
}

fn take_header(rest: &mut &[u8], tag: u8, room: u64, fit: Fit) -> Result<Header, Problem> {
    let (header, length) = Header::parse(rest).map_err(Problem::Header)?.ok_or(Problem::EndsEarly)?;
    check_header(header, tag, room, fit)?;
    *rest = rest.get(length..).unwrap_or_default();
    Ok(header)
}

fn take_integer(rest: &mut &[u8], length: u64) -> Result<i64, Problem> {
    let length = usize::try_from(length).ok().filter(|length| (1..=8).contains(length));
    let (content, tail) = rest.split_at_checked(length.ok_or(Problem::Integer)?).ok_or(Problem::EndsEarly)?;
    if let [0x00, 0x00..=0x7f, ..] | [0xff, 0x80..=0xff, ..] = content {
        return Err(Problem::Integer);
    }
    *rest = tail;
    let sign = if content.first().is_some_and(|first| *first >= 0x80) { -1 } else { 0 };
    let value = content.iter().fold(sign, |value, &byte| (value << 8) | i64::from(byte));
    if (DELTA_MIN..=DELTA_MAX).contains(&value) { Ok(value) } else { Err(Problem::Integer) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(delta: i64, line: &[u8]) -> Vec<u8> {
        let mut output = Vec::new();
        append_console_entry(&mut output, delta, line);
        output
    }

    #[test]
    fn an_entry_is_written_as_builder_0_4_0_writes_it() {
        assert_eq!(entry(0, b"hello"), *b"\x30\x0a\x02\x01\x00\x0c\x05hello");
        assert_eq!(entry(10_000_000, b"end"), *b"\x30\x0b\x02\x04\x00\x98\x96\x80\x0c\x03end");
        assert_eq!(entry(-1, b""), *b"\x30\x05\x02\x01\xff\x0c\x00");
        assert_eq!(entry(-129, b""), *b"\x30\x06\x02\x02\xff\x7f\x0c\x00");
    }

    #[test]
    fn a_delta_beyond_63_bits_is_held_at_the_bound() {
        assert_eq!(entry(i64::MAX, b""), entry(DELTA_MAX, b""));
        assert_eq!(entry(i64::MIN, b""), entry(DELTA_MIN, b""));
    }

    #[test]
    fn entries_that_der_forbids_are_refused() {
        for (bytes, problem) in [
            (&b""[..], Problem::EndsEarly),
            (b"\x31\x05\x02\x01\x00\x0c\x00", Problem::UnexpectedTag(0x31)),
            (b"\x30\x05\x03\x01\x00\x0c\x00", Problem::UnexpectedTag(3)),
            (b"\x30\x05\x02\x01\x00\x04\x00", Problem::UnexpectedTag(4)),
            (b"\x30\x06\x02\x01\x00\x0c\x00", Problem::LongerThanParent),
            (b"\x30\x04\x02\x01\x00\x0c\x00", Problem::LongerThanParent),
            (b"\x30\x05\x02\x01\x00\x0c\x01", Problem::LongerThanParent),
            (b"\x30\x06\x02\x01\x00\x0c\x00\x00", Problem::ShorterThanParent),
            (b"\x30\x04\x02\x00\x0c\x00", Problem::Integer),
            (b"\x30\x06\x02\x02\x00\x7f\x0c\x00", Problem::Integer),
            (b"\x30\x06\x02\x02\xff\x80\x0c\x00", Problem::Integer),
            (b"\x30\x0c\x02\x08\x40\x00\x00\x00\x00\x00\x00\x00\x0c\x00", Problem::Integer),
            (b"\x30\x0d\x02\x09\x01\x00\x00\x00\x00\x00\x00\x00\x00\x0c\x00", Problem::Integer),
        ] {
            assert_eq!(Entry::parse(bytes, bytes.len() as u64), Err(problem), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(delta in DELTA_MIN..=DELTA_MAX, shift in 0..63, length in 0_usize..70_000) {
            let delta = delta >> shift;
            let bytes = entry(delta, &vec![b'x'; length]);
            prop_assert_eq!(bytes.len() as u64, console_entry_length(delta, length as u64));
            let prefix = &bytes[..bytes.len().min(ENTRY_PREFIX_BYTES)];
            let parsed = Entry::parse(prefix, bytes.len() as u64).unwrap();
            prop_assert_eq!(parsed.delta_nanoseconds, delta);
            prop_assert_eq!(parsed.line_length, length as u64);
            prop_assert_eq!(parsed.length(), bytes.len() as u64);
        }
    }
}
