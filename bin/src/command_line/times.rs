//! Times as people write them: spans, points in time, how often and when a job runs, and for how long results are kept.

use super::table::{UsageError, value, values};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::{Period, Time, TimeError};
use getopts::Matches;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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

/// The longest that something may take, as an option says; none when the option is not given.
///
/// # Errors
///
/// [`UsageError`] when that is no span of time, or nothing at all, in which nothing ends.
pub fn time_limit(matches: &Matches, long_name: &str) -> Result<Option<Duration>, UsageError> {
    match value(matches, long_name)? {
        Some(TimeSpan(Duration::ZERO)) => Err(UsageError::new(format_args!(
            "--{long_name} {}: the time must be longer than nothing; write it like 90s, 15m or 1h30m",
            matches.opt_str(long_name).unwrap_or_default()
        ))),
        limit => Ok(limit.map(|TimeSpan(time)| time)),
    }
}

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

/// How often a job runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Often {
    /// In one of the ways that have names.
    Named(Period),
    /// Once in that time.
    Every(Duration),
}

/// Why a word is no [`Often`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OftenError;

impl fmt::Display for OftenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a period; choose hourly, daily, weekly, never or a time such as 90m, 6h or 3d")
    }
}

impl std::error::Error for OftenError {}

impl FromStr for Often {
    type Err = OftenError;

    fn from_str(word: &str) -> Result<Often, OftenError> {
        match (word.parse(), parse_span(word)) {
            (Ok(period), _) => Ok(Often::Named(period)),
            (Err(_), Some(time)) => Ok(Often::Every(time)),
            (Err(_), None) => Err(OftenError),
        }
    }
}

/// A time of day in UTC, written like `03:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDay(
    /// Minutes after midnight.
    pub i64,
);

/// Why a word is no [`TimeOfDay`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeOfDayError;

impl fmt::Display for TimeOfDayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a time of day; write it from 00:00 to 23:59, in UTC")
    }
}

impl std::error::Error for TimeOfDayError {}

impl FromStr for TimeOfDay {
    type Err = TimeOfDayError;

    fn from_str(word: &str) -> Result<TimeOfDay, TimeOfDayError> {
        let number = |digits: &str, below: i64| {
            let is_number = digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse::<i64>().ok().filter(|number| is_number && *number < below)
        };
        let (hours, minutes) = word.split_once(':').ok_or(TimeOfDayError)?;
        match (number(hours, 24), number(minutes, 60)) {
            (Some(hours), Some(minutes)) => Ok(TimeOfDay(hours * 60 + minutes)),
            _ => Err(TimeOfDayError),
        }
    }
}

/// Which results are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// So many, the newest ones; [`JobSettings::ALL_BUILDS`] for all.
    Builds(u64),
    /// Those that are younger.
    For(Duration),
}

/// Why a word is no [`Keep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepError;

impl fmt::Display for KeepError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("write how many results to keep, such as 10, or for how long, such as 30d, or all")
    }
}

impl std::error::Error for KeepError {}

impl FromStr for Keep {
    type Err = KeepError;

    fn from_str(word: &str) -> Result<Keep, KeepError> {
        if word == "all" {
            return Ok(Keep::Builds(JobSettings::ALL_BUILDS));
        }
        if !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit()) {
            return word.parse().map(Keep::Builds).map_err(|_| KeepError);
        }
        parse_span(word).map(Keep::For).ok_or(KeepError)
    }
}

/// How many results an option says to keep, and for how many seconds.
///
/// # Errors
///
/// [`UsageError`] that names the option when one of its values is no [`Keep`], or says the same as another.
pub fn keep_values(matches: &Matches, long_name: &str) -> Result<(Option<u64>, Option<u64>), UsageError> {
    let (mut builds, mut time) = (None, None);
    for keep in values(matches, long_name)? {
        let former = match keep {
            Keep::Builds(number) => builds.replace(number),
            Keep::For(span) => time.replace(whole_seconds(long_name, span)?),
        };
        if former.is_some() {
            return Err(UsageError::new(format_args!(
                "--{long_name} is given twice with a number, or twice with a time; keep one of each"
            )));
        }
    }
    Ok((builds, time))
}

/// The value of an option that is a span of time, in whole seconds.
///
/// # Errors
///
/// [`UsageError`] that names the option when its value is something else.
pub fn seconds_value(matches: &Matches, long_name: &str) -> Result<Option<u64>, UsageError> {
    let time = value(matches, long_name)?;
    time.map(|TimeSpan(time)| whole_seconds(long_name, time)).transpose()
}

/// The seconds of a span of time that an option gives.
///
/// # Errors
///
/// [`UsageError`] that names the option when they are not whole.
pub fn whole_seconds(long_name: &str, time: Duration) -> Result<u64, UsageError> {
    match time.subsec_nanos() {
        0 => Ok(time.as_secs()),
        _ => Err(UsageError::new(format_args!("--{long_name}: a time is of whole seconds; round it"))),
    }
}

/// A span of time, but none in months, as nobody would tell their "M" from "m".
fn parse_span(word: &str) -> Option<Duration> {
    word.parse().ok().map(|TimeSpan(time)| time).filter(|_| !word.contains('M'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn spans_have_units() {
        assert_eq!("1h 30m".parse(), Ok(TimeSpan(Duration::from_secs(5400))));
        assert_eq!("250ms".parse(), Ok(TimeSpan(Duration::from_millis(250))));
        for word in ["", "90", "soon", "-1s"] {
            assert_eq!(word.parse::<TimeSpan>(), Err(TimeSpanError), "{word}");
        }
    }

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

    #[test]
    fn a_period_is_a_name_or_a_time() {
        assert_eq!("weekly".parse(), Ok(Often::Named(Period::Weekly)));
        assert_eq!("6h".parse(), Ok(Often::Every(6 * HOUR)));
        assert_eq!("1h 30m".parse(), Ok(Often::Every(HOUR * 3 / 2)));
        for word in ["", "often", "6", "6M", "-6h"] {
            assert_eq!(word.parse::<Often>(), Err(OftenError), "{word}");
        }
    }

    #[test]
    fn a_time_of_day_has_hours_and_minutes() {
        for (word, minutes) in [("00:00", 0), ("03:05", 185), ("23:59", 1439)] {
            assert_eq!(word.parse(), Ok(TimeOfDay(minutes)), "{word}");
        }
        for word in ["", "3", "3:00", "03:0", "24:00", "25:00", "03:60", "03:00:00", "+3:00", "03:00Z"] {
            assert_eq!(word.parse::<TimeOfDay>(), Err(TimeOfDayError), "{word}");
        }
    }

    #[test]
    fn results_are_kept_by_number_or_by_time() {
        assert_eq!("10".parse(), Ok(Keep::Builds(10)));
        assert_eq!("0".parse(), Ok(Keep::Builds(0)), "which is refused with other settings");
        assert_eq!("all".parse(), Ok(Keep::Builds(JobSettings::ALL_BUILDS)));
        assert_eq!("30d".parse(), Ok(Keep::For(720 * HOUR)));
        for word in ["", "some", "-1", "3M", "1.5", "99999999999999999999"] {
            assert_eq!(word.parse::<Keep>(), Err(KeepError), "{word}");
        }
    }
}
