//! Numbers in the form in which people read them.

pub use builder_engine::wording::Span;
use std::fmt;

/// A number of bytes, with one decimal and a unit that is a power of 1024.
#[derive(Clone, Copy, Debug)]
pub struct Size(
    /// The bytes.
    pub u64,
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
            None if self.0 == 1 => f.write_str("1 byte"),
            None => write!(f, "{} bytes", self.0),
            Some(unit) => write!(f, "{}.{} {unit}", tenths / 10, tenths % 10),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_short() {
        for (bytes, text) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_600_000, "1.5 MiB"),
            (4 << 30, "4.0 GiB"),
            // Rounded down.
            (u64::MAX, "16777215.9 TiB"),
        ] {
            assert_eq!(Size(bytes).to_string(), text);
        }
    }
}
