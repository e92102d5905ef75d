//! Numbers of a fixed width, taken from the front of a text.

/// Takes a number of exactly `width` digits, at most four.
pub(super) fn take_number(text: &mut &[u8], width: usize) -> Option<u16> {
    let (digits, rest) = text.split_at_checked(width)?;
    let number = digits
        .iter()
        .try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u16::from(digit - b'0')))?;
    *text = rest;
    Some(number)
}

/// Takes a number of exactly two digits.
pub(super) fn take_pair(text: &mut &[u8]) -> Option<u8> {
    take_number(text, 2)?.try_into().ok()
}

/// Takes all digits that follow, at least one, as the fraction of a second, and returns whole milliseconds.
pub(super) fn take_milliseconds(text: &mut &[u8]) -> Option<u16> {
    let width = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (digits, rest) = text.split_at_checked(width)?;
    *text = rest;
    if digits.is_empty() {
        return None;
    }
    let padded = digits.iter().copied().chain([b'0'; 2]).take(3);
    Some(padded.fold(0, |number, digit| number * 10 + u16::from(digit - b'0')))
}
