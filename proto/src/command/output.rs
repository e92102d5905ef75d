//! Console lines, which outnumber all other messages: read without allocating, written without a detour.

use super::table::Kind;
use crate::Uuid;
use crate::error::DecodeError;
use crate::frame;
use crate::header::{Header, SEQUENCE, UTF8_STRING, context};
use crate::wire::{Integer, RawUuid, decode_choice, read_bytes};
use der::{Decode, Encode, Reader, SliceReader};

/// An `output` message, borrowed from its payload.
///
/// ```
/// use builder_proto::Uuid;
/// use builder_proto::command::{OutputRef, append_output_frame};
/// use builder_proto::frame::HEADER_LENGTH;
///
/// let mut frame = Vec::new();
/// append_output_frame(&mut frame, Uuid::nil(), b"hello", None);
/// let output = OutputRef::decode(&frame[HEADER_LENGTH..])?.expect("it is an output message");
/// assert_eq!(output.line, b"hello");
/// # Ok::<(), builder_proto::error::DecodeError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutputRef<'a> {
    /// The build.
    pub uuid: Uuid,
    /// The line, without its newline.
    pub line: &'a [u8],
    /// Nanoseconds since the job started, when it comes from a server.
    pub timestamp: Option<i64>,
}

impl<'a> OutputRef<'a> {
    /// Whether a payload of which this is the beginning is an `output` message, or claims to be.
    #[must_use]
    pub fn begins(payload: &[u8]) -> bool {
        payload.first() == Some(&OUTPUT_BYTE)
    }

    /// Reads the payload of a frame; `None` when it is another message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] when it is an `output` message, but not a good one.
    pub fn decode(payload: &'a [u8]) -> Result<Option<OutputRef<'a>>, DecodeError> {
        if !OutputRef::begins(payload) {
            return Ok(None);
        }
        decode(payload).map(Some).map_err(DecodeError::within("output"))
    }
}

/// Appends the frame of an `output` message.
///
/// A timestamp beyond the 63 bits of the wire, which is 146 years, is cut to the nearest that fits.
pub fn append_output_frame(frames: &mut Vec<u8>, uuid: Uuid, line: &[u8], timestamp: Option<i64>) {
    let mut timestamp_buffer = [0; LONGEST_INTEGER];
    let timestamp = encode_timestamp(timestamp, &mut timestamp_buffer);
    let line_header = Header { tag: UTF8_STRING, length: line.len() as u64 };
    let content = line.len() as u64 + timestamp.len() as u64;
    let fields = UUID_HEADER.encoded_length() + UUID_HEADER.length + line_header.encoded_length() + content;
    let sequence = Header { tag: SEQUENCE, length: fields };
    let message = Header { tag: OUTPUT_BYTE, length: sequence.encoded_length() + fields };

    frames.extend_from_slice(&frame::header(message.encoded_length() + message.length));
    message.append_to(frames);
    sequence.append_to(frames);
    UUID_HEADER.append_to(frames);
    frames.extend_from_slice(uuid.as_bytes());
    line_header.append_to(frames);
    frames.extend_from_slice(line);
    frames.extend_from_slice(timestamp);
}

const OUTPUT_BYTE: u8 = context(Kind::Output.number());
const UUID_HEADER: Header = Header { tag: UTF8_STRING, length: 16 };
/// Tag, length and eight bytes of number.
const LONGEST_INTEGER: usize = 10;

/// The INTEGER with its header; nothing when there is no timestamp.
fn encode_timestamp(timestamp: Option<i64>, buffer: &mut [u8; LONGEST_INTEGER]) -> &[u8] {
    let Some(timestamp) = timestamp else { return &[] };
    let in_range = Integer(timestamp).clamp(Integer::MIN, Integer::MAX);
    // A number in range that has room for its ten bytes cannot fail.
    in_range.encode_to_slice(buffer).unwrap_or_default()
}

fn decode(payload: &[u8]) -> der::Result<OutputRef<'_>> {
    let mut reader = SliceReader::new(payload)?;
    let output = decode_choice(&mut reader, |_, body| {
        body.sequence(|fields| {
            Ok(OutputRef {
                uuid: RawUuid::decode(fields)?.0,
                line: read_bytes(fields)?,
                timestamp: Option::<Integer>::decode(fields)?.map(|timestamp| timestamp.0),
            })
        })
    })?;
    reader.finish()?;
    Ok(output)
}
