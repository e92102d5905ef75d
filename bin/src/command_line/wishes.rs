//! What people want of jobs: how often and when they run, and which results are kept.

use super::table::{UsageError, value, values};
use super::values::TimeSpan;
use builder_proto::job_settings::JobSettings;
use builder_proto::time::Period;
use getopts::Matches;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

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
