//! How often a job runs.

use crate::wire::{
    decode_choice, decode_null, encode_null, explicit_number, explicit_tag, null_length, unknown_alternative,
};
use core::fmt;
use core::str::FromStr;
use core::time::Duration;
use der::{Choice, Decode, EncodeValue, Length, Reader, Tag, Tagged, Writer};

/// The time between two runs of a job.
///
/// ```
/// use builder_proto::time::Period;
///
/// let daily: Period = "daily".parse()?;
/// assert_eq!(daily.duration().map(|duration| duration.as_secs()), Some(24 * 60 * 60));
/// assert_eq!(Period::Never.duration(), None);
/// # Ok::<(), builder_proto::time::PeriodError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Period {
    /// Every hour.
    Hourly,
    /// Every 24 hours.
    Daily,
    /// Every seven days.
    Weekly,
    /// Only when someone asks for it.
    Never,
}

impl Period {
    /// The length of the period; `None` for [`Period::Never`].
    #[must_use]
    pub const fn duration(self) -> Option<Duration> {
        const HOUR: u64 = 60 * 60;
        match self {
            Period::Hourly => Some(Duration::from_secs(HOUR)),
            Period::Daily => Some(Duration::from_secs(24 * HOUR)),
            Period::Weekly => Some(Duration::from_secs(7 * 24 * HOUR)),
            Period::Never => None,
        }
    }

    const ALL: [Period; 4] = [Period::Hourly, Period::Daily, Period::Weekly, Period::Never];

    const fn name(self) -> &'static str {
        match self {
            Period::Hourly => "hourly",
            Period::Daily => "daily",
            Period::Weekly => "weekly",
            Period::Never => "never",
        }
    }

    const fn number(self) -> u32 {
        match self {
            Period::Hourly => 0,
            Period::Daily => 1,
            Period::Weekly => 2,
            Period::Never => 3,
        }
    }

    fn from_number(number: u32) -> Option<Period> {
        Period::ALL.into_iter().find(|period| period.number() == number)
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// The word is none of the periods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodError;

impl fmt::Display for PeriodError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a period; choose hourly, daily, weekly or never")
    }
}

impl core::error::Error for PeriodError {}

impl FromStr for Period {
    type Err = PeriodError;

    fn from_str(word: &str) -> Result<Period, PeriodError> {
        Period::ALL.into_iter().find(|period| period.name() == word).ok_or(PeriodError)
    }
}

impl<'a> Choice<'a> for Period {
    fn can_decode(tag: Tag) -> bool {
        explicit_number(tag).is_ok_and(|number| Period::from_number(number).is_some())
    }
}

impl<'a> Decode<'a> for Period {
    type Error = der::Error;

    fn decode<R: Reader<'a>>(reader: &mut R) -> der::Result<Self> {
        decode_choice(reader, |number, inner| match Period::from_number(number) {
            Some(period) => decode_null(inner, period),
            None => Err(unknown_alternative(number, inner)),
        })
    }
}

impl Tagged for Period {
    fn tag(&self) -> Tag {
        explicit_tag(self.number())
    }
}

impl EncodeValue for Period {
    fn value_len(&self) -> der::Result<Length> {
        null_length()
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        encode_null(writer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::Encode;

    #[test]
    fn words_and_periods_stand_for_each_other() {
        for period in Period::ALL {
            assert_eq!(period.to_string().parse(), Ok(period));
        }
        assert_eq!("Daily".parse::<Period>(), Err(PeriodError));
    }

    #[test]
    fn periods_survive_the_wire() {
        for (number, period) in (0u8..).zip(Period::ALL) {
            let bytes = [0xa0 | number, 2, 5, 0];
            assert_eq!(period.to_der().unwrap(), bytes);
            assert_eq!(Period::from_der(&bytes), Ok(period));
        }
        assert!(Period::from_der(&[0xa4, 2, 5, 0]).is_err());
        assert!(Period::from_der(&[0x80, 2, 5, 0]).is_err());
        assert!(Period::from_der(&[0xa0, 3, 5, 1, 0]).is_err());
    }

    #[test]
    fn only_never_has_no_duration() {
        assert_eq!(Period::Weekly.duration(), Some(Duration::from_secs(604_800)));
        assert_eq!(Period::Never.duration(), None);
    }
}
