//! Numbers in the form in which people read them.

use std::fmt;
use std::time::Duration;

/// A number of octets, with one decimal and a unit that is a power of 1024.
#[derive(Clone, Copy, Debug)]
pub struct Size(
    /// The octets.
    pub u64,
);

/// A length of time, as its two largest units: `3d 4h`, `12m 5s`, `45s`.
#[derive(Clone, Copy, Debug)]
pub struct Span(
    /// The length; less than a second counts as none.
    pub Duration,
);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = ["KiB", "MiB", "GiB", "TiB"];
        let mut tenths = u128::from(self.0) * 10;
        let mut unit = None;
        for larger in units {
            if tenths < 10_240 {
                break;
            }
            tenths /= 1024;
            unit = Some(larger);
        }
        match unit {
            None => write!(f, "{} bytes", self.0),
            Some(unit) => write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
        if days > 0 {
            write!(f, "{days}d {}h", hours % 24)
        } else if hours > 0 {
            write!(f, "{hours}h {}m", minutes % 60)
        } else if minutes > 0 {
            write!(f, "{minutes}m {}s", seconds % 60)
        } else {
            write!(f, "{seconds}s")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (octets, text) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_600_000, "1.5 MiB"),
            (4 << 30, "4.0 GiB"),
            // Rounded down.
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Size(octets).to_string(), text);
        }
    }

    #[test]
    fn spans_have_at_most_two_units() {
        for (milliseconds, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m 0s"),
            (3_599_000, "59m 59s"),
            (3_600_000, "1h 0m"),
            (86_399_000, "23h 59m"),
            (86_400_000, "1d 0h"),
            (700 * 86_400_000 + 7_200_000, "700d 2h"),
        ] {
            assert_eq!(Span(Duration::from_millis(milliseconds)).to_string(), text);
        }
    }
}
