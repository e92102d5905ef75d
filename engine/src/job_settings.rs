//! Which settings of a job make sense, and what they mean for its runs.
//!
//! A client checks them before it sends them, and a server whatever it is sent.
//!
//! ```
//! use builder_engine::job_settings::{check_settings, nearest_period, next_time_of_day};
//! use builder_proto::job_settings::JobSettings;
//! use builder_proto::time::{Period, Time};
//! use core::time::Duration;
//!
//! let settings = JobSettings { silence: Some(600), timeout: Some(60), ..JobSettings::NONE }; // in seconds
//! assert_eq!(
//!     check_settings(&settings).unwrap_err(),
//!     "--silence must be shorter than --timeout, or it is never reached"
//! );
//! assert_eq!(nearest_period(Duration::from_secs(6 * 3600)), Period::Daily);
//! let now = Time::parse_rfc3339("2026-11-27T18:00:00Z")?;
//! assert_eq!(next_time_of_day(3 * 60, now).to_string(), "2026-11-28T03:00:00Z"); // in minutes after midnight
//! # Ok::<(), builder_proto::time::TimeError>(())
//! ```

use crate::limits::{LONGEST_SETTING, SHORTEST_PERIOD};
use builder_proto::job_settings::JobSettings;
use builder_proto::time::{Period, Time};
use core::time::Duration;

/// Minutes of a day.
const DAY_MINUTES: i64 = 24 * 60;
const MINUTE_MILLISECONDS: i64 = 60 * 1000;

/// Refuses settings that make no sense, with the reason for people.
///
/// # Errors
///
/// The first that is wrong, named by the flag of the client that sets it.
pub fn check_settings(settings: &JobSettings) -> Result<(), String> {
    check_time("--timeout", settings.timeout())?;
    check_time("--silence", settings.silence())?;
    check_time("--keep", settings.keep_seconds.map(Duration::from_secs))?;
    check_time("--period", settings.every())?;
    if settings.every().is_some_and(|every| every < SHORTEST_PERIOD) {
        return Err("--period is too short: a job runs at most once in a minute".to_owned());
    }
    if settings.keep_builds == Some(0) {
        return Err("--keep 0: the newest result is always kept; the smallest number is 1".to_owned());
    }
    if let Some(builds) = settings.keep_builds.filter(|builds| *builds > JobSettings::ALL_BUILDS) {
        return Err(format!("--keep {builds}: that is too many; write --keep all"));
    }
    match (settings.silence(), settings.timeout()) {
        (Some(silence), Some(timeout)) if silence >= timeout => {
            Err("--silence must be shorter than --timeout, or it is never reached".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_time(flag: &str, time: Option<Duration>) -> Result<(), String> {
    match time {
        Some(Duration::ZERO) => Err(format!("{flag} 0s: the time must be longer than nothing")),
        Some(time) if time > LONGEST_SETTING => {
            Err(format!("{flag} is too long: at most {} days", LONGEST_SETTING.as_secs() / (24 * 60 * 60)))
        }
        Some(_) | None => Ok(()),
    }
}

/// Refuses a time of day, in minutes after midnight, that no day has.
///
/// # Errors
///
/// Says so.
pub fn check_time_of_day(at: i64) -> Result<(), String> {
    match at {
        0..DAY_MINUTES => Ok(()),
        _ => Err("--at: a time of day is from 00:00 to 23:59, in UTC".to_owned()),
    }
}

/// The period that comes closest, by ratio: what those are told who know only the four.
#[must_use]
pub fn nearest_period(every: Duration) -> Period {
    let mut nearest = Period::Hourly;
    for (shorter, longer) in [(Period::Hourly, Period::Daily), (Period::Daily, Period::Weekly)] {
        let seconds = |period: Period| u128::from(period.duration().unwrap_or_default().as_secs());
        if u128::from(every.as_secs()).pow(2) >= seconds(shorter) * seconds(longer) {
            nearest = longer;
        }
    }
    nearest
}

/// The next time of day, so many minutes after midnight in UTC, after `now`.
#[must_use]
pub fn next_time_of_day(at: i64, now: Time) -> Time {
    let day = DAY_MINUTES * MINUTE_MILLISECONDS;
    let now = now.unix_milliseconds();
    let today = now.div_euclid(day) * day + at.clamp(0, DAY_MINUTES - 1) * MINUTE_MILLISECONDS;
    Time::from_unix_milliseconds(if today > now { today } else { today.saturating_add(day) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(settings: JobSettings) -> String {
        check_settings(&settings).err().unwrap_or_default()
    }

    #[test]
    fn settings_that_make_no_sense_are_refused_with_their_flag() {
        let none = JobSettings::default();
        assert_eq!(refusal(none), "");
        for (settings, text) in [
            (JobSettings { timeout: Some(0), ..none }, "--timeout 0s: the time must be longer than nothing"),
            (JobSettings { silence: Some(0), ..none }, "--silence 0s"),
            (JobSettings { keep_seconds: Some(0), ..none }, "--keep 0s"),
            (JobSettings { every: Some(0), ..none }, "--period 0s"),
            (
                JobSettings { every: Some(59), ..none },
                "--period is too short: a job runs at most once in a minute",
            ),
            (JobSettings { keep_builds: Some(0), ..none }, "--keep 0: the newest result is always kept"),
            (
                JobSettings { keep_builds: Some(1_099_511_627_776), ..none },
                "--keep 1099511627776: that is too many",
            ),
            (JobSettings { timeout: Some(u64::MAX), ..none }, "--timeout is too long: at most 36500 days"),
            (JobSettings { every: Some(u64::MAX), ..none }, "--period is too long"),
            (JobSettings { silence: Some(u64::MAX), ..none }, "--silence is too long"),
            (JobSettings { keep_seconds: Some(u64::MAX), ..none }, "--keep is too long"),
            (
                JobSettings { timeout: Some(60), silence: Some(60), ..none },
                "--silence must be shorter than --timeout, or it is never reached",
            ),
        ] {
            assert!(refusal(settings).starts_with(text), "{}", refusal(settings));
        }
        let good = JobSettings {
            timeout: Some(61),
            silence: Some(60),
            every: Some(60),
            keep_builds: Some(JobSettings::ALL_BUILDS),
            keep_seconds: Some(1),
            ..none
        };
        assert_eq!(refusal(good), "");
    }

    #[test]
    fn a_time_of_day_is_within_a_day() {
        assert!(check_time_of_day(0).is_ok() && check_time_of_day(1439).is_ok());
        for at in [-1, 1440, i64::MIN, i64::MAX] {
            assert_eq!(
                check_time_of_day(at).unwrap_err(),
                "--at: a time of day is from 00:00 to 23:59, in UTC"
            );
        }
    }

    #[test]
    fn the_nearest_period_is_nearest_by_ratio() {
        const HOUR: u64 = 3600;
        for (seconds, period) in [
            (60, Period::Hourly),
            (4 * HOUR, Period::Hourly),
            (5 * HOUR, Period::Daily),
            (63 * HOUR, Period::Daily),
            (64 * HOUR, Period::Weekly),
            (u64::MAX, Period::Weekly),
        ] {
            assert_eq!(nearest_period(Duration::from_secs(seconds)), period, "{seconds}");
        }
    }

    #[test]
    fn the_next_time_of_day_is_within_a_day_and_in_the_future() {
        let time = |text| Time::parse_rfc3339(text).unwrap();
        for (at, now, next) in [
            (180, "2026-01-01T02:59:59.999Z", "2026-01-01T03:00:00Z"),
            (180, "2026-01-01T03:00:00Z", "2026-01-02T03:00:00Z"),
            (0, "2026-01-01T12:00:00Z", "2026-01-02T00:00:00Z"),
            (1439, "1969-12-31T23:00:00Z", "1969-12-31T23:59:00Z"),
        ] {
            assert_eq!(next_time_of_day(at, time(now)), time(next), "{at} {now}");
        }
    }
}
