//! Times in DER.
//!
//! The `der` crate's own GeneralizedTime begins in 1970, has no fractions and cannot hold
//! 9999-12-31T23:59:59.999Z, all of which builder 0.4.0 writes.

use super::calendar::Civil;
use super::digits::{take_milliseconds, take_number, take_pair};
use super::moment::Time;
use der::{Choice, Decode, EncodeValue, ErrorKind, Header, Length, Reader, Tag, Tagged, Writer};

/// `YYYYMMDDHHMMSS.mmmZ`.
const LONGEST: usize = 19;

/// `UTCTime` or `GeneralizedTime`.
impl<'a> Choice<'a> for Time {
    fn can_decode(tag: Tag) -> bool {
        matches!(tag, Tag::UtcTime | Tag::GeneralizedTime)
    }
}

impl<'a> Decode<'a> for Time {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        let header = Header::decode(reader)?;
        let parse = match header.tag() {
            Tag::GeneralizedTime => parse_generalized_time,
            Tag::UtcTime => parse_utc_time,
            actual => return Err(reader.error(ErrorKind::TagUnexpected { expected: None, actual })),
        };
        let bytes = reader.read_slice(header.length())?;
        parse(bytes).ok_or_else(|| reader.error(ErrorKind::DateTime))
    }
}

/// Always written as `GeneralizedTime`.
impl Tagged for Time {
    fn tag(&self) -> Tag {
        Tag::GeneralizedTime
    }
}

impl EncodeValue for Time {
    fn value_len(&self) -> der::Result<Length> {
        let has_fraction = self.unix_milliseconds().rem_euclid(1000) != 0;
        Length::try_from(if has_fraction { LONGEST } else { LONGEST - ".mmm".len() })
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        let civil = Civil::from(*self);
        write_digits::<4>(writer, civil.year)?;
        for part in [civil.month, civil.day, civil.hour, civil.minute, civil.second] {
            write_digits::<2>(writer, part.into())?;
        }
        if civil.millisecond != 0 {
            writer.write(b".")?;
            write_digits::<3>(writer, civil.millisecond)?;
        }
        writer.write(b"Z")
    }
}

/// Writes the last `N` decimal digits of a number.
fn write_digits<const N: usize>(writer: &mut impl Writer, mut number: u16) -> der::Result<()> {
    let mut digits = [b'0'; N];
    for digit in digits.iter_mut().rev() {
        *digit += (number % 10) as u8;
        number /= 10;
    }
    writer.write(&digits)
}

/// `YYYYMMDDHHMMSS`, perhaps a fraction, `Z`.
fn parse_generalized_time(mut text: &[u8]) -> Option<Time> {
    let year = take_number(&mut text, 4)?;
    let minute = take_up_to_minute(year, &mut text)?;
    let second = take_pair(&mut text)?;
    let millisecond = match text.strip_prefix(b".") {
        Some(fraction) => {
            text = fraction;
            take_milliseconds(&mut text)?
        }
        None => 0,
    };
    if text == b"Z" { Civil { second, millisecond, ..minute }.to_time() } else { None }
}

/// `YYMMDDHHMM`, perhaps the second, `Z`. Years below 50 are in this century.
fn parse_utc_time(mut text: &[u8]) -> Option<Time> {
    let year = take_number(&mut text, 2)?;
    let year = if year < 50 { 2000 + year } else { 1900 + year };
    let minute = take_up_to_minute(year, &mut text)?;
    let second = if text == b"Z" { 0 } else { take_pair(&mut text)? };
    if text == b"Z" { Civil { second, ..minute }.to_time() } else { None }
}

/// `MMDDHHMM`.
fn take_up_to_minute(year: u16, text: &mut &[u8]) -> Option<Civil> {
    let month = take_pair(text)?;
    let day = take_pair(text)?;
    let hour = take_pair(text)?;
    let minute = take_pair(text)?;
    Some(Civil { year, month, day, hour, minute, second: 0, millisecond: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Encode;

    fn decode(tag: u8, text: &str) -> Option<String> {
        let mut bytes = vec![tag, u8::try_from(text.len()).unwrap()];
        bytes.extend_from_slice(text.as_bytes());
        Time::from_der(&bytes).ok().map(|time| time.to_string())
    }

    #[test]
    fn generalized_times_are_read() {
        let decode = |text| decode(0x18, text);
        assert_eq!(decode("20260102030405Z").unwrap(), "2026-01-02T03:04:05Z");
        assert_eq!(decode("20260102030405.000Z").unwrap(), "2026-01-02T03:04:05Z");
        assert_eq!(decode("20260102030405.25Z").unwrap(), "2026-01-02T03:04:05.250Z");
        assert_eq!(decode("00000101000000Z").unwrap(), "0000-01-01T00:00:00Z");
        for bad in [
            "",
            "Z",
            "20260102030405",
            "20260102030405.Z",
            "20260102030405,5Z",
            "20260102030405.5aZ",
            "2026010203040Z",
            "202601020304050Z",
            "20261302030405Z",
            "20260102030405+0100",
            "2026010203040 Z",
        ] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn utc_times_are_read() {
        let decode = |text| decode(0x17, text);
        assert_eq!(decode("490102030405Z").unwrap(), "2049-01-02T03:04:05Z");
        assert_eq!(decode("500102030405Z").unwrap(), "1950-01-02T03:04:05Z");
        assert_eq!(decode("2601020304Z").unwrap(), "2026-01-02T03:04:00Z");
        for bad in ["260102030405", "2601020304", "260102030405.5Z", "26010203Z", "261302030405Z"] {
            assert_eq!(decode(bad), None, "{bad}");
        }
    }

    #[test]
    fn times_are_written_with_three_digits_or_none() {
        let encoded = |milliseconds| Time::from_unix_milliseconds(milliseconds).to_der().unwrap();
        assert_eq!(encoded(0), b"\x18\x0f19700101000000Z");
        assert_eq!(encoded(-1), b"\x18\x1319691231235959.999Z");
        assert_eq!(encoded(1_767_323_045_070), b"\x18\x1320260102030405.070Z");
        assert_eq!(Time::NEVER.to_der().unwrap(), b"\x18\x1399991231235959.999Z");
    }
}
