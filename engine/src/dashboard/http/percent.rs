//! What stands in addresses in place of bytes that may not.

const DIGITS: &[u8; 16] = b"0123456789ABCDEF";

/// The bytes that a part of a path stands for. None when a percent sign is not followed by two hexadecimal digits.
#[must_use]
pub fn percent_decode(text: &str) -> Option<Vec<u8>> {
    let (bytes, is_sound) = unescape(text.as_bytes());
    is_sound.then_some(bytes)
}

/// How bytes are written in a path or a query: letters, digits and `-._~` stay as they are, all others are escaped.
#[must_use]
pub fn percent_encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            let digits = [byte >> 4, byte & 15]
                .map(|digit| DIGITS.get(usize::from(digit)).map_or('0', |&digit| char::from(digit)));
            text.push('%');
            text.extend(digits);
        }
    }
    text
}

/// The names and values in a query, as forms write them: `a=1&b=two+words`. A percent sign that is no escape stands for itself, as
/// browsers have it.
pub fn query_fields(query: &str) -> impl Iterator<Item = (Vec<u8>, Vec<u8>)> {
    let fields = query.split('&').filter(|field| !field.is_empty());
    fields.map(|field| {
        let (name, value) = field.split_once('=').unwrap_or((field, ""));
        let read = |text: &str| unescape(text.replace('+', " ").as_bytes()).0;
        (read(name), read(value))
    })
}

/// Replaces escapes, and says whether each percent sign begins one. Those that do not are left.
fn unescape(text: &[u8]) -> (Vec<u8>, bool) {
    let (mut bytes, mut is_sound) = (Vec::with_capacity(text.len()), true);
    let mut rest = text;
    while let [byte, behind @ ..] = rest {
        if let (Some(value), [_, _, _, behind @ ..]) = (escape(rest), rest) {
            bytes.push(value);
            rest = behind;
        } else {
            is_sound &= *byte != b'%';
            bytes.push(*byte);
            rest = behind;
        }
    }
    (bytes, is_sound)
}

/// The byte of the escape that stands in front.
fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    Some(digit(*high)? << 4 | digit(*low)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn fields(query: &str) -> Vec<(String, String)> {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        query_fields(query).map(|(name, value)| (text(name), text(value))).collect()
    }

    #[test]
    fn escapes_stand_for_any_byte() {
        assert_eq!(percent_decode("a%20b%00%ff%C3%bc+").as_deref(), Some(&b"a b\0\xff\xc3\xbc+"[..]));
        assert_eq!(percent_encode(b"a b/\xff~-._%+"), "a%20b%2F%FF~-._%25%2B");
        assert_eq!(percent_decode("%2525").as_deref(), Some(&b"%25"[..]), "decoded once");
        assert_eq!(percent_decode("").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_percent_sign_that_is_no_escape_is_refused() {
        for text in ["%", "%4", "a%", "%g0", "%0g", "%%41", "%+1", "% 1"] {
            assert_eq!(percent_decode(text), None, "{text}");
        }
    }

    #[test]
    fn a_query_is_read_as_forms_write_it() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        assert_eq!(
            fields("a=1&b=two+words&c=%2B%26%3D"),
            pairs(&[("a", "1"), ("b", "two words"), ("c", "+&=")])
        );
        assert_eq!(fields("a&b=&=c&&d=e=f"), pairs(&[("a", ""), ("b", ""), ("", "c"), ("d", "e=f")]));
        assert_eq!(fields("a=100%&b=%zz"), pairs(&[("a", "100%"), ("b", "%zz")]));
        assert_eq!(fields(""), []);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_decoded(bytes in prop::collection::vec(any::<u8>(), 0..50), name in prop::collection::vec(any::<u8>(), 1..9)) {
            let text = percent_encode(&bytes);
            prop_assert!(text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'&' && byte != b'='));
            prop_assert_eq!(percent_decode(&text), Some(bytes.clone()));
            let query = format!("{}={text}", percent_encode(&name));
            prop_assert_eq!(query_fields(&query).collect::<Vec<_>>(), [(name, bytes)]);
        }

        #[test]
        fn no_text_is_too_strange(text in ".{0,40}") {
            let _ = percent_decode(&text);
            prop_assert!(query_fields(&text).count() <= text.len());
        }
    }
}
