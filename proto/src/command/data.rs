//! The content of artifacts, which outweighs all other messages: read without copying, written without a detour.

use super::table::Kind;
use crate::error::DecodeError;
use crate::frame;
use crate::header::{Header, UTF8_STRING, context};
use crate::wire::{decode_choice, read_bytes};
use der::{Reader, SliceReader};

const DATA_BYTE: u8 = context(Kind::Data.number());

/// The bytes of a `data` message, borrowed from its payload.
///
/// ```
/// use builder_proto::command::{DataRef, append_data_frame};
/// use builder_proto::frame::HEADER_LENGTH;
///
/// let mut frame = Vec::new();
/// append_data_frame(&mut frame, b"hello");
/// let data = DataRef::decode(&frame[HEADER_LENGTH..])?.expect("it is a data message");
/// assert_eq!(data.bytes, b"hello");
/// # Ok::<(), builder_proto::error::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DataRef<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
}

impl<'a> DataRef<'a> {
    /// Reads the payload of a frame; `None` when it is another message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is a `data` message, but not a good one.
    pub fn decode(payload: &'a [u8]) -> Result<Option<DataRef<'a>>, DecodeError> {
        if payload.first() != Some(&DATA_BYTE) {
            return Ok(None);
        }
        decode(payload).map(Some).map_err(DecodeError::within("data"))
    }
}

/// Appends the frame of a `data` message.
pub fn append_data_frame(frames: &mut Vec<u8>, bytes: &[u8]) {
    append_data_header(frames, bytes.len() as u64);
    frames.extend_from_slice(bytes);
}

/// Appends what precedes the bytes in the frame of a `data` message, for those who have so many bytes elsewhere.
pub fn append_data_header(frames: &mut Vec<u8>, length: u64) {
    let bytes = Header { tag: UTF8_STRING, length };
    let message = Header { tag: DATA_BYTE, length: bytes.encoded_length() + length };
    frames.extend_from_slice(&frame::header(message.encoded_length() + message.length));
    message.append_to(frames);
    bytes.append_to(frames);
}

fn decode(payload: &[u8]) -> der::Result<DataRef<'_>> {
    let mut reader = SliceReader::new(payload)?;
    let bytes = decode_choice(&mut reader, |_, body| read_bytes(body))?;
    reader.finish()?;
    Ok(DataRef { bytes })
}
