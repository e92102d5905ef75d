//! Numbers and console lines in the form in which people read them, and words that they may have meant.

use crate::terminal::Palette;
pub use builder_engine::wording::Span;
use builder_proto::Uuid;
use builder_proto::text::Text;
use builder_proto::time::Time;
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

/// Time since the start of a job, shown as seconds with three decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed {
    /// Negative when a clock was set back while the job ran.
    pub nanoseconds: i64,
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.nanoseconds.unsigned_abs() / 1_000_000;
        let sign = if self.nanoseconds < 0 { "-" } else { "" };
        write!(f, "{sign}{}.{:03}s", milliseconds / 1000, milliseconds % 1000)
    }
}

/// The time without its milliseconds, which nobody reads.
pub(crate) fn whole_seconds(time: Time) -> Time {
    let milliseconds = time.unix_milliseconds();
    Time::from_unix_milliseconds(milliseconds - milliseconds.rem_euclid(1000))
}

/// So many digits of a uuid, from its beginning; hyphens do not count.
pub fn shortened_uuid(uuid: Uuid, digits: usize) -> String {
    let mut uuid = uuid.to_string();
    let mut places = uuid.char_indices().filter(|(_, character)| *character != '-');
    if let Some((end, _)) = places.nth(digits) {
        uuid.truncate(end);
    }
    uuid.trim_end_matches('-').to_owned()
}

/// Appends bytes that a job wrote in a form that a terminal can be given.
///
/// Tabs stay, and so do colours if the palette has any; they end with the line. Everything else that could control the
/// terminal is escaped.
pub fn append_for_terminal(output: &mut Vec<u8>, line: &[u8], palette: Palette) {
    let mut rest = line;
    let mut has_colour = false;
    while let Some(start) = rest.iter().position(|&byte| byte == b'\t' || byte == ESCAPE) {
        let (plain, special) = rest.split_at(start);
        append_escaped(output, plain);
        let colour = colour_length(special);
        let (special, behind) = special.split_at(colour.unwrap_or(1));
        if special == [ESCAPE] {
            append_escaped(output, special);
        } else if colour.is_none() || palette.has_colours() {
            output.extend_from_slice(special);
            has_colour |= colour.is_some();
        }
        rest = behind;
    }
    append_escaped(output, rest);
    if has_colour {
        output.extend_from_slice(RESET);
    }
}

const ESCAPE: u8 = 0x1b;
const RESET: &[u8] = b"\x1b[0m";

/// The length of the "select graphic rendition" sequence that the bytes begin with.
fn colour_length(bytes: &[u8]) -> Option<usize> {
    let parameters = bytes.strip_prefix(b"\x1b[")?;
    let end = parameters.iter().position(|byte| !matches!(byte, b'0'..=b'9' | b';' | b':'))?;
    (parameters.get(end) == Some(&b'm')).then_some(end + b"\x1b[m".len())
}

fn append_escaped(output: &mut Vec<u8>, bytes: &[u8]) {
    output.extend_from_slice(Text::from(bytes).to_string().as_bytes());
}

/// Shorter words are not taken for the beginning of longer ones.
const SHORTEST_BEGINNING: usize = 3;
/// More slips than these are no slips.
const MOST_SLIPS: usize = 3;

/// The candidate that was most probably meant by a word that is none of them: the one that takes the fewest slips, or else
/// the first that begins with the word.
pub(crate) fn most_similar(word: &str, candidates: impl IntoIterator<Item = String>) -> Option<String> {
    // One slip in three letters, as there is a candidate for anything otherwise.
    let limit = (word.chars().count() / 3).min(MOST_SLIPS);
    let mut best: Option<(usize, String)> = None;
    for candidate in candidates {
        let Some(slips) = slips_within(word, &candidate, limit).or_else(|| begins(word, &candidate)) else {
            continue;
        };
        if best.as_ref().is_none_or(|(fewest, _)| slips < *fewest) {
            best = Some((slips, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

/// Counts as more slips than any word may have.
fn begins(word: &str, candidate: &str) -> Option<usize> {
    let is_long = word.chars().count() >= SHORTEST_BEGINNING;
    (is_long && candidate.to_lowercase().starts_with(&word.to_lowercase())).then_some(MOST_SLIPS + 1)
}

/// How many letters are missing, too many, wrong, or swapped with their neighbour, unless that is more than `limit`. Whether
/// letters are capital makes no difference.
fn slips_within(one: &str, other: &str, limit: usize) -> Option<usize> {
    let letters = |text: &str| text.chars().flat_map(char::to_lowercase).collect::<Vec<char>>();
    let (one, other) = (letters(one), letters(other));
    if one.len().abs_diff(other.len()) > limit {
        return None;
    }
    // A row holds the slips from the beginning of `one` up to here, to each beginning of `other`.
    let mut before_last: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=other.len()).collect();
    for (row, letter) in one.iter().enumerate() {
        let mut slips = vec![row + 1];
        for (column, opposite) in other.iter().enumerate() {
            let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX - 1);
            let replaced = at(&last, column) + usize::from(letter != opposite);
            let mut fewest = replaced.min(at(&last, column + 1) + 1).min(at(&slips, column) + 1);
            let is_swapped = row > 0
                && column > 0
                && one.get(row - 1) == Some(opposite)
                && other.get(column - 1) == Some(letter);
            if is_swapped {
                fewest = fewest.min(at(&before_last, column - 1) + 1);
            }
            slips.push(fewest);
        }
        before_last = core::mem::replace(&mut last, slips);
    }
    last.last().copied().filter(|slips| *slips <= limit)
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

    #[test]
    fn a_beginning_of_a_uuid_has_so_many_digits() {
        let uuid: Uuid = "988ad4a2-647b-4f84-9116-f936eeddac84".parse().unwrap();
        for (digits, text) in
            [(8, "988ad4a2"), (10, "988ad4a2-64"), (12, "988ad4a2-647b"), (32, &uuid.to_string())]
        {
            assert_eq!(shortened_uuid(uuid, digits), text);
        }
    }

    fn shown(line: &[u8]) -> String {
        let mut output = Vec::new();
        append_for_terminal(&mut output, line, Palette::COLOURED);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn elapsed_time_is_shown_in_seconds() {
        for (nanoseconds, text) in [
            (0, "0.000s"),
            (1_500_000, "0.001s"),
            (3_599_123_456_789, "3599.123s"),
            (-1_000_000, "-0.001s"),
            (i64::MIN, "-9223372036.854s"),
        ] {
            assert_eq!(Elapsed { nanoseconds }.to_string(), text);
        }
    }

    #[test]
    fn tabs_and_colours_reach_the_terminal() {
        assert_eq!(shown("a\tbüc".as_bytes()), "a\tbüc");
        assert_eq!(shown(b"\x1b[1;31mred\x1b[m plain"), "\x1b[1;31mred\x1b[m plain\x1b[0m");
    }

    #[test]
    fn without_a_palette_colours_are_left_out() {
        let mut output = Vec::new();
        append_for_terminal(&mut output, b"\x1b[1;31mred\x1b[m\tplain\x1b[2J", Palette::PLAIN);
        assert_eq!(output, b"red\tplain\\x1b[2J");
    }

    #[test]
    fn nothing_else_controls_the_terminal() {
        assert_eq!(shown(b"\x1b]0;title\x07"), "\\x1b]0;title\\x07");
        assert_eq!(shown(b"\x1b[2J\x1b[1;31"), "\\x1b[2J\\x1b[1;31");
        assert_eq!(shown(b"\x1b[31\x1b[m"), "\\x1b[31\x1b[m\x1b[0m");
        assert_eq!(shown(b"10%\r20%\xff\xc2\x9b2J"), "10%\\r20%\u{fffd}\\u{9b}2J");
        assert_eq!(shown(b"\x1b"), "\\x1b");
    }

    #[test]
    fn slips_are_counted_up_to_a_limit() {
        for (one, other, slips) in [
            ("schedule", "schedule", 0),
            ("shedule", "schedule", 1),
            ("schedulee", "schedule", 1),
            ("schedole", "schedule", 1),
            ("shcedule", "schedule", 1),
            ("Linux", "linux", 0),
            ("kitten", "sitting", 3),
            ("", "ab", 2),
            ("büild", "build", 1),
        ] {
            assert_eq!(slips_within(one, other, 3), Some(slips), "{one} {other}");
            assert_eq!(slips_within(other, one, 3), Some(slips), "{other} {one}");
            assert_eq!(slips_within(one, other, slips), Some(slips), "{one} {other}");
            if slips > 0 {
                assert_eq!(slips_within(one, other, slips - 1), None, "{one} {other}");
            }
        }
    }

    #[test]
    fn the_most_similar_one_was_meant_if_any_is_similar() {
        let candidates = ["debian-12", "debian-13", "freebsd-14", "linux", "a"].map(str::to_owned);
        for (word, meant) in [
            ("debian12", Some("debian-12")),
            ("debain-13", Some("debian-13")),
            ("freebsd", Some("freebsd-14")),
            ("FreeBSD-14", Some("freebsd-14")),
            ("linus", Some("linux")),
            // Two letters allow no slip, and are too few for a beginning.
            ("b", None),
            ("li", None),
            ("plan9", None),
        ] {
            assert_eq!(most_similar(word, candidates.clone()).as_deref(), meant, "{word}");
        }
    }
}
