//! Reading a log: bytes in, payloads out, and a verdict on the end.

use super::format::{
    FRAME_HEADER_LENGTH, FileHeader, FrameHeader, HEADER_LENGTH, Inspection, Position, SALT_LENGTH,
    SALT_OFFSET, Salt, inspect,
};
use core::ops::Range;

/// Reads a log from chunks of any size, in bounded memory: at most the longest frame and one chunk.
///
/// ```
/// use builder_engine::log::{Event, Frame, LogReader, Position, Salt, Verdict};
///
/// // A log of one commit, and what a crash left of the next.
/// let (position, header) = Position::start(Salt([7; 16])); // random
/// let mut frame = Frame::new();
/// frame.append(b"a record");
/// let (frame, _) = frame.seal(position);
/// let file = [&header, frame, &frame[..20]].concat();
///
/// let mut reader = LogReader::new();
/// let (mut chunks, mut payloads) = (file.chunks(16), Vec::new());
/// let verdict = loop {
///     match reader.poll() {
///         Event::NeedInput => match chunks.next() {
///             Some(chunk) => reader.push(chunk),
///             None => reader.finish(),
///         },
///         Event::Frame { payload, .. } => payloads.push(payload.to_vec()),
///         Event::Damage(damage) => panic!("refuse to go on, unless it is to be salvaged: {damage:?}"),
///         Event::End(verdict) => break verdict,
///     }
/// };
/// assert_eq!(payloads, [b"a record"]);
/// assert!(matches!(verdict, Verdict::Torn { .. }), "cut it off: {verdict:?}");
/// ```
#[derive(Debug)]
pub struct LogReader {
    /// What was pushed; `start` bytes of it are done with.
    buffer: Vec<u8>,
    start: usize,
    /// Where in the file the byte at `start` stands.
    offset: u64,
    finished: bool,
    state: State,
    /// After the last good frame. Before there is one, its salt is a guess that matches nothing.
    position: Position,
}

/// What came of the bytes so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event<'a> {
    /// Push the next chunk, or finish when there is none.
    NeedInput,
    /// A good frame: the bytes that one commit made durable.
    Frame {
        /// Where the frame begins in the file.
        offset: u64,
        /// The records, one after the other.
        payload: &'a [u8],
    },
    /// Something bad stands before a good frame: no crash does that.
    Damage(Damage),
    /// There is no more.
    End(Verdict),
}

/// A part of a log that is not as it was written, followed by a good frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where the first bad byte can be, as an offset in the file.
    pub from: u64,
    /// Where the next good frame begins.
    pub to: u64,
    /// How many frames are missing between the good ones, by their sequence numbers.
    pub lost_frames: u64,
}

/// How a log ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// With a good frame, behind which there is nothing, or preallocated zeros, into which the next frames go.
    Clean {
        /// Bytes up to the end of the last good frame.
        good_length: u64,
    },
    /// In the middle of a frame that is not the first. A crash does that; nothing good comes later.
    Torn {
        /// Bytes up to the end of the last good frame.
        good_length: u64,
    },
    /// Nothing in the file is a good frame. A log gets its name only once its first frame is durable, so no
    /// crash does that.
    Unreadable,
    /// Another version of this program wrote the file.
    UnknownVersion {
        /// The version of the format, from the header.
        version: u32,
    },
}

#[derive(Clone, Copy, Debug)]
enum State {
    Header,
    /// The header is bad; what stands after it may tell the salt.
    BadHeader {
        salt: Salt,
    },
    Frames,
    /// Looking for a good frame behind what is none at `from`, and whether there were only zeros so far.
    Searching {
        from: u64,
        blank: bool,
    },
    Ended(Verdict),
}

enum Step {
    /// The state has changed: look again.
    Again,
    NeedInput,
    Frame {
        offset: u64,
        payload: Range<usize>,
    },
    Damage(Damage),
}

impl LogReader {
    /// A reader at the beginning of a file.
    pub fn new() -> LogReader {
        LogReader {
            buffer: Vec::new(),
            start: 0,
            offset: 0,
            finished: false,
            state: State::Header,
            position: Position::start(Salt([0; SALT_LENGTH])).0,
        }
    }

    /// Hands in the next bytes of the file.
    pub fn push(&mut self, chunk: &[u8]) {
        // Moving what is left only when that is the smaller part keeps the cost of moving linear.
        if self.start > self.buffer.len() / 2 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        self.buffer.extend_from_slice(chunk);
    }

    /// Says that the file has no more bytes.
    pub fn finish(&mut self) {
        self.finished = true;
    }

    /// The next event. After [`Event::End`] it is always the same.
    pub fn poll(&mut self) -> Event<'_> {
        loop {
            let step = match self.state {
                State::Header => self.read_header(),
                State::BadHeader { salt } => self.guess_salt(salt),
                State::Frames => self.read_frame(),
                State::Searching { from, blank } => self.search(from, blank),
                State::Ended(verdict) => return Event::End(verdict),
            };
            match step {
                Step::Again => {}
                Step::NeedInput => return Event::NeedInput,
                Step::Damage(damage) => return Event::Damage(damage),
                Step::Frame { offset, payload } => {
                    return Event::Frame { offset, payload: self.buffer.get(payload).unwrap_or_default() };
                }
            }
        }
    }

    /// Where the log stands after the last good frame: what a frame to be appended has to continue.
    pub fn position(&self) -> Position {
        self.position
    }

    fn read_header(&mut self) -> Step {
        let Some(bytes) = self.unread().first_chunk::<HEADER_LENGTH>() else {
            return self.end(Verdict::Unreadable);
        };
        let state = match FileHeader::decode(bytes) {
            FileHeader::Good(position) => {
                self.position = position;
                State::Frames
            }
            FileHeader::UnknownVersion(version) => State::Ended(Verdict::UnknownVersion { version }),
            FileHeader::Bad(salt) => State::BadHeader { salt },
        };
        self.skip(HEADER_LENGTH);
        self.go_to(state)
    }

    /// Finds the salt of a file whose header is bad: that of the first frame, if it is sound, otherwise the
    /// header's. No job chooses bytes at either place.
    fn guess_salt(&mut self, header_salt: Salt) -> Step {
        let first = self.unread().first_chunk::<FRAME_HEADER_LENGTH>().map(FrameHeader::decode);
        let salt = first.map_or(header_salt, |frame| frame.salt);
        match inspect(self.unread(), salt) {
            Inspection::Incomplete if !self.finished => return Step::NeedInput,
            Inspection::Sound(_) => self.position.salt = salt,
            Inspection::Incomplete | Inspection::Unsound => self.position.salt = header_salt,
        }
        self.go_to(State::Searching { from: 0, blank: false })
    }

    fn read_frame(&mut self) -> Step {
        if self.unread().is_empty() {
            return self.end(Verdict::Clean { good_length: self.offset });
        }
        match inspect(self.unread(), self.position.salt) {
            Inspection::Incomplete if !self.finished => Step::NeedInput,
            Inspection::Sound(frame) if Position::before(&frame) == self.position => {
                let payload = self.start + FRAME_HEADER_LENGTH..self.start + frame.frame_length();
                let offset = self.offset;
                self.position = Position::after(&frame);
                self.skip(frame.frame_length());
                Step::Frame { offset, payload }
            }
            _ => self.go_to(State::Searching { from: self.offset, blank: true }),
        }
    }

    /// Looks for a sound frame that is later than the last good one. The salt is searched for first, so a
    /// CRC is computed only where a frame of this file once began, and the whole stays linear.
    fn search(&mut self, from: u64, blank: bool) -> Step {
        let Some(found) = find_salt(self.unread(), self.position.salt) else {
            let blank = blank && self.unread().iter().all(|byte| *byte == 0);
            self.state = State::Searching { from, blank };
            // The last bytes may hold the beginning of a frame header.
            self.skip(self.unread().len().saturating_sub(SALT_OFFSET + SALT_LENGTH - 1));
            let good_length = from;
            return self.end(match blank {
                true => Verdict::Clean { good_length },
                false => Verdict::Torn { good_length },
            });
        };
        self.state = State::Searching { from, blank: false };
        self.skip(found);
        match inspect(self.unread(), self.position.salt) {
            Inspection::Incomplete if !self.finished => Step::NeedInput,
            Inspection::Sound(frame) if frame.sequence > self.position.sequence => {
                let before = Position::before(&frame);
                let lost_frames = before.sequence - self.position.sequence;
                self.position = before;
                self.state = State::Frames;
                Step::Damage(Damage { from, to: self.offset, lost_frames })
            }
            _ => {
                self.skip(1);
                Step::Again
            }
        }
    }

    fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..).unwrap_or_default()
    }

    fn skip(&mut self, bytes: usize) {
        self.start += bytes;
        self.offset += bytes as u64;
    }

    fn go_to(&mut self, state: State) -> Step {
        self.state = state;
        Step::Again
    }

    /// Gives the verdict, if there is no more input. A file without a good frame gets the same one, wherever it ends.
    fn end(&mut self, verdict: Verdict) -> Step {
        if !self.finished {
            return Step::NeedInput;
        }
        let has_frames = self.position.sequence > 0;
        self.go_to(State::Ended(if has_frames { verdict } else { Verdict::Unreadable }))
    }
}

impl Default for LogReader {
    fn default() -> LogReader {
        LogReader::new()
    }
}

/// Where the first frame with this salt could begin.
fn find_salt(bytes: &[u8], salt: Salt) -> Option<usize> {
    bytes.get(SALT_OFFSET..)?.windows(SALT_LENGTH).position(|window| window == salt.0)
}

#[cfg(test)]
mod tests;
