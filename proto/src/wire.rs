//! How values are spelled in DER where that differs from what the `der` crate does by itself.
//!
//! [`RawUuid`] is public for those who store uuids in records of their own.

use crate::Uuid;
use crate::text::Text;
use der::asn1::Null;
use der::{
    Decode, DecodeValue, Encode, EncodeValue, Error, ErrorKind, FixedTag, Header, Length, Reader, Tag,
    TagNumber, Writer,
};

/// An INTEGER of at most 63 bits: what an `int` of OCaml holds, so what builder 0.4.0 can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Integer(pub(crate) i64);

impl Integer {
    /// The smallest number on the wire.
    pub(crate) const MIN: Integer = Integer(-(1 << 62));
    /// The greatest number on the wire.
    pub(crate) const MAX: Integer = Integer((1 << 62) - 1);

    fn check(self) -> der::Result<Integer> {
        if (Integer::MIN..=Integer::MAX).contains(&self) {
            Ok(self)
        } else {
            Err(ErrorKind::Value { tag: Tag::Integer }.into())
        }
    }
}

impl FixedTag for Integer {
    const TAG: Tag = Tag::Integer;
}

impl<'a> DecodeValue<'a> for Integer {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        // The der crate calls whatever it has no room for an integer that is not in its shortest form.
        if u32::from(header.length()) as usize > size_of::<i64>() {
            return Err(reader.error(ErrorKind::Value { tag: Tag::Integer }));
        }
        Integer(i64::decode_value(reader, header)?).check().map_err(|error| reader.error(error.kind()))
    }
}

impl EncodeValue for Integer {
    fn value_len(&self) -> der::Result<Length> {
        self.check()?.0.value_len()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        self.check()?.0.encode_value(writer)
    }
}

/// A uuid as its 16 raw bytes with the tag of a UTF8String.
///
/// ```
/// use builder_proto::Uuid;
/// use builder_proto::wire::RawUuid;
/// use der::{Decode, Encode};
///
/// let bytes = RawUuid(Uuid::from_bytes([7; 16])).to_der()?;
/// assert_eq!(bytes[..2], [0x0c, 16]);
/// assert_eq!(RawUuid::from_der(&bytes)?.0, Uuid::from_bytes([7; 16]));
/// # Ok::<(), der::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RawUuid(pub Uuid);

impl FixedTag for RawUuid {
    const TAG: Tag = Tag::Utf8String;
}

impl<'a> DecodeValue<'a> for RawUuid {
    type Error = Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        let bytes = reader.read_slice(header.length())?;
        Uuid::from_slice(bytes).map(RawUuid).map_err(|_| reader.error(ErrorKind::Length { tag: Self::TAG }))
    }
}

impl EncodeValue for RawUuid {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.0.as_bytes().len())
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(self.0.as_bytes())
    }
}

/// The EXPLICIT context-specific tag that selects one alternative of a CHOICE.
pub(crate) const fn explicit_tag(number: u32) -> Tag {
    Tag::ContextSpecific { constructed: true, number: TagNumber(number) }
}

/// The number of an [`explicit_tag`].
///
/// # Errors
///
/// `TagUnexpected` when the tag is of another class or not constructed.
pub(crate) fn explicit_number(tag: Tag) -> der::Result<u32> {
    match tag {
        Tag::ContextSpecific { constructed: true, number } => Ok(number.value()),
        actual => Err(ErrorKind::TagUnexpected { expected: None, actual }.into()),
    }
}

/// The error for a number that selects no alternative.
pub(crate) fn unknown_alternative<'a, R: Reader<'a>>(number: u32, inside: &mut R) -> Error {
    inside.error(ErrorKind::TagUnexpected { expected: None, actual: explicit_tag(number) })
}

/// Reads one alternative of a CHOICE: `decode` gets the number in the tag and a reader of what is inside.
///
/// # Errors
///
/// Whatever `decode` says, and bytes that it leaves behind.
pub(crate) fn decode_choice<'a, R: Reader<'a>, T>(
    reader: &mut R,
    decode: impl FnOnce(u32, &mut R) -> der::Result<T>,
) -> der::Result<T> {
    let header = Header::decode(reader)?;
    let number = explicit_number(header.tag()).map_err(|error| reader.error(error.kind()))?;
    reader.read_nested(header.length(), |inner| decode(number, inner))
}

/// Reads a text without copying it.
pub(crate) fn read_bytes<'a, R: Reader<'a>>(reader: &mut R) -> der::Result<&'a [u8]> {
    let header = Header::decode(reader)?;
    header.tag().assert_eq(Text::TAG).map_err(|error| reader.error(error.kind()))?;
    reader.read_slice(header.length())
}

/// Reads an alternative that consists of its tag alone.
pub(crate) fn decode_null<'a, R: Reader<'a>, T>(reader: &mut R, value: T) -> der::Result<T> {
    Null::decode(reader).map(|_| value)
}

/// Bytes of an alternative that consists of its tag alone, without that tag.
pub(crate) fn null_length() -> der::Result<Length> {
    Null.encoded_len()
}

/// Writes what is inside an alternative that consists of its tag alone.
pub(crate) fn encode_null(writer: &mut impl Writer) -> der::Result<()> {
    Null.encode(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_stay_within_63_bits() {
        for number in [Integer::MIN, Integer(-129), Integer(0), Integer(128), Integer::MAX] {
            assert_eq!(Integer::from_der(&number.to_der().unwrap()), Ok(number));
        }
        for number in [i64::MIN, Integer::MIN.0 - 1, Integer::MAX.0 + 1, i64::MAX] {
            assert!(Integer(number).to_der().is_err());
            assert!(Integer::from_der(&number.to_der().unwrap()).is_err());
        }
    }

    #[test]
    fn integers_of_any_length_are_told_from_those_in_a_longer_form() {
        let refusal = |bytes| Integer::from_der(bytes).unwrap_err().kind();
        let too_great = ErrorKind::Value { tag: Tag::Integer };
        assert_eq!(refusal(b"\x02\x08\x40\0\0\0\0\0\0\0"), too_great);
        assert_eq!(refusal(b"\x02\x09\x40\0\0\0\0\0\0\0\0"), too_great);
        assert_eq!(refusal(b"\x02\x02\0\x40"), ErrorKind::Noncanonical { tag: Tag::Integer });
    }

    #[test]
    fn a_uuid_has_exactly_16_bytes() {
        let uuid = RawUuid(Uuid::from_u128(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef));
        let bytes = uuid.to_der().unwrap();
        assert_eq!(bytes.len(), 18);
        assert_eq!(RawUuid::from_der(&bytes), Ok(uuid));
        for length in [0, 15, 17] {
            let mut bytes = vec![0x0c, length];
            bytes.resize(2 + usize::from(length), b'u');
            let error = RawUuid::from_der(&bytes).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Length { tag: Tag::Utf8String });
        }
    }
}
