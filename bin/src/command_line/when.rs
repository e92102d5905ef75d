//! Points in time as people write them.

use builder_proto::time::{Time, TimeError};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A point in time, as people write it: how long ago, a date, or RFC 3339.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// So long before now.
    Ago(Duration),
    /// Then.
    At(Time),
}

impl When {
    /// The time that is meant if it is `now`.
    #[must_use]
    pub fn resolve(self, now: Time) -> Time {
        match self {
            When::Ago(span) => now.saturating_sub(span),
            When::At(time) => time,
        }
    }
}

/// Why a word is no [`When`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhenError {
    /// None of the three.
    Form,
    /// A time of RFC 3339, but for this.
    Time(TimeError),
}

impl fmt::Display for WhenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WhenError::Form => f.write_str(
                "not a time; write 90m, 2h, 7d or 2w for so long ago, or a time like 2026-01-02 or \
                 2026-01-02T03:04:05Z",
            ),
            WhenError::Time(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for WhenError {}

impl FromStr for When {
    type Err = WhenError;

    fn from_str(word: &str) -> Result<When, WhenError> {
        // With "M" for months, which nobody would tell from "m".
        let is_span = !word.contains('M');
        if let (true, Ok(span)) = (is_span, humantime::parse_duration(word)) {
            return Ok(When::Ago(span));
        }
        let midnight = Time::parse_rfc3339(&format!("{word}T00:00:00Z"));
        match (midnight, Time::parse_rfc3339(word)) {
            (Ok(time), _) | (_, Ok(time)) => Ok(When::At(time)),
            (Err(TimeError::Form), Err(TimeError::Form)) => Err(WhenError::Form),
            (Err(TimeError::Form), Err(error)) | (Err(error), _) => Err(WhenError::Time(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_in_time_are_so_long_ago_or_dates_or_times() {
        let now = Time::parse_rfc3339("2026-11-27T06:00:00Z").unwrap();
        for (word, time) in [
            ("90m", "2026-11-27T04:30:00Z"),
            ("1h 30m", "2026-11-27T04:30:00Z"),
            ("7d", "2026-11-20T06:00:00Z"),
            ("2w", "2026-11-13T06:00:00Z"),
            ("2026-11-20", "2026-11-20T00:00:00Z"),
            ("2026-11-20T18:00:00+01:00", "2026-11-20T17:00:00Z"),
            ("99999999w", "0000-01-01T00:00:00Z"),
        ] {
            assert_eq!(word.parse::<When>().unwrap().resolve(now).to_string(), time, "{word}");
        }
        for word in ["", "7", "soon", "2M", "-2h", "2026-11", "20.11.2026"] {
            assert_eq!(word.parse::<When>(), Err(WhenError::Form), "{word}");
        }
        for (word, error) in [
            ("2026-13-01", TimeError::Range),
            ("2026-11-20T18:00:00", TimeError::Zone),
            ("2026-11-20T25:00:00Z", TimeError::Range),
        ] {
            assert_eq!(word.parse::<When>(), Err(WhenError::Time(error)), "{word}");
        }
    }
}
