//! How times and long texts are put for people.

use core::fmt;
use core::time::Duration;

/// A length of time, as its two largest units: `3d 4h`, `12m 5s`, `45s`.
///
/// ```
/// use builder_engine::wording::Span;
/// use core::time::Duration;
///
/// assert_eq!(Span(Duration::from_secs(725)).to_string(), "12m 5s");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Span(
    /// The length; less than a second counts as none.
    pub Duration,
);

/// The beginning of a text, and `…` in place of what would make it longer than so many bytes.
pub(crate) struct Excerpt<'a>(
    /// The text.
    pub(crate) &'a str,
    /// The most bytes of it that are shown.
    pub(crate) usize,
);

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

impl fmt::Display for Excerpt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Excerpt(text, limit) = *self;
        let mut ends = text.char_indices().map(|(start, character)| start + character.len_utf8());
        let shown = ends.rfind(|end| *end <= limit).unwrap_or_default();
        match text.split_at_checked(shown) {
            Some((start, rest)) if !rest.is_empty() => write!(f, "{start}…"),
            _ => f.write_str(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn an_excerpt_is_the_beginning_of_a_text_and_whole_characters() {
        for (text, shown) in [("", ""), ("abcd", "abcd"), ("abcde", "abcd…"), ("abcüd", "abc…")] {
            assert_eq!(Excerpt(text, 4).to_string(), shown);
        }
    }
}
