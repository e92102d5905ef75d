//! Points in time.

use core::time::Duration;

/// A point in time, in milliseconds, between the years 0000 and 9999 of UTC.
///
/// ```
/// use builder_proto::time::Time;
///
/// let time = Time::parse_rfc3339("2026-01-02T04:04:05.250+01:00")?;
/// assert_eq!(time.to_string(), "2026-01-02T03:04:05.250Z");
/// assert_eq!(time.unix_milliseconds(), 1_767_323_045_250);
/// # Ok::<(), builder_proto::time::TimeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(i64);

impl Time {
    /// 0000-01-01T00:00:00Z, the first that can be written.
    pub const MIN: Time = Time(-62_167_219_200_000);
    /// 1970-01-01T00:00:00Z.
    pub const UNIX_EPOCH: Time = Time(0);
    /// 9999-12-31T23:59:59.999Z, the last that can be written: when jobs run whose period is
    /// [`Period::Never`](super::Period::Never).
    pub const NEVER: Time = Time(253_402_300_799_999);

    /// The time so many milliseconds after 1970 began, or the nearest that can be written.
    #[must_use]
    pub const fn from_unix_milliseconds(milliseconds: i64) -> Time {
        if milliseconds < Time::MIN.0 {
            Time::MIN
        } else if milliseconds > Time::NEVER.0 {
            Time::NEVER
        } else {
            Time(milliseconds)
        }
    }

    /// Milliseconds since 1970 began.
    #[must_use]
    pub const fn unix_milliseconds(self) -> i64 {
        self.0
    }

    /// The time so much later, in whole milliseconds, or [`Time::NEVER`].
    #[must_use]
    pub fn saturating_add(self, duration: Duration) -> Time {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Time::from_unix_milliseconds(self.0.saturating_add(milliseconds))
    }

    /// The time so much earlier, in whole milliseconds, or [`Time::MIN`].
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Time {
        let milliseconds = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Time::from_unix_milliseconds(self.0.saturating_sub(milliseconds))
    }

    /// The time that passed since `earlier`, or zero when that is in fact later.
    #[must_use]
    pub fn duration_since(self, earlier: Time) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_the_first_and_the_last_that_can_be_written() {
        assert_eq!(Time::MIN.to_string(), "0000-01-01T00:00:00Z");
        assert_eq!(Time::UNIX_EPOCH.to_string(), "1970-01-01T00:00:00Z");
        assert_eq!(Time::NEVER.to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Time::from_unix_milliseconds(i64::MIN), Time::MIN);
        assert_eq!(Time::from_unix_milliseconds(i64::MAX), Time::NEVER);
    }

    #[test]
    fn addition_stops_at_never() {
        let second = Duration::from_secs(1);
        assert_eq!(Time::UNIX_EPOCH.saturating_add(second).unix_milliseconds(), 1000);
        assert_eq!(Time::NEVER.saturating_add(second), Time::NEVER);
        assert_eq!(Time::MIN.saturating_add(Duration::MAX), Time::NEVER);
        assert_eq!(Time::NEVER.saturating_sub(Duration::MAX), Time::MIN);
        assert_eq!(Time::UNIX_EPOCH.saturating_sub(second).unix_milliseconds(), -1000);
    }

    #[test]
    fn the_time_since_something_later_is_zero() {
        let later = Time::UNIX_EPOCH.saturating_add(Duration::from_millis(1500));
        assert_eq!(later.duration_since(Time::UNIX_EPOCH), Duration::from_millis(1500));
        assert_eq!(Time::UNIX_EPOCH.duration_since(later), Duration::ZERO);
        assert_eq!(Time::NEVER.duration_since(Time::MIN).as_secs(), 315_569_519_999);
    }
}
