//! Text of others amid markup.

use builder_engine::dashboard::colours::push_escaped;
use builder_proto::text::Visible;

/// The text as the content or the value of an attribute of an XML document. Control characters, which XML has no way to
/// spell, are escaped as on a terminal, and so is what would change the direction of the text; the two characters that are
/// none become U+FFFD.
pub(super) fn escaped(text: &str) -> String {
    let mut output = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\u{fffe}' | '\u{ffff}' => output.push(char::REPLACEMENT_CHARACTER),
            _ if Visible(character).is_escaped() => output.push_str(&Visible(character).to_string()),
            _ => push_escaped(&mut output, character),
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_text_is_the_content_of_an_element() {
        let every: String = ('\0'..='\u{ffff}').chain(['\u{1f600}', '\u{10ffff}']).collect();
        let document = format!("<a b=\"{0}\" c='{0}'>{0}</a>", escaped(&every));
        let document = roxmltree::Document::parse(&document).unwrap();
        let read = document.root_element().text().unwrap();
        assert!(read.contains("\\x00\\x01") && read.contains("<=>") && read.contains("\\u{202e}"), "{read}");
        assert!(read.ends_with("\u{fffd}\u{fffd}\u{1f600}\u{10ffff}"));
        assert_eq!(document.root_element().attribute("b"), Some(read));
        assert_eq!(document.root_element().attribute("c"), Some(read));
    }
}
