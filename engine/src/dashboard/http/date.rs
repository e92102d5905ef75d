//! Points in time as HTTP spells them.

use builder_proto::time::Time;

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAY_MILLISECONDS: i64 = 24 * 60 * 60 * 1000;

/// Such as `Sun, 06 Nov 1994 08:49:37 GMT`: what RFC 9110 has servers with a clock put into `Date`.
#[must_use]
pub fn date(time: Time) -> String {
    let days = time.unix_milliseconds().div_euclid(DAY_MILLISECONDS);
    // The first day was a Thursday.
    let of_week = usize::try_from(days.rem_euclid(7)).ok().and_then(|day| DAYS.get(day)).unwrap_or(&"Thu");
    // Years have four digits, and all else has two.
    let text = time.to_string();
    let part = |from: usize, to: usize| text.get(from..to).unwrap_or_default();
    let month = part(5, 7).parse::<usize>().ok().and_then(|month| MONTHS.get(month.checked_sub(1)?));
    format!("{of_week}, {} {} {} {} GMT", part(8, 10), month.unwrap_or(&"Jan"), part(0, 4), part(11, 19))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_standard() {
        for (milliseconds, text) in [
            (784_111_777_000, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (-1, "Wed, 31 Dec 1969 23:59:59 GMT"),
            (1_795_796_130_091, "Fri, 27 Nov 2026 16:15:30 GMT"),
            (951_782_400_000, "Tue, 29 Feb 2000 00:00:00 GMT"),
        ] {
            assert_eq!(date(Time::from_unix_milliseconds(milliseconds)), text);
        }
    }
}
