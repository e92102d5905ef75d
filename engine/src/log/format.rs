//! Layout of the file header and of frames. All numbers are big-endian.
//!
//! ```text
//! file header, 32 bytes        frame header, 36 bytes, then the payload
//!  0  magic          8           0  length of the payload        4
//!  8  version        4           4  salt                        16
//! 12  salt          16          20  sequence number, from 1      8
//! 28  CRC32C of     4           28  CRC of what precedes it      4   (frame before, or file header)
//!     the above                 32  CRC32C of the above and the payload
//! ```

use crate::limits::LOG_FRAME_BYTES;
use core::fmt;
use crc32c::{crc32c, crc32c_append};

/// Bytes of the file header.
pub const HEADER_LENGTH: usize = 32;
/// Bytes of a frame before its payload.
pub const FRAME_HEADER_LENGTH: usize = 36;

/// Where the salt stands in a frame header.
pub(super) const SALT_OFFSET: usize = 4;
/// Bytes of a salt.
pub(super) const SALT_LENGTH: usize = 16;

/// The first byte is not ASCII, so that no text file begins like this.
const MAGIC: [u8; 8] = *b"\x8bbuilder";
const VERSION: u32 = 1;

/// Random bytes that mark every frame of one log file.
///
/// Jobs choose bytes that end up in the log. As they cannot know the salt, they cannot make a payload that
/// looks like a frame. Each new file needs a fresh one, so that frames of older files never count either.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Salt(pub [u8; SALT_LENGTH]);

/// Where a log stands: what the next frame has to continue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    pub(super) salt: Salt,
    /// Number of the last frame; 0 right after the file header.
    pub(super) sequence: u64,
    /// CRC32C of the last frame, or of the file header.
    pub(super) checksum: u32,
}

/// One frame in the making: room for its header, then the payload, so that one write takes it all.
#[derive(Clone, Debug)]
pub struct Frame {
    bytes: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct FrameHeader {
    pub(super) length: u32,
    pub(super) salt: Salt,
    pub(super) sequence: u64,
    pub(super) previous: u32,
    pub(super) checksum: u32,
}

/// What the first bytes of a file are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileHeader {
    Good(Position),
    UnknownVersion(u32),
    /// Not as it was written; the salt may still be right.
    Bad(Salt),
}

/// What some bytes are, taken as the beginning of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inspection {
    /// It takes more bytes to tell.
    Incomplete,
    /// No frame of this log.
    Unsound,
    /// A frame of this log, by length, salt and CRC. Whether it is the one that belongs here is another question.
    Sound(FrameHeader),
}

impl fmt::Debug for Salt {
    /// Keeps the salt out of messages: who knows it can make payloads that look like frames.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Salt(..)")
    }
}

impl Position {
    /// The position right after the header of a file with this salt, and that header.
    pub fn start(salt: Salt) -> (Position, [u8; HEADER_LENGTH]) {
        let unsigned: [u8; HEADER_LENGTH - 4] = join(&[&MAGIC, &VERSION.to_be_bytes(), &salt.0]);
        let checksum = crc32c(&unsigned);
        (Position { salt, sequence: 0, checksum }, join(&[&unsigned, &checksum.to_be_bytes()]))
    }

    /// The salt of the file.
    pub fn salt(&self) -> Salt {
        self.salt
    }

    /// The position before `frame`, as far as `frame` tells.
    pub(super) fn before(frame: &FrameHeader) -> Position {
        Position { salt: frame.salt, sequence: frame.sequence.saturating_sub(1), checksum: frame.previous }
    }

    pub(super) fn after(frame: &FrameHeader) -> Position {
        Position { salt: frame.salt, sequence: frame.sequence, checksum: frame.checksum }
    }
}

impl FileHeader {
    pub(super) fn decode(bytes: &[u8; HEADER_LENGTH]) -> FileHeader {
        let mut rest = bytes.as_slice();
        let magic: [u8; 8] = take(&mut rest);
        let version = u32::from_be_bytes(take(&mut rest));
        let salt = Salt(take(&mut rest));
        let claimed = u32::from_be_bytes(take(&mut rest));
        let unsigned: [u8; HEADER_LENGTH - 4] = take(&mut bytes.as_slice());
        let checksum = crc32c(&unsigned);
        match (magic == MAGIC && claimed == checksum, version) {
            (true, VERSION) => FileHeader::Good(Position { salt, sequence: 0, checksum }),
            (true, _) => FileHeader::UnknownVersion(version),
            (false, _) => FileHeader::Bad(salt),
        }
    }
}

impl Frame {
    /// An empty frame.
    pub fn new() -> Frame {
        Frame { bytes: vec![0; FRAME_HEADER_LENGTH] }
    }

    /// Whether `length` more bytes fit below [`LOG_FRAME_BYTES`].
    pub fn has_room(&self, length: usize) -> bool {
        (self.payload_length() + length) as u64 <= LOG_FRAME_BYTES
    }

    /// Adds a record, for which there must be room.
    pub fn append(&mut self, record: &[u8]) {
        self.bytes.extend_from_slice(record);
    }

    /// Bytes of the payload so far.
    pub fn payload_length(&self) -> usize {
        self.bytes.len().saturating_sub(FRAME_HEADER_LENGTH)
    }

    /// The records in it.
    pub(super) fn payload(&self) -> &[u8] {
        self.bytes.get(FRAME_HEADER_LENGTH..).unwrap_or_default()
    }

    /// Writes the header that continues `position`. Gives the bytes of the whole frame and the position after it.
    pub fn seal(&mut self, position: Position) -> (&[u8], Position) {
        let Some((room, payload)) = self.bytes.split_first_chunk_mut::<FRAME_HEADER_LENGTH>() else {
            return (&[], position);
        };
        // It fits: `LOG_FRAME_BYTES` is below 4 GiB.
        let length = payload.len() as u32;
        let sequence = position.sequence + 1;
        let unsigned: [u8; FRAME_HEADER_LENGTH - 4] = join(&[
            &length.to_be_bytes(),
            &position.salt.0,
            &sequence.to_be_bytes(),
            &position.checksum.to_be_bytes(),
        ]);
        let checksum = crc32c_append(crc32c(&unsigned), payload);
        *room = join(&[&unsigned, &checksum.to_be_bytes()]);
        (&self.bytes, Position { salt: position.salt, sequence, checksum })
    }
}

impl Default for Frame {
    fn default() -> Frame {
        Frame::new()
    }
}

impl FrameHeader {
    pub(super) fn decode(bytes: &[u8; FRAME_HEADER_LENGTH]) -> FrameHeader {
        let mut rest = bytes.as_slice();
        FrameHeader {
            length: u32::from_be_bytes(take(&mut rest)),
            salt: Salt(take(&mut rest)),
            sequence: u64::from_be_bytes(take(&mut rest)),
            previous: u32::from_be_bytes(take(&mut rest)),
            checksum: u32::from_be_bytes(take(&mut rest)),
        }
    }

    /// Bytes of header and payload.
    pub(super) fn frame_length(&self) -> usize {
        FRAME_HEADER_LENGTH + self.length as usize
    }
}

/// Takes `bytes` as the beginning of a frame. An empty payload is never written, so it is unsound.
pub(super) fn inspect(bytes: &[u8], salt: Salt) -> Inspection {
    let Some(head) = bytes.first_chunk::<FRAME_HEADER_LENGTH>() else { return Inspection::Incomplete };
    let header = FrameHeader::decode(head);
    if header.salt != salt || header.length == 0 || u64::from(header.length) > LOG_FRAME_BYTES {
        return Inspection::Unsound;
    }
    let Some(payload) = bytes.get(FRAME_HEADER_LENGTH..header.frame_length()) else {
        return Inspection::Incomplete;
    };
    let unsigned: [u8; FRAME_HEADER_LENGTH - 4] = take(&mut head.as_slice());
    if crc32c_append(crc32c(&unsigned), payload) == header.checksum {
        Inspection::Sound(header)
    } else {
        Inspection::Unsound
    }
}

/// The payload of a frame that begins with these bytes, if it is a sound one of a file with this salt.
pub fn payload(bytes: &[u8], salt: Salt) -> Option<&[u8]> {
    match inspect(bytes, salt) {
        Inspection::Sound(header) => bytes.get(FRAME_HEADER_LENGTH..header.frame_length()),
        Inspection::Incomplete | Inspection::Unsound => None,
    }
}

/// The parts in a row; they have to be `N` bytes together.
fn join<const N: usize>(parts: &[&[u8]]) -> [u8; N] {
    debug_assert_eq!(parts.iter().map(|part| part.len()).sum::<usize>(), N);
    let mut joined = [0; N];
    for (to, from) in joined.iter_mut().zip(parts.iter().copied().flatten()) {
        *to = *from;
    }
    joined
}

/// The next `N` bytes, which the caller knows to be there.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((taken, after)) = rest.split_first_chunk::<N>() else {
        debug_assert!(false, "fewer than {N} bytes left");
        return [0; N];
    };
    *rest = after;
    *taken
}

#[cfg(test)]
mod tests {
    use super::*;

    const SALT: Salt = Salt(*b"sixteen bytes!!!");

    #[test]
    fn the_layout_is_what_the_module_says() {
        let (position, header) = Position::start(SALT);
        assert_eq!(&header[..12], b"\x8bbuilder\0\0\0\x01");
        assert_eq!(&header[12..28], &SALT.0);
        assert_eq!(header[28..], crc32c(&header[..28]).to_be_bytes());
        assert_eq!(FileHeader::decode(&header), FileHeader::Good(position));

        let mut frame = Frame::new();
        frame.append(b"pay");
        frame.append(b"load");
        let (bytes, after) = frame.seal(position);
        assert_eq!(&bytes[..4], [0, 0, 0, 7]);
        assert_eq!(&bytes[4..20], &SALT.0);
        assert_eq!(&bytes[20..28], [0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(bytes[28..32], header[28..]);
        assert_eq!(bytes[32..36], crc32c(&[&bytes[..32], b"payload"].concat()).to_be_bytes());
        assert_eq!(&bytes[36..], b"payload");
        let Inspection::Sound(header) = inspect(bytes, SALT) else { panic!("the frame is not sound") };
        assert_eq!(Position::before(&header), position);
        assert_eq!(Position::after(&header), after);
    }

    #[test]
    fn a_later_version_is_told_from_damage() {
        let mut header = Position::start(SALT).1;
        header[11] = 2;
        assert_eq!(FileHeader::decode(&header), FileHeader::Bad(SALT));
        let checksum = crc32c(&header[..28]).to_be_bytes();
        header[28..].copy_from_slice(&checksum);
        assert_eq!(FileHeader::decode(&header), FileHeader::UnknownVersion(2));
    }

    #[test]
    fn a_frame_has_room_up_to_its_limit() {
        let limit = usize::try_from(LOG_FRAME_BYTES).unwrap();
        let mut frame = Frame::new();
        assert!(frame.has_room(limit));
        assert!(!frame.has_room(limit + 1));
        frame.append(b"x");
        assert!(!frame.has_room(limit));
    }

    #[test]
    fn the_salt_does_not_show() {
        assert_eq!(format!("{SALT:?}"), "Salt(..)");
    }
}
