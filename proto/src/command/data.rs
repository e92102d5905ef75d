//! The content of artifacts, which outweighs all other messages: read without copying, written without a detour.

use super::table::Kind;
use crate::error::DecodeError;
use crate::frame;
use crate::header::{Header, UTF8_STRING, context};
use crate::malformed::{Fit, Malformed, Problem, check_header};
use crate::wire::{decode_choice, read_bytes};
use der::{Reader, SliceReader};

/// The first byte of the payload of a `data` message.
pub const DATA_TAG: u8 = context(Kind::Data.number());

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
        if payload.first() != Some(&DATA_TAG) {
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
    let message = Header { tag: DATA_TAG, length: bytes.encoded_length() + length };
    frames.extend_from_slice(&frame::header(message.encoded_length() + message.length));
    message.append_to(frames);
    bytes.append_to(frames);
}

/// Reads what precedes the bytes in the payload of a `data` message that is read in passing: how long that is, and how many
/// bytes follow it. `beginning` is the beginning of a payload of `length` bytes; the answer is `None` while that is too
/// little.
///
/// ```
/// use builder_proto::command::{append_data_frame, read_data_header};
/// use builder_proto::frame::HEADER_LENGTH;
///
/// let mut frame = Vec::new();
/// append_data_frame(&mut frame, b"hello");
/// let payload = &frame[HEADER_LENGTH..];
/// assert_eq!(read_data_header(&payload[..3], payload.len() as u64)?, None);
/// assert_eq!(read_data_header(&payload[..4], payload.len() as u64)?, Some((4, 5)));
/// # Ok::<(), builder_proto::malformed::Malformed>(())
/// ```
///
/// # Errors
///
/// When it is no good `data` message.
pub fn read_data_header(beginning: &[u8], length: u64) -> Result<Option<(usize, u64)>, Malformed> {
    let Some((inside, from)) = read_header(beginning, DATA_TAG, 0, length)? else { return Ok(None) };
    let Some((bytes, from)) = read_header(beginning, UTF8_STRING, from, inside)? else { return Ok(None) };
    Ok(Some((from, bytes)))
}

/// Reads the header at `from` of a value that fills `room`: bytes of its content, and where that begins.
fn read_header(beginning: &[u8], tag: u8, from: usize, room: u64) -> Result<Option<(u64, usize)>, Malformed> {
    let malformed = |problem| Malformed::new(from as u64, "data", problem);
    let Some((header, count)) = Header::parse(beginning.get(from..).unwrap_or_default())
        .map_err(|error| malformed(Problem::Header(error)))?
    else {
        return Ok(None);
    };
    check_header(header, tag, room, Fit::Exactly).map_err(malformed)?;
    Ok(Some((header.length, from + count)))
}

fn decode(payload: &[u8]) -> der::Result<DataRef<'_>> {
    let mut reader = SliceReader::new(payload)?;
    let bytes = decode_choice(&mut reader, |_, body| read_bytes(body))?;
    reader.finish()?;
    Ok(DataRef { bytes })
}
