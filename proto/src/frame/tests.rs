use super::*;
use proptest::prelude::*;

const STREAMED: u8 = 0xa3;

/// An event that outlives the decoder; pieces of one streamed frame are put together.
#[derive(Clone, Debug, PartialEq)]
enum Seen {
    Frame(Vec<u8>),
    Streamed { length: u64, bytes: Vec<u8>, ended: bool },
}

fn drain(decoder: &mut FrameDecoder, mut input: &[u8], seen: &mut Vec<Seen>) -> Result<(), FrameError> {
    while let Some(event) = decoder.next(&mut input)? {
        match event {
            FrameEvent::Frame(payload) => seen.push(Seen::Frame(payload.to_vec())),
            FrameEvent::StreamStart { length } => {
                seen.push(Seen::Streamed { length, bytes: Vec::new(), ended: false });
            }
            FrameEvent::StreamBytes { bytes: piece, last } => {
                let Some(Seen::Streamed { bytes, ended, .. }) = seen.last_mut() else {
                    panic!("bytes of a stream that did not start")
                };
                assert!(!piece.is_empty() && !*ended);
                bytes.extend_from_slice(piece);
                *ended = last;
            }
        }
    }
    assert!(input.is_empty());
    Ok(())
}

fn frame(payload: &[u8]) -> Vec<u8> {
    let mut bytes = header(payload.len() as u64).to_vec();
    bytes.extend_from_slice(payload);
    bytes
}

fn streaming_decoder() -> FrameDecoder {
    let mut decoder = FrameDecoder::new(64);
    decoder.set_streamed_tag(Some(STREAMED));
    decoder.set_streamed_limit(1000);
    decoder
}

#[test]
fn a_frame_in_one_piece_is_borrowed_from_the_input() {
    let bytes = frame(b"payload");
    let mut decoder = FrameDecoder::new(64);
    let mut input = bytes.as_slice();
    let Ok(Some(FrameEvent::Frame(payload))) = decoder.next(&mut input) else { panic!("no frame") };
    assert_eq!(payload.as_ptr(), bytes[HEADER_LENGTH..].as_ptr());
    assert_eq!(decoder.buffer.capacity(), 0);
}

#[test]
fn memory_follows_what_arrived_and_is_given_back() {
    let length = 10 * KEPT_CAPACITY;
    let bytes = frame(&vec![1; length]);
    let mut decoder = FrameDecoder::new(length as u64);
    let mut seen = Vec::new();
    for (index, piece) in bytes.chunks(1000).enumerate() {
        drain(&mut decoder, piece, &mut seen).unwrap();
        assert!(decoder.buffer.capacity() <= (2 * 1000 * (index + 1)).min(length));
    }
    assert_eq!(seen, [Seen::Frame(vec![1; length])]);
    drain(&mut decoder, &frame(b"x"), &mut seen).unwrap();
    assert!(decoder.buffer.capacity() <= KEPT_CAPACITY);
}

#[test]
fn the_limit_is_exact_and_the_error_stays() {
    let mut decoder = FrameDecoder::new(3);
    let mut seen = Vec::new();
    drain(&mut decoder, &frame(b"abc"), &mut seen).unwrap();
    let error = FrameError::TooLong { length: 4, limit: 3 };
    assert_eq!(drain(&mut decoder, &frame(b"abcd"), &mut seen), Err(error));
    assert_eq!(drain(&mut decoder, &frame(b"abc"), &mut seen), Err(error));
    assert_eq!(drain(&mut decoder, b"", &mut seen), Err(error));
    assert_eq!(seen, [Seen::Frame(b"abc".to_vec())]);
}

#[test]
fn a_raised_limit_holds_from_the_next_frame() {
    let mut decoder = FrameDecoder::new(1);
    let bytes = [frame(b"a"), frame(b"bcd")].concat();
    let mut input = bytes.as_slice();
    assert_eq!(decoder.next(&mut input), Ok(Some(FrameEvent::Frame(b"a"))));
    decoder.set_limit(3);
    assert_eq!(decoder.next(&mut input), Ok(Some(FrameEvent::Frame(b"bcd"))));
}

#[test]
fn a_huge_length_is_refused_before_its_payload() {
    for length in [65, u64::from(u32::MAX), u64::MAX] {
        let mut decoder = FrameDecoder::new(64);
        let result = drain(&mut decoder, &header(length), &mut Vec::new());
        assert_eq!(result, Err(FrameError::TooLong { length, limit: 64 }));
    }
}

#[test]
fn an_empty_frame_is_an_error() {
    assert_eq!(drain(&mut FrameDecoder::new(64), &header(0), &mut Vec::new()), Err(FrameError::Empty));
}

#[test]
fn only_the_streamed_tag_may_exceed_the_limit_of_other_frames() {
    let mut long = vec![STREAMED; 65];
    let mut seen = Vec::new();
    drain(&mut streaming_decoder(), &frame(&long), &mut seen).unwrap();
    assert_eq!(seen, [Seen::Streamed { length: 65, bytes: long.clone(), ended: true }]);

    long[0] = 0xa4;
    let mut decoder = streaming_decoder();
    drain(&mut decoder, &header(65), &mut seen).unwrap();
    let error = FrameError::TooLong { length: 65, limit: 64 };
    assert_eq!(drain(&mut decoder, &long, &mut seen), Err(error));
    assert_eq!(drain(&mut decoder, &[STREAMED], &mut seen), Err(error));

    let result = drain(&mut streaming_decoder(), &header(1001), &mut seen);
    assert_eq!(result, Err(FrameError::TooLong { length: 1001, limit: 1000 }));
}

#[test]
fn a_streamed_limit_below_the_other_limit_holds() {
    let mut decoder = streaming_decoder();
    decoder.set_streamed_limit(2);
    let result = drain(&mut decoder, &frame(&[STREAMED; 3]), &mut Vec::new());
    assert_eq!(result, Err(FrameError::TooLong { length: 3, limit: 2 }));
}

#[test]
fn the_stream_may_end_only_between_frames() {
    let bytes = [frame(b"ab"), frame(&[STREAMED; 3])].concat();
    for end in 0..=bytes.len() {
        let mut decoder = streaming_decoder();
        drain(&mut decoder, &bytes[..end], &mut Vec::new()).unwrap();
        assert_eq!(decoder.is_between_frames(), [0, 10, bytes.len()].contains(&end), "{end}");
    }
}

proptest! {
    #[test]
    fn any_split_gives_the_same_frames(
        payloads in prop::collection::vec(prop::collection::vec(prop_oneof![Just(STREAMED), any::<u8>()], 1..64), 0..8),
        splits in prop::collection::vec(1usize..40, 1..20),
    ) {
        let bytes = payloads.iter().flat_map(|payload| frame(payload)).collect::<Vec<u8>>();
        let expected = payloads.iter().map(|payload| match payload[0] {
            STREAMED => Seen::Streamed { length: payload.len() as u64, bytes: payload.clone(), ended: true },
            _ => Seen::Frame(payload.clone()),
        }).collect::<Vec<Seen>>();

        let mut seen = Vec::new();
        let mut decoder = streaming_decoder();
        let mut rest = bytes.as_slice();
        for size in splits.iter().cycle() {
            let (piece, left) = rest.split_at((*size).min(rest.len()));
            drain(&mut decoder, piece, &mut seen).unwrap();
            rest = left;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(seen, expected);
        prop_assert!(decoder.is_between_frames());
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = drain(&mut streaming_decoder(), &bytes, &mut Vec::new());
    }
}
