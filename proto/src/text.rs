//! Bytes that are usually UTF-8: names, scripts, console lines, artifacts.
//!
//! On the wire they carry the tag of a UTF8String, but builder 0.4.0 never checks that they are UTF-8, and
//! neither do we: what a job prints is passed on as it is.

use core::borrow::Borrow;
use core::fmt;
use der::{DecodeValue, EncodeValue, FixedTag, Header, Length, Reader, Tag, Writer};

/// Any bytes, printed as text.
///
/// ```
/// use builder_proto::text::Text;
///
/// let line = Text::from(b"caf\xc3\xa9 \xff\x1b[2J".to_vec());
/// assert_eq!(line.as_str(), None);
/// assert_eq!(line.to_string(), "café \u{fffd}\\x1b[2J");
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Vec<u8>);

impl Text {
    /// The bytes as they are on the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text, or `None` when the bytes are not UTF-8.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        core::str::from_utf8(&self.0).ok()
    }
}

/// Fit for a terminal: bytes that are not UTF-8 become U+FFFD, and characters that would move the cursor,
/// change colours or reverse the direction of the text are escaped.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                Visible(character).fmt(f)?;
            }
            if !chunk.invalid().is_empty() {
                fmt::Write::write_char(f, char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}

/// A character as [`Text`] prints it: as it is, or escaped in the way that is known from shells and editors, such as `\n`,
/// `\t`, `\x1b` or `\u{202e}`.
///
/// ```
/// use builder_proto::text::Visible;
///
/// assert_eq!(format!("{}{}", Visible('é'), Visible('\u{202e}')), "é\\u{202e}");
/// assert!(Visible('\t').is_escaped() && !Visible(' ').is_escaped());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Visible(
    /// The character.
    pub char,
);

impl Visible {
    /// Whether it would move the cursor, begin a line, change colours or reverse the direction of the text.
    #[must_use]
    pub fn is_escaped(self) -> bool {
        let Visible(character) = self;
        character.is_control() || is_separator(character) || is_direction_mark(character)
    }
}

impl fmt::Display for Visible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Visible(character) = *self;
        match character {
            '\n' | '\r' | '\t' => write!(f, "{}", character.escape_default()),
            _ if character.is_ascii_control() => write!(f, "\\x{:02x}", u32::from(character)),
            _ if self.is_escaped() => write!(f, "{}", character.escape_unicode()),
            _ => fmt::Write::write_char(f, character),
        }
    }
}

/// Some programs begin a line or a paragraph with these.
fn is_separator(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}')
}

/// What Unicode calls `Bidi_Control`.
fn is_direction_mark(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().to_vec())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(text.into_bytes())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Text {
        Text(bytes.to_vec())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Text {
        Text(bytes)
    }
}

impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl FixedTag for Text {
    const TAG: Tag = Tag::Utf8String;
}

impl<'a> DecodeValue<'a> for Text {
    type Error = der::Error;

    fn decode_value<R: Reader<'a>>(reader: &mut R, header: Header) -> der::Result<Self> {
        Ok(Text(reader.read_slice(header.length())?.to_vec()))
    }
}

impl EncodeValue for Text {
    fn value_len(&self) -> der::Result<Length> {
        Length::try_from(self.0.len())
    }

    fn encode_value(&self, writer: &mut impl Writer) -> der::Result<()> {
        writer.write(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use der::{Decode, Encode};

    #[test]
    fn any_bytes_survive_the_wire() {
        let every_byte: Vec<u8> = (0..=255).collect();
        let text = Text::from(every_byte);
        let bytes = text.to_der().unwrap();
        assert_eq!(bytes[..4], [0x0c, 0x82, 0x01, 0x00]);
        assert_eq!(Text::from_der(&bytes).unwrap(), text);
    }

    #[test]
    fn a_claimed_length_beyond_the_input_is_refused_without_an_allocation() {
        assert!(Text::from_der(&[0x0c, 0x84, 0xff, 0xff, 0xff, 0xff, b'x']).is_err());
    }

    #[test]
    fn only_utf8_is_a_str() {
        assert_eq!(Text::from("büild").as_str(), Some("büild"));
        assert_eq!(Text::from(&b"b\xfcild"[..]).as_str(), None);
    }

    #[test]
    fn display_cannot_control_a_terminal() {
        let text = Text::from(&b"a\x1b[2Jb\xff\xfec\n\t\r\0\x7fbidi\xe2\x80\xae\xc2\x9bz"[..]);
        assert_eq!(text.to_string(), "a\\x1b[2Jb\u{fffd}\u{fffd}c\\n\\t\\r\\x00\\x7fbidi\\u{202e}\\u{9b}z");
        for character in ['\u{61c}', '\u{200e}', '\u{2028}', '\u{2029}', '\u{2066}', '\u{85}', '\x07'] {
            let shown = Text::from(character.to_string()).to_string();
            assert!(
                Visible(character).is_escaped() && shown.is_ascii() && shown.starts_with('\\'),
                "{shown}"
            );
        }
    }
}
