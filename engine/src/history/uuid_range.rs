//! Uuids that are shortened to their beginnings.

use builder_proto::Uuid;
use builder_proto::text::Text;

/// The first and the last uuid that begin with these hexadecimal digits; hyphens do not count. None when they are no beginning
/// of a uuid.
#[must_use]
pub fn range_of_uuids(digits: &Text) -> Option<(Uuid, Uuid)> {
    let (mut first, mut last, mut count) = (0_u128, 0_u128, 0);
    for byte in digits.as_bytes().iter().filter(|byte| **byte != b'-') {
        let digit = u128::from((*byte as char).to_digit(16)?);
        count += 1;
        (first, last) = (first << 4 | digit, last << 4 | digit);
    }
    let missing = 32_u32.checked_sub(count)?;
    if count == 0 {
        return Some((Uuid::nil(), Uuid::max()));
    }
    let shift = missing * 4;
    Some((Uuid::from_u128(first << shift), Uuid::from_u128(last << shift | ((1_u128 << shift) - 1))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(digits: &str) -> Option<(String, String)> {
        range_of_uuids(&digits.into()).map(|(first, last)| (first.to_string(), last.to_string()))
    }

    #[test]
    fn a_beginning_stands_for_all_that_begin_with_it() {
        let whole = "01234567-89ab-cdef-0123-456789abcdef";
        assert_eq!(range(whole), Some((whole.to_owned(), whole.to_owned())));
        let nine = ("01234567-8000-0000-0000-000000000000", "01234567-8fff-ffff-ffff-ffffffffffff");
        assert_eq!(range("01234567-8"), Some((nine.0.to_owned(), nine.1.to_owned())));
        assert_eq!(range("012345678"), range("01234567-8"));
        assert_eq!(range("ABCD"), range("abcd"));
        assert_eq!(range(""), Some((Uuid::nil().to_string(), Uuid::max().to_string())));
    }

    #[test]
    fn what_is_no_beginning_stands_for_nothing() {
        assert_eq!(range("hello"), None);
        assert_eq!(range(&"0".repeat(33)), None);
    }
}
