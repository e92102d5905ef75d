//! Reading messages.

use super::table::{Command, Kind, RESERVED};
use crate::budget::is_within_budget;
use crate::error::{Cause, DecodeError};
use crate::wire::decode_choice;
use der::{Reader, SliceReader};

impl Command {
    /// The message that a payload claims to be; `None` when it is none.
    ///
    /// For those who expect few of them: what is not expected need not be decoded.
    #[must_use]
    pub fn peek_kind(payload: &[u8]) -> Option<Kind> {
        identify(payload).ok()
    }

    /// Reads the payload of a frame.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when the payload is not exactly one known message in DER, or holds more values than are
    /// decoded at once.
    pub fn decode(payload: &[u8]) -> Result<Command, DecodeError> {
        let kind = identify(payload)?;
        let name = kind.name();
        let values = kind.most_values();
        if !is_within_budget(payload, values) {
            return Err(DecodeError::new(name, Cause::TooManyValues(values)));
        }
        let mut reader = SliceReader::new(payload).map_err(DecodeError::within(name))?;
        let command = decode_choice(&mut reader, |_, body| Command::read(kind, body));
        command.and_then(|command| reader.finish().map(|()| command)).map_err(DecodeError::within(name))
    }
}

/// Finds out which message it is, without a look at the rest.
fn identify(payload: &[u8]) -> Result<Kind, DecodeError> {
    let number = tag_number(payload).map_err(DecodeError::without_subject)?;
    Kind::from_number(number).ok_or_else(|| {
        DecodeError::without_subject(match RESERVED.contains(&number) {
            true => Cause::ReservedTag(number),
            false => Cause::UnknownTag(number),
        })
    })
}

/// The number of an EXPLICIT, context-specific tag: below 31 in its only byte, below 128 in a second one.
fn tag_number(payload: &[u8]) -> Result<u32, Cause> {
    let first = payload.first().ok_or(Cause::NoMessage)?;
    match (first & 0xe0, first & 0x1f) {
        (0xa0, number @ 0..0x1f) => Ok(u32::from(number)),
        (0xa0, _) => match payload.get(1) {
            Some(number @ 0x1f..0x80) => Ok(u32::from(*number)),
            _ => Err(Cause::FirstByte(*first)),
        },
        _ => Err(Cause::FirstByte(*first)),
    }
}
