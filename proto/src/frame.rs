//! Frames: a length of eight bytes, most significant first, and as many bytes of payload.
//!
//! [`FrameDecoder`] is pushed whatever arrives, in pieces of any size:
//!
//! ```
//! use builder_proto::frame::{FrameDecoder, FrameEvent};
//!
//! let mut decoder = FrameDecoder::new(64);
//! let mut input: &[u8] = b"\0\0\0\0\0\0\0\x02hi\0\0\0";
//! while let Some(event) = decoder.next(&mut input)? {
//!     assert_eq!(event, FrameEvent::Frame(b"hi"));
//! }
//! assert!(input.is_empty() && !decoder.is_between_frames());
//! # Ok::<(), builder_proto::frame::FrameError>(())
//! ```

use core::fmt;

/// Bytes before the payload.
pub const HEADER_LENGTH: usize = 8;

/// A bigger buffer is given back after the frame for which it was needed.
const KEPT_CAPACITY: usize = 64 * 1024;

/// The bytes before a payload of `length` bytes.
#[must_use]
pub const fn header(length: u64) -> [u8; HEADER_LENGTH] {
    length.to_be_bytes()
}

/// Cuts a stream into frames.
///
/// Memory follows what has arrived, never what a length claims. Frames of one tag, whose payload may be too big
/// to hold, can be handed on in pieces instead. After an error the stream cannot be understood any more; every
/// further call returns the same error.
#[derive(Debug)]
pub struct FrameDecoder {
    limit: u64,
    streamed_tag: Option<u8>,
    streamed_limit: u64,
    state: State,
    /// The payload so far of a frame that did not arrive in one piece.
    buffer: Vec<u8>,
}

/// What the stream brings next.
#[derive(Debug)]
enum State {
    Header {
        bytes: [u8; HEADER_LENGTH],
        filled: usize,
    },
    /// The payload, of which the buffer holds the beginning.
    Payload {
        length: u64,
    },
    /// A streamed payload, of which so many bytes are still to come.
    Stream {
        remaining: u64,
    },
    /// A new frame, once the frame in the buffer has been looked at.
    Delivered,
    /// Nothing that could be understood.
    Failed(FrameError),
}

/// A piece of the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameEvent<'a> {
    /// The payload of a whole frame, never empty.
    Frame(&'a [u8]),
    /// A streamed frame begins; `length` bytes of payload follow as [`FrameEvent::StreamBytes`].
    StreamStart {
        /// Bytes of the whole payload.
        length: u64,
    },
    /// More payload of a streamed frame.
    StreamBytes {
        /// Never empty.
        bytes: &'a [u8],
        /// Whether the frame ends here.
        last: bool,
    },
}

/// Why a stream cannot be cut into frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameError {
    /// A frame is longer than what is accepted.
    TooLong {
        /// Bytes of payload that the frame claims to have.
        length: u64,
        /// Bytes of payload that are accepted.
        limit: u64,
    },
    /// A frame has no payload.
    Empty,
}

impl fmt::Display for FrameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameError::TooLong { length, limit } => {
                write!(f, "frame of {length} bytes; at most {limit} are accepted here")
            }
            FrameError::Empty => f.write_str("frame without a message in it"),
        }
    }
}

impl core::error::Error for FrameError {}

impl FrameDecoder {
    /// Accepts frames of up to `limit` bytes of payload, and streams none.
    #[must_use]
    pub const fn new(limit: u64) -> FrameDecoder {
        FrameDecoder {
            limit,
            streamed_tag: None,
            streamed_limit: limit,
            state: State::START,
            buffer: Vec::new(),
        }
    }

    /// Accepts up to `limit` bytes of payload in frames that are not streamed. Holds for every frame whose payload
    /// has not begun.
    pub fn set_limit(&mut self, limit: u64) {
        self.limit = limit;
    }

    /// Streams frames whose payload begins with this byte. Holds for every frame whose payload has not begun.
    pub fn set_streamed_tag(&mut self, tag: Option<u8>) {
        self.streamed_tag = tag;
    }

    /// Accepts up to `limit` bytes of payload in streamed frames. Holds for every frame whose payload has not begun.
    pub fn set_streamed_limit(&mut self, limit: u64) {
        self.streamed_limit = limit;
    }

    /// Bytes of a frame that are held because the rest of it has not arrived.
    #[must_use]
    pub fn held(&self) -> usize {
        match self.state {
            State::Delivered => 0,
            _ => self.buffer.len(),
        }
    }

    /// Whether the stream may end here without cutting a frame off.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        matches!(self.state, State::Header { filled: 0, .. } | State::Delivered)
    }

    /// Takes bytes from the front of `input` until there is something to report; `None` when the input is used
    /// up.
    ///
    /// # Errors
    ///
    /// [`FrameError`] when a frame is empty or too long. A frame that is too long is reported as soon as that is
    /// certain, before its payload is read: `input` begins with the payload then, as far as it has arrived.
    pub fn next<'a, 'input: 'a>(
        &'a mut self,
        input: &mut &'input [u8],
    ) -> Result<Option<FrameEvent<'a>>, FrameError> {
        if let State::Failed(error) = self.state {
            return Err(error);
        }
        if matches!(self.state, State::Delivered) {
            self.buffer.clear();
            self.buffer.shrink_to(KEPT_CAPACITY);
            self.state = State::START;
        }
        if let State::Header { bytes, filled } = &mut self.state {
            let (_, missing) = bytes.split_at_mut(*filled);
            *filled += fill(missing, input);
            if *filled < HEADER_LENGTH {
                return Ok(None);
            }
            let length = u64::from_be_bytes(*bytes);
            self.state = self.check_length(length);
        }
        match self.state {
            State::Payload { length } => self.next_of_payload(length, input),
            State::Stream { remaining } => Ok(self.next_of_stream(remaining, input)),
            State::Failed(error) => Err(error),
            State::Header { .. } | State::Delivered => Ok(None),
        }
    }

    /// The state after a header. It refuses what no frame may have, whatever its tag.
    fn check_length(&self, length: u64) -> State {
        let limit = match self.streamed_tag {
            Some(_) => self.limit.max(self.streamed_limit),
            None => self.limit,
        };
        match length {
            0 => State::Failed(FrameError::Empty),
            _ if length > limit => State::Failed(FrameError::TooLong { length, limit }),
            _ => State::Payload { length },
        }
    }

    fn next_of_payload<'a, 'input: 'a>(
        &'a mut self,
        length: u64,
        input: &mut &'input [u8],
    ) -> Result<Option<FrameEvent<'a>>, FrameError> {
        if self.buffer.is_empty() {
            let Some(first) = input.first() else { return Ok(None) };
            let is_streamed = self.streamed_tag == Some(*first);
            let limit = if is_streamed { self.streamed_limit } else { self.limit };
            if length > limit {
                let error = FrameError::TooLong { length, limit };
                self.state = State::Failed(error);
                return Err(error);
            }
            if is_streamed {
                self.state = State::Stream { remaining: length };
                return Ok(Some(FrameEvent::StreamStart { length }));
            }
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let missing = length.saturating_sub(self.buffer.len());
        let arrived = take(input, missing);
        if arrived.len() == length {
            self.state = State::START;
            return Ok(Some(FrameEvent::Frame(arrived)));
        }
        if arrived.len() > self.buffer.capacity() - self.buffer.len() {
            // Doubled, so that copying stays linear, but never beyond the frame.
            self.buffer.reserve_exact(arrived.len().max(self.buffer.len()).min(missing));
        }
        self.buffer.extend_from_slice(arrived);
        if self.buffer.len() < length {
            return Ok(None);
        }
        self.state = State::Delivered;
        Ok(Some(FrameEvent::Frame(&self.buffer)))
    }

    fn next_of_stream<'input>(
        &mut self,
        remaining: u64,
        input: &mut &'input [u8],
    ) -> Option<FrameEvent<'input>> {
        let bytes = take(input, usize::try_from(remaining).unwrap_or(usize::MAX));
        if bytes.is_empty() {
            return None;
        }
        let remaining = remaining.saturating_sub(bytes.len() as u64);
        let last = remaining == 0;
        self.state = if last { State::START } else { State::Stream { remaining } };
        Some(FrameEvent::StreamBytes { bytes, last })
    }
}

impl State {
    const START: State = State::Header { bytes: [0; HEADER_LENGTH], filled: 0 };
}

/// Takes up to `count` bytes from the front of `input`.
fn take<'input>(input: &mut &'input [u8], count: usize) -> &'input [u8] {
    let (taken, rest) = input.split_at_checked(count).unwrap_or((input, &[]));
    *input = rest;
    taken
}

/// Fills `target` from the front of `input` as far as that reaches; returns how far.
fn fill(target: &mut [u8], input: &mut &[u8]) -> usize {
    let taken = take(input, target.len());
    for (byte, source) in target.iter_mut().zip(taken) {
        *byte = *source;
    }
    taken.len()
}

#[cfg(test)]
mod tests;
