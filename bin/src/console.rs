//! How console lines are shown to people.

use crate::terminal::Palette;
use builder_proto::text::Text;
use std::fmt;

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

#[cfg(test)]
mod tests {
    use super::*;

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
}
