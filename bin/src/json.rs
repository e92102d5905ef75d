//! Bytes of others as JSON, which knows text only.

use builder_proto::text::Text;
use serde_json::Value;
use std::str;

/// The text as a JSON string. What is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn string(text: &Text) -> Value {
    Value::String(String::from_utf8_lossy(text.as_bytes()).into_owned())
}

/// The value on one line, fit for a terminal: what [`Text`] escapes there, such as the control characters beyond ASCII, is
/// escaped here as JSON does it, although JSON does not ask for it.
#[must_use]
pub fn line(value: &Value) -> String {
    let line = value.to_string();
    // Nearly always there is nothing to do.
    if Text::from(line.as_str()).to_string() == line {
        return line;
    }
    let mut escaped = String::with_capacity(line.len());
    for character in line.chars() {
        let mut bytes = [0; 4];
        let as_it_is: &str = character.encode_utf8(&mut bytes);
        if Text::from(as_it_is).to_string() == as_it_is {
            escaped.push(character);
        } else {
            // Outside of strings there is ASCII only, so this is in one.
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                escaped.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    escaped
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

/// Bytes before a character that is cut off at the end, if one is.
fn whole_characters(bytes: &[u8]) -> usize {
    // No character has more than four bytes, so a cut one begins among the last three.
    let candidates = (bytes.len().saturating_sub(3)..bytes.len()).rev();
    let is_cut = |start: &usize| {
        let tail = bytes.get(*start..).unwrap_or_default();
        str::from_utf8(tail).is_err_and(|error| error.valid_up_to() == 0 && error.error_len().is_none())
    };
    candidates.into_iter().find(is_cut).unwrap_or(bytes.len())
}

fn append_escaped(output: &mut Vec<u8>, bytes: &[u8]) {
    let quoted = line(&Value::from(String::from_utf8_lossy(bytes)));
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
    fn nothing_controls_a_terminal() {
        let text = "a\u{9b}2J\u{7f}\u{202e}b\u{85}é\u{1f980}\n";
        let escaped = "\"a\\u009b2J\\u007f\\u202eb\\u0085é\u{1f980}\\n\"";
        assert_eq!(line(&string(&text.into())), escaped);
        assert_eq!(long(&[text.as_bytes()]), escaped);
        assert_eq!(serde_json::from_str::<String>(escaped).unwrap(), text);
        let object = serde_json::json!({ "\u{9b}": ["x", 1, null] });
        assert_eq!(line(&object), "{\"\\u009b\":[\"x\",1,null]}");
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
