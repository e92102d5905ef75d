//! A bound on what decoding may allocate.
//!
//! A Rust value takes more memory than its bytes on the wire: an empty text is two bytes there and 24 here.
//! Counting the values first keeps a message of many tiny ones from growing to many times its size.

use der::{Decode, Header, Length, Reader, SliceReader};

/// DER values in one message from whoever connects, counted at every level. Decoded, so many values stay below
/// 100 MB besides their bytes.
pub(crate) const MESSAGE_VALUES: usize = 1_000_000;

/// DER values in what comes from a server that a person chose, or from a file of their own: enough for more than
/// a million schedule items, which take ten values each.
pub(crate) const STATE_VALUES: usize = 16_000_000;

/// Whether the input holds at most so many values.
///
/// Malformed input is not judged, only counted up to the point where it stops being DER: decoding, which reads
/// the same headers in the same order, cannot get beyond that point either.
pub(crate) fn is_within_budget(input: &[u8], values: usize) -> bool {
    count_values(input, values + 1).is_none_or(|count| count <= values)
}

/// Counts values, up to `limit`; `None` when the input is not DER from end to end.
fn count_values(input: &[u8], limit: usize) -> Option<usize> {
    let mut reader = SliceReader::new(input).ok()?;
    let mut count = 0;
    while count < limit && !reader.is_finished() {
        let header = Header::decode(&mut reader).ok()?;
        count += 1;
        // What a constructed value holds is walked like what follows it: levels do not matter for the sum.
        let skipped = if header.is_constructed() { Length::ZERO } else { header.length() };
        reader.read_slice(skipped).ok()?;
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_at_every_level() {
        assert_eq!(count_values(b"", 10), Some(0));
        assert_eq!(count_values(b"\x30\x04\x0c\x00\x30\x00", 10), Some(3));
        assert_eq!(count_values(b"\xa5\x04\x30\x02\x05\x00", 10), Some(3));
        assert_eq!(count_values(b"\x0c\x04\x30\x02\x05\x00", 10), Some(1));
    }

    #[test]
    fn counting_stops_at_the_limit() {
        assert_eq!(count_values(&[5, 0].repeat(100), 10), Some(10));
    }

    #[test]
    fn what_is_not_der_is_left_to_decoding() {
        assert_eq!(count_values(b"\x0c\x05abc", 10), None);
        assert!(is_within_budget(b"\x0c\x84\xff\xff\xff\xff", 10));
    }
}
