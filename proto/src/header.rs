//! Tag and length before a DER value, with lengths of up to 64 bits.
//!
//! The `der` crate counts in 32 bits, which is too little for artifacts of 4 GiB and more, and wants a value
//! whole. The headers around everything that is streamed are therefore written and read here.

use core::fmt;

/// Bytes of the longest header: tag, length of the length, eight bytes of length.
pub(crate) const HEADER_BYTES: usize = 10;

/// Tag of an INTEGER.
pub(crate) const INTEGER: u8 = 0x02;
/// Tag of a UTF8String.
pub const UTF8_STRING: u8 = 0x0c;
/// Tag of a SEQUENCE and of a SEQUENCE OF.
pub const SEQUENCE: u8 = 0x30;

/// The tag of alternative `number` of a CHOICE with EXPLICIT tags. Numbers above 30 do not fit; none is in use.
#[must_use]
pub(crate) const fn context(number: u8) -> u8 {
    0xa0 | (number & 0x1f)
}

/// Tag and length of one DER value.
///
/// ```
/// use builder_proto::header::{Header, SEQUENCE};
///
/// let header = Header { tag: SEQUENCE, length: 300 };
/// let mut bytes = Vec::new();
/// header.append_to(&mut bytes);
/// assert_eq!(bytes, [0x30, 0x82, 0x01, 0x2c]);
/// assert_eq!(Header::parse(&bytes)?, Some((header, 4)));
/// assert_eq!(Header::parse(&bytes[..3])?, None, "it goes on");
/// assert_eq!(header.total_length(), Some(304));
/// # Ok::<(), builder_proto::header::HeaderError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The identifier byte: class, constructed bit and number.
    pub tag: u8,
    /// Bytes of the content that follows.
    pub length: u64,
}

/// Why bytes are not a DER header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderError {
    /// The tag takes more than one byte.
    LongTag,
    /// The length is left open, as BER allows and DER does not.
    IndefiniteLength,
    /// The length would fit into fewer bytes.
    NotMinimal,
    /// The length takes more than eight bytes.
    LongLength,
}

impl Header {
    /// Bytes of the header itself.
    #[must_use]
    pub const fn encoded_length(self) -> u64 {
        if self.length < 0x80 { 2 } else { 2 + significant_bytes(self.length) as u64 }
    }

    /// Bytes of header and content together, or `None` beyond 64 bits.
    #[must_use]
    pub const fn total_length(self) -> Option<u64> {
        self.encoded_length().checked_add(self.length)
    }

    /// Writes the header, with the shortest form of the length.
    pub fn append_to(self, output: &mut Vec<u8>) {
        output.push(self.tag);
        let bytes = self.length.to_be_bytes();
        match bytes {
            [0, 0, 0, 0, 0, 0, 0, length @ 0..0x80] => output.push(length),
            _ => {
                let count = significant_bytes(self.length);
                output.push(0x80 | count as u8);
                output.extend(bytes.iter().skip(bytes.len() - count));
            }
        }
    }

    /// Reads the header that `prefix` starts with, and says how many bytes it takes.
    ///
    /// `None` means that the header goes on behind the prefix; with ten bytes that cannot happen.
    ///
    /// # Errors
    ///
    /// Refuses what no continuation could make a DER header.
    pub fn parse(prefix: &[u8]) -> Result<Option<(Self, usize)>, HeaderError> {
        let Some((&tag, rest)) = prefix.split_first() else { return Ok(None) };
        if tag & 0x1f == 0x1f {
            return Err(HeaderError::LongTag);
        }
        let Some((&first, rest)) = rest.split_first() else { return Ok(None) };
        if first < 0x80 {
            return Ok(Some((Self { tag, length: u64::from(first) }, 2)));
        }
        let count = usize::from(first & 0x7f);
        match (count, rest.first()) {
            (0, _) => return Err(HeaderError::IndefiniteLength),
            (9.., _) => return Err(HeaderError::LongLength),
            (1, Some(0..0x80)) | (_, Some(0)) => return Err(HeaderError::NotMinimal),
            _ => {}
        }
        let Some(bytes) = rest.get(..count) else { return Ok(None) };
        let length = bytes.iter().fold(0, |length, &byte| (length << 8) | u64::from(byte));
        Ok(Some((Self { tag, length }, 2 + count)))
    }
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LongTag => "the tag takes more than one byte",
            Self::IndefiniteLength => "the length is indefinite, which DER forbids",
            Self::NotMinimal => "the length is not written in the fewest bytes",
            Self::LongLength => "the length takes more than eight bytes",
        })
    }
}

impl core::error::Error for HeaderError {}

const fn significant_bytes(length: u64) -> usize {
    (u64::BITS - length.leading_zeros()).div_ceil(u8::BITS) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(tag: u8, length: u64) -> Vec<u8> {
        let mut output = Vec::new();
        Header { tag, length }.append_to(&mut output);
        output
    }

    #[test]
    fn lengths_take_the_fewest_bytes() {
        assert_eq!(encoded(SEQUENCE, 0), [0x30, 0]);
        assert_eq!(encoded(SEQUENCE, 0x7f), [0x30, 0x7f]);
        assert_eq!(encoded(SEQUENCE, 0x80), [0x30, 0x81, 0x80]);
        assert_eq!(encoded(SEQUENCE, 0xff), [0x30, 0x81, 0xff]);
        assert_eq!(encoded(SEQUENCE, 0x100), [0x30, 0x82, 1, 0]);
        assert_eq!(encoded(SEQUENCE, 1 << 32), [0x30, 0x85, 1, 0, 0, 0, 0]);
        assert_eq!(encoded(SEQUENCE, u64::MAX).len(), HEADER_BYTES);
    }

    #[test]
    fn what_der_forbids_is_refused() {
        for (bytes, error) in [
            (&[0x1f, 0x20, 0][..], HeaderError::LongTag),
            (&[0xbf, 0x20, 0], HeaderError::LongTag),
            (&[0x30, 0x80], HeaderError::IndefiniteLength),
            (&[0x30, 0x81, 0x7f], HeaderError::NotMinimal),
            (&[0x30, 0x82, 0x00], HeaderError::NotMinimal),
            (&[0x30, 0x89], HeaderError::LongLength),
            (&[0x30, 0xff], HeaderError::LongLength),
        ] {
            assert_eq!(Header::parse(bytes), Err(error), "{bytes:02x?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(tag in 0_u8..0x1f, length in any::<u64>(), shift in 0_u32..64) {
            let header = Header { tag, length: length >> shift };
            let mut bytes = encoded(header.tag, header.length);
            prop_assert_eq!(bytes.len() as u64, header.encoded_length());
            for end in 0..bytes.len() {
                prop_assert_eq!(Header::parse(&bytes[..end]), Ok(None), "a prefix is incomplete");
            }
            let length = bytes.len();
            bytes.push(0xff);
            prop_assert_eq!(Header::parse(&bytes), Ok(Some((header, length))));
        }

        #[test]
        fn what_is_read_is_written_the_same(bytes in prop::collection::vec(any::<u8>(), HEADER_BYTES)) {
            if let Ok(header) = Header::parse(&bytes) {
                let (header, length) = header.expect("ten bytes hold a whole header");
                prop_assert_eq!(encoded(header.tag, header.length), &bytes[..length]);
            }
        }
    }
}
