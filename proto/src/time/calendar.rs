//! The proleptic Gregorian calendar, years 0000 to 9999.

use super::moment::Time;

/// A time, taken apart. UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    /// 0 to 9999.
    pub(super) year: u16,
    /// 1 to 12.
    pub(super) month: u8,
    /// 1 to 31.
    pub(super) day: u8,
    /// 0 to 23.
    pub(super) hour: u8,
    /// 0 to 59.
    pub(super) minute: u8,
    /// 0 to 59; leap seconds have no place on the wire.
    pub(super) second: u8,
    /// 0 to 999.
    pub(super) millisecond: u16,
}

impl Civil {
    /// Puts the parts together, or returns `None` when one is out of range.
    pub(super) fn to_time(self) -> Option<Time> {
        let in_range = self.year <= 9999
            && (1..=12).contains(&self.month)
            && (1..=days_in_month(self.year, self.month)).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second < 60
            && self.millisecond < 1000;
        if !in_range {
            return None;
        }
        let minutes = i64::from(self.hour) * 60 + i64::from(self.minute);
        let milliseconds = (minutes * 60 + i64::from(self.second)) * 1000 + i64::from(self.millisecond);
        Some(Time::from_unix_milliseconds(self.days_since_1970() * MILLISECONDS_PER_DAY + milliseconds))
    }

    /// Counts in years that begin in March, so that the leap day is the last of its year.
    fn days_since_1970(self) -> i64 {
        let (year, month) = (i64::from(self.year), i64::from(self.month));
        let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
        let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
        let day_of_year = days_before_month(month) + i64::from(self.day) - 1;
        year * 365 + leap_days + day_of_year - MARCH_OF_YEAR_0_TO_1970
    }
}

impl From<Time> for Civil {
    fn from(time: Time) -> Civil {
        let days = time.unix_milliseconds().div_euclid(MILLISECONDS_PER_DAY) + MARCH_OF_YEAR_0_TO_1970;
        let milliseconds = time.unix_milliseconds().rem_euclid(MILLISECONDS_PER_DAY);

        let era = days.div_euclid(DAYS_PER_400_YEARS);
        let day_of_era = days.rem_euclid(DAYS_PER_400_YEARS);
        // Take the leap days out, then every year has 365 days.
        let leap_days = day_of_era / 1460 - day_of_era / 36_524 + day_of_era / (DAYS_PER_400_YEARS - 1);
        let year_of_era = (day_of_era - leap_days) / 365;
        let day_of_year = day_of_era - (year_of_era * 365 + year_of_era / 4 - year_of_era / 100);
        let month = (5 * day_of_year + 2) / 153;
        let day = day_of_year - days_before_month(month) + 1;
        let (year, month) = if month < 10 {
            (era * 400 + year_of_era, month + 3)
        } else {
            (era * 400 + year_of_era + 1, month - 9)
        };

        // The range of `Time` bounds every part.
        let seconds = milliseconds / 1000;
        Civil {
            year: year as u16,
            month: month as u8,
            day: day as u8,
            hour: (seconds / 3600) as u8,
            minute: (seconds / 60 % 60) as u8,
            second: (seconds % 60) as u8,
            millisecond: (milliseconds % 1000) as u16,
        }
    }
}

const MILLISECONDS_PER_DAY: i64 = 24 * 60 * 60 * 1000;
const DAYS_PER_400_YEARS: i64 = 146_097;
/// From 0000-03-01 to 1970-01-01.
const MARCH_OF_YEAR_0_TO_1970: i64 = 719_468;

/// Days from 1 March to the first of a month, which counts from March as 0. From March on, months of 31 and 30
/// days alternate so that five of them always have 153 days.
fn days_before_month(month_from_march: i64) -> i64 {
    (153 * month_from_march + 2) / 5
}

fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_ten_thousand_years_follows_the_one_before() {
        let mut expected = Time::MIN.unix_milliseconds();
        for year in 0..=9999 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    let civil = Civil { year, month, day, hour: 0, minute: 0, second: 0, millisecond: 0 };
                    let time = Time::from_unix_milliseconds(expected);
                    assert_eq!(civil.to_time(), Some(time), "{civil:?}");
                    assert_eq!(Civil::from(time), civil);
                    expected += MILLISECONDS_PER_DAY;
                }
            }
        }
        assert_eq!(expected, Time::NEVER.unix_milliseconds() + 1);
    }

    #[test]
    fn parts_out_of_range_are_refused() {
        let good =
            Civil { year: 2023, month: 2, day: 28, hour: 23, minute: 59, second: 59, millisecond: 999 };
        assert!(good.to_time().is_some());
        for bad in [
            Civil { year: 10_000, ..good },
            Civil { month: 0, ..good },
            Civil { month: 13, ..good },
            Civil { day: 0, ..good },
            Civil { day: 29, ..good },
            Civil { hour: 24, ..good },
            Civil { minute: 60, ..good },
            Civil { second: 60, ..good },
            Civil { millisecond: 1000, ..good },
        ] {
            assert_eq!(bad.to_time(), None, "{bad:?}");
        }
    }
}
