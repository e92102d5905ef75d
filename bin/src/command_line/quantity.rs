//! Sizes and times as people write them.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A number of bytes, written like `512K` or `4GiB`. The units are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// Why a word is no [`ByteSize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByteSizeError {
    /// Not a number with a known unit.
    Form,
    /// More than 64 bits.
    TooBig,
}

impl fmt::Display for ByteSizeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ByteSizeError::Form => "not a size; write it like 4096, 512K or 4GiB",
            ByteSizeError::TooBig => "a size must be below 16777216 TiB",
        })
    }
}

impl std::error::Error for ByteSizeError {}

impl FromStr for ByteSize {
    type Err = ByteSizeError;

    fn from_str(word: &str) -> Result<ByteSize, ByteSizeError> {
        let end = word.find(|character: char| !character.is_ascii_digit()).unwrap_or(word.len());
        let (digits, unit) = word.split_at(end);
        // Decimal units, such as GB, are not there: half of their users would mean the others.
        let shift = match unit {
            "" | "B" => 0,
            "K" | "KiB" => 10,
            "M" | "MiB" => 20,
            "G" | "GiB" => 30,
            "T" | "TiB" => 40,
            _ => return Err(ByteSizeError::Form),
        };
        if digits.is_empty() {
            return Err(ByteSizeError::Form);
        }
        let number = digits.parse::<u64>().map_err(|_| ByteSizeError::TooBig)?;
        number.checked_mul(1 << shift).map(ByteSize).ok_or(ByteSizeError::TooBig)
    }
}

/// A span of time, written like `90s` or `1h 30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

/// Why a word is no [`TimeSpan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSpanError;

impl fmt::Display for TimeSpanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a span of time; write it like 90s, 15m or 1h30m")
    }
}

impl std::error::Error for TimeSpanError {}

impl FromStr for TimeSpan {
    type Err = TimeSpanError;

    fn from_str(word: &str) -> Result<TimeSpan, TimeSpanError> {
        humantime::parse_duration(word).map(TimeSpan).map_err(|_| TimeSpanError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_count_in_powers_of_1024() {
        for (word, size) in [
            ("0", 0),
            ("4096", 4096),
            ("12B", 12),
            ("512K", 512 << 10),
            ("3MiB", 3 << 20),
            ("4GiB", 4 << 30),
            ("16777215TiB", 16_777_215 << 40),
        ] {
            assert_eq!(word.parse(), Ok(ByteSize(size)), "{word}");
        }
    }

    #[test]
    fn other_sizes_are_refused() {
        for word in ["", "G", "1GB", "1 G", "-1", "1.5G", "1Gi", "１"] {
            assert_eq!(word.parse::<ByteSize>(), Err(ByteSizeError::Form), "{word}");
        }
        for word in ["16777216TiB", "18446744073709551616"] {
            assert_eq!(word.parse::<ByteSize>(), Err(ByteSizeError::TooBig), "{word}");
        }
    }

    #[test]
    fn spans_have_units() {
        assert_eq!("1h 30m".parse(), Ok(TimeSpan(Duration::from_secs(5400))));
        assert_eq!("250ms".parse(), Ok(TimeSpan(Duration::from_millis(250))));
        for word in ["", "90", "soon", "-1s"] {
            assert_eq!(word.parse::<TimeSpan>(), Err(TimeSpanError), "{word}");
        }
    }
}
