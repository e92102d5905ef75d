//! Writing messages.

use super::field::Message;
use super::table::Command;
use crate::error::EncodeError;
use crate::frame;

impl Command {
    /// Writes the payload of a frame.
    ///
    /// # Errors
    ///
    /// [`EncodeError`] when a number or the whole is too big for the wire.
    pub fn encode(&self) -> Result<Vec<u8>, EncodeError> {
        let mut payload = Vec::new();
        self.append_payload(&mut payload)?;
        Ok(payload)
    }

    /// Writes a frame, ready to be sent.
    ///
    /// # Errors
    ///
    /// The same as [`Command::encode`].
    pub fn to_frame(&self) -> Result<Vec<u8>, EncodeError> {
        let mut bytes = frame::header(0).to_vec();
        self.append_payload(&mut bytes)?;
        let length = bytes.len().saturating_sub(frame::HEADER_LENGTH) as u64;
        for (byte, value) in bytes.iter_mut().zip(frame::header(length)) {
            *byte = value;
        }
        Ok(bytes)
    }

    fn append_payload(&self, payload: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.append(Message::new(self.kind().number(), payload)).map_err(EncodeError::from)
    }
}
