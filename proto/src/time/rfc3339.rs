//! Reading and printing RFC 3339.

use super::calendar::Civil;
use super::digits::{take_milliseconds, take_number, take_pair};
use super::moment::Time;
use core::fmt;

/// Why a time could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeError {
    /// Not in the form of RFC 3339.
    Form,
    /// There is no zone after the time.
    Zone,
    /// A part, such as the month, is out of range; or the whole, outside the years 0000 to 9999.
    Range,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TimeError::Form => f.write_str("not a time; write it like 2026-01-02T03:04:05Z"),
            TimeError::Zone => {
                f.write_str("the time has no zone; end it with Z or an offset, like 2026-01-02T03:04:05Z")
            }
            TimeError::Range => f.write_str("there is no such date or time of day in the years 0000 to 9999"),
        }
    }
}

impl core::error::Error for TimeError {}

impl Time {
    /// Reads RFC 3339, such as `2026-01-02T03:04:05Z` or `2026-01-02 04:04:05.250+01:00`.
    ///
    /// The zone must be there. Digits below a millisecond are cut off.
    ///
    /// # Errors
    ///
    /// [`TimeError`] says which form is expected, or which part is out of range.
    pub fn parse_rfc3339(text: &str) -> Result<Time, TimeError> {
        parse(text)
    }
}

/// RFC 3339 in UTC: `2026-01-02T03:04:05Z`, with three digits more when the milliseconds are not zero.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let civil = Civil::from(*self);
        write!(f, "{:04}-{:02}-{:02}", civil.year, civil.month, civil.day)?;
        write!(f, "T{:02}:{:02}:{:02}", civil.hour, civil.minute, civil.second)?;
        if civil.millisecond != 0 {
            write!(f, ".{:03}", civil.millisecond)?;
        }
        f.write_str("Z")
    }
}

fn parse(text: &str) -> Result<Time, TimeError> {
    let mut rest = text.as_bytes();
    let local = take_civil(&mut rest)?.to_time().ok_or(TimeError::Range)?;
    let milliseconds = local.unix_milliseconds() - take_zone(&mut rest)? * 60_000;
    if !rest.is_empty() {
        return Err(TimeError::Form);
    }
    let utc = Time::from_unix_milliseconds(milliseconds);
    if utc.unix_milliseconds() == milliseconds { Ok(utc) } else { Err(TimeError::Range) }
}

/// Takes everything but the zone.
fn take_civil(text: &mut &[u8]) -> Result<Civil, TimeError> {
    let year = take_number(text, 4).ok_or(TimeError::Form)?;
    expect(text, b"-")?;
    let month = take_pair(text).ok_or(TimeError::Form)?;
    expect(text, b"-")?;
    let day = take_pair(text).ok_or(TimeError::Form)?;
    expect(text, b"Tt ")?;
    let hour = take_pair(text).ok_or(TimeError::Form)?;
    expect(text, b":")?;
    let minute = take_pair(text).ok_or(TimeError::Form)?;
    expect(text, b":")?;
    let second = take_pair(text).ok_or(TimeError::Form)?;
    let millisecond = match expect(text, b".") {
        Ok(()) => take_milliseconds(text).ok_or(TimeError::Form)?,
        Err(_) => 0,
    };
    Ok(Civil { year, month, day, hour, minute, second, millisecond })
}

/// Takes one byte, which must be one of `choices`.
fn expect(text: &mut &[u8], choices: &[u8]) -> Result<(), TimeError> {
    match text.split_first() {
        Some((byte, rest)) if choices.contains(byte) => {
            *text = rest;
            Ok(())
        }
        _ => Err(TimeError::Form),
    }
}

/// Takes the zone, and returns how many minutes it is ahead of UTC.
fn take_zone(text: &mut &[u8]) -> Result<i64, TimeError> {
    let (sign, rest) = text.split_first().ok_or(TimeError::Zone)?;
    *text = rest;
    match sign {
        b'Z' | b'z' => Ok(0),
        b'+' => take_offset(text),
        b'-' => take_offset(text).map(|minutes| -minutes),
        _ => Err(TimeError::Form),
    }
}

fn take_offset(text: &mut &[u8]) -> Result<i64, TimeError> {
    let hours = take_pair(text).ok_or(TimeError::Form)?;
    expect(text, b":")?;
    let minutes = take_pair(text).ok_or(TimeError::Form)?;
    if hours < 24 && minutes < 60 {
        Ok(i64::from(hours) * 60 + i64::from(minutes))
    } else {
        Err(TimeError::Range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(text: &str) -> String {
        parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).to_string()
    }

    #[test]
    fn zones_and_fractions_are_understood() {
        assert_eq!(utc("2026-01-02T03:04:05Z"), "2026-01-02T03:04:05Z");
        assert_eq!(utc("2026-01-02 03:04:05z"), "2026-01-02T03:04:05Z");
        assert_eq!(utc("2026-01-02t03:04:05.5Z"), "2026-01-02T03:04:05.500Z");
        assert_eq!(utc("2026-01-02T03:04:05.1239999999Z"), "2026-01-02T03:04:05.123Z");
        assert_eq!(utc("2026-01-01T00:30:00+01:00"), "2025-12-31T23:30:00Z");
        assert_eq!(utc("2024-02-29T23:30:00-00:45"), "2024-03-01T00:15:00Z");
        assert_eq!(utc("9999-12-31T23:59:59.999Z"), Time::NEVER.to_string());
    }

    #[test]
    fn other_forms_are_refused_with_a_reason() {
        for text in [
            "",
            "tomorrow",
            "2026-01-02",
            "2026-1-2T03:04:05Z",
            "2026-01-02T03:04Z",
            "2026-01-02T03:04:05.Z",
            "2026-01-02T03:04:05Zjunk",
            "2026-01-02T03:04:05+0100",
            "+026-01-02T03:04:05Z",
            "２026-01-02T03:04:05Z",
        ] {
            assert_eq!(parse(text), Err(TimeError::Form), "{text}");
        }
        for text in ["2026-01-02T03:04:05", "2026-01-02T03:04:05.25"] {
            assert_eq!(parse(text), Err(TimeError::Zone), "{text}");
        }
        for text in [
            "2026-13-02T03:04:05Z",
            "2023-02-29T03:04:05Z",
            "2026-01-02T24:04:05Z",
            "2026-01-02T03:04:60Z",
            "2026-01-02T03:04:05+24:00",
            "9999-12-31T23:59:59-00:01",
            "0000-01-01T00:00:00+00:01",
        ] {
            assert_eq!(parse(text), Err(TimeError::Range), "{text}");
        }
    }

    #[test]
    fn milliseconds_are_printed_when_there_are_any() {
        assert_eq!(Time::from_unix_milliseconds(1_767_323_045_000).to_string(), "2026-01-02T03:04:05Z");
        assert_eq!(Time::from_unix_milliseconds(1_767_323_045_007).to_string(), "2026-01-02T03:04:05.007Z");
        assert_eq!(Time::from_unix_milliseconds(-750).to_string(), "1969-12-31T23:59:59.250Z");
    }
}
