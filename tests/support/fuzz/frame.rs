//! Frames: a stream cut anywhere gives the frames that a simple reader finds in the whole of it.

use super::choices::Choices;
use super::command;
use builder_proto::frame::{FrameDecoder, FrameError, FrameEvent, HEADER_LENGTH, header};

/// What is accepted.
#[derive(Clone, Copy, Debug)]
struct Limits {
    bytes: u64,
    streamed_tag: Option<u8>,
    streamed_bytes: u64,
}

/// What a stream brings; a streamed frame in one.
#[derive(Debug, PartialEq, Eq)]
enum Item {
    Frame(Vec<u8>),
    Streamed { length: u64, bytes: Vec<u8>, complete: bool },
    Error(FrameError),
}

/// Takes limits and cuts off the front of the input, and the rest for a stream.
pub fn run(input: &[u8]) {
    let mut choices = Choices::new(input);
    let limits = Limits {
        bytes: u64::from(choices.byte()),
        streamed_tag: choices.flag().then(|| choices.byte()),
        streamed_bytes: u64::from(choices.number()),
    };
    let cuts = choices.cuts();
    let stream = choices.rest();
    let mut decoder = FrameDecoder::new(limits.bytes);
    decoder.set_streamed_tag(limits.streamed_tag);
    decoder.set_streamed_limit(limits.streamed_bytes);
    let mut items = Vec::new();
    for piece in cuts.pieces(stream) {
        if !decode(&mut decoder, piece, &mut items) {
            break;
        }
        assert!(decoder.held() as u64 <= limits.bytes, "more is held than is accepted");
    }
    let (expected, between_frames) = read(stream, limits);
    assert_eq!(items, expected);
    assert_eq!(decoder.is_between_frames(), between_frames);
}

/// The messages of the vectors, all in one stream, and the longer ones streamed.
#[must_use]
pub fn seeds() -> Vec<Vec<u8>> {
    let payloads: Vec<_> =
        command::seeds().into_iter().filter(|payload| (1..200).contains(&payload.len())).collect();
    let streams = payloads.chunks(3).map(|payloads| {
        payloads.iter().flat_map(|payload| [&header(payload.len() as u64)[..], payload].concat()).collect()
    });
    let prefixes: [&[u8]; 3] =
        [b"\xff\0\0\0\0", b"\xff\x01\xa3\x40\0\x02\x01\x07", b"\x20\x01\xa4\0\x60\x01\x01"];
    streams
        .enumerate()
        .map(|(number, stream): (_, Vec<u8>)| [prefixes[number % 3], &stream].concat())
        .collect()
}

/// Pushes a piece; false after an error, which has to stay.
fn decode(decoder: &mut FrameDecoder, piece: &[u8], items: &mut Vec<Item>) -> bool {
    let mut input = piece;
    loop {
        match decoder.next(&mut input) {
            Ok(None) => {
                assert!(input.is_empty(), "bytes are left over");
                return true;
            }
            Ok(Some(FrameEvent::Frame(frame))) => items.push(Item::Frame(frame.to_vec())),
            Ok(Some(FrameEvent::StreamStart { length })) => {
                items.push(Item::Streamed { length, bytes: Vec::new(), complete: false });
            }
            Ok(Some(FrameEvent::StreamBytes { bytes: piece, last })) => {
                let Some(Item::Streamed { bytes, complete, .. }) = items.last_mut() else {
                    panic!("no stream has begun")
                };
                assert!(!piece.is_empty() && !*complete);
                bytes.extend_from_slice(piece);
                *complete = last;
            }
            Err(error) => {
                assert_eq!(decoder.next(&mut &b"\0\0\0\0\0\0\0\x01a"[..]), Err(error));
                items.push(Item::Error(error));
                return false;
            }
        }
    }
}

/// Reads the whole stream at once; also says whether it ends between two frames.
fn read(mut stream: &[u8], limits: Limits) -> (Vec<Item>, bool) {
    let mut items = Vec::new();
    while let Some((bytes, rest)) = stream.split_first_chunk::<HEADER_LENGTH>() {
        let length = u64::from_be_bytes(*bytes);
        let is_streamed = !rest.is_empty() && rest.first().copied() == limits.streamed_tag;
        let own_limit = if is_streamed { limits.streamed_bytes } else { limits.bytes };
        // What no frame may have is refused whatever comes behind the header.
        let any_limit = limits.streamed_tag.map_or(limits.bytes, |_| limits.bytes.max(limits.streamed_bytes));
        let exceeded =
            [any_limit, own_limit].into_iter().take(1 + rest.len().min(1)).find(|limit| length > *limit);
        let error = match exceeded {
            _ if length == 0 => Some(FrameError::Empty),
            exceeded => exceeded.map(|limit| FrameError::TooLong { length, limit }),
        };
        if let Some(error) = error {
            items.push(Item::Error(error));
            return (items, false);
        }
        let (payload, behind) = rest.split_at(rest.len().min(length as usize));
        let complete = payload.len() as u64 == length;
        match is_streamed {
            true => items.push(Item::Streamed { length, bytes: payload.to_vec(), complete }),
            false if complete => items.push(Item::Frame(payload.to_vec())),
            false => {}
        }
        if !complete {
            return (items, false);
        }
        stream = behind;
    }
    (items, stream.is_empty())
}
