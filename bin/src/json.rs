//! Octets of others as JSON, which knows text only.

use builder_proto::text::Text;
use serde_json::Value;
use std::str;

/// The text as a JSON string. What is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn string(text: &Text) -> Value {
    Value::String(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

/// A JSON string that comes in pieces, as it may be too long to be held.
#[derive(Debug, Default)]
pub struct LongString {
    /// The beginning of a character whose end is in the next piece.
    cut: Vec<u8>,
}

impl LongString {
    /// Begins a string.
    pub fn begin(output: &mut Vec<u8>) -> LongString {
        output.push(b'"');
        LongString::default()
    }

    /// Appends a piece. What is not UTF-8 becomes U+FFFD.
    pub fn append(&mut self, output: &mut Vec<u8>, piece: &[u8]) {
        self.cut.extend_from_slice(piece);
        let whole = whole_characters(&self.cut);
        let rest = self.cut.split_off(whole);
        append_escaped(output, &self.cut);
        self.cut = rest;
    }

    /// Ends the string.
    pub fn end(self, output: &mut Vec<u8>) {
        append_escaped(output, &self.cut);
        output.push(b'"');
    }
}

/// Octets before a character that is cut off at the end, if one is.
fn whole_characters(octets: &[u8]) -> usize {
    // No character has more than four octets, so a cut one begins among the last three.
    let candidates = (octets.len().saturating_sub(3)..octets.len()).rev();
    let is_cut = |start: &usize| {
        let tail = octets.get(*start..).unwrap_or_default();
        str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    candidates.into_iter().find(is_cut).unwrap_or(octets.len())
}

fn append_escaped(output: &mut Vec<u8>, octets: &[u8]) {
    let quoted = Value::from(String::from_utf8_lossy(octets)).to_string();
    let inner = quoted.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    output.extend_from_slice(inner.unwrap_or_default().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long(pieces: &[&[u8]]) -> String {
        let mut output = Vec::new();
        let mut string = LongString::begin(&mut output);
        pieces.iter().for_each(|piece| string.append(&mut output, piece));
        string.end(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn what_json_cannot_hold_is_escaped_or_replaced() {
        assert_eq!(string(&b"a\"\\\x1b\n\xff"[..].into()).to_string(), "\"a\\\"\\\\\\u001b\\n\u{fffd}\"");
        assert_eq!(long(&[b"a\"", b"\x1b\xff", b"b"]), "\"a\\\"\\u001b\u{fffd}b\"");
        assert_eq!(long(&[]), "\"\"");
    }

    #[test]
    fn a_character_may_be_spread_over_pieces() {
        let text = "x\u{e9}\u{20ac}\u{1f980}y";
        for size in 1..text.len() {
            let pieces: Vec<&[u8]> = text.as_bytes().chunks(size).collect();
            assert_eq!(long(&pieces), format!("\"{text}\""));
        }
        assert_eq!(long(&[b"\xe2\x82"]), "\"\u{fffd}\"");
        assert_eq!(long(&[b"\xe2", b"x"]), "\"\u{fffd}x\"");
    }
}
