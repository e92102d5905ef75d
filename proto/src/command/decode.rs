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
    let Some(first) = payload.first() else {
        return Err(DecodeError::without_subject(Cause::NoMessage));
    };
    // The tags of all messages fit into one byte: EXPLICIT and context-specific, with a number below 31.
    let number = u32::from(first & 0x1f);
    let cause = match Kind::from_number(number) {
        _ if first & 0xe0 != 0xa0 || number == 0x1f => Cause::FirstByte(*first),
        Some(kind) => return Ok(kind),
        None if RESERVED.contains(&number) => Cause::ReservedTag(number),
        None => Cause::UnknownTag(number),
    };
    Err(DecodeError::without_subject(cause))
}
